/* The way of a token: which key, which result comes first, what becomes of the payload. */
#include "jws.h"

#include "jwt_mint.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <pthread.h>

static const char payload[] = "{\"sub\":\"somebody\"}";

static struct weir_jwks *new_set(void)
{
	struct weir_jwks *keys;

	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	return keys;
}

static enum weir_jwt_result verify(const struct weir_jwks *keys, const struct mint_key *key, enum weir__jwt_alg alg, const char *kid)
{
	char *token = mint_plain(key, alg, kid, payload), out[256];
	size_t len = 99;
	enum weir_jwt_result result = weir_jws_verify(keys, weir_str_of(token), out, sizeof out, &len);

	assert_int_equal(len, result == WEIR_JWT_OK ? strlen(payload) : 0);
	free(token);
	return result;
}

/* kid there: the keys of that name; kid not there: the keys without one, of that algorithm. */
static void which_key(void **state)
{
	struct mint_key a = mint_key_new(WEIR__JWT_ES256), b = mint_key_new(WEIR__JWT_ES256), c = mint_key_new(WEIR__JWT_RS256);
	struct weir_jwks *named = new_set(), *nameless = new_set(), *both = new_set();

	(void)state;
	assert_int_equal(mint_add(named, &a, WEIR__JWT_ES256, "a"), WEIR_OK);
	assert_int_equal(mint_add(named, &b, WEIR__JWT_ES256, "b"), WEIR_OK);
	assert_int_equal(verify(named, &a, WEIR__JWT_ES256, "a"), WEIR_JWT_OK);
	assert_int_equal(verify(named, &b, WEIR__JWT_ES256, "b"), WEIR_JWT_OK);
	assert_int_equal(verify(named, &a, WEIR__JWT_ES256, "b"), WEIR_JWT_BAD_SIGNATURE);
	assert_int_equal(verify(named, &a, WEIR__JWT_ES256, "c"), WEIR_JWT_UNKNOWN_KEY);
	assert_int_equal(verify(named, &a, WEIR__JWT_ES256, NULL), WEIR_JWT_UNKNOWN_KEY);

	assert_int_equal(mint_add(nameless, &a, WEIR__JWT_ES256, NULL), WEIR_OK);
	assert_int_equal(verify(nameless, &a, WEIR__JWT_ES256, NULL), WEIR_JWT_OK);
	assert_int_equal(verify(nameless, &b, WEIR__JWT_ES256, NULL), WEIR_JWT_BAD_SIGNATURE);
	assert_int_equal(verify(nameless, &a, WEIR__JWT_ES256, "a"), WEIR_JWT_UNKNOWN_KEY);
	assert_int_equal(verify(nameless, &c, WEIR__JWT_RS256, NULL), WEIR_JWT_ALG_NOT_ALLOWED);
	assert_int_equal(mint_add(nameless, &b, WEIR__JWT_ES256, NULL), WEIR_OK); /* each is tried */
	assert_int_equal(verify(nameless, &a, WEIR__JWT_ES256, NULL), WEIR_JWT_OK);
	assert_int_equal(verify(nameless, &b, WEIR__JWT_ES256, NULL), WEIR_JWT_OK);

	assert_int_equal(mint_add(both, &a, WEIR__JWT_ES256, "a"), WEIR_OK);
	assert_int_equal(mint_add(both, &c, WEIR__JWT_RS256, "a"), WEIR_OK); /* one name, two algorithms */
	assert_int_equal(mint_add(both, &c, WEIR__JWT_PS256, NULL), WEIR_OK);
	assert_int_equal(verify(both, &a, WEIR__JWT_ES256, "a"), WEIR_JWT_OK);
	assert_int_equal(verify(both, &c, WEIR__JWT_RS256, "a"), WEIR_JWT_OK);
	assert_int_equal(verify(both, &c, WEIR__JWT_PS256, "a"), WEIR_JWT_ALG_NOT_ALLOWED);
	assert_int_equal(verify(both, &c, WEIR__JWT_PS256, NULL), WEIR_JWT_OK);
	assert_int_equal(verify(both, &c, WEIR__JWT_RS256, NULL), WEIR_JWT_UNKNOWN_KEY);

	weir_jwks_destroy(named);
	weir_jwks_destroy(nameless);
	weir_jwks_destroy(both);
	EVP_PKEY_free(a.pkey);
	EVP_PKEY_free(b.pkey);
	EVP_PKEY_free(c.pkey);
}

