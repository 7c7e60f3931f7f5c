/* Unit: src/read.c: what was recorded is read back, by instrument and by handle; what cannot be read is zero, and costs
 * nobody a count. */
#define _GNU_SOURCE
#include "snapshot.h"

#include "alone.h"

WEIR_COUNTER(counter, "read_counter_total", "A counter.");
WEIR_COUNTER(counters, "read_counters_total", "Counters.", "a");
WEIR_UPDOWN(updown, "read_updown", "An up-down counter.");
WEIR_UPDOWN(updowns, "read_updowns", "Up-down counters.", "a");
WEIR_GAUGE(gauge, "read_gauge", "A gauge.");
WEIR_GAUGE(gauges, "read_gauges", "Gauges.", "a");
WEIR_FLOAT_GAUGE(real, "read_real", "A gauge of doubles.");
WEIR_FLOAT_GAUGE(reals, "read_reals", "Gauges of doubles.", "a");
WEIR_HISTOGRAM(plain, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(10, 100)), "read_plain", "A histogram.");
WEIR_HISTOGRAM(promised, WEIR_BUCKETS(WEIR_ONE, WEIR_SLO(990000, 50), WEIR_BOUNDS(10, 100)), "read_promised",
               "With an SLO.");
WEIR_HISTOGRAM(promises, WEIR_BUCKETS(WEIR_ONE, WEIR_SLO(990000, 50), WEIR_RANGE(1, 1000)), "read_promises",
               "By label.", "a");
/* Bounds equal to another's share its layout, and not its numbers. */
WEIR_HISTOGRAM(twin, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(10, 100)), "read_twin", "Of the same bounds.");

ALONE(nothing_is_zero)
{
	assert_int_equal(weir_counter_read(&counter), 0);
	assert_int_equal(weir_updown_read(&updown), 0);
	assert_int_equal(weir_gauge_read(&gauge), 0);
	assert_true(weir_float_gauge_read(&real) == 0);
	assert_int_equal(weir_histogram_read(&plain).count, 0);
	assert_int_equal(status_now().dropped_records, 0);
	assert_string_equal(status_now().home, "none yet"); /* reading asks for no memory */
}

ALONE(what_was_recorded_is_read)
{
	weir_counter_add(&counter, 5);
	weir_updown_add(&updown, -5);
	weir_gauge_set(&gauge, INT64_MIN);
	weir_float_gauge_set(&real, -0.5);
	weir_counter_add_with(&counters, 6, "x");
	weir_updown_add_with(&updowns, -6, "x");
	weir_gauge_set_with(&gauges, 6, "x");
	weir_float_gauge_set_with(&reals, 6.5, "x");
	assert_int_equal(weir_counter_read(&counter), 5);
	assert_int_equal(weir_updown_read(&updown), -5);
	assert_int_equal(weir_gauge_read(&gauge), INT64_MIN);
	assert_true(weir_float_gauge_read(&real) == -0.5);
	assert_int_equal(weir_counter_series_read(weir_counter_with(&counters, "x")), 6);
	assert_int_equal(weir_updown_series_read(weir_updown_with(&updowns, "x")), -6);
	assert_int_equal(weir_gauge_series_read(weir_gauge_with(&gauges, "x")), 6);
	assert_true(weir_float_gauge_series_read(weir_float_gauge_with(&reals, "x")) == 6.5);
	assert_int_equal(weir_counter_series_read(weir_counter_with(&counters, "y")), 0);
}

ALONE(an_instrument_with_labels_has_no_number_of_its_own)
{
	weir_counter_add_with(&counters, 6, "x");
	weir_updown_add_with(&updowns, -6, "x");
	weir_gauge_set_with(&gauges, 6, "x");
	weir_float_gauge_set_with(&reals, 6.5, "x");
	weir_histogram_record_with(&promises, 6, "x");
	assert_int_equal(weir_counter_read(&counters), 0);
	assert_int_equal(weir_updown_read(&updowns), 0);
	assert_int_equal(weir_gauge_read(&gauges), 0);
	assert_true(weir_float_gauge_read(&reals) == 0);
	assert_int_equal(weir_histogram_read(&promises).count, 0);
	assert_int_equal(status_now().dropped_records, 0);
}

ALONE(a_histogram_is_read_whole)
{
	struct weir_distribution d;

	for (uint64_t v = 1; v <= 120; v++) {
		weir_histogram_record(&plain, v);
		weir_histogram_record(&promised, v);
		weir_histogram_record_with(&promises, v, "x");
	}
	weir_histogram_record(&twin, 7);
	d = weir_histogram_read(&plain);
	assert_int_equal(d.count, 120);
	assert_int_equal(d.good, 0); /* nothing was promised */
	assert_int_equal(d.sum_low, 7260);
	assert_int_equal(d.sum_high, 0);
	d = weir_histogram_read(&promised);
	assert_int_equal(d.count, 120);
	assert_int_equal(d.good, 50);
	assert_int_equal(d.sum_low, 7260);
	d = weir_histogram_series_read(weir_histogram_with(&promises, "x"));
	assert_int_equal(d.count, 120);
	assert_int_equal(d.good, 50);
	assert_int_equal(d.sum_low, 7260);
	assert_int_equal(weir_histogram_series_read(weir_histogram_with(&promises, "y")).count, 0);
	assert_int_equal(weir_histogram_read(&twin).count, 1);
	assert_int_equal(weir_histogram_read(&twin).sum_low, 7);
}

