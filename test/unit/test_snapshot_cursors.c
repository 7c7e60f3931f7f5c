/* Unit: src/snapshot.c: cursors, many readers and takers at once, exemplars. */
#include "test_snapshot.h"

/* ---- cursors ---- */

static void some_series(void)
{
	for (unsigned i = 0; i < 5; i++) {
		const struct weir_counter *c;
		char name[16], value[16];

		snprintf(name, sizeof name, "cursor_%u", i);
		assert_int_equal(weir_counter_create(&c, name, "Help.", LABELS("a"), NULL), WEIR_OK);
		for (unsigned v = 0; v < 40; v++) {
			snprintf(value, sizeof value, "%u", v);
			weir_counter_add_with(c, i * 100 + v, value);
		}
	}
}

ALONE(two_cursors_do_not_disturb_each_other)
{
	struct weir_snapshot *snapshot;
	struct weir_family outer, inner;
	struct weir_series a, b;
	unsigned pairs = 0;

	some_series();
	snapshot = take();
	for (weir_family_begin(&outer, snapshot); weir_family_next(&outer);)
		for (weir_series_begin(&a, &outer); weir_series_next(&a);) {
			uint64_t sum = 0;

			for (weir_family_begin(&inner, snapshot); weir_family_next(&inner);)
				for (weir_series_begin(&b, &inner); weir_series_next(&b); pairs++)
					sum += b.count;
			assert_int_equal(sum, 40 * 1000 + 5 * 780);
			assert_int_equal(a.count / 100, (unsigned)(outer.name[7] - '0'));
		}
	assert_int_equal(pairs, 200 * 200);
	/* a cursor is a value: a copy goes on by itself */
	weir_family_begin(&outer, snapshot);
	assert_true(weir_family_next(&outer));
	inner = outer;
	assert_true(weir_family_next(&outer));
	weir_series_begin(&a, &inner);
	assert_true(weir_series_next(&a));
	b = a;
	assert_true(weir_series_next(&a));
	assert_true(weir_series_next(&a));
	assert_true(weir_series_next(&b));
	assert_int_equal(a.count, 2);
	assert_int_equal(b.count, 1);
	weir_snapshot_destroy(snapshot);
}

static void *read_all(void *arg)
{
	const struct weir_snapshot *snapshot = arg;

	for (int round = 0; round < 20; round++) {
		struct weir_family f;
		struct weir_series s;
		uint64_t sum = 0;

		for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
			for (weir_series_begin(&s, &f); weir_series_next(&s);)
				sum += s.count;
		assert_int_equal(sum, 40 * 1000 + 5 * 780);
	}
	return NULL;
}

ALONE(many_threads_may_read_one_snapshot)
{
	struct weir_snapshot *snapshot;

	some_series();
	snapshot = take();
	in_threads(8, read_all, snapshot);
	weir_snapshot_destroy(snapshot);
}

ALONE(find_takes_the_whole_tuple)
{
	const struct weir_counter *c;
	struct weir_snapshot *snapshot;
	struct weir_series s;

	assert_int_equal(weir_counter_create(&c, "find", "Help.", LABELS("a", "b"), NULL), WEIR_OK);
	weir_counter_add_with(c, 1, "ab", "c");
	weir_counter_add_with(c, 2, "a", "bc");
	weir_counter_add_with(c, 4, "", "x");
	weir_counter_add_with(c, 8, "", "");
	snapshot = take();
	assert_true(weir_snapshot_find(snapshot, "find", (struct weir_str[]){STR("ab"), STR("c")}, 2, &s) &&
	            s.count == 1);
	assert_true(weir_snapshot_find(snapshot, "find", (struct weir_str[]){STR("a"), STR("bc")}, 2, &s) &&
	            s.count == 2);
	assert_true(weir_snapshot_find(snapshot, "find", (struct weir_str[]){{NULL, 0}, STR("x")}, 2, &s) &&
	            s.count == 4);
	assert_true(weir_snapshot_find(snapshot, "find", (struct weir_str[]){{NULL, 0}, {NULL, 3}}, 2, &s) &&
	            s.count == 8);
	assert_false(weir_snapshot_find(snapshot, "find", (struct weir_str[]){STR("ab"), STR("")}, 2, &s));
	assert_false(weir_snapshot_find(snapshot, "find", (struct weir_str[]){STR("ab")}, 1, &s));
	assert_false(weir_snapshot_find(snapshot, "find", (struct weir_str[]){STR("ab"), STR("c"), STR("")}, 3, &s));
	assert_false(weir_snapshot_find(snapshot, "fin", (struct weir_str[]){STR("ab"), STR("c")}, 2, &s));
	assert_false(weir_snapshot_find(snapshot, "finds", (struct weir_str[]){STR("ab"), STR("c")}, 2, &s));
	weir_snapshot_destroy(snapshot);
}

/* ---- many at once ---- */

