/* L0: tallies. See tally.h. */
#include "tally.h"

#include "atomic.h"

static uint64_t tallies[WEIR__TALLIES];

void weir__tally(enum weir__tally what, uint64_t n)
{
	weir__add_relaxed(&tallies[what], n);
}

uint64_t weir__tallied(enum weir__tally what)
{
	return weir__load_relaxed(&tallies[what]);
}

void weir__tally_restart(void)
{
	for (int i = 0; i < WEIR__TALLIES; i++)
		weir__store_relaxed(&tallies[i], UINT64_C(0));
}
