/* Every allocation fails once, in turn: this program's own malloc, calloc, realloc, mmap, mprotect, madvise,
 * ftruncate, fallocate, pthread_create and syscall(memfd_create) stand before libc's for libweir too, and the k-th
 * call fails, for every k, over a whole life; then all of them from the k-th on, for a while. Nothing crashes or
 * hangs; what was offered was recorded, or dropped and counted; and once there is memory again, records are counted
 * again. Public API only. (accept is the endpoint's.)
 *
 * Invariant: calls are counted, and fail, only while `failing` is set; else they are libc's. */
#include "case.h"

#include <weir/weir.h>

#if CASE_SANITIZED

static void without_sanitizers_only(void)
{
	SKIP("a sanitizer stands where this test's allocator would");
}
CASES({"every_allocation_fails_once", without_sanitizers_only, 10})

#else

#include "oom_calls.h"

WEIR_COUNTER(adds, "oom_adds_total", "Adds.");
WEIR_COUNTER(labelled, "oom_labelled_total", "Adds by label.", "k");
WEIR_COUNTER(claimed, "oom_claimed_total", "A label that the context fills.", "k", WEIR_CLAIM("tenant"));
WEIR_GAUGE(gauge, "oom_gauge", "A level.");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "oom_times_seconds", "Times.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES, WEIR_RANGE(16, WEIR_MIB(64))), "oom_sizes_bytes", "Sizes.", "k");
WEIR_INFO(info, "oom_info", "Facts.", "k");
WEIR_OBSERVED_GAUGE(observed, "oom_observed", "What a callback reports.", "k");

/* ---- one life ---- */

static uint64_t offered;

static void record_all(int n)
{
	char k[16];

	snprintf(k, sizeof k, "%d", n % 300);
	weir_counter_add(&adds, 1);
	weir_counter_add_with(&labelled, 1, k);
	weir_gauge_add(&gauge, 1);
	weir_histogram_record(&times, WEIR_MS(1));
	weir_histogram_record_with(&sizes, 100, "x");
	weir_counter_add_ctx(&claimed, 1, WEIR_CURRENT, n % 2 != 0 ? "x" : "y");
	offered += 6;
}

static void *record_in_thread(void *arg)
{
	int from = *(int *)arg;

	for (int n = from; n < from + 20; n++)
		record_all(n);
	return NULL;
}

static void observe(struct weir_observer *observer, void *arg)
{
	(void)arg;
	weir_observer_report_with(observer, &observed, 5, "x");
}

static int export_it(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	(void)arg;
	(void)snapshot;
	(void)timeout_ns;
	return WEIR_OK;
}

static int drop_bytes(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	(void)len;
	return 0;
}

static void run_thread(int from)
{
	pthread_t thread;

	/* libc's own: the host's threads are not what is tested */
	if (libc.pthread_create(&thread, NULL, record_in_thread, &from) == 0)
		pthread_join(thread, NULL);
}

/* A host that only records: nothing of weir's own is recorded beside. */
static void bare_life(void)
{
	struct weir_snapshot *snapshot = NULL;

	for (int n = 0; n < 20; n++)
		record_all(n);
	run_thread(20);
	if (weir_snapshot_new(&snapshot) == WEIR_OK)
		weir_snapshot_destroy(snapshot);
	for (int n = 40; n < 300; n++)
		record_all(n);
	run_thread(280);
}

