/* Unit: src/spans.c, of records that are broken: those that reach past their end are told by the drain, those that cannot be read by
 * the cursor; each is counted once, and the others come. */
#include "test_spans.h"

static struct weir__span_record *room_for(struct weir__local *local, uint32_t bytes)
{
	enum weir__ring_fault why;
	struct weir__span_record *r = weir__ring_take(local, bytes, &why);

	if (r == NULL)
		abort();
	return r;
}

ALONE(records_that_are_not_sound_are_counted)
{
	static const uint32_t too_long[][3] = {{60000, 0, 0}, {0, 60000, 0}, {0, 0, 1}, {0, 0, UINT32_MAX}, {65535, 65535, UINT32_MAX}};
	struct weir__local *local = weir__local_ready();
	uint32_t taker;

	configure(WEIR_MIB(1), QUEUE, BATCH);
	taker = join();
	for (size_t i = 0; i <= COUNT(too_long); i++) {
		struct weir__span_record *r = room_for(local, sizeof *r);

		memset(r, 0, sizeof *r);
		r->bytes = sizeof *r;
		r->type = i == COUNT(too_long) ? 77 : WEIR__RECORD_SPAN;
		if (i != COUNT(too_long)) {
			r->name_len = (uint16_t)too_long[i][0];
			r->tracestate_len = (uint16_t)too_long[i][1];
			r->entries_len = too_long[i][2];
		}
		weir__ring_commit(local, sizeof *r);
	}
	end_one(0);
	assert_int_equal(weir__spans_drain(), 1);
	assert_int_equal(status_now().dropped_spans_malformed, COUNT(too_long) + 1);
	assert_int_equal(weir__spans_pending(taker), 1);
}

/* What the cursor cannot read is not exported, and counted once, however often it is offered. */
ALONE(what_cannot_be_read_is_counted_once)
{
	struct weir__local *local = weir__local_ready();
	struct weir__span_record *r;
	struct weir_batch batch;
	struct weir_ended e;
	uint32_t one, two;
	uint32_t bytes = (uint32_t)sizeof *r + 16;

	configure(WEIR_MIB(1), QUEUE, BATCH);
	one = join();
	two = join();
	end_one(0);
	r = room_for(local, bytes);
	memset(r, 0xff, bytes);
	r->bytes = bytes;
	r->type = WEIR__RECORD_SPAN;
	r->state = WEIR__SPAN_OPEN;
	r->name_len = r->tracestate_len = 0;
	r->entries_len = 16;
	r->kept = 0;
	weir__ring_commit(local, bytes);
	end_one(1);
	assert_int_equal(weir__spans_drain(), 3);
	for (int turn = 0; turn < 4; turn++) {
		uint32_t taker = turn < 3 ? one : two;

		assert_true(weir__spans_take(taker, &batch));
		assert_int_equal(weir_batch_count(&batch), 3);
		for (int twice = 0; twice < 2; twice++) {
			weir_ended_begin(&e, &batch);
			assert_true(weir_ended_next(&e) && number_of(e.name) == 0);
			assert_true(weir_ended_next(&e) && number_of(e.name) == 1);
			assert_false(weir_ended_next(&e));
		}
		weir__spans_done(taker, &batch, turn < 2 ? WEIR__BATCH_AGAIN : WEIR__BATCH_TAKEN);
	}
	assert_int_equal(status_now().dropped_spans_malformed, 1);
	assert_int_equal(status_now().spans_exported, 2);
	assert_int_equal(status_now().spans_waiting, 0);
	assert_int_equal(status_now().dropped_spans, 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(records_that_are_not_sound_are_counted),
	cmocka_unit_test(what_cannot_be_read_is_counted_once),
};
ALONE_MAIN(tests)
