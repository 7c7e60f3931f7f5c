/* Unit: src/bucket.c: every value in its bucket, and every fault of a shape. test_bucket_exponential.c has the rest. */
#include "bucket.h"

#include <weir/abi/hot.h>
#include <weir/slo.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define PARSE(shape, ...)                                                                                              \
	weir__shape_parse((shape), (const uint64_t[]){__VA_ARGS__}, COUNT(((const uint64_t[]){__VA_ARGS__})))

/* ---- the way of a record: the map where the limit allows, else the search ---- */

struct divided {
	struct weir__shape shape;
	uint8_t map[WEIR__MAP_SLOTS];
	struct weir_layout layout;
};

static void divide(struct divided *d)
{
	d->layout.map_ = d->map;
	d->layout.bounds_ = d->shape.bounds;
	d->layout.limit_ = weir__map_build(d->map, d->shape.bounds, d->shape.bounds_count);
	d->layout.buckets_ = d->shape.bounds_count + 1;
}

static void divide_bounds(struct divided *d, const uint64_t *bounds, uint32_t count)
{
	uint64_t words[2 + WEIR__BOUNDS_MAX] = {WEIR_ONE, WEIR_SHAPE_BOUNDS_};

	memcpy(words + 2, bounds, count * sizeof *bounds);
	assert_null(weir__shape_parse(&d->shape, words, 2 + count));
	divide(d);
}

static uint64_t bucket_of(const struct weir_layout *l, uint64_t v)
{
	return v < l->limit_ ? weir_bucket_(l, v) : weir__bucket_search(l->bounds_, l->buckets_ - 1, v);
}

static uint64_t naive_bucket(const struct weir__shape *shape, uint64_t v)
{
	uint32_t b = 0;

	while (b < shape->bounds_count && shape->bounds[b] < v)
		b++;
	return b;
}

static void expect_bucket(const struct divided *d, uint64_t v)
{
	uint64_t expected = naive_bucket(&d->shape, v);

	if (bucket_of(&d->layout, v) != expected ||
	    weir__bucket_search(d->shape.bounds, d->shape.bounds_count, v) != expected)
		fail_msg("%llu: bucket %llu by the map, %u by the search, %llu is right", (unsigned long long)v,
		         (unsigned long long)bucket_of(&d->layout, v),
		         weir__bucket_search(d->shape.bounds, d->shape.bounds_count, v), (unsigned long long)expected);
}

static uint64_t random_state = UINT64_C(0x2545f4914f6cdd1d);
static uint64_t random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(0x9e3779b97f4a7c15);
}

/* Below 2^63: uniform over all, uniform over twice the bounds, even over the octaves, or beside a bound. */
static uint64_t random_value(const struct weir__shape *shape)
{
	uint64_t bits = random_bits(), bound = shape->bounds[random_bits() % shape->bounds_count];

	switch (random_bits() % 4) {
	case 0:
		return bits >> 1;
	case 1:
		return bits % (2 * (shape->bounds[shape->bounds_count - 1] / 2) + 1) * 2 & INT64_MAX;
	case 2:
		return bits >> (1 + random_bits() % 63);
	default:
		return (bound - 4 + bits % 9) & INT64_MAX;
	}
}

static void expect_bounds_divide(const struct divided *d)
{
	expect_bucket(d, 0);
	expect_bucket(d, INT64_MAX);
	for (uint32_t b = 0; b < d->shape.bounds_count; b++) {
		uint64_t bound = d->shape.bounds[b];

		if (bound != 0)
			expect_bucket(d, bound - 1);
		expect_bucket(d, bound);
		if (bound < INT64_MAX)
			expect_bucket(d, bound + 1);
	}
}

static void evenly(struct divided *d, uint64_t first, uint64_t apart)
{
	uint64_t bounds[WEIR__BOUNDS_MAX];

	for (uint32_t b = 0; b < WEIR__BOUNDS_MAX; b++)
		bounds[b] = first + b * apart;
	divide_bounds(d, bounds, WEIR__BOUNDS_MAX);
}

enum { SHAPES = 12, RANDOM_VALUES = 10 * 1000 * 1000 };
static struct divided divided[SHAPES];

