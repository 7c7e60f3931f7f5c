/* weir-shm: two writers of one level. See both.h. No data of its own. */
#include "both.h"

#include <weir/abi/segment_read.h>

#include <stdbool.h>
#include <string.h>

/* As its published record says. The segment is being made, and does not say yet that it counts. */
static bool is_real(const void *segment, uint32_t cell)
{
	const struct weir_segment_header *h = segment;
	struct weir_segment_reader r = {.base = segment, .bytes = h->total_bytes, .directory = h->areas[0].offset,
	                                .entry_bytes = h->areas[0].entry_bytes, .pages_used = h->pages_used};
	struct weir_segment_cursor at = {0, 0};
	const struct weir_segment_record *record;

	while ((record = weir_segment_next(&r, &at)) != NULL) {
		const struct weir_segment_series *s = weir_segment_series_of(record);

		if (s != NULL && s->cell == cell)
			return (s->flags & 2) != 0;
	}
	return false;
}

void weir__both(const void *segment, uint32_t cell, uint64_t *word, uint64_t final, uint64_t copied)
{
	uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED), bits;
	double now, last, first;

	if (!is_real(segment, cell)) {
		__atomic_fetch_add(word, final - copied, __ATOMIC_RELAXED);
		return;
	}
	memcpy(&last, &final, sizeof last);
	memcpy(&first, &copied, sizeof first);
	do {
		memcpy(&now, &seen, sizeof now);
		now += last - first;
		memcpy(&bits, &now, sizeof bits);
	} while (!__atomic_compare_exchange_n(word, &seen, bits, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}
