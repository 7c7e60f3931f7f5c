/* A callback that takes for ever holds up no exporter, no scrape, no deadline, no exit and no forked child: each sees
 * what callbacks reported last, and how late they are. What a callback may call. Public API only. */
#include "case.h"

#include <weir/weir.h>

WEIR_COUNTER(adds, "callbacks_adds_total", "Adds.");
WEIR_OBSERVED_GAUGE(before, "callbacks_before", "Reported ahead of the wait.");
WEIR_OBSERVED_GAUGE(behind, "callbacks_behind", "Reported behind it.");

static uint32_t runs, hold, held; /* held: a run waits */

static uint32_t get(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void observe(struct weir_observer *observer, void *arg)
{
	uint32_t run = __atomic_add_fetch(&runs, 1, __ATOMIC_ACQ_REL);

	(void)arg;
	weir_observer_report(observer, &before, run);
	if (get(&hold) != 0) {
		set(&held, 1);
		while (get(&hold) != 0)
			usleep(200);
		set(&held, 0);
	}
	weir_observer_report(observer, &behind, run);
}

#define VALUE(of) __atomic_load_n(&(of), __ATOMIC_RELAXED)

struct seen { /* of the newest snapshot that the exporter had */
	uint32_t exports, closed;
	uint64_t adds, before, behind, late;
};

static uint64_t level_of(const struct weir_snapshot *snapshot, const char *name)
{
	struct weir_series s;

	return weir_snapshot_find(snapshot, name, NULL, 0, &s) ? s.count : UINT64_MAX;
}

static int export_it(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct seen *seen = arg;

	(void)timeout_ns;
	__atomic_store_n(&seen->adds, level_of(snapshot, "callbacks_adds_total"), __ATOMIC_RELAXED);
	__atomic_store_n(&seen->before, level_of(snapshot, "callbacks_before"), __ATOMIC_RELAXED);
	__atomic_store_n(&seen->behind, level_of(snapshot, "callbacks_behind"), __ATOMIC_RELAXED);
	__atomic_store_n(&seen->late, level_of(snapshot, "weir_callbacks_late_total"), __ATOMIC_RELAXED);
	__atomic_fetch_add(&seen->exports, 1, __ATOMIC_RELEASE);
	return WEIR_OK;
}

static void close_it(void *arg)
{
	__atomic_fetch_add(&((struct seen *)arg)->closed, 1, __ATOMIC_RELEASE);
}

static struct weir_exporter *exporter_of(struct seen *seen, uint64_t interval_ns)
{
	struct weir_exporter_options e = {.size = sizeof e, .name = "seen", .arg = seen, .interval_ns = interval_ns,
	                                  .metrics = export_it, .closed = close_it};
	struct weir_exporter *exporter;

	EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_OK);
	return exporter;
}

/* A callback that has run, and is stuck now. */
static struct weir_callback *stuck_callback(void)
{
	struct weir_callback *callback;

	EQUAL_INT(weir_callback_new(&callback, observe, NULL), WEIR_OK);
	WITHIN_MS(5000, get(&runs) > 2);
	set(&hold, 1);
	WITHIN_MS(5000, get(&held) == 1);
	return callback;
}

static long threads_before; /* a sanitizer may have one of its own */

static void begin(uint64_t tick_ns)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = tick_ns};

	threads_before = proc_status("Threads:", 10);
	EQUAL_INT(weir_init(&o), WEIR_OK);
}

static void exporters_go_on_with_the_last_values(void)
{
	struct seen seen = {0};
	uint32_t exports, last;

	begin(WEIR_MS(2));
	exporter_of(&seen, WEIR_MS(2));
	stuck_callback();
	for (uint64_t n = 1; n <= 5; n++) {
		weir_counter_add(&adds, 1);
		exports = get(&seen.exports);
		WITHIN_MS(5000, get(&seen.exports) > exports + 3);
		EQUAL(VALUE(seen.adds), n);
	}
	EQUAL(get(&held), 1);
	/* it says how far it came, and keeps what it said before */
	EQUAL(VALUE(seen.before), get(&runs));
	EQUAL(VALUE(seen.behind), get(&runs) - 1);
	WITHIN_MS(5000, VALUE(seen.late) > 3);
	last = get(&runs);
	set(&hold, 0);
	WITHIN_MS(5000, VALUE(seen.behind) > last);
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
	EQUAL(VALUE(seen.closed), 1);
}

