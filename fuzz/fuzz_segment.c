/* Fuzz: the reader of the segment, on memory that anyone may have written. What it hands out must lie within what
 * it was given, and it must come to an end. */
#include "../test/integration/segment_reader.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 64 * 1024, SERIES = 16 }; /* a hostile chain of pages is walked for every cell: keep one run short */

struct given {
	const uint8_t *base;
	size_t size;
	uint32_t found;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_lie_in_a_page(const struct given *given, const void *at, size_t len)
{
	uintptr_t offset = (uintptr_t)at - (uintptr_t)given->base;

	must((uintptr_t)at >= (uintptr_t)given->base && offset <= given->size && len <= given->size - offset);
	must(offset % WEIR_SEGMENT_PAGE + len <= WEIR_SEGMENT_PAGE); /* the next page may not be there to touch */
}

static void look(void *arg, const struct reader_series *s)
{
	struct given *given = arg;
	const struct weir_segment_instrument *i = s->instrument;
	uint64_t count = 0;
	size_t strings;

	given->found++;
	must_lie_in_a_page(given, i, sizeof *i);
	strings = (size_t)i->labels_count + 2 * (size_t)i->constant_count;
	must_lie_in_a_page(given, i, sizeof *i + (size_t)i->bounds_count * 8 + strings * 4);
	if (s->name_len != 0)
		must_lie_in_a_page(given, s->name, s->name_len);
	must(memchr(s->labels, '\0', sizeof s->labels) != NULL);
	for (size_t b = 0; b < sizeof s->buckets / sizeof *s->buckets; b++)
		count += s->buckets[b];
	must(count == s->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct given given = {.size = size};
	uint8_t *copy;
	struct reader reader;

	if (size > LARGEST)
		return 0;
	copy = malloc(size + (size == 0)); /* exact: a read past the end is seen; aligned, as a mapping is */
	if (copy == NULL)
		return 0;
	if (size != 0)
		memcpy(copy, data, size);
	given.base = copy;
	if (reader_open(&reader, copy, size)) {
		uint64_t sums[WEIR_SEGMENT_CELLS];

		reader_sums(&reader, SERIES, look, &given);
		for (uint64_t block = 0; block < SERIES; block++)
			(void)reader_totals(&reader, block, sums);
		must(!reader_totals(&reader, reader.blocks_count, sums) && !reader_totals(&reader, UINT64_MAX, sums));
	}
	must(given.found <= SERIES);
	free(copy);
	return 0;
}
