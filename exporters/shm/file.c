/* weir-shm: the segment as a file on a tmpfs. See place.h.
 *
 * Invariant: it has a name only once it is whole: it is made without one, and linked, which neither follows nor replaces what is
 * there. So what somebody else has put under that name is not touched. Who writes it holds a lock on it. */
#define _GNU_SOURCE
#include "owner.h"
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { TMPFS = 0x01021994, RAMFS = (int)0x858458f6, NAME_MOST = 64, TRIES = 8 };

static int open_folder(struct weir__place *place, const char *dir)
{
	struct statfs system;
	struct stat is;

	if (realpath(dir != NULL ? dir : "/dev/shm", place->path) == NULL)
		return weir__place_refuse(place, WEIR_EIO, "the folder", errno);
	place->dir = weir__place_above(open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
	if (place->dir < 0 || fstat(place->dir, &is) != 0 || fstatfs(place->dir, &system) != 0)
		return weir__place_refuse(place, WEIR_EIO, place->path, errno);
	if ((uint32_t)system.f_type != TMPFS && (uint32_t)system.f_type != (uint32_t)RAMFS) /* a disk may keep a store waiting */
		return weir__place_refuse(place, WEIR_EINVAL, "the folder is on no tmpfs", 0);
	if ((is.st_uid != 0 && is.st_uid != geteuid()) || ((is.st_mode & 022) != 0 && (is.st_mode & S_ISVTX) == 0))
		return weir__place_refuse(place, WEIR_EINVAL, "others may take files away from the folder", 0);
	return WEIR_OK;
}

static bool name_of(char name[NAME_MOST + 1], const char *given)
{
	const char *from = given != NULL ? given : program_invocation_short_name;
	size_t len = 0;

	for (; from[len] != '\0' && len < NAME_MOST; len++) {
		char c = from[len];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';

		if (!plain && given != NULL)
			return false;
		name[len] = c;
		if (!plain)
			name[len] = '_';
	}
	name[len] = '\0';
	return len != 0 && (given == NULL || from[len] == '\0');
}

/* weir-NAME-PID.segment, or with eight hexadecimal digits behind the number. */
static bool is_of(const char *entry, const char *name)
{
	size_t len = strlen(name), digits;

	if (strncmp(entry, "weir-", 5) != 0 || strncmp(entry + 5, name, len) != 0 || entry[5 + len] != '-')
		return false;
	entry += 5 + len + 1;
	digits = strspn(entry, "0123456789");
	if (digits == 0)
		return false;
	entry += digits;
	if (entry[0] == '-' && strspn(entry + 1, "0123456789abcdef") == 8)
		entry += 9;
	return strcmp(entry, ".segment") == 0;
}

/* Certainly ours, certainly a segment, certainly of a dead process. */
static bool is_dead(int fd, const struct stat *is)
{
	union {
		struct weir_segment_header header;
		uint64_t words[sizeof(struct weir_segment_header) / 8];
	} head;

	if (!S_ISREG(is->st_mode) || is->st_uid != geteuid() || is->st_nlink != 1)
		return false;
	return pread(fd, &head, sizeof head, 0) == sizeof head &&
	       weir_segment_header_fault(&head.header, (uint64_t)is->st_size) == WEIR_SEGMENT_FINE && weir__owner_is_dead(&head.header) &&
	       flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void remove_dead(int folder, const char *name)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (dir == NULL && copy >= 0)
		close(copy);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct stat is, now;
		int fd;

		if (!is_of(entry->d_name, name))
			continue;
		fd = openat(folder, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			continue;
		if (fstat(fd, &is) == 0 && is_dead(fd, &is) && fstatat(folder, entry->d_name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
		    now.st_ino == is.st_ino && now.st_dev == is.st_dev)
			unlinkat(folder, entry->d_name, 0);
		close(fd);
	}
	if (dir != NULL)
		closedir(dir);
}

int weir__file_make(struct weir__place *place, const struct weir_shm_options *o, uint64_t bytes)
{
	char name[NAME_MOST + 1];
	struct rlimit limit;
	int error;

	if (!name_of(name, o->name))
		return weir__place_refuse(place, WEIR_EINVAL, "the name is not allowed", 0);
	error = open_folder(place, o->dir);
	if (error != WEIR_OK)
		return error;
	if (!o->keep)
		remove_dead(place->dir, name);
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes > limit.rlim_cur) /* past it ftruncate raises a signal that kills */
		return weir__place_refuse(place, WEIR_EIO, "the file", EFBIG);
	place->fd = weir__place_above(openat(place->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	place->bytes = bytes;
	if (place->fd < 0 || (o->group != 0 && fchown(place->fd, (uid_t)-1, o->group) != 0) ||
	    fchmod(place->fd, o->mode != 0 ? o->mode : 0600) != 0 || ftruncate(place->fd, (off_t)bytes) != 0 ||
	    flock(place->fd, LOCK_EX | LOCK_NB) != 0)
		return weir__place_refuse(place, errno == ENOSPC ? WEIR_ENOMEM : WEIR_EIO, "the file", errno);
	return WEIR_OK;
}

int weir__file_name(struct weir__place *place, const struct weir_shm_options *o)
{
	size_t len = strlen(place->path);
	char name[NAME_MOST + 1], self[32], file[128], more[12] = "";

	name_of(name, o->name);
	snprintf(self, sizeof self, "/proc/self/fd/%d", place->fd);
	for (int tries = 0; tries < TRIES; tries++) {
		uint32_t random = 0;

		snprintf(file, sizeof file, "weir-%s-%d%s.segment", name, (int)getpid(), more);
		if (linkat(AT_FDCWD, self, place->dir, file, AT_SYMLINK_FOLLOW) == 0) {
			weir__place_seen(place, place->dir, file);
			snprintf(place->path + len, sizeof place->path - len, "%s%s", len > 1 ? "/" : "", file);
			return WEIR_OK;
		}
		if (errno != EEXIST || getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
			break;
		snprintf(more, sizeof more, "-%08x", random); /* somebody has put another there */
	}
	return weir__place_refuse(place, WEIR_EIO, "the file's name", errno);
}