static uint32_t make_shapes(void)
{
	uint32_t n = 0;

	assert_null(PARSE(&divided[n++].shape, WEIR_SECONDS));
	assert_null(PARSE(&divided[n++].shape, WEIR_BYTES));
	assert_null(PARSE(&divided[n++].shape, WEIR_RATIO));
	assert_null(PARSE(&divided[n++].shape, WEIR_ONE));
	assert_null(PARSE(&divided[n++].shape, WEIR_SECONDS, WEIR_SLO(995000, WEIR_MS(200))));
	assert_null(PARSE(&divided[n++].shape, WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))));
	assert_null(PARSE(&divided[n++].shape, WEIR_SECONDS, WEIR_SLO(995000, WEIR_MS(200)),
	                  WEIR_RANGE(1000, WEIR_S(60))));
	assert_null(PARSE(&divided[n++].shape, WEIR_ONE, WEIR_RANGE(1, INT64_MAX)));
	assert_null(PARSE(&divided[n++].shape, WEIR_BYTES, WEIR_BOUNDS(0, 1, INT64_MAX - 1, INT64_MAX)));
	for (uint32_t i = 0; i < n; i++)
		divide(&divided[i]);
	evenly(&divided[n++], WEIR_MS(1), WEIR_MS(1));
	evenly(&divided[n++], 1, 1);
	evenly(&divided[n++], WEIR_MS(1), 1);
	return n;
}

static void test_bucket_is_that_of_a_naive_search_for_ten_million_values(void **state)
{
	(void)state;
	assert_int_equal(make_shapes(), SHAPES);
	for (uint32_t i = 0; i < RANDOM_VALUES; i++)
		expect_bucket(&divided[i % SHAPES], random_value(&divided[i % SHAPES].shape));
}

static void test_bucket_beside_every_bound(void **state)
{
	(void)state;
	assert_int_equal(make_shapes(), SHAPES);
	for (uint32_t i = 0; i < SHAPES; i++)
		expect_bounds_divide(&divided[i]);
	for (uint32_t i = 0; i < SHAPES - 1; i++) /* the last has all its bounds in one slot */
		assert_true(divided[i].layout.limit_ == UINT64_C(1) << 63);
	assert_true(divided[SHAPES - 1].layout.limit_ == 0);
}

/* A slot of 1/32 octave above 2^20 has 2^15 values. Bounds below its highest value count, that one does not. */
static void test_map_holds_two_bounds_a_slot_and_no_third(void **state)
{
	const uint64_t low = UINT64_C(1) << 20, high = low + (1 << 15) - 1;
	static struct divided d;

	(void)state;
	divide_bounds(&d, (const uint64_t[]){low - 1, low, low + 1, high, high + 1}, 5);
	assert_true(d.layout.limit_ == UINT64_C(1) << 63);
	for (uint64_t v = low - 2; v < high + 3; v++)
		expect_bucket(&d, v);
	divide_bounds(&d, (const uint64_t[]){low, low + 1, high - 1}, 3);
	assert_true(d.layout.limit_ == 0);
	expect_bounds_divide(&d);
	/* and rightly so: the inline path alone would miss the third */
	assert_int_equal(weir_bucket_(&d.layout, high), 2);
	assert_int_equal(naive_bucket(&d.shape, high), 3);
}

/* limit_ is not 0 exactly where the inline path is right for every slot's highest value, its hardest. */
static void test_map_limit_is_neither_too_bold_nor_too_shy(void **state)
{
	static struct divided d;
	uint32_t with_map = 0, without = 0;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		uint64_t bounds[WEIR__BOUNDS_MAX], at = random_bits() >> (2 + random_bits() % 60);
		uint32_t count = 1 + (uint32_t)(random_bits() % 6);
		bool right = true;

		for (uint32_t b = 0; b < count; b++) {
			bounds[b] = at;
			at += 1 + (random_bits() % 2 != 0 ? at / (16 + random_bits() % 128) : random_bits() % 4);
		}
		divide_bounds(&d, bounds, count);
		for (uint64_t slot = 0; slot < 1888; slot++) {
			uint64_t shift = slot < 64 ? 0 : slot / 32 - 1;
			uint64_t highest = ((slot < 64 ? slot + 1 : slot % 32 + 33) << shift) - 1;

			right = right && weir_bucket_(&d.layout, highest) == naive_bucket(&d.shape, highest);
		}
		assert_true(d.layout.limit_ == (right ? UINT64_C(1) << 63 : 0));
		*(right ? &with_map : &without) += 1;
		expect_bounds_divide(&d);
	}
	assert_true(with_map > 300 && without > 300); /* both happened */
}

