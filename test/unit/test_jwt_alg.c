/* The table of algorithms: thirteen names, by their exact spelling. */
#include "alg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void by_name(void **state)
{
	static const char *const names[] = {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
	                                    "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"};
	static const char *const others[] = {"", "none", "None", "hs256", "HS256 ", "HS25", "HS2566", "ES256K", "RS1", "eddsa", "Ed25519", "EDDSA"};

	(void)state;
	assert_int_equal(sizeof names / sizeof *names, WEIR__JWT_ALGS);
	for (size_t i = 0; i < WEIR__JWT_ALGS; i++) {
		assert_int_equal(weir__jwt_alg_of(names[i], strlen(names[i])), i);
		assert_string_equal(weir__jwt_alg_facts((enum weir__jwt_alg)i)->name, names[i]);
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_int_equal(weir__jwt_alg_of(others[i], strlen(others[i])), WEIR__JWT_ALGS);
	assert_int_equal(weir__jwt_alg_of("HS256\0", 6), WEIR__JWT_ALGS);
}

static void by_curve(void **state)
{
	(void)state;
	assert_int_equal(weir__jwt_alg_of_curve("P-256"), WEIR__JWT_ES256);
	assert_int_equal(weir__jwt_alg_of_curve("prime256v1"), WEIR__JWT_ES256);
	assert_int_equal(weir__jwt_alg_of_curve("P-384"), WEIR__JWT_ES384);
	assert_int_equal(weir__jwt_alg_of_curve("P-521"), WEIR__JWT_ES512);
	assert_int_equal(weir__jwt_alg_of_curve("Ed25519"), WEIR__JWT_EDDSA);
	assert_int_equal(weir__jwt_alg_of_curve("secp256k1"), WEIR__JWT_ALGS);
	assert_int_equal(weir__jwt_alg_of_curve("P-224"), WEIR__JWT_ALGS);
	assert_int_equal(weir__jwt_alg_of_curve(""), WEIR__JWT_ALGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(by_name), cmocka_unit_test(by_curve)};

	return cmocka_run_group_tests_name("jwt_alg", tests, NULL, NULL);
}
