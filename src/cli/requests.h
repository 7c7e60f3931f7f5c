/* weir, the command: the rows of requests, of tenants, and their total, gathered from the series of groups (groups.h). Pure.
 *
 * Invariant: what is counted is what was added between the two looks, or all of it where there is no earlier one. */
#ifndef WEIR_CLI_REQUESTS_H
#define WEIR_CLI_REQUESTS_H

#include "look.h"
#include "summary.h"

struct making {
	struct summary *to;
	const struct look *before; /* NULL: since the start */
	const struct look *now;
};

/* The cells of a series of now as they were before. */
const uint64_t *making_before(const struct making *m, const struct model_series *s);

/* to->groups and to->span_s are there. False: no memory. */
bool requests_add(const struct making *m);

#endif
