/* The cache: what is kept is found whole, by its own token and epoch, also while others write the same slots. */
#define _GNU_SOURCE
#include "cache.c" /* one case makes a slot odd, as one whose writer was held up has it */

#include "alone.h"

static void fill(struct weir__jwt_verified *v, uint64_t of, uint32_t used)
{
	memset(v, 0, sizeof *v);
	v->times.expiry_ns = of;
	for (int i = 0; i < WEIR__JWT_CLAIMS; i++)
		v->values.mark[i] = of * 31 + (uint64_t)i;
	v->values.used = used;
	v->values.len[0] = (uint8_t)used;
	memset(v->values.text, (int)(of % 251 + 1), used);
}

static bool holds(const struct weir__jwt_verified *v, uint64_t of)
{
	if (v->times.expiry_ns != of || v->values.used > WEIR__JWT_TEXT || v->values.len[0] != v->values.used)
		return false;
	for (int i = 0; i < WEIR__JWT_CLAIMS; i++)
		if (v->values.mark[i] != of * 31 + (uint64_t)i)
			return false;
	for (uint32_t i = 0; i < v->values.used; i++)
		if (v->values.text[i] != (char)(of % 251 + 1))
			return false;
	return true;
}

/* All tokens of these fall into one set. */
static void digest_of(uint64_t n, uint64_t digest[4])
{
	digest[0] = 0;
	digest[1] = n;
	digest[2] = ~n;
	digest[3] = n * 3;
}

static void finds(void **state)
{
	struct weir__jwt_verified in, out;
	struct weir__jwt_cache *cache;
	uint64_t digest[4], other[4];

	(void)state;
	assert_int_equal(weir__jwt_cache_new(&cache, 1), WEIR_OK);
	for (uint32_t used = 0; used <= WEIR__JWT_TEXT; used++) {
		digest_of(used, digest);
		fill(&in, used + 7, used);
		assert_false(weir__jwt_cache_find(cache, digest, 1, WEIR_S(1), &out));
		weir__jwt_cache_keep(cache, digest, 1, WEIR_S(1), &in);
		assert_true(weir__jwt_cache_find(cache, digest, 1, WEIR_S(1), &out));
		assert_true(holds(&out, used + 7));
		assert_false(weir__jwt_cache_find(cache, digest, 2, WEIR_S(1), &out)); /* another epoch */
		for (int i = 0; i < 4; i++) {
			memcpy(other, digest, sizeof other);
			other[i] ^= UINT64_C(1) << 63;
			assert_false(weir__jwt_cache_find(cache, other, 1, WEIR_S(1), &out));
		}
	}
	weir__jwt_cache_free(cache);
}

/* Of four in a set the one that was not used for the longest gives way; those of a former epoch first. */
static void evicts(void **state)
{
	struct weir__jwt_verified in, out;
	struct weir__jwt_cache *cache;
	uint64_t digest[4];

	(void)state;
	assert_int_equal(weir__jwt_cache_new(&cache, 4), WEIR_OK);
	for (uint64_t n = 0; n < 4; n++) {
		digest_of(n, digest);
		fill(&in, n, 8);
		weir__jwt_cache_keep(cache, digest, 1, WEIR_S(n + 1), &in);
	}
	digest_of(0, digest);
	assert_true(weir__jwt_cache_find(cache, digest, 1, WEIR_S(10), &out));
	digest_of(4, digest);
	fill(&in, 4, 8);
	weir__jwt_cache_keep(cache, digest, 1, WEIR_S(11), &in);
	for (uint64_t n = 0; n < 5; n++) {
		digest_of(n, digest);
		assert_int_equal(weir__jwt_cache_find(cache, digest, 1, WEIR_S(12), &out), n != 1);
	}
	digest_of(5, digest); /* of epoch 2: takes one of epoch 1, and the next one another */
	weir__jwt_cache_keep(cache, digest, 2, WEIR_S(13), &in);
	digest_of(6, digest);
	weir__jwt_cache_keep(cache, digest, 2, WEIR_S(13), &in);
	digest_of(5, digest);
	assert_true(weir__jwt_cache_find(cache, digest, 2, WEIR_S(13), &out));
	weir__jwt_cache_free(cache);
}

/* The same token again replaces itself, and does not spread. */
static void renews(void **state)
{
	struct weir__jwt_verified in, out;
	struct weir__jwt_cache *cache;
	uint64_t digest[4];

	(void)state;
	assert_int_equal(weir__jwt_cache_new(&cache, 4), WEIR_OK);
	for (uint64_t n = 0; n < 3; n++) {
		digest_of(n, digest);
		fill(&in, n, 3);
		weir__jwt_cache_keep(cache, digest, 1, WEIR_S(1), &in);
	}
	for (uint64_t n = 0; n < 10; n++) {
		digest_of(7, digest);
		fill(&in, 100 + n, 200);
		weir__jwt_cache_keep(cache, digest, 1, WEIR_S(1), &in);
		assert_true(weir__jwt_cache_find(cache, digest, 1, WEIR_S(1), &out));
		assert_true(holds(&out, 100 + n));
	}
	for (uint64_t n = 0; n < 3; n++) {
		digest_of(n, digest);
		assert_true(weir__jwt_cache_find(cache, digest, 1, WEIR_S(1), &out));
	}
	weir__jwt_cache_free(cache);
}

