/* A host that exports weir_tls_v1, as one does that compiles weir's sources by flags of its own: the shared libweir, which
 * comes behind it, sees that its thread pointer is not its own. It refuses, says so, and never touches the host's table. */
#include "case.h"

#include <weir/weir.h>

static uint64_t *table[65536];
__attribute__((visibility("default"))) __thread uint64_t *const *weir_tls_v1 __attribute__((tls_model("initial-exec"))) =
    (uint64_t *const *)table;

WEIR_COUNTER(adds, "inter_adds_total", "Adds.");
WEIR_COUNTER(labelled, "inter_labelled_total", "Adds by label.", "k");
WEIR_GAUGE(gauge, "inter_gauge", "A level.");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "inter_times_seconds", "Times.");

static unsigned told;

static void hear(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	if (strstr(text, "another copy of weir") != NULL)
		__atomic_add_fetch(&told, 1, __ATOMIC_RELAXED);
}

static void *record(void *arg)
{
	errno = EDOM;
	for (int i = 0; i < 10; i++) {
		weir_counter_add(&adds, 1);
		weir_counter_add_with(&labelled, 1, "x");
		weir_gauge_set(&gauge, 1);
		weir_histogram_record(&times, 5);
	}
	EQUAL_INT(errno, EDOM);
	return arg;
}

static void an_interposed_copy_refuses_and_says_so(void)
{
	struct weir_options o = {.size = sizeof o, .log = hear, .tick_ns = WEIR_MS(1)};
	struct weir_status status = {.size = sizeof status};
	const struct weir_counter *counter;
	struct weir_snapshot *snapshot;
	pthread_t thread;

	record(NULL);
	CHECK(pthread_create(&thread, NULL, record, NULL) == 0);
	pthread_join(thread, NULL);
	CHECK(weir_status_read(&status) == WEIR_OK);
	EQUAL(status.dropped_refused, 80);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	EQUAL_INT(weir_counter_create(&counter, "inter_made_total", "Made.", NULL, NULL), WEIR_ECONFLICT);
	CHECK(__atomic_load_n(&told, __ATOMIC_RELAXED) >= 1);
	EQUAL_INT(weir_thread_attach(), WEIR_ENOMEM);
	CHECK(weir_status_read(&status) == WEIR_OK);
	EQUAL(status.series, 0);
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	weir_snapshot_destroy(snapshot);
	sleep_ms(20);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		CHECK(table[i] == NULL);
	CHECK(weir_tls_v1 == (uint64_t *const *)table);
}

CASES({"an_interposed_copy_refuses_and_says_so", an_interposed_copy_refuses_and_says_so, 20})
