/* L5: exporters of others: their list, their turns, their ends. See pipeline.h. Writers: under the life lock; an exporter's
 * functions run under none. */
#include "atomic.h"
#include "environment.h"
#include "gate.h"
#include "options.h"
#include "pipeline.h"
#include "probe.h"
#include "snapshot.h"
#include "spans.h"
#include "tally.h"

#include <weir/abi/private.h>
#include <weir/exporter.h>

#include <stdio.h>
#include <stdlib.h>

enum { EXPORTERS_MAX = 64 };
#define NO_TAKER UINT32_MAX
#define BUSY_NS WEIR_MS(100) /* an exporter that takes no spans now is asked again after this */
#define AGAIN_NS WEIR_MS(5)  /* amid a flush */

struct weir_exporter {
	char name[64];
	void *arg;
	int (*metrics)(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns);
	void (*closed)(void *arg);
	int (*spans)(void *arg, struct weir_batch *batch, uint64_t timeout_ns);
	int (*flush)(void *arg, uint64_t timeout_ns);
	void (*idle)(void *arg);          /* relaxed; set by its maker */
	uint64_t interval_ns, due_ns;
	uint64_t timeout_ns; /* of a turn of metrics */
	uint32_t taker;                   /* its place in the queue of spans */
	uint64_t spans_due_ns;            /* no sooner than this, but for a whole batch. Writer and reader: who runs it */
	bool busy;                        /* it said: not now. As spans_due_ns */
	bool lost;                        /* spans, since the last flush, which tells it once. As spans_due_ns */
	bool running, closing, abandoned; /* abandoned: who destroys it has stopped waiting: the run frees it */
	bool leaving;                     /* weir was shut down: the thread of that time closes it, and a new one leaves it alone */
	uint32_t ended;                   /* futex: 1 after closed has returned */
	int last_error;
};

static struct {
	struct weir_exporter *list[EXPORTERS_MAX];
	uint32_t count; /* readers: any, relaxed */
	uint32_t finished; /* counts exports that have ended; a futex for who flushes meanwhile. Writer: under the life lock */
	uint32_t generation; /* of the process that running speaks of. Under the life lock */
	void (*changed)(void);
} exporters;

/* In a forked child none runs, whatever the parent's thread was at. With the life lock held. */
static void see_fork(void)
{
	uint32_t now = weir__generation(), count = 0;
	uint64_t takers = 0;

	if (exporters.generation == now)
		return;
	exporters.generation = now;
	for (uint32_t at = 0; at < EXPORTERS_MAX; at++)
		if (exporters.list[at] != NULL) {
			exporters.list[at]->running = false;
			count++;
			if (exporters.list[at]->taker != NO_TAKER)
				takers |= UINT64_C(1) << exporters.list[at]->taker;
		}
	/* one that was on its way in or out there is neither here */
	weir__store_relaxed(&exporters.count, count);
	weir__spans_retain(takers);
}

void weir__exporters_on_change(void (*changed)(void))
{
	weir__store_release(&exporters.changed, changed);
}

uint32_t weir__exporters_count(void)
{
	return weir__load_relaxed(&exporters.count);
}

/* An interval without end is never over. */
static uint64_t due_after(uint64_t now, uint64_t interval_ns)
{
	return interval_ns > UINT64_MAX - now ? UINT64_MAX : now + interval_ns;
}

static void changed(void)
{
	void (*tell)(void) = weir__load_acquire(&exporters.changed);

	if (tell != NULL)
		tell();
}

static int add(struct weir_exporter *e)
{
	struct weir__wiped *wiped = weir__wiped();
	uint32_t at = 0;

	if (wiped == NULL)
		return WEIR_ENOMEM;
	weir__lock(&wiped->life);
	while (at < EXPORTERS_MAX && exporters.list[at] != NULL)
		at++;
	if (at < EXPORTERS_MAX) {
		exporters.list[at] = e;
		weir__store_relaxed(&exporters.count, exporters.count + 1);
	}
	weir__unlock(&wiped->life);
	return at < EXPORTERS_MAX ? WEIR_OK : WEIR_ELIMIT;
}

