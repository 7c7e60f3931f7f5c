/* weir jwt: the algorithms of RFC 7518 and RFC 8037 that it signs with. Constant. */
#ifndef WEIR_CLI_JWT_ALG_H
#define WEIR_CLI_JWT_ALG_H

#include <stdbool.h>
#include <stddef.h>

enum kty { KTY_OCT, KTY_RSA, KTY_EC, KTY_OKP };

struct alg {
	const char *name;
	enum kty kty;
	bool pss;
	const char *digest; /* NULL: the algorithm has its own */
	const char *crv, *group; /* JWK's name of the curve, OpenSSL's */
	size_t size; /* bytes of a digest (secrets), of a coordinate (EC) */
};

#define ALG_NAMES "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA"

const struct alg *alg_find(const char *name); /* NULL: none */
/* What a key is for where nobody says it: RS256, or its curve's; NULL: none. */
const struct alg *alg_default(enum kty kty, const char *crv);
const char *kty_text(enum kty kty); /* "RSA": JWK's kty */

#endif
