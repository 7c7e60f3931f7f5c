/* Recording in signal handlers: on a thread that records, that is at its very first use, that registers, that reads.
 * Public API only. Nothing is lost where the thread has used the cell before; on first use it is recorded, or dropped
 * and counted; errno is never touched. */
#include "case.h"

#include <weir/weir.h>

#include <sys/syscall.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

WEIR_COUNTER(adds, "signal_adds_total", "Adds.");
WEIR_COUNTER(labelled, "signal_labelled_total", "Adds by label.", "k");
WEIR_COUNTER(many, "signal_many_total", "Adds by many labels.", "who", "number");
WEIR_UPDOWN(updown, "signal_updown", "Ups and downs.");
WEIR_GAUGE(gauge, "signal_gauge", "A level.");
WEIR_FLOAT_GAUGE(real, "signal_real", "A level that is a double.");
WEIR_INFO(about, "signal_info", "Facts.", "k");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "signal_times_seconds", "Times.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES, WEIR_RANGE(16, WEIR_MIB(64))), "signal_sizes_bytes", "Sizes.", "k");
WEIR_COUNTER(refused, "signal not a name", "Refused.");

/* Signals at this thread, every ns nanoseconds. */
/* A machine may be too busy for anything but the handler: the storm ends by itself. */
static timer_t storm;
static uint64_t storm_until;

static void storm_checked(uint64_t handlers)
{
	static const struct itimerspec never;

	if (handlers % 64 == 0 && now_ns() > storm_until)
		timer_settime(storm, 0, &never, NULL);
}

static timer_t storm_begin(long ns)
{
	struct sigevent event;
	struct itimerspec every = {{0, ns}, {0, ns}};
	timer_t timer;

	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = SIGRTMIN;
	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	storm = timer;
	storm_until = now_ns() + WEIR_S(3);
	CHECK(timer_settime(timer, 0, &every, NULL) == 0);
	return timer;
}

static void storm_end(timer_t timer)
{
	timer_delete(timer);
	sleep_ms(2); /* the last one */
}

static void on_signal(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
}

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

/* ---- a storm on a thread that records ---- */

static struct weir_counter_series handle;
static volatile uint64_t in_handler;

static inline __attribute__((always_inline)) void record_once(void)
{
	weir_counter_add(&adds, 3);
	weir_counter_series_add(handle, 5);
	weir_counter_add_with(&labelled, 1, "per call");
	weir_updown_add(&updown, -2);
	weir_gauge_add(&gauge, 7);
	weir_float_gauge_add(&real, 0.5);
	weir_histogram_record(&times, WEIR_MS(4));
	weir_histogram_record_with(&sizes, 4096, "x");
}

static void record_in_storm(int number)
{
	(void)number;
	storm_checked(++in_handler);
	record_once();
}

static void nothing_is_lost_in_a_storm(void)
{
	struct weir_histogram_series sized = weir_histogram_with(&sizes, "x");
	struct weir_distribution d;
	uint64_t n = 0, all, until;
	timer_t timer;

	handle = weir_counter_with(&labelled, "handle");
	record_once(); /* first use is another case */
	n++;
	on_signal(record_in_storm);
	timer = storm_begin(15000);
	for (until = now_ns() + WEIR_MS(1500); now_ns() < until;)
		for (int i = 0; i < 1000; i++, n++)
			record_once();
	storm_end(timer);
	all = n + in_handler;
	CHECK(in_handler > 1000);
	NOTE("%llu records in handlers among %llu", (unsigned long long)in_handler, (unsigned long long)n);
	EQUAL(weir_counter_read(&adds), 3 * all);
	EQUAL(weir_counter_series_read(handle), 5 * all);
	EQUAL(weir_counter_series_read(weir_counter_with(&labelled, "per call")), all);
	EQUAL_INT(weir_updown_read(&updown), -2 * (int64_t)all);
	EQUAL_INT(weir_gauge_read(&gauge), 7 * (int64_t)all);
	CHECK(weir_float_gauge_read(&real) == 0.5 * (double)all);
	d = weir_histogram_read(&times);
	EQUAL(d.count, all);
	EQUAL(d.good, all);
	EQUAL(d.sum_low, all * WEIR_MS(4));
	d = weir_histogram_series_read(sized);
	EQUAL(d.count, all);
	EQUAL(d.sum_low, all * 4096);
	EQUAL(status_now().dropped_records, 0);
}

/* The tightest loop: one cell, nothing else, so that handlers fall between any two instructions of an add. */
static void add_in_storm(int number)
{
	(void)number;
	storm_checked(++in_handler);
	weir_counter_add(&adds, 1);
}

static void one_cell_in_a_storm(void)
{
	uint64_t n = 0, until;
	timer_t timer;

	weir_counter_add(&adds, 1);
	on_signal(add_in_storm);
	timer = storm_begin(8000);
	for (until = now_ns() + WEIR_MS(1500), n = 1; now_ns() < until;)
		for (int i = 0; i < 20000; i++, n++)
			weir_counter_add(&adds, 1);
	storm_end(timer);
	CHECK(in_handler > 1000);
	EQUAL(weir_counter_read(&adds), n + in_handler);
}

