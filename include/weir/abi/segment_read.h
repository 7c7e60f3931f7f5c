/* weir: reading a segment (segment.h) that somebody else writes, or wrote: in C, C++ and BPF programs, inline, without a call.
 *
 * All trust is in base and bytes: that memory may be read. Whatever stands in it, nothing outside it is read, and every walk
 * has a bound.
 *
 *   struct weir_segment_reader r;
 *   if (weir_segment_open(&r, base, bytes) == WEIR_SEGMENT_FINE) {
 *     struct weir_segment_cursor at = {0, 0};
 *     const struct weir_segment_record *record;
 *     while ((record = weir_segment_next(&r, &at)) != 0) ...
 *   }
 *
 * Every function here: Threads: any. Signals: yes. Blocks: no. Allocates: no. Owns: nothing; what is returned points into
 * base. Errors: as it says. */
#ifndef WEIR_ABI_SEGMENT_READ_H
#define WEIR_ABI_SEGMENT_READ_H

#include <weir/abi/segment.h>

#ifdef __cplusplus
#define WEIR_SEGMENT_CAST_(type, p) static_cast<type>(p)
#else
#define WEIR_SEGMENT_CAST_(type, p) ((type)(p))
#endif
#define WEIR_SEGMENT_INLINE_ static inline __attribute__((always_inline, unused))
#ifdef __bpf__ /* its compilers have no atomic load; a load of 4 or 8 bytes is one */
#define WEIR_SEGMENT_LOAD_(p, order) (*WEIR_SEGMENT_CAST_(const volatile __typeof__(*(p)) *, p))
#define WEIR_SEGMENT_FENCE_() __asm__ volatile("" ::: "memory")
#else
#define WEIR_SEGMENT_LOAD_(p, order) __atomic_load_n(p, order)
#define WEIR_SEGMENT_FENCE_() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#endif

enum weir_segment_fault {
	WEIR_SEGMENT_FINE = 0,
	WEIR_SEGMENT_SHORT,       /* less is there than a header, or than it says */
	WEIR_SEGMENT_FOREIGN,     /* no magic */
	WEIR_SEGMENT_ENDIAN,      /* of a machine with the other byte order */
	WEIR_SEGMENT_OTHER_MAJOR,
	WEIR_SEGMENT_POINTERS,    /* of a program whose pointers have no 8 bytes: its cells may be torn */
	WEIR_SEGMENT_CLOSED,      /* its writer does not let it be read */
	WEIR_SEGMENT_UNFINISHED,  /* its generations differ: it is being made, or was never finished */
	WEIR_SEGMENT_DAMAGED,     /* sizes or offsets that cannot be */
};

struct weir_segment_reader {
	const unsigned char *base;
	uint64_t bytes;
	uint64_t directory, blocks; /* offsets of the two areas */
	uint32_t entry_bytes, block_bytes, pages_used, blocks_count;
};

/* Where weir_segment_next stands: begin with {0, 0}. */
struct weir_segment_cursor {
	uint32_t page, at;
};

struct weir_segment_record { /* how every record begins */
	uint32_t bytes;
	uint16_t type, flags;
};

/* Of the memory, len bytes from offset; 0: they do not lie in it. */
WEIR_SEGMENT_INLINE_ const void *weir_segment_at(const struct weir_segment_reader *r, uint64_t offset, uint64_t len)
{
	return len <= r->bytes && offset <= r->bytes - len ? r->base + offset : 0;
}

