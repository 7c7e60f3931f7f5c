/* Unit: src/snapshot.c: a snapshot shows what was recorded, of every kind, to the unit and in 128 bits, and never
 * changes. test_snapshot_cursors.c has who reads it. */
#include "test_snapshot.h"

/* ---- every kind ---- */

ALONE(nothing_recorded_is_an_empty_snapshot)
{
	struct weir_snapshot *snapshot = take();
	struct weir_family f;
	struct weir_series s;

	assert_int_equal(weir_snapshot_resource(snapshot).count, 0);
	weir_family_begin(&f, snapshot);
	weir_series_begin(&s, &f); /* of no family yet */
	assert_false(weir_series_next(&s));
	assert_false(weir_family_next(&f));
	assert_false(weir_family_next(&f));
	assert_false(weir_snapshot_find(snapshot, "none", NULL, 0, &s));
	weir_snapshot_destroy(snapshot);
	weir_snapshot_destroy(NULL);
}

ALONE(numbers_of_every_kind_are_what_was_recorded)
{
	const struct weir_counter *c;
	const struct weir_updown *u;
	const struct weir_gauge *g;
	const struct weir_float_gauge *r;
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;

	assert_int_equal(weir_counter_create(&c, "kind_c", "Help C.", NULL, NULL), WEIR_OK);
	assert_int_equal(weir_updown_create(&u, "kind_u", "Help U.", LABELS("a"), NULL), WEIR_OK);
	assert_int_equal(weir_gauge_create(&g, "kind_g", "Help G.", LABELS("a", "b"), OPTIONS(.unit = WEIR_BYTES)),
	                 WEIR_OK);
	assert_int_equal(weir_float_gauge_create(&r, "kind_r", "Help R.", NULL, OPTIONS(.unit = WEIR_RATIO)), WEIR_OK);
	weir_counter_add(c, UINT64_MAX);
	weir_updown_add_with(u, INT64_MIN, "x");
	weir_updown_add_with(u, 5, "y");
	weir_gauge_set_with(g, -7, "x", "y");
	weir_float_gauge_set(r, 0.125);
	snapshot = take();
	assert_true(family(snapshot, "kind_c", &f));
	assert_string_equal(f.help, "Help C.");
	assert_int_equal(f.kind, WEIR_COUNTER_KIND);
	assert_int_equal(f.labels_count, 0);
	assert_int_equal(f.constant_count, 0);
	assert_int_equal(f.unit, WEIR_ONE);
	assert_true(f.divisor == 1);
	assert_int_equal(f.slo_threshold | f.slo_objective_ppm, 0);
	assert_int_equal(f.series_count, 1);
	assert_true(find(snapshot, "kind_c", NULL, &s));
	assert_int_equal(s.count, UINT64_MAX);
	assert_true(!s.floating && !s.exponential && !s.overflow && s.buckets_count == 0 && s.exemplars_count == 0);

	assert_true(family(snapshot, "kind_u", &f));
	assert_int_equal(f.kind, WEIR_UPDOWN_KIND);
	assert_string_equal(f.labels[0], "a");
	weir_series_begin(&s, &f);
	assert_true(weir_series_next(&s)); /* in the order in which they came */
	assert_memory_equal(s.values[0].ptr, "x", 2);
	assert_int_equal(s.level, INT64_MIN);
	assert_true(weir_series_next(&s));
	assert_memory_equal(s.values[0].ptr, "y", 2);
	assert_int_equal(s.level, 5);
	assert_false(weir_series_next(&s));
	assert_false(weir_series_next(&s));

	assert_true(family(snapshot, "kind_g", &f));
	assert_int_equal(f.kind, WEIR_GAUGE_KIND);
	assert_int_equal(f.unit, WEIR_BYTES);
	assert_true(f.divisor == 1);
	assert_int_equal(f.labels_count, 2);
	assert_true(weir_snapshot_find(snapshot, "kind_g", (struct weir_str[]){STR("x"), STR("y")}, 2, &s));
	assert_int_equal(s.level, -7);

	assert_true(family(snapshot, "kind_r", &f));
	assert_int_equal(f.kind, WEIR_FLOAT_GAUGE_KIND);
	assert_true(f.divisor == 1e6);
	assert_true(find(snapshot, "kind_r", NULL, &s) && s.floating && s.real == 0.125);
	weir_snapshot_destroy(snapshot);
}

