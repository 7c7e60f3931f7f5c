/* weir-jwt: keys made and let go. See key.h. Layer: jwt. */
#define _GNU_SOURCE
#include "key.h"

#include <weir/abi/private.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

enum { EXPONENT_BITS_MOST = 64 };

int weir__jwt_crypto_error(int otherwise)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE ? WEIR_ENOMEM : otherwise;
}

static int refuse(int error, const char *why)
{
	weir_private_log(WEIR_LOG_ERROR, "jwt: a key is refused: %s", why);
	return error;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int new_key(struct weir__jwt_key **out, const char *kid, size_t kid_len, enum weir__jwt_alg alg)
{
	struct weir__jwt_key *key;

	*out = NULL;
	if (kid_len > WEIR__JWT_KID_MOST)
		return refuse(WEIR_ELIMIT, "its kid is longer than 1024 bytes");
	key = calloc(1, sizeof *key);
	if (key == NULL)
		return WEIR_ENOMEM;
	key->references = 1;
	key->alg = alg;
	if (kid != NULL) {
		key->kid = malloc(kid_len + 1);
		if (key->kid == NULL) {
			free(key);
			return WEIR_ENOMEM;
		}
		if (kid_len != 0)
			memcpy(key->kid, kid, kid_len);
		key->kid[kid_len] = '\0';
		key->kid_len = kid_len;
	}
	*out = key;
	return WEIR_OK;
}

void weir__jwt_key_ref(struct weir__jwt_key *key)
{
	__atomic_fetch_add(&key->references, 1, __ATOMIC_RELAXED);
}

void weir__jwt_key_unref(struct weir__jwt_key *key)
{
	if (key == NULL || __atomic_sub_fetch(&key->references, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	EVP_MAC_CTX_free(key->mac); /* libcrypto wipes what it has of the secret */
	EVP_MD_CTX_free(key->whole);
	EVP_PKEY_CTX_free(key->verify);
	EVP_MD_free(key->hash);
	free(key->kid);
	OPENSSL_cleanse(key, sizeof *key);
	free(key);
}

/* ---- public keys ------------------------------------------------------------------------------------------------- */

static int check_rsa(const EVP_PKEY *pkey)
{
	BIGNUM *e = NULL, *n = NULL;
	int bits = EVP_PKEY_get_bits(pkey), error = WEIR_OK;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1 || EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1)
		error = weir__jwt_crypto_error(WEIR_EINVAL);
	else if (bits < WEIR__JWT_RSA_BITS_LEAST)
		error = refuse(WEIR_EINVAL, "RSA of less than 2048 bits");
	else if (bits > WEIR__JWT_RSA_BITS_MOST)
		error = refuse(WEIR_ELIMIT, "RSA of more than 8192 bits");
	else if (!BN_is_odd(e) || BN_is_one(e))
		error = refuse(WEIR_EINVAL, "an RSA exponent that is even or 1");
	else if (BN_num_bits(e) > EXPONENT_BITS_MOST)
		error = refuse(WEIR_EINVAL, "an RSA exponent of more than 64 bits");
	else if (!BN_is_odd(n))
		error = refuse(WEIR_EINVAL, "an RSA modulus that is even");
	BN_free(e);
	BN_free(n);
	return error;
}

/* A curve that is written out in numbers may differ from the one that it claims to be. */
static int check_ec(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *context;
	int is_written_out = 0, error = WEIR_OK;

	EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_written_out);
	if (is_written_out != 0)
		return refuse(WEIR_EUNSUPPORTED, "a curve without its name");
	context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if (context == NULL)
		return WEIR_ENOMEM;
	if (EVP_PKEY_public_check(context) != 1) {
		error = weir__jwt_crypto_error(WEIR_EINVAL);
		if (error == WEIR_EINVAL)
			refuse(error, "its point is not on the curve");
	}
	EVP_PKEY_CTX_free(context);
	return error;
}

/* The algorithm that the type has where none is said; WEIR__JWT_ALGS: the type is none of ours. */
static enum weir__jwt_alg own_alg(const EVP_PKEY *pkey)
{
	char group[64];
	size_t len;

	if (EVP_PKEY_is_a(pkey, "RSA"))
		return WEIR__JWT_RS256;
	if (EVP_PKEY_is_a(pkey, "ED25519"))
		return WEIR__JWT_EDDSA;
	if (EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) == 1)
		return weir__jwt_alg_of_curve(group);
	return WEIR__JWT_ALGS;
}

static bool fits(const EVP_PKEY *pkey, enum weir__jwt_alg own, enum weir__jwt_alg alg)
{
	enum weir__jwt_family family = weir__jwt_alg_facts(alg)->family;

	return EVP_PKEY_is_a(pkey, "RSA") ? family == WEIR__JWT_RSA || family == WEIR__JWT_PSS : own == alg;
}

static int print_public(struct weir__jwt_key *key, const EVP_PKEY *pkey)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);
	bool done = len > 0 && EVP_Digest(der, (size_t)len, key->print, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return done ? WEIR_OK : WEIR_ENOMEM;
}

