/* Metric messages: sums, gauges, infos, explicit and exponential histograms, exemplars, from series made by hand, read back by
 * protobuf-c, whose packing of what it read is the same bytes. */
#include "encode_point.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <otlp.pb-c.h>

typedef Weir__Otlp__Metric Metric;
typedef Weir__Otlp__ExponentialHistogramDataPoint Exponential;

enum { START = 1000, NOW = 2000 };
static Weir__Otlp__ScopeMetrics *got;

/* One series as its metric. */
static const Metric *encode_as(const struct weir_family *family, const struct weir_series *s, bool is_delta)
{
	struct weir__otlp_bytes b = {0};
	struct weir__otlp_metric metric;
	uint8_t *again;
	size_t size;

	assert_true(weir__otlp_metric_open(&b, &metric, family, s->exponential, is_delta));
	weir__otlp_put_point(&b, &metric, family, s, NOW);
	weir__otlp_metric_close(&b, &metric, family);
	assert_false(b.failed);
	if (got != NULL)
		weir__otlp__scope_metrics__free_unpacked(got, NULL);
	got = weir__otlp__scope_metrics__unpack(NULL, weir__otlp_used(&b), b.start);
	assert_non_null(got);
	assert_int_equal(got->n_metrics, 1);
	size = weir__otlp__scope_metrics__get_packed_size(got);
	assert_int_equal(size, weir__otlp_used(&b));
	again = malloc(size);
	weir__otlp__scope_metrics__pack(got, again);
	assert_memory_equal(again, b.start, size);
	free(again);
	weir__otlp_bytes_free(&b);
	return got->metrics[0];
}

static const Metric *encode(const struct weir_family *family, const struct weir_series *s)
{
	return encode_as(family, s, false);
}

static bool same(double a, double b)
{
	return !(a < b) && !(a > b);
}

static struct weir_family family_of(enum weir_kind kind, enum weir_unit unit)
{
	static const double divisors[] = {[WEIR_ONE] = 1, [WEIR_SECONDS] = 1e9, [WEIR_BYTES] = 1, [WEIR_RATIO] = 1e6};

	return (struct weir_family){.name = "a.name", .help = "What.", .kind = kind, .unit = unit, .divisor = divisors[unit]};
}

static void counter(void **state)
{
	static const char *const labels[] = {"method", "http.route"}, *const constant[] = {"zone", "a"};
	const struct weir_str values[] = {{"GET", 3}, {"/\xff", 2}};
	struct weir_family f = family_of(WEIR_COUNTER_KIND, WEIR_ONE);
	struct weir_series s = {.values = values, .count = INT64_MAX, .start_ns = START};
	const Metric *m;
	const Weir__Otlp__NumberDataPoint *p;

	(void)state;
	f.labels = labels;
	f.labels_count = 2;
	f.constant = constant;
	f.constant_count = 1;
	m = encode(&f, &s);
	assert_string_equal(m->name, "a.name");
	assert_string_equal(m->description, "What.");
	assert_string_equal(m->unit, "1");
	assert_int_equal(m->data_case, WEIR__OTLP__METRIC__DATA_SUM);
	assert_true(m->sum->is_monotonic);
	assert_int_equal(m->sum->aggregation_temporality, WEIR__OTLP__AGGREGATION_TEMPORALITY__CUMULATIVE);
	p = m->sum->data_points[0];
	assert_true(p->start_time_unix_nano == START && p->time_unix_nano == NOW);
	assert_int_equal(p->value_case, WEIR__OTLP__NUMBER_DATA_POINT__VALUE_AS_INT);
	assert_true(p->as_int == INT64_MAX);
	assert_int_equal(p->n_attributes, 3);
	assert_string_equal(p->attributes[0]->key, "zone");
	assert_string_equal(p->attributes[1]->value->string_value, "GET");
	assert_string_equal(p->attributes[2]->key, "http.route");
	assert_string_equal(p->attributes[2]->value->string_value, "/\xef\xbf\xbd");
	s.count = (uint64_t)INT64_MAX + 1; /* no int64 holds it */
	p = encode(&f, &s)->sum->data_points[0];
	assert_int_equal(p->value_case, WEIR__OTLP__NUMBER_DATA_POINT__VALUE_AS_DOUBLE);
	assert_true(same(p->as_double, 0x1p63));
	s.count = 0;
	p = encode(&f, &s)->sum->data_points[0];
	assert_int_equal(p->value_case, WEIR__OTLP__NUMBER_DATA_POINT__VALUE_AS_INT);
	m = encode_as(&f, &s, true);
	assert_int_equal(m->sum->aggregation_temporality, WEIR__OTLP__AGGREGATION_TEMPORALITY__DELTA);
	f.unit = WEIR_SECONDS;
	f.divisor = 1e9;
	s.count = 1500000000;
	m = encode(&f, &s);
	assert_string_equal(m->unit, "s");
	assert_true(same(m->sum->data_points[0]->as_double, 1.5));
}