int weir_exporter_new(struct weir_exporter **exporter, const struct weir_exporter_options *given)
{
	struct weir__wiped *wiped = weir__wiped();
	struct weir_exporter_options o;
	struct weir_exporter *e;
	int error = WEIR_OK;

	if (exporter != NULL)
		*exporter = NULL;
	if (given == NULL)
		return WEIR_EINVAL;
	if (!weir__take_options(&o, sizeof o, given, given->size)) {
		if (given->size >= sizeof o && given->closed != NULL) /* a newer caller's tail */
			given->closed(given->arg);
		return WEIR_EINVAL;
	}
	if (wiped != NULL) { /* before it joins */
		weir__lock(&wiped->life);
		see_fork();
		weir__unlock(&wiped->life);
	}
	e = calloc(1, sizeof *e);
	if (exporter == NULL || (o.metrics == NULL && o.spans == NULL))
		error = WEIR_EINVAL;
	else if (e == NULL)
		error = WEIR_ENOMEM;
	if (error == WEIR_OK) {
		snprintf(e->name, sizeof e->name, "%s", o.name != NULL ? o.name : "exporter");
		e->arg = o.arg;
		e->metrics = o.metrics;
		e->closed = o.closed;
		e->spans = o.spans;
		e->flush = o.flush;
		e->taker = NO_TAKER;
		e->interval_ns = o.interval_ns != 0 ? o.interval_ns : weir__environment_ns("OTEL_METRIC_EXPORT_INTERVAL", 60000);
		e->timeout_ns = weir__environment_ns("OTEL_METRIC_EXPORT_TIMEOUT", 30000);
		if (e->timeout_ns > e->interval_ns)
			e->timeout_ns = e->interval_ns;
		e->due_ns = due_after(weir__clock_ns(), e->interval_ns);
		e->spans_due_ns = weir__clock_ns();
		if (e->spans != NULL && !weir__load_relaxed(&weir__propagation.disabled))
			error = weir__spans_join(&e->taker);
		if (error == WEIR_OK)
			error = add(e);
		if (error != WEIR_OK && e->taker != NO_TAKER)
			weir__spans_leave(e->taker);
	}
	if (error != WEIR_OK) {
		free(e);
		if (o.closed != NULL)
			o.closed(o.arg);
		return error;
	}
	*exporter = e;
	changed();
	return WEIR_OK;
}

void weir__exporter_idle(struct weir_exporter *e, void (*idle)(void *arg))
{
	weir__store_relaxed(&e->idle, idle);
}

/* Its last words, outside the lock: from here on nobody but a waiting destroy knows it. */
static void close_one(struct weir__wiped *wiped, struct weir_exporter *e)
{
	bool abandoned;

	weir__gate_pass();
	if (e->taker != NO_TAKER)
		weir__spans_leave(e->taker);
	if (e->closed != NULL)
		e->closed(e->arg);
	weir__lock(&wiped->life);
	abandoned = e->abandoned;
	weir__store_release(&e->ended, 1u);
	weir__futex_wake(&e->ended, INT32_MAX);
	weir__unlock(&wiped->life);
	if (abandoned)
		free(e);
}

static void take_away(uint32_t at)
{
	exporters.list[at] = NULL;
	weir__store_relaxed(&exporters.count, exporters.count - 1);
}

/* While another thread is at it (weir is pumped), what it has in its hands is older than what is to be sent. With the life lock
 * held, which is given up meanwhile; false: the time ran out. */
