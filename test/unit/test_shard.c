/* Unit: src/shard.c: who has which table of blocks: leases, what a dead thread leaves, what stays null. */
#define _GNU_SOURCE
#include "shard.h"
#include "port.h"
#include "registry.h"

#include <weir/snapshot.h>

#include "alone.h"

static void enter(struct weir__guard *guard)
{
	assert_true(weir__enter(guard));
}

static uint64_t *const *attach(void)
{
	struct weir__guard guard;

	enter(&guard);
	assert_true(weir__shard_attach());
	weir__leave(&guard);
	return weir_tls_v1;
}

static uint64_t *block(uint32_t number, bool levels)
{
	struct weir__guard guard;
	uint64_t *cells;

	enter(&guard);
	cells = weir__shard_block(number, levels);
	weir__leave(&guard);
	return cells;
}

ALONE(a_thread_begins_at_nulls_and_attaches_once)
{
	uint64_t *const *table;

	assert_ptr_equal(weir_tls_v1, weir__shard_nulls());
	assert_int_equal(weir__shards_count(), 0);
	errno = EDOM;
	table = attach();
	assert_int_equal(errno, EDOM);
	assert_ptr_not_equal(table, weir__shard_nulls());
	for (uint32_t i = 0; i < WEIR__BLOCKS_MAX; i++)
		assert_null(table[i]);
	assert_ptr_equal(attach(), table);
	assert_int_equal(weir__shards_count(), 1);
	assert_true(weir__shards_bytes() >= 4096);
}

ALONE(block_zero_is_never_there)
{
	assert_null(block(0, false));
	assert_null(block(0, true));
	assert_null(block(WEIR__BLOCKS_MAX, false));
	assert_null(block(UINT32_MAX, false));
	for (uint32_t i = 1; i < 40; i++)
		assert_non_null(block(i, i % 3 == 0));
	assert_non_null(block(WEIR__BLOCKS_MAX - 1, false));
	assert_null(weir_tls_v1[0]);
	for (uint32_t i = 0; i < WEIR__BLOCKS_MAX; i++)
		assert_null(weir__shard_nulls()[i]);
}

ALONE(a_block_is_opened_once_and_zeroed)
{
	uint64_t *first = block(5, false), *other = block(6, false), *level = block(7, true);

	assert_ptr_equal(block(5, false), first);
	assert_ptr_equal(weir_tls_v1[5], first);
	assert_ptr_not_equal(first, other);
	for (int i = 0; i < WEIR__BLOCK_CELLS; i++)
		assert_int_equal(first[i] | other[i] | level[i], 0);
	assert_ptr_equal(weir__shard_peek(0, 5), first);
	assert_null(weir__shard_peek(0, 8));
	assert_ptr_equal(weir__level_peek(7), level);
	assert_null(weir__level_peek(5));
}

static struct {
	uint64_t *const *table;
	uint64_t *cells, *levels;
	int ready, go;
} thread_seen[2];

static void *open_both(void *arg)
{
	int me = *(int *)arg;

	thread_seen[me].cells = block(1, false);
	thread_seen[me].levels = block(2, true);
	thread_seen[me].table = weir_tls_v1;
	__atomic_store_n(&thread_seen[me].ready, 1, __ATOMIC_RELEASE);
	WITHIN_MS(20000, __atomic_load_n(&thread_seen[me].go, __ATOMIC_ACQUIRE) != 0);
	return NULL;
}

static pthread_t stay(int *me)
{
	pthread_t thread = begin_thread(open_both, me);

	WITHIN_MS(5000, __atomic_load_n(&thread_seen[*me].ready, __ATOMIC_ACQUIRE) != 0);
	return thread;
}

static void let_go(int me, pthread_t thread)
{
	__atomic_store_n(&thread_seen[me].go, 1, __ATOMIC_RELEASE);
	end_thread(thread);
}

ALONE(cells_are_each_threads_own_and_levels_are_all_threads)
{
	int zero = 0, one = 1;
	pthread_t a = stay(&zero), b = stay(&one);

	assert_ptr_not_equal(thread_seen[0].table, thread_seen[1].table);
	assert_ptr_not_equal(thread_seen[0].cells, thread_seen[1].cells);
	assert_ptr_equal(thread_seen[0].levels, thread_seen[1].levels);
	assert_int_equal(weir__shards_count(), 2);
	let_go(0, a);
	let_go(1, b);
}