static void test_search_takes_any_count(void **state)
{
	static struct weir__shape shape;

	(void)state;
	for (uint32_t count = 0; count <= WEIR__BUCKETS_MAX; count++) {
		shape.bounds_count = count;
		if (count != 0)
			shape.bounds[count - 1] = 10 * count;
		for (uint64_t v = 0; v < 10 * count + 12; v++)
			assert_int_equal(weir__bucket_search(shape.bounds, count, v), naive_bucket(&shape, v));
		assert_int_equal(weir__bucket_search(shape.bounds, count, UINT64_MAX), count);
	}
}

/* ---- the SLO's threshold is always a bound ---- */

static void test_slo_threshold_becomes_a_bound(void **state)
{
	static struct divided d;
	uint64_t words[5 + WEIR__BOUNDS_MAX] = {WEIR_ONE, WEIR_SLO(1000000, 1), WEIR_SHAPE_BOUNDS_};
	struct weir__shape shape;

	(void)state;
	assert_null(PARSE(&shape, WEIR_SECONDS, WEIR_SLO(995000, WEIR_MS(200))));
	assert_int_equal(shape.bounds_count, 15);
	assert_int_equal(shape.bounds[6], WEIR_MS(200));
	assert_int_equal(shape.slo_objective_ppm, 995000);
	assert_int_equal(shape.slo_threshold, WEIR_MS(200));
	assert_int_equal(shape.split, 0);
	assert_null(PARSE(&shape, WEIR_SECONDS, WEIR_SLO(995000, WEIR_MS(250)))); /* is one */
	assert_int_equal(shape.bounds_count, 14);
	assert_null(PARSE(&shape, WEIR_SECONDS, WEIR_SLO(1, INT64_MAX), WEIR_BOUNDS(5, 6))); /* last */
	assert_int_equal(shape.bounds_count, 3);
	assert_true(shape.bounds[2] == INT64_MAX && shape.bounds[3] == UINT64_MAX && shape.bounds[4] == UINT64_MAX);
	for (uint32_t b = 0; b < WEIR__BOUNDS_MAX; b++) /* first, beside 62 */
		words[5 + b] = 10 + b;
	assert_null(weir__shape_parse(&d.shape, words, COUNT(words)));
	assert_int_equal(d.shape.bounds_count, 63);
	assert_int_equal(d.shape.bounds[0], 1);
	divide(&d);
	expect_bounds_divide(&d);
}

/* ---- shapes ---- */

static void test_shape_defaults(void **state)
{
	static const uint64_t seconds[] = {5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};

	(void)state;
	for (uint64_t unit = WEIR_ONE; unit <= WEIR_RATIO; unit++) {
		struct weir__shape shape;

		assert_null(PARSE(&shape, unit));
		assert_int_equal(shape.unit, unit);
		assert_false(shape.exponential);
		assert_in_range(shape.bounds_count, 5, WEIR__BOUNDS_MAX);
		for (uint32_t b = 0; b + 1 < shape.bounds_count; b++)
			assert_true(shape.bounds[b] < shape.bounds[b + 1]);
		assert_true(shape.bounds[shape.bounds_count] == UINT64_MAX);
		assert_true(shape.bounds[shape.bounds_count + 1] == UINT64_MAX);
		if (unit == WEIR_SECONDS) {
			assert_int_equal(shape.bounds_count, COUNT(seconds));
			for (size_t b = 0; b < COUNT(seconds); b++)
				assert_int_equal(shape.bounds[b], WEIR_MS(seconds[b]));
		}
		if (unit == WEIR_RATIO)
			assert_int_equal(shape.bounds[shape.bounds_count - 1], 1000000);
	}
}

static void test_shape_equal_words_are_equal_bytes(void **state)
{
	struct weir__shape a, b;

	(void)state;
	memset(&a, 0, sizeof a);
	memset(&b, 0xa5, sizeof b);
	assert_null(PARSE(&a, WEIR_SECONDS, WEIR_SLO(995000, WEIR_MS(200)), WEIR_RANGE(1000, WEIR_S(60))));
	assert_null(PARSE(&b, WEIR_SECONDS, WEIR_SLO(995000, WEIR_MS(200)), WEIR_RANGE(1000, WEIR_S(60))));
	assert_memory_equal(&a, &b, sizeof a);
}

