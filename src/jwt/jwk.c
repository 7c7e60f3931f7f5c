/* weir-jwt: JWKs. See jwk.h. Layer: jwt. */
#define _GNU_SOURCE
#include "jwk.h"

#include "base64url.h"

#include <weir/abi/private.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

enum { RSA_BYTES_MOST = WEIR__JWT_SIGNATURE_MOST + 8, POINT_MOST = 1 + 2 * 66 };

static int refuse(int error, const char *why)
{
	weir_private_log(error == WEIR_EUNSUPPORTED ? WEIR_LOG_INFO : WEIR_LOG_ERROR, "jwt: a JWK is not taken: %s", why);
	return error;
}

static bool is(const json_t *value, const char *text)
{
	return json_is_string(value) && json_string_length(value) == strlen(text) && strcmp(json_string_value(value), text) == 0;
}

/* A member's bytes: how many; 0: there are none, it is no base64url, or more than there is room for. */
static size_t bytes_of(const json_t *jwk, const char *name, uint8_t *out, size_t room)
{
	const json_t *value = json_object_get(jwk, name);
	size_t len = json_string_length(value), bytes = weir__base64url_bytes(len);

	if (!json_is_string(value) || bytes > room || !weir__base64url_decode(json_string_value(value), len, out))
		return 0;
	return bytes;
}

/* ---- what it is for ---------------------------------------------------------------------------------------------- */

static int check_use(const json_t *jwk)
{
	const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops");
	bool verifies = ops == NULL;

	if (use != NULL && !json_is_string(use))
		return refuse(WEIR_EINVAL, "its use is no text");
	if (ops != NULL && !json_is_array(ops))
		return refuse(WEIR_EINVAL, "its key_ops are no array");
	for (size_t i = 0; i < json_array_size(ops); i++) {
		if (!json_is_string(json_array_get(ops, i)))
			return refuse(WEIR_EINVAL, "one of its key_ops is no text");
		verifies = verifies || is(json_array_get(ops, i), "verify");
	}
	if (use != NULL && !is(use, "sig"))
		return refuse(WEIR_EUNSUPPORTED, "its use is not sig");
	return verifies ? WEIR_OK : refuse(WEIR_EUNSUPPORTED, "its key_ops have no verify");
}

/* WEIR__JWT_ALGS where none is said. */
static int read_alg(const json_t *jwk, enum weir__jwt_alg *alg)
{
	const json_t *said = json_object_get(jwk, "alg");

	*alg = WEIR__JWT_ALGS;
	if (said == NULL)
		return WEIR_OK;
	if (!json_is_string(said))
		return refuse(WEIR_EINVAL, "its alg is no text");
	*alg = weir__jwt_alg_of(json_string_value(said), json_string_length(said));
	return *alg != WEIR__JWT_ALGS ? WEIR_OK : refuse(WEIR_EUNSUPPORTED, "its alg is none that is taken");
}

/* ---- each type --------------------------------------------------------------------------------------------------- */

