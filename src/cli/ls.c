/* weir ls: a line for each segment that a process has open. No data of its own. */
#include "ls.h"

#include "command.h"
#include "flags.h"
#include "segment_find.h"
#include "segment_model.h"
#include "segment_source.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char who[] = "weir ls";
static const char help[] =
	"usage: weir ls [--json]\n"
	"The processes of this machine that publish what they measure, as far as they may be looked into, and what\n"
	"dead ones have left in /dev/shm and /sys/fs/bpf: number, name, age, where the segment is, series, threads\n"
	"that recorded at once, bytes, whether the process lives.\n"
	"  --json   an array of objects\n"
	"  --help   this text\n";

struct row {
	struct process process; /* the writer, or who has it open */
	uint32_t pid;
	enum owner owner;
	uint32_t series, threads;
	uint64_t bytes;
	const char *home;
};

/* False: it has vanished, or has become unreadable: no row. */
static bool row_of(struct row *row, const struct segment_found *found)
{
	struct segment_copy copy;
	struct model model;
	struct process writer;
	int fd = segment_open_path(found->path);
	bool ok = fd >= 0 && segment_copy_make(&copy, fd, SEGMENT_OUTLINE);

	if (fd >= 0)
		close(fd);
	if (!ok)
		return false;
	ok = model_make(&model, &copy);
	if (ok) {
		*row = (struct row){found->holder, (uint32_t)found->holder.pid, OWNER_ALIVE, model.shown, model.threads, copy.stored_bytes, copy.home};
		if (!found->written) {
			row->pid = segment_copy_header(&copy)->pid;
			row->owner = owner_of(segment_copy_header(&copy), &writer);
		}
		model_free(&model);
	}
	segment_copy_free(&copy);
	return ok;
}

static void age_text(char out[32], uint64_t s)
{
	if (s >= 86400)
		snprintf(out, 32, "%llud%lluh", (unsigned long long)s / 86400, (unsigned long long)s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(out, 32, "%lluh%llum", (unsigned long long)s / 3600, (unsigned long long)s % 3600 / 60);
	else if (s >= 60)
		snprintf(out, 32, "%llum%llus", (unsigned long long)s / 60, (unsigned long long)s % 60);
	else
		snprintf(out, 32, "%llus", (unsigned long long)s);
}

static void put_line(const struct row *row)
{
	char age[32];

	age_text(age, process_age_s(&row->process));
	if (row->process.pid == 0)
		strcpy(age, "-");
	printf("%7lu  ", (unsigned long)row->pid);
	text_plain(stdout, row->process.name, strlen(row->process.name));
	printf("%*s %8s  %-6s %9lu %8lu %11llu  %s\n", strlen(row->process.name) < 16 ? 16 - (int)strlen(row->process.name) : 0, "", age,
	       row->home, (unsigned long)row->series, (unsigned long)row->threads, (unsigned long long)row->bytes, owner_text(row->owner));
}

static void put_object(const struct row *row, const char *path)
{
	printf("{\"pid\":%lu,\"service\":", (unsigned long)row->pid);
	text_json(stdout, row->process.name, strlen(row->process.name));
	printf(",\"age_seconds\":%llu,\"home\":\"%s\",\"series\":%lu,\"threads\":%lu,\"bytes\":%llu,\"state\":\"%s\",\"path\":\"%s\"}",
	       (unsigned long long)(row->process.pid != 0 ? process_age_s(&row->process) : 0), row->home, (unsigned long)row->series, (unsigned long)row->threads,
	       (unsigned long long)row->bytes, owner_text(row->owner), path);
}

static int compare_pids(const void *a, const void *b)
{
	const struct segment_found *x = a, *y = b;

	return (x->holder.pid > y->holder.pid) - (x->holder.pid < y->holder.pid);
}

static int print(struct segment_list *list, bool json)
{
	size_t shown = 0;

	if (list->count != 0)
		qsort(list->found, list->count, sizeof *list->found, compare_pids);
	if (json)
		fputs("[", stdout);
	for (size_t n = 0; n < list->count; n++) {
		struct row row;

		if (!row_of(&row, &list->found[n]))
			continue;
		if (json) {
			fputs(shown == 0 ? "\n" : ",\n", stdout);
			put_object(&row, list->found[n].path);
		} else {
			if (shown == 0)
				printf("%7s  %-16s %8s  %-6s %9s %8s %11s  %s\n", "PID", "SERVICE", "AGE", "HOME", "SERIES", "THREADS", "BYTES", "STATE");
			put_line(&row);
		}
		shown++;
	}
	if (json)
		fputs("]\n", stdout);
	if (shown != 0 || command_end(who) != EXIT_OK)
		return command_end(who);
	if (list->why != NULL)
		return complain(EXIT_REFUSED, who, "one was found, but %s", list->why);
	if (list->denied != 0)
		return complain(EXIT_USAGE, who, "none was found; %zu processes may not be looked into", list->denied);
	return complain(EXIT_REFUSED, who, "no process has a segment that can be read");
}

int ls_run(int argc, char **argv)
{
	struct segment_list list = {.found = NULL};
	bool json = false;
	const struct flag flags[] = {{.name = "--json", .there = &json}};
	int code = flags_read(who, help, NULL, flags, 1, argc, argv);

	if (code != FLAGS_RUN)
		return code;
	code = segment_find_all(&list) ? print(&list, json) : complain(EXIT_REFUSED, who, "no memory");
	segment_list_free(&list);
	return code;
}
