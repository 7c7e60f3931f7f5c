/* src/cli/meaning.c: names, and what a status says. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/meaning.h"

#include <string.h>

static struct model_text text(const char *s)
{
	return (struct model_text){s, (uint32_t)strlen(s)};
}

static void test_labels(void **unused)
{
	(void)unused;
	assert_int_equal(meaning_of_label(text("http.route")), ROLE_ROUTE);
	assert_int_equal(meaning_of_label(text("http_route")), ROLE_ROUTE);
	assert_int_equal(meaning_of_label(text("HTTP.Request.Method")), ROLE_METHOD);
	assert_int_equal(meaning_of_label(text("http.response.status_code")), ROLE_STATUS);
	assert_int_equal(meaning_of_label(text("code")), ROLE_STATUS);
	assert_int_equal(meaning_of_label(text("error.type")), ROLE_ERROR);
	assert_int_equal(meaning_of_label(text("tenant")), ROLE_TENANT);
	assert_int_equal(meaning_of_label(text("url.scheme")), ROLE_NOISE);
	assert_int_equal(meaning_of_label(text("codec")), ROLE_OTHER);
	assert_int_equal(meaning_of_label(text("")), ROLE_OTHER);
}

static void test_statuses(void **unused)
{
	static const struct {
		const char *label, *value;
		enum role role;
		enum outcome is;
	} cases[] = {
		{"code", "200", ROLE_STATUS, OUTCOME_FINE}, {"code", "304", ROLE_STATUS, OUTCOME_FINE}, {"code", "404", ROLE_STATUS, OUTCOME_REFUSED},
		{"code", "429", ROLE_STATUS, OUTCOME_REFUSED}, {"code", "500", ROLE_STATUS, OUTCOME_ERROR}, {"code", "599", ROLE_STATUS, OUTCOME_ERROR},
		{"code", "5xx", ROLE_STATUS, OUTCOME_ERROR}, {"status", "error", ROLE_STATUS, OUTCOME_ERROR}, {"status", "OK", ROLE_STATUS, OUTCOME_FINE},
		{"outcome", "Rejected", ROLE_STATUS, OUTCOME_REFUSED}, {"success", "false", ROLE_STATUS, OUTCOME_ERROR},
		{"success", "true", ROLE_STATUS, OUTCOME_FINE}, {"code", "", ROLE_STATUS, OUTCOME_FINE}, {"code", "5000", ROLE_STATUS, OUTCOME_FINE},
		{"rpc.grpc.status_code", "0", ROLE_STATUS, OUTCOME_FINE}, {"rpc.grpc.status_code", "14", ROLE_STATUS, OUTCOME_ERROR},
		{"rpc.grpc.status_code", "5", ROLE_STATUS, OUTCOME_REFUSED}, {"grpc_code", "Unavailable", ROLE_STATUS, OUTCOME_ERROR},
		{"grpc_code", "OK", ROLE_STATUS, OUTCOME_FINE}, {"grpc_code", "NotFound", ROLE_STATUS, OUTCOME_REFUSED},
		{"error.type", "", ROLE_ERROR, OUTCOME_FINE}, {"error.type", "timeout", ROLE_ERROR, OUTCOME_ERROR},
		{"error", "false", ROLE_ERROR, OUTCOME_FINE}, {"error", "true", ROLE_ERROR, OUTCOME_ERROR}};

	(void)unused;
	for (size_t n = 0; n < sizeof cases / sizeof *cases; n++)
		assert_int_equal(meaning_of_status(cases[n].role, text(cases[n].label), text(cases[n].value)), cases[n].is);
}

static void test_names(void **unused)
{
	char out[MEANING_NAME_MOST], longer[600];

	(void)unused;
	memset(longer, 'A', sizeof longer);
	meaning_normal(out, (struct model_text){longer, sizeof longer});
	assert_int_equal(strlen(out), MEANING_NAME_MOST - 1);
	meaning_normal(out, text("http.server-requests_Total"));
	assert_string_equal(out, "http_server_requests");
	meaning_normal(out, text("x_seconds_total"));
	assert_string_equal(out, "x");
	assert_true(meaning_is_own(text("weir_series")) && meaning_is_own(text("otel.sdk.x")) && meaning_is_own(text("process_threads")));
	assert_false(meaning_is_own(text("weird_total")) || meaning_is_own(text("processes_total")));
	assert_true(meaning_of_name(text("http.server.request.duration")) > meaning_of_name(text("http.client.request.duration")));
	assert_true(meaning_of_name(text("http.server.request.duration")) > meaning_of_name(text("db.client.operation.duration")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_labels), cmocka_unit_test(test_statuses), cmocka_unit_test(test_names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
