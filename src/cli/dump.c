/* weir dump: all series of a segment: a process', or a file's. No data of its own. */
#define _GNU_SOURCE
#include "dump.h"

#include "command.h"
#include "number.h"
#include "segment_find.h"
#include "segment_source.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char who[] = "weir dump";
static const char help[] =
	"usage: weir dump [FLAG] PID | NAME | FILE | PIN\n"
	"All series of a process (by its number, or the name that weir ls has), or of a file that was a\n"
	"segment, or of a map that is pinned.\n"
	"  --text   a table for people; the default\n"
	"  --prom   Prometheus' text format\n"
	"  --json   one object, with buckets, and quantiles of histograms\n"
	"  --help   this text\n"
	"The process is not asked, stopped or slowed: its memory is read. Each number is whole; numbers of one\n"
	"series may be of different moments. A name with a slash is a file's or a pin's; another one too, where no\n"
	"process has it.\n";

const struct dump_quantile dump_quantiles[DUMP_QUANTILES] = {
	{500000, "0.5", "p50"}, {900000, "0.9", "p90"}, {990000, "0.99", "p99"}};

void dump_value(char out[64], const struct model_instrument *i, const struct model_series *s)
{
	double real;

	if (model_is_double(s, &real)) {
		number_double(out, real);
	} else if (i->record->kind == MODEL_INFO) {
		strcpy(out, "1");
	} else if (model_is_counter(i) || i->record->kind == MODEL_HISTOGRAM || s->cells[0] <= INT64_MAX) {
		number_decimal(out, s->cells[0], i->digits);
	} else {
		out[0] = '-';
		number_decimal(out + 1, 0 - s->cells[0], i->digits);
	}
}

typedef void dump_format(FILE *out, const struct dump *dump);

static int dump_copy(const struct segment_copy *copy, dump_format *format, const char *home, const struct process *writer)
{
	struct process process;
	struct model model;
	struct dump dump = {.model = &model, .home = home};

	dump.owner = writer != NULL ? OWNER_ALIVE : owner_of(segment_copy_header(copy), &process);
	dump.name = writer != NULL ? writer->name : dump.owner == OWNER_ALIVE ? process.name : NULL;
	if (!model_make(&model, copy))
		return complain(EXIT_REFUSED, who, "no memory");
	format(stdout, &dump);
	model_free(&model);
	return command_end(who);
}

/* path: that of a file, or of a descriptor of the process whose segment it is. */
static int dump_path(const char *path, dump_format *format, const struct process *writer)
{
	int fd = segment_open_path(path), code;
	struct segment_copy copy;

	if (fd < 0)
		return complain(errno == EACCES || errno == EPERM ? EXIT_USAGE : EXIT_REFUSED, who, "%s: %s", path, strerror(errno));
	if (!segment_copy_make(&copy, fd, SEGMENT_WHOLE)) {
		code = complain(EXIT_REFUSED, who, "%s: %s", path, copy.why);
	} else {
		code = dump_copy(&copy, format, copy.home, writer);
		segment_copy_free(&copy);
	}
	close(fd);
	return code;
}

/* A process' own segment before one that it only has open. */
static int dump_found(const struct segment_list *list, dump_format *format)
{
	const struct segment_found *best = &list->found[0];

	for (size_t n = 1; n < list->count; n++)
		if (!best->written && list->found[n].written)
			best = &list->found[n];
	for (size_t n = 0; n < list->count; n++)
		if (&list->found[n] != best)
			complain(EXIT_OK, who, "another segment is %s", list->found[n].path);
	return dump_path(best->path, format, best->written ? &best->holder : NULL);
}

static int dump_pid(const char *text, dump_format *format)
{
	struct segment_list list = {.found = NULL};
	struct process process;
	long pid = strtol(text, NULL, 10);
	int code;

	if (pid <= 0 || pid > INT_MAX || !process_read(&process, (int)pid))
		return complain(EXIT_REFUSED, who, "there is no process of this number");
	if (!segment_find_of(&list, (int)pid))
		code = complain(EXIT_REFUSED, who, "no memory");
	else if (list.count != 0)
		code = dump_found(&list, format);
	else if (list.denied != 0)
		code = complain(EXIT_USAGE, who, "the process may not be looked into: it is another user's, or protected");
	else if (list.why != NULL)
		code = complain(EXIT_REFUSED, who, "the process has a segment, but %s", list.why);
	else
		code = complain(EXIT_REFUSED, who, "the process has no segment that can be read");
	segment_list_free(&list);
	return code;
}

/* Of a process, before a file: in the folder where it was built, the program itself has that name. */
static int dump_name(const char *name, dump_format *format)
{
	struct segment_list list = {.found = NULL};
	size_t count = 0;
	struct stat is;
	int code;

	if (!segment_find_all(&list)) {
		segment_list_free(&list);
		return complain(EXIT_REFUSED, who, "no memory");
	}
	for (size_t n = 0; n < list.count; n++)
		if (list.found[n].written && strcmp(list.found[n].holder.name, name) == 0)
			list.found[count++] = list.found[n];
	list.count = count;
	if (count == 1)
		code = dump_found(&list, format);
	else if (count != 0)
		code = complain(EXIT_USAGE, who, "%zu segments are of that name: take a number of weir ls", count);
	else if (stat(name, &is) == 0)
		code = dump_path(name, format, NULL);
	else if (list.denied != 0)
		code = complain(EXIT_USAGE, who, "no segment of that name was found; %zu processes may not be looked into", list.denied);
	else
		code = complain(EXIT_REFUSED, who, "there is no segment of that name");
	segment_list_free(&list);
	return code;
}

int dump_run(int argc, char **argv)
{
	static const struct {
		const char *flag;
		dump_format *format;
	} formats[] = {{"--text", dump_table}, {"--prom", dump_prom}, {"--json", dump_json}};
	const char *what = NULL;
	dump_format *format = NULL;

	for (int i = 1; i < argc; i++) {
		bool known = false;

		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			return command_end(who);
		}
		for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
			if (strcmp(argv[i], formats[f].flag) == 0) {
				if (format != NULL)
					return complain(EXIT_USAGE, who, "more than one format is given");
				format = formats[f].format;
				known = true;
			}
		if (known)
			continue;
		if (argv[i][0] == '-')
			return complain(EXIT_USAGE, who, "there is no such flag; see %s --help", who);
		if (what != NULL)
			return complain(EXIT_USAGE, who, "one segment at a time");
		what = argv[i];
	}
	if (what == NULL || *what == '\0')
		return complain(EXIT_USAGE, who, "whose? A number or name of weir ls, or a file");
	if (format == NULL)
		format = dump_table;
	if (what[strspn(what, "0123456789")] == '\0')
		return dump_pid(what, format);
	if (strchr(what, '/') != NULL)
		return dump_path(what, format, NULL);
	return dump_name(what, format);
}
