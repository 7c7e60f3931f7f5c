/* L1: numbers as text, exactly: the integers behind a decimal point, and the shortest text of a double. See
 * abi/private.h.
 *
 * Nothing here knows a locale: no printf, no strtod. Invariant: at most 64 bytes are written for a decimal, 32 for
 * the others, NUL included. Pure: no data of its own. */
#include <weir/abi/private.h>

#include <string.h>

/* A number's decimal digits, the first not 0 (none for zero), and where the point stands: value = 0.d1d2d3... *
 * 10^point. */
struct digits {
	char d[48];
	int count, point;
};

/* Exactly count digits. */
static void put_digits(char *at, uint32_t v, int count)
{
	while (count-- > 0) {
		at[count] = (char)('0' + v % 10);
		v /= 10;
	}
}

/* (high * 2^64 + low) / 10^digits, in chunks of nine digits. */
static struct digits digits_of(uint64_t high, uint64_t low, unsigned digits)
{
	enum { CHUNKS = 5, MOST = 9 * CHUNKS };
	uint32_t limb[4] = {(uint32_t)(high >> 32), (uint32_t)high, (uint32_t)(low >> 32), (uint32_t)low};
	struct digits n;
	char text[MOST];
	int at = MOST, first = high != 0 ? 0 : 2;

	while (first < 4) {
		uint64_t rest = 0;

		for (int i = first; i < 4; i++) {
			rest = rest << 32 | limb[i];
			limb[i] = (uint32_t)(rest / 1000000000);
			rest %= 1000000000;
		}
		at -= 9;
		put_digits(text + at, (uint32_t)rest, 9);
		while (first < 4 && limb[first] == 0)
			first++;
	}
	while (at < MOST && text[at] == '0')
		at++;
	n.count = MOST - at;
	n.point = n.count - (int)digits;
	memcpy(n.d, text + at, (size_t)n.count);
	while (n.count > 0 && n.d[n.count - 1] == '0')
		n.count--;
	return n;
}

/* 12, 1200, 1.2, 0.0012 */
static size_t put_plain(char *out, const struct digits *n)
{
	char *to = out;

	if (n->count == 0 || n->point <= 0)
		*to++ = '0';
	for (int i = 0; n->count != 0 && i < n->point; i++)
		*to++ = i < n->count ? n->d[i] : '0';
	if (n->count > n->point && n->count != 0) {
		*to++ = '.';
		for (int i = n->point; i < n->count; i++)
			*to++ = i < 0 ? '0' : n->d[i];
	}
	*to = '\0';
	return (size_t)(to - out);
}

/* 1.2e+06, with two digits of exponent at least */
static __attribute__((cold)) size_t put_exponent(char *out, const struct digits *n)
{
	uint32_t exponent = (uint32_t)(n->point > 0 ? n->point - 1 : 1 - n->point);
	int width = exponent >= 100 ? 3 : 2;
	char *to = out;

	*to++ = n->d[0];
	if (n->count > 1) {
		*to++ = '.';
		memcpy(to, n->d + 1, (size_t)n->count - 1);
		to += n->count - 1;
	}
	*to++ = 'e';
	*to++ = n->point > 0 ? '+' : '-';
	put_digits(to, exponent, width);
	to += width;
	*to = '\0';
	return (size_t)(to - out);
}

size_t weir_private_decimal(char *out, uint64_t high, uint64_t low, unsigned digits)
{
	struct digits n = digits_of(high, low, digits < 60 ? digits : 60); /* 60 are what out has room for */

	return put_plain(out, &n);
}

size_t weir_private_canonical(char *out, uint64_t value, unsigned digits)
{
	struct digits n = digits_of(0, value, digits < 60 ? digits : 60);
	size_t len;

	/* As %g of the shortest digits: the exponent form below 10^-4 and from 10^6 on. */
	if (n.count != 0 && (n.point < -3 || n.point > 6))
		return put_exponent(out, &n);
	len = put_plain(out, &n);
	if (n.count <= n.point || n.count == 0) {
		memcpy(out + len, ".0", 3);
		len += 2;
	}
	return len;
}

/* ---- the shortest digits of a double: Steele and White's and Dybvig's free-format algorithm, on integers wide enough 
 * v = r / s; what lies within below / s and above / s of v reads back as v. Digits are taken from r / s until what is
 * left is within reach. The integers have at most 1130 bits: 2^-1074 is 2 / 2^1075, times 10^324; the largest double is
 * below 2^1024. */
struct wide {
	uint32_t limb[36]; /* the lowest first */
	uint32_t count;    /* limbs in use, the highest not 0 */
};

static void wide_set(struct wide *a, uint64_t v)
{
	a->limb[0] = (uint32_t)v;
	a->limb[1] = (uint32_t)(v >> 32);
	a->count = a->limb[1] != 0 ? 2 : a->limb[0] != 0;
}

static void wide_multiply(struct wide *a, uint32_t factor)
{
	uint64_t carry = 0;

	for (uint32_t i = 0; i < a->count; i++) {
		carry += (uint64_t)a->limb[i] * factor;
		a->limb[i] = (uint32_t)carry;
		carry >>= 32;
	}
	if (carry != 0)
		a->limb[a->count++] = (uint32_t)carry;
}

