/* weir-shm: what both kinds of place need. See place.h. No data of its own. */
#define _GNU_SOURCE
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int weir__place_refuse(struct weir__place *place, int error, const char *what, int system_error)
{
	char text[64];

	if (system_error == 0)
		snprintf(place->why, sizeof place->why, "%.190s", what);
	else
		snprintf(place->why, sizeof place->why, "%.120s: %.60s", what, strerror_r(system_error, text, sizeof text));
	return error;
}

int weir__place_above(int fd)
{
	int higher;

	if (fd < 0 || fd > 2)
		return fd;
	higher = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return higher;
}

void weir__place_seen(struct weir__place *place, int dir, const char *name)
{
	struct stat is;

	if (fstatat(dir, name, &is, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	place->device = is.st_dev;
	place->inode = is.st_ino;
}

bool weir__place_unname(const struct weir__place *place)
{
	struct stat is;

	return place->path[0] != '\0' && lstat(place->path, &is) == 0 && is.st_ino == place->inode && is.st_dev == place->device &&
	       unlink(place->path) == 0;
}
