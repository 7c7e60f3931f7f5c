/* Unit: src/label.c: which names are allowed, and how values are mended. test_label_key.c has the keys. */
#include "label.h"

#include <weir/abi/hot.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static uint64_t random_state = UINT64_C(0x2545f4914f6cdd1d);
static uint64_t random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(0x9e3779b97f4a7c15);
}

/* ---- names ---- */

static void test_names(void **state)
{
	static const char *const good[] = {"a", "_", "_a", "A.b/c:d-e_9", "http_requests_total", "__x", "x__", "z:"};
	static const char *const bad[] = {"", "9a", ".a", "/a", ":a", "-a", "a b", "a\n", "a{", "a\"", "a,b",
	                                  "\xc3\xa9", "a\xff", "a@"};
	char name[258];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(weir__name_is_valid(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(weir__name_is_valid(bad[i]));
	assert_false(weir__name_is_valid(NULL));
	memset(name, 'n', sizeof name);
	name[255] = '\0';
	assert_true(weir__name_is_valid(name));
	name[255] = 'n';
	name[256] = '\0';
	assert_false(weir__name_is_valid(name));
}

static void test_label_names(void **state)
{
	static const char *const good[] = {"a", "_", "_a", "a_", "A9", "a.b", "http.route", "x__y", "le", "_1"};
	static const char *const bad[] = {"", "__", "__name__", "__a", "9", ".a", "a-b", "a:b", "a/b", "a b",
	                                  "\xc3\xa9", "a\n", "a="};
	char name[258];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(weir__label_is_valid(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(weir__label_is_valid(bad[i]));
	assert_false(weir__label_is_valid(NULL));
	memset(name, 'n', sizeof name);
	name[255] = '\0';
	assert_true(weir__label_is_valid(name));
	name[255] = 'n';
	name[256] = '\0';
	assert_false(weir__label_is_valid(name));
}

/* Each byte, first and later, in both kinds of name: the rule written out once more, as a list. */
static void test_names_byte_by_byte(void **state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_", digits[] = "0123456789";

	(void)state;
	for (int c = 1; c < 256; c++) {
		char first[] = {(char)c, 'a', '\0'}, later[] = {'a', (char)c, '\0'};
		bool letter = strchr(letters, c) != NULL, inside = letter || strchr(digits, c) != NULL || c == '.';

		assert_int_equal(weir__name_is_valid(first), letter);
		assert_int_equal(weir__label_is_valid(first), letter);
		assert_int_equal(weir__name_is_valid(later), inside || c == ':' || c == '/' || c == '-');
		assert_int_equal(weir__label_is_valid(later), inside);
	}
}

static void test_names_that_conflict_have_one_canonical_form(void **state)
{
	static const struct {
		const char *name;
		unsigned unit;
		const char *canonical;
	} cases[] = {
		{"requests", WEIR_ONE, "requests"},
		{"requests_total", WEIR_ONE, "requests"},
		{"busy_seconds_total", WEIR_SECONDS, "busy"},
		{"busy_seconds", WEIR_SECONDS, "busy"},
		{"busy", WEIR_SECONDS, "busy"},
		{"busy_seconds", WEIR_ONE, "busy_seconds"},
		{"read_bytes_total", WEIR_BYTES, "read"},
		{"full_ratio", WEIR_RATIO, "full"},
		{"http.server/time-spent:x", WEIR_ONE, "http_server_time_spent:x"},
		{"_total", WEIR_ONE, "_total"},
		{"_seconds", WEIR_SECONDS, "_seconds"},
		{"x", 9, "x"},
	};
	char out[256], longest[256];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		weir__name_canonical(out, cases[i].name, cases[i].unit);
		assert_string_equal(out, cases[i].canonical);
	}
	memset(longest, '.', 255);
	longest[0] = 'n';
	longest[255] = '\0';
	weir__name_canonical(out, longest, WEIR_ONE);
	assert_int_equal(strlen(out), 255);
	assert_true(out[0] == 'n' && strspn(out + 1, "_") == 254);
}

/* ---- values ---- */

static void expect_mended(const char *in, size_t in_len, const char *out, size_t out_len, bool cleaned, bool cut)
{
	char room[WEIR__VALUE_MAX + 1 + 8];
	struct weir__mended how = {false, false};
	size_t len;

	memset(room, 0x5a, sizeof room);
	len = weir__value_mend(room, (struct weir_str){in, in_len}, &how);
	if (len != out_len || memcmp(room, out, out_len) != 0 || how.cleaned != cleaned || how.cut != cut)
		fail_msg("\"%.*s\" became \"%.*s\" (%zu bytes, %zu expected), cleaned %d, cut %d",
		         (int)(in_len < 60 ? in_len : 60), in, (int)(len < 60 ? len : 60), room, len, out_len,
		         how.cleaned, how.cut);
	assert_int_equal(room[len], '\0');
	for (size_t i = WEIR__VALUE_MAX + 1; i < sizeof room; i++)
		assert_int_equal(room[i], 0x5a);
}

static bool same_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

#define BAD "\xef\xbf\xbd"
static void test_values_are_mended(void **state)
{
#define CASE(in, out) {in, sizeof in - 1, out, sizeof out - 1}
	static const struct {
		const char *in;
		size_t in_len;
		const char *out;
		size_t out_len;
	} cases[] = {
		CASE("", ""),
		CASE("GET", "GET"),
		CASE("a\nb", "a\nb"),
		CASE("quote\" back\\slash", "quote\" back\\slash"),
		CASE("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8a", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8a"),
		CASE("\xef\xbf\xbd", BAD), /* is one already */
		CASE("a\0b", "a" BAD "b"),
		CASE("\t\r\x1b\x7f", BAD BAD BAD BAD),
		CASE("\xc2\x80\xc2\x9f\xc2\xa0", BAD BAD BAD BAD "\xc2\xa0"), /* C1 controls; then a space */
		CASE("\x80", BAD),
		CASE("\xff\xfe", BAD BAD),
		CASE("\xc3", BAD),                                     /* ends too soon */
		CASE("\xe2\x82", BAD BAD),
		CASE("\xf0\x9f\x8c", BAD BAD BAD),
		CASE("\xc3(", BAD "("),                                /* goes on wrongly */
		CASE("\xc0\xaf", BAD BAD),                             /* longer than needed */
		CASE("\xe0\x80\xaf", BAD BAD BAD),
		CASE("\xf0\x80\x80\xaf", BAD BAD BAD BAD),
		CASE("\xed\xa0\x80", BAD BAD BAD),                     /* half a surrogate pair */
		CASE("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"),          /* the last character */
		CASE("\xf4\x90\x80\x80", BAD BAD BAD BAD),             /* past it */
		CASE("\xf8\x88\x80\x80\x80", BAD BAD BAD BAD BAD),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		expect_mended(cases[i].in, cases[i].in_len, cases[i].out, cases[i].out_len,
		              !same_bytes(cases[i].in, cases[i].in_len, cases[i].out, cases[i].out_len), false);
	expect_mended(NULL, 0, "", 0, false, false);
	expect_mended(NULL, 5, "", 0, false, false);
}

static void test_values_are_cut_at_a_character(void **state)
{
	size_t million = 1 << 20;
	char *in = malloc(million), out[WEIR__VALUE_MAX + 1];

	(void)state;
	assert_non_null(in);
	memset(in, 'a', million);
	memset(out, 'a', sizeof out);
	expect_mended(in, 1024, out, 1024, false, false);
	expect_mended(in, 1025, out, 1024, false, true);
	expect_mended(in, million, out, 1024, false, true);
	memcpy(in + 1023, "\xc3\xa9", 2);
	expect_mended(in, 1025, out, 1023, false, true);
	memcpy(in + 1022, "\xc3\xa9", 2);
	memcpy(out + 1022, "\xc3\xa9", 2);
	expect_mended(in, 1024, out, 1024, false, false);
	memset(in + 1022, 'a', 3);
	memset(out, 'a', sizeof out);
	in[1022] = '\xff'; /* its replacement has three bytes */
	expect_mended(in, 1023, out, 1022, false, true);
	in[1022] = 'a';
	in[1021] = '\xff';
	memcpy(out + 1021, BAD, 3);
	expect_mended(in, 1022, out, 1024, true, false);
	memset(in, 0xff, million);
	for (size_t i = 0; i < 1023; i += 3)
		memcpy(out + i, BAD, 3);
	expect_mended(in, million, out, 1023, true, true);
	free(in);
}

static size_t put_character(char *out, uint32_t c)
{
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = len; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(len == 1 ? c : ((0xf00u >> len) & 0xff) | c);
	return len;
}

static bool is_allowed(uint32_t c)
{
	return c == '\n' || (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && c < 0xd800) || (c >= 0xe000 && c < 0x110000);
}

static void test_every_code_point(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x110100; c++) {
		char text[4], bad[] = BAD BAD BAD BAD;
		size_t len = put_character(text, c);

		if (is_allowed(c))
			expect_mended(text, len, text, len, false, false);
		else
			expect_mended(text, len, bad, 3 * len, true, false);
	}
}

/* What a value ought to become, found the other way round: a character stands where writing one gives these very
 * bytes. */
static size_t slow_mend(char *out, const char *in, size_t len, bool *cleaned)
{
	size_t to = 0;

	for (size_t at = 0; at < len;) {
		size_t step = 0;

		for (size_t n = 1; n <= 4 && n <= len - at && step == 0; n++) {
			uint32_t c = (uint8_t)in[at] & (n == 1 ? 0x7f : 0x7fu >> n);
			char text[8];

			for (size_t i = 1; i < n; i++)
				c = c << 6 | ((uint8_t)in[at + i] & 0x3f);
			if (put_character(text, c) == n && memcmp(text, in + at, n) == 0 && is_allowed(c))
				step = n;
		}
		memcpy(out + to, step != 0 ? in + at : BAD, step != 0 ? step : 3);
		*cleaned = *cleaned || step == 0;
		to += step != 0 ? step : 3;
		at += step != 0 ? step : 1;
	}
	return to;
}

static void test_values_agree_with_a_slow_way(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 65536 + 300000; i++) { /* every two bytes; then made of sound and broken pieces */
		char in[64], out[256];
		size_t len = 0, out_len;
		bool cleaned = false;

		if (i < 65536) {
			in[len++] = (char)(i >> 8);
			in[len++] = (char)i;
		}
		while (i >= 65536 && len < 40 && random_bits() % 12 != 0) {
			uint64_t bits = random_bits();
			size_t piece = put_character(in + len, (uint32_t)(bits >> 11 & 0x1fffff) >> (bits >> 32) % 21);

			if (bits % 4 == 0) /* broken: a byte changed, or the end missing */
				in[len + (bits >> 2) % piece] = (char)(bits >> 40);
			len += bits % 8 == 1 ? piece - 1 : piece;
		}
		out_len = slow_mend(out, in, len, &cleaned);
		expect_mended(in, len, out, out_len, cleaned, false);
		expect_mended(out, out_len, out, out_len, false, false); /* once is enough */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_label_names),
		cmocka_unit_test(test_names_byte_by_byte),
		cmocka_unit_test(test_names_that_conflict_have_one_canonical_form),
		cmocka_unit_test(test_values_are_mended),
		cmocka_unit_test(test_values_are_cut_at_a_character),
		cmocka_unit_test(test_every_code_point),
		cmocka_unit_test(test_values_agree_with_a_slow_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
