/* Unit: src/observe.c: callbacks run one after the other under no lock, come and go at any time, and what they report
 * is there whole, or no longer. test_observe_life.c has how they come and go. */
#include "test_observe.h"

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
};
ALONE_MAIN(tests)
