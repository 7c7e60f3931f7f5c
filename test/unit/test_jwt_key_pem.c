/* PEMs: one public key, and nothing else; and nobody is ever asked for a password. */
#include "jwt_mint.h"
#include "key.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <openssl/x509.h>
#include <unistd.h>

static int add(const char *text, size_t len)
{
	struct weir_jwks *keys;
	int error;

	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	error = weir_jwks_add_pem(keys, NULL, NULL, weir_str_n(text, len));
	assert_int_equal(weir_jwks_count(keys), error == WEIR_OK ? 1 : 0);
	weir_jwks_destroy(keys);
	return error;
}

static int add_bio(BIO *bio)
{
	char *text;
	long len = BIO_get_mem_data(bio, &text);
	int error = add(text, (size_t)len);

	BIO_free(bio);
	return error;
}

static void every_type(void **state)
{
	(void)state;
	for (int a = WEIR__JWT_RS256; a < WEIR__JWT_ALGS; a++) {
		struct mint_key key = mint_key_new((enum weir__jwt_alg)a);
		BIO *bio = BIO_new(BIO_s_mem());

		MINT(PEM_write_bio_PUBKEY(bio, key.pkey));
		assert_int_equal(add_bio(bio), WEIR_OK);
		EVP_PKEY_free(key.pkey);
	}
}

static void forms(void **state)
{
	struct mint_key rsa = mint_key_new(WEIR__JWT_RS256);
	struct weir_str pem = mint_public_pem(rsa.pkey);
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	char text[4096];
	int len;

	(void)state;
	len = i2d_PublicKey(rsa.pkey, &der); /* PKCS 1 */
	MINT(PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, len));
	assert_int_equal(add_bio(bio), WEIR_OK);
	snprintf(text, sizeof text, "a line before\n%s\na line behind\n", pem.ptr);
	assert_int_equal(add(text, strlen(text)), WEIR_OK);
	for (size_t i = 0, at = 0; i <= pem.len; i++) { /* lines that end as on Windows */
		if (pem.ptr[i] == '\n')
			text[at++] = '\r';
		text[at++] = pem.ptr[i];
	}
	assert_int_equal(add(text, strlen(text)), WEIR_OK);
	snprintf(text, sizeof text, "%s%s", pem.ptr, pem.ptr);
	assert_int_equal(add(text, strlen(text)), WEIR_EINVAL); /* two */
	for (size_t cut = 0; cut + 27 < pem.len; cut++)
		assert_int_equal(add(pem.ptr, cut), WEIR_EINVAL);
	memcpy(text, pem.ptr, pem.len);
	text[40] = '\0';
	assert_int_equal(add(text, pem.len), WEIR_EINVAL);
	text[40] = '!';
	assert_int_equal(add(text, pem.len), WEIR_EINVAL);
	assert_int_equal(add(NULL, 0), WEIR_EINVAL);
	assert_int_equal(add("", 0), WEIR_EINVAL);
	free((char *)(uintptr_t)pem.ptr);
	OPENSSL_free(der);
	EVP_PKEY_free(rsa.pkey);
}

static void private_ones(void **state)
{
	struct mint_key ec = mint_key_new(WEIR__JWT_ES256), rsa = mint_key_new(WEIR__JWT_RS256);
	static unsigned char password[] = "password";
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	MINT(PEM_write_bio_PrivateKey(bio, ec.pkey, NULL, NULL, 0, NULL, NULL));
	assert_int_equal(add_bio(bio), WEIR_EINVAL);
	bio = BIO_new(BIO_s_mem());
	MINT(PEM_write_bio_PrivateKey(bio, rsa.pkey, EVP_aes_128_cbc(), password, 8, NULL, NULL));
	assert_int_equal(add_bio(bio), WEIR_EINVAL);
	bio = BIO_new(BIO_s_mem());
	MINT(PEM_write_bio_PrivateKey_traditional(bio, rsa.pkey, EVP_aes_128_cbc(), password, 8, NULL, NULL));
	assert_int_equal(add_bio(bio), WEIR_EINVAL); /* "Proc-Type: 4,ENCRYPTED": and nobody was asked */
	EVP_PKEY_free(ec.pkey);
	EVP_PKEY_free(rsa.pkey);
}

static void other_things(void **state)
{
	static const char *const texts[] = {
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
	    "-----BEGIN -----\nAAAA\n-----END -----\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_int_equal(add(texts[i], strlen(texts[i])), WEIR_EUNSUPPORTED);
	assert_int_equal(add("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", 53), WEIR_EINVAL);
	assert_int_equal(add("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 58), WEIR_EINVAL);
	assert_int_equal(add("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n", 62), WEIR_EINVAL);
}

/* A key as DER with a byte behind it. */
static void bytes_behind(void **state)
{
	struct mint_key ec = mint_key_new(WEIR__JWT_ES256);
	unsigned char *der = NULL, more[256] = {0};
	int len = i2d_PUBKEY(ec.pkey, &der);
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	memcpy(more, der, (size_t)len);
	MINT(PEM_write_bio(bio, "PUBLIC KEY", "", more, len + 1));
	assert_int_equal(add_bio(bio), WEIR_EINVAL);
	OPENSSL_free(der);
	EVP_PKEY_free(ec.pkey);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_type), cmocka_unit_test(forms), cmocka_unit_test(private_ones),
	                                   cmocka_unit_test(other_things), cmocka_unit_test(bytes_behind)};

	alarm(60); /* a question at the terminal would wait for ever */
	return cmocka_run_group_tests_name("jwt_key_pem", tests, NULL, NULL);
}
