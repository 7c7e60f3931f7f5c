/* L1: how a histogram divides. See bucket.h. Pure: no data of its own. */
#include "bucket.h"

#include <weir/abi/hot.h>
#include <weir/slo.h>

#include <string.h>

/* ---- exponential bounds, exactly ------------------------------------------------------------------------------------
 * Everything is counted in eighths of an octave, the finest scale. v <= D * 2^(e / 8) is v^8 <= D^8 * 2^e, in integers.
 * Bounds are below 2^64, so both sides are below 2^512, or a factor of (1 + 1 / v)^8 above where v is one too large. */
enum { LIMBS = 18, FINEST = 3 };
struct wide {
	uint32_t limb[LIMBS]; /* the lowest first */
};

static struct wide wide_product(const struct wide *a, const struct wide *b)
{
	struct wide product = {{0}};

	for (size_t i = 0; i < LIMBS; i++) {
		uint64_t carry = 0;

		for (size_t j = 0; a->limb[i] != 0 && i + j < LIMBS; j++) {
			carry += (uint64_t)a->limb[i] * b->limb[j] + product.limb[i + j];
			product.limb[i + j] = (uint32_t)carry;
			carry >>= 32;
		}
	}
	return product;
}

static struct wide wide_eighth_power(uint64_t v)
{
	struct wide power = {{(uint32_t)v, (uint32_t)(v >> 32)}};

	for (int i = 0; i < FINEST; i++)
		power = wide_product(&power, &power);
	return power;
}

static void wide_shift_left(struct wide *a, uint32_t bits)
{
	uint32_t limbs = bits / 32;

	for (uint32_t i = LIMBS; i-- > 0;) {
		uint64_t high = i >= limbs ? a->limb[i - limbs] : 0, low = i > limbs ? a->limb[i - limbs - 1] : 0;

		a->limb[i] = (uint32_t)((high << 32 | low) >> (32 - bits % 32));
	}
}

static bool wide_is_at_most(const struct wide *a, const struct wide *b)
{
	for (size_t i = LIMBS; i-- > 0;)
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i];
	return true;
}

static bool is_at_most(uint64_t v, uint64_t divisor, int32_t eighths)
{
	struct wide left = wide_eighth_power(v), right = wide_eighth_power(divisor);

	if (eighths >= 0)
		wide_shift_left(&right, (uint32_t)eighths);
	else
		wide_shift_left(&left, (uint32_t)-eighths);
	return wide_is_at_most(&left, &right);
}

static int32_t floor_log2(uint64_t v)
{
	return 63 - __builtin_clzll(v);
}

static uint64_t divisor_of(uint8_t unit)
{
	return unit == WEIR_SECONDS ? 1000000000 : unit == WEIR_RATIO ? 1000000 : 1;
}

/* floor(divisor * 2^(eighths / 8)), which is below 2^64 - 1. */
static uint64_t exponential_bound(uint64_t divisor, int32_t eighths)
{
	static const uint64_t root[] = { /* floor(2^(63 + j / 8)) */
		UINT64_C(9223372036854775808),  UINT64_C(10058158527438640870), UINT64_C(10968499650544839023),
		UINT64_C(11961233684655323370), UINT64_C(13043817825332782212), UINT64_C(14224384202002324189),
		UINT64_C(15511800964685064948), UINT64_C(16915738899553466670),
	};
	uint32_t shift = (uint32_t)(63 - (eighths + 8 * 64) / 8 + 64);
	uint64_t r = root[(uint32_t)(eighths + 8 * 64) % 8];
	uint64_t low = divisor * (r & UINT32_MAX), high = divisor * (r >> 32) + (low >> 32), v;

	/* divisor * root >> shift. Truncated twice, it is never too large, and by two at most too small. */
	v = shift >= 32 ? high >> (shift - 32) : high << (32 - shift) | (low & UINT32_MAX) >> shift;
	while (is_at_most(v + 1, divisor, eighths))
		v++;
	return v;
}

