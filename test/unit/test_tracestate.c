/* Unit: src/tracestate.c: the list by the rules of W3C Trace Context level 2, and OpenTelemetry's member of it. */
#include "tracestate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct weir_str s(const char *text)
{
	return weir_str_of(text);
}

static bool is(struct weir_str text, const char *expected)
{
	return text.len == strlen(expected) && memcmp(text.ptr, expected, text.len) == 0;
}

/* A copy that ends where the text ends, so that a sanitizer sees a byte read past it. */
static void add(struct weir__tracestate *t, const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len + !len);

	assert_non_null(copy);
	memcpy(copy, text, len);
	weir__tracestate_add(t, weir_str_n(copy, len));
	free(copy);
}

#define K16 "abcdefghij012345"
#define K64 K16 K16 K16 K16
#define K255 K64 K64 K64 K16 K16 K16 "abcdefghij01234"

static const struct {
	const char *name, *first, *second;
	const char *list; /* NULL: bad */
} lists[] = {
	{"one member", "a=1", NULL, "a=1"},
	{"two members", "a=1,b=2", NULL, "a=1,b=2"},
	{"two headers are joined in order", "b=2,a=1", "c=3", "b=2,a=1,c=3"},
	{"white space around members", " a=1\t, b=2 ", NULL, "a=1,b=2"},
	{"empty", "", NULL, ""},
	{"empty members", ",,a=1, ,\t,b=2,", NULL, "a=1,b=2"},
	{"only commas", ",,,", NULL, ""},
	{"an empty header beside another", "", "a=1", "a=1"},
	{"digit first", "0a=1", NULL, "0a=1"},
	{"digits only", "01=1", NULL, "01=1"},
	{"@ is an ordinary character", "t@s=1", NULL, "t@s=1"},
	{"@ twice", "a@b@c=1", NULL, "a@b@c=1"},
	{"@ last", "a@=1", NULL, "a@=1"},
	{"long system behind @", "a@abcdefghijklmnopqrstuvwxyz=1", NULL, "a@abcdefghijklmnopqrstuvwxyz=1"},
	{"all a key may hold", "a_-*/@9=1", NULL, "a_-*/@9=1"},
	{"key of 256", "x" K255 "=1", NULL, "x" K255 "=1"},
	{"value of 256", "a=x" K255, NULL, "a=x" K255},
	{"space inside a value", "a=b c", NULL, "a=b c"},
	{"space in front of a value", "a= b", NULL, "a= b"},
	{"trailing space is white space", "a=b ,c=d", NULL, "a=b,c=d"},
	{"ends of the range", "a=!~", NULL, "a=!~"},
	{"a value's odd characters", "a=\"\\;:{}", NULL, "a=\"\\;:{}"},
	{"key of 257", "xy" K255 "=1", NULL, NULL},
	{"value of 257", "a=xy" K255, NULL, NULL},
	{"@ first", "@a=1", NULL, NULL},
	{"_ first", "_a=1", NULL, NULL},
	{"- first", "-a=1", NULL, NULL},
	{"* first", "*a=1", NULL, NULL},
	{"/ first", "/a=1", NULL, NULL},
	{"upper case first", "A=1", NULL, NULL},
	{"upper case inside", "aB=1", NULL, NULL},
	{"a dot in a key", "a.b=1", NULL, NULL},
	{"a space in a key", "a b=1", NULL, NULL},
	{"a space behind a key", "a =1", NULL, NULL},
	{"no key", "=1", NULL, NULL},
	{"no =", "a", NULL, NULL},
	{"no value", "a=", NULL, NULL},
	{"a value of white space", "a= ", NULL, NULL},
	{"no value among others", "b=1,a=,c=1", NULL, NULL},
	{"= in a value", "a=b=c", NULL, NULL},
	{"a tab in a value", "a=b\tc", NULL, NULL},
	{"a control character", "a=b\x1f", NULL, NULL},
	{"DEL", "a=b\x7f", NULL, NULL},
	{"a high byte in a value", "a=\xc3\xa9", NULL, NULL},
	{"a high byte in a key", "a\xff=1", NULL, NULL},
	{"a key twice", "a=1,b=2,a=3", NULL, NULL},
	{"a key and its value twice", "a=1,a=1", NULL, NULL},
	{"a key twice over two headers", "a=1", "a=2", NULL},
	{"the second is bad", "a=1", "B=2", NULL},
	{"the first is bad", "A=1", "b=2", NULL},
	{"the last of many is bad", "a=1,b=2,c=3,d", NULL, NULL},
	{"a semicolon parts nothing", "a=1;b=2", NULL, NULL},
};

