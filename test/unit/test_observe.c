/* Unit: src/observe.c: callbacks run one after the other under no lock, come and go at any time, and what they report
 * is there whole, or no longer. */
#define _GNU_SOURCE
#include "observe.h"
#include "port.h"
#include "registry.h"

#include <weir/snapshot.h>

#include <math.h>

#include "alone.h"

WEIR_OBSERVED_COUNTER(jobs, "observed_jobs_total", "Jobs.");
WEIR_OBSERVED_GAUGE(level, "observed_level", "A level.");
WEIR_OBSERVED_GAUGE(queues, "observed_queues", "Queues.", "name");
WEIR_OBSERVED_GAUGE(others, "observed_others", "Others.", "name");
WEIR_OBSERVED_GAUGE_IN(age, WEIR_SECONDS, "observed_age_seconds", "An age.");
WEIR_OBSERVED_GAUGE_IN(share, WEIR_RATIO, "observed_share_ratio", "A share.");
WEIR_OBSERVED_GAUGE_IN(ages, WEIR_SECONDS, "observed_ages_seconds", "Ages.", "name");
WEIR_COUNTER(within, "observed_within_total", "Recorded within a callback.");

static struct weir_snapshot *take(void)
{
	struct weir_snapshot *snapshot;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	return snapshot;
}

static bool in_snapshot(const struct weir_snapshot *snapshot, const char *name, const char *value,
                        struct weir_series *s)
{
	struct weir_str v = weir_str_of(value);
	struct weir_series unused;

	return weir_snapshot_find(snapshot, name, &v, value != NULL ? 1 : 0, s != NULL ? s : &unused);
}

static bool find(const char *name, const char *value, struct weir_series *s)
{
	struct weir_snapshot *snapshot = take();
	bool found = in_snapshot(snapshot, name, value, s);

	weir_snapshot_destroy(snapshot);
	return found;
}

static struct weir_callback *begin(weir_observe_fn *observe, void *arg)
{
	struct weir_callback *callback;

	assert_int_equal(weir_callback_new(&callback, observe, arg), WEIR_OK);
	assert_non_null(callback);
	return callback;
}

/* ---- what is reported ---- */

static void report_all(struct weir_observer *o, void *arg)
{
	struct weir_str b = {"b", 1};

	assert_string_equal(arg, "mine");
	weir_observer_report(o, &jobs, 7);
	weir_observer_report(o, &level, -3);
	weir_observer_report_with(o, &queues, 1, "a");
	weir_observer_report_values(o, &queues, 2, &b, 1);
	weir_observer_report_float(o, &age, 1.5);
	weir_observer_report_float_values(o, &ages, -0.25, &b, 1);
	weir_observer_report(o, &share, 250000);
}

ALONE(what_a_callback_reports_is_what_is_read)
{
	struct weir_series s;

	assert_false(find("observed_jobs_total", NULL, &s)); /* it exists once it is told */
	begin(report_all, (char[]){"mine"});
	assert_int_equal(weir__callbacks_count(), 1);
	assert_false(find("observed_jobs_total", NULL, &s));
	assert_true(weir__callbacks_run());
	assert_true(find("observed_jobs_total", NULL, &s) && s.count == 7 && !s.floating);
	assert_true(find("observed_level", NULL, &s) && s.level == -3 && !s.floating);
	assert_true(find("observed_queues", "a", &s) && s.level == 1);
	assert_true(find("observed_queues", "b", &s) && s.level == 2);
	assert_true(find("observed_age_seconds", NULL, &s) && s.floating && s.real == 1.5);
	assert_true(find("observed_ages_seconds", "b", &s) && s.floating && s.real == -0.25);
	assert_true(find("observed_share_ratio", NULL, &s) && !s.floating && s.level == 250000);
	assert_int_equal(status_now().dropped_records, 0);
}

static double real_now;
static int64_t value_now;
static bool as_real;
static void report_either(struct weir_observer *o, void *arg)
{
	(void)arg;
	if (as_real)
		weir_observer_report_float(o, &age, real_now);
	else
		weir_observer_report(o, &age, value_now);
}

/* The first report decides; what comes otherwise is brought to the same unit. */
ALONE(a_series_stays_what_its_first_report_was)
{
	struct weir_series s;

	as_real = true;
	real_now = 2.5;
	begin(report_either, NULL);
	assert_true(weir__callbacks_run());
	as_real = false;
	value_now = 750000000;
	assert_true(weir__callbacks_run());
	assert_true(find("observed_age_seconds", NULL, &s) && s.floating && s.real == 0.75);
}

