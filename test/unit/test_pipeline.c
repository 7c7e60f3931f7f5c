/* Unit: src/pipeline.c: the tick and what it does, the threads there are, pump, flush that tells the truth, and an end
 * that is bounded whoever is stuck. */
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

static void start(bool pumped, uint64_t tick_ns)
{
	struct weir_options o = {
	    .size = sizeof o, .log = say_to_test, .no_process = true, .no_thread = pumped, .tick_ns = tick_ns};

	assert_int_equal(weir_init(&o), WEIR_OK);
}

static void stop(void)
{
	assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

static uint32_t rounds;
static void observe(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report(o, &observed, __atomic_add_fetch(&rounds, 1, __ATOMIC_SEQ_CST));
}

static uint32_t hold, inside;
static void stuck_callback(struct weir_observer *o, void *arg)
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
static int export(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
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

static struct weir_exporter *begin_export(void)
{
	struct weir_exporter_options o = {.size = sizeof o, .metrics = export, .interval_ns = WEIR_S(3600)};
	struct weir_exporter *e;

	assert_int_equal(weir_exporter_new(&e, &o), WEIR_OK);
	return e;
}

static struct weir_callback *begin_callback(weir_observe_fn *callback)
{
	struct weir_callback *c;

	assert_int_equal(weir_callback_new(&c, callback, NULL), WEIR_OK);
	return c;
}

/* ---- threads ---- */

ALONE(there_is_one_thread_and_one_more_for_callbacks_and_one_for_exporters)
{
	assert_int_equal(threads_named("weir\n"), 0);
	start(false, 0);
	WITHIN_MS(5000, threads_named("weir\n") == 1);
	assert_int_equal(threads_named("weir"), 1);
	begin_callback(observe);
	WITHIN_MS(5000, threads_named("weir-callbacks") == 1);
	begin_callback(observe);
	WITHIN_MS(5000, GET(rounds) != 0);
	assert_int_equal(threads_named("weir-export"), 0);
	begin_export();
	begin_export();
	WITHIN_MS(5000, threads_named("weir-export") == 1);
	assert_int_equal(threads_named("weir-callbacks"), 1);
	assert_int_equal(threads_named("weir\n"), 1);
	stop();
	WITHIN_MS(5000, threads_named("weir") == 0);
}

ALONE(they_begin_with_what_was_there_before_init)
{
	begin_callback(observe);
	sleep_ms(5);
	assert_int_equal(rounds, 0);
	start(false, 0);
	WITHIN_MS(5000, GET(rounds) != 0);
	stop();
}

ALONE(pumped_there_is_no_thread)
{
	start(true, WEIR_MS(1));
	begin_callback(observe);
	begin_export();
	assert_int_equal(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	assert_int_equal(weir_flush(WEIR_S(1)), WEIR_OK);
	assert_int_equal(threads_named("weir"), 0);
	stop();
}

/* ---- the tick ---- */

static uint64_t heartbeat(void)
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

ALONE(each_tick_beats_reports_and_tells)
{
	uint64_t first;

	start(false, WEIR_MS(2));
	begin_callback(observe);
	WITHIN_MS(10000, heartbeat() != 0);
	first = heartbeat();
	assert_true(first <= now_ns());
	WITHIN_MS(10000, heartbeat() > first);
	WITHIN_MS(10000, GET(rounds) >= 5);
	weir__log_later("said between ticks");
	WITHIN_MS(10000, said_times("said between ticks") == 1);
	stop();
}

ALONE(between_ticks_nothing_runs)
{
	uint64_t first;
	uint32_t before;

	start(false, WEIR_S(3600));
	begin_callback(observe);
	WITHIN_MS(10000, heartbeat() != 0 && GET(rounds) != 0);
	sleep_ms(20);
	first = heartbeat();
	before = GET(rounds);
	weir_counter_add(&counter, 1);
	sleep_ms(50);
	assert_int_equal(heartbeat(), first);
	assert_int_equal(GET(rounds), before);
	stop(); /* and the end does not wait for the next */
}

static int crowd_tid[20];
static unsigned crowd, go;
static void *attach_and_wait(void *arg)
{
	unsigned me = __atomic_fetch_add(&crowd, 1, __ATOMIC_SEQ_CST);

	(void)arg;
	weir_counter_add(&counter, 1);
	SET(crowd_tid[me], weir__tid());
	WITHIN_MS(20000, GET(go) == 1);
	return NULL;
}

/* More dead threads than a thread's first use looks at. */
ALONE(after_a_tick_dead_threads_shards_are_all_taken_over)
{
	pthread_t threads[20];
	uint64_t shards;

	start(true, WEIR_MS(1));
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = begin_thread(attach_and_wait, NULL);
	WITHIN_MS(10000, GET(crowd) == 20 && GET(crowd_tid[19]) != 0);
	WITHIN_MS(10000, status_now().shards >= 20);
	shards = status_now().shards;
	SET(go, 1u);
	for (size_t i = 0; i < COUNT(threads); i++)
		end_thread(threads[i]);
	for (size_t i = 0; i < COUNT(threads); i++)
		WITHIN_MS(5000, weir__thread_is_gone(crowd_tid[i]));
	sleep_ms(2);
	assert_int_equal(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	SET(go, 0u);
	SET(crowd, 0u);
	memset(crowd_tid, 0, sizeof crowd_tid);
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = begin_thread(attach_and_wait, NULL);
	for (size_t i = 0; i < COUNT(threads); i++)
		WITHIN_MS(10000, GET(crowd_tid[i]) != 0);
	assert_int_equal(status_now().shards, shards); /* the same ones */
	SET(go, 1u);
	for (size_t i = 0; i < COUNT(threads); i++)
		end_thread(threads[i]);
	assert_int_equal(weir_counter_read(&counter), 40);
	stop();
}

/* ---- pump ---- */

ALONE(pump_ticks_when_a_tick_is_due)
{
	uint64_t next = 0, first, began;

	start(true, WEIR_MS(30));
	begin_callback(observe);
	began = now_ns();
	assert_int_equal(weir_pump(WEIR_S(1), &next), WEIR_OK);
	assert_int_equal(rounds, 1);
	first = heartbeat();
	assert_int_not_equal(first, 0);
	assert_true(next <= WEIR_MS(30));
	assert_int_equal(weir_pump(WEIR_S(1), &next), WEIR_OK);
	if (now_ns() - began < WEIR_MS(30)) { /* not due */
		assert_int_equal(rounds, 1);
		assert_int_equal(heartbeat(), first);
	}
	for (uint64_t until = now_ns() + WEIR_S(10); rounds == 1 && now_ns() < until; sleep_ms(1))
		assert_int_equal(weir_pump(WEIR_S(1), &next), WEIR_OK);
	assert_int_equal(rounds, 2);
	assert_true(heartbeat() - began >= WEIR_MS(30));
	stop();
}

ALONE(pump_is_for_who_wanted_no_thread)
{
	uint64_t next = 0;

	assert_int_equal(weir_pump(0, &next), WEIR_EINVAL);
	start(false, 0);
	assert_int_equal(weir_pump(0, &next), WEIR_EINVAL);
	stop();
	start(true, 0);
	assert_int_equal(weir_pump(0, NULL), WEIR_OK);
	stop();
	assert_int_equal(weir_pump(0, &next), WEIR_EINVAL);
}

static void *pump(void *arg)
{
	(void)arg;
	assert_int_equal(weir_pump(WEIR_S(10), NULL), WEIR_OK);
	return NULL;
}

ALONE(a_second_pump_returns_at_once)
{
	uint64_t next = 0;
	pthread_t thread;

	start(true, WEIR_MS(10));
	SET(hold, 1u);
	begin_callback(stuck_callback);
	thread = begin_thread(pump, NULL);
	WITHIN_MS(10000, GET(inside) == 1);
	assert_int_equal(weir_pump(WEIR_S(10), &next), WEIR_OK);
	assert_int_equal(GET(inside), 1);
	assert_in_range(next, 1, WEIR_MS(10));
	SET(hold, 0u);
	end_thread(thread);
	stop();
}

/* ---- flush ---- */

ALONE(with_nothing_to_flush_flush_is_done)
{
	start(false, 0);
	assert_int_equal(weir_flush(0), WEIR_OK);
	stop();
}

ALONE(flush_reports_before_it_exports)
{
	start(false, WEIR_S(3600));
	begin_callback(observe);
	begin_export();
	WITHIN_MS(10000, GET(rounds) != 0);
	for (int i = 0; i < 10; i++) {
		uint32_t before = GET(rounds);

		assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
		assert_true(GET(exported_observed) > before);
	}
	stop();
}

static uint64_t offered;
static void *record_and_flush(void *arg)
{
	(void)arg;
	for (int i = 0; i < 40; i++) {
		uint64_t before;

		weir_counter_add(&counter, 1);
		before = __atomic_add_fetch(&offered, 1, __ATOMIC_SEQ_CST);
		(void)before;
		assert_int_equal(weir_flush(WEIR_S(30)), WEIR_OK);
		assert_true(GET(exports) != 0);
	}
	return NULL;
}

ALONE(many_threads_may_flush)
{
	start(false, WEIR_S(3600));
	begin_export();
	in_threads(6, record_and_flush, NULL);
	assert_int_equal(weir_counter_read(&counter), 240);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	assert_int_equal(GET(exported), 240);
	stop();
}

ALONE(flush_says_when_its_time_ran_out)
{
	uint64_t began;

	start(false, WEIR_S(3600));
	begin_export();
	SET(hold, 1u);
	begin_callback(stuck_callback);
	WITHIN_MS(10000, GET(inside) == 1);
	began = now_ns();
	assert_int_equal(weir_flush(WEIR_MS(40)), WEIR_ETIMEOUT);
	assert_true(now_ns() - began >= WEIR_MS(20) && now_ns() - began < WEIR_S(20));
	assert_int_equal(weir_flush(0), WEIR_ETIMEOUT);
	SET(hold, 0u);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	stop();
}

/* Of its time a callback that does not come has half; then it is sent what there is. */
ALONE(flush_exports_beside_a_stuck_callback)
{
	uint64_t began;

	start(false, WEIR_S(3600));
	begin_export();
	begin_callback(observe);
	WITHIN_MS(10000, GET(rounds) != 0);
	SET(hold, 1u);
	begin_callback(stuck_callback);
	WITHIN_MS(10000, GET(inside) == 1);
	weir_counter_add(&counter, 6);
	began = now_ns();
	assert_int_equal(weir_flush(WEIR_S(4)), WEIR_ETIMEOUT);
	assert_true(now_ns() - began >= WEIR_S(2) && now_ns() - began < WEIR_MS(3900));
	assert_int_equal(GET(exported), 6);
	assert_int_equal(GET(exported_observed), GET(rounds)); /* as it was reported last */
	SET(hold, 0u);
	stop();
}

static int stuck_export(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	(void)snapshot;
	(void)timeout_ns;
	stuck_callback(NULL, arg);
	return WEIR_OK;
}

ALONE(a_stuck_exporter_holds_up_no_callback)
{
	struct weir_exporter_options o = {.size = sizeof o, .metrics = stuck_export, .interval_ns = WEIR_MS(1)};
	struct weir_exporter *e;
	uint32_t before;

	start(false, WEIR_MS(1));
	begin_callback(observe);
	SET(hold, 1u);
	assert_int_equal(weir_exporter_new(&e, &o), WEIR_OK);
	WITHIN_MS(10000, GET(inside) == 1);
	before = GET(rounds);
	WITHIN_MS(10000, GET(rounds) > before + 3);
	assert_int_equal(GET(inside), 1);
	SET(hold, 0u);
	stop();
}

static void *flush_with_no_time(void *arg)
{
	for (int i = 0; i < 300; i++) {
		int result = weir_flush(*(uint64_t *)arg);

		assert_true(result == WEIR_OK || result == WEIR_ETIMEOUT);
	}
	return NULL;
}

/* Who has time is not told that it ran out since another had none. */
ALONE(each_flush_has_its_own_time)
{
	static uint64_t none;
	pthread_t thread;

	start(false, WEIR_S(3600));
	begin_export();
	thread = begin_thread(flush_with_no_time, &none);
	for (int i = 0; i < 300; i++)
		assert_int_equal(weir_flush(WEIR_S(30)), WEIR_OK);
	end_thread(thread);
	stop();
}

ALONE(what_is_stuck_does_not_hold_up_the_tick)
{
	uint64_t first;

	start(false, WEIR_MS(2));
	begin_callback(observe);
	WITHIN_MS(10000, GET(rounds) > 3);
	SET(hold, 1u);
	begin_callback(stuck_callback);
	WITHIN_MS(10000, GET(inside) == 1);
	WITHIN_MS(10000, status_now().callbacks_late > 2); /* it is counted as long as it goes on */
	WITHIN_MS(10000, heartbeat() != 0);
	first = heartbeat();
	WITHIN_MS(10000, heartbeat() > first);
	SET(hold, 0u);
	stop();
}

/* ---- the end ---- */

ALONE(shutdown_flushes)
{
	start(false, WEIR_S(3600));
	begin_export();
	weir_counter_add(&counter, 6);
	stop();
	assert_int_equal(GET(exports), 1);
	assert_int_equal(GET(exported), 6);
	weir_counter_add(&counter, 1);
	sleep_ms(5);
	assert_int_equal(GET(exports), 1);
}

ALONE(shutdown_is_bounded_and_leaves_behind_who_is_stuck)
{
	uint64_t began;

	start(false, WEIR_S(3600));
	SET(hold, 1u);
	begin_callback(stuck_callback);
	WITHIN_MS(10000, GET(inside) == 1);
	began = now_ns();
	assert_int_equal(weir_shutdown(WEIR_MS(50)), WEIR_ETIMEOUT);
	assert_int_equal(threads_named("weir-callbacks"), 1);
	assert_true(now_ns() - began >= WEIR_MS(50) && now_ns() - began < WEIR_S(20));
	assert_false(weir__pipeline_runs());
	assert_int_equal(weir_shutdown(WEIR_S(1)), WEIR_OK); /* it is shut down */
	/* its successor works */
	start(false, WEIR_S(3600));
	begin_export();
	weir_counter_add(&counter, 6);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_ETIMEOUT); /* what callbacks would say now is not there, and it says so at once */
	assert_true(now_ns() - began < WEIR_S(10));
	assert_int_equal(GET(exported), 6);
	SET(hold, 0u);
	WITHIN_MS(10000, threads_named("weir-callbacks") == 1); /* the one left behind ends */
	weir_counter_add(&counter, 1);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	assert_int_equal(GET(exported), 7);
	stop();
}

static void *flush_at_the_end(void *arg)
{
	int result = weir_flush(WEIR_S(30));

	(void)arg;
	/* it came before, amid, or after the end: whatever it says, it says so soon */
	assert_true(result == WEIR_OK || result == WEIR_EIO || result == WEIR_EINVAL);
	return NULL;
}

ALONE(who_flushes_amid_shutdown_is_answered)
{
	for (int i = 0; i < 20; i++) {
		pthread_t threads[3];
		uint64_t began = now_ns();

		start(false, WEIR_S(3600));
		begin_export();
		for (size_t t = 0; t < COUNT(threads); t++)
			threads[t] = begin_thread(flush_at_the_end, NULL);
		stop();
		for (size_t t = 0; t < COUNT(threads); t++)
			end_thread(threads[t]);
		assert_true(now_ns() - began < WEIR_S(20));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(there_is_one_thread_and_one_more_for_callbacks_and_one_for_exporters),
	cmocka_unit_test(they_begin_with_what_was_there_before_init),
	cmocka_unit_test(pumped_there_is_no_thread),
	cmocka_unit_test(each_tick_beats_reports_and_tells),
	cmocka_unit_test(between_ticks_nothing_runs),
	cmocka_unit_test(after_a_tick_dead_threads_shards_are_all_taken_over),
	cmocka_unit_test(pump_ticks_when_a_tick_is_due),
	cmocka_unit_test(pump_is_for_who_wanted_no_thread),
	cmocka_unit_test(a_second_pump_returns_at_once),
	cmocka_unit_test(with_nothing_to_flush_flush_is_done),
	cmocka_unit_test(flush_reports_before_it_exports),
	cmocka_unit_test(many_threads_may_flush),
	cmocka_unit_test(flush_says_when_its_time_ran_out),
	cmocka_unit_test(flush_exports_beside_a_stuck_callback),
	cmocka_unit_test(a_stuck_exporter_holds_up_no_callback),
	cmocka_unit_test(each_flush_has_its_own_time),
	cmocka_unit_test(what_is_stuck_does_not_hold_up_the_tick),
	cmocka_unit_test(shutdown_flushes),
	cmocka_unit_test(shutdown_is_bounded_and_leaves_behind_who_is_stuck),
	cmocka_unit_test(who_flushes_amid_shutdown_is_answered),
};
ALONE_MAIN(tests)