static void test_grammar(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct weir__tracestate t = {.len = 0};
		bool bad;

		add(&t, lists[i].first);
		if (lists[i].second != NULL)
			add(&t, lists[i].second);
		bad = (t.flags & WEIR__TRACESTATE_BAD) != 0;
		if (bad != (lists[i].list == NULL) ||
		    !is(weir__tracestate_text(&t), lists[i].list != NULL ? lists[i].list : ""))
			fail_msg("%s: bad %d, %.*s", lists[i].name, bad, (int)t.len, t.text);
		if (bad && t.members != 0)
			fail_msg("%s: members", lists[i].name);
	}
}

static void members(char *out, int from, int to)
{
	*out = '\0';
	for (int i = from; i < to; i++)
		out += sprintf(out, "%sk%d=%d", i == from ? "" : ",", i, i);
}

static void test_member_limit(void **state)
{
	char text[1024];

	(void)state;
	for (int split = 1; split < 33; split++)
		for (int more = 0; more < 2; more++) {
			struct weir__tracestate t = {.len = 0};

			members(text, 0, split);
			add(&t, text);
			assert_int_equal(t.members, split);
			members(text, split, 32 + more);
			add(&t, text);
			assert_int_equal(t.members, more ? 0 : 32);
			assert_int_equal(t.flags, more ? WEIR__TRACESTATE_BAD : 0);
			add(&t, "z=1"); /* bad stays bad, and a 33rd makes it so */
			assert_int_equal(t.flags, WEIR__TRACESTATE_BAD);
			assert_int_equal(t.len, 0);
		}
}

/* key=xxx of len characters. */
static char *sized(char key, size_t len)
{
	static char text[4][520];
	static unsigned turn;
	char *out = text[turn++ % 4];

	memset(out, 'x', len);
	out[0] = key;
	out[1] = '=';
	out[len] = '\0';
	return out;
}

static struct weir_str key(char c)
{
	static char text[1];

	text[0] = c;
	return weir_str_n(text, 1);
}

static void test_512_are_kept(void **state)
{
	struct weir__tracestate t = {.len = 0};

	(void)state;
	add(&t, sized('a', 255));
	add(&t, sized('b', 256)); /* 255 + 1 + 256 */
	assert_int_equal(t.len, 512);
	assert_int_equal(t.flags, 0);
	add(&t, "c=1");
	assert_int_equal(t.flags, WEIR__TRACESTATE_CUT); /* a large one went, the last: b */
	assert_null(weir__tracestate_get(&t, key('b')).ptr);
	assert_int_equal(weir__tracestate_get(&t, key('a')).len, 253);
	assert_true(is(weir__tracestate_get(&t, key('c')), "1"));
}

static void test_small_ones_go_from_the_end(void **state)
{
	struct weir__tracestate t = {.len = 0};

	(void)state;
	for (char c = 'a'; c < 'e'; c++)
		add(&t, sized(c, 127)); /* 511 */
	assert_int_equal(t.flags, 0);
	add(&t, "e=1");
	add(&t, "f=1");
	assert_int_equal(t.flags, WEIR__TRACESTATE_CUT | WEIR__TRACESTATE_FULL);
	assert_int_equal(t.members, 4);
	assert_int_equal(t.len, 511);
	add(&t, "g"); /* what would be dropped is still looked at */
	assert_int_equal(t.flags, WEIR__TRACESTATE_BAD);
	t = (struct weir__tracestate){.len = 0};
	add(&t, sized('a', 128)); /* not over 128: not large */
	add(&t, sized('b', 128));
	add(&t, sized('c', 128));
	add(&t, sized('d', 128));
	assert_int_equal(t.members, 3);
	assert_true((t.flags & WEIR__TRACESTATE_FULL) != 0);
}

static void test_a_member_too_long_alone(void **state)
{
	struct weir__tracestate t = {.len = 0};

	(void)state;
	add(&t, "a=1,x" K255 "=y" K255 ",b=2"); /* 513: valid, but has no room */
	assert_true(is(weir__tracestate_text(&t), "a=1,b=2"));
	assert_int_equal(t.flags, WEIR__TRACESTATE_CUT);
}

