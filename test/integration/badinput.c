/* Bad input, one by one: each gets a clear error or a counted drop, and the host goes on. Public API only. Here values, bounds,
 * options, and names that are taken; badinput_labels.c has names and labels.
 *
 * Elsewhere: what is HTTP (the endpoint's tests); a callback that takes long or registers (life_stuck.c); negative values to the C++
 * histogram (they do not compile). This API has no place for a NaN bound or a scale of zero: bounds and values are integers in the
 * base unit, and a scale is found from the range; their like is a range that begins at 0. */
#include "badinput.h"

#include <float.h>
#include <math.h>

/* ---- values ---- */

static void values_out_of_range(void)
{
	static const uint64_t bad[] = {UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, UINT64_MAX};
	struct weir_histogram_series empty = {NULL, 0};
	struct weir_distribution d;

	for (size_t i = 0; i < 3; i++) {
		weir_histogram_record(&times, bad[i]);
		weir_histogram_record(&range, bad[i]);
	}
	EQUAL(status_now().dropped_value, 6);
	weir_histogram_record(&times, INT64_MAX);
	weir_histogram_record(&range, INT64_MAX);
	weir_histogram_record(&range, 0);
	d = weir_histogram_read(&times);
	EQUAL(d.count, 1);
	EQUAL(d.sum_low, INT64_MAX);
	EQUAL(weir_histogram_read(&range).count, 2);
	EQUAL(status_now().dropped_value, 6);
	weir_histogram_series_record(empty, 5);
	weir_counter_series_add((struct weir_counter_series){0}, 5);
	weir_gauge_series_set((struct weir_gauge_series){0}, 5);
	weir_float_gauge_series_add((struct weir_float_gauge_series){0}, 5);
	EQUAL(status_now().dropped_refused, 4);
	EQUAL(status_now().dropped_records, 10);
	EQUAL(weir_histogram_series_read(empty).count, 0);
	EQUAL(weir_counter_series_read((struct weir_counter_series){0}), 0);
}

static void sums_past_64_bits(void)
{
	struct weir_snapshot *snapshot;
	struct weir_distribution d;
	struct weir_series s;

	for (int i = 1; i <= 5; i++) { /* exact while it grows by less than 2^64 between two readings */
		weir_histogram_record(&times, INT64_MAX);
		d = weir_histogram_read(&times);
		EQUAL(d.count, (uint64_t)i);
	}
	/* 5 * (2^63 - 1) = 2 * 2^64 + 2^63 - 5 */
	EQUAL(d.sum_high, 2);
	EQUAL(d.sum_low, (UINT64_C(1) << 63) - 5);
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "bad_times_seconds", NULL, 0, &s));
	EQUAL(s.sum_high, 2);
	EQUAL(s.sum_low, (UINT64_C(1) << 63) - 5);
	weir_snapshot_destroy(snapshot);
	weir_counter_add(&adds, UINT64_MAX); /* counters are modulo 2^64 */
	weir_counter_add(&adds, 3);
	EQUAL(weir_counter_read(&adds), 2);
	EQUAL(status_now().dropped_records, 0);
}

static void doubles_that_are_no_numbers(void)
{
	volatile double zero = 0;

	weir_float_gauge_set(&real, 0 / zero);
	CHECK(weir_float_gauge_read(&real) != weir_float_gauge_read(&real));
	weir_float_gauge_set(&real, 1 / zero);
	CHECK(weir_float_gauge_read(&real) == (double)INFINITY);
	weir_float_gauge_add(&real, 1);
	CHECK(weir_float_gauge_read(&real) == (double)INFINITY);
	weir_float_gauge_set(&real, DBL_MAX);
	CHECK(weir_float_gauge_read(&real) == DBL_MAX);
	EQUAL(status_now().dropped_records, 0);
}

static void observe(struct weir_observer *observer, void *arg)
{
	(void)arg;
	weir_observer_report(observer, &observed, -1); /* a counter is not negative */
	weir_observer_report_float(observer, &observed, -0.5);
	weir_observer_report_float(observer, &observed, (double)NAN);
}