/* What a header says by itself, bytes being the size of the whole. The first 320 bytes are read. */
WEIR_SEGMENT_INLINE_ enum weir_segment_fault weir_segment_header_fault(const struct weir_segment_header *h, uint64_t bytes)
{
	const char magic[8] = WEIR_SEGMENT_MAGIC;
	uint64_t generation;

	if (bytes < sizeof *h)
		return WEIR_SEGMENT_SHORT;
	for (int i = 0; i < 8; i++)
		if (h->magic[i] != magic[i])
			return WEIR_SEGMENT_FOREIGN;
	if (h->endian != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 2))
		return WEIR_SEGMENT_ENDIAN;
	if (h->major != WEIR_SEGMENT_MAJOR)
		return WEIR_SEGMENT_OTHER_MAJOR;
	if (h->pointer_bytes != 8)
		return WEIR_SEGMENT_POINTERS;
	if (h->header_bytes < sizeof *h || h->header_bytes > WEIR_SEGMENT_PAGE || h->page_bytes != WEIR_SEGMENT_PAGE ||
	    h->total_bytes != WEIR_SEGMENT_CAST_(uint64_t, h->pages) * WEIR_SEGMENT_PAGE)
		return WEIR_SEGMENT_DAMAGED;
	if (h->accessible != 1)
		return WEIR_SEGMENT_CLOSED;
	generation = WEIR_SEGMENT_LOAD_(&h->generation_end, __ATOMIC_ACQUIRE);
	if (generation == 0 || generation != WEIR_SEGMENT_LOAD_(&h->generation_begin, __ATOMIC_ACQUIRE))
		return WEIR_SEGMENT_UNFINISHED;
	return h->total_bytes > bytes ? WEIR_SEGMENT_SHORT : WEIR_SEGMENT_FINE;
}

/* The area of this type, whose entries have at least so many bytes, all within the segment; 0: there is none. */
WEIR_SEGMENT_INLINE_ const struct weir_segment_area *weir_segment_area_of(const struct weir_segment_header *h, uint32_t type,
                                                                          uint32_t least)
{
	for (uint32_t i = 0; i < 8 && i < h->areas_count; i++) {
		const struct weir_segment_area *a = &h->areas[i];

		if (a->type != type)
			continue;
		if (a->entry_bytes < least || a->entry_bytes > WEIR_SEGMENT_PAGE || a->entry_bytes % 8 != 0 || a->offset % 8 != 0 ||
		    a->offset > h->total_bytes || a->count > (h->total_bytes - a->offset) / a->entry_bytes || a->count > 0xffffffffu)
			return 0;
		return a;
	}
	return 0;
}

/* The first thing to do; base is aligned to 8 bytes. What the writer adds to the index of blocks or the directory later is seen
 * by opening anew. */
WEIR_SEGMENT_INLINE_ enum weir_segment_fault weir_segment_open(struct weir_segment_reader *r, const void *base, uint64_t bytes)
{
	const struct weir_segment_header *h = WEIR_SEGMENT_CAST_(const struct weir_segment_header *, base);
	enum weir_segment_fault fault = weir_segment_header_fault(h, bytes);
	const struct weir_segment_area *directory, *blocks;

	r->base = 0; /* who goes on where it is none finds nothing */
	r->bytes = r->directory = r->blocks = 0;
	r->entry_bytes = r->block_bytes = r->pages_used = r->blocks_count = 0;
	if (fault != WEIR_SEGMENT_FINE)
		return fault;
	r->base = WEIR_SEGMENT_CAST_(const unsigned char *, base);
#ifdef __bpf__
	r->bytes = bytes; /* a number that the verifier knows; what lies behind the segment's end is readable, and means nothing */
#else
	r->bytes = h->total_bytes < bytes ? h->total_bytes : bytes;
#endif
	directory = weir_segment_area_of(h, WEIR_PAGE_DIRECTORY, sizeof(struct weir_segment_entry));
	blocks = weir_segment_area_of(h, WEIR_PAGE_BLOCKS, sizeof(struct weir_segment_block));
	if (directory == 0 || blocks == 0)
		return WEIR_SEGMENT_DAMAGED;
	r->directory = directory->offset;
	r->entry_bytes = directory->entry_bytes;
	r->blocks = blocks->offset;
	r->block_bytes = blocks->entry_bytes;
	r->blocks_count = WEIR_SEGMENT_CAST_(uint32_t, WEIR_SEGMENT_LOAD_(&blocks->count, __ATOMIC_ACQUIRE));
	r->pages_used = WEIR_SEGMENT_LOAD_(&h->pages_used, __ATOMIC_ACQUIRE);
	if (r->pages_used <= directory->count && r->pages_used <= h->pages)
		return WEIR_SEGMENT_FINE;
	r->pages_used = r->blocks_count = 0;
	return WEIR_SEGMENT_DAMAGED;
}

