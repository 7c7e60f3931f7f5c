/* Unit: src/gate.c: exit waits a moment for weir's threads in foreign code, and none begins any once exit has begun. */
#define _GNU_SOURCE
#include "gate.h"
#include "port.h"

#include <weir/abi/private.h>

#include "alone.h"

static uint32_t stage; /* 1: inside; 2: left */
static bool behave; /* who is inside leaves soon */
static void hold_the_gate(void *arg)
{
	(void)arg;
	weir_private_gate_enter();
	__atomic_store_n(&stage, 1, __ATOMIC_RELEASE);
	if (behave) {
		sleep_ms(15);
		__atomic_store_n(&stage, 2, __ATOMIC_RELEASE);
	} else {
		sleep_ms(ALONE_SECONDS * 1000);
	}
	weir_private_gate_leave();
	sleep_ms(ALONE_SECONDS * 1000);
}

static void exit_code_is_by_stage(void)
{
	/* Registered before the gate, so run after it. */
	_exit(__atomic_load_n(&stage, __ATOMIC_ACQUIRE) == 2 ? 0 : 42);
}

static void exit_with_the_gate_held(void)
{
	struct weir_private_thread *thread;

	atexit(exit_code_is_by_stage);
	weir_private_gate_at_exit();
	assert_int_equal(weir_private_thread_start(&thread, "weir-test", hold_the_gate, NULL), WEIR_OK);
	WITHIN_MS(10000, __atomic_load_n(&stage, __ATOMIC_ACQUIRE) >= 1);
	exit(7);
}

ALONE(exit_waits_for_who_is_inside)
{
	behave = true;
	in_child(exit_with_the_gate_held); /* 0: what was inside had left */
}

ALONE(exit_waits_a_moment_only)
{
	uint64_t began;
	pid_t child;

	fflush(NULL);
	began = now_ns();
	child = fork();
	if (child == 0)
		exit_with_the_gate_held();
	assert_int_equal(end_of(child), 42);
	assert_true(now_ns() - began >= WEIR_MS(50)); /* as documented */
	assert_true(now_ns() - began < WEIR_S(20));
}

static uint32_t entered;
static void enter_when_closed(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&weir__wiped()->gate_closed, __ATOMIC_ACQUIRE) == 0)
		usleep(STEP_US);
	__atomic_store_n(&stage, 2, __ATOMIC_RELEASE);
	weir_private_gate_enter();
	__atomic_store_n(&entered, 1, __ATOMIC_RELEASE);
}

static void look_whether_it_entered(void)
{
	WITHIN_MS(10000, __atomic_load_n(&stage, __ATOMIC_ACQUIRE) == 2);
	sleep_ms(20);
	_exit(__atomic_load_n(&entered, __ATOMIC_ACQUIRE) == 0 ? 0 : 42);
}

static void exit_before_it_enters(void)
{
	struct weir_private_thread *thread;

	atexit(look_whether_it_entered);
	weir_private_gate_at_exit();
	assert_int_equal(weir_private_thread_start(&thread, "weir-test", enter_when_closed, NULL), WEIR_OK);
	exit(7);
}

ALONE(nobody_enters_after_exit_has_begun)
{
	in_child(exit_before_it_enters);
}

static void pass_when_closed(void *arg)
{
	(void)arg;
	weir_private_gate_enter();
	weir__gate_pass(); /* open: it goes on */
	assert_true(weir__gate_is_mine());
	__atomic_store_n(&stage, 1, __ATOMIC_RELEASE);
	while (!weir__exiting())
		usleep(STEP_US);
	__atomic_store_n(&stage, 2, __ATOMIC_RELEASE);
	weir__gate_pass();
	__atomic_store_n(&entered, 1, __ATOMIC_RELEASE);
}

static void exit_before_it_passes(void)
{
	struct weir_private_thread *thread;

	atexit(look_whether_it_entered);
	weir_private_gate_at_exit();
	assert_int_equal(weir_private_thread_start(&thread, "weir-test", pass_when_closed, NULL), WEIR_OK);
	WITHIN_MS(10000, __atomic_load_n(&stage, __ATOMIC_ACQUIRE) == 1);
	exit(7);
}

ALONE(nobody_goes_on_to_the_next_after_exit_has_begun)
{
	in_child(exit_before_it_passes);
}

static void child_comes_back_from_foreign_code(void)
{
	weir_private_gate_leave(); /* which its parent had entered */
	assert_false(weir__gate_is_mine());
	assert_int_equal(weir__wiped()->gate_inside, 0);
	weir_private_gate_enter();
	assert_int_equal(weir__wiped()->gate_inside, 1);
	weir_private_gate_leave();
	assert_int_equal(weir__wiped()->gate_inside, 0);
}

ALONE(a_child_forked_in_foreign_code_comes_back_from_it)
{
	weir_private_gate_enter();
	in_child(child_comes_back_from_foreign_code);
	assert_int_equal(weir__wiped()->gate_inside, 1);
	weir_private_gate_leave();
}

static void *is_not_mine(void *arg)
{
	(void)arg;
	assert_false(weir__gate_is_mine());
	weir__gate_pass(); /* nothing, for who is not in */
	assert_int_equal(weir__wiped()->gate_inside, 1);
	return NULL;
}

ALONE(who_is_inside_knows_it)
{
	assert_false(weir__gate_is_mine());
	weir_private_gate_enter();
	assert_true(weir__gate_is_mine());
	in_thread(is_not_mine, NULL);
	weir_private_gate_leave();
	assert_false(weir__gate_is_mine());
	assert_false(weir__exiting());
}

ALONE(the_gate_is_open_until_exit_and_holds_many)
{
	for (int i = 0; i < 10; i++)
		weir_private_gate_enter();
	assert_int_equal(weir__wiped()->gate_inside, 10);
	for (int i = 0; i < 10; i++)
		weir_private_gate_leave();
	assert_int_equal(weir__wiped()->gate_inside, 0);
	assert_int_equal(weir__wiped()->gate_closed, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(exit_waits_for_who_is_inside),
	cmocka_unit_test(exit_waits_a_moment_only),
	cmocka_unit_test(nobody_enters_after_exit_has_begun),
	cmocka_unit_test(nobody_goes_on_to_the_next_after_exit_has_begun),
	cmocka_unit_test(a_child_forked_in_foreign_code_comes_back_from_it),
	cmocka_unit_test(who_is_inside_knows_it),
	cmocka_unit_test(the_gate_is_open_until_exit_and_holds_many),
};
ALONE_MAIN(tests)
