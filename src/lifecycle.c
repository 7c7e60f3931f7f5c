/* L5: init, pump, flush, shutdown, fork, status; the only writer of what is set once for the process. Set-up is one at a time
 * (a lock of its own, which is never held across callbacks or exporters but at shutdown's end). */
#define _GNU_SOURCE
#include "atomic.h"
#include "console.h"
#include "environment.h"
#include "gate.h"
#include "log.h"
#include "observe.h"
#include "options.h"
#include "pages.h"
#include "pipeline.h"
#include "probe.h"
#include "process.h"
#include "process_context.h"
#include "segment.h"
#include "shard.h"
#include "clock.h"
#include "sampling.h"
#include "spans.h"
#include "tally.h"
#include "thread_context.h"
#include "snapshot.h"

#include <weir/abi/private.h>

#include <pthread.h>
#include <string.h>

enum { STOPS_MAX = 8 };
static struct {
	bool prepared; /* what is done once for the process */
	bool stopping; /* shutdown stops the others: none of them starts a thread anew. Writer: under set_up; readers: any, relaxed */
	/* A place is taken once, by compare-and-swap, and stays. Writers: who registers (release); reader: shutdown (acquire). */
	int (*on_shutdown[STOPS_MAX])(uint64_t timeout_ns);
} life;

const char *weir_version(void)
{
	return WEIR_VERSION_TEXT;
}

const char *weir_error_name(int error)
{
#define NAME(name, value, text) case value: return #name;
	switch (error) {
		WEIR_ERRORS(NAME)
	case WEIR_OK:
		return "WEIR_OK";
	default:
		return "WEIR_E?";
	}
#undef NAME
}

const char *weir_error_text(int error)
{
#define TEXT(name, value, text) case value: return text;
	switch (error) {
		WEIR_ERRORS(TEXT)
	case WEIR_OK:
		return "no error";
	default:
		return "unknown error";
	}
#undef TEXT
}

uint64_t weir_private_clock_ns(void)
{
	return weir__clock_ns();
}

uint32_t weir_private_generation(void)
{
	return weir__generation();
}

bool weir__stopping(void)
{
	return weir__load_relaxed(&life.stopping);
}

bool weir_private_started(void)
{
	return weir__pipeline_runs() && !weir__stopping();
}

bool weir_private_pumped(void)
{
	return weir__pipeline_is_pumped();
}

bool weir_private_disabled(void)
{
	return weir__load_relaxed(&weir__propagation.disabled);
}

bool weir_private_on_shutdown(int (*stop)(uint64_t timeout_ns))
{
	for (int at = 0; stop != NULL && at < STOPS_MAX; at++) {
		int (*seen)(uint64_t) = NULL;

		if (weir__cas_acq_rel(&life.on_shutdown[at], &seen, stop) || seen == stop)
			return true;
	}
	return false;
}

/* In the order in which they registered, each with the time that is left; the first error. */
static int stop_others(uint64_t deadline_ns)
{
	int result = WEIR_OK;

	for (int at = 0; at < STOPS_MAX; at++) {
		int (*stop)(uint64_t) = weir__load_acquire(&life.on_shutdown[at]);
		uint64_t now = weir__clock_ns();
		int error = stop != NULL ? stop(deadline_ns > now ? deadline_ns - now : 0) : WEIR_OK;

		if (result == WEIR_OK)
			result = error;
	}
	return result;
}

/* ---- fork, where the system cannot wipe memory: the forking thread is pointed at nulls meanwhile ---- */

static __thread uint64_t *const *before_fork __attribute__((tls_model("initial-exec")));

static void prepare_fork(void)
{
	before_fork = weir_tls_v1;
	weir_tls_v1 = weir__shard_nulls();
}

static void parent_after_fork(void)
{
	weir_tls_v1 = before_fork;
}

static void child_after_fork(void)
{
	weir_tls_v1 = before_fork;
	weir__generation_lost();
	weir__generation(); /* puts the child in order at once: there is nothing to see it by later */
}

/* In any case: nobody sees the parent's request in the child, which may not touch weir for long. */
static void nothing_is_current(void)
{
	*weir__thread_context() = NULL;
}