ALONE(a_histogram_is_its_buckets_and_they_are_its_count)
{
	struct weir_instrument_options o = {.size = sizeof o,
	                                    .bounds = (const uint64_t[]){10, 20, 30},
	                                    .bounds_count = 3,
	                                    .slo_threshold = 25,
	                                    .slo_objective_ppm = 990000};
	const struct weir_histogram *h;
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;

	assert_int_equal(weir_histogram_create(&h, "kind_h", "Help.", LABELS("a"), &o), WEIR_OK);
	for (uint64_t v = 1; v <= 40; v++)
		weir_histogram_record_with(h, v, "x");
	weir_histogram_record_with(h, 3, "y");
	snapshot = take();
	assert_true(family(snapshot, "kind_h", &f));
	assert_int_equal(f.slo_threshold, 25);
	assert_int_equal(f.slo_objective_ppm, 990000);
	assert_true(find(snapshot, "kind_h", "x", &s));
	assert_false(s.exponential);
	assert_int_equal(s.buckets_count, 5);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(s.bounds[i], ((const uint64_t[]){10, 20, 25, 30})[i]);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(s.buckets[i], ((const uint64_t[]){10, 10, 5, 5, 10})[i]);
	assert_int_equal(s.count, 40);
	assert_int_equal(s.good, 25);
	assert_int_equal(s.sum_low, 820);
	assert_int_equal(s.sum_high, 0);
	assert_true(find(snapshot, "kind_h", "y", &s));
	assert_int_equal(s.count, 1);
	assert_int_equal(s.sum_low, 3);
	assert_int_equal(s.buckets[0], 1);
	weir_snapshot_destroy(snapshot);
}

ALONE(an_exponential_histogram_tells_its_scale_and_offset)
{
	const struct weir_histogram *h;
	struct weir_snapshot *snapshot;
	struct weir_series s;
	uint64_t sum = 0, below = 0;

	assert_int_equal(weir_histogram_create(&h, "kind_e", "Help.", NULL,
	                                       OPTIONS(.range_lowest = 16, .range_highest = 1024, .slo_threshold = 100,
	                                               .slo_objective_ppm = 990000)),
	                 WEIR_OK);
	for (uint64_t v = 0; v < 3000; v++)
		weir_histogram_record(h, v);
	snapshot = take();
	assert_true(find(snapshot, "kind_e", NULL, &s));
	assert_true(s.exponential);
	assert_int_equal(s.scale, 3);
	assert_int_equal(s.offset, 4 * 8); /* 16 = 2^4, 8 buckets an octave */
	assert_int_equal(s.bounds[0], 16);
	assert_int_equal(s.buckets_count, 1 + 6 * 8 + 1 + 1); /* zero, 6 octaves, the SLO's, above */
	assert_int_equal(s.bounds[s.buckets_count - 2], 1024);
	assert_true(s.split > 0 && s.bounds[s.split] == 100);
	for (size_t b = 0; b < s.buckets_count; b++) {
		uint64_t upto = b + 1 < s.buckets_count ? s.bounds[b] + 1 : 3000;

		assert_int_equal(s.buckets[b], upto - below); /* each value once, in its bucket */
		below = upto;
		sum += s.buckets[b];
	}
	assert_int_equal(s.count, 3000);
	assert_int_equal(sum, 3000);
	assert_int_equal(s.good, 101);
	assert_int_equal(s.sum_low, 2999 * 3000 / 2);
	weir_snapshot_destroy(snapshot);
}

static void observe_some(struct weir_observer *o, void *arg)
{
	const struct weir_observed *const *observed = arg;

	weir_observer_report_with(o, observed[0], 9, "x");
	weir_observer_report_float(o, observed[1], 0.5);
}

ALONE(what_is_observed_and_what_is_said_is_shown_while_it_holds)
{
	const struct weir_observed *observed[2];
	struct weir_callback *callback;
	const struct weir_info *i;
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;

	assert_int_equal(
	    weir_observed_create(&observed[0], WEIR_OBSERVED_COUNTER_KIND, "kind_oc", "Help.", LABELS("a"), NULL),
	    WEIR_OK);
	assert_int_equal(weir_observed_create(&observed[1], WEIR_OBSERVED_GAUGE_KIND, "kind_og", "Help.", NULL, NULL),
	                 WEIR_OK);
	assert_int_equal(weir_info_create(&i, "kind_i", "Help.", LABELS("version"), NULL), WEIR_OK);
	assert_int_equal(weir_callback_new(&callback, observe_some, observed), WEIR_OK);
	snapshot = take();
	assert_false(family(snapshot, "kind_oc", &f) || family(snapshot, "kind_og", &f) ||
	             family(snapshot, "kind_i", &f));
	weir_snapshot_destroy(snapshot);
	assert_true(weir__callbacks_run());
	weir_info_set(i, "1");
	weir_info_set(i, "2");
	snapshot = take();
	assert_true(find(snapshot, "kind_oc", "x", &s) && s.count == 9 && !s.floating);
	assert_true(find(snapshot, "kind_og", NULL, &s) && s.real == 0.5 && s.floating);
	assert_true(find(snapshot, "kind_i", "1", &s) && s.count == 1);
	assert_true(find(snapshot, "kind_i", "2", &s) && s.count == 1);
	assert_true(family(snapshot, "kind_i", &f) && f.kind == WEIR_INFO_KIND);
	weir_info_clear(i);
	assert_true(find(snapshot, "kind_i", "1", &s)); /* that one is older */
	weir_snapshot_destroy(snapshot);
	weir_info_set(i, "2");
	snapshot = take();
	assert_false(find(snapshot, "kind_i", "1", &s));
	assert_true(family(snapshot, "kind_i", &f));
	weir_series_begin(&s, &f);
	assert_true(weir_series_next(&s));
	assert_memory_equal(s.values[0].ptr, "2", 2);
	assert_false(weir_series_next(&s));
	weir_snapshot_destroy(snapshot);
}

