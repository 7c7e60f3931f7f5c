/* weir probes: the probes of a process' files, or of one file, with what their arguments are. No data of its own. */
#define _GNU_SOURCE
#include "probes.h"

#include "command.h"
#include "elf_probes.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char who[] = "weir probes";
static const char help[] =
	"usage: weir probes [--all] [--json] [PID | FILE]\n"
	"The probes (USDT) of a process, or of a program or library: what bpftrace and perf call them, and their\n"
	"arguments from arg0 on; of probes that are not weir's, how these are passed. Without an argument: those of\n"
	"the library that this command runs with.\n"
	"  --all    also those without a semaphore, as the C library's\n"
	"  --json   an array of objects\n"
	"  --help   this text\n";

enum { PATH_BYTES = 4096 + 32 };

/* weir-probes(7) says more; test/e2e compares. */
static const struct known {
	const char *name, *arguments;
} known[] = {
	{"auth_ok", "trace_id peer route tenant cached"},
	{"auth_refused", "trace_id reason peer route tenant"},
	{"config", "what name"},
	{"drop", "reason number"},
	{"export_begin", "exporter signal number"},
	{"export_end", "exporter signal number error duration_ns"},
	{"overflow", "instrument cap"},
	{"request_begin", "trace_id name kind decision"},
	{"request_end", "trace_id route status duration_ns tenant decision"},
	{"slo_miss", "trace_id route status duration_ns threshold_ns tenant"},
	{"span_begin", "trace_id span_id parent_id name kind"},
	{"span_end", "trace_id span_id name duration_ns kind failed"},
};

struct wanted {
	bool all, json;
	size_t shown, files;
};

static const char *arguments_of(const struct elf_probe *probe)
{
	if (strcmp(probe->provider, "weir") == 0)
		for (size_t n = 0; n < sizeof known / sizeof known[0]; n++)
			if (strcmp(known[n].name, probe->name) == 0)
				return known[n].arguments;
	return probe->arguments;
}

static void put(const char *path, const struct elf_probe *probe, struct wanted *w)
{
	const char *arguments = arguments_of(probe);

	if (w->json) {
		fputs(w->shown == 0 ? "\n{\"path\":" : ",\n{\"path\":", stdout);
		text_json(stdout, path, strlen(path));
		fputs(",\"provider\":", stdout);
		text_json(stdout, probe->provider, strlen(probe->provider));
		fputs(",\"name\":", stdout);
		text_json(stdout, probe->name, strlen(probe->name));
		fputs(",\"arguments\":", stdout);
		text_json(stdout, arguments, strlen(arguments));
		printf(",\"semaphore\":%s,\"sites\":%u}", probe->guarded ? "true" : "false", probe->sites);
	} else {
		fputs("usdt:", stdout);
		text_plain(stdout, path, strlen(path));
		putchar(':');
		text_plain(stdout, probe->provider, strlen(probe->provider));
		putchar(':');
		text_plain(stdout, probe->name, strlen(probe->name));
		fputs(arguments[0] != '\0' ? "  " : "", stdout);
		text_plain(stdout, arguments, strlen(arguments));
		putchar('\n');
	}
	w->shown++;
}

static bool read_file(void *arg, uint64_t at, void *to, size_t len)
{
	const int *fd = arg;
	char *next = to;

	while (len != 0) {
		ssize_t got = at <= INT64_MAX ? pread(*fd, next, len, (off_t)at) : 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		next += got;
		at += (uint64_t)got;
		len -= (size_t)got;
	}
	return true;
}

/* Why its probes are not shown; NULL: they are. at: opens it; path: what it is called. */
static const char *show(const char *at, const char *path, struct wanted *w)
{
	int fd = open(at, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct elf_probes probes;
	const char *why;
	struct stat is;

	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &is) != 0 || !S_ISREG(is.st_mode)) {
		close(fd);
		return "it is no file";
	}
	if (elf_probes_read(&probes, read_file, &fd)) {
		w->files++;
		for (size_t n = 0; n < probes.count; n++)
			if (w->all || probes.list[n].guarded)
				put(path, &probes.list[n], w);
	}
	close(fd);
	why = probes.why;
	elf_probes_free(&probes);
	return why;
}

/* The file as the process has it, by its name here where that is the same file; else within the process' root. */
static bool place_of(char at[PATH_BYTES], const char *pid, const char *path)
{
	struct stat here, there;
	int len = snprintf(at, PATH_BYTES, "/proc/%s/root%s", pid, path);

	if (len < 0 || len >= PATH_BYTES || stat(at, &there) != 0)
		return false;
	if (stat(path, &here) == 0 && here.st_ino == there.st_ino && here.st_dev == there.st_dev)
		snprintf(at, PATH_BYTES, "%s", path);
	return true;
}

/* Each file that a process runs code of, once. */
static int show_process(const char *pid, struct wanted *w)
{
	char path[64], *line = NULL, former[PATH_BYTES] = "";
	size_t room = 0;
	FILE *maps;

	snprintf(path, sizeof path, "/proc/%.20s/maps", pid);
	maps = fopen(path, "re");
	if (maps == NULL)
		return complain(errno == EACCES ? EXIT_USAGE : EXIT_REFUSED, who,
		                errno == EACCES ? "the process may not be looked into" : "there is no process of this number");
	while (errno = 0, getline(&line, &room, maps) > 0) {
		char at[PATH_BYTES], *name = strchr(line, '/');

		if (name == NULL || strstr(line, " r-xp ") == NULL || name < strstr(line, " r-xp "))
			continue;
		name[strcspn(name, "\n")] = '\0';
		if (strcmp(name, former) == 0 || strlen(name) >= sizeof former)
			continue;
		strcpy(former, name);
		if (place_of(at, pid, name))
			show(at, at, w);
	}
	if (errno == EACCES) { /* told by the first read */
		free(line);
		fclose(maps);
		return complain(EXIT_USAGE, who, "the process may not be looked into");
	}
	free(line);
	fclose(maps);
	return EXIT_OK;
}

static bool is_number(const char *word)
{
	return word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';
}

static int print(const char *what, struct wanted *w)
{
	const char *why = NULL;
	int code = EXIT_OK;

	if (w->json)
		putchar('[');
	if (is_number(what) || strcmp(what, "self") == 0)
		code = show_process(what, w);
	else
		why = show(what, what, w);
	if (w->json)
		fputs(w->shown != 0 ? "\n]\n" : "]\n", stdout);
	if (code != EXIT_OK)
		return code;
	if (why != NULL)
		return complain(EXIT_REFUSED, who, "%s", why);
	if (w->shown == 0)
		return complain(EXIT_REFUSED, who, w->files != 0 ? "there are no probes" : "none of the process' files can be read");
	return command_end(who);
}

int probes_run(int argc, char **argv)
{
	struct wanted w = {.all = false};
	const char *what = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			return command_end(who);
		}
		if (strcmp(argv[i], "--all") == 0)
			w.all = true;
		else if (strcmp(argv[i], "--json") == 0)
			w.json = true;
		else if (argv[i][0] == '-' || argv[i][0] == '\0')
			return complain(EXIT_USAGE, who, "there is no such flag; see %s --help", who);
		else if (what != NULL)
			return complain(EXIT_USAGE, who, "one process or file at a time");
		else
			what = argv[i];
	}
	return print(what != NULL ? what : "self", &w);
}
