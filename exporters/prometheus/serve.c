/* weir-prometheus: start, stop and port of the one endpoint a process has. See weir/prometheus.h. Layer: exporter.
 *
 * Invariant: the state is one word, and carries the generation of the process that wrote it: a forked child finds its
 * parent's endpoint to be none of its own, and touches nothing of it. Writers: start and stop, by compare-and-swap. */
#define _GNU_SOURCE
#include "endpoint.h"

#include <weir/abi/private.h>
#include <weir/prometheus.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum state { NONE, STARTING, RUNNING, STOPPING };

static struct {
	uint64_t state; /* generation << 8 | enum state: acquire and release */
	/* by who is STARTING or STOPPING: */
	struct weir__endpoint *endpoint;
	struct weir_private_thread *thread;
	uint16_t port; /* relaxed */
	uint32_t gate_registered; /* once, and a forked child inherits it */
} serve;

static uint64_t word(enum state state)
{
	return (uint64_t)weir_private_generation() << 8 | state;
}

static enum state state_now(uint64_t *seen)
{
	*seen = __atomic_load_n(&serve.state, __ATOMIC_ACQUIRE);
	return *seen >> 8 == weir_private_generation() ? (enum state)(*seen & 0xff) : NONE;
}

static bool change(uint64_t seen, enum state to)
{
	return __atomic_compare_exchange_n(&serve.state, &seen, word(to), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void set(enum state to)
{
	__atomic_store_n(&serve.state, word(to), __ATOMIC_RELEASE);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

/* As far as the caller's version goes; what is past ours must be zero. */
static bool take_options(struct weir_prometheus_options *out, const struct weir_prometheus_options *given)
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

/* The environment's port; any is set where it asks for a free one. */
static uint16_t port_from_environment(bool *any)
{
	const char *text = getenv("OTEL_EXPORTER_PROMETHEUS_PORT");
	unsigned port = 0;

	if (text == NULL || text[0] == '\0')
		return 9464;
	for (const char *c = text; *c != '\0'; c++) {
		if (*c >= '0' && *c <= '9' && port <= 65535) {
			port = 10 * port + (unsigned)(*c - '0');
			continue;
		}
		port = 65536;
		break;
	}
	if (port > 65535) {
		weir_private_log(WEIR_LOG_WARN, "OTEL_EXPORTER_PROMETHEUS_PORT is no port, and is ignored: %.64s",
		                 text);
		return 9464;
	}
	*any = port == 0;
	return (uint16_t)port;
}

static const char *host_of(const struct weir_prometheus_options *o)
{
	const char *host = o->host;

	if (host == NULL)
		host = getenv("OTEL_EXPORTER_PROMETHEUS_HOST");
	return host != NULL && host[0] != '\0' ? host : "localhost";
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static struct weir__endpoint *endpoint_of(const struct weir_prometheus_options *o, uint16_t port)
{
	struct weir__endpoint *e = calloc(1, sizeof *e);

	if (e == NULL || sem_init(&e->ready, 0, 0) != 0) {
		free(e);
		return NULL;
	}
	e->port = port;
	e->max_connections = o->max_connections != 0 ? o->max_connections : 64;
	e->client_ns = o->client_ns != 0 ? o->client_ns : WEIR_S(10);
	e->max_age_ns = o->max_age_ns != 0 ? o->max_age_ns : WEIR_MS(100);
	if (e->client_ns > WEIR_S(86400)) /* a day, so that no sum of times wraps */
		e->client_ns = WEIR_S(86400);
	if (e->max_age_ns > WEIR_S(86400))
		e->max_age_ns = WEIR_S(86400);
	e->holders = 2;
	return e;
}

/* Begins the thread, and waits until it listens, or cannot. */
static int launch(struct weir__endpoint *e, const char **why)
{
	int error = weir_private_thread_start(&serve.thread, "weir-prometheus", weir__endpoint_run, e);

	if (error != WEIR_OK) {
		e->holders = 1;
		*why = "there is no thread to be had";
		return error;
	}
	while (sem_wait(&e->ready) != 0)
		;
	if (e->error != WEIR_OK)
		weir_private_thread_join(serve.thread, UINT64_MAX); /* it is at its end */
	*why = e->why;
	return e->error;
}

static int start(const struct weir_prometheus_options *o)
{
	bool any = o->any_port;
	uint16_t port = any ? 0 : o->port != 0 ? o->port : port_from_environment(&any);
	const char *host = host_of(o), *why = "no memory";
	struct weir__endpoint *e = endpoint_of(o, port);
	int error = WEIR_ENOMEM;

	if (e != NULL) {
		why = e->why;
		error = weir__listen_resolve(&e->addresses, host, e->why);
		if (error != WEIR_OK)
			e->holders = 1;
		else
			error = launch(e, &why);
	}
	if (error != WEIR_OK) {
		weir_private_log(WEIR_LOG_ERROR, "prometheus: no endpoint at %.64s port %u: %s", host, port, why);
		if (e != NULL)
			weir__endpoint_let_go(e);
		return error;
	}
	serve.endpoint = e;
	__atomic_store_n(&serve.port, e->got, __ATOMIC_RELAXED);
	weir_private_log(WEIR_LOG_INFO, "prometheus: listening at %.64s port %u", host, e->got);
	return WEIR_OK;
}

/* ---- stop -------------------------------------------------------------------------------------------------------- */

static int stop(uint64_t timeout_ns)
{
	uint64_t began = weir_private_clock_ns(), now, seen;
	uint64_t deadline = timeout_ns > UINT64_MAX - began ? UINT64_MAX : began + timeout_ns;
	const struct timespec pause = {.tv_nsec = 1000000};
	bool ended;

	for (;;) {
		enum state state = state_now(&seen);

		if (state == NONE)
			return WEIR_OK;
		if (state == RUNNING && change(seen, STOPPING))
			break;
		if (weir_private_clock_ns() >= deadline) /* another thread starts or stops it */
			return WEIR_ETIMEOUT;
		nanosleep(&pause, NULL);
	}
	__atomic_store_n(&serve.port, 0, __ATOMIC_RELAXED);
	weir__endpoint_stop(serve.endpoint, began + timeout_ns / 2);
	now = weir_private_clock_ns();
	ended = weir_private_thread_join(serve.thread, deadline > now ? deadline - now : 0);
	weir__endpoint_let_go(serve.endpoint);
	set(NONE);
	return ended ? WEIR_OK : WEIR_ETIMEOUT;
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

int weir_prometheus_start(const struct weir_prometheus_options *options)
{
	struct weir_prometheus_options o;
	uint64_t seen;
	int error;

	if (!take_options(&o, options)) {
		weir_private_log(WEIR_LOG_ERROR, "prometheus: the options are not what this version takes");
		return WEIR_EINVAL;
	}
	if (!weir_private_started()) {
		weir_private_log(WEIR_LOG_ERROR, "prometheus: weir_init comes before weir_prometheus_start");
		return WEIR_EINVAL;
	}
	if (weir_private_disabled())
		return WEIR_OK;
	if (state_now(&seen) != NONE || !change(seen, STARTING)) {
		weir_private_log(WEIR_LOG_ERROR, "prometheus: the endpoint runs already");
		return WEIR_ECONFLICT;
	}
	error = start(&o);
	if (error != WEIR_OK) {
		set(NONE);
		return error;
	}
	if (__atomic_exchange_n(&serve.gate_registered, 1, __ATOMIC_RELAXED) == 0)
		weir_private_gate_at_exit(); /* behind what libmicrohttpd has registered by now */
	weir_private_on_shutdown(stop);
	set(RUNNING);
	if (weir_private_started())
		return WEIR_OK;
	stop(WEIR_S(1)); /* weir_shutdown came between */
	return WEIR_EINVAL;
}

int weir_prometheus_stop(void)
{
	return stop(WEIR_S(1));
}

uint16_t weir_prometheus_port(void)
{
	uint64_t seen;

	return state_now(&seen) == RUNNING ? __atomic_load_n(&serve.port, __ATOMIC_RELAXED) : 0;
}
