/* L2: the one segment: its memory, its pages, its directory. See segment.h. Writer of all data here: the holder of the core
 * lock; the published words have readers in other processes, and each is stored with release after what it covers. */
#define _GNU_SOURCE
#include "segment.h"

#include "atomic.h"
#include "pages.h"
#include "port.h"
#include "segment_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

enum { SMALLEST = 1 << 20, OPEN_AT_FIRST = 64, BLOCKS_MAX = 65536 };

struct weir__segment_state weir__seg;

static struct weir_segment_header *header(void)
{
	return (struct weir_segment_header *)(void *)weir__seg.base;
}

struct weir_segment_header *weir__segment_header(void)
{
	return header();
}

/* The host may have closed the descriptor, and opened another under its number. */
bool weir__segment_still_ours(void)
{
	struct stat now;

	return weir__seg.fd >= 0 && fstat(weir__seg.fd, &now) == 0 && now.st_ino == weir__seg.inode && now.st_dev == weir__seg.device;
}

/* True when the page may be written without a fault that kills: a full tmpfs is told here. */
static bool populate(uint32_t page)
{
	uint8_t *at = weir__seg.base + (size_t)page * WEIR_SEGMENT_PAGE;
	int saved = errno;
	bool done = weir__seg.whole || madvise(at, WEIR_SEGMENT_PAGE, MADV_POPULATE_WRITE) == 0;

	if (!done && errno == EINVAL) { /* before Linux 5.14 */
		if (!weir__segment_still_ours()) /* private, as any other memory; or closed by the host: it comes as it is touched */
			done = true;
		else
			done = fallocate(weir__seg.fd, 0, (off_t)page * WEIR_SEGMENT_PAGE, WEIR_SEGMENT_PAGE) == 0;
	}
	if (done)
		weir__store_relaxed(&weir__seg.bytes_in_use, weir__seg.bytes_in_use + WEIR_SEGMENT_PAGE);
	errno = saved;
	return done;
}

static int memfd(void)
{
	int fd = (int)syscall(SYS_memfd_create, "weir", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = (int)syscall(SYS_memfd_create, "weir", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && fd <= 2) { /* a daemon closed these, and will open its own there */
		int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3);

		close(fd);
		fd = higher;
	}
	return fd;
}

/* A limited address space is the host's: an eighth of it at most. */
static uint64_t reserve_bytes(void)
{
	uint64_t bytes = weir__seg.capacity_wanted != 0 ? weir__seg.capacity_wanted : UINT64_C(1) << 30;
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		while (bytes > limit.rlim_cur / 8 && bytes / 2 >= SMALLEST)
			bytes /= 2;
	return bytes;
}

/* PROT_NONE memory; NULL: refused. What fits only just is not taken, since threads' tables need room too: *refused tells
 * that a larger one was refused, and this one, which fits, is let go once. */
static void *reserve_memory(uint64_t bytes, int fd, bool *refused)
{
	void *memory = mmap(NULL, bytes, PROT_NONE, (fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS) | MAP_NORESERVE, fd, 0);

	if (memory == MAP_FAILED) {
		*refused = true;
		return NULL;
	}
	if (*refused && bytes / 2 >= SMALLEST) {
		munmap(memory, bytes);
		*refused = false;
		return NULL;
	}
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	return memory;
}

/* The memory: as much as asked, halved while refused. */
static bool reserve(void)
{
	uint64_t bytes = reserve_bytes();
	bool refused = false;
	struct rlimit limit;
	int fd = memfd();

	if (fd >= 0 && getrlimit(RLIMIT_FSIZE, &limit) == 0) /* past it ftruncate raises SIGXFSZ, blocked or not: once unblocked, it kills */
		while (bytes > limit.rlim_cur && bytes >= SMALLEST)
			bytes /= 2;
	for (; bytes >= SMALLEST; bytes /= 2) {
		void *memory;

		if (fd >= 0 && ftruncate(fd, (off_t)bytes) != 0)
			continue;
		memory = reserve_memory(bytes, fd, &refused);
		if (memory == NULL)
			continue;
		weir__seg.base = memory;
		weir__seg.pages = (uint32_t)(bytes / WEIR_SEGMENT_PAGE);
		break;
	}
	if (weir__seg.base != NULL && fd >= 0) {
		struct stat made;

		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
		weir__seg.fd = fd;
		if (fstat(fd, &made) == 0) {
			weir__seg.inode = made.st_ino;
			weir__seg.device = made.st_dev;
		}
		weir__store_release(&weir__seg.home, "memfd");
	} else if (fd >= 0) { /* no room even for the smallest: private memory is tried */
		close(fd);
	}
	return weir__seg.base != NULL;
}