static EVP_PKEY *from_data(const char *type, OSSL_PARAM_BLD *build, int *error)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
		pkey = NULL;
		*error = weir__jwt_crypto_error(WEIR_EINVAL);
		if (*error == WEIR_EINVAL)
			refuse(*error, "its numbers are no key"); /* a point that is not on the curve, for instance */
	}
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *read_rsa(const json_t *jwk, int *error)
{
	uint8_t n[RSA_BYTES_MOST], e[RSA_BYTES_MOST];
	size_t n_len = bytes_of(jwk, "n", n, sizeof n), e_len = bytes_of(jwk, "e", e, sizeof e);
	OSSL_PARAM_BLD *build;
	BIGNUM *modulus, *exponent;
	EVP_PKEY *pkey = NULL;

	if (n_len == 0 || e_len == 0) {
		*error = refuse(WEIR_EINVAL, "its n or e is missing, no base64url, or too long");
		return NULL;
	}
	build = OSSL_PARAM_BLD_new();
	modulus = BN_bin2bn(n, (int)n_len, NULL);
	exponent = BN_bin2bn(e, (int)e_len, NULL);
	if (build == NULL || modulus == NULL || exponent == NULL || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
		*error = WEIR_ENOMEM;
	else if (BN_is_zero(modulus) || BN_is_zero(exponent))
		*error = refuse(WEIR_EINVAL, "its n or e is zero");
	else
		pkey = from_data("RSA", build, error);
	OSSL_PARAM_BLD_free(build);
	BN_free(modulus);
	BN_free(exponent);
	return pkey;
}

static EVP_PKEY *read_ec(const json_t *jwk, int *error)
{
	const json_t *curve = json_object_get(jwk, "crv");
	enum weir__jwt_alg alg = json_is_string(curve) ? weir__jwt_alg_of_curve(json_string_value(curve)) : WEIR__JWT_ALGS;
	const struct weir__jwt_alg_facts *facts;
	uint8_t point[POINT_MOST] = {4}; /* not compressed */
	OSSL_PARAM_BLD *build;
	EVP_PKEY *pkey = NULL;

	if (!json_is_string(curve))
		*error = refuse(WEIR_EINVAL, "its crv is missing, or no text");
	else if (alg == WEIR__JWT_ALGS || !is(curve, weir__jwt_alg_facts(alg)->curve) || weir__jwt_alg_facts(alg)->family != WEIR__JWT_EC)
		*error = refuse(WEIR_EUNSUPPORTED, "its crv is none of P-256, P-384, P-521");
	if (*error != WEIR_OK)
		return NULL;
	facts = weir__jwt_alg_facts(alg);
	if (bytes_of(jwk, "x", point + 1, facts->coordinate) != facts->coordinate ||
	    bytes_of(jwk, "y", point + 1 + facts->coordinate, facts->coordinate) != facts->coordinate) {
		*error = refuse(WEIR_EINVAL, "its x or y is missing, no base64url, or not of the curve's length");
		return NULL;
	}
	build = OSSL_PARAM_BLD_new();
	if (build == NULL || OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, facts->group, 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * facts->coordinate) != 1)
		*error = WEIR_ENOMEM;
	else
		pkey = from_data("EC", build, error);
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

static EVP_PKEY *read_okp(const json_t *jwk, int *error)
{
	const json_t *curve = json_object_get(jwk, "crv");
	EVP_PKEY *pkey = NULL;
	uint8_t x[32];

	if (!json_is_string(curve))
		*error = refuse(WEIR_EINVAL, "its crv is missing, or no text");
	else if (!is(curve, "Ed25519"))
		*error = refuse(WEIR_EUNSUPPORTED, "its crv is not Ed25519");
	else if (bytes_of(jwk, "x", x, sizeof x) != sizeof x)
		*error = refuse(WEIR_EINVAL, "its x is missing, no base64url, or not of 32 bytes");
	else if ((pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, x, sizeof x)) == NULL)
		*error = weir__jwt_crypto_error(WEIR_EINVAL);
	return pkey;
}

static int read_secret(struct weir__jwt_key **key, const json_t *jwk, const char *kid, size_t kid_len, enum weir__jwt_alg alg)
{
	size_t room = weir__base64url_bytes(json_string_length(json_object_get(jwk, "k"))), len;
	uint8_t *secret;
	int error;

	if (room == 0)
		return refuse(WEIR_EINVAL, "its k is missing, or empty");
	secret = malloc(room);
	if (secret == NULL)
		return WEIR_ENOMEM;
	len = bytes_of(jwk, "k", secret, room);
	error = len != 0 ? weir__jwt_key_of_secret(key, secret, len, kid, kid_len, alg) : refuse(WEIR_EINVAL, "its k is no base64url");
	OPENSSL_cleanse(secret, room);
	free(secret);
	return error;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

int weir__jwk_read(struct weir__jwt_key **key, const json_t *jwk)
{
	const json_t *type = json_object_get(jwk, "kty"), *id = json_object_get(jwk, "kid");
	const char *kid = json_string_value(id);
	size_t kid_len = json_string_length(id);
	enum weir__jwt_alg alg;
	EVP_PKEY *pkey;
	int error;

	*key = NULL;
	if (!json_is_object(jwk))
		return refuse(WEIR_EINVAL, "it is no object");
	if (!json_is_string(type))
		return refuse(WEIR_EINVAL, "its kty is missing, or no text");
	if (id != NULL && !json_is_string(id))
		return refuse(WEIR_EINVAL, "its kid is no text");
	error = check_use(jwk);
	if (error == WEIR_OK)
		error = read_alg(jwk, &alg);
	if (error != WEIR_OK)
		return error;
	if (is(type, "oct"))
		return read_secret(key, jwk, kid, kid_len, alg);
	if (json_object_get(jwk, "d") != NULL)
		return refuse(WEIR_EINVAL, "a private key, where the public one is wanted");
	if (is(type, "RSA"))
		pkey = read_rsa(jwk, &error);
	else if (is(type, "EC"))
		pkey = read_ec(jwk, &error);
	else if (is(type, "OKP"))
		pkey = read_okp(jwk, &error);
	else
		return refuse(WEIR_EUNSUPPORTED, "its kty is none of RSA, EC, OKP, oct");
	return pkey != NULL ? weir__jwt_key_take_public(key, pkey, kid, kid_len, alg) : error;
}
