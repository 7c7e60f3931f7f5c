/* Unit: src/metric.c: every kind and every form of recording counts what it was given, in place and out of line; what
 * cannot be counted is dropped, and counted as dropped. */
#define _GNU_SOURCE
#include "port.h"
#include "registry.h"

#include <weir/snapshot.h>

#include <signal.h>
#include <sys/time.h>

#include "alone.h"

/* The same functions as other languages call them: the header's own are inline. */
#define OUT_OF_LINE(result, name, ...) result out_##name(__VA_ARGS__) __asm__("weir_" #name)
OUT_OF_LINE(void, counter_add, const struct weir_counter *, uint64_t);
OUT_OF_LINE(void, counter_series_add, struct weir_counter_series, uint64_t);
OUT_OF_LINE(void, updown_add, const struct weir_updown *, int64_t);
OUT_OF_LINE(void, updown_series_add, struct weir_updown_series, int64_t);
OUT_OF_LINE(void, gauge_set, const struct weir_gauge *, int64_t);
OUT_OF_LINE(void, gauge_series_set, struct weir_gauge_series, int64_t);
OUT_OF_LINE(void, gauge_add, const struct weir_gauge *, int64_t);
OUT_OF_LINE(void, gauge_series_add, struct weir_gauge_series, int64_t);
OUT_OF_LINE(void, float_gauge_set, const struct weir_float_gauge *, double);
OUT_OF_LINE(void, float_gauge_series_set, struct weir_float_gauge_series, double);
OUT_OF_LINE(void, histogram_record, const struct weir_histogram *, uint64_t);
OUT_OF_LINE(void, histogram_series_record, struct weir_histogram_series, uint64_t);

WEIR_COUNTER(counter, "metric_counter_total", "A counter.");
WEIR_COUNTER(counters, "metric_counters_total", "Counters.", "a", "b");
WEIR_UPDOWN(updown, "metric_updown", "An up-down counter.");
WEIR_UPDOWN(updowns, "metric_updowns", "Up-down counters.", "a");
WEIR_GAUGE(gauge, "metric_gauge", "A gauge.");
WEIR_GAUGE(gauges, "metric_gauges", "Gauges.", "a");
WEIR_FLOAT_GAUGE(real, "metric_real", "A gauge of doubles.");
WEIR_FLOAT_GAUGE(reals, "metric_reals", "Gauges of doubles.", "a");
WEIR_HISTOGRAM(histogram, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(10, 100)), "metric_histogram", "A histogram.");
WEIR_HISTOGRAM(histograms, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(10, 100)), "metric_histograms", "Histograms.", "a");
WEIR_HISTOGRAM(dense, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(1000000000, 1000000001, 1000000002, 1000000003, 1000000004)),
               "metric_dense", "Bounds that no map tells apart.");
WEIR_HISTOGRAM(spread, WEIR_BUCKETS(WEIR_ONE, WEIR_RANGE(1, 1000000)), "metric_spread", "An exponential one.");
WEIR_HISTOGRAM(latency, WEIR_LATENCY, "metric_latency_seconds", "Time.");
WEIR_HISTOGRAM(latencies, WEIR_LATENCY, "metric_latencies_seconds", "Times.", "a");
WEIR_INFO(info, "metric_info", "What it is.", "version");

static const struct weir_str x = {"x", 1};

ALONE(a_counter_counts_in_every_form)
{
	struct weir_counter_series s = weir_counter_with(&counters, "x", "y"),
	                           same = weir_counter_values(&counters, (struct weir_str[]){STR("x"), STR("y")}, 2);

	weir_counter_add(&counter, 1);
	weir_counter_add(&counter, 2);
	out_counter_add(&counter, 4);
	assert_int_equal(weir_counter_read(&counter), 7);
	weir_counter_add(&counter, UINT64_MAX); /* modulo 2^64 */
	assert_int_equal(weir_counter_read(&counter), 6);
	weir_counter_add(&counter, 0);
	assert_int_equal(weir_counter_read(&counter), 6);

	assert_int_equal(s.cell_, same.cell_);
	weir_counter_series_add(s, 1);
	out_counter_series_add(same, 2);
	weir_counter_add_with(&counters, 4, "x", "y");
	weir_counter_add_values(&counters, 8, NULL, (struct weir_str[]){STR("x"), STR("y")}, 2);
	assert_int_equal(weir_counter_series_read(s), 15);
	assert_int_equal(status_now().dropped_records, 0);
}