static bool reserve_private(const char *why)
{
	uint64_t bytes = reserve_bytes();
	bool refused = false;

	for (; weir__seg.base == NULL && bytes >= SMALLEST; bytes /= 2) {
		void *memory = reserve_memory(bytes, -1, &refused);

		if (memory == NULL)
			continue;
		weir__seg.base = memory;
		weir__seg.pages = (uint32_t)(bytes / WEIR_SEGMENT_PAGE);
	}
	weir__seg.fd = -1;
	if (weir__seg.base != NULL)
		weir__store_release(&weir__seg.home, why);
	return weir__seg.base != NULL;
}

/* Pages become writable in doubling steps, so that there are few mappings and few calls. */
static bool open_to(uint32_t pages)
{
	uint32_t to = weir__seg.opened;

	if (pages <= weir__seg.opened)
		return true;
	while (to < pages)
		to = to * 2 + OPEN_AT_FIRST;
	if (to > weir__seg.directory)
		to = weir__seg.directory;
	if (to < pages || !weir__make_writable(weir__seg.base, (size_t)to * WEIR_SEGMENT_PAGE))
		return false;
	weir__seg.opened = to;
	return true;
}

static bool area_page(uint32_t *populated, uint32_t area, uint32_t entry_bytes, uint32_t entry)
{
	uint32_t want = entry * entry_bytes / WEIR_SEGMENT_PAGE + 1;

	for (; *populated < want; ++*populated)
		if (!populate(area + *populated))
			return false;
	return true;
}

bool weir__segment_list(uint32_t page, enum weir_page_type type, uint32_t owner, uint32_t number, uint32_t next)
{
	struct weir_segment_entry *entry;

	if (!area_page(&weir__seg.populated_directory, weir__seg.directory, sizeof *entry, page))
		return false;
	entry = (struct weir_segment_entry *)(void *)(weir__seg.base + (size_t)weir__seg.directory * WEIR_SEGMENT_PAGE) + page;
	entry->owner = owner;
	entry->number = number;
	entry->next = next;
	weir__store_release(&entry->type, (uint32_t)type);
	if (page >= header()->pages_used)
		weir__store_release(&header()->pages_used, page + 1);
	return true;
}

static uint32_t area_pages(uint32_t entries, size_t entry_bytes)
{
	return (uint32_t)((entries * entry_bytes + WEIR_SEGMENT_PAGE - 1) / WEIR_SEGMENT_PAGE);
}

/* Where the areas of so many pages begin: the first page that is not handed out. */
uint32_t weir__segment_areas(uint32_t pages, uint32_t *blocks_count, uint32_t *blocks)
{
	*blocks_count = pages < BLOCKS_MAX ? pages : BLOCKS_MAX;
	*blocks = pages - area_pages(*blocks_count, sizeof(struct weir_segment_block));
	return *blocks - area_pages(pages, sizeof(struct weir_segment_entry));
}

void weir__segment_place_areas(void)
{
	struct weir_segment_header *h = header();

	h->pages = weir__seg.pages;
	h->total_bytes = (uint64_t)weir__seg.pages * WEIR_SEGMENT_PAGE;
	h->areas[0] = (struct weir_segment_area){WEIR_PAGE_DIRECTORY, sizeof(struct weir_segment_entry),
	                                         (uint64_t)weir__seg.directory * WEIR_SEGMENT_PAGE, weir__seg.pages};
	h->areas[1].type = WEIR_PAGE_BLOCKS; /* its count grows as it is populated */
	h->areas[1].entry_bytes = sizeof(struct weir_segment_block);
	h->areas[1].offset = (uint64_t)weir__seg.blocks * WEIR_SEGMENT_PAGE;
}

