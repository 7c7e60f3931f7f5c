/* One record of each kind and what it must come to, for fork.c, fork_pipeline.c and fork_shared.c: numbers by which a child's are told
 * from its parent's. Invariant: record_all and expect_all agree. */
#ifndef FORK_H
#define FORK_H

#include "case.h"

#include <weir/weir.h>

WEIR_COUNTER(adds, "fork_adds_total", "Adds.");
WEIR_COUNTER(labelled, "fork_labelled_total", "Adds by label.", "kind", "number");
WEIR_UPDOWN(updown, "fork_updown", "Ups and downs.");
WEIR_GAUGE(gauge, "fork_gauge", "A level.");
WEIR_FLOAT_GAUGE(real, "fork_real", "A level that is a double.");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "fork_times_seconds", "Times.");
WEIR_OBSERVED_GAUGE(observed, "fork_observed", "What a callback reports.");

enum { ADDS = 11, LABELLED = 12, UPDOWN = -13, GAUGE = 14, TIMES = 15 };
static struct weir_counter_series handle;

static inline void record_all(uint64_t times_over)
{
	for (uint64_t n = 0; n < times_over; n++) {
		weir_counter_add(&adds, ADDS);
		weir_counter_series_add(handle, LABELLED);
		weir_counter_add_with(&labelled, 1, "per call", "1");
		weir_updown_add(&updown, UPDOWN);
		weir_gauge_add(&gauge, GAUGE);
		weir_float_gauge_add(&real, 0.5);
		for (int t = 0; t < TIMES; t++)
			weir_histogram_record(&times, WEIR_MS(3));
	}
}

/* All that was recorded in this process, by every way of reading. */
static inline void expect_all(uint64_t times_over)
{
	struct weir_str one[2] = {weir_str_of("per call"), weir_str_of("1")};
	struct weir_distribution d = weir_histogram_read(&times);
	struct weir_snapshot *snapshot;
	struct weir_series s;

	EQUAL(weir_counter_read(&adds), ADDS * times_over);
	EQUAL(weir_counter_series_read(handle), LABELLED * times_over);
	EQUAL_INT(weir_updown_read(&updown), UPDOWN * (int64_t)times_over);
	EQUAL_INT(weir_gauge_read(&gauge), GAUGE * (int64_t)times_over);
	CHECK(weir_float_gauge_read(&real) == 0.5 * (double)times_over);
	EQUAL(d.count, TIMES * times_over);
	EQUAL(d.good, TIMES * times_over);
	EQUAL(d.sum_low, TIMES * times_over * WEIR_MS(3));
	EQUAL(d.sum_high, 0);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "fork_adds_total", NULL, 0, &s));
	EQUAL(s.count, ADDS * times_over);
	CHECK(weir_snapshot_find(snapshot, "fork_labelled_total", one, 2, &s) ||
	      times_over == 0); /* made by its first record */
	if (times_over != 0)
		EQUAL(s.count, times_over);
	CHECK(weir_snapshot_find(snapshot, "fork_times_seconds", NULL, 0, &s));
	EQUAL(s.count, TIMES * times_over);
	CHECK(weir_snapshot_find(snapshot, "fork_gauge", NULL, 0, &s));
	EQUAL_INT(s.level, GAUGE * (int64_t)times_over);
	weir_snapshot_destroy(snapshot);
}

static inline struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

/* How many series of the labelled counter have this number: two with the same values would cost the whole scrape. */
static inline unsigned series_numbered(const struct weir_snapshot *snapshot, const char *number, uint64_t *count)
{
	struct weir_family f;
	struct weir_series s;
	unsigned found = 0;

	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "fork_labelled_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s);)
				if (!s.overflow && strcmp(s.values[1].ptr, number) == 0) {
					found++;
					*count = s.count;
				}
	return found;
}

#endif
