/* A plugin with instruments and callbacks of its own, loaded by dlopen.c and dlopen_static.c. */
#define _GNU_SOURCE
#include "dlopen_plugin.h"

#include <stddef.h>
#include <time.h>

WEIR_COUNTER(adds, "plugin_adds_total", "Adds.");
WEIR_COUNTER(labelled, "plugin_labelled_total", "Adds by label.", "k");
WEIR_GAUGE(gauge, "plugin_gauge", "A level.");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "plugin_times_seconds", "Times.", "k");
WEIR_OBSERVED_GAUGE(observed, "plugin_observed", "What the plugin's callback reports.");

static void record(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		weir_counter_add(&adds, 1);
		weir_counter_add_with(&labelled, 1, "x");
		weir_gauge_add(&gauge, 1);
		weir_histogram_record_with(&times, WEIR_MS(5), "x");
	}
}

static uint64_t read_adds(void)
{
	return weir_counter_read(&adds);
}

static struct weir_counter_series counter_handle(void)
{
	return weir_counter_with(&labelled, "x");
}

static struct weir_histogram_series histogram_handle(void)
{
	return weir_histogram_with(&times, "x");
}

static uint32_t *runs;
static unsigned run_us;

static void observe(struct weir_observer *observer, void *arg)
{
	struct timespec t = {0, (long)run_us * 1000};

	weir_observer_report(observer, &observed, *(const int64_t *)arg);
	if (run_us != 0)
		nanosleep(&t, NULL);
	__atomic_fetch_add(runs, 1, __ATOMIC_RELEASE);
}

static void observe_and_register(struct weir_observer *observer, void *arg)
{
	struct weir_callback *inner;

	observe(observer, arg);
	if (weir_callback_new(&inner, observe, arg) == WEIR_OK)
		weir_callback_destroy(inner);
}

static int start_callback(uint32_t *runs_of_host, unsigned us, bool registers)
{
	static const int64_t level = 77;
	struct weir_callback *callback;

	runs = runs_of_host;
	run_us = us;
	return weir_callback_new(&callback, registers ? observe_and_register : observe, (void *)(uintptr_t)&level);
}

static int life(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(2)};
	int error = weir_init(&o);

	record(1);
	return error != WEIR_OK ? error : weir_shutdown(WEIR_S(5));
}

static uint64_t dropped(void)
{
	struct weir_status status;

	status.size = sizeof status;
	return weir_status_read(&status) == WEIR_OK ? status.dropped_records : UINT64_MAX;
}

__attribute__((visibility("default")))
const struct plugin plugin = {record, read_adds, counter_handle, histogram_handle, start_callback, life, dropped};