struct visit {
	uint64_t *const *table;
	uint64_t *cells, before;
	int tid;
};

static void *add_five(void *arg)
{
	struct visit *v = arg;

	v->tid = weir__tid();
	v->cells = block(1, false);
	v->table = weir_tls_v1;
	v->before = v->cells[9];
	weir_cell_bump_(&v->cells[9], 5);
	return NULL;
}

static void visit(struct visit *v)
{
	in_thread(add_five, v);
	WITHIN_MS(5000, weir__thread_is_gone(v->tid)); /* join returns a little before the kernel says so */
}

ALONE(a_dead_threads_shard_goes_on_with_the_next)
{
	struct visit v[50];

	for (size_t i = 0; i < COUNT(v); i++) {
		visit(&v[i]);
		assert_ptr_equal(v[i].table, v[0].table);
		assert_ptr_equal(v[i].cells, v[0].cells);
		assert_int_equal(v[i].before, 5 * i);
	}
	assert_int_equal(weir__shards_count(), 1);
	assert_int_equal(v[0].cells[9], 5 * COUNT(v));
}

ALONE(a_live_threads_shard_is_never_taken)
{
	struct weir__guard guard;
	int zero = 0, one = 1;
	pthread_t a = stay(&zero), b = stay(&one);
	uint64_t *const *mine = attach();
	struct visit v[30];

	for (size_t i = 0; i < COUNT(v); i++) {
		enter(&guard);
		weir__shards_reap(100); /* finds no more than the dead */
		weir__leave(&guard);
		visit(&v[i]);
		assert_ptr_not_equal(v[i].table, mine);
		assert_ptr_not_equal(v[i].table, thread_seen[0].table);
		assert_ptr_not_equal(v[i].table, thread_seen[1].table);
	}
	assert_int_equal(weir__shards_count(), 4);
	let_go(0, a);
	let_go(1, b);
}

/* Attach looks at a few only: past them it is the tick that sets dead ones free, so that the next find them by any. */
enum { CROWD = 24 };
static struct visit crowd[2 * CROWD];
static unsigned crowd_in, crowd_leave;
static void *stand_in_crowd(void *arg)
{
	unsigned me = __atomic_fetch_add(&crowd_in, 1, __ATOMIC_ACQ_REL);

	(void)arg;
	add_five(&crowd[me]);
	__atomic_fetch_add(&crowd_leave, 1, __ATOMIC_ACQ_REL);
	WITHIN_MS(20000, __atomic_load_n(&crowd_leave, __ATOMIC_ACQUIRE) >= (me < CROWD ? CROWD : 2 * CROWD));
	return NULL;
}

ALONE(a_second_crowd_takes_the_shards_of_the_first)
{
	struct weir__guard guard;
	uint64_t sum = 0;

	in_threads(CROWD, stand_in_crowd, NULL);
	assert_int_equal(weir__shards_count(), CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		WITHIN_MS(5000, weir__thread_is_gone(crowd[i].tid));
	enter(&guard);
	weir__shards_reap(2 * CROWD);
	weir__leave(&guard);
	in_threads(CROWD, stand_in_crowd, NULL);
	assert_int_equal(weir__shards_count(), CROWD);
	for (unsigned i = 0; i < CROWD; i++) {
		unsigned heirs = 0;

		for (unsigned j = CROWD; j < 2 * CROWD; j++)
			heirs += crowd[j].table == crowd[i].table;
		assert_int_equal(heirs, 1);
		sum += crowd[i].cells[9];
	}
	assert_int_equal(sum, 5 * 2 * CROWD);
}

WEIR_COUNTER(churned, "shard_churned_total", "Counted by threads that come and go.");
WEIR_HISTOGRAM(timed, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(10, 20)), "shard_timed", "Recorded by them.");
static uint64_t offered, churning = 1;