ALONE(out_of_line_may_come_first)
{
	out_counter_add(&counter, 4);
	out_updown_add(&updown, -4);
	out_gauge_set(&gauge, 4);
	out_gauge_add(&gauge, -8);
	out_float_gauge_set(&real, 0.5);
	out_histogram_record(&histogram, 11);
	assert_int_equal(weir_counter_read(&counter), 4);
	assert_int_equal(weir_updown_read(&updown), -4);
	assert_int_equal(weir_gauge_read(&gauge), -4);
	assert_true(weir_float_gauge_read(&real) == 0.5);
	assert_int_equal(weir_histogram_read(&histogram).sum_low, 11);
}

ALONE(an_up_down_counter_goes_below_zero)
{
	struct weir_updown_series s = weir_updown_with(&updowns, "x");

	weir_updown_add(&updown, 5);
	weir_updown_add(&updown, -7);
	out_updown_add(&updown, -1);
	assert_int_equal(weir_updown_read(&updown), -3);
	weir_updown_add(&updown, INT64_MIN + 3);
	assert_int_equal(weir_updown_read(&updown), INT64_MIN);
	weir_updown_series_add(s, -1);
	out_updown_series_add(weir_updown_values(&updowns, &x, 1), -2);
	weir_updown_add_with(&updowns, -4, "x");
	weir_updown_add_values(&updowns, -8, NULL, &x, 1);
	assert_int_equal(weir_updown_series_read(s), -15);
}

static void *add_to_gauge(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		weir_gauge_add(&gauge, 3);
		weir_gauge_series_add(weir_gauge_with(&gauges, "x"), -1);
	}
	return NULL;
}

static void *set_gauge(void *arg)
{
	weir_gauge_set(&gauge, *(int64_t *)arg);
	return NULL;
}

ALONE(a_gauge_is_one_value_for_all_threads)
{
	struct weir_gauge_series s = weir_gauge_with(&gauges, "x");
	int64_t far = INT64_MIN;

	weir_gauge_set(&gauge, -5);
	assert_int_equal(weir_gauge_read(&gauge), -5);
	in_thread(set_gauge, &far);
	assert_int_equal(weir_gauge_read(&gauge), INT64_MIN);
	weir_gauge_set(&gauge, 1);
	in_threads(8, add_to_gauge, NULL);
	assert_int_equal(weir_gauge_read(&gauge), 1 + 8 * 2000 * 3);
	assert_int_equal(weir_gauge_series_read(s), -8 * 2000);
	out_gauge_set(&gauge, 7);
	out_gauge_add(&gauge, -2);
	assert_int_equal(weir_gauge_read(&gauge), 5);
	weir_gauge_series_set(s, 10);
	weir_gauge_series_add(s, 1);
	assert_int_equal(weir_gauge_series_read(s), 11);
	weir_gauge_set_with(&gauges, 20, "x");
	weir_gauge_add_with(&gauges, 2, "x");
	assert_int_equal(weir_gauge_series_read(s), 22);
	weir_gauge_set_values(&gauges, 30, &x, 1);
	weir_gauge_add_values(&gauges, 3, &x, 1);
	out_gauge_series_add(weir_gauge_values(&gauges, &x, 1), 100);
	assert_int_equal(weir_gauge_series_read(s), 133);
	out_gauge_series_set(s, 0);
	assert_int_equal(weir_gauge_series_read(s), 0);
}

static void *add_to_real(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++)
		weir_float_gauge_add(&real, 0.25);
	return NULL;
}