/* Fills in bounds, scale, offset; false where this scale has too many buckets, or two bounds have one floor. */
static bool range_at_scale(struct weir__shape *shape, int32_t scale, uint64_t lowest, uint64_t highest, uint32_t most)
{
	uint64_t divisor = divisor_of(shape->unit);
	int32_t step = 8 >> scale, at = 8 * (floor_log2(lowest) - floor_log2(divisor) - 1); /* surely <= lowest */
	uint32_t count = 1;

	while (exponential_bound(divisor, at + step) <= lowest)
		at += step;
	shape->scale = scale;
	shape->offset = at / step;
	shape->bounds[0] = exponential_bound(divisor, at);
	for (; shape->bounds[count - 1] < highest; count++) {
		if (count == most)
			return false;
		at += step;
		shape->bounds[count] = exponential_bound(divisor, at);
		if (shape->bounds[count] == shape->bounds[count - 1])
			return false;
	}
	shape->bounds_count = count;
	return true;
}

/* ---- the tagged words -------------------------------------------------------------------------------------------- */

static void set_defaults(struct weir__shape *shape)
{
	static const uint32_t bounds[][17] = { /* seconds in ms */
		/* sizes of batches, lengths of queues */
		[WEIR_ONE] = {0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000},
		/* of http.server.request.duration */
		[WEIR_SECONDS] = {5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000},
		/* 64 bytes to 1 GiB, by 4 */
		[WEIR_BYTES] = {1 << 6, 1 << 8, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26,
		                1 << 28, 1 << 30},
		/* in ppm: finer at both ends, where shares of errors and of successes lie */
		[WEIR_RATIO] = {1000, 10000, 50000, 100000, 200000, 300000, 400000, 500000, 600000, 700000, 800000, 900000, 950000,
		                990000, 999000, 1000000},
	};
	static const uint8_t counts[] = {[WEIR_ONE] = 17, [WEIR_SECONDS] = 14, [WEIR_BYTES] = 13, [WEIR_RATIO] = 16};

	shape->bounds_count = counts[shape->unit];
	for (uint32_t i = 0; i < shape->bounds_count; i++)
		shape->bounds[i] = bounds[shape->unit][i] * (shape->unit == WEIR_SECONDS ? WEIR_MS(1) : 1);
}

static const char *set_bounds(struct weir__shape *shape, const uint64_t *bounds, size_t count)
{
	if (count == 0)
		return "its list of bounds is empty";
	if (count > WEIR__BOUNDS_MAX)
		return "it has more than 62 bounds";
	for (size_t i = 0; i < count; i++) {
		if (bounds[i] > INT64_MAX)
			return "a bound is above INT64_MAX";
		if (i != 0 && bounds[i] == bounds[i - 1])
			return "a bound stands twice";
		if (i != 0 && bounds[i] < bounds[i - 1])
			return "its bounds are not ascending";
		shape->bounds[i] = bounds[i];
	}
	shape->bounds_count = (uint32_t)count;
	return NULL;
}

static const char *set_range(struct weir__shape *shape, const uint64_t *ends, size_t count)
{
	uint64_t lowest, highest, slo = shape->slo_threshold;
	uint32_t most = WEIR__RANGE_BUCKETS_MAX - 1;
	int32_t scale = FINEST;

	if (count != 2)
		return "its range is not two values, lowest and highest";
	lowest = ends[0];
	highest = ends[1];
	if (lowest == 0)
		return "its range begins at 0, not at 1 or above";
	if (highest > INT64_MAX)
		return "its range ends above INT64_MAX";
	if (lowest >= highest)
		return "its range's lowest value is not below the highest";
	if (slo != 0) {
		lowest = slo < lowest ? slo : lowest;
		highest = slo > highest ? slo : highest;
		most--;
	}
	shape->exponential = true;
	/* Scale 0 always does: 63 octaves, and the floors of x >= 1 and 2 x differ. */
	while (!range_at_scale(shape, scale, lowest, highest, most))
		scale--;
	return NULL;
}

