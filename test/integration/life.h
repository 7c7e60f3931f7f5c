/* Instruments, and callbacks and exporters that tell what became of them and can be held: for life.c, life_stuck.c and
 * life_exit.c. Invariant: who holds one lets it go, or ends its process. */
#ifndef LIFE_H
#define LIFE_H

#include "case.h"

#include <weir/weir.h>

WEIR_COUNTER(adds, "life_adds_total", "Adds.");
WEIR_COUNTER(labelled, "life_labelled_total", "Adds by label.", "k");
WEIR_GAUGE(gauge, "life_gauge", "A level.");
WEIR_HISTOGRAM(times, WEIR_LATENCY, "life_times_seconds", "Times.");
WEIR_OBSERVED_GAUGE(observed, "life_observed", "What a callback reports.");
WEIR_OBSERVED_COUNTER(observed_by, "life_observed_by_total", "What a callback reports by label.", "k");

static inline struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

static inline void record_all(void)
{
	weir_counter_add(&adds, 1);
	weir_counter_add_with(&labelled, 1, "x");
	weir_gauge_add(&gauge, 1);
	weir_histogram_record(&times, WEIR_MS(1));
}

static inline void expect_all(uint64_t n)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;

	EQUAL(weir_counter_read(&adds), n);
	EQUAL(weir_counter_series_read(weir_counter_with(&labelled, "x")), n);
	EQUAL_INT(weir_gauge_read(&gauge), n);
	EQUAL(weir_histogram_read(&times).count, n);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "life_adds_total", NULL, 0, &s));
	EQUAL(s.count, n);
	weir_snapshot_destroy(snapshot);
	EQUAL(status_now().dropped_records, 0);
}

static inline long threads_now(void)
{
	return proc_status("Threads:", 10);
}

static inline struct weir_options ticking(unsigned ms)
{
	struct weir_options o;

	memset(&o, 0, sizeof o);
	o.size = sizeof o;
	o.tick_ns = WEIR_MS((uint64_t)ms);
	return o;
}

/* ---- callbacks and exporters that tell ---- */

struct teller {
	uint32_t runs, closed, inside, most_inside;
	uint32_t hold; /* 1: a run waits until it is 0 */
	uint32_t holding; /* runs that wait */
	int answer;
	uint64_t adds, timeout_ns; /* as its snapshot has them */
};

static inline uint32_t read_32(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void set_32(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void be_held(struct teller *t)
{
	uint32_t inside = __atomic_add_fetch(&t->inside, 1, __ATOMIC_ACQ_REL);

	if (inside > t->most_inside)
		t->most_inside = inside;
	if (read_32(&t->hold) != 0) {
		__atomic_fetch_add(&t->holding, 1, __ATOMIC_RELEASE);
		while (read_32(&t->hold) != 0)
			usleep(300);
		__atomic_fetch_sub(&t->holding, 1, __ATOMIC_RELEASE);
	}
	__atomic_fetch_sub(&t->inside, 1, __ATOMIC_RELEASE);
}

static inline void observe(struct weir_observer *observer, void *arg)
{
	struct teller *t = arg;

	be_held(t);
	weir_observer_report(observer, &observed, 42);
	weir_observer_report_with(observer, &observed_by, (int64_t)t->runs + 1, "a");
	__atomic_fetch_add(&t->runs, 1, __ATOMIC_RELEASE);
}

static inline int export_it(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct teller *t = arg;
	struct weir_series s;

	CHECK(weir_snapshot_find(snapshot, "life_adds_total", NULL, 0, &s));
	be_held(t);
	t->adds = s.count;
	t->timeout_ns = timeout_ns;
	__atomic_fetch_add(&t->runs, 1, __ATOMIC_RELEASE);
	return t->answer;
}

static inline void close_it(void *arg)
{
	struct teller *t = arg;

	CHECK(read_32(&t->inside) == 0);
	__atomic_fetch_add(&t->closed, 1, __ATOMIC_RELEASE);
}

static inline struct weir_exporter *exporter_of(struct teller *t, uint64_t interval_ns)
{
	struct weir_exporter_options e = {.size = sizeof e,
	                                  .name = "teller",
	                                  .arg = t,
	                                  .interval_ns = interval_ns,
	                                  .metrics = export_it,
	                                  .closed = close_it};
	struct weir_exporter *exporter;

	EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_OK);
	CHECK(exporter != NULL);
	return exporter;
}

static inline struct weir_callback *callback_of(struct teller *t)
{
	struct weir_callback *callback;

	EQUAL_INT(weir_callback_new(&callback, observe, t), WEIR_OK);
	return callback;
}

#endif
