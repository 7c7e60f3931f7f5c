/* Unit: src/baggage.c: W3C baggage in a buffer: grammar, limits, counting, coding. */
#include "baggage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static char buffer[16384];

static struct weir_str s(const char *text)
{
	return weir_str_of(text);
}

static bool is(struct weir_str text, const char *expected)
{
	return text.len == strlen(expected) && (text.len == 0 || memcmp(text.ptr, expected, text.len) == 0);
}

static void add(struct weir__baggage *b, const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len + !len);

	assert_non_null(copy);
	memcpy(copy, text, len);
	weir__baggage_add(b, weir_str_n(copy, len));
	free(copy);
}

static const struct {
	const char *name, *first, *second, *list;
	int dropped;
} lists[] = {
	{"one member", "a=1", NULL, "a=1", 0},
	{"two members", "a=1,b=2", NULL, "a=1,b=2", 0},
	{"two headers are joined", "a=1", "b=2", "a=1,b=2", 0},
	{"white space around delimiters", " a = 1 ,\tb\t=\t2 ; p = q ; r ", NULL, "a=1,b=2;p=q;r", 0},
	{"properties are kept", "a=1;p;q=2;r=", NULL, "a=1;p;q=2;r=", 0},
	{"an empty value", "a=", NULL, "a=", 0},
	{"= in a value", "a=b=c", NULL, "a=b=c", 0},
	{"percent coding is kept", "a=%20%c3%A9", NULL, "a=%20%c3%A9", 0},
	{"a percent sign that encodes nothing", "a=100%", NULL, "a=100%", 0},
	{"all a key may hold", "!#$%&'*+-.^_`|~aZ09=1", NULL, "!#$%&'*+-.^_`|~aZ09=1", 0},
	{"upper and lower case keys differ", "A=1,a=2", NULL, "A=1,a=2", 0},
	{"a key twice", "a=1,a=2", NULL, "a=1,a=2", 0},
	{"empty", "", NULL, "", 0},
	{"empty members", ",a=1,, ,b=2,", NULL, "a=1,b=2", 0},
	{"no =", "a,b=2", NULL, "b=2", 1},
	{"no key", "=1,b=2", NULL, "b=2", 1},
	{"a space in a key", "a b=1,b=2", NULL, "b=2", 1},
	{"a key's wrong character", "a(=1,b=2", NULL, "b=2", 1},
	{"a slash in a key", "a/b=1,b=2", NULL, "b=2", 1},
	{"a high byte in a key", "\xc3\xa9=1,b=2", NULL, "b=2", 1},
	{"a space in a value", "a=1 2,b=2", NULL, "b=2", 1},
	{"a quote in a value", "a=\"1\",b=2", NULL, "b=2", 1},
	{"a backslash in a value", "a=\\,b=2", NULL, "b=2", 1},
	{"a high byte in a value", "a=\xc3\xa9,b=2", NULL, "b=2", 1},
	{"a control character", "a=\x01,b=2", NULL, "b=2", 1},
	{"DEL", "a=\x7f,b=2", NULL, "b=2", 1},
	{"a bad property", "a=1;b c,b=2", NULL, "b=2", 1},
	{"an empty property", "a=1;,b=2", NULL, "b=2", 1},
	{"a property's bad value", "a=1;p=\",b=2", NULL, "b=2", 1},
	{"properties without a member", ";a=1,b=2", NULL, "b=2", 1},
	{"each bad one is counted", "a,b,c=1,d", "e,f=1", "c=1,f=1", 4},
};

static void test_grammar(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct weir__baggage b = weir__baggage_in(buffer, sizeof buffer);

		add(&b, lists[i].first);
		if (lists[i].second != NULL)
			add(&b, lists[i].second);
		if (!is(weir__baggage_text(&b), lists[i].list) || b.dropped != lists[i].dropped)
			fail_msg("%s: %.*s, dropped %d", lists[i].name, (int)b.len, b.buf, b.dropped);
	}
}

