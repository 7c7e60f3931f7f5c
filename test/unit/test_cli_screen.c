/* src/cli/screen.c: text of any bytes into cells, of any size. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/screen.h"

#include <stdlib.h>
#include <string.h>

static const char *line(struct screen *s, int row)
{
	static char out[SCREEN_LINE_MOST];

	screen_line(s, row, out);
	return out;
}

static struct screen make(int rows, int cols, bool utf8)
{
	struct screen s = {.utf8 = utf8};

	assert_true(screen_set(&s, rows, cols));
	return s;
}

static void test_text_is_cut_with_a_mark(void **unused)
{
	struct screen s = make(6, 20, true);

	(void)unused;
	assert_int_equal(screen_put(&s, 0, 0, 5, STYLE_PLAIN, "abcde"), 5);
	assert_int_equal(screen_put(&s, 1, 0, 5, STYLE_PLAIN, "abcdef"), 5);
	assert_int_equal(screen_put(&s, 2, 17, 5, STYLE_PLAIN, "abcdef"), 3);
	assert_int_equal(screen_put(&s, 3, 0, 5, STYLE_PLAIN, "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2"), 5); /* of 6 columns */
	assert_int_equal(screen_put(&s, 4, 0, 4, STYLE_PLAIN, "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2"), 4);
	screen_right(&s, 5, 2, 6, STYLE_PLAIN, "12");
	assert_string_equal(line(&s, 0), "abcde");
	assert_string_equal(line(&s, 1), "abcd\xe2\x80\xa6");
	assert_string_equal(line(&s, 2), "                 ab\xe2\x80\xa6");
	assert_string_equal(line(&s, 3), "\xe6\xbc\xa2\xe5\xad\x97\xe2\x80\xa6");
	assert_string_equal(line(&s, 4), "\xe6\xbc\xa2 \xe2\x80\xa6");
	assert_string_equal(line(&s, 5), "      12");
	screen_free(&s);
}

static void test_a_name_loses_its_middle(void **unused)
{
	struct screen s = make(3, 40, true);

	(void)unused;
	screen_name(&s, 0, 0, 12, STYLE_PLAIN, "/api/v1/orders/{id}", 19);
	screen_name(&s, 1, 0, 19, STYLE_PLAIN, "/api/v1/orders/{id}", 19);
	screen_name(&s, 2, 0, 4, STYLE_PLAIN, "/api/v1/orders/{id}", 19);
	assert_string_equal(line(&s, 0), "/api\xe2\x80\xa6rs/{id}");
	assert_string_equal(line(&s, 1), "/api/v1/orders/{id}");
	assert_string_equal(line(&s, 2), "/ap\xe2\x80\xa6");
	screen_free(&s);
}

static void test_what_moves_a_terminal_is_a_mark(void **unused)
{
	static const char hostile[] = "a\x1b[2J\n\x7f\xc2\x9b" "b\xff\xed\xa0\x80" "e\xcc\x81";
	struct screen s = make(1, 40, true), plain = make(1, 40, false);

	(void)unused;
	screen_text(&s, 0, 0, 40, STYLE_PLAIN, hostile, sizeof hostile - 1);
	assert_string_equal(line(&s, 0), "a\xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "e");
	screen_text(&plain, 0, 0, 40, STYLE_PLAIN, hostile, sizeof hostile - 1);
	assert_string_equal(line(&plain, 0), "a?[2J???b????e");
	screen_text(&plain, 0, 0, 3, STYLE_PLAIN, hostile, sizeof hostile - 1);
	assert_memory_equal(line(&plain, 0), "a?~", 3);
	screen_free(&s);
	screen_free(&plain);
}

static void test_nothing_is_put_outside(void **unused)
{
	(void)unused;
	srand(1);
	for (int n = 0; n < 20000; n++) {
		struct screen s = make(rand() % 4 - 1, rand() % 12 - 1, n % 2 == 0);
		int row = rand() % 6 - 2, col = rand() % 14 - 2, width = rand() % 14 - 2;
		char text[24];

		for (size_t i = 0; i < sizeof text; i++)
			text[i] = (char)rand();
		screen_text(&s, row, col, width, STYLE_PLAIN, text, sizeof text);
		screen_name(&s, row, col, width, STYLE_PLAIN, text, sizeof text);
		screen_fill(&s, row, col, STYLE_HEAD);
		for (int c = 0; c < s.rows * s.cols; c++) {
			assert_true(s.cells[c].ch >= ' ' && (s.cells[c].ch < 0x7f || (s.utf8 && s.cells[c].ch >= 0xa0)) &&
			            (s.cells[c].ch != SCREEN_REST || c % s.cols != 0));
		}
		screen_free(&s); /* the sanitizer says whether it wrote outside */
	}
}

static void test_sizes_are_cut(void **unused)
{
	struct screen s = {.cells = NULL};

	(void)unused;
	assert_true(screen_set(&s, 0, -5));
	assert_true(s.rows == 1 && s.cols == 1);
	assert_true(screen_set(&s, 1 << 30, 1 << 30));
	assert_true(s.rows == SCREEN_SIDE_MOST && s.cols == SCREEN_SIDE_MOST);
	assert_string_equal(line(&s, 999), "");
	screen_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_cut_with_a_mark),
		cmocka_unit_test(test_a_name_loses_its_middle),
		cmocka_unit_test(test_what_moves_a_terminal_is_a_mark),
		cmocka_unit_test(test_nothing_is_put_outside),
		cmocka_unit_test(test_sizes_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