static void a_negative_observed_counter(void)
{
	struct weir_callback *callback;
	struct weir_snapshot *snapshot;
	struct weir_series s;

	begin();
	EQUAL_INT(weir_callback_new(&callback, observe, NULL), WEIR_OK);
	EQUAL_INT(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	EQUAL(status_now().dropped_value, 3);
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	CHECK(!weir_snapshot_find(snapshot, "bad_observed_total", NULL, 0, &s));
	weir_snapshot_destroy(snapshot);
	EQUAL_INT(weir_callback_new(&callback, NULL, NULL), WEIR_EINVAL);
	EQUAL_INT(weir_observed_create(&(const struct weir_observed *){NULL}, WEIR_COUNTER_KIND, "bad_kind", "Help.",
	                               NULL, NULL),
	          WEIR_EINVAL);
}

/* ---- bounds ---- */

static void expect_bounds(const struct weir_instrument_options *given, int error, const char *text)
{
	const struct weir_histogram *made = NULL;
	struct weir_status before = status_now();
	static int n;
	char name[32];
	int got;

	snprintf(name, sizeof name, "bad_bounds_%d", n++);
	got = weir_histogram_create(&made, name, "Help.", NULL, given);
	if (got != error)
		FAIL("%s: %d and not %d (%s)", name, got, error, text != NULL ? text : "well");
	CHECK(made != NULL);
	weir_histogram_record(made, 5);
	EQUAL(weir_histogram_read(made).count, error == WEIR_OK ? 1 : 0);
	EQUAL(status_now().dropped_refused - before.dropped_refused, error == WEIR_OK ? 0 : 1);
	if (text != NULL)
		LOGGED(text);
}

#define BOUNDS(...) \
	.bounds = (const uint64_t[]){__VA_ARGS__}, .bounds_count = sizeof((const uint64_t[]){__VA_ARGS__}) / 8
#define OPTIONS(...) \
	(&(const struct weir_instrument_options){.size = sizeof(struct weir_instrument_options), __VA_ARGS__})

static void bounds(void)
{
	static uint64_t many[70];

	begin();
	for (unsigned i = 0; i < 70; i++)
		many[i] = 10 + i;
	expect_bounds(OPTIONS(BOUNDS(1, 2, 3)), WEIR_OK, NULL);
	expect_bounds(OPTIONS(BOUNDS(0)), WEIR_OK, NULL);
	expect_bounds(OPTIONS(BOUNDS(3, 2, 1)), WEIR_EINVAL, "bounds are not ascending");
	expect_bounds(OPTIONS(BOUNDS(1, 3, 2)), WEIR_EINVAL, "bounds are not ascending");
	expect_bounds(OPTIONS(BOUNDS(1, 2, 2)), WEIR_EINVAL, "a bound stands twice");
	expect_bounds(OPTIONS(BOUNDS(1, UINT64_C(1) << 63)), WEIR_EINVAL, "a bound is above INT64_MAX");
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = 62), WEIR_OK, NULL);
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = 63), WEIR_EINVAL, "more than 62 bounds");
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = SIZE_MAX), WEIR_EINVAL, NULL);
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = 0), WEIR_EINVAL, "list of bounds is empty");
	expect_bounds(OPTIONS(.range_lowest = 0, .range_highest = 100), WEIR_EINVAL, "begins at 0");
	expect_bounds(OPTIONS(.range_lowest = 100, .range_highest = 100), WEIR_EINVAL, "not below the highest");
	expect_bounds(OPTIONS(.range_lowest = 200, .range_highest = 100), WEIR_EINVAL, "not below the highest");
	expect_bounds(OPTIONS(.range_lowest = 1, .range_highest = UINT64_MAX), WEIR_EINVAL, "ends above INT64_MAX");
	expect_bounds(OPTIONS(.range_lowest = 1, .range_highest = INT64_MAX), WEIR_OK, NULL);
	expect_bounds(OPTIONS(.slo_objective_ppm = 0, .slo_threshold = 5), WEIR_EINVAL,
	              "objective is not 1 to 1000000 ppm");
	expect_bounds(OPTIONS(.slo_objective_ppm = 1000001, .slo_threshold = 5), WEIR_EINVAL,
	              "objective is not 1 to 1000000 ppm");
	expect_bounds(OPTIONS(.slo_objective_ppm = 990000, .slo_threshold = 0), WEIR_EINVAL,
	              "threshold is not 1 to INT64_MAX");
	expect_bounds(OPTIONS(.slo_objective_ppm = 990000, .slo_threshold = UINT64_MAX), WEIR_EINVAL,
	              "threshold is not 1 to");
	expect_bounds(OPTIONS(.unit = (enum weir_unit)9), WEIR_EINVAL, "unit is unknown");
	/* a threshold among 62 bounds is the 63rd: it is an exact bound all the same */
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = 62, .slo_objective_ppm = 990000, .slo_threshold = 5),
	              WEIR_OK, NULL);
}