static const struct {
	const char *name, *encoded, *value;
} values[] = {
	{"plain", "abc", "abc"},
	{"empty", "", ""},
	{"space", "a%20b", "a b"},
	{"both cases of digits", "%c3%A9", "\xc3\xa9"},
	{"four bytes", "%F0%9F%98%80", "\xf0\x9f\x98\x80"},
	{"a plus is a plus", "a+b", "a+b"},
	{"percent at the end", "100%", "100%"},
	{"percent and one digit", "a%2", "a%2"},
	{"percent and no digits", "a%zz%41", "a%zzA"},
	{"percent twice", "%25%2525", "%%25"},
	{"a byte that is no UTF-8", "%ff", "\xef\xbf\xbd"},
	{"a character cut short", "%e2%82", "\xef\xbf\xbd\xef\xbf\xbd"},
	{"a character broken off", "%c3x", "\xef\xbf\xbdx"},
	{"a surrogate", "%ed%a0%80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	{"overlong", "%c0%af", "\xef\xbf\xbd\xef\xbf\xbd"},
};

static void test_decoding(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct weir__baggage b = weir__baggage_in(buffer, sizeof buffer);
		char text[128], out[64];
		int len;

		snprintf(text, sizeof text, "x=1,k=%s;p=q,z=2", values[i].encoded);
		add(&b, text);
		len = weir__baggage_get(&b, s("k"), out, sizeof out);
		if (len != (int)strlen(values[i].value) || strcmp(out, values[i].value) != 0)
			fail_msg("%s: %d %s", values[i].name, len, out);
		assert_int_equal(weir__baggage_get(&b, s("k"), NULL, 0), len);
		for (size_t size = 1; size < sizeof out; size++) { /* as snprintf does, at a character */
			char cut[64];

			memset(cut, '!', sizeof cut);
			assert_int_equal(weir__baggage_get(&b, s("k"), cut, size), len);
			assert_true(strlen(cut) < size && strlen(cut) + 4 >= (size < (size_t)len + 1 ? size : (size_t)len + 1));
			assert_memory_equal(cut, values[i].value, strlen(cut));
			assert_int_equal(cut[size], '!');
		}
	}
}

static void test_get_set_remove(void **state)
{
	struct weir__baggage b = weir__baggage_in(buffer, sizeof buffer);
	struct weir__baggage_member m;
	size_t at = 0;
	char out[64];

	(void)state;
	assert_int_equal(weir__baggage_get(&b, s("a"), out, sizeof out), WEIR_ENOTFOUND);
	assert_int_equal(weir__baggage_remove(&b, s("a")), WEIR_ENOTFOUND);
	assert_false(weir__baggage_next(&b, &at, &m));
	add(&b, "a=1;p,bb=2,a=3;q=r;t");
	assert_int_equal(weir__baggage_get(&b, s("a"), out, sizeof out), 1); /* the last one */
	assert_string_equal(out, "3");
	assert_int_equal(weir__baggage_get(&b, s("b"), out, sizeof out), WEIR_ENOTFOUND);
	assert_true(weir__baggage_next(&b, &at, &m));
	assert_true(is(m.key, "a") && is(m.value, "1") && is(m.properties, "p"));
	assert_true(weir__baggage_next(&b, &at, &m));
	assert_true(is(m.key, "bb") && is(m.value, "2") && m.properties.ptr == NULL);
	assert_true(weir__baggage_next(&b, &at, &m));
	assert_true(is(m.key, "a") && is(m.value, "3") && is(m.properties, "q=r;t"));
	assert_false(weir__baggage_next(&b, &at, &m));
	assert_int_equal(weir__baggage_set(&b, s("a"), s("x, \"\\;%\xc3\xa9")), WEIR_OK); /* both former ones go */
	assert_true(is(weir__baggage_text(&b), "bb=2,a=x%2C%20%22%5C%3B%25%C3%A9"));
	assert_int_equal(b.members, 2);
	assert_int_equal(weir__baggage_get(&b, s("a"), out, sizeof out), 9);
	assert_string_equal(out, "x, \"\\;%\xc3\xa9");
	assert_int_equal(weir__baggage_set(&b, s("c"), s("")), WEIR_OK);
	assert_int_equal(weir__baggage_remove(&b, s("a")), WEIR_OK);
	assert_true(is(weir__baggage_text(&b), "bb=2,c="));
	assert_int_equal(weir__baggage_remove(&b, s("c")), WEIR_OK); /* the last takes its comma along */
	assert_true(is(weir__baggage_text(&b), "bb=2"));
	assert_int_equal(weir__baggage_remove(&b, s("bb")), WEIR_OK);
	assert_int_equal(b.len + b.members, 0);
	assert_int_equal(weir__baggage_set(&b, s(""), s("1")), WEIR_EINVAL);
	assert_int_equal(weir__baggage_set(&b, s("a b"), s("1")), WEIR_EINVAL);
	assert_int_equal(weir__baggage_set(&b, s("a,b"), s("1")), WEIR_EINVAL);
	assert_int_equal(weir__baggage_set(&b, s("\xc3\xa9"), s("1")), WEIR_EINVAL);
	assert_int_equal(b.len, 0);
}