static bool wait_for(struct weir__wiped *wiped, uint32_t at, uint64_t deadline_ns)
{
	const struct weir_exporter *e = exporters.list[at];
	bool in_time = true;

	while (exporters.list[at] == e && e != NULL && e->running && !e->leaving && in_time) {
		uint32_t finished = exporters.finished;

		weir__unlock(&wiped->life);
		in_time = weir__futex_wait(&exporters.finished, finished, deadline_ns);
		weir__lock(&wiped->life);
	}
	return exporters.list[at] != e || e == NULL || !e->running || e->leaving;
}

static uint64_t left_until(uint64_t deadline_ns)
{
	uint64_t now = weir__clock_ns();

	return deadline_ns > now ? deadline_ns - now : 0;
}

static void say_failed(const struct weir_exporter *e, int error)
{
	weir__health_exports_failed(1);
	weir_private_log(WEIR_LOG_WARN, "the exporter %s failed: %s", e->name, weir_error_text(error));
}

/* The spans that wait for it, batch by batch: whole ones, and at its time, or with all, the rest. */
static int run_spans(struct weir_exporter *e, bool all, uint64_t deadline_ns)
{
	const struct weir__spans_options o = weir__spans_options();
	uint32_t pending = weir__spans_pending(e->taker);
	uint64_t now = weir__clock_ns();
	int result = WEIR_OK;

	if (!all && now < e->spans_due_ns) {
		if (pending == 0 || pending < o.batch || e->busy)
			return WEIR_OK;
		pending -= o.batch != 0 ? pending % o.batch : 0;
	}
	e->busy = false;
	e->spans_due_ns = due_after(now, o.delay_ns);
	/* what comes meanwhile has its own turn: a flush ends */
	for (uint32_t taken = 0; taken < pending;) {
		struct weir_batch batch;
		uint64_t left = left_until(deadline_ns), most = left < o.timeout_ns ? left : o.timeout_ns, began;
		int error;

		if (!weir__spans_take(e->taker, &batch))
			break;
		taken += (uint32_t)batch.count;
		began = weir__probe_export_begin(e->name, true, batch.count);
		error = weir__probe_export_end(e->name, true, batch.count, e->spans(e->arg, &batch, most), began);
		if (error == WEIR_ELIMIT) {
			weir__spans_done(e->taker, &batch, WEIR__BATCH_AGAIN);
			e->busy = true;
			e->spans_due_ns = weir__clock_ns() + BUSY_NS;
			return WEIR_ELIMIT;
		}
		if (error != WEIR_OK) {
			say_failed(e, error);
			e->lost = true;
			result = WEIR_EIO;
		}
		weir__spans_done(e->taker, &batch, error == WEIR_OK ? WEIR__BATCH_TAKEN : WEIR__BATCH_LOST);
	}
	return result;
}

/* At a flush it takes no more for now: what it has is sent on first, as long as there is time; one that cannot be told to
 * is asked again for half of it, since others want to flush, too. */
static int flush_spans(struct weir_exporter *e, uint64_t deadline_ns)
{
	static uint32_t never; /* changes */
	int result = run_spans(e, true, deadline_ns);
	uint64_t until = e->flush != NULL ? deadline_ns : deadline_ns - left_until(deadline_ns) / 2;

	while (result == WEIR_ELIMIT && left_until(until) != 0) {
		uint32_t pending = weir__spans_pending(e->taker);

		if (e->flush != NULL && e->flush(e->arg, left_until(deadline_ns)) == WEIR_ETIMEOUT)
			return WEIR_ETIMEOUT;
		result = run_spans(e, true, deadline_ns);
		if (result == WEIR_ELIMIT && weir__spans_pending(e->taker) == pending) {
			uint64_t soon = weir__clock_ns() + AGAIN_NS;

			weir__futex_wait(&never, 0, soon < until ? soon : until);
			weir__gate_pass();
		}
	}
	return result == WEIR_ELIMIT ? WEIR_ETIMEOUT : result;
}

