/* What claims decide: a table of sets and results, at one moment. */
#define _GNU_SOURCE
#include "claims.h"

#include "alone.h"

#define NOW UINT64_C(1700000000000000000)

static struct weir__jwt_tree tree;
static char bytes[65536];

static enum weir_jwt_result judge(const struct weir__jwt_rules *rules, const char *text, struct weir__jwt_times *times)
{
	size_t len = strlen(text);

	memcpy(bytes, text, len);
	if (!weir__jwt_tree_read(&tree, bytes, len))
		return WEIR_JWT_MALFORMED;
	return weir__jwt_claims_judge(rules, &tree, NOW, times);
}

struct row {
	const char *text;
	enum weir_jwt_result result;
};

static void judges(const struct weir__jwt_rules *rules, const struct row *rows, size_t count)
{
	struct weir__jwt_times times;

	for (size_t i = 0; i < count; i++) {
		enum weir_jwt_result got = judge(rules, rows[i].text, &times);

		if (got != rows[i].result)
			fail_msg("%s is %s, not %s", rows[i].text, weir_jwt_result_text(got), weir_jwt_result_text(rows[i].result));
	}
}

static void numbers(void **state)
{
	static const struct row rows[] = {
	    {"{\"exp\":1700000001}", WEIR_JWT_OK},
	    {"{\"exp\":1700000000}", WEIR_JWT_EXPIRED}, /* on or after */
	    {"{\"exp\":1700000000.000000001}", WEIR_JWT_OK},
	    {"{\"exp\":1700000000.0000000001}", WEIR_JWT_EXPIRED}, /* under a nanosecond */
	    {"{\"exp\":1699999999.999}", WEIR_JWT_EXPIRED},
	    {"{\"exp\":1.8e9}", WEIR_JWT_OK},
	    {"{\"exp\":1800000000.0e0}", WEIR_JWT_OK},
	    {"{\"exp\":18E+8}", WEIR_JWT_OK},
	    {"{\"exp\":18000000000e-1}", WEIR_JWT_OK},
	    {"{\"exp\":17000000005e-1}", WEIR_JWT_OK},
	    {"{\"exp\":16999999995e-1}", WEIR_JWT_EXPIRED},
	    {"{\"exp\":0}", WEIR_JWT_EXPIRED},
	    {"{\"exp\":0e999999999999999999999}", WEIR_JWT_EXPIRED},
	    {"{\"exp\":1e-400}", WEIR_JWT_EXPIRED},
	    {"{\"exp\":9007199254740992}", WEIR_JWT_OK}, /* 2^53 */
	    {"{\"exp\":9007199254740993}", WEIR_JWT_CLAIM},
	    {"{\"exp\":9007199254740992.1}", WEIR_JWT_CLAIM},
	    {"{\"exp\":18446744073709551617}", WEIR_JWT_CLAIM},
	    {"{\"exp\":36893488147419103233000000}", WEIR_JWT_CLAIM},
	    {"{\"exp\":1e16}", WEIR_JWT_CLAIM},
	    {"{\"exp\":1e400}", WEIR_JWT_CLAIM},
	    {"{\"exp\":1e99999999999999999999}", WEIR_JWT_CLAIM},
	    {"{\"exp\":-1}", WEIR_JWT_CLAIM},
	    {"{\"exp\":-0}", WEIR_JWT_CLAIM},
	    {"{\"exp\":-0.0}", WEIR_JWT_CLAIM},
	    {"{\"exp\":\"1800000000\"}", WEIR_JWT_CLAIM},
	    {"{\"exp\":true}", WEIR_JWT_CLAIM},
	    {"{\"exp\":[1800000000]}", WEIR_JWT_CLAIM},
	    {"{\"exp\":{}}", WEIR_JWT_CLAIM},
	    {"{\"exp\":null}", WEIR_JWT_CLAIM},
	    {"{}", WEIR_JWT_CLAIM},
	    {"[]", WEIR_JWT_MALFORMED},
	    {"\"exp\"", WEIR_JWT_MALFORMED},
	    {"null", WEIR_JWT_MALFORMED},
	    {"{\"exp\":NaN}", WEIR_JWT_MALFORMED},
	    {"{\"exp\":1800000000,\"exp\":1800000001}", WEIR_JWT_MALFORMED},
	    {"{\"exp\":1,\"\\u0065xp\":1800000001}", WEIR_JWT_MALFORMED},
	    {"{\"exp\":1800000000,\"nbf\":1700000000}", WEIR_JWT_OK},
	    {"{\"exp\":1800000000,\"nbf\":1700000000.5}", WEIR_JWT_NOT_YET_VALID},
	    {"{\"exp\":1800000000,\"nbf\":1700000001}", WEIR_JWT_NOT_YET_VALID},
	    {"{\"exp\":1800000000,\"nbf\":\"1\"}", WEIR_JWT_CLAIM},
	    {"{\"exp\":1800000000,\"nbf\":-1}", WEIR_JWT_CLAIM},
	    {"{\"exp\":1800000000,\"iat\":1700000001}", WEIR_JWT_NOT_YET_VALID}, /* without a maximum age too */
	    {"{\"exp\":1800000000,\"iat\":1700000000}", WEIR_JWT_OK},
	    {"{\"exp\":1800000000,\"iat\":0}", WEIR_JWT_OK},
	    {"{\"exp\":1800000000,\"nbf\":1600000000,\"iat\":1900000000}", WEIR_JWT_NOT_YET_VALID},
	    {"{\"exp\":1800000000,\"iat\":\"now\"}", WEIR_JWT_CLAIM},
	    {"{\"exp\":1,\"nbf\":1900000000}", WEIR_JWT_EXPIRED},
	};
	const struct weir__jwt_rules rules = {0};

	(void)state;
	judges(&rules, rows, COUNT(rows));
}

