/* weir-jwt: the cache of verified tokens. See cache.h. Layer: jwt.
 *
 * How a reader knows that he has read one keep and no mixture. All words are atomic. A writer makes seq odd, stores the words,
 * each with release, and makes seq even again. A reader loads seq, the words, each with acquire, and seq again. If one of the
 * words he loaded is a later keep's, then that load has acquired from a store that came after its seq was odd; so his second load
 * of seq gives that one or a later one, and not the first. If seq was the same twice, and even, no word was a later keep's; and
 * none was an earlier one's, since the first load of seq has acquired from the store that ended this one. */
#define _GNU_SOURCE
#include "cache.h"

#include <stdlib.h>
#include <string.h>

enum { WAYS = 4, LINE = 64, DIGEST = 4, HEAD = DIGEST + 1, VERIFIED = sizeof(struct weir__jwt_verified) / 8 };
enum { FIXED = offsetof(struct weir__jwt_verified, values.text) / 8 }; /* words before the text */

struct slot {
	uint64_t seq;    /* odd while it is written; 0: never. Compare-and-swap; acquire and release */
	uint64_t second; /* of its last use, of which the least gives way. Writers and readers: any, relaxed: it only ranks */
	uint64_t word[HEAD + VERIFIED]; /* digest, epoch, verified: by who made seq odd; release; acquire */
} __attribute__((aligned(LINE)));
_Static_assert(sizeof(struct weir__jwt_verified) % 8 == 0 && offsetof(struct weir__jwt_verified, values.text) % 8 == 0, "words");
_Static_assert(sizeof(struct slot) == 448, "seven lines");

struct weir__jwt_cache {
	uint32_t sets; /* a power of two */
	struct slot *slots;
	void *memory;
};

int weir__jwt_cache_new(struct weir__jwt_cache **made, uint32_t slots)
{
	struct weir__jwt_cache *cache = calloc(1, sizeof *cache);
	size_t bytes;

	*made = NULL;
	if (cache == NULL)
		return WEIR_ENOMEM;
	for (cache->sets = 1; cache->sets * WAYS < slots; cache->sets *= 2)
		;
	bytes = (size_t)cache->sets * WAYS * sizeof(struct slot);
	cache->memory = calloc(1, bytes + LINE); /* so large a piece is paid as it is touched */
	if (cache->memory == NULL) {
		free(cache);
		return WEIR_ENOMEM;
	}
	cache->slots = (struct slot *)(((uintptr_t)cache->memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
	*made = cache;
	return WEIR_OK;
}

void weir__jwt_cache_free(struct weir__jwt_cache *cache)
{
	if (cache == NULL)
		return;
	free(cache->memory);
	free(cache);
}

static struct slot *set_of(const struct weir__jwt_cache *cache, const uint64_t digest[4])
{
	return &cache->slots[(digest[0] & (cache->sets - 1)) * WAYS];
}

static uint64_t load(const struct slot *slot, size_t word)
{
	return __atomic_load_n(&slot->word[word], __ATOMIC_ACQUIRE);
}

/* As far as it goes: a mixture is told by the caller's second look at seq. */
static bool is_of(const struct slot *slot, const uint64_t digest[4], uint64_t epoch)
{
	for (size_t i = 0; i < DIGEST; i++)
		if (load(slot, i) != digest[i])
			return false;
	return load(slot, DIGEST) == epoch;
}

static bool read_slot(const struct slot *slot, struct weir__jwt_verified *verified)
{
	uint64_t words[VERIFIED];
	size_t count = FIXED;

	for (size_t i = 0; i < FIXED; i++)
		words[i] = load(slot, HEAD + i);
	memcpy(verified, words, FIXED * 8);
	if (verified->values.used > WEIR__JWT_TEXT)
		return false;
	count += (verified->values.used + 7) / 8;
	for (size_t i = FIXED; i < count; i++)
		words[i] = load(slot, HEAD + i);
	memcpy((char *)verified + FIXED * 8, words + FIXED, (count - FIXED) * 8);
	return true;
}

bool weir__jwt_cache_find(struct weir__jwt_cache *cache, const uint64_t digest[4], uint64_t epoch, uint64_t now_ns,
                          struct weir__jwt_verified *verified)
{
	struct slot *set = set_of(cache, digest);

	for (int i = 0; i < WAYS; i++) {
		uint64_t seq = __atomic_load_n(&set[i].seq, __ATOMIC_ACQUIRE), second = now_ns / WEIR_S(1);

		if (seq == 0 || seq % 2 != 0 || !is_of(&set[i], digest, epoch) || !read_slot(&set[i], verified) ||
		    __atomic_load_n(&set[i].seq, __ATOMIC_RELAXED) != seq) /* behind the acquires: see above */
			continue;
		if (__atomic_load_n(&set[i].second, __ATOMIC_RELAXED) != second)
			__atomic_store_n(&set[i].second, second, __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

/* One that nobody will find again, else the one that was used the longest ago; never one that is being written, whose writer may
 * not get a processor for long. NULL: all are. */
static struct slot *victim(struct slot *set, const uint64_t digest[4], uint64_t epoch)
{
	struct slot *least = NULL;

	for (int i = 0; i < WAYS; i++) {
		uint64_t seq = __atomic_load_n(&set[i].seq, __ATOMIC_RELAXED);

		if (seq % 2 != 0)
			continue;
		if (is_of(&set[i], digest, epoch)) /* another thread was first; or it is out of its time */
			return &set[i];
		if (load(&set[i], DIGEST) != epoch || seq == 0)
			__atomic_store_n(&set[i].second, 0, __ATOMIC_RELAXED);
		if (least == NULL || __atomic_load_n(&set[i].second, __ATOMIC_RELAXED) < __atomic_load_n(&least->second, __ATOMIC_RELAXED))
			least = &set[i];
	}
	return least;
}

void weir__jwt_cache_keep(struct weir__jwt_cache *cache, const uint64_t digest[4], uint64_t epoch, uint64_t now_ns,
                          const struct weir__jwt_verified *verified)
{
	struct slot *slot = victim(set_of(cache, digest), digest, epoch);
	uint64_t seq, words[HEAD + VERIFIED];
	size_t count = HEAD + FIXED + (verified->values.used + 7) / 8;

	if (slot == NULL)
		return;
	seq = __atomic_load_n(&slot->seq, __ATOMIC_RELAXED);
	memcpy(words, digest, DIGEST * 8);
	words[DIGEST] = epoch;
	memcpy(words + HEAD, verified, sizeof *verified);
	/* Acquire: the stores below stay behind it, and come after the former writer's. A fork that came between leaves a slot odd for
	 * good in the child: one of the set's four. */
	if (seq % 2 != 0 || !__atomic_compare_exchange_n(&slot->seq, &seq, seq + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	for (size_t i = 0; i < count; i++)
		__atomic_store_n(&slot->word[i], words[i], __ATOMIC_RELEASE);
	__atomic_store_n(&slot->second, now_ns / WEIR_S(1), __ATOMIC_RELAXED);
	__atomic_store_n(&slot->seq, seq + 2, __ATOMIC_RELEASE); /* pairs with find's first load */
}
