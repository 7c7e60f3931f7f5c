/* Unit: src/spans.c: what threads hand over comes out of the queue in order, to each taker; what is offered again is the same;
 * what finds no room, and what a taker lost, is counted once: ended is exported and waiting and dropped, to the unit. */
#include "test_spans.h"

#include "atomic.h"
#include "exemplar.h"
#include "tally.h"

static void end_many(uint64_t from, uint64_t count)
{
	for (uint64_t n = from; n < from + count; n++)
		end_one(n);
}

/* Takes all there is, and each is the next one. */
static uint64_t take_all(uint32_t taker, uint64_t from, enum weir__outcome outcome)
{
	struct weir_batch batch;
	struct weir_ended e;

	while (weir__spans_take(taker, &batch)) {
		size_t count = weir_batch_count(&batch);

		assert_true(count <= BATCH);
		weir_ended_begin(&e, &batch);
		while (weir_ended_next(&e)) {
			assert_int_equal(number_of(e.name), from++);
			count--;
		}
		assert_int_equal(count, 0);
		weir__spans_done(taker, &batch, outcome);
	}
	return from;
}

static void expect_sums(uint64_t offered, uint64_t exported, uint64_t waiting, uint64_t queue, uint64_t export)
{
	struct weir_status s = status_now();

	assert_int_equal(s.spans_exported, exported);
	assert_int_equal(s.spans_waiting, waiting);
	assert_int_equal(s.dropped_spans_queue, queue);
	assert_int_equal(s.dropped_spans_export, export);
	assert_int_equal(s.spans_exported + s.spans_waiting + s.dropped_spans, offered);
}

ALONE(without_a_taker_nothing_is_recorded)
{
	end_many(0, 10);
	assert_int_equal(weir__spans_drain(), 0);
	assert_int_equal(status_now().spans_ended, 0);
	assert_int_equal(status_now().dropped_spans, 0);
	assert_int_equal(weir__ring_bytes(), 0);
}

ALONE(in_order_batch_by_batch)
{
	uint32_t taker;

	configure(WEIR_MIB(1), QUEUE, BATCH);
	taker = join();
	end_many(0, 40);
	assert_int_equal(weir__spans_drain(), 40);
	assert_int_equal(weir__spans_drain(), 0);
	assert_int_equal(weir__spans_pending(taker), 40);
	expect_sums(40, 0, 40, 0, 0);
	assert_int_equal(take_all(taker, 0, WEIR__BATCH_TAKEN), 40);
	expect_sums(40, 40, 0, 0, 0);
	weir__spans_leave(taker);
}

ALONE(the_queue_goes_round)
{
	uint32_t taker;
	uint64_t number = 0, read = 0;

	configure(WEIR_MIB(1), 7, BATCH);
	taker = join();
	for (int round = 0; round < 500; round++) {
		end_many(number, (uint64_t)round % 8);
		number += (uint64_t)round % 8;
		weir__spans_drain();
		read = take_all(taker, read, WEIR__BATCH_TAKEN);
		assert_int_equal(read, number);
	}
	expect_sums(number, number, 0, 0, 0);
	assert_true(weir__ring_bytes() <= 4 * WEIR__CHUNK_BYTES); /* chunks go back */
}

ALONE(what_is_offered_again_is_the_same)
{
	struct weir_batch batch;
	struct weir_ended e;
	uint32_t taker;

	configure(WEIR_MIB(1), QUEUE, BATCH);
	taker = join();
	end_many(0, 20);
	weir__spans_drain();
	for (int again = 0; again < 3; again++) {
		assert_true(weir__spans_take(taker, &batch));
		assert_int_equal(weir_batch_count(&batch), BATCH);
		weir_ended_begin(&e, &batch);
		assert_true(weir_ended_next(&e));
		assert_int_equal(number_of(e.name), 0);
		weir__spans_done(taker, &batch, WEIR__BATCH_AGAIN);
		expect_sums(20, 0, 20, 0, 0);
	}
	assert_int_equal(take_all(taker, 0, WEIR__BATCH_TAKEN), 20);
	expect_sums(20, 20, 0, 0, 0);
}