static void prepare_once(void)
{
	if (life.prepared)
		return;
	life.prepared = true;
	weir_private_gate_at_exit();
	pthread_atfork(NULL, NULL, nothing_is_current);
	if (!weir__can_wipe())
		pthread_atfork(prepare_fork, parent_after_fork, child_after_fork);
}

/* ---- begin ---- */

/* At a request's begin: one load and a compare, where this is configured. */
static void export_in_child(void)
{
	struct weir__wiped *wiped = weir__wiped();

	if (wiped != NULL && weir__load_acquire(&wiped->generation) == 0)
		weir_after_fork();
}

static int start(const struct weir_options *o)
{
	struct weir__pipeline_options pipeline = {.tick_ns = o->tick_ns != 0 ? o->tick_ns : WEIR_S(1),
	                                          .totals_ns = o->totals_ns, .pumped = o->no_thread, .process = !o->no_process};
	struct weir__guard guard;
	int error;

	weir__log_set(o->log, o->log_arg, o->log_level != WEIR_LOG_ENV ? o->log_level : WEIR_LOG_WARN);
	if (o->log_level == WEIR_LOG_ENV)
		weir__log_set(o->log, o->log_arg, weir__environment_log_level());
	error = weir__environment_resource(o);
	if (error != WEIR_OK)
		return error;
	if (!weir__enter(&guard))
		return WEIR_ENOMEM;
	if (o->segment_bytes != 0 && !weir__segment_is_open())
		weir__segment_capacity(o->segment_bytes);
	weir__segment_ready(); /* no memory for it: records are dropped and counted until there is */
	weir__leave(&guard);
	if (strncmp(weir__segment_home(), "private", 7) == 0)
		weir_private_log(WEIR_LOG_WARN, "the cells cannot be read from outside: %s", weir__segment_home());
	prepare_once();
	error = weir__environment_traces(o);
	if (error != WEIR_OK)
		return error;
	weir__clock_start();
	weir__store_relaxed(&weir__on_child_request, o->export_in_child ? export_in_child : (void (*)(void))NULL);
	weir__health_start();
	pipeline.disabled = weir_private_disabled();
	if (!o->no_process && !pipeline.disabled)
		weir__process_start();
	error = weir__pipeline_start(&pipeline);
	if (error == WEIR_OK && weir__environment_console() && !pipeline.disabled)
		weir__console_start();
	if (error == WEIR_OK && !pipeline.disabled)
		weir__process_context_publish();
	return error;
}

static struct weir__lock *set_up(void)
{
	/* In the wiped page, so that it is free in a forked child. */
	struct weir__wiped *wiped = weir__wiped();

	if (wiped == NULL)
		return NULL;
	weir__lock(&wiped->set_up);
	return &wiped->set_up;
}

int weir_init(const struct weir_options *given)
{
	struct weir_options o;
	struct weir__lock *lock;
	int error = WEIR_OK;

	if (!weir__take_options(&o, sizeof o, given, given != NULL ? given->size : 0) || o.log_level > WEIR_LOG_DEBUG ||
	    (o.tick_ns != 0 && (o.tick_ns < WEIR_MS(1) || o.tick_ns > WEIR_S(3600))) ||
	    (o.totals_ns != 0 && (o.totals_ns < WEIR_MS(1) || o.totals_ns > WEIR_S(3600))) || o.spans_queue > WEIR__SPANS_QUEUE_MAX ||
	    o.spans_bytes > WEIR__SPANS_BYTES_MAX) {
		weir_private_log(WEIR_LOG_ERROR, "weir_init: the options are not what this version takes");
		return WEIR_EINVAL;
	}
	lock = set_up();
	if (lock == NULL)
		return WEIR_ENOMEM;
	weir__store_relaxed(&life.stopping, false); /* a child that was forked amid a shutdown */
	if (!weir__pipeline_runs())
		error = start(&o);
	weir__unlock(lock);
	if (error == WEIR_OK)
		weir__log_flush(); /* what went wrong before there was anybody to tell */
	return error;
}

