/* weir, the command: finding segments. See segment_find.h. No data of its own. */
#define _GNU_SOURCE
#include "segment_find.h"

#include "segment_copy.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char memfd_link[] = "/memfd:weir (deleted)";

int segment_open_path(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* False: no memory. What is no segment, or cannot be opened, is passed over. */
static bool add(struct segment_list *list, const char *path, const struct process *holder)
{
	struct segment_found found = {.holder = *holder}, *larger;
	struct segment_copy copy;
	struct stat is;
	int fd = segment_open_path(path);
	bool ok;

	if (fd < 0) {
		list->denied += errno == EACCES || errno == EPERM;
		return true;
	}
	ok = segment_copy_make(&copy, fd, SEGMENT_HEADER) && fstat(fd, &is) == 0;
	close(fd);
	if (!ok) {
		list->why = copy.why;
		return true;
	}
	found.written = process_writes(holder, segment_copy_header(&copy));
	segment_copy_free(&copy);
	snprintf(found.path, sizeof found.path, "%s", path);
	found.device = is.st_dev;
	found.inode = is.st_ino;
	for (size_t n = 0; n < list->count; n++)
		if (list->found[n].inode == found.inode && list->found[n].device == found.device) {
			if (found.written && !list->found[n].written)
				list->found[n] = found;
			return true;
		}
	larger = realloc(list->found, (list->count + 1) * sizeof found);
	if (larger == NULL)
		return false;
	list->found = larger;
	list->found[list->count++] = found;
	return true;
}

static bool is_memfd_of_weir(const char *path)
{
	char target[64];
	ssize_t len = readlink(path, target, sizeof target);

	return len == (ssize_t)sizeof memfd_link - 1 && memcmp(target, memfd_link, (size_t)len) == 0;
}

/* A folder of descriptors. *any: it has one of weir's. */
static bool look_into(struct segment_list *list, const char *folder, const struct process *holder, bool *any)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool ok = true;

	if (dir == NULL) {
		list->denied += errno == EACCES || errno == EPERM;
		return true;
	}
	while (ok && (entry = readdir(dir)) != NULL) {
		char path[96];

		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path || !is_memfd_of_weir(path))
			continue;
		*any = true;
		ok = add(list, path, holder);
	}
	closedir(dir);
	return ok;
}

static bool is_weirs_thread(int pid, const char *tid)
{
	char path[96], name[16] = "";
	int fd;
	ssize_t got;

	snprintf(path, sizeof path, "/proc/%d/task/%.16s/comm", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd >= 0 ? read(fd, name, sizeof name - 1) : -1;
	if (fd >= 0)
		close(fd);
	return got >= 5 && memcmp(name, "weir", 4) == 0 && (name[4] == '\n' || name[4] == '-');
}

/* weir's threads, each of which has a table of descriptors of its own. */
static bool look_at_threads(struct segment_list *list, const struct process *holder, bool *any)
{
	char path[96];
	struct dirent *entry;
	DIR *dir;
	bool ok = true;

	snprintf(path, sizeof path, "/proc/%d/task", holder->pid);
	dir = opendir(path);
	while (dir != NULL && ok && !*any && (entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !is_weirs_thread(holder->pid, entry->d_name))
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%.16s/fd", holder->pid, entry->d_name);
		ok = look_into(list, path, holder, any);
	}
	if (dir != NULL)
		closedir(dir);
	return ok;
}

/* What nobody has a descriptor of is mapped all the same. /proc/PID/map_files is for the privileged. */
static bool look_at_maps(struct segment_list *list, const struct process *holder)
{
	char path[96], *line = NULL;
	size_t room = 0;
	FILE *maps;
	bool ok = true;

	snprintf(path, sizeof path, "/proc/%d/maps", holder->pid);
	maps = fopen(path, "re");
	while (maps != NULL && ok && getline(&line, &room, maps) > 0) {
		unsigned long long from, to, offset;
		char *name = strstr(line, memfd_link);

		if (name == NULL || sscanf(line, "%llx-%llx %*s %llx", &from, &to, &offset) != 3 || offset != 0)
			continue;
		snprintf(path, sizeof path, "/proc/%d/map_files/%llx-%llx", holder->pid, from, to);
		ok = add(list, path, holder);
	}
	free(line);
	if (maps != NULL)
		fclose(maps);
	return ok;
}

bool segment_find_of(struct segment_list *list, int pid)
{
	struct process holder;
	char path[64];
	bool any = false;

	if (!process_read(&holder, pid))
		return true;
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	if (!look_into(list, path, &holder, &any))
		return false;
	if (any)
		return true;
	if (!look_at_threads(list, &holder, &any))
		return false;
	return any || geteuid() != 0 || look_at_maps(list, &holder);
}

bool segment_find_all(struct segment_list *list)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool ok = true;

	while (dir != NULL && ok && (entry = readdir(dir)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			ok = segment_find_of(list, atoi(entry->d_name));
	if (dir != NULL)
		closedir(dir);
	return ok;
}

void segment_list_free(struct segment_list *list)
{
	free(list->found);
	*list = (struct segment_list){.found = NULL};
}