/* A page's entry; 0: there is none. Read its type by this (acquire) before the rest of it. */
WEIR_SEGMENT_INLINE_ const struct weir_segment_entry *weir_segment_entry_of(const struct weir_segment_reader *r, uint32_t page)
{
	if (page >= r->pages_used)
		return 0;
	return WEIR_SEGMENT_CAST_(const struct weir_segment_entry *,
	                          weir_segment_at(r, r->directory + WEIR_SEGMENT_CAST_(uint64_t, page) * r->entry_bytes,
	                                          sizeof(struct weir_segment_entry)));
}
WEIR_SEGMENT_INLINE_ uint32_t weir_segment_page_type(const struct weir_segment_reader *r, uint32_t page)
{
	const struct weir_segment_entry *entry = weir_segment_entry_of(r, page);

	return entry != 0 ? WEIR_SEGMENT_LOAD_(&entry->type, __ATOMIC_ACQUIRE) : WEIR_SEGMENT_CAST_(uint32_t, WEIR_PAGE_NONE);
}

/* The page, where the directory lists it as one of this type; 0: it must not be touched as such. */
WEIR_SEGMENT_INLINE_ const void *weir_segment_page(const struct weir_segment_reader *r, uint32_t page, uint32_t type)
{
	if (weir_segment_page_type(r, page) != type)
		return 0;
	return weir_segment_at(r, WEIR_SEGMENT_CAST_(uint64_t, page) * WEIR_SEGMENT_PAGE, WEIR_SEGMENT_PAGE);
}

/* Text, without its NUL; 0: it is none. The offset 0 is none. */
WEIR_SEGMENT_INLINE_ const char *weir_segment_text(const struct weir_segment_reader *r, uint32_t offset, uint32_t *len)
{
	const unsigned char *page = WEIR_SEGMENT_CAST_(const unsigned char *,
	                                               weir_segment_page(r, offset / WEIR_SEGMENT_PAGE, WEIR_PAGE_STRINGS));
	uint32_t at = offset % WEIR_SEGMENT_PAGE;
	const void *words;

	*len = 0;
	if (page == 0 || at % 4 != 0 || at > WEIR_SEGMENT_PAGE - 8)
		return 0;
	words = page + at;
	*len = WEIR_SEGMENT_LOAD_(WEIR_SEGMENT_CAST_(const uint32_t *, words), __ATOMIC_RELAXED);
	if (*len > WEIR_SEGMENT_PAGE - 5 - at) {
		*len = 0;
		return 0;
	}
	words = page + at + 4;
	return WEIR_SEGMENT_CAST_(const char *, words);
}

/* ---- records ---- */

/* The next record of any type, at least its first 8 bytes and at most bytes of it, within one page; 0: no more. Those that are
 * added meanwhile are seen by going on from where it stood, once structure_epoch has grown. */
WEIR_SEGMENT_INLINE_ const struct weir_segment_record *weir_segment_next(const struct weir_segment_reader *r,
                                                                         struct weir_segment_cursor *cursor)
{
	for (; cursor->page < r->pages_used; cursor->page++, cursor->at = 0) {
		const unsigned char *page = WEIR_SEGMENT_CAST_(const unsigned char *,
		                                               weir_segment_page(r, cursor->page, WEIR_PAGE_DESCRIPTORS));
		uint32_t at = cursor->at, bytes;
		const void *record;

		if (page == 0 || at > WEIR_SEGMENT_PAGE - 8 || at % 8 != 0)
			continue;
		record = page + at;
		bytes = WEIR_SEGMENT_LOAD_(WEIR_SEGMENT_CAST_(const uint32_t *, record), __ATOMIC_ACQUIRE);
		if (bytes < 8 || bytes % 8 != 0 || bytes > WEIR_SEGMENT_PAGE - at)
			continue; /* the page's end, or what is no record */
		cursor->at = at + bytes;
		return WEIR_SEGMENT_CAST_(const struct weir_segment_record *, record);
	}
	return 0;
}

