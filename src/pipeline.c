/* L5: the tick, and the two threads of what is not weir's. See pipeline.h. Each start has an engine of its own, so that a
 * thread that was left behind stuck never meets its successor. Writer of the engine's place: under the life lock. */
#include "pipeline.h"

#include "atomic.h"
#include "log.h"
#include "observe.h"
#include "process.h"
#include "process_context.h"
#include "retire.h"
#include "segment.h"
#include "shard.h"
#include "snapshot.h"
#include "clock.h"
#include "spans.h"
#include "totals.h"

#include <weir/abi/private.h>

#include <stdlib.h>

struct worker { /* a thread that runs the host's code each tick, and when it is asked */
	struct weir_private_thread *thread; /* NULL: none yet. Under the life lock */
	uint32_t wake;                      /* a futex: counted up by who wants something (release) */
	uint32_t wanted;                    /* how many turns somebody waited for. Under the life lock */
	uint64_t deadline_ns;               /* the latest of those that are not begun. Under the life lock */
	uint32_t done;                      /* of wanted; a futex: release by the thread */
	int result;                         /* of the newest that is done: relaxed, before done */
};
struct engine {
	struct weir__pipeline_options options;
	uint32_t generation;
	struct weir_private_thread *first;
	uint32_t wake_first;               /* as a worker's */
	uint32_t stop;                     /* 1 from stop on (release; acquire) */
	struct worker callbacks, exporters;
	uint64_t next_tick_ns;             /* pumped: under pumping */
	uint64_t next_totals_ns;           /* the tick's own, as the next */
	uint64_t pause_ns;                 /* between two drains, while spans come */
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
	weir__callbacks_watch();
	for (int why = 0; why < WEIR__LOSSES; why++)
		dropped += weir__lost((enum weir__loss)why);
	for (uint32_t looked = 0; looked < weir__shards_count() && looked < 4096; looked += 32) { /* in short turns */
		if (!weir__enter(&guard))
			break;
		weir__shards_reap(32);
		weir__leave(&guard);
	}
	weir__places_retire();
	if (weir__enter(&guard)) {
		weir__segment_heartbeat(weir__clock_ns(), dropped, overflowed);
		weir__segment_owner(start_ticks, boot_id);
		weir__leave(&guard);
	}
	if (e->options.totals_ns != 0 && weir__clock_ns() >= e->next_totals_ns) {
		e->next_totals_ns = weir__clock_ns() + e->options.totals_ns;
		weir__totals_publish();
	}
	weir__process_context_tick();
}

static void start_workers(void);

/* Spans are taken up as long as they come: no thread that ends one wakes anybody. The aim is a quarter to a half of a batch at a
 * time, or of 4 KiB of the pool a span: oftener costs wake-ups, seldomer chunks and places in the queue. */
enum { PAUSE_MOST = 8, PAUSE_IDLE = 20 }; /* ms; the least is 1 */
static uint64_t pause_after(struct engine *e, uint32_t came, const struct weir__spans_options *o)
{
	uint64_t batch = o->batch < o->pool_bytes / 4096 ? o->batch : o->pool_bytes / 4096;

	if (came == 0)
		return WEIR_MS((uint64_t)PAUSE_IDLE);
	if (came > batch / 2)
		e->pause_ns /= 2;
	else if (came < batch / 4)
		e->pause_ns *= 2;
	if (e->pause_ns < WEIR_MS(1))
		e->pause_ns = WEIR_MS(1);
	else if (e->pause_ns > WEIR_MS((uint64_t)PAUSE_MOST))
		e->pause_ns = WEIR_MS((uint64_t)PAUSE_MOST);
	return e->pause_ns;
}

/* When to come again. */
static uint64_t collect(struct engine *e, uint64_t next)
{
	struct weir__spans_options o;
	uint64_t again;
	uint32_t came;

	weir__clock_anchor();
	if (!weir__load_relaxed(&weir__propagation.wanted))
		return next;
	came = weir__spans_drain();
	o = weir__spans_options();
	if (came != 0 && weir__spans_waiting() >= o.batch)
		wake(&e->exporters.wake);
	again = weir__clock_ns() + pause_after(e, came, &o);
	return again < next ? again : next;
}

