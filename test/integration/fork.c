/* Whose numbers move when a process makes another: fork, _Fork, vfork, posix_spawn, raw clone; with threads, signal
 * handlers and callbacks in the way. Public API only. A forked child has numbers of its own, which begin at zero,
 * without any call; a vfork child has its parent's memory, and so counts in its parent. */
#include "case.h"

#include <weir/weir.h>

#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/time.h>

extern char **environ;

WEIR_COUNTER(adds, "fork_adds_total", "Adds.");
WEIR_COUNTER(labelled, "fork_labelled_total", "Adds by label.", "kind", "number");
WEIR_UPDOWN(updown, "fork_updown", "Ups and downs.");
WEIR_GAUGE(gauge, "fork_gauge", "A level.");
WEIR_FLOAT_GAUGE(real, "fork_real", "A level that is a double.");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "fork_times_seconds", "Times.");
WEIR_OBSERVED_GAUGE(observed, "fork_observed", "What a callback reports.");

enum { ADDS = 11, LABELLED = 12, UPDOWN = -13, GAUGE = 14, TIMES = 15 };
static struct weir_counter_series handle;

static void record_all(uint64_t times_over)
{
	for (uint64_t n = 0; n < times_over; n++) {
		weir_counter_add(&adds, ADDS);
		weir_counter_series_add(handle, LABELLED);
		weir_counter_add_with(&labelled, 1, "per call", "1");
		weir_updown_add(&updown, UPDOWN);
		weir_gauge_add(&gauge, GAUGE);
		weir_float_gauge_add(&real, 0.5);
		for (int t = 0; t < TIMES; t++)
			weir_histogram_record(&times, WEIR_MS(3));
	}
}

/* All that was recorded in this process, by every way of reading. */
static void expect_all(uint64_t times_over)
{
	struct weir_str one[2] = {weir_str_of("per call"), weir_str_of("1")};
	struct weir_distribution d = weir_histogram_read(&times);
	struct weir_snapshot *snapshot;
	struct weir_series s;

	EQUAL(weir_counter_read(&adds), ADDS * times_over);
	EQUAL(weir_counter_series_read(handle), LABELLED * times_over);
	EQUAL_INT(weir_updown_read(&updown), UPDOWN * (int64_t)times_over);
	EQUAL_INT(weir_gauge_read(&gauge), GAUGE * (int64_t)times_over);
	CHECK(weir_float_gauge_read(&real) == 0.5 * (double)times_over);
	EQUAL(d.count, TIMES * times_over);
	EQUAL(d.good, TIMES * times_over);
	EQUAL(d.sum_low, TIMES * times_over * WEIR_MS(3));
	EQUAL(d.sum_high, 0);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "fork_adds_total", NULL, 0, &s));
	EQUAL(s.count, ADDS * times_over);
	CHECK(weir_snapshot_find(snapshot, "fork_labelled_total", one, 2, &s) ||
	      times_over == 0); /* made by its first record */
	if (times_over != 0)
		EQUAL(s.count, times_over);
	CHECK(weir_snapshot_find(snapshot, "fork_times_seconds", NULL, 0, &s));
	EQUAL(s.count, TIMES * times_over);
	CHECK(weir_snapshot_find(snapshot, "fork_gauge", NULL, 0, &s));
	EQUAL_INT(s.level, GAUGE * (int64_t)times_over);
	weir_snapshot_destroy(snapshot);
}

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

/* How many series of the labelled counter have this number: two with the same values would cost the whole scrape. */
static unsigned series_numbered(const struct weir_snapshot *snapshot, const char *number, uint64_t *count)
{
	struct weir_family f;
	struct weir_series s;
	unsigned found = 0;

	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "fork_labelled_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s);)
				if (!s.overflow && strcmp(s.values[1].ptr, number) == 0) {
					found++;
					*count = s.count;
				}
	return found;
}

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

/* ---- the pipeline in the child ---- */

static struct {
	uint32_t exports, closed;
	int64_t pid;
	char instance[64], service[64];
	uint64_t adds;
} seen_by_exporter;

static int export_here(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct weir_attrs attrs = weir_snapshot_resource(snapshot);
	struct weir_series s;

	(void)arg;
	(void)timeout_ns;
	for (size_t i = 0; i < attrs.count; i++) {
		const struct weir_attr *a = &attrs.ptr[i];

		if (strcmp(a->key.ptr, "process.pid") == 0)
			seen_by_exporter.pid = a->as.integer;
		if (strcmp(a->key.ptr, "service.instance.id") == 0)
			snprintf(seen_by_exporter.instance, sizeof seen_by_exporter.instance, "%s", a->as.str.ptr);
		if (strcmp(a->key.ptr, "service.name") == 0)
			snprintf(seen_by_exporter.service, sizeof seen_by_exporter.service, "%s", a->as.str.ptr);
	}
	if (weir_snapshot_find(snapshot, "fork_adds_total", NULL, 0, &s))
		seen_by_exporter.adds = s.count;
	__atomic_fetch_add(&seen_by_exporter.exports, 1, __ATOMIC_RELEASE);
	return WEIR_OK;
}

