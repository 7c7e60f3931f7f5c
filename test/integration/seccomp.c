/* Strict seccomp: a thread that has recorded once makes no system call in any record call, those with labels
 * included. (What may make one is a thread's, a block's or a series' first use, and a label value that must be
 * mended.) And weir_init where memfd_create is refused. Public API only. */
#include "case.h"

#include <weir/weir.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

enum { CALLS = 1000000, CAP = 8 };

WEIR_COUNTER(counter, "strict_total", "Adds.");
WEIR_UPDOWN(updown, "strict_updown", "Ups and downs.");
WEIR_GAUGE(gauge, "strict_gauge", "A level.");
WEIR_FLOAT_GAUGE(real, "strict_real", "A level that is a double.");
WEIR_HISTOGRAM(explicit_bounds, WEIR_LATENCY_SLO(990000, WEIR_MS(3)), "strict_explicit_seconds", "Times.");
WEIR_HISTOGRAM(exponential, WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))), "strict_exponential_seconds",
               "Times.");
WEIR_HISTOGRAM(dense, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(1000000, 1000001, 1000002, 1000003, 1000004)), "strict_dense",
               "Close bounds.");
WEIR_COUNTER(counter_by, "strict_by_total", "Adds by labels.", "method", "route", "code");
WEIR_UPDOWN(updown_by, "strict_updown_by", "Ups and downs by label.", "k");
WEIR_GAUGE(gauge_by, "strict_gauge_by", "Levels.", "k");
WEIR_FLOAT_GAUGE(real_by, "strict_real_by", "Levels.", "k");
WEIR_HISTOGRAM(times_by, WEIR_LATENCY, "strict_times_by_seconds", "Times by label.", "k");
WEIR_INFO(info, "strict_facts_info", "Facts.", "k");
WEIR_COUNTER(capped, "strict_capped_total", "More values than the cap.", "k");
WEIR_COUNTER(refused, "strict refused", "Not a name.");
WEIR_COUNTER(claimed, "strict_claimed_total", "A label that the context fills, if it says anything.", "k", WEIR_CLAIM("tenant"));
WEIR_COUNTER(values_by, "strict_values_total", "Values with a length.", "k");
WEIR_HISTOGRAM(timed, WEIR_LATENCY, "strict_timed_seconds", "A stopwatch's.");

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

static bool install(struct sock_filter *code, size_t count)
{
	struct sock_fprog program = {(unsigned short)count, code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define UNLESS(number, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, (skip))

/* This thread alone: any call but exit kills the process, and so the case. */
static bool only_exit(void)
{
	struct sock_filter code[] = {LOAD(nr), UNLESS(SYS_exit, 1), ANSWER(SECCOMP_RET_ALLOW),
	                             ANSWER(SECCOMP_RET_KILL_PROCESS)};

	return install(code, sizeof code / sizeof *code);
}

static bool without_call(unsigned number, unsigned error)
{
	struct sock_filter code[] = {LOAD(nr), UNLESS(number, 1),
	                             ANSWER(SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)), ANSWER(SECCOMP_RET_ALLOW)};

	return install(code, sizeof code / sizeof *code);
}

/* A thread cannot return under that filter: what ends it makes other calls. */
__attribute__((noreturn)) static void end_thread(void)
{
#if defined(__x86_64__)
	for (;;)
		__asm__ volatile("syscall" : : "a"((long)SYS_exit), "D"(0L) : "rcx", "r11", "memory");
#else
	for (;;)
		syscall(SYS_exit, 0);
#endif
}

static struct {
	struct weir_counter_series counter;
	struct weir_updown_series updown;
	struct weir_gauge_series gauge;
	struct weir_float_gauge_series real;
	struct weir_histogram_series times;
} handle;
static char over[CAP + 4][8];
static bool no_filter;

static void each_call(uint64_t i)
{
	static const char *const route[] = {"/api/v1/orders", "/api/v1/orders/{id}", "/healthz", ""};
	struct weir_counter_series empty = {0};
	struct weir_str value = weir_str_n("with\0nul", i % 2 != 0 ? 4 : 3);
	struct weir_str two[2] = {{"a", 1}, {"b", 1}};

	weir_counter_add(&counter, 3);
	weir_updown_add(&updown, -2);
	weir_gauge_set(&gauge, 5);
	weir_gauge_add(&gauge, (int64_t)i % 3);
	weir_float_gauge_set(&real, 0.5);
	weir_float_gauge_add(&real, 0.25);
	weir_histogram_record(&explicit_bounds, i * 37);
	weir_histogram_record(&exponential, i * 61);
	weir_histogram_record(&dense, 999990 + i % 20);
	weir_counter_series_add(handle.counter, 1);
	weir_updown_series_add(handle.updown, 1);
	weir_gauge_series_set(handle.gauge, 2);
	weir_gauge_series_add(handle.gauge, 1);
	weir_float_gauge_series_set(handle.real, 2);
	weir_float_gauge_series_add(handle.real, 1);
	weir_histogram_series_record(handle.times, i);
	weir_counter_add_with(&counter_by, 1, i % 2 != 0 ? "GET" : "POST", route[i % 4], "200");
	weir_updown_add_with(&updown_by, 1, "x");
	weir_gauge_set_with(&gauge_by, 4, "x");
	weir_gauge_add_with(&gauge_by, 1, "x");
	weir_float_gauge_set_with(&real_by, 4, "x");
	weir_float_gauge_add_with(&real_by, 1, "x");
	weir_histogram_record_with(&times_by, i, "x");
	weir_info_set(&info, "x");
	weir_counter_add_values(&values_by, 1, NULL, &value, 1);
	weir_histogram_record_values(&times_by, i, NULL, &value, 1);
	weir_counter_add_with(&capped, 1, over[i % (CAP + 4)]);
	weir_counter_add_ctx(&claimed, 1, WEIR_CURRENT, i % 2 != 0 ? "x" : "y");
	/* what is dropped and counted makes no call either */
	weir_counter_add(&refused, 1);
	weir_counter_series_add(empty, 1);
	weir_histogram_record(&explicit_bounds, UINT64_MAX - i);
	weir_counter_add_values(&values_by, 1, NULL, two, 2);
	if (i % 1024 == 0) /* a handle is resolved without one, too */
		weir_counter_series_add(weir_counter_with(&counter_by, "GET", route[1], "handle"), 0);
}

static void *strict_thread(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 2 * (CAP + 4); i++) /* each once, and each series */
		each_call(i);
	if (!only_exit()) {
		no_filter = true;
		return NULL;
	}
	for (uint64_t i = 0; i < CALLS; i++)
		each_call(i);
	end_thread();
}