ALONE(the_overflow_series_has_no_values)
{
	const struct weir_counter *c;
	struct weir_snapshot *snapshot = NULL;
	struct weir_family f;
	struct weir_series s;
	unsigned overflows = 0, series = 0;

	assert_int_equal(weir_counter_create(&c, "kind_over", "Help.", LABELS("a"), OPTIONS(.max_series = 2)), WEIR_OK);
	for (char v = 'a'; v < 'g'; v++)
		weir_counter_add_with(c, 1, (const char[]){v, '\0'});
	snapshot = take();
	assert_true(family(snapshot, "kind_over", &f));
	assert_true(f.series_count >= 3);
	for (weir_series_begin(&s, &f); weir_series_next(&s); series++) {
		if (!s.overflow) {
			assert_non_null(s.values);
			continue;
		}
		assert_null(s.values);
		assert_int_equal(s.count, 4);
		overflows++;
	}
	assert_int_equal(series, 3);
	assert_int_equal(overflows, 1);
	assert_false(find(snapshot, "kind_over", "c", &s));
	assert_false(weir_snapshot_find(snapshot, "kind_over", NULL, 0, &s)); /* it has a label */
	weir_snapshot_destroy(snapshot);
}

ALONE(constant_labels_stand_with_the_family)
{
	const struct weir_counter *c;
	struct weir_snapshot *snapshot;
	struct weir_family f;

	assert_int_equal(
	    weir_counter_create(&c, "kind_const", "Help.", NULL, OPTIONS(.constant = LABELS("k", "v", "l", "w"))),
	    WEIR_OK);
	snapshot = take();
	assert_true(family(snapshot, "kind_const", &f));
	assert_int_equal(f.constant_count, 2);
	assert_string_equal(f.constant[0], "k");
	assert_string_equal(f.constant[3], "w");
	weir_snapshot_destroy(snapshot);
}

/* ---- sums ---- */

__extension__ typedef unsigned __int128 u128;

static u128 sum_of(const struct weir_series *s)
{
	return (u128)s->sum_high << 64 | s->sum_low;
}

ALONE(sums_are_exact_in_128_bits)
{
	const struct weir_histogram *h;
	struct weir_snapshot *snapshot;
	struct weir_series s;
	u128 a = 0, b = 0, before = 0;

	assert_int_equal(weir_histogram_create(&h, "wide", "Help.", LABELS("a"), NULL), WEIR_OK);
	for (int i = 0; i < 300; i++) {
		/* below 2^64 between two snapshots */
		weir_histogram_record_with(h, INT64_MAX, "a");
		a += INT64_MAX;
		if (i % 3 == 0) {
			weir_histogram_record_with(h, INT64_MAX, "a");
			a += INT64_MAX;
		}
		weir_histogram_record_with(h, 1, "b");
		b += 1;
		snapshot = take();
		assert_true(find(snapshot, "wide", "a", &s));
		assert_true(sum_of(&s) == a && sum_of(&s) > before);
		before = sum_of(&s);
		assert_true(find(snapshot, "wide", "b", &s) && sum_of(&s) == b);
		weir_snapshot_destroy(snapshot);
	}
	assert_true(before >> 64 > 190);
	snapshot = take(); /* nothing came since */
	assert_true(find(snapshot, "wide", "a", &s) && sum_of(&s) == a);
	weir_snapshot_destroy(snapshot);
	/* who reads one series carries as well */
	for (int i = 0; i < 50; i++) {
		struct weir_distribution d;

		weir_histogram_record_with(h, INT64_MAX, "a");
		a += INT64_MAX;
		d = weir_histogram_series_read(weir_histogram_with(h, "a"));
		assert_true(((u128)d.sum_high << 64 | d.sum_low) == a);
	}
	snapshot = take();
	assert_true(find(snapshot, "wide", "a", &s) && sum_of(&s) == a);
	weir_snapshot_destroy(snapshot);
}

