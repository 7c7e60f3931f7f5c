/* weir jwt: a private key from a file: a JWK, a set with one, PEM, or a secret's bytes. See jwt_key.h. */
#include "base64url.h"
#include "command.h"
#include "jwt_key.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBER_MAX = 2048 };

static const char *text_of(const json_t *jwk, const char *name)
{
	return json_string_value(json_object_get(jwk, name));
}

/* A member's bytes, new; NULL: it is not there, or not base64url. */
static unsigned char *bytes_of(const json_t *jwk, const char *name, size_t *len)
{
	const char *text = text_of(jwk, name);
	unsigned char *bytes;

	if (text == NULL || strlen(text) > BASE64URL_LEN(MEMBER_MAX))
		return NULL;
	bytes = malloc(strlen(text) + 1);
	if (bytes != NULL && !base64url_decode(bytes, len, text, strlen(text))) {
		OPENSSL_clear_free(bytes, strlen(text) + 1);
		bytes = NULL;
	}
	return bytes;
}

/* OSSL_PARAM_BLD keeps the numbers until it is done: they are freed behind it. */
struct numbers {
	OSSL_PARAM_BLD *build;
	BIGNUM *kept[8];
	size_t count;
};

static bool push(struct numbers *numbers, const json_t *jwk, const char *name, const char *param)
{
	size_t len;
	unsigned char *bytes = bytes_of(jwk, name, &len);
	BIGNUM *n = bytes != NULL ? BN_bin2bn(bytes, (int)len, BN_secure_new()) : NULL;

	if (bytes != NULL)
		OPENSSL_cleanse(bytes, len);
	free(bytes);
	if (n == NULL)
		return false;
	numbers->kept[numbers->count++] = n;
	return OSSL_PARAM_BLD_push_BN(numbers->build, param, n) == 1;
}

