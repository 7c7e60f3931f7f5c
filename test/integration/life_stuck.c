/* What takes long or comes to its end: callbacks and exporters that are stuck, and deadlines beside them; a full segment.
 * Public API only. */
#include "life.h"

/* ---- deadlines, with something stuck ---- */

enum { ASKED_MS = 200, LATE_MS = 50 };

/* A callback that does not come is waited for half of the time: the rest is the exporters'. */
static uint64_t time_of_timeout(int (*call)(uint64_t), bool exporter)
{
	uint64_t began = now_ns(), took;
	int result = call(WEIR_MS(ASKED_MS));

	took = now_ns() - began;
	EQUAL_INT(result, WEIR_ETIMEOUT);
	CHECK(took >= WEIR_MS(ASKED_MS) / (exporter ? 1 : 2) - WEIR_MS(1));
	return took;
}

/* The best of a few tries, since a busy machine may be late by itself. */
static void flush_keeps_its_deadline(bool exporter)
{
	uint64_t best = UINT64_MAX, took;

	for (int tries = 0; tries < 5 && best > WEIR_MS(ASKED_MS + LATE_MS); tries++) {
		took = time_of_timeout(weir_flush, exporter);
		best = took < best ? took : best;
	}
	AT_MOST(best, WEIR_MS(ASKED_MS + LATE_MS));
}

static void shutdown_keeps_its_deadline(bool exporter)
{
	struct weir_options o = ticking(2);
	uint64_t best = UINT64_MAX, took;

	for (int tries = 0; tries < 5 && best > WEIR_MS(ASKED_MS + LATE_MS); tries++) {
		struct teller stuck = {.hold = 1};
		struct weir_callback *callback = NULL;

		EQUAL_INT(weir_init(&o), WEIR_OK);
		if (exporter)
			exporter_of(&stuck, WEIR_MS(2));
		else
			callback = callback_of(&stuck);
		WITHIN_MS(3000, read_32(&stuck.holding) == 1);
		took = time_of_timeout(weir_shutdown, exporter);
		best = took < best ? took : best;
		set_32(&stuck.hold, 0);
		weir_callback_destroy(callback);
		WITHIN_MS(3000, threads_now() == 1);
		EQUAL(stuck.closed, exporter ? 1 : 0);
	}
	AT_MOST(best, WEIR_MS(ASKED_MS + LATE_MS));
}

static void deadlines_with_stuck(bool exporters)
{
	struct weir_options o = ticking(2);
	struct teller stuck = {.hold = 1}, later = {0};
	struct weir_exporter *fresh, *held = NULL;
	uint32_t runs;

	EQUAL_INT(weir_init(&o), WEIR_OK);
	if (exporters)
		held = exporter_of(&stuck, WEIR_MS(2));
	else
		callback_of(&stuck);
	WITHIN_MS(3000, read_32(&stuck.holding) == 1);
	flush_keeps_its_deadline(exporters);
	if (exporters) { /* the call that takes it away is bounded too; closed comes when it comes back */
		uint64_t began = now_ns();

		EQUAL_INT(weir_exporter_destroy(held, WEIR_MS(ASKED_MS)), WEIR_ETIMEOUT);
		AT_MOST(now_ns() - began, WEIR_MS(4 * ASKED_MS));
		EQUAL(read_32(&stuck.closed), 0);
	}
	AT_MOST(time_of_timeout(weir_shutdown, exporters), WEIR_MS(4 * ASKED_MS));
	record_all();
	expect_all(1);
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK); /* it is down */
	EQUAL_INT(weir_flush(WEIR_S(1)), WEIR_EINVAL);

	/* It starts anew beside what was left behind, which comes back later and does no harm. */
	EQUAL_INT(weir_init(&o), WEIR_OK);
	fresh = exporter_of(&later, WEIR_MS(2));
	if (exporters)
		WITHIN_MS(3000, read_32(&later.runs) > 2);
	EQUAL(read_32(&stuck.holding), 1);
	set_32(&stuck.hold, 0);
	WITHIN_MS(3000, read_32(&stuck.holding) == 0);
	if (exporters)
		WITHIN_MS(3000, read_32(&stuck.closed) == 1);
	WITHIN_MS(3000, threads_now() <= (exporters ? 3 : 4)); /* main, and what there is; the old one ends */
	runs = read_32(&later.runs);
	WITHIN_MS(3000, read_32(&later.runs) > runs + 3);
	EQUAL(later.closed, 0);
	record_all();
	EQUAL_INT(weir_exporter_destroy(fresh, WEIR_S(3)), WEIR_OK);
	EQUAL(later.closed, 1);
	EQUAL(later.adds, 2);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	expect_all(2);
	EQUAL(stuck.closed, exporters ? 1 : 0);
}