static void closed_here(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&seen_by_exporter.closed, 1, __ATOMIC_RELEASE);
}

static uint32_t exports_so_far(void)
{
	return __atomic_load_n(&seen_by_exporter.exports, __ATOMIC_ACQUIRE);
}

static uint32_t callback_runs;

static void observe_here(struct weir_observer *observer, void *arg)
{
	(void)arg;
	weir_observer_report(observer, &observed, 42);
	__atomic_fetch_add(&callback_runs, 1, __ATOMIC_RELEASE);
}

static uint32_t runs_so_far(void)
{
	return __atomic_load_n(&callback_runs, __ATOMIC_ACQUIRE);
}

static void after_fork_starts_the_pipeline(void)
{
	struct weir_options o = {.size = sizeof o, .service_name = "forker", .tick_ns = WEIR_MS(5)};
	struct weir_exporter_options e = {
	    .size = sizeof e, .name = "own", .interval_ns = WEIR_MS(10), .metrics = export_here, .closed = closed_here};
	struct weir_exporter *exporter;
	struct weir_callback *callback;
	char parents_instance[64];
	uint32_t before;
	pid_t child;

	EQUAL_INT(weir_after_fork(), WEIR_EINVAL); /* not started */
	CHECK(weir_init(&o) == WEIR_OK);
	CHECK(weir_exporter_new(&exporter, &e) == WEIR_OK);
	CHECK(weir_callback_new(&callback, observe_here, NULL) == WEIR_OK);
	weir_counter_add(&adds, 100);
	CHECK(weir_flush(WEIR_S(2)) == WEIR_OK);
	WITHIN_MS(2000, seen_by_exporter.adds == 100);
	EQUAL_INT(seen_by_exporter.pid, getpid());
	snprintf(parents_instance, sizeof parents_instance, "%s", seen_by_exporter.instance);
	CHECK(parents_instance[0] != '\0');
	EQUAL_INT(weir_after_fork(), WEIR_OK); /* the parent itself: it runs already */
	for (int round = 0; round < 10; round++) {
		child = fork();
		if (child == 0) {
			uint32_t then = exports_so_far(), runs = runs_so_far();

			weir_counter_add(&adds, 7);
			sleep_ms(30);
			EQUAL_INT(proc_status("Threads:", 10), 1); /* the child starts no thread by itself */
			EQUAL(exports_so_far(), then);
			EQUAL(runs_so_far(), runs);
			EQUAL_INT(weir_flush(WEIR_S(1)), WEIR_EINVAL);
			EQUAL_INT(weir_after_fork(), WEIR_OK);
			EQUAL_INT(weir_after_fork(), WEIR_OK);
			WITHIN_MS(5000, exports_so_far() != then && seen_by_exporter.adds == 7);
			WITHIN_MS(5000, runs_so_far() != runs);
			weir_counter_add(&adds, 1);
			EQUAL_INT(weir_flush(WEIR_S(5)), WEIR_OK);
			EQUAL(seen_by_exporter.adds, 8);
			EQUAL_INT(seen_by_exporter.pid, getpid());
			CHECK(seen_by_exporter.instance[0] != '\0');
			CHECK(strcmp(seen_by_exporter.instance, parents_instance) != 0);
			CHECK(strcmp(seen_by_exporter.service, "forker") == 0);
			EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
			EQUAL(seen_by_exporter.closed, 1);
			WITHIN_MS(2000, proc_status("Threads:", 10) == 1);
			exit(0);
		}
		CHILD_IS_WELL(child, 15000);
	}
	before = exports_so_far();
	WITHIN_MS(5000, exports_so_far() > before + 1);
	EQUAL_INT(seen_by_exporter.pid, getpid());
	CHECK(strcmp(seen_by_exporter.instance, parents_instance) == 0);
	EQUAL(seen_by_exporter.adds, 100);
	EQUAL(seen_by_exporter.closed, 0);
	CHECK(weir_shutdown(WEIR_S(5)) == WEIR_OK);
	EQUAL(seen_by_exporter.closed, 1);
}

/* A callback, an exporter, stand in the middle of a run at the moment of fork: the child has no such thread. */
static bool held;
static uint32_t holding;

