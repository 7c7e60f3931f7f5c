/* Unit: src/bucket.c: exponential bounds, to the integer, in the exported unit. */
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

static uint64_t random_state = UINT64_C(0x2545f4914f6cdd1d);
static uint64_t random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(0x9e3779b97f4a7c15);
}

/* ---- exponential bounds, against integers of any width: one factor at a time ---- */

__extension__ typedef unsigned __int128 u128;
struct integer {
	uint64_t limb[12];
};

static struct integer times(struct integer a, uint64_t factor)
{
	uint64_t carry = 0;

	for (size_t i = 0; i < COUNT(a.limb); i++) {
		u128 product = (u128)a.limb[i] * factor + carry;

		a.limb[i] = (uint64_t)product;
		carry = (uint64_t)(product >> 64);
	}
	assert_true(carry == 0);
	return a;
}

/* v <= divisor * 2^(k / 2^scale), as powers of 2^scale */
static bool is_within(uint64_t v, uint64_t divisor, int32_t k, int32_t scale)
{
	struct integer left = {{1}}, right = {{1}};

	for (int i = 0; i < 1 << scale; i++) {
		left = times(left, v);
		right = times(right, divisor);
	}
	for (; k > 0; k--)
		right = times(right, 2);
	for (; k < 0; k++)
		left = times(left, 2);
	for (size_t i = COUNT(left.limb); i-- > 0;)
		if (left.limb[i] != right.limb[i])
			return left.limb[i] < right.limb[i];
	return true;
}

static uint64_t divisor_of(uint64_t unit)
{
	return unit == WEIR_SECONDS ? 1000000000 : unit == WEIR_RATIO ? 1000000 : 1;
}

/* Every bound but the SLO's is the floor of its power; consecutive, ascending, no wider than the range needs. */
static void expect_exact(const struct weir__shape *shape, uint64_t lowest, uint64_t highest)
{
	uint64_t divisor = divisor_of(shape->unit);
	int32_t k = shape->offset;
	uint32_t last = shape->bounds_count - 1;

	assert_true(shape->exponential);
	assert_in_range(shape->bounds_count + 1, 2, WEIR__RANGE_BUCKETS_MAX);
	assert_in_range(shape->scale, 0, 3);
	for (uint32_t b = 0; b <= last; b++) {
		assert_true(b == 0 || shape->bounds[b] > shape->bounds[b - 1]);
		if (b == shape->split && b != 0) {
			assert_true(shape->bounds[b] == shape->slo_threshold);
			continue;
		}
		assert_true(is_within(shape->bounds[b], divisor, k, shape->scale));
		assert_false(is_within(shape->bounds[b] + 1, divisor, k, shape->scale));
		k++;
	}
	assert_true(shape->bounds[0] <= lowest && shape->bounds[1] > (shape->split == 1 ? 0 : lowest));
	assert_true(shape->bounds[last] >= highest);
	assert_true(last == 0 || shape->bounds[last - 1] < highest || shape->split == last - 1);
	assert_true(shape->bounds[last + 1] == UINT64_MAX && shape->bounds[last + 2] == UINT64_MAX);
}

static void test_exponential_bounds_are_exact_in_the_exported_unit(void **state)
{
	static const uint64_t ends[][2] = {
		{1, 2}, {1, 100}, {2, 100}, {3, 1000}, {7, 5000}, {8, 100000}, {9, 100000}, {1, INT64_MAX},
		{500, INT64_MAX},
		{64, WEIR_MIB(1024)}, {1000, WEIR_S(60)}, {WEIR_S(1), WEIR_S(2)}, {999999999, WEIR_S(1)}, {1, 1000000},
		{WEIR_S(1), WEIR_S(1) + 1}, {INT64_MAX - 1, INT64_MAX}, {UINT64_C(1) << 62, INT64_MAX},
		{100, WEIR_S(3600)},
	};

	(void)state;
	for (uint64_t unit = WEIR_ONE; unit <= WEIR_RATIO; unit++)
		for (size_t i = 0; i < COUNT(ends); i++) {
			struct weir__shape shape;

			assert_null(PARSE(&shape, unit, WEIR_SHAPE_RANGE_, ends[i][0], ends[i][1]));
			expect_exact(&shape, ends[i][0], ends[i][1]);
			assert_int_equal(shape.split, 0);
		}
}

static void test_exponential_bounds_are_exact_over_random_ranges(void **state)
{
	(void)state;
	for (int round = 0; round < 150; round++) {
		uint64_t lowest = (random_bits() >> (2 + random_bits() % 62)) + 1, unit = random_bits() % 4;
		uint64_t highest = lowest + 1 + (random_bits() >> (2 + random_bits() % 62));
		uint64_t slo = (random_bits() >> (1 + random_bits() % 63)) | 1;
		struct weir__shape shape;

		assert_null(PARSE(&shape, unit, WEIR_SHAPE_SLO_, 990000, slo, WEIR_SHAPE_RANGE_, lowest, highest));
		expect_exact(&shape, slo < lowest ? slo : lowest, slo > highest ? slo : highest);
	}
}

