/* Signatures that are none, and keys used for what they are not: the key decides, never the token. */
#include "jwt_attack.h"

static void public_key_as_secret(void **state)
{
	struct weir_str pem = mint_public_pem(attack_rs.pkey);
	unsigned char *der = NULL;
	int der_len = i2d_PUBKEY(attack_rs.pkey, &der);
	struct mint_key as_pem = {NULL, pem.ptr, pem.len}, as_line = {NULL, pem.ptr, pem.len - 1}, as_der = {NULL, der, (size_t)der_len};
	static const enum weir__jwt_alg macs[] = {WEIR__JWT_HS256, WEIR__JWT_HS384, WEIR__JWT_HS512};
	static const char *const kids[] = {"rs", "es", "ed", "hs", NULL};
	struct weir_jwks *only_rs;

	(void)state;
	assert_int_equal(weir_jwks_new(&only_rs), WEIR_OK);
	assert_int_equal(mint_add(only_rs, &attack_rs, WEIR__JWT_RS256, "rs"), WEIR_OK);
	for (size_t m = 0; m < 3; m++)
		for (size_t k = 0; k < 5; k++) {
			const struct mint_key *const forms[] = {&as_pem, &as_line, &as_der};

			for (size_t f = 0; f < 3; f++) {
				char *token = mint_plain(forms[f], macs[m], kids[k], attack_payload);

				attack("a public key as a secret", token,
				       m != 0          ? WEIR_JWT_ALG_NOT_ALLOWED
				       : k < 3         ? WEIR_JWT_ALG_NOT_ALLOWED
				       : k == 3        ? WEIR_JWT_BAD_SIGNATURE
				                       : WEIR_JWT_UNKNOWN_KEY);
				attack_on(only_rs, "a public key as a secret", token, strlen(token), WEIR_JWT_ALG_NOT_ALLOWED);
				free(token);
			}
		}
	assert_int_equal(weir_jwks_add_secret(only_rs, NULL, "HS256", pem), WEIR_EINVAL); /* nor as a host's slip */
	weir_jwks_destroy(only_rs);
	OPENSSL_free(der);
	free((char *)(uintptr_t)pem.ptr);
}

static void secrets_that_are_guessed(void **state)
{
	static const char *const guesses[] = {"", "secret", "hs", "null", "0", "changeme"};

	(void)state;
	for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++) {
		struct mint_key key = {NULL, guesses[i], strlen(guesses[i])};
		char *token = mint_plain(&key, WEIR__JWT_HS256, "hs", attack_payload);

		attack(guesses[i], token, WEIR_JWT_BAD_SIGNATURE);
		free(token);
	}
}

/* Another key of the same type, under the kid of ours. */
static void stranger(void **state)
{
	static const enum weir__jwt_alg algs[] = {WEIR__JWT_RS256, WEIR__JWT_ES256, WEIR__JWT_EDDSA};
	static const char *const kids[] = {"rs", "es", "ed"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct mint_key other = mint_key_new(algs[i]);
		char *token = mint_plain(&other, algs[i], kids[i], attack_payload);

		attack(kids[i], token, WEIR_JWT_BAD_SIGNATURE);
		free(token);
		token = mint_plain(&other, algs[i], NULL, attack_payload);
		attack("a stranger without a kid", token, WEIR_JWT_UNKNOWN_KEY);
		free(token);
		EVP_PKEY_free(other.pkey);
	}
}

static void offer_signature(const char *name, const char *kid, enum weir__jwt_alg alg, const uint8_t *signature, size_t len,
                            enum weir_jwt_result wanted)
{
	char header[128], *token = malloc(65536);
	size_t at;

	snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"%s\"}", weir__jwt_alg_facts(alg)->name, kid);
	at = mint_base64url(token, 0, header, strlen(header));
	token[at++] = '.';
	at = mint_base64url(token, at, attack_payload, strlen(attack_payload));
	token[at++] = '.';
	mint_base64url(token, at, signature, len);
	attack(name, token, wanted);
	free(token);
}

/* The bytes that such a token signs. */
static size_t signature_of(const struct mint_key *key, enum weir__jwt_alg alg, const char *kid, uint8_t *out)
{
	char *token = mint_plain(key, alg, kid, attack_payload);
	size_t len = mint_sign(key, alg, token, (size_t)(strrchr(token, '.') - token), out);

	free(token);
	return len;
}

static const uint8_t p256_order[32] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