static void test_get_set_remove(void **state)
{
	struct weir__tracestate t = {.len = 0};

	(void)state;
	assert_null(weir__tracestate_get(&t, s("a")).ptr);
	assert_int_equal(weir__tracestate_remove(&t, s("a")), WEIR_ENOTFOUND);
	add(&t, "a=1,bb=2,c=3");
	assert_true(is(weir__tracestate_get(&t, s("bb")), "2"));
	assert_null(weir__tracestate_get(&t, s("b")).ptr);
	assert_null(weir__tracestate_get(&t, s("")).ptr);
	assert_int_equal(weir__tracestate_set(&t, s("w"), s("x")), WEIR_OK); /* ours goes first */
	assert_true(is(weir__tracestate_text(&t), "w=x,a=1,bb=2,c=3"));
	assert_int_equal(weir__tracestate_set(&t, s("bb"), s("22")), WEIR_OK); /* the others keep their order */
	assert_true(is(weir__tracestate_text(&t), "bb=22,w=x,a=1,c=3"));
	assert_int_equal(weir__tracestate_set(&t, s("c"), weir__tracestate_get(&t, s("bb"))), WEIR_OK); /* a view into itself */
	assert_true(is(weir__tracestate_text(&t), "c=22,bb=22,w=x,a=1"));
	assert_int_equal(weir__tracestate_remove(&t, s("bb")), WEIR_OK);
	assert_int_equal(weir__tracestate_remove(&t, s("a")), WEIR_OK);
	assert_int_equal(weir__tracestate_remove(&t, s("c")), WEIR_OK);
	assert_true(is(weir__tracestate_text(&t), "w=x"));
	assert_int_equal(weir__tracestate_remove(&t, s("w")), WEIR_OK);
	assert_int_equal(t.len + t.members, 0);
}

static void test_set_refuses(void **state)
{
	struct weir__tracestate t = {.len = 0};
	static const char *const bad[][2] = {{"", "1"}, {"A", "1"}, {"_a", "1"}, {"a=", "1"}, {"a,b", "1"}, {"a", ""}, {"a", "1 "},
	                                     {"a", "1,2"}, {"a", "1=2"}, {"a", "\t"}, {"a", "\xc3\xa9"}, {"xy" K255, "1"},
	                                     {"a", "xy" K255}};

	(void)state;
	add(&t, "a=0");
	for (size_t i = 0; i < COUNT(bad); i++)
		if (weir__tracestate_set(&t, s(bad[i][0]), s(bad[i][1])) != WEIR_EINVAL)
			fail_msg("%zu: %s=%s", i, bad[i][0], bad[i][1]);
	assert_int_equal(weir__tracestate_set(&t, s("x" K255), s("x" K255)), WEIR_ELIMIT);
	assert_true(is(weir__tracestate_text(&t), "a=0"));
}

static void test_set_makes_room(void **state)
{
	struct weir__tracestate t = {.len = 0};
	char text[1024];

	(void)state;
	members(text, 0, 32);
	add(&t, text);
	assert_int_equal(weir__tracestate_set(&t, s("k5"), s("n")), WEIR_OK); /* takes its own place: none falls off */
	assert_int_equal(t.members, 32);
	assert_int_equal(t.flags, 0);
	assert_int_equal(weir__tracestate_set(&t, s("new"), s("n")), WEIR_OK);
	assert_int_equal(t.members, 32);
	assert_null(weir__tracestate_get(&t, s("k31")).ptr);
	assert_true(is(weir__tracestate_get(&t, s("k30")), "30"));
	t = (struct weir__tracestate){.len = 0};
	add(&t, sized('a', 127));
	add(&t, sized('b', 200));
	add(&t, sized('c', 127));
	assert_int_equal(weir__tracestate_set(&t, s("d"), s(K64 K16 K16)), WEIR_OK); /* the large one goes */
	assert_null(weir__tracestate_get(&t, s("b")).ptr);
	assert_non_null(weir__tracestate_get(&t, s("c")).ptr);
	assert_int_equal(weir__tracestate_set(&t, s("e"), s(K255)), WEIR_OK); /* then the last */
	assert_null(weir__tracestate_get(&t, s("c")).ptr);
	assert_non_null(weir__tracestate_get(&t, s("a")).ptr);
	assert_memory_equal(t.text, "e=abc", 5);
}

