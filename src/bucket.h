/* L1: how a histogram divides: bounds, the map of slots, exponential bounds. Pure. */
#ifndef WEIR_BUCKET_H
#define WEIR_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEIR__BOUNDS_MAX = 62, WEIR__BUCKETS_MAX = 255, WEIR__MAP_SLOTS = 1920 };
struct weir__shape { /* what a histogram's tagged words mean; bounds end in two UINT64_MAX */
	uint64_t bounds[WEIR__BUCKETS_MAX + 2];
	uint32_t bounds_count; /* finite bounds; buckets = bounds_count + 1 */
	uint8_t unit;          /* enum weir_unit */
	bool exponential;
	int32_t scale, offset; /* exponential: see struct weir_series in weir/snapshot.h */
	uint32_t split;
	uint64_t slo_objective_ppm, slo_threshold;
};
const char *weir__shape_parse(struct weir__shape *shape, const uint64_t *words, size_t count);
uint64_t weir__map_build(uint8_t map[WEIR__MAP_SLOTS], const uint64_t *bounds, uint32_t count);
uint32_t weir__bucket_search(const uint64_t *bounds, uint32_t count, uint64_t v);

#endif
