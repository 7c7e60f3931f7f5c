/* weir jwt: a key as a JWK (RFC 7517, 7518, 8037), as PEM, and its thumbprint (RFC 7638). See jwt_key.h. */
#include "base64url.h"
#include "jwt_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 2048 };

static bool put_bytes(json_t *jwk, const char *name, const unsigned char *bytes, size_t len)
{
	char text[BASE64URL_LEN(NUMBER_MAX) + 1];
	bool ok;

	if (len > NUMBER_MAX)
		return false;
	ok = json_object_set_new(jwk, name, json_stringn(text, base64url_encode(text, bytes, len))) == 0;
	OPENSSL_cleanse(text, sizeof text);
	return ok;
}

/* size 0: as many bytes as the number has. */
static bool put_number(json_t *jwk, const char *name, const struct key *key, const char *param, size_t size)
{
	unsigned char bytes[NUMBER_MAX];
	BIGNUM *n = NULL;
	bool ok = EVP_PKEY_get_bn_param(key->pkey, param, &n) == 1;

	if (ok && size == 0)
		size = (size_t)BN_num_bytes(n);
	ok = ok && size <= sizeof bytes && BN_bn2binpad(n, bytes, (int)size) >= 0 && put_bytes(jwk, name, bytes, size);
	OPENSSL_cleanse(bytes, sizeof bytes);
	BN_clear_free(n);
	return ok;
}

static bool put_rsa(json_t *jwk, const struct key *key, bool private)
{
	static const char *const secret[][2] = {{"d", OSSL_PKEY_PARAM_RSA_D},
	                                        {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
	                                        {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},
	                                        {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
	                                        {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2},
	                                        {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
	bool ok = put_number(jwk, "n", key, OSSL_PKEY_PARAM_RSA_N, 0) && put_number(jwk, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);

	for (size_t i = 0; private && ok && i < sizeof secret / sizeof secret[0]; i++)
		ok = put_number(jwk, secret[i][0], key, secret[i][1], 0);
	return ok;
}

static bool put_ec(json_t *jwk, const struct key *key, bool private)
{
	size_t size = key->alg->size;

	return json_object_set_new(jwk, "crv", json_string(key->alg->crv)) == 0 &&
	       put_number(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, size) &&
	       put_number(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, size) &&
	       (!private || put_number(jwk, "d", key, OSSL_PKEY_PARAM_PRIV_KEY, size));
}

static bool put_okp(json_t *jwk, const struct key *key, bool private)
{
	unsigned char bytes[64];
	size_t len = sizeof bytes;
	bool ok = json_object_set_new(jwk, "crv", json_string(key->alg->crv)) == 0 &&
	          EVP_PKEY_get_raw_public_key(key->pkey, bytes, &len) == 1 && put_bytes(jwk, "x", bytes, len);

	len = sizeof bytes;
	if (private)
		ok = ok && EVP_PKEY_get_raw_private_key(key->pkey, bytes, &len) == 1 && put_bytes(jwk, "d", bytes, len);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return ok;
}

/* The type's own members. A secret has no public ones. */
static bool put_type(json_t *jwk, const struct key *key, bool private)
{
	if (json_object_set_new(jwk, "kty", json_string(kty_text(key->alg->kty))) != 0)
		return false;
	switch (key->alg->kty) {
	case KTY_RSA: return put_rsa(jwk, key, private);
	case KTY_EC: return put_ec(jwk, key, private);
	case KTY_OKP: return put_okp(jwk, key, private);
	default: return private && put_bytes(jwk, "k", (const unsigned char *)key->secret.bytes, key->secret.len);
	}
}

json_t *key_jwk(const struct key *key, bool private)
{
	json_t *jwk = json_object();
	bool ok = jwk != NULL && put_type(jwk, key, private);

	if (ok && key->kid[0] != '\0')
		ok = json_object_set_new(jwk, "kid", json_string(key->kid)) == 0;
	if (ok)
		ok = json_object_set_new(jwk, "alg", json_string(key->alg->name)) == 0 &&
		     json_object_set_new(jwk, "use", json_string("sig")) == 0;
	if (!ok) {
		json_decref(jwk);
		return NULL;
	}
	return jwk;
}

bool key_thumbprint(const struct key *key, char *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t len = 0;
	json_t *jwk;
	char *text;
	bool ok;

	if (key->alg->kty == KTY_OCT) {
		ok = RAND_bytes(digest, 16) == 1;
		base64url_encode(out, digest, 16);
		return ok;
	}
	jwk = json_object();
	text = jwk != NULL && put_type(jwk, key, false) ? json_dumps(jwk, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	ok = text != NULL && EVP_Q_digest(NULL, "SHA256", NULL, text, strlen(text), digest, &len) == 1;
	if (ok)
		base64url_encode(out, digest, len);
	free(text);
	json_decref(jwk);
	return ok;
}

char *key_pem(const struct key *key, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL, *bytes;
	long size;

	if (bio != NULL && key->pkey != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1) {
		size = BIO_get_mem_data(bio, &bytes);
		text = malloc((size_t)size);
		*len = (size_t)size;
		if (text != NULL)
			memcpy(text, bytes, (size_t)size);
	}
	BIO_free(bio);
	return text;
}
