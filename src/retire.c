/* L4: retirement. A place that was given up waits until each thread's epoch was seen even, or has moved (then no record is on
 * its way to its series), then for as long as its last values are to be shown. Then, under the snapshot lock, its series are
 * hidden, what they held goes into the instrument's total of what is retired, and their cells begin anew: a snapshot has it
 * here or there. Writer: the tick, under the snapshot lock. */
#include "retire.h"

#include "atomic.h"
#include "claim.h"
#include "clock.h"
#include "exemplar.h"
#include "shard.h"
#include "snapshot.h"
#include "spans.h"

static struct {
	uint32_t generation; /* of the process that the next is of */
	bool waiting;        /* for epochs: those of the places in that state */
	uint64_t until_ns;   /* not for ever: who left a record by a long jump, or died in a vfork child amid it, never ends it */
} grace;
uint64_t weir__retire_wait_ns = WEIR_S(10);

/* All places of one state go to another, if they are due; true: there are such. */
static bool move(enum weir__place_state from, enum weir__place_state to, uint64_t now)
{
	struct weir__guard guard;
	bool any = false;

	if (!weir__enter(&guard))
		return false;
	for (unsigned n = 1; n <= weir__places_count(); n++) {
		struct weir__place *place = weir__place(n);

		if (place->state != from || (from == WEIR__PLACE_QUIET && place->until_ns > now))
			continue;
		if (to == WEIR__PLACE_QUIET)
			place->until_ns = now + place->linger_ns < now ? UINT64_MAX : now + place->linger_ns;
		weir__store_relaxed(&place->state, (uint8_t)to);
		if (to == WEIR__PLACE_FREE)
			weir__place_left();
		any = true;
	}
	weir__leave(&guard);
	return any;
}

/* Whoever is within an epoch is waited for. */
static bool look(bool first)
{
	uint32_t shards = weir__shards_count();
	bool quiet = true;

	for (uint32_t n = 0; n < shards; n++) {
		struct weir__local *local = weir__shard_local(n);
		uint32_t inside = weir__load_acquire(&local->inside); /* what was added before it moved */

		if (first)
			local->waited = inside & 1 ? inside : 0;
		else if (local->waited != 0 && local->waited != inside)
			local->waited = 0;
		quiet = quiet && local->waited == 0;
	}
	return quiet;
}

static bool leaves(const struct weir__instrument *i, const struct weir__series *s)
{
	for (uint32_t k = 0; k < i->labels_count && s->values != NULL; k++) {
		const struct weir__place *place = (i->claims >> k & 1) != 0 ? weir__claim_place(i, s, k) : NULL;

		if (place != NULL && weir__load_relaxed(&place->state) == WEIR__PLACE_RETIRING)
			return true;
	}
	return false;
}

/* With both locks held. */
static void retire(struct weir__instrument *i, struct weir__series *s)
{
	uint64_t held = 0;

	weir__store_release(&s->live, false);
	weir__publish_turn(s);
	for (uint32_t k = s->sum != NULL ? 1 : 0; k < i->cells; k++)
		held += weir__cell_sum(s->cell + k);
	i->retired += held;
	i->retires = true;
	weir__shards_clear(s->cell, i->cells);
	weir__exemplars_take_away(s->cell);
	if (s->sum != NULL)
		*s->sum = (struct weir__sum){0, 0};
}

static bool retire_all(void)
{
	uint64_t before[2] = {weir__clock_ns(), weir__clock_scale != 0 ? weir__ticks(true) : 0};
	struct weir__guard guard;

	weir__spans_drain(); /* exemplars on their way are theirs; those that nobody takes are told by their time, later on */
	weir__store_relaxed(&weir__exemplars_since[0], before[0]);
	weir__store_relaxed(&weir__exemplars_since[1], before[1]);
	for (struct weir__instrument *i = weir__instruments_first(); i != NULL; i = weir__load_acquire(&i->next))
		for (struct weir__series *s = i->claims != 0 ? weir__load_acquire(&i->first) : NULL; s != NULL; s = weir__load_acquire(&s->next)) {
			if (!weir__load_acquire(&s->live) || !leaves(i, s))
				continue;
			if (!weir__enter(&guard)) /* in short turns */
				return false;
			retire(i, s);
			weir__leave(&guard);
		}
	return true;
}

static void step(void)
{
	uint32_t generation = weir__generation();
	uint64_t now = weir__clock_ns();
	bool first = false, quiet;

	if (!grace.waiting || grace.generation != generation) { /* a forked child begins anew, and retires what was amid it */
		grace.generation = generation;
		move(WEIR__PLACE_GIVEN_UP, WEIR__PLACE_WAITING, now);
		first = true;
		grace.until_ns = now + weir__retire_wait_ns;
		grace.waiting = move(WEIR__PLACE_WAITING, WEIR__PLACE_WAITING, now) && weir__barrier();
	}
	quiet = grace.waiting && look(first);
	if (grace.waiting && !quiet && now >= grace.until_ns) { /* a record takes nanoseconds: this one is lost */
		weir__lose(WEIR__LOST_REENTRY);
		quiet = true;
	}
	if (quiet) {
		grace.waiting = false;
		move(WEIR__PLACE_WAITING, WEIR__PLACE_QUIET, now);
	}
	move(WEIR__PLACE_QUIET, WEIR__PLACE_RETIRING, now);
	if (move(WEIR__PLACE_RETIRING, WEIR__PLACE_RETIRING, now) && retire_all())
		move(WEIR__PLACE_RETIRING, WEIR__PLACE_FREE, now);
}

void weir__places_retire(void)
{
	struct weir__wiped *wiped = weir__wiped();

	if (!weir__places_leave() || wiped == NULL)
		return;
	weir__lock(&wiped->snapshot);
	step();
	weir__unlock(&wiped->snapshot);
}
