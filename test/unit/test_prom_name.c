/* Names and text of Prometheus' formats: suffixes, the four schemes, what is no UTF-8. */
#include "name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void suffixes_stand_once(void **state)
{
	static const struct {
		const char *name;
		enum weir_kind kind;
		enum weir_unit unit;
		const char *full;
	} cases[] = {
	    {"http_requests", WEIR_COUNTER_KIND, WEIR_ONE, "http_requests_total"},
	    {"http_requests_total", WEIR_COUNTER_KIND, WEIR_ONE, "http_requests_total"},
	    {"http.requests.total", WEIR_COUNTER_KIND, WEIR_ONE, "http.requests_total"},
	    {"busy_total", WEIR_COUNTER_KIND, WEIR_SECONDS, "busy_seconds_total"},
	    {"busy_seconds_total", WEIR_COUNTER_KIND, WEIR_SECONDS, "busy_seconds_total"},
	    {"busy.seconds", WEIR_OBSERVED_COUNTER_KIND, WEIR_SECONDS, "busy_seconds_total"},
	    {"sent", WEIR_COUNTER_KIND, WEIR_BYTES, "sent_bytes_total"},
	    {"load", WEIR_GAUGE_KIND, WEIR_RATIO, "load_ratio"},
	    {"load_ratio", WEIR_FLOAT_GAUGE_KIND, WEIR_RATIO, "load_ratio"},
	    {"http.server.request.duration", WEIR_HISTOGRAM_KIND, WEIR_SECONDS, "http.server.request.duration_seconds"},
	    {"jobs_total", WEIR_GAUGE_KIND, WEIR_ONE, "jobs_total"}, /* only a counter's is moved */
	    {"build", WEIR_INFO_KIND, WEIR_ONE, "build_info"},
	    {"build_info", WEIR_INFO_KIND, WEIR_ONE, "build_info"},
	    {"total", WEIR_COUNTER_KIND, WEIR_ONE, "total_total"}, /* a name is never nothing but its suffix */
	    {"_total", WEIR_COUNTER_KIND, WEIR_ONE, "_total_total"},
	    {"seconds", WEIR_GAUGE_KIND, WEIR_SECONDS, "seconds_seconds"},
	    {"subtotal", WEIR_COUNTER_KIND, WEIR_ONE, "subtotal_total"},
	    {"x", (enum weir_kind)99, WEIR_ONE, "x"},
	};
	char out[WEIR__NAME_ROOM], longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t len = weir__prom_full_name(out, cases[i].name, cases[i].kind, cases[i].unit);

		assert_string_equal(out, cases[i].full);
		assert_int_equal(len, strlen(out));
	}
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(weir__prom_full_name(out, longest, WEIR_COUNTER_KIND, WEIR_SECONDS), 255 + 8 + 6);
}

static const char *escaped(const char *name, size_t len, enum weir__prom_escaping escaping, bool label, bool quoted)
{
	static char text[512];
	struct weir__out out;

	weir__out_grown(&out, 0);
	assert_true(quoted ? weir__prom_put_name_quoted(&out, name, len, escaping, label)
	                   : weir__prom_put_name(&out, name, len, escaping, label));
	assert_true(weir__out_used(&out) < sizeof text);
	memcpy(text, out.start, weir__out_used(&out));
	text[weir__out_used(&out)] = '\0';
	weir__out_free(&out);
	return text;
}

