/* Unit: src/port.c: clocks, thread ids, signal masks, futexes, the lock, memory; and errno is as it was after each. */
#define _GNU_SOURCE
#include "port.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "alone.h"

static void clocks_go_forward_with_the_systems(void **state)
{
	struct timespec before, after;
	uint64_t mine, earlier = 0;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &before);
	mine = weir__clock_ns();
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_in_range(mine, (uint64_t)before.tv_sec * 1000000000u + (uint64_t)before.tv_nsec,
	                (uint64_t)after.tv_sec * 1000000000u + (uint64_t)after.tv_nsec);
	clock_gettime(CLOCK_REALTIME, &before);
	mine = weir__wall_ns();
	clock_gettime(CLOCK_REALTIME, &after);
	assert_in_range(mine, (uint64_t)before.tv_sec * 1000000000u + (uint64_t)before.tv_nsec,
	                (uint64_t)after.tv_sec * 1000000000u + (uint64_t)after.tv_nsec);
	for (int i = 0; i < 1000; i++) {
		uint64_t now = weir__clock_ns();

		assert_true(now >= earlier);
		earlier = now;
	}
}

static void *tell_tid(void *arg)
{
	*(int *)arg = weir__tid();
	assert_int_equal(weir__tid(), (int)syscall(SYS_gettid));
	assert_int_equal(weir__pid(), getpid());
	return NULL;
}

static void a_thread_has_its_number(void **state)
{
	int other = 0;

	(void)state;
	assert_int_equal(weir__tid(), getpid());
	assert_int_equal(weir__pid(), getpid());
	in_thread(tell_tid, &other);
	assert_true(other != 0 && other != getpid());
}

static void *wait_here(void *arg)
{
	int *words = arg;

	__atomic_store_n(&words[0], weir__tid(), __ATOMIC_RELEASE);
	WITHIN_MS(10000, __atomic_load_n(&words[1], __ATOMIC_ACQUIRE) != 0);
	return NULL;
}

static void a_dead_thread_is_gone_and_a_live_one_not(void **state)
{
	int words[2] = {0, 0};
	pthread_t thread = begin_thread(wait_here, words);

	(void)state;
	WITHIN_MS(5000, __atomic_load_n(&words[0], __ATOMIC_ACQUIRE) != 0);
	errno = EDOM;
	assert_false(weir__thread_is_gone(words[0]));
	assert_false(weir__thread_is_gone(weir__tid()));
	__atomic_store_n(&words[1], 1, __ATOMIC_RELEASE);
	end_thread(thread);
	WITHIN_MS(5000,
	          weir__thread_is_gone(words[0])); /* join returns a little before the kernel lets go of the number */
	errno = EDOM;
	assert_true(weir__thread_is_gone(words[0]));
	assert_int_equal(errno, EDOM);
	/* A process of its own is no thread of this one; a number that cannot be is refused with another error. */
	assert_true(weir__thread_is_gone(getppid()));
	assert_false(weir__thread_is_gone(-1));
	assert_int_equal(errno, EDOM);
}

static uint64_t blocked_signals(void)
{
	FILE *file = fopen("/proc/thread-self/status", "re");
	unsigned long long mask = 0;
	char line[256];

	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "SigBlk: %llx", &mask) == 1)
			break;
	fclose(file);
	return mask;
}

static void all_signals_are_blocked_and_given_back(void **state)
{
	uint64_t never = UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1), before, mask;
	sigset_t usr1;

	(void)state;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_BLOCK, &usr1, NULL), 0);
	before = blocked_signals();
	assert_true(before >> (SIGUSR1 - 1) & 1);
	errno = EDOM;
	mask = weir__signals_block();
	assert_int_equal(errno, EDOM);
	assert_int_equal(mask, before);
	assert_int_equal(blocked_signals(), ~never); /* also the two that libc keeps to itself */
	errno = EDOM;
	weir__signals_restore(mask);
	assert_int_equal(errno, EDOM);
	assert_int_equal(blocked_signals(), before);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

static void a_futex_waits_no_longer_than_asked(void **state)
{
	uint32_t word = 7;
	uint64_t deadline;

	(void)state;
	errno = EDOM;
	assert_true(weir__futex_wait(&word, 8, UINT64_MAX)); /* it has another value: no wait */
	deadline = weir__clock_ns() + 20000000u;
	while (weir__futex_wait(&word, 7, deadline)) /* it may return early, but says so */
		;
	assert_true(weir__clock_ns() >= deadline);
	assert_false(weir__futex_wait(&word, 7, 1)); /* long past */
	assert_int_equal(errno, EDOM);
}

