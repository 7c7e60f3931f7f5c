/* Unit: src/place.c: a text has one place as long as it is taken; tokens say whether it still is; places are bounded. */
#define _GNU_SOURCE
#include "place.h"

#include "pages.h"

#include <weir/abi/private.h>
#include <weir/weir.h>

#include "alone.h"

static int define(const char *name, const char *absent)
{
	return weir_private_tag_define(&(struct weir_private_tag){name, name, NULL, absent});
}

ALONE(a_text_has_one_place)
{
	int a = define("a", NULL), b = define("b", NULL);
	char text[] = "acme";
	uint64_t place = weir_private_place_take(a, weir_str_of(text));

	assert_true(place != 0);
	text[0] = 'X';
	assert_string_equal(weir__place(weir__place_in(place))->text, "acme");
	assert_int_equal(weir_private_place_take(a, STR("acme")), place);
	assert_int_not_equal(weir_private_place_take(b, STR("acme")), place);
	assert_int_not_equal(weir_private_place_take(a, STR("acm")), place);
	assert_true(weir_private_place_is_current(place));
	assert_int_equal(weir__places_count(), 3);
}

ALONE(what_has_no_place)
{
	int a = define("a", "nobody"), b = define("b", NULL);

	assert_int_equal(weir_private_place_take(a, STR("")), 0);
	assert_int_equal(weir_private_place_take(a, weir_str_n(NULL, 0)), 0);
	assert_int_equal(weir_private_place_take(a, STR("other")), 0);
	assert_int_equal(weir_private_place_take(a, STR("nobody")), 0); /* who is verified is not taken for who is not */
	assert_int_not_equal(weir_private_place_take(b, STR("nobody")), 0);
	assert_int_equal(weir_private_place_take(0, STR("x")), 0);
	assert_int_equal(weir_private_place_take(-1, STR("x")), 0);
	assert_int_equal(weir_private_place_take(3, STR("x")), 0);
	assert_false(weir_private_place_is_current(0));
	assert_false(weir_private_place_is_current(UINT64_MAX));
	assert_false(weir_private_place_is_current(1 << 16 | 4097));
	assert_true(weir_private_place_give_up(0, 0));
	assert_true(weir_private_place_give_up(UINT64_MAX, 0));
}

ALONE(texts_are_mended)
{
	int a = define("a", NULL);
	uint64_t place = weir_private_place_take(a, STR("x\xffy\0"));
	char text[600];

	assert_string_equal(weir__place(weir__place_in(place))->text, "x\xef\xbf\xbdy\xef\xbf\xbd");
	memset(text, 'v', sizeof text);
	memcpy(text + 239, "\xc3\xa4", 2);
	place = weir_private_place_take(a, weir_str_n(text, sizeof text));
	assert_int_equal(weir__place(weir__place_in(place))->len, 239); /* at a character */
	memset(text, 'v', sizeof text);
	place = weir_private_place_take(a, weir_str_n(text, sizeof text));
	assert_int_equal(weir__place(weir__place_in(place))->len, 240);
	assert_int_equal(weir_private_place_take(a, weir_str_n(text, 240)), place);
}

ALONE(there_are_4096)
{
	int a = define("a", NULL), b = define("b", NULL);
	uint64_t first = 0;
	char text[16];

	for (int n = 0; n < WEIR__PLACES_MAX; n++) {
		uint64_t place;

		snprintf(text, sizeof text, "t%d", n);
		place = weir_private_place_take(a, weir_str_of(text));
		assert_int_equal(weir__place_in(place), n + 1);
		first = first != 0 ? first : place;
	}
	assert_int_equal(weir_private_place_take(a, STR("one more")), 0);
	assert_int_equal(weir_private_place_take(b, STR("one more")), 0);
	assert_int_equal(weir_private_place_take(a, STR("t0")), first);
}

ALONE(keys_are_short_and_plain)
{
	char key[8];
	uint64_t word, former = 0;

	for (unsigned n = 0; n <= WEIR__PLACES_MAX; n++, former = word) {
		word = weir__place_key(n);
		memcpy(key, &word, sizeof key);
		assert_int_equal(strlen(key), 3);
		for (int i = 0; i < 3; i++)
			assert_true(key[i] > ' ' && key[i] < 0x7f);
		assert_true(word != former);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_text_has_one_place),
	cmocka_unit_test(what_has_no_place),
	cmocka_unit_test(texts_are_mended),
	cmocka_unit_test(there_are_4096),
	cmocka_unit_test(keys_are_short_and_plain),
};
ALONE_MAIN(tests)