static void schemes_are_those_of_the_documentation(void **state)
{
	static const struct {
		const char *name;
		bool label;
		const char *underscores, *dots, *values, *utf8;
	} cases[] = {
	    {"metric.name/with/slashes", false, "metric_name_with_slashes", "metric_dot_name_with_slashes",
	     "U__metric_2e_name_2f_with_2f_slashes", "\"metric.name/with/slashes\""},
	    {"metric.name.with.dots", false, "metric_name_with_dots", "metric_dot_name_dot_with_dot_dots",
	     "U__metric_2e_name_2e_with_2e_dots", "\"metric.name.with.dots\""},
	    {"no:escaping_required", false, "no:escaping_required", "no:escaping__required", "no:escaping_required",
	     "no:escaping_required"},
	    {"mysystem.prod.west.cpu.load_total", false, "mysystem_prod_west_cpu_load_total",
	     "mysystem_dot_prod_dot_west_dot_cpu_dot_load__total", "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load__total",
	     "\"mysystem.prod.west.cpu.load_total\""},
	    {"a:b", true, "a_b", "a_b", "U__a_3a_b", "\"a:b\""}, /* a label's name has no colon */
	    {"1st", true, "_st", "_st", "U___31_st", "\"1st\""},
	    {"label with \xf0\x9f\x98\xb1", true, "label_with__", "label_with__", "U__label_20_with_20__1f631_",
	     "\"label with \xf0\x9f\x98\xb1\""},
	    {"bad\xff", true, "bad_", "bad_", "U__bad_FFFD_", "\"bad\xef\xbf\xbd\""},
	    {"q\"\\\n", true, "q___", "q___", "U__q_22__5c__a_", "\"q\\\"\\\\\\n\""},
	    {"__name__", true, "key__name__", "key____name____", "key__name__",
	     "key__name__"}, /* kept for Prometheus */
	    {"_x", true, "_x", "key__x", "_x", "_x"},
	    {"", true, "_", "_", "_", "\"_\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *name = cases[i].name;
		size_t len = strlen(name);
		bool label = cases[i].label;

		assert_string_equal(escaped(name, len, WEIR__ESCAPE_UNDERSCORES, label, true), cases[i].underscores);
		assert_string_equal(escaped(name, len, WEIR__ESCAPE_DOTS, label, true), cases[i].dots);
		assert_string_equal(escaped(name, len, WEIR__ESCAPE_VALUES, label, true), cases[i].values);
		assert_string_equal(escaped(name, len, WEIR__ESCAPE_UTF8, label, true), cases[i].utf8);
	}
	assert_string_equal(escaped("a\0b", 3, WEIR__ESCAPE_VALUES, true, false), "U__a_0_b");
}

/* Whatever bytes a resource's key holds, the name is of the legacy alphabet. */
static void any_bytes_make_a_legacy_name(void **state)
{
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char name[24];
		size_t len = (size_t)round % sizeof name;

		for (size_t i = 0; i < len; i++) {
			random = random * 1664525u + 1013904223u;
			name[i] = (char)(random >> 24);
		}
		for (int scheme = WEIR__ESCAPE_UNDERSCORES; scheme <= WEIR__ESCAPE_VALUES; scheme++) {
			const char *text = escaped(name, len, (enum weir__prom_escaping)scheme, true, true);

			assert_true(weir__prom_is_legacy(text, strlen(text), true));
			assert_int_not_equal(strncmp(text, "__", 2), 0);
		}
	}
}

static void text_is_escaped_and_utf8(void **state)
{
	static const struct {
		const char *in, *plain, *quoted;
	} cases[] = {
	    {"simple", "simple", "simple"},
	    {"a\\b\"c\nd", "a\\\\b\"c\\nd", "a\\\\b\\\"c\\nd"},
	    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xb1", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xb1",
	     "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xb1"},
	    {"\x80", "\xef\xbf\xbd", "\xef\xbf\xbd"},
	    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"}, /* overlong */
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
	     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
	    {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
	     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* past U+10FFFF */
	    {"x\xe2\x82", "x\xef\xbf\xbd\xef\xbf\xbd", "x\xef\xbf\xbd\xef\xbf\xbd"}, /* cut */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int how = WEIR__TEXT_PLAIN; how <= WEIR__TEXT_QUOTED; how++) {
			const char *wanted = how == WEIR__TEXT_PLAIN ? cases[i].plain : cases[i].quoted;
			struct weir__out out;

			weir__out_grown(&out, 0);
			assert_true(
			    weir__prom_put_text(&out, cases[i].in, strlen(cases[i].in), (enum weir__prom_text)how));
			assert_int_equal(weir__out_used(&out), strlen(wanted));
			assert_memory_equal(out.start, wanted, strlen(wanted));
			weir__out_free(&out);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(suffixes_stand_once),
	    cmocka_unit_test(schemes_are_those_of_the_documentation),
	    cmocka_unit_test(any_bytes_make_a_legacy_name),
	    cmocka_unit_test(text_is_escaped_and_utf8),
	};

	return cmocka_run_group_tests_name("prom_name", tests, NULL, NULL);
}
