/* weir-jwt: the public functions that fill a set. See weir/jwt.h, jwks.h. Layer: jwt. What they ask of libcrypto leaves no error in the
 * host's queue. */
#include "json.h"
#include "jwk.h"
#include "jwks.h"

#include <weir/abi/private.h>

#include <openssl/err.h>
#include <string.h>

enum { JWK_DEPTH = 8, JWKS_ITEMS_MOST = 65536 };

/* libcrypto registers an exit handler of its own when it is first used: weir's gate is to be taken before that runs. jansson draws a
 * seed for its tables, from the system: so that no token is the first to ask. */
static void prepare(void)
{
	static uint32_t prepared; /* acquire and release: once is enough, twice is harmless */

	if (__atomic_load_n(&prepared, __ATOMIC_ACQUIRE) != 0)
		return;
	OPENSSL_init_crypto(0, NULL); /* nothing that it would not do by itself */
	weir_private_gate_at_exit();
	json_object_seed(0);
	__atomic_store_n(&prepared, 1, __ATOMIC_RELEASE);
}

static int alg_of(const char *name, enum weir__jwt_alg *alg)
{
	*alg = name != NULL ? weir__jwt_alg_of(name, strlen(name)) : WEIR__JWT_ALGS;
	if (name == NULL || *alg != WEIR__JWT_ALGS)
		return WEIR_OK;
	weir_private_log(WEIR_LOG_ERROR, "jwt: a key's algorithm is none that is taken");
	return WEIR_EUNSUPPORTED;
}

static size_t length(const char *text)
{
	return text != NULL ? strlen(text) : 0;
}

int weir_jwks_add_pem(struct weir_jwks *keys, const char *kid, const char *alg, struct weir_str pem)
{
	struct weir__jwt_key *key;
	enum weir__jwt_alg wanted;
	EVP_PKEY *pkey;
	int error;

	if (keys == NULL)
		return WEIR_EINVAL;
	error = alg_of(alg, &wanted);
	if (error != WEIR_OK)
		return error;
	prepare();
	ERR_set_mark();
	pkey = weir__jwt_key_from_pem(pem, &error);
	if (pkey != NULL)
		error = weir__jwt_key_take_public(&key, pkey, kid, length(kid), wanted);
	if (error == WEIR_OK)
		error = weir__jwks_take(keys, key);
	ERR_pop_to_mark();
	return error;
}

int weir_jwks_add_secret(struct weir_jwks *keys, const char *kid, const char *alg, struct weir_str secret)
{
	struct weir__jwt_key *key;
	enum weir__jwt_alg wanted;
	int error;

	if (keys == NULL || (secret.ptr == NULL && secret.len != 0))
		return WEIR_EINVAL;
	error = alg_of(alg, &wanted);
	if (error != WEIR_OK)
		return error;
	prepare();
	ERR_set_mark();
	error = weir__jwt_key_of_secret(&key, secret.ptr, secret.len, kid, length(kid), wanted);
	if (error == WEIR_OK)
		error = weir__jwks_take(keys, key);
	ERR_pop_to_mark();
	return error;
}

static int read_json(json_t **object, struct weir_str json)
{
	if (json.ptr == NULL)
		return WEIR_EINVAL;
	if (json.len > WEIR__JWKS_BYTES_MOST) {
		weir_private_log(WEIR_LOG_ERROR, "jwt: keys of more than 1 MiB");
		return WEIR_ELIMIT;
	}
	switch (weir__json_read(object, json.ptr, json.len, JWK_DEPTH, JWKS_ITEMS_MOST, 0)) {
	case WEIR__JSON_READ:
		return WEIR_OK;
	case WEIR__JSON_NO_MEMORY:
		return WEIR_ENOMEM;
	default:
		weir_private_log(WEIR_LOG_ERROR, "jwt: keys that are no JSON object, have a member twice, or are nested too deeply");
		return WEIR_EINVAL;
	}
}

int weir_jwks_add_jwk(struct weir_jwks *keys, struct weir_str json)
{
	struct weir__jwt_key *key;
	json_t *jwk;
	int error;

	if (keys == NULL)
		return WEIR_EINVAL;
	error = read_json(&jwk, json);
	if (error != WEIR_OK)
		return error;
	prepare();
	ERR_set_mark();
	error = weir__jwk_read(&key, jwk);
	if (error == WEIR_OK)
		error = weir__jwks_take(keys, key);
	ERR_pop_to_mark();
	weir__json_free(jwk);
	return error;
}

/* RFC 7517 5: members that are not understood, or whose values are out of range, are passed over; the rest serves. */
static int add_members(struct weir_jwks *keys, const json_t *members)
{
	struct weir__jwt_key *key;
	int error = WEIR_OK;

	for (size_t i = 0; i < json_array_size(members) && error == WEIR_OK; i++) {
		error = weir__jwk_read(&key, json_array_get(members, i));
		if (error == WEIR_OK)
			error = weir__jwks_take(keys, key);
		else if (error != WEIR_ENOMEM)
			error = WEIR_OK;
	}
	return error;
}

/* All of them, or none: they are gathered in a set of their own first. */
int weir_jwks_add_jwks(struct weir_jwks *keys, struct weir_str json, size_t *added)
{
	struct weir_jwks *whole = NULL;
	json_t *set, *members;
	size_t before;
	int error;

	if (added != NULL)
		*added = 0;
	if (keys == NULL)
		return WEIR_EINVAL;
	error = read_json(&set, json);
	if (error != WEIR_OK)
		return error;
	prepare();
	ERR_set_mark();
	before = keys->count;
	members = json_object_get(set, "keys");
	if (!json_is_array(members)) {
		weir_private_log(WEIR_LOG_ERROR, "jwt: a JWKS without an array of keys");
		error = WEIR_EINVAL;
	} else if ((whole = weir__jwks_copy(keys)) == NULL) {
		error = WEIR_ENOMEM;
	} else if ((error = add_members(whole, members)) == WEIR_OK) {
		struct weir_jwks former = *keys;

		keys->algs = whole->algs;
		keys->generation = whole->generation;
		keys->count = whole->count;
		keys->room = whole->room;
		keys->entries = whole->entries;
		whole->count = former.count;
		whole->entries = former.entries;
		if (added != NULL)
			*added = keys->count - before;
	}
	weir__jwks_unref(whole);
	ERR_pop_to_mark();
	weir__json_free(set);
	return error;
}
