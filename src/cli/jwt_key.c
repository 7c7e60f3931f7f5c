/* weir jwt: a key that signs: made, used, let go. See jwt_key.h. */
#include "jwt_key.h"

#include "command.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

static bool make_secret(struct key *key)
{
	key->secret.len = key->alg->size;
	key->secret.bytes = malloc(key->secret.len + 1);
	return key->secret.bytes != NULL && RAND_priv_bytes((unsigned char *)key->secret.bytes, (int)key->secret.len) == 1;
}

bool key_make(struct key *key, const char *who, const struct alg *alg, unsigned bits)
{
	bool ok;

	*key = (struct key){.alg = alg};
	switch (alg->kty) {
	case KTY_RSA: key->pkey = EVP_RSA_gen(bits); break;
	case KTY_EC: key->pkey = EVP_EC_gen(alg->group); break;
	case KTY_OKP: key->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"); break;
	default: break;
	}
	ok = alg->kty == KTY_OCT ? make_secret(key) : key->pkey != NULL;
	if (!ok)
		complain(EXIT_REFUSED, who, "libcrypto makes no key for %s", alg->name);
	return ok;
}

void key_end(struct key *key)
{
	EVP_PKEY_free(key->pkey);
	whole_free(&key->secret);
	*key = (struct key){0};
}

/* DER's two numbers, to two of a coordinate's size each. */
static bool plain_ecdsa(unsigned char *signature, size_t *len, size_t coordinate)
{
	const unsigned char *at = signature;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)*len);
	bool ok = pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, (int)coordinate) >= 0 &&
	          BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + coordinate, (int)coordinate) >= 0;

	ECDSA_SIG_free(pair);
	*len = 2 * coordinate;
	return ok;
}

bool key_sign(const struct key *key, const void *data, size_t len, unsigned char *out, size_t *out_len)
{
	const struct alg *alg = key->alg;
	EVP_PKEY_CTX *padding;
	EVP_MD_CTX *ctx;
	bool ok;

	*out_len = SIGNATURE_MAX;
	if (alg->kty == KTY_OCT)
		return EVP_Q_mac(NULL, "HMAC", NULL, alg->digest, NULL, key->secret.bytes, key->secret.len, data, len, out,
		                 SIGNATURE_MAX, out_len) != NULL;
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestSignInit_ex(ctx, &padding, alg->digest, NULL, NULL, key->pkey, NULL) == 1;
	if (ok && alg->pss) /* RFC 7518, 3.5: a salt as long as the digest */
		ok = EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && EVP_DigestSign(ctx, out, out_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok && (alg->kty != KTY_EC || plain_ecdsa(out, out_len, alg->size));
}