/* ---- options ---- */

static void options_of_instruments(void)
{
	struct {
		struct weir_instrument_options o;
		char tail[32];
	} longer;
	const struct weir_counter *made = NULL;

	begin();
	memset(&longer, 0, sizeof longer);
	EQUAL_INT(weir_counter_create(&made, "bad_o0_total", "Help.", NULL, &longer.o), WEIR_EINVAL); /* size 0 */
	weir_counter_add(made, 1);
	EQUAL(status_now().dropped_refused, 1);
	longer.o.size = 4;
	EQUAL_INT(weir_counter_create(&made, "bad_o1_total", "Help.", NULL, &longer.o), WEIR_EINVAL);
	longer.o.size = sizeof longer;
	longer.tail[31] = 1;
	EQUAL_INT(weir_counter_create(&made, "bad_o2_total", "Help.", NULL, &longer.o), WEIR_EINVAL);
	EQUAL_INT(weir_instrument_configure("bad_o2_total", &longer.o), WEIR_EINVAL);
	longer.tail[31] = 0;
	EQUAL_INT(weir_counter_create(&made, "bad_o2_total", "Help.", NULL, &longer.o), WEIR_OK);
	longer.o.size = offsetof(struct weir_instrument_options, constant); /* an older caller's */
	longer.o.constant = LABELS("not", "looked at");
	EQUAL_INT(weir_counter_create(&made, "bad_o3_total", "Help.", NULL, &longer.o), WEIR_OK);
	EQUAL_INT(weir_counter_create(&made, "bad_o4_total", NULL, NULL, NULL), WEIR_EINVAL);
	EQUAL_INT(weir_counter_create(&made, "bad_o4_total", "", NULL, NULL), WEIR_OK);
	CHECK(logged_len != 0);
}

/* ---- the same name ---- */

static void the_same_definition_is_the_same_instrument(void)
{
	const struct weir_counter *again, *third;
	const struct weir_histogram *histogram;
	struct weir_instrument_options o = {
	    .size = sizeof o, .unit = WEIR_SECONDS, .slo_objective_ppm = 990000, .slo_threshold = WEIR_MS(10)};
	uint64_t instruments = status_now().instruments;

	EQUAL_INT(weir_counter_create(&again, "bad_adds_total", "Adds.", NULL, NULL), WEIR_OK);
	EQUAL_INT(weir_counter_create(&third, "bad_adds_total", "Another help is no other instrument.", NULL, NULL),
	          WEIR_OK);
	weir_counter_add(&adds, 1);
	weir_counter_add(again, 2);
	weir_counter_add(third, 4);
	EQUAL(weir_counter_read(&adds), 7);
	EQUAL(weir_counter_read(again), 7);
	EQUAL_INT(weir_histogram_create(&histogram, "bad_times_seconds", "Times.", NULL, &o), WEIR_OK);
	weir_histogram_record(histogram, 1);
	weir_histogram_record(&times, 1);
	EQUAL(weir_histogram_read(&times).count, 2);
	EQUAL(weir_histogram_read(&times).good, 2);
	EQUAL(status_now().instruments, instruments);
	EQUAL_INT(weir_counter_create(&again, "bad_two_total", "Two labels.", LABELS("a", "b"), NULL), WEIR_OK);
	EQUAL(weir_counter_with_(again, (struct weir_labels_){LABELS("x", "y"), 2}).cell_,
	      weir_counter_with(&two_labels, "x", "y").cell_);
}

