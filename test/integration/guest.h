/* A host's instruments, a callback and an exporter of its own, for the tests of a polite guest: guest.c, guest_taken.c.
 * Invariant: `offered` is what each instrument was given, as long as only record_all gives. */
#ifndef GUEST_H
#define GUEST_H

#include "case.h"

#include <weir/weir.h>

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

WEIR_COUNTER(adds, "guest_adds_total", "Adds.");
WEIR_COUNTER(labelled, "guest_labelled_total", "Adds by label.", "k");
WEIR_GAUGE(gauge, "guest_gauge", "A level.");
WEIR_HISTOGRAM(times, WEIR_LATENCY, "guest_times_seconds", "Times.");
WEIR_OBSERVED_GAUGE(observed, "guest_observed", "What a callback reports.");

static inline struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

static uint64_t offered;

static inline void record_all(void)
{
	weir_counter_add(&adds, 1);
	weir_counter_add_with(&labelled, 1, "x");
	weir_gauge_add(&gauge, 1);
	weir_histogram_record(&times, WEIR_MS(1));
	offered++;
}

static inline void expect_all(void)
{
	EQUAL(weir_counter_read(&adds), offered);
	EQUAL(weir_counter_series_read(weir_counter_with(&labelled, "x")), offered);
	EQUAL_INT(weir_gauge_read(&gauge), offered);
	EQUAL(weir_histogram_read(&times).count, offered);
	EQUAL(status_now().dropped_records, 0);
}

static uint32_t callback_runs, exporter_runs;

static inline void observe(struct weir_observer *observer, void *arg)
{
	(void)arg;
	weir_observer_report(observer, &observed, 42);
	__atomic_fetch_add(&callback_runs, 1, __ATOMIC_RELEASE);
}

static inline int export_it(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct weir_series s;

	(void)arg;
	(void)timeout_ns;
	CHECK(weir_snapshot_find(snapshot, "guest_adds_total", NULL, 0, &s));
	__atomic_fetch_add(&exporter_runs, 1, __ATOMIC_RELEASE);
	return WEIR_OK;
}

static inline uint32_t runs_of(const uint32_t *runs)
{
	return __atomic_load_n(runs, __ATOMIC_ACQUIRE);
}

static inline void begin(const struct weir_options *options, struct weir_callback **callback, struct weir_exporter **exporter)
{
	struct weir_exporter_options e = {.size = sizeof e, .interval_ns = WEIR_MS(2), .metrics = export_it};

	EQUAL_INT(weir_init(options), WEIR_OK);
	EQUAL_INT(weir_callback_new(callback, observe, NULL), WEIR_OK);
	EQUAL_INT(weir_exporter_new(exporter, &e), WEIR_OK);
}

static inline void expect_it_runs(void)
{
	uint32_t callbacks = runs_of(&callback_runs), exporters = runs_of(&exporter_runs);

	WITHIN_MS(5000, runs_of(&callback_runs) > callbacks + 2);
	WITHIN_MS(5000, runs_of(&exporter_runs) > exporters + 2);
}

static inline void *record_in_thread(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		weir_counter_add(&adds, 1);
		weir_counter_add_with(&labelled, 1, "x");
		weir_gauge_add(&gauge, 1);
		weir_histogram_record(&times, 5);
	}
	return NULL;
}

#endif