__extension__ typedef unsigned __int128 u128;

ALONE(a_sum_carries_between_readings_of_either_way)
{
	u128 sum = 0;

	for (int i = 0; i < 60; i++) {
		struct weir_distribution d;
		struct weir_snapshot *snapshot;
		struct weir_series s;

		weir_histogram_record(&plain, INT64_MAX);
		sum += INT64_MAX;
		if (i % 2 == 0) {
			d = weir_histogram_read(&plain);
			assert_true(((u128)d.sum_high << 64 | d.sum_low) == sum);
		} else {
			assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
			assert_true(weir_snapshot_find(snapshot, "read_plain", NULL, 0, &s));
			assert_true(((u128)s.sum_high << 64 | s.sum_low) == sum);
			weir_snapshot_destroy(snapshot);
		}
	}
	assert_true(sum >> 64 >= 29);
}

static bool over;
static void *read_on(void *arg)
{
	u128 last = 0;

	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		struct weir_distribution d = weir_histogram_read(&plain);
		u128 sum = (u128)d.sum_high << 64 | d.sum_low;

		assert_true(sum >= last);
		last = sum;
	}
	return NULL;
}

ALONE(readers_at_once_carry_once)
{
	pthread_t readers[3];
	struct weir_distribution d;

	for (size_t i = 0; i < COUNT(readers); i++)
		readers[i] = begin_thread(read_on, NULL);
	for (uint64_t i = 0; i < 400; i++) {
		weir_histogram_record(&plain, INT64_MAX);
		d = weir_histogram_read(&plain);
		assert_int_equal(d.count, i + 1);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < COUNT(readers); i++)
		end_thread(readers[i]);
	d = weir_histogram_read(&plain);
	assert_true(((u128)d.sum_high << 64 | d.sum_low) == 400 * (u128)INT64_MAX);
}

/* To look is not to record. */
ALONE(reading_what_was_refused_is_zero_and_no_loss)
{
	const struct weir_counter *c;
	const struct weir_gauge *g;
	const struct weir_float_gauge *f;
	const struct weir_histogram *h;
	struct weir_histogram_series none = {NULL, 0};
	static struct weir_state state = {&weir_layout_none_v1, NULL, 0, 0};
	static const char *const text[] = {"never_registered", "Nobody has handed it over.", NULL};
	static const struct weir_counter stranger = {{&state, text, NULL, 0, 0, 1, WEIR_COUNTER_KIND, WEIR_ONE, 0}};

	assert_int_equal(weir_gauge_create(&g, "read_counter_total", "Help.", NULL, NULL), WEIR_ECONFLICT);
	assert_int_equal(weir_counter_create(&c, "1", "Help.", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_float_gauge_create(&f, "1", "Help.", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_histogram_create(&h, "1", "Help.", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_gauge_read(g), 0);
	assert_int_equal(weir_counter_read(c), 0);
	assert_true(weir_float_gauge_read(f) == 0);
	assert_int_equal(weir_histogram_read(h).count, 0);
	assert_int_equal(weir_histogram_series_read(none).count, 0);
	assert_int_equal(weir_counter_series_read((struct weir_counter_series){0}), 0);
	assert_int_equal(weir_counter_read(&stranger), 0);
	assert_int_equal(status_now().dropped_records, 0);
}

static void child_reads_its_own(void)
{
	assert_int_equal(weir_counter_read(&counter), 0);
	assert_int_equal(weir_gauge_read(&gauge), 0);
	assert_int_equal(weir_histogram_read(&plain).sum_high, 0);
	weir_counter_add(&counter, 1);
	weir_histogram_record(&plain, 5);
	assert_int_equal(weir_counter_read(&counter), 1);
	assert_int_equal(weir_histogram_read(&plain).sum_low, 5);
	assert_int_equal(weir_histogram_read(&plain).sum_high, 0);
}

ALONE(a_child_reads_its_own_numbers)
{
	weir_counter_add(&counter, 5);
	weir_gauge_set(&gauge, 5);
	for (int i = 0; i < 3; i++) {
		weir_histogram_record(&plain, INT64_MAX);
		weir_histogram_read(&plain);
	}
	in_child(child_reads_its_own);
	assert_int_equal(weir_counter_read(&counter), 5);
	assert_int_equal(weir_gauge_read(&gauge), 5);
	assert_int_equal(weir_histogram_read(&plain).sum_high, 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nothing_is_zero),
	cmocka_unit_test(what_was_recorded_is_read),
	cmocka_unit_test(an_instrument_with_labels_has_no_number_of_its_own),
	cmocka_unit_test(a_histogram_is_read_whole),
	cmocka_unit_test(a_sum_carries_between_readings_of_either_way),
	cmocka_unit_test(readers_at_once_carry_once),
	cmocka_unit_test(reading_what_was_refused_is_zero_and_no_loss),
	cmocka_unit_test(a_child_reads_its_own_numbers),
};
ALONE_MAIN(tests)
