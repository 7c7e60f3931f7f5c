/* weir jwt: a key that signs: made, read from a file, written as a JWK or PEM. libcrypto's and jansson's.
 *
 * Invariant: a key has one algorithm, which is its type's. What it is never reaches a complaint. */
#ifndef WEIR_CLI_JWT_KEY_H
#define WEIR_CLI_JWT_KEY_H

#include "jwt_alg.h"
#include "whole.h"

#include <jansson.h>
#include <openssl/evp.h>

enum { KID_MAX = 256, KEY_FILE_MAX = 1 << 20, SIGNATURE_MAX = 2048 /* RSA with 16384 bits */ };

struct key {
	const struct alg *alg;
	EVP_PKEY *pkey;      /* NULL: a secret */
	struct whole secret; /* a secret's bytes */
	char kid[KID_MAX];   /* empty: none */
};

/* Each: false: it has complained. key_end is harmless for a key of zeros, and after a failure. */
bool key_make(struct key *key, const char *who, const struct alg *alg, unsigned bits); /* bits: RSA's */
/* alg: NULL: the key's own, or its type's. A kid that the file does not have is the thumbprint. */
bool key_read(struct key *key, const char *who, const char *path, const struct alg *alg);
bool key_read_secret(struct key *key, const char *who, const char *path, const struct alg *alg);
void key_end(struct key *key);

/* out: SIGNATURE_MAX bytes; as it stands in a token. */
bool key_sign(const struct key *key, const void *data, size_t len, unsigned char *out, size_t *out_len);

/* RFC 7638; of a secret 128 random bits, since its thumbprint would let anybody try guesses. out: KID_MAX. */
bool key_thumbprint(const struct key *key, char *out);
/* A JWK, a new reference; NULL: no memory. Its public members alone, or all. */
json_t *key_jwk(const struct key *key, bool private);
/* PKCS #8, or a secret's bytes in PEM's place: NULL, there is no such thing. */
char *key_pem(const struct key *key, size_t *len);

#endif
