/* What the tests of src/exporter.c begin with: test_exporter.c, test_exporter_shutdown.c. */
#ifndef TEST_EXPORTER_H
#define TEST_EXPORTER_H

#define _GNU_SOURCE
#include "pipeline.h"
#include "port.h"
#include "registry.h"

#include <weir/exporter.h>
#include <weir/metric.h>

#include "alone.h"

WEIR_COUNTER(counter, "exporter_counter_total", "Counted.");

/* What an exporter saw. Words are atomic: it runs on another thread. */
struct sink {
	uint32_t calls, closed, calls_when_closed;
	uint64_t count, timeout_ns, last_ns; /* of the last call: the counter, the time told, when */
	int result;
	uint32_t hold, inside; /* hold: it stays inside until that is 0 */
};

#define GET(word) __atomic_load_n(&(word), __ATOMIC_SEQ_CST)
#define SET(word, v) __atomic_store_n(&(word), (v), __ATOMIC_SEQ_CST)

static inline int take_metrics(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct sink *s = arg;
	struct weir_series series;

	assert_int_equal(GET(s->closed), 0); /* close is the last call */
	assert_true(weir_snapshot_find(snapshot, "exporter_counter_total", NULL, 0, &series));
	SET(s->count, series.count);
	SET(s->timeout_ns, timeout_ns);
	SET(s->last_ns, now_ns());
	SET(s->inside, 1u);
	for (uint64_t until = now_ns() + WEIR_S(30); GET(s->hold) != 0 && now_ns() < until;)
		usleep(STEP_US);
	SET(s->inside, 0u);
	__atomic_fetch_add(&s->calls, 1, __ATOMIC_SEQ_CST);
	return GET(s->result);
}

static inline void take_end(void *arg)
{
	struct sink *s = arg;

	SET(s->calls_when_closed, GET(s->calls));
	__atomic_fetch_add(&s->closed, 1, __ATOMIC_SEQ_CST);
}

static inline struct weir_exporter *export_to(struct sink *s, uint64_t interval_ns)
{
	struct weir_exporter_options o = {.size = sizeof o, .name = "sink", .arg = s, .interval_ns = interval_ns,
	                                  .metrics = take_metrics, .closed = take_end};
	struct weir_exporter *e = NULL;

	assert_int_equal(weir_exporter_new(&e, &o), WEIR_OK);
	assert_non_null(e);
	return e;
}

static inline void start(bool pumped)
{
	struct weir_options o = {.size = sizeof o, .log = say_to_test, .no_process = true, .no_thread = pumped,
	                         .tick_ns = pumped ? WEIR_MS(1) : WEIR_S(3600)};

	assert_int_equal(weir_init(&o), WEIR_OK);
}

static inline void stop(void)
{
	assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

#endif
