/* src/cli/number.c: byte for byte what libweir writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/number.h"

#include <weir/abi/private.h>

#include <string.h>

static uint64_t state = 88172645463325252u;
static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void same(uint64_t v)
{
	static const unsigned digits[] = {0, 6, 9};
	char ours[NUMBER_MOST], theirs[NUMBER_MOST];
	double d;

	for (int i = 0; i < 3; i++) {
		number_decimal(ours, v, digits[i]);
		weir_private_decimal(theirs, 0, v, digits[i]);
		assert_string_equal(ours, theirs);
		number_canonical(ours, v, digits[i]);
		weir_private_canonical(theirs, v, digits[i]);
		assert_string_equal(ours, theirs);
	}
	memcpy(&d, &v, sizeof d);
	number_double(ours, d);
	weir_private_double(theirs, d);
	assert_string_equal(ours, theirs);
	number_double(ours, (double)v / 1000);
	weir_private_double(theirs, (double)v / 1000);
	assert_string_equal(ours, theirs);
}

static void test_numbers_are_those_of_the_exporters(void **unused)
{
	(void)unused;
	for (unsigned bit = 0; bit < 64; bit++)
		for (uint64_t more = 0; more < 3; more++)
			same((UINT64_C(1) << bit) - 1 + more);
	for (uint64_t v = 1; v <= UINT64_C(1000000000000000000); v *= 10)
		for (uint64_t n = 1; n < 10; n++)
			same(v * n);
	for (int i = 0; i < 50000; i++)
		same(draw() >> draw() % 64);
	same(UINT64_C(0x7ff0000000000000)); /* infinite, and none, and the least */
	same(UINT64_C(0xfff0000000000000));
	same(UINT64_C(0x7ff8000000000000));
	same(UINT64_C(0x8000000000000000));
	same(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers_are_those_of_the_exporters)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