static bool push_rsa(struct numbers *numbers, const json_t *jwk)
{
	return push(numbers, jwk, "n", OSSL_PKEY_PARAM_RSA_N) && push(numbers, jwk, "e", OSSL_PKEY_PARAM_RSA_E) &&
	       push(numbers, jwk, "d", OSSL_PKEY_PARAM_RSA_D) && push(numbers, jwk, "p", OSSL_PKEY_PARAM_RSA_FACTOR1) &&
	       push(numbers, jwk, "q", OSSL_PKEY_PARAM_RSA_FACTOR2) &&
	       push(numbers, jwk, "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1) &&
	       push(numbers, jwk, "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2) &&
	       push(numbers, jwk, "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
}

/* point: 1 + two coordinates; it must outlive the building. */
static bool push_ec(struct numbers *numbers, const json_t *jwk, const struct alg *alg, unsigned char *point)
{
	bool ok = OSSL_PARAM_BLD_push_utf8_string(numbers->build, OSSL_PKEY_PARAM_GROUP_NAME, alg->group, 0) == 1;

	point[0] = POINT_CONVERSION_UNCOMPRESSED;
	for (unsigned i = 0; i < 2; i++) {
		size_t len = 0;
		unsigned char *bytes = bytes_of(jwk, i == 0 ? "x" : "y", &len);

		ok = ok && bytes != NULL && len == alg->size;
		if (ok)
			memcpy(point + 1 + i * alg->size, bytes, len);
		free(bytes);
	}
	return ok && OSSL_PARAM_BLD_push_octet_string(numbers->build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * alg->size) == 1 &&
	       push(numbers, jwk, "d", OSSL_PKEY_PARAM_PRIV_KEY);
}

static EVP_PKEY *pkey_built(const json_t *jwk, const struct alg *alg)
{
	struct numbers numbers = {.build = OSSL_PARAM_BLD_new()};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kty_text(alg->kty), NULL);
	unsigned char point[1 + 2 * 66];
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;

	if (numbers.build != NULL && ctx != NULL &&
	    (alg->kty == KTY_RSA ? push_rsa(&numbers, jwk) : push_ec(&numbers, jwk, alg, point)))
		params = OSSL_PARAM_BLD_to_param(numbers.build);
	if (params != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(numbers.build);
	for (size_t i = 0; i < numbers.count; i++)
		BN_clear_free(numbers.kept[i]);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static EVP_PKEY *pkey_raw(const json_t *jwk)
{
	size_t len = 0;
	unsigned char *bytes = bytes_of(jwk, "d", &len);
	EVP_PKEY *pkey = bytes != NULL ? EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, bytes, len) : NULL;

	if (bytes != NULL)
		OPENSSL_cleanse(bytes, len);
	free(bytes);
	return pkey;
}

/* The algorithm that is asked for, that the key says, or its type's; NULL: it has complained. */
static const struct alg *settle(const char *who, const char *path, const struct alg *asked, const char *said,
                                const char *kty, const char *crv)
{
	const struct alg *alg = said != NULL ? alg_find(said) : asked;

	for (int k = KTY_OCT; alg == NULL && said == NULL && kty != NULL && k <= KTY_OKP; k++)
		if (strcmp(kty_text((enum kty)k), kty) == 0)
			alg = alg_default((enum kty)k, k == KTY_RSA ? NULL : crv);
	if (alg == NULL)
		complain(EXIT_REFUSED, who, "%s: --alg must say what this key is for", path);
	else if (asked != NULL && alg != asked)
		complain(EXIT_REFUSED, who, "%s: the key is for %s, not for %s", path, alg->name, asked->name);
	else if (kty == NULL || strcmp(kty_text(alg->kty), kty) != 0 ||
	         (alg->crv != NULL && (crv == NULL || strcmp(alg->crv, crv) != 0)))
		complain(EXIT_REFUSED, who, "%s: a key of this type does not sign with %s", path, alg->name);
	else
		return alg;
	return NULL;
}

static bool from_jwk(struct key *key, const char *who, const char *path, const json_t *jwk, const struct alg *asked)
{
	const struct alg *alg = settle(who, path, asked, text_of(jwk, "alg"), text_of(jwk, "kty"), text_of(jwk, "crv"));
	const char *kid = text_of(jwk, "kid");

	key->alg = alg;
	if (alg == NULL)
		return false;
	if (alg->kty == KTY_OCT) {
		key->secret.bytes = (char *)bytes_of(jwk, "k", &key->secret.len);
	} else if (text_of(jwk, "d") == NULL) {
		complain(EXIT_REFUSED, who, "%s: a public key, which does not sign", path);
		return false;
	} else {
		key->pkey = alg->kty == KTY_OKP ? pkey_raw(jwk) : pkey_built(jwk, alg);
	}
	if (key->pkey == NULL && key->secret.bytes == NULL) {
		complain(EXIT_REFUSED, who, "%s: no whole private key", path);
		return false;
	}
	if (kid != NULL && strlen(kid) >= KID_MAX)
		return complain(EXIT_REFUSED, who, "%s: a kid of %d bytes or more", path, KID_MAX), false;
	strcpy(key->kid, kid != NULL ? kid : "");
	return true;
}

static bool from_json(struct key *key, const char *who, const char *path, const struct whole *file, const struct alg *asked)
{
	json_error_t error; /* its text has bytes of the file */
	json_t *root = json_loadb(file->bytes, file->len, JSON_REJECT_DUPLICATES, &error), *keys;
	bool ok = false;

	if (root == NULL)
		return complain(EXIT_REFUSED, who, "%s: no JSON: line %d, column %d", path, error.line, error.column), false;
	keys = json_object_get(root, "keys");
	if (keys == NULL)
		ok = from_jwk(key, who, path, root, asked);
	else if (json_array_size(keys) == 1)
		ok = from_jwk(key, who, path, json_array_get(keys, 0), asked);
	else
		complain(EXIT_REFUSED, who, "%s: a set of keys; to sign it must have one", path);
	json_decref(root);
	return ok;
}

static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static bool from_pem(struct key *key, const char *who, const char *path, const struct whole *file, const struct alg *asked)
{
	BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->len);
	const char *kty = NULL, *crv = NULL;
	char group[64] = "";

	if (bio != NULL)
		key->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	if (key->pkey == NULL)
		return complain(EXIT_REFUSED, who, "%s: no private key in PEM, or one with a password", path), false;
	if (EVP_PKEY_is_a(key->pkey, "RSA"))
		kty = "RSA";
	else if (EVP_PKEY_is_a(key->pkey, "ED25519"))
		kty = "OKP", crv = "Ed25519";
	else if (EVP_PKEY_get_group_name(key->pkey, group, sizeof group, NULL) == 1)
		kty = "EC";
	for (const char *const *name = (const char *const[]){"ES256", "ES384", "ES512", NULL}; *name != NULL; name++)
		if (strcmp(alg_find(*name)->group, group) == 0)
			crv = alg_find(*name)->crv;
	key->alg = settle(who, path, asked, NULL, kty, crv);
	return key->alg != NULL;
}

bool key_read(struct key *key, const char *who, const char *path, const struct alg *alg)
{
	struct whole file;
	const char *begin;
	bool ok;

	*key = (struct key){0};
	if (!whole_read(&file, who, path, KEY_FILE_MAX))
		return false;
	begin = file.bytes + strspn(file.bytes, " \t\r\n");
	if (*begin == '{')
		ok = from_json(key, who, path, &file, alg);
	else if (strstr(begin, "-----BEGIN ") != NULL)
		ok = from_pem(key, who, path, &file, alg);
	else
		ok = (complain(EXIT_REFUSED, who, "%s: neither a JWK nor PEM; a secret's bytes are for --secret-file", path), false);
	whole_free(&file);
	if (ok && key->kid[0] == '\0' && key->alg->kty != KTY_OCT)
		ok = key_thumbprint(key, key->kid);
	return ok;
}

bool key_read_secret(struct key *key, const char *who, const char *path, const struct alg *alg)
{
	*key = (struct key){.alg = alg};
	if (alg->kty != KTY_OCT)
		return complain(EXIT_USAGE, who, "--secret-file is for HS256, HS384 and HS512"), false;
	if (!whole_read(&key->secret, who, path, KEY_FILE_MAX))
		return false;
	if (key->secret.len > 0 && key->secret.bytes[key->secret.len - 1] == '\n')
		complain(EXIT_OK, who, "note: %s ends in a line's end, which is part of the secret", path);
	return true;
}
