/* weir-jwt: one key, and the check of one signature with it.
 *
 * Layer: jwt. Invariant: a key has one algorithm, and is never changed once it is made: verifying copies libcrypto's prepared
 * context, so that any number of threads may, and nothing is looked up by name. Sets share keys by references. */
#ifndef WEIR_JWT_KEY_H
#define WEIR_JWT_KEY_H

#include "alg.h"

#include <weir/jwt.h>

#include <openssl/evp.h>

enum {
	WEIR__JWT_SIGNATURE_MOST = 1024, /* bytes: RSA of 8192 bits */
	WEIR__JWT_RSA_BITS_LEAST = 2048,
	WEIR__JWT_RSA_BITS_MOST = 8192,
	WEIR__JWT_KID_MOST = 1024,
	WEIR__JWT_SECRET_MOST = 65536,
};

struct weir__jwt_key {
	uint32_t references; /* acquire and release: the last one frees */
	enum weir__jwt_alg alg;
	size_t signature_len;
	char *kid; /* ends in NUL as well; NULL: none */
	size_t kid_len;
	uint8_t print[32]; /* SHA-256 of the public key, or of the secret: equal keys have equal ones */
	/* what a call copies: */
	EVP_MD *hash;         /* RSA, PSS, EC */
	EVP_PKEY_CTX *verify; /* RSA, PSS, EC */
	EVP_MD_CTX *whole;    /* Ed25519 */
	EVP_MAC_CTX *mac;     /* HMAC */
};

/* Both make a key with one reference, and say in the log what is wrong. kid NULL: none. take_public takes pkey over in any
 * case. alg WEIR__JWT_ALGS: the type's own. Errors: WEIR_EINVAL, WEIR_EUNSUPPORTED, WEIR_ELIMIT, WEIR_ENOMEM. */
int weir__jwt_key_take_public(struct weir__jwt_key **key, EVP_PKEY *pkey, const char *kid, size_t kid_len, enum weir__jwt_alg alg);
int weir__jwt_key_of_secret(struct weir__jwt_key **key, const void *secret, size_t len, const char *kid, size_t kid_len,
                            enum weir__jwt_alg alg);
/* A PEM with one public key in it, and nothing else. NULL: *error says why, and so does the log. */
EVP_PKEY *weir__jwt_key_from_pem(struct weir_str pem, int *error);

void weir__jwt_key_ref(struct weir__jwt_key *key);
void weir__jwt_key_unref(struct weir__jwt_key *key); /* NULL is harmless */

/* Whether the signature (as it stands in a JWS, raw) is this key's of these bytes: WEIR_JWT_OK, WEIR_JWT_BAD_SIGNATURE, or
 * WEIR_JWT_NO_MEMORY. libcrypto's error queue may hold more afterwards. */
enum weir_jwt_result weir__jwt_key_verify(const struct weir__jwt_key *key, const uint8_t *signature, size_t signature_len,
                                          const void *signed_bytes, size_t signed_len);

/* WEIR_ENOMEM where libcrypto's newest error is that, else otherwise. */
int weir__jwt_crypto_error(int otherwise);

#endif
