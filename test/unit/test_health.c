/* Unit: src/health.c: weir's own metrics say what the status says, by the same names in every snapshot. */
#define _GNU_SOURCE
#include "registry.h"
#include "snapshot.h"

#include "alone.h"

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void start(void)
{
	struct weir_options o = {.size = sizeof o, .no_thread = true, .no_process = true};

	assert_int_equal(weir_init(&o), WEIR_OK);
}

static struct weir_snapshot *take(void)
{
	struct weir_snapshot *snapshot;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	return snapshot;
}

static uint64_t value(const struct weir_snapshot *snapshot, const char *name, const char *label)
{
	struct weir_str v = weir_str_of(label);
	struct weir_series s;

	if (!weir_snapshot_find(snapshot, name, &v, label != NULL ? 1 : 0, &s))
		fail_msg("there is no %s{%s}", name, label != NULL ? label : "");
	return s.count;
}

static void lose_by_every_reason(void)
{
	for (int why = 0; why < WEIR__LOSSES; why++)
		for (int n = 0; n <= why; n++)
			weir__lose((enum weir__loss)why);
}

ALONE(before_init_there_are_none)
{
	struct weir_snapshot *snapshot = take();
	struct weir_family f;

	weir_family_begin(&f, snapshot);
	assert_false(weir_family_next(&f));
	weir_snapshot_destroy(snapshot);
}

ALONE(they_say_what_the_status_says)
{
	const struct weir_counter *c, *refused;
	struct weir_instrument_options o = {.size = sizeof o, .max_series = 1};
	struct weir_snapshot *snapshot;
	struct weir_status status;

	start();
	assert_int_equal(weir_counter_create(&c, "health_folds", "Help.", LABELS("a"), &o), WEIR_OK);
	assert_int_equal(weir_counter_create(&refused, "health_folds", "Help.", NULL, &o), WEIR_ECONFLICT);
	weir_counter_add_with(c, 1, "a");
	weir_counter_add_with(c, 1, "b");
	weir_counter_add_with(c, 1, "c\xff");
	weir_counter_add_values(c, 1, NULL, &(struct weir_str){(char[2000]){"long"}, 2000}, 1);
	lose_by_every_reason();
	weir__health_exports_failed(3);
	weir_snapshot_destroy(take());
	snapshot = take();
	status = status_now();
	assert_int_equal(value(snapshot, "weir_instruments", NULL), status.instruments);
	assert_int_equal(value(snapshot, "weir_instruments_refused_total", NULL), 1);
	assert_int_equal(value(snapshot, "weir_series", NULL), status.series);
	assert_int_equal(value(snapshot, "weir_overflowed_lookups_total", "health_folds"), 3);
	assert_int_equal(value(snapshot, "weir_dropped_records_total", "refused"), 1);
	assert_int_equal(value(snapshot, "weir_dropped_records_total", "value"), 2);
	assert_int_equal(value(snapshot, "weir_dropped_records_total", "labels"), 3);
	assert_int_equal(value(snapshot, "weir_dropped_records_total", "memory"), 4);
	assert_int_equal(value(snapshot, "weir_dropped_records_total", "reentry"), 5);
	assert_int_equal(value(snapshot, "weir_dropped_records_total", "contended"), 6);
	assert_int_equal(value(snapshot, "weir_label_values_mended_total", "cleaned"), status.values_cleaned);
	assert_int_equal(value(snapshot, "weir_label_values_mended_total", "cut"), 1);
	assert_int_equal(value(snapshot, "weir_segment_bytes", NULL), status.segment_bytes);
	assert_int_equal(value(snapshot, "weir_heap_bytes", NULL), status.heap_bytes);
	assert_int_equal(value(snapshot, "weir_shards", NULL), status.shards);
	assert_int_equal(value(snapshot, "weir_snapshots_total", NULL),
	                 status.snapshots - 1); /* those before this one */
	assert_true(value(snapshot, "weir_snapshot_duration_seconds", NULL) > 0);
	assert_int_equal(value(snapshot, "weir_exports_failed_total", NULL), 3);
	assert_int_equal(status.overflowed, 3);
	assert_int_equal(status.exports_failed, 3);
	assert_int_equal(status.refused, 1);
	assert_int_equal(status.values_cut, 1);
	assert_true(status.segment_bytes >= 4096 && status.heap_bytes >= 4096 && status.blocks >= 1 &&
	            status.shards == 1);
	assert_int_equal(status.instruments, weir__instruments_count());
	weir_snapshot_destroy(snapshot);
}

ALONE(reasons_are_there_before_anything_is_lost)
{
	struct weir_snapshot *snapshot;

	start();
	snapshot = take();
	assert_int_equal(value(snapshot, "weir_dropped_records_total", "refused"), 0);
	assert_int_equal(value(snapshot, "weir_dropped_records_total", "contended"), 0);
	assert_int_equal(value(snapshot, "weir_exports_failed_total", NULL), 0);
	assert_int_equal(value(snapshot, "weir_callbacks_late_total", NULL), 0);
	weir_snapshot_destroy(snapshot);
}

ALONE(each_snapshot_has_them_as_they_are_then)
{
	struct weir_snapshot *first, *second;

	start();
	first = take();
	lose_by_every_reason();
	second = take();
	assert_int_equal(value(first, "weir_dropped_records_total", "value"), 0);
	assert_int_equal(value(second, "weir_dropped_records_total", "value"), 2);
	assert_int_equal(value(second, "weir_snapshots_total", NULL), value(first, "weir_snapshots_total", NULL) + 1);
	weir_snapshot_destroy(first);
	weir_snapshot_destroy(second);
}

static void child_has_its_own(void)
{
	struct weir_snapshot *snapshot = take();

	assert_int_equal(value(snapshot, "weir_dropped_records_total", "value"), 0);
	assert_int_equal(value(snapshot, "weir_shards", NULL), 1);
	weir_snapshot_destroy(snapshot);
}

ALONE(a_child_tells_of_itself)
{
	start();
	lose_by_every_reason();
	weir_snapshot_destroy(take());
	in_child(child_has_its_own);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(before_init_there_are_none),
	cmocka_unit_test(they_say_what_the_status_says),
	cmocka_unit_test(reasons_are_there_before_anything_is_lost),
	cmocka_unit_test(each_snapshot_has_them_as_they_are_then),
	cmocka_unit_test(a_child_tells_of_itself),
};
ALONE_MAIN(tests)
