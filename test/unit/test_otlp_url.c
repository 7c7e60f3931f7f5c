/* Endpoints: which texts are URLs, what is appended, what may be shown. */
#include "url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void right_and_wrong(void **state)
{
	static const char *const right[] = {"http://localhost:4318", "https://a.example", "HTTP://h/", "http://[::1]:4318/x",
	                                    "http://user:pass@h:1/p?q=1", "http://127.0.0.1"};
	static const char *const wrong[] = {"localhost:4318", "ftp://h", "http://", "http:///p", "http://h:99999", "http://h:x",
	                                    "http://h/a b", "http://h/\r\nX: y", "http://[::1", "http://h/#f", "", "file:///etc/passwd",
	                                    "http://h\\x", "//h"};
	char *longest = calloc(1, 4000);

	(void)state;
	for (size_t i = 0; i < sizeof right / sizeof *right; i++)
		if (weir__otlp_url_wrong(right[i]) != NULL)
			fail_msg("%s: %s", right[i], weir__otlp_url_wrong(right[i]));
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (weir__otlp_url_wrong(wrong[i]) == NULL)
			fail_msg("%s is taken", wrong[i]);
	memcpy(longest, "http://h/", 9);
	memset(longest + 9, 'x', 3000);
	assert_non_null(weir__otlp_url_wrong(longest));
	free(longest);
}

static void check(char *made, const char *wanted)
{
	assert_non_null(made);
	assert_string_equal(made, wanted);
	free(made);
}

static void appended(void **state)
{
	(void)state;
	check(weir__otlp_url_append("http://h:1", "v1/traces"), "http://h:1/v1/traces");
	check(weir__otlp_url_append("http://h:1/", "v1/traces"), "http://h:1/v1/traces");
	check(weir__otlp_url_append("http://h/otlp", "v1/traces"), "http://h/otlp/v1/traces");
	check(weir__otlp_url_append("http://h/otlp/?key=1", "v1/traces"), "http://h/otlp/v1/traces?key=1");
	check(weir__otlp_url_append("http://h?key=1", "v1/traces"), "http://h/v1/traces?key=1");
}

static void shown(void **state)
{
	char host[64];
	unsigned port = 0;

	(void)state;
	check(weir__otlp_url_shown("https://user:secret@h:8443/p/v1?token=secret"), "https://h:8443/p/v1");
	check(weir__otlp_url_shown("http://secret@h/p"), "http://h/p");
	assert_true(weir__otlp_url_server("https://u:p@h.example/p", host, sizeof host, &port));
	assert_string_equal(host, "h.example");
	assert_int_equal(port, 443);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(right_and_wrong), cmocka_unit_test(appended), cmocka_unit_test(shown)};

	return cmocka_run_group_tests_name("otlp_url", tests, NULL, NULL);
}
