/* L5: init, pump, flush, shutdown, fork, status; the only writer of what is set once for the process. Set-up is one at a time
 * (a lock of its own, which is never held across callbacks or exporters but at shutdown's end). */
#define _GNU_SOURCE
#include "atomic.h"
#include "environment.h"
#include "gate.h"
#include "log.h"
#include "options.h"
#include "pages.h"
#include "pipeline.h"
#include "process.h"
#include "segment.h"
#include "shard.h"
#include "snapshot.h"

#include <weir/abi/private.h>

#include <pthread.h>
#include <string.h>

static struct {
	bool prepared;               /* what is done once for the process */
	int (*on_shutdown)(uint64_t timeout_ns); /* release; acquire */
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

bool weir_private_started(void)
{
	return weir__pipeline_runs();
}

bool weir_private_pumped(void)
{
	return weir__pipeline_is_pumped();
}

void weir_private_on_shutdown(int (*stop)(uint64_t timeout_ns))
{
	weir__store_release(&life.on_shutdown, stop);
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

static void prepare_once(void)
{
	if (life.prepared)
		return;
	life.prepared = true;
	weir_private_gate_at_exit();
	if (!weir__can_wipe())
		pthread_atfork(prepare_fork, parent_after_fork, child_after_fork);
}

/* ---- begin ---- */

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
	weir__health_start();
	if (!o->no_process)
		weir__process_start();
	return weir__pipeline_start(&pipeline);
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
	    (o.totals_ns != 0 && (o.totals_ns < WEIR_MS(1) || o.totals_ns > WEIR_S(3600)))) {
		weir_private_log(WEIR_LOG_ERROR, "weir_init: the options are not what this version takes");
		return WEIR_EINVAL;
	}
	lock = set_up();
	if (lock == NULL)
		return WEIR_ENOMEM;
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
	if (!weir__pipeline_runs()) {
		error = weir__environment_resource_again();
		if (error == WEIR_OK)
			error = weir__pipeline_restart();
	}
	weir__unlock(lock);
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
	uint64_t deadline = deadline_of(timeout_ns), now;
	int (*stop)(uint64_t) = NULL;
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
	stop = weir__load_acquire(&life.on_shutdown);
	now = weir__clock_ns();
	if (stop != NULL && (error = stop(deadline > now ? deadline - now : 0)) != WEIR_OK && result == WEIR_OK)
		result = error;
	error = weir__pipeline_stop(deadline);
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
	for (uint32_t block = 1; block < blocks && done; block++)
		done = weir__shard_block(block, weir__block_is_levels(block)) != NULL;
	weir__leave(&guard);
	return done ? WEIR_OK : WEIR_ENOMEM;
}

int weir_status_read(struct weir_status *status)
{
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
	now.heap_bytes = weir__pages_bytes() + weir__shards_bytes() + weir__segment_heap_bytes();
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
	/* an older caller's is shorter; what a newer one has beyond stays as it was */
	memcpy(status, &now, size < sizeof now ? size : sizeof now);
	return WEIR_OK;
}