static void conflict(int got, const char *here, const char *there)
{
	EQUAL_INT(got, WEIR_ECONFLICT);
	LOGGED(here);
	LOGGED(there);
}

static void another_definition_is_a_conflict(void)
{
	struct weir_instrument_options o = {.size = sizeof o};
	const struct weir_counter *counter;
	const struct weir_gauge *level;
	const struct weir_histogram *histogram;
	const struct weir_updown *updown;
	struct weir_status before;

	begin();
	before = status_now();
	conflict(weir_gauge_create(&level, "bad_adds_total", "Help.", NULL, NULL), "gauge bad_adds_total in 1 {}",
	         "counter bad_adds_total in 1 {}");
	conflict(weir_updown_create(&updown, "bad_adds_total", "Help.", NULL, NULL),
	         "up-down counter bad_adds_total in 1 {}", "counter bad_adds_total in 1 {}");
	conflict(weir_counter_create(&counter, "bad_two_total", "Help.", LABELS("b", "a"), NULL),
	         "counter bad_two_total in 1 {b,a}", "counter bad_two_total in 1 {a,b}");
	conflict(weir_counter_create(&counter, "bad_two_total", "Help.", LABELS("a"), NULL),
	         "counter bad_two_total in 1 {a}", "counter bad_two_total in 1 {a,b}");
	o.unit = WEIR_BYTES;
	conflict(weir_counter_create(&counter, "bad_adds_total", "Help.", NULL, &o),
	         "counter bad_adds_total in bytes {}", "counter bad_adds_total in 1 {}");
	o.unit = WEIR_SECONDS; /* without the SLO */
	conflict(weir_histogram_create(&histogram, "bad_times_seconds", "Help.", NULL, &o),
	         "histogram bad_times_seconds in seconds {}", "with other bounds or constant labels");
	o.slo_objective_ppm = 950000;
	o.slo_threshold = WEIR_MS(10);
	EQUAL_INT(weir_histogram_create(&histogram, "bad_times_seconds", "Help.", NULL, &o), WEIR_ECONFLICT);
	/* names that are one name where they are exported */
	conflict(weir_counter_create(&counter, "bad.adds", "Help.", NULL, NULL), "counter bad.adds in 1 {}",
	         "counter bad_adds_total in 1 {}");
	EQUAL(status_now().refused - before.refused, 8);
	EQUAL(status_now().instruments, before.instruments);
	/* harmless, and counted */
	weir_counter_add(counter, 1);
	weir_gauge_set(level, 1);
	weir_updown_add(updown, 1);
	weir_histogram_record(histogram, 1);
	EQUAL(status_now().dropped_refused, 4);
	EQUAL(status_now().dropped_records, 4);
	EQUAL(weir_counter_read(counter), 0);
	EQUAL_INT(weir_gauge_read(level), 0);
	EQUAL(weir_histogram_read(histogram).count, 0);
	weir_counter_add(&adds, 1);
	EQUAL(weir_counter_read(&adds), 1);
}

/* ---- info ---- */

static void facts_with_bad_values(void)
{
	weir_info_set(&info, NULL);
	weir_info_set(&info, "bad \xff");
	EQUAL(count_of("bad_info", weir_str_of("")), 1);
	EQUAL(count_of("bad_info", weir_str_of("bad \xef\xbf\xbd")), 1);
	weir_info_clear(&info);
	EQUAL(count_of("bad_info", weir_str_of("")), UINT64_MAX);
	weir_gauge_set(&gauge, INT64_MIN);
	EQUAL_INT(weir_gauge_read(&gauge), INT64_MIN);
}

CASES({"values_out_of_range", values_out_of_range, 20}, {"sums_past_64_bits", sums_past_64_bits, 20},
      {"doubles_that_are_no_numbers", doubles_that_are_no_numbers, 20},
      {"a_negative_observed_counter", a_negative_observed_counter, 20}, {"bounds", bounds, 20},
      {"options_of_instruments", options_of_instruments, 20},
      {"the_same_definition_is_the_same_instrument", the_same_definition_is_the_same_instrument, 20},
      {"another_definition_is_a_conflict", another_definition_is_a_conflict, 20},
      {"facts_with_bad_values", facts_with_bad_values, 20})
