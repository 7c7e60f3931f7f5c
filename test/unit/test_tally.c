/* Unit: src/tally.c: each is counted by itself, from any thread, and begins at zero where it is told to. */
#define _GNU_SOURCE
#include "tally.h"

#include "alone.h"

static void *add(void *arg)
{
	for (int i = 0; i < 10000; i++)
		weir__tally(WEIR__ENDED_TWICE, 1);
	return arg;
}

ALONE(each_is_counted_by_itself)
{
	for (int i = 0; i < WEIR__TALLIES; i++)
		weir__tally((enum weir__tally)i, (uint64_t)i + 1);
	for (int i = 0; i < WEIR__TALLIES; i++)
		assert_int_equal(weir__tallied((enum weir__tally)i), i + 1);
	weir__tally(WEIR__UNTIMED, 0);
	assert_int_equal(weir__tallied(WEIR__UNTIMED), WEIR__UNTIMED + 1);
	weir__tally_restart();
	for (int i = 0; i < WEIR__TALLIES; i++)
		assert_int_equal(weir__tallied((enum weir__tally)i), 0);
}

ALONE(none_is_lost_among_threads)
{
	in_threads(4, add, NULL);
	assert_int_equal(weir__tallied(WEIR__ENDED_TWICE), 40000);
}

/* What the status says is what was counted, each in its place. */
ALONE(the_status_tells_each)
{
	struct weir_status s;

	for (int i = 0; i < WEIR__TALLIES; i++)
		if (i != WEIR__SPANS_LATE)
			weir__tally((enum weir__tally)i, UINT64_C(1) << i);
	s = status_now();
#define IS(field, which) assert_int_equal(s.field, UINT64_C(1) << (which))
	IS(spans_ended, WEIR__SPANS_ENDED);
	IS(spans_exported, WEIR__SPANS_EXPORTED);
	IS(dropped_spans_pool, WEIR__SPANS_POOL);
	IS(dropped_spans_queue, WEIR__SPANS_QUEUE);
	IS(dropped_spans_export, WEIR__SPANS_EXPORT);
	IS(dropped_spans_malformed, WEIR__SPANS_MALFORMED);
	IS(dropped_spans_reentry, WEIR__SPANS_REENTRY);
	IS(kept_spans, WEIR__SPANS_KEPT);
	IS(evicted_spans, WEIR__SPANS_EVICTED);
	IS(headers_malformed, WEIR__HEADERS_MALFORMED);
	IS(baggage_dropped, WEIR__BAGGAGE_DROPPED);
	IS(detached_out_of_order, WEIR__DETACHED_OUT_OF_ORDER);
	IS(ended_twice, WEIR__ENDED_TWICE);
	IS(untimed, WEIR__UNTIMED);
	IS(exemplars_dropped, WEIR__EXEMPLARS_DROPPED);
	IS(routes_dropped, WEIR__ROUTES_DROPPED);
	IS(tags_dropped, WEIR__TAGS_DROPPED);
#undef IS
	assert_int_equal(s.dropped_spans, s.dropped_spans_pool + s.dropped_spans_queue + s.dropped_spans_export +
	                                          s.dropped_spans_malformed + s.dropped_spans_reentry);
	weir__tally(WEIR__SPANS_LATE, 1); /* taken, and then lost */
	assert_int_equal(status_now().spans_exported, s.spans_exported - 1);
	assert_int_equal(status_now().dropped_spans_export, s.dropped_spans_export + 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_is_counted_by_itself),
	cmocka_unit_test(none_is_lost_among_threads),
	cmocka_unit_test(the_status_tells_each),
};
ALONE_MAIN(tests)
