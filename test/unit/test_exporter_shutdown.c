/* Unit: src/exporter.c: shutdown, and a forked child. */
#include "test_exporter.h"

/* ---- shutdown ---- */

ALONE(shutdown_closes_all_once_and_handles_are_void)
{
	static struct sink s[3];
	struct weir_exporter *e[3];

	start(false);
	for (size_t i = 0; i < 3; i++)
		e[i] = export_to(&s[i], WEIR_MS(2));
	stop();
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(GET(s[i].closed), 1);
		assert_true(GET(s[i].calls) >= 1);
		assert_int_equal(weir_exporter_destroy(e[i], WEIR_S(1)), WEIR_EINVAL);
	}
	assert_int_equal(weir__exporters_count(), 0);
	start(false);
	sleep_ms(10);
	stop();
	assert_int_equal(GET(s[0].closed), 1);
}

ALONE(one_that_is_stuck_holds_up_shutdown_no_longer_than_asked)
{
	static struct sink stuck = {.hold = 1}, next;
	struct weir_exporter *e;
	uint64_t began;

	start(false);
	export_to(&stuck, WEIR_MS(1));
	WITHIN_MS(10000, GET(stuck.inside) == 1);
	began = now_ns();
	assert_int_equal(weir_shutdown(WEIR_MS(50)), WEIR_ETIMEOUT);
	assert_true(now_ns() - began >= WEIR_MS(50) && now_ns() - began < WEIR_S(20));
	assert_int_equal(GET(stuck.closed), 0);
	/* weir begins again, and what is left behind never meets it */
	start(false);
	e = export_to(&next, WEIR_S(3600));
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	assert_int_equal(GET(next.calls), 1);
	SET(stuck.hold, 0u);
	WITHIN_MS(10000, GET(stuck.closed) == 1);
	sleep_ms(10);
	assert_int_equal(GET(next.closed), 0);
	assert_int_equal(GET(next.calls), 1);
	assert_int_equal(weir_exporter_destroy(e, WEIR_S(20)), WEIR_OK);
	stop();
	assert_int_equal(GET(stuck.closed), 1);
}

static void *pump_once(void *arg)
{
	(void)arg;
	sleep_ms(2); /* past the interval */
	assert_int_equal(weir_pump(WEIR_S(10), NULL), WEIR_OK);
	return NULL;
}

ALONE(pumped_one_that_another_thread_is_at_is_waited_for)
{
	static struct sink s = {.hold = 1};
	pthread_t pump;
	uint64_t began;

	start(true);
	export_to(&s, WEIR_MS(1));
	pump = begin_thread(pump_once, NULL);
	WITHIN_MS(10000, GET(s.inside) == 1);
	weir_counter_add(&counter, 4); /* not in the hands of that one */
	began = now_ns();
	assert_int_equal(weir_flush(WEIR_MS(30)), WEIR_ETIMEOUT); /* it cannot be delivered now */
	assert_true(now_ns() - began >= WEIR_MS(30));
	SET(s.hold, 0u);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	assert_int_equal(GET(s.count), 4);
	end_thread(pump);
	stop();
	assert_int_equal(GET(s.closed), 1);
}

ALONE(pumped_one_that_is_stuck_at_shutdown_is_closed_when_it_comes_back)
{
	static struct sink s = {.hold = 1};
	pthread_t pump;

	start(true);
	export_to(&s, WEIR_MS(1));
	pump = begin_thread(pump_once, NULL);
	WITHIN_MS(10000, GET(s.inside) == 1);
	assert_int_equal(weir_shutdown(WEIR_MS(30)), WEIR_ETIMEOUT);
	assert_int_equal(GET(s.closed), 0);
	SET(s.hold, 0u);
	end_thread(pump);
	assert_int_equal(GET(s.closed), 1);
	assert_int_equal(weir__exporters_count(), 0);
}

/* ---- fork ---- */

static struct sink shared;
static void child_exports_its_own(void)
{
	shared = (struct sink){.result = WEIR_OK};
	weir_counter_add(&counter, 2);
	assert_int_equal(weir_after_fork(), WEIR_OK);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	assert_int_equal(shared.calls, 1);
	assert_int_equal(shared.count, 2);
	stop();
	assert_int_equal(shared.closed, 1);
}

static void child_exports_nothing(void)
{
	uint32_t calls = shared.calls;

	weir_counter_add(&counter, 2);
	sleep_ms(20);
	assert_int_equal(shared.calls, calls);
}

ALONE(a_child_exports_once_it_says_so)
{
	start(true);
	export_to(&shared, WEIR_S(3600));
	weir_counter_add(&counter, 40);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	in_child(child_exports_nothing);
	in_child(child_exports_its_own);
	assert_int_equal(shared.calls, 1);
	assert_int_equal(shared.count, 40);
	stop();
	assert_int_equal(shared.closed, 1);
}

static void child_amid_an_export(void)
{
	SET(shared.hold, 0u);
	assert_int_equal(weir_after_fork(), WEIR_OK);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK); /* nobody here is at it */
	stop();
	assert_int_equal(shared.closed, 1);
}

ALONE(a_child_forked_amid_an_export_waits_for_nobody)
{
	pthread_t pump;

	start(true);
	shared.hold = 1;
	export_to(&shared, WEIR_MS(1));
	pump = begin_thread(pump_once, NULL);
	WITHIN_MS(10000, GET(shared.inside) == 1);
	in_child(child_amid_an_export);
	SET(shared.hold, 0u);
	end_thread(pump);
	stop();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(shutdown_closes_all_once_and_handles_are_void),
	cmocka_unit_test(one_that_is_stuck_holds_up_shutdown_no_longer_than_asked),
	cmocka_unit_test(pumped_one_that_another_thread_is_at_is_waited_for),
	cmocka_unit_test(pumped_one_that_is_stuck_at_shutdown_is_closed_when_it_comes_back),
	cmocka_unit_test(a_child_exports_once_it_says_so),
	cmocka_unit_test(a_child_forked_amid_an_export_waits_for_nobody),
};
ALONE_MAIN(tests)
