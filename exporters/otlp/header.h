/* weir-otlp: the headers that go with each request, from the environment's list or from options, as lines for libcurl.
 *
 * Layer: exporter, pure. Invariant: a line has one name that is a token of HTTP and a value without controls: nothing can
 * be smuggled in behind it. Values are never logged. */
#ifndef WEIR_OTLP_HEADER_H
#define WEIR_OTLP_HEADER_H

#include <stdbool.h>
#include <stddef.h>

struct weir__otlp_headers {
	char **lines; /* "name: value", or "name;" for an empty value; malloc's */
	size_t count;
};

/* What became of a pair. */
enum weir__otlp_header_fate { WEIR__OTLP_HEADER_TAKEN, WEIR__OTLP_HEADER_BAD, WEIR__OTLP_HEADER_OURS, WEIR__OTLP_HEADER_NO_MEMORY };

/* A later header of the same name replaces the earlier one. OURS: it belongs to the transport (content-type and its like). */
enum weir__otlp_header_fate weir__otlp_header_add(struct weir__otlp_headers *headers, const char *name, size_t name_len,
                                                  const char *value, size_t value_len);
/* name=value,name=value, percent-encoded. bad: how many pairs were none, or were not taken. false: no memory. */
bool weir__otlp_headers_parse(struct weir__otlp_headers *headers, const char *text, size_t *bad);
void weir__otlp_headers_free(struct weir__otlp_headers *headers);

#endif
