/* orders: the store: orders in memory, in shards with a lock each, and a share of slow and failing answers, as a database
 * behind a network has.
 *
 * Invariant: memory is bounded; the newest orders push out older ones, the first STORE_SEED stay. */
#ifndef ORDERS_STORE_H
#define ORDERS_STORE_H

#include "order.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { STORE_SEED = 10240 }; /* orders 1 to this are there from the start */

/* Positive results are the store's word; a negative one is its failure. */
enum {
	STORE_FAILED = -1,
	STORE_OK = 0,
	STORE_NEW,  /* put: one more order is stored than before */
	STORE_NONE, /* get: there is no such order */
};

struct store;

/* slow_ppm of the calls set *delay_ns, to 20 to 220 ms, evenly; fail_ppm return STORE_FAILED, and do nothing. NULL: no
 * memory. */
struct store *store_new(uint32_t slow_ppm, uint32_t fail_ppm);
void store_destroy(struct store *store);

/* Threads: any. Neither waits: how long a slow answer takes is told, not spent. */
int store_get(struct store *store, uint64_t id, struct order *order, uint64_t *delay_ns);
int store_put(struct store *store, struct order *order, uint64_t *delay_ns); /* gives the order its id */

#ifdef __cplusplus
}
#endif

#endif