/* The record as an instrument whose lists lie in it; 0: it is none. */
WEIR_SEGMENT_INLINE_ const struct weir_segment_instrument *weir_segment_instrument_of(const struct weir_segment_record *record)
{
	const void *p = record;
	const struct weir_segment_instrument *i = WEIR_SEGMENT_CAST_(const struct weir_segment_instrument *, p);

	if (record->type != WEIR_RECORD_INSTRUMENT || record->bytes < sizeof *i || record->bytes > WEIR_SEGMENT_PAGE)
		return 0;
	if (i->bounds_count > WEIR_SEGMENT_PAGE || i->labels_count > WEIR_SEGMENT_PAGE || i->constant_count > WEIR_SEGMENT_PAGE ||
	    i->bounds_count * 8 + i->labels_count * 4 + i->constant_count * 8 > record->bytes - sizeof *i)
		return 0;
	return i;
}
WEIR_SEGMENT_INLINE_ const uint64_t *weir_segment_bounds(const struct weir_segment_instrument *i)
{
	const void *p = i + 1;

	return WEIR_SEGMENT_CAST_(const uint64_t *, p);
}
WEIR_SEGMENT_INLINE_ const uint32_t *weir_segment_labels(const struct weir_segment_instrument *i)
{
	const void *p = weir_segment_bounds(i) + i->bounds_count;

	return WEIR_SEGMENT_CAST_(const uint32_t *, p);
}
WEIR_SEGMENT_INLINE_ const uint32_t *weir_segment_constant(const struct weir_segment_instrument *i)
{
	return weir_segment_labels(i) + i->labels_count;
}

/* The record as a series, one that takes turns or not, whose values lie in it, and whose cells lie in one block; 0: it is none. */
WEIR_SEGMENT_INLINE_ const struct weir_segment_series *weir_segment_series_of(const struct weir_segment_record *record)
{
	const void *p = record;
	const struct weir_segment_series *s = WEIR_SEGMENT_CAST_(const struct weir_segment_series *, p);
	uint32_t head = record->type == WEIR_RECORD_SERIES         ? sizeof(struct weir_segment_series)
	                : record->type == WEIR_RECORD_CLAIM_SERIES ? sizeof(struct weir_segment_claim_series)
	                                                           : WEIR_SEGMENT_PAGE + 1;

	if (record->bytes < head || record->bytes > WEIR_SEGMENT_PAGE || s->values_count > (record->bytes - head) / 4)
		return 0;
	if (s->cells == 0 || s->cells > WEIR_SEGMENT_CELLS - s->cell % WEIR_SEGMENT_CELLS)
		return 0;
	return s;
}
WEIR_SEGMENT_INLINE_ const uint32_t *weir_segment_values(const struct weir_segment_series *s)
{
	const void *p = s + 1;

	return WEIR_SEGMENT_CAST_(const uint32_t *, p) + (s->type == WEIR_RECORD_CLAIM_SERIES ? 2 : 0);
}

/* Whose turn it is: odd: it is a series now. Read it before its texts and cells, then ask weir_segment_is_turn: if that is true
 * what was read is of this turn. A series that takes no turns is always at turn 1. */
WEIR_SEGMENT_INLINE_ uint32_t weir_segment_turn(const struct weir_segment_series *s)
{
	const void *p = s;

	return s->type == WEIR_RECORD_CLAIM_SERIES
	           ? WEIR_SEGMENT_LOAD_(&WEIR_SEGMENT_CAST_(const struct weir_segment_claim_series *, p)->turn, __ATOMIC_ACQUIRE)
	           : 1;
}
WEIR_SEGMENT_INLINE_ int weir_segment_is_turn(const struct weir_segment_series *s, uint32_t turn)
{
	WEIR_SEGMENT_FENCE_();
	return turn % 2 != 0 && weir_segment_turn(s) == turn;
}

/* ---- cells ---- */

WEIR_SEGMENT_INLINE_ const struct weir_segment_block *weir_segment_block_of(const struct weir_segment_reader *r, uint32_t cell)
{
	uint32_t block = cell / WEIR_SEGMENT_CELLS;

	if (block >= r->blocks_count)
		return 0;
	return WEIR_SEGMENT_CAST_(const struct weir_segment_block *,
	                          weir_segment_at(r, r->blocks + WEIR_SEGMENT_CAST_(uint64_t, block) * r->block_bytes,
	                                          sizeof(struct weir_segment_block)));
}

