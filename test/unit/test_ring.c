/* Unit: src/ring.c: records come out in their order, whole and once; chunks go round, one hand at a time; what finds no room is
 * told; a forked child has an empty pool, and what was half written there is nobody's. */
#define _GNU_SOURCE
#include "atomic.h"
#include "port.h"
#include "ring.h"

#include <weir/base.h>

#include "alone.h"

struct entry {
	struct weir__record head;
	uint64_t writer, number, fill[5];
};
enum { WRITERS = 4, PER_WRITER = SANITIZED ? 60000 : 400000, PER_CHUNK = WEIR__RECORD_MAX / sizeof(struct entry) };

static bool put(struct weir__local *local, uint64_t writer, uint64_t number)
{
	enum weir__ring_fault why = WEIR__RING_OK;
	struct entry *e = weir__ring_take(local, sizeof *e, &why);

	if (e == NULL) {
		assert_int_equal(why, WEIR__RING_DRY);
		return false;
	}
	*e = (struct entry){{sizeof *e, WEIR__RECORD_SPAN, 0}, writer, number, {number, number, number, number, number}};
	assert_true(weir__ring_commit(local, sizeof *e));
	return true;
}

/* The next one, whose chunk goes back at once where it was passed and nothing is kept. */
static const struct entry *next_of(struct weir__local *local)
{
	struct weir__chunk *chunk, *passed;
	const struct entry *e = (const struct entry *)(const void *)weir__ring_next(local, &chunk, &passed);

	if (passed != NULL)
		weir__ring_give_back(passed);
	if (e != NULL)
		for (int i = 0; i < 5; i++)
			assert_int_equal(e->fill[i], e->number);
	return e;
}

ALONE(closed_until_it_is_opened)
{
	struct weir__local local = {0};
	enum weir__ring_fault why = WEIR__RING_OK;

	assert_false(weir__ring_is_open());
	assert_null(weir__ring_take(&local, 64, &why));
	assert_int_equal(why, WEIR__RING_CLOSED);
	assert_int_equal(local.busy, 0);
	assert_true(weir__ring_open(1));
	assert_true(weir__ring_open(WEIR_MIB(1))); /* changes nothing */
	assert_int_equal(weir__ring_bytes(), 0);
	assert_true(put(&local, 0, 1));
	assert_int_equal(weir__ring_bytes(), WEIR__CHUNK_BYTES);
	assert_int_equal(next_of(&local)->number, 1);
	assert_null(next_of(&local));
}

ALONE(more_than_can_be_counted_is_refused)
{
	assert_false(weir__ring_open(UINT64_C(1) << 60));
	assert_false(weir__ring_is_open());
	assert_true(weir__ring_open(WEIR__CHUNK_BYTES));
}

ALONE(in_order_over_many_chunks)
{
	struct weir__local local = {0};
	uint64_t read = 0, written = 0;

	assert_true(weir__ring_open(3 * WEIR__CHUNK_BYTES));
	for (int round = 0; round < 200; round++) {
		for (uint64_t n = (uint64_t)round * 7 % (2 * PER_CHUNK); n > 0; n--)
			assert_true(put(&local, 0, written++));
		for (const struct entry *e; (e = next_of(&local)) != NULL;)
			assert_int_equal(e->number, read++);
		assert_int_equal(read, written);
	}
	assert_true(weir__ring_bytes() <= 3 * WEIR__CHUNK_BYTES);
}

ALONE(a_dry_pool_says_so_and_comes_back)
{
	struct weir__local local = {0}, other = {0};
	uint64_t written = 0, read = 0;

	assert_true(weir__ring_open(2 * WEIR__CHUNK_BYTES));
	while (put(&local, 0, written))
		written++;
	assert_int_equal(written, 2 * PER_CHUNK);
	assert_false(put(&other, 1, 0));
	assert_int_equal(local.busy, 0);
	for (const struct entry *e; (e = next_of(&local)) != NULL;)
		assert_int_equal(e->number, read++);
	assert_int_equal(read, written);
	assert_true(put(&other, 1, 5)); /* the first chunk; the second is still being filled */
	assert_int_equal(next_of(&other)->number, 5);
	assert_false(put(&local, 0, written));
}

ALONE(one_within_another_is_busy)
{
	struct weir__local local = {0};
	enum weir__ring_fault why = WEIR__RING_OK;
	struct entry *e;

	assert_true(weir__ring_open(2 * WEIR__CHUNK_BYTES));
	e = weir__ring_take(&local, sizeof *e, &why);
	assert_non_null(e);
	assert_null(weir__ring_take(&local, sizeof *e, &why));
	assert_int_equal(why, WEIR__RING_BUSY);
	assert_null(next_of(&local));
	*e = (struct entry){{sizeof *e, WEIR__RECORD_SPAN, 0}, 0, 1, {1, 1, 1, 1, 1}};
	assert_true(weir__ring_commit(&local, sizeof *e));
	assert_int_equal(next_of(&local)->number, 1);
	assert_true(put(&local, 0, 2));
}

