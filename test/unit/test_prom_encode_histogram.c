/* Histograms as text, from series made by hand: cumulation, merging to 160, the SLO's bound, sums of 128 bits,
 * exemplars. */
#include "encode_state.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct weir__out out;

/* One series of a histogram "h" as text. */
static const char *encode(const struct weir_series *s, double divisor, uint64_t threshold, bool openmetrics)
{
	struct weir__encoder e = {.out = &out, .openmetrics = openmetrics, .scale = weir__scale_of(divisor)};

	e.family.kind = WEIR_HISTOGRAM_KIND;
	e.family.divisor = divisor;
	e.family.slo_threshold = threshold;
	weir__out_grown(&e.name, 0);
	weir__out_grown(&e.heads, 0);
	weir__out_grown(&e.le_text, 0);
	weir__out_text(&e.name, "h");
	e.family_len = 1;
	assert_true(weir__frame_make(&e.frame, &e.labels, WEIR__ESCAPE_UNDERSCORES));
	assert_true(weir__encode_heads(&e, false));
	weir__out_free(&out);
	weir__out_grown(&out, 0);
	assert_true(weir__encode_histogram(&e, s, &e.frame, false));
	assert_true(weir__out_put(&out, "", 1));
	weir__out_free(&e.name);
	weir__out_free(&e.heads);
	weir__out_free(&e.le_text);
	weir__frame_free(&e.frame);
	free(e.bounds);
	free(e.les);
	return out.start;
}

/* The buckets shown: how many, +Inf among them; each is what the series holds up to its bound, and bounds ascend. */
static size_t check_buckets(const char *text, const struct weir_series *s, double divisor)
{
	double before = -1;
	uint64_t all = 0;
	size_t shown = 0;

	for (size_t i = 0; i < s->buckets_count; i++)
		all += s->buckets[i];
	for (const char *line = text; (line = strstr(line, "h_bucket{le=\"")) != NULL; shown++) {
		char *end;
		double le = strtod(line += 13, &end);
		unsigned long long count = strtoull(strchr(end, '}') + 2, NULL, 10);
		uint64_t below = 0;

		assert_true(le > before);
		before = le;
		for (size_t i = 0; i < s->buckets_count; i++)
			if (i + 1 == s->buckets_count ? isinf(le) != 0
			                              : (double)s->bounds[i] / divisor <= le * (1 + 1e-12))
				below += s->buckets[i];
		assert_int_equal(count, below);
	}
	assert_true(isinf(before));
	{
		char count[64];

		snprintf(count, sizeof count, "\nh_count %llu\n", (unsigned long long)all);
		assert_non_null(strstr(text, count));
	}
	return shown;
}

static void explicit_bounds(void **state)
{
	const uint64_t bounds[] = {5000000, 250000000, 1000000000}, buckets[] = {1, 0, 4, 2};
	struct weir_series s = {.bounds = bounds, .buckets = buckets, .buckets_count = 4, .sum_low = 3500000001};

	(void)state;
	assert_string_equal(encode(&s, 1e9, 0, false), "h_bucket{le=\"0.005\"} 1\nh_bucket{le=\"0.25\"} 1\n"
	                                               "h_bucket{le=\"1.0\"} 5\nh_bucket{le=\"+Inf\"} 7\n"
	                                               "h_sum 3.500000001\nh_count 7\n");
	s.start_ns = UINT64_C(1700000000500000000);
	assert_non_null(strstr(encode(&s, 1e9, 0, true), "h_count 7\nh_created 1700000000.5\n"));
	s.buckets_count = 1; /* no bounds at all */
	s.start_ns = 0;
	assert_string_equal(encode(&s, 1, 0, false), "h_bucket{le=\"+Inf\"} 1\nh_sum 3500000001\nh_count 1\n");
}

