/* L2: the one segment: its memory, its pages, its directory. See segment.h. Writer of all data here: the holder of the core
 * lock; the published words have readers in other processes, and each is stored with release after what it covers. */
#define _GNU_SOURCE
#include "segment.h"

#include "atomic.h"
#include "pages.h"
#include "port.h"

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

static struct {
	uint8_t *base; /* readers: any thread after open, release by home */
	uint64_t capacity_wanted;
	uint32_t pages, used, opened; /* capacity; handed out; writable so far */
	uint32_t directory, blocks, first; /* page numbers: areas, and the first to hand out */
	uint32_t blocks_count, populated_directory, populated_blocks;
	int fd;
	ino_t inode;
	dev_t device;
	uint64_t generation;
	uint32_t descriptors, descriptors_used; /* the page being filled */
	const char *home; /* readers: any */
	uint64_t bytes_in_use; /* readers: any, relaxed */
} seg;

static struct weir_segment_header *header(void)
{
	return (struct weir_segment_header *)(void *)seg.base;
}

struct weir_segment_header *weir__segment_header(void)
{
	return header();
}

/* The host may have closed the descriptor, and opened another under its number. */
static bool still_ours(void)
{
	struct stat now;

	return seg.fd >= 0 && fstat(seg.fd, &now) == 0 && now.st_ino == seg.inode && now.st_dev == seg.device;
}

/* True when the page may be written without a fault that kills: a full tmpfs is told here. */
static bool populate(uint32_t page)
{
	uint8_t *at = seg.base + (size_t)page * WEIR_SEGMENT_PAGE;
	int saved = errno;
	bool done = madvise(at, WEIR_SEGMENT_PAGE, MADV_POPULATE_WRITE) == 0;

	if (!done && errno == EINVAL) { /* before Linux 5.14 */
		if (seg.fd < 0 || !still_ours()) /* private, as any other memory; or closed by the host: it comes as it is touched */
			done = true;
		else
			done = fallocate(seg.fd, 0, (off_t)page * WEIR_SEGMENT_PAGE, WEIR_SEGMENT_PAGE) == 0;
	}
	if (done)
		weir__store_relaxed(&seg.bytes_in_use, seg.bytes_in_use + WEIR_SEGMENT_PAGE);
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
	uint64_t bytes = seg.capacity_wanted != 0 ? seg.capacity_wanted : UINT64_C(1) << 30;
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
		seg.base = memory;
		seg.pages = (uint32_t)(bytes / WEIR_SEGMENT_PAGE);
		break;
	}
	if (seg.base != NULL && fd >= 0) {
		struct stat made;

		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
		seg.fd = fd;
		if (fstat(fd, &made) == 0) {
			seg.inode = made.st_ino;
			seg.device = made.st_dev;
		}
		weir__store_release(&seg.home, "memfd");
	} else if (fd >= 0) { /* no room even for the smallest: private memory is tried */
		close(fd);
	}
	return seg.base != NULL;
}

static bool reserve_private(const char *why)
{
	uint64_t bytes = reserve_bytes();
	bool refused = false;

	for (; seg.base == NULL && bytes >= SMALLEST; bytes /= 2) {
		void *memory = reserve_memory(bytes, -1, &refused);

		if (memory == NULL)
			continue;
		seg.base = memory;
		seg.pages = (uint32_t)(bytes / WEIR_SEGMENT_PAGE);
	}
	seg.fd = -1;
	if (seg.base != NULL)
		weir__store_release(&seg.home, why);
	return seg.base != NULL;
}

