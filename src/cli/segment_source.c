/* weir, the command: files and arrays as sources. See segment_source.h. No data of its own. */
#define _GNU_SOURCE
#include "segment_source.h"

#include <weir/abi/segment_read.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { VALUE_MOST = 1 << 30 };
static const uint32_t bpffs = 0xcafe4a11;

static long bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int open_pinned(const char *path)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof attr);
	attr.pathname = (uintptr_t)path;
	fd = bpf(BPF_OBJ_GET, &attr);
	if (fd < 0 && errno == EACCES) { /* who may only read looks its values up */
		attr.file_flags = BPF_F_RDONLY;
		fd = bpf(BPF_OBJ_GET, &attr);
	}
	return (int)fd;
}

/* Of another process, by its number and ours for it: what ptrace's rules allow. */
static int take_over(const char *path)
{
	int pid, number, process, fd = -1, end = 0;
	char target[32];
	ssize_t len = readlink(path, target, sizeof target);

	if (len != (ssize_t)strlen("anon_inode:bpf-map") || memcmp(target, "anon_inode:bpf-map", (size_t)len) != 0 ||
	    (sscanf(path, "/proc/%d/fd/%d%n", &pid, &number, &end) != 2 && sscanf(path, "/proc/%*d/task/%d/fd/%d%n", &pid, &number, &end) != 2) ||
	    path[end] != '\0')
		return -1;
	process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process >= 0) {
		int saved;

		fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);
		saved = errno;
		close(process);
		errno = saved;
	}
	return fd;
}

bool segment_is_bpffs(const char *path)
{
	struct statfs system;

	return statfs(path, &system) == 0 && (uint32_t)system.f_type == bpffs;
}

int segment_open_path(const char *path)
{
	int fd = take_over(path);

	if (fd >= 0)
		return fd;
	if (segment_is_bpffs(path))
		return open_pinned(path);
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static bool fail(struct segment_source *source, const char *why)
{
	source->why = why;
	return false;
}

static bool open_array(struct segment_source *source)
{
	const char *const foreign = weir_segment_fault_text(WEIR_SEGMENT_FOREIGN);
	struct bpf_map_info info;
	union bpf_attr attr;
	uint32_t key;

	memset(&attr, 0, sizeof attr);
	attr.map_fd = (uint32_t)source->fd;
	attr.next_key = (uintptr_t)&key;
	if (bpf(BPF_MAP_GET_NEXT_KEY, &attr) != 0) /* it is no map: a program would answer the next question, too */
		return fail(source, foreign);
	memset(&attr, 0, sizeof attr);
	memset(&info, 0, sizeof info);
	attr.info.bpf_fd = (uint32_t)source->fd;
	attr.info.info_len = sizeof info;
	attr.info.info = (uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) != 0)
		return fail(source, strerror(errno));
	if (info.type != BPF_MAP_TYPE_ARRAY || info.key_size != 4 || info.value_size % WEIR_SEGMENT_PAGE != 0 || info.value_size > VALUE_MOST)
		return fail(source, foreign);
	source->home = "map";
	source->value_bytes = info.value_size;
	source->bytes = source->stored_bytes = (uint64_t)info.value_size * info.max_entries;
	source->device = (dev_t)-1;
	source->inode = info.id;
	source->map = mmap(NULL, source->bytes, PROT_READ, MAP_SHARED, source->fd, 0);
	if (source->map != MAP_FAILED)
		return true;
	source->map = NULL;
	source->value = malloc(source->value_bytes);
	return source->value != NULL || fail(source, "there is no memory for it");
}

bool segment_source_open(struct segment_source *source, int fd)
{
	char path[32], target[16] = "";
	struct stat is;

	*source = (struct segment_source){.fd = fd, .home = "file"};
	if (fstat(fd, &is) != 0)
		return fail(source, strerror(errno));
	if ((is.st_mode & S_IFMT) == 0) /* no file of a file system's */
		return open_array(source);
	if (!S_ISREG(is.st_mode))
		return fail(source, weir_segment_fault_text(WEIR_SEGMENT_FOREIGN));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof target) > 7 && memcmp(target, "/memfd:", 7) == 0)
		source->home = "memfd";
	source->bytes = (uint64_t)is.st_size;
	source->stored_bytes = (uint64_t)is.st_blocks * 512;
	source->device = is.st_dev;
	source->inode = is.st_ino;
	return true;
}

static bool read_file(struct segment_source *source, char *to, size_t len, uint64_t offset)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = pread(source->fd, to + got, len - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(source, strerror(errno));
		if (n == 0)
			return fail(source, weir_segment_fault_text(WEIR_SEGMENT_SHORT));
		got += (size_t)n;
	}
	return true;
}

static bool look_up(struct segment_source *source, char *to, size_t len, uint64_t offset)
{
	while (len != 0) {
		uint32_t key = (uint32_t)(offset / source->value_bytes), at = (uint32_t)(offset % source->value_bytes);
		size_t now = len < source->value_bytes - at ? len : source->value_bytes - at;
		union bpf_attr attr;

		memset(&attr, 0, sizeof attr);
		attr.map_fd = (uint32_t)source->fd;
		attr.key = (uintptr_t)&key;
		attr.value = (uintptr_t)source->value;
		if (bpf(BPF_MAP_LOOKUP_ELEM, &attr) != 0)
			return fail(source, strerror(errno));
		memcpy(to, source->value + at, now);
		to += now;
		len -= now;
		offset += now;
	}
	return true;
}

bool segment_source_read(struct segment_source *source, void *to, size_t len, uint64_t offset)
{
	const uint64_t *from;

	if (source->value_bytes == 0)
		return read_file(source, to, len, offset);
	if (len > source->bytes || offset > source->bytes - len)
		return fail(source, weir_segment_fault_text(WEIR_SEGMENT_SHORT));
	if (source->map == NULL)
		return look_up(source, to, len, offset);
	from = (const uint64_t *)(const void *)(source->map + offset);
	if (len % 8 != 0 || offset % 8 != 0) {
		memcpy(to, source->map + offset, len);
		return true;
	}
	for (size_t i = 0; i < len / 8; i++) { /* words whole: their writer lives */
		uint64_t word = __atomic_load_n(&from[i], __ATOMIC_RELAXED);

		memcpy((char *)to + i * 8, &word, 8);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* what is read next is no older */
	return true;
}

void segment_source_close(struct segment_source *source)
{
	if (source->map != NULL)
		munmap(source->map, source->bytes);
	free(source->value);
	source->map = source->value = NULL;
}
