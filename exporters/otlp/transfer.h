/* weir-otlp: one signal's exchange with its server, by libcurl: a request at a time, over a connection that is kept.
 *
 * Layer: exporter, I/O. Invariant: nothing of a response is acted on but its status, Retry-After, type and at most 4 MiB of
 * its body, unpacked; no redirect is followed, no cookie or .netrc is read. Every function is called behind the gate, by the
 * sender's thread, which owns what is here. */
#ifndef WEIR_OTLP_TRANSFER_H
#define WEIR_OTLP_TRANSFER_H

#include "config.h"
#include "retry.h"

#include <curl/curl.h>

enum { WEIR__OTLP_BODY_MOST = 4 << 20, WEIR__OTLP_WHY = 256 };

struct weir__otlp_transfer {
	CURL *easy;
	struct curl_slist *plain, *packed; /* the headers of a request that is not packed, and of one that is */
	bool under_way;
	/* of the answer: */
	uint8_t *body;
	size_t len, room;
	bool too_large, no_memory;
	char retry_after[64], why[CURL_ERROR_SIZE];
};

struct weir__otlp_result {
	enum weir__otlp_ended ended;
	long status;
	const char *retry_after;  /* NULL: none */
	const char *content_type; /* NULL: none */
	char error[32];           /* what otel calls error.type: a status, or what went wrong; empty: nothing */
	char why[WEIR__OTLP_WHY]; /* in words; empty: an answer */
};

/* false: no memory. */
bool weir__otlp_transfer_open(struct weir__otlp_transfer *transfer, const struct weir__otlp_target *target);
/* bytes stay until end. false: libcurl refuses. */
bool weir__otlp_transfer_begin(struct weir__otlp_transfer *transfer, CURLM *multi, const uint8_t *bytes, size_t len, bool gzip);
/* What came of it; the texts and transfer->body are good until the next begin. */
void weir__otlp_transfer_end(struct weir__otlp_transfer *transfer, CURLM *multi, CURLcode code, struct weir__otlp_result *result);
/* Also one that is under way. */
void weir__otlp_transfer_close(struct weir__otlp_transfer *transfer, CURLM *multi);

#endif
