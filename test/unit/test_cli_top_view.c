/* src/cli/top_state.c, rows.c and top_view.c: keys, tables in order, and the screen of any size. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/top_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void press(struct top_state *s, const char *keys)
{
	for (; *keys != '\0'; keys++)
		top_key(s, *keys);
}

static void test_keys(void **unused)
{
	struct top_state s = top_state();

	(void)unused;
	press(&s, "s");
	assert_int_equal(s.sort[VIEW_REQUESTS], COLUMN_ERRORS);
	press(&s, "<<");
	assert_int_equal(s.sort[VIEW_REQUESTS], COLUMN_NAME);
	press(&s, "<");
	assert_int_equal(s.sort[VIEW_REQUESTS], COLUMN_BUDGET);
	press(&s, ">>");
	assert_int_equal(s.sort[VIEW_REQUESTS], COLUMN_RATE);
	assert_true(top_key(&s, '3'));
	assert_int_equal(s.view, VIEW_SERIES);
	assert_true(top_key(&s, KEY_IS_TAB));
	assert_int_equal(s.view, VIEW_REQUESTS);
	assert_true(top_key(&s, 't') && s.since_start);
	press(&s, "r p");
	assert_true(s.reverse && !s.paused);
	press(&s, "?");
	assert_true(s.help);
	press(&s, "p");
	assert_true(!s.help && !s.paused);
	s.page = 10;
	top_key(&s, KEY_IS_PAGE_DOWN);
	top_key(&s, KEY_IS_UP);
	assert_int_equal(s.scroll, 9);
	top_key(&s, KEY_IS_END);
	top_key(&s, KEY_IS_DOWN);
	assert_int_equal(s.scroll, SIZE_MAX);
	top_key(&s, KEY_IS_HOME);
	top_key(&s, KEY_IS_UP);
	assert_int_equal(s.scroll, 0);
	press(&s, "q");
	assert_true(s.quit);
}

static void test_a_filter_is_typed(void **unused)
{
	struct top_state s = top_state();

	(void)unused;
	press(&s, "/aq");
	top_key(&s, 0x6f22);
	top_key(&s, KEY_IS_UP); /* no character */
	assert_string_equal(s.filter, "aq\xe6\xbc\xa2");
	assert_false(s.quit);
	top_key(&s, KEY_IS_BACKSPACE);
	assert_string_equal(s.filter, "aq");
	top_key(&s, KEY_IS_ENTER);
	assert_false(s.typing);
	press(&s, "/b\x1b");
	assert_string_equal(s.filter, "aq");
	press(&s, "/");
	for (int n = 0; n < 200; n++)
		top_key(&s, n % 2 ? 'x' : 0x10ffff);
	assert_in_range(strlen(s.filter), TOP_FILTER_MOST - 4, TOP_FILTER_MOST - 1);
	for (int n = 0; n < 200; n++)
		top_key(&s, KEY_IS_BACKSPACE);
	assert_string_equal(s.filter, "");
	top_key(&s, KEY_IS_GONE);
	assert_true(s.quit);
}

static void test_sorting_by_name(void **unused)
{
	struct top_state s = top_state();

	(void)unused;
	assert_true(top_sort_by(&s, "p99"));
	assert_true(s.sort[VIEW_REQUESTS] == COLUMN_P99 && s.sort[VIEW_SERIES] == COLUMN_P99);
	assert_true(top_sort_by(&s, "value"));
	assert_true(s.sort[VIEW_REQUESTS] == COLUMN_P99 && s.sort[VIEW_SERIES] == COLUMN_VALUE);
	assert_false(top_sort_by(&s, "") || top_sort_by(&s, "RATE"));
}

static void add(struct rows *rows, const char *name, double rate, double p99, double budget)
{
	struct row *row = rows_at(rows, NULL, name, strlen(name));

	assert_non_null(row);
	row->columns[COLUMN_RATE] = rate;
	row->columns[COLUMN_P99] = p99;
	row->columns[COLUMN_BUDGET] = budget;
}

static void order(const struct rows *rows, enum column by, bool reverse, const char *filter, const char *wanted)
{
	char names[64] = "";
	size_t count;
	const struct row **list = rows_sorted(rows, by, reverse, filter, &count);

	for (size_t n = 0; n < count; n++)
		strcat(names, rows_name(rows, list[n]));
	assert_string_equal(names, wanted);
	free(list);
}