static void overflow(void **state)
{
	static const char *const labels[] = {"method"};
	struct weir_family f = family_of(WEIR_COUNTER_KIND, WEIR_BYTES);
	struct weir_series s = {.count = 3, .overflow = true};
	const Weir__Otlp__KeyValue *pair;
	const Metric *m;

	(void)state;
	f.labels = labels;
	f.labels_count = 1;
	m = encode(&f, &s);
	assert_string_equal(m->unit, "By");
	assert_int_equal(m->sum->data_points[0]->n_attributes, 1);
	pair = m->sum->data_points[0]->attributes[0];
	assert_string_equal(pair->key, "otel.metric.overflow");
	assert_int_equal(pair->value->value_case, WEIR__OTLP__ANY_VALUE__VALUE_BOOL_VALUE);
	assert_true(pair->value->bool_value);
}

static void levels(void **state)
{
	struct weir_family f = family_of(WEIR_UPDOWN_KIND, WEIR_ONE);
	struct weir_series s = {.level = -5};
	const Metric *m = encode(&f, &s);

	(void)state;
	assert_int_equal(m->data_case, WEIR__OTLP__METRIC__DATA_SUM);
	assert_false(m->sum->is_monotonic);
	assert_int_equal(m->sum->aggregation_temporality, WEIR__OTLP__AGGREGATION_TEMPORALITY__CUMULATIVE);
	assert_true(m->sum->data_points[0]->as_int == -5);
	f = family_of(WEIR_GAUGE_KIND, WEIR_RATIO);
	s.level = 250000;
	m = encode(&f, &s);
	assert_int_equal(m->data_case, WEIR__OTLP__METRIC__DATA_GAUGE);
	assert_string_equal(m->unit, "1");
	assert_true(same(m->gauge->data_points[0]->as_double, 0.25));
	f = family_of(WEIR_FLOAT_GAUGE_KIND, WEIR_SECONDS);
	s.floating = true;
	s.real = -0.125;
	m = encode(&f, &s);
	assert_true(same(m->gauge->data_points[0]->as_double, -0.125));
	f = family_of(WEIR_OBSERVED_COUNTER_KIND, WEIR_SECONDS);
	s.real = 2.5;
	m = encode(&f, &s);
	assert_true(m->sum->is_monotonic);
	assert_true(same(m->sum->data_points[0]->as_double, 2.5));
}

static void info(void **state)
{
	struct weir_family f = family_of(WEIR_INFO_KIND, WEIR_ONE);
	struct weir_series s = {.count = 1};
	const Metric *m = encode(&f, &s);

	(void)state;
	assert_int_equal(m->data_case, WEIR__OTLP__METRIC__DATA_SUM);
	assert_false(m->sum->is_monotonic);
	assert_true(m->sum->data_points[0]->as_int == 1);
}

static void an_unknown_kind(void **state)
{
	struct weir_family f = family_of((enum weir_kind)99, WEIR_ONE);
	struct weir__otlp_bytes b = {0};
	struct weir__otlp_metric metric;

	(void)state;
	assert_false(weir__otlp_metric_open(&b, &metric, &f, false, false));
	assert_int_equal(weir__otlp_used(&b), 0);
	weir__otlp_bytes_free(&b);
}