static void deadlines_with_a_stuck_callback(void)
{
	shutdown_keeps_its_deadline(false);
	deadlines_with_stuck(false);
}

static void deadlines_with_a_stuck_exporter(void)
{
	shutdown_keeps_its_deadline(true);
	deadlines_with_stuck(true);
}

/* Shutdown with exporters that are not destroyed, one of them stuck: the rest is flushed and closed when it comes
 * back. */
static void shutdown_leaves_a_stuck_exporter_behind(void)
{
	struct weir_options o = ticking(2);
	struct teller stuck = {.hold = 1}, other = {0};

	EQUAL_INT(weir_init(&o), WEIR_OK);
	exporter_of(&stuck, WEIR_MS(2));
	exporter_of(&other, WEIR_MS(2));
	WITHIN_MS(3000, read_32(&stuck.holding) == 1);
	EQUAL_INT(weir_shutdown(WEIR_MS(100)), WEIR_ETIMEOUT);
	set_32(&stuck.hold, 0);
	WITHIN_MS(3000, read_32(&stuck.closed) == 1 && read_32(&other.closed) == 1);
	WITHIN_MS(3000, threads_now() == 1);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	EQUAL(stuck.closed, 1);
	EQUAL(other.closed, 1);
}

/* ---- callbacks ---- */

static struct weir_callback *itself;
static uint32_t inner_runs, registered;

static void observe_inner(struct weir_observer *observer, void *arg)
{
	weir_observer_report_with(observer, arg, 5, "inner");
	__atomic_fetch_add(&inner_runs, 1, __ATOMIC_RELEASE);
}

static void observe_and_register(struct weir_observer *observer, void *arg)
{
	static const char *const labels[] = {"k", NULL};
	const struct weir_observed *made;
	const struct weir_counter *counter;
	struct weir_callback *inner;
	struct weir_snapshot *snapshot;

	(void)arg;
	EQUAL_INT(
	    weir_observed_create(&made, WEIR_OBSERVED_GAUGE_KIND, "life_made", "Made in a callback.", labels, NULL),
	    WEIR_OK);
	weir_observer_report_with(observer, made, 4, "outer");
	EQUAL_INT(weir_counter_create(&counter, "life_made_anew_total", "Made in a callback.", NULL, NULL), WEIR_OK);
	weir_counter_add(counter, 6);
	EQUAL_INT(weir_callback_new(&inner, observe_inner, (void *)(uintptr_t)made), WEIR_OK);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	weir_snapshot_destroy(snapshot);
	weir_callback_destroy(itself); /* from within: it is not waited for */
	__atomic_fetch_add(&registered, 1, __ATOMIC_RELEASE);
}

static void a_callback_registers_and_ends_itself(void)
{
	struct weir_options o = ticking(2);
	struct weir_str outer = weir_str_of("outer"), inner = weir_str_of("inner");
	struct weir_snapshot *snapshot;
	struct weir_series s;

	EQUAL_INT(weir_callback_new(&itself, observe_and_register, NULL), WEIR_OK);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	WITHIN_MS(3000, read_32(&inner_runs) > 3);
	EQUAL(registered, 1);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "life_made_anew_total", NULL, 0, &s));
	EQUAL(s.count, 6);
	CHECK(weir_snapshot_find(snapshot, "life_made", &inner, 1, &s));
	EQUAL_INT(s.level, 5);
	/* what was not reported in the newest round is gone */
	CHECK(!weir_snapshot_find(snapshot, "life_made", &outer, 1, &s));
	weir_snapshot_destroy(snapshot);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

static bool destroyed;

