/* weir: the segment: where the cells live, as another process reads it. One layout for every home (a memfd, a file, a BPF map).
 *
 * A segment is a run of numbered 4 KiB pages. Page 0 is the header; its table of contents says where the directory and the
 * index of blocks are. The directory has one entry a page, in order of pages; a page that it does not list (type 0) must not
 * be read: a touch would allocate it. Everything is an offset from the segment's start, in bytes, or a page's number; there
 * are no pointers. Integers are in the writer's byte order (endian).
 *
 * Reading. Check magic, major, endian, page_bytes; the segment counts while generation_begin and generation_end are equal
 * and not 0. Read pages_used (acquire), then entries below it whose type is not 0 (acquire). Descriptor pages hold records
 * one after the other, each of its own size, until a size of 0 (acquire) or the page's end; a series may stand before its
 * instrument; of two instruments with one id, and of two series with one first cell, the later counts. Strings are {length, bytes, NUL}.
 * A claim series is one and another in turn: its texts and cells hold while its turn is odd. Read turn (acquire), texts and
 * cells, and turn again behind an acquire fence: what was read counts if both are the same odd number; else it is no series now.
 * Its totals (below) may be of its former turn: sum its cells.
 * A cell is a u64: cell n is word n % 512 of block n / 512. A block has a page for each thread that used it: a counter is the
 * sum over them, modulo 2^64; follow blocks[b].first, then next, bounded by pages_used. Levels have one page, whose word is
 * the value. A histogram is its sum, then bounds_count + 1 buckets. Words are read relaxed, each consistent on its own.
 * Totals, where the host asks for them (totals_time_ns), are sums made by the writer: word n % 512 of the page
 * totals[active & 1], if that is not 0. The writer fills the other page, then counts active up (release): read active
 * (acquire), words (acquire), and active again; if it is the same, they are of one copy. It changes once a period: no reader
 * spins, and no writer that is preempted keeps one waiting.
 * Check every offset against total_bytes: the writer may be gone, and the memory hostile. segment_read.h does all of this.
 *
 * Growth. Fields and types are appended, records grow at their end: stride by the stored sizes. What would move is a new
 * major. This file is plain C, C++ and BPF; it depends on fixed-width integers alone. */
#ifndef WEIR_ABI_SEGMENT_H
#define WEIR_ABI_SEGMENT_H

#if !defined(__bpf__) && !defined(__VMLINUX_H__)
#include <stdint.h>
#endif

#define WEIR_SEGMENT_MAGIC "weirseg" /* with its NUL: 8 bytes */
#define WEIR_SEGMENT_MAJOR 1
#define WEIR_SEGMENT_MINOR 1 /* 1: WEIR_RECORD_CLAIM_SERIES */
#define WEIR_SEGMENT_PAGE 4096
#define WEIR_SEGMENT_CELLS 512 /* in a block */

enum weir_page_type {
	WEIR_PAGE_NONE = 0,
	WEIR_PAGE_HEADER,
	WEIR_PAGE_DIRECTORY,
	WEIR_PAGE_BLOCKS,
	WEIR_PAGE_DESCRIPTORS,
	WEIR_PAGE_STRINGS,
	WEIR_PAGE_CELLS,  /* of one thread's shard */
	WEIR_PAGE_LEVELS, /* of all threads: gauges, and what callbacks report */
	WEIR_PAGE_TOTALS,
};

/* The table of contents: by type; an area is count entries of entry_bytes, from offset. The index of blocks grows: a block at
 * or past its count (acquire) has no cells yet. */
struct weir_segment_area {
	uint32_t type, entry_bytes;
	uint64_t offset, count;
};