/* A cell: the sum of its words over the threads, modulo 2^64, or a level's word; 0 where nobody has used its block. Follows a
 * chain of as many pages as there are threads: for a BPF program there is weir_segment_total. */
WEIR_SEGMENT_INLINE_ uint64_t weir_segment_cell(const struct weir_segment_reader *r, uint32_t cell)
{
	const struct weir_segment_block *block = weir_segment_block_of(r, cell);
	uint32_t page = block != 0 ? WEIR_SEGMENT_LOAD_(&block->first, __ATOMIC_ACQUIRE) : 0;
	uint64_t sum = 0;

	for (uint32_t steps = 0; page != 0 && steps < r->pages_used; steps++) {
		const struct weir_segment_entry *entry = weir_segment_entry_of(r, page);
		uint32_t type = weir_segment_page_type(r, page);
		const void *words = weir_segment_at(r, WEIR_SEGMENT_CAST_(uint64_t, page) * WEIR_SEGMENT_PAGE, WEIR_SEGMENT_PAGE);

		if (entry == 0 || words == 0 || (type != WEIR_PAGE_CELLS && type != WEIR_PAGE_LEVELS) ||
		    entry->number != cell / WEIR_SEGMENT_CELLS)
			break;
		sum += WEIR_SEGMENT_LOAD_(WEIR_SEGMENT_CAST_(const uint64_t *, words) + cell % WEIR_SEGMENT_CELLS, __ATOMIC_RELAXED);
		if (type == WEIR_PAGE_LEVELS)
			break;
		page = entry->next;
	}
	return sum;
}

/* The page of sums that counts now, of the block that has this cell; 0: the writer makes none. *active: what chose it. */
WEIR_SEGMENT_INLINE_ const uint64_t *weir_segment_totals_page(const struct weir_segment_reader *r, uint32_t cell, uint32_t *active)
{
	const struct weir_segment_block *block = weir_segment_block_of(r, cell);
	const struct weir_segment_entry *entry;
	uint32_t page;

	if (block == 0)
		return 0;
	*active = WEIR_SEGMENT_LOAD_(&block->active, __ATOMIC_ACQUIRE);
	page = (*active & 1) != 0 ? WEIR_SEGMENT_LOAD_(&block->totals[1], __ATOMIC_ACQUIRE)
	                          : WEIR_SEGMENT_LOAD_(&block->totals[0], __ATOMIC_ACQUIRE);
	entry = page != 0 ? weir_segment_entry_of(r, page) : 0;
	if (entry == 0 || weir_segment_page_type(r, page) != WEIR_PAGE_TOTALS || entry->number != cell / WEIR_SEGMENT_CELLS)
		return 0;
	return WEIR_SEGMENT_CAST_(const uint64_t *, weir_segment_page(r, page, WEIR_PAGE_TOTALS));
}

/* One sum as the writer has made it, found without a loop. 0: the writer makes none of that block. */
WEIR_SEGMENT_INLINE_ int weir_segment_total(const struct weir_segment_reader *r, uint32_t cell, uint64_t *value)
{
	uint32_t active;
	const uint64_t *page = weir_segment_totals_page(r, cell, &active);

	if (page == 0)
		return 0;
	*value = WEIR_SEGMENT_LOAD_(page + cell % WEIR_SEGMENT_CELLS, __ATOMIC_RELAXED);
	return 1;
}

/* Sums of cells one behind the other in one block, all of one copy: a histogram's, say. 0: the writer makes none, or no three
 * tries met it at rest, or the cells do not lie in one block. */
WEIR_SEGMENT_INLINE_ int weir_segment_totals(const struct weir_segment_reader *r, uint32_t cell, uint32_t cells, uint64_t *to)
{
	uint32_t at = cell % WEIR_SEGMENT_CELLS;
	const struct weir_segment_block *block = weir_segment_block_of(r, cell);

	if (block == 0 || cells > WEIR_SEGMENT_CELLS - at)
		return 0;
	for (int tries = 0; tries < 3; tries++) {
		uint32_t active;
		const uint64_t *page = weir_segment_totals_page(r, cell, &active);

		if (page == 0)
			return 0;
		for (uint32_t i = 0; i < WEIR_SEGMENT_CELLS && i < cells; i++)
			to[i] = WEIR_SEGMENT_LOAD_(page + at + i, __ATOMIC_ACQUIRE);
		if (WEIR_SEGMENT_LOAD_(&block->active, __ATOMIC_ACQUIRE) == active)
			return 1;
	}
	return 0;
}

