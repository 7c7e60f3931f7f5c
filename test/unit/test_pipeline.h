/* What the tests of src/pipeline.c begin with: test_pipeline.c, test_pipeline_flush.c. */
#ifndef TEST_PIPELINE_H
#define TEST_PIPELINE_H

#define _GNU_SOURCE
#include "pipeline.h"
#include "log.h"
#include "port.h"
#include "registry.h"
#include "segment.h"
#include "shard.h"

#include <weir/exporter.h>
#include <weir/metric.h>

#include "alone.h"

WEIR_COUNTER(counter, "pipeline_counter_total", "Counted.");
WEIR_OBSERVED_GAUGE(observed, "pipeline_observed", "Reported.");

#define GET(word) __atomic_load_n(&(word), __ATOMIC_SEQ_CST)
#define SET(word, v) __atomic_store_n(&(word), (v), __ATOMIC_SEQ_CST)

static inline void start(bool pumped, uint64_t tick_ns)
{
	struct weir_options o = {
	    .size = sizeof o, .log = say_to_test, .no_process = true, .no_thread = pumped, .tick_ns = tick_ns};

	assert_int_equal(weir_init(&o), WEIR_OK);
}

static inline void stop(void)
{
	assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

static uint32_t rounds;
static inline void observe(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report(o, &observed, __atomic_add_fetch(&rounds, 1, __ATOMIC_SEQ_CST));
}

static uint32_t hold, inside;
static inline void stuck_callback(struct weir_observer *o, void *arg)
{
	(void)o;
	(void)arg;
	SET(inside, 1u);
	for (uint64_t until = now_ns() + WEIR_S(30); GET(hold) != 0 && now_ns() < until;)
		usleep(STEP_US);
	SET(inside, 0u);
}

static uint64_t exported, exports; /* the counter, the observed, as the exporter saw them last */
static uint64_t exported_observed;
static inline int export(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct weir_series s;

	(void)arg;
	(void)timeout_ns;
	assert_true(weir_snapshot_find(snapshot, "pipeline_counter_total", NULL, 0, &s));
	SET(exported, s.count);
	SET(exported_observed, weir_snapshot_find(snapshot, "pipeline_observed", NULL, 0, &s) ? s.count : 0);
	__atomic_fetch_add(&exports, 1, __ATOMIC_SEQ_CST);
	return WEIR_OK;
}

static inline struct weir_exporter *begin_export(void)
{
	struct weir_exporter_options o = {.size = sizeof o, .metrics = export, .interval_ns = WEIR_S(3600)};
	struct weir_exporter *e;

	assert_int_equal(weir_exporter_new(&e, &o), WEIR_OK);
	return e;
}

static inline struct weir_callback *begin_callback(weir_observe_fn *callback)
{
	struct weir_callback *c;

	assert_int_equal(weir_callback_new(&c, callback, NULL), WEIR_OK);
	return c;
}

static inline uint64_t heartbeat(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	const struct weir_segment_header *h = NULL;
	char line[512];

	assert_non_null(file);
	while (h == NULL && fgets(line, sizeof line, file) != NULL)
		if (strstr(line, "/memfd:weir") != NULL)
			h = (const struct weir_segment_header *)(uintptr_t)strtoul(line, NULL, 16);
	fclose(file);
	assert_non_null(h);
	return __atomic_load_n(&h->heartbeat_ns, __ATOMIC_ACQUIRE);
}

#endif
