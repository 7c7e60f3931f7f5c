/* src/cli/figure.c: numbers for people, at each place where their form changes. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef void form(char *, double);

static void expect(form *f, double v, const char *wanted)
{
	char out[FIGURE_MOST];

	f(out, v);
	assert_string_equal(out, wanted);
}

static void test_numbers(void **unused)
{
	(void)unused;
	expect(figure_number, 0, "0");
	expect(figure_number, -0.0, "0");
	expect(figure_number, 7, "7");
	expect(figure_number, 0.25, "0.25");
	expect(figure_number, 0.0049, "5e-03");
	expect(figure_number, 9.999, "10.0");
	expect(figure_number, 12.34, "12.3");
	expect(figure_number, 99.96, "100");
	expect(figure_number, 1234.4, "1234");
	expect(figure_number, 9999, "9999");
	expect(figure_number, 10000, "10.0k");
	expect(figure_number, 999499, "999k");
	expect(figure_number, 999999, "1.00M");
	expect(figure_number, -1234567, "-1.23M");
	expect(figure_number, 1.8e19, "18.0E");
	expect(figure_number, 1e300, "1.0e+282");
	expect(figure_number, (double)INFINITY, "Inf");
	expect(figure_number, -(double)INFINITY, "-Inf");
	expect(figure_number, (double)NAN, "-");
}

static void test_seconds(void **unused)
{
	(void)unused;
	expect(figure_seconds, 0, "0ns");
	expect(figure_seconds, 850e-9, "850ns");
	expect(figure_seconds, 999.9e-9, "1.00us");
	expect(figure_seconds, 12.34e-6, "12.3us");
	expect(figure_seconds, 999.9e-6, "1.00ms");
	expect(figure_seconds, 0.25, "250ms");
	expect(figure_seconds, 0.9996, "1.00s");
	expect(figure_seconds, 75.5, "75.5s");
	expect(figure_seconds, 86400, "86400s");
	expect(figure_seconds, (double)NAN, "-");
}

static void test_bytes(void **unused)
{
	(void)unused;
	expect(figure_bytes, 0, "0B");
	expect(figure_bytes, 1023, "1023B");
	expect(figure_bytes, 1024, "1.00K");
	expect(figure_bytes, 13.25 * 1048576, "13.2M");
	expect(figure_bytes, (double)NAN, "-");
}

/* What is not all is never said to be all, and what is something never nothing. */
static void test_shares(void **unused)
{
	(void)unused;
	expect(figure_share, 0, "0%");
	expect(figure_share, 0.00001, "<0.01%");
	expect(figure_share, 0.0012, "0.12%");
	expect(figure_share, 0.25, "25%");
	expect(figure_share, 0.2549, "25.5%");
	expect(figure_share, 0.9951, "99.51%");
	expect(figure_share, 0.999999, ">99.99%");
	expect(figure_share, 1, "100%");
	expect(figure_share, 1.74, "174%");
	expect(figure_share, -0.5, "-50%");
	expect(figure_share, -1e9, "<-999%");
	expect(figure_share, (double)NAN, "-");
}

static void test_none_is_wider_than_said(void **unused)
{
	static form *const forms[] = {figure_number, figure_seconds, figure_bytes, figure_share};
	char out[FIGURE_MOST];

	(void)unused;
	srand(1);
	for (int n = 0; n < 200000; n++) {
		double v = ldexp((double)rand() / RAND_MAX, rand() % 120 - 60) * (n % 5 == 0 ? -1 : 1);

		for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
			if (forms[f] == figure_seconds || (forms[f] == figure_share && v > 1000))
				v = fabs(fmod(v, 1000));
			forms[f](out, v);
			assert_in_range(strlen(out), 1, FIGURE_WIDE);
		}
	}
}

static void test_ages(void **unused)
{
	static const struct {
		uint64_t s;
		const char *text;
	} ages[] = {{0, "0s"}, {59, "59s"}, {192, "3m12s"}, {18180, "5h3m"}, {187200, "2d4h"}};

	(void)unused;
	for (size_t n = 0; n < sizeof ages / sizeof *ages; n++) {
		char out[FIGURE_MOST];

		figure_age(out, ages[n].s);
		assert_string_equal(out, ages[n].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_bytes),   cmocka_unit_test(test_shares),
		cmocka_unit_test(test_ages),    cmocka_unit_test(test_none_is_wider_than_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
