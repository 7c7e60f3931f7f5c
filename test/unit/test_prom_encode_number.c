/* Numbers as text: the same bytes as printf and libweir's own, in every length. */
#include "encode_number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void check(uint64_t v)
{
	char got[WEIR__NUMBER_MOST + 1], wanted[80];
	const unsigned digits[] = {0, 3, 6, 9, 18};

	*weir__put_u64(got, v) = '\0';
	snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)v);
	assert_string_equal(got, wanted);
	for (size_t i = 0; i < sizeof digits / sizeof *digits; i++) {
		*weir__put_scaled(got, v, digits[i]) = '\0';
		wanted[weir_private_decimal(wanted, 0, v, digits[i])] = '\0';
		assert_string_equal(got, wanted);
	}
}

static void every_length(void **state)
{
	uint64_t power = 1, seed = 1;

	(void)state;
	for (int digits = 0; digits <= 19; digits++, power *= 10) {
		for (uint64_t near = 0; near < 5; near++) {
			check(power - near);
			check(power + near);
			check(power * near);
		}
	}
	for (int bits = 0; bits < 64; bits++)
		for (uint64_t near = 0; near < 3; near++)
			check((UINT64_C(1) << bits) - near);
	for (int i = 0; i < 300000; i++)
		check(random_next(&seed) >> (i % 64));
	check(UINT64_MAX);
}

static void scales(void **state)
{
	static const struct {
		double divisor;
		bool known;
		unsigned digits;
	} cases[] = {{1, true, 0},  {1e3, true, 3},  {1e6, true, 6}, {1e9, true, 9},  {1e18, true, 18},
	             {2, false, 0}, {0.5, false, 0}, {60, false, 0}, {1e30, false, 0}};
	char text[WEIR__NUMBER_MOST];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir__scale scale = weir__scale_of(cases[i].divisor);

		assert_int_equal(scale.no_digits, !cases[i].known);
		if (cases[i].known)
			assert_int_equal(scale.digits, cases[i].digits);
	}
	*weir__put_exported(text, 90, weir__scale_of(60)) = '\0';
	assert_string_equal(text, "1.5");
	*weir__put_exported(text, 1500000000, weir__scale_of(1e9)) = '\0';
	assert_string_equal(text, "1.5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_length), cmocka_unit_test(scales)};

	return cmocka_run_group_tests_name("prom_encode_number", tests, NULL, NULL);
}
