/* src/cli/chart.c: the newest at the right, gaps, and a scale that does not jump. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/chart.h"

#include <math.h>
#include <string.h>

static struct chart chart; /* large */

static void begin(bool from_zero)
{
	chart = (struct chart){.from_zero = from_zero};
}

static void expect(bool utf8, int rows, int cols, const char *const *wanted)
{
	struct screen s = {.utf8 = utf8};
	char out[SCREEN_LINE_MOST];

	assert_true(screen_set(&s, rows, cols));
	chart_scale(&chart, (size_t)cols);
	chart_draw(&chart, &s, 0, rows, 0, cols);
	for (int row = 0; row < rows; row++) {
		screen_line(&s, row, out);
		assert_string_equal(out, wanted[row]);
	}
	screen_free(&s);
}

static void test_a_line_and_more(void **unused)
{
	(void)unused;
	begin(true);
	for (int v = 0; v <= 10; v += 2)
		chart_add(&chart, v);
	expect(true, 1, 6, (const char *const[]){"\u2581\u2582\u2583\u2585\u2586\u2588"});
	expect(false, 1, 6, (const char *const[]){"_.-=+#"});
	expect(true, 2, 8, (const char *const[]){"     \u2582\u2585\u2588", "  \u2581\u2583\u2586\u2588\u2588\u2588"});
	expect(true, 1, 2, (const char *const[]){"\u2586\u2588"});
}

static void test_gaps_stay_gaps_and_a_zero_is_seen(void **unused)
{
	(void)unused;
	begin(true);
	chart_add(&chart, 0);
	chart_add(&chart, (double)NAN);
	chart_add(&chart, 1);
	expect(false, 1, 5, (const char *const[]){"  _ #"});
	assert_true(isnan(chart_at(&chart, 1)) && isnan(chart_at(&chart, 3)));
}

static void test_the_scale_stays(void **unused)
{
	(void)unused;
	begin(true);
	chart_add(&chart, 7);
	chart_scale(&chart, 100);
	assert_true(fabs(chart.high - 10) < 1e-9 && fabs(chart.low) < 1e-9);
	chart_add(&chart, 9);
	chart_scale(&chart, 1); /* 9 lies in it, and fills it well */
	assert_true(fabs(chart.high - 10) < 1e-9);
	chart_add(&chart, 3.5);
	chart_scale(&chart, 1);
	assert_true(fabs(chart.high - 10) < 1e-9);
	chart_add(&chart, 3); /* less than a third */
	chart_scale(&chart, 1);
	assert_true(fabs(chart.high - 5) < 1e-9);
	chart_add(&chart, 11);
	chart_scale(&chart, 1);
	assert_true(fabs(chart.high - 20) < 1e-9);
}

static void test_gauges_that_hardly_move_fill_the_chart(void **unused)
{
	(void)unused;
	begin(false);
	chart_add(&chart, 1000);
	chart_add(&chart, 1004);
	chart_scale(&chart, 2);
	assert_true(chart.low > 990 && chart.low <= 1000 && chart.high >= 1004 && chart.high < 1010);
	begin(false);
	chart_add(&chart, -3);
	chart_scale(&chart, 1);
	assert_true(chart.low <= -3 && chart.high > chart.low);
	begin(false);
	chart_add(&chart, 4);
	chart_scale(&chart, 1);
	assert_true(fabs(chart.low) < 1e-9 && fabs(chart.high - 5) < 1e-9);
}

static void test_the_ring_goes_round_and_anything_is_borne(void **unused)
{
	static const double odd[] = {INFINITY, -INFINITY, NAN, 1e308, -1e308, 5e-324, 0};
	struct screen s = {.utf8 = true};

	(void)unused;
	begin(false);
	for (int n = 0; n < CHART_MOST + 10; n++)
		chart_add(&chart, n);
	assert_true(fabs(chart_at(&chart, 0) - (CHART_MOST + 9)) < 1e-9 && fabs(chart_at(&chart, CHART_MOST - 1) - 10) < 1e-9);
	assert_true(isnan(chart_at(&chart, CHART_MOST)));
	for (size_t a = 0; a < sizeof odd / sizeof *odd; a++)
		for (size_t b = 0; b < sizeof odd / sizeof *odd; b++) {
			begin(b % 2 == 0);
			chart_add(&chart, odd[a]);
			chart_add(&chart, odd[b]);
			assert_true(screen_set(&s, 3, 10));
			chart_scale(&chart, 10);
			if (chart.high > chart.low)
				chart_draw(&chart, &s, 0, 3, 0, 10);
		}
	screen_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_and_more),
		cmocka_unit_test(test_gaps_stay_gaps_and_a_zero_is_seen),
		cmocka_unit_test(test_the_scale_stays),
		cmocka_unit_test(test_gauges_that_hardly_move_fill_the_chart),
		cmocka_unit_test(test_the_ring_goes_round_and_anything_is_borne),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
