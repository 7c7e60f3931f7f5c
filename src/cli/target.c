/* weir, the command: who is looked at. See target.h. No data of its own. */
#define _GNU_SOURCE
#include "target.h"

#include "command.h"
#include "flags.h"
#include "segment_source.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

size_t target_keep_written(struct segment_list *list, const char *name)
{
	size_t kept = 0;

	for (size_t n = 0; n < list->count; n++)
		if (list->found[n].written && (name == NULL || strcmp(list->found[n].holder.name, name) == 0))
			list->found[kept++] = list->found[n];
	return list->count = kept;
}

bool target_take(struct target *target, const struct segment_found *found)
{
	int fd = segment_open_path(found->path);

	if (fd < 0)
		return false;
	if (target->fd >= 0)
		close(target->fd);
	*target = (struct target){found->holder, *found, fd, true, process_age_s(&found->holder)};
	return true;
}

static int none(const struct segment_list *list, const char *who, const char *what)
{
	if (list->denied != 0)
		return complain(EXIT_USAGE, who, "%s; %zu processes may not be looked into", what, list->denied);
	return complain(EXIT_REFUSED, who, "%s", what);
}

static int choose(struct target *target, const struct segment_list *list, const char *who, const char *what)
{
	if (list->count == 0)
		return none(list, who, what == NULL ? "no process has a segment that can be read" : "there is no segment of that name");
	if (list->count > 1)
		return complain(EXIT_USAGE, who, "%zu segments %s: take a number of weir ls", list->count,
		                what == NULL ? "are there" : "are of that name");
	if (!target_take(target, &list->found[0]))
		return complain(EXIT_REFUSED, who, "the process has just ended");
	return FLAGS_RUN;
}

static int open_pid(struct target *target, const char *who, const char *text)
{
	struct segment_list list = {.found = NULL};
	struct process process;
	unsigned long pid = strtoul(text, NULL, 10);
	int code;

	if (pid == 0 || pid > INT_MAX || !process_read(&process, (int)pid))
		return complain(EXIT_REFUSED, who, "there is no process of this number");
	if (!segment_find_of(&list, (int)pid))
		code = complain(EXIT_REFUSED, who, "no memory");
	else if (list.count == 0 && list.denied != 0)
		code = complain(EXIT_USAGE, who, "the process may not be looked into: it is another user's, or protected");
	else if (list.count == 0 && list.why != NULL)
		code = complain(EXIT_REFUSED, who, "the process has a segment, but %s", list.why);
	else if (target_keep_written(&list, NULL) == 0)
		code = complain(EXIT_REFUSED, who, "the process has no segment of its own that can be read");
	else /* of two, as with two copies of the library, the first */
		code = target_take(target, &list.found[0]) ? FLAGS_RUN : complain(EXIT_REFUSED, who, "the process has just ended");
	segment_list_free(&list);
	return code;
}

int target_open(struct target *target, const char *who, const char *what)
{
	struct segment_list list = {.found = NULL};
	int code;

	*target = (struct target){.fd = -1};
	if (what != NULL && *what != '\0' && what[strspn(what, "0123456789")] == '\0')
		return open_pid(target, who, what);
	if (!segment_find_all(&list)) {
		code = complain(EXIT_REFUSED, who, "no memory");
	} else {
		target_keep_written(&list, what);
		code = choose(target, &list, who, what);
	}
	segment_list_free(&list);
	return code;
}

void target_close(struct target *target)
{
	if (target->fd >= 0)
		close(target->fd);
	target->fd = -1;
}

/* It has another segment now, as after exec; or the same by another descriptor. */
static bool look_again(struct target *target)
{
	struct segment_list list = {.found = NULL};
	const struct segment_found *other = NULL;
	bool changed = false, same = false;
	struct stat is;

	if (stat(target->found.path, &is) == 0 && is.st_ino == target->found.inode && is.st_dev == target->found.device)
		return false;
	if (segment_find_of(&list, target->process.pid)) {
		target_keep_written(&list, NULL);
		for (size_t n = 0; n < list.count; n++) {
			if (list.found[n].inode == target->found.inode && list.found[n].device == target->found.device) {
				target->found = list.found[n];
				same = true;
			}
			other = &list.found[n];
		}
		changed = !same && other != NULL && target_take(target, other);
	}
	segment_list_free(&list);
	return changed;
}

static bool look_for_the_next(struct target *target)
{
	struct segment_list list = {.found = NULL};
	const struct segment_found *youngest = NULL;
	bool changed;

	if (segment_find_all(&list))
		target_keep_written(&list, target->process.name);
	else
		list.count = 0;
	for (size_t n = 0; n < list.count; n++)
		if (list.found[n].holder.start_time > (youngest != NULL ? youngest->holder.start_time : target->process.start_time))
			youngest = &list.found[n];
	changed = youngest != NULL && target_take(target, youngest);
	segment_list_free(&list);
	return changed;
}

bool target_follow(struct target *target)
{
	struct process now;

	target->alive = process_read(&now, target->process.pid) && now.start_time == target->process.start_time && now.state != 'Z';
	if (!target->alive)
		return look_for_the_next(target);
	target->age_s = process_age_s(&now);
	return look_again(target);
}
