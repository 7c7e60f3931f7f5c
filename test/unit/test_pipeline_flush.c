/* Unit: src/pipeline.c: flush, its deadline, and what it says. */
#include "test_pipeline.h"

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(with_nothing_to_flush_flush_is_done),
	cmocka_unit_test(flush_reports_before_it_exports),
	cmocka_unit_test(many_threads_may_flush),
	cmocka_unit_test(flush_says_when_its_time_ran_out),
	cmocka_unit_test(flush_exports_beside_a_stuck_callback),
	cmocka_unit_test(a_stuck_exporter_holds_up_no_callback),
	cmocka_unit_test(each_flush_has_its_own_time),
	cmocka_unit_test(what_is_stuck_does_not_hold_up_the_tick),
};
ALONE_MAIN(tests)