static void first_main(void *arg)
{
	struct engine *e = arg;

	while (weir__load_acquire(&e->stop) == 0) {
		uint32_t seen = weir__load_acquire(&e->wake_first);
		uint64_t next;

		tick(e);
		start_workers();
		weir_private_gate_enter(); /* the host's log callback */
		weir__log_flush();
		weir_private_gate_leave();
		next = weir__clock_ns() + e->options.tick_ns;
		while (weir__load_acquire(&e->stop) == 0 && weir__load_acquire(&e->wake_first) == seen && weir__clock_ns() < next)
			weir__futex_wait(&e->wake_first, seen, collect(e, next));
	}
}

/* ---- what is not weir's: on weir's threads that is behind the gate; with the host's descriptors, which are that code's ---- */

static void answer(struct worker *w, uint32_t number, int result)
{
	weir__store_relaxed(&w->result, result);
	weir__store_release(&w->done, number);
	weir__futex_wake(&w->done, INT32_MAX);
}

static int wait_for(struct worker *w, uint32_t number, uint64_t deadline_ns)
{
	uint32_t done;

	while ((int32_t)((done = weir__load_acquire(&w->done)) - number) < 0)
		if (!weir__futex_wait(&w->done, done, deadline_ns) && (int32_t)(weir__load_acquire(&w->done) - number) < 0)
			return WEIR_ETIMEOUT;
	return weir__load_relaxed(&w->result);
}

/* The number of the newest turn that somebody waits for, and until when. */
static uint32_t wanted_of(struct worker *w, uint64_t *deadline_ns)
{
	struct weir__wiped *wiped = weir__wiped();
	uint32_t wanted;

	weir__lock(&wiped->life);
	wanted = w->wanted;
	*deadline_ns = w->deadline_ns;
	w->deadline_ns = 0;
	weir__unlock(&wiped->life);
	return wanted;
}

static void work(struct engine *e, struct worker *w, int (*turn)(bool asked, uint64_t deadline_ns, uint64_t *next_ns))
{
	uint64_t deadline, next;

	while (weir__load_acquire(&e->stop) == 0) {
		uint32_t seen = weir__load_acquire(&w->wake), wanted = wanted_of(w, &deadline);
		bool asked = wanted != weir__load_relaxed(&w->done);
		int result;

		next = weir__clock_ns() + e->options.tick_ns;
		weir_private_gate_enter();
		result = turn(asked, asked ? deadline : UINT64_MAX, &next);
		weir_private_gate_leave();
		if (asked)
			answer(w, wanted, result);
		while (weir__load_acquire(&e->stop) == 0 && weir__load_acquire(&w->wake) == seen && weir__futex_wait(&w->wake, seen, next))
			;
	}
	answer(w, wanted_of(w, &deadline), WEIR_EIO); /* who flushes while weir is shut down */
}

static int turn_of_callbacks(bool asked, uint64_t deadline_ns, uint64_t *next_ns)
{
	(void)asked;
	(void)deadline_ns;
	(void)next_ns;
	return weir__callbacks_run() ? WEIR_OK : WEIR_ETIMEOUT; /* a thread that was left behind is still at it */
}

static int turn_of_exporters(bool asked, uint64_t deadline_ns, uint64_t *next_ns)
{
	if (asked)
		weir__spans_drain();
	return weir__exporters_run(asked, deadline_ns, next_ns);
}

/* Pumped, all of it is the host's own thread's, without a gate: the host knows when it exits. */
static int turn_of_pump(bool all, uint64_t deadline_ns, uint64_t *next_ns)
{
	weir__callbacks_run();
	return turn_of_exporters(all, deadline_ns, next_ns);
}

static void callbacks_main(void *arg)
{
	struct engine *e = arg;

	work(e, &e->callbacks, turn_of_callbacks);
}

static void exporters_main(void *arg)
{
	struct engine *e = arg;

	work(e, &e->exporters, turn_of_exporters);
	weir_private_gate_enter();
	weir__exporters_close();
	weir_private_gate_leave();
}

/* With the life lock held. */
static void start_worker(struct engine *e, struct worker *w, uint32_t count, const char *name, void (*run)(void *))
{
	if (w->thread == NULL && count != 0 && weir__thread_start(&w->thread, name, run, e, false) != WEIR_OK)
		weir__log_later("no thread could be had for callbacks or exporters");
}

