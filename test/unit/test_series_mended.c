/* Unit: src/series.c: the key of a C string, and values that are mended. */
#include "test_series.h"

/* ---- the key of a C string ---- */

/* The same words, count and hash as of the text with its length, or 0 for both. */
static void same_key(const char *text, size_t len, uint32_t at, uint32_t most)
{
	uint64_t a[24], b[24], hash_a = 77, hash_b = 77;
	uint32_t count_a, count_b;

	memset(a, 0x33, sizeof a);
	memset(b, 0x33, sizeof b);
	count_a = weir__key_append(a, at, most, &hash_a, weir_str_n(text, len));
	count_b = weir__key_append_text(b, at, most, &hash_b, text);
	assert_int_equal(count_b, count_a);
	assert_int_equal(count_a, at + len / 8 + 1 <= most ? at + len / 8 + 1 : 0);
	if (count_a == 0)
		return;
	assert_int_equal(hash_b, hash_a);
	for (uint32_t i = 0; i < COUNT(a); i++)
		assert_int_equal(b[i], a[i]);
}

static void a_key_is_the_same_at_every_alignment_and_length(void **state)
{
	char room[128 + 16];

	(void)state;
	for (size_t alignment = 0; alignment < 16; alignment++)
		for (size_t len = 0; len <= 80; len++) {
			char *text = room + alignment;

			memset(room, '#', sizeof room); /* what stands around it is not 0 */
			for (size_t i = 0; i < len; i++)
				text[i] =
				    (char)(1 + (i * 7 + len) % 255); /* also bytes above 0x7f, and 0x01 and 0x80 */
			text[len] = '\0';
			same_key(text, len, 0, 24);
			same_key(text, len, 3, 24);
			for (uint32_t most = 0; most < 12; most++)
				same_key(text, len, 0, most);
			memset(text + len, 0, 24); /* and where all around is 0 */
			same_key(text, len, 0, 24);
		}
}

static void a_key_is_read_to_the_pages_end_and_no_further(void **state)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
	for (size_t len = 0; len <= 80; len++)
		for (size_t before = 0; before < 16; before++) { /* bytes between its NUL and the page's end */
			char *text = page + 4096 - before - 1 - len;

			memset(page, '#', 4096);
			memset(text, 'x', len);
			text[len] = '\0';
			same_key(text, len, 0, 24);
		}
	munmap(page, 8192);
}

static void a_key_of_null_is_that_of_the_empty_text(void **state)
{
	uint64_t a = 1, b = 1, hash_a = 0, hash_b = 0;

	(void)state;
	assert_int_equal(weir__key_append_text(&a, 0, 1, &hash_a, NULL), 1);
	assert_int_equal(weir__key_append_text(&b, 0, 1, &hash_b, ""), 1);
	assert_int_equal(a, 0);
	assert_int_equal(b, 0);
	assert_int_equal(hash_a, hash_b);
}

/* ---- values that are mended ---- */

#define FFFD "\xef\xbf\xbd"

/* The one series of an instrument without others has this value. */
static void value_is(const struct weir_counter *c, const char *text, size_t len)
{
	const struct weir__series *s = record_of(c)->first;

	assert_int_equal(record_of(c)->series_count, 1);
	assert_int_equal(s->values[0].len, len);
	assert_memory_equal(s->values[0].ptr, text, len);
	assert_int_equal(s->values[0].ptr[len], 0);
}

ALONE(bad_bytes_become_a_mark_and_are_counted)
{
	const struct {
		struct weir_str in;
		const char *out;
	} cases[] = {
		{STR("a\xff" "b"), "a" FFFD "b"},
		{STR("a\0b"), "a" FFFD "b"},
		{STR("\0"), FFFD},
		{STR("a\tb"), "a" FFFD "b"},
		{STR("\x7f"), FFFD},
		{STR("\xc2\x85"), FFFD FFFD}, /* a control character of two bytes */
		{STR("\xed\xa0\x80"), FFFD FFFD FFFD}, /* half of a surrogate */
		{STR("\xe2\x82"), FFFD FFFD}, /* cut short */
	};
	char name[32];

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct weir_counter *c;

		snprintf(name, sizeof name, "series_bad_%zu", i);
		c = made(name, LABELS("a"), 0);
		weir_counter_add_values(c, 1, NULL, &cases[i].in, 1);
		weir_counter_add_values(c, 1, NULL, &cases[i].in, 1);
		weir_counter_add_with(c, 1, cases[i].out); /* values equal afterwards are one series */
		value_is(c, cases[i].out, strlen(cases[i].out));
		assert_int_equal(weir_counter_series_read(weir_counter_with(c, cases[i].out)), 3);
		assert_int_equal(status_now().values_cleaned, 2 * (i + 1));
	}
	assert_int_equal(status_now().values_cut, 0);
	assert_int_equal(status_now().dropped_records, 0);
}

