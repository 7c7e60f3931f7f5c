/* Fork while callbacks and exporters run, and what becomes of them in the child. Public API only. */
#include "fork.h"

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

CASES({"after_fork_starts_the_pipeline", after_fork_starts_the_pipeline, 60},
      {"fork_while_a_callback_runs", fork_while_a_callback_runs, 60},
      {"fork_while_an_exporter_runs", fork_while_an_exporter_runs, 60},
      {"childs_observed_series_are_its_own", childs_observed_series_are_its_own, 30},
      {"fork_within_a_callback", fork_within_a_callback, 60},
      {"childs_losses_are_its_own", childs_losses_are_its_own, 20})
