/* A key's rules: what is too weak, which algorithms fit which type, who lets it go. Bad JWKs stand in test_jwt_jwk. */
#include "jwt_mint.h"
#include "key.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <openssl/x509.h>

static int add_public(EVP_PKEY *pkey, const char *alg)
{
	struct weir_str pem = mint_public_pem(pkey);
	struct weir_jwks *keys;
	int error;

	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	error = weir_jwks_add_pem(keys, NULL, alg, pem);
	assert_int_equal(weir_jwks_count(keys), error == WEIR_OK ? 1 : 0);
	weir_jwks_destroy(keys);
	free((char *)(uintptr_t)pem.ptr);
	return error;
}

static void algorithms_of_types(void **state)
{
	static const char *const names[] = {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
	                                    "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"};
	static const enum weir__jwt_alg types[] = {WEIR__JWT_RS256, WEIR__JWT_ES256, WEIR__JWT_ES384, WEIR__JWT_ES512, WEIR__JWT_EDDSA};

	(void)state;
	for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
		struct mint_key key = mint_key_new(types[t]);

		assert_int_equal(add_public(key.pkey, NULL), WEIR_OK);
		assert_int_equal(add_public(key.pkey, "none"), WEIR_EUNSUPPORTED);
		assert_int_equal(add_public(key.pkey, ""), WEIR_EUNSUPPORTED);
		for (int a = 0; a < WEIR__JWT_ALGS; a++) {
			bool fits = types[t] == WEIR__JWT_RS256 ? a >= WEIR__JWT_RS256 && a <= WEIR__JWT_PS512 : a == (int)types[t];

			assert_int_equal(add_public(key.pkey, names[a]), fits ? WEIR_OK : WEIR_EUNSUPPORTED);
		}
		EVP_PKEY_free(key.pkey);
	}
}

static EVP_PKEY *rsa_of(int bits, BN_ULONG e)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *exponent = BN_new();
	EVP_PKEY *pkey = NULL;

	BN_set_word(exponent, e);
	MINT(EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1);
	MINT(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, exponent) == 1 && EVP_PKEY_generate(ctx, &pkey) == 1);
	BN_free(exponent);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static void rsa(void **state)
{
	static const struct {
		int bits;
		BN_ULONG e;
		int error;
	} cases[] = {{1024, 65537, WEIR_EINVAL}, {2040, 65537, WEIR_EINVAL}, {2048, 65537, WEIR_OK}, {2048, 3, WEIR_OK}, {2056, 65537, WEIR_OK}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		EVP_PKEY *pkey = rsa_of(cases[i].bits, cases[i].e);

		assert_int_equal(add_public(pkey, NULL), cases[i].error);
		EVP_PKEY_free(pkey);
	}
}

/* From its numbers, since libcrypto makes no such key. */
static void rsa_that_is_too_large(void **state)
{
	char jwk[4000] = "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"", *at = jwk + strlen(jwk);
	struct weir_jwks *keys;

	(void)state;
	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	memset(at, '_', 1366); /* 8196 bits, of which 8192 are bytes, all ones */
	at[1365] = 'w';
	strcpy(at + 1366, "\"}");
	assert_int_equal(weir_jwks_add_jwk(keys, weir_str_of(jwk)), WEIR_OK);
	memset(at, '_', 1368);
	strcpy(at + 1367, "8\"}"); /* 8204 bits, of which 8200 are bytes */
	assert_int_equal(weir_jwks_add_jwk(keys, weir_str_of(jwk)), WEIR_ELIMIT);
	assert_int_equal(weir_jwks_count(keys), 1);
	weir_jwks_destroy(keys);
}

static void other_types(void **state)
{
	static const char *const curves[] = {"secp256k1", "P-224", "brainpoolP256r1"};
	EVP_PKEY *pkey;

	(void)state;
	for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
		pkey = EVP_EC_gen(curves[i]);
		assert_non_null(pkey);
		assert_int_equal(add_public(pkey, NULL), WEIR_EUNSUPPORTED);
		assert_int_equal(add_public(pkey, "ES256"), WEIR_EUNSUPPORTED);
		EVP_PKEY_free(pkey);
	}
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	assert_int_equal(add_public(pkey, NULL), WEIR_EUNSUPPORTED);
	EVP_PKEY_free(pkey);
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
	assert_int_equal(add_public(pkey, "EdDSA"), WEIR_EUNSUPPORTED);
	EVP_PKEY_free(pkey);
}

/* P-256 written out in numbers: they may be others than they seem. */
static void curve_in_numbers(void **state)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	(void)state;
	MINT(EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_group_name(ctx, "P-256") == 1);
	MINT(EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_EXPLICIT_CURVE) == 1 && EVP_PKEY_generate(ctx, &pkey) == 1);
	assert_int_equal(add_public(pkey, NULL), WEIR_EUNSUPPORTED);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
}

static void secrets(void **state)
{
	static const char *const names[] = {"HS256", "HS384", "HS512"};
	static const size_t hashes[] = {32, 48, 64};
	char *secret = calloc(1, 70000);
	struct weir_jwks *keys;

	(void)state;
	memset(secret, 's', 70000);
	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(weir_jwks_add_secret(keys, "k", names[i], weir_str_n(secret, hashes[i] - 1)), WEIR_EINVAL);
		assert_int_equal(weir_jwks_add_secret(keys, "k", names[i], weir_str_n(secret, 0)), WEIR_EINVAL);
		assert_int_equal(weir_jwks_add_secret(keys, "k", names[i], weir_str_n(secret, hashes[i])), WEIR_OK);
	}
	assert_int_equal(weir_jwks_add_secret(keys, "k", NULL, weir_str_n(secret, 64)), WEIR_EUNSUPPORTED);
	assert_int_equal(weir_jwks_add_secret(keys, "k", "RS256", weir_str_n(secret, 64)), WEIR_EUNSUPPORTED);
	assert_int_equal(weir_jwks_add_secret(keys, "k", "EdDSA", weir_str_n(secret, 64)), WEIR_EUNSUPPORTED);
	assert_int_equal(weir_jwks_add_secret(keys, "k", "HS256", weir_str_n(secret, 65537)), WEIR_ELIMIT);
	assert_int_equal(weir_jwks_add_secret(keys, "k", "HS256", weir_str_n(NULL, 0)), WEIR_EINVAL);
	assert_int_equal(weir_jwks_add_secret(keys, "l", "HS256", weir_str_n(secret, 65536)), WEIR_OK);
	weir_jwks_destroy(keys);
	free(secret);
}

static void references(void **state)
{
	struct weir__jwt_key *key;
	uint8_t wrong[32] = {0};

	(void)state;
	assert_int_equal(weir__jwt_key_of_secret(&key, "0123456789abcdef0123456789abcdef", 32, "a\0b", 3, WEIR__JWT_HS256), WEIR_OK);
	assert_int_equal(key->kid_len, 3);
	weir__jwt_key_ref(key);
	weir__jwt_key_unref(key);
	assert_int_equal(weir__jwt_key_verify(key, wrong, 32, "x", 1), WEIR_JWT_BAD_SIGNATURE); /* it is still there */
	weir__jwt_key_unref(key);
	weir__jwt_key_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(algorithms_of_types), cmocka_unit_test(rsa), cmocka_unit_test(rsa_that_is_too_large),
	                                   cmocka_unit_test(other_types),         cmocka_unit_test(curve_in_numbers),
	                                   cmocka_unit_test(secrets),             cmocka_unit_test(references)};

	return cmocka_run_group_tests_name("jwt_key", tests, NULL, NULL);
}
