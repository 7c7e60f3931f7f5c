/* Fuzz: a file that anyone may have written, by the very way that weir dump goes: copied, read, and put out in each format; and
 * what weir/abi/segment_read.h finds in memory. All of it must come to an end, within what was given; JSON stays JSON. */
#define _GNU_SOURCE
#include "../src/cli/dump.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 64 * 1024, CELLS = 64, OUT = 1 << 22 };

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the inline reader, on memory of exactly this size ---- */

static void look(const uint8_t *data, size_t size)
{
	uint8_t *copy = aligned_alloc(8, (size + 7) / 8 * 8 + 8);
	struct weir_segment_reader r;
	struct weir_segment_cursor at = {0, 0};
	const struct weir_segment_record *record;
	uint64_t value, sums[WEIR_SEGMENT_CELLS];
	uint32_t budget = CELLS;

	if (copy == NULL)
		return;
	memcpy(copy, data, size);
	if (weir_segment_open(&r, copy, size) == WEIR_SEGMENT_FINE) {
		must(r.bytes <= size);
		while ((record = weir_segment_next(&r, &at)) != NULL) {
			uintptr_t offset = (uintptr_t)record - (uintptr_t)copy;
			const struct weir_segment_instrument *i = weir_segment_instrument_of(record);
			const struct weir_segment_series *s = weir_segment_series_of(record);

			must(offset % WEIR_SEGMENT_PAGE + record->bytes <= WEIR_SEGMENT_PAGE && offset + record->bytes <= size);
			if (i != NULL)
				must((uintptr_t)(weir_segment_constant(i) + 2 * i->constant_count) <= (uintptr_t)record + record->bytes);
			for (uint32_t k = 0; s != NULL && k < s->values_count; k++) {
				uint32_t len;
				const char *text = weir_segment_text(&r, weir_segment_values(s)[k], &len);

				must(text == NULL || (((uintptr_t)text - (uintptr_t)copy) % WEIR_SEGMENT_PAGE + len < WEIR_SEGMENT_PAGE));
			}
			for (uint32_t c = 0; s != NULL && c < s->cells && budget != 0; c++, budget--) {
				(void)weir_segment_cell(&r, s->cell + c);
				(void)weir_segment_total(&r, s->cell + c, &value);
				(void)weir_segment_totals(&r, s->cell, s->cells, sums);
			}
		}
		must(!weir_segment_totals(&r, UINT32_MAX, 1, sums) || r.blocks_count > UINT32_MAX / WEIR_SEGMENT_CELLS);
	}
	free(copy);
}

/* ---- what is put out ---- */

struct sink {
	char *bytes;
	size_t used;
};

static ssize_t take(void *cookie, const char *bytes, size_t len)
{
	struct sink *sink = cookie;

	if (sink->used + len <= OUT)
		memcpy(sink->bytes + sink->used, bytes, len);
	sink->used += len;
	return (ssize_t)len;
}

/* Quotes and brackets close, no control character stands bare; what is no UTF-8 does not stand at all. */
static void must_be_json(const char *s, size_t len)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		must(c >= 0x20 || (c == '\n' && !quoted));
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']'))
			must(--depth >= 0);
	}
	must(depth == 0 && !quoted);
}

/* Each line is a comment, or ends in a space and a number. */
static void must_be_prom(const char *s, size_t len)
{
	const char *end = s + len, *line = s;

	must(len == 0 || end[-1] == '\n');
	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line)), *space = memrchr(line, ' ', (size_t)(stop - line));

		must(space != NULL);
		if (*line != '#')
			must(space + 1 < stop && strspn(space + 1, "0123456789.eE+-NaInf") >= (size_t)(stop - space - 1));
		line = stop + 1;
	}
}

static void put_out(const struct dump *dump, void (*format)(FILE *, const struct dump *), void (*must_hold)(const char *, size_t))
{
	struct sink sink = {.bytes = malloc(OUT)};
	FILE *out = fopencookie(&sink, "w", (cookie_io_functions_t){.write = take});

	must(out != NULL && sink.bytes != NULL);
	format(out, dump);
	fclose(out);
	if (must_hold != NULL && sink.used <= OUT)
		must_hold(sink.bytes, sink.used);
	free(sink.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct segment_copy copy;
	struct model model;
	struct process process;

	if (size > LARGEST)
		return 0;
	look(data, size);
	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	if (!segment_copy_make(&copy, fd, SEGMENT_WHOLE)) {
		must(copy.why != NULL && copy.base == NULL);
		return 0;
	}
	if (model_make(&model, &copy)) {
		struct dump dump = {.model = &model, .name = "fuzz", .home = "file", .owner = owner_of(segment_copy_header(&copy), &process)};

		put_out(&dump, dump_prom, must_be_prom);
		put_out(&dump, dump_json, must_be_json);
		put_out(&dump, dump_table, NULL);
		model_free(&model);
	}
	segment_copy_free(&copy);
	return 0;
}