static void wide_multiply_power10(struct wide *a, uint32_t power)
{
	static const uint32_t small[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

	for (; power >= 9; power -= 9)
		wide_multiply(a, 1000000000);
	wide_multiply(a, small[power]);
}

static void wide_shift_left(struct wide *a, uint32_t bits)
{
	uint32_t limbs = bits / 32;

	wide_multiply(a, UINT32_C(1) << bits % 32);
	if (limbs == 0 || a->count == 0)
		return;
	memmove(a->limb + limbs, a->limb, a->count * sizeof *a->limb);
	memset(a->limb, 0, limbs * sizeof *a->limb);
	a->count += limbs;
}

static int wide_compare(const struct wide *a, const struct wide *b)
{
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	for (uint32_t i = a->count; i-- > 0;)
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i] ? -1 : 1;
	return 0;
}

static void wide_add(struct wide *a, const struct wide *b)
{
	uint64_t carry = 0;

	for (uint32_t i = 0; i < a->count || i < b->count || carry != 0; i++) {
		carry += (uint64_t)(i < a->count ? a->limb[i] : 0) + (i < b->count ? b->limb[i] : 0);
		if (i == a->count)
			a->count++;
		a->limb[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

/* a - b, which is not negative */
static void wide_subtract(struct wide *a, const struct wide *b)
{
	uint64_t borrow = 0;

	for (uint32_t i = 0; i < a->count; i++) {
		uint64_t rest = (uint64_t)a->limb[i] - (i < b->count ? b->limb[i] : 0) - borrow;

		a->limb[i] = (uint32_t)rest;
		borrow = rest >> 63;
	}
	while (a->count != 0 && a->limb[a->count - 1] == 0)
		a->count--;
}

/* a + b compared with c */
static int wide_compare_sum(const struct wide *a, const struct wide *b, const struct wide *c)
{
	struct wide sum = *a;

	wide_add(&sum, b);
	return wide_compare(&sum, c);
}

/* floor(binary * log10(2)): right for all exponents of a double, none of whose powers of two is near one of ten. */
static int floor_log10_of_power2(int binary)
{
	int64_t product = (binary + 2048) * INT64_C(1292913986) - 2048 * INT64_C(1292913986) + (INT64_C(1024) << 32);

	return (int)(product >> 32) - 1024;
}

/* mantissa * 2^exponent, not 0. */
static __attribute__((cold)) struct digits shortest_digits(uint64_t mantissa, int exponent)
{
	/* Below a power of two the neighbour is only half as far. An even mantissa wins where a text lies half-way. */
	bool closer_below = mantissa == UINT64_C(1) << 52 && exponent > -1074, even = mantissa % 2 == 0;
	int power = floor_log10_of_power2(exponent + 63 - __builtin_clzll(mantissa)) + 1;
	struct wide r, s, above, below;
	struct digits n = {.count = 0};

	wide_set(&r, mantissa << (1 + closer_below));
	wide_set(&s, UINT64_C(2) << closer_below);
	wide_set(&above, UINT64_C(1) << closer_below);
	wide_set(&below, 1);
	if (exponent >= 0) {
		wide_shift_left(&r, (uint32_t)exponent);
		wide_shift_left(&above, (uint32_t)exponent);
		wide_shift_left(&below, (uint32_t)exponent);
	} else {
		wide_shift_left(&s, (uint32_t)-exponent);
	}
	if (power >= 0) {
		wide_multiply_power10(&s, (uint32_t)power);
	} else {
		wide_multiply_power10(&r, (uint32_t)-power);
		wide_multiply_power10(&above, (uint32_t)-power);
		wide_multiply_power10(&below, (uint32_t)-power);
	}
	/* power is right or one too small: what reads back must begin below 10^power. */
	if (wide_compare_sum(&r, &above, &s) >= (even ? 0 : 1)) {
		power++;
		wide_multiply(&s, 10);
	}
	n.point = power;
	for (;;) {
		bool down, up;
		char digit = '0';

		wide_multiply(&r, 10);
		wide_multiply(&above, 10);
		wide_multiply(&below, 10);
		for (; wide_compare(&r, &s) >= 0; digit++)
			wide_subtract(&r, &s);
		down = wide_compare(&r, &below) < (even ? 1 : 0);
		up = wide_compare_sum(&r, &above, &s) >= (even ? 0 : 1);
		if (down && up) { /* both read back: the nearer */
			int half = wide_compare_sum(&r, &r, &s);

			up = half > 0 || (half == 0 && digit % 2 != 0);
		}
		n.d[n.count++] = (char)(digit + (up ? 1 : 0));
		if (down || up)
			return n;
	}
}

__attribute__((cold)) size_t weir_private_double(char *out, double v)
{
	uint64_t bits, mantissa;
	int exponent;
	struct digits n = {.count = 0};
	size_t sign;

	memcpy(&bits, &v, sizeof bits);
	mantissa = bits & ((UINT64_C(1) << 52) - 1);
	exponent = (int)(bits >> 52 & 0x7ff);
	sign = bits >> 63;
	if (exponent == 0x7ff) {
		memcpy(out, mantissa != 0 ? "NaN" : sign != 0 ? "-Inf" : "+Inf", mantissa != 0 ? 4 : 5);
		return mantissa != 0 ? 3 : 4;
	}
	if (sign != 0)
		out[0] = '-';
	if (exponent == 0)
		exponent = 1;
	else
		mantissa |= UINT64_C(1) << 52;
	exponent -= 1075;
	if (exponent <= 0 && exponent >= -52 && (mantissa & ((UINT64_C(1) << -exponent) - 1)) == 0)
		n = digits_of(0, mantissa >> -exponent, 0); /* a whole number below 2^53: its digits are the shortest */
	else if (mantissa != 0)
		n = shortest_digits(mantissa, exponent);
	/* Plain where it can be read so: from 0.0001 to below 10^21. */
	if (n.point < -3 || n.point > 21)
		return sign + put_exponent(out + sign, &n);
	return sign + put_plain(out + sign, &n);
}