static bool write_header(void)
{
	struct weir_segment_header *h;

	weir__seg.directory = weir__segment_areas(weir__seg.pages, &weir__seg.blocks_count, &weir__seg.blocks);
	weir__seg.used = 1;
	if (!open_to(1) || !populate(0) || !weir__make_writable(weir__seg.base + (size_t)weir__seg.directory * WEIR_SEGMENT_PAGE,
	                                                        (size_t)(weir__seg.pages - weir__seg.directory) * WEIR_SEGMENT_PAGE))
		return false;
	h = header();
	h->major = WEIR_SEGMENT_MAJOR;
	h->minor = WEIR_SEGMENT_MINOR;
	h->endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 2;
	h->pointer_bytes = sizeof(void *);
	h->header_bytes = sizeof *h;
	h->page_bytes = WEIR_SEGMENT_PAGE;
	h->pid = (uint32_t)weir__pid();
	h->areas_count = 2;
	weir__segment_place_areas();
	memcpy(h->magic, WEIR_SEGMENT_MAGIC, sizeof h->magic);
	h->accessible = 1;
	if (!weir__segment_list(0, WEIR_PAGE_HEADER, 0, 0, 0))
		return false;
	weir__segment_begin();
	return true;
}

void weir__segment_begin(void)
{
	uint64_t generation = weir__wall_ns() | 1;

	weir__store_release(&header()->generation_begin, generation);
	weir__store_release(&header()->generation_end, generation);
}

bool weir__segment_open(void)
{
	static uint64_t refused_until; /* memory that is at its end is not asked for at each record */
	int saved = errno;

	if (weir__seg.base != NULL)
		return true;
	if (refused_until != 0 && weir__clock_ns() < refused_until)
		return false;
	weir__seg.fd = -1;
	if (!reserve()) /* memfd() failing falls through to anonymous memory there */
		reserve_private("private: no memfd had room");
	else if (weir__seg.fd < 0)
		weir__store_release(&weir__seg.home, "private: memfd_create was refused");
	if (weir__seg.base != NULL && !write_header()) {
		munmap(weir__seg.base, (size_t)weir__seg.pages * WEIR_SEGMENT_PAGE);
		if (weir__seg.fd >= 0)
			close(weir__seg.fd);
		weir__seg.base = NULL;
		weir__store_release(&weir__seg.home, (const char *)NULL);
		weir__seg.opened = weir__seg.populated_directory = weir__seg.populated_blocks = 0;
		weir__store_relaxed(&weir__seg.bytes_in_use, 0);
	}
	refused_until = weir__seg.base == NULL ? weir__clock_ns() + UINT64_C(1000000000) : 0;
	errno = saved;
	return weir__seg.base != NULL;
}

bool weir__segment_is_open(void)
{
	return weir__seg.base != NULL;
}

void weir__segment_capacity(uint64_t bytes)
{
	if (bytes > UINT64_C(1) << 32)
		bytes = UINT64_C(1) << 32; /* offsets are 32 bits wide */
	weir__seg.capacity_wanted = bytes < SMALLEST ? SMALLEST : bytes & ~(uint64_t)(WEIR_SEGMENT_PAGE - 1);
}

void *weir__segment_page(uint32_t *page)
{
	if (!weir__segment_open() || weir__seg.used >= weir__seg.directory || !open_to(weir__seg.used + 1) || !populate(weir__seg.used))
		return NULL;
	*page = weir__seg.used++;
	return weir__seg.base + (size_t)*page * WEIR_SEGMENT_PAGE;
}

struct weir_segment_block *weir__segment_index(uint32_t block)
{
	const uint32_t bytes = sizeof(struct weir_segment_block);