static const struct {
	const char *name, *text;
	int valid, has_th, has_rv;
	uint64_t th, rv;
} ots[] = {
	{"nothing", "", 1, 0, 0, 0, 0},
	{"th:0 keeps all", "th:0", 1, 1, 0, 0, 0},
	{"th:8 is a half", "th:8", 1, 1, 0, UINT64_C(0x80000000000000), 0},
	{"th:c", "th:c", 1, 1, 0, UINT64_C(0xc0000000000000), 0},
	{"14 digits", "th:fffffffffffff1", 1, 1, 0, UINT64_C(0xfffffffffffff1), 0},
	{"both", "th:c;rv:d29d6a7215ced0", 1, 1, 1, UINT64_C(0xc0000000000000), UINT64_C(0xd29d6a7215ced0)},
	{"rv first", "rv:d29d6a7215ced0;th:c", 1, 1, 1, UINT64_C(0xc0000000000000), UINT64_C(0xd29d6a7215ced0)},
	{"unknown parts", "p:8;th:4;zz9:A.b_c-;rv:00000000000001", 1, 1, 1, UINT64_C(0x40000000000000), 1},
	{"th of 15 digits", "th:123456789012345;rv:00000000000001", 0, 0, 1, 0, 1},
	{"th empty", "th:", 0, 0, 0, 0, 0},
	{"th upper case", "th:C", 0, 0, 0, 0, 0},
	{"th not hex", "th:8x", 0, 0, 0, 0, 0},
	{"rv of 13 digits", "th:8;rv:d29d6a7215ced", 0, 1, 0, UINT64_C(0x80000000000000), 0},
	{"rv of 15 digits", "rv:d29d6a7215ced00", 0, 0, 0, 0, 0},
	{"rv upper case", "rv:D29d6a7215ced0", 0, 0, 0, 0, 0},
	{"th twice", "th:8;th:c", 0, 1, 0, UINT64_C(0x80000000000000), 0},
	{"no colon", "th", 0, 0, 0, 0, 0},
	{"upper case key", "Th:8;th:c", 0, 1, 0, UINT64_C(0xc0000000000000), 0},
	{"empty part", "th:8;;rv:00000000000002", 0, 1, 1, UINT64_C(0x80000000000000), 2},
};

static void test_ot_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ots); i++) {
		struct weir__ot ot;
		int valid = weir__ot_read(s(ots[i].text), &ot);

		if (valid != ots[i].valid || ot.has_threshold != ots[i].has_th || ot.has_random != ots[i].has_rv ||
		    (ot.has_threshold && ot.threshold != ots[i].th) || (ot.has_random && ot.random != ots[i].rv))
			fail_msg("%s: valid %d, th %llx", ots[i].name, valid, (unsigned long long)ot.threshold);
	}
}

#define TH(t) {.threshold = UINT64_C(t), .has_threshold = true}
static const struct {
	const char *name, *former;
	struct weir__ot ot;
	const char *written;
} writes[] = {
	{"new", "", TH(0xc0000000000000), "th:c"},
	{"zero is one digit", "", TH(0), "th:0"},
	{"all digits", "", TH(0x12345678901234), "th:12345678901234"},
	{"replaced in place", "p:8;th:4;x:y", TH(0x80000000000000), "p:8;th:8;x:y"},
	{"set in front of unknown parts", "p:8;x:y", TH(0x80000000000000), "th:8;p:8;x:y"},
	{"removed", "p:8;th:4;x:y", {.has_threshold = false}, "p:8;x:y"},
	{"removed, and nothing is left", "th:4", {.has_threshold = false}, ""},
	{"rv keeps its zeros", "", {.random = 0x10, .has_random = true}, "rv:00000000000010"},
	{"rv gone, th kept", "rv:d29d6a7215ced0;th:8", TH(0x80000000000000), "th:8"},
	{"a broken th is replaced", "th:XYZ;a:b", TH(0x80000000000000), "th:8;a:b"},
	{"one that stands twice becomes one", "th:1;a:b;th:2", TH(0x80000000000000), "th:8;a:b"},
	{"what is no part goes", "junk;a:b;;", TH(0x80000000000000), "th:8;a:b"},
};

static void test_ot_write(void **state)
{
	char out[WEIR__OT_MAX], former[320];
	struct weir__ot both = {.threshold = 1, .random = 1, .has_threshold = true, .has_random = true}, back;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(writes); i++) {
		len = weir__ot_write(out, s(writes[i].former), &writes[i].ot);
		if (!is(weir_str_n(out, len), writes[i].written))
			fail_msg("%s: %.*s", writes[i].name, (int)len, out);
	}
	for (size_t fill = 0; fill < 252; fill++) { /* at every length: within 256, ours always there */
		snprintf(former, sizeof former, "a:%.*s;b:1", (int)fill, K255 K255);
		len = weir__ot_write(out, s(former), &both);
		assert_true(len <= WEIR__OT_MAX);
		assert_true(weir__ot_read(weir_str_n(out, len), &back));
		assert_true(back.has_threshold && back.has_random && back.threshold == 1 && back.random == 1);
	}
	assert_int_equal(weir__ot_random_of((const uint8_t *)"\1\2\3\4\5\6\7\10\11\1\0\0\0\0\0\2"), UINT64_C(0x1000000000002));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar), cmocka_unit_test(test_member_limit),
		cmocka_unit_test(test_512_are_kept), cmocka_unit_test(test_small_ones_go_from_the_end),
		cmocka_unit_test(test_a_member_too_long_alone), cmocka_unit_test(test_get_set_remove),
		cmocka_unit_test(test_set_refuses), cmocka_unit_test(test_set_makes_room),
		cmocka_unit_test(test_ot_read), cmocka_unit_test(test_ot_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
