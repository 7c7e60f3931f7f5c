/* weir-jwt: tokens that were verified, so that the next time costs a hash. Layer: jwt.
 *
 * Fixed slots in sets of four: a token's hash says which set. A slot holds the hash of the whole token, the epoch of the keys that
 * verified it, the times and the values that leave it; nothing else of the token. What did not verify never comes in.
 * Invariant: what find gives is one whole keep's, of this very token and epoch. Writers: any thread, by compare-and-swap on the
 * slot's seq; who meets another writer leaves it. Readers: any, without a lock. */
#ifndef WEIR_JWT_CACHE_H
#define WEIR_JWT_CACHE_H

#include "claims.h"
#include "policy.h"

struct weir__jwt_verified {
	struct weir__jwt_times times;
	uint64_t key_until_ns; /* weir_private_clock_ns; 0: its key is in force */
	struct weir__jwt_values values;
};

struct weir__jwt_cache;
/* Errors: WEIR_ENOMEM. */
int weir__jwt_cache_new(struct weir__jwt_cache **cache, uint32_t slots);
void weir__jwt_cache_free(struct weir__jwt_cache *cache); /* NULL is harmless */
bool weir__jwt_cache_find(struct weir__jwt_cache *cache, const uint64_t digest[4], uint64_t epoch, uint64_t now_ns,
                          struct weir__jwt_verified *verified);
void weir__jwt_cache_keep(struct weir__jwt_cache *cache, const uint64_t digest[4], uint64_t epoch, uint64_t now_ns,
                          const struct weir__jwt_verified *verified);

#endif
