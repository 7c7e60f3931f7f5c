/* Unit: src/propagate.c: the names of headers, without regard to case. */
#include "propagate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {NULL, "traceparent", "tracestate", "baggage", "b3",
                                    "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"};

static enum weir__header header_of(const char *text, size_t len)
{
	char *copy = malloc(len + !len);
	enum weir__header header;

	assert_non_null(copy);
	memcpy(copy, text, len);
	header = weir__header_of(weir_str_n(copy, len));
	free(copy);
	return header;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static void test_any_case(void **state)
{
	(void)state;
	for (int h = 1; h <= WEIR__HEADER_X_B3_FLAGS; h++) {
		size_t len = strlen(names[h]);

		for (unsigned mask = 0; mask < 1u << len; mask++) {
			char text[16];

			for (size_t i = 0; i < len; i++)
				text[i] = mask >> i & 1 ? upper(names[h][i]) : names[h][i];
			assert_int_equal(header_of(text, len), h);
		}
	}
}

/* No byte passes for another, and no length for another. */
static void test_nothing_else(void **state)
{
	static const char *const others[] = {"", "b", "b33", "traceparen", "traceparents", "tracestat", "tracestates", "baggag",
	                                     "baggages", "x-b3-parentspanid", "content-type", "accept", "host", "b4", "c3"};

	(void)state;
	for (int h = 1; h <= WEIR__HEADER_X_B3_FLAGS; h++) {
		size_t len = strlen(names[h]);

		for (size_t at = 0; at < len; at++)
			for (int c = 0; c < 256; c++) {
				char text[16];
				bool same = (char)c == names[h][at] || (char)c == upper(names[h][at]);

				memcpy(text, names[h], len);
				text[at] = (char)c;
				if (header_of(text, len) != (same ? (enum weir__header)h : WEIR__HEADER_NONE))
					fail_msg("%s with byte %d at %zu", names[h], c, at);
			}
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (header_of(others[i], strlen(others[i])) != WEIR__HEADER_NONE)
			fail_msg("%s", others[i]);
	assert_int_equal(weir__header_of(weir_str_n(NULL, 0)), WEIR__HEADER_NONE);
}

/* What is told by its length alone is none of these. */
static void test_lengths(void **state)
{
	(void)state;
	for (int h = 1; h <= WEIR__HEADER_X_B3_FLAGS; h++)
		assert_true(weir__header_may_be(strlen(names[h]), 0));
	assert_false(weir__header_may_be(4, 10) || weir__header_may_be(13, 10) || weir__header_may_be(SIZE_MAX, 10) || weir__header_may_be(39, 10));
	assert_true(weir__header_may_be(4, 4) && weir__header_may_be(40, 40));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_case), cmocka_unit_test(test_nothing_else),
	                                   cmocka_unit_test(test_lengths)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