enum { THREADS = 8, TOKENS = 24, ROUNDS = 30000 };
/* Who is held up while he writes a slot holds up no other token. */
static void held_up(void **state)
{
	struct weir__jwt_verified in, out;
	struct weir__jwt_cache *cache;
	uint64_t digest[4];

	(void)state;
	for (int odd = 0; odd < WAYS; odd++) {
		assert_int_equal(weir__jwt_cache_new(&cache, 4), WEIR_OK);
		for (int i = 0; i <= odd; i++)
			cache->slots[i].seq = 1;
		for (uint64_t n = 1; n < 9; n++) {
			digest_of(n, digest);
			fill(&in, n, 8);
			weir__jwt_cache_keep(cache, digest, 1, WEIR_S(n), &in);
			assert_int_equal(weir__jwt_cache_find(cache, digest, 1, WEIR_S(n), &out), odd < WAYS - 1);
		}
		weir__jwt_cache_free(cache);
	}
}

static struct weir__jwt_cache *shared;
static uint32_t epoch = 1; /* relaxed */

static void *verify_on(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg * 977 + 1;
	struct weir__jwt_verified v;
	uint64_t digest[4];
	size_t found = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t n = (seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407) >> 33, e = __atomic_load_n(&epoch, __ATOMIC_RELAXED);

		n %= TOKENS;
		digest_of(n, digest);
		if (weir__jwt_cache_find(shared, digest, e, WEIR_S((uint64_t)i), &v)) {
			found++;
			if (!holds(&v, n * 1000 + e % 1000))
				return (void *)1;
		} else {
			fill(&v, n * 1000 + e % 1000, (uint32_t)(seed >> 20) % (WEIR__JWT_TEXT + 1));
			weir__jwt_cache_keep(shared, digest, e, WEIR_S((uint64_t)i), &v);
		}
		if (i % 1000 == 999)
			__atomic_fetch_add(&epoch, 1, __ATOMIC_RELAXED);
	}
	return found != 0 ? NULL : (void *)2;
}

/* Six times as many tokens as there are slots, all in one set, so that a slot is always being taken over. */
static void threads(void **state)
{
	pthread_t thread[THREADS];
	void *end;

	(void)state;
	assert_int_equal(weir__jwt_cache_new(&shared, 4), WEIR_OK);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, verify_on, (void *)i), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &end);
		assert_null(end);
	}
	weir__jwt_cache_free(shared);
}

/* One slot that is written over and over, with this or that: who reads meanwhile has one of them whole, never some of both. */
static void *read_one(void *arg)
{
	struct weir__jwt_verified v;
	uint64_t digest[4];
	size_t found = 0;

	(void)arg;
	digest_of(1, digest);
	while (__atomic_load_n(&epoch, __ATOMIC_RELAXED) != 0)
		if (weir__jwt_cache_find(shared, digest, 1, WEIR_S(1), &v)) {
			found++;
			if (!holds(&v, v.times.expiry_ns) || v.values.used != (v.times.expiry_ns == 7 ? 240 : 200))
				return (void *)1;
		}
	return found != 0 ? NULL : (void *)2;
}

static void written_while_read(void **state)
{
	struct weir__jwt_verified this, that;
	pthread_t thread[3];
	uint64_t digest[4];
	void *end;

	(void)state;
	assert_int_equal(weir__jwt_cache_new(&shared, 4), WEIR_OK);
	__atomic_store_n(&epoch, 1, __ATOMIC_RELAXED);
	fill(&this, 7, 240);
	fill(&that, 1 << 20, 200);
	digest_of(1, digest);
	weir__jwt_cache_keep(shared, digest, 1, WEIR_S(1), &this);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_one, NULL), 0);
	for (int i = 0; i < (SANITIZED ? 50000 : 2000000); i++) {
		weir__jwt_cache_keep(shared, digest, 1, WEIR_S(1), i % 2 == 0 ? &that : &this);
		for (volatile int rest = i % 64; rest > 0; rest--) /* else it is odd nearly always, and nobody reads */
			;
	}
	__atomic_store_n(&epoch, 0, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], &end);
		assert_null(end);
	}
	weir__jwt_cache_free(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(finds), cmocka_unit_test(evicts), cmocka_unit_test(renews), cmocka_unit_test(threads), cmocka_unit_test(held_up),
	                                   cmocka_unit_test(written_while_read)};

	return cmocka_run_group_tests_name("jwt_cache", tests, NULL, NULL);
}
