/* Unit: src/label.c: which names are allowed, how values are mended, and keys that tell lists of values apart. */
#define _GNU_SOURCE
#include "label.h"

#include <weir/abi/hot.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
	static const char *const bad[] = {"", "9a", ".a", "/a", ":a", "-a", "a b", "a\n", "a{", "a\"", "a,b", "\xc3\xa9", "a\xff", "a@"};
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
	static const char *const bad[] = {"", "__", "__name__", "__a", "9", ".a", "a-b", "a:b", "a/b", "a b", "\xc3\xa9", "a\n", "a="};
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
		fail_msg("\"%.*s\" became \"%.*s\" (%zu bytes, %zu expected), cleaned %d, cut %d", (int)(in_len < 60 ? in_len : 60), in,
		         (int)(len < 60 ? len : 60), room, len, out_len, how.cleaned, how.cut);
	assert_int_equal(room[len], '\0');
	for (size_t i = WEIR__VALUE_MAX + 1; i < sizeof room; i++)
		assert_int_equal(room[i], 0x5a);
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
		CASE("\xc2\x80\xc2\x9f\xc2\xa0", BAD BAD BAD BAD "\xc2\xa0"), /* C1 controls, byte by byte; then a space */
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
		              cases[i].in_len != cases[i].out_len || memcmp(cases[i].in, cases[i].out, cases[i].in_len) != 0, false);
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

/* What a value ought to become, found the other way round: a character stands where writing one gives these very bytes. */
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

/* ---- keys ---- */

struct key {
	uint64_t words[WEIR__KEY_WORDS], hash;
	uint32_t count;
};

static struct key key_of(const char *const *values, size_t count)
{
	struct key key = {.hash = 7};

	for (size_t i = 0; i < count; i++) {
		key.count = weir__key_append(key.words, key.count, WEIR__KEY_WORDS, &key.hash, weir_str_of(values[i]));
		assert_int_not_equal(key.count, 0);
	}
	return key;
}

static void test_keys_tell_tuples_apart(void **state)
{
	static const char *const lists[][3] = {
		{"ab", "c", ""}, {"a", "bc", ""}, {"abc", "", ""}, {"", "abc", ""}, {"", "", "abc"}, {"a", "b", "c"}, {"", "", ""},
		{"abcdefgh", "", ""}, {"abcdefgh", "i", ""}, {"abcdefghi", "", ""}, {"abcdefg", "hi", ""}, {"", "abcdefgh", ""},
		{"abcdefghabcdefgh", "", ""}, {"abcdefgh", "abcdefgh", ""}, {"", "abcdefghabcdefgh", ""}, {"a", "", "bc"},
		{"\n", "", ""}, {"", "\n", ""}, {"\x01", "", ""}, {"\xff", "", ""},
	};

	(void)state;
	for (size_t a = 0; a < COUNT(lists); a++)
		for (size_t b = 0; b < COUNT(lists); b++) {
			struct key left = key_of(lists[a], 3), right = key_of(lists[b], 3);
			bool same = left.count == right.count && memcmp(left.words, right.words, left.count * 8) == 0;

			assert_int_equal(same, a == b);
			assert_int_equal(weir__hash_end(left.hash) == weir__hash_end(right.hash), a == b);
		}
}

/* From the words alone the values come back: so two lists of as many values never have the same words. */
static void test_keys_hold_all_of_the_values(void **state)
{
	(void)state;
	for (int round = 0; round < 100000; round++) {
		char values[4][48], back[48];
		const char *list[4] = {values[0], values[1], values[2], values[3]};
		size_t lens[4];
		struct key key;
		uint32_t at = 0;

		for (int i = 0; i < 4; i++) {
			lens[i] = random_bits() % (round % 2 != 0 ? 34 : 10);
			for (size_t k = 0; k < lens[i]; k++)
				values[i][k] = (char)(1 + random_bits() % (round % 3 != 0 ? 255 : 2));
			values[i][lens[i]] = '\0';
		}
		key = key_of(list, 4);
		for (int i = 0; i < 4; i++) {
			size_t len = 0;

			do {
				assert_true(at < key.count && len < sizeof back);
				memcpy(back + len, &key.words[at], 8);
				len += 8;
			} while (memchr(back + len - 8, 0, 8) == NULL && ++at != 0);
			at++;
			assert_int_equal(strlen(back), lens[i]);
			assert_string_equal(back, values[i]);
			for (size_t k = lens[i]; k < len; k++)
				assert_int_equal(back[k], 0);
		}
		assert_int_equal(at, key.count);
	}
}

/* The way that reads whole words gives what the plain way gives: at every alignment, at the end of readable memory, with every
 * byte after the text set, and with any room. */
static void test_keys_of_c_strings_read_no_further(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(memory != MAP_FAILED);
	assert_int_equal(mprotect(memory, page, PROT_NONE), 0);
	assert_int_equal(mprotect(memory + 2 * page, page, PROT_NONE), 0);
	for (size_t len = 0; len < 70; len++)
		for (size_t place = 0; place < 33; place++) {
			/* up to 16 bytes before the end of the page, or from its beginning on */
			char *text = place < 17 ? memory + 2 * page - 1 - len - place : memory + page + place - 17;

			for (uint32_t at = 0; at < 2; at++)
				for (uint32_t most = at; most < 13; most++) {
					uint64_t words[2][16], hash[2] = {place, place};
					uint32_t count[2];

					memset(words, 0x5a, sizeof words);
					memset(memory + page, 0xa5, page);
					for (size_t i = 0; i < len; i++)
						text[i] = (char)(1 + (len * 31 + i * 7) % 255);
					text[len] = '\0';
					count[0] = weir__key_append(words[0], at, most, &hash[0], (struct weir_str){text, len});
					count[1] = weir__key_append_text(words[1], at, most, &hash[1], text);
					assert_int_equal(count[0], at + len / 8 + 1 <= most ? at + len / 8 + 1 : 0);
					assert_int_equal(count[1], count[0]);
					if (count[0] == 0)
						continue;
					assert_true(hash[1] == hash[0]);
					assert_memory_equal(words[1] + at, words[0] + at, (count[0] - at) * 8);
					assert_true(words[1][count[0]] == UINT64_C(0x5a5a5a5a5a5a5a5a));
				}
		}
	munmap(memory, 3 * page);
}

