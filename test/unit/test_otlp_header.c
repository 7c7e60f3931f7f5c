/* Headers: the environment's list, and what cannot be smuggled in. */
#include "header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void list(void **state)
{
	static const struct {
		const char *text, *lines; /* the lines, each with a | behind */
		size_t bad;
	} cases[] = {
	    {"a=b", "a: b|", 0},
	    {" a = b , c=d ,", "a: b|c: d|", 0},
	    {"authorization=Bearer%20x%3D%2C", "authorization: Bearer x=,|", 0},
	    {"a=b=c", "a: b=c|", 0},
	    {"a=", "a;|", 0},
	    {"a=b;meta=1", "a: b;meta=1|", 0}, /* nothing of metadata is read */
	    {"a=1,A=2,b=3", "A: 2|b: 3|", 0},
	    {"a,=b,c=d", "c: d|", 2},
	    {"a=%0d%0aX: y,b=%00,c=%", "", 3},
	    {"a b=c,a:=c", "", 2},
	    {"content-type=text/html,Content-Length=0,transfer-encoding=x,x=y", "x: y|", 3},
	    {",,,", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir__otlp_headers h = {NULL, 0};
		char lines[256] = "";
		size_t bad;

		assert_true(weir__otlp_headers_parse(&h, cases[i].text, &bad));
		for (size_t n = 0; n < h.count; n++) {
			strcat(lines, h.lines[n]);
			strcat(lines, "|");
		}
		if (strcmp(lines, cases[i].lines) != 0 || bad != cases[i].bad)
			fail_msg("%s: %s, %zu bad", cases[i].text, lines, bad);
		weir__otlp_headers_free(&h);
	}
}

static void bounds(void **state)
{
	struct weir__otlp_headers h = {NULL, 0};
	char *text = calloc(1, 1000000);
	size_t bad;

	(void)state;
	for (int i = 0; i < 1000; i++)
		sprintf(text + strlen(text), "h%d=%d,", i, i);
	assert_true(weir__otlp_headers_parse(&h, text, &bad));
	assert_int_equal(h.count + bad, 1000);
	weir__otlp_headers_free(&h);
	memset(text, 'a', 999999);
	text[1] = '=';
	assert_true(weir__otlp_headers_parse(&h, text, &bad));
	assert_int_equal(bad, 1);
	weir__otlp_headers_free(&h);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(list), cmocka_unit_test(bounds)};

	return cmocka_run_group_tests_name("otlp_header", tests, NULL, NULL);
}
