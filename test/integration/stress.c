/* Everything at once, for a bounded time, and then the sums are exact: recorders, snapshots, new series and
 * instruments, callbacks, exporters, threads that come and go, init and shutdown. Public API only; no fork, so that
 * it runs under the sanitizers too (which see builtins in the place of the one-instruction add: the release build
 * runs it as it is shipped). */
#include "case.h"

#include <weir/weir.h>

enum { RECORDERS = 6, SHORT_LIVES = 4, VALUES = 64, MS = CASE_SANITIZED ? 2500 : 2000 };

WEIR_COUNTER(adds, "stress_adds_total", "Adds.");
WEIR_COUNTER(labelled, "stress_labelled_total", "Adds by label.", "a", "b");
WEIR_COUNTER(fresh, "stress_fresh_total", "New series all the time.", "k");
WEIR_COUNTER(capped, "stress_capped_total", "More values than the cap.", "k");
WEIR_UPDOWN(updown, "stress_updown", "Ups and downs.");
WEIR_GAUGE(gauge, "stress_gauge", "A level.");
WEIR_FLOAT_GAUGE(real, "stress_real", "A level that is a double.");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "stress_times_seconds", "Times.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES, WEIR_RANGE(16, WEIR_MIB(64))), "stress_sizes_bytes", "Sizes.", "k");
WEIR_OBSERVED_GAUGE(observed, "stress_observed", "What callbacks report.", "k");

static bool stop;
static uint64_t offered; /* raised before each record of all kinds */

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

static void number(char text[24], const char *letter, uint64_t n)
{
	snprintf(text, 24, "%s%llu", letter, (unsigned long long)n);
}

static void record_all(uint64_t n, uint64_t others)
{
	char a[24], b[24];

	__atomic_fetch_add(&offered, 1, __ATOMIC_SEQ_CST);
	weir_counter_add(&adds, 1);
	number(a, "a", n % 7);
	number(b, "b", n % VALUES);
	weir_counter_add_with(&labelled, 1, a, b);
	weir_updown_add(&updown, n % 2 != 0 ? 3 : -3);
	weir_updown_add(&updown, n % 2 != 0 ? -3 : 3);
	weir_gauge_add(&gauge, 1);
	weir_float_gauge_add(&real, 1);
	weir_histogram_record(&times, n % 20 * WEIR_MS(1));
	weir_histogram_record_with(&sizes, n % 4096, n % 2 != 0 ? "odd" : "even");
	number(a, "c", (n * 31 + others) % 5000);
	weir_counter_add_with(&capped, 1, a);
	number(a, "f", n % 64 == 0 ? n / 64 % 2000 + others * 2000 : 0);
	weir_counter_add_with(&fresh, 1, a);
}

static void *record_long(void *arg)
{
	uint64_t me = (uint64_t)(uintptr_t)arg;

	for (uint64_t n = 0; !stopped(); n++) {
		record_all(n, me);
		if (n % 4096 == me)
			usleep(50);
	}
	return NULL;
}

static void *record_shortly(void *arg)
{
	for (uint64_t n = 0; n < 20; n++)
		record_all(n, (uint64_t)(uintptr_t)arg);
	return NULL;
}

static void *start_short_lives(void *arg)
{
	(void)arg;
	while (!stopped()) {
		pthread_t threads[SHORT_LIVES];

		for (uintptr_t i = 0; i < SHORT_LIVES; i++)
			thread_start(&threads[i], record_shortly, (void *)(RECORDERS + i), 0);
		for (int i = 0; i < SHORT_LIVES; i++)
			pthread_join(threads[i], NULL);
	}
	return NULL;
}

/* A family's sum over its series, with the overflow series' part apart. */
static uint64_t family_sum(const struct weir_snapshot *snapshot, const char *name, uint64_t *overflow)
{
	struct weir_family f;
	struct weir_series s;
	uint64_t sum = 0;

	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, name) == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s);) {
				sum += s.count;
				if (s.overflow && overflow != NULL)
					*overflow += s.count;
				if (f.kind == WEIR_HISTOGRAM_KIND) {
					uint64_t buckets = 0;

					for (size_t b = 0; b < s.buckets_count; b++)
						buckets += s.buckets[b];
					EQUAL(buckets, s.count);
				}
			}
	return sum;
}