int weir_after_fork(void)
{
	struct weir__lock *lock;
	int error = WEIR_OK;

	if (!weir__pipeline_was_started())
		return WEIR_EINVAL;
	lock = set_up();
	if (lock == NULL)
		return WEIR_ENOMEM;
	weir__store_relaxed(&life.stopping, false);
	if (!weir__pipeline_runs()) {
		error = weir__environment_resource_again();
		weir__clock_forget();
		if (error == WEIR_OK)
			error = weir__spans_reopen();
		if (error == WEIR_OK)
			error = weir__pipeline_restart();
		if (error == WEIR_OK && !weir_private_disabled())
			weir__process_context_publish();
	}
	weir__unlock(lock);
	return error;
}

int weir_sampling_set(const struct weir_sampling *given)
{
	struct weir_sampling s;
	struct weir__lock *lock;
	int error;

	if (!weir__take_options(&s, sizeof s, given, given != NULL ? given->size : 0))
		return WEIR_EINVAL;
	lock = set_up();
	if (lock == NULL)
		return WEIR_ENOMEM;
	weir__environment_sampler(&s);
	error = weir__sampling_put(&s);
	weir__unlock(lock);
	if (error == WEIR_OK)
		weir__probe_config("sampling", "");
	return error;
}

int weir_pump(uint64_t budget_ns, uint64_t *next_ns)
{
	return weir__pipeline_runs() ? weir__pipeline_pump(budget_ns, next_ns) : WEIR_EINVAL;
}

/* ---- end ---- */

static uint64_t deadline_of(uint64_t timeout_ns)
{
	uint64_t now = weir__clock_ns();

	return timeout_ns > UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + timeout_ns;
}

int weir_flush(uint64_t timeout_ns)
{
	if (weir__gate_is_mine()) /* within a callback or an exporter it would wait for itself */
		return WEIR_EINVAL;
	if (weir__exiting() && !weir__pipeline_is_pumped()) /* in an exit handler behind weir's: nobody is left to deliver */
		return WEIR_ETIMEOUT;
	return weir__pipeline_runs() ? weir__pipeline_flush(deadline_of(timeout_ns)) : WEIR_EINVAL;
}

int weir_shutdown(uint64_t timeout_ns)
{
	uint64_t deadline = deadline_of(timeout_ns);
	struct weir__wiped *wiped = weir__wiped();
	int result, error;

	if (wiped == NULL || !weir__pipeline_runs())
		return WEIR_OK;
	if (weir__gate_is_mine())
		return WEIR_EINVAL;
	if (weir__exiting() && !weir__pipeline_is_pumped())
		return WEIR_ETIMEOUT;
	if (!weir__lock_until(&wiped->set_up, deadline))
		return WEIR_ETIMEOUT;
	if (!weir__pipeline_runs()) {
		weir__unlock(&wiped->set_up);
		return WEIR_OK;
	}
	result = weir__pipeline_flush(deadline);
	/* Whoever is stopped looks at this under its own lock, which its stop takes: it starts its thread before, and stop ends
	 * it, or finds that it may not. */
	weir__store_relaxed(&life.stopping, true);
	error = stop_others(deadline);
	if (result == WEIR_OK)
		result = error;
	error = weir__pipeline_stop(deadline);
	weir__process_context_remove();
	weir__store_relaxed(&life.stopping, false);
	weir__unlock(&wiped->set_up);
	return result != WEIR_OK ? result : error;
}

/* ---- between ---- */

int weir_thread_attach(void)
{
	uint32_t blocks = weir__blocks_count();
	struct weir__guard guard;
	bool done = true;

	if (!weir__enter(&guard))
		return WEIR_ENOMEM;
	weir__segment_ready();
	done = weir__shard_attach();
	weir__leave(&guard);
	done = done && weir__local_ready() != NULL;
	if (!done || !weir__enter(&guard))
		return WEIR_ENOMEM;
	for (uint32_t block = 1; block < blocks && done; block++)
		done = weir__shard_block(block, weir__block_is_levels(block)) != NULL;
	weir__leave(&guard);
	return done ? WEIR_OK : WEIR_ENOMEM;
}

