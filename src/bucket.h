/* L1: how a histogram divides: bounds, the map from slots to buckets, and base-2 exponential bounds. Pure.
 *
 * Invariant of a shape: bounds are strictly ascending and at least one, followed by two UINT64_MAX; bucket b holds
 * the values above bounds[b - 1] up to and with bounds[b], the last bucket those above all bounds. Every byte of a
 * shape is written, so that equal shapes are equal bytes. */
#ifndef WEIR_BUCKET_H
#define WEIR_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WEIR__BOUNDS_MAX = 62,         /* as declared; an SLO's threshold may come on top */
	WEIR__RANGE_BUCKETS_MAX = 240, /* of an exponential histogram, all cells but the sum counted */
	WEIR__BUCKETS_MAX = 255,
	WEIR__MAP_SLOTS = 1920,
};

struct weir__shape { /* what a histogram's tagged words mean */
	uint64_t bounds[WEIR__BUCKETS_MAX + 2];
	uint32_t bounds_count; /* finite bounds; buckets = bounds_count + 1 */
	uint8_t unit;          /* enum weir_unit */
	bool exponential;
	int32_t scale, offset; /* exponential: see struct weir_series in weir/snapshot.h */
	uint32_t split;
	uint64_t slo_objective_ppm, slo_threshold;
};

/* words: unit, then [WEIR_SHAPE_SLO_, ppm, threshold], then [WEIR_SHAPE_RANGE_, lowest, highest] or
 * [WEIR_SHAPE_BOUNDS_, bound...]. NULL when fine, else a static text that says what is wrong.
 *
 * A range becomes exponential buckets of base 2^(2^-scale) in the exported unit: bound k is floor(D * 2^(k /
 * 2^scale)), exactly, where D is the unit's divisor (10^9, 10^6 or 1): an integer is at most D * 2^(k / 2^scale) if
 * and only if it is at most that floor. bounds[0] is the largest bound <= lowest, and offset its k, so that bucket
 * 1 + i holds the values in (base^(offset + i), base^(offset + i + 1)]; the last bound is the first one >= highest
 * (it may lie above INT64_MAX). The scale is the largest of 3, 2, 1, 0 at which there are at most 240 buckets and
 * no two bounds have the same floor: where a range begins at a few units, so that finer bounds would fall between
 * integers, the scale is lower (from 9 units on it need not be; from 1 it is 0 or 1). A range that does not contain
 * the SLO's threshold is widened until it does; split is then the threshold's index, never 0, or 0 where it is an
 * exponential bound itself. */
const char *weir__shape_parse(struct weir__shape *shape, const uint64_t *words, size_t count);

/* map[slot]: the first bucket whose bound is >= the slot's lowest value. Returns the limit_ of struct weir_layout:
 * 2^63; or 0 where two increments would not always do, since a slot holds three bounds below its highest value. */
uint64_t weir__map_build(uint8_t map[WEIR__MAP_SLOTS], const uint64_t *bounds, uint32_t count);

/* The first bucket whose bound is >= v, or count. No branch depends on v. */
uint32_t weir__bucket_search(const uint64_t *bounds, uint32_t count, uint64_t v);

#endif