static void sums_of_128_bits(void **state)
{
	const uint64_t buckets[] = {1};
	struct weir_series s = {.buckets = buckets, .buckets_count = 1, .sum_low = UINT64_MAX, .sum_high = UINT64_MAX};

	(void)state;
	assert_non_null(strstr(encode(&s, 1, 0, false), "h_sum 340282366920938463463374607431768211455\n"));
	assert_non_null(strstr(encode(&s, 1e9, 0, false), "h_sum 340282366920938463463374607431.768211455\n"));
}

/* Bounds that no double tells apart would stand twice. */
static void bounds_too_near(void **state)
{
	const uint64_t bounds[] = {(UINT64_C(1) << 62) + 1, (UINT64_C(1) << 62) + 2, (UINT64_C(1) << 62) + 4096},
		       buckets[] = {1, 2, 3, 4};
	struct weir_series s = {.bounds = bounds, .buckets = buckets, .buckets_count = 4};
	const char *text = encode(&s, 1, 0, false);
	size_t lines = 0;

	(void)state;
	for (const char *c = text; (c = strstr(c, "h_bucket")) != NULL; c++)
		lines++;
	assert_int_equal(lines, 3);
	assert_non_null(strstr(text, "h_bucket{le=\"4.611686018427387906e+18\"} 3\n"));
	assert_non_null(strstr(text, "h_bucket{le=\"4.611686018427392e+18\"} 6\n"));
	assert_non_null(strstr(text, "{le=\"+Inf\"} 10\n"));
}

struct exponential {
	uint64_t bounds[1200], buckets[1201];
	struct weir_series s;
};

/* count exponential buckets from an index on at a scale; threshold: cut in where it belongs. */
static void make_exponential(struct exponential *x, int32_t scale, int32_t offset, size_t count, uint64_t threshold)
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
		x->buckets[i] = i * i % 17;
	x->s.exponential = true;
	x->s.scale = scale;
	x->s.offset = offset;
	x->s.bounds = x->bounds;
	x->s.buckets = x->buckets;
	x->s.buckets_count = n + 1;
}

/* The bounds shown are those of a coarser scale: at index i of it, 2^(i 2^-scale), but for the first, the last, the
 * SLO's. */
static void check_scale(const char *text, const struct exponential *x, unsigned shift, uint64_t threshold)
{
	size_t strange = 0, n = 0;

	for (const char *line = text; (line = strstr(line, "h_bucket{le=\"")) != NULL; n++) {
		double le = strtod(line += 13, NULL), index = log2(le) * exp2((double)x->s.scale - (double)shift);

		if (isinf(le))
			break;
		/* bounds are whole nanoseconds */
		if (fabs(index - round(index)) > 1e-3 + 2 * exp2((double)x->s.scale) / (le * 1e9) &&
		    !(threshold != 0 && fabs(le - (double)threshold / 1e9) < 1e-9))
			strange++;
	}
	assert_true(strange <= 2); /* ends of the range, where they are not aligned */
}

static void merged_until_160(void **state)
{
	static const struct {
		size_t count;
		int32_t scale;
		unsigned shift;
	} cases[] = {{1, 3, 0},   {159, 3, 0}, {160, 3, 0}, {161, 3, 1},
	             {208, 3, 1}, {319, 4, 1}, {322, 4, 2}, {1100, 6, 3}};
	static struct exponential x;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int offset = -163; offset <= 3; offset += 83)
			for (int with = 0; with < 2; with++) {
				int scale = cases[i].scale, from = offset * (1 << (scale - 3));
				uint64_t threshold = with != 0 ? 3333333 : 0;
				size_t shown, extra;
				const char *text;

				make_exponential(&x, scale, from, cases[i].count, threshold);
				text = encode(&x.s, 1e9, threshold, false);
				shown = check_buckets(text, &x.s, 1e9);
				extra = 2 + (x.s.split != 0 ? 1 : 0); /* the zero bucket, +Inf, and the SLO's own */
				assert_true(shown <= 160 + extra);
				assert_true(shown + 2 >= (cases[i].count >> cases[i].shift));
				if (cases[i].count <= 160)
					assert_int_equal(shown, cases[i].count + extra);
				if (x.s.split != 0)
					assert_non_null(strstr(text, "{le=\"0.003333333\"}"));
				check_scale(text, &x, cases[i].shift, threshold);
			}
}

