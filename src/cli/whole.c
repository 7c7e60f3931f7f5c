/* weir, the command: files whole. See whole.h. No data of its own. */
#define _GNU_SOURCE
#include "whole.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_input(const char *path)
{
	return strcmp(path, "-") == 0;
}

static bool read_all(struct whole *whole, const char *who, const char *path, int fd, size_t limit)
{
	const char *name = is_input(path) ? "standard input" : path;

	whole->bytes = malloc(limit + 2);
	whole->len = 0;
	if (whole->bytes == NULL)
		return complain(EXIT_REFUSED, who, "no memory"), false;
	for (;;) {
		ssize_t got = read(fd, whole->bytes + whole->len, limit + 1 - whole->len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			complain(EXIT_REFUSED, who, "%s: %s", name, strerror(errno));
		else
			whole->len += (size_t)got;
		if (whole->len > limit)
			complain(EXIT_REFUSED, who, "%s has more than %zu bytes", name, limit);
		if (got < 0 || whole->len > limit) {
			whole_free(whole);
			return false;
		}
		if (got == 0)
			break;
	}
	whole->bytes[whole->len] = '\0';
	return true;
}

static bool read_path(struct whole *whole, const char *who, const char *path, size_t limit, bool must)
{
	bool ok;
	int fd = is_input(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	*whole = (struct whole){NULL, 0};
	if (fd < 0) {
		if (!must && errno == ENOENT)
			return true;
		return complain(EXIT_REFUSED, who, "%s: %s", path, strerror(errno)), false;
	}
	ok = read_all(whole, who, path, fd, limit);
	if (!is_input(path))
		close(fd);
	return ok;
}

bool whole_read(struct whole *whole, const char *who, const char *path, size_t limit)
{
	return read_path(whole, who, path, limit, true);
}

bool whole_read_if_there(struct whole *whole, const char *who, const char *path, size_t limit)
{
	return read_path(whole, who, path, limit, false);
}

void whole_free(struct whole *whole)
{
	if (whole->bytes != NULL)
		explicit_bzero(whole->bytes, whole->len);
	free(whole->bytes);
	*whole = (struct whole){NULL, 0};
}

static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t wrote = write(fd, bytes, len);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return false;
		bytes += wrote;
		len -= (size_t)wrote;
	}
	return true;
}

bool whole_write(const char *who, const char *path, const char *bytes, size_t len, unsigned mode, enum write_how how)
{
	char *beside = NULL;
	struct stat old;
	bool ok;
	int fd;

	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return complain(EXIT_REFUSED, who, "no memory"), false;
	if (how == WRITE_REPLACE && stat(path, &old) == 0)
		mode = old.st_mode & 0777;
	fd = mkostemp(beside, O_CLOEXEC); /* made 0600 */
	ok = fd >= 0 && write_all(fd, bytes, len) && fchmod(fd, (mode_t)mode) == 0;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (ok) /* link refuses what is there; rename takes its place */
		ok = how == WRITE_NEW ? link(beside, path) == 0 : rename(beside, path) == 0;
	if (!ok)
		complain(EXIT_REFUSED, who, "%s: %s", path, strerror(errno));
	if (fd >= 0 && (!ok || how == WRITE_NEW))
		unlink(beside);
	free(beside);
	return ok;
}
