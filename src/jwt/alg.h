/* weir-jwt: the algorithms of RFC 7518 and 8037 that are taken, as a table: what is not in it does not exist here, "none" least of all.
 *
 * Layer: jwt, pure. Invariant: a key has one of these, and a token's "alg" is only ever compared with it. Nobody writes. */
#ifndef WEIR_JWT_ALG_H
#define WEIR_JWT_ALG_H

#include <weir/base.h>

enum weir__jwt_family { WEIR__JWT_HMAC, WEIR__JWT_RSA, WEIR__JWT_PSS, WEIR__JWT_EC, WEIR__JWT_ED };

enum weir__jwt_alg {
	WEIR__JWT_HS256,
	WEIR__JWT_HS384,
	WEIR__JWT_HS512,
	WEIR__JWT_RS256,
	WEIR__JWT_RS384,
	WEIR__JWT_RS512,
	WEIR__JWT_PS256,
	WEIR__JWT_PS384,
	WEIR__JWT_PS512,
	WEIR__JWT_ES256,
	WEIR__JWT_ES384,
	WEIR__JWT_ES512,
	WEIR__JWT_EDDSA,
	WEIR__JWT_ALGS
};

struct weir__jwt_alg_facts {
	const char *name;
	enum weir__jwt_family family;
	const char *hash;   /* libcrypto's name; NULL: none of its own */
	size_t hash_len;
	const char *curve;  /* the JWK's "crv" */
	const char *group;  /* libcrypto's name of it */
	size_t coordinate;  /* bytes of x, y, r, s */
};

const struct weir__jwt_alg_facts *weir__jwt_alg_facts(enum weir__jwt_alg alg);
/* WEIR__JWT_ALGS: there is none of this name; case counts. */
enum weir__jwt_alg weir__jwt_alg_of(const char *name, size_t len);
/* The one of a curve by the JWK's "crv" or by libcrypto's name; likewise. */
enum weir__jwt_alg weir__jwt_alg_of_curve(const char *curve);

#endif
