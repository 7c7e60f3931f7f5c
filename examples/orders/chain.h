/* orders: the middleware chain: links that each see a request on its way in and its answer on its way out.
 *
 * Invariant: a link that was entered is left, once, in reverse order, whatever ended the request: an answer, an error, or a
 * client that went away. Writer of an exchange's entered and ended: chain.c. */
#ifndef ORDERS_CHAIN_H
#define ORDERS_CHAIN_H

#include "exchange.h"

/* What enter says. A negative number is an error: the request ends, and who is left may turn it into an answer. */
enum verdict {
	CHAIN_NEXT, /* to the next link */
	CHAIN_END,  /* it is answered: later links do not run, earlier ones are left, and see the status */
	CHAIN_WAIT, /* nothing can be done now: enter is called again, at the same link, when there is news */
};

/* Each may be NULL. A link whose enter said CHAIN_WAIT has not been entered yet. again is asked on the way out, before leave:
 * true, and the request goes in once more, from this link's enter on; links inside of it have been left by then. */
struct link {
	const char *name;
	int (*enter)(struct exchange *x);
	void (*leave)(struct exchange *x);
	bool (*again)(struct exchange *x);
};

struct chain {
	const struct link *const *links;
	size_t count;
};

/* Runs the request on from where it stands. True: it has ended, x->status is the answer. False: it waits. */
bool chain_run(const struct chain *chain, struct exchange *x);

/* Ends a request that waits: its client went away. Every link that was entered is left, and sees status. */
void chain_abort(const struct chain *chain, struct exchange *x, int status);

#endif