struct weir_segment_header {
	char magic[8];
	uint16_t major, minor;
	uint8_t endian;        /* 1: little, 2: big */
	uint8_t pointer_bytes; /* of the writer: 8, or its cells may be torn */
	uint16_t header_bytes;
	uint32_t page_bytes, pages;               /* the capacity */
	uint64_t total_bytes;                     /* pages * page_bytes */
	uint64_t generation_begin, generation_end;
	uint32_t pid;                             /* with start_time: who writes, and whether it still lives */
	uint32_t accessible;                      /* 1: open to readers */
	uint64_t start_time;                      /* of the process, in clock ticks since boot; 0: not known yet */
	uint8_t boot_id[16];
	uint64_t structure_epoch;                 /* counts every descriptor published */
	uint64_t heartbeat_ns;                    /* CLOCK_MONOTONIC of the last tick; 0: nobody ticks */
	uint64_t totals_time_ns;                  /* wall clock of the totals; 0: none published */
	uint64_t records_dropped, records_overflowed; /* as of the last tick; overflowed: look-ups that met a cap */
	uint32_t pages_used;                      /* entries of the directory to look at */
	uint32_t areas_count;
	struct weir_segment_area areas[8];
};

struct weir_segment_entry { /* of the directory: one a page */
	uint32_t type;   /* written last, with release */
	uint32_t owner;  /* cells: the shard's number + 1 */
	uint32_t number; /* cells, levels, totals: the block's number */
	uint32_t next;   /* cells: the page of the next shard of this block; 0: none */
};

struct weir_segment_block { /* of the index: one a block */
	uint32_t first;     /* page of cells or levels; 0: none. Written with release */
	uint32_t totals[2]; /* pages; 0: none */
	uint32_t active;    /* its lowest bit: which of the two is whole; written with release */
};

enum weir_record_type { WEIR_RECORD_INSTRUMENT = 1, WEIR_RECORD_SERIES, WEIR_RECORD_CLAIM_SERIES };

struct weir_segment_instrument {
	uint32_t bytes; /* of the record, a multiple of 8; written last, with release */
	uint16_t type;
	uint8_t kind, unit; /* enum weir_kind, enum weir_unit */
	uint32_t id;
	uint32_t name, help; /* strings */
	uint32_t labels_count, constant_count;
	uint32_t bounds_count; /* histograms: finite bounds */
	int32_t scale, offset; /* exponential histograms: as in weir/snapshot.h */
	uint32_t split;
	uint32_t flags; /* 1: exponential */
	uint64_t slo_objective_ppm, slo_threshold;
	/* then uint64_t bounds[bounds_count], uint32_t labels[labels_count] and constant[2 * constant_count] (strings) */
};

struct weir_segment_series {
	uint32_t bytes;
	uint16_t type, flags; /* 1: the overflow series: without values; 2: level is a double */
	uint32_t instrument;  /* its id */
	uint32_t cell, cells; /* the first, and how many */
	uint32_t values_count;
	/* then uint32_t values[values_count] (strings) */
};

/* A type of its own, so that who knows of no turns passes over it. */
struct weir_segment_claim_series {
	struct weir_segment_series series;
	uint32_t turn; /* odd: it is in use */
	uint32_t reserved;
	/* then uint32_t values[values_count] (strings) */
};

