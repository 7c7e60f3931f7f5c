/* JSON read in place, and pointers into it: what is read, and all that is refused. */
#define _GNU_SOURCE
#include "path.h"
#include "tree.h"

#include "alone.h"

static struct weir__jwt_tree tree;
static char bytes[65536];

static bool reads(struct weir_str text)
{
	memcpy(bytes, text.ptr, text.len);
	return weir__jwt_tree_read(&tree, bytes, text.len);
}

static void good(void **state)
{
	static const char *const texts[] = {"{}", "[]", "0", "-0", "-0.5e+3", "1e400", "\"\"", "true", "false", "null", " { \"a\" : [ 1 , 2 ] } ",
	                                    "{\"a\":{\"a\":{}}}", "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"", "\"\x7f\"", "[[],{}]"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!reads(weir_str_of(texts[i])))
			fail_msg("refused: %s", texts[i]);
}

static void bad(void **state)
{
	static const struct weir_str texts[] = {
	    {"", 0}, {"{", 1}, {"}", 1}, {"{\"a\"}", 5}, {"{\"a\":}", 6}, {"{\"a\":1,}", 8}, {"{,}", 3}, {"[1,]", 4}, {"[1 2]", 5},
	    {"01", 2}, {"1.", 2}, {".5", 2}, {"+1", 2}, {"1e", 2}, {"1e+", 3}, {"--1", 3}, {"0x1", 3}, {"NaN", 3}, {"Infinity", 8},
	    {"tru", 3}, {"truex", 5}, {"nul", 3}, {"'a'", 3}, {"\"a", 2}, {"\"\\", 2}, {"\"\\x\"", 4}, {"\"\\u12\"", 6}, {"\"\\u12g4\"", 8},
	    {"\"\n\"", 3}, {"\"\0\"", 3}, {"\"\\u0000\"", 8}, {"\"\\ud800\"", 8}, {"\"\\udc00\"", 8}, {"\"\\ud800\\u0041\"", 14},
	    {"\"\x80\"", 3}, {"\"\xc0\xaf\"", 4}, {"\"\xc1\xbf\"", 4}, {"\"\xe0\x80\xaf\"", 5}, {"\"\xed\xa0\x80\"", 5},
	    {"\"\xf4\x90\x80\x80\"", 6}, {"\"\xf5\x80\x80\x80\"", 6}, {"\"\xe2\x82\"", 4}, {"\"\xf0\x9f\x98", 4}, {"{} {}", 5}, {"{}\0", 3},
	    {"\xef\xbb\xbf{}", 5}, {"{\"a\":1,\"a\":2}", 13}, {"{\"a\":1,\"b\":2,\"\\u0061\":3}", 24}, {"{1:2}", 5}, {"// \n1", 5},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (reads(texts[i]))
			fail_msg("taken: number %zu, %s", i, texts[i].ptr);
}

/* One more than the bound is refused, the bound is not. */
static void bounds(void **state)
{
	char text[65536];
	size_t len;

	(void)state;
	for (size_t depth = WEIR__JWT_DEPTH; depth <= WEIR__JWT_DEPTH + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(reads(weir_str_n(text, 2 * depth)), depth == WEIR__JWT_DEPTH);
	}
	memset(text, '[', 60000);
	assert_false(reads(weir_str_n(text, 60000)));
	for (size_t values = WEIR__JWT_NODES - 1; values <= WEIR__JWT_NODES; values++) { /* the array is one as well */
		len = 0;
		for (size_t i = 0; i < values; i++)
			len += (size_t)sprintf(text + len, "%s1", i != 0 ? "," : "[");
		text[len++] = ']';
		assert_int_equal(reads(weir_str_n(text, len)), values == WEIR__JWT_NODES - 1);
	}
	for (size_t members = WEIR__JWT_MEMBERS; members <= WEIR__JWT_MEMBERS + 1; members++) {
		len = 0;
		for (size_t i = 0; i < members; i++)
			len += (size_t)sprintf(text + len, "%s\"m%zu\":1", i != 0 ? "," : "{", i);
		text[len++] = '}';
		assert_int_equal(reads(weir_str_n(text, len)), members == WEIR__JWT_MEMBERS);
	}
}

static void unescapes(void **state)
{
	struct weir_str text;

	(void)state;
	assert_true(reads(STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\u20ac\\ud83d\\ude00z\"")));
	text = weir__jwt_tree_text(&tree, &tree.nodes[0]);
	assert_int_equal(text.len, 8 + 2 + 3 + 4 + 1);
	assert_memory_equal(text.ptr, "\"\\/\b\f\n\r\t\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z", text.len);
}

static void finds(const char *claim, const char *wanted)
{
	const struct weir__jwt_node *node;
	struct weir__jwt_path path;
	struct weir_str text;

	assert_int_equal(weir__jwt_path_make(&path, claim), WEIR_OK);
	node = weir__jwt_path_find(&path, &tree);
	if ((node != NULL) != (wanted != NULL))
		fail_msg("%s is %sthere", claim, node == NULL ? "not " : "");
	if (node != NULL) {
		text = weir__jwt_tree_text(&tree, node);
		assert_int_equal(text.len, strlen(wanted));
		assert_memory_equal(text.ptr, wanted, text.len);
	}
	weir__jwt_path_free(&path);
}

/* RFC 6901, section 5 and around it; a name that is no pointer is a member as it stands. */
static void pointers(void **state)
{
	(void)state;
	assert_true(reads(STR("{\"foo\":[\"bar\",\"baz\",[7]],\"\":0,\"a/b\":1,\"c%d\":2,\"m~n\":8,\"o\":{\"p\":{\"q\":\"deep\"}},\"none\":null,"
	                      "\"https://example.com/tenant\":\"acme\",\"01\":\"x\",\"~1\":\"t\"}")));
	finds("/foo/0", "bar");
	finds("/foo/1", "baz");
	finds("/foo/2/0", "7");
	finds("/foo/3", NULL);
	finds("/foo/-", NULL);
	finds("/foo/00", NULL);
	finds("/foo/01", NULL);
	finds("/foo/1e0", NULL);
	finds("/foo/99999999999999999999", NULL);
	finds("/foo/", NULL);
	finds("/", "0");
	finds("/a~1b", "1");
	finds("/c%d", "2");
	finds("/m~0n", "8");
	finds("/~01", "t");
	finds("/o/p/q", "deep");
	finds("/o/p/q/r", NULL);
	finds("/none", NULL);
	finds("/none/x", NULL);
	finds("/01", "x");
	finds("https://example.com/tenant", "acme");
	finds("a/b", "1");
	finds("o", "");
	finds("p", NULL);
}

static void no_pointers(void **state)
{
	static const char *const claims[] = {"", "/~", "/a~", "/~2", "/a/~x/b", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"};
	struct weir__jwt_path path;

	(void)state;
	for (size_t i = 0; i < COUNT(claims); i++)
		assert_int_equal(weir__jwt_path_make(&path, claims[i]), WEIR_EINVAL);
	assert_int_equal(weir__jwt_path_make(&path, NULL), WEIR_EINVAL);
	assert_int_equal(weir__jwt_path_make(&path, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15"), WEIR_OK);
	weir__jwt_path_free(&path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good),      cmocka_unit_test(bad),      cmocka_unit_test(bounds),
	                                   cmocka_unit_test(unescapes), cmocka_unit_test(pointers), cmocka_unit_test(no_pointers)};

	return cmocka_run_group_tests_name("jwt_tree", tests, NULL, NULL);
}