ALONE(a_full_queue_drops_the_newest_and_counts)
{
	uint32_t taker;

	configure(WEIR_MIB(1), QUEUE, BATCH);
	taker = join();
	end_many(0, QUEUE + 30);
	weir__spans_drain();
	expect_sums(QUEUE + 30, 0, QUEUE, 30, 0);
	assert_int_equal(take_all(taker, 0, WEIR__BATCH_TAKEN), QUEUE);
	end_many(1000, 5);
	weir__spans_drain();
	assert_int_equal(take_all(taker, 1000, WEIR__BATCH_TAKEN), 1005);
	expect_sums(QUEUE + 35, QUEUE + 5, 0, 30, 0);
}

ALONE(a_dry_pool_drops_and_counts)
{
	uint32_t taker;
	struct weir_status s;

	configure(WEIR__CHUNK_BYTES, 100000, BATCH);
	taker = join();
	end_many(0, 1000);
	weir__spans_drain();
	s = status_now();
	assert_true(s.dropped_spans_pool > 0);
	assert_int_equal(s.dropped_spans_pool, s.dropped_spans);
	assert_int_equal(s.spans_ended + s.dropped_spans, 1000);
	assert_int_equal(take_all(taker, 0, WEIR__BATCH_TAKEN), s.spans_ended);
}

ALONE(two_takers_at_their_own_pace)
{
	uint32_t quick, slow, late;

	configure(WEIR_MIB(1), QUEUE, BATCH);
	quick = join();
	slow = join();
	end_many(0, 30);
	weir__spans_drain();
	assert_int_equal(take_all(quick, 0, WEIR__BATCH_TAKEN), 30);
	expect_sums(30, 0, 30, 0, 0); /* exported: by every one */
	late = join();
	end_many(30, 10);
	weir__spans_drain();
	assert_int_equal(weir__spans_pending(late), 10);
	assert_int_equal(take_all(slow, 0, WEIR__BATCH_TAKEN), 40);
	expect_sums(40, 30, 10, 0, 0);
	assert_int_equal(take_all(late, 30, WEIR__BATCH_TAKEN), 40);
	assert_int_equal(take_all(quick, 30, WEIR__BATCH_TAKEN), 40);
	expect_sums(40, 40, 0, 0, 0);
}

ALONE(what_is_lost_is_counted_once)
{
	uint32_t one, two;

	configure(WEIR_MIB(1), QUEUE, BATCH);
	one = join();
	two = join();
	end_many(0, 20);
	weir__spans_drain();
	assert_int_equal(take_all(one, 0, WEIR__BATCH_LOST), 20);
	expect_sums(20, 0, 0, 0, 20); /* seen at once, though the other one has yet to take them */
	assert_int_equal(take_all(two, 0, WEIR__BATCH_LOST), 20);
	expect_sums(20, 0, 0, 0, 20);
	end_many(20, 10);
	weir__spans_drain();
	assert_int_equal(take_all(one, 20, WEIR__BATCH_TAKEN), 30);
	assert_int_equal(take_all(two, 20, WEIR__BATCH_TAKEN), 30);
	expect_sums(30, 10, 0, 0, 20);
}

