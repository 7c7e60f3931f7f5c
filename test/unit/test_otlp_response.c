/* Responses: partial success, google.rpc.Status, messages that are made harmless, and what is no protobuf. */
#include "response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define READ(bytes) weir__otlp_response_read(&r, bytes, sizeof(bytes) - 1)
#define STATUS(bytes) weir__otlp_response_status(&r, bytes, sizeof(bytes) - 1)
#define TEXT(bytes) weir__otlp_response_text(&r, bytes, sizeof(bytes) - 1)

static struct weir__otlp_response r;

static void partial_success(void **state)
{
	(void)state;
	assert_true(READ(""));
	assert_int_equal(r.rejected, 0);
	assert_true(READ("\x0a\x08\x08\xac\x02\x12\x03" "why"));
	assert_int_equal(r.rejected, 300);
	assert_string_equal(r.message, "why");
	assert_true(READ("\x0a\x00"));
	assert_int_equal(r.rejected, 0);
	assert_string_equal(r.message, "");
	assert_true(READ("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")); /* -1 */
	assert_int_equal(r.rejected, 0);
	assert_true(READ("\x18\x05\x21........\x2d....\x0a\x02\x08\x07\x32\x02" "ab")); /* fields of others */
	assert_int_equal(r.rejected, 7);
}

static void status(void **state)
{
	(void)state;
	assert_true(STATUS("\x08\x0e\x12\x05later\x1a\x02\x0a\x00"));
	assert_string_equal(r.message, "later");
	assert_true(STATUS(""));
	assert_string_equal(r.message, "");
	assert_false(STATUS("<html>"));
	assert_string_equal(r.message, "");
}

static void no_protobuf(void **state)
{
	static const char whole[] = "\x0a\x08\x08\xac\x02\x12\x03" "why";

	(void)state;
	for (size_t len = 1; len < sizeof whole - 1; len++) {
		char *exact = malloc(len); /* so that a read past it is seen */

		memcpy(exact, whole, len);
		assert_false(weir__otlp_response_read(&r, exact, len));
		assert_int_equal(r.rejected, 0);
		free(exact);
	}
	assert_false(READ("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
	assert_false(READ("\x0b"));             /* a group */
	assert_false(READ("\x0f"));             /* wire type 7 */
	assert_false(READ("\x02\x00"));         /* field 0 */
	assert_false(READ("\x0a\x7f" "short")); /* longer than there is */
	assert_false(READ("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
	assert_false(READ("\x0a\x03\x08\x05\x0f")); /* broken within */
	assert_int_equal(r.rejected, 0);
}

static void messages(void **state)
{
	char big[1000];

	(void)state;
	TEXT("a\nb\x1b[31m\x7f\0c\xc2\x85" "d");
	assert_string_equal(r.message, "a b [31m  c d");
	TEXT("\xff\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80\xc0\xaf\xe2\x82");
	assert_string_equal(r.message, "?\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80???????");
	memset(big, 'x', sizeof big);
	weir__otlp_response_text(&r, big, sizeof big);
	assert_int_equal(strlen(r.message), WEIR__OTLP_MESSAGE);
	for (size_t i = 0; i + 3 <= sizeof big; i += 3)
		memcpy(big + i, "\xe2\x82\xac", 3);
	weir__otlp_response_text(&r, big, 999);
	assert_int_equal(strlen(r.message), 198); /* whole characters */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(partial_success), cmocka_unit_test(status), cmocka_unit_test(no_protobuf),
	                                   cmocka_unit_test(messages)};

	return cmocka_run_group_tests_name("otlp_response", tests, NULL, NULL);
}
