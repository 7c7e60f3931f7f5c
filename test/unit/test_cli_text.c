/* src/cli/text.c: any bytes, made harmless. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/text.h"

#include <stdlib.h>
#include <string.h>

enum form { JSON, QUOTED, PLAIN };

static void expect(enum form form, const char *in, size_t len, const char *out)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	if (form == JSON)
		text_json(file, in, len);
	else if (form == QUOTED)
		text_prom(file, in, len, 1);
	else
		text_plain(file, in, len);
	fclose(file);
	assert_string_equal(text, out);
	free(text);
}
#define EXPECT(form, in, out) expect(form, in, sizeof(in) - 1, out)

static void test_what_ends_a_text_is_escaped(void **unused)
{
	(void)unused;
	EXPECT(JSON, "a\"b\\c\nd\0e\x7f\xc2\x9b\xc2\xa0\xc2", "\"a\\\"b\\\\c\\u000ad\\u0000e\\u007f\\u009b\xc2\xa0\xef\xbf\xbd\"");
	EXPECT(QUOTED, "a\"b\\c\nd", "a\\\"b\\\\c\\nd");
	EXPECT(PLAIN, "a\"b\\c\nd\x1b[31m\x7f\xc2\x9b", "a\"b\\c\\x0ad\\x1b[31m\\x7f\\xc2\\x9b");
}

static void test_what_is_no_character_becomes_a_mark(void **unused)
{
	static const char *const bad[] = {"\x80", "\xc1\x81", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3", "\xe2\x82"};

	(void)unused;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char in[16], json[64] = "\"x", plain[64] = "x";

		snprintf(in, sizeof in, "x%s", bad[i]);
		for (size_t n = 0; n < strlen(bad[i]); n++) {
			strcat(json, "\xef\xbf\xbd");
			strcat(plain, "\xef\xbf\xbd");
		}
		strcat(json, "\"");
		expect(JSON, in, strlen(in), json);
		expect(PLAIN, in, strlen(in), plain);
		expect(QUOTED, in, strlen(in), plain);
	}
	EXPECT(JSON, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	EXPECT(PLAIN, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_ends_a_text_is_escaped),
		cmocka_unit_test(test_what_is_no_character_becomes_a_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
