/* weir-jwt: a verifier's life, and a token's way through it. See weir/jwt.h and verifier.h. Layer: jwt. */
#define _GNU_SOURCE
#include "verifier.h"

#include "digest.h"
#include "health.h"
#include "keeper.h"

#include <weir/abi/private.h>

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- life -------------------------------------------------------------------------------------------------------- */

bool weir__jwt_verifier_release(struct weir_jwt_verifier *v)
{
	return --v->holders == 0;
}

void weir__jwt_verifier_free(struct weir_jwt_verifier *v)
{
	for (size_t i = 0; i < v->rules.required_count; i++)
		weir__jwt_path_free(&v->rules.required[i]);
	free(v->rules.required);
	free(v->rules.issuer);
	free(v->rules.audience);
	free(v->type);
	weir__jwt_policy_free(&v->policy);
	weir__jwt_cache_free(v->cache);
	weir__jwt_rotation_end(&v->rotation);
	weir__jwt_source_free(&v->source);
	free(v);
}

static bool prepare(void)
{
	static uint32_t prepared; /* relaxed: twice is harmless */

	if (!weir__jwt_keeper_begin() || OPENSSL_init_crypto(0, NULL) != 1)
		return false;
	if (__atomic_exchange_n(&prepared, 1, __ATOMIC_RELAXED) == 0)
		weir_private_gate_at_exit(); /* behind libcrypto's own handlers */
	return true;
}

/* The first set, where it is at hand. */
static int load(struct weir_jwt_verifier *v, const struct weir_jwks *given)
{
	struct weir_jwks *keys;

	if (v->source.path != NULL)
		weir__jwt_source_file(v, true);
	if (given == NULL)
		return WEIR_OK;
	keys = weir__jwks_copy(given);
	if (keys == NULL)
		return WEIR_ENOMEM;
	return weir__jwt_rotation_publish(&v->rotation, keys, 0) == WEIR__JWT_FAILED ? WEIR_ENOMEM : WEIR_OK;
}

int weir_jwt_verifier_new(struct weir_jwt_verifier **made, const struct weir_jwt_options *options)
{
	struct weir_jwt_verifier *v;
	unsigned number;
	int error;

	*made = NULL;
	v = calloc(1, sizeof *v);
	if (v == NULL || !prepare()) {
		free(v);
		return WEIR_ENOMEM;
	}
	v->holders = 1;
	error = weir__jwt_options_take(v, options);
	if (error == WEIR_OK) {
		error = weir__jwt_keeper_reserve(&number);
		if (error == WEIR_ELIMIT)
			weir_private_log(WEIR_LOG_ERROR, "jwt: a process has 16 verifiers at most");
	}
	if (error != WEIR_OK) {
		weir__jwt_verifier_free(v);
		return error;
	}
	v->source.number = number;
	weir__jwt_rotation_begin(&v->rotation, number);
	error = weir__jwt_tags_define(v);
	if (error == WEIR_OK)
		error = load(v, options->keys);
	if (error != WEIR_OK) {
		weir__jwt_lock();
		weir__jwt_keeper_remove(number);
		weir__jwt_unlock();
		weir__jwt_verifier_free(v);
		return error;
	}
	weir__jwt_keeper_add(v);
	*made = v;
	return WEIR_OK;
}

void weir_jwt_verifier_destroy(struct weir_jwt_verifier *v)
{
	uint64_t deadline = weir_private_clock_ns() + weir__jwt_pace.leave_ns;
	bool last;

	if (v == NULL)
		return;
	weir__jwt_lock();
	v->destroyed = true;
	weir__jwt_keeper_remove(v->source.number);
	while (v->holders > 1 && weir__jwt_wait(deadline))
		;
	last = weir__jwt_verifier_release(v);
	weir__jwt_keeper_join();
	weir__jwt_unlock();
	if (last)
		weir__jwt_verifier_free(v);
}

void weir_jwt_verifier_flush(struct weir_jwt_verifier *v)
{
	if (v != NULL)
		weir__jwt_rotation_forget(&v->rotation);
}