/* Each begins with the first of its kind; where no thread could be had, each tick tries again. */
static void start_and_wake(bool callbacks, bool exporters)
{
	struct weir__wiped *wiped = weir__wiped();
	struct engine *e;

	if (wiped == NULL || !weir__pipeline_runs())
		return;
	weir__lock(&wiped->life);
	e = engine;
	if (e != NULL && !e->options.pumped && !e->options.disabled && weir__load_relaxed(&e->stop) == 0) {
		start_worker(e, &e->callbacks, weir__callbacks_count(), "weir-callbacks", callbacks_main);
		start_worker(e, &e->exporters, weir__exporters_count(), "weir-export", exporters_main);
		if (callbacks)
			wake(&e->callbacks.wake);
		if (exporters) { /* both: the first sleeps to its tick where nobody took spans yet */
			wake(&e->wake_first);
			wake(&e->exporters.wake);
		}
	}
	weir__unlock(&wiped->life);
}

static void start_workers(void)
{
	start_and_wake(false, false);
}

static void new_callback(void)
{
	start_and_wake(true, false);
}

static void new_exporter(void)
{
	start_and_wake(false, true);
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
	weir__callbacks_on_new(new_callback);
	weir__exporters_on_change(new_exporter);
	start_workers();
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

bool weir__pipeline_has_exporters(void)
{
	struct weir__wiped *wiped = weir__wiped();
	bool has;

	if (wiped == NULL)
		return false;
	weir__lock(&wiped->life);
	has = engine != NULL && engine->exporters.thread != NULL;
	weir__unlock(&wiped->life);
	return has;
}

int weir__pipeline_restart(void)
{
	struct engine *parents = weir__load_acquire(&engine);

	return weir__pipeline_start(&parents->options); /* it stays: a thread of the parent may stand in it there */
}

static bool join(struct weir_private_thread *thread, uint64_t deadline_ns)
{
	uint64_t now = weir__clock_ns();

	return thread == NULL || weir_private_thread_join(thread, deadline_ns > now ? deadline_ns - now : 0);
}

int weir__pipeline_stop(uint64_t deadline_ns)
{
	struct weir__wiped *wiped = weir__wiped();
	struct engine *e;
	bool ended;

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
	wake(&e->exporters.wake);
	wake(&e->callbacks.wake);
	ended = join(e->first, deadline_ns);
	ended = join(e->exporters.thread, deadline_ns) && ended;
	ended = join(e->callbacks.thread, deadline_ns) && ended; /* behind the others: it may use up the time */
	if (e->exporters.thread == NULL)
		weir__exporters_close();
	weir__log_flush();
	return ended ? WEIR_OK : WEIR_ETIMEOUT;
}

/* One more turn of a worker, ended by then. EIO: its thread could not be had (needed), or weir was shut down meanwhile. */
static int one_more(struct engine *e, struct worker *w, bool needed, uint64_t deadline_ns)
{
	struct weir__wiped *wiped = weir__wiped();
	uint32_t number = 0;
	bool there;

	weir__lock(&wiped->life);
	there = engine == e && w->thread != NULL;
	needed = needed || engine != e;
	if (there) {
		number = ++w->wanted;
		if (w->deadline_ns < deadline_ns)
			w->deadline_ns = deadline_ns;
		wake(&w->wake);
	}
	weir__unlock(&wiped->life);
	return there ? wait_for(w, number, deadline_ns) : needed ? WEIR_EIO : WEIR_OK;
}

/* Callbacks first: what they report is sent. Those that do not come hold up the exporters for half of the time at most. */
int weir__pipeline_flush(uint64_t deadline_ns)
{
	struct engine *e = weir__load_acquire(&engine);
	uint64_t now = weir__clock_ns(), next = UINT64_MAX;
	int reported, sent;

	if (e == NULL || e->options.disabled)
		return WEIR_OK;
	if (e->options.pumped)
		return turn_of_pump(true, deadline_ns, &next);
	start_workers(); /* there may be a thread to be had by now */
	reported = one_more(e, &e->callbacks, weir__callbacks_count() != 0, deadline_ns > now ? now + (deadline_ns - now) / 2 : now);
	sent = one_more(e, &e->exporters, weir__exporters_count() != 0, deadline_ns);
	return sent != WEIR_OK ? sent : reported;
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
		turn_of_pump(false, budget_ns > UINT64_MAX - now ? UINT64_MAX : now + budget_ns, &next);
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