/* Pages become writable in doubling steps, so that there are few mappings and few calls. */
static bool open_to(uint32_t pages)
{
	uint32_t to = seg.opened;

	if (pages <= seg.opened)
		return true;
	while (to < pages)
		to = to * 2 + OPEN_AT_FIRST;
	if (to > seg.pages)
		to = seg.pages;
	if (to < pages || !weir__make_writable(seg.base, (size_t)to * WEIR_SEGMENT_PAGE))
		return false;
	seg.opened = to;
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

	if (!area_page(&seg.populated_directory, seg.directory, sizeof *entry, page))
		return false;
	entry = (struct weir_segment_entry *)(void *)(seg.base + (size_t)seg.directory * WEIR_SEGMENT_PAGE) + page;
	entry->owner = owner;
	entry->number = number;
	entry->next = next;
	weir__store_release(&entry->type, (uint32_t)type);
	if (page >= header()->pages_used)
		weir__store_release(&header()->pages_used, page + 1);
	return true;
}

static bool write_header(void)
{
	uint32_t directory_pages = (seg.pages * (uint32_t)sizeof(struct weir_segment_entry) + WEIR_SEGMENT_PAGE - 1) / WEIR_SEGMENT_PAGE;
	uint32_t blocks_pages;
	struct weir_segment_header *h;

	seg.blocks_count = seg.pages < BLOCKS_MAX ? seg.pages : BLOCKS_MAX;
	blocks_pages = (seg.blocks_count * (uint32_t)sizeof(struct weir_segment_block) + WEIR_SEGMENT_PAGE - 1) / WEIR_SEGMENT_PAGE;
	seg.directory = 1;
	seg.blocks = seg.directory + directory_pages;
	seg.first = seg.used = seg.blocks + blocks_pages;
	if (!open_to(seg.first) || !populate(0))
		return false;
	h = header();
	h->major = WEIR_SEGMENT_MAJOR;
	h->minor = WEIR_SEGMENT_MINOR;
	h->endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 2;
	h->pointer_bytes = sizeof(void *);
	h->header_bytes = sizeof *h;
	h->page_bytes = WEIR_SEGMENT_PAGE;
	h->pages = seg.pages;
	h->total_bytes = (uint64_t)seg.pages * WEIR_SEGMENT_PAGE;
	h->pid = (uint32_t)weir__pid();
	h->areas_count = 2;
	h->areas[0] = (struct weir_segment_area){WEIR_PAGE_DIRECTORY, sizeof(struct weir_segment_entry),
	                                         (uint64_t)seg.directory * WEIR_SEGMENT_PAGE, seg.pages};
	h->areas[1] = (struct weir_segment_area){WEIR_PAGE_BLOCKS, sizeof(struct weir_segment_block),
	                                         (uint64_t)seg.blocks * WEIR_SEGMENT_PAGE, 0}; /* grows as it is populated */
	memcpy(h->magic, WEIR_SEGMENT_MAGIC, sizeof h->magic);
	h->accessible = 1;
	if (!weir__segment_list(0, WEIR_PAGE_HEADER, 0, 0, 0))
		return false;
	seg.generation = weir__wall_ns() | 1;
	weir__store_release(&h->generation_begin, seg.generation);
	weir__store_release(&h->generation_end, seg.generation);
	return true;
}

bool weir__segment_open(void)
{
	static uint64_t refused_until; /* memory that is at its end is not asked for at each record */
	int saved = errno;

	if (seg.base != NULL)
		return true;
	if (refused_until != 0 && weir__clock_ns() < refused_until)
		return false;
	seg.fd = -1;
	if (!reserve()) /* memfd() failing falls through to anonymous memory there */
		reserve_private("private: no memfd had room");
	else if (seg.fd < 0)
		weir__store_release(&seg.home, "private: memfd_create was refused");
	if (seg.base != NULL && !write_header()) {
		munmap(seg.base, (size_t)seg.pages * WEIR_SEGMENT_PAGE);
		if (seg.fd >= 0)
			close(seg.fd);
		seg.base = NULL;
		weir__store_release(&seg.home, (const char *)NULL);
		seg.opened = seg.populated_directory = seg.populated_blocks = 0;
		weir__store_relaxed(&seg.bytes_in_use, 0);
	}
	refused_until = seg.base == NULL ? weir__clock_ns() + UINT64_C(1000000000) : 0;
	errno = saved;
	return seg.base != NULL;
}

