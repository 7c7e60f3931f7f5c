/* A header's members, and the type that is asked for. What is hostile stands in test_jwt_attacks_header. */
#include "header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static enum weir_jwt_result read_header(struct weir__jws_header *h, const char *text, const char *type)
{
	return weir__jws_header_read(h, text, strlen(text), type);
}

static void what_it_says(void **state)
{
	struct weir__jws_header h;

	(void)state;
	assert_int_equal(read_header(&h, "{\"alg\":\"ES384\",\"kid\":\"a b\"}", NULL), WEIR_JWT_OK);
	assert_int_equal(h.alg, WEIR__JWT_ES384);
	assert_int_equal(h.kid_len, 3);
	assert_memory_equal(h.kid, "a b", 3);
	weir__jws_header_free(&h);
	assert_int_equal(read_header(&h, "{\"alg\":\"EdDSA\"}", NULL), WEIR_JWT_OK);
	assert_int_equal(h.alg, WEIR__JWT_EDDSA);
	assert_null(h.kid);
	weir__jws_header_free(&h);
	assert_int_equal(read_header(&h, "{\"alg\":\"EdDSA\",\"kid\":\"\"}", NULL), WEIR_JWT_OK);
	assert_non_null(h.kid); /* an empty one is one */
	weir__jws_header_free(&h);
}

static void type(void **state)
{
	static const struct {
		const char *said, *asked;
		enum weir_jwt_result result;
	} cases[] = {
	    {NULL, NULL, WEIR_JWT_OK},
	    {NULL, "JWT", WEIR_JWT_TYPE},
	    {"JWT", NULL, WEIR_JWT_OK},
	    {"JWT", "JWT", WEIR_JWT_OK},
	    {"jwt", "JWT", WEIR_JWT_OK},
	    {"application/jwt", "JWT", WEIR_JWT_OK},
	    {"JWT", "Application/JWT", WEIR_JWT_OK},
	    {"at+jwt", "at+jwt", WEIR_JWT_OK},
	    {"application/at+jwt", "at+jwt", WEIR_JWT_OK},
	    {"at+JWT", "application/at+jwt", WEIR_JWT_OK},
	    {"JWT", "at+jwt", WEIR_JWT_TYPE},
	    {"at+jwt", "JWT", WEIR_JWT_TYPE},
	    {"at+jwt ", "at+jwt", WEIR_JWT_TYPE},
	    {"application/application/at+jwt", "at+jwt", WEIR_JWT_TYPE},
	    {"text/at+jwt", "at+jwt", WEIR_JWT_TYPE},
	    {"", "at+jwt", WEIR_JWT_TYPE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir__jws_header h;
		char text[200];
		enum weir_jwt_result result;

		snprintf(text, sizeof text, cases[i].said != NULL ? "{\"alg\":\"HS256\",\"typ\":\"%s\"}" : "{\"alg\":\"HS256\"}", cases[i].said);
		result = read_header(&h, text, cases[i].asked);
		if (result != cases[i].result)
			fail_msg("%s, asked for %s: %s", text, cases[i].asked, weir_jwt_result_text(result));
		if (result == WEIR_JWT_OK)
			weir__jws_header_free(&h);
		else
			assert_null(h.object);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_it_says), cmocka_unit_test(type)};

	return cmocka_run_group_tests_name("jwt_header", tests, NULL, NULL);
}