#ifdef __cplusplus
#define WEIR_SEGMENT_ASSERT_(what) static_assert(what, "frozen")
#else
#define WEIR_SEGMENT_ASSERT_(what) _Static_assert(what, "frozen")
#endif
#define WEIR_SEGMENT_SIZE_(of, size) WEIR_SEGMENT_ASSERT_(sizeof(struct weir_segment_##of) == (size))
#define WEIR_SEGMENT_AT_(of, field, at) WEIR_SEGMENT_ASSERT_(__builtin_offsetof(struct weir_segment_##of, field) == (at))
WEIR_SEGMENT_SIZE_(area, 24);
WEIR_SEGMENT_AT_(area, type, 0);
WEIR_SEGMENT_AT_(area, entry_bytes, 4);
WEIR_SEGMENT_AT_(area, offset, 8);
WEIR_SEGMENT_AT_(area, count, 16);
WEIR_SEGMENT_SIZE_(header, 320);
WEIR_SEGMENT_AT_(header, magic, 0);
WEIR_SEGMENT_AT_(header, major, 8);
WEIR_SEGMENT_AT_(header, minor, 10);
WEIR_SEGMENT_AT_(header, endian, 12);
WEIR_SEGMENT_AT_(header, pointer_bytes, 13);
WEIR_SEGMENT_AT_(header, header_bytes, 14);
WEIR_SEGMENT_AT_(header, page_bytes, 16);
WEIR_SEGMENT_AT_(header, pages, 20);
WEIR_SEGMENT_AT_(header, total_bytes, 24);
WEIR_SEGMENT_AT_(header, generation_begin, 32);
WEIR_SEGMENT_AT_(header, generation_end, 40);
WEIR_SEGMENT_AT_(header, pid, 48);
WEIR_SEGMENT_AT_(header, accessible, 52);
WEIR_SEGMENT_AT_(header, start_time, 56);
WEIR_SEGMENT_AT_(header, boot_id, 64);
WEIR_SEGMENT_AT_(header, structure_epoch, 80);
WEIR_SEGMENT_AT_(header, heartbeat_ns, 88);
WEIR_SEGMENT_AT_(header, totals_time_ns, 96);
WEIR_SEGMENT_AT_(header, records_dropped, 104);
WEIR_SEGMENT_AT_(header, records_overflowed, 112);
WEIR_SEGMENT_AT_(header, pages_used, 120);
WEIR_SEGMENT_AT_(header, areas_count, 124);
WEIR_SEGMENT_AT_(header, areas, 128);
WEIR_SEGMENT_SIZE_(entry, 16);
WEIR_SEGMENT_AT_(entry, type, 0);
WEIR_SEGMENT_AT_(entry, owner, 4);
WEIR_SEGMENT_AT_(entry, number, 8);
WEIR_SEGMENT_AT_(entry, next, 12);
WEIR_SEGMENT_SIZE_(block, 16);
WEIR_SEGMENT_AT_(block, first, 0);
WEIR_SEGMENT_AT_(block, totals, 4);
WEIR_SEGMENT_AT_(block, active, 12);
WEIR_SEGMENT_SIZE_(instrument, 64);
WEIR_SEGMENT_AT_(instrument, bytes, 0);
WEIR_SEGMENT_AT_(instrument, type, 4);
WEIR_SEGMENT_AT_(instrument, kind, 6);
WEIR_SEGMENT_AT_(instrument, unit, 7);
WEIR_SEGMENT_AT_(instrument, id, 8);
WEIR_SEGMENT_AT_(instrument, name, 12);
WEIR_SEGMENT_AT_(instrument, help, 16);
WEIR_SEGMENT_AT_(instrument, labels_count, 20);
WEIR_SEGMENT_AT_(instrument, constant_count, 24);
WEIR_SEGMENT_AT_(instrument, bounds_count, 28);
WEIR_SEGMENT_AT_(instrument, scale, 32);
WEIR_SEGMENT_AT_(instrument, offset, 36);
WEIR_SEGMENT_AT_(instrument, split, 40);
WEIR_SEGMENT_AT_(instrument, flags, 44);
WEIR_SEGMENT_AT_(instrument, slo_objective_ppm, 48);
WEIR_SEGMENT_AT_(instrument, slo_threshold, 56);
WEIR_SEGMENT_SIZE_(series, 24);
WEIR_SEGMENT_AT_(series, bytes, 0);
WEIR_SEGMENT_AT_(series, type, 4);
WEIR_SEGMENT_AT_(series, flags, 6);
WEIR_SEGMENT_AT_(series, instrument, 8);
WEIR_SEGMENT_AT_(series, cell, 12);
WEIR_SEGMENT_AT_(series, cells, 16);
WEIR_SEGMENT_AT_(series, values_count, 20);
WEIR_SEGMENT_SIZE_(claim_series, 32);
WEIR_SEGMENT_AT_(claim_series, series, 0);
WEIR_SEGMENT_AT_(claim_series, turn, 24);
WEIR_SEGMENT_AT_(claim_series, reserved, 28);

#endif
