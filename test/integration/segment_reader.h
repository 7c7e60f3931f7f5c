/* A reader of the segment that knows only abi/segment.h: sums every series of a mapped segment. It trusts nothing: each offset
 * is checked against the size that it was given, and every walk is bounded. For the test and the fuzz target. */
#ifndef SEGMENT_READER_H
#define SEGMENT_READER_H

#include <weir/abi/segment.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *base;
	uint64_t bytes;
	const struct weir_segment_header *header;
	const struct weir_segment_entry *entries;
	const struct weir_segment_block *blocks;
	uint32_t pages_used, blocks_count;
};
struct reader_series {
	const struct weir_segment_instrument *instrument;
	const char *name;
	uint32_t name_len;
	char labels[256]; /* values, joined by | */
	bool overflow;
	uint64_t value;        /* counters, levels */
	uint64_t sum, count;   /* histograms */
	uint64_t buckets[256];
};
typedef void reader_found(void *arg, const struct reader_series *series);

static inline const void *reader_at(const struct reader *r, uint64_t offset, uint64_t len)
{
	return offset <= r->bytes && len <= r->bytes - offset ? r->base + offset : NULL;
}

static inline const struct weir_segment_area *reader_area(const struct reader *r, uint32_t type)
{
	for (uint32_t i = 0; i < r->header->areas_count && i < 8; i++)
		if (r->header->areas[i].type == type)
			return &r->header->areas[i];
	return NULL;
}

/* False: no segment that this reader understands. */
static inline bool reader_open(struct reader *r, const void *base, uint64_t bytes)
{
	const struct weir_segment_area *directory, *blocks;
	uint64_t generation;

	*r = (struct reader){.base = base, .bytes = bytes, .header = base};
	if (bytes < sizeof *r->header || memcmp(r->header->magic, WEIR_SEGMENT_MAGIC, 8) != 0 ||
	    r->header->major != WEIR_SEGMENT_MAJOR || r->header->page_bytes != WEIR_SEGMENT_PAGE ||
	    r->header->endian != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 2) || r->header->accessible != 1 ||
	    r->header->total_bytes > bytes)
		return false;
	generation = __atomic_load_n(&r->header->generation_end, __ATOMIC_ACQUIRE);
	if (generation == 0 || generation != __atomic_load_n(&r->header->generation_begin, __ATOMIC_ACQUIRE))
		return false;
	directory = reader_area(r, WEIR_PAGE_DIRECTORY);
	blocks = reader_area(r, WEIR_PAGE_BLOCKS);
	if (directory == NULL || blocks == NULL || directory->entry_bytes != sizeof *r->entries ||
	    blocks->entry_bytes != sizeof *r->blocks || directory->count > r->header->pages || blocks->count > 65536 ||
	    directory->offset % 8 != 0 || blocks->offset % 8 != 0)
		return false;
	r->entries = reader_at(r, directory->offset, directory->count * sizeof *r->entries);
	r->blocks = reader_at(r, blocks->offset, blocks->count * sizeof *r->blocks);
	r->blocks_count = (uint32_t)blocks->count;
	r->pages_used = __atomic_load_n(&r->header->pages_used, __ATOMIC_ACQUIRE);
	return r->entries != NULL && r->blocks != NULL && r->pages_used <= directory->count;
}

/* A page that the directory lists as one of these; NULL else: it must not be touched. */
static inline const uint8_t *reader_page(const struct reader *r, uint32_t page, uint32_t type)
{
	if (page == 0 || page >= r->pages_used || __atomic_load_n(&r->entries[page].type, __ATOMIC_ACQUIRE) != type)
		return NULL;
	return reader_at(r, (uint64_t)page * WEIR_SEGMENT_PAGE, WEIR_SEGMENT_PAGE);
}

static inline const char *reader_string(const struct reader *r, uint32_t offset, uint32_t *len)
{
	const uint8_t *page = reader_page(r, offset / WEIR_SEGMENT_PAGE, WEIR_PAGE_STRINGS);
	uint32_t at = offset % WEIR_SEGMENT_PAGE;

	*len = 0;
	if (page == NULL || at > WEIR_SEGMENT_PAGE - 8)
		return "";
	memcpy(len, page + at, 4);
	if (*len > WEIR_SEGMENT_PAGE - at - 5)
		*len = 0;
	return *len == 0 ? "" : (const char *)page + at + 4;
}

static inline uint64_t reader_cell(const struct reader *r, uint64_t cell)
{
	uint64_t block = cell / WEIR_SEGMENT_CELLS, sum = 0;
	uint32_t page, steps = 0;

	if (block >= r->blocks_count)
		return 0;
	page = __atomic_load_n(&r->blocks[block].first, __ATOMIC_ACQUIRE);
	for (; page != 0 && page < r->pages_used && steps < r->pages_used; page = r->entries[page].next, steps++) {
		const uint8_t *cells = reader_page(r, page, WEIR_PAGE_CELLS);

		if (cells == NULL)
			cells = reader_page(r, page, WEIR_PAGE_LEVELS);
		if (cells != NULL)
			sum += __atomic_load_n((const uint64_t *)(const void *)cells + cell % WEIR_SEGMENT_CELLS, __ATOMIC_RELAXED);
	}
	return sum;
}

