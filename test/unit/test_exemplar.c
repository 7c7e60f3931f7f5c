/* Unit: src/exemplar.c: the last one of each bucket stays, the store is bounded, a copy is of its moment, and a forked
 * child has none. */
#define _GNU_SOURCE
#include "exemplar.h"

#include <weir/metric.h>

#include "alone.h"

static struct weir_ids ids_of(uint8_t n)
{
	return (struct weir_ids){.trace_id = {[15] = n}, .span_id = {[7] = n}, .flags = 1};
}

static void put(uint32_t cell, uint32_t bucket, uint64_t value)
{
	struct weir_ids ids = ids_of((uint8_t)value);

	weir__exemplar_put(cell, bucket, value, value + 1000, &ids);
}

static struct weir__exemplars copy(void)
{
	struct weir__exemplars all;

	assert_true(weir__exemplars_copy(&all));
	return all;
}

ALONE(none_cost_nothing)
{
	struct weir__exemplars all = copy();
	size_t count;

	assert_null(all.list);
	assert_int_equal(all.count, 0);
	assert_null(weir__exemplars_of(&all, 7, &count));
	assert_int_equal(count, 0);
	weir__exemplars_free(&all);
	assert_int_equal(weir__exemplars_dropped(), 0);
}

ALONE(each_bucket_keeps_its_last)
{
	const struct weir_exemplar *x;
	struct weir__exemplars all;
	struct weir_ids ids = ids_of(22);
	size_t count;

	put(600, 3, 9); /* in no order */
	put(512, 2, 1);
	put(700, 0, 5);
	put(600, 0, 7);
	put(600, 3, 21);
	put(600, 1, 8);
	put(600, 3, 22);
	all = copy();
	assert_int_equal(all.count, 5);
	x = weir__exemplars_of(&all, 600, &count);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		static const uint64_t buckets[] = {0, 1, 3}, values[] = {7, 8, 22};

		assert_int_equal(x[i].bucket, buckets[i]);
		assert_int_equal(x[i].value, values[i]);
		assert_int_equal(x[i].time_ns, values[i] + 1000);
	}
	assert_memory_equal(&x[2].ids, &ids, sizeof ids);
	x = weir__exemplars_of(&all, 512, &count);
	assert_true(x != NULL && count == 1 && x->value == 1 && x->bucket == 2);
	x = weir__exemplars_of(&all, 700, &count);
	assert_true(x != NULL && count == 1 && x->value == 5);
	assert_null(weir__exemplars_of(&all, 599, &count));
	assert_null(weir__exemplars_of(&all, 701, &count));
	assert_null(weir__exemplars_of(&all, 513, &count)); /* a cell of the series, not its first */
	put(600, 1, 99);                                    /* a copy is of its moment */
	x = weir__exemplars_of(&all, 600, &count);
	assert_int_equal(x[1].value, 8);
	weir__exemplars_free(&all);
}

ALONE(past_the_bound_new_buckets_get_none)
{
	struct weir__exemplars all;
	const struct weir_exemplar *x;
	size_t count;

	for (uint32_t i = 0; i < WEIR__EXEMPLARS_MAX; i++)
		put(1000 + i * 7919 % WEIR__EXEMPLARS_MAX, 1, i);
	assert_int_equal(weir__exemplars_dropped(), 0);
	put(1000, 2, 5);
	put(1, 0, 5);
	put(0, 0, 5); /* an empty handle's cell */
	assert_int_equal(weir__exemplars_dropped(), 3);
	put(1005, 1, 123456); /* there already: replaced */
	assert_int_equal(weir__exemplars_dropped(), 3);
	all = copy();
	assert_int_equal(all.count, WEIR__EXEMPLARS_MAX);
	for (size_t i = 1; i < all.count; i++)
		assert_true(all.keys[i - 1] < all.keys[i]);
	x = weir__exemplars_of(&all, 1005, &count);
	assert_true(x != NULL && count == 1 && x->value == 123456);
	assert_null(weir__exemplars_of(&all, 1, &count));
	weir__exemplars_free(&all);
}

static void child_begins_empty(void)
{
	struct weir__exemplars all;
	size_t count;

	put(9, 1, 3); /* the child's first deed */
	assert_int_equal(weir__exemplars_dropped(), 0);
	all = copy();
	assert_int_equal(all.count, 1);
	assert_null(weir__exemplars_of(&all, 5, &count));
	assert_non_null(weir__exemplars_of(&all, 9, &count));
	weir__exemplars_free(&all);
}

ALONE(a_child_begins_empty)
{
	struct weir__exemplars all;

	put(5, 1, 3);
	put(0, 1, 3);
	in_child(child_begins_empty);
	all = copy();
	assert_int_equal(all.count, 1);
	weir__exemplars_free(&all);
}

/* ---- one puts, others copy: what is copied is whole ---- */

static bool over;

static void *read_all(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		struct weir__exemplars all = copy();

		for (size_t i = 0; i < all.count; i++) {
			const struct weir_exemplar *x = &all.list[i];

			assert_true(i == 0 || all.keys[i - 1] < all.keys[i]);
			assert_int_equal((uint32_t)all.keys[i], x->bucket);
			assert_int_equal(x->time_ns, x->value + 1000);
			assert_int_equal(x->ids.span_id[7], (uint8_t)x->value);
		}
		weir__exemplars_free(&all);
	}
	return NULL;
}

ALONE(copies_are_whole_while_others_are_put)
{
	pthread_t readers[2];

	for (size_t i = 0; i < COUNT(readers); i++)
		readers[i] = begin_thread(read_all, NULL);
	for (uint32_t i = 0; i < (SANITIZED ? 20000u : 200000u); i++)
		put(1 + i * 31 % 500, i % 5, i);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < COUNT(readers); i++)
		end_thread(readers[i]);
	assert_int_equal(weir__exemplars_dropped(), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(none_cost_nothing),
	cmocka_unit_test(each_bucket_keeps_its_last),
	cmocka_unit_test(past_the_bound_new_buckets_get_none),
	cmocka_unit_test(a_child_begins_empty),
	cmocka_unit_test(copies_are_whole_while_others_are_put),
};
ALONE_MAIN(tests)