static void no_keys(void **state)
{
	struct mint_key key = mint_key_new(WEIR__JWT_HS256);
	struct weir_jwks *empty = new_set();

	(void)state;
	assert_int_equal(verify(NULL, &key, WEIR__JWT_HS256, "a"), WEIR_JWT_KEYS_UNAVAILABLE);
	assert_int_equal(verify(empty, &key, WEIR__JWT_HS256, "a"), WEIR_JWT_UNKNOWN_KEY);
	assert_int_equal(verify(empty, &key, WEIR__JWT_HS256, NULL), WEIR_JWT_UNKNOWN_KEY);
	assert_int_equal(weir_jws_verify(NULL, weir_str_of("x"), NULL, 0, NULL), WEIR_JWT_MALFORMED);
	assert_int_equal(weir_jws_verify(NULL, weir_str_of(NULL), NULL, 0, NULL), WEIR_JWT_MALFORMED);
	weir_jwks_destroy(empty);
}

static void payloads(void **state)
{
	struct mint_key key = mint_key_new(WEIR__JWT_HS256);
	struct weir_jwks *keys = new_set();
	static const size_t lens[] = {0, 1, 2, 3, 4, 1000, 48000};
	uint8_t *bytes = malloc(48000), *out = malloc(48001);

	(void)state;
	assert_int_equal(mint_add(keys, &key, WEIR__JWT_HS256, NULL), WEIR_OK);
	for (size_t i = 0; i < 48000; i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) { /* any bytes, none too */
		char *token = mint_raw(&key, WEIR__JWT_HS256, "{\"alg\":\"HS256\"}", 15, bytes, lens[i]);
		size_t len = 99;

		memset(out, 0xa5, 48001);
		assert_int_equal(weir_jws_verify(keys, weir_str_of(token), out, lens[i], &len), WEIR_JWT_OK);
		assert_int_equal(len, lens[i]);
		assert_memory_equal(out, bytes, len);
		assert_int_equal(out[len], 0xa5);
		assert_int_equal(weir_jws_verify(keys, weir_str_of(token), out, lens[i], NULL), WEIR_JWT_OK);
		if (lens[i] != 0) { /* a byte too small; and none at all */
			memset(out, 0xa5, 48001);
			assert_int_equal(weir_jws_verify(keys, weir_str_of(token), out, lens[i] - 1, &len), WEIR_JWT_NO_MEMORY);
			assert_int_equal(len, 0);
			assert_int_equal(out[0], 0xa5);
			assert_int_equal(weir_jws_verify(keys, weir_str_of(token), NULL, lens[i], &len), WEIR_JWT_NO_MEMORY);
		}
		free(token);
	}
	weir_jwks_destroy(keys);
	free(bytes);
	free(out);
}

static enum weir_jwt_result ask(struct weir__jws *jws, const struct weir_jwks *keys, size_t max, uint64_t now, const char *type, const char *token)
{
	const struct weir__jws_ask a = {keys, max, now, type};
	static char out[4096];

	return weir__jws_verify(jws, &a, weir_str_of(token), out, sizeof out);
}

