/* weir-otlp: attributes as KeyValue fields, and what every request begins with: its resource and scope.
 *
 * Layer: exporter, pure: no data of its own. Invariant: an attribute of a type that is not known keeps its key, with an
 * empty value. Writer: the one thread that encodes. */
#ifndef WEIR_OTLP_ENCODE_ATTR_H
#define WEIR_OTLP_ENCODE_ATTR_H

#include "wire.h"

void weir__otlp_put_attr(struct weir__otlp_bytes *b, uint32_t field, const struct weir_attr *attr);
void weir__otlp_put_attrs(struct weir__otlp_bytes *b, uint32_t field, struct weir_attrs attrs);
/* A string attribute whose key and value stand apart. */
void weir__otlp_put_label(struct weir__otlp_bytes *b, uint32_t field, struct weir_str key, struct weir_str value);

/* A request around what differs: ResourceSpans or ResourceMetrics, with its resource, and ScopeSpans or ScopeMetrics, with
 * weir's scope; both kinds of request have the same field numbers. */
struct weir__otlp_request {
	size_t begin, outer, inner;
};
struct weir__otlp_request weir__otlp_request_open(struct weir__otlp_bytes *b, struct weir_attrs resource);
void weir__otlp_request_close(struct weir__otlp_bytes *b, const struct weir__otlp_request *request);
/* What closing may add at most. */
enum { WEIR__REQUEST_END = 4 };

#endif