static void hold_here(struct weir_observer *observer, void *arg)
{
	(void)arg;
	__atomic_fetch_add(&holding, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		usleep(500);
	weir_observer_report(observer, &observed, 1);
	__atomic_fetch_add(&callback_runs, 1, __ATOMIC_RELEASE);
}

static int hold_export_here(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	__atomic_fetch_add(&holding, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		usleep(500);
	return export_here(arg, snapshot, timeout_ns);
}

static void child_in_the_middle(bool exporters)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(5)};
	struct weir_exporter_options e = {.size = sizeof e, .interval_ns = WEIR_MS(5), .metrics = hold_export_here};
	struct weir_exporter *exporter = NULL;
	struct weir_callback *callback = NULL;

	CHECK(weir_init(&o) == WEIR_OK);
	held = true;
	if (exporters)
		CHECK(weir_exporter_new(&exporter, &e) == WEIR_OK);
	else
		CHECK(weir_callback_new(&callback, hold_here, NULL) == WEIR_OK);
	WITHIN_MS(5000, __atomic_load_n(&holding, __ATOMIC_ACQUIRE) != 0);
	for (int way = 0; way < 5; way++) {
		pid_t child = fork();

		if (child == 0) {
			uint32_t exports = exports_so_far(), runs = runs_so_far();

			held = false;
			switch (way) {
			case 0: /* simply ends: module destructors run, which wait for callbacks that run */
				exit(0);
			case 1:
				EQUAL_INT(weir_after_fork(), WEIR_OK);
				break;
			case 2: /* a host that always calls this */
				EQUAL_INT(weir_init(&o), WEIR_OK);
				break;
			case 3: /* takes down what it does not want */
				if (exporters) {
					/* no thread of this process runs it */
					EQUAL_INT(weir_exporter_destroy(exporter, WEIR_S(2)), WEIR_OK);
				} else {
					weir_callback_destroy(callback);
				}
				exit(0);
			default:
				EQUAL_INT(weir_shutdown(WEIR_S(2)), WEIR_OK);
				exit(0);
			}
			if (exporters)
				WITHIN_MS(3000, exports_so_far() > exports + 1);
			else
				WITHIN_MS(3000, runs_so_far() > runs + 1);
			EQUAL_INT(weir_shutdown(WEIR_S(2)), WEIR_OK);
			exit(0);
		}
		if (child_end(child, 6000) != 0)
			FAIL("a child forked while %s ran did not end well (0 exit, 1 after_fork, 2 init, 3 destroy, 4 "
			     "shutdown): %d",
			     exporters ? "an exporter" : "a callback", way);
	}
	__atomic_store_n(&held, false, __ATOMIC_RELEASE);
	CHECK(weir_shutdown(WEIR_S(5)) == WEIR_OK);
}

static void fork_while_a_callback_runs(void)
{
	child_in_the_middle(false);
}

static void fork_while_an_exporter_runs(void)
{
	child_in_the_middle(true);
}

/* What callbacks reported in the parent is not the child's: it is not exported there until it is reported there. */
static void childs_observed_series_are_its_own(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(5)};
	struct weir_callback *callback;
	struct weir_snapshot *snapshot;
	struct weir_series s;
	pid_t child;

	CHECK(weir_init(&o) == WEIR_OK);
	CHECK(weir_callback_new(&callback, observe_here, NULL) == WEIR_OK);
	WITHIN_MS(5000, runs_so_far() > 2);
	child = fork();
	if (child == 0) {
		CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
		if (weir_snapshot_find(snapshot, "fork_observed", NULL, 0, &s))
			FAIL("a child that has run no callback shows %lld for it", (long long)s.level);
		weir_snapshot_destroy(snapshot);
		CHECK(weir_after_fork() == WEIR_OK);
		callback_runs = 0;
		WITHIN_MS(5000, runs_so_far() > 2);
		CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
		CHECK(weir_snapshot_find(snapshot, "fork_observed", NULL, 0, &s));
		EQUAL_INT(s.level, 42);
		weir_snapshot_destroy(snapshot);
		exit(0);
	}
	CHILD_IS_WELL(child, 10000);
	CHECK(weir_shutdown(WEIR_S(5)) == WEIR_OK);
}

static void fork_here(struct weir_observer *observer, void *arg)
{
	pid_t child = fork();

	(void)arg;
	if (child == 0) {
		weir_counter_add(&adds, 3);
		EQUAL(weir_counter_read(&adds), 3);
		weir_observer_report(observer, &observed, 1);
		_exit(0);
	}
	CHILD_IS_WELL(child, 5000);
	__atomic_fetch_add(&callback_runs, 1, __ATOMIC_RELEASE);
}

static void fork_within_a_callback(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(5)};
	struct weir_callback *callback;

	CHECK(weir_init(&o) == WEIR_OK);
	CHECK(weir_callback_new(&callback, fork_here, NULL) == WEIR_OK);
	WITHIN_MS(10000, runs_so_far() >= 5);
	EQUAL(weir_counter_read(&adds), 0);
	CHECK(weir_shutdown(WEIR_S(5)) == WEIR_OK);
}

