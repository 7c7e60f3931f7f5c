/* Unit: src/number.c: integers behind a point, canonical bounds, and doubles that read back: exact, short, without
 * locale. */
#define _GNU_SOURCE
#include <weir/abi/private.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static uint64_t random_state = UINT64_C(0x2545f4914f6cdd1d);
static uint64_t random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(0x9e3779b97f4a7c15);
}

/* The text, with what is promised of every text: its length, its NUL, and nothing written past the room. */
static const char *checked(char *room, size_t size, size_t len)
{
	assert_true(len < size);
	assert_int_equal(strlen(room), len);
	for (size_t i = size; i < size + 16; i++)
		assert_int_equal(room[i], 0x5a);
	return room;
}

static char room[64 + 16];
static const char *decimal(uint64_t high, uint64_t low, unsigned digits)
{
	memset(room, 0x5a, sizeof room);
	return checked(room, 64, weir_private_decimal(room, high, low, digits));
}
static const char *canonical(uint64_t value, unsigned digits)
{
	memset(room, 0x5a, sizeof room);
	return checked(room, 32, weir_private_canonical(room, value, digits));
}
static const char *shortest(double v)
{
	memset(room, 0x5a, sizeof room);
	return checked(room, 32, weir_private_double(room, v));
}

static void test_decimal(void **state)
{
	static const struct {
		uint64_t high, low;
		unsigned digits;
		const char *text;
	} cases[] = {
		{0, 0, 0, "0"},
		{0, 0, 9, "0"},
		{0, 12, 0, "12"},
		{0, 1200, 0, "1200"},
		{0, 1200, 2, "12"},
		{0, 1200, 3, "1.2"},
		{0, 500000, 9, "0.0005"},
		{0, 1, 9, "0.000000001"},
		{0, 999999999, 9, "0.999999999"},
		{0, 1000000000, 9, "1"},
		{0, 1000000001, 9, "1.000000001"},
		{0, 5000000, 9, "0.005"},
		{0, 1, 6, "0.000001"},
		{0, 1000000, 6, "1"},
		{0, UINT64_MAX, 0, "18446744073709551615"},
		{0, UINT64_MAX, 9, "18446744073.709551615"},
		{0, UINT64_MAX, 20, "0.18446744073709551615"},
		{0, 1000000000000000000, 18, "1"},
		{1, 0, 0, "18446744073709551616"},
		{1, 0, 9, "18446744073.709551616"},
		{UINT64_MAX, UINT64_MAX, 0, "340282366920938463463374607431768211455"},
		{UINT64_MAX, UINT64_MAX, 9, "340282366920938463463374607431.768211455"},
		{UINT64_C(5421010862427522170), UINT64_C(687399551400673280), 0,
		 "100000000000000000000000000000000000000"},
		{UINT64_C(5421010862427522170), UINT64_C(687399551400673280), 38, "1"},
		{0, 1, 60, "0.000000000000000000000000000000000000000000000000000000000001"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(decimal(cases[i].high, cases[i].low, cases[i].digits), cases[i].text);
}

/* Reads a decimal back: the value times 10^digits, and no more characters than needed. */
static void test_decimal_reads_back(void **state)
{
	__extension__ typedef unsigned __int128 u128;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		u128 value = ((u128)random_bits() << 64 | random_bits()) >> random_bits() % 128, read = 0;
		unsigned digits = (unsigned)(random_bits() % 4 * 3), after = 0;
		const char *text, *at;
		bool point = false;

		if (i % 3 == 0)
			value = value / 100000 * 100000;
		text = decimal((uint64_t)(value >> 64), (uint64_t)value, digits);
		for (at = text; *at != '\0'; at++) {
			if (*at == '.') {
				assert_false(point);
				point = true;
				continue;
			}
			assert_in_range(*at, '0', '9');
			read = read * 10 + (unsigned)(*at - '0');
			after += point;
		}
		assert_true(after <= digits && point == (after != 0));
		assert_true(!point || at[-1] != '0');
		assert_true(text[0] != '0' || text[1] == '.' || text[1] == '\0');
		for (; after < digits; after++)
			read *= 10;
		assert_true(read == value);
	}
}

static void test_canonical(void **state)
{
	static const struct {
		uint64_t value;
		unsigned digits;
		const char *text;
	} cases[] = {
		/* OpenMetrics' own list, 10^-10 to 10^10 in part */
		{1, 3, "0.001"},
		{1, 2, "0.01"},
		{1, 1, "0.1"},
		{1, 0, "1.0"},
		{10, 0, "10.0"},
		{100, 0, "100.0"},
		{1000, 0, "1000.0"},
		{10000, 0, "10000.0"},
		{100000, 0, "100000.0"},
		{1000000, 0, "1e+06"},
		{10000000, 0, "1e+07"},
		{10000000000, 0, "1e+10"},
		{1, 4, "0.0001"},
		{1, 5, "1e-05"},
		{1, 6, "1e-06"},
		{1, 9, "1e-09"},
		{1, 10, "1e-10"},
		/* seconds */
		{0, 0, "0.0"},
		{0, 9, "0.0"},
		{5000000, 9, "0.005"},
		{2500000000, 9, "2.5"},
		{1000000000, 9, "1.0"},
		{10000000000, 9, "10.0"},
		{100000, 9, "0.0001"},
		{99999, 9, "9.9999e-05"},
		{953, 9, "9.53e-07"},
		{1090507732, 9, "1.090507732"},
		{UINT64_C(999999999999999), 9, "999999.999999999"},
		{UINT64_C(1000000000000000), 9, "1e+06"},
		{UINT64_C(1000000500000000), 9, "1.0000005e+06"},
		/* bytes */
		{123456, 0, "123456.0"},
		{262144, 0, "262144.0"},
		{1048576, 0, "1.048576e+06"},
		{1073741824, 0, "1.073741824e+09"},
		/* more digits than a double has: all of them */
		{INT64_MAX, 0, "9.223372036854775807e+18"},
		{INT64_MAX, 9, "9.223372036854775807e+09"},
		{UINT64_MAX, 0, "1.8446744073709551615e+19"},
		{UINT64_MAX, 15, "18446.744073709551615"},
		{250000, 6, "0.25"},
		{1, 60, "1e-60"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(canonical(cases[i].value, cases[i].digits), cases[i].text);
}

/* Where the shortest digits of the double are the value's own: the same digits, and the exponent form where %e asks
 * for it. */
static void test_canonical_agrees_with_the_double(void **state)
{
	static const double power[] = {1, 1e6, 1e9};
	static const unsigned digits[] = {0, 6, 9};

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t value = random_bits() % UINT64_C(900000000000000) >> random_bits() % 49;
		size_t scale = random_bits() % 3;
		double v = (double)value / power[scale];
		const char *text = canonical(value, digits[scale]);

		assert_true(strtod(text, NULL) == v);
		assert_true((strchr(text, 'e') != NULL) == (v != 0 && (v < 1e-4 || v >= 1e6)));
		assert_true(strchr(text, 'e') != NULL || strchr(text, '.') != NULL);
	}
}

static void test_double(void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = {
		{0.0, "0"},
		{-0.0, "-0"},
		{1, "1"},
		{-1, "-1"},
		{100, "100"},
		{0.1, "0.1"},
		{0.1 + 0.2, "0.30000000000000004"},
		{0.5, "0.5"},
		{-2.5, "-2.5"},
		{0.0001, "0.0001"},
		{0.00001, "1e-05"},
		{123456789, "123456789"},
		{123456789.125, "123456789.125"},
		{9007199254740991, "9007199254740991"},
		{9007199254740992, "9007199254740992"},
		{1e20, "100000000000000000000"},
		{1e21, "1e+21"},
		{1e22, "1e+22"},
		{1e23, "1e+23"},
		{9.5e-324, "1e-323"},
		{5e-324, "5e-324"},
		{-5e-324, "-5e-324"},
		{2.2250738585072011e-308, "2.225073858507201e-308"}, /* the largest denormal */
		{DBL_MIN, "2.2250738585072014e-308"},
		{DBL_MAX, "1.7976931348623157e+308"},
		{-DBL_MAX, "-1.7976931348623157e+308"},
		{DBL_EPSILON, "2.220446049250313e-16"},
		{0x1p-44, "5.684341886080802e-14"}, /* its nearest 16 digits do not read back, others do */
		{0x1p63, "9223372036854776000"}, /* the digits that count, then zeros */
		{1.7e9, "1700000000"},
	};
	double negative_nan = copysign((double)NAN, -1.0);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(shortest(cases[i].v), cases[i].text);
	assert_string_equal(shortest((double)NAN), "NaN");
	assert_string_equal(shortest(negative_nan), "NaN");
	assert_string_equal(shortest((double)INFINITY), "+Inf");
	assert_string_equal(shortest(-(double)INFINITY), "-Inf");
}

/* The digits of a text without point, leading and trailing zeros, and the exponent of the first of them. */
static int digits_of(char digits[32], const char *text)
{
	int count = 0, exponent = 0, before = 0;
	bool point = false;

	for (; *text != '\0' && *text != 'e'; text++) {
		if (*text == '.')
			point = true;
		if (*text < '0' || *text > '9')
			continue;
		if (count != 0 || *text != '0') {
			digits[count++] = *text;
			before += !point;
		} else if (point) {
			before--;
		}
	}
	if (*text == 'e')
		exponent = (int)strtol(text + 1, NULL, 10);
	while (count > 1 && digits[count - 1] == '0')
		count--;
	digits[count] = '\0';
	return exponent + before - 1;
}

static double random_double(void)
{
	uint64_t bits = random_bits();
	double v;

	switch (random_bits() % 5) {
	case 0: /* denormals */
		bits &= UINT64_C(0x800fffffffffffff) >> random_bits() % 52;
		break;
	case 1: /* powers of two, and what lies beside them */
		bits = (bits & UINT64_C(0xfff0000000000000)) + random_bits() % 3 - 1;
		break;
	case 2: /* as people write them */
		return (double)(int64_t)(bits % 2000000000) / (double)(1 + 9 * (bits >> 60 & 1)) / 1000.0 - 1e6;
	case 3: /* whole */
		return (double)(bits >> random_bits() % 64);
	default:
		break;
	}
	memcpy(&v, &bits, sizeof v);
	return v;
}

/* Reads back to the bit; no shorter text does; of those as short, the nearest. */
static void test_double_is_the_shortest_that_reads_back(void **state)
{
	int powers = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		double v = random_double();
		char digits[32], text[64], other[32];
		int exponent, count;

		if (!isfinite(v) || v == 0.0)
			continue;
		strcpy(text, shortest(v));
		assert_true(strtod(text, NULL) == v);
		exponent = digits_of(digits, text);
		assert_true((strchr(text, 'e') != NULL) == (exponent < -4 || exponent >= 21));
		count = (int)strlen(digits);
		assert_in_range(count, 1, 17);
		if (count > 1) { /* one digit less: cut, and one more */
			unsigned long long cut = strtoull(digits, NULL, 10) / 10;

			for (unsigned long long add = 0; add < 2; add++) {
				snprintf(text, sizeof text, "%llue%d", cut + add, exponent - (count - 2));
				assert_false(strtod(text, NULL) == fabs(v));
			}
		}
		snprintf(text, sizeof text, "%.*e", count - 1, v);
		if (strtod(text, NULL) == v) {
			assert_int_equal(digits_of(other, text), exponent);
			assert_string_equal(other, digits);
		} else {
			powers++; /* beside a power of two the nearest may not read back, but another one */
		}
	}
	assert_in_range(powers, 1, 20000);
}

/* A locale with a decimal comma, compiled on the spot. */
static bool set_comma_locale(char path[64])
{
	char command[256];

	strcpy(path, "/tmp/weir_locale_XXXXXX");
	if (mkdtemp(path) == NULL)
		return false;
	snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >%s/log 2>&1", path, path);
	if (system(command) == -1 || setenv("LOCPATH", path, 1) != 0)
		return false;
	return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

static void test_numbers_know_no_locale(void **state)
{
	char path[64], command[128], text[32];
	bool set = set_comma_locale(path);

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", path);
	if (system(command) != 0)
		print_message("%s stays behind\n", path);
	if (!set) {
		print_message("skipped: no locale de_DE could be made (localedef, and Debian's package locales)\n");
		skip();
	}
	snprintf(text, sizeof text, "%.1f", 1.5);
	assert_string_equal(text, "1,5"); /* it is in force */
	assert_string_equal(shortest(1.5), "1.5");
	assert_string_equal(shortest(1234567.25), "1234567.25");
	assert_string_equal(shortest(2.5e-7), "2.5e-07");
	assert_string_equal(decimal(0, 1234567890123, 9), "1234.567890123");
	assert_string_equal(canonical(2500000000, 9), "2.5");
	assert_string_equal(canonical(1048576, 0), "1.048576e+06");
	assert_string_equal(setlocale(LC_NUMERIC, NULL), "de_DE.UTF-8"); /* and still is */
	setlocale(LC_ALL, "C");
	unsetenv("LOCPATH");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_decimal_reads_back),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_canonical_agrees_with_the_double),
		cmocka_unit_test(test_double),
		cmocka_unit_test(test_double_is_the_shortest_that_reads_back),
		cmocka_unit_test(test_numbers_know_no_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