ALONE(a_gauge_of_doubles_adds_and_counts_what_it_gave_up)
{
	struct weir_float_gauge_series s = weir_float_gauge_with(&reals, "x");
	struct weir_status status;

	weir_float_gauge_set(&real, 1.5);
	assert_true(weir_float_gauge_read(&real) == 1.5);
	weir_float_gauge_set(&real, -0.0);
	in_threads(4, add_to_real, NULL);
	status = status_now();
	assert_int_equal(status.dropped_records, status.dropped_contended);
	assert_true(weir_float_gauge_read(&real) == 0.25 * (double)(4 * 2000 - status.dropped_contended));
	out_float_gauge_set(&real, 1e300);
	assert_true(weir_float_gauge_read(&real) == 1e300);
	weir_float_gauge_series_set(s, 1);
	weir_float_gauge_series_add(s, 0.5);
	assert_true(weir_float_gauge_series_read(s) == 1.5);
	weir_float_gauge_set_with(&reals, 2, "x");
	weir_float_gauge_add_with(&reals, 0.5, "x");
	assert_true(weir_float_gauge_series_read(s) == 2.5);
	weir_float_gauge_set_values(&reals, 3, &x, 1);
	weir_float_gauge_add_values(&reals, 0.5, &x, 1);
	assert_true(weir_float_gauge_series_read(s) == 3.5);
	out_float_gauge_series_set(weir_float_gauge_values(&reals, &x, 1), -1);
	assert_true(weir_float_gauge_series_read(s) == -1);
}

/* The buckets of an instrument without labels. */
static void buckets_are(const char *name, const uint64_t *wanted, size_t count, uint64_t sum)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_true(weir_snapshot_find(snapshot, name, NULL, 0, &s));
	assert_int_equal(s.buckets_count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(s.buckets[i], wanted[i]);
	assert_int_equal(s.sum_low, sum);
	weir_snapshot_destroy(snapshot);
}

ALONE(a_histogram_counts_each_value_in_its_bucket)
{
	struct weir_histogram_series s = weir_histogram_with(&histograms, "x");
	struct weir_distribution d;

	for (uint64_t v = 0; v <= 120; v++)
		weir_histogram_record(&histogram, v);
	out_histogram_record(&histogram, 100);
	out_histogram_record(&histogram, 101);
	buckets_are("metric_histogram", (const uint64_t[]){11, 91, 21}, 3, 120 * 121 / 2 + 201);

	weir_histogram_series_record(s, 10);
	out_histogram_series_record(weir_histogram_values(&histograms, &x, 1), 11);
	weir_histogram_record_with(&histograms, 100, "x");
	weir_histogram_record_values(&histograms, 1000, NULL, &x, 1);
	d = weir_histogram_series_read(s);
	assert_int_equal(d.count, 4);
	assert_int_equal(d.sum_low, 1121);
	assert_int_equal(status_now().dropped_records, 0);
}

ALONE(bounds_that_lie_close_are_told_apart_too)
{
	assert_int_equal(dense.i_.state_->layout_->limit_, 0); /* all goes out of line */
	for (uint64_t v = 999999998; v <= 1000000007; v++) {
		weir_histogram_record(&dense, v);
		out_histogram_record(&dense, v);
	}
	weir_histogram_record(&dense, 0);
	weir_histogram_record(&dense, INT64_MAX);
	weir_histogram_record(&dense, (uint64_t)INT64_MAX + 1);
	buckets_are("metric_dense", (const uint64_t[]){7, 2, 2, 2, 2, 7}, 6,
	            2 * (10 * UINT64_C(999999998) + 45) + INT64_MAX);
	assert_int_equal(status_now().dropped_value, 1);
}

ALONE(a_value_above_int64_max_is_dropped_and_counted)
{
	static const uint64_t beyond[] = {(uint64_t)INT64_MAX + 1, UINT64_MAX, (uint64_t)-5};
	struct weir_histogram_series s = weir_histogram_with(&histograms, "x");

	for (size_t i = 0; i < COUNT(beyond); i++) {
		weir_histogram_record(&histogram, beyond[i]);
		out_histogram_record(&histogram, beyond[i]);
		weir_histogram_record(&spread, beyond[i]);
		weir_histogram_series_record(s, beyond[i]);
		weir_histogram_record_with(&histograms, beyond[i], "x");
		weir_histogram_record_values(&histograms, beyond[i], NULL, &x, 1);
	}
	assert_int_equal(status_now().dropped_value, 6 * COUNT(beyond));
	assert_int_equal(weir_histogram_read(&histogram).count + weir_histogram_read(&spread).count, 0);
	weir_histogram_record(&histogram, INT64_MAX);
	assert_int_equal(weir_histogram_read(&histogram).count, 1);
	assert_int_equal(weir_histogram_read(&histogram).sum_low, INT64_MAX);
	assert_int_equal(status_now().dropped_records, 6 * COUNT(beyond));
}