static void leeway(void **state)
{
	static const struct row rows[] = {
	    {"{\"exp\":1699999941}", WEIR_JWT_OK},
	    {"{\"exp\":1699999940}", WEIR_JWT_EXPIRED},
	    {"{\"exp\":1800000000,\"nbf\":1700000060}", WEIR_JWT_OK},
	    {"{\"exp\":1800000000,\"nbf\":1700000061}", WEIR_JWT_NOT_YET_VALID},
	    {"{\"exp\":9007199254740992,\"nbf\":0}", WEIR_JWT_OK},
	};
	const struct weir__jwt_rules rules = {.leeway_ns = WEIR_S(60)};

	(void)state;
	judges(&rules, rows, COUNT(rows));
}

static void age(void **state)
{
	static const struct row rows[] = {
	    {"{\"exp\":1800000000}", WEIR_JWT_CLAIM},
	    {"{\"exp\":1800000000,\"iat\":null}", WEIR_JWT_CLAIM},
	    {"{\"exp\":1800000000,\"iat\":1699996395}", WEIR_JWT_OK},
	    {"{\"exp\":1800000000,\"iat\":1699996394}", WEIR_JWT_TOO_OLD},
	    {"{\"exp\":1800000000,\"iat\":0}", WEIR_JWT_TOO_OLD},
	    {"{\"exp\":1800000000,\"iat\":1700000005}", WEIR_JWT_OK},
	    {"{\"exp\":1800000000,\"iat\":1700000006}", WEIR_JWT_NOT_YET_VALID},
	};
	const struct weir__jwt_rules rules = {.leeway_ns = WEIR_S(5), .max_age_ns = WEIR_S(3600)};

	(void)state;
	judges(&rules, rows, COUNT(rows));
}

static void no_expiry(void **state)
{
	static const struct row rows[] = {{"{}", WEIR_JWT_OK}, {"{\"exp\":1}", WEIR_JWT_EXPIRED}, {"{\"exp\":\"1\"}", WEIR_JWT_CLAIM}};
	const struct weir__jwt_rules rules = {.allow_no_expiry = true};

	(void)state;
	judges(&rules, rows, COUNT(rows));
}