/* Text that the compiler knows, and might reason about: read by words all the same. */
static void test_keys_of_literals(void **state)
{
	uint64_t words[2][8], hash[2] = {3, 3};
	uint32_t at[2] = {0, 0};

	(void)state;
	memset(words, 0, sizeof words);
#define BOTH(text)                                                                                                     \
	at[0] = weir__key_append(words[0], at[0], 8, &hash[0], weir_str_of(text));                                     \
	at[1] = weir__key_append_text(words[1], at[1], 8, &hash[1], text);
	BOTH("GET")
	BOTH("")
	BOTH("/api/v1/orders/{id}")
	BOTH("200 fine")
	assert_int_equal(at[0], 7);
	assert_int_equal(at[1], 7);
	assert_true(hash[0] == hash[1]);
	assert_memory_equal(words[0], words[1], 7 * 8);
}

static void test_keys_refuse_what_does_not_fit(void **state)
{
	static uint64_t words[WEIR__KEY_WORDS_MAX];
	char longest[WEIR__VALUE_MAX + 1];
	uint32_t at = 0;
	uint64_t hash = 0;

	(void)state;
	/* NUL within, in a whole word and in the rest; NULL is the empty value */
	assert_int_equal(weir__key_append(words, 0, 9, &hash, (struct weir_str){"a\0b", 3}), 0);
	assert_int_equal(weir__key_append(words, 0, 9, &hash, (struct weir_str){"abcdefg\0", 8}), 0);
	assert_int_equal(weir__key_append(words, 0, 9, &hash, (struct weir_str){"abcdefghij\0", 11}), 0);
	assert_int_equal(weir__key_append(words, 0, 9, &hash, (struct weir_str){NULL, 0}), 1);
	assert_true(words[0] == 0);
	words[0] = 1;
	assert_int_equal(weir__key_append_text(words, 0, 9, &hash, NULL), 1);
	assert_true(words[0] == 0);
	assert_int_equal(weir__key_append(words, 9, 9, &hash, (struct weir_str){"a", 1}), 0);
	/* 16 values of 1024 bytes are what the largest key holds, exactly */
	memset(longest, 'a', sizeof longest);
	for (int i = 0; i < WEIR__LABELS_MAX; i++) {
		at = weir__key_append(words, at, WEIR__KEY_WORDS_MAX, &hash, (struct weir_str){longest, WEIR__VALUE_MAX});
		assert_int_equal(at, (i + 1) * (WEIR__VALUE_MAX / 8 + 1));
	}
	assert_int_equal(at, WEIR__KEY_WORDS_MAX);
}

static void test_plain_keys_need_no_mending(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++)
		for (size_t len = 1; len < 18; len++)
			for (size_t at = 0; at < len; at++) {
				char text[24], mended[WEIR__VALUE_MAX + 1];
				struct weir__mended how = {false, false};
				const char *list[] = {text};
				struct key key;
				bool plain;

				memset(text, 'a', sizeof text);
				text[at] = (char)c;
				text[len] = '\0';
				key = key_of(list, 1);
				plain = weir__key_is_plain(key.words, key.count);
				assert_int_equal(plain, c == '\n' || (c >= 0x20 && c < 0x7f));
				weir__value_mend(mended, weir_str_of(text), &how);
				assert_true(!plain || (!how.cleaned && !how.cut));
			}
}

/* No avalanche is promised, but thousands of everyday lists must not fall together. */
static void test_hashes_of_everyday_values_differ(void **state)
{
	enum { VALUES = 20000, SLOTS = 1 << 20 };
	static uint8_t seen[SLOTS];
	uint32_t together = 0;

	(void)state;
	for (int i = 0; i < VALUES; i++) {
		char text[32];
		uint64_t hash = 0, words[8];
		uint32_t slot;

		snprintf(text, sizeof text, "/api/v1/orders/%d", i);
		assert_int_not_equal(weir__key_append(words, 0, 8, &hash, weir_str_of("GET")), 0);
		assert_int_not_equal(weir__key_append(words, 0, 8, &hash, weir_str_of(text)), 0);
		slot = (uint32_t)weir__hash_end(hash) % SLOTS;
		together += seen[slot];
		seen[slot] = 1;
	}
	assert_in_range(together, 0, 400); /* by chance: 190 */
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
		cmocka_unit_test(test_keys_tell_tuples_apart),
		cmocka_unit_test(test_keys_hold_all_of_the_values),
		cmocka_unit_test(test_keys_of_c_strings_read_no_further),
		cmocka_unit_test(test_keys_of_literals),
		cmocka_unit_test(test_keys_refuse_what_does_not_fit),
		cmocka_unit_test(test_plain_keys_need_no_mending),
		cmocka_unit_test(test_hashes_of_everyday_values_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
