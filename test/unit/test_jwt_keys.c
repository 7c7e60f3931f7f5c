/* The functions that fill a set: all of a JWKS or nothing of it, bounds, and libcrypto's error queue as the host left it. */
#include "jwt_mint.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <openssl/err.h>

#define ED(kid) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"" kid "}"

static struct weir_jwks *keys;

static int set_up(void **state)
{
	(void)state;
	return weir_jwks_new(&keys);
}

static int tear_down(void **state)
{
	(void)state;
	weir_jwks_destroy(keys);
	return 0;
}

static void sets(void **state)
{
	static const struct {
		const char *json;
		int error;
		size_t added;
	} cases[] = {
	    {"{\"keys\":[]}", WEIR_OK, 0},
	    {"{\"keys\":[" ED(",\"kid\":\"a\"") "," ED(",\"kid\":\"b\"") "]}", WEIR_OK, 2},
	    {"{\"keys\":[" ED(",\"kid\":\"c\"") "," ED(",\"kid\":\"c\"") "]}", WEIR_ECONFLICT, 0}, /* within it */
	    {"{\"keys\":[" ED(",\"kid\":\"d\"") "," ED(",\"kid\":\"a\"") "]}", WEIR_ECONFLICT, 0}, /* with what is there */
	    {"{\"keys\":[" ED("") "," ED(",\"kid\":\"d\"") "]}", WEIR_OK, 2},
	    {"{\"keys\":[" ED("") "]}", WEIR_ECONFLICT, 0},
	    {"{\"keys\":{}}", WEIR_EINVAL, 0},
	    {"{\"keys\":null}", WEIR_EINVAL, 0},
	    {"{}", WEIR_EINVAL, 0},
	    {"[]", WEIR_EINVAL, 0},
	    {"", WEIR_EINVAL, 0},
	    {"{\"keys\":[],\"keys\":[]}", WEIR_EINVAL, 0},
	    {"{\"keys\":[]}}", WEIR_EINVAL, 0},
	    {"{\"keys\":[{\"a\":[[[[[[[1]]]]]]]}]}", WEIR_EINVAL, 0}, /* deeper than 8 */
	};
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t added = 99;
		int error = weir_jwks_add_jwks(keys, weir_str_of(cases[i].json), &added);

		count += cases[i].added;
		if (error != cases[i].error || added != cases[i].added || weir_jwks_count(keys) != count)
			fail_msg("%s: %s, %zu added, %zu there", cases[i].json, weir_error_name(error), added, weir_jwks_count(keys));
	}
	assert_int_equal(weir_jwks_add_jwks(keys, weir_str_of("{\"keys\":[]}"), NULL), WEIR_OK);
}

static void too_many(void **state)
{
	char *json = malloc(2 << 20), *at = json + sprintf(json, "{\"keys\":[");
	size_t added;

	(void)state;
	for (int i = 0; i < 257; i++)
		at += sprintf(at, "%s" ED(",\"kid\":\"%d\""), i != 0 ? "," : "", i);
	strcpy(at, "]}");
	assert_int_equal(weir_jwks_add_jwks(keys, weir_str_of(json), &added), WEIR_ELIMIT);
	assert_int_equal(weir_jwks_count(keys), 0);
	memset(json, ' ', 2 << 20);
	memcpy(json, "{\"keys\":[]}", 11);
	assert_int_equal(weir_jwks_add_jwks(keys, weir_str_n(json, 1 << 20), &added), WEIR_OK);
	assert_int_equal(weir_jwks_add_jwks(keys, weir_str_n(json, (1 << 20) + 1), &added), WEIR_ELIMIT);
	assert_int_equal(weir_jwks_add_jwk(keys, weir_str_n(json, (1 << 20) + 1)), WEIR_ELIMIT);
	at = json + sprintf(json, "{\"kid\":\"");
	memset(at, 'k', 1025);
	strcpy(at + 1025, "\"," ED("") );
	memmove(at + 1026 + 1, at + 1026 + 2, strlen(at + 1026 + 2) + 1); /* the two objects become one */
	assert_int_equal(weir_jwks_add_jwk(keys, weir_str_of(json)), WEIR_ELIMIT);
	free(json);
}