	if (weir__seg.base == NULL || block >= weir__seg.blocks_count ||
	    !area_page(&weir__seg.populated_blocks, weir__seg.blocks, bytes, block))
		return NULL;
	weir__store_release(&header()->areas[1].count, (uint64_t)weir__seg.populated_blocks * (WEIR_SEGMENT_PAGE / bytes));
	return (struct weir_segment_block *)(void *)(weir__seg.base + (size_t)weir__seg.blocks * WEIR_SEGMENT_PAGE) + block;
}

void weir__segment_publish_cells(uint32_t page, enum weir_page_type type, uint32_t owner, uint32_t block)
{
	struct weir_segment_block *index = weir__segment_index(block);

	/* A page that cannot be listed still counts here: only readers outside miss it. */
	if (index != NULL && weir__segment_list(page, type, owner, block, index->first))
		weir__store_release(&index->first, page);
}

uint32_t weir__segment_record(const void *record, uint32_t bytes)
{
	uint8_t *to;

	if (bytes > WEIR_SEGMENT_PAGE)
		return 0;
	if (weir__seg.descriptors == 0 || weir__seg.descriptors_used + bytes > WEIR_SEGMENT_PAGE) {
		uint32_t fresh;

		if (weir__segment_page(&fresh) == NULL || !weir__segment_list(fresh, WEIR_PAGE_DESCRIPTORS, 0, 0, 0))
			return 0;
		weir__seg.descriptors = fresh;
		weir__seg.descriptors_used = 0;
	}
	to = weir__seg.base + (size_t)weir__seg.descriptors * WEIR_SEGMENT_PAGE + weir__seg.descriptors_used;
	memcpy(to + 4, (const uint8_t *)record + 4, bytes - 4);
	weir__store_release((uint32_t *)(void *)to, bytes);
	weir__seg.descriptors_used += bytes;
	weir__store_release(&header()->structure_epoch, header()->structure_epoch + 1);
	return (uint32_t)(to - weir__seg.base);
}

void weir__segment_heartbeat(uint64_t now_ns, uint64_t dropped, uint64_t overflowed)
{
	if (weir__seg.base == NULL)
		return;
	weir__store_relaxed(&header()->records_dropped, dropped);
	weir__store_relaxed(&header()->records_overflowed, overflowed);
	weir__store_release(&header()->heartbeat_ns, now_ns);
}

void weir__segment_owner(uint64_t start_time, const uint8_t boot_id[16])
{
	if (weir__seg.base == NULL)
		return;
	memcpy(header()->boot_id, boot_id, 16);
	weir__store_release(&header()->start_time, start_time);
}

void weir__segment_forget(void)
{
	static struct {
		void *base;
		size_t bytes;
	} former; /* what lies over the segment of this process' parent; that of its parent goes */
	uint64_t capacity;
	size_t open;
	int saved = errno;

	if (weir__seg.base == NULL)
		return;
	/* What was never open was never handed out: it goes. The rest counts against the child's limits, so it is no more. */
	open = (size_t)weir__seg.opened * WEIR_SEGMENT_PAGE;
	mmap(weir__seg.base, open, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	madvise(weir__seg.base, open, MADV_NOHUGEPAGE);
	if (weir__seg.pages > weir__seg.opened)
		munmap(weir__seg.base + open, (size_t)weir__seg.pages * WEIR_SEGMENT_PAGE - open);
	if (former.base != NULL)
		munmap(former.base, former.bytes);
	former.base = weir__seg.base;
	former.bytes = open;
	if (weir__segment_still_ours())
		close(weir__seg.fd);
	weir__segment_strings_forget();
	capacity = weir__seg.capacity_wanted;
	memset(&weir__seg, 0, sizeof weir__seg);
	weir__seg.capacity_wanted = capacity;
	weir__seg.fd = -1;
	errno = saved;
}

int weir__segment_descriptor(void)
{
	/* fd stands before home is told */
	return weir__load_acquire(&weir__seg.home) != NULL && weir__segment_still_ours() ? weir__seg.fd : -1;
}

const char *weir__segment_home(void)
{
	const char *home = weir__load_acquire(&weir__seg.home);

	return home != NULL ? home : "none yet";
}

uint64_t weir__segment_bytes(void)
{
	return weir__load_relaxed(&weir__seg.bytes_in_use);
}
