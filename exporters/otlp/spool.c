/* weir-otlp: the spool. See spool.h. Layer: exporter, I/O. */
#define _GNU_SOURCE
#include "spool.h"

#include "record.h"

#include <weir/abi/private.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BAD_MOST = 16, BLOCK = 4096, TRIES = 16, FOUND_MOST = 65536 };
#define LOCK_NAME "lock"
#define FOLDER "weir-"

static int open_folder(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Opens a listing that leaves the descriptor alone; NULL: there is none. */
static DIR *list(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

static bool ends_in(const char *name, const char *tail)
{
	size_t len = strlen(name), tail_len = strlen(tail);

	return len >= tail_len && strcmp(name + len - tail_len, tail) == 0;
}

static uint64_t on_disk(uint64_t len)
{
	return (len + BLOCK - 1) / BLOCK * BLOCK;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Somebody may take a folder over between its making and its lock: it then is empty, and gone. */
static int make_folder(struct weir__otlp_spool *s)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t random = 0;
		struct stat status;

		if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
			random = (uint32_t)weir_private_clock_ns();
		snprintf(s->name, sizeof s->name, FOLDER "%ld-%08x", (long)getpid(), random);
		if (mkdirat(s->root, s->name, 0700) != 0) {
			if (errno == EEXIST)
				continue;
			return errno;
		}
		s->folder = open_folder(s->root, s->name);
		if (s->folder < 0)
			return errno;
		s->lock = openat(s->folder, LOCK_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0 && fstat(s->lock, &status) == 0 && status.st_nlink == 1)
			return 0;
		if (s->lock < 0 && errno != ENOENT)
			return errno;
		if (s->lock >= 0)
			close(s->lock);
		close(s->folder);
		s->lock = s->folder = -1;
	}
	return EAGAIN;
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len != 0) {
		ssize_t put = write(fd, bytes, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? errno : EIO;
		bytes += put;
		len -= (size_t)put;
	}
	return 0;
}

/* That there is room is seen by using some. */
static int try_to_write(struct weir__otlp_spool *s)
{
	static const uint8_t some[BLOCK] = {1};
	int fd = openat(s->folder, "probe.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), error = fd < 0 ? errno : 0;

	if (error == 0)
		error = write_all(fd, some, sizeof some);
	if (fd >= 0 && close(fd) != 0 && error == 0)
		error = errno;
	unlinkat(s->folder, "probe.tmp", 0);
	return error;
}

int weir__otlp_spool_open(struct weir__otlp_spool *s, const char *path, char why[WEIR__OTLP_SPOOL_WHY])
{
	int error = 0;

	memset(s, 0, sizeof *s);
	s->root = s->folder = s->lock = -1;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		error = errno;
	if (error == 0) {
		s->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		error = s->root < 0 ? errno : make_folder(s);
	}
	if (error == 0)
		error = try_to_write(s);
	if (error == 0)
		return WEIR_OK;
	snprintf(why, WEIR__OTLP_SPOOL_WHY, "%s", error == ENOSPC || error == EDQUOT ? "it is full" : strerrordesc_np(error));
	weir__otlp_spool_close(s);
	return WEIR_EIO;
}

void weir__otlp_spool_close(struct weir__otlp_spool *s)
{
	if (s->lock >= 0 && faccessat(s->folder, LOCK_NAME, F_OK, 0) == 0) {
		DIR *dir = list(s->folder);
		bool empty = dir != NULL;
		struct dirent *entry;

		while (dir != NULL && (entry = readdir(dir)) != NULL)
			if (entry->d_name[0] != '.' && strcmp(entry->d_name, LOCK_NAME) != 0)
				empty = false;
		if (dir != NULL)
			closedir(dir);
		if (empty) {
			unlinkat(s->folder, LOCK_NAME, 0);
			unlinkat(s->root, s->name, AT_REMOVEDIR);
		}
	}
	if (s->lock >= 0)
		close(s->lock);
	if (s->folder >= 0)
		close(s->folder);
	if (s->root >= 0)
		close(s->root);
	s->lock = s->folder = s->root = -1;
}

/* ---- what was left ----------------------------------------------------------------------------------------------- */

static void set_aside(struct weir__otlp_spool *s, int folder, const char *name)
{
	char to[sizeof s->name + 300];
	DIR *dir = list(s->root);
	struct dirent *entry;
	int bad = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		bad += ends_in(entry->d_name, ".bad");
	if (dir != NULL)
		closedir(dir);
	snprintf(to, sizeof to, "%s.bad", name);
	if (bad >= BAD_MOST || renameat(folder, name, s->root, to) != 0)
		unlinkat(folder, name, 0);
	s->set_aside++;
	weir_private_log(WEIR_LOG_WARN, "otlp: a file in the spool is no whole request: %.80s is set aside", name);
}

/* By name, which is by age. */
static int compare(const void *left, const void *right)
{
	const struct weir__otlp_request *const *a = left, *const *b = right;

	return strcmp((*a)->file, (*b)->file);
}

struct found {
	struct weir__otlp_request **list;
	size_t count, room;
};

static bool keep_found(struct found *found, const char *name, uint64_t made, enum weir__otlp_signal signal, uint64_t size)
{
	struct weir__otlp_request *r;

	if (found->count == FOUND_MOST)
		return false;
	if (found->count == found->room) {
		size_t room = found->room != 0 ? 2 * found->room : 64;
		struct weir__otlp_request **more = realloc(found->list, room * sizeof(struct weir__otlp_request *));

		if (more == NULL)
			return false;
		found->list = more;
		found->room = room;
	}
	r = weir__otlp_request_new(signal, NULL, 0, 0);
	if (r == NULL)
		return false;
	snprintf(r->file, sizeof r->file, "%s", name);
	r->made_wall_ns = made;
	r->stored_bytes = size;
	r->prepared = true;
	found->list[found->count++] = r;
	return true;
}

/* One file of a dead process' folder into ours, under a name that is free there. */
static void take_file(struct weir__otlp_spool *s, struct found *found, int folder, const char *name)
{
	enum weir__otlp_signal signal;
	char to[WEIR__OTLP_RECORD_NAME];
	struct stat status;
	uint32_t number;
	uint64_t made;

	if (ends_in(name, ".tmp")) { /* it never was whole */
		unlinkat(folder, name, 0);
		return;
	}
	if (!weir__otlp_record_parse_name(name, &made, &number, &signal) || fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(status.st_mode) || status.st_size < WEIR__OTLP_RECORD_HEAD) {
		set_aside(s, folder, name);
		return;
	}
	for (int i = 0; i < TRIES; i++, number += 0x10000) {
		weir__otlp_record_name(to, made, number, signal);
		if (renameat2(folder, name, s->folder, to, RENAME_NOREPLACE) == 0 ||
		    (errno == EINVAL && faccessat(s->folder, to, F_OK, 0) != 0 && renameat(folder, name, s->folder, to) == 0)) {
			if (!keep_found(found, to, made, signal, on_disk((uint64_t)status.st_size)))
				weir_private_log(WEIR_LOG_WARN, "otlp: the spool has more than can be taken up now: the rest waits for the next start");
			return;
		}
		if (errno != EEXIST)
			return;
	}
}

static void take_folder(struct weir__otlp_spool *s, struct found *found, const char *name)
{
	int folder = open_folder(s->root, name), lock = folder >= 0 ? openat(folder, LOCK_NAME, O_WRONLY | O_CLOEXEC) : -1;
	DIR *dir = NULL;
	struct dirent *entry;

	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0) /* its process is dead */
		dir = list(folder);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, LOCK_NAME) != 0)
			take_file(s, found, folder, entry->d_name);
	if (dir != NULL) {
		closedir(dir);
		unlinkat(folder, LOCK_NAME, 0);
		unlinkat(s->root, name, AT_REMOVEDIR);
	}
	if (lock >= 0)
		close(lock);
	if (folder >= 0)
		close(folder);
}