static void *take_snapshots(void *arg)
{
	static const char *const names[] = {"stress_adds_total",  "stress_labelled_total", "stress_times_seconds",
	                                    "stress_sizes_bytes", "stress_fresh_total",    "stress_capped_total"};
	uint64_t former[6] = {0};

	(void)arg;
	while (!stopped()) {
		struct weir_snapshot *snapshot;
		uint64_t most;

		EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
		most = __atomic_load_n(&offered, __ATOMIC_SEQ_CST);
		for (int i = 0; i < 6; i++) {
			uint64_t sum = family_sum(snapshot, names[i], NULL);

			if (sum < former[i])
				FAIL("%s went back from %llu to %llu", names[i], (unsigned long long)former[i],
				     (unsigned long long)sum);
			AT_MOST(sum, most);
			former[i] = sum;
		}
		weir_snapshot_destroy(snapshot);
		AT_MOST(weir_counter_read(&adds), __atomic_load_n(&offered, __ATOMIC_SEQ_CST));
		AT_MOST(weir_histogram_read(&times).count, __atomic_load_n(&offered, __ATOMIC_SEQ_CST));
		status_now();
		usleep(2000);
	}
	return NULL;
}

static void *register_more(void *arg)
{
	static const char *const labels[] = {"k", NULL};
	char name[48];

	for (unsigned n = 0; !stopped(); n++) {
		const struct weir_counter *counter;
		const struct weir_histogram *histogram;

		snprintf(name, sizeof name, "stress_made_%s_%u_total", (const char *)arg, n % 300);
		EQUAL_INT(weir_counter_create(&counter, name, "Made meanwhile.", labels, NULL), WEIR_OK);
		weir_counter_add_with_(counter, 1, (struct weir_labels_){(const char *const[]){"x"}, 1});
		snprintf(name, sizeof name, "stress_made_%s_%u_seconds", "both", n % 100);
		EQUAL_INT(weir_histogram_create(&histogram, name, "Made by both.", NULL, NULL), WEIR_OK);
		weir_histogram_record(histogram, 5);
		if (n % 50 == 0) {
			struct weir_instrument_options o = {.size = sizeof o,
			                                    .constant = (const char *const[]){"zone", "a", NULL}};

			EQUAL_INT(weir_instrument_configure("stress_adds_total", &o), WEIR_OK);
		}
		usleep(300);
	}
	return NULL;
}

static void observe(struct weir_observer *observer, void *arg)
{
	weir_observer_report_with(observer, &observed, (int64_t)(intptr_t)arg, "x");
	weir_counter_add(&adds, 0);
}

static int export_it(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	(void)timeout_ns;
	family_sum(snapshot, "stress_labelled_total", NULL);
	__atomic_fetch_add((uint64_t *)arg, 1, __ATOMIC_RELAXED);
	return WEIR_OK;
}

static uint64_t exports;

static void *come_and_go(void *arg)
{
	(void)arg;
	for (intptr_t n = 0; !stopped(); n++) {
		struct weir_exporter_options e = {
		    .size = sizeof e, .arg = &exports, .interval_ns = WEIR_MS(1), .metrics = export_it};
		struct weir_exporter *exporter;
		struct weir_callback *callback;
		int result;

		EQUAL_INT(weir_callback_new(&callback, observe, (void *)n), WEIR_OK);
		EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_OK);
		usleep(1000);
		result = weir_flush(WEIR_S(20));
		CHECK(result == WEIR_OK);
		EQUAL_INT(weir_exporter_destroy(exporter, WEIR_S(20)), WEIR_OK);
		weir_callback_destroy(callback);
	}
	return NULL;
}

static void *begin_and_end(void *arg)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)};

	(void)arg;
	while (!stopped()) {
		EQUAL_INT(weir_init(&o), WEIR_OK);
		usleep(500);
		EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
	}
	return NULL;
}

