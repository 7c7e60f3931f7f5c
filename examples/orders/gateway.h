/* orders: what a gateway has beside its server, and the links that only it has, outermost first. */
#ifndef ORDERS_GATEWAY_H
#define ORDERS_GATEWAY_H

#include "args.h"
#include "breaker.h"
#include "chain.h"
#include "limit.h"

struct client;

struct gateway {
	struct limit limit;
	struct breaker breaker;
	struct client *client;
};

/* client stays NULL: whoever serves starts one. */
void gateway_begin(struct gateway *gateway, uint32_t rate);
void gateway_end(struct gateway *gateway);

extern const struct link link_limit;   /* ends with 429 what comes too fast */
extern const struct link link_local;   /* answers what needs no store: health, and orders that are none (400) */
extern const struct link link_retry;   /* asks again, a little later, where the store failed a GET: three times in all */
extern const struct link link_breaker; /* ends with 503 where the store has failed too often of late */
extern const struct link link_call;    /* the call to the store; 502 where it failed, 504 where it took too long */

#endif
