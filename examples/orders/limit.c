/* orders: the rate limit. See limit.h. One word: the time by which what was let in so far would have come at the even pace. */
#include "limit.h"

void limit_begin(struct limit *limit, uint32_t per_second)
{
	uint32_t burst = per_second / 10 > 0 ? per_second / 10 : 1;

	limit->step_ns = per_second > 0 ? UINT64_C(1000000000) / per_second : 0;
	limit->burst_ns = (burst - 1) * limit->step_ns;
	atomic_init(&limit->due_ns, 0);
}

bool limit_take(struct limit *limit, uint64_t now_ns)
{
	uint64_t due = atomic_load_explicit(&limit->due_ns, memory_order_relaxed), from;

	if (limit->step_ns == 0)
		return true;
	do {
		from = due > now_ns ? due : now_ns;
		if (from - now_ns > limit->burst_ns)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&limit->due_ns, &due, from + limit->step_ns, memory_order_relaxed,
	                                                memory_order_relaxed));
	return true;
}