ALONE(good_text_is_left_alone)
{
	static const char *const good[] = {"",   "GET",      "a\nb",  "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
	                                   FFFD, "\xc2\xa0", "\"\\{}"};
	char name[32];

	for (size_t i = 0; i < COUNT(good); i++) {
		const struct weir_counter *c;

		snprintf(name, sizeof name, "series_good_%zu", i);
		c = made(name, LABELS("a"), 0);
		weir_counter_add_with(c, 1, good[i]);
		weir_counter_add_values(c, 1, NULL, &(struct weir_str){good[i], strlen(good[i])}, 1);
		value_is(c, good[i], strlen(good[i]));
	}
	assert_int_equal(status_now().values_cleaned + status_now().values_cut, 0);
}

ALONE(what_is_too_long_is_cut_at_a_character)
{
	static char huge[(1 << 20) + 1];
	const struct weir_counter *c = made("series_long", LABELS("a"), 0),
				  *d = made("series_long_utf8", LABELS("a"), 0);

	memset(huge, 'x', sizeof huge - 1);
	weir_counter_add_with(c, 1, huge);
	weir_counter_add_values(c, 2, NULL, &(struct weir_str){huge, sizeof huge - 1}, 1);
	huge[1025] = '\0';
	weir_counter_add_with(c, 4, huge);
	assert_int_equal(status_now().values_cut, 3);
	huge[1024] = '\0';
	weir_counter_add_with(c, 8, huge); /* as long as may be: not cut */
	assert_int_equal(status_now().values_cut, 3);
	value_is(c, huge, 1024);
	assert_int_equal(weir_counter_series_read(weir_counter_with(c, huge)), 15);
	for (size_t i = 0; i < sizeof huge - 1; i++)
		huge[i] = "\xe2\x82\xac"[i % 3];
	weir_counter_add_with(d, 1, huge);
	value_is(d, huge, 1023);
	assert_int_equal(status_now().values_cleaned, 0);
}

ALONE(sixteen_long_values_are_one_key)
{
	static char text[16][1025];
	const struct weir_counter *c = made(
	    "series_wide", LABELS("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"), 0);
	struct weir_str values[16];

	for (size_t i = 0; i < 16; i++) {
		memset(text[i], (int)('a' + i), 1024);
		values[i] = weir_str_n(text[i], 1024);
	}
	for (int round = 0; round < 3; round++) {
		weir_counter_add_values(c, 1, NULL, values, 16);
		weir_counter_add_with(c, 1, text[0], text[1], text[2], text[3], text[4], text[5], text[6], text[7],
		                      text[8], text[9], text[10], text[11], text[12], text[13], text[14], text[15]);
	}
	text[15][1023] = '!';
	weir_counter_add_values(c, 1, NULL, values, 16); /* the last byte of 16384 makes another */
	assert_int_equal(record_of(c)->series_count, 2);
	assert_int_equal(weir_counter_series_read((struct weir_counter_series){record_of(c)->first->cell}), 6);
	for (size_t i = 0; i < 16; i++) {
		assert_int_equal(record_of(c)->first->values[i].len, 1024);
		assert_int_equal(record_of(c)->first->values[i].ptr[0], 'a' + (int)i);
		assert_int_equal(record_of(c)->first->values[i].ptr[1024], 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_key_is_the_same_at_every_alignment_and_length),
	cmocka_unit_test(a_key_is_read_to_the_pages_end_and_no_further),
	cmocka_unit_test(a_key_of_null_is_that_of_the_empty_text),
	cmocka_unit_test(bad_bytes_become_a_mark_and_are_counted),
	cmocka_unit_test(good_text_is_left_alone),
	cmocka_unit_test(what_is_too_long_is_cut_at_a_character),
	cmocka_unit_test(sixteen_long_values_are_one_key),
};
ALONE_MAIN(tests)