static bool prepare_rsa(struct weir__jwt_key *key, enum weir__jwt_family family)
{
	if (family == WEIR__JWT_EC)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(key->verify, family == WEIR__JWT_PSS ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(key->verify, key->hash) == 1 &&
	       (family == WEIR__JWT_RSA || (EVP_PKEY_CTX_set_rsa_mgf1_md(key->verify, key->hash) == 1 &&
	                                    EVP_PKEY_CTX_set_rsa_pss_saltlen(key->verify, RSA_PSS_SALTLEN_DIGEST) == 1));
}

/* All that has a cost once: what is fetched by name, and the context that each call copies. */
static bool prepare(struct weir__jwt_key *key, EVP_PKEY *pkey)
{
	const struct weir__jwt_alg_facts *facts = weir__jwt_alg_facts(key->alg);

	if (facts->family == WEIR__JWT_ED) {
		key->signature_len = 2 * facts->coordinate;
		key->whole = EVP_MD_CTX_new();
		return key->whole != NULL && EVP_DigestVerifyInit(key->whole, NULL, NULL, NULL, pkey) == 1;
	}
	key->signature_len = facts->family == WEIR__JWT_EC ? 2 * facts->coordinate : ((size_t)EVP_PKEY_get_bits(pkey) + 7) / 8;
	key->hash = EVP_MD_fetch(NULL, facts->hash, NULL);
	key->verify = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	return key->hash != NULL && key->verify != NULL && EVP_PKEY_verify_init(key->verify) == 1 && prepare_rsa(key, facts->family);
}

int weir__jwt_key_take_public(struct weir__jwt_key **out, EVP_PKEY *pkey, const char *kid, size_t kid_len, enum weir__jwt_alg alg)
{
	enum weir__jwt_alg own = own_alg(pkey);
	int error = WEIR_OK;

	*out = NULL;
	if (own == WEIR__JWT_ALGS)
		error = refuse(WEIR_EUNSUPPORTED, "neither RSA, P-256, P-384, P-521 nor Ed25519");
	else if (alg != WEIR__JWT_ALGS && !fits(pkey, own, alg))
		error = refuse(WEIR_EUNSUPPORTED, "its algorithm is not one of its type");
	else if (EVP_PKEY_is_a(pkey, "RSA"))
		error = check_rsa(pkey);
	else if (EVP_PKEY_is_a(pkey, "EC"))
		error = check_ec(pkey);
	if (error == WEIR_OK)
		error = new_key(out, kid, kid_len, alg != WEIR__JWT_ALGS ? alg : own);
	if (error == WEIR_OK)
		error = print_public(*out, pkey);
	if (error == WEIR_OK && !prepare(*out, pkey))
		error = weir__jwt_crypto_error(WEIR_EUNSUPPORTED);
	EVP_PKEY_free(pkey); /* the contexts have references of their own */
	if (error != WEIR_OK) {
		weir__jwt_key_unref(*out);
		*out = NULL;
	}
	return error;
}

/* ---- secrets ----------------------------------------------------------------------------------------------------- */

static int prepare_secret(struct weir__jwt_key *key, const void *secret, size_t len)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	char hash[16];
	OSSL_PARAM params[2];
	bool done;

	strcpy(hash, weir__jwt_alg_facts(key->alg)->hash); /* "SHA256" and its like: libcrypto wants a char *, and measures it at once */
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0);
	params[1] = OSSL_PARAM_construct_end();
	key->signature_len = weir__jwt_alg_facts(key->alg)->hash_len;
	key->mac = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	done = key->mac != NULL && EVP_MAC_init(key->mac, secret, len, params) == 1 &&
	       EVP_Digest(secret, len, key->print, NULL, EVP_sha256(), NULL) == 1;
	return done ? WEIR_OK : weir__jwt_crypto_error(WEIR_EUNSUPPORTED);
}

int weir__jwt_key_of_secret(struct weir__jwt_key **out, const void *secret, size_t len, const char *kid, size_t kid_len,
                            enum weir__jwt_alg alg)
{
	int error;

	*out = NULL;
	if (alg == WEIR__JWT_ALGS || weir__jwt_alg_facts(alg)->family != WEIR__JWT_HMAC)
		return refuse(WEIR_EUNSUPPORTED, "a secret without one of HS256, HS384, HS512");
	if (len < weir__jwt_alg_facts(alg)->hash_len)
		return refuse(WEIR_EINVAL, "a secret that is shorter than its hash");
	if (len > WEIR__JWT_SECRET_MOST)
		return refuse(WEIR_ELIMIT, "a secret of more than 64 KiB");
	if (memmem(secret, len, "-----BEGIN ", 11) != NULL)
		return refuse(WEIR_EINVAL, "a PEM is no secret");
	error = new_key(out, kid, kid_len, alg);
	if (error == WEIR_OK)
		error = prepare_secret(*out, secret, len);
	if (error != WEIR_OK) {
		weir__jwt_key_unref(*out);
		*out = NULL;
	}
	return error;
}
