/* weir-otlp: start and stop, and the one exporter that a process has. See weir/otlp.h. Layer: exporter.
 *
 * What weir calls encodes, and leaves the rest to the sender: nothing here waits for the network but flush. Invariant: a
 * forked child never touches its parent's sender: it has one of its own from its first export on. Writers: start and stop, by
 * compare-and-swap on the state, which carries the generation of the process that wrote it; weir's export thread. */
#define _GNU_SOURCE
#include "delta.h"
#include "encode.h"
#include "health.h"
#include "inside.h"
#include "send.h"

#include <weir/abi/private.h>

#include <stdlib.h>
#include <string.h>

enum state { NONE, STARTING, RUNNING, STOPPING };
enum { PIECE = 4 << 20, STOP_MS = 30 }; /* of what a receiver's default takes in one request; see closed */

struct instance {
	struct weir__otlp_config config;
	struct weir__otlp_sender *sender;
	uint32_t generation; /* of the process whose sender it is */
	struct weir__otlp_delta *delta; /* NULL: cumulative */
	uint64_t group;
	struct instance *former; /* never freed: a sender that was left behind may look at it */
};

static struct {
	uint64_t state; /* generation << 8 | enum state: acquire and release */
	/* by who is STARTING or STOPPING: */
	struct weir_exporter *exporter;
	struct instance *left_behind; /* by the export thread, in closed */
	struct {                      /* what the former exporter of this process sent: the next one goes on from there */
		struct weir__otlp_delta *delta;
		enum weir_otlp_temporality temporality;
		uint32_t generation;
	} sent;
} otlp;

static uint64_t word(enum state state)
{
	return (uint64_t)weir_private_generation() << 8 | state;
}

/* What runs goes on in a forked child; what another thread was at does not. */
static enum state state_now(uint64_t *seen)
{
	enum state state;

	*seen = __atomic_load_n(&otlp.state, __ATOMIC_ACQUIRE);
	state = (enum state)(*seen & 0xff);
	return state == RUNNING || *seen >> 8 == weir_private_generation() ? state : NONE;
}

