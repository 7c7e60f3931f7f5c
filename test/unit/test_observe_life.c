/* Unit: src/observe.c: callbacks that come and go, while they run, in themselves, in a forked child. */
#include "test_observe.h"

/* ---- coming and going ---- */

static void count_run(struct weir_observer *o, void *arg)
{
	(void)o;
	++*(unsigned *)arg;
}

ALONE(callbacks_come_and_go)
{
	static struct weir_callback *all[1024];
	static unsigned runs[1024];
	struct weir_callback *more;

	assert_int_equal(weir_callback_new(NULL, count_run, NULL), WEIR_EINVAL);
	assert_int_equal(weir_callback_new(&more, NULL, NULL), WEIR_EINVAL);
	for (size_t i = 0; i < COUNT(all); i++)
		all[i] = begin(count_run, &runs[i]);
	assert_int_equal(weir_callback_new(&more, count_run, NULL), WEIR_ELIMIT);
	assert_null(more);
	assert_int_equal(weir__callbacks_count(), 1024);
	assert_true(weir__callbacks_run());
	weir_callback_destroy(all[17]);
	weir_callback_destroy(NULL);
	assert_int_equal(weir__callbacks_count(), 1023);
	assert_true(weir__callbacks_run());
	all[17] = begin(count_run, &runs[17]); /* its place is free again */
	assert_true(weir__callbacks_run());
	for (size_t i = 0; i < COUNT(all); i++) {
		assert_int_equal(runs[i], i == 17 ? 2 : 3);
		weir_callback_destroy(all[i]);
	}
	assert_int_equal(weir__callbacks_count(), 0);
	assert_true(weir__callbacks_run());
	assert_int_equal(runs[0], 3);
}

static struct weir_callback *own, *victim;
static unsigned own_runs, victim_runs;
static void destroy_itself(struct weir_observer *o, void *arg)
{
	(void)arg;
	own_runs++;
	weir_callback_destroy(own);
	weir_observer_report(o, &level, 4); /* its run goes on */
}

static void destroy_victim(struct weir_observer *o, void *arg)
{
	(void)o;
	(void)arg;
	weir_callback_destroy(victim);
	victim = NULL;
}

ALONE(a_callback_may_destroy_itself_and_others)
{
	struct weir_series s;

	own = begin(destroy_itself, NULL);
	begin(destroy_victim, NULL);
	victim = begin(count_run, &victim_runs);
	assert_true(weir__callbacks_run());
	assert_true(weir__callbacks_run());
	assert_int_equal(own_runs, 1);
	assert_int_equal(victim_runs, 0);
	assert_int_equal(weir__callbacks_count(), 1);
	assert_true(find("observed_level", NULL, &s) && s.level == 4);
}

static unsigned born_runs;
static void set_up_within(struct weir_observer *o, void *arg)
{
	const struct weir_counter *c;
	struct weir_callback *callback;
	struct weir_snapshot *snapshot;
	unsigned *runs = arg;

	(void)o;
	if ((*runs)++ != 0)
		return;
	assert_int_equal(weir_counter_create(&c, "observed_born_total", "Made within.", NULL, NULL), WEIR_OK);
	weir_counter_add(c, 1);
	weir_counter_add(&within, 1);
	assert_int_equal(weir_callback_new(&callback, count_run, &born_runs), WEIR_OK);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	weir_snapshot_destroy(snapshot);
	status_now();
	assert_int_equal(weir_thread_attach(), WEIR_OK);
	assert_false(weir__callbacks_run()); /* one round at a time */
}

ALONE(a_callback_runs_under_no_lock)
{
	static unsigned runs;
	struct weir_series s;

	begin(set_up_within, &runs);
	assert_true(weir__callbacks_run());
	assert_true(weir__callbacks_run());
	assert_int_equal(runs, 2);
	assert_in_range(born_runs, 1, 2);
	assert_true(find("observed_born_total", NULL, &s) && s.count == 1);
	assert_int_equal(weir_counter_read(&within), 1);
	assert_int_equal(status_now().dropped_records, 0);
}

static struct {
	int inside, go, destroyed;
	struct weir_callback *callback;
} held;

static void hold(struct weir_observer *o, void *arg)
{
	(void)o;
	(void)arg;
	__atomic_store_n(&held.inside, 1, __ATOMIC_RELEASE);
	WITHIN_MS(20000, __atomic_load_n(&held.go, __ATOMIC_ACQUIRE) != 0);
	__atomic_store_n(&held.inside, 0, __ATOMIC_RELEASE);
}

static void *run_round(void *arg)
{
	(void)arg;
	assert_true(weir__callbacks_run());
	return NULL;
}