ALONE(who_leaves_holds_up_nobody)
{
	struct weir_batch batch;
	uint32_t one, two;

	configure(WEIR_MIB(1), QUEUE, BATCH);
	one = join();
	two = join();
	end_many(0, 40);
	weir__spans_drain();
	assert_int_equal(take_all(one, 0, WEIR__BATCH_TAKEN), 40);
	weir__spans_leave(two); /* what the other one has taken is exported */
	expect_sums(40, 40, 0, 0, 0);
	end_many(40, 20);
	weir__spans_drain();
	assert_true(weir__spans_take(one, &batch));
	weir__spans_done(one, &batch, WEIR__BATCH_TAKEN);
	weir__spans_leave(one); /* what nobody will take is dropped, and counted */
	expect_sums(60, 40 + BATCH, 0, 0, 20 - BATCH);
	end_many(60, 5); /* not wanted */
	weir__spans_drain();
	expect_sums(60, 40 + BATCH, 0, 0, 20 - BATCH);
	one = join();
	end_many(100, 5);
	weir__spans_drain();
	assert_int_equal(take_all(one, 100, WEIR__BATCH_TAKEN), 105);
	expect_sums(65, 45 + BATCH, 0, 0, 20 - BATCH);
}

ALONE(there_are_so_many_takers)
{
	uint32_t taker;

	for (int i = 0; i < 64; i++)
		join();
	assert_int_equal(weir__spans_join(&taker), WEIR_ELIMIT);
	weir__spans_leave(5);
	assert_int_equal(join(), 5);
}

/* A drain takes what was there when it began, whatever it is: a flush would otherwise leave spans behind. */
ALONE(spans_behind_a_heap_of_others)
{
	struct weir_ctx ctx;
	struct weir__ctx *c;
	uint8_t id[8] = {1};
	uint32_t taker;

	configure(WEIR_MIB(16), QUEUE, BATCH);
	taker = join();
	weir_ctx_begin(&ctx, NULL, 0);
	c = weir__ctx_of(&ctx);
	weir_ctx_ids(&ctx);
	end_one(0);
	for (int i = 0; i < 60000; i++)
		weir__exemplar_push(c, id, 5, 1, 7);
	end_one(1);
	assert_int_equal(weir__spans_drain(), 2);
	assert_int_equal(take_all(taker, 0, WEIR__BATCH_TAKEN), 2);
	assert_int_equal(status_now().exemplars_dropped, 0);
}

/* ---- fork ---- */

static uint32_t forks_taker, forks_gone;
static struct weir_batch forks_batch;
static struct weir_span forks_span;
static struct weir_ctx forks_ctx;

static void a_childs_queue(void)
{
	struct weir_ended e;
	uint64_t ended;

	/* a batch in its hands was its parent's: it reads as nothing much, and moves nothing */
	weir_ended_begin(&e, &forks_batch);
	while (weir_ended_next(&e))
		assert_true(e.name.len == 0 || number_of(e.name) < 20);
	weir_span_end(&forks_span); /* begun before: counted, and no harm */
	assert_int_equal(status_now().dropped_spans_pool, 1);
	assert_int_equal(weir__spans_drain(), 0);
	end_one(0); /* not wanted */
	assert_int_equal(weir__spans_waiting(), 0);
	weir__spans_retain(UINT64_C(1) << forks_taker); /* the other one was on its way */
	assert_int_equal(weir__spans_reopen(), WEIR_OK);
	weir__spans_done(forks_taker, &forks_batch, WEIR__BATCH_TAKEN);
	assert_int_equal(weir__spans_pending(forks_taker), 0);
	end_many(0, 3 * QUEUE);
	weir__spans_drain();
	assert_int_equal(take_all(forks_taker, 0, WEIR__BATCH_TAKEN), QUEUE);
	ended = status_now().spans_ended;
	assert_int_equal(ended, 3 * QUEUE);
	expect_sums(3 * QUEUE + 1, QUEUE, 0, 2 * QUEUE, 0);
	assert_int_not_equal(forks_gone, forks_taker);
}

ALONE(a_child_begins_empty)
{
	configure(WEIR_MIB(1), QUEUE, BATCH);
	forks_taker = join();
	forks_gone = join();
	weir_ctx_begin(&forks_ctx, NULL, 0);
	weir_span_begin(&forks_span, &forks_ctx, WEIR_INTERNAL, "before");
	end_many(0, 20);
	weir__spans_drain();
	assert_true(weir__spans_take(forks_taker, &forks_batch));
	in_child(a_childs_queue);
	weir__spans_done(forks_taker, &forks_batch, WEIR__BATCH_TAKEN);
	assert_int_equal(take_all(forks_taker, BATCH, WEIR__BATCH_TAKEN), 20);
	assert_int_equal(take_all(forks_gone, 0, WEIR__BATCH_TAKEN), 20);
	expect_sums(20, 20, 0, 0, 0);
}

