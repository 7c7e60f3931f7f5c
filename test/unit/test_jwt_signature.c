/* Every algorithm verifies what it signed, and nothing that differs in one bit, in length, or in its algorithm. */
#include "jwt_mint.h"
#include "key.h"

#include <openssl/err.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char payload[] = "{\"sub\":\"somebody\"}";

static enum weir_jwt_result verify(const struct weir_jwks *keys, const char *token)
{
	char out[256];
	size_t len = 99;
	enum weir_jwt_result result = weir_jws_verify(keys, weir_str_of(token), out, sizeof out, &len);

	assert_int_equal(len, result == WEIR_JWT_OK ? strlen(payload) : 0);
	if (result == WEIR_JWT_OK)
		assert_memory_equal(out, payload, len);
	return result;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void every_algorithm(void **state)
{
	(void)state;
	for (int a = 0; a < WEIR__JWT_ALGS; a++) {
		enum weir__jwt_alg alg = (enum weir__jwt_alg)a;
		struct mint_key key = mint_key_new(alg);
		struct weir_jwks *keys;
		char *token = mint_plain(&key, alg, "one", payload);
		size_t len = strlen(token), signature = (size_t)(strrchr(token, '.') + 1 - token);

		assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
		assert_int_equal(mint_add(keys, &key, alg, "one"), WEIR_OK);
		if (verify(keys, token) != WEIR_JWT_OK)
			fail_msg("%s does not verify its own", weir__jwt_alg_facts(alg)->name);
		/* to the last but one: the last digit's low bits must be zero, and that one is in the last byte too */
		for (size_t i = signature; i + 1 < len; i = i + 7 < len - 1 || i == len - 2 ? i + 7 : len - 2) {
			char was = token[i];

			token[i] = digits[(strchr(digits, was) - digits) ^ 1]; /* one bit */
			if (verify(keys, token) != WEIR_JWT_BAD_SIGNATURE)
				fail_msg("%s: digit %zu of the signature does not count", weir__jwt_alg_facts(alg)->name, i - signature);
			token[i] = was;
		}
		token[signature - 3] = token[signature - 3] == 'Q' ? 'R' : 'Q'; /* of the payload */
		assert_int_equal(verify(keys, token), WEIR_JWT_BAD_SIGNATURE);
		weir_jwks_destroy(keys);
		EVP_PKEY_free(key.pkey);
		free(token);
	}
}

/* A key of each, a token of each; the same RSA key for RS and PS, the same secret for all HS. */
static void crossings(void **state)
{
	struct mint_key made[WEIR__JWT_ALGS];

	(void)state;
	for (int a = 0; a < WEIR__JWT_ALGS; a++) {
		made[a] = mint_key_new((enum weir__jwt_alg)a);
		if (a > WEIR__JWT_RS256 && a <= WEIR__JWT_PS512) {
			EVP_PKEY_free(made[a].pkey);
			made[a].pkey = made[WEIR__JWT_RS256].pkey;
		} else if (a < WEIR__JWT_HS512) {
			made[a].secret_len = 64;
		}
	}
	for (int k = 0; k < WEIR__JWT_ALGS; k++) {
		struct weir_jwks *keys;

		assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
		assert_int_equal(mint_add(keys, &made[k], (enum weir__jwt_alg)k, "one"), WEIR_OK);
		for (int t = 0; t < WEIR__JWT_ALGS; t++) {
			char header[128], *token = mint_plain(&made[t], (enum weir__jwt_alg)t, "one", payload);

			assert_int_equal(verify(keys, token), t == k ? WEIR_JWT_OK : WEIR_JWT_ALG_NOT_ALLOWED);
			free(token);
			/* and with the key's algorithm claimed, but signed by another one */
			snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"one\"}",
			         weir__jwt_alg_facts((enum weir__jwt_alg)k)->name);
			token = mint(&made[t], (enum weir__jwt_alg)t, header, payload);
			assert_int_equal(verify(keys, token), t == k ? WEIR_JWT_OK : WEIR_JWT_BAD_SIGNATURE);
			free(token);
		}
		weir_jwks_destroy(keys);
	}
	for (int a = 0; a < WEIR__JWT_ALGS; a++)
		if (a <= WEIR__JWT_RS256 || a > WEIR__JWT_PS512)
			EVP_PKEY_free(made[a].pkey);
}

/* What libcrypto told the host before is not taken for the reason of a refusal, and stays where it was. */
static void errors_of_the_host(void **state)
{
	(void)state;
	for (int a = 0; a < WEIR__JWT_ALGS; a++) {
		enum weir__jwt_alg alg = (enum weir__jwt_alg)a;
		struct mint_key first = mint_key_new(alg), second = mint_key_new(alg);
		struct weir_jwks *keys;
		char header[32], *token;

		if (weir__jwt_alg_facts(alg)->family == WEIR__JWT_HMAC) /* all of these have one secret */
			continue;
		snprintf(header, sizeof header, "{\"alg\":\"%s\"}", weir__jwt_alg_facts(alg)->name);
		token = mint(&second, alg, header, payload);
		assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
		assert_int_equal(mint_add(keys, &first, alg, NULL), WEIR_OK);
		ERR_clear_error();
		ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
		if (verify(keys, token) != WEIR_JWT_BAD_SIGNATURE)
			fail_msg("%s: the host's error is taken for its own", weir__jwt_alg_facts(alg)->name);
		assert_int_equal(mint_add(keys, &second, alg, NULL), WEIR_OK);
		if (verify(keys, token) != WEIR_JWT_OK) /* the second key is tried */
			fail_msg("%s: the host's error keeps it from the second key", weir__jwt_alg_facts(alg)->name);
		assert_int_equal(ERR_GET_REASON(ERR_get_error()), ERR_R_MALLOC_FAILURE);
		assert_int_equal(ERR_get_error(), 0);
		weir_jwks_destroy(keys);
		EVP_PKEY_free(first.pkey);
		EVP_PKEY_free(second.pkey);
		free(token);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_algorithm), cmocka_unit_test(crossings),
	                                   cmocka_unit_test(errors_of_the_host)};

	return cmocka_run_group_tests_name("jwt_signature", tests, NULL, NULL);
}
