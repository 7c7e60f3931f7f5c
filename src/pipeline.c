/* L5: the tick, and the second thread. See pipeline.h. Each start has an engine of its own, so that a thread that was left
 * behind stuck never meets its successor. Writer of the engine's place: under the life lock. */
#include "pipeline.h"

#include "atomic.h"
#include "log.h"
#include "observe.h"
#include "process.h"
#include "segment.h"
#include "shard.h"
#include "snapshot.h"
#include "clock.h"
#include "spans.h"
#include "totals.h"

#include <weir/abi/private.h>

#include <stdlib.h>

struct engine {
	struct weir__pipeline_options options;
	uint32_t generation;
	struct weir_private_thread *first, *second;
	uint32_t wake_first, wake_second; /* futexes: counted up by who wants something (release) */
	uint32_t stop;                    /* 1 from stop on (release; acquire) */
	uint32_t flush_wanted, flush_done; /* numbers of flushes; done is a futex: release by the second thread */
	uint64_t flush_deadline_ns;        /* relaxed: of the newest */
	int flush_result;                  /* of the newest flush that is done: relaxed, before flush_done */
	uint64_t next_tick_ns;             /* pumped: under pumping */
	uint64_t next_totals_ns;           /* the tick's own */
	uint32_t pumping;                  /* 1 while a thread is in pump */
	struct engine *former;             /* never freed: a flush or a stuck thread may still stand in it */
};
static struct engine *engine; /* release; acquire */
static struct engine *former; /* under the life lock */

static void wake(uint32_t *word)
{
	weir__add_seq(word, 1u);
	weir__futex_wake(word, INT32_MAX);
}

static void tick(struct engine *e)
{
	static uint8_t boot_id[16];
	static uint64_t start_ticks;
	static uint32_t of; /* the process that the two are of. Writer and reader: the tick */
	struct weir__guard guard;
	uint64_t overflowed = weir__overflowed_total(), dropped = 0;

	if (of != e->generation) {
		weir__process_boot_id(boot_id);
		start_ticks = weir__process_start_ticks();
		of = e->generation;
	}
	if (e->options.process)
		weir__process_observe();
	for (int why = 0; why < WEIR__LOSSES; why++)
		dropped += weir__lost((enum weir__loss)why);
	for (uint32_t looked = 0; looked < weir__shards_count() && looked < 4096; looked += 32) { /* in short turns */
		if (!weir__enter(&guard))
			break;
		weir__shards_reap(32);
		weir__leave(&guard);
	}
	if (weir__enter(&guard)) {
		weir__segment_heartbeat(weir__clock_ns(), dropped, overflowed);
		weir__segment_owner(start_ticks, boot_id);
		weir__leave(&guard);
	}
	if (e->options.totals_ns != 0 && weir__clock_ns() >= e->next_totals_ns) {
		e->next_totals_ns = weir__clock_ns() + e->options.totals_ns;
		weir__totals_publish();
	}
}

static void start_second(bool wake_it);

/* Spans are taken up as long as they come: no thread that ends one wakes anybody. When to come again. */
static uint64_t collect(struct engine *e, uint64_t next)
{
	uint64_t now, again;
	uint32_t came;

	weir__clock_anchor();
	if (!weir__load_relaxed(&weir__propagation.wanted))
		return next;
	came = weir__spans_drain();
	if (came != 0 && weir__spans_waiting() >= weir__spans_options().batch)
		wake(&e->wake_second);
	now = weir__clock_ns();
	again = now + (came != 0 ? WEIR_MS(1) : WEIR_MS(20));
	return again < next ? again : next;
}

static void first_main(void *arg)
{
	struct engine *e = arg;

	while (weir__load_acquire(&e->stop) == 0) {
		uint32_t seen = weir__load_acquire(&e->wake_first);
		uint64_t next;

		tick(e);
		start_second(false);
		weir_private_gate_enter(); /* the host's log callback */
		weir__log_flush();
		weir_private_gate_leave();
		next = weir__clock_ns() + e->options.tick_ns;
		while (weir__load_acquire(&e->stop) == 0 && weir__load_acquire(&e->wake_first) == seen && weir__clock_ns() < next)
			weir__futex_wait(&e->wake_first, seen, collect(e, next));
	}
}