/* ---- a thread's first use, within a handler or around one ---- */

enum { FRESH_THREADS = 400, FRESH_RECORDS = 60 };
static uint64_t offered_by_handlers;
static __thread timer_t own_timer;
static __thread unsigned runs;

static void first_use_in_handler(int number)
{
	static const struct itimerspec never;

	(void)number;
	if (++runs == 30) /* else the thread gets nowhere where a handler takes longer than the interval */
		timer_settime(own_timer, 0, &never, NULL);
	weir_counter_add(&adds, 1);
	__atomic_fetch_add(&offered_by_handlers, 1, __ATOMIC_RELAXED);
}

static void *fresh_thread(void *arg)
{
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &ours, NULL); /* until the timer is known */
	own_timer = storm_begin(5000 + 37 * (long)(uintptr_t)arg);
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
	for (int i = 0; i < FRESH_RECORDS; i++) {
		weir_counter_add(&adds, 1);
		if (i % 8 == 0)
			usleep(1);
	}
	storm_end(own_timer);
	return NULL;
}

static void first_use_is_recorded_or_counted(void)
{
	pthread_t threads[8];
	uint64_t offered, dropped;

	on_signal(first_use_in_handler);
	for (int round = 0; round < FRESH_THREADS / 8; round++) {
		for (uintptr_t i = 0; i < 8; i++)
			thread_start(&threads[i], fresh_thread, (void *)(i + (uintptr_t)round * 8), 0);
		for (int i = 0; i < 8; i++)
			pthread_join(threads[i], NULL);
	}
	offered = FRESH_THREADS * FRESH_RECORDS + offered_by_handlers;
	dropped = status_now().dropped_records;
	NOTE("%llu records by handlers, %llu dropped and counted", (unsigned long long)offered_by_handlers,
	     (unsigned long long)dropped);
	CHECK(offered_by_handlers > FRESH_THREADS);
	EQUAL(weir_counter_read(&adds) + dropped, offered);
}

/* The very first use of the process is within a handler. */
static void first_use_of_the_process(void)
{
	on_signal(add_in_storm);
	CHECK(raise(SIGRTMIN) == 0);
	CHECK(raise(SIGRTMIN) == 0);
	EQUAL(weir_counter_read(&adds) + status_now().dropped_records, 2);
	EQUAL(weir_counter_read(&adds), 2);
}

/* ---- a thread that registers, or reads, meanwhile ---- */

static void new_series_in_handler(int number)
{
	static uint64_t k;
	char text[24] = "h";
	uint64_t n = k++ % 3000;
	size_t at = 1;

	(void)number;
	do /* snprintf is not for handlers */
		text[at++] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	text[at] = '\0';
	weir_counter_add_with(&many, 1, "handler", text);
	in_handler++;
}

static void handler_registers_as_the_thread_does(void)
{
	struct weir_instrument_options room = {.size = sizeof room, .max_series = 100000};
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t n = 0, until, counted = 0;
	timer_t timer;

	CHECK(weir_instrument_configure("signal_many_total", &room) == WEIR_OK);
	on_signal(new_series_in_handler);
	timer = storm_begin(20000);
	for (until = now_ns() + WEIR_MS(1000); now_ns() < until; n++) {
		char text[24];

		snprintf(text, sizeof text, "%llu", (unsigned long long)(n % 50000));
		weir_counter_add_with(&many, 1, "thread", text);
	}
	storm_end(timer);
	CHECK(in_handler > 500);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "signal_many_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s);)
				counted += s.count;
	weir_snapshot_destroy(snapshot);
	EQUAL(counted + status_now().dropped_records, n + in_handler);
}

static void handler_records_while_the_thread_reads(void)
{
	uint64_t until, reads = 0;
	timer_t timer;

	weir_counter_add(&adds, 0);
	on_signal(add_in_storm);
	timer = storm_begin(20000);
	for (until = now_ns() + WEIR_MS(600); now_ns() < until; reads++) {
		struct weir_snapshot *snapshot;
		uint64_t before = in_handler, seen;
		struct weir_series s;

		CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
		CHECK(weir_snapshot_find(snapshot, "signal_adds_total", NULL, 0, &s));
		seen = s.count;
		weir_snapshot_destroy(snapshot);
		CHECK(seen >= before && seen <= in_handler);
		CHECK(weir_counter_read(&adds) >= seen);
		status_now();
		weir_histogram_read(&times);
	}
	storm_end(timer);
	CHECK(reads > 10 && in_handler > 100);
	EQUAL(weir_counter_read(&adds), in_handler);
}

/* ---- errno ---- */

