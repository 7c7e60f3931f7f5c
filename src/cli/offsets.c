/* weir offsets: where the current trace of a process' threads is found. No data of its own. */
#define _GNU_SOURCE
#include "offsets.h"

#include "command.h"
#include "modules.h"
#include "offsets_find.h"
#include "process.h"
#include "text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char who[] = "weir offsets";
static const char symbol[] = "otel_thread_ctx_v1";
static const char help[] =
	"usage: weir offsets [--json] PID\n"
	"Tells where a BPF program or a debugger finds the current trace of each thread of a process: the variable\n"
	"otel_thread_ctx_v1, a pointer to the current record, as bytes from the thread pointer (fs_base on x86-64,\n"
	"tpidr_el0 on arm64); or, where a thread gets it at first use, as module and offset in its vector.\n"
	"  --json   an object\n"
	"  --help   this text\n";

struct found {
	struct offset_found offset;
	const struct module *module;
	const char *why; /* it is there, and cannot be found; NULL: found, or nowhere */
};

static bool peek(void *arg, uint64_t address, uint64_t *word)
{
	return address <= INT64_MAX && pread(*(int *)arg, word, sizeof *word, (off_t)address) == (ssize_t)sizeof *word;
}

/* The first that has it is the one that all use, as symbols are looked up. Files that vanish or are no ELF file have none. */
static bool search(struct found *found, const struct modules *modules, int pid, int memory)
{
	for (size_t n = 0; n < modules->count; n++) {
		const struct module *module = &modules->list[n];
		int fd = module_open(module, pid);
		const char *why = NULL;
		struct elf elf;
		uint64_t bias;
		bool there = fd >= 0 && elf_open(&elf, fd, &why) && module_bias(module, &elf, &bias) &&
		             offset_find(&found->offset, &elf, module->is_program, bias, symbol, peek, &memory, &found->why);

		if (fd >= 0)
			close(fd);
		found->module = module;
		if (there)
			return true;
		if (found->why != NULL)
			return false;
	}
	return false;
}

static const char *how_text(enum offset_how how)
{
	static const char *const texts[] = {"program", "descriptor", "static", "dynamic"};

	return texts[how];
}

static void print_json(const struct process *process, const struct found *found)
{
	const struct offset_found *o = &found->offset;

	printf("{\"pid\":%d,\"service\":", process->pid);
	text_json(stdout, process->name, strlen(process->name));
	printf(",\"symbol\":\"%s\",\"module\":", symbol);
	text_json(stdout, found->module->path, strlen(found->module->path));
	printf(",\"machine\":\"%s\",\"how\":\"%s\",", o->machine == EM_X86_64 ? "x86_64" : "aarch64", how_text(o->how));
	if (o->how == OFFSET_DYNAMIC)
		printf("\"module_id\":%" PRIu64 ",\"module_offset\":%" PRIu64 "}\n", o->module, o->offset);
	else
		printf("\"tp_offset\":%" PRId64 "}\n", o->from_pointer);
}

static void print_text(const struct process *process, const struct found *found)
{
	const struct offset_found *o = &found->offset;

	printf("pid           %d (", process->pid);
	text_plain(stdout, process->name, strlen(process->name));
	printf(")\nsymbol        %s\nmodule        ", symbol);
	text_plain(stdout, found->module->path, strlen(found->module->path));
	printf("\nmachine       %s\nhow           %s\n", o->machine == EM_X86_64 ? "x86_64" : "aarch64", how_text(o->how));
	if (o->how == OFFSET_DYNAMIC)
		printf("module_id     %" PRIu64 "\nmodule_offset %" PRIu64 "\n", o->module, o->offset);
	else
		printf("tp_offset     %" PRId64 "\n", o->from_pointer);
}

static int offsets_of(int pid, bool json)
{
	struct found found = {.why = NULL};
	struct modules modules;
	struct process process;
	char path[64];
	int memory, error, code = EXIT_OK;

	if (!process_read(&process, pid))
		return complain(EXIT_REFUSED, who, "there is no such process");
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	error = memory < 0 ? errno : modules_read(&modules, pid);
	if (error != 0) {
		if (memory >= 0)
			close(memory);
		return complain(error == EACCES || error == EPERM ? EXIT_USAGE : EXIT_REFUSED, who, "the process may not be looked into: %s",
		                strerror(error));
	}
	if (!search(&found, &modules, pid, memory))
		code = found.why != NULL ? complain(EXIT_REFUSED, who, "%s has %s, but %s", found.module->path, symbol, found.why)
		                         : complain(EXIT_REFUSED, who, "no module of the process has %s", symbol);
	else if (json)
		print_json(&process, &found);
	else
		print_text(&process, &found);
	modules_free(&modules);
	close(memory);
	return code == EXIT_OK ? command_end(who) : code;
}

int offsets_run(int argc, char **argv)
{
	const char *given = NULL;
	bool json = false;
	char *end;
	long pid;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			return command_end(who);
		}
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-')
			return complain(EXIT_USAGE, who, "there is no such flag; see %s --help", who);
		else if (given != NULL)
			return complain(EXIT_USAGE, who, "one process at a time");
		else
			given = argv[i];
	}
	if (given == NULL)
		return complain(EXIT_USAGE, who, "no process is given; see %s --help", who);
	errno = 0;
	pid = strtol(given, &end, 10);
	if (errno != 0 || end == given || *end != '\0' || pid <= 0 || pid > INT32_MAX)
		return complain(EXIT_USAGE, who, "a process is given by its number");
	return offsets_of((int)pid, json);
}