static void ecdsa_numbers(void **state)
{
	uint8_t right[1024], wrong[1024];

	(void)state;
	assert_int_equal(signature_of(&attack_es, WEIR__JWT_ES256, "es", right), 64);
	offer_signature("as it should be", "es", WEIR__JWT_ES256, right, 64, WEIR_JWT_OK);
	memset(wrong, 0, sizeof wrong);
	offer_signature("r and s zero", "es", WEIR__JWT_ES256, wrong, 64, WEIR_JWT_BAD_SIGNATURE);
	memcpy(wrong, right, 32);
	offer_signature("s zero", "es", WEIR__JWT_ES256, wrong, 64, WEIR_JWT_BAD_SIGNATURE);
	memset(wrong, 0, 32);
	memcpy(wrong + 32, right + 32, 32);
	offer_signature("r zero", "es", WEIR__JWT_ES256, wrong, 64, WEIR_JWT_BAD_SIGNATURE);
	memcpy(wrong, p256_order, 32);
	memcpy(wrong + 32, p256_order, 32);
	offer_signature("r and s the order", "es", WEIR__JWT_ES256, wrong, 64, WEIR_JWT_BAD_SIGNATURE);
	memcpy(wrong + 32, right + 32, 32);
	offer_signature("r the order", "es", WEIR__JWT_ES256, wrong, 64, WEIR_JWT_BAD_SIGNATURE);
	memset(wrong, 0xff, 64);
	offer_signature("r and s all ones", "es", WEIR__JWT_ES256, wrong, 64, WEIR_JWT_BAD_SIGNATURE);
	memset(wrong, 0, 64);
	wrong[31] = wrong[63] = 1;
	offer_signature("r and s one", "es", WEIR__JWT_ES256, wrong, 64, WEIR_JWT_BAD_SIGNATURE);
	for (size_t len = 0; len <= 160; len++) { /* cut, or with zeros behind; and in the middle */
		memset(wrong, 0, sizeof wrong);
		memcpy(wrong, right, len < 64 ? len : 64);
		if (len != 64)
			offer_signature("of another length", "es", WEIR__JWT_ES256, wrong, len, WEIR_JWT_BAD_SIGNATURE);
	}
	memset(wrong, 0, sizeof wrong);
	memcpy(wrong + 1, right, 32);
	memcpy(wrong + 34, right + 32, 32);
	offer_signature("numbers of 33 bytes", "es", WEIR__JWT_ES256, wrong, 66, WEIR_JWT_BAD_SIGNATURE);
}

/* DER, in which libraries sign, is not what JWS has. */
static void ecdsa_der(void **state)
{
	char *token = mint_plain(&attack_es, WEIR__JWT_ES256, "es", attack_payload);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[256];
	size_t len = sizeof der;

	(void)state;
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, attack_es.pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &len, (const uint8_t *)token, (size_t)(strrchr(token, '.') - token)), 1);
	offer_signature("DER", "es", WEIR__JWT_ES256, der, len, WEIR_JWT_BAD_SIGNATURE);
	offer_signature("DER of 64 bytes", "es", WEIR__JWT_ES256, der, 64, WEIR_JWT_BAD_SIGNATURE);
	EVP_MD_CTX_free(ctx);
	free(token);
}

static void rsa_lengths(void **state)
{
	uint8_t right[1024], wrong[1024];
	static const size_t lens[] = {0, 1, 255, 257, 512, 1024};

	(void)state;
	assert_int_equal(signature_of(&attack_rs, WEIR__JWT_RS256, "rs", right), 256);
	offer_signature("as it should be", "rs", WEIR__JWT_RS256, right, 256, WEIR_JWT_OK);
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		memset(wrong, 0, sizeof wrong);
		memcpy(wrong, right, lens[i] < 256 ? lens[i] : 256);
		offer_signature("of another length", "rs", WEIR__JWT_RS256, wrong, lens[i], WEIR_JWT_BAD_SIGNATURE);
	}
	memset(wrong, 0, sizeof wrong);
	memcpy(wrong + 1, right, 256);
	offer_signature("a zero before it", "rs", WEIR__JWT_RS256, wrong, 257, WEIR_JWT_BAD_SIGNATURE);
	memset(wrong, 0, 256);
	offer_signature("zero", "rs", WEIR__JWT_RS256, wrong, 256, WEIR_JWT_BAD_SIGNATURE);
	wrong[255] = 1;
	offer_signature("one", "rs", WEIR__JWT_RS256, wrong, 256, WEIR_JWT_BAD_SIGNATURE);
	memset(wrong, 0xff, 256);
	offer_signature("more than the modulus", "rs", WEIR__JWT_RS256, wrong, 256, WEIR_JWT_BAD_SIGNATURE);
	assert_int_equal(signature_of(&attack_rs, WEIR__JWT_PS256, "rs", right), 256);
	offer_signature("PSS as RS256", "rs", WEIR__JWT_RS256, right, 256, WEIR_JWT_BAD_SIGNATURE);
	offer_signature("PSS as PS256", "rs", WEIR__JWT_PS256, right, 256, WEIR_JWT_ALG_NOT_ALLOWED);
}

