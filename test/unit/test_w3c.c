/* Unit: src/w3c.c: traceparent by the rules of W3C Trace Context level 2, and hexadecimal text. */
#include "w3c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define ZEROS "0000000000000000"

static const struct weir_ids ids = {
	.trace_id = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c},
	.span_id = {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31},
};

/* A copy that ends where the text ends, so that a sanitizer sees a byte read past it. */
static bool parse(struct weir_ids *out, const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len + !len);
	bool valid;

	assert_non_null(copy);
	memcpy(copy, text, len);
	valid = weir__traceparent_parse(out, weir_str_n(copy, len));
	free(copy);
	return valid;
}

static const struct {
	const char *name, *text;
	int flags; /* -1: not valid */
} parents[] = {
	{"not sampled", "00-" TRACE "-" SPAN "-00", 0},
	{"sampled", "00-" TRACE "-" SPAN "-01", 1},
	{"random is kept", "00-" TRACE "-" SPAN "-02", 2},
	{"sampled and random", "00-" TRACE "-" SPAN "-03", 3},
	{"other bits are zeroed", "00-" TRACE "-" SPAN "-ff", 3},
	{"bit 04 alone is zeroed", "00-" TRACE "-" SPAN "-04", 0},
	{"bit 80 is zeroed", "00-" TRACE "-" SPAN "-81", 1},
	{"spaces around", "  00-" TRACE "-" SPAN "-01  ", 1},
	{"tabs around", "\t00-" TRACE "-" SPAN "-01\t", 1},
	{"a space behind", "00-" TRACE "-" SPAN "-01 ", 1},
	{"a higher version of 55", "01-" TRACE "-" SPAN "-01", 1},
	{"a higher version's other flags", "01-" TRACE "-" SPAN "-ff", 3},
	{"a higher version that goes on", "cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", 1},
	{"a higher version that ends in -", "cc-" TRACE "-" SPAN "-01-", 1},
	{"version fe", "fe-" TRACE "-" SPAN "-01", 1},
	{"trace id with one bit", "00-" ZEROS "0000000000000001-" SPAN "-01", 1},
	{"trace id with one bit in front", "00-8000000000000000" ZEROS "-" SPAN "-01", 1},
	{"span id with one bit", "00-" TRACE "-0000000000000001-01", 1},
	{"empty", "", -1},
	{"spaces only", "   ", -1},
	{"55 with a space in front", " 00-" TRACE "-" SPAN "-0", -1},
	{"version ff", "ff-" TRACE "-" SPAN "-01", -1},
	{"version upper case", "CC-" TRACE "-" SPAN "-01", -1},
	{"version 0g", "0g-" TRACE "-" SPAN "-01", -1},
	{"version of one digit", "0-" TRACE "-" SPAN "-01", -1},
	{"version of three digits", "000-" TRACE "-" SPAN "-01", -1},
	{"version 00 goes on", "00-" TRACE "-" SPAN "-01-", -1},
	{"version 00 goes on with text", "00-" TRACE "-" SPAN "-01-more", -1},
	{"version 00 of 56", "00-" TRACE "-" SPAN "-010", -1},
	{"a higher version goes on without -", "cc-" TRACE "-" SPAN "-01.what", -1},
	{"a higher version goes on with a digit", "cc-" TRACE "-" SPAN "-010", -1},
	{"a higher version too short", "cc-" TRACE "-" SPAN "-0", -1},
	{"54 characters", "00-" TRACE "-" SPAN "-0", -1},
	{"trace id zero", "00-" ZEROS ZEROS "-" SPAN "-01", -1},
	{"span id zero", "00-" TRACE "-" ZEROS "-01", -1},
	{"trace id upper case", "00-0AF7651916cd43dd8448eb211c80319c-" SPAN "-01", -1},
	{"trace id's last upper case", "00-0af7651916cd43dd8448eb211c80319C-" SPAN "-01", -1},
	{"span id upper case", "00-" TRACE "-B7ad6b7169203331-01", -1},
	{"flags upper case", "00-" TRACE "-" SPAN "-0A", -1},
	{"flags not hex", "00-" TRACE "-" SPAN "-.0", -1},
	{"trace id not hex", "00-.af7651916cd43dd8448eb211c80319c-" SPAN "-01", -1},
	{"span id not hex", "00-" TRACE "-b7ad6b716920333g-01", -1},
	{"trace id with a high bit", "00-\xb0" "af7651916cd43dd8448eb211c80319c-" SPAN "-01", -1},
	{"no first dash", "00_" TRACE "-" SPAN "-01", -1},
	{"no second dash", "00-" TRACE "_" SPAN "-01", -1},
	{"no third dash", "00-" TRACE "-" SPAN "_01", -1},
	{"a tab inside", "00-" TRACE "-" SPAN "-\t1", -1},
	{"two joined values", "00-" TRACE "-" SPAN "-01,00-" TRACE "-" SPAN "-01", -1},
};

