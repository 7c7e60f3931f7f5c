/* What the tests of src/observe.c begin with: test_observe.c, test_observe_life.c. */
#ifndef TEST_OBSERVE_H
#define TEST_OBSERVE_H

#define _GNU_SOURCE
#include "observe.h"
#include "port.h"
#include "registry.h"

#include <weir/snapshot.h>

#include <math.h>

#include "alone.h"

WEIR_OBSERVED_COUNTER(jobs, "observed_jobs_total", "Jobs.");
WEIR_OBSERVED_GAUGE(level, "observed_level", "A level.");
WEIR_OBSERVED_GAUGE(queues, "observed_queues", "Queues.", "name");
WEIR_OBSERVED_GAUGE(others, "observed_others", "Others.", "name");
WEIR_OBSERVED_GAUGE_IN(age, WEIR_SECONDS, "observed_age_seconds", "An age.");
WEIR_OBSERVED_GAUGE_IN(share, WEIR_RATIO, "observed_share_ratio", "A share.");
WEIR_OBSERVED_GAUGE_IN(ages, WEIR_SECONDS, "observed_ages_seconds", "Ages.", "name");
WEIR_COUNTER(within, "observed_within_total", "Recorded within a callback.");

static inline struct weir_snapshot *take(void)
{
	struct weir_snapshot *snapshot;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	return snapshot;
}

static inline bool in_snapshot(const struct weir_snapshot *snapshot, const char *name, const char *value,
                               struct weir_series *s)
{
	struct weir_str v = weir_str_of(value);
	struct weir_series unused;

	return weir_snapshot_find(snapshot, name, &v, value != NULL ? 1 : 0, s != NULL ? s : &unused);
}

static inline bool find(const char *name, const char *value, struct weir_series *s)
{
	struct weir_snapshot *snapshot = take();
	bool found = in_snapshot(snapshot, name, value, s);

	weir_snapshot_destroy(snapshot);
	return found;
}

static inline struct weir_callback *begin(weir_observe_fn *observe, void *arg)
{
	struct weir_callback *callback;

	assert_int_equal(weir_callback_new(&callback, observe, arg), WEIR_OK);
	assert_non_null(callback);
	return callback;
}

static unsigned reported; /* bits: which queues */
static inline void report_queues(struct weir_observer *o, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 4; i++)
		if (reported >> i & 1)
			weir_observer_report_with(o, &queues, (int64_t)i, (const char[]){(char)('a' + i), '\0'});
}

static inline unsigned seen_in(const struct weir_snapshot *snapshot)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < 4; i++)
		seen |= (unsigned)in_snapshot(snapshot, "observed_queues", (const char[]){(char)('a' + i), '\0'}, NULL)
		        << i;
	return seen;
}

static inline unsigned seen_now(void)
{
	struct weir_snapshot *snapshot = take();
	unsigned seen = seen_in(snapshot);

	weir_snapshot_destroy(snapshot);
	return seen;
}

static inline void report_a(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report_with(o, &queues, 1, "a");
}

static inline void report_b(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report_with(o, &queues, 1, "b");
}

#endif
