/* Histograms as protobuf messages, from series made by hand, with protobuf-c as the witness: native buckets are where
 * Prometheus counts them, merged to 160; classic ones beside them; exemplars. */
#define _GNU_SOURCE
#include "encode_protobuf.h"

#include "metric_family.pb-c.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t seed = 88172645463325252u;

static uint64_t random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* Any length of number is as likely. */
static uint64_t random_number(void)
{
	random_below(1);
	return seed >> random_below(64);
}

static bool same(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

static Witness__Histogram *encode_one(const struct weir_series *s, double divisor, uint64_t threshold)
{
	struct weir__protobuf p = {.body = {.at = NULL}};
	struct weir__encoder e = {.protobuf = &p, .scale = weir__scale_of(divisor)};
	Witness__Histogram *h;
	uint8_t *again;
	size_t len;

	e.family.kind = WEIR_HISTOGRAM_KIND;
	e.family.divisor = divisor;
	e.family.slo_threshold = threshold;
	weir__out_grown(&e.le_text, 0);
	weir__protobuf_begin(&p);
	assert_true(weir__protobuf_histogram(&e, s));
	len = weir__out_used(&p.histogram);
	h = witness__histogram__unpack(NULL, len, (const uint8_t *)p.histogram.start);
	assert_non_null(h);
	assert_int_equal(h->base.n_unknown_fields, 0);
	assert_int_equal(witness__histogram__get_packed_size(h), len);
	again = malloc(len + 1);
	witness__histogram__pack(h, again);
	assert_memory_equal(again, p.histogram.start, len);
	free(again);
	weir__protobuf_end(&p);
	weir__out_free(&e.le_text);
	free(e.bounds);
	free(e.les);
	return h;
}

struct native {
	uint64_t bounds[1200], buckets[1201];
	struct weir_series s;
};

/* count buckets from an index on; threshold: cut in where it belongs; each holds something with one chance in every. */
static void make_native(struct native *x, int32_t scale, int32_t offset, size_t count, uint64_t threshold,
                        uint64_t every)
{
	size_t n = 0;

	memset(x, 0, sizeof *x);
	for (size_t i = 0; i <= count; i++) {
		uint64_t bound = (uint64_t)(exp2(ldexp((double)offset + (double)i, -scale)) * 1e9);

		if (threshold != 0 && n > 0 && x->bounds[n - 1] < threshold && threshold < bound) {
			x->s.split = (uint32_t)n;
			x->bounds[n++] = threshold;
		}
		x->bounds[n++] = bound;
	}
	for (size_t i = 0; i <= n; i++)
		x->buckets[i] = random_below(every) == 0 ? random_number() >> 12 : 0;
	x->s.exponential = true;
	x->s.scale = scale;
	x->s.offset = offset;
	x->s.bounds = x->bounds;
	x->s.buckets = x->buckets;
	x->s.buckets_count = n + 1;
}

/* Where a value of up to a bound is by Prometheus' own rule: bucket k of a schema is up to 2^(k / 2^schema). */
static int64_t index_of(double bound, int32_t schema)
{
	return (int64_t)ceil(ldexp(log2(bound), schema) - 1e-3);
}

static void check_native(const struct native *x, uint64_t threshold)
{
	Witness__Histogram *h = encode_one(&x->s, 1e9, threshold);
	uint64_t wanted[4000] = {0}, below = 0, all = 0;
	int64_t index = 0, count = 0, first = INT64_MAX, last = INT64_MIN;
	size_t n = x->s.buckets_count, delta = 0, spans = 0;

	for (size_t b = 0; b < n; b++) {
		uint64_t bound = x->bounds[b + 1 < n ? b : n - 2];
		int64_t at = index_of(b == x->s.split && b != 0 ? (double)x->bounds[b + 1] / 1e9 : (double)bound / 1e9,
		                      h->schema);

		all += x->buckets[b];
		below += b + 1 < n && threshold != 0 && bound <= threshold ? x->buckets[b] : 0;
		assert_true(at > -2000 && at < 2000);
		if (b != 0)
			wanted[at + 2000] += x->buckets[b]; /* above the range: in the last one */
	}
	assert_int_equal(h->sample_count, all);
	assert_true(h->has_zero_threshold && same(h->zero_threshold, (double)x->bounds[0] / 1e9));
	assert_true(h->has_zero_count && h->zero_count == x->buckets[0]);
	assert_int_equal(h->n_bucket, threshold != 0 ? 2 : 1);
	if (threshold != 0) {
		assert_true(same(h->bucket[0]->upper_bound, (double)threshold / 1e9));
		assert_int_equal(h->bucket[0]->cumulative_count, below);
	}
	assert_true(isinf(h->bucket[h->n_bucket - 1]->upper_bound) != 0);
	assert_int_equal(h->bucket[h->n_bucket - 1]->cumulative_count, all);
	for (size_t i = 0; i < h->n_positive_span; i++) {
		index += h->positive_span[i]->offset;
		assert_true(i == 0 || h->positive_span[i]->offset > 2);
		for (uint32_t k = 0; k < h->positive_span[i]->length; k++, index++) {
			assert_true(delta < h->n_positive_delta);
			count += h->positive_delta[delta++];
			assert_int_equal(count, wanted[index + 2000]);
			wanted[index + 2000] = 0;
			first = index < first ? index : first;
			last = index > last ? index : last;
		}
		spans += h->positive_span[i]->length;
	}
	assert_int_equal(delta, h->n_positive_delta);
	assert_true(spans == 0 || last - first < 160);
	for (size_t i = 0; i < 4000; i++)
		assert_int_equal(wanted[i], 0);
	witness__histogram__free_unpacked(h, NULL);
}

static void native_histograms(void **state)
{
	static const size_t counts[] = {1, 2, 3, 159, 160, 161, 208, 240, 319, 500, 1100};
	static struct native x;

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		for (int offset = -80; offset <= 3; offset += 7)
			for (unsigned every = 1; every < 80; every = every * 3 + 1)
				for (uint64_t threshold = 0; threshold < 3 * 33333333; threshold += 33333333) {
					int scale = counts[i] > 300 ? 6 : 3;

					make_native(&x, scale, offset * (1 << (scale - 3)), counts[i], threshold, every);
					check_native(&x, x.s.split != 0 ? threshold : 0);
				}
	make_native(&x, 3, -80, 240, 0, 1); /* a threshold that is a bound */
	check_native(&x, x.bounds[17]);
	memset(x.buckets, 0, sizeof x.buckets); /* nothing yet: the zero bucket's breadth tells that it is native */
	check_native(&x, 0);
	x.buckets[241] = 3; /* only above the range */
	check_native(&x, 0);
}

static void exemplars(void **state)
{
	static struct native x;
	struct weir_exemplar list[] = {
	    {.value = 5000000, .time_ns = UINT64_C(1700000000500000000), .bucket = 3, .ids = {{0xab}, {0xcd}, 1, {0}}},
	    {.value = 6000000, .time_ns = UINT64_C(1800000000000000000), .bucket = 4, .ids = {{0x12}, {0x34}, 1, {0}}},
	    {.value = 7000000, .bucket = 230, .ids = {{1}, {2}, 1, {0}}}, /* of no time */
	    {.value = UINT64_MAX, .time_ns = UINT64_MAX, .bucket = 241, .ids = {{0xff}, {0xff}, 1, {0}}},
	};
	const uint64_t bounds[] = {10, 20}, buckets[] = {1, 2, 3};
	struct weir_series s = {.bounds = bounds, .buckets = buckets, .buckets_count = 3, .exemplars = list};
	Witness__Histogram *h;

	(void)state;
	make_native(&x, 3, -80, 240, 0, 1);
	x.s.exemplars = list;
	x.s.exemplars_count = 4;
	x.s.start_ns = UINT64_C(1700000000000000000);
	h = encode_one(&x.s, 1e9, x.bounds[17]);
	assert_int_equal(h->n_exemplars, 3);
	assert_string_equal(h->exemplars[0]->label[0]->name, "trace_id");
	assert_string_equal(h->exemplars[0]->label[0]->value, "ab000000000000000000000000000000");
	assert_string_equal(h->exemplars[0]->label[1]->name, "span_id");
	assert_string_equal(h->exemplars[0]->label[1]->value, "cd00000000000000");
	assert_true(same(h->exemplars[0]->value, 0.005));
	assert_true(h->exemplars[0]->timestamp->seconds == 1700000000 && h->exemplars[0]->timestamp->nanos == 500000000);
	assert_true(!h->exemplars[1]->timestamp->has_nanos);
	assert_true(same(h->bucket[0]->exemplar->value, 0.006)); /* the newest up to the threshold */
	assert_string_equal(h->bucket[1]->exemplar->label[0]->value, "ff000000000000000000000000000000");
	assert_true(h->created_timestamp->seconds == 1700000000);
	witness__histogram__free_unpacked(h, NULL);
	s.exemplars_count = 1; /* a classic one: in its bucket */
	list[0].bucket = 1;
	h = encode_one(&s, 1, 0);
	assert_int_equal(h->n_bucket, 3);
	assert_true(h->bucket[0]->exemplar == NULL && h->bucket[2]->exemplar == NULL);
	assert_true(same(h->bucket[1]->exemplar->value, 5000000));
	assert_true(h->n_exemplars == 0 && !h->has_schema && !h->has_zero_threshold);
	witness__histogram__free_unpacked(h, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(native_histograms),
	    cmocka_unit_test(exemplars),
	};

	return cmocka_run_group_tests_name("prom_encode_protobuf_histogram", tests, NULL, NULL);
}
