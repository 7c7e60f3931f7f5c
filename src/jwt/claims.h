/* weir-jwt: what a token's claims decide: is it for us, and is it good now. Layer: jwt, pure.
 *
 * The rules, RFC 7519 and 9068:
 *   exp, nbf, iat  numbers, integers or with a fraction or an exponent, from 0 to 2^53; anything else is WEIR_JWT_CLAIM: a
 *                  string, a negative one (-0 too), 1e400. exp must be there, but with allow_no_expiry.
 *   exp            now is before exp + leeway, else WEIR_JWT_EXPIRED
 *   nbf            now is not before nbf - leeway, else WEIR_JWT_NOT_YET_VALID
 *   iat            decides nothing, but with a maximum age: it must be there, not lie in the future (WEIR_JWT_NOT_YET_VALID), nor
 *                  further back than the age (WEIR_JWT_TOO_OLD), each with the leeway
 *   iss, sub       strings, where they are there
 *   aud            a string, or an array of strings
 * What is null is not there. Checked in this order: types, exp, nbf, iat, iss, aud, required. */
#ifndef WEIR_JWT_CLAIMS_H
#define WEIR_JWT_CLAIMS_H

#include "path.h"

#include <weir/jwt.h>

struct weir__jwt_rules { /* nothing changes it once a verifier has it */
	char *issuer, *audience; /* NULL: not checked */
	struct weir__jwt_path *required;
	size_t required_count;
	uint64_t leeway_ns, max_age_ns;
	bool allow_no_expiry;
};

/* Until when and from when a token is good by its claims, leeway and age included, ns since 1970; checked at each use. */
struct weir__jwt_times {
	uint64_t from_ns;        /* 0: at any time */
	uint64_t until_ns;       /* and not at it; UINT64_MAX: no end */
	uint64_t young_until_ns; /* likewise */
	uint64_t expiry_ns;      /* exp, as it stands; 0: none */
};

/* tree: the claims set. WEIR_JWT_MALFORMED where it is no object. */
enum weir_jwt_result weir__jwt_claims_judge(const struct weir__jwt_rules *rules, const struct weir__jwt_tree *tree, uint64_t now_ns,
                                            struct weir__jwt_times *times);
enum weir_jwt_result weir__jwt_claims_in_time(const struct weir__jwt_times *times, uint64_t now_ns);

#endif