static void parties(void **state)
{
#define EXP "\"exp\":1800000000,"
	static const struct row rows[] = {
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":\"shop\"}", WEIR_JWT_OK},
	    {"{" EXP "\"iss\":\"https:\\/\\/id\",\"aud\":\"sh\\u006fp\"}", WEIR_JWT_OK},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":[\"a\",\"shop\"]}", WEIR_JWT_OK},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":[]}", WEIR_JWT_AUDIENCE},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":[\"Shop\",\"shop \",\"sho\",\"shopp\"]}", WEIR_JWT_AUDIENCE},
	    {"{" EXP "\"iss\":\"https://id\"}", WEIR_JWT_AUDIENCE},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":null}", WEIR_JWT_AUDIENCE},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":\"\"}", WEIR_JWT_AUDIENCE},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":[\"shop\",1]}", WEIR_JWT_CLAIM},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":[[\"shop\"]]}", WEIR_JWT_CLAIM},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":{\"shop\":1}}", WEIR_JWT_CLAIM},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":1}", WEIR_JWT_CLAIM},
	    {"{" EXP "\"iss\":\"https://id/\",\"aud\":\"shop\"}", WEIR_JWT_ISSUER},
	    {"{" EXP "\"iss\":\"HTTPS://id\",\"aud\":\"shop\"}", WEIR_JWT_ISSUER},
	    {"{" EXP "\"aud\":\"shop\"}", WEIR_JWT_ISSUER},
	    {"{" EXP "\"iss\":[\"https://id\"],\"aud\":\"shop\"}", WEIR_JWT_CLAIM},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":\"shop\",\"sub\":7}", WEIR_JWT_CLAIM},
	    {"{" EXP "\"iss\":\"https://id\",\"aud\":\"shop\",\"sub\":null}", WEIR_JWT_OK},
	    {"{\"exp\":1,\"iss\":\"x\",\"aud\":\"y\"}", WEIR_JWT_EXPIRED},
	};
	static char issuer[] = "https://id", audience[] = "shop";
	const struct weir__jwt_rules rules = {.issuer = issuer, .audience = audience};

	(void)state;
	judges(&rules, rows, COUNT(rows));
}

static void required(void **state)
{
	static const struct row rows[] = {
	    {"{" EXP "\"jti\":\"x\",\"org\":{\"tenant\":0}}", WEIR_JWT_OK},
	    {"{" EXP "\"jti\":[],\"org\":{\"tenant\":{}}}", WEIR_JWT_OK}, /* of any type */
	    {"{" EXP "\"jti\":\"x\",\"org\":{}}", WEIR_JWT_CLAIM},
	    {"{" EXP "\"jti\":null,\"org\":{\"tenant\":0}}", WEIR_JWT_CLAIM},
	    {"{" EXP "\"org\":{\"tenant\":0}}", WEIR_JWT_CLAIM},
	    {"{" EXP "\"jti\":1,\"/org/tenant\":1}", WEIR_JWT_CLAIM},
	};
	struct weir__jwt_path paths[2];
	struct weir__jwt_rules rules = {.required = paths, .required_count = 2};

	(void)state;
	assert_int_equal(weir__jwt_path_make(&paths[0], "jti"), WEIR_OK);
	assert_int_equal(weir__jwt_path_make(&paths[1], "/org/tenant"), WEIR_OK);
	judges(&rules, rows, COUNT(rows));
	weir__jwt_path_free(&paths[0]);
	weir__jwt_path_free(&paths[1]);
}

/* What a hit looks at again. */
static void later(void **state)
{
	const struct weir__jwt_rules rules = {.leeway_ns = WEIR_S(1), .max_age_ns = WEIR_S(50)};
	struct weir__jwt_times times;

	(void)state;
	assert_int_equal(judge(&rules, "{\"exp\":1700000100.5,\"iat\":1700000000,\"nbf\":1700000000}", &times), WEIR_JWT_OK);
	assert_int_equal(times.expiry_ns, NOW + WEIR_MS(100500));
	assert_int_equal(weir__jwt_claims_in_time(&times, NOW - WEIR_S(1)), WEIR_JWT_OK);
	assert_int_equal(weir__jwt_claims_in_time(&times, NOW - WEIR_S(1) - 1), WEIR_JWT_NOT_YET_VALID);
	assert_int_equal(weir__jwt_claims_in_time(&times, NOW + WEIR_S(51)), WEIR_JWT_OK);
	assert_int_equal(weir__jwt_claims_in_time(&times, NOW + WEIR_S(51) + 1), WEIR_JWT_TOO_OLD);
	assert_int_equal(weir__jwt_claims_in_time(&times, NOW + WEIR_MS(101500)), WEIR_JWT_EXPIRED);
	assert_int_equal(weir__jwt_claims_in_time(&times, UINT64_MAX), WEIR_JWT_EXPIRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(numbers),   cmocka_unit_test(leeway),  cmocka_unit_test(age),
	                                   cmocka_unit_test(no_expiry), cmocka_unit_test(parties), cmocka_unit_test(required),
	                                   cmocka_unit_test(later)};

	return cmocka_run_group_tests_name("jwt_claims", tests, NULL, NULL);
}