static uint64_t under_cap(void)
{
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t sum = 0;
	bool overflow = false;

	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "strict_capped_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s);) {
				sum += s.count;
				overflow = overflow || (s.overflow && s.count == status_now().overflowed);
			}
	weir_snapshot_destroy(snapshot);
	CHECK(overflow);
	return sum;
}

static void a_million_of_each_record_call(void)
{
	const uint64_t first = 2 * (CAP + 4), n = CALLS + first;
	struct weir_instrument_options cap = {.size = sizeof cap, .max_series = CAP};
	struct weir_str with_three = weir_str_n("with", 3), with_four = weir_str_n("with", 4);
	uint64_t sum = 0, by = 0;
	struct weir_distribution d;
	struct weir_status status;
	pthread_t thread;

	CHECK(weir_instrument_configure("strict_capped_total", &cap) == WEIR_OK);
	for (int i = 0; i < CAP + 4; i++)
		snprintf(over[i], sizeof over[i], "%d", i);
	handle.counter = weir_counter_with(&counter_by, "by", "a", "handle");
	handle.updown = weir_updown_with(&updown_by, "handle");
	handle.gauge = weir_gauge_with(&gauge_by, "handle");
	handle.real = weir_float_gauge_with(&real_by, "handle");
	handle.times = weir_histogram_with(&times_by, "handle");
	thread_start(&thread, strict_thread, NULL, 0);
	pthread_join(thread, NULL);
	if (no_filter)
		SKIP("this system installs no seccomp filter");
	EQUAL(weir_counter_read(&counter), 3 * n);
	EQUAL_INT(weir_updown_read(&updown), -2 * (int64_t)n);
	EQUAL_INT(weir_gauge_read(&gauge), 5 + (CALLS - 1) % 3);
	CHECK(weir_float_gauge_read(&real) == 0.75);
	for (uint64_t i = 0; i < CALLS; i++)
		sum += i * 37;
	for (uint64_t i = 0; i < first; i++)
		sum += i * 37;
	d = weir_histogram_read(&explicit_bounds);
	EQUAL(d.count, n);
	EQUAL(d.sum_low, sum);
	EQUAL(d.good, WEIR_MS(3) / 37 + 1 + first);
	d = weir_histogram_read(&exponential);
	EQUAL(d.count, n);
	EQUAL(d.sum_low, sum / 37 * 61);
	EQUAL(weir_histogram_read(&dense).count, n);
	EQUAL(weir_counter_series_read(handle.counter), n);
	EQUAL_INT(weir_updown_series_read(handle.updown), n);
	EQUAL_INT(weir_gauge_series_read(handle.gauge), 3);
	CHECK(weir_float_gauge_series_read(handle.real) == 3);
	EQUAL(weir_histogram_series_read(handle.times).count, n);
	by = weir_counter_series_read(weir_counter_with(&counter_by, "POST", "/api/v1/orders", "200")) +
	     weir_counter_series_read(weir_counter_with(&counter_by, "GET", "/api/v1/orders/{id}", "200")) +
	     weir_counter_series_read(weir_counter_with(&counter_by, "POST", "/healthz", "200")) +
	     weir_counter_series_read(weir_counter_with(&counter_by, "GET", "", "200"));
	EQUAL(by, n);
	EQUAL_INT(weir_updown_series_read(weir_updown_with(&updown_by, "x")), n);
	EQUAL_INT(weir_gauge_series_read(weir_gauge_with(&gauge_by, "x")), 5);
	CHECK(weir_float_gauge_series_read(weir_float_gauge_with(&real_by, "x")) == 5);
	EQUAL(weir_histogram_series_read(weir_histogram_with(&times_by, "x")).count, n);
	EQUAL(weir_counter_series_read(weir_counter_values(&values_by, &with_three, 1)), n / 2);
	EQUAL(weir_counter_series_read(weir_counter_values(&values_by, &with_four, 1)), n / 2);
	EQUAL(under_cap(), n);
	status = status_now();
	EQUAL(status.dropped_refused, 2 * n);
	EQUAL(status.dropped_value, n);
	EQUAL(status.dropped_labels, n);
	EQUAL(status.dropped_records, 4 * n);
	EQUAL(status.overflowed, under_cap() - CALLS / (CAP + 4) * CAP - 2 * CAP - CALLS % (CAP + 4));
}