static void asked_for(void **state)
{
	struct mint_key key = mint_key_new(WEIR__JWT_HS256);
	struct weir_jwks *keys = new_set();
	char *token = mint(&key, WEIR__JWT_HS256, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k\"}", payload);
	size_t len = strlen(token);
	struct weir__jws jws;

	(void)state;
	assert_int_equal(mint_add(keys, &key, WEIR__JWT_HS256, "k"), WEIR_OK);
	assert_int_equal(ask(&jws, keys, 0, 0, NULL, token), WEIR_JWT_OK);
	assert_ptr_equal(jws.entry, &keys->entries[0]);
	assert_int_equal(jws.payload.len, strlen(payload));
	assert_memory_equal(jws.payload.ptr, payload, jws.payload.len);
	assert_int_equal(ask(&jws, keys, len, 0, NULL, token), WEIR_JWT_OK);
	assert_int_equal(ask(&jws, keys, len - 1, 0, NULL, token), WEIR_JWT_TOO_LARGE);
	assert_null(jws.payload.ptr);
	assert_null(jws.entry);
	assert_int_equal(ask(&jws, keys, SIZE_MAX, 0, NULL, token), WEIR_JWT_OK); /* 64 KiB at most, all the same */
	assert_int_equal(ask(&jws, keys, 0, 0, "at+jwt", token), WEIR_JWT_OK);
	assert_int_equal(ask(&jws, keys, 0, 0, "JWT", token), WEIR_JWT_TYPE);
	assert_int_equal(ask(&jws, NULL, 0, 0, "JWT", token), WEIR_JWT_TYPE); /* before keys are asked for */

	keys->entries[0].until_ns = 1000; /* on its way out */
	assert_int_equal(ask(&jws, keys, 0, 0, NULL, token), WEIR_JWT_OK);
	assert_int_equal(ask(&jws, keys, 0, 999, NULL, token), WEIR_JWT_OK);
	assert_int_equal(jws.entry->until_ns, 1000);
	assert_int_equal(ask(&jws, keys, 0, 1000, NULL, token), WEIR_JWT_UNKNOWN_KEY);
	weir_jwks_destroy(keys);
	free(token);
}

/* ---- one set, eight threads -------------------------------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 40, KINDS = 6 };
static const enum weir__jwt_alg kinds[KINDS] = {WEIR__JWT_HS256, WEIR__JWT_HS512, WEIR__JWT_RS256, WEIR__JWT_PS384, WEIR__JWT_ES256, WEIR__JWT_EDDSA};
static struct weir_jwks *one_set;
static char *good[KINDS], *bad[KINDS];
static unsigned wrong; /* relaxed: counted by all, read at the end */

static void *verify_all(void *arg)
{
	(void)arg;
	for (int round = 0; round < ROUNDS; round++) {
		const struct weir_jwks *mine = weir__jwks_ref(one_set);
		struct weir_jwks *copy = weir__jwks_copy(mine), *merged = copy != NULL ? weir__jwks_merge(copy, mine, 0, 1) : NULL;
		const struct weir_jwks *sets[3] = {mine, copy, merged};

		for (int k = 0; k < KINDS; k++) {
			char out[256];
			size_t len;

			if (weir_jws_verify(sets[(round + k) % 3], weir_str_of(good[k]), out, sizeof out, &len) != WEIR_JWT_OK ||
			    len != strlen(payload) ||
			    weir_jws_verify(sets[(round + k) % 3], weir_str_of(bad[k]), out, sizeof out, &len) != WEIR_JWT_BAD_SIGNATURE)
				__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
		}
		weir__jwks_unref(merged);
		weir__jwks_unref(copy);
		weir__jwks_unref(mine);
	}
	return NULL;
}

static void eight_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	one_set = new_set();
	for (int k = 0; k < KINDS; k++) {
		struct mint_key key = mint_key_new(kinds[k]);
		char *digit;

		assert_int_equal(mint_add(one_set, &key, kinds[k], "k"), WEIR_OK);
		good[k] = mint_plain(&key, kinds[k], "k", payload);
		bad[k] = mint_plain(&key, kinds[k], "k", payload);
		digit = strrchr(bad[k], '.') + 9;
		*digit = *digit == 'A' ? 'B' : 'A';
		EVP_PKEY_free(key.pkey);
	}
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, verify_all, NULL), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	assert_int_equal(wrong, 0);
	for (int k = 0; k < KINDS; k++) {
		free(good[k]);
		free(bad[k]);
	}
	weir_jwks_destroy(one_set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(which_key), cmocka_unit_test(no_keys), cmocka_unit_test(payloads),
	                                   cmocka_unit_test(asked_for), cmocka_unit_test(eight_threads)};

	return cmocka_run_group_tests_name("jwt_jws", tests, NULL, NULL);
}
