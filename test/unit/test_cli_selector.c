/* src/cli/selector.c: which series are meant; what is wrong with one that is not. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/selector.h"
#include "made_looks.h"

static void test_what_is_no_selector_is_told(void **unused)
{
	static const struct {
		const char *text, *wrong;
	} cases[] = {
		{"", "begins with no name"}, {"{a=\"b\"}", "begins with no name"}, {"a b", "has something other than { behind its name"},
		{"a{", "has no } at its end"}, {"a{b", "has a label without = behind its name"}, {"a{=\"c\"}", "has a label without a name"},
		{"a{b=c}", "has a value without quotes"}, {"a{b=\"c", "has a value whose quotes do not close"}, {"a{b=\"c\\", "has a value whose quotes do not close"},
		{"a{b=\"c\"", "has no } at its end"}, {"a{b=\"c\" d=\"e\"}", "has no comma between two labels"}, {"a{}x", "has something behind its }"},
		{"a{b!=\"c\"}", "has a label without = behind its name"}};
	static struct selector s;
	char many[400] = "a{";

	(void)unused;
	for (size_t n = 0; n < sizeof cases / sizeof *cases; n++)
		assert_string_equal(selector_parse(&s, cases[n].text), cases[n].wrong);
	for (int n = 0; n < 17; n++)
		strcat(many, "b=\"c\",");
	assert_string_equal(selector_parse(&s, strcat(many, "}")), "has more than 16 labels");
}

static void test_what_is_one_is_read(void **unused)
{
	static struct selector s;

	(void)unused;
	assert_null(selector_parse(&s, " http.requests-x { a = \"b\\\"c\\\\d\\ne\\x\" , b=\"\", } "));
	assert_int_equal(s.count, 2);
	assert_int_equal(s.name.len, 15);
	assert_int_equal(s.labels[0].value.len, 9);
	assert_memory_equal(s.labels[0].value.ptr, "b\"c\\d\ne\\x", 9);
	assert_int_equal(s.labels[1].value.len, 0);
	assert_null(selector_parse(&s, "a{}"));
}

static uint32_t meant(const char *text, const struct model *model)
{
	static struct selector s;
	const struct model_instrument *i;
	uint32_t count = 0;

	assert_null(selector_parse(&s, text));
	i = selector_find(&s, model);
	if (i == NULL)
		return UINT32_MAX;
	for (const struct model_series *at = NULL; (at = model_next(model, i, at)) != NULL;)
		count += selector_takes_series(&s, model, i, at);
	return count;
}

static void test_series_by_name_and_labels(void **unused)
{
	struct made m = made_new(0);
	struct look look;

	(void)unused;
	made_labelled(&m, 1, 1, 0, "http.server.requests", (const char *const[]){"http.route", "code", NULL}, NULL, 0, 0, 0);
	made_labelled(&m, 2, 1, 0, "http_server_requests_total", (const char *const[]){NULL}, NULL, 0, 0, 0);
	made_valued(&m, 1, 512, 1, (const char *const[]){"/a", "200", NULL}, 0);
	made_valued(&m, 1, 513, 1, (const char *const[]){"/a", "500", NULL}, 0);
	made_valued(&m, 1, 514, 1, (const char *const[]){"/b", "200", NULL}, 0);
	made_valued(&m, 1, 515, 1, NULL, 0); /* all others */
	made_valued(&m, 2, 516, 1, (const char *const[]){NULL}, 0);
	made_look(&look, &m, 1);
	assert_int_equal(meant("http.server.requests", &look.model), 4);
	assert_int_equal(meant("http_server_requests", &look.model), 4); /* alike: the first */
	assert_int_equal(meant("http_server_requests_total", &look.model), 1); /* its own name goes before one that is alike */
	assert_int_equal(meant("http.server.requests{code=\"200\"}", &look.model), 2);
	assert_int_equal(meant("http.server.requests{http_route=\"/a\",code=\"200\"}", &look.model), 1);
	assert_int_equal(meant("http.server.requests{code=\"20\"}", &look.model), 0);
	assert_int_equal(meant("http.server.requests{method=\"GET\"}", &look.model), UINT32_MAX);
	assert_int_equal(meant("http.server", &look.model), UINT32_MAX);
	look_free(&look);
	free(m.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_selector_is_told),
		cmocka_unit_test(test_what_is_one_is_read),
		cmocka_unit_test(test_series_by_name_and_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
