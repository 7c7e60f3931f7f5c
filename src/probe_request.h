/* L3: the probes of requests and spans. See probe.h and weir-probes(7). Called where one is watched, and only then. */
#ifndef WEIR_PROBE_REQUEST_H
#define WEIR_PROBE_REQUEST_H

#include "context.h"
#include "probe.h"

/* When the context's ids are settled; not of a child context. name: its first span's. */
void weir__probe_request_begin(const struct weir__ctx *ctx, enum weir_span_kind kind, struct weir_str name) __attribute__((cold));
/* At the context's end; not of a child's. request_end, and slo_miss where it was missed. */
void weir__probe_request_end(const struct weir__ctx *ctx) __attribute__((cold));
/* Of spans that are recorded. end: before the record is given away. */
void weir__probe_span_begin(const struct weir__span *span) __attribute__((cold));
void weir__probe_span_end(const struct weir__span *span, uint64_t duration_ns) __attribute__((cold));

#endif
