/* Unit: src/label.c: keys tell lists of values apart as tuples, however they are read. */
#define _GNU_SOURCE
#include "label.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
		{"ab", "c", ""}, {"a", "bc", ""}, {"abc", "", ""}, {"", "abc", ""}, {"", "", "abc"}, {"a", "b", "c"},
		{"", "", ""}, {"abcdefgh", "", ""}, {"abcdefgh", "i", ""}, {"abcdefghi", "", ""}, {"abcdefg", "hi", ""},
		{"", "abcdefgh", ""},
		{"abcdefghabcdefgh", "", ""}, {"abcdefgh", "abcdefgh", ""}, {"", "abcdefghabcdefgh", ""},
		{"a", "", "bc"},
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

/* The way that reads whole words gives what the plain way gives: at every alignment, at the end of readable memory,
 * with every byte after the text set, and with any room. */
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
					struct weir_str all = {text, len};
					uint32_t count[2];

					memset(words, 0x5a, sizeof words);
					memset(memory + page, 0xa5, page);
					for (size_t i = 0; i < len; i++)
						text[i] = (char)(1 + (len * 31 + i * 7) % 255);
					text[len] = '\0';
					count[0] = weir__key_append(words[0], at, most, &hash[0], all);
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
		at = weir__key_append(words, at, WEIR__KEY_WORDS_MAX, &hash, weir_str_n(longest, WEIR__VALUE_MAX));
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