/* The 512 sums of a block, as the writer has made them: all of one copy. False: it has none, or no three tries met it at rest. */
static inline bool reader_totals(const struct reader *r, uint64_t block, uint64_t sums[WEIR_SEGMENT_CELLS])
{
	if (block >= r->blocks_count)
		return false;
	for (int tries = 0; tries < 3; tries++) {
		uint32_t active = __atomic_load_n(&r->blocks[block].active, __ATOMIC_ACQUIRE);
		uint32_t page = __atomic_load_n(&r->blocks[block].totals[active & 1], __ATOMIC_ACQUIRE);
		const uint8_t *copy = reader_page(r, page, WEIR_PAGE_TOTALS);

		if (copy == NULL || __atomic_load_n(&r->entries[page].number, __ATOMIC_RELAXED) != block)
			return false;
		for (uint32_t i = 0; i < WEIR_SEGMENT_CELLS; i++)
			sums[i] = __atomic_load_n((const uint64_t *)(const void *)copy + i, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&r->blocks[block].active, __ATOMIC_ACQUIRE) == active)
			return true;
	}
	return false;
}

/* Calls f for each record of this type; the walk over a page ends at what is not whole. */
static inline void reader_records(const struct reader *r, uint16_t type, void (*f)(const struct reader *, const void *, uint32_t, void *),
                                  void *arg)
{
	for (uint32_t page = 1; page < r->pages_used; page++) {
		const uint8_t *records = reader_page(r, page, WEIR_PAGE_DESCRIPTORS);
		uint32_t at = 0;

		while (records != NULL && at + 8 <= WEIR_SEGMENT_PAGE) {
			uint32_t bytes = __atomic_load_n((const uint32_t *)(const void *)(records + at), __ATOMIC_ACQUIRE);
			uint16_t kind;

			if (bytes < 8 || bytes % 8 != 0 || bytes > WEIR_SEGMENT_PAGE - at)
				break;
			memcpy(&kind, records + at + 4, 2);
			if (kind == type)
				f(r, records + at, bytes, arg);
			at += bytes;
		}
	}
}

struct reader_walk {
	reader_found *found;
	void *arg;
	const struct weir_segment_instrument *instrument;
	uint32_t id, budget;
};

static inline void reader_match(const struct reader *r, const void *record, uint32_t bytes, void *arg)
{
	struct reader_walk *walk = arg;
	const struct weir_segment_instrument *i = record;

	(void)r;
	if (bytes >= sizeof *i && i->id == walk->id &&
	    (uint64_t)i->bounds_count * 8 + ((uint64_t)i->labels_count + 2 * (uint64_t)i->constant_count) * 4 <= bytes - sizeof *i)
		walk->instrument = i;
}

static inline void reader_series_one(const struct reader *r, const void *record, uint32_t bytes, void *arg)
{
	struct reader_walk *walk = arg;
	const struct weir_segment_series *s = record;
	struct reader_series found = {0};
	const uint32_t *values, *turn = NULL;
	size_t used = 0, head = s->type == WEIR_RECORD_CLAIM_SERIES ? sizeof(struct weir_segment_claim_series) : sizeof *s;
	uint32_t before = 0;

	if (bytes < head || s->values_count > (bytes - head) / 4 || walk->budget == 0)
		return;
	if (s->type == WEIR_RECORD_CLAIM_SERIES) {
		turn = &((const struct weir_segment_claim_series *)record)->turn;
		before = __atomic_load_n(turn, __ATOMIC_ACQUIRE);
		if (before % 2 == 0) /* it rests */
			return;
	}
	walk->budget--;
	walk->instrument = NULL;
	walk->id = s->instrument;
	reader_records(r, WEIR_RECORD_INSTRUMENT, reader_match, walk);
	if (walk->instrument == NULL)
		return;
	found.instrument = walk->instrument;
	found.name = reader_string(r, walk->instrument->name, &found.name_len);
	found.overflow = s->flags & 1;
	values = (const uint32_t *)(const void *)((const uint8_t *)record + head);
	for (uint32_t k = 0; k < s->values_count; k++) {
		uint32_t len;
		const char *text = reader_string(r, values[k], &len);

		if (used + len + 2 > sizeof found.labels)
			break;
		if (k != 0)
			found.labels[used++] = '|';
		memcpy(found.labels + used, text, len);
		used += len;
	}
	if (s->cells > 1 && s->cells <= 257 && walk->instrument->bounds_count + 2 == s->cells) {
		found.sum = reader_cell(r, s->cell);
		for (uint32_t b = 0; b + 1 < s->cells; b++)
			found.count += found.buckets[b] = reader_cell(r, (uint64_t)s->cell + 1 + b);
	} else {
		found.value = reader_cell(r, s->cell);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (turn == NULL || __atomic_load_n(turn, __ATOMIC_RELAXED) == before)
		walk->found(walk->arg, &found);
}

static inline void reader_sums(const struct reader *r, uint32_t most, reader_found *found, void *arg)
{
	struct reader_walk walk = {.found = found, .arg = arg, .budget = most};

	reader_records(r, WEIR_RECORD_SERIES, reader_series_one, &walk);
	reader_records(r, WEIR_RECORD_CLAIM_SERIES, reader_series_one, &walk);
}

#endif
