/* weir: how a histogram divides, and what it promises: the shapes of WEIR_HISTOGRAM, and the distribution read back. */
#ifndef WEIR_SLO_H
#define WEIR_SLO_H

#include <weir/abi/hot.h>

WEIR_BEGIN_DECLS_

/* The unit, then WEIR_SLO if any, then WEIR_RANGE or WEIR_BOUNDS if any. Bounds are upper-inclusive, in the base unit,
 * ascending, 62 at most. Without either, the unit's default bounds: for seconds those of http.server.request.duration, 5 ms
 * to 10 s. An SLO's threshold is always an exact bound: objective_ppm of all values are to be at most the threshold.
 * A range of 1 us to 60 s is 208 buckets. The scale is at most 3 (8 buckets an octave), less where the range would need more
 * than 240 buckets, or where it begins under 9 units, so that no two bounds are one integer.
 *   WEIR_BUCKETS(WEIR_BYTES, WEIR_SLO(990000, WEIR_KIB(64)), WEIR_BOUNDS(WEIR_KIB(1), WEIR_KIB(16), WEIR_MIB(1)))
 *   WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60)))    exponential, base 2, at most 9 % wide: 1 us to 60 s */
#define WEIR_BUCKETS(...)                                                                                              \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}
#define WEIR_LATENCY WEIR_BUCKETS(WEIR_SECONDS)
#define WEIR_LATENCY_SLO(objective_ppm, threshold_ns) WEIR_BUCKETS(WEIR_SECONDS, WEIR_SLO(objective_ppm, threshold_ns))
#define WEIR_SLO(objective_ppm, threshold) WEIR_SHAPE_SLO_, (objective_ppm), (threshold)
#define WEIR_RANGE(lowest, highest) WEIR_SHAPE_RANGE_, (lowest), (highest)
#define WEIR_BOUNDS(...) WEIR_SHAPE_BOUNDS_, __VA_ARGS__
enum {
	WEIR_SHAPE_SLO_ = 1,
	WEIR_SHAPE_RANGE_,
	WEIR_SHAPE_BOUNDS_
};

/* A histogram's values so far, over all threads. */
struct weir_distribution {
	uint64_t count;             /* of all values */
	uint64_t good;              /* of those within the SLO's threshold; 0 without an SLO */
	uint64_t sum_low, sum_high; /* 128 bits, in the base unit */
	uint64_t reserved_[4];
};

/* The sums over all threads: exact when recorders rest. A histogram with labels has no series of its own: zeros.
 * Threads: any. Signals: no. Blocks: while another reads. Allocates: no. Owns: nothing. Errors: none: zeros.
 * Units: the instrument's base. */
WEIR_API struct weir_distribution weir_histogram_read(const struct weir_histogram *h);
WEIR_API struct weir_distribution weir_histogram_series_read(struct weir_histogram_series s);

WEIR_END_DECLS_
#endif
