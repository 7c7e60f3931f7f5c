/* syscalls PID [--seconds N]: which system calls a service's routes wait for. Each system call of the process is timed in the kernel
 * and joined with the trace that its thread is at (weir/bpf.h); then a table by route and call, and the slowest with its trace.
 * Exit: 0; 1 it failed; 2 something is missing (root, BTF, tracefs, the command weir) or the command line is wrong. */
#define _GNU_SOURCE
#include "syscalls.h"

#include <names.h>
#include <syscalls.skel.h>

#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FAILED = 1, MISSING = 2, ROWS = 4096 };

struct row { /* of a route and a call */
	char route[WEIR_BPF_ATTRS];
	uint32_t number;
	uint64_t count, total_ns;
	struct call slowest;
};
static struct row rows[ROWS];
static size_t rows_count;
static uint64_t unseated; /* calls for which there is no row */
static volatile sig_atomic_t stopped;

static int missing(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int missing(const char *format, ...)
{
	va_list args;

	fputs("syscalls: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return MISSING;
}

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

/* ---- the table ---- */

/* The attribute of index 0. */
static void route_of(char route[WEIR_BPF_ATTRS], const struct weir_bpf_trace *t)
{
	size_t at = 0, size = t->attrs_bytes < sizeof t->attrs ? t->attrs_bytes : sizeof t->attrs;

	snprintf(route, WEIR_BPF_ATTRS, "%s", t->valid == 1 ? "(no route)" : "(no trace)");
	for (; t->valid == 1 && at + 2 <= size && at + 2 + t->attrs[at + 1] <= size; at += 2u + t->attrs[at + 1])
		if (t->attrs[at] == 0)
			snprintf(route, WEIR_BPF_ATTRS, "%.*s", (int)t->attrs[at + 1], (const char *)&t->attrs[at + 2]);
	for (char *c = route; *c != '\0'; c++) /* a stranger's text */
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static int take(void *arg, void *bytes, size_t size)
{
	const struct call *call = bytes;
	char route[WEIR_BPF_ATTRS];
	struct row *row = rows;

	(void)arg;
	if (size < sizeof *call)
		return 0;
	route_of(route, &call->trace);
	while (row < rows + rows_count && (row->number != call->number || strcmp(row->route, route) != 0))
		row++;
	if (row == rows + ROWS) {
		unseated++;
		return 0;
	}
	if (row == rows + rows_count) {
		rows_count++;
		row->number = call->number;
		memcpy(row->route, route, sizeof route);
	}
	row->count++;
	row->total_ns += call->duration_ns;
	if (call->duration_ns >= row->slowest.duration_ns)
		row->slowest = *call;
	return 0;
}

static int by_route_and_time(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int route = strcmp(x->route, y->route);

	return route != 0 ? route : (x->total_ns < y->total_ns) - (x->total_ns > y->total_ns);
}

static void put_hex(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
}

static const char *name_of(uint32_t number)
{
	static char text[16];

	if (number < sizeof names / sizeof *names && names[number] != NULL)
		return names[number];
	snprintf(text, sizeof text, "%" PRIu32, number);
	return text;
}

static void print(uint64_t lost)
{
	const struct row *slowest = NULL;

	qsort(rows, rows_count, sizeof *rows, by_route_and_time);
	printf("%-36s %-18s %10s %12s %10s %10s\n", "ROUTE", "CALL", "COUNT", "TOTAL ms", "MEAN us", "MOST us");
	for (const struct row *r = rows; r < rows + rows_count; r++) {
		printf("%-36s %-18s %10" PRIu64 " %12.3f %10.1f %10.1f\n", r->route, name_of(r->number), r->count, (double)r->total_ns / 1e6,
		       (double)r->total_ns / 1e3 / (double)r->count, (double)r->slowest.duration_ns / 1e3);
		if (r->slowest.trace.valid == 1 && (slowest == NULL || r->slowest.duration_ns > slowest->slowest.duration_ns))
			slowest = r;
	}
	if (slowest != NULL) {
		printf("\nslowest %s of %s: %.1f us, trace ", name_of(slowest->number), slowest->route, (double)slowest->slowest.duration_ns / 1e3);
		put_hex(slowest->slowest.trace.trace_id, 16);
		printf(", span ");
		put_hex(slowest->slowest.trace.span_id, 8);
		putchar('\n');
	}
	printf("lost: %" PRIu64 " calls that the ring had no room for, %" PRIu64 " without a row\n", lost, unseated);
}

/* ---- where the variable lies ---- */

static bool number_behind(const char *text, const char *key, long long *value)
{
	const char *at = strstr(text, key);

	return at != NULL && sscanf(at + strlen(key), "%lld", value) == 1;
}

static int find_place(struct weir_bpf_place *place, int pid, const char *own)
{
	const char *weir = getenv("WEIR"), *slash = strrchr(own, '/');
	char command[1200], text[2048];
	long long offset, module;
	size_t got;
	FILE *out;

	if (weir != NULL)
		snprintf(command, sizeof command, "'%s' offsets --json %d", weir, pid);
	else if (slash != NULL) /* beside this program, or by the path */
		snprintf(command, sizeof command, "PATH='%.*s':\"$PATH\" weir offsets --json %d", (int)(slash - own), own, pid);
	else
		snprintf(command, sizeof command, "weir offsets --json %d", pid);
	out = popen(command, "r");
	got = out != NULL ? fread(text, 1, sizeof text - 1, out) : 0;
	text[got] = '\0';
	if (out == NULL || pclose(out) != 0)
		return missing("weir offsets does not tell where the process has its trace");
	*place = (struct weir_bpf_place){0};
	if (number_behind(text, "\"tp_offset\":", &offset)) {
		place->tp_offset = offset;
	} else if (number_behind(text, "\"module_id\":", &module) && number_behind(text, "\"module_offset\":", &offset)) {
		place->module = (uint64_t)module;
		place->module_offset = (uint64_t)offset;
	} else {
		return missing("weir offsets says what is not understood");
	}
	return 0;
}

/* ---- what is there ---- */

static int look_around(void)
{
	if (geteuid() != 0)
		return missing("root is missing: the kernel lets nobody else watch system calls");
	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		return missing("BTF is missing: the kernel has no /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)");
	if (access("/sys/kernel/tracing/events/raw_syscalls", R_OK) != 0 && access("/sys/kernel/debug/tracing/events/raw_syscalls", R_OK) != 0)
		return missing("tracefs is missing: mount -t tracefs tracefs /sys/kernel/tracing");
	return 0;
}

static int watch(struct syscalls_bpf *program, int seconds)
{
	struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(program->maps.ended), take, NULL, NULL);
	struct timespec now, end;

	if (ring == NULL || syscalls_bpf__attach(program) != 0) {
		fprintf(stderr, "syscalls: the kernel does not let it be attached: %s\n", strerror(errno));
		ring_buffer__free(ring);
		return FAILED;
	}
	puts("watching");
	fflush(stdout);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	do {
		ring_buffer__poll(ring, 100);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (!stopped && (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec)));
	syscalls_bpf__detach(program);
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	print(program->bss->lost);
	return fflush(stdout) == 0 ? 0 : FAILED;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

int main(int argc, char **argv)
{
	struct weir_bpf_place place;
	struct syscalls_bpf *program;
	int pid = 0, seconds = 10, code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			puts("usage: syscalls PID [--seconds N]\nWhich system calls each route of a service waits for, and the slowest with its trace.");
			return 0;
		}
		if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
			seconds = atoi(argv[++i]);
		else
			pid = atoi(argv[i]);
	}
	if (pid <= 0 || seconds <= 0)
		return missing("a process' number is wanted; see syscalls --help");
	code = look_around();
	if (code == 0)
		code = find_place(&place, pid, argv[0]);
	if (code != 0)
		return code;
	libbpf_set_print(quiet);
	program = syscalls_bpf__open();
	if (program == NULL)
		return FAILED;
	program->rodata->process = (uint32_t)pid;
	program->rodata->place = place;
	if (syscalls_bpf__load(program) != 0) {
		fprintf(stderr, "syscalls: the kernel does not take the program\n");
		code = FAILED;
	} else {
		signal(SIGINT, stop);
		signal(SIGTERM, stop);
		code = watch(program, seconds);
	}
	syscalls_bpf__destroy(program);
	return code;
}