struct weir__otlp_request *weir__otlp_spool_found(struct weir__otlp_spool *s)
{
	struct weir__otlp_request *first = NULL;
	struct found found = {NULL, 0, 0};
	DIR *dir = list(s->root);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, FOLDER, sizeof FOLDER - 1) == 0 && strcmp(entry->d_name, s->name) != 0)
			take_folder(s, &found, entry->d_name);
	if (dir != NULL)
		closedir(dir);
	if (found.count != 0)
		qsort(found.list, found.count, sizeof *found.list, compare);
	for (size_t i = found.count; i-- != 0;) {
		found.list[i]->next = first;
		first = found.list[i];
	}
	free(found.list);
	return first;
}

/* ---- one request ------------------------------------------------------------------------------------------------- */

int weir__otlp_spool_store(struct weir__otlp_spool *s, struct weir__otlp_request *r, uint64_t *size)
{
	struct weir__otlp_record record = {r->signal, r->gzip, r->items, r->made_wall_ns, r->bytes, r->len};
	char name[WEIR__OTLP_RECORD_NAME], temporary[WEIR__OTLP_RECORD_NAME + 8];
	uint8_t head[WEIR__OTLP_RECORD_HEAD];
	int fd, error;

	weir__otlp_record_head(head, &record);
	weir__otlp_record_name(name, r->made_wall_ns, ++s->number, r->signal);
	snprintf(temporary, sizeof temporary, "%s.tmp", name);
	fd = openat(s->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	error = write_all(fd, head, sizeof head);
	if (error == 0)
		error = write_all(fd, r->bytes, r->len);
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error == 0 && renameat(s->folder, temporary, s->folder, name) != 0)
		error = errno;
	if (error != 0) {
		unlinkat(s->folder, temporary, 0);
		return error;
	}
	memcpy(r->file, name, sizeof name);
	*size = on_disk(r->len + WEIR__OTLP_RECORD_HEAD);
	return 0;
}