/* RFC 7518 3.5: the salt is as long as the hash. */
static void pss_salts(void **state)
{
	static const int salts[] = {0, 20, 31, 32, 33, RSA_PSS_SALTLEN_MAX};
	struct weir_jwks *keys;

	(void)state;
	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	assert_int_equal(mint_add(keys, &attack_rs, WEIR__JWT_PS256, "ps"), WEIR_OK);
	for (size_t i = 0; i < sizeof salts / sizeof *salts; i++) {
		char *token = mint_plain(&attack_rs, WEIR__JWT_PS256, "ps", attack_payload), *dot = strrchr(token, '.');
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		EVP_PKEY_CTX *pctx = NULL;
		uint8_t signature[256];
		size_t len = sizeof signature;

		MINT(EVP_DigestSignInit_ex(ctx, &pctx, "SHA256", NULL, NULL, attack_rs.pkey, NULL) == 1);
		MINT(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1);
		MINT(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salts[i]) == 1);
		MINT(EVP_DigestSign(ctx, signature, &len, (const uint8_t *)token, (size_t)(dot - token)) == 1);
		mint_base64url(token, (size_t)(dot + 1 - token), signature, len);
		attack_on(keys, "a salt of another length", token, strlen(token), salts[i] == 32 ? WEIR_JWT_OK : WEIR_JWT_BAD_SIGNATURE);
		EVP_MD_CTX_free(ctx);
		free(token);
	}
	weir_jwks_destroy(keys);
}

static void eddsa_numbers(void **state)
{
	/* the order of the base point, little-endian: s and s + order are the same signature where nobody looks */
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
	                                  0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
	                                  0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
	uint8_t right[1024], wrong[1024] = {0};
	unsigned carry = 0;

	(void)state;
	assert_int_equal(signature_of(&attack_ed, WEIR__JWT_EDDSA, "ed", right), 64);
	offer_signature("as it should be", "ed", WEIR__JWT_EDDSA, right, 64, WEIR_JWT_OK);
	offer_signature("zero", "ed", WEIR__JWT_EDDSA, wrong, 64, WEIR_JWT_BAD_SIGNATURE);
	for (size_t len = 0; len <= 128; len++)
		if (len != 64)
			offer_signature("of another length", "ed", WEIR__JWT_EDDSA, right, len, WEIR_JWT_BAD_SIGNATURE);
	memcpy(wrong, right, 64);
	for (size_t i = 0; i < 32; i++) {
		carry += (unsigned)wrong[32 + i] + order[i];
		wrong[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	offer_signature("s plus the order", "ed", WEIR__JWT_EDDSA, wrong, 64, WEIR_JWT_BAD_SIGNATURE);
}

static void mac_lengths(void **state)
{
	uint8_t right[1024] = {0};

	(void)state;
	assert_int_equal(signature_of(&attack_hs, WEIR__JWT_HS256, "hs", right), 32);
	offer_signature("as it should be", "hs", WEIR__JWT_HS256, right, 32, WEIR_JWT_OK);
	for (size_t len = 0; len <= 64; len++)
		if (len != 32)
			offer_signature("of another length", "hs", WEIR__JWT_HS256, right, len, WEIR_JWT_BAD_SIGNATURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(public_key_as_secret), cmocka_unit_test(secrets_that_are_guessed),
	                                   cmocka_unit_test(stranger),             cmocka_unit_test(ecdsa_numbers),
	                                   cmocka_unit_test(ecdsa_der),            cmocka_unit_test(rsa_lengths),
	                                   cmocka_unit_test(eddsa_numbers),        cmocka_unit_test(mac_lengths),
	                                   cmocka_unit_test(pss_salts)};

	return cmocka_run_group_tests_name("jwt_attacks_key", tests, attack_begin, attack_end);
}
