/* Unit: src/lifecycle.c: attaching a thread, and what a forked child begins with. */
#include "test_lifecycle.h"

/* ---- attaching ---- */

static void *attached(void *arg)
{
	uint64_t segment;

	(void)arg;
	errno = EDOM;
	assert_int_equal(weir_thread_attach(), WEIR_OK);
	assert_int_equal(errno, EDOM);
	for (uint32_t block = 1; block < weir__blocks_count(); block++)
		assert_non_null(weir_tls_v1[block]);
	assert_null(weir_tls_v1[0]);
	segment = status_now().segment_bytes;
	weir_counter_add(&counter, 1);
	weir_gauge_set(&gauge, 1);
	weir_histogram_record(&histogram, 1);
	weir_counter_add_with(&counters, 1, "known");
	assert_int_equal(status_now().segment_bytes, segment); /* there was nothing left to open */
	assert_int_equal(weir_thread_attach(), WEIR_OK);
	return NULL;
}

ALONE(attaching_opens_all_that_is_there)
{
	weir_counter_with(&counters, "known");
	attached(NULL);
	in_thread(attached, NULL);
	assert_int_equal(weir_counter_read(&counter), 2);
}

/* ---- fork ---- */

static void child_begins_again(void)
{
	struct weir_options o = quiet();

	assert_false(weir_private_started());
	assert_int_equal(weir_private_generation(), 2);
	assert_int_equal(weir_flush(0), WEIR_EINVAL);
	assert_int_equal(weir_shutdown(0), WEIR_OK);
	assert_int_equal(threads_named("weir"), 0);
	weir_counter_add(&counter, 5);
	assert_int_equal(weir_after_fork(), WEIR_OK);
	assert_int_equal(weir_after_fork(), WEIR_OK);
	assert_true(weir_private_started());
	WITHIN_MS(5000, threads_named("weir") == 1);
	weir_counter_add(&counter, 5);
	assert_int_equal(weir_counter_read(&counter), 10);
	assert_int_equal(weir_flush(WEIR_S(10)), WEIR_OK);
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
}

static void child_inits(void)
{
	struct weir_options o = quiet();

	o.no_thread = true; /* also by options of its own */
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_true(weir_private_pumped());
	assert_int_equal(threads_named("weir"), 0);
}

ALONE(a_child_begins_again_when_it_says_so)
{
	struct weir_options o = quiet();

	assert_int_equal(weir_init(&o), WEIR_OK);
	WITHIN_MS(5000, threads_named("weir") ==
	                    1); /* it is past what a sanitizer allocates for it, under a lock of its own */
	weir_counter_add(&counter, 7);
	assert_int_equal(weir_after_fork(), WEIR_OK); /* in the parent: nothing to do */
	assert_int_equal(weir_private_generation(), 1);
	if (!TSAN)
		in_child(child_begins_again);
	in_child(child_inits);
	assert_true(weir_private_started());
	assert_int_equal(weir_counter_read(&counter), 7);
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
}

static void child_of_the_ended(void)
{
	assert_int_equal(weir_after_fork(), WEIR_EINVAL);
}

ALONE(a_child_of_who_was_shut_down_has_nothing_to_begin)
{
	struct weir_options o = quiet();

	in_child(child_of_the_ended); /* never started */
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
	in_child(child_of_the_ended);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(attaching_opens_all_that_is_there),
	cmocka_unit_test(a_child_begins_again_when_it_says_so),
	cmocka_unit_test(a_child_of_who_was_shut_down_has_nothing_to_begin),
};
ALONE_MAIN(tests)