#define KEEPS_ERRNO(call)                                           \
	do {                                                        \
		errno = 4242;                                       \
		call;                                               \
		if (errno != 4242)                                  \
			FAIL("errno is %d after %s", errno, #call); \
	} while (0)

static struct weir_str two[] = {{"a", 1}, {"b", 1}};

static void all_record_calls(int only, const char *fresh)
{
	struct weir_counter_series no_counter = {0};
	struct weir_histogram_series no_histogram = {&weir_layout_none_v1, 0};
	struct weir_str one = weir_str_of(fresh);
	struct weir_stopwatch watch = weir_stopwatch_begin();
	int n = 0;

#define CALL(call)                 \
	if (only < 0 || only == n) \
		KEEPS_ERRNO(call); \
	n++
	CALL(weir_counter_add(&adds, 1));
	CALL(weir_updown_add(&updown, 1));
	CALL(weir_gauge_set(&gauge, 1));
	CALL(weir_gauge_add(&gauge, 1));
	CALL(weir_float_gauge_set(&real, 1));
	CALL(weir_float_gauge_add(&real, 1));
	CALL(weir_histogram_record(&times, 1));
	CALL(weir_histogram_record(&times, UINT64_MAX));
	CALL(weir_counter_add_with(&labelled, 1, fresh));
	CALL(weir_counter_add_with(&labelled, 1, "bad \xff\x01"));
	CALL(weir_counter_add_with(&labelled, 1, NULL));
	CALL(weir_counter_add_values(&labelled, 1, NULL, &one, 1));
	CALL(weir_counter_add_values(&labelled, 1, NULL, two, 2)); /* a wrong number of values */
	CALL(weir_histogram_record_with(&sizes, 1, fresh));
	CALL(weir_histogram_record_values(&sizes, 1, NULL, &one, 1));
	CALL(weir_info_set(&about, fresh));
	CALL(weir_info_clear(&about));
	CALL((void)weir_counter_with(&labelled, fresh));
	CALL((void)weir_histogram_with(&sizes, fresh));
	CALL(weir_counter_series_add(no_counter, 1));
	CALL(weir_histogram_series_record(no_histogram, 1));
	CALL(weir_counter_add(&refused, 1));
	CALL(weir_stopwatch_record(&watch, &times));
#undef CALL
}
enum { RECORD_CALLS = 23 };

static void *one_call(void *arg)
{
	char fresh[32];

	snprintf(fresh, sizeof fresh, "fresh %d", (int)(intptr_t)arg);
	all_record_calls((int)(intptr_t)arg, fresh); /* the thread's very first use of weir */
	return NULL;
}

static void errno_is_never_touched(void)
{
	pthread_t thread;

	all_record_calls(-1, "main");
	for (intptr_t i = 0; i < RECORD_CALLS; i++) {
		thread_start(&thread, one_call, (void *)i, 0);
		pthread_join(thread, NULL);
	}
	for (int i = 0; i < 3000; i++) { /* past the cap, and through each growth of the table */
		char fresh[32];

		snprintf(fresh, sizeof fresh, "%d", i);
		KEEPS_ERRNO(weir_counter_add_with(&labelled, 1, fresh));
	}
	CHECK(status_now().overflowed > 0);
	for (intptr_t i = 0; i < RECORD_CALLS; i++) { /* each as the first use of a forked child */
		pid_t child = fork();

		if (child == 0) {
			one_call((void *)i);
			_exit(0);
		}
		CHILD_IS_WELL(child, 5000);
	}
}

/* No call at all before, one a process: the process' first use keeps errno too. */
static void errno_at_the_process_first_use(void)
{
	char number[16];

	for (int i = 0; i < RECORD_CALLS; i++) {
		pid_t child;

		snprintf(number, sizeof number, "%d", i);
		child = fork();
		if (child == 0) {
			char *const args[] = {(char[]){"signals"}, (char[]){"first_call"}, NULL};

			setenv("FIRST_CALL", number, 1);
			execv("/proc/self/exe", args);
			_exit(126);
		}
		CHILD_IS_WELL(child, 5000);
	}
}

static void first_call(void)
{
	const char *number = getenv("FIRST_CALL");

	if (number == NULL) /* by itself: the first of them */
		number = "0";
	one_call((void *)(intptr_t)atoi(number));
}

CASES({"nothing_is_lost_in_a_storm", nothing_is_lost_in_a_storm, 30}, {"one_cell_in_a_storm", one_cell_in_a_storm, 30},
      {"first_use_is_recorded_or_counted", first_use_is_recorded_or_counted, 60},
      {"first_use_of_the_process", first_use_of_the_process, 10},
      {"handler_registers_as_the_thread_does", handler_registers_as_the_thread_does, 30},
      {"handler_records_while_the_thread_reads", handler_records_while_the_thread_reads, 30},
      {"errno_is_never_touched", errno_is_never_touched, 30},
      {"errno_at_the_process_first_use", errno_at_the_process_first_use, 30}, {"first_call", first_call, 0})