static uint8_t *read_file(int folder, const char *name, size_t *len, bool *no_memory)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t *bytes = NULL;
	struct stat status;
	size_t got = 0;

	*len = 0;
	if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0 &&
	    (uint64_t)status.st_size <= WEIR__OTLP_RECORD_MOST + WEIR__OTLP_RECORD_HEAD)
		*no_memory = (bytes = malloc((size_t)status.st_size)) == NULL;
	while (bytes != NULL && got < (size_t)status.st_size) {
		ssize_t piece = read(fd, bytes + got, (size_t)status.st_size - got);

		if (piece < 0 && errno == EINTR)
			continue;
		if (piece <= 0)
			break;
		got += (size_t)piece;
	}
	if (fd >= 0)
		close(fd);
	*len = got;
	return bytes;
}

uint8_t *weir__otlp_spool_load(struct weir__otlp_spool *s, struct weir__otlp_request *r, size_t *len, bool *no_memory)
{
	struct weir__otlp_record record;
	size_t whole;
	uint8_t *bytes;

	*no_memory = false;
	bytes = read_file(s->folder, r->file, &whole, no_memory);
	if (*no_memory)
		return NULL;
	if (bytes == NULL || !weir__otlp_record_read(&record, bytes, whole) || record.signal != r->signal) {
		free(bytes);
		set_aside(s, s->folder, r->file);
		return NULL;
	}
	memmove(bytes, record.body, record.len);
	r->gzip = record.gzip;
	r->items = record.items;
	*len = record.len;
	return bytes;
}

uint64_t weir__otlp_spool_items(const struct weir__otlp_spool *s, const char *file)
{
	int fd = openat(s->folder, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t head[WEIR__OTLP_RECORD_HEAD];
	ssize_t got = fd >= 0 ? read(fd, head, sizeof head) : -1;

	if (fd >= 0)
		close(fd);
	return got == (ssize_t)sizeof head ? weir__otlp_record_items(head) : 0;
}

void weir__otlp_spool_delete(struct weir__otlp_spool *s, const char *file)
{
	unlinkat(s->folder, file, 0);
}
