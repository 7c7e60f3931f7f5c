/* orders: how many requests a second a gateway lets in.
 *
 * Invariant: over any time T no more than T x per_second requests and one burst (a tenth of a second's) are let in. Writers:
 * all threads, by compare-and-swap. */
#ifndef ORDERS_LIMIT_H
#define ORDERS_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct limit {
	uint64_t step_ns, burst_ns; /* step 0: no limit */
	_Atomic uint64_t due_ns;    /* when all that was let in has been paid for; relaxed: nothing is read through it */
};

void limit_begin(struct limit *limit, uint32_t per_second); /* 0: no limit */
bool limit_take(struct limit *limit, uint64_t now_ns);

#endif
