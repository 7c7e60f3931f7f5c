/* weir jwt: the algorithms. See jwt_alg.h. */
#include "jwt_alg.h"

#include <string.h>

static const struct alg algs[] = {
	{"RS256", KTY_RSA, false, "SHA256", NULL, NULL, 32},
	{"RS384", KTY_RSA, false, "SHA384", NULL, NULL, 48},
	{"RS512", KTY_RSA, false, "SHA512", NULL, NULL, 64},
	{"PS256", KTY_RSA, true, "SHA256", NULL, NULL, 32},
	{"PS384", KTY_RSA, true, "SHA384", NULL, NULL, 48},
	{"PS512", KTY_RSA, true, "SHA512", NULL, NULL, 64},
	{"ES256", KTY_EC, false, "SHA256", "P-256", "prime256v1", 32},
	{"ES384", KTY_EC, false, "SHA384", "P-384", "secp384r1", 48},
	{"ES512", KTY_EC, false, "SHA512", "P-521", "secp521r1", 66},
	{"EdDSA", KTY_OKP, false, NULL, "Ed25519", NULL, 32},
	{"HS256", KTY_OCT, false, "SHA256", NULL, NULL, 32},
	{"HS384", KTY_OCT, false, "SHA384", NULL, NULL, 48},
	{"HS512", KTY_OCT, false, "SHA512", NULL, NULL, 64},
};
enum { ALGS = sizeof algs / sizeof algs[0] };

const struct alg *alg_find(const char *name)
{
	for (size_t i = 0; i < ALGS; i++)
		if (strcmp(algs[i].name, name) == 0)
			return &algs[i];
	return NULL;
}

const struct alg *alg_default(enum kty kty, const char *crv)
{
	for (size_t i = 0; i < ALGS && kty != KTY_OCT; i++)
		if (algs[i].kty == kty && (crv == NULL || (algs[i].crv != NULL && strcmp(algs[i].crv, crv) == 0)))
			return &algs[i];
	return NULL;
}

const char *kty_text(enum kty kty)
{
	switch (kty) {
	case KTY_RSA: return "RSA";
	case KTY_EC: return "EC";
	case KTY_OKP: return "OKP";
	default: return "oct";
	}
}