static void test_parents(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(parents); i++) {
		struct weir_ids out, untouched;
		bool valid, right;

		memset(&out, 0xa5, sizeof out);
		untouched = out;
		valid = parse(&out, parents[i].text);
		right = valid ? parents[i].flags == out.flags : parents[i].flags < 0 && memcmp(&out, &untouched, sizeof out) == 0;
		if (!right)
			fail_msg("%s: valid %d flags %d", parents[i].name, valid, out.flags);
	}
}

static void test_null(void **state)
{
	struct weir_ids out;

	(void)state;
	assert_false(weir__traceparent_parse(&out, weir_str_n(NULL, 0)));
}

static void test_the_bytes(void **state)
{
	struct weir_ids out;

	(void)state;
	assert_true(parse(&out, "00-" TRACE "-" SPAN "-01"));
	assert_memory_equal(out.trace_id, ids.trace_id, 16);
	assert_memory_equal(out.span_id, ids.span_id, 8);
}

/* Each of the 256 bytes at each place where hexadecimal text stands. */
static void test_each_byte_at_each_place(void **state)
{
	(void)state;
	for (size_t at = 0; at < WEIR__TRACEPARENT_LEN; at++)
		for (int c = 1; c < 256; c++) {
			char text[] = "01-" TRACE "-" SPAN "-03";
			bool dash = at == 2 || at == 35 || at == 52;
			bool fine = dash ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
			struct weir_ids out;

			text[at] = (char)c;
			if (parse(&out, text) != fine && memcmp(text, "00", 2) != 0 && memcmp(text, "ff", 2) != 0)
				fail_msg("byte %d at %zu", c, at);
		}
}

static void test_written(void **state)
{
	char text[WEIR__TRACEPARENT_LEN + 1];

	(void)state;
	for (int flags = 0; flags < 256; flags++) {
		struct weir_ids in = ids, out;
		char expected[64];

		in.flags = (uint8_t)flags;
		snprintf(expected, sizeof expected, "00-" TRACE "-" SPAN "-0%d", flags & 3);
		assert_int_equal(weir__traceparent_write(text, &in), 55);
		assert_string_equal(text, expected);
		assert_true(parse(&out, text));
		assert_int_equal(out.flags, flags & 3);
		assert_memory_equal(out.trace_id, in.trace_id, 16);
	}
}

static void test_hex(void **state)
{
	uint8_t bytes[256], back[256];
	char text[513], expected[3];

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	for (size_t n = 0; n <= 256; n++) {
		memset(text, '!', sizeof text);
		weir__hex_write(text, bytes + (256 - n), n);
		assert_int_equal(text[2 * n], '!');
		for (size_t i = 0; i < n; i++) {
			snprintf(expected, sizeof expected, "%02x", bytes[256 - n + i]);
			assert_memory_equal(text + 2 * i, expected, 2);
		}
		assert_true(weir__hex_read(back, text, n));
		assert_memory_equal(back, bytes + (256 - n), n);
	}
	assert_false(weir__hex_read(back, "0g", 1));
	assert_false(weir__hex_read(back, "A0", 1));
	assert_false(weir__hex_read(back, "0000000A", 4));
	assert_true(weir__is_zero((const uint8_t *)"\0\0\0", 3));
	assert_false(weir__is_zero((const uint8_t *)"\0\0\1", 3));
}

static void test_lists(void **state)
{
	struct weir_str rest = weir_str_of(" a ,\t,b c\t");
	static const char *const elements[] = {"a", "", "b c"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct weir_str element;

		assert_non_null(rest.ptr);
		element = weir__list_next(&rest, ',');
		assert_int_equal(element.len, strlen(elements[i]));
		assert_memory_equal(element.ptr, elements[i], element.len);
	}
	assert_null(rest.ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parents), cmocka_unit_test(test_null),
		cmocka_unit_test(test_the_bytes), cmocka_unit_test(test_each_byte_at_each_place),
		cmocka_unit_test(test_written), cmocka_unit_test(test_hex),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
