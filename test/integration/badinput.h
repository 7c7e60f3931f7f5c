/* Sound instruments, the log, and a pipeline that is pumped, for badinput.c and badinput_labels.c. Invariant: what is told stands in
 * `logged`. */
#ifndef BADINPUT_H
#define BADINPUT_H

#include "case.h"

#include <weir/weir.h>

WEIR_COUNTER(adds, "bad_adds_total", "Adds.");
WEIR_COUNTER(one_label, "bad_one_total", "One label.", "k");
WEIR_COUNTER(two_labels, "bad_two_total", "Two labels.", "a", "b");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "bad_times_seconds", "Times.");
WEIR_HISTOGRAM(range, WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))), "bad_range_seconds", "Times.");
WEIR_GAUGE(gauge, "bad_gauge", "A level.");
WEIR_FLOAT_GAUGE(real, "bad_real", "A level that is a double.");
WEIR_INFO(info, "bad_info", "Facts.", "k");
WEIR_OBSERVED_COUNTER(observed, "bad_observed_total", "Reported.");

/* Declared statically, and refused: the program starts all the same. */
WEIR_COUNTER(static_bad_name, "bad name", "A space is no letter.");
WEIR_COUNTER(static_bad_label, "bad_static_label_total", "A label that begins with __.", "__name__");
WEIR_HISTOGRAM(static_bad_bounds, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(5, 3)), "bad_static_bounds", "Not ascending.");

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

/* ---- the log ---- */

static char logged[1 << 20];
static size_t logged_len;

static inline void log_it(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	CHECK(level == WEIR_LOG_ERROR || level == WEIR_LOG_WARN);
	logged_len += (size_t)snprintf(logged + logged_len, sizeof logged - logged_len, "%s\n", text);
}

static inline void begin(void)
{
	struct weir_options o = {.size = sizeof o, .log = log_it, .no_thread = true, .tick_ns = WEIR_MS(1)};

	EQUAL_INT(weir_init(&o), WEIR_OK);
}

/* What a record left for later is told at the next tick. */
static inline void tick(void)
{
	sleep_ms(2);
	EQUAL_INT(weir_pump(0, NULL), WEIR_OK);
}

#define LOGGED(text)                                                                 \
	do                                                                           \
		if (strstr(logged, (text)) == NULL)                                  \
			FAIL("not in the log: %s; but: %.300s", (text),              \
			     logged_len > 300 ? logged + logged_len - 300 : logged); \
	while (0)

static inline uint64_t count_of(const char *name, struct weir_str value)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;
	uint64_t count = UINT64_MAX;

	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	if (weir_snapshot_find(snapshot, name, &value, 1, &s)) {
		EQUAL(s.values[0].ptr[s.values[0].len], 0); /* values end in NUL besides */
		count = s.count;
	}
	weir_snapshot_destroy(snapshot);
	return count;
}

#endif
