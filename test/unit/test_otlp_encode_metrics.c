/* Snapshots of real instruments as requests: what was recorded is what is read back, whole or in pieces, cumulative or as
 * deltas whose sum is what was recorded, whether pieces were accepted or not. */
#include "delta.h"
#include "encode.h"

#include <weir/weir.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <otlp.pb-c.h>

typedef Weir__Otlp__ExportMetricsServiceRequest Request;
typedef Weir__Otlp__Metric Metric;

WEIR_COUNTER(hits, "test.hits", "Hits.", "who");
WEIR_UPDOWN(open_now, "test.open", "Open.");
WEIR_HISTOGRAM(times, WEIR_LATENCY, "test.times", "Times.");
enum { WHOS = 200 };

static Request *unpack(const uint8_t *bytes, size_t len)
{
	Request *r = weir__otlp__export_metrics_service_request__unpack(NULL, len, bytes);

	assert_non_null(r);
	assert_int_equal(r->n_resource_metrics, 1);
	assert_int_equal(r->resource_metrics[0]->n_scope_metrics, 1);
	assert_string_equal(r->resource_metrics[0]->scope_metrics[0]->scope->name, "weir");
	return r;
}

static const Metric *find(const Request *r, const char *name)
{
	const Weir__Otlp__ScopeMetrics *scope = r->resource_metrics[0]->scope_metrics[0];

	for (size_t i = 0; i < scope->n_metrics; i++)
		if (strcmp(scope->metrics[i]->name, name) == 0)
			return scope->metrics[i];
	return NULL;
}

static void record(unsigned n)
{
	for (unsigned i = 0; i < WHOS; i++) {
		char who[16];

		snprintf(who, sizeof who, "%u", i);
		weir_counter_add_with(&hits, n, who);
	}
	weir_updown_add(&open_now, 1);
	weir_histogram_record(&times, WEIR_MS(3) * n);
}

/* What a snapshot's pieces say of hits, and how many points there are. */
static uint64_t hits_in_pieces(struct weir__otlp_delta *delta, size_t max_bytes, bool accepted, size_t *points, size_t *pieces)
{
	struct weir_snapshot *snapshot;
	struct weir__otlp_metrics m;
	uint64_t sum = 0;
	size_t count;

	*points = *pieces = 0;
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	weir__otlp_metrics_begin(&m, snapshot, delta);
	for (;; *pieces += 1) {
		struct weir__otlp_bytes b = {0};
		const Metric *metric;
		Request *r;

		assert_int_equal(weir__otlp_metrics_next(&m, &b, max_bytes, &count), WEIR_OK);
		assert_true(weir__otlp_used(&b) <= max_bytes);
		if (count == 0) {
			assert_int_equal(weir__otlp_used(&b), 0);
			weir__otlp_bytes_free(&b);
			break;
		}
		r = unpack(b.start, weir__otlp_used(&b));
		metric = find(r, "test.hits");
		for (size_t i = 0; metric != NULL && i < metric->sum->n_data_points; i++)
			sum += (uint64_t)metric->sum->data_points[i]->as_int;
		*points += count;
		weir__otlp__export_metrics_service_request__free_unpacked(r, NULL);
		weir__otlp_bytes_free(&b);
		if (delta != NULL && accepted)
			weir__otlp_delta_commit(delta);
	}
	assert_int_equal(m.too_large, 0);
	if (delta != NULL && !accepted)
		weir__otlp_delta_rollback(delta);
	weir_snapshot_destroy(snapshot);
	return sum;
}

static uint64_t recorded; /* of hits */

static void whole_or_in_pieces(void **state)
{
	size_t points, whole, pieces;

	(void)state;
	record(3);
	recorded += 3 * WHOS;
	assert_int_equal(hits_in_pieces(NULL, SIZE_MAX, true, &whole, &pieces), recorded);
	assert_int_equal(pieces, 1);
	for (size_t most = 2000; most < 30000; most += 531) {
		assert_int_equal(hits_in_pieces(NULL, most, true, &points, &pieces), recorded);
		assert_int_equal(points, whole);
		if (most < 4000)
			assert_true(pieces > 1);
	}
}

static void deltas_add_up(void **state)
{
	struct weir__otlp_delta *delta = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	uint64_t sum = 0;
	size_t points, pieces;

	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		bool accepted = round % 3 != 1;
		uint64_t got;

		record(round);
		recorded += round * WHOS;
		got = hits_in_pieces(delta, round % 2 ? SIZE_MAX : 2500, accepted, &points, &pieces);
		sum += accepted ? got : 0;
	}
	assert_int_equal(sum + hits_in_pieces(delta, SIZE_MAX, true, &points, &pieces), recorded);
	assert_int_equal(hits_in_pieces(delta, SIZE_MAX, true, &points, &pieces), 0);
	weir__otlp_delta_free(delta);
}

