/* L4: the drain and the queue. See spans.h. Writers: as the locks say. */
#include "spans.h"

#include "atomic.h"
#include "exemplar.h"
#include "registry.h"
#include "ring.h"
#include "snapshot.h"
#include "tally.h"

#include <stdlib.h>

enum { TAKERS = 64, TURN = 4096 };

struct ref {
	struct weir__chunk *chunk;
	const struct weir__span_record *record;
	bool lost; /* counted as dropped: a taker failed on it, or could not read it */
};
static struct weir__spans_options chosen = {WEIR_MIB(16), 2048, 512, WEIR_S(5), WEIR_S(30)}; /* under the spans lock */
static struct { /* likewise; apart, since what is zero at first is not in the file */
	struct ref *list; /* a ring of capacity; by number % capacity */
	uint32_t capacity, next_at; /* next_at: next % capacity */
	uint64_t first, next; /* numbers: the oldest that is there, and the next to come */
	uint64_t lost;        /* of those */
	uint32_t takers_count;
	struct {
		bool used;
		uint64_t next;
	} takers[TAKERS];
	uint32_t generation; /* of the process that this speaks of */
} queue;

static struct weir__wiped *lock(void)
{
	struct weir__wiped *wiped = weir__wiped();
	uint32_t now;

	if (wiped == NULL)
		return NULL;
	now = weir__generation(); /* puts a forked child in order, before the lock */
	weir__lock(&wiped->spans);
	if (queue.generation != now) { /* the records were the parent's */
		queue.generation = now;
		queue.first = queue.next = queue.lost = 0;
		queue.next_at = 0;
		weir__keep_forget(); /* nobody drains yet: who does has been here before */
		for (uint32_t i = 0; i < TAKERS; i++)
			queue.takers[i].next = 0;
	}
	return wiped;
}

static bool were_wanted; /* writer: under the spans lock; readers: any, relaxed */

/* Whether anybody takes spans. With the spans lock held. */
static __attribute__((cold)) void set_wanted(void)
{
	bool any = false;

	for (uint32_t i = 0; i < TAKERS; i++)
		any = any || queue.takers[i].used;
	weir__store_relaxed(&weir__propagation.wanted, any && weir__ring_is_open() && !weir__propagation.disabled);
}

__attribute__((cold)) void weir__spans_configure(const struct weir__spans_options *options)
{
	struct weir__wiped *wiped = lock();

	if (wiped == NULL)
		return;
	chosen = *options;
	set_wanted(); /* it may be disabled from here on */
	weir__unlock(&wiped->spans);
}

__attribute__((cold)) struct weir__spans_options weir__spans_options(void)
{
	struct weir__wiped *wiped = lock();
	struct weir__spans_options options = {0};

	if (wiped == NULL)
		return options;
	options = chosen;
	weir__unlock(&wiped->spans);
	return options;
}

static __attribute__((cold)) int open_queue(void)
{
	if (queue.list == NULL) {
		struct ref *list = calloc(chosen.queue, sizeof *list); /* under a lock that no record takes */

		if (list == NULL)
			return WEIR_ENOMEM;
		queue.capacity = chosen.queue;
		weir__store_release(&queue.list, list); /* last: whoever forks now leaves a child that believes it */
	}
	return weir__ring_open(chosen.pool_bytes) ? WEIR_OK : WEIR_ENOMEM;
}

__attribute__((cold)) int weir__spans_join(uint32_t *taker)
{
	struct weir__wiped *wiped = lock();
	uint32_t at = 0;
	int error;

	if (wiped == NULL)
		return WEIR_ENOMEM;
	while (at < TAKERS && queue.takers[at].used)
		at++;
	error = at == TAKERS ? WEIR_ELIMIT : open_queue();
	if (error == WEIR_OK) {
		queue.takers[at].used = true;
		queue.takers_count++;
		queue.takers[at].next = queue.next;
		*taker = at;
		weir__store_relaxed(&were_wanted, true);
		set_wanted();
	}
	weir__unlock(&wiped->spans);
	return error;
}

__attribute__((cold)) int weir__spans_reopen(void)
{
	struct weir__wiped *wiped = lock();
	bool any = false;
	int error = WEIR_OK;

	if (wiped == NULL)
		return WEIR_ENOMEM;
	for (uint32_t i = 0; i < TAKERS; i++)
		any = any || queue.takers[i].used;
	if (any) {
		error = open_queue();
		if (error == WEIR_OK)
			set_wanted();
	}
	weir__unlock(&wiped->spans);
	return error;
}

__attribute__((cold)) void weir__spans_retain(uint64_t takers)
{
	struct weir__wiped *wiped = lock();

	if (wiped == NULL)
		return;
	queue.takers_count = 0;
	for (uint32_t i = 0; i < TAKERS; i++) {
		queue.takers[i].used = (takers >> i & 1) != 0;
		queue.takers_count += queue.takers[i].used;
	}
	weir__unlock(&wiped->spans);
}

