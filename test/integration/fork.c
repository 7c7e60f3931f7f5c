/* Whose numbers move when a process makes another: fork, _Fork, raw clone; with threads and signal handlers in the way. A
 * forked child has numbers of its own, which begin at zero, without any call. fork_shared.c has children in the parent's memory.
 * Public API only. */
#include "fork.h"

#include <sys/syscall.h>
#include <sys/time.h>

/* ---- the ways to fork ---- */

static pid_t by_fork(void)
{
	return fork();
}

static pid_t by__Fork(void)
{
	return _Fork();
}

static pid_t by_clone(void) /* what a sandbox or a language's runtime does without libc */
{
	return (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, 0, 0, 0, 0);
}

static void child_begins_at_zero(pid_t (*forked)(void))
{
	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(3);
	for (int round = 0; round < 20; round++) {
		pid_t child = forked();

		if (child == 0) {
			/* every other child records before it reads, so that both may be the first use */
			if (round % 2 == 0) {
				EQUAL(weir_counter_read(&adds), 0);
				expect_all(0);
				EQUAL(status_now().dropped_records, 0);
			}
			record_all(2);
			weir_counter_add_with(&labelled, 7, "child", "new");
			EQUAL(weir_counter_series_read(weir_counter_with(&labelled, "child", "new")), 7);
			expect_all(2);
			EQUAL(status_now().dropped_records, 0);
			_exit(0);
		}
		record_all(1);
		CHILD_IS_WELL(child, 10000);
		expect_all(4 + (uint64_t)round);
		EQUAL(weir_counter_series_read(weir_counter_with(&labelled, "child", "new")), 0);
	}
	EQUAL(status_now().dropped_records, 0);
}

static void fork_begins_at_zero(void)
{
	child_begins_at_zero(by_fork);
}

static void _Fork_begins_at_zero(void)
{
	child_begins_at_zero(by__Fork);
}

static void clone_begins_at_zero(void)
{
	child_begins_at_zero(by_clone);
}

static void fork_under_weir_init(void)
{
	CHECK(weir_init(NULL) == WEIR_OK);
	child_begins_at_zero(by_fork);
	CHECK(weir_shutdown(WEIR_S(2)) == WEIR_OK);
}

static void *thread_forks(void *arg)
{
	(void)arg;
	child_begins_at_zero(by_fork);
	return NULL;
}

static void fork_from_another_thread(void)
{
	pthread_t thread;

	weir_counter_add(&adds, 0); /* so that the main thread has a shard, which the child must let go */
	thread_start(&thread, thread_forks, NULL, 0);
	pthread_join(thread, NULL);
}

static void grandchildren_to(int depth)
{
	pid_t child;

	expect_all(0);
	record_all((uint64_t)depth + 1);
	child = depth % 2 != 0 ? fork() : _Fork();
	if (child == 0) {
		if (depth != 0)
			grandchildren_to(depth - 1);
		_exit(0);
	}
	CHILD_IS_WELL(child, 20000);
	record_all(1);
	expect_all((uint64_t)depth + 2);
}

static void grandchildren(void)
{
	handle = weir_counter_with(&labelled, "handle", "0");
	grandchildren_to(9);
}

/* Nothing piles up in a parent that forks, nor in a line of descendants. */
static void forks_leave_nothing(void)
{
	long mappings = 0, descriptors = 0;

	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(1);
	for (int round = 0; round < 300; round++) {
		pid_t child = fork();
		int fd;

		if (child == 0) {
			record_all(1);
			exit(0);
		}
		CHILD_IS_WELL(child, 10000);
		fd = dup(0);
		close(fd);
		if (round == 10) {
			mappings = proc_mappings();
			descriptors = fd;
		}
		if (round > 10)
			EQUAL_INT(fd, descriptors);
	}
	AT_MOST(proc_mappings(), mappings + 2);
	for (int line = 0; line < 60; line++) { /* the child goes on, the parent waits */
		pid_t child = fork();

		if (child != 0) {
			CHILD_IS_WELL(child, 20000);
			if (line != 0)
				_exit(0);
			return;
		}
		record_all(1);
		expect_all(1);
		if (line == 59) {
			int fd = dup(0);

			AT_MOST(fd, descriptors + 1);
			AT_MOST(proc_mappings(), mappings + 12);
			_exit(0);
		}
	}
}

/* ---- signal handlers that run before fork returns ---- */