static void an_exporter_is_destroyed_beside_it(void)
{
	struct seen seen = {0};
	struct weir_exporter *exporter;
	uint64_t began;

	begin(WEIR_MS(2));
	stuck_callback();
	exporter = exporter_of(&seen, WEIR_S(3600));
	weir_counter_add(&adds, 1);
	began = now_ns();
	EQUAL_INT(weir_exporter_destroy(exporter, WEIR_S(10)), WEIR_OK);
	AT_MOST(now_ns() - began, WEIR_S(5));
	EQUAL(VALUE(seen.adds), 1);
	EQUAL(VALUE(seen.closed), 1);
	EQUAL(get(&held), 1);
	set(&hold, 0);
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

/* Half of its time is the callbacks', the rest the exporters'. */
static void shutdown_sends_beside_it(void)
{
	struct seen seen = {0};

	begin(WEIR_MS(2));
	exporter_of(&seen, WEIR_S(3600));
	stuck_callback();
	weir_counter_add(&adds, 1);
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_ETIMEOUT);
	EQUAL(VALUE(seen.adds), 1);
	EQUAL(VALUE(seen.closed), 1);
	EQUAL(get(&held), 1);
	set(&hold, 0);
	WITHIN_MS(5000, proc_status("Threads:", 10) <= threads_before + CASE_SANITIZED);
}

/* ---- what a callback may call ---- */

static struct {
	struct weir_exporter *exporter;
	struct weir_callback *own, *made;
	int flush, shutdown, destroy;
	uint32_t done;
} within;

static void call_what_waits(struct weir_observer *observer, void *arg)
{
	const struct weir_counter *counter;

	(void)arg;
	if (get(&within.done) != 0)
		return;
	within.flush = weir_flush(WEIR_S(20));
	within.shutdown = weir_shutdown(WEIR_S(20));
	within.destroy = weir_exporter_destroy(within.exporter, WEIR_S(20));
	EQUAL_INT(weir_counter_create(&counter, "callbacks_made_total", "Made within.", NULL, NULL), WEIR_OK);
	weir_counter_add(counter, 3);
	EQUAL_INT(weir_callback_new(&within.made, observe, NULL), WEIR_OK);
	weir_observer_report(observer, &behind, 1);
	weir_callback_destroy(within.own);
	set(&within.done, 1);
}

static void a_callback_that_would_wait_for_itself_is_refused(void)
{
	struct seen seen = {0};

	begin(WEIR_MS(2));
	within.exporter = exporter_of(&seen, WEIR_MS(2));
	EQUAL_INT(weir_callback_new(&within.own, call_what_waits, NULL), WEIR_OK);
	WITHIN_MS(5000, get(&within.done) == 1);
	EQUAL_INT(within.flush, WEIR_EINVAL);
	EQUAL_INT(within.shutdown, WEIR_EINVAL);
	EQUAL_INT(within.destroy, WEIR_EINVAL);
	WITHIN_MS(5000, get(&runs) > 2); /* the one it made */
	EQUAL_INT(weir_flush(WEIR_S(5)), WEIR_OK);
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
	EQUAL(VALUE(seen.closed), 1);
}

/* Pumped there is one thread for all, the host's, which may do all of it. */
static void pumped_it_may_flush(void)
{
	struct weir_options o = {.size = sizeof o, .no_thread = true};
	struct seen seen = {0};

	threads_before = proc_status("Threads:", 10);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	within.exporter = exporter_of(&seen, WEIR_S(3600));
	EQUAL_INT(weir_callback_new(&within.own, call_what_waits, NULL), WEIR_OK);
	EQUAL_INT(weir_pump(WEIR_S(5), NULL), WEIR_OK);
	EQUAL(within.done, 1);
	EQUAL_INT(within.flush, WEIR_OK);
	EQUAL_INT(within.shutdown, WEIR_OK);
	EQUAL(VALUE(seen.closed), 1);
	EQUAL_INT(proc_status("Threads:", 10), threads_before);
}

/* ---- exit ---- */

