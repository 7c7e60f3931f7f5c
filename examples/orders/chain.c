/* orders: the middleware chain. See chain.h.
 *
 * In and out are two functions, not one around the other, so that a request can wait (for its body, for a slow store)
 * without holding a thread. Pure: no data of its own. */
#include "chain.h"

/* False: a link wants to be entered again; the request stands before it. */
static bool leave_all(const struct chain *chain, struct exchange *x, bool aborted)
{
	while (x->entered > 0) {
		const struct link *link = chain->links[--x->entered];

		if (!aborted && link->again != NULL && link->again(x))
			return false;
		if (link->leave != NULL)
			link->leave(x);
	}
	x->ended = true;
	return true;
}

/* On the way in. False: a link waits. */
static bool enter_all(const struct chain *chain, struct exchange *x)
{
	while (x->entered < chain->count) {
		const struct link *link = chain->links[x->entered];
		int verdict = link->enter != NULL ? link->enter(x) : CHAIN_NEXT;

		if (verdict == CHAIN_WAIT)
			return false;
		x->entered++;
		if (verdict < 0)
			x->error = verdict;
		if (verdict != CHAIN_NEXT)
			break;
	}
	return true;
}

bool chain_run(const struct chain *chain, struct exchange *x)
{
	do {
		if (!enter_all(chain, x))
			return false;
	} while (!leave_all(chain, x, false));
	return true;
}

void chain_abort(const struct chain *chain, struct exchange *x, int status)
{
	x->status = status;
	leave_all(chain, x, true);
}
