/* weir-otlp: one ended span as a Span message.
 *
 * Layer: exporter, pure: no data of its own. Invariant: the bytes are those that protobuf-c packs of the same values: fields in
 * ascending order, defaults left out. Writer: the one thread that encodes. */
#ifndef WEIR_OTLP_ENCODE_SPAN_H
#define WEIR_OTLP_ENCODE_SPAN_H

#include "wire.h"

#include <weir/exporter.h>

/* As ScopeSpans.spans, the tag and length with it. */
void weir__otlp_put_span(struct weir__otlp_bytes *b, const struct weir_ended *span);

#endif