static void *wait_for_word(void *arg)
{
	uint32_t *words = arg;

	__atomic_add_fetch(&words[1], 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&words[0], __ATOMIC_ACQUIRE) == 0)
		weir__futex_wait(&words[0], 0, UINT64_MAX);
	__atomic_add_fetch(&words[2], 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void a_wake_reaches_those_who_wait(void **state)
{
	uint32_t words[3] = {0, 0, 0};
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = begin_thread(wait_for_word, words);
	WITHIN_MS(5000, __atomic_load_n(&words[1], __ATOMIC_SEQ_CST) == 4);
	sleep_ms(5);
	assert_int_equal(__atomic_load_n(&words[2], __ATOMIC_SEQ_CST), 0);
	__atomic_store_n(&words[0], 1, __ATOMIC_RELEASE);
	errno = EDOM;
	weir__futex_wake(&words[0], INT32_MAX);
	assert_int_equal(errno, EDOM);
	for (size_t i = 0; i < COUNT(threads); i++)
		end_thread(threads[i]);
	assert_int_equal(words[2], 4);
}

enum { TURNS = 5000 };
static struct {
	struct weir__lock lock;
	uint64_t guarded; /* plain: only the lock makes it exact */
	int inside;
} locked;

static void *add_guarded(void *arg)
{
	(void)arg;
	for (int i = 0; i < TURNS; i++) {
		weir__lock(&locked.lock);
		assert_int_equal(locked.inside, 0);
		locked.inside = 1;
		locked.guarded++;
		locked.inside = 0;
		weir__unlock(&locked.lock);
	}
	return NULL;
}

static void the_lock_lets_in_one(void **state)
{
	(void)state;
	errno = EDOM;
	in_threads(8, add_guarded, NULL);
	assert_int_equal(locked.guarded, 8 * TURNS);
	assert_int_equal(locked.lock.word, 0);
	assert_int_equal(errno, EDOM);
}

static void *try_in_vain(void *arg)
{
	uint64_t deadline = weir__clock_ns() + 20000000u;

	assert_false(weir__lock_until(arg, deadline));
	assert_true(weir__clock_ns() >= deadline);
	return NULL;
}

static void *take_it(void *arg)
{
	assert_true(weir__lock_until(arg, weir__clock_ns() + UINT64_C(10000000000)));
	weir__unlock(arg);
	return NULL;
}

static void a_lock_that_is_held_is_waited_for_until_the_deadline(void **state)
{
	struct weir__lock lock = {0}; /* as zeroed memory has it: free */
	pthread_t waiter;

	(void)state;
	assert_true(weir__lock_until(&lock, 0)); /* free: no wait, whatever the deadline */
	in_thread(try_in_vain, &lock);
	waiter = begin_thread(take_it, &lock);
	sleep_ms(5);
	weir__unlock(&lock);
	end_thread(waiter); /* woken, not timed out */
	assert_int_equal(lock.word, 0);
	assert_true(weir__lock_until(&lock, 0));
	weir__unlock(&lock);
}

static bool is_zeroed(const void *memory, size_t bytes)
{
	const unsigned char *at = memory;

	for (size_t i = 0; i < bytes; i++)
		if (at[i] != 0)
			return false;
	return true;
}

static volatile char *read_only;
static void write_to_it(void)
{
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would turn it into an exit */
	read_only[WEIR__PAGE] = 1;
}

static void memory_is_zeroed_and_writable_as_asked(void **state)
{
	char *memory;
	pid_t child;

	(void)state;
	errno = EDOM;
	memory = weir__map(4 * WEIR__PAGE, true, false);
	assert_non_null(memory);
	assert_int_equal((uintptr_t)memory % WEIR__PAGE, 0);
	assert_true(is_zeroed(memory, 4 * WEIR__PAGE));
	memset(memory, 1, 4 * WEIR__PAGE);
	weir__unmap(memory, 4 * WEIR__PAGE);

	memory = weir__map(4 * WEIR__PAGE, false, false);
	assert_non_null(memory);
	assert_true(is_zeroed(memory, 4 * WEIR__PAGE));
	read_only = memory;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		write_to_it();
		_exit(0);
	}
	assert_int_equal(end_of(child), 1000 + SIGSEGV);
	errno = EDOM;
	assert_true(weir__make_writable(memory + WEIR__PAGE, WEIR__PAGE));
	memory[WEIR__PAGE] = 1;
	assert_true(is_zeroed(memory, WEIR__PAGE));
	weir__unmap(memory, 4 * WEIR__PAGE);

	assert_null(weir__map(SIZE_MAX / 2, true, false));
	assert_false(weir__make_writable((void *)(uintptr_t)1, WEIR__PAGE));
	assert_int_equal(errno, EDOM);
}