/* The same, prepared by weir_thread_attach alone: for a thread that records only when it is confined already. */
static void *attached_thread(void *arg)
{
	(void)arg;
	CHECK(weir_thread_attach() == WEIR_OK);
	if (!only_exit()) {
		no_filter = true;
		return NULL;
	}
	for (uint64_t i = 0; i < 1000; i++) {
		weir_counter_add(&counter, 1);
		weir_gauge_add(&gauge, 1);
		weir_histogram_record(&explicit_bounds, i);
		weir_histogram_record(&exponential, i);
		weir_counter_series_add(handle.counter, 1);
		weir_counter_add_with(&counter_by, 1, "by", "a", "handle");
		weir_info_set(&info, "x");
	}
	end_thread();
}

static void attach_is_preparation_enough(void)
{
	pthread_t thread;

	handle.counter = weir_counter_with(&counter_by, "by", "a", "handle");
	weir_info_set(&info, "x");
	thread_start(&thread, attached_thread, NULL, 0);
	pthread_join(thread, NULL);
	if (no_filter)
		SKIP("this system installs no seccomp filter");
	EQUAL(weir_counter_read(&counter), 1000);
	EQUAL_INT(weir_gauge_read(&gauge), 1000);
	EQUAL(weir_histogram_read(&explicit_bounds).count, 1000);
	EQUAL(weir_histogram_read(&exponential).count, 1000);
	EQUAL(weir_counter_series_read(handle.counter), 2000);
	EQUAL(status_now().dropped_records, 0);
}

static void *timed_thread(void *arg)
{
	struct weir_stopwatch watch = weir_stopwatch_begin();

	(void)arg;
	weir_stopwatch_record(&watch, &timed);
	if (!only_exit()) {
		no_filter = true;
		return NULL;
	}
	for (int i = 0; i < CALLS; i++) {
		watch = weir_stopwatch_begin();
		weir_stopwatch_record(&watch, &timed);
	}
	end_thread();
}

/* A stopwatch reads the clock, which is no system call where the kernel gives user space a clock source. */
static void a_million_of_the_stopwatch(void)
{
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
	char source[32] = "";
	pthread_t thread;

	if (file == NULL || fgets(source, sizeof source, file) == NULL)
		source[0] = '\0';
	if (file != NULL)
		fclose(file);
	source[strcspn(source, "\n")] = '\0';
	if (strcmp(source, "tsc") != 0 && strcmp(source, "kvm-clock") != 0 && strcmp(source, "arch_sys_counter") != 0)
		SKIP("the clock source is \"%s\", which may need system calls", source);
	thread_start(&thread, timed_thread, NULL, 0);
	pthread_join(thread, NULL);
	if (no_filter)
		SKIP("this system installs no seccomp filter");
	EQUAL(weir_histogram_read(&timed).count, CALLS + 1);
}

