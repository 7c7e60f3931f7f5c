/* weir-otlp: spans and snapshots as the bytes of export requests, in pieces no larger than a given size.
 *
 * Layer: exporter, pure: no I/O. Invariant: each piece is one whole request, with its resource and scope; one that holds
 * nothing is never written. A span or point that alone is larger than a piece may be is left out, and counted. Writer: the
 * one thread that encodes. */
#ifndef WEIR_OTLP_ENCODE_H
#define WEIR_OTLP_ENCODE_H

#include "wire.h"

#include <weir/otlp.h>

struct weir__otlp_delta; /* delta.h */

/* weir__otlp_spans_begin(&s, batch); while (weir__otlp_spans_next(&s, &to, max_bytes, &count) == WEIR_OK && count != 0)
 * send what was appended to to; count is how many spans that is. WEIR_ENOMEM: to holds what it held; the same spans come
 * again if next is called again (with a to that has not failed). */
struct weir__otlp_spans {
	struct weir_batch *batch;
	struct weir_ended ended;
	bool held;     /* ended is a span that is not written yet */
	size_t passed; /* spans before this piece */
	size_t too_large;
};
void weir__otlp_spans_begin(struct weir__otlp_spans *s, struct weir_batch *batch);
int weir__otlp_spans_next(struct weir__otlp_spans *s, struct weir__otlp_bytes *to, size_t max_bytes, size_t *count);

/* Likewise for a snapshot; count is data points. delta: NULL is cumulative; see delta.h for what commits it: after each
 * piece, or after the last. */
struct weir__otlp_metrics {
	const struct weir_snapshot *snapshot;
	struct weir__otlp_delta *delta;
	struct weir_family family;
	struct weir_series series;
	bool in_family; /* the family has series that are not written yet */
	bool held;      /* series is one of them */
	size_t too_large;
};
void weir__otlp_metrics_begin(struct weir__otlp_metrics *m, const struct weir_snapshot *snapshot,
                              struct weir__otlp_delta *delta);
int weir__otlp_metrics_next(struct weir__otlp_metrics *m, struct weir__otlp_bytes *to, size_t max_bytes, size_t *count);

#endif