/* Worked out with integers of any width, elsewhere. */
static void test_exponential_known_answers(void **state)
{
	struct weir__shape shape;

	(void)state;
	assert_null(PARSE(&shape, WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))));
	assert_int_equal(shape.scale, 3);
	assert_int_equal(shape.offset, -160);
	assert_int_equal(shape.bounds_count, 209); /* 208 buckets between the ends */
	assert_int_equal(shape.bounds[0], 953);
	assert_int_equal(shape.bounds[1], 1039);
	assert_int_equal(shape.bounds[159], 917004043);
	assert_int_equal(shape.bounds[160], WEIR_S(1));
	assert_int_equal(shape.bounds[161], 1090507732);
	assert_int_equal(shape.bounds[208], WEIR_S(64));
	assert_null(PARSE(&shape, WEIR_ONE, WEIR_RANGE(1, 1000))); /* finer bounds would fall between integers */
	assert_int_equal(shape.scale, 0);
	assert_int_equal(shape.offset, 0);
	assert_int_equal(shape.bounds_count, 11);
	assert_int_equal(shape.bounds[10], 1024);
	assert_null(PARSE(&shape, WEIR_BYTES, WEIR_RANGE(64, WEIR_MIB(1))));
	assert_int_equal(shape.scale, 3);
	assert_int_equal(shape.offset, 48);
	assert_int_equal(shape.bounds_count, 8 * 14 + 1);
	assert_int_equal(shape.bounds[1], 69);
	assert_null(PARSE(&shape, WEIR_RATIO, WEIR_RANGE(1000, 1000000)));
	assert_int_equal(shape.bounds[0], 976); /* 2^-10 */
	assert_int_equal(shape.offset, -80);
	assert_int_equal(shape.bounds[80], 1000000);
	assert_null(PARSE(&shape, WEIR_ONE, WEIR_RANGE(1, INT64_MAX)));
	assert_true(shape.bounds[shape.bounds_count - 1] == UINT64_C(1) << 63);
}

/* The scale is lowered for room, not by more than that. */
static void test_exponential_scale_follows_the_range(void **state)
{
	static const struct {
		uint64_t lowest, highest;
		int32_t scale;
	} cases[] = {
		{64, UINT64_C(64) << 29, 3}, /* 29 octaves: 8 * 29 + 1 bounds */
		{64, UINT64_C(64) << 30, 2}, /* 30 */
		{64, INT64_MAX, 2},          /* 57: 4 * 57 + 1 */
		{11, INT64_MAX, 2},          /* from 2^(14/4) on: 239 bounds */
		{10, INT64_MAX, 1},          /* from 2^(13/4) on: 240, one too many */
	};
	struct weir__shape shape;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_null(PARSE(&shape, WEIR_BYTES, WEIR_SHAPE_RANGE_, cases[i].lowest, cases[i].highest));
		assert_int_equal(shape.scale, cases[i].scale);
	}
	/* 239 bounds fit, but not the SLO's beside them. */
	assert_null(PARSE(&shape, WEIR_BYTES, WEIR_SHAPE_RANGE_, 64, UINT64_C(53) << 30));
	assert_int_equal(shape.bounds_count, WEIR__RANGE_BUCKETS_MAX - 1);
	assert_int_equal(shape.scale, 3);
	assert_null(PARSE(&shape, WEIR_BYTES, WEIR_SLO(990000, 1000), WEIR_SHAPE_RANGE_, 64, UINT64_C(53) << 30));
	assert_int_equal(shape.scale, 2);
}

static void test_slo_threshold_splits_an_exponential_bucket(void **state)
{
	struct weir__shape plain, shape;

	(void)state;
	assert_null(PARSE(&plain, WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))));
	assert_null(PARSE(&shape, WEIR_SECONDS, WEIR_SLO(995000, WEIR_MS(200)), WEIR_RANGE(1000, WEIR_S(60))));
	assert_int_equal(shape.bounds_count, plain.bounds_count + 1);
	assert_int_equal(shape.offset, plain.offset);
	assert_true(shape.split > 0 && shape.bounds[shape.split] == WEIR_MS(200));
	for (uint32_t b = 0; b < plain.bounds_count; b++) /* all others stay */
		assert_true(shape.bounds[b + (b >= shape.split)] == plain.bounds[b]);
	/* a threshold that is an exponential bound: nothing is split */
	assert_null(PARSE(&shape, WEIR_SECONDS, WEIR_SLO(995000, WEIR_S(2)), WEIR_RANGE(1000, WEIR_S(60))));
	assert_int_equal(shape.bounds_count, plain.bounds_count);
	assert_int_equal(shape.split, 0);
	/* outside: the range is widened */
	assert_null(PARSE(&shape, WEIR_SECONDS, WEIR_SLO(995000, WEIR_S(100)), WEIR_RANGE(1000, WEIR_S(60))));
	assert_int_equal(shape.split, shape.bounds_count - 2);
	assert_true(shape.bounds[shape.bounds_count - 1] > WEIR_S(100));
	assert_null(PARSE(&shape, WEIR_SECONDS, WEIR_SLO(995000, 990), WEIR_RANGE(1000, WEIR_S(60))));
	assert_int_equal(shape.split, 1);
	assert_true(shape.bounds[0] <= 990 && shape.bounds[1] == 990 && shape.bounds[2] > 990);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exponential_bounds_are_exact_in_the_exported_unit),
		cmocka_unit_test(test_exponential_bounds_are_exact_over_random_ranges),
		cmocka_unit_test(test_exponential_known_answers),
		cmocka_unit_test(test_exponential_scale_follows_the_range),
		cmocka_unit_test(test_slo_threshold_splits_an_exponential_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