static int export_metrics(struct weir_exporter *e, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	uint64_t began = weir__probe_export_begin(e->name, false, 0);

	return weir__probe_export_end(e->name, false, 0, e->metrics(e->arg, snapshot, timeout_ns), began);
}

/* One exporter's turn, under no lock. *snapshot is made if need be, and shared. */
static int run_one(struct weir_exporter *e, bool metrics_due, bool flushing, uint64_t deadline_ns, struct weir_snapshot **snapshot)
{
	uint64_t left = left_until(deadline_ns);
	void (*idle)(void *);
	int result = WEIR_OK, error;

	if (weir__load_relaxed(&weir__propagation.disabled))
		return WEIR_OK;
	if (e->metrics != NULL && metrics_due) {
		error = *snapshot == NULL ? weir_snapshot_new(snapshot) : WEIR_OK;
		if (error == WEIR_OK)
			error = export_metrics(e, *snapshot, left < e->timeout_ns || flushing ? left : e->timeout_ns);
		if (error == WEIR_ELIMIT && flushing && e->flush != NULL) { /* what it has is sent on first */
			e->flush(e->arg, left_until(deadline_ns));
			error = export_metrics(e, *snapshot, left_until(deadline_ns));
		}
		if (error == WEIR_ELIMIT && !flushing) { /* not now: the next snapshot says it all */
			error = WEIR_OK;
		} else if (error != WEIR_OK) {
			say_failed(e, error);
			result = WEIR_EIO;
		}
	}
	if (e->spans != NULL) {
		error = flushing ? flush_spans(e, deadline_ns) : run_spans(e, false, deadline_ns);
		if (error != WEIR_OK && error != WEIR_ELIMIT)
			result = error;
		if (flushing && e->lost) {
			e->lost = false;
			result = result == WEIR_OK ? WEIR_EIO : result;
		}
	}
	idle = weir__load_relaxed(&e->idle);
	if (!flushing && idle != NULL)
		idle(e->arg);
	if (flushing && e->flush != NULL) {
		error = e->flush(e->arg, left_until(deadline_ns));
		if (error != WEIR_OK)
			result = error;
	}
	return e->last_error = result; /* one that failed once is well again */
}

static void soonest(uint64_t *next_ns, uint64_t due_ns)
{
	*next_ns = due_ns < *next_ns ? due_ns : *next_ns;
}

int weir__exporters_run(bool all, uint64_t deadline_ns, uint64_t *next_ns)
{
	struct weir__wiped *wiped = weir__wiped();
	struct weir_snapshot *snapshot = NULL;
	int result = WEIR_OK;

	if (wiped == NULL)
		return WEIR_ENOMEM;
	weir__lock(&wiped->life);
	see_fork();
	for (uint32_t at = 0; at < EXPORTERS_MAX; at++) {
		struct weir_exporter *e;
		bool last, metrics_due;
		uint64_t now;
		int error;

		if (exporters.list[at] == NULL)
			continue;
		weir__unlock(&wiped->life);
		weir__gate_pass();
		weir__lock(&wiped->life);
		if (all && !wait_for(wiped, at, deadline_ns))
			result = result == WEIR_OK ? WEIR_ETIMEOUT : result;
		e = exporters.list[at];
		now = weir__clock_ns();
		if (e == NULL || e->running || (e->leaving && !e->closing))
			continue;
		metrics_due = all || e->closing || now >= e->due_ns;
		if (!metrics_due && e->spans == NULL) {
			soonest(next_ns, e->due_ns);
			continue;
		}
		e->running = true;
		last = e->closing;
		if (metrics_due)
			e->due_ns = due_after(now, e->interval_ns);
		weir__unlock(&wiped->life);
		if (last) { /* its last words are of now */
			weir_snapshot_destroy(snapshot);
			snapshot = NULL;
			weir__spans_drain();
		}
		error = run_one(e, metrics_due, all || last, deadline_ns, &snapshot);
		if (error != WEIR_OK && (result == WEIR_OK || error == WEIR_ETIMEOUT))
			result = error;
		soonest(next_ns, e->due_ns);
		soonest(next_ns, e->spans != NULL ? e->spans_due_ns : UINT64_MAX);
		weir__lock(&wiped->life);
		e->running = false;
		weir__store_release(&exporters.finished, exporters.finished + 1);
		weir__futex_wake(&exporters.finished, INT32_MAX);
		if (e->closing && !last) { /* told meanwhile: what was recorded by then is yet to be sent */
			weir__unlock(&wiped->life);
			weir_snapshot_destroy(snapshot);
			snapshot = NULL;
			at--;
			weir__lock(&wiped->life);
		} else if (e->closing || e->leaving) { /* leaving: weir was shut down meanwhile */
			take_away(at);
			if (!e->closing)
				e->abandoned = true;
			weir__unlock(&wiped->life);
			close_one(wiped, e);
			weir__lock(&wiped->life);
		}
	}
	weir__unlock(&wiped->life);
	weir_snapshot_destroy(snapshot);
	return result;
}