/* The child's losses, like its records, are its own. */
static void childs_losses_are_its_own(void)
{
	struct weir_status status;
	pid_t child;

	weir_counter_series_add((struct weir_counter_series){0}, 1);
	weir_histogram_record(&times, UINT64_MAX);
	weir_counter_add_with(&labelled, 1, "bad \xff", "x");
	status = status_now();
	EQUAL(status.dropped_records, 2);
	EQUAL(status.values_cleaned, 1);
	child = fork();
	if (child == 0) {
		status = status_now();
		EQUAL(status.dropped_records, 0);
		EQUAL(status.values_cleaned, 0);
		weir_counter_series_add((struct weir_counter_series){0}, 1);
		EQUAL(status_now().dropped_refused, 1);
		_exit(0);
	}
	CHILD_IS_WELL(child, 5000);
	EQUAL(status_now().dropped_records, 2);
}

/* ---- children in the parent's memory ---- */

static void expect_works(uint64_t times_over)
{
	expect_all(times_over);
	record_all(1);
	expect_all(times_over + 1);
}

static void vfork_child_counts_in_the_parent(void)
{
	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(1);
	for (volatile int round = 0; round < 50; round++) {
		pid_t child = vfork();

		if (child == 0) {
			record_all(1);
			_exit(0);
		}
		CHILD_IS_WELL(child, 5000);
	}
	expect_works(51);
	NOTE("the records of a vfork child count in its parent: 50 of 50 did");
}

static void *vfork_first(void *arg)
{
	pid_t child;

	(void)arg;
	child = vfork(); /* the thread has not recorded: the child's record is its first use */
	if (child == 0) {
		record_all(1);
		_exit(0);
	}
	CHILD_IS_WELL(child, 5000);
	record_all(1);
	return NULL;
}

static void vfork_child_is_the_threads_first_use(void)
{
	uint64_t shards = 0;

	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(1);
	for (int round = 0; round < 100; round++) {
		pthread_t thread;

		thread_start(&thread, vfork_first, NULL, 0);
		pthread_join(thread, NULL);
		expect_all(1 + 2 * ((uint64_t)round + 1));
		if (round == 0)
			shards = status_now().shards;
	}
	/* Known, and harmless: such a thread's shard has the child's number, and is not leased again: 8 KiB each. */
	AT_MOST(status_now().shards, shards + 100);
	expect_works(201);
}

static void posix_spawn_touches_nothing(void)
{
	char *const args[] = {(char[]){"true"}, NULL};

	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(1);
	for (int round = 0; round < 30; round++) {
		pid_t child;

		CHECK(posix_spawnp(&child, "true", NULL, NULL, args, environ) == 0);
		record_all(1);
		CHILD_IS_WELL(child, 5000);
	}
	CHECK(system("exit 0") == 0);
	expect_works(31);
}

static int clone_main(void *arg)
{
	(void)arg;
	record_all(1);
	return 0;
}

static void clone_vm_child_counts_in_the_parent(void)
{
	static _Alignas(64) char stack[256 * 1024];

	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(1);
	for (int round = 0; round < 50; round++) {
		int child = clone(clone_main, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);

		CHECK(child > 0);
		CHILD_IS_WELL(child, 5000);
	}
	expect_works(51);
	NOTE("the records of a clone(CLONE_VM | CLONE_VFORK) child count in its parent: 50 of 50 did");
}

CASES({"fork_begins_at_zero", fork_begins_at_zero, 30}, {"_Fork_begins_at_zero", _Fork_begins_at_zero, 30},
      {"clone_begins_at_zero", clone_begins_at_zero, 30}, {"fork_under_weir_init", fork_under_weir_init, 30},
      {"fork_from_another_thread", fork_from_another_thread, 30}, {"grandchildren", grandchildren, 30},
      {"forks_leave_nothing", forks_leave_nothing, 60},
      {"handler_before_fork_returns", handler_before_fork_returns, 60},
      {"fork_while_threads_register", fork_while_threads_register, 90},
      {"after_fork_starts_the_pipeline", after_fork_starts_the_pipeline, 60},
      {"fork_while_a_callback_runs", fork_while_a_callback_runs, 60},
      {"fork_while_an_exporter_runs", fork_while_an_exporter_runs, 60},
      {"childs_observed_series_are_its_own", childs_observed_series_are_its_own, 30},
      {"fork_within_a_callback", fork_within_a_callback, 60},
      {"childs_losses_are_its_own", childs_losses_are_its_own, 20},
      {"vfork_child_counts_in_the_parent", vfork_child_counts_in_the_parent, 20},
      {"vfork_child_is_the_threads_first_use", vfork_child_is_the_threads_first_use, 30},
      {"posix_spawn_touches_nothing", posix_spawn_touches_nothing, 30},
      {"clone_vm_child_counts_in_the_parent", clone_vm_child_counts_in_the_parent, 20})