/* One turn of what is not weir's. On weir's thread that is behind the gate; with the host's descriptors, which are that
 * code's. On the host's own thread (pumped) there is no gate: the host knows when it exits. */
static int turn(bool all, uint64_t deadline_ns, uint64_t *next_ns)
{
	weir__callbacks_run();
	if (all)
		weir__spans_drain();
	return weir__exporters_run(all, deadline_ns, next_ns);
}

static void second_main(void *arg)
{
	struct engine *e = arg;

	while (weir__load_acquire(&e->stop) == 0) {
		uint32_t seen = weir__load_acquire(&e->wake_second), wanted = weir__load_acquire(&e->flush_wanted);
		bool flushing = wanted != weir__load_relaxed(&e->flush_done);
		uint64_t now = weir__clock_ns(), next = now + e->options.tick_ns;
		int result;

		weir_private_gate_enter();
		result = turn(flushing, flushing ? weir__load_relaxed(&e->flush_deadline_ns) : UINT64_MAX, &next);
		weir_private_gate_leave();

		if (flushing) {
			weir__store_relaxed(&e->flush_result, result);
			weir__store_release(&e->flush_done, wanted);
			weir__futex_wake(&e->flush_done, INT32_MAX);
		}
		while (weir__load_acquire(&e->stop) == 0 && weir__load_acquire(&e->wake_second) == seen &&
		       weir__futex_wait(&e->wake_second, seen, next))
			;
	}
	weir__store_relaxed(&e->flush_result, WEIR_EIO); /* who flushes while weir is shut down */
	weir__store_release(&e->flush_done, weir__load_acquire(&e->flush_wanted));
	weir__futex_wake(&e->flush_done, INT32_MAX);
	weir_private_gate_enter();
	weir__exporters_close();
	weir_private_gate_leave();
}

/* The second thread begins with the first callback or exporter; where none could be had, each tick tries again. */
static void start_second(bool wake_it)
{
	struct weir__wiped *wiped = weir__wiped();
	struct engine *e;

	if (wiped == NULL || !weir__pipeline_runs())
		return;
	weir__lock(&wiped->life);
	e = engine;
	if (e != NULL && !e->options.pumped && !e->options.disabled && weir__load_relaxed(&e->stop) == 0) {
		if (e->second == NULL && weir__callbacks_count() + weir__exporters_count() != 0 &&
		    weir__thread_start(&e->second, "weir-export", second_main, e, false) != WEIR_OK)
			weir__log_later("no thread could be had for callbacks and exporters");
		if (wake_it)
			wake(&e->wake_second);
	}
	weir__unlock(&wiped->life);
}

static void work_for_second(void)
{
	start_second(true);
}

int weir__pipeline_start(const struct weir__pipeline_options *options)
{
	struct weir__wiped *wiped = weir__wiped();
	struct engine *e = calloc(1, sizeof *e);

	if (e == NULL || wiped == NULL) {
		free(e);
		return WEIR_ENOMEM;
	}
	e->options = *options;
	e->generation = weir__generation();
	if (!options->pumped && !options->disabled && weir_private_thread_start(&e->first, "weir", first_main, e) != WEIR_OK) {
		free(e);
		return WEIR_ENOMEM;
	}
	weir__lock(&wiped->life);
	weir__store_release(&engine, e);
	weir__unlock(&wiped->life);
	weir__callbacks_on_first(work_for_second);
	weir__exporters_on_change(work_for_second);
	work_for_second();
	return WEIR_OK;
}

bool weir__pipeline_was_started(void)
{
	return weir__load_acquire(&engine) != NULL;
}

bool weir__pipeline_runs(void)
{
	struct engine *e = weir__load_acquire(&engine);

	return e != NULL && e->generation == weir__generation();
}

bool weir__pipeline_is_pumped(void)
{
	struct engine *e = weir__load_acquire(&engine);

	return e != NULL && (e->options.pumped || e->options.disabled);
}

bool weir__pipeline_has_second(void)
{
	struct weir__wiped *wiped = weir__wiped();
	bool has;

	if (wiped == NULL)
		return false;
	weir__lock(&wiped->life);
	has = engine != NULL && engine->second != NULL;
	weir__unlock(&wiped->life);
	return has;
}