static void explicit_bounds(void **state)
{
	const uint64_t bounds[] = {5000000, 250000000, 1000000000}, buckets[] = {1, 0, 4, 2};
	struct weir_family f = family_of(WEIR_HISTOGRAM_KIND, WEIR_SECONDS);
	struct weir_exemplar x[] = {{.value = 900000000, .time_ns = 1500, .bucket = 2, .ids = {.trace_id = {1}, .span_id = {2}}},
	                            {.value = 1, .time_ns = 500, .bucket = 0}};
	struct weir_series s = {.bounds = bounds, .buckets = buckets, .buckets_count = 4, .start_ns = START,
	                        .sum_low = 1, .sum_high = 1, .count = 7, .exemplars = x, .exemplars_count = 2};
	const Weir__Otlp__HistogramDataPoint *p;
	const Metric *m = encode(&f, &s);

	(void)state;
	assert_int_equal(m->data_case, WEIR__OTLP__METRIC__DATA_HISTOGRAM);
	p = m->histogram->data_points[0];
	assert_true(p->count == 7);
	assert_true(same(p->sum, (0x1p64 + 1) / 1e9));
	assert_int_equal(p->n_bucket_counts, 4);
	assert_int_equal(p->n_explicit_bounds, 3);
	for (size_t i = 0; i < 4; i++)
		assert_true(p->bucket_counts[i] == buckets[i]);
	assert_true(same(p->explicit_bounds[0], 0.005) && same(p->explicit_bounds[1], 0.25) && same(p->explicit_bounds[2], 1));
	assert_int_equal(p->n_exemplars, 2);
	assert_true(same(p->exemplars[0]->as_double, 0.9));
	assert_int_equal(p->exemplars[0]->trace_id.len, 16);
	assert_int_equal(p->exemplars[0]->span_id.data[0], 2);
	assert_int_equal(p->exemplars[1]->trace_id.len, 0);
	/* As a delta: the second is older than its start. */
	assert_int_equal(encode_as(&f, &s, true)->histogram->data_points[0]->n_exemplars, 1);
}

static void bounds_that_no_double_tells_apart(void **state)
{
	const uint64_t at = UINT64_C(1) << 60, bounds[] = {at, at + 1, at + 2, 2 * at}, buckets[] = {1, 2, 4, 8, 16};
	struct weir_family f = family_of(WEIR_HISTOGRAM_KIND, WEIR_BYTES);
	struct weir_series s = {.bounds = bounds, .buckets = buckets, .buckets_count = 5};
	const Weir__Otlp__HistogramDataPoint *p = encode(&f, &s)->histogram->data_points[0];

	(void)state;
	assert_int_equal(p->n_explicit_bounds, 2);
	assert_int_equal(p->n_bucket_counts, 3);
	assert_true(p->bucket_counts[0] == 7 && p->bucket_counts[1] == 8 && p->bucket_counts[2] == 16);
	assert_true(p->count == 31);
}

/* ---- exponential: every shape against the definition, counted by hand ------------------------------------------------ */