static void *destroy_held(void *arg)
{
	(void)arg;
	weir_callback_destroy(held.callback);
	assert_int_equal(__atomic_load_n(&held.inside, __ATOMIC_ACQUIRE), 0); /* it has ended by then */
	__atomic_store_n(&held.destroyed, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *unload_this(void *arg)
{
	weir__callbacks_unload(arg);
	assert_int_equal(__atomic_load_n(&held.inside, __ATOMIC_ACQUIRE), 0);
	__atomic_store_n(&held.destroyed, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void waits_for_the_run(void *(*go_away)(void *))
{
	static const char here;
	pthread_t runner, destroyer;

	held.callback = begin(hold, NULL);
	runner = begin_thread(run_round, NULL);
	WITHIN_MS(5000, __atomic_load_n(&held.inside, __ATOMIC_ACQUIRE) == 1);
	assert_false(weir__callbacks_run()); /* another thread is at it */
	destroyer = begin_thread(go_away, (void *)(uintptr_t)&here);
	sleep_ms(20);
	assert_int_equal(__atomic_load_n(&held.destroyed, __ATOMIC_ACQUIRE), 0);
	__atomic_store_n(&held.go, 1, __ATOMIC_RELEASE);
	end_thread(destroyer);
	end_thread(runner);
	assert_int_equal(weir__callbacks_count(), 0);
}

ALONE(destroy_waits_for_the_run_in_progress)
{
	waits_for_the_run(destroy_held);
}

ALONE(unload_waits_for_the_run_in_progress)
{
	waits_for_the_run(unload_this);
}

static void child_has_none_that_is_late(void)
{
	assert_true(weir__callbacks_count() != 0);
	weir_callback_destroy(held.callback);
	weir__callbacks_watch();
	weir__callbacks_watch();
	assert_int_equal(weir__callbacks_late(), 1);
}

ALONE(a_round_that_two_ticks_meet_is_late)
{
	pthread_t runner;

	weir__callbacks_watch();
	begin(report_a, NULL);
	for (int i = 0; i < 3; i++) {
		assert_true(weir__callbacks_run());
		weir__callbacks_watch();
		weir__callbacks_watch();
	}
	held.callback = begin(hold, NULL);
	runner = begin_thread(run_round, NULL);
	WITHIN_MS(5000, __atomic_load_n(&held.inside, __ATOMIC_ACQUIRE) == 1);
	weir__callbacks_watch();
	assert_int_equal(weir__callbacks_late(), 0); /* it may just have begun */
	weir__callbacks_watch();
	assert_int_equal(weir__callbacks_late(), 1);
	in_child(child_has_none_that_is_late);
	weir__callbacks_watch();
	assert_int_equal(weir__callbacks_late(), 2);
	assert_int_equal(status_now().callbacks_late, 2);
	__atomic_store_n(&held.go, 1, __ATOMIC_RELEASE);
	end_thread(runner);
	weir__callbacks_watch();
	weir__callbacks_watch();
	assert_int_equal(weir__callbacks_late(), 2);
}

static void child_runs_and_destroys(void)
{
	/* Without the parent's runner: the one callback is let go at once. */
	__atomic_store_n(&held.go, 1, __ATOMIC_RELEASE);
	assert_true(weir__callbacks_run());
	weir_callback_destroy(held.callback);
	assert_int_equal(weir__callbacks_count(), 0);
}

static void child_destroys_at_once(void)
{
	weir_callback_destroy(held.callback);
	assert_int_equal(weir__callbacks_count(), 0);
}

ALONE(a_child_forked_amid_a_run_waits_for_nobody)
{
	pthread_t runner;

	held.callback = begin(hold, NULL);
	runner = begin_thread(run_round, NULL);
	WITHIN_MS(5000, __atomic_load_n(&held.inside, __ATOMIC_ACQUIRE) == 1);
	in_child(child_destroys_at_once);
	in_child(child_runs_and_destroys);
	__atomic_store_n(&held.go, 1, __ATOMIC_RELEASE);
	end_thread(runner);
	assert_int_equal(weir__callbacks_count(), 1);
}

static void child_has_no_reports_of_its_parents(void)
{
	assert_int_equal(seen_now(), 0);
	reported = 2;
	assert_true(weir__callbacks_run());
	assert_int_equal(seen_now(), 2);
}

ALONE(a_child_shows_what_is_reported_in_the_child)
{
	begin(report_queues, NULL);
	reported = 3;
	assert_true(weir__callbacks_run());
	in_child(child_has_no_reports_of_its_parents);
	assert_int_equal(seen_now(), 3);
}

static unsigned told;
static void tell(void)
{
	told++;
	status_now(); /* under no lock */
}

ALONE(who_wants_to_know_is_told_of_each_new_one)
{
	begin(report_a, NULL);
	weir__callbacks_on_new(tell);
	begin(report_a, NULL);
	begin(report_b, NULL);
	assert_int_equal(told, 2);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(callbacks_come_and_go),
	cmocka_unit_test(a_callback_may_destroy_itself_and_others),
	cmocka_unit_test(a_callback_runs_under_no_lock),
	cmocka_unit_test(destroy_waits_for_the_run_in_progress),
	cmocka_unit_test(unload_waits_for_the_run_in_progress),
	cmocka_unit_test(a_round_that_two_ticks_meet_is_late),
	cmocka_unit_test(a_child_forked_amid_a_run_waits_for_nobody),
	cmocka_unit_test(a_child_shows_what_is_reported_in_the_child),
	cmocka_unit_test(who_wants_to_know_is_told_of_each_new_one),
};
ALONE_MAIN(tests)
