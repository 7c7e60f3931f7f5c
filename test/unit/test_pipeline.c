/* Unit: src/pipeline.c: the tick and what it does, the threads there are, pump, flush that tells the truth, and an end
 * that is bounded whoever is stuck. test_pipeline_flush.c has flush. */
#include "test_pipeline.h"

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
	cmocka_unit_test(shutdown_flushes),
	cmocka_unit_test(shutdown_is_bounded_and_leaves_behind_who_is_stuck),
	cmocka_unit_test(who_flushes_amid_shutdown_is_answered),
};
ALONE_MAIN(tests)