bool weir__segment_is_open(void)
{
	return seg.base != NULL;
}

void weir__segment_capacity(uint64_t bytes)
{
	if (bytes > UINT64_C(1) << 32)
		bytes = UINT64_C(1) << 32; /* offsets are 32 bits wide */
	seg.capacity_wanted = bytes < SMALLEST ? SMALLEST : bytes & ~(uint64_t)(WEIR_SEGMENT_PAGE - 1);
}

void *weir__segment_page(uint32_t *page)
{
	if (!weir__segment_open() || seg.used >= seg.pages || !open_to(seg.used + 1) || !populate(seg.used))
		return NULL;
	*page = seg.used++;
	return seg.base + (size_t)*page * WEIR_SEGMENT_PAGE;
}

struct weir_segment_block *weir__segment_index(uint32_t block)
{
	const uint32_t bytes = sizeof(struct weir_segment_block);

	if (seg.base == NULL || block >= seg.blocks_count || !area_page(&seg.populated_blocks, seg.blocks, bytes, block))
		return NULL;
	weir__store_release(&header()->areas[1].count, (uint64_t)seg.populated_blocks * (WEIR_SEGMENT_PAGE / bytes));
	return (struct weir_segment_block *)(void *)(seg.base + (size_t)seg.blocks * WEIR_SEGMENT_PAGE) + block;
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
	if (seg.descriptors == 0 || seg.descriptors_used + bytes > WEIR_SEGMENT_PAGE) {
		uint32_t fresh;

		if (weir__segment_page(&fresh) == NULL || !weir__segment_list(fresh, WEIR_PAGE_DESCRIPTORS, 0, 0, 0))
			return 0;
		seg.descriptors = fresh;
		seg.descriptors_used = 0;
	}
	to = seg.base + (size_t)seg.descriptors * WEIR_SEGMENT_PAGE + seg.descriptors_used;
	memcpy(to + 4, (const uint8_t *)record + 4, bytes - 4);
	weir__store_release((uint32_t *)(void *)to, bytes);
	seg.descriptors_used += bytes;
	weir__store_release(&header()->structure_epoch, header()->structure_epoch + 1);
	return (uint32_t)(to - seg.base);
}

void weir__segment_heartbeat(uint64_t now_ns, uint64_t dropped, uint64_t overflowed)
{
	if (seg.base == NULL)
		return;
	weir__store_relaxed(&header()->records_dropped, dropped);
	weir__store_relaxed(&header()->records_overflowed, overflowed);
	weir__store_release(&header()->heartbeat_ns, now_ns);
}

void weir__segment_owner(uint64_t start_time, const uint8_t boot_id[16])
{
	if (seg.base == NULL)
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

	if (seg.base == NULL)
		return;
	/* What was never open was never handed out: it goes. The rest counts against the child's limits, so it is no more. */
	open = (size_t)seg.opened * WEIR_SEGMENT_PAGE;
	mmap(seg.base, open, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	madvise(seg.base, open, MADV_NOHUGEPAGE);
	if (seg.pages > seg.opened)
		munmap(seg.base + open, (size_t)seg.pages * WEIR_SEGMENT_PAGE - open);
	if (former.base != NULL)
		munmap(former.base, former.bytes);
	former.base = seg.base;
	former.bytes = open;
	if (still_ours())
		close(seg.fd);
	weir__segment_strings_forget();
	capacity = seg.capacity_wanted;
	memset(&seg, 0, sizeof seg);
	seg.capacity_wanted = capacity;
	seg.fd = -1;
	errno = saved;
}

int weir__segment_descriptor(void)
{
	return weir__load_acquire(&seg.home) != NULL && still_ours() ? seg.fd : -1; /* fd stands before home is told */
}

const char *weir__segment_home(void)
{
	const char *home = weir__load_acquire(&seg.home);

	return home != NULL ? home : "none yet";
}

uint64_t weir__segment_bytes(void)
{
	return weir__load_relaxed(&seg.bytes_in_use);
}