static bool over;
static const struct weir_counter *growing;
static uint64_t grown;
static void *grow(void *arg)
{
	char value[16];

	(void)arg;
	for (unsigned i = 0; !__atomic_load_n(&over, __ATOMIC_ACQUIRE); i++) {
		snprintf(value, sizeof value, "%u", i % 3000);
		weir_counter_add_with(growing, 1, value);
		weir_counter_add_with(growing, 1, "0");
		__atomic_fetch_add(&grown, 2, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* The sum over a family, and the larger of each of weir's own counters. */
static void *snap(void *arg)
{
	uint64_t last = 0, snapshots = 0;

	(void)arg;
	for (int i = 0; i < 150; i++) {
		struct weir_snapshot *snapshot = take();
		struct weir_family f;
		struct weir_series s;
		uint64_t sum = 0;

		if (family(snapshot, "growing", &f))
			for (weir_series_begin(&s, &f); weir_series_next(&s);)
				sum += s.count;
		assert_true(sum >= last);
		last = sum;
		assert_true(find(snapshot, "weir_snapshots_total", NULL, &s));
		assert_true(s.count >= snapshots);
		snapshots = s.count;
		weir_snapshot_destroy(snapshot);
	}
	return NULL;
}

ALONE(no_series_goes_back_whoever_takes_snapshots)
{
	struct weir_options o = {.size = sizeof o, .no_thread = true, .no_process = true};
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t sum = 0;
	pthread_t threads[2];

	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_int_equal(weir_counter_create(&growing, "growing", "Help.", LABELS("a"), NULL), WEIR_OK);
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = begin_thread(grow, NULL);
	in_threads(3, snap, NULL);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < COUNT(threads); i++)
		end_thread(threads[i]);
	snapshot = take();
	assert_true(family(snapshot, "growing", &f));
	for (weir_series_begin(&s, &f); weir_series_next(&s);)
		sum += s.count;
	assert_int_equal(sum, grown);
	weir_snapshot_destroy(snapshot);
	assert_int_equal(status_now().snapshots, 3 * 150 + 1);
}

/* ---- exemplars: of the series that they were put for, as they were at the snapshot's moment ---- */

static uint32_t cell_of(const char *name, size_t nth)
{
	const struct weir__series *s = NULL;

	for (struct weir__instrument *i = weir__instruments_first(); i != NULL; i = i->next)
		if (strcmp(i->name, name) == 0)
			s = i->first;
	for (; s != NULL && nth != 0; nth--)
		s = s->next;
	assert_non_null(s);
	return s->cell;
}

ALONE(exemplars_are_of_their_series_and_moment)
{
	const struct weir_histogram *h;
	const struct weir_counter *c;
	struct weir_snapshot *before, *snapshot;
	struct weir_series s;
	struct weir_ids ids = {.trace_id = {1, 2, 3}, .span_id = {4}, .flags = 1};

	assert_int_equal(weir_histogram_create(&h, "took", "Help.", LABELS("a"), NULL), WEIR_OK);
	assert_int_equal(weir_counter_create(&c, "done", "Help.", LABELS("a"), NULL), WEIR_OK);
	weir_histogram_record_with(h, 3, "x");
	weir_histogram_record_with(h, 4, "y");
	weir_counter_add_with(c, 7, "x");
	weir_counter_add_with(c, 8, "y");
	before = take();
	weir__exemplar_put(cell_of("took", 1), 3, 4, 1000, &ids);
	weir__exemplar_put(cell_of("took", 1), 0, 0, 1001, &ids);
	weir__exemplar_put(cell_of("done", 0), 0, 7, 1002, &ids);
	snapshot = take();
	weir__exemplar_put(cell_of("took", 1), 3, 5, 2000, &ids);
	weir__exemplar_put(cell_of("took", 0), 2, 2, 2000, &ids);
	assert_true(find(snapshot, "took", "y", &s));
	assert_int_equal(s.exemplars_count, 2);
	assert_int_equal(s.exemplars[0].bucket, 0);
	assert_int_equal(s.exemplars[1].bucket, 3);
	assert_int_equal(s.exemplars[1].value, 4);
	assert_int_equal(s.exemplars[1].time_ns, 1000);
	assert_memory_equal(&s.exemplars[1].ids, &ids, sizeof ids);
	assert_true(find(snapshot, "took", "x", &s) && s.exemplars_count == 0 && s.exemplars == NULL);
	assert_true(find(snapshot, "done", "x", &s) && s.exemplars_count == 1 && s.exemplars[0].value == 7);
	assert_true(find(snapshot, "done", "y", &s) && s.exemplars_count == 0 && s.exemplars == NULL);
	assert_true(find(before, "took", "y", &s) && s.exemplars_count == 0 && s.exemplars == NULL);
	weir_snapshot_destroy(before);
	weir_snapshot_destroy(snapshot);
	snapshot = take();
	assert_true(find(snapshot, "took", "y", &s) && s.exemplars[1].value == 5);
	assert_true(find(snapshot, "took", "x", &s) && s.exemplars_count == 1);
	weir_snapshot_destroy(snapshot);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(two_cursors_do_not_disturb_each_other),
	cmocka_unit_test(many_threads_may_read_one_snapshot),
	cmocka_unit_test(find_takes_the_whole_tuple),
	cmocka_unit_test(no_series_goes_back_whoever_takes_snapshots),
	cmocka_unit_test(exemplars_are_of_their_series_and_moment),
};
ALONE_MAIN(tests)
