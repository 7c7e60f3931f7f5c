/* totals PIN COUNTER: a counter's series by a BPF program that reads the map in which a service counts (weir/shm.h). The names stand
 * in the map too, and are read here; the sums are the program's.
 * Exit: 0; 1 it failed; 2 something is missing (root, BTF, the map, the counter) or the command line is wrong. */
#define _GNU_SOURCE
#include "totals.h"

#include <totals.skel.h>

#include <weir/abi/segment_read.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAILED = 1, MISSING = 2 };

static int missing(const char *what, const char *why)
{
	fprintf(stderr, "totals: %s: %s\n", what, why);
	return MISSING;
}

static int failed(const char *what)
{
	fprintf(stderr, "totals: %s: %s\n", what, strerror(errno));
	return FAILED;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

/* A stranger's text: what a terminal would obey is not printed. */
static int print_text(const struct weir_segment_reader *r, uint32_t offset)
{
	uint32_t len;
	const char *text = weir_segment_text(r, offset, &len);

	for (uint32_t i = 0; i < len; i++)
		putchar((unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i]);
	return (int)len;
}

static const struct weir_segment_instrument *find(const struct weir_segment_reader *r, const char *name)
{
	struct weir_segment_cursor at = {0, 0};
	const struct weir_segment_record *record;

	while ((record = weir_segment_next(r, &at)) != NULL) {
		const struct weir_segment_instrument *i = weir_segment_instrument_of(record);
		uint32_t len;
		const char *text = i != NULL ? weir_segment_text(r, i->name, &len) : NULL;

		if (text != NULL && len == strlen(name) && memcmp(text, name, len) == 0)
			return i;
	}
	return NULL;
}

/* ---- one series ---- */

static int read_in_kernel(struct totals_bpf *program, uint32_t cell)
{
	char packet[64] = "";
	struct bpf_test_run_opts run = {.sz = sizeof run, .data_in = packet, .data_size_in = sizeof packet, .repeat = 1};

	program->bss->answer.cell = cell;
	if (bpf_prog_test_run_opts(bpf_program__fd(program->progs.read_series), &run) != 0)
		return failed("the kernel does not run the program");
	return (program->bss->answer.found & 1) != 0 ? 0 : missing("the map", "it is no segment");
}

static int print_series(struct totals_bpf *program, const struct weir_segment_reader *r, const struct weir_segment_series *s)
{
	int code = read_in_kernel(program, s->cell), width = 0;

	if (code != 0)
		return code;
	for (uint32_t v = 0; v < s->values_count; v++)
		width += print_text(r, weir_segment_values(s)[v]) + printf(" ");
	if (s->values_count == 0)
		width += printf("%s", (s->flags & 1) != 0 ? "(more)" : "(all)");
	printf("%*s %12llu", width < 48 ? 48 - width : 0, "", program->bss->answer.newest);
	if ((program->bss->answer.found & 2) != 0)
		printf(" %14llu\n", program->bss->answer.total);
	else
		printf(" %14s\n", "-");
	return 0;
}

static int print_all(struct totals_bpf *program, const struct weir_segment_reader *r, const char *name)
{
	const struct weir_segment_instrument *i = find(r, name);
	struct weir_segment_cursor at = {0, 0};
	const struct weir_segment_record *record;
	int code = 0;

	if (i == NULL)
		return missing(name, "there is no counter of this name");
	printf("%-48s %12s %14s\n", name, "NEWEST", "AT THE FLUSH");
	while (code == 0 && (record = weir_segment_next(r, &at)) != NULL) {
		const struct weir_segment_series *s = weir_segment_series_of(record);

		if (s != NULL && s->instrument == i->id && weir_segment_is_turn(s, weir_segment_turn(s)))
			code = print_series(program, r, s);
	}
	return code;
}

/* ---- the map ---- */

static int with_map(struct totals_bpf *program, int fd, const char *name)
{
	struct weir_segment_reader r;
	enum weir_segment_fault fault;
	uint32_t key = 0;
	void *copy = malloc(BYTES);
	int code;

	if (copy == NULL || bpf_map_lookup_elem(fd, &key, copy) != 0) {
		free(copy);
		return failed("the map");
	}
	fault = weir_segment_open(&r, copy, BYTES);
	code = fault == WEIR_SEGMENT_FINE ? print_all(program, &r, name) : missing("the map", weir_segment_fault_text(fault));
	free(copy);
	return code;
}

int main(int argc, char **argv)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof info;
	struct totals_bpf *program;
	int fd, code;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		puts("usage: totals PIN COUNTER\nA counter's series, by a BPF program that reads the pinned map in which a service counts.");
		return 0;
	}
	if (argc != 3)
		return missing("a pinned map and a counter's name are wanted", "see totals --help");
	if (geteuid() != 0)
		return missing("root is missing", "the kernel lets nobody else load the program");
	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		return missing("BTF is missing", "the kernel has no /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)");
	fd = bpf_obj_get(argv[1]);
	if (fd < 0)
		return missing(argv[1], strerror(errno));
	if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0 || info.type != BPF_MAP_TYPE_ARRAY || info.value_size != BYTES)
		return missing(argv[1], "it is no map of weir_shm_start's own size");
	libbpf_set_print(quiet);
	program = totals_bpf__open();
	if (program == NULL || bpf_map__reuse_fd(program->maps.segment, fd) != 0 || totals_bpf__load(program) != 0)
		code = failed("the kernel does not take the program");
	else
		code = with_map(program, fd, argv[2]);
	totals_bpf__destroy(program);
	return fflush(stdout) == 0 ? code : FAILED;
}