/* Past the cap: one point more, which has nothing but the mark; cumulative and as deltas all adds up, and nothing twice. */
static void past_the_cap(void **state)
{
	enum { CAP = 3, VALUES = 10 };
	static const char *const labels[] = {"who", NULL};
	const struct weir_instrument_options o = {.size = sizeof o, .max_series = CAP};
	struct weir__otlp_delta *delta = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	const struct weir_counter *capped;

	(void)state;
	assert_int_equal(weir_counter_create(&capped, "test.capped", "Capped.", labels, &o), WEIR_OK);
	for (int round = 1; round <= 4; round++) {
		bool as_delta = round % 2 == 0;
		struct weir__otlp_bytes b = {0};
		struct weir_snapshot *snapshot;
		struct weir__otlp_metrics m;
		const Metric *metric;
		size_t count, marked = 0;
		int64_t sum = 0;
		Request *r;

		for (int i = 0; i < VALUES; i++) {
			char who[16];

			snprintf(who, sizeof who, "%d", i);
			weir_counter_add_with(capped, 10, who);
		}
		assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
		weir__otlp_metrics_begin(&m, snapshot, as_delta ? delta : NULL);
		assert_int_equal(weir__otlp_metrics_next(&m, &b, SIZE_MAX, &count), WEIR_OK);
		r = unpack(b.start, weir__otlp_used(&b));
		metric = find(r, "test.capped");
		assert_int_equal(metric->sum->n_data_points, CAP + 1);
		for (size_t i = 0; i < CAP + 1; i++) {
			const Weir__Otlp__NumberDataPoint *p = metric->sum->data_points[i];
			int64_t rounds = as_delta ? 2 : round; /* since the delta before */

			assert_int_equal(p->n_attributes, 1);
			sum += p->as_int;
			if (strcmp(p->attributes[0]->key, "otel.metric.overflow") == 0) {
				marked++;
				assert_true(p->attributes[0]->value->bool_value);
				assert_int_equal(p->as_int, (VALUES - CAP) * 10 * rounds);
			} else {
				assert_string_equal(p->attributes[0]->key, "who");
				assert_int_equal(p->as_int, 10 * rounds);
			}
		}
		assert_int_equal(marked, 1);
		assert_int_equal(sum, VALUES * 10 * (as_delta ? 2 : round));
		if (as_delta)
			weir__otlp_delta_commit(delta);
		weir__otlp__export_metrics_service_request__free_unpacked(r, NULL);
		weir__otlp_bytes_free(&b);
		weir_snapshot_destroy(snapshot);
	}
	weir__otlp_delta_free(delta);
}

static struct weir__otlp_bytes written;
static int collect(void *arg, const void *bytes, size_t len)
{
	assert_true(weir__otlp_room(&written, len));
	memcpy(written.at, bytes, len);
	written.at += len;
	return arg != NULL ? -1 : 0;
}

static void by_a_callback(void **state)
{
	struct weir_snapshot *snapshot;
	const Weir__Otlp__HistogramDataPoint *p;
	const Metric *metric;
	Request *r;
	int stop = 1;

	(void)state;
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_int_equal(weir_otlp_write_metrics(snapshot, collect, NULL), WEIR_OK);
	r = unpack(written.start, weir__otlp_used(&written));
	metric = find(r, "test.open");
	assert_false(metric->sum->is_monotonic);
	assert_int_equal(metric->sum->aggregation_temporality, WEIR__OTLP__AGGREGATION_TEMPORALITY__CUMULATIVE);
	metric = find(r, "test.times");
	assert_string_equal(metric->unit, "s");
	p = metric->histogram->data_points[0];
	assert_true(p->count == (uint64_t)find(r, "test.open")->sum->data_points[0]->as_int);
	assert_int_equal(p->n_bucket_counts, p->n_explicit_bounds + 1);
	weir__otlp__export_metrics_service_request__free_unpacked(r, NULL);
	assert_int_equal(weir_otlp_write_metrics(snapshot, collect, &stop), WEIR_EIO);
	weir__otlp_bytes_free(&written);
	weir_snapshot_destroy(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_or_in_pieces),
	    cmocka_unit_test(deltas_add_up),
	    cmocka_unit_test(by_a_callback),
	    cmocka_unit_test(past_the_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
