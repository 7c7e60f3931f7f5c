/* orders: a circuit breaker: whether the store is worth asking.
 *
 * Closed, it lets all calls pass; BREAKER_FAILURES in a row open it. Open, it lets none pass for BREAKER_REST_NS; then it is half
 * open, and lets one pass: how that goes closes or opens it. Invariant: who was let pass tells, once, how it went. Writer: who
 * holds its lock. */
#ifndef ORDERS_BREAKER_H
#define ORDERS_BREAKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { BREAKER_FAILURES = 5 };
#define BREAKER_REST_NS UINT64_C(1000000000)

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_OPEN,
	BREAKER_HALF_OPEN,
};

struct breaker {
	pthread_mutex_t lock;
	enum breaker_state state;
	unsigned failures; /* in a row, while closed */
	uint64_t until_ns; /* while open */
};

struct breaker_news {
	bool pass;
	bool changed; /* into this state, just now */
	enum breaker_state state;
};

void breaker_begin(struct breaker *breaker);
void breaker_end(struct breaker *breaker);
struct breaker_news breaker_ask(struct breaker *breaker, uint64_t now_ns);
struct breaker_news breaker_tell(struct breaker *breaker, bool well, uint64_t now_ns);
const char *breaker_text(enum breaker_state state); /* "closed", "open", "half-open" */

#endif