/* ---- all at once ---- */

enum { ENDERS = 3, EACH = SANITIZED ? 20000 : 100000 };
static uint32_t ending;

static void *end_all(void *arg)
{
	(void)arg;
	end_many(0, EACH);
	__atomic_fetch_sub(&ending, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *drain_all(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&ending, __ATOMIC_ACQUIRE) != 0)
		weir__spans_drain();
	return NULL;
}

static void *come_and_go(void *arg)
{
	struct weir_batch batch;

	(void)arg;
	while (__atomic_load_n(&ending, __ATOMIC_ACQUIRE) != 0) {
		uint32_t taker = join();

		for (int i = 0; i < 20; i++)
			if (weir__spans_take(taker, &batch)) {
				struct weir_ended e;

				weir_ended_begin(&e, &batch);
				while (weir_ended_next(&e))
					assert_true(number_of(e.name) < EACH);
				weir__spans_done(taker, &batch, i % 3 == 0 ? WEIR__BATCH_AGAIN : WEIR__BATCH_TAKEN);
			}
		weir__spans_leave(taker);
	}
	return NULL;
}

ALONE(ended_drained_and_taken_at_once)
{
	pthread_t threads[ENDERS + 3];
	struct weir_status s;
	struct weir_batch batch;
	struct weir_ended e;
	uint32_t taker, n = 0;
	uint64_t taken = 0;

	configure(WEIR_MIB(1), 500, 64);
	taker = join();
	ending = ENDERS;
	for (int i = 0; i < ENDERS; i++)
		threads[n++] = begin_thread(end_all, NULL);
	threads[n++] = begin_thread(drain_all, NULL);
	threads[n++] = begin_thread(drain_all, NULL);
	threads[n++] = begin_thread(come_and_go, NULL);
	for (bool last = false;;) {
		if (last)
			weir__spans_drain();
		while (weir__spans_take(taker, &batch)) {
			weir_ended_begin(&e, &batch);
			while (weir_ended_next(&e)) {
				assert_true(number_of(e.name) < EACH);
				taken++;
			}
			weir__spans_done(taker, &batch, WEIR__BATCH_TAKEN);
		}
		if (last)
			break;
		last = __atomic_load_n(&ending, __ATOMIC_ACQUIRE) == 0;
		if (last)
			for (uint32_t i = 0; i < n; i++)
				end_thread(threads[i]);
	}
	s = status_now();
	assert_int_equal(s.spans_exported, taken);
	assert_int_equal(s.spans_waiting, 0);
	assert_int_equal(taken + s.dropped_spans, (uint64_t)ENDERS * EACH);
	assert_int_equal(s.dropped_spans, s.dropped_spans_pool + s.dropped_spans_queue);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(without_a_taker_nothing_is_recorded),
	cmocka_unit_test(in_order_batch_by_batch),
	cmocka_unit_test(the_queue_goes_round),
	cmocka_unit_test(what_is_offered_again_is_the_same),
	cmocka_unit_test(a_full_queue_drops_the_newest_and_counts),
	cmocka_unit_test(a_dry_pool_drops_and_counts),
	cmocka_unit_test(two_takers_at_their_own_pace),
	cmocka_unit_test(what_is_lost_is_counted_once),
	cmocka_unit_test(who_leaves_holds_up_nobody),
	cmocka_unit_test(there_are_so_many_takers),
	cmocka_unit_test(spans_behind_a_heap_of_others),
	cmocka_unit_test(a_child_begins_empty),
	cmocka_unit_test(ended_drained_and_taken_at_once),
};
ALONE_MAIN(tests)