static void test_rows_in_order(void **unused)
{
	struct rows rows = {.list = NULL};
	char name[16];

	(void)unused;
	order(&rows, COLUMN_RATE, false, "", "");
	add(&rows, "b", 1, -5, 0.5);
	add(&rows, "A", 3, 2, (double)NAN);
	add(&rows, "c", 3, (double)NAN, -2);
	assert_ptr_equal(rows_at(&rows, NULL, "A", 1), &rows.list[1]);
	order(&rows, COLUMN_RATE, false, "", "Acb");
	order(&rows, COLUMN_RATE, true, "", "bAc");
	order(&rows, COLUMN_P99, false, "", "bAc"); /* above 5 is more than 2; nothing to say is last */
	order(&rows, COLUMN_P99, true, "", "Abc");
	order(&rows, COLUMN_BUDGET, false, "", "cbA");
	order(&rows, COLUMN_NAME, false, "", "Abc");
	order(&rows, COLUMN_NAME, true, "", "cbA");
	order(&rows, COLUMN_NAME, false, "a", "A");
	order(&rows, COLUMN_NAME, false, "abc", "");
	for (int n = 0; n < 5000; n++) { /* the table grows, and finds all again */
		snprintf(name, sizeof name, "row %d", n);
		assert_non_null(rows_at(&rows, NULL, name, strlen(name)));
	}
	for (int n = 0; n < 5000; n++) {
		snprintf(name, sizeof name, "row %d", n);
		assert_ptr_equal(rows_at(&rows, NULL, name, strlen(name)), &rows.list[3 + n]);
	}
	rows_free(&rows);
}

static struct summary made_summary(void)
{
	struct summary s = {.cpu = 1.5, .memory_bytes = 1e7, .threads = 8, .fds = 95, .fds_most = 100, .tick_age_s = 60, .recorders = 3,
	                    .series_count = 42, .in_flight = (double)NAN, .losses_count = 1};
	char name[64];

	s.losses[0] = (struct summary_loss){"dropped_records memory", 2, 100};
	for (int n = 0; n < 30; n++) {
		snprintf(name, sizeof name, "GET /\xe6\xbc\xa2/%d/a/rather/long/name/of/a/route", n);
		add(&s.requests, name, n, 0.001 * n, n == 29 ? -1 : 0.5);
		if (n < 3)
			add(&s.tenants, name + 5, n, 1, 1);
	}
	return s;
}

static void test_the_screen_of_any_size(void **unused)
{
	struct summary s = made_summary();
	struct screen screen = {.utf8 = true};
	char line[SCREEN_LINE_MOST];

	(void)unused;
	for (int rows = 1; rows < 40; rows++)
		for (int cols = 1; cols < 140; cols += 3) {
			struct top_state state = top_state();
			struct top_scene scene = {.summary = &s, .name = "service", .pid = 7, .age_s = 100, .interval_s = 1, .alive = rows % 2 == 0,
			                          .notice = cols % 2 ? "notice" : NULL, .clock = "12:00:00"};

			screen.utf8 = cols % 2;
			assert_true(screen_set(&screen, rows, cols));
			state.scroll = (size_t)cols;
			assert_true(top_draw(&screen, &scene, &state));
			assert_true(state.scroll < 30 || rows < 3);
			screen_line(&screen, 0, line);
			assert_true(rows < 3 || line[0] != '\0');
			state.help = true;
			assert_true(screen_set(&screen, rows, cols));
			assert_true(top_draw(&screen, &scene, &state));
			scene.summary = NULL;
			state.help = false;
			assert_true(top_draw(&screen, &scene, &state));
		}
	screen_free(&screen);
	rows_free(&s.requests);
	rows_free(&s.tenants);
}

static void test_what_is_bad_is_marked(void **unused)
{
	struct summary s = made_summary();
	struct screen screen = {.utf8 = true};
	struct top_state state = top_state();
	struct top_scene scene = {.summary = &s, .name = "service", .pid = 7, .age_s = 100, .interval_s = 1, .alive = false, .clock = "12:00:00"};
	char line[SCREEN_LINE_MOST];

	(void)unused;
	assert_true(screen_set(&screen, 24, 120));
	assert_true(top_draw(&screen, &scene, &state));
	screen_line(&screen, 0, line);
	assert_non_null(strstr(line, "service  ! pid 7 has ended"));
	screen_line(&screen, 1, line);
	assert_string_equal(line, "cpu 150%  memory 9.54M  threads 8, 3 record  ! fds 95 of 100  series 42  ! weir's thread stands still since 60 s");
	screen_line(&screen, 4, line);
	assert_string_equal(line, "drops  ! dropped_records memory: 100 in all, 2/s now");
	assert_int_equal(screen.cells[4 * 120 + 7].style, STYLE_BAD);
	screen_line(&screen, 6, line);
	assert_int_equal(line[0], '!'); /* GET /29: its budget is overdrawn */
	assert_int_equal(screen.cells[6 * 120].style, STYLE_BAD);
	screen_line(&screen, 7, line);
	assert_int_equal(line[0], ' ');
	screen_free(&screen);
	rows_free(&s.requests);
	rows_free(&s.tenants);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_a_filter_is_typed),
		cmocka_unit_test(test_sorting_by_name),
		cmocka_unit_test(test_rows_in_order),
		cmocka_unit_test(test_the_screen_of_any_size),
		cmocka_unit_test(test_what_is_bad_is_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
