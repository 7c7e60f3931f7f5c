/* weir, the command: finding segments. See segment_find.h. No data of its own. */
#define _GNU_SOURCE
#include "segment_find.h"

#include "segment_copy.h"
#include "segment_source.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char memfd_link[] = "/memfd:weir (deleted)";

/* False: no memory. What is no segment, or cannot be opened, is passed over; surely: what is none is told. holder 0: nobody is known
 * to have it open. */
static bool add(struct segment_list *list, const char *path, const struct process *holder, bool surely)
{
	struct segment_found found = {.holder = *holder}, *larger;
	struct segment_copy copy;
	struct process writer;
	int fd = segment_open_path(path);
	bool ok;

	if (fd < 0) {
		list->denied += errno == EACCES || errno == EPERM;
		return true;
	}
	ok = segment_copy_make(&copy, fd, SEGMENT_HEADER);
	close(fd);
	if (!ok) {
		if (surely)
			list->why = copy.why;
		return true;
	}
	if (holder->pid != 0) {
		found.written = process_writes(holder, segment_copy_header(&copy));
	} else if (owner_of(segment_copy_header(&copy), &writer) == OWNER_ALIVE) {
		found.written = true;
		found.holder = writer;
	}
	snprintf(found.path, sizeof found.path, "%s", path);
	snprintf(found.home, sizeof found.home, "%s", copy.home);
	found.device = copy.device;
	found.inode = copy.inode;
	segment_copy_free(&copy);
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

static bool is_named_so(const char *name)
{
	size_t len = strlen(name), ending = strlen(".segment");

	return strncmp(name, "weir-", 5) == 0 && len > 5 + ending && strcmp(name + len - ending, ".segment") == 0;
}

enum looks { NOT_SO, MAYBE, SURELY };

/* By where a descriptor's link leads. An array may be anything. */
static enum looks looks_like_one(const char *path)
{
	char target[PATH_MAX], *deleted;
	ssize_t len = readlink(path, target, sizeof target - 1);

	target[len > 0 ? len : 0] = '\0';
	if (strcmp(target, memfd_link) == 0)
		return SURELY;
	if (strcmp(target, "anon_inode:bpf-map") == 0)
		return MAYBE;
	deleted = strstr(target, " (deleted)");
	if (deleted != NULL)
		*deleted = '\0';
	if (is_named_so(basename(target)))
		return SURELY;
	/* what was made without a name, and linked behind that, is told so */
	return deleted != NULL && basename(target)[0] == '#' ? MAYBE : NOT_SO;
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
		enum looks looks;

		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path || (looks = looks_like_one(path)) == NOT_SO)
			continue;
		*any = *any || looks == SURELY;
		ok = add(list, path, holder, looks == SURELY);
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
		ok = add(list, path, holder, true);
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

/* What has a name and maybe no process: of the dead, and of those who have closed their descriptors. */
static bool look_at_names(struct segment_list *list, const char *folder, bool pinned)
{
	const struct process nobody = {.pid = 0};
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool ok = true;

	while (dir != NULL && ok && (entry = readdir(dir)) != NULL) {
		char path[sizeof list->found->path];
		struct stat is;

		if (entry->d_name[0] == '.' || (!pinned && !is_named_so(entry->d_name)) ||
		    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path || lstat(path, &is) != 0)
			continue;
		if (S_ISREG(is.st_mode))
			ok = add(list, path, &nobody, !pinned);
		else if (pinned && S_ISDIR(is.st_mode) && strcmp(folder, "/sys/fs/bpf") == 0)
			ok = look_at_names(list, path, true);
	}
	if (dir != NULL)
		closedir(dir);
	return ok;
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
	return ok && look_at_names(list, "/dev/shm", false) && look_at_names(list, "/sys/fs/bpf", true);
}

void segment_list_free(struct segment_list *list)
{
	free(list->found);
	*list = (struct segment_list){.found = NULL};
}