static void let_go(struct weir__chunk *chunk)
{
	if (--chunk->live == 0 && chunk->passed != 0)
		weir__ring_give_back(chunk);
}

/* What every taker has gone past. */
static void release(void)
{
	uint64_t least = queue.next, exported = 0;
	uint32_t at;

	for (uint32_t i = 0; i < TAKERS; i++)
		if (queue.takers[i].used && queue.takers[i].next < least)
			least = queue.takers[i].next;
	if (queue.first >= least) /* nothing; perhaps there is no list */
		return;
	at = (uint32_t)(queue.first % queue.capacity);
	for (; queue.first < least; queue.first++) {
		struct ref *ref = &queue.list[at];

		at = at + 1 < queue.capacity ? at + 1 : 0;
		queue.lost -= ref->lost;
		exported += !ref->lost;
		let_go(ref->chunk);
	}
	if (exported != 0)
		weir__tally(WEIR__SPANS_EXPORTED, exported);
}

static void lose(uint64_t number, enum weir__tally why)
{
	struct ref *ref = &queue.list[number % queue.capacity];

	if (ref->lost)
		return;
	ref->lost = true;
	queue.lost++;
	weir__tally(why, 1);
}

__attribute__((cold)) void weir__spans_leave(uint32_t taker)
{
	struct weir__wiped *wiped = lock();

	if (wiped == NULL)
		return;
	queue.takers[taker].used = false;
	if (--queue.takers_count == 0) { /* nobody is left to take what it did not */
		weir__store_relaxed(&weir__propagation.wanted, false);
		for (uint64_t n = queue.takers[taker].next; n < queue.next; n++)
			lose(n, WEIR__SPANS_EXPORT);
	}
	release();
	set_wanted();
	weir__unlock(&wiped->spans);
}

/* ---- the drain ---- */

static bool is_sound(const struct weir__span_record *r)
{
	return sizeof *r + (uint64_t)r->name_len + r->tracestate_len + r->entries_len + weir__root_bytes(r->state) <= r->bytes;
}

struct taken { /* tallied once a turn */
	uint32_t ended, dropped;
};

static void take_span(struct weir__chunk *chunk, const struct weir__span_record *r, struct taken *taken)
{
	struct ref *ref;

	if ((r->state & WEIR__SPAN_TENTATIVE) != 0 && r->kept == 0) {
		weir__keep_put(r);
		return;
	}
	taken->ended++;
	if (queue.next - queue.first >= queue.capacity || queue.list == NULL) {
		taken->dropped++;
		return;
	}
	ref = &queue.list[queue.next_at];
	queue.next_at = queue.next_at + 1 < queue.capacity ? queue.next_at + 1 : 0;
	queue.next++;
	ref->chunk = chunk;
	ref->record = r;
	ref->lost = false;
	chunk->live++;
}

/* One turn; *more: there may be more than it took. Where no taker is left, what is there waits for the next one. */
static uint32_t drain_one(struct weir__wiped *wiped, struct weir__local *local, bool *more)
{
	const struct weir__record *record;
	struct weir__chunk *chunk, *passed;
	struct taken taken = {0, 0};
	uint32_t spans = 0;

	weir__lock(&wiped->spans);
	*more = queue.takers_count != 0;
	for (int turn = 0; *more && turn < TURN; turn++) {
		record = weir__ring_next(local, &chunk, &passed);
		if (passed != NULL) {
			passed->passed = 1;
			if (passed->live == 0)
				weir__ring_give_back(passed);
		}
		if (record == NULL) {
			*more = false;
			break;
		}
		if (record->type == WEIR__RECORD_SPAN && is_sound((const struct weir__span_record *)(const void *)record)) {
			take_span(chunk, (const struct weir__span_record *)(const void *)record, &taken);
			spans++;
		} else if (record->type == WEIR__RECORD_EXEMPLAR) {
			const struct weir__exemplar_record *e = (const struct weir__exemplar_record *)(const void *)record;

			if (e->ticks >= weir__load_relaxed(&weir__exemplars_since[e->counter != 0]))
				weir__exemplar_put(e->cell, e->bucket, e->value, e->time_ns, &e->ids);
			else
				weir__exemplar_drop();
		} else if (record->type == WEIR__RECORD_VERDICT) {
			weir__keep_verdict((const struct weir__verdict_record *)(const void *)record);
		} else {
			weir__tally(WEIR__SPANS_MALFORMED, 1);
		}
	}
	if (taken.ended != 0)
		weir__tally(WEIR__SPANS_ENDED, taken.ended);
	if (taken.dropped != 0)
		weir__tally(WEIR__SPANS_QUEUE, taken.dropped);
	weir__unlock(&wiped->spans);
	return spans;
}

/* What was there at the beginning is taken, whatever it is: a list that is filled as fast as it is drained has at most so many
 * turns as the whole pool holds, and its next ones at the next tick. */