int weir_exporter_destroy(struct weir_exporter *e, uint64_t timeout_ns)
{
	struct weir__wiped *wiped = weir__wiped();
	uint64_t now = weir__clock_ns(), deadline = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
	uint64_t next = UINT64_MAX;
	uint32_t at = 0;
	int result;

	if (e == NULL || wiped == NULL || weir__gate_is_mine()) /* from within a callback or an exporter it would wait for itself */
		return WEIR_EINVAL;
	weir__lock(&wiped->life);
	while (at < EXPORTERS_MAX && exporters.list[at] != e)
		at++;
	if (at == EXPORTERS_MAX) {
		weir__unlock(&wiped->life);
		return WEIR_EINVAL;
	}
	e->closing = true;
	if (weir__exiting() && !weir__pipeline_is_pumped()) { /* its thread has stopped for good */
		e->abandoned = true;
		weir__unlock(&wiped->life);
		return WEIR_ETIMEOUT;
	}
	weir__unlock(&wiped->life);
	if (!weir__pipeline_runs() || weir__pipeline_is_pumped()) { /* nobody else's thread will */
		weir__exporters_run(false, deadline, &next);
	} else {
		changed();
		if (!weir__pipeline_has_exporters()) /* there was no thread to be had for it */
			weir__exporters_run(false, deadline, &next);
	}
	weir__lock(&wiped->life);
	while (weir__load_acquire(&e->ended) == 0) {
		bool in_time;

		weir__unlock(&wiped->life);
		in_time = weir__futex_wait(&e->ended, 0, deadline);
		weir__lock(&wiped->life);
		if (!in_time && weir__load_acquire(&e->ended) == 0) {
			e->abandoned = true;
			weir__unlock(&wiped->life);
			return WEIR_ETIMEOUT;
		}
	}
	weir__unlock(&wiped->life);
	result = e->last_error == WEIR_OK ? WEIR_OK : WEIR_EIO;
	free(e);
	return result;
}

/* At shutdown, by the thread that would have run them next. The handles are void from here on. */
void weir__exporters_close(void)
{
	struct weir__wiped *wiped = weir__wiped();

	if (wiped == NULL)
		return;
	weir__lock(&wiped->life);
	for (uint32_t at = 0; at < EXPORTERS_MAX; at++) {
		struct weir_exporter *e = exporters.list[at];

		if (e == NULL || e->running || !e->leaving)
			continue;
		take_away(at);
		if (!e->closing)
			e->abandoned = true;
		weir__unlock(&wiped->life);
		close_one(wiped, e);
		weir__lock(&wiped->life);
	}
	weir__unlock(&wiped->life);
}

void weir__exporters_leave(void)
{
	for (uint32_t at = 0; at < EXPORTERS_MAX; at++)
		if (exporters.list[at] != NULL)
			exporters.list[at]->leaving = true;
}
