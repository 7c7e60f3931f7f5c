/* JSON within bounds: what is asked for is read; what is deeper or more never reaches jansson. */
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum weir__json_fate read_text(const char *text, size_t len, size_t depth, size_t members)
{
	char *exact = malloc(len != 0 ? len : 1);
	json_t *object = (json_t *)(uintptr_t)1;
	enum weir__json_fate fate;

	if (len != 0)
		memcpy(exact, text, len);
	fate = weir__json_read(&object, exact, len, depth, members, 0);
	assert_true((object != NULL) == (fate == WEIR__JSON_READ));
	weir__json_free(object);
	free(exact);
	return fate;
}

static void objects(void **state)
{
	static const struct {
		const char *text;
		enum weir__json_fate fate;
	} cases[] = {
	    {"{}", WEIR__JSON_READ},
	    {"{\"a\":{\"b\":[1,\"x\",null]}}", WEIR__JSON_READ},
	    {"{\"a\":{\"b\":[[]]}}", WEIR__JSON_BAD},        /* deeper than 3 */
	    {"{\"a\":\"[[[[[{{{{{\"}", WEIR__JSON_READ},     /* in a text */
	    {"{\"a\":\"\\\"[[[[[\"}", WEIR__JSON_READ},      /* behind a quote in a text */
	    {"{\"a\":\"\\\\\",\"b\":[[[[]]]]}", WEIR__JSON_BAD}, /* behind a text that ends in a backslash */
	    {"{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", WEIR__JSON_READ},
	    {"{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}", WEIR__JSON_BAD}, /* more than 4 */
	    {"{\"a\":[1,2,3,4,5]}", WEIR__JSON_BAD},
	    {"{\"a\":1,\"a\":1}", WEIR__JSON_BAD},
	    {"[]", WEIR__JSON_BAD},
	    {"1", WEIR__JSON_BAD},
	    {"", WEIR__JSON_BAD},
	    {"{\"a\":\"", WEIR__JSON_BAD},
	    {"{\"a\":\"\\", WEIR__JSON_BAD},
	    {"}{", WEIR__JSON_BAD},
	    {"{}}", WEIR__JSON_BAD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (read_text(cases[i].text, strlen(cases[i].text), 3, 4) != cases[i].fate)
			fail_msg("%s", cases[i].text);
	assert_int_equal(read_text("{\"a\":1}\0", 8, 3, 4), WEIR__JSON_BAD);
	assert_int_equal(read_text("{\"a\0b\":1}", 9, 3, 4), WEIR__JSON_BAD);
	assert_int_equal(read_text("{\"a\":\"\0\"}", 9, 3, 4), WEIR__JSON_BAD);
}

/* Texts in every spelling are counted as long as they are. */
static void spellings(void **state)
{
	static const char *const texts[] = {
	    "{\"\\u0061\":\"\\u00e4\\u20ac\\ud83d\\ude00\\n\\t\\\\\\\"\\/\\b\\f\\r\"}",
	    "{\"\xc3\xa4\":\"\xe2\x82\xac\xf0\x9f\x98\x80\"}",
	    "{\"\":\"\",\"\\u007F\":\"\\u07FF\\u0800\\uFFFF\\uDBFF\\uDFFF\\u0080\"}",
	};
	static const char *const bad[] = {"{\"a\":\"\\u00\"}", "{\"a\":\"\\u00", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00x\"}", "{\"a\":\"\\uzzzz\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (read_text(texts[i], strlen(texts[i]), 3, 4) != WEIR__JSON_READ)
			fail_msg("%s", texts[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_text(bad[i], strlen(bad[i]), 3, 4), WEIR__JSON_BAD);
}

static unsigned asked, failing;

static void *fail_once(size_t size)
{
	return ++asked == failing ? NULL : malloc(size);
}

/* Where memory ends it is not read, or it is read whole. */
static void no_half_texts(void **state)
{
	static const char text[] = "{\"a name of more than fifteen letters\":\"a value that is even longer than that is\",\"n\":1}";
	unsigned all, refused = 0;

	(void)state;
	json_set_alloc_funcs(fail_once, free);
	assert_int_equal(read_text(text, strlen(text), 3, 4), WEIR__JSON_READ);
	asked = 0;
	assert_int_equal(read_text(text, strlen(text), 3, 4), WEIR__JSON_READ);
	all = asked;
	for (failing = 1; failing <= all; failing++) {
		json_t *object;
		enum weir__json_fate fate;

		asked = 0;
		fate = weir__json_read(&object, text, strlen(text), 3, 4, 0);
		if (fate == WEIR__JSON_READ) {
			assert_string_equal(json_string_value(json_object_get(object, "a name of more than fifteen letters")),
			                    "a value that is even longer than that is");
		} else {
			assert_null(object);
			refused++;
		}
		weir__json_free(object);
	}
	failing = 0;
	json_set_alloc_funcs(malloc, free);
	assert_true(refused >= 5);
}

/* A million brackets on a small stack end at the bound. */
static void depth(void **state)
{
	size_t len = 1000000;
	char *text = malloc(len);

	(void)state;
	memset(text, '[', len);
	assert_int_equal(read_text(text, len, 8, 64), WEIR__JSON_BAD);
	for (size_t i = 0; i < len; i++)
		text[i] = "{\"a\":"[i % 5];
	assert_int_equal(read_text(text, len, 8, 64), WEIR__JSON_BAD);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(objects), cmocka_unit_test(spellings), cmocka_unit_test(no_half_texts), cmocka_unit_test(depth)};

	return cmocka_run_group_tests_name("jwt_json", tests, NULL, NULL);
}
