/* weir-jwt: a verifier, as its parts see it. Layer: jwt.
 *
 * Invariant: rules, policy and places never change once it is made; what does says so where it is declared. It is freed by the
 * last of its holders: its owner, the thread weir-jwt while it is at it, a fetch on its way. */
#ifndef WEIR_JWT_VERIFIER_H
#define WEIR_JWT_VERIFIER_H

#include "cache.h"
#include "claims.h"
#include "policy.h"
#include "source.h"

enum { WEIR__JWT_RESULTS = WEIR_JWT_NO_MEMORY + 1 };

struct weir_jwt_verifier {
	struct weir__jwt_rules rules;
	struct weir__jwt_policy policy;
	char *type;      /* NULL: not checked */
	size_t max_bytes;
	int result_tag;  /* 0: none */
	uint64_t result_place[WEIR__JWT_RESULTS];
	struct weir__jwt_cache *cache; /* NULL: none */
	struct weir__jwt_rotation rotation;
	struct weir__jwt_source source;
	uint32_t holders; /* under the lock */
	bool destroyed;   /* under the lock */
	bool tended;      /* under the lock: the thread is at it, or one that was left behind */
};

/* Copies and checks; what it took is freed by weir__jwt_verifier_free, in any case. Errors: as weir_jwt_verifier_new's. */
int weir__jwt_options_take(struct weir_jwt_verifier *verifier, const struct weir_jwt_options *options);
void weir__jwt_verifier_free(struct weir_jwt_verifier *verifier);
/* With the lock: a holder lets go; true: he was the last, and frees it behind the lock. */
bool weir__jwt_verifier_release(struct weir_jwt_verifier *verifier);

/* What authenticate and refuse need besides: who asks, and the result's label. Takes the lock. */
int weir__jwt_tags_define(const struct weir_jwt_verifier *verifier);

struct weir__jwt_seen {
	uint64_t epoch, digest[4];
	bool cached; /* it comes from the cache */
	bool keep;   /* it is to go there */
};

/* Whether a token is good now, and what leaves it. What is good goes to the cache by a keep of its own, behind what is to be done
 * once for a token: who finds it there finds that done. */
enum weir_jwt_result weir__jwt_verifier_check(struct weir_jwt_verifier *verifier, struct weir_str token, uint64_t now_ns,
                                              struct weir__jwt_verified *verified, struct weir__jwt_seen *seen);
void weir__jwt_verifier_keep(struct weir_jwt_verifier *verifier, const struct weir__jwt_seen *seen, uint64_t now_ns,
                             const struct weir__jwt_verified *verified);

#endif
