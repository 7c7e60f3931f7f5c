/* A segment made by hand, for tests of readers: page 0 the header, 1 the directory, 2 the index of blocks, 3 strings, 4 descriptors, then
 * what is asked for. The strides may be those of a newer minor version. */
#ifndef MADE_SEGMENT_H
#define MADE_SEGMENT_H

#include <weir/abi/segment.h>

#include <stdlib.h>
#include <string.h>

enum { MADE_PAGES = 16 };

struct made {
	uint8_t *base;
	uint32_t entry_bytes, block_bytes, used, strings_used, records_used;
};

static inline struct weir_segment_header *made_header(const struct made *m)
{
	return (struct weir_segment_header *)(void *)m->base;
}
static inline size_t made_bytes(void)
{
	return (size_t)MADE_PAGES * WEIR_SEGMENT_PAGE;
}
static inline struct weir_segment_entry *made_entry(const struct made *m, uint32_t page)
{
	return (struct weir_segment_entry *)(void *)(m->base + WEIR_SEGMENT_PAGE + (size_t)page * m->entry_bytes);
}
static inline struct weir_segment_block *made_block(const struct made *m, uint32_t block)
{
	return (struct weir_segment_block *)(void *)(m->base + 2 * WEIR_SEGMENT_PAGE + (size_t)block * m->block_bytes);
}
static inline uint64_t *made_cells(const struct made *m, uint32_t page)
{
	return (uint64_t *)(void *)(m->base + (size_t)page * WEIR_SEGMENT_PAGE);
}

static inline uint32_t made_list(struct made *m, uint32_t page, uint32_t type, uint32_t owner, uint32_t number, uint32_t next)
{
	*made_entry(m, page) = (struct weir_segment_entry){type, owner, number, next};
	if (page >= made_header(m)->pages_used)
		made_header(m)->pages_used = page + 1;
	return page;
}

/* more: bytes behind what this version knows, of the header, of entries. */
static inline struct made made_new(uint32_t more)
{
	struct made m = {.entry_bytes = (uint32_t)sizeof(struct weir_segment_entry) + more,
	                 .block_bytes = (uint32_t)sizeof(struct weir_segment_block) + more,
	                 .used = 5};
	struct weir_segment_header *h;

	m.base = aligned_alloc(WEIR_SEGMENT_PAGE, made_bytes());
	if (m.base == NULL)
		abort();
	memset(m.base, 0, made_bytes());
	h = made_header(&m);
	memcpy(h->magic, WEIR_SEGMENT_MAGIC, 8);
	h->major = WEIR_SEGMENT_MAJOR;
	h->minor = (uint16_t)(WEIR_SEGMENT_MINOR + more);
	h->endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 2;
	h->pointer_bytes = 8;
	h->header_bytes = (uint16_t)(sizeof *h + more);
	h->page_bytes = WEIR_SEGMENT_PAGE;
	h->pages = MADE_PAGES;
	h->total_bytes = made_bytes();
	h->generation_begin = h->generation_end = 7;
	h->accessible = 1;
	h->areas_count = 2;
	h->areas[0] = (struct weir_segment_area){WEIR_PAGE_DIRECTORY, m.entry_bytes, WEIR_SEGMENT_PAGE, MADE_PAGES};
	h->areas[1] = (struct weir_segment_area){WEIR_PAGE_BLOCKS, m.block_bytes, 2 * WEIR_SEGMENT_PAGE, WEIR_SEGMENT_PAGE / m.block_bytes};
	made_list(&m, 0, WEIR_PAGE_HEADER, 0, 0, 0);
	made_list(&m, 3, WEIR_PAGE_STRINGS, 0, 0, 0);
	made_list(&m, 4, WEIR_PAGE_DESCRIPTORS, 0, 0, 0);
	return m;
}

static inline uint32_t made_string(struct made *m, const char *text)
{
	uint32_t len = (uint32_t)strlen(text), at = 3 * WEIR_SEGMENT_PAGE + m->strings_used;

	memcpy(m->base + at, &len, 4);
	memcpy(m->base + at + 4, text, len + 1);
	m->strings_used += (len + 5 + 3) & ~3u;
	return at;
}

/* The record, copied: where it stands. */
static inline void *made_record(struct made *m, const void *record, uint32_t bytes)
{
	uint8_t *at = m->base + 4 * WEIR_SEGMENT_PAGE + m->records_used;

	memcpy(at, record, bytes);
	m->records_used += bytes;
	return at;
}

static inline struct weir_segment_instrument *made_instrument(struct made *m, uint32_t id, uint8_t kind, const char *name, const char *label,
                                                              const uint64_t *bounds, uint32_t bounds_count)
{
	struct {
		struct weir_segment_instrument head;
		uint64_t lists[512];
	} r = {.head = {.type = WEIR_RECORD_INSTRUMENT, .kind = kind, .id = id, .name = made_string(m, name), .help = made_string(m, "Help."),
	                .labels_count = label != NULL, .bounds_count = bounds_count}};
	uint32_t *labels = (uint32_t *)(void *)(r.lists + bounds_count);

	for (uint32_t b = 0; b < bounds_count; b++)
		r.lists[b] = bounds[b];
	if (label != NULL)
		labels[0] = made_string(m, label);
	r.head.bytes = (uint32_t)sizeof r.head + bounds_count * 8 + (label != NULL ? 8 : 0);
	return made_record(m, &r, r.head.bytes);
}

static inline struct weir_segment_series *made_series(struct made *m, uint32_t instrument, uint32_t cell, uint32_t cells, const char *value)
{
	struct {
		struct weir_segment_series head;
		uint32_t values[2];
	} r = {.head = {.bytes = sizeof r.head + (value != NULL ? 8 : 0), .type = WEIR_RECORD_SERIES, .instrument = instrument, .cell = cell,
	                .cells = cells, .values_count = value != NULL}};

	if (value != NULL)
		r.values[0] = made_string(m, value);
	return made_record(m, &r, r.head.bytes);
}

static inline struct weir_segment_claim_series *made_claim_series(struct made *m, uint32_t instrument, uint32_t cell, const char *value,
                                                                  uint32_t turn)
{
	struct {
		struct weir_segment_claim_series head;
		uint32_t values[2];
	} r = {.head = {.series = {.bytes = sizeof r.head + 8, .type = WEIR_RECORD_CLAIM_SERIES, .instrument = instrument, .cell = cell, .cells = 1,
	                           .values_count = 1},
	                .turn = turn}};

	r.values[0] = made_string(m, value);
	return made_record(m, &r, r.head.series.bytes);
}

/* One more page of a block, before those that it has. */
static inline uint32_t made_cells_page(struct made *m, uint32_t type, uint32_t block)
{
	uint32_t page = m->used++;

	made_list(m, page, type, page, block, made_block(m, block)->first);
	made_block(m, block)->first = page;
	return page;
}

#endif
