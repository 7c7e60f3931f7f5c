/* Tokens made by libcrypto, for tests: a key of any algorithm, signatures with it, and base64url of whatever. */
#ifndef JWT_MINT_H
#define JWT_MINT_H

#include "alg.h"

#include <weir/jwt.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINT_UNUSED __attribute__((unused))

struct mint_key {
	EVP_PKEY *pkey; /* NULL: a secret */
	const void *secret;
	size_t secret_len;
};

MINT_UNUSED static void mint_require(int what, const char *text)
{
	if (!what) {
		fprintf(stderr, "mint: %s\n", text);
		abort();
	}
}
#define MINT(call) mint_require((call) != 0, #call)

/* Behind what out has already; returns how much that is now. */
MINT_UNUSED static size_t mint_base64url(char *out, size_t at, const void *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i += 3) {
		unsigned group = (unsigned)b[i] << 16 | (i + 1 < len ? (unsigned)b[i + 1] << 8 : 0) | (i + 2 < len ? b[i + 2] : 0);

		for (size_t n = 0; n < 4 && n <= len - i; n++)
			out[at++] = digits[group >> (18 - 6 * n) & 63];
	}
	out[at] = '\0';
	return at;
}

MINT_UNUSED static struct weir_str mint_public_pem(EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text, *copy;
	long len;

	MINT(PEM_write_bio_PUBKEY(bio, pkey) == 1);
	len = BIO_get_mem_data(bio, &text);
	copy = malloc((size_t)len + 1);
	MINT(copy != NULL);
	memcpy(copy, text, (size_t)len);
	copy[len] = '\0';
	BIO_free(bio);
	return weir_str_n(copy, (size_t)len);
}

MINT_UNUSED static struct mint_key mint_key_new(enum weir__jwt_alg alg)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const struct weir__jwt_alg_facts *facts = weir__jwt_alg_facts(alg);
	struct mint_key key = {NULL, NULL, 0};

	switch (facts->family) {
	case WEIR__JWT_HMAC:
		key.secret = secret;
		key.secret_len = facts->hash_len;
		break;
	case WEIR__JWT_RSA:
	case WEIR__JWT_PSS:
		MINT((key.pkey = EVP_RSA_gen(2048)) != NULL);
		break;
	case WEIR__JWT_EC:
		MINT((key.pkey = EVP_EC_gen(facts->group)) != NULL);
		break;
	case WEIR__JWT_ED:
		MINT((key.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")) != NULL);
		break;
	}
	return key;
}

/* The signature as JWS has it; out has 1024 bytes. */
MINT_UNUSED static size_t mint_sign(const struct mint_key *key, enum weir__jwt_alg alg, const void *bytes, size_t len, uint8_t *out)
{
	const struct weir__jwt_alg_facts *facts = weir__jwt_alg_facts(alg);
	size_t signature_len = 1024;
	EVP_PKEY_CTX *pctx = NULL;
	EVP_MD_CTX *ctx;

	if (facts->family == WEIR__JWT_HMAC) {
		unsigned mac_len;

		MINT(HMAC(EVP_get_digestbyname(facts->hash), key->secret, (int)key->secret_len, bytes, len, out, &mac_len) != NULL);
		return mac_len;
	}
	MINT((ctx = EVP_MD_CTX_new()) != NULL);
	MINT(EVP_DigestSignInit_ex(ctx, &pctx, facts->hash, NULL, NULL, key->pkey, NULL) == 1);
	if (facts->family == WEIR__JWT_PSS) {
		MINT(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1);
		MINT(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1);
	}
	MINT(EVP_DigestSign(ctx, out, &signature_len, bytes, len) == 1);
	EVP_MD_CTX_free(ctx);
	if (facts->family == WEIR__JWT_EC) {
		const uint8_t *at = out;
		ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)signature_len);

		MINT(pair != NULL);
		MINT(BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, (int)facts->coordinate) > 0);
		MINT(BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + facts->coordinate, (int)facts->coordinate) > 0);
		ECDSA_SIG_free(pair);
		signature_len = 2 * facts->coordinate;
	}
	return signature_len;
}

/* A compact JWS, malloc'ed, ending in NUL: header and payload as they are, signed by the key as alg would. */
MINT_UNUSED static char *mint_raw(const struct mint_key *key, enum weir__jwt_alg alg, const void *header, size_t header_len,
                                  const void *payload, size_t payload_len)
{
	char *out = malloc((header_len + payload_len + 1024) * 2);
	uint8_t signature[1024];
	size_t at;

	MINT(out != NULL);
	at = mint_base64url(out, 0, header, header_len);
	out[at++] = '.';
	at = mint_base64url(out, at, payload, payload_len);
	if (key != NULL) {
		size_t len = mint_sign(key, alg, out, at, signature);

		out[at++] = '.';
		mint_base64url(out, at, signature, len);
	}
	return out;
}

MINT_UNUSED static char *mint(const struct mint_key *key, enum weir__jwt_alg alg, const char *header, const char *payload)
{
	return mint_raw(key, alg, header, strlen(header), payload, strlen(payload));
}

/* {"alg":...,"kid":...}; kid NULL: none. */
MINT_UNUSED static char *mint_plain(const struct mint_key *key, enum weir__jwt_alg alg, const char *kid, const char *payload)
{
	char header[512];

	snprintf(header, sizeof header, kid != NULL ? "{\"alg\":\"%s\",\"kid\":\"%s\"}" : "{\"alg\":\"%s\"}",
	         weir__jwt_alg_facts(alg)->name, kid);
	return mint(key, alg, header, payload);
}

MINT_UNUSED static int mint_add(struct weir_jwks *keys, const struct mint_key *key, enum weir__jwt_alg alg, const char *kid)
{
	const char *name = weir__jwt_alg_facts(alg)->name;
	struct weir_str pem;
	int error;

	if (key->pkey == NULL)
		return weir_jwks_add_secret(keys, kid, name, weir_str_n(key->secret, key->secret_len));
	pem = mint_public_pem(key->pkey);
	error = weir_jwks_add_pem(keys, kid, name, pem);
	free((char *)(uintptr_t)pem.ptr);
	return error;
}

#endif