ALONE(a_series_of_integers_takes_doubles_as_integers)
{
	static const struct {
		double real;
		int64_t level;
	} cases[] = {{2.5, 2500000000},
	             {-0.5, -500000000},
	             {1e300, INT64_C(9200000000000000000)},
	             {-1e300, INT64_C(-9200000000000000000)}};
	struct weir_series s;

	value_now = 1;
	begin(report_either, NULL);
	assert_true(weir__callbacks_run());
	as_real = true;
	for (size_t i = 0; i < COUNT(cases); i++) {
		real_now = cases[i].real;
		assert_true(weir__callbacks_run());
		assert_true(find("observed_age_seconds", NULL, &s) && !s.floating);
		assert_int_equal(s.level, cases[i].level);
	}
	real_now = (double)NAN;
	assert_true(weir__callbacks_run());
	assert_true(find("observed_age_seconds", NULL, &s) && s.level == 0);
}

static void report_below_zero(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report(o, &jobs, 5);
	weir_observer_report(o, &jobs, -1);
	weir_observer_report(o, &jobs, INT64_MIN);
	weir_observer_report_float(o, &jobs, -0.5);
	weir_observer_report_float(o, &jobs, (double)NAN);
}

ALONE(a_counter_is_never_below_zero)
{
	struct weir_series s;

	begin(report_below_zero, NULL);
	assert_true(weir__callbacks_run());
	assert_true(find("observed_jobs_total", NULL, &s) && s.count == 5);
	assert_int_equal(status_now().dropped_value, 4);
}

static void report_wrongly(struct weir_observer *o, void *arg)
{
	struct weir_str x = {"x", 1};

	weir_observer_report(o, &queues, 1); /* without its label */
	weir_observer_report_values(o, &level, 1, &x, 1); /* with one that it has not */
	weir_observer_report(o, arg, 1); /* refused */
	weir_observer_report(NULL, &level, 1);
	weir_report_with_v1_(o, &within.i_, 5, (struct weir_labels_){NULL, 0}); /* no observed one */
}

ALONE(a_report_that_cannot_be_is_dropped_and_counted)
{
	const struct weir_observed *refused;
	struct weir_status status;

	assert_int_equal(
	    weir_observed_create(&refused, WEIR_OBSERVED_GAUGE_KIND, "observed_jobs_total", "Help.", NULL, NULL),
	    WEIR_ECONFLICT);
	begin(report_wrongly, (void *)(uintptr_t)refused);
	assert_true(weir__callbacks_run());
	status = status_now();
	assert_int_equal(status.dropped_labels, 2);
	assert_int_equal(status.dropped_refused, 2);
	assert_false(find("observed_level", NULL, NULL));
	assert_int_equal(weir_counter_read(&within), 0);
}

ALONE(past_the_cap_there_is_the_overflow_series)
{
	struct weir_instrument_options o = {.size = sizeof o, .max_series = 1};

	assert_int_equal(weir_instrument_configure("observed_queues", &o), WEIR_OK);
	begin(report_all, (char[]){"mine"});
	assert_true(weir__callbacks_run());
	assert_true(find("observed_queues", "a", NULL));
	assert_false(find("observed_queues", "b", NULL));
	assert_int_equal(status_now().overflowed, 1);
}

/* ---- rounds ---- */

static unsigned reported; /* bits: which queues */
static void report_queues(struct weir_observer *o, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 4; i++)
		if (reported >> i & 1)
			weir_observer_report_with(o, &queues, (int64_t)i, (const char[]){(char)('a' + i), '\0'});
}

static unsigned seen_in(const struct weir_snapshot *snapshot)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < 4; i++)
		seen |= (unsigned)in_snapshot(snapshot, "observed_queues", (const char[]){(char)('a' + i), '\0'}, NULL)
		        << i;
	return seen;
}

static unsigned seen_now(void)
{
	struct weir_snapshot *snapshot = take();
	unsigned seen = seen_in(snapshot);

	weir_snapshot_destroy(snapshot);
	return seen;
}

ALONE(what_is_no_longer_reported_is_no_longer_there)
{
	static const unsigned rounds[] = {3, 3, 1, 2, 15, 8, 7, 1};

	begin(report_queues, NULL);
	for (size_t i = 0; i < COUNT(rounds); i++) {
		reported = rounds[i];
		assert_true(weir__callbacks_run());
		assert_int_equal(seen_now(), rounds[i]);
	}
	/* a round that tells nothing of the instrument leaves the newest that did */
	reported = 0;
	assert_true(weir__callbacks_run());
	assert_int_equal(seen_now(), 1);
}