/* An SLO's threshold that is a bucket's own bound stays, whatever is merged. */
static void a_threshold_on_a_bound_stays(void **state)
{
	static struct exponential x;
	const char *text;
	char le[64];

	(void)state;
	make_exponential(&x, 3, -80, 240, 0);
	for (size_t bound = 1; bound < 8; bound++) {
		sprintf(le, "{le=\"");
		le[5 + weir_private_canonical(le + 5, x.bounds[bound], 9)] = '\0';
		text = encode(&x.s, 1e9, x.bounds[bound], false);
		assert_non_null(strstr(text, le));
		check_buckets(text, &x.s, 1e9);
	}
}

static void exemplars_in_their_buckets(void **state)
{
	const uint64_t bounds[] = {10, 20}, buckets[] = {1, 2, 3};
	const struct weir_exemplar exemplars[] = {
	    {.value = 15, .time_ns = 1000000000, .bucket = 1},
	    {.value = 12,
	     .time_ns = 2500000000,
	     .bucket = 1,
	     .ids = {.trace_id = {0xab, [15] = 0x01}, .span_id = {0xff, [7] = 2}}},
	    {.value = 99, .bucket = 2},
	};
	struct weir_series s = {
	    .bounds = bounds, .buckets = buckets, .buckets_count = 3, .exemplars = exemplars, .exemplars_count = 3};
	const char *text;

	(void)state;
	assert_null(strchr(encode(&s, 1, 0, false), '#'));
	text = encode(&s, 1, 0, true);
	assert_non_null(strstr(text, "h_bucket{le=\"10.0\"} 1\n"));
	assert_non_null(strstr(text, "h_bucket{le=\"20.0\"} 3 # {trace_id=\"ab000000000000000000000000000001\","
	                             "span_id=\"ff00000000000002\"} 12 2.5\n"));
	assert_non_null(strstr(text, "h_bucket{le=\"+Inf\"} 6 # {} 99\n"));
}

/* Where pairs are merged, an exemplar goes with its bucket. */
static void exemplars_of_merged_buckets(void **state)
{
	static struct exponential x;
	struct weir_exemplar exemplar = {.time_ns = 1000000000, .ids = {.trace_id = {1}}};

	(void)state;
	make_exponential(&x, 3, -80, 240, 0);
	x.s.exemplars = &exemplar;
	x.s.exemplars_count = 1;
	for (size_t bucket = 1; bucket < x.s.buckets_count - 1; bucket += 7) {
		const char *line;
		double le = 0, before = 0, value;

		exemplar.bucket = bucket;
		exemplar.value = (x.bounds[bucket - 1] + x.bounds[bucket]) / 2 + 1;
		value = (double)exemplar.value / 1e9;
		for (line = encode(&x.s, 1e9, 0, true); (line = strstr(line, "h_bucket{le=\"")) != NULL; before = le) {
			le = strtod(line += 13, NULL);
			if (strchr(line, '#') != NULL && strchr(line, '#') < strchr(line, '\n'))
				break;
		}
		assert_non_null(line);
		assert_true(before < value && value <= le);
	}
}

static int forget(void **state)
{
	(void)state;
	weir__out_free(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(explicit_bounds),
	    cmocka_unit_test(sums_of_128_bits),
	    cmocka_unit_test(bounds_too_near),
	    cmocka_unit_test(merged_until_160),
	    cmocka_unit_test(a_threshold_on_a_bound_stays),
	    cmocka_unit_test(exemplars_in_their_buckets),
	    cmocka_unit_test(exemplars_of_merged_buckets),
	};

	return cmocka_run_group_tests_name("prom_encode_histogram", tests, NULL, forget);
}