static pid_t parent_pid;
static volatile sig_atomic_t in_parent, in_child;

static void record_in_handler(int number)
{
	(void)number;
	record_all(1);
	if ((pid_t)syscall(SYS_getpid) == parent_pid)
		in_parent++;
	else
		in_child++;
}

static void raise_in_child(void)
{
	raise(SIGUSR1);
}

static void raise_in_parent(void)
{
	raise(SIGUSR1);
}

static void handler_before_fork_returns(void)
{
	struct sigaction action = {.sa_handler = record_in_handler, .sa_flags = SA_RESTART};
	char *weight = malloc(16 << 20); /* a fork that takes its time */
	uint64_t own = 0;

	CHECK(weight != NULL);
	memset(weight, 1, 16 << 20);
	handle = weir_counter_with(&labelled, "handle", "0");
	parent_pid = getpid();
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(pthread_atfork(raise_in_parent, raise_in_parent, raise_in_child) == 0);
	for (int round = 0; round < 150; round++) {
		pid_t child;

		if (round == 75)
			CHECK(weir_init(NULL) == WEIR_OK);
		child = round % 3 != 2 ? fork() : _Fork(); /* _Fork runs no handlers: the parent's kills are left */
		if (child == 0) {
			uint64_t seen;

			for (volatile int spin = 0; spin < 20000; spin++)
				;
			signal(SIGUSR1, SIG_IGN);
			seen = (uint64_t)in_child;
			expect_all(seen);
			if (round % 3 != 2)
				CHECK(seen >= 1);
			record_all(1);
			expect_all(seen + 1);
			_exit(0);
		}
		for (int n = 0; n < 3; n++)
			kill(child, SIGUSR1);
		record_all(1);
		own++;
		CHILD_IS_WELL(child, 10000);
	}
	CHECK(in_parent >= 200);
	expect_all(own + (uint64_t)in_parent);
	free(weight);
}

/* ---- threads that record and register while the process forks ---- */

enum { THREADS = 8, ROUNDS = 250, ROUNDS_AT_LEAST = 25 };
static bool stop, burst;
static struct {
	uint64_t offered, series, instruments; /* the last two: numbers that are under way, told before */
} busy[THREADS];

static void series_number(char number[32], unsigned thread, uint64_t k)
{
	snprintf(number, 32, "%u-%llu", thread, (unsigned long long)k);
}

static void instrument_name(char name[64], unsigned thread, uint64_t k)
{
	snprintf(name, 64, "fork_new_%u_%llu_total", thread, (unsigned long long)k);
}

/* While there is a burst, a new series, or a new instrument, without a pause: fork meets them in the middle. */
static void *record_and_register(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	const struct weir_counter *made;
	char text[64];

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		bool anew = __atomic_load_n(&burst, __ATOMIC_ACQUIRE);

		weir_counter_add(&adds, 1);
		weir_histogram_record(&times, me);
		weir_gauge_add(&gauge, 1);
		weir_updown_add(&updown, -1);
		busy[me].offered++;
		if (!anew) {
			weir_counter_add_with(&labelled, 1, "shared", "old");
			if (busy[me].offered % 64 == 0)
				usleep(100);
			continue;
		}
		series_number(text, me, __atomic_add_fetch(&busy[me].series, 1, __ATOMIC_RELEASE));
		weir_counter_add_with(&labelled, 1, "shared", text);
		if (busy[me].series % 16 != 0)
			continue;
		instrument_name(text, me, __atomic_add_fetch(&busy[me].instruments, 1, __ATOMIC_RELEASE));
		CHECK(weir_counter_create(&made, text, "Made while forking.", NULL, NULL) == WEIR_OK);
		weir_counter_add(made, 1);
	}
	return NULL;
}