int weir_jwt_verifier_refresh(struct weir_jwt_verifier *v, uint64_t timeout_ns)
{
	uint64_t now = weir_private_clock_ns(), until = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns, mine;
	struct weir__jwt_source *s;
	int error = WEIR_OK;

	if (v == NULL)
		return WEIR_EINVAL;
	s = &v->source;
	if (s->path == NULL && s->url == NULL)
		return WEIR_OK;
	weir__jwt_lock();
	mine = ++s->asked;
	weir__jwt_keeper_runs(true);
	weir__jwt_wake();
	while (s->done < mine && weir__jwt_keeper_runs(false) && weir__jwt_wait(until)) /* without the thread nobody would answer */
		;
	if (s->done < mine)
		error = WEIR_ETIMEOUT;
	else if (!s->good)
		error = WEIR_EIO;
	weir__jwt_unlock();
	return error;
}

/* ---- a token ----------------------------------------------------------------------------------------------------- */

/* One size for all tokens of a verifier: nothing is allocated by what a token's author chose. */
struct scratch {
	struct weir__jwt_tree tree;
	char payload[];
};

static enum weir_jwt_result look_into(const struct weir_jwt_verifier *v, struct weir__jwt_tree *tree, struct weir_str payload,
                                      uint64_t now_ns, struct weir__jwt_verified *verified)
{
	enum weir_jwt_result result;

	if (!weir__jwt_tree_read(tree, (char *)(uintptr_t)payload.ptr, payload.len))
		return WEIR_JWT_MALFORMED;
	result = weir__jwt_claims_judge(&v->rules, tree, now_ns, &verified->times);
	if (result == WEIR_JWT_OK)
		result = weir__jwt_policy_extract(&v->policy, tree, &verified->values);
	return result;
}

static enum weir_jwt_result verify(struct weir_jwt_verifier *v, struct weir_str token, uint64_t now_ns,
                                   struct weir__jwt_verified *verified)
{
	struct scratch *scratch = malloc(sizeof *scratch + v->max_bytes);
	struct weir__jws_ask ask = {.max_bytes = v->max_bytes, .type = v->type};
	struct weir_str payload;
	enum weir_jwt_result result;

	if (scratch == NULL)
		return WEIR_JWT_NO_MEMORY;
	result = weir__jwt_rotation_verify(&v->rotation, &ask, token, scratch->payload, v->max_bytes, &payload, &verified->key_until_ns);
	if (result == WEIR_JWT_UNKNOWN_KEY || result == WEIR_JWT_ALG_NOT_ALLOWED) /* a new key may be of a new kind */
		weir__jwt_source_unknown(&v->source);
	if (result == WEIR_JWT_OK) {
		result = look_into(v, &scratch->tree, payload, now_ns, verified);
		OPENSSL_cleanse(scratch->payload, payload.len);
	}
	free(scratch);
	return result;
}

static bool is_by_a_key_that_left(const struct weir__jwt_verified *verified)
{
	return verified->key_until_ns != 0 && weir_private_clock_ns() >= verified->key_until_ns;
}

enum weir_jwt_result weir__jwt_verifier_check(struct weir_jwt_verifier *v, struct weir_str token, uint64_t now_ns,
                                              struct weir__jwt_verified *verified, struct weir__jwt_seen *seen)
{
	enum weir_jwt_result result;

	seen->cached = seen->keep = false;
	if (v == NULL)
		return WEIR_JWT_KEYS_UNAVAILABLE;
	seen->epoch = weir__jwt_rotation_epoch(&v->rotation); /* before the keys: what they verify is of it, or older */
	if (token.ptr == NULL || token.len > v->max_bytes)
		return token.ptr == NULL ? WEIR_JWT_MALFORMED : WEIR_JWT_TOO_LARGE;
	if (v->cache != NULL) {
		weir__jwt_digest(token, seen->digest);
		seen->cached =
		    weir__jwt_cache_find(v->cache, seen->digest, seen->epoch, now_ns, verified) && !is_by_a_key_that_left(verified);
		weir__jwt_health_lookup(seen->cached);
		if (seen->cached)
			return weir__jwt_claims_in_time(&verified->times, now_ns);
	}
	weir__jwt_keeper_ensure();
	result = verify(v, token, now_ns, verified);
	seen->keep = result == WEIR_JWT_OK && v->cache != NULL;
	return result;
}

void weir__jwt_verifier_keep(struct weir_jwt_verifier *v, const struct weir__jwt_seen *seen, uint64_t now_ns,
                             const struct weir__jwt_verified *verified)
{
	if (seen->keep)
		weir__jwt_cache_keep(v->cache, seen->digest, seen->epoch, now_ns, verified);
}