static char *wiped_memory, *kept_memory;
static void look_after_fork(void)
{
	assert_true(is_zeroed(wiped_memory, 2 * WEIR__PAGE));
	assert_int_equal(kept_memory[0], 5);
	wiped_memory[0] = 9; /* the child's own */
}

static void fork_wipes_what_was_asked_for(void **state)
{
	(void)state;
	errno = EDOM;
	if (!weir__can_wipe()) {
		print_message("skipped: this system takes any advice, as emulators do, and so tells nothing of wiping\n");
		skip();
	}
	assert_true(weir__can_wipe()); /* it does not change */
	assert_int_equal(errno, EDOM);
	wiped_memory = weir__map(2 * WEIR__PAGE, true, true);
	kept_memory = weir__map(WEIR__PAGE, true, false);
	assert_non_null(wiped_memory);
	assert_non_null(kept_memory);
	memset(wiped_memory, 5, 2 * WEIR__PAGE);
	kept_memory[0] = 5;
	in_child(look_after_fork);
	assert_int_equal(wiped_memory[0], 5);
	assert_int_equal(wiped_memory[2 * WEIR__PAGE - 1], 5);
	weir__unmap(wiped_memory, 2 * WEIR__PAGE);
	weir__unmap(kept_memory, WEIR__PAGE);
}

static struct weir__wiped *seen_page[8];
static unsigned seen_by;
static void *ask_for_page(void *arg)
{
	(void)arg;
	seen_page[__atomic_fetch_add(&seen_by, 1, __ATOMIC_RELAXED)] = weir__wiped();
	return NULL;
}

ALONE(the_wiped_page_is_one_for_all_threads)
{
	in_threads(8, ask_for_page, NULL);
	for (size_t i = 0; i < COUNT(seen_page); i++) {
		assert_non_null(seen_page[i]);
		assert_ptr_equal(seen_page[i], weir__wiped());
	}
	assert_true(is_zeroed(weir__wiped(), sizeof(struct weir__wiped)));
}

static void locks_are_free(void)
{
	struct weir__wiped *wiped = weir__wiped();

	assert_int_equal(wiped->generation, 0);
	assert_int_equal(wiped->core_holder, 0);
	assert_true(weir__lock_until(&wiped->core, 0));
	assert_true(weir__lock_until(&wiped->snapshot, 0));
	assert_true(weir__lock_until(&wiped->life, 0));
	assert_true(weir__lock_until(&wiped->set_up, 0));
}

ALONE(a_child_finds_the_locks_free_that_its_parent_held)
{
	struct weir__wiped *wiped = weir__wiped();

	if (!weir__can_wipe())
		alone_skip("this system does not wipe memory on fork");
	wiped->generation = 3;
	wiped->core_holder = weir__tid();
	weir__lock(&wiped->core);
	weir__lock(&wiped->snapshot);
	weir__lock(&wiped->life);
	weir__lock(&wiped->set_up);
	in_child(locks_are_free);
	assert_int_equal(wiped->generation, 3);
	assert_false(weir__lock_until(&wiped->core, 1));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(clocks_go_forward_with_the_systems),
	cmocka_unit_test(a_thread_has_its_number),
	cmocka_unit_test(a_dead_thread_is_gone_and_a_live_one_not),
	cmocka_unit_test(all_signals_are_blocked_and_given_back),
	cmocka_unit_test(a_futex_waits_no_longer_than_asked),
	cmocka_unit_test(a_wake_reaches_those_who_wait),
	cmocka_unit_test(the_lock_lets_in_one),
	cmocka_unit_test(a_lock_that_is_held_is_waited_for_until_the_deadline),
	cmocka_unit_test(memory_is_zeroed_and_writable_as_asked),
	cmocka_unit_test(fork_wipes_what_was_asked_for),
	cmocka_unit_test(the_wiped_page_is_one_for_all_threads),
	cmocka_unit_test(a_child_finds_the_locks_free_that_its_parent_held),
};
ALONE_MAIN(tests)