static void expect_exact(void)
{
	struct weir_status status = status_now();
	uint64_t overflow = 0, overflow_of_fresh = 0;
	struct weir_snapshot *snapshot;
	struct weir_series s;
	struct weir_distribution d;

	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	EQUAL(weir_counter_read(&adds), offered);
	EQUAL(family_sum(snapshot, "stress_labelled_total", NULL), offered);
	EQUAL(family_sum(snapshot, "stress_fresh_total", &overflow_of_fresh), offered);
	EQUAL(family_sum(snapshot, "stress_capped_total", &overflow), offered);
	EQUAL(overflow + overflow_of_fresh, status.overflowed);
	EQUAL_INT(weir_updown_read(&updown), 0);
	EQUAL_INT(weir_gauge_read(&gauge), offered);
	CHECK(weir_float_gauge_read(&real) + (double)status.dropped_contended == (double)offered);
	d = weir_histogram_read(&times);
	EQUAL(d.count, offered);
	EQUAL(family_sum(snapshot, "stress_sizes_bytes", NULL), offered);
	CHECK(weir_snapshot_find(snapshot, "stress_adds_total", NULL, 0, &s));
	EQUAL(s.count, offered);
	weir_snapshot_destroy(snapshot);
	EQUAL(status.dropped_records, status.dropped_contended);
	NOTE("%llu records of each kind, %llu snapshots, %llu exports, %llu series", (unsigned long long)offered,
	     (unsigned long long)status.snapshots, (unsigned long long)exports, (unsigned long long)status.series);
}

static void everything(void *(*with)(void *), bool started)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)};
	struct weir_instrument_options cap = {.size = sizeof cap, .max_series = 100};
	pthread_t threads[RECORDERS + 7];
	int n = 0;

	EQUAL_INT(weir_instrument_configure("stress_capped_total", &cap), WEIR_OK);
	if (started)
		EQUAL_INT(weir_init(&o), WEIR_OK);
	for (uintptr_t i = 0; i < RECORDERS; i++)
		thread_start(&threads[n++], record_long, (void *)i, 0);
	thread_start(&threads[n++], start_short_lives, NULL, 0);
	thread_start(&threads[n++], take_snapshots, NULL, 0);
	thread_start(&threads[n++], take_snapshots, NULL, 0);
	thread_start(&threads[n++], register_more, (void *)(uintptr_t) "one", 0);
	thread_start(&threads[n++], register_more, (void *)(uintptr_t) "two", 0);
	thread_start(&threads[n++], with, NULL, 0);
	sleep_ms(MS);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	expect_exact();
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
	expect_exact();
}

static void with_callbacks_and_exporters(void)
{
	everything(come_and_go, true);
}

static void with_init_and_shutdown(void)
{
	everything(begin_and_end, false);
}

/* ---- all threads want the same thing for the first time, at once ---- */

enum { AT_ONCE = 8, ROUNDS = CASE_SANITIZED ? 150 : 600 };
static pthread_barrier_t together;
static const struct weir_counter *made[AT_ONCE];
static uint32_t cells[AT_ONCE];

static void *first_at_once(void *arg)
{
	uintptr_t me = (uintptr_t)arg;

	for (unsigned round = 0; round < ROUNDS; round++) {
		char text[32], name[48];

		snprintf(text, sizeof text, "r%u", round);
		snprintf(name, sizeof name, "stress_at_once_%u_total", round);
		pthread_barrier_wait(&together);
		weir_counter_add_with(&labelled, 1, "at once", text);
		cells[me] = weir_counter_with(&labelled, "at once", text).cell_;
		EQUAL_INT(weir_counter_create(&made[me], name, "Made by all.", NULL, NULL), WEIR_OK);
		weir_counter_add(made[me], 1);
		pthread_barrier_wait(&together);
		for (int other = 0; other < AT_ONCE; other++)
			CHECK(cells[other] == cells[me] && cells[me] != 0);
		EQUAL(weir_counter_read(made[me]), AT_ONCE);
		EQUAL(weir_counter_series_read((struct weir_counter_series){cells[me]}), AT_ONCE);
		pthread_barrier_wait(&together);
	}
	return NULL;
}

static void the_same_for_the_first_time(void)
{
	pthread_t threads[AT_ONCE];

	pthread_barrier_init(&together, NULL, AT_ONCE);
	for (uintptr_t i = 0; i < AT_ONCE; i++)
		thread_start(&threads[i], first_at_once, (void *)i, 0);
	for (int i = 0; i < AT_ONCE; i++)
		pthread_join(threads[i], NULL);
	EQUAL(status_now().dropped_records, 0);
}

CASES({"with_callbacks_and_exporters", with_callbacks_and_exporters, 100},
      {"with_init_and_shutdown", with_init_and_shutdown, 100},
      {"the_same_for_the_first_time", the_same_for_the_first_time, 100})