static void test_every_byte_comes_back(void **state)
{
	(void)state;
	for (int c = 0; c < 128; c++) {
		struct weir__baggage b = weir__baggage_in(buffer, sizeof buffer);
		char in = (char)c, out[4];

		assert_int_equal(weir__baggage_set(&b, s("k"), weir_str_n(&in, 1)), WEIR_OK);
		assert_int_equal(weir__baggage_get(&b, s("k"), out, sizeof out), 1);
		assert_int_equal(out[0], c);
	}
}

static void test_64_members(void **state)
{
	struct weir__baggage b = weir__baggage_in(buffer, sizeof buffer);
	char text[32];

	(void)state;
	for (int i = 0; i < 70; i++) {
		snprintf(text, sizeof text, "k%d=%d", i, i);
		add(&b, text);
	}
	assert_int_equal(b.members, 64);
	assert_int_equal(b.dropped, 6);
	assert_int_equal(weir__baggage_set(&b, s("new"), s("1")), WEIR_ELIMIT);
	assert_int_equal(weir__baggage_set(&b, s("k5"), s("1")), WEIR_OK);
	assert_int_equal(b.members, 64);
	assert_int_equal(weir__baggage_get(&b, s("k64"), NULL, 0), WEIR_ENOTFOUND);
}

static void test_8192_bytes(void **state)
{
	static char text[8300];
	struct weir__baggage b = weir__baggage_in(buffer, sizeof buffer);

	(void)state;
	memset(text, 'x', sizeof text);
	text[0] = 'k';
	text[1] = '=';
	text[8188] = '\0';
	add(&b, text); /* 8188 */
	add(&b, "ab=1"); /* 8193: whole members go */
	assert_int_equal(b.dropped, 1);
	assert_int_equal(weir__baggage_set(&b, s("ab"), s("1")), WEIR_ELIMIT);
	add(&b, "a=1");
	assert_int_equal(b.len, 8192);
	assert_int_equal(weir__baggage_set(&b, s("a"), s("2")), WEIR_OK);
	assert_int_equal(weir__baggage_set(&b, s("a"), s("22")), WEIR_ELIMIT);
	assert_int_equal(b.len, 8192);
}

static void test_small_buffers(void **state)
{
	(void)state;
	for (size_t size = 0; size < 16; size++) {
		char *small = malloc(size + !size);
		struct weir__baggage b = weir__baggage_in(size != 0 ? small : NULL, size);

		add(&b, "a=1,bb=2,c=3"); /* 3, 8, 12: what has no room goes, what has stays */
		assert_int_equal(b.members + b.dropped, 3);
		assert_int_equal(b.len, size < 3 ? 0 : size < 7 ? 3 : size < 8 ? 7 : size < 12 ? 8 : 12);
		assert_int_equal(weir__baggage_set(&b, s("long"), s("%%%%%")), WEIR_ENOMEM);
		free(small);
	}
}

static void test_the_count_stays_at_its_end(void **state)
{
	static char text[2 * 70000];
	struct weir__baggage b = weir__baggage_in(buffer, sizeof buffer);

	(void)state;
	for (size_t i = 0; i < sizeof text - 1; i++)
		text[i] = i % 2 != 0 ? ',' : 'a';
	add(&b, text);
	assert_int_equal(b.dropped, 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar), cmocka_unit_test(test_decoding),
		cmocka_unit_test(test_get_set_remove), cmocka_unit_test(test_every_byte_comes_back),
		cmocka_unit_test(test_64_members), cmocka_unit_test(test_8192_bytes),
		cmocka_unit_test(test_small_buffers), cmocka_unit_test(test_the_count_stays_at_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
