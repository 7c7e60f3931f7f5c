/* bench: weir's record rows: what a service pays inline. Invariant: the same data and the same loops as floor.c. */
#define _GNU_SOURCE
#include "bench.h"
#include "workload.h"

#include <weir/weir.h>

#include <stdlib.h>

WEIR_COUNTER(plain, "bench_plain_total", "Without labels.");
WEIR_COUNTER(labelled, "bench_labelled_total", "With labels.", "method", "route", "code");
WEIR_GAUGE(level, "bench_level", "With labels.", "method");
WEIR_HISTOGRAM(explicit_seconds, WEIR_LATENCY, "bench_explicit_seconds", "The default bounds.", "method");
WEIR_HISTOGRAM(exponential_seconds, WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))),
               "bench_exponential_seconds", "1 us to 60 s.", "method");

static void loop_counter_add(void *arg, unsigned thread, uint64_t count)
{
	struct weir_counter_series s = *(const struct weir_counter_series *)arg;

	(void)thread;
	bench_opaque(s.cell_);
	for (uint64_t i = 0; i < count; i++) {
		weir_counter_series_add(s, 1);
		bench_barrier();
	}
}

static void loop_counter_add_static(void *arg, unsigned thread, uint64_t count)
{
	(void)arg, (void)thread;
	for (uint64_t i = 0; i < count; i++) {
		weir_counter_add(&plain, 1);
		bench_barrier();
	}
}

static void loop_counter_add_labels(void *arg, unsigned thread, uint64_t count)
{
	const char *const(*lists)[WORK_LABELS] = arg;

	(void)thread;
	for (uint64_t done = 0; done < count; done += WORK_LISTS) {
		for (size_t k = 0; k < WORK_LISTS && done + k < count; k++) {
			weir_counter_add_with(&labelled, 1, lists[k][0], lists[k][1], lists[k][2]);
			bench_barrier();
		}
	}
}

static void loop_gauge_set(void *arg, unsigned thread, uint64_t count)
{
	struct weir_gauge_series s = *(const struct weir_gauge_series *)arg;

	(void)thread;
	bench_opaque(s.cell_);
	for (uint64_t i = 0; i < count; i++) {
		weir_gauge_series_set(s, (int64_t)i);
		bench_barrier();
	}
}

struct records {
	struct weir_histogram_series series[WORK_TURNS];
	uint64_t values[WORK_VALUES];
};

static void loop_histogram_record(void *arg, unsigned thread, uint64_t count)
{
	const struct records *r = arg;
	struct weir_histogram_series s = r->series[0];

	(void)thread;
	bench_opaque(s.cell_);
	bench_opaque(s.layout_);
	for (uint64_t i = 0; i < count; i++) {
		weir_histogram_series_record(s, r->values[i % WORK_VALUES]);
		bench_barrier();
	}
}

static void loop_histogram_record_turns(void *arg, unsigned thread, uint64_t count)
{
	const struct records *r = arg;

	(void)thread;
	for (uint64_t i = 0; i < count; i++) {
		weir_histogram_series_record(r->series[i % WORK_TURNS], r->values[i % WORK_VALUES]);
		bench_barrier();
	}
}

static void measure_records(const struct bench *b, const struct weir_histogram *h, uint64_t lowest, uint64_t highest,
                            bool turns)
{
	struct records *r = malloc(sizeof *r);
	struct weir_distribution read;

	bench_require(r != NULL, "out of memory");
	for (size_t i = 0; i < WORK_TURNS; i++) {
		char method[16];

		snprintf(method, sizeof method, "m%zu", i);
		r->series[i] = weir_histogram_with(h, method);
	}
	work_values(r->values, lowest, highest);
	bench_measure(b, "weir", turns ? loop_histogram_record_turns : loop_histogram_record, r);
	read = weir_histogram_series_read(r->series[0]);
	bench_require(read.count > 0, "nothing was recorded");
	free(r);
}

struct many {
	struct weir_counter_series *series;
	size_t count;
};

static void loop_many(void *arg, unsigned thread, uint64_t count)
{
	const struct many *m = arg;

	(void)thread;
	for (uint64_t done = 0; done < count; done += m->count) {
		for (size_t k = 0; k < m->count && done + k < count; k++) {
			weir_counter_series_add(m->series[k], 1);
			bench_barrier();
		}
	}
}

static void measure_many(const struct bench *b, size_t series)
{
	static const char *const labels[] = {"id", NULL};
	struct weir_instrument_options options = {.size = sizeof options, .max_series = (uint32_t)series};
	struct many m = {NULL, series < 1000 ? 1000 : series};
	const struct weir_counter *counter;
	uint32_t *order = malloc(m.count * sizeof *order);
	struct weir_status status = {.size = sizeof status};

	m.series = malloc(m.count * sizeof *m.series);
	bench_require(m.series != NULL && order != NULL, "out of memory");
	bench_require(weir_counter_create(&counter, "bench_many_total", "Many series.", labels, &options) == WEIR_OK,
	              "the instrument was refused");
	work_shuffle(order, m.count, 3);
	for (size_t i = 0; i < m.count; i++) {
		char id[16];

		snprintf(id, sizeof id, "%zu", i % series);
		m.series[series > 1 ? order[i] : i] = weir_counter_with(counter, id);
	}
	loop_many(&m, 0, m.count); /* first uses are another row's */
	bench_measure(b, "weir", loop_many, &m);
	bench_require(weir_status_read(&status) == WEIR_OK && status.overflowed == 0 && status.dropped_records == 0,
	              "series overflowed, or records were dropped");
	free(m.series);
	free(order);
}

int main(int argc, char **argv)
{
	struct bench b = bench_arguments(argc, argv);

	if (bench_is(&b, "counter_add")) {
		struct weir_counter_series s = weir_counter_with(&labelled, "GET", "/", "200");

		bench_measure(&b, "weir", loop_counter_add, &s);
		bench_require(weir_counter_series_read(s) > 0, "nothing was counted");
	}
	if (bench_is(&b, "counter_add_static")) {
		bench_measure(&b, "weir", loop_counter_add_static, NULL);
		bench_require(weir_counter_read(&plain) > 0, "nothing was counted");
	}
	if (bench_is(&b, "counter_add_labels")) {
		const char *lists[WORK_LISTS][WORK_LABELS];

		work_lists(lists);
		bench_measure(&b, "weir", loop_counter_add_labels, lists);
		bench_require(weir_counter_series_read(weir_counter_with(&labelled, "GET", "/", "200")) > 0,
		              "nothing was counted");
	}
	if (bench_is(&b, "gauge_set")) {
		struct weir_gauge_series s = weir_gauge_with(&level, "GET");

		bench_measure(&b, "weir", loop_gauge_set, &s);
		bench_require(weir_gauge_series_read(s) > 0, "nothing was set");
	}
	if (bench_is(&b, "histogram_explicit") || bench_is(&b, "histogram_explicit_16_series"))
		measure_records(&b, &explicit_seconds, work_explicit_lowest, work_explicit_highest,
		                bench_is(&b, "histogram_explicit_16_series"));
	if (bench_is(&b, "histogram_exponential"))
		measure_records(&b, &exponential_seconds, work_exponential_lowest, work_exponential_highest, false);
	if (bench_is(&b, "record_series_1"))
		measure_many(&b, 1);
	if (bench_is(&b, "record_series_1k"))
		measure_many(&b, 1000);
	if (bench_is(&b, "record_series_100k"))
		measure_many(&b, 100000);
	if (bench_is(&b, "record_series_1m"))
		measure_many(&b, 1000000);
	return 0;
}
