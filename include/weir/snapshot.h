/* weir: all series at one moment, read by cursors that are values:
 *
 *   weir_family_begin(&f, snapshot);
 *   while (weir_family_next(&f)) { weir_series_begin(&s, &f); while (weir_series_next(&s)) ... }
 *
 * Many threads may read one snapshot. What a cursor points to lives as long as the snapshot, but values, bounds, buckets:
 * until the cursor's next step. */
#ifndef WEIR_SNAPSHOT_H
#define WEIR_SNAPSHOT_H

#include <weir/abi/hot.h>

WEIR_BEGIN_DECLS_

struct weir_snapshot;

/* Sums all shards as they are now; never holds up a recorder. A series never goes back from one snapshot to the next.
 * Threads: any. Signals: no. Blocks: while another snapshot is made. Allocates: yes. Owns: destroy it.
 * Errors: WEIR_ENOMEM. */
WEIR_API int weir_snapshot_new(struct weir_snapshot **snapshot);
/* Threads: any, the last reader. Signals: no. Blocks: no. Allocates: no. Owns: takes it; NULL is harmless. Errors: none. */
WEIR_API void weir_snapshot_destroy(struct weir_snapshot *snapshot);

/* The wall clock's time in ns, and what the process says of itself (service.name and the like).
 * Threads: any. Signals: no. Blocks: no. Allocates: no. Owns: lives as long as the snapshot. Errors: none. */
WEIR_API uint64_t weir_snapshot_time_ns(const struct weir_snapshot *snapshot);
WEIR_API struct weir_attrs weir_snapshot_resource(const struct weir_snapshot *snapshot);

/* All of it as lines, name{label="v"} 1, in the exported unit: for a status command.
 * Threads: any. Signals: no. Blocks: as write does. Allocates: no. Owns: nothing. Errors: WEIR_EIO (write stopped it). */
WEIR_API int weir_snapshot_write(const struct weir_snapshot *snapshot, weir_write_fn *write, void *arg);

struct weir_family {
	const char *name, *help;   /* as declared */
	const char *const *labels; /* names; labels_count of them */
	size_t labels_count;
	const char *const *constant; /* name, value, ...: 2 * constant_count, the same for all series */
	size_t constant_count;
	enum weir_kind kind; /* kinds may be added: pass over the unknown */
	enum weir_unit unit;
	double divisor; /* exported = integer / divisor: 1e9 for seconds */
	uint64_t slo_objective_ppm, slo_threshold; /* 0: none; the threshold in the base unit */
	size_t series_count;                       /* at most so many follow */
	uint64_t private_[6];
};

struct weir_exemplar {
	uint64_t value, time_ns, bucket;
	struct weir_ids ids;
};

struct weir_series {
	const struct weir_str *values; /* one for each of the family's labels; also end in NUL; NULL on the overflow series */
	uint64_t start_ns;             /* wall clock: when the series began */
	uint64_t count;                /* counters; histograms: of all buckets; info: 1 */
	int64_t level;                 /* up-down counters, gauges */
	double real;                   /* where floating is true: in the exported unit */
	uint64_t sum_low, sum_high;    /* histograms: 128 bits in the base unit */
	uint64_t good;                 /* histograms: within the SLO */
	const uint64_t *bounds;        /* buckets_count - 1, upper-inclusive, in the base unit */
	const uint64_t *buckets;       /* buckets_count, not cumulative; the last has no bound */
	const struct weir_exemplar *exemplars;
	size_t buckets_count, exemplars_count;
	/* Exponential histograms, base 2^(2^-scale) in the exported unit: buckets[0] is the zero bucket, up to and with
	 * bounds[0]; bucket 1 + i lies in (base^(offset + i), base^(offset + i + 1)], as OpenTelemetry counts (Prometheus' own
	 * index is one more); the last bucket is above the range. Where split is not 0, bounds[split] is an SLO's threshold that
	 * cuts a bucket in two: buckets[split] and [split + 1] are one, and those behind count one less. */
	int32_t scale, offset;
	uint32_t split;
	bool exponential, floating, overflow;
	uint64_t private_[8];
};

/* Threads: one cursor by one thread. Signals: no. Blocks: no. Allocates: no. Owns: nothing. Errors: next: false at the end.
 * A family without series yet is passed over. */
WEIR_API void weir_family_begin(struct weir_family *family, const struct weir_snapshot *snapshot);
WEIR_API bool weir_family_next(struct weir_family *family);
WEIR_API void weir_series_begin(struct weir_series *series, const struct weir_family *family);
WEIR_API bool weir_series_next(struct weir_series *series);

/* One series by its family's name and its values: for a host's tests of its own metrics, of any kind.
 * Threads, Signals, Blocks, Allocates, Owns: as the cursors. Errors: false where there is none. */
WEIR_API bool weir_snapshot_find(const struct weir_snapshot *snapshot, const char *name, const struct weir_str *values,
                                 size_t count, struct weir_series *series);

WEIR_END_DECLS_
#endif
