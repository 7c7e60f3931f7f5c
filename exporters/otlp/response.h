/* weir-otlp: what a server answers: partial success, or a google.rpc.Status, read by hand within bounds.
 *
 * Layer: exporter, pure. Invariant: a message is at most 200 bytes of UTF-8 text without controls, whatever came. No data. */
#ifndef WEIR_OTLP_RESPONSE_H
#define WEIR_OTLP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEIR__OTLP_MESSAGE = 200 };

struct weir__otlp_response {
	uint64_t rejected; /* partial success: spans or points */
	char message[WEIR__OTLP_MESSAGE + 1];
};

/* Export{Trace,Metrics}ServiceResponse. false: it is no protobuf; what was read of it until then does not count. */
bool weir__otlp_response_read(struct weir__otlp_response *response, const void *bytes, size_t len);
/* google.rpc.Status: its message. */
bool weir__otlp_response_status(struct weir__otlp_response *response, const void *bytes, size_t len);
/* Any text as a message. */
void weir__otlp_response_text(struct weir__otlp_response *response, const void *bytes, size_t len);

#endif