static int exit_here(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	(void)arg;
	(void)snapshot;
	(void)timeout_ns;
	if (get(&held) == 1)
		exit(45);
	return WEIR_OK;
}

static void exit_victim(void)
{
	struct weir_exporter_options e = {.size = sizeof e, .interval_ns = WEIR_MS(2), .metrics = exit_here};
	struct weir_exporter *exporter;
	struct seen seen = {0};

	begin(WEIR_MS(2));
	if (getenv("EXIT_FROM_EXPORTER") != NULL)
		EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_OK);
	else
		exporter_of(&seen, WEIR_MS(2));
	stuck_callback();
	if (getenv("EXIT_FROM_EXPORTER") != NULL)
		sleep_ms(20000);
	exit(45);
}

static void exit_does_not_wait_for_it(void)
{
	for (int run = 0; run < 30; run++) {
		pid_t child = fork();

		if (child == 0) {
			char *const args[] = {(char[]){"callbacks"}, (char[]){"exit_victim"}, NULL};

			if (run % 2 != 0)
				setenv("EXIT_FROM_EXPORTER", "1", 1);
			execv("/proc/self/exe", args);
			_exit(126);
		}
		EQUAL_INT(child_end(child, 10000), 45);
	}
}

/* ---- fork ---- */

static void a_child_waits_for_nobody(void)
{
	struct seen seen = {0};
	struct weir_callback *callback;
	pid_t child;

	begin(WEIR_MS(2));
	exporter_of(&seen, WEIR_MS(2));
	callback = stuck_callback();
	for (int round = 0; round < 20; round++) {
		child = fork();
		if (child == 0) {
			if (CASE_SANITIZED && round % 2 == 0) /* a thread more is not for every sanitizer */
				_exit(0);
			set(&hold, 0); /* the child's own: nobody is stuck here */
			weir_counter_add(&adds, 2);
			if (round % 2 == 0) {
				EQUAL_INT(weir_after_fork(), WEIR_OK);
				EQUAL_INT(weir_flush(WEIR_S(5)), WEIR_OK);
				EQUAL(VALUE(seen.adds), 2);
				CHECK(VALUE(seen.behind) > 2 && VALUE(seen.behind) != UINT64_MAX);
			}
			weir_callback_destroy(callback);
			EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
			_exit(0);
		}
		CHILD_IS_WELL(child, 10000);
	}
	EQUAL(get(&held), 1);
	set(&hold, 0);
	EQUAL_INT(weir_flush(WEIR_S(5)), WEIR_OK);
	EQUAL(VALUE(seen.adds), 0);
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

/* ---- all at once ---- */

static bool stop;

static void *come_and_go(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct weir_callback *callback;

		EQUAL_INT(weir_callback_new(&callback, observe, NULL), WEIR_OK);
		usleep(300);
		weir_callback_destroy(callback);
	}
	return NULL;
}

static void *flush_all_the_time(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	return NULL;
}

static void callbacks_come_and_go_beside_flushes(void)
{
	struct seen seen = {0};
	pthread_t threads[4];

	begin(WEIR_MS(1));
	exporter_of(&seen, WEIR_MS(1));
	for (int i = 0; i < 4; i++)
		thread_start(&threads[i], i % 2 != 0 ? come_and_go : flush_all_the_time, NULL, 0);
	sleep_ms(1500);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	weir_counter_add(&adds, 1);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
	EQUAL(VALUE(seen.adds), 1);
}

CASES({"exporters_go_on_with_the_last_values", exporters_go_on_with_the_last_values, 30},
      {"an_exporter_is_destroyed_beside_it", an_exporter_is_destroyed_beside_it, 30},
      {"shutdown_sends_beside_it", shutdown_sends_beside_it, 30},
      {"a_callback_that_would_wait_for_itself_is_refused", a_callback_that_would_wait_for_itself_is_refused, 30},
      {"pumped_it_may_flush", pumped_it_may_flush, 30}, {"exit_victim", exit_victim, 0},
      {"exit_does_not_wait_for_it", exit_does_not_wait_for_it, 60},
      {"a_child_waits_for_nobody", a_child_waits_for_nobody, 60},
      {"callbacks_come_and_go_beside_flushes", callbacks_come_and_go_beside_flushes, 60})
