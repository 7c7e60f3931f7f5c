/* weir-prometheus: what a request is answered with: one snapshot, and its bytes in each variant, shared by all who
 * ask.
 *
 * Layer: exporter. Invariant: an answer is libmicrohttpd's counted reference: it lives until the last connection has
 * sent it, whatever becomes of the cache. Writer: the endpoint's thread. The gate is held by the caller, but while
 * weir's own code encodes. */
#ifndef WEIR_PROM_ANSWER_H
#define WEIR_PROM_ANSWER_H

#include "negotiate.h"

#include <microhttpd.h>

struct weir__answers {
	struct weir_snapshot *snapshot; /* NULL: none is kept */
	uint64_t taken_ns, max_age_ns;
	struct MHD_Response *kept[WEIR__PROM_VARIANTS][2]; /* by coding */
	size_t size[WEIR__PROM_VARIANTS][2]; /* the last ones': a hint for the next */
};

/* The answer to GET or HEAD /metrics, of a snapshot no older than max_age_ns: to be queued, not destroyed. NULL: no
 * memory. */
struct MHD_Response *weir__answer_metrics(struct weir__answers *answers, struct weir__prom_variant variant,
                                          enum weir__prom_coding coding);
/* A short one, the caller's. NULL: no memory. */
struct MHD_Response *weir__answer_text(const char *content_type, const char *text);
/* Lets go of what is older than max_age_ns, or of all; when to come again, UINT64_MAX where there is nothing. */
uint64_t weir__answers_expire(struct weir__answers *answers, uint64_t now);
void weir__answers_drop(struct weir__answers *answers);

#endif