/* ---- memfd_create refused ---- */

static char logged[1024];

static void log_it(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%s\n", text);
}

static void *record_there(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		weir_counter_add(&counter, 1);
		weir_gauge_add(&gauge, 1);
		weir_histogram_record(&explicit_bounds, 5);
		weir_counter_add_with(&counter_by, 1, "a", "b", "c");
	}
	return NULL;
}

static void expect_fallback(unsigned error)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(2), .log = log_it};
	pthread_t threads[4];
	pid_t child;

	if (!without_call(SYS_memfd_create, error))
		SKIP("this system installs no seccomp filter");
	EQUAL_INT(weir_init(&o), WEIR_OK);
	CHECK(strcmp(status_now().home, "private: memfd_create was refused") == 0);
	CHECK(strstr(logged, "memfd_create was refused") != NULL);
	for (int i = 0; i < 4; i++)
		thread_start(&threads[i], record_there, NULL, 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	EQUAL(weir_counter_read(&counter), 4000);
	EQUAL_INT(weir_gauge_read(&gauge), 4000);
	EQUAL(weir_histogram_read(&explicit_bounds).count, 4000);
	child = fork(); /* private memory is copied, so that it must be let go, not written over */
	if (child == 0) {
		EQUAL(weir_counter_read(&counter), 0);
		record_there(NULL);
		EQUAL(weir_counter_read(&counter), 1000);
		EQUAL_INT(weir_gauge_read(&gauge), 1000);
		CHECK(strcmp(status_now().home, "private: memfd_create was refused") == 0);
		_exit(0);
	}
	CHILD_IS_WELL(child, 5000);
	EQUAL(weir_counter_read(&counter), 4000);
	EQUAL(status_now().dropped_records, 0);
	EQUAL_INT(weir_shutdown(WEIR_S(2)), WEIR_OK);
}

static void memfd_create_is_not_permitted(void)
{
	expect_fallback(EPERM);
}

static void memfd_create_is_unknown(void)
{
	expect_fallback(ENOSYS);
}

/* Other calls that a sandbox may not know: records go on, or are counted. (futex is none: libc itself aborts without
 * it.) */
static void expect_without(unsigned number, const char *name, bool exact)
{
	struct weir_options o = {.size = sizeof o,
	                         .tick_ns = WEIR_MS(2),
	                         .log_level = WEIR_LOG_NONE,
	                         .no_process = true}; /* else its own records would be dropped and counted too */
	pid_t child;

	child = fork();
	if (child == 0) {
		uint64_t sum;

		if (!without_call(number, EPERM))
			_exit(0);
		weir_init(&o);
		record_there(NULL);
		sum = weir_counter_read(&counter) + (uint64_t)weir_gauge_read(&gauge) +
		      weir_histogram_read(&explicit_bounds).count +
		      weir_counter_series_read(weir_counter_with(&counter_by, "a", "b", "c"));
		EQUAL(sum + status_now().dropped_records, 4000);
		if (exact)
			EQUAL(status_now().dropped_records, 0);
		weir_shutdown(WEIR_S(1));
		_exit(0);
	}
	if (child_end(child, 8000) != 0)
		FAIL("without %s", name);
}

static void other_calls_that_are_refused(void)
{
	expect_without(SYS_madvise, "madvise", false);
	expect_without(SYS_mprotect, "mprotect", false);
	expect_without(SYS_ftruncate, "ftruncate", true);
	expect_without(SYS_tgkill, "tgkill", true);
	expect_without(SYS_prctl, "prctl", true);
	expect_without(SYS_rt_sigprocmask, "rt_sigprocmask", true);
	expect_without(SYS_getrandom, "getrandom", true);
	expect_without(SYS_uname, "uname", true);
#ifdef SYS_close_range
	expect_without(SYS_close_range, "close_range", true);
#endif
	expect_without(SYS_openat, "openat", true);
	expect_without(SYS_prlimit64, "prlimit64", true);
	expect_without(SYS_fcntl, "fcntl", true);
}

CASES({"a_million_of_each_record_call", a_million_of_each_record_call, 60},
      {"attach_is_preparation_enough", attach_is_preparation_enough, 20},
      {"a_million_of_the_stopwatch", a_million_of_the_stopwatch, 30},
      {"memfd_create_is_not_permitted", memfd_create_is_not_permitted, 20},
      {"memfd_create_is_unknown", memfd_create_is_unknown, 20},
      {"other_calls_that_are_refused", other_calls_that_are_refused, 60})