/* The same calls in the same order, whatever fails. */
static void life(bool pumped)
{
	struct weir_options o = {.size = sizeof o,
	                         .tick_ns = WEIR_MS(1000),
	                         .log_level = WEIR_LOG_NONE,
	                         .no_thread = pumped,
	                         .no_process = true,
	                         .service_name = "oom"};
	struct weir_exporter_options e = {.size = sizeof e, .interval_ns = WEIR_S(60), .metrics = export_it};
	static const char *const labels[] = {"k", NULL};
	struct weir_exporter *exporter = NULL;
	struct weir_callback *callback = NULL;
	struct weir_snapshot *snapshot = NULL;
	const struct weir_counter *counter;
	const struct weir_histogram *histogram;
	int error;

	for (int n = 0; n < 20; n++)
		record_all(n);
	error = weir_init(&o);
	CHECK(error == WEIR_OK || error == WEIR_ENOMEM);
	error = weir_callback_new(&callback, observe, NULL);
	CHECK(error == WEIR_OK || (error == WEIR_ENOMEM && callback == NULL));
	error = weir_exporter_new(&exporter, &e);
	CHECK(error == WEIR_OK || (error == WEIR_ENOMEM && exporter == NULL));
	error = weir_counter_create(&counter, "oom_made_total", "Made.", labels, NULL);
	CHECK(error == WEIR_OK || error == WEIR_ENOMEM);
	weir_counter_add_with_(counter, 1, (struct weir_labels_){(const char *const[]){"x"}, 1});
	error = weir_histogram_create(&histogram, "oom_made_seconds", "Made.", NULL, NULL);
	CHECK(error == WEIR_OK || error == WEIR_ENOMEM);
	weir_histogram_record(histogram, 5);
	error = weir_instrument_configure(
	    "oom_labelled_total",
	    &(struct weir_instrument_options){.size = sizeof(struct weir_instrument_options), .max_series = 1000});
	CHECK(error == WEIR_OK || error == WEIR_ENOMEM);
	run_thread(20);
	error = weir_thread_attach();
	CHECK(error == WEIR_OK || error == WEIR_ENOMEM);
	weir_info_set(&info, "x");
	if (weir_snapshot_new(&snapshot) == WEIR_OK) {
		weir_snapshot_write(snapshot, drop_bytes, NULL);
		weir_snapshot_destroy(snapshot);
	} else {
		CHECK(snapshot == NULL);
	}
	for (int n = 40; n < 300; n++)
		record_all(n);
	if (pumped) {
		error = weir_pump(WEIR_S(1), NULL);
		CHECK(error == WEIR_OK || error == WEIR_EINVAL);
	}
	error = weir_flush(WEIR_S(3));
	if (error == WEIR_ETIMEOUT)
		FAIL("flush hangs");
	if (exporter != NULL) {
		error = weir_exporter_destroy(exporter, WEIR_S(3));
		if (error == WEIR_ETIMEOUT)
			FAIL("destroy hangs");
	}
	weir_callback_destroy(callback);
	error = weir_shutdown(WEIR_S(3));
	if (error == WEIR_ETIMEOUT)
		FAIL("shutdown hangs");
	weir_histogram_read(&times);
}

static uint64_t made_twice;

static uint64_t recorded(void)
{
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t sum = 0;

	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);) {
		char seen[300] = {0};

		if (strncmp(f.name, "oom_", 4) != 0 || strncmp(f.name, "oom_made", 8) == 0 ||
		    f.kind == WEIR_OBSERVED_GAUGE_KIND || f.kind == WEIR_INFO_KIND)
			continue;
		for (weir_series_begin(&s, &f); weir_series_next(&s);) {
			sum += f.kind == WEIR_GAUGE_KIND ? (uint64_t)s.level : s.count;
			if (strcmp(f.name, "oom_labelled_total") == 0 && s.values != NULL)
				made_twice += seen[atoi(s.values[0].ptr) % 300]++ != 0;
		}
	}
	weir_snapshot_destroy(snapshot);
	return sum;
}

enum way { BARE, THREADED, PUMPED };