/* What was being made at the moment of fork is made here, recorded, exported, once. */
static void child_of_busy_threads(void)
{
	struct weir_snapshot *snapshot;
	const struct weir_counter *made;
	struct weir_series s;
	uint64_t count = 0;
	char text[64];

	EQUAL(weir_counter_read(&adds), 0);
	EQUAL(weir_histogram_read(&times).count, 0);
	EQUAL_INT(weir_gauge_read(&gauge), 0);
	for (unsigned t = 0; t < THREADS; t++)
		for (uint64_t back = 0; back < 4; back++) {
			uint64_t k = busy[t].series + 1 - back, l = busy[t].instruments + 1 - back;

			series_number(text, t, k);
			weir_counter_add_with(&labelled, 2, "shared", text);
			EQUAL(weir_counter_series_read(weir_counter_with(&labelled, "shared", text)), 2);
			instrument_name(text, t, l);
			CHECK(weir_counter_create(&made, text, "Made while forking.", NULL, NULL) == WEIR_OK);
			weir_counter_add(made, 3);
			EQUAL(weir_counter_read(made), 3);
		}
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (unsigned t = 0; t < THREADS; t++)
		for (uint64_t back = 0; back < 4; back++) {
			unsigned found;

			series_number(text, t, busy[t].series + 1 - back);
			found = series_numbered(snapshot, text, &count);
			if (found != 1 || count != 2)
				FAIL("%u series have the number %s, %llu of 2 records are there", found, text,
				     (unsigned long long)count);
			instrument_name(text, t, busy[t].instruments + 1 - back);
			if (!weir_snapshot_find(snapshot, text, NULL, 0, &s))
				FAIL("%s was recorded, and is not exported", text);
			EQUAL(s.count, 3);
		}
	weir_snapshot_destroy(snapshot);
	weir_histogram_record(&times, 5);
	weir_gauge_set(&gauge, 5);
	EQUAL(weir_histogram_read(&times).count, 1);
	EQUAL_INT(weir_gauge_read(&gauge), 5);
	EQUAL(status_now().dropped_records, 0);
}

static void fork_while_threads_register(void)
{
	struct weir_instrument_options room = {.size = sizeof room, .max_series = 1000000};
	uint64_t total = 0, counted = 0, registered = 0, until;
	int rounds = 0;
	struct weir_snapshot *snapshot;
	pthread_t threads[THREADS];
	struct weir_family f;
	struct weir_series s;

	CHECK(weir_instrument_configure("fork_labelled_total", &room) == WEIR_OK);
	handle = weir_counter_with(&labelled, "handle", "0");
	for (uintptr_t i = 0; i < THREADS; i++)
		thread_start(&threads[i], record_and_register, (void *)i, 0);
	until = now_ns() + WEIR_S(6); /* on a busy machine fewer rounds */
	for (int round = 0; round < ROUNDS && (now_ns() < until || round < ROUNDS_AT_LEAST); round++, rounds++) {
		pid_t child;

		__atomic_store_n(&burst, true, __ATOMIC_RELEASE);
		child = round % 4 == 3 ? _Fork() : fork();
		if (child == 0) {
			if (round % 4 == 3) { /* malloc's locks may be held: records only */
				weir_counter_add(&adds, 3);
				weir_counter_add_with(&labelled, 1, "shared", "old");
				weir_counter_add_with(&labelled, 1, "shared", "not there yet");
				EQUAL(weir_counter_read(&adds), 3);
				_exit(0);
			}
			child_of_busy_threads();
			if (round % 2 == 0)
				exit(0);
			_exit(0);
		}
		__atomic_store_n(&burst, false, __ATOMIC_RELEASE);
		CHILD_IS_WELL(child, 10000);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		total += busy[i].offered;
		registered += busy[i].series;
	}
	NOTE("%d forks among %llu new series", rounds, (unsigned long long)registered);
	EQUAL(weir_counter_read(&adds), total);
	EQUAL(weir_histogram_read(&times).count, total);
	EQUAL_INT(weir_gauge_read(&gauge), total);
	EQUAL_INT(weir_updown_read(&updown), -(int64_t)total);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "fork_labelled_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s);)
				counted += s.count;
	weir_snapshot_destroy(snapshot);
	EQUAL(counted, total);
	EQUAL(status_now().dropped_records, 0);
	EQUAL(status_now().overflowed, 0);
}

CASES({"fork_begins_at_zero", fork_begins_at_zero, 30}, {"_Fork_begins_at_zero", _Fork_begins_at_zero, 30},
      {"clone_begins_at_zero", clone_begins_at_zero, 30}, {"fork_under_weir_init", fork_under_weir_init, 30},
      {"fork_from_another_thread", fork_from_another_thread, 30}, {"grandchildren", grandchildren, 30},
      {"forks_leave_nothing", forks_leave_nothing, 60},
      {"handler_before_fork_returns", handler_before_fork_returns, 60},
      {"fork_while_threads_register", fork_while_threads_register, 90})
