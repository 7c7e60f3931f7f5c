/* orders: the links of its chain, outermost first, and the one place where an answer's text is made. Telemetry's own links
 * stand before these: telemetry.h. Those that only a gateway has: gateway.h. */
#ifndef ORDERS_LINKS_H
#define ORDERS_LINKS_H

#include "chain.h"

extern const struct link link_access;   /* writes the access log's line; there only with one */
extern const struct link link_status;   /* every request leaves with one status and a body that says it */
extern const struct link link_recovery; /* a link's error becomes a 500 */
extern const struct link link_guard;    /* ends with 404 or 405 what no route or no method answers */
extern const struct link link_body;     /* waits for the body; ends with 413 what is too long */
extern const struct link link_handle;   /* the route's handler; waits where its answer is to be a slow one */

/* Sets the status and a JSON body; what does not fit into ANSWER_MAX is a bug, and becomes an empty body. */
void answer(struct exchange *x, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