/* Life k: in a process of its own, which ends well. */
static void one_life(uint64_t from, uint64_t to, enum way way)
{
	uint64_t before, dropped, sum, others = 0;
	struct weir_status status = {.size = sizeof status};

	fail_from = from;
	fail_to = to;
	__atomic_store_n(&failing, true, __ATOMIC_RELEASE);
	if (way == BARE)
		bare_life();
	else
		life(way == PUMPED);
	__atomic_store_n(&failing, false, __ATOMIC_RELEASE);
	CHECK(weir_status_read(&status) == WEIR_OK);
	dropped = status.dropped_records;
	sum = recorded();
	CHECK(status.dropped_refused <= 2); /* the two that were made */
	if (way != BARE) /* these two, an info, a callback's; and what weir says of itself in each snapshot */
		others = 4 + 32 * (status.snapshots + 2);
	if (sum + dropped < offered || sum + dropped > offered + others)
		FAIL("%llu recorded and %llu dropped of %llu offered, and %llu others at most", (unsigned long long)sum,
		     (unsigned long long)dropped, (unsigned long long)offered, (unsigned long long)others);
	EQUAL(made_twice, 0);
	/* Memory is back, and within a second or so it is asked for again. */
	before = sum;
	for (int tries = 0; tries < 30; tries++) {
		uint64_t then = offered;

		for (int n = 0; n < 10; n++)
			record_all(n);
		run_thread(5);
		sum = recorded();
		if (sum - before == offered - then)
			break;
		before = sum;
		if (tries == 29)
			FAIL("after the failure of call %llu nothing is recorded any more", (unsigned long long)from);
		sleep_ms(100);
	}
	EQUAL_INT(weir_init(&(struct weir_options){.size = sizeof(struct weir_options), .log_level = WEIR_LOG_NONE}),
	          WEIR_OK);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

/* Each life is started anew, so that the first call is the process' first. They mostly wait: some go side by side. */
enum { SIDE_BY_SIDE = 12 };
static struct life_under_way {
	pid_t child;
	int told;
	uint64_t from;
} under_way[SIDE_BY_SIDE];
static struct told {
	uint64_t calls, of[KINDS];
} last_told;

static void end_life(struct life_under_way *l)
{
	int end;

	if (l->child == 0)
		return;
	end = child_end(l->child, 15000);
	if (end != 0)
		FAIL("with call %llu failing, a life ends with %d (-1: hung, 1000 and more: a signal)",
		     (unsigned long long)l->from, end);
	if (read(l->told, &last_told, sizeof last_told) != sizeof last_told)
		FAIL("a life tells nothing");
	close(l->told);
	l->child = 0;
}

static void end_lives(void)
{
	for (int i = 0; i < SIDE_BY_SIDE; i++)
		end_life(&under_way[i]);
}

static void start_life(uint64_t from, uint64_t to, enum way way)
{
	static unsigned next;
	struct life_under_way *l = &under_way[next++ % SIDE_BY_SIDE];
	char text[3][24];
	int told[2];

	end_life(l);
	snprintf(text[0], sizeof text[0], "%llu", (unsigned long long)from);
	snprintf(text[1], sizeof text[1], "%llu", (unsigned long long)to);
	snprintf(text[2], sizeof text[2], "%d", (int)way);
	CHECK(pipe(told) == 0);
	l->from = from;
	l->told = told[0];
	l->child = fork();
	if (l->child == 0) {
		char *const args[] = {(char[]){"oom"}, (char[]){"life_of_its_own"}, NULL};

		dup2(told[1], 90);
		setenv("OOM_FROM", text[0], 1);
		setenv("OOM_TO", text[1], 1);
		setenv("OOM_WAY", text[2], 1);
		execv("/proc/self/exe", args);
		_exit(126);
	}
	close(told[1]);
}

static void life_of_its_own(void)
{
	struct told told;

	one_life(strtoull(getenv("OOM_FROM"), NULL, 10), strtoull(getenv("OOM_TO"), NULL, 10),
	         (enum way)atoi(getenv("OOM_WAY")));
	told.calls = calls;
	memcpy(told.of, calls_of, sizeof told.of);
	if (write(90, &told, sizeof told) != sizeof told)
		_exit(CASE_FAILED);
	exit(0);
}

static uint64_t calls_of_life(enum way way)
{
	start_life(UINT64_MAX, UINT64_MAX, way);
	end_lives();
	return last_told.calls;
}

static void each_call_once(enum way way)
{
	uint64_t all = calls_of_life(way);

	NOTE("calls: %llu malloc, %llu calloc, %llu mmap, %llu mprotect, %llu populate, %llu ftruncate, %llu "
	     "pthread_create, "
	     "%llu memfd_create",
	     (unsigned long long)last_told.of[MALLOC], (unsigned long long)last_told.of[CALLOC],
	     (unsigned long long)last_told.of[MMAP], (unsigned long long)last_told.of[MPROTECT],
	     (unsigned long long)last_told.of[POPULATE], (unsigned long long)last_told.of[FTRUNCATE],
	     (unsigned long long)last_told.of[THREAD], (unsigned long long)last_told.of[MEMFD]);
	CHECK(last_told.of[CALLOC] != 0 && last_told.of[MMAP] != 0 && last_told.of[MPROTECT] != 0 &&
	      last_told.of[FTRUNCATE] != 0 && last_told.of[MEMFD] != 0 &&
	      (way != THREADED || last_told.of[THREAD] >= 2));
	for (uint64_t k = 1; k <= all; k++)
		start_life(k, k, way);
	end_lives();
}

static void every_allocation_fails_once(void)
{
	each_call_once(THREADED);
}

static void every_allocation_fails_once_pumped(void)
{
	each_call_once(PUMPED);
}

static void every_allocation_fails_once_of_who_only_records(void)
{
	each_call_once(BARE);
}

static void all_fail_from_each_on(void)
{
	uint64_t all = calls_of_life(THREADED);

	for (uint64_t k = 1; k <= all; k++)
		start_life(k, UINT64_MAX, (enum way)(k % 3));
	end_lives();
}

/* ---- a full tmpfs ---- */

static uint64_t dropped_memory(void)
{
	struct weir_status status = {.size = sizeof status};

	CHECK(weir_status_read(&status) == WEIR_OK);
	EQUAL(status.dropped_records, status.dropped_memory);
	return status.dropped_memory;
}

static void *add_here(void *arg)
{
	errno = EDOM;
	weir_counter_add(&adds, 1);
	EQUAL_INT(errno, EDOM);
	return arg;
}

static void add_in_thread(void)
{
	pthread_t thread;

	CHECK(libc.pthread_create(&thread, NULL, add_here, NULL) == 0);
	pthread_join(thread, NULL);
}

/* A thread that has its page goes on; one that needs a page drops and counts, to the unit, until there is room. */
static void fill_the_tmpfs(bool from_the_first)
{
	enum { DROPS = 20 };
	uint64_t counted = 0;

	if (!from_the_first) {
		weir_counter_add(&adds, 1);
		counted = 1;
	}
	EQUAL(dropped_memory(), 0);
	__atomic_store_n(&tmpfs_full, true, __ATOMIC_RELEASE);
	for (int i = 0; i < DROPS; i++) {
		if (from_the_first) {
			add_here(NULL);
		} else {
			weir_histogram_record(&times, 5); /* another block */
			weir_counter_add(&adds, 1);
			counted++;
		}
	}
	EQUAL(dropped_memory(), DROPS);
	EQUAL(weir_counter_read(&adds), counted);
	EQUAL(weir_histogram_read(&times).count, 0);
	CHECK(full_calls != 0);
	/* A host that begins meanwhile lives on, too. */
	EQUAL_INT(weir_init(&(struct weir_options){.size = sizeof(struct weir_options), .log_level = WEIR_LOG_NONE,
	                                           .no_process = true}), WEIR_OK);
	__atomic_store_n(&tmpfs_full, false, __ATOMIC_RELEASE);
	for (int tries = 0; tries < 50 && weir_histogram_read(&times).count == 0; tries++) {
		weir_histogram_record(&times, 5);
		if (weir_histogram_read(&times).count == 0) /* asked for again within a second or so */
			sleep_ms(100);
	}
	EQUAL(weir_histogram_read(&times).count, 1);
	add_in_thread();
	add_here(NULL);
	EQUAL(weir_counter_read(&adds), counted + 2);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

static void a_full_tmpfs(void)
{
	fill_the_tmpfs(false);
}

static void a_tmpfs_that_is_full_from_the_first_record(void)
{
	fill_the_tmpfs(true);
}

static void a_full_tmpfs_before_linux_5_14(void)
{
	before_5_14 = true;
	fill_the_tmpfs(false);
}

CASES({"a_full_tmpfs", a_full_tmpfs, 20},
      {"a_tmpfs_that_is_full_from_the_first_record", a_tmpfs_that_is_full_from_the_first_record, 20},
      {"a_full_tmpfs_before_linux_5_14", a_full_tmpfs_before_linux_5_14, 20},
      {"every_allocation_fails_once", every_allocation_fails_once, 100},
      {"every_allocation_fails_once_pumped", every_allocation_fails_once_pumped, 100},
      {"every_allocation_fails_once_of_who_only_records", every_allocation_fails_once_of_who_only_records, 100},
      {"all_fail_from_each_on", all_fail_from_each_on, 100}, {"life_of_its_own", life_of_its_own, 0})

#endif