static void nothing_given(void **state)
{
	struct weir_str none = {NULL, 0}, lies = {NULL, 64};

	(void)state;
	assert_int_equal(weir_jwks_add_pem(NULL, NULL, NULL, none), WEIR_EINVAL);
	assert_int_equal(weir_jwks_add_secret(NULL, NULL, "HS256", none), WEIR_EINVAL);
	assert_int_equal(weir_jwks_add_jwk(NULL, none), WEIR_EINVAL);
	assert_int_equal(weir_jwks_add_jwks(NULL, none, NULL), WEIR_EINVAL);
	assert_int_equal(weir_jwks_add_pem(keys, NULL, NULL, none), WEIR_EINVAL);
	assert_int_equal(weir_jwks_add_secret(keys, NULL, "HS256", none), WEIR_EINVAL);
	assert_int_equal(weir_jwks_add_secret(keys, NULL, "HS256", lies), WEIR_EINVAL);
	assert_int_equal(weir_jwks_add_jwk(keys, none), WEIR_EINVAL);
	assert_int_equal(weir_jwks_add_jwks(keys, none, NULL), WEIR_EINVAL);
	assert_int_equal(weir_jwks_count(keys), 0);
}

/* Ours are taken off, the host's stay. */
static void error_queue(void **state)
{
	static const char *const bad[] = {
	    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}",
	    "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
	};
	static const enum weir__jwt_alg algs[] = {WEIR__JWT_HS256, WEIR__JWT_RS256, WEIR__JWT_PS256, WEIR__JWT_ES256, WEIR__JWT_EDDSA};
	unsigned long mine[3];

	(void)state;
	for (int host = 0; host <= 3; host++) {
		ERR_clear_error();
		for (int i = 0; i < host; i++)
			ERR_raise(ERR_LIB_USER, 100 + i);
		for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
			assert_int_equal(weir_jwks_add_jwk(keys, weir_str_of(bad[i])), WEIR_EINVAL);
		weir_jwks_add_jwks(keys, weir_str_of("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}"), NULL);
		weir_jwks_add_pem(keys, NULL, NULL, weir_str_of("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
		weir_jwks_add_secret(keys, NULL, "HS256", weir_str_of("short"));
		for (size_t a = 0; a < sizeof algs / sizeof *algs; a++) {
			struct mint_key key = mint_key_new(algs[a]);
			char *token = mint_plain(&key, algs[a], NULL, "{}"), out[64], *digit = strrchr(token, '.') + 5;
			struct weir_jwks *one;

			assert_int_equal(weir_jwks_new(&one), WEIR_OK);
			assert_int_equal(mint_add(one, &key, algs[a], NULL), WEIR_OK);
			assert_int_equal(weir_jws_verify(one, weir_str_of(token), out, sizeof out, NULL), WEIR_JWT_OK);
			*digit = *digit == 'A' ? 'B' : 'A';
			assert_int_equal(weir_jws_verify(one, weir_str_of(token), out, sizeof out, NULL), WEIR_JWT_BAD_SIGNATURE);
			weir_jwks_destroy(one);
			EVP_PKEY_free(key.pkey);
			free(token);
		}
		for (int i = 0; i < host; i++) {
			mine[i] = ERR_get_error();
			assert_int_equal(ERR_GET_LIB(mine[i]), ERR_LIB_USER);
			assert_int_equal(ERR_GET_REASON(mine[i]), 100 + i);
		}
		assert_int_equal(ERR_get_error(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(sets, set_up, tear_down), cmocka_unit_test_setup_teardown(too_many, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(nothing_given, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(error_queue, set_up, tear_down)};

	return cmocka_run_group_tests_name("jwt_keys", tests, NULL, NULL);
}