static void test_shape_faults(void **state)
{
#define WORDS(...) (const uint64_t[]){__VA_ARGS__}, COUNT(((const uint64_t[]){__VA_ARGS__}))
	static uint64_t many[2 + WEIR__BOUNDS_MAX + 1] = {WEIR_ONE, WEIR_SHAPE_BOUNDS_};
	const uint64_t above = (uint64_t)INT64_MAX + 1;
	const struct {
		const uint64_t *words;
		size_t count;
		const char *says;
	} cases[] = {
		{NULL, 0, "not even a unit"},
		{WORDS(WEIR_RATIO + 1), "unit is unknown"},
		{WORDS(UINT64_MAX), "unit is unknown"},
		{WORDS((UINT64_C(1) << 32) + WEIR_SECONDS), "unit is unknown"},
		{WORDS(WEIR_ONE, 0), "not a unit, then"},
		{WORDS(WEIR_ONE, 9, 1, 2), "not a unit, then"},
		{WORDS(WEIR_ONE, WEIR_SLO(990000, 5), WEIR_SLO(990000, 5)), "not a unit, then"},
		{WORDS(WEIR_ONE, WEIR_SHAPE_SLO_), "SLO is not two values"},
		{WORDS(WEIR_ONE, WEIR_SHAPE_SLO_, 990000), "SLO is not two values"},
		{WORDS(WEIR_ONE, WEIR_SLO(0, 5)), "objective"},
		{WORDS(WEIR_ONE, WEIR_SLO(1000001, 5)), "objective"},
		{WORDS(WEIR_ONE, WEIR_SLO(990000, 0)), "threshold"},
		{WORDS(WEIR_ONE, WEIR_SLO(990000, above)), "threshold"},
		{WORDS(WEIR_ONE, WEIR_SHAPE_BOUNDS_), "list of bounds is empty"},
		{WORDS(WEIR_ONE, WEIR_BOUNDS(1, 3, 2)), "not ascending"},
		{WORDS(WEIR_ONE, WEIR_BOUNDS(1, 2, 2)), "stands twice"},
		{WORDS(WEIR_ONE, WEIR_BOUNDS(0, 0)), "stands twice"},
		{WORDS(WEIR_ONE, WEIR_BOUNDS(1, above)), "bound is above INT64_MAX"},
		{WORDS(WEIR_ONE, WEIR_BOUNDS(1, UINT64_MAX)), "bound is above INT64_MAX"},
		{many, COUNT(many), "more than 62 bounds"},
		{WORDS(WEIR_ONE, WEIR_SHAPE_RANGE_), "range is not two values"},
		{WORDS(WEIR_ONE, WEIR_SHAPE_RANGE_, 1), "range is not two values"},
		{WORDS(WEIR_ONE, WEIR_RANGE(1, 2), 3), "range is not two values"},
		{WORDS(WEIR_ONE, WEIR_RANGE(1, 2), WEIR_BOUNDS(3)), "range is not two values"},
		{WORDS(WEIR_ONE, WEIR_RANGE(0, 2)), "begins at 0"},
		{WORDS(WEIR_ONE, WEIR_RANGE(5, 5)), "not below the highest"},
		{WORDS(WEIR_ONE, WEIR_RANGE(6, 5)), "not below the highest"},
		{WORDS(WEIR_ONE, WEIR_RANGE(1, above)), "ends above INT64_MAX"},
	};

	(void)state;
	for (uint32_t b = 0; b <= WEIR__BOUNDS_MAX; b++)
		many[2 + b] = b + 1;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct weir__shape shape;
		const char *fault = weir__shape_parse(&shape, cases[i].words, cases[i].count);

		if (fault == NULL || strstr(fault, cases[i].says) == NULL)
			fail_msg("case %zu: \"%s\" says nothing of \"%s\"", i, fault != NULL ? fault : "(fine)",
			         cases[i].says);
	}
	{
		struct weir__shape shape; /* one less is fine */

		assert_null(weir__shape_parse(&shape, many, COUNT(many) - 1));
		assert_int_equal(shape.bounds_count, WEIR__BOUNDS_MAX);
		assert_null(PARSE(&shape, WEIR_ONE, WEIR_SLO(1000000, INT64_MAX), WEIR_BOUNDS(0, INT64_MAX)));
		assert_int_equal(shape.bounds_count, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket_is_that_of_a_naive_search_for_ten_million_values),
		cmocka_unit_test(test_bucket_beside_every_bound),
		cmocka_unit_test(test_map_holds_two_bounds_a_slot_and_no_third),
		cmocka_unit_test(test_map_limit_is_neither_too_bold_nor_too_shy),
		cmocka_unit_test(test_search_takes_any_count),
		cmocka_unit_test(test_slo_threshold_becomes_a_bound),
		cmocka_unit_test(test_shape_defaults),
		cmocka_unit_test(test_shape_equal_words_are_equal_bytes),
		cmocka_unit_test(test_shape_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
