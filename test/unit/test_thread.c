/* Unit: src/thread.c: weir's own threads are polite, are joined within a deadline or let go, and stay behind the gate when
 * the process ends. */
#define _GNU_SOURCE
#include "port.h"
#include "registry.h"

#include <weir/abi/private.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include "alone.h"

static int host_fd;
static void be_polite(void *arg)
{
	char name[32] = "";
	sigset_t now;
	FILE *file;

	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
	for (int signal = 1; signal <= SIGRTMAX; signal++)
		if (signal != SIGKILL && signal != SIGSTOP && signal != 32 && signal != 33) /* two are libc's own */
			assert_int_equal(sigismember(&now, signal), 1);
	file = fopen("/proc/thread-self/comm", "re");
	assert_non_null(file);
	assert_non_null(fgets(name, sizeof name, file));
	fclose(file);
	assert_string_equal(name, "weir-of-a-long-\n"); /* what the system has room for */
	assert_int_not_equal(weir__tid(), getpid());
	*(bool *)arg = true;
}

ALONE(a_thread_has_all_signals_blocked_and_a_name)
{
	struct weir_private_thread *thread;
	sigset_t before, after;
	bool ran = false;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(weir_private_thread_start(&thread, "weir-of-a-long-name", be_polite, &ran), WEIR_OK);
	assert_non_null(thread);
	assert_true(weir_private_thread_join(thread, WEIR_S(20)));
	assert_true(ran);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int signal = 1; signal < SIGRTMAX; signal++)
		assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
}

static void close_what_is_not_mine(void *arg)
{
	(void)arg;
	for (int fd = 3; fd < 256; fd++)
		close(fd);
}

ALONE(a_thread_has_descriptors_of_its_own)
{
	struct weir_private_thread *thread;

	if (syscall(SYS_close_range, 1000000u, 1000000u, 0) != 0)
		alone_skip("close_range is not to be had");
	host_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(host_fd > STDERR_FILENO);
	assert_int_equal(weir_private_thread_start(&thread, "weir-test", close_what_is_not_mine, NULL), WEIR_OK);
	assert_true(weir_private_thread_join(thread, WEIR_S(20)));
	assert_true(fcntl(host_fd, F_GETFD) >= 0);
}

static uint32_t go;
static void wait_for_go(void *arg)
{
	while (__atomic_load_n(&go, __ATOMIC_ACQUIRE) == 0)
		weir__futex_wait(&go, 0, UINT64_MAX);
	__atomic_store_n((uint32_t *)arg, 1, __ATOMIC_RELEASE);
}

static void let_go(void)
{
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	weir__futex_wake(&go, INT32_MAX);
}

ALONE(a_thread_that_does_not_end_is_left_to_itself)
{
	struct weir_private_thread *thread;
	static uint32_t ended;
	uint64_t began;

	assert_int_equal(weir_private_thread_start(&thread, "weir-test", wait_for_go, &ended), WEIR_OK);
	began = now_ns();
	assert_false(weir_private_thread_join(thread, WEIR_MS(30)));
	assert_true(now_ns() - began >= WEIR_MS(30));
	assert_int_equal(ended, 0);
	let_go(); /* it goes on and ends as it would have */
	WITHIN_MS(10000, __atomic_load_n(&ended, __ATOMIC_ACQUIRE) == 1);
}

ALONE(a_join_returns_when_it_ends_and_not_at_the_deadline)
{
	struct weir_private_thread *thread;
	static uint32_t ended;
	uint64_t began = now_ns();

	assert_int_equal(weir_private_thread_start(&thread, "weir-test", wait_for_go, &ended), WEIR_OK);
	let_go();
	assert_true(weir_private_thread_join(thread, UINT64_MAX));
	assert_int_equal(ended, 1);
	assert_true(now_ns() - began < WEIR_S(30));
}

static struct weir_private_thread *parents_thread;
static void join_in_child(void)
{
	assert_true(weir_private_thread_join(parents_thread, 0)); /* the parent's: there is none here to wait for */
}

ALONE(a_child_does_not_wait_for_its_parents_thread)
{
	static uint32_t ended;

	weir__generation();
	assert_int_equal(weir_private_thread_start(&parents_thread, "weir-test", wait_for_go, &ended), WEIR_OK);
	in_child(join_in_child);
	let_go();
	assert_true(weir_private_thread_join(parents_thread, WEIR_S(20)));
}

/* ---- the gate ---- */

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
	cmocka_unit_test(a_thread_has_all_signals_blocked_and_a_name),
	cmocka_unit_test(a_thread_has_descriptors_of_its_own),
	cmocka_unit_test(a_thread_that_does_not_end_is_left_to_itself),
	cmocka_unit_test(a_join_returns_when_it_ends_and_not_at_the_deadline),
	cmocka_unit_test(a_child_does_not_wait_for_its_parents_thread),
	cmocka_unit_test(exit_waits_for_who_is_inside),
	cmocka_unit_test(exit_waits_a_moment_only),
	cmocka_unit_test(nobody_enters_after_exit_has_begun),
	cmocka_unit_test(the_gate_is_open_until_exit_and_holds_many),
};
ALONE_MAIN(tests)
