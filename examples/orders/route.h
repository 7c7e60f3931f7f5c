/* orders: the routes. A route is found before the chain runs, so that every link, and every metric, knows it.
 *
 * Invariant: a request has one route out of this table, and so its label has ROUTES values at most. Constant. */
#ifndef ORDERS_ROUTE_H
#define ORDERS_ROUTE_H

#include "exchange.h"

enum route_id {
	ROUTE_ORDER,
	ROUTE_ORDERS,
	ROUTE_HEALTH,
	ROUTE_OTHER,
	ROUTES
};

struct route {
	const char *label;
	const char *allow; /* for the Allow header of a 405 */
	enum method method; /* the one it answers; GET answers HEAD too */
	int (*handler)(struct exchange *x); /* 0, or a negative error; NULL: nothing is here */
	int statuses[10]; /* what it is known to answer, ends in 0: their counters are there from the start */
};

extern const struct route routes[ROUTES]; /* by route_id */

/* The route of a path without its query, never NULL; *order_id: the number in it, 0 where there is none. */
const struct route *route_find(const char *path, uint64_t *order_id);
bool route_takes(const struct route *route, enum method method);

enum method method_of(const char *name);
const char *method_label(enum method method); /* bounded: "GET" ..., "other" */

#endif
