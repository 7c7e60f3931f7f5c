/* Unit: src/route.c: a route is kept once for the process, found by any thread, and bounded in number and length. */
#define _GNU_SOURCE
#include "context.h"
#include "pages.h"

#include "alone.h"

ALONE(the_same_text_is_the_same_route)
{
	char text[] = "/orders/{id}";
	const struct weir__route *r = weir__route_find(weir_str_of(text));

	assert_non_null(r);
	text[1] = 'X'; /* it is copied */
	assert_string_equal(r->text, "/orders/{id}");
	assert_int_equal(r->len, 12);
	assert_ptr_equal(weir__route_find(STR("/orders/{id}")), r);
	assert_ptr_not_equal(weir__route_find(STR("/orders/{id")), r);
	assert_ptr_not_equal(weir__route_find(STR("/orders/{id}\0")), r);
	assert_null(weir__route_find(STR("")));
	assert_null(weir__route_find(weir_str_n(NULL, 5)));
	assert_int_equal(status_now().routes_dropped, 0);
}

ALONE(what_is_too_long_is_dropped_and_counted)
{
	char text[300];

	memset(text, 'r', sizeof text);
	assert_non_null(weir__route_find(weir_str_n(text, 255)));
	assert_null(weir__route_find(weir_str_n(text, 256)));
	assert_null(weir__route_find(weir_str_n(text, 300)));
	assert_int_equal(status_now().routes_dropped, 2);
}

enum { MOST = 2000 };
ALONE(there_are_2000)
{
	const struct weir__route *routes[MOST];
	char text[32];

	for (int i = 0; i < MOST; i++) {
		snprintf(text, sizeof text, "/route/%d", i);
		routes[i] = weir__route_find(weir_str_of(text));
		assert_non_null(routes[i]);
	}
	for (int i = MOST; i < MOST + 100; i++) {
		snprintf(text, sizeof text, "/route/%d", i);
		assert_null(weir__route_find(weir_str_of(text)));
	}
	for (int i = 0; i < MOST; i++) { /* those that are there are found */
		snprintf(text, sizeof text, "/route/%d", i);
		assert_ptr_equal(weir__route_find(weir_str_of(text)), routes[i]);
	}
	assert_int_equal(status_now().routes_dropped, 100);
}

static const struct weir__route *found[8][500];
static unsigned next;
static void *find_all(void *arg)
{
	unsigned own = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
	char text[32];

	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof text, "/route/%d", (i * 7 + (int)own * 61) % 500);
		found[own][(i * 7 + (int)own * 61) % 500] = weir__route_find(weir_str_of(text));
	}
	return arg;
}

ALONE(threads_agree)
{
	in_threads(8, find_all, NULL);
	for (int i = 0; i < 500; i++)
		for (int t = 0; t < 8; t++) {
			assert_non_null(found[0][i]);
			assert_ptr_equal(found[t][i], found[0][i]);
		}
}

static const struct weir__route *before;
static void find_in_child(void)
{
	assert_ptr_equal(weir__route_find(STR("/before")), before);
	assert_string_equal(before->text, "/before");
	assert_non_null(weir__route_find(STR("/in the child")));
}

ALONE(a_forked_child_has_them)
{
	before = weir__route_find(STR("/before"));
	in_child(find_in_child);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_same_text_is_the_same_route),
	cmocka_unit_test(what_is_too_long_is_dropped_and_counted),
	cmocka_unit_test(there_are_2000),
	cmocka_unit_test(threads_agree),
	cmocka_unit_test(a_forked_child_has_them),
};
ALONE_MAIN(tests)