int weir_status_read(struct weir_status *status)
{
	static const struct {
		uint16_t at;
		uint16_t what;
	} tallies[] = {
		{offsetof(struct weir_status, spans_ended), WEIR__SPANS_ENDED},
		{offsetof(struct weir_status, dropped_spans_pool), WEIR__SPANS_POOL},
		{offsetof(struct weir_status, dropped_spans_queue), WEIR__SPANS_QUEUE},
		{offsetof(struct weir_status, dropped_spans_malformed), WEIR__SPANS_MALFORMED},
		{offsetof(struct weir_status, dropped_spans_reentry), WEIR__SPANS_REENTRY},
		{offsetof(struct weir_status, kept_spans), WEIR__SPANS_KEPT},
		{offsetof(struct weir_status, evicted_spans), WEIR__SPANS_EVICTED},
		{offsetof(struct weir_status, headers_malformed), WEIR__HEADERS_MALFORMED},
		{offsetof(struct weir_status, baggage_dropped), WEIR__BAGGAGE_DROPPED},
		{offsetof(struct weir_status, detached_out_of_order), WEIR__DETACHED_OUT_OF_ORDER},
		{offsetof(struct weir_status, ended_twice), WEIR__ENDED_TWICE},
		{offsetof(struct weir_status, untimed), WEIR__UNTIMED},
		{offsetof(struct weir_status, routes_dropped), WEIR__ROUTES_DROPPED},
		{offsetof(struct weir_status, tags_dropped), WEIR__TAGS_DROPPED},
	};
	struct weir_status now;
	size_t size = status != NULL ? status->size : 0;

	if (size < sizeof status->size)
		return WEIR_EINVAL;
	weir__generation();
	memset(&now, 0, sizeof now);
	now.size = size;
	now.home = weir__segment_home();
	now.instruments = weir__instruments_count();
	now.refused = weir__refused_total();
	now.series = weir__series_total();
	now.overflowed = weir__overflowed_total();
	now.segment_bytes = weir__segment_bytes();
	now.heap_bytes = weir__heap_bytes();
	now.shards = weir__shards_count();
	now.blocks = weir__blocks_count() != 0 ? weir__blocks_count() - 1 : 0;
	now.dropped_refused = weir__lost(WEIR__LOST_REFUSED);
	now.dropped_value = weir__lost(WEIR__LOST_VALUE);
	now.dropped_labels = weir__lost(WEIR__LOST_LABELS);
	now.dropped_memory = weir__lost(WEIR__LOST_MEMORY);
	now.dropped_reentry = weir__lost(WEIR__LOST_REENTRY);
	now.dropped_contended = weir__lost(WEIR__LOST_CONTENDED);
	for (int why = 0; why < WEIR__LOSSES; why++)
		now.dropped_records += weir__lost((enum weir__loss)why);
	now.values_cleaned = weir__mended_total(false);
	now.values_cut = weir__mended_total(true);
	now.snapshots = weir__snapshots_total();
	now.snapshot_ns = weir__snapshot_last_ns();
	now.exports_failed = weir__exports_failed();
	now.callbacks_late = weir__callbacks_late();
	for (size_t i = 0; i < sizeof tallies / sizeof *tallies; i++) {
		uint64_t n = weir__tallied((enum weir__tally)tallies[i].what);

		memcpy((char *)&now + tallies[i].at, &n, sizeof n);
	}
	now.spans_exported = weir__spans_exported();
	now.spans_waiting = weir__spans_waiting();
	now.dropped_spans_export = weir__tallied(WEIR__SPANS_EXPORT) + weir__tallied(WEIR__SPANS_LATE);
	now.dropped_spans = now.dropped_spans_pool + now.dropped_spans_queue + now.dropped_spans_export +
	                    now.dropped_spans_malformed + now.dropped_spans_reentry;
	now.exemplars_dropped = weir__exemplars_lost();
	/* an older caller's is shorter; what a newer one has beyond stays as it was */
	memcpy(status, &now, size < sizeof now ? size : sizeof now);
	return WEIR_OK;
}