ALONE(an_empty_handle_drops_and_counts)
{
	struct weir_counter_series c = {0};
	struct weir_updown_series u = {0};
	struct weir_gauge_series g = {0};
	struct weir_float_gauge_series f = {0};
	struct weir_histogram_series h = {NULL, 0};

	weir_thread_attach(); /* also where the thread has a table */
	weir_counter_series_add(c, 1);
	weir_updown_series_add(u, 1);
	weir_gauge_series_set(g, 1);
	weir_gauge_series_add(g, 1);
	weir_float_gauge_series_set(f, 1);
	weir_float_gauge_series_add(f, 1);
	weir_histogram_series_record(h, 1);
	out_counter_series_add(c, 1);
	out_gauge_series_set(g, 1);
	out_float_gauge_series_set(f, 1);
	out_histogram_series_record(h, 1);
	assert_int_equal(status_now().dropped_refused, 11);
	assert_int_equal(weir_counter_series_read(c), 0);
	assert_int_equal(weir_gauge_series_read(g), 0);
	assert_true(weir_float_gauge_series_read(f) == 0);
	assert_int_equal(weir_histogram_series_read(h).count, 0);
	assert_int_equal(status_now().dropped_records, 11);
}

/* An instrument with labels, behind a pointer that the compiler cannot see through. */
ALONE(a_record_without_its_labels_is_dropped_and_counted)
{
	const struct weir_counter *volatile c = &counters;
	const struct weir_gauge *volatile g = &gauges;
	const struct weir_float_gauge *volatile f = &reals;
	const struct weir_histogram *volatile h = &histograms;
	const struct weir_updown *volatile u = &updowns;

	for (int round = 0; round < 2; round++) {
		weir_counter_add(c, 1);
		weir_updown_add(u, 1);
		weir_gauge_set(g, 1);
		weir_gauge_add(g, 1);
		weir_float_gauge_set(f, 1);
		weir_float_gauge_add(f, 1);
		weir_histogram_record(h, 1);
		weir_counter_with(&counters, "x", "y"); /* and where a series is there */
		weir_histogram_with(&histograms, "x");
	}
	assert_int_equal(status_now().dropped_labels, 14);
	assert_int_equal(status_now().dropped_records, 14);
}

static bool info_is(const char *version)
{
	struct weir_snapshot *snapshot;
	struct weir_str v = weir_str_of(version);
	struct weir_series s;
	bool is;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	is = weir_snapshot_find(snapshot, "metric_info", &v, 1, &s);
	if (is)
		assert_int_equal(s.count, 1);
	weir_snapshot_destroy(snapshot);
	return is;
}

ALONE(an_info_says_what_was_set_until_it_is_cleared)
{
	assert_false(info_is("1"));
	weir_info_set(&info, "1");
	assert_true(info_is("1"));
	weir_info_set_values(&info, &(struct weir_str){"2", 1}, 1);
	weir_info_set(&info, "2");
	assert_true(info_is("1") && info_is("2")); /* those set before stay */
	weir_info_clear(&info);
	assert_false(info_is("1") || info_is("2"));
	weir_info_set(&info, "2");
	assert_true(!info_is("1") && info_is("2"));
}

ALONE(a_stopwatch_records_what_it_returns)
{
	struct weir_histogram_series s = weir_histogram_with(&latencies, "x");
	struct weir_stopwatch w = weir_stopwatch_begin();
	uint64_t began = now_ns(), first, second, third;

	sleep_ms(3);
	first = weir_stopwatch_read(&w);
	assert_true(first >= 3000000 && first <= now_ns() - began + 1000000000u);
	assert_int_equal(weir_histogram_read(&latency).count, 0);
	first = weir_stopwatch_record(&w, &latency);
	second = weir_stopwatch_record(&w, &latency); /* a value: it goes on */
	assert_true(second >= first && first >= 3000000);
	third = weir_stopwatch_record_series(&w, s);
	assert_int_equal(weir_histogram_read(&latency).count, 2);
	assert_int_equal(weir_histogram_read(&latency).sum_low, first + second);
	assert_int_equal(weir_histogram_series_read(s).sum_low, third);
}