static void *destroy_it(void *arg)
{
	weir_callback_destroy(arg);
	__atomic_store_n(&destroyed, true, __ATOMIC_RELEASE);
	return NULL;
}

static void destroy_waits_for_a_running_callback(void)
{
	struct weir_options o = ticking(2);
	struct teller *t = calloc(1, sizeof *t), other = {0};
	struct weir_callback *callback;
	pthread_t thread;
	uint32_t runs;

	CHECK(t != NULL);
	t->hold = 1;
	EQUAL_INT(weir_init(&o), WEIR_OK);
	callback = callback_of(t);
	callback_of(&other);
	WITHIN_MS(3000, read_32(&t->holding) == 1);
	thread_start(&thread, destroy_it, callback, 0);
	sleep_ms(50);
	CHECK(!__atomic_load_n(&destroyed, __ATOMIC_ACQUIRE));
	set_32(&t->hold, 0);
	pthread_join(thread, NULL);
	EQUAL(t->runs, 1);
	memset(t, 0x55, sizeof *t); /* arg may go now */
	free(t);
	runs = read_32(&other.runs);
	WITHIN_MS(3000, read_32(&other.runs) > runs + 3);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

static void a_slow_callback_holds_nothing_up(void)
{
	struct weir_options o = ticking(2);
	struct teller t = {.hold = 1};
	struct weir_snapshot *snapshot;
	const struct weir_counter *made;
	struct weir_series s;

	EQUAL_INT(weir_init(&o), WEIR_OK);
	callback_of(&t);
	WITHIN_MS(3000, read_32(&t.holding) == 1);
	for (unsigned i = 0; i < 200; i++) {
		char name[40];

		record_all();
		CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
		CHECK(weir_snapshot_find(snapshot, "life_adds_total", NULL, 0, &s));
		EQUAL(s.count, i + 1);
		weir_snapshot_destroy(snapshot);
		snprintf(name, sizeof name, "life_meanwhile_%u_total", i);
		EQUAL_INT(weir_counter_create(&made, name, "Made meanwhile.", NULL, NULL), WEIR_OK);
		status_now();
	}
	callback_of(&t);
	EQUAL(read_32(&t.holding), 1);
	EQUAL(t.runs, 0);
	set_32(&t.hold, 0);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

/* ---- memory's end ---- */

static void a_full_segment_drops_and_counts(void)
{
	struct weir_options o = ticking(1000);
	struct weir_instrument_options room = {.size = sizeof room, .max_series = 1000000};
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t counted = 0, n = 0;

	o.no_thread = true;
	o.segment_bytes = WEIR_MIB(1);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	EQUAL_INT(weir_instrument_configure("life_labelled_total", &room), WEIR_OK);
	record_all();
	for (; n < 200000; n++) {
		char k[16];

		snprintf(k, sizeof k, "%llu", (unsigned long long)n);
		weir_counter_add_with(&labelled, 1, k);
	}
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "life_labelled_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s);)
				counted += s.count;
	weir_snapshot_destroy(snapshot);
	CHECK(status_now().dropped_memory > 0);
	EQUAL(status_now().dropped_memory, status_now().dropped_records);
	EQUAL(counted + status_now().dropped_memory, n + 1);
	AT_MOST(status_now().segment_bytes, WEIR_MIB(1));
	NOTE("%llu of %llu records dropped and counted", (unsigned long long)status_now().dropped_memory,
	     (unsigned long long)n);
	record_all();
	EQUAL(weir_counter_read(&adds), 2);
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK);
}

CASES({"deadlines_with_a_stuck_callback", deadlines_with_a_stuck_callback, 30},
      {"deadlines_with_a_stuck_exporter", deadlines_with_a_stuck_exporter, 30},
      {"shutdown_leaves_a_stuck_exporter_behind", shutdown_leaves_a_stuck_exporter_behind, 30},
      {"a_callback_registers_and_ends_itself", a_callback_registers_and_ends_itself, 20},
      {"destroy_waits_for_a_running_callback", destroy_waits_for_a_running_callback, 20},
      {"a_slow_callback_holds_nothing_up", a_slow_callback_holds_nothing_up, 20},
      {"a_full_segment_drops_and_counts", a_full_segment_drops_and_counts, 20})
