/* weir-jwt: key sets, as the verifier has them: filled, then shared by references and never changed.
 *
 * Layer: jwt. Invariant: a set that is shared is not written; what changes is another set, with another generation. Of one kid and one
 * algorithm a set has one key; without a kid, 8 of one algorithm at most (each is tried). Writers: who fills, before others see it. */
#ifndef WEIR_JWT_JWKS_H
#define WEIR_JWT_JWKS_H

#include "key.h"

enum { WEIR__JWKS_MOST = 256, WEIR__JWKS_MOST_WITHOUT_KID = 8, WEIR__JWKS_BYTES_MOST = 1 << 20 };

struct weir__jwks_entry {
	struct weir__jwt_key *key;
	uint64_t until_ns; /* weir_private_clock_ns: it does not verify from then on; 0: it is in force */
};

struct weir_jwks {
	uint32_t references; /* acquire and release: the last one frees */
	uint32_t algs;       /* a bit for each algorithm of its keys */
	uint64_t generation; /* another one after each change, in the whole process */
	size_t count, room;
	struct weir__jwks_entry *entries;
};

/* References: weir_jwks_destroy lets one go, and so does unref. */
struct weir_jwks *weir__jwks_ref(const struct weir_jwks *keys);
void weir__jwks_unref(const struct weir_jwks *keys); /* NULL is harmless */

/* A set of one's own with the same keys and the same generation, one reference; NULL: no memory. */
struct weir_jwks *weir__jwks_copy(const struct weir_jwks *keys);
/* The same keys by kid, algorithm and material, in any order; keys that are on their way out do not count. */
bool weir__jwks_same(const struct weir_jwks *a, const struct weir_jwks *b);
/* All of fresh; and of former (NULL: none) what fresh does not have by kid and algorithm (without a kid: by the key itself): until
 * until_ns, or as long as it had left; what has run out at now_ns is gone. 256 such at most, and without a kid so many of an algorithm
 * that a set has 16; the rest goes at once, and the log is told.
 * NULL: no memory. */
struct weir_jwks *weir__jwks_merge(const struct weir_jwks *fresh, const struct weir_jwks *former, uint64_t now_ns, uint64_t until_ns);
/* The first moment at which a key goes out; 0: none does. */
uint64_t weir__jwks_next_end_ns(const struct weir_jwks *keys);

/* Takes the key over, in any case. WEIR_OK, WEIR_ECONFLICT, WEIR_ELIMIT, WEIR_ENOMEM. */
int weir__jwks_take(struct weir_jwks *keys, struct weir__jwt_key *key);

#endif