static uint32_t drain_list(struct weir__wiped *wiped, struct weir__local *local)
{
	uint64_t turns = weir__ring_bytes() / (TURN * sizeof(struct weir__verdict_record)) + 1;
	uint32_t spans = 0;
	bool more = true;

	for (; more && turns > 0; turns--)
		spans += drain_one(wiped, local, &more);
	return spans;
}

uint32_t weir__spans_drain(void)
{
	struct weir__wiped *wiped;
	uint32_t shards, spans = 0;

	if (!weir__ring_is_open())
		return 0;
	wiped = lock();
	if (wiped == NULL)
		return 0;
	weir__unlock(&wiped->spans);
	weir__lock(&wiped->drain);
	shards = weir__shards_count();
	for (uint32_t i = 0; i < shards; i++) {
		struct weir__local *local = weir__shard_local(i);

		if (weir__load_acquire(&local->first) != NULL)
			spans += drain_list(wiped, local);
	}
	spans += drain_list(wiped, weir__keep_local());
	weir__unlock(&wiped->drain);
	return spans;
}

uint32_t weir__spans_pending(uint32_t taker)
{
	struct weir__wiped *wiped = lock();
	uint64_t pending;

	if (wiped == NULL)
		return 0;
	pending = queue.next - queue.takers[taker].next;
	weir__unlock(&wiped->spans);
	return (uint32_t)pending;
}

uint32_t weir__spans_pending_most(void)
{
	return (uint32_t)weir__spans_waiting();
}

__attribute__((cold)) uint64_t weir__spans_waiting(void)
{
	struct weir__wiped *wiped = lock();
	uint64_t waiting;

	if (wiped == NULL)
		return 0;
	waiting = queue.next - queue.first - queue.lost;
	weir__unlock(&wiped->spans);
	return waiting;
}

__attribute__((cold)) uint32_t weir__spans_capacity(void)
{
	struct weir__wiped *wiped = lock();
	uint32_t capacity;

	if (wiped == NULL)
		return 0;
	capacity = queue.list != NULL ? queue.capacity : 0;
	weir__unlock(&wiped->spans);
	return capacity;
}

__attribute__((cold)) uint64_t weir__spans_bytes(void)
{
	struct weir__wiped *wiped = lock();
	uint64_t bytes;

	if (wiped == NULL)
		return 0;
	bytes = weir__ring_bytes() + weir__keep_bytes() + (queue.list != NULL ? queue.capacity * sizeof *queue.list : 0);
	weir__unlock(&wiped->spans);
	return bytes;
}

__attribute__((cold)) uint64_t weir__spans_exported(void)
{
	uint64_t late = weir__tallied(WEIR__SPANS_LATE), exported = weir__tallied(WEIR__SPANS_EXPORTED);

	return exported > late ? exported - late : 0;
}

uint64_t weir__exemplars_lost(void)
{
	return weir__tallied(WEIR__EXEMPLARS_DROPPED) + weir__exemplars_dropped();
}

bool weir__spans_were_wanted(void)
{
	return weir__load_relaxed(&were_wanted);
}

/* ---- takers ---- */

bool weir__spans_take(uint32_t taker, struct weir_batch *batch)
{
	struct weir__wiped *wiped = lock();
	size_t most;

	memset(batch, 0, sizeof *batch);
	if (wiped == NULL)
		return false;
	most = chosen.batch;
	weir__unlock(&wiped->spans);
	batch->list = malloc(most * sizeof *batch->list);
	if (batch->list == NULL)
		return false;
	batch->resource = weir__resource();
	weir__lock(&wiped->spans);
	if (queue.takers[taker].next < queue.next) {
		uint32_t at = (uint32_t)(queue.takers[taker].next % queue.capacity);

		for (uint64_t left = queue.next - queue.takers[taker].next; left > 0 && batch->count < most; left--) {
			batch->list[batch->count++] = queue.list[at].record;
			at = at + 1 < queue.capacity ? at + 1 : 0;
		}
	}
	weir__unlock(&wiped->spans);
	if (batch->count == 0) {
		free(batch->list);
		batch->list = NULL;
	}
	return batch->count != 0;
}

void weir__spans_done(uint32_t taker, struct weir_batch *batch, enum weir__outcome outcome)
{
	struct weir__wiped *wiped = lock();

	if (wiped != NULL) {
		/* in a child that was forked meanwhile, they are not there */
		if (outcome != WEIR__BATCH_AGAIN && queue.takers[taker].next + batch->count <= queue.next) {
			for (size_t i = 0; i < batch->count; i++)
				if (outcome == WEIR__BATCH_LOST || batch->list[i] == NULL)
					lose(queue.takers[taker].next + i,
					     outcome == WEIR__BATCH_LOST ? WEIR__SPANS_EXPORT : WEIR__SPANS_MALFORMED);
			queue.takers[taker].next += batch->count;
			release();
		}
		weir__unlock(&wiped->spans);
	}
	free(batch->list);
	free(batch->room);
	memset(batch, 0, sizeof *batch);
}