/* ---- quantiles ---- */

/* ceil(a * b / divisor), where a <= divisor and divisor is not 0: exact, without numbers above 64 bits. */
WEIR_SEGMENT_INLINE_ uint64_t weir_segment_share_(uint64_t a, uint64_t b, uint64_t divisor)
{
	uint64_t whole = 0, rest = 0; /* of a * (b's bits so far), divided; rest < divisor */

	for (int bit = 63; bit >= 0; bit--) {
		uint64_t add = (b >> bit & 1) != 0 ? a : 0;

		/* 2 * rest + add, by steps that do not pass 2^64 */
		whole <<= 1;
		if (rest >= divisor - rest) {
			rest -= divisor - rest;
			whole++;
		} else {
			rest += rest;
		}
		if (add >= divisor - rest) {
			rest = add - (divisor - rest);
			whole++;
		} else {
			rest += add;
		}
	}
	return whole + (rest != 0);
}

/* The value below which ppm millionths of a histogram's values lie, in its base unit. counts: bounds_count + 1 buckets, the last
 * above all bounds; bounds ascend. It is the value of rank ceil(count * ppm / 1000000), at least 1, values being taken as spread
 * evenly over their bucket, from the bound below it (0 for the first) up to its own, rounded up; so that it lies in the bucket in which
 * the true one lies. For programs outside: a BPF program takes the sums out, since its verifier may find the way through this too long.
 * Above all bounds: the last bound. 0: no values, or more than 2^64 of them, or no bounds; *value is 0 then. */
WEIR_SEGMENT_INLINE_ int weir_segment_quantile(const uint64_t *counts, const uint64_t *bounds, uint32_t bounds_count, uint32_t ppm,
                                               uint64_t *value)
{
	uint64_t count = 0, rank, below = 0, lower = 0;

	*value = 0;
	if (bounds_count == 0 || bounds_count >= WEIR_SEGMENT_CELLS)
		return 0;
	for (uint32_t b = 0; b < WEIR_SEGMENT_CELLS && b <= bounds_count; b++) {
		if (counts[b] > ~WEIR_SEGMENT_CAST_(uint64_t, 0) - count)
			return 0;
		count += counts[b];
	}
	if (count == 0)
		return 0;
	rank = weir_segment_share_(ppm < 1000000 ? ppm : 1000000, count, 1000000);
	if (rank == 0)
		rank = 1;
	for (uint32_t b = 0; b < WEIR_SEGMENT_CELLS && b < bounds_count; b++) {
		if (counts[b] != 0 && rank - below <= counts[b]) {
			*value = bounds[b] <= lower ? bounds[b] : lower + weir_segment_share_(rank - below, bounds[b] - lower, counts[b]);
			return 1;
		}
		below += counts[b];
		lower = bounds[b];
	}
	*value = lower;
	return 1;
}

#ifndef __bpf__
/* What is wrong, as the end of a sentence. */
WEIR_SEGMENT_INLINE_ const char *weir_segment_fault_text(enum weir_segment_fault fault)
{
	switch (fault) {
	case WEIR_SEGMENT_FINE: return "it is a segment";
	case WEIR_SEGMENT_SHORT: return "it is cut short";
	case WEIR_SEGMENT_FOREIGN: return "it is no segment of weir";
	case WEIR_SEGMENT_ENDIAN: return "it is of a machine with another byte order";
	case WEIR_SEGMENT_OTHER_MAJOR: return "it is of another major version, which this reader does not know";
	case WEIR_SEGMENT_POINTERS: return "it is of a program whose pointers do not have 8 bytes";
	case WEIR_SEGMENT_CLOSED: return "its writer does not let it be read";
	case WEIR_SEGMENT_UNFINISHED: return "its writer has not finished it";
	case WEIR_SEGMENT_DAMAGED: return "it is damaged";
	}
	return "it cannot be read";
}
#endif

#endif
