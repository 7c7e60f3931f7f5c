/* weir-jwt: the algorithms. See alg.h. Layer: jwt, pure. */
#include "alg.h"

#include <string.h>

static const struct weir__jwt_alg_facts table[WEIR__JWT_ALGS] = {
    [WEIR__JWT_HS256] = {"HS256", WEIR__JWT_HMAC, "SHA256", 32, NULL, NULL, 0},
    [WEIR__JWT_HS384] = {"HS384", WEIR__JWT_HMAC, "SHA384", 48, NULL, NULL, 0},
    [WEIR__JWT_HS512] = {"HS512", WEIR__JWT_HMAC, "SHA512", 64, NULL, NULL, 0},
    [WEIR__JWT_RS256] = {"RS256", WEIR__JWT_RSA, "SHA256", 32, NULL, NULL, 0},
    [WEIR__JWT_RS384] = {"RS384", WEIR__JWT_RSA, "SHA384", 48, NULL, NULL, 0},
    [WEIR__JWT_RS512] = {"RS512", WEIR__JWT_RSA, "SHA512", 64, NULL, NULL, 0},
    [WEIR__JWT_PS256] = {"PS256", WEIR__JWT_PSS, "SHA256", 32, NULL, NULL, 0},
    [WEIR__JWT_PS384] = {"PS384", WEIR__JWT_PSS, "SHA384", 48, NULL, NULL, 0},
    [WEIR__JWT_PS512] = {"PS512", WEIR__JWT_PSS, "SHA512", 64, NULL, NULL, 0},
    [WEIR__JWT_ES256] = {"ES256", WEIR__JWT_EC, "SHA256", 32, "P-256", "prime256v1", 32},
    [WEIR__JWT_ES384] = {"ES384", WEIR__JWT_EC, "SHA384", 48, "P-384", "secp384r1", 48},
    [WEIR__JWT_ES512] = {"ES512", WEIR__JWT_EC, "SHA512", 64, "P-521", "secp521r1", 66},
    [WEIR__JWT_EDDSA] = {"EdDSA", WEIR__JWT_ED, NULL, 0, "Ed25519", "ED25519", 32},
};

const struct weir__jwt_alg_facts *weir__jwt_alg_facts(enum weir__jwt_alg alg)
{
	return &table[alg];
}

enum weir__jwt_alg weir__jwt_alg_of(const char *name, size_t len)
{
	int at = 0;

	while (at < WEIR__JWT_ALGS && (strlen(table[at].name) != len || memcmp(table[at].name, name, len) != 0))
		at++;
	return (enum weir__jwt_alg)at;
}

enum weir__jwt_alg weir__jwt_alg_of_curve(const char *curve)
{
	int at = 0;

	while (at < WEIR__JWT_ALGS &&
	       (table[at].curve == NULL || (strcmp(table[at].curve, curve) != 0 && strcmp(table[at].group, curve) != 0)))
		at++;
	return (enum weir__jwt_alg)at;
}
