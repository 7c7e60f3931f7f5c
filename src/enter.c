/* L3: the way in: signals blocked, the core lock held, a forked child put in order; and what is lost on the way. See
 * registry.h. Writers: the holder of the core lock; of the losses: any thread. */
#include "registry.h"

#include "atomic.h"
#include "context.h"
#include "ring.h"
#include "exemplar.h"
#include "place.h"
#include "probe.h"
#include "segment.h"
#include "shard.h"
#include "tally.h"

#include <string.h>

static uint32_t generation; /* 0: nobody has entered yet. Where the wiped one is 0 and this is not: a forked child */
static uint64_t lost[WEIR__LOSSES];

void weir__lose(enum weir__loss why)
{
	weir__add_relaxed(&lost[why], 1u);
	if (WEIR__WATCHED(drop))
		weir__probe_drop(weir__loss_text(why), 1);
}

const char *weir__loss_text(enum weir__loss why)
{
	return weir__nth_text("refused\0value\0labels\0memory\0reentry\0contended", why);
}

uint64_t weir__lost(enum weir__loss why)
{
	return weir__load_relaxed(&lost[why]);
}

static void restart_in_child(void)
{
	weir__segment_forget();
	weir__shards_forget();
	weir__registry_restart();
	weir__places_restart();
	weir__ring_forget();
	weir__store_relaxed(&weir__propagation.wanted, false); /* until the child exports */
	weir__tally_restart();
	weir__exemplars_restart();
	for (int i = 0; i < WEIR__LOSSES; i++)
		weir__store_relaxed(&lost[i], 0u);
}

bool weir__enter(struct weir__guard *guard)
{
	struct weir__wiped *wiped = weir__wiped();
	int tid = weir__tid();

	if (wiped == NULL) {
		weir__lose(WEIR__LOST_MEMORY);
		return false;
	}
	if (weir__load_relaxed(&wiped->core_holder) == tid) {
		weir__lose(WEIR__LOST_REENTRY);
		return false;
	}
	guard->wiped = wiped;
	guard->mask = weir__signals_block();
	weir__lock(&wiped->core);
	weir__store_relaxed(&wiped->core_holder, tid);
	if (wiped->generation == 0) {
		if (generation != 0)
			restart_in_child();
		/* release: pairs with weir__generation, whose readers then see a child in order */
		weir__store_release(&wiped->generation, ++generation);
	}
	return true;
}

void weir__leave(struct weir__guard *guard)
{
	weir__store_relaxed(&guard->wiped->core_holder, 0);
	weir__unlock(&guard->wiped->core);
	weir__signals_restore(guard->mask);
}

uint32_t weir__generation(void)
{
	struct weir__wiped *wiped = weir__wiped();
	uint32_t now = wiped != NULL ? weir__load_acquire(&wiped->generation) : 0;
	struct weir__guard guard;

	if (now == 0 && weir__enter(&guard)) {
		now = generation;
		weir__leave(&guard);
	}
	return now;
}

void weir__generation_lost(void)
{
	struct weir__wiped *wiped = weir__wiped();

	if (wiped != NULL)
		memset(wiped, 0, sizeof *wiped);
}

uint64_t *weir__block_of(uint32_t cell)
{
	struct weir__guard guard;
	uint64_t *block;

	if (cell == 0) {
		weir__lose(WEIR__LOST_REFUSED);
		return NULL;
	}
	if (!weir__enter(&guard))
		return NULL;
	weir__segment_ready();
	block = weir__shard_block(cell / WEIR__BLOCK_CELLS, weir__block_is_levels(cell / WEIR__BLOCK_CELLS));
	weir__leave(&guard);
	if (block == NULL)
		weir__lose(WEIR__LOST_MEMORY);
	return block;
}