static void check_exponential(int32_t scale, int32_t offset, size_t regular, uint32_t split, unsigned seed)
{
	size_t n = regular + 2 + (split != 0);
	uint64_t buckets[256], bounds[256], all = 0, sum = 0;
	struct weir_family f = family_of(WEIR_HISTOGRAM_KIND, WEIR_ONE);
	struct weir_series s = {.exponential = true, .scale = scale, .offset = offset, .split = split, .bounds = bounds,
	                        .buckets = buckets, .buckets_count = n};
	const Exponential *p;
	int32_t shift;

	srand(seed);
	for (size_t i = 0; i < n; i++) {
		buckets[i] = rand() % 3 == 0 ? 0 : (uint64_t)(rand() % 100000);
		bounds[i] = 10 + i;
		all += buckets[i];
	}
	p = encode(&f, &s)->exponential_histogram->data_points[0];
	shift = scale - p->scale;
	assert_in_range(shift, 0, 10);
	assert_true(p->count == all && p->zero_count == buckets[0]);
	assert_true(same(p->zero_threshold, 10));
	sum = p->zero_count;
	for (size_t i = 0; p->positive != NULL && i < p->positive->n_bucket_counts; i++)
		sum += p->positive->bucket_counts[i];
	assert_true(sum == all);
	if (p->positive == NULL)
		return;
	assert_in_range(p->positive->n_bucket_counts, 1, 160);
	assert_true(p->positive->bucket_counts[0] != 0);
	assert_true(p->positive->bucket_counts[p->positive->n_bucket_counts - 1] != 0);
	for (size_t i = 0; i < p->positive->n_bucket_counts; i++) {
		double low = floor((double)offset / exp2(shift)), index = (double)p->positive->offset + (double)i;
		uint64_t wanted = 0;

		assert_true(index >= low);
		for (size_t b = 1; b < n; b++) { /* of the source, by the header's words */
			double own = (double)offset + (double)b - 1 - (split != 0 && b > split ? 1 : 0);
			double last = (double)offset + (double)regular - 1;

			if (same(floor((own < last ? own : last) / exp2(shift)), index))
				wanted += buckets[b];
		}
		assert_true(p->positive->bucket_counts[i] == wanted);
	}
}

static void exponential_buckets(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 2000; seed++) {
		size_t regular = 1 + (seed * 37) % 238;
		int32_t offset = (int32_t)(seed * 13 % 401) - 200;

		check_exponential(3, offset, regular, 0, seed);
		if (regular > 1)
			check_exponential(3, offset, regular, 1 + seed % (uint32_t)regular, seed);
	}
}

static void exponential_empty(void **state)
{
	const uint64_t bounds[] = {1, 2}, buckets[] = {0, 0, 0};
	struct weir_family f = family_of(WEIR_HISTOGRAM_KIND, WEIR_ONE);
	struct weir_series s = {.exponential = true, .scale = 0, .bounds = bounds, .buckets = buckets, .buckets_count = 3};
	const Exponential *p = encode(&f, &s)->exponential_histogram->data_points[0];

	(void)state;
	assert_null(p->positive);
	assert_true(p->count == 0);
	assert_int_equal(p->given_case, WEIR__OTLP__EXPONENTIAL_HISTOGRAM_DATA_POINT__GIVEN_SUM);
}

static void merging_is_as_little_as_fits(void **state)
{
	uint64_t bounds[240], buckets[240] = {0};
	struct weir_family f = family_of(WEIR_HISTOGRAM_KIND, WEIR_ONE);
	struct weir_series s = {.exponential = true, .scale = 3, .bounds = bounds, .buckets = buckets};

	(void)state;
	for (size_t i = 0; i < 240; i++)
		bounds[i] = i + 1;
	s.buckets_count = 162; /* 160 within the range */
	assert_int_equal(encode(&f, &s)->exponential_histogram->data_points[0]->scale, 3);
	s.buckets_count = 163;
	assert_int_equal(encode(&f, &s)->exponential_histogram->data_points[0]->scale, 2);
	buckets[162] = 5; /* above the range: with the last one */
	assert_int_equal(encode(&f, &s)->exponential_histogram->data_points[0]->positive->offset, 80);
}

static int end(void **state)
{
	(void)state;
	weir__otlp__scope_metrics__free_unpacked(got, NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counter),
	    cmocka_unit_test(overflow),
	    cmocka_unit_test(levels),
	    cmocka_unit_test(info),
	    cmocka_unit_test(an_unknown_kind),
	    cmocka_unit_test(explicit_bounds),
	    cmocka_unit_test(bounds_that_no_double_tells_apart),
	    cmocka_unit_test(exponential_buckets),
	    cmocka_unit_test(exponential_empty),
	    cmocka_unit_test(merging_is_as_little_as_fits),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
