/* Unit: src/console_text.c: a span as lines; what a terminal would act on is made harmless. Golden text. */
#define _GNU_SOURCE
#include "console_text.h"

#include "alone.h"

static void is_text(const struct weir_ended *e, const char *wanted)
{
	struct weir__text t = {NULL, 0, 0, false};

	weir__text_span(&t, e);
	assert_false(t.failed);
	weir__text_put(&t, "", 1);
	assert_string_equal(t.ptr, wanted);
	free(t.ptr);
}

static struct weir_ended span(struct weir_str name)
{
	struct weir_ended e;

	memset(&e, 0, sizeof e);
	e.name = name;
	e.kind = WEIR_INTERNAL;
	memcpy(e.ids.span_id, "\x00\xf0\x67\xaa\x0b\xa9\x02\xb7", 8);
	e.start_ns = WEIR_S(1000);
	e.end_ns = WEIR_S(1000) + 1500000;
	return e;
}

static void all_of_a_span_is_there(void **state)
{
	static const struct weir_str texts[] = {{"a", 1}, {"b\"c", 3}};
	static const bool bools[] = {true, false};
	static const int64_t ints[] = {-1, INT64_MAX};
	static const double doubles[] = {0.5, 1e300};
	const struct weir_attr attrs[] = {
		weir_attr_str("http.route", "/orders/{id}"), weir_attr_bool("b", true), weir_attr_int("i", INT64_MIN),
		weir_attr_double("d", 0.1), weir_attr_bytes("bytes", STR("\0\xff")), weir_attr_strs("ss", (struct weir_list){texts, 2}),
		weir_attr_bools("bs", (struct weir_list){bools, 2}), weir_attr_ints("is", (struct weir_list){ints, 2}),
		weir_attr_doubles("ds", (struct weir_list){doubles, 2}), weir_attr_strs("none", (struct weir_list){NULL, 0}),
		weir_attr_str("empty", ""),
	};
	const struct weir_event events[] = {
		{STR("retry"), WEIR_S(1000) + 1200000, 3, {attrs + 1, 2}},
		{STR("before"), WEIR_S(1000) - 10, 0, {NULL, 0}},
	};
	const uint64_t links_dropped[] = {0, 1};
	struct weir_link links[2];
	struct weir_ended e = span(STR("GET /orders/{id}"));

	(void)state;
	memset(links, 0, sizeof links);
	memset(links[0].ids.trace_id, 0xab, 16);
	memset(links[0].ids.span_id, 0xcd, 8);
	links[1] = links[0];
	links[0].attrs = (struct weir_attrs){attrs + 3, 1};
	e.kind = WEIR_SERVER;
	e.status = WEIR_STATUS_ERROR;
	e.failure = STR("the store\nis away");
	e.attrs = (struct weir_attrs){attrs, COUNT(attrs)};
	e.events = events;
	e.events_count = 2;
	e.links = links;
	e.links_count = 2;
	e.links_dropped_attrs = links_dropped;
	e.tracestate = STR("ot=th:8,x=y");
	e.dropped_attrs = 1;
	e.dropped_links = 7;
	is_text(&e, "GET /orders/{id} [server] 1.5 ms error \"the store\\nis away\" span=00f067aa0ba902b7\n"
	            "| http.route=\"/orders/{id}\"\n"
	            "| b=true\n"
	            "| i=-9223372036854775808\n"
	            "| d=0.1\n"
	            "| bytes=0x00ff\n"
	            "| ss=[\"a\", \"b\\\"c\"]\n"
	            "| bs=[true, false]\n"
	            "| is=[-1, 9223372036854775807]\n"
	            "| ds=[0.5, 1e+300]\n"
	            "| none=[]\n"
	            "| empty=\"\"\n"
	            "| event +1.2 ms retry b=true i=-9223372036854775808 (3 attributes dropped)\n"
	            "| event -10 ns before\n"
	            "| link trace=abababababababababababababababab span=cdcdcdcdcdcdcdcd d=0.1\n"
	            "| link trace=abababababababababababababababab span=cdcdcdcdcdcdcdcd (1 attributes dropped)\n"
	            "| tracestate ot=th:8,x=y\n"
	            "| dropped: 1 attributes, 0 events, 7 links\n");
}

static void times_have_their_unit(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {{0, "0 ns"},          {999, "999 ns"},        {1000, "1 us"},   {1500, "1.5 us"}, {999999, "999.999 us"},
	             {1000000, "1 ms"},    {WEIR_S(1), "1 s"},     {1500000001, "1.500000001 s"}, {WEIR_S(90), "90 s"}};
	char wanted[128];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct weir_ended e = span(STR("x"));

		e.status = WEIR_STATUS_OK;
		e.end_ns = e.start_ns + cases[i].ns;
		snprintf(wanted, sizeof wanted, "x [internal] %s ok span=00f067aa0ba902b7\n", cases[i].text);
		is_text(&e, wanted);
	}
}

static void what_would_move_a_terminal_is_harmless(void **state)
{
	static const struct {
		struct weir_str name;
		const char *text;
	} cases[] = {
		{{"\x1b[2J\x07", 5}, "\\x1b[2J\\x07"},
		{{"a\0b\r\n\t\x7f", 7}, "a\\x00b\\x0d\\n\\t\\x7f"},
		{{"\xc2\x9b" "31m", 5}, "\\xc2\\x9b31m"},             /* the control sequence introducer in one character */
		{{"\xe2\x80\xae" "gpj", 6}, "\\xe2\\x80\\xaegpj"},    /* what follows from right to left */
		{{"\xe2\x80\xa8", 3}, "\\xe2\\x80\\xa8"},
		{{"\xff\xc3", 2}, "\\xff\\xc3"},                     /* no UTF-8 */
		{{"\xc0\x80\xed\xa0\x80", 5}, "\\xc0\\x80\\xed\\xa0\\x80"}, /* overlong, half a pair */
		{{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15}, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
		{{"back\\slash \"q\"", 14}, "back\\\\slash \"q\""},
		{{"", 0}, ""},
	};
	char wanted[256];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct weir_ended e = span(cases[i].name);
		struct weir_attr a = weir_attr_str("k\n", NULL);

		a.as.str = (struct weir_str){"v\n\"", 3};
		e.attrs = (struct weir_attrs){&a, 1};
		e.kind = (enum weir_span_kind)77;
		snprintf(wanted, sizeof wanted, "%s [?] 1.5 ms span=00f067aa0ba902b7\n| k\\n=\"v\\n\\\"\"\n", cases[i].text);
		is_text(&e, wanted);
	}
}

static void long_bytes_are_cut(void **state)
{
	static const char bytes[1000] = "";
	struct weir_attr a = weir_attr_bytes("b", weir_str_n(bytes, sizeof bytes));
	struct weir_ended e = span(STR("x"));
	char wanted[512] = "x [internal] 1.5 ms span=00f067aa0ba902b7\n| b=0x";

	(void)state;
	e.attrs = (struct weir_attrs){&a, 1};
	memset(wanted + strlen(wanted), '0', 128);
	strcat(wanted, "... (1000 bytes)\n");
	is_text(&e, wanted);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(all_of_a_span_is_there),
	cmocka_unit_test(times_have_their_unit),
	cmocka_unit_test(what_would_move_a_terminal_is_harmless),
	cmocka_unit_test(long_bytes_are_cut),
};
int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