static void report_others(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report_with(o, &others, 1, "x");
}

ALONE(one_instruments_round_is_not_anothers)
{
	begin(report_queues, NULL);
	reported = 3;
	assert_true(weir__callbacks_run());
	begin(report_others, NULL);
	reported = 0;
	assert_true(weir__callbacks_run());
	assert_int_equal(seen_now(), 3);
	assert_true(find("observed_others", "x", NULL));
}

static void report_a(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report_with(o, &queues, 1, "a");
}

static void report_b(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report_with(o, &queues, 1, "b");
}

ALONE(two_callbacks_may_report_one_instrument)
{
	struct weir_callback *a = begin(report_a, NULL);

	begin(report_b, NULL);
	for (int i = 0; i < 3; i++) {
		assert_true(weir__callbacks_run());
		assert_int_equal(seen_now(), 3);
	}
	weir_callback_destroy(a);
	assert_true(weir__callbacks_run());
	assert_int_equal(seen_now(), 2);
}

static unsigned seen_amid[2];
static void look_amid(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report_with(o, &queues, 10, "a");
	seen_amid[0] = seen_now(); /* as a scrape might at this moment */
	weir_observer_report_with(o, &queues, 10, "b");
	seen_amid[1] = seen_now();
}

ALONE(who_looks_amid_a_round_misses_nothing_of_the_former_one)
{
	begin(look_amid, NULL);
	assert_true(weir__callbacks_run());
	assert_int_equal(seen_now(), 3);
	assert_true(weir__callbacks_run());
	assert_int_equal(seen_amid[0], 3);
	assert_int_equal(seen_amid[1], 3);
	assert_int_equal(seen_now(), 3);
}

static bool rounds_over;
static void *keep_looking(void *arg)
{
	uint64_t *looks = arg;

	while (!__atomic_load_n(&rounds_over, __ATOMIC_ACQUIRE)) {
		assert_int_equal(seen_now(), 7);
		__atomic_fetch_add(looks, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

ALONE(a_series_that_every_round_reports_is_in_every_snapshot)
{
	uint64_t looks = 0;
	pthread_t looker;

	reported = 7;
	begin(report_queues, NULL);
	assert_true(weir__callbacks_run());
	looker = begin_thread(keep_looking, &looks);
	for (int i = 0; i < 2000 || __atomic_load_n(&looks, __ATOMIC_RELAXED) < 20; i++)
		assert_true(weir__callbacks_run());
	__atomic_store_n(&rounds_over, true, __ATOMIC_RELEASE);
	end_thread(looker);
}

ALONE(a_snapshot_keeps_what_it_saw)
{
	struct weir_snapshot *first, *second;
	struct weir_series s;

	begin(report_queues, NULL);
	reported = 3;
	assert_true(weir__callbacks_run());
	first = take();
	reported = 6;
	assert_true(weir__callbacks_run());
	second = take();
	assert_int_equal(seen_in(first), 3);
	assert_int_equal(seen_in(second), 6);
	reported = 1;
	assert_true(weir__callbacks_run());
	assert_int_equal(seen_in(first), 3);
	assert_int_equal(seen_in(second), 6);
	assert_true(in_snapshot(second, "observed_queues", "c", &s) && s.level == 2);
	weir_snapshot_destroy(first);
	weir_snapshot_destroy(second);
}

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
	cmocka_unit_test(what_a_callback_reports_is_what_is_read),
	cmocka_unit_test(a_series_stays_what_its_first_report_was),
	cmocka_unit_test(a_series_of_integers_takes_doubles_as_integers),
	cmocka_unit_test(a_counter_is_never_below_zero),
	cmocka_unit_test(a_report_that_cannot_be_is_dropped_and_counted),
	cmocka_unit_test(past_the_cap_there_is_the_overflow_series),
	cmocka_unit_test(what_is_no_longer_reported_is_no_longer_there),
	cmocka_unit_test(one_instruments_round_is_not_anothers),
	cmocka_unit_test(two_callbacks_may_report_one_instrument),
	cmocka_unit_test(who_looks_amid_a_round_misses_nothing_of_the_former_one),
	cmocka_unit_test(a_series_that_every_round_reports_is_in_every_snapshot),
	cmocka_unit_test(a_snapshot_keeps_what_it_saw),
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
