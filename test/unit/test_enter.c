/* Unit: src/enter.c: the way in is one at a time, deaf to signals, and puts a forked child in order; losses are
 * exact. */
#define _GNU_SOURCE
#include "registry.h"
#include "shard.h"

#include <signal.h>

#include "alone.h"

static bool is_blocked(int signal)
{
	sigset_t now;

	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
	return sigismember(&now, signal) == 1;
}

ALONE(inside_signals_are_blocked_and_outside_as_before)
{
	struct weir__guard guard;
	sigset_t usr2;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	errno = EDOM;
	assert_true(weir__enter(&guard));
	assert_true(is_blocked(SIGUSR1) && is_blocked(SIGTERM) && is_blocked(SIGRTMAX));
	assert_int_equal(weir__wiped()->core_holder, weir__tid());
	weir__leave(&guard);
	assert_int_equal(errno, EDOM);
	assert_false(is_blocked(SIGUSR1) || is_blocked(SIGTERM) || is_blocked(SIGRTMAX));
	assert_true(is_blocked(SIGUSR2));
	assert_int_equal(weir__wiped()->core_holder, 0);
}

ALONE(who_is_inside_does_not_come_in_again_and_it_is_counted)
{
	struct weir__guard guard, again;

	assert_true(weir__enter(&guard));
	assert_false(weir__enter(&again));
	assert_null(weir__block_of(512));
	assert_int_equal(weir__lost(WEIR__LOST_REENTRY), 2);
	weir__leave(&guard);
	assert_true(weir__enter(&guard));
	weir__leave(&guard);
	assert_int_equal(weir__lost(WEIR__LOST_REENTRY), 2);
}

static uint64_t guarded; /* plain: only the way in makes it exact */
static void *go_in(void *arg)
{
	struct weir__guard guard;

	(void)arg;
	for (int i = 0; i < 2000; i++) {
		assert_true(weir__enter(&guard));
		guarded++;
		weir__leave(&guard);
	}
	return NULL;
}

ALONE(one_thread_is_inside_at_a_time)
{
	in_threads(8, go_in, NULL);
	assert_int_equal(guarded, 16000);
	assert_int_equal(weir__lost(WEIR__LOST_REENTRY), 0);
}

static void *lose_some(void *arg)
{
	(void)arg;
	for (int i = 0; i < 600; i++)
		weir__lose((enum weir__loss)(i % WEIR__LOSSES));
	return NULL;
}

ALONE(losses_are_counted_by_reason_to_the_unit)
{
	struct weir_status status;

	in_threads(8, lose_some, NULL);
	for (int why = 0; why < WEIR__LOSSES; why++)
		assert_int_equal(weir__lost((enum weir__loss)why), 800);
	for (int i = 1; i <= WEIR__LOSSES; i++)
		for (int n = 0; n < i; n++)
			weir__lose((enum weir__loss)(i - 1));
	status = status_now();
	assert_int_equal(status.dropped_refused, 801);
	assert_int_equal(status.dropped_value, 802);
	assert_int_equal(status.dropped_labels, 803);
	assert_int_equal(status.dropped_memory, 804);
	assert_int_equal(status.dropped_reentry, 805);
	assert_int_equal(status.dropped_contended, 806);
	assert_int_equal(status.dropped_records, 6 * 800 + 21);
}

WEIR_COUNTER(first, "enter_first_total", "Counted before fork.");
WEIR_GAUGE(level, "enter_level", "Set before fork.");

static void grandchild_is_the_third(void)
{
	assert_int_equal(weir__generation(), 3);
	assert_int_equal(weir_counter_read(&first), 0);
}

static void child_begins_at_zero(void)
{
	assert_int_equal(weir__generation(), 2);
	assert_int_equal(weir__generation(), 2);
	assert_int_equal(weir__lost(WEIR__LOST_VALUE), 0);
	assert_int_equal(weir_counter_read(&first), 0);
	assert_int_equal(weir_gauge_read(&level), 0);
	weir_counter_add(&first, 5);
	weir_gauge_set(&level, -5);
	assert_int_equal(weir_counter_read(&first), 5);
	assert_int_equal(weir_gauge_read(&level), -5);
	in_child(grandchild_is_the_third);
	assert_int_equal(weir_counter_read(&first), 5);
}

static void child_records_before_it_asks(void)
{
	weir_counter_add(&first, 7); /* nothing else has put it in order */
	assert_int_equal(weir_counter_read(&first), 7);
}

static void child_is_inside(void)
{
	struct weir__guard guard;

	assert_true(weir__enter(&guard)); /* the parent's thread is inside: not here */
	weir__leave(&guard);
	assert_int_equal(weir__lost(WEIR__LOST_REENTRY), 0);
}

ALONE(a_forked_child_begins_anew_and_its_parent_does_not_notice)
{
	struct weir__guard guard;

	assert_int_equal(weir__generation(), 1);
	weir_counter_add(&first, 40);
	weir_gauge_set(&level, 3);
	weir__lose(WEIR__LOST_VALUE);
	in_child(child_begins_at_zero);
	in_child(child_records_before_it_asks);
	assert_true(weir__enter(&guard));
	in_child(child_is_inside);
	weir__leave(&guard);
	weir_counter_add(&first, 2);
	assert_int_equal(weir_counter_read(&first), 42);
	assert_int_equal(weir_gauge_read(&level), 3);
	assert_int_equal(weir__lost(WEIR__LOST_VALUE), 1);
	assert_int_equal(weir__generation(), 1);
}

/* Where fork cannot wipe, an atfork handler says so. */
ALONE(a_child_that_is_told_begins_anew)
{
	assert_int_equal(weir__generation(), 1);
	weir_counter_add(&first, 40);
	weir__generation_lost();
	assert_int_equal(weir__generation(), 2);
	assert_int_equal(weir_counter_read(&first), 0);
	weir_counter_add(&first, 1);
	assert_int_equal(weir_counter_read(&first), 1);
}

ALONE(the_block_of_a_cell_is_the_threads_own)
{
	uint64_t *block;
	uint32_t cell;

	assert_null(weir__block_of(0));
	assert_int_equal(weir__lost(WEIR__LOST_REFUSED), 1);
	weir_counter_add(&first, 9);
	cell = first.i_.state_->cell_;
	assert_true(cell >= WEIR__BLOCK_CELLS); /* block 0 is never handed out */
	errno = EDOM;
	block = weir__block_of(cell);
	assert_int_equal(errno, EDOM);
	assert_non_null(block);
	assert_ptr_equal(block, weir_tls_v1[cell / WEIR__BLOCK_CELLS]);
	assert_int_equal(block[cell % WEIR__BLOCK_CELLS], 9);
	assert_int_equal(weir__lost(WEIR__LOST_MEMORY), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(inside_signals_are_blocked_and_outside_as_before),
	cmocka_unit_test(who_is_inside_does_not_come_in_again_and_it_is_counted),
	cmocka_unit_test(one_thread_is_inside_at_a_time),
	cmocka_unit_test(losses_are_counted_by_reason_to_the_unit),
	cmocka_unit_test(a_forked_child_begins_anew_and_its_parent_does_not_notice),
	cmocka_unit_test(a_child_that_is_told_begins_anew),
	cmocka_unit_test(the_block_of_a_cell_is_the_threads_own),
};
ALONE_MAIN(tests)