static bool change(uint64_t seen, enum state to)
{
	return __atomic_compare_exchange_n(&otlp.state, &seen, word(to), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void set(enum state to)
{
	__atomic_store_n(&otlp.state, word(to), __ATOMIC_RELEASE);
}

/* ---- deltas, from one exporter to the next ------------------------------------------------------------------------ */

static void keep_delta(struct instance *i)
{
	if (i->delta == NULL || i->generation != weir_private_generation()) {
		weir__otlp_delta_free(i->delta);
	} else {
		weir__otlp_delta_free(otlp.sent.delta);
		otlp.sent.delta = i->delta;
		otlp.sent.temporality = i->config.temporality;
		otlp.sent.generation = i->generation;
	}
	i->delta = NULL;
}

static struct weir__otlp_delta *take_delta(enum weir_otlp_temporality temporality)
{
	struct weir__otlp_delta *delta = otlp.sent.delta;

	otlp.sent.delta = NULL;
	if (delta != NULL && otlp.sent.temporality == temporality && otlp.sent.generation == weir_private_generation())
		return delta;
	weir__otlp_delta_free(delta);
	return weir__otlp_delta_new(temporality);
}

/* ---- what weir calls --------------------------------------------------------------------------------------------- */

static struct weir__otlp_sender *sender_of(struct instance *i)
{
	uint32_t now = weir_private_generation();

	if (i->generation != now) {
		struct weir__otlp_delta *delta = NULL;

		i->sender = NULL; /* the parent's stays as it is, and so does its delta: here all begins at zero */
		if (i->delta != NULL && (delta = weir__otlp_delta_new(i->config.temporality)) == NULL)
			return NULL;
		if (weir__otlp_sender_new(&i->sender, &i->config) != WEIR_OK) {
			weir__otlp_delta_free(delta);
			return NULL;
		}
		i->delta = delta;
		i->generation = now;
	}
	return i->sender;
}

static void count_too_large(enum weir__otlp_signal signal, size_t count)
{
	if (count == 0)
		return;
	weir__otlp_health_lost(signal, WEIR__OTLP_LOST_SIZE, NULL, count, false);
	weir_private_log(WEIR_LOG_WARN, "otlp: what alone is larger than a request may be was left out");
}

static int export_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct instance *i = arg;
	struct weir__otlp_sender *sender = sender_of(i);
	struct weir__otlp_bytes bytes = {0};
	struct weir__otlp_spans spans;
	bool any = false;
	size_t count;
	int error;

	(void)timeout_ns;
	if (sender == NULL || !weir__otlp_sender_has_room(sender, WEIR__OTLP_TRACES))
		return WEIR_ELIMIT;
	weir__otlp_sender_room(sender, &bytes);
	weir__otlp_spans_begin(&spans, batch);
	while ((error = weir__otlp_spans_next(&spans, &bytes, PIECE, &count)) == WEIR_OK && count != 0) {
		weir__otlp_sender_offer(sender, WEIR__OTLP_TRACES, &bytes, count, 0);
		any = true;
	}
	weir__otlp_bytes_free(&bytes);
	count_too_large(WEIR__OTLP_TRACES, spans.too_large);
	return error != WEIR_OK && !any ? WEIR_ELIMIT : error; /* no memory now: the same may come again, but not in part */
}

static int export_metrics(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct instance *i = arg;
	struct weir__otlp_sender *sender = sender_of(i);
	struct weir__otlp_bytes bytes = {0};
	struct weir__otlp_metrics metrics;
	size_t count;
	int error;

	(void)timeout_ns;
	if (sender == NULL)
		return WEIR_EIO;
	if (i->delta != NULL && !weir__otlp_sender_has_room(sender, WEIR__OTLP_METRICS))
		return WEIR_ELIMIT; /* what is not taken is contained in the next */
	i->group++;
	weir__otlp_metrics_begin(&metrics, snapshot, i->delta);
	while ((error = weir__otlp_metrics_next(&metrics, &bytes, PIECE, &count)) == WEIR_OK && count != 0) {
		int taken = weir__otlp_sender_offer(sender, WEIR__OTLP_METRICS, &bytes, count, i->delta != NULL ? 0 : i->group);

		if (i->delta == NULL)
			continue;
		if (taken == WEIR_ENOMEM) { /* as with memory to encode: the next delta contains it */
			error = taken;
			break;
		}
		weir__otlp_delta_commit(i->delta); /* also of what is too large for any request: it will not be smaller */
	}
	if (error != WEIR_OK && i->delta != NULL)
		weir__otlp_delta_rollback(i->delta);
	else if (i->delta != NULL)
		weir__otlp_delta_sweep(i->delta);
	weir__otlp_bytes_free(&bytes);
	count_too_large(WEIR__OTLP_METRICS, metrics.too_large);
	return error;
}

static int export_flush(void *arg, uint64_t timeout_ns)
{
	struct instance *i = arg;
	struct weir__otlp_sender *sender = sender_of(i);

	return sender != NULL ? weir__otlp_sender_flush(sender, timeout_ns) : WEIR_EIO;
}

/* What flush did not deliver in its time is broken off, at once. */
static void closed(void *arg)
{
	struct instance *i = arg;
	bool ended = true, mine = i->generation == weir_private_generation();

	if (mine && i->sender != NULL)
		ended = weir__otlp_sender_stop(i->sender, WEIR_MS((uint64_t)STOP_MS));
	keep_delta(i);
	i->sender = NULL;
	if (ended && mine) {
		weir__otlp_config_free(&i->config);
		free(i);
	} else { /* a forked child's copy of what its parent has, or a thread's that is still at it */
		i->former = otlp.left_behind;
		otlp.left_behind = i;
	}
	set(NONE);
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

/* As far as the caller's version goes; what is past ours must be zero. */
static bool take_options(struct weir_otlp_options *out, const struct weir_otlp_options *given)
{
	size_t known = sizeof *out;

	memset(out, 0, sizeof *out);
	if (given == NULL)
		return true;
	if (given->size < sizeof given->size)
		return false;
	for (size_t i = known; i < given->size; i++)
		if (((const char *)given)[i] != 0)
			return false;
	memcpy(out, given, given->size < known ? given->size : known);
	return true;
}

static int make_sender(struct instance *i)
{
	int error = WEIR_OK;

	i->generation = weir_private_generation();
	if (i->config.temporality != WEIR_OTLP_CUMULATIVE && i->config.target[WEIR__OTLP_METRICS].on) {
		i->delta = take_delta(i->config.temporality);
		if (i->delta == NULL)
			return WEIR_ENOMEM;
	}
	if (!weir__otlp_inside_prepare()) {
		weir_private_log(WEIR_LOG_ERROR, "otlp: libcurl cannot be set up");
		return WEIR_ENOMEM;
	}
	weir__otlp_health_start(&i->config);
	error = weir__otlp_sender_new(&i->sender, &i->config);
	return error;
}

static int start(const struct weir_otlp_options *o)
{
	struct weir_exporter_options e = {.size = sizeof e, .name = "otlp", .flush = export_flush, .closed = closed};
	struct instance *i = calloc(1, sizeof *i);
	int error;

	if (i == NULL)
		return WEIR_ENOMEM;
	error = weir__otlp_config_read(&i->config, o);
	if (error == WEIR_OK && (i->config.target[WEIR__OTLP_TRACES].on || i->config.target[WEIR__OTLP_METRICS].on)) {
		error = make_sender(i);
		if (error == WEIR_OK) {
			e.arg = i;
			e.interval_ns = i->config.interval_ns;
			e.metrics = i->config.target[WEIR__OTLP_METRICS].on ? export_metrics : NULL;
			e.spans = i->config.target[WEIR__OTLP_TRACES].on ? export_spans : NULL;
			return weir_exporter_new(&otlp.exporter, &e); /* where it fails it calls closed */
		}
	} else if (error == WEIR_OK) {
		weir_private_log(WEIR_LOG_INFO, "otlp: nothing is to be exported: it is turned off");
	}
	keep_delta(i);
	weir__otlp_config_free(&i->config);
	free(i);
	return error;
}

int weir_otlp_start(const struct weir_otlp_options *options)
{
	struct weir_otlp_options o;
	enum state state;
	uint64_t seen;
	int error;

	if (!take_options(&o, options)) {
		weir_private_log(WEIR_LOG_ERROR, "otlp: the options are not what this version takes");
		return WEIR_EINVAL;
	}
	state = state_now(&seen);
	if (state == RUNNING || state == STARTING)
		return WEIR_OK;
	if (state == STOPPING || !change(seen, STARTING)) {
		weir_private_log(WEIR_LOG_ERROR, "otlp: the former exporter has not ended yet");
		return WEIR_EINVAL;
	}
	otlp.exporter = NULL;
	error = start(&o);
	if (error != WEIR_OK || otlp.exporter == NULL)
		set(NONE);
	else
		change(word(STARTING), RUNNING); /* but where weir_shutdown has closed it already */
	return error;
}

int weir_otlp_stop(uint64_t timeout_ns)
{
	uint64_t seen;
	int error;

	if (state_now(&seen) != RUNNING || !change(seen, STOPPING))
		return WEIR_OK;
	error = weir_exporter_destroy(otlp.exporter, timeout_ns);
	if (error == WEIR_EINVAL) /* called by an exporter: it would wait for itself */
		change(word(STOPPING), RUNNING);
	return error;
}