static void *first_use(void *arg)
{
	(void)arg;
	errno = EDOM;
	weir_counter_add(&counter, 1);
	weir_counter_add_with(&counters, 1, "errno", "kept");
	weir_gauge_set(&gauge, 1);
	weir_float_gauge_add(&real, 1);
	weir_histogram_record(&histogram, 1);
	weir_histogram_record(&histogram, UINT64_MAX);
	weir_info_set(&info, "errno");
	weir_thread_attach();
	assert_int_equal(errno, EDOM);
	return NULL;
}

ALONE(errno_is_kept_also_by_a_threads_first_use)
{
	first_use(NULL);
	in_thread(first_use, NULL);
}

static uint64_t handled;
static void count_in_handler(int signal)
{
	(void)signal;
	weir_counter_add(&counter, 1);
	weir_histogram_record(&histogram, 5);
	weir_gauge_add(&gauge, 1);
	handled++;
}

ALONE(a_signal_handler_on_the_same_thread_loses_nothing)
{
	struct sigaction action = {.sa_handler = count_in_handler};
	struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
	uint64_t own = 0, until = now_ns() + 10000000000u;

	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (__atomic_load_n(&handled, __ATOMIC_RELAXED) < 100 && now_ns() < until)
		for (int i = 0; i < 1000; i++, own++) {
			weir_counter_add(&counter, 1);
			weir_histogram_record(&histogram, 5);
			weir_gauge_add(&gauge, 1);
		}
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_true(handled >= 100);
	assert_int_equal(weir_counter_read(&counter), own + handled);
	assert_int_equal(weir_histogram_read(&histogram).count, own + handled);
	assert_int_equal(weir_histogram_read(&histogram).sum_low, 5 * (own + handled));
	assert_int_equal(weir_gauge_read(&gauge), own + handled);
	assert_int_equal(status_now().dropped_records, 0);
}

enum { EACH = 5000 };
static void *record_all(void *arg)
{
	struct weir_counter_series s = weir_counter_with(&counters, "x", "y");

	(void)arg;
	for (uint64_t i = 0; i < EACH; i++) {
		weir_counter_add(&counter, 1);
		weir_counter_series_add(s, 2);
		weir_counter_add_with(&counters, 3, "x", "y");
		weir_updown_add(&updown, i % 2 ? -2 : 1);
		weir_histogram_record(&spread, i);
		weir_histogram_record_with(&histograms, i, "x");
	}
	return NULL;
}

ALONE(sums_over_threads_are_exact)
{
	struct weir_distribution d;

	in_threads(8, record_all, NULL);
	assert_int_equal(weir_counter_read(&counter), 8 * EACH);
	assert_int_equal(weir_counter_series_read(weir_counter_with(&counters, "x", "y")), 8 * EACH * 5);
	assert_int_equal(weir_updown_read(&updown), -8 * EACH / 2);
	d = weir_histogram_read(&spread);
	assert_int_equal(d.count, 8 * EACH);
	assert_int_equal(d.sum_low, 8 * (uint64_t)EACH * (EACH - 1) / 2);
	d = weir_histogram_series_read(weir_histogram_with(&histograms, "x"));
	assert_int_equal(d.count, 8 * EACH);
	assert_int_equal(status_now().dropped_records, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_counter_counts_in_every_form),
	cmocka_unit_test(out_of_line_may_come_first),
	cmocka_unit_test(an_up_down_counter_goes_below_zero),
	cmocka_unit_test(a_gauge_is_one_value_for_all_threads),
	cmocka_unit_test(a_gauge_of_doubles_adds_and_counts_what_it_gave_up),
	cmocka_unit_test(a_histogram_counts_each_value_in_its_bucket),
	cmocka_unit_test(bounds_that_lie_close_are_told_apart_too),
	cmocka_unit_test(a_value_above_int64_max_is_dropped_and_counted),
	cmocka_unit_test(an_empty_handle_drops_and_counts),
	cmocka_unit_test(a_record_without_its_labels_is_dropped_and_counted),
	cmocka_unit_test(an_info_says_what_was_set_until_it_is_cleared),
	cmocka_unit_test(a_stopwatch_records_what_it_returns),
	cmocka_unit_test(errno_is_kept_also_by_a_threads_first_use),
	cmocka_unit_test(a_signal_handler_on_the_same_thread_loses_nothing),
	cmocka_unit_test(sums_over_threads_are_exact),
};
ALONE_MAIN(tests)