static void insert_slo(struct weir__shape *shape)
{
	uint32_t at = weir__bucket_search(shape->bounds, shape->bounds_count, shape->slo_threshold);

	if (at < shape->bounds_count && shape->bounds[at] == shape->slo_threshold)
		return;
	memmove(shape->bounds + at + 1, shape->bounds + at, (shape->bounds_count - at) * sizeof *shape->bounds);
	shape->bounds[at] = shape->slo_threshold;
	shape->bounds_count++;
	if (shape->exponential)
		shape->split = at;
}

const char *weir__shape_parse(struct weir__shape *shape, const uint64_t *words, size_t count)
{
	const char *fault = NULL;
	size_t at = 1;

	memset(shape, 0, sizeof *shape);
	if (words == NULL || count == 0)
		return "it has no buckets: not even a unit";
	if (words[0] > WEIR_RATIO)
		return "its unit is unknown";
	shape->unit = (uint8_t)words[0];
	if (at < count && words[at] == WEIR_SHAPE_SLO_) {
		if (count - at < 3)
			return "its SLO is not two values, objective and threshold";
		shape->slo_objective_ppm = words[at + 1];
		shape->slo_threshold = words[at + 2];
		at += 3;
		if (shape->slo_objective_ppm == 0 || shape->slo_objective_ppm > 1000000)
			return "its SLO's objective is not 1 to 1000000 ppm";
		if (shape->slo_threshold == 0 || shape->slo_threshold > INT64_MAX)
			return "its SLO's threshold is not 1 to INT64_MAX";
	}
	if (at == count)
		set_defaults(shape);
	else if (words[at] == WEIR_SHAPE_RANGE_)
		fault = set_range(shape, words + at + 1, count - at - 1);
	else if (words[at] == WEIR_SHAPE_BOUNDS_)
		fault = set_bounds(shape, words + at + 1, count - at - 1);
	else
		fault = "its buckets are not a unit, then WEIR_SLO, then WEIR_RANGE or WEIR_BOUNDS";
	if (fault != NULL)
		return fault;
	if (shape->slo_threshold != 0)
		insert_slo(shape);
	for (size_t i = shape->bounds_count; i < sizeof shape->bounds / sizeof *shape->bounds; i++)
		shape->bounds[i] = UINT64_MAX;
	return NULL;
}

/* ---- from a value to its bucket ---------------------------------------------------------------------------------- */

uint64_t weir__map_build(uint8_t map[WEIR__MAP_SLOTS], const uint64_t *bounds, uint32_t count)
{
	uint64_t limit = UINT64_C(1) << 63;

	for (uint32_t slot = 0; slot < WEIR__MAP_SLOTS; slot++) {
		/* Of slot: itself below 64; else 32 to 63, shifted: the inverse of weir_bucket_. */
		uint32_t shift = slot < 64 ? 0 : slot / 32 - 1;
		uint64_t lowest = slot < 64 ? slot : (uint64_t)(slot % 32 + 32) << shift;
		uint64_t highest = lowest + ((UINT64_C(1) << shift) - 1);
		uint32_t first = weir__bucket_search(bounds, count, lowest);

		map[slot] = (uint8_t)first;
		/* The bucket of v is first plus the number of bounds in [lowest, v): the most at v = highest. Each
		 * increment steps over one of them, and no further than to v's bucket. So two are enough exactly
		 * where at most two bounds lie in [lowest, highest); one that equals highest does not count. */
		if (weir__bucket_search(bounds, count, highest) - first > 2)
			limit = 0;
	}
	return limit;
}

uint32_t weir__bucket_search(const uint64_t *bounds, uint32_t count, uint64_t v)
{
	uint32_t at = 0;

	/* The answer is at, or one of the count following: the halving does not depend on v, and the step is a
	 * product. */
	while (count > 1) {
		uint32_t half = count / 2;

		at += half * (uint32_t)(bounds[at + half - 1] < v);
		count -= half;
	}
	return count == 0 ? 0 : at + (uint32_t)(bounds[at] < v);
}