ALONE(the_largest_record_fills_a_chunk)
{
	struct weir__local local = {0};
	enum weir__ring_fault why = WEIR__RING_OK;
	struct weir__chunk *chunk, *passed;
	struct weir__record *r;

	assert_true(weir__ring_open(3 * WEIR__CHUNK_BYTES));
	for (int i = 0; i < 3; i++) {
		r = weir__ring_take(&local, WEIR__RECORD_MAX, &why);
		assert_non_null(r);
		memset(r, 'x', WEIR__RECORD_MAX);
		*r = (struct weir__record){WEIR__RECORD_MAX, (uint16_t)(i + 1), 0};
		assert_true(weir__ring_commit(&local, WEIR__RECORD_MAX));
	}
	for (int i = 0; i < 3; i++) {
		const struct weir__record *got = weir__ring_next(&local, &chunk, &passed);

		assert_non_null(got);
		assert_int_equal(got->type, i + 1);
		assert_true((passed != NULL) == (i != 0));
	}
	assert_null(weir__ring_next(&local, &chunk, &passed));
	assert_null(passed);
}

/* ---- many threads, few chunks ---- */

static struct weir__local locals[WRITERS];
static uint64_t put_by[WRITERS], dropped_by[WRITERS];
static uint32_t writing;

static void *write_all(void *arg)
{
	uintptr_t me = (uintptr_t)arg;

	for (uint64_t n = 0; n < PER_WRITER; n++) {
		if (put(&locals[me], me, n)) {
			put_by[me]++;
		} else {
			dropped_by[me]++;
			if (n % 64 == 0)
				usleep(1);
		}
	}
	__atomic_fetch_sub(&writing, 1, __ATOMIC_RELEASE);
	return NULL;
}

ALONE(chunks_go_round_among_threads)
{
	uint64_t got[WRITERS] = {0}, after[WRITERS] = {0};
	pthread_t threads[WRITERS];
	bool last = false;

	assert_true(weir__ring_open(2 * WRITERS * WEIR__CHUNK_BYTES));
	writing = WRITERS;
	for (uintptr_t i = 0; i < WRITERS; i++)
		threads[i] = begin_thread(write_all, (void *)i);
	for (;;) {
		bool any = false;

		for (uint64_t i = 0; i < WRITERS; i++)
			for (const struct entry *e; (e = next_of(&locals[i])) != NULL; any = true) {
				assert_int_equal(e->writer, i); /* nobody else's chunk */
				assert_true(e->number >= after[i]);
				after[i] = e->number + 1;
				got[i]++;
			}
		if (last && !any)
			break;
		last = __atomic_load_n(&writing, __ATOMIC_ACQUIRE) == 0;
	}
	for (int i = 0; i < WRITERS; i++) {
		end_thread(threads[i]);
		assert_int_equal(got[i], put_by[i]);
		assert_int_equal(put_by[i] + dropped_by[i], PER_WRITER);
	}
	assert_true(weir__ring_bytes() <= 2 * WRITERS * WEIR__CHUNK_BYTES);
}

/* The next thread fills on where the former one left off, in the same chunk. */
static void *write_some(void *arg)
{
	uint64_t *number = arg;

	for (int i = 0; i < 10; i++)
		assert_true(put(&locals[0], 0, (*number)++));
	return NULL;
}

ALONE(a_successor_fills_on)
{
	uint64_t number = 0, read = 0;

	assert_true(weir__ring_open(2 * WEIR__CHUNK_BYTES));
	for (int i = 0; i < 5; i++)
		in_thread(write_some, &number);
	for (const struct entry *e; (e = next_of(&locals[0])) != NULL;)
		assert_int_equal(e->number, read++);
	assert_int_equal(read, 50);
	assert_int_equal(weir__ring_bytes(), WEIR__CHUNK_BYTES);
}

/* ---- fork ---- */

static struct weir__local *forked; /* wiped by fork, as a thread's own is */
static void *half_written;

static void what_is_half_written_is_nobodys(void)
{
	weir__ring_forget();
	memset(forked, 0, sizeof *forked); /* where the system cannot wipe */
	memset(half_written, 'x', sizeof(struct entry)); /* its place is still there */
	assert_false(weir__ring_commit(forked, sizeof(struct entry)));
	assert_null(next_of(forked));
	assert_false(weir__ring_is_open());
	assert_true(weir__ring_open(WEIR_MIB(1)));
	assert_int_equal(weir__ring_bytes(), 0);
	for (uint64_t n = 0; n < 3 * PER_CHUNK; n++) {
		assert_true(put(forked, 0, n));
		assert_int_equal(next_of(forked)->number, n);
	}
}

ALONE(a_fork_amid_a_record)
{
	enum weir__ring_fault why = WEIR__RING_OK;

	forked = weir__map(sizeof *forked, true, true);
	assert_non_null(forked);
	assert_true(weir__ring_open(4 * WEIR__CHUNK_BYTES));
	assert_true(put(forked, 0, 1));
	half_written = weir__ring_take(forked, sizeof(struct entry), &why);
	assert_non_null(half_written);
	in_child(what_is_half_written_is_nobodys);
	*(struct entry *)half_written = (struct entry){{sizeof(struct entry), WEIR__RECORD_SPAN, 0}, 0, 2, {2, 2, 2, 2, 2}};
	assert_true(weir__ring_commit(forked, sizeof(struct entry)));
	assert_int_equal(next_of(forked)->number, 1);
	assert_int_equal(next_of(forked)->number, 2);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(closed_until_it_is_opened),
	cmocka_unit_test(more_than_can_be_counted_is_refused),
	cmocka_unit_test(in_order_over_many_chunks),
	cmocka_unit_test(a_dry_pool_says_so_and_comes_back),
	cmocka_unit_test(one_within_another_is_busy),
	cmocka_unit_test(the_largest_record_fills_a_chunk),
	cmocka_unit_test(chunks_go_round_among_threads),
	cmocka_unit_test(a_successor_fills_on),
	cmocka_unit_test(a_fork_amid_a_record),
};
ALONE_MAIN(tests)
