/* weir-shm: the segment as an array for BPF programs. See place.h.
 *
 * One value holds all of it where the map is made here, so that a program finds anything by one look-up and an offset; in a map of
 * another's making values are whole pages, one behind the other. Invariant: a map is written to only where no process that lives
 * writes into it. */
#define _GNU_SOURCE
#include "bpf.h"
#include "owner.h"
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static const uint32_t bpffs = 0xcafe4a11;
enum { MAP_DEFAULT = 4 << 20, MAP_LEAST = 1 << 20, MAP_MOST = 1 << 30, PAGE = 4096 };

static int make(uint64_t bytes)
{
	uint32_t type = 0;
	int btf = weir__btf_load((uint32_t)bytes, &type), fd = weir__bpf_create((uint32_t)bytes, 1, btf, type);

	if (fd < 0 && btf >= 0) /* a kernel that takes no such type has the map all the same */
		fd = weir__bpf_create((uint32_t)bytes, 1, -1, 0);
	if (fd < 0 && errno == E2BIG) /* before Linux 5.16 a value has 4 MiB at most */
		fd = weir__bpf_create(PAGE, (uint32_t)(bytes / PAGE), -1, 0);
	if (btf >= 0) {
		int saved = errno;

		close(btf);
		errno = saved;
	}
	return fd;
}

/* Whether a process that lives writes into this memory: then it is not ours. */
static bool is_written(const void *memory, uint64_t bytes)
{
	return weir_segment_header_fault(memory, bytes) == WEIR_SEGMENT_FINE && !weir__owner_is_dead(memory);
}

/* By a raw call, as src/home.c does and says why. */
static void *map_file(uint64_t bytes, int protection, int fd)
{
	long memory = syscall(SYS_mmap, 0L, bytes, (long)protection, (long)MAP_SHARED, (long)fd, 0L);

	return memory != -1 ? (void *)(uintptr_t)memory : MAP_FAILED;
}

static int take_over(struct weir__place *place, int given)
{
	struct weir__bpf_array array;
	const char *why = weir__bpf_fault(given, &array);
	void *memory;

	if (why != NULL)
		return weir__place_refuse(place, WEIR_EINVAL, why, 0);
	place->bytes = (uint64_t)array.value_bytes * array.entries;
	memory = map_file(place->bytes, PROT_READ | PROT_WRITE, given);
	if (memory == MAP_FAILED)
		return weir__place_refuse(place, WEIR_EIO, "the map is not ours to write", errno);
	if (is_written(memory, place->bytes)) {
		munmap(memory, place->bytes);
		return weir__place_refuse(place, WEIR_ECONFLICT, "another process writes into the map", 0);
	}
	memset(memory, 0, place->bytes);
	munmap(memory, place->bytes);
	place->theirs = true;
	return WEIR_OK;
}

/* What a dead process has left under this name goes; else why it stays. */
static const char *remove_pin(const char *path)
{
	int fd = weir__bpf_get(path);
	struct weir__bpf_array array;
	const char *why = "another thing is pinned there";
	struct stat is;

	if (fd >= 0 && weir__bpf_fault(fd, &array) == NULL) {
		uint64_t bytes = (uint64_t)array.value_bytes * array.entries;
		void *memory = map_file(bytes, PROT_READ, fd);

		if (memory != MAP_FAILED && weir_segment_header_fault(memory, bytes) == WEIR_SEGMENT_FINE)
			why = is_written(memory, bytes) ? "the map of a process that lives is pinned there" : NULL;
		if (memory != MAP_FAILED)
			munmap(memory, bytes);
	}
	if (fd >= 0)
		close(fd);
	if (why == NULL && (lstat(path, &is) != 0 || is.st_uid != geteuid() || unlink(path) != 0))
		why = "a dead process' map is pinned there, and is not ours to remove";
	return why;
}

/* Before a map is made: whether it can be pinned. */
static int look_at_pin(struct weir__place *place, const char *pin)
{
	struct statfs system;
	struct stat is;
	const char *why;
	char *slash;

	if (strlen(pin) >= sizeof place->path)
		return weir__place_refuse(place, WEIR_EINVAL, "the pin's path is too long", 0);
	if (lstat(pin, &is) == 0) {
		why = remove_pin(pin);
		if (why != NULL)
			return weir__place_refuse(place, WEIR_ECONFLICT, why, 0);
	}
	strcpy(place->path, pin);
	slash = strrchr(place->path, '/');
	if (slash == NULL)
		strcpy(place->path, ".");
	else
		slash[slash == place->path] = '\0';
	if (statfs(place->path, &system) != 0)
		return weir__place_refuse(place, WEIR_EIO, "the pin's folder", errno);
	if ((uint32_t)system.f_type != bpffs)
		return weir__place_refuse(place, WEIR_EINVAL, "the pin's folder is on no bpffs", 0);
	if (faccessat(AT_FDCWD, place->path, W_OK | X_OK, AT_EACCESS) != 0)
		return weir__place_refuse(place, WEIR_EIO, "the pin's folder", errno);
	place->path[0] = '\0';
	return WEIR_OK;
}

int weir__map_make(struct weir__place *place, const struct weir_shm_options *o)
{
	uint64_t bytes = o->map_bytes != 0 ? (o->map_bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1) : MAP_DEFAULT;
	int fd;

	if ((o->map != NULL) + (o->map_fd != 0) + (o->pin != NULL) > 1)
		return weir__place_refuse(place, WEIR_EINVAL, "one of pin, map and map_fd", 0);
	if (bytes < MAP_LEAST || bytes > MAP_MOST)
		return weir__place_refuse(place, WEIR_EINVAL, "a map has 1 MiB to 1 GiB", 0);
	if (o->pin != NULL) {
		int error = look_at_pin(place, o->pin);

		if (error != WEIR_OK)
			return error;
	}
	place->whole = true;
	place->bytes = bytes;
	if (o->map_fd != 0)
		fd = fcntl(o->map_fd, F_DUPFD_CLOEXEC, 3);
	else
		fd = weir__place_above(o->map != NULL ? weir__bpf_get(o->map) : make(bytes));
	place->fd = fd;
	if (fd < 0)
		return weir__place_refuse(place, errno == ENOMEM ? WEIR_ENOMEM : WEIR_EIO, o->map != NULL ? o->map : "bpf(2) makes no map",
		                          errno);
	if (o->map != NULL)
		snprintf(place->path, sizeof place->path, "%s", o->map);
	return o->map != NULL || o->map_fd != 0 ? take_over(place, fd) : WEIR_OK;
}

int weir__map_name(struct weir__place *place, const struct weir_shm_options *o)
{
	if (o->pin == NULL)
		return WEIR_OK;
	if (weir__bpf_pin(place->fd, o->pin) != 0)
		return weir__place_refuse(place, errno == EEXIST ? WEIR_ECONFLICT : WEIR_EIO, "the pin", errno);
	strcpy(place->path, o->pin);
	weir__place_seen(place, AT_FDCWD, o->pin);
	if ((o->group != 0 && lchown(o->pin, (uid_t)-1, o->group) != 0) || (o->mode != 0 && chmod(o->pin, o->mode) != 0))
		return weir__place_refuse(place, WEIR_EIO, "the pin's permissions", errno);
	return WEIR_OK;
}
