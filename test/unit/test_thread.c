/* Unit: src/thread.c: weir's own threads are polite, and are joined within a deadline or let go. */
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

static uint32_t runs_ended;
static void end_soon(void *arg)
{
	for (uint64_t until = now_ns() + *(const uint64_t *)arg; now_ns() < until;)
		;
	__atomic_fetch_add(&runs_ended, 1, __ATOMIC_RELEASE);
}

/* Whoever is first: nothing is freed twice, nothing stays. It is the sanitizer that sees either. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
ALONE(a_thread_that_is_left_frees_what_is_its_own)
{
	enum { ROUNDS = 400 };
	unsigned left = 0, joined = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		static uint64_t takes[ROUNDS];
		struct weir_private_thread *thread;

		takes[round] = round * 977 % 300000;
		assert_int_equal(weir_private_thread_start(&thread, "weir-test", end_soon, &takes[round]), WEIR_OK);
		if (weir_private_thread_join(thread, round * 7919 % 300000))
			joined++;
		else
			left++;
		if (round % 50 == 0) /* so many at once at most */
			WITHIN_MS(10000, __atomic_load_n(&runs_ended, __ATOMIC_ACQUIRE) == round + 1);
	}
	WITHIN_MS(10000, __atomic_load_n(&runs_ended, __ATOMIC_ACQUIRE) == ROUNDS);
	sleep_ms(20);
	assert_true(left >= 20 && joined >= 20);
	if (__lsan_do_recoverable_leak_check != NULL)
		assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_thread_has_all_signals_blocked_and_a_name),
	cmocka_unit_test(a_thread_has_descriptors_of_its_own),
	cmocka_unit_test(a_thread_that_does_not_end_is_left_to_itself),
	cmocka_unit_test(a_thread_that_is_left_frees_what_is_its_own),
	cmocka_unit_test(a_join_returns_when_it_ends_and_not_at_the_deadline),
	cmocka_unit_test(a_child_does_not_wait_for_its_parents_thread),
};
ALONE_MAIN(tests)
