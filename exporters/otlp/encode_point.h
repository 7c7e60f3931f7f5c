/* weir-otlp: families as Metric messages, series as their data points.
 *
 * Layer: exporter, pure: no data of its own. Invariant: the bytes are those that protobuf-c packs of the same values; a
 * histogram's count is the sum of its buckets. Writer: the one thread that encodes. */
#ifndef WEIR_OTLP_ENCODE_POINT_H
#define WEIR_OTLP_ENCODE_POINT_H

#include "wire.h"

#include <weir/snapshot.h>

/* A Metric that is open for its points: exponential tells one kind of histogram from the other. */
struct weir__otlp_metric {
	size_t outer, inner;
	bool exponential, is_delta;
};
/* False: a kind that is not known, and nothing is written. As ScopeMetrics.metrics. */
bool weir__otlp_metric_open(struct weir__otlp_bytes *b, struct weir__otlp_metric *metric, const struct weir_family *family,
                            bool exponential, bool is_delta);
void weir__otlp_metric_close(struct weir__otlp_bytes *b, const struct weir__otlp_metric *metric,
                             const struct weir_family *family);
void weir__otlp_put_point(struct weir__otlp_bytes *b, const struct weir__otlp_metric *metric,
                          const struct weir_family *family, const struct weir_series *series, uint64_t time_ns);
/* What closing a metric may add at most: its temporality, is_monotonic, and two longer lengths. */
enum { WEIR__METRIC_END = 12 };

/* encode_histogram.c: the data point's own fields, within it. */
void weir__otlp_put_histogram(struct weir__otlp_bytes *b, const struct weir_family *family, const struct weir_series *s,
                              uint64_t time_ns, bool is_delta);
/* encode_exponential.c */
void weir__otlp_put_exponential(struct weir__otlp_bytes *b, const struct weir_family *family, const struct weir_series *s,
                                uint64_t time_ns, bool is_delta);
/* What points of all kinds have. */
void weir__otlp_put_labels(struct weir__otlp_bytes *b, uint32_t field, const struct weir_family *family,
                           const struct weir_series *s);
void weir__otlp_put_exemplars(struct weir__otlp_bytes *b, uint32_t field, const struct weir_family *family,
                              const struct weir_series *s, bool is_delta);
double weir__otlp_sum(const struct weir_family *family, const struct weir_series *s); /* in the exported unit */

#endif