static const struct weir_histogram *widened;
static void *record_wide(void *arg)
{
	(void)arg;
	weir_histogram_record(widened, INT64_MAX);
	return NULL;
}

ALONE(sums_over_threads_carry_too)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;
	u128 sum = 0;

	assert_int_equal(weir_histogram_create(&widened, "widened", "Help.", NULL, NULL), WEIR_OK);
	for (int i = 0; i < 20; i++) {
		in_threads(2, record_wide, NULL); /* each in a shard of its own */
		sum += 2 * (u128)INT64_MAX;
		snapshot = take();
		assert_true(find(snapshot, "widened", NULL, &s) && sum_of(&s) == sum);
		weir_snapshot_destroy(snapshot);
	}
}

static void child_sums_begin_at_zero(void)
{
	struct weir_snapshot *snapshot = take();
	struct weir_series s;

	assert_true(find(snapshot, "widened", NULL, &s) && sum_of(&s) == 0 && s.count == 0);
	weir_snapshot_destroy(snapshot);
	weir_histogram_record(widened, 5);
	snapshot = take();
	assert_true(find(snapshot, "widened", NULL, &s) && sum_of(&s) == 5 && s.count == 1);
	weir_snapshot_destroy(snapshot);
}

ALONE(a_childs_sums_begin_at_zero)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;

	assert_int_equal(weir_histogram_create(&widened, "widened", "Help.", NULL, NULL), WEIR_OK);
	for (int i = 0; i < 5; i++) {
		weir_histogram_record(widened, INT64_MAX);
		weir_snapshot_destroy(take());
	}
	in_child(child_sums_begin_at_zero);
	snapshot = take();
	assert_true(find(snapshot, "widened", NULL, &s) && sum_of(&s) == 5 * (u128)INT64_MAX);
	weir_snapshot_destroy(snapshot);
}

/* ---- it never changes ---- */

ALONE(a_snapshot_is_of_its_moment)
{
	const struct weir_counter *c, *later;
	const struct weir_histogram *h;
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t before = wall_ns(), made, series = 0;

	assert_int_equal(weir_counter_create(&c, "moment", "Help.", LABELS("a"), NULL), WEIR_OK);
	assert_int_equal(weir_histogram_create(&h, "moment_h", "Help.", NULL, NULL), WEIR_OK);
	weir_counter_add_with(c, 1, "a");
	weir_histogram_record(h, 5);
	made = wall_ns();
	snapshot = take();
	assert_in_range(weir_snapshot_time_ns(snapshot), made, wall_ns());
	weir_counter_add_with(c, 10, "a");
	weir_histogram_record(h, 5);
	for (int i = 0; i < 1000; i++) {
		char value[16];

		snprintf(value, sizeof value, "%d", i);
		weir_counter_add_with(c, 1, value);
	}
	assert_int_equal(weir_counter_create(&later, "moment_later", "Help.", NULL, NULL), WEIR_OK);
	for (int round = 0; round < 2; round++) {
		assert_true(find(snapshot, "moment", "a", &s));
		assert_int_equal(s.count, 1);
		assert_in_range(s.start_ns, before, made);
		assert_true(find(snapshot, "moment_h", NULL, &s) && s.count == 1 && s.sum_low == 5);
		assert_false(find(snapshot, "moment", "7", &s));
		assert_false(family(snapshot, "moment_later", &f));
	}
	assert_true(family(snapshot, "moment", &f));
	for (weir_series_begin(&s, &f); weir_series_next(&s);)
		series++;
	assert_int_equal(series, 1);
	weir_snapshot_destroy(snapshot);
	snapshot = take();
	assert_true(find(snapshot, "moment", "7", &s));
	assert_true(s.start_ns >= made);
	assert_true(find(snapshot, "moment", "a", &s) && s.count == 11);
	weir_snapshot_destroy(snapshot);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nothing_recorded_is_an_empty_snapshot),
	cmocka_unit_test(numbers_of_every_kind_are_what_was_recorded),
	cmocka_unit_test(a_histogram_is_its_buckets_and_they_are_its_count),
	cmocka_unit_test(an_exponential_histogram_tells_its_scale_and_offset),
	cmocka_unit_test(what_is_observed_and_what_is_said_is_shown_while_it_holds),
	cmocka_unit_test(the_overflow_series_has_no_values),
	cmocka_unit_test(constant_labels_stand_with_the_family),
	cmocka_unit_test(sums_are_exact_in_128_bits),
	cmocka_unit_test(sums_over_threads_carry_too),
	cmocka_unit_test(a_childs_sums_begin_at_zero),
	cmocka_unit_test(a_snapshot_is_of_its_moment),
};
ALONE_MAIN(tests)