static void *count_and_end(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 200; i++) {
		__atomic_fetch_add(&offered, 3, __ATOMIC_SEQ_CST);
		weir_counter_add(&churned, 3);
		weir_histogram_record(&timed, i % 30);
	}
	return NULL;
}

static void *churn(void *arg)
{
	(void)arg;
	for (int i = 0; i < 150; i++)
		in_thread(count_and_end, NULL);
	__atomic_fetch_sub(&churning, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

ALONE(snapshots_among_births_and_deaths_never_go_back)
{
	uint64_t last = 0, last_count = 0, snapshots = 0;
	pthread_t a, b;

	churning = 2;
	a = begin_thread(churn, NULL);
	b = begin_thread(churn, NULL);
	for (bool more = true; more; snapshots++) {
		struct weir_snapshot *snapshot;
		struct weir_series s;
		uint64_t sum = 0;

		more = __atomic_load_n(&churning, __ATOMIC_SEQ_CST) != 0;
		assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
		assert_true(weir_snapshot_find(snapshot, "shard_churned_total", NULL, 0, &s));
		assert_true(s.count >= last && s.count <= __atomic_load_n(&offered, __ATOMIC_SEQ_CST));
		last = s.count;
		assert_true(weir_snapshot_find(snapshot, "shard_timed", NULL, 0, &s));
		assert_true(s.count >= last_count);
		last_count = s.count;
		for (size_t bucket = 0; bucket < s.buckets_count; bucket++)
			sum += s.buckets[bucket];
		assert_int_equal(sum, s.count);
		weir_snapshot_destroy(snapshot);
	}
	end_thread(a);
	end_thread(b);
	assert_true(snapshots > 1);
	assert_int_equal(last, 2 * 150 * 200 * 3);
	assert_int_equal(last_count, 2 * 150 * 200);
	assert_int_equal(weir_counter_read(&churned), offered);
	assert_in_range(weir__shards_count(), 1, 16); /* 300 threads, two at once */
}

static uint64_t *const *parents_table;
static void child_keeps_its_table_emptied(void)
{
	assert_ptr_equal(weir_tls_v1, parents_table);
	for (uint32_t i = 0; i < WEIR__BLOCKS_MAX; i++)
		assert_null(weir_tls_v1[i]); /* before anything has put it in order: fork wiped it */
	assert_non_null(block(1, false));
	assert_int_equal(weir__shards_count(), 1);
	assert_int_equal(weir_tls_v1[1][9], 0);
	assert_null(weir__level_peek(2));
	assert_null(weir__shard_peek(0, 3));
}

static void child_of_a_stranger(void)
{
	struct weir__guard guard;

	enter(&guard);
	weir__leave(&guard);
	assert_int_equal(weir__shards_count(), 0);
	assert_ptr_equal(weir_tls_v1, weir__shard_nulls());
	attach();
	assert_int_equal(weir__shards_count(), 1);
}

ALONE(a_forked_child_has_its_own_table_only)
{
	int zero = 0;
	pthread_t other;

	if (!weir__can_wipe())
		alone_skip("this system does not wipe memory on fork");
	other = stay(&zero);
	in_child(child_of_a_stranger); /* main has not recorded yet */
	parents_table = attach();
	block(1, false)[9] = 77;
	block(3, false);
	in_child(child_keeps_its_table_emptied);
	assert_int_equal(weir_tls_v1[1][9], 77);
	assert_int_equal(weir__shards_count(), 2);
	let_go(0, other);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_thread_begins_at_nulls_and_attaches_once),
	cmocka_unit_test(block_zero_is_never_there),
	cmocka_unit_test(a_block_is_opened_once_and_zeroed),
	cmocka_unit_test(cells_are_each_threads_own_and_levels_are_all_threads),
	cmocka_unit_test(a_dead_threads_shard_goes_on_with_the_next),
	cmocka_unit_test(a_live_threads_shard_is_never_taken),
	cmocka_unit_test(a_second_crowd_takes_the_shards_of_the_first),
	cmocka_unit_test(snapshots_among_births_and_deaths_never_go_back),
	cmocka_unit_test(a_forked_child_has_its_own_table_only),
};
ALONE_MAIN(tests)