int weir__pipeline_restart(void)
{
	struct engine *parents = weir__load_acquire(&engine);

	return weir__pipeline_start(&parents->options); /* it stays: a thread of the parent may stand in it there */
}

int weir__pipeline_stop(uint64_t deadline_ns)
{
	struct weir__wiped *wiped = weir__wiped();
	struct engine *e;
	uint64_t now;
	bool ended = true;

	weir__lock(&wiped->life);
	e = engine;
	weir__store_release(&engine, (struct engine *)NULL);
	if (e != NULL) {
		weir__exporters_leave();
		e->former = former;
		former = e;
		weir__store_release(&e->stop, 1u);
	}
	weir__unlock(&wiped->life);
	if (e == NULL)
		return WEIR_OK;
	wake(&e->wake_first);
	wake(&e->wake_second);
	now = weir__clock_ns();
	if (e->first != NULL)
		ended = weir_private_thread_join(e->first, deadline_ns > now ? deadline_ns - now : 0);
	now = weir__clock_ns();
	if (e->second != NULL)
		ended = weir_private_thread_join(e->second, deadline_ns > now ? deadline_ns - now : 0) && ended;
	else
		weir__exporters_close();
	weir__log_flush();
	return ended ? WEIR_OK : WEIR_ETIMEOUT;
}

int weir__pipeline_flush(uint64_t deadline_ns)
{
	struct weir__wiped *wiped = weir__wiped();
	struct engine *e;
	uint32_t wanted;
	uint64_t next = UINT64_MAX;

	weir__lock(&wiped->life);
	e = engine;
	if (e == NULL || e->options.pumped || e->options.disabled || e->second == NULL) {
		weir__unlock(&wiped->life);
		if (e != NULL && e->options.disabled)
			return WEIR_OK;
		if (e != NULL && e->options.pumped)
			return turn(true, deadline_ns, &next);
		return e != NULL && weir__exporters_count() != 0 ? WEIR_EIO : WEIR_OK; /* EIO: its thread could not be had */
	}
	weir__store_relaxed(&e->flush_deadline_ns, deadline_ns);
	wanted = weir__add_seq(&e->flush_wanted, 1u) + 1;
	wake(&e->wake_second);
	weir__unlock(&wiped->life);
	for (;;) {
		uint32_t done = weir__load_acquire(&e->flush_done);

		if ((int32_t)(done - wanted) >= 0)
			return weir__load_relaxed(&e->flush_result);
		if (!weir__futex_wait(&e->flush_done, done, deadline_ns) &&
		    (int32_t)(weir__load_acquire(&e->flush_done) - wanted) < 0)
			return WEIR_ETIMEOUT;
	}
}

int weir__pipeline_pump(uint64_t budget_ns, uint64_t *next_ns)
{
	struct engine *e = weir__load_acquire(&engine);
	uint64_t now = weir__clock_ns(), next;
	uint32_t free_now = 0;

	if (e == NULL || !e->options.pumped)
		return WEIR_EINVAL;
	if (e->options.disabled) {
		if (next_ns != NULL)
			*next_ns = e->options.tick_ns;
		return WEIR_OK;
	}
	if (!weir__cas_acquire(&e->pumping, &free_now, 1u)) {
		if (next_ns != NULL)
			*next_ns = e->options.tick_ns;
		return WEIR_OK;
	}
	weir__spans_drain();
	if (now >= e->next_tick_ns) {
		e->next_tick_ns = now + e->options.tick_ns;
		tick(e);
		weir__clock_anchor();
		weir__log_flush();
		next = e->next_tick_ns;
		turn(false, budget_ns > UINT64_MAX - now ? UINT64_MAX : now + budget_ns, &next);
	} else {
		next = e->next_tick_ns;
		weir__exporters_run(false, budget_ns > UINT64_MAX - now ? UINT64_MAX : now + budget_ns, &next);
	}
	weir__store_release(&e->pumping, 0u);
	now = weir__clock_ns();
	if (next_ns != NULL)
		*next_ns = next > now ? next - now : 0;
	return WEIR_OK;
}
