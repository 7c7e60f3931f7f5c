/* A shop that is asked with tokens: an issuer's key, tokens of it, and a policy, for tests of verifiers. Include it before alone.h. */
#ifndef JWT_SHOP_H
#define JWT_SHOP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "jwt_mint.h"

#include <time.h>

/* HS256: tokens are made and verified in microseconds. */
static const struct mint_key shop_key = {NULL, "0123456789abcdef0123456789abcdef", 32};
static const struct mint_key shop_old_key = {NULL, "fedcba9876543210fedcba9876543210", 32};

MINT_UNUSED static struct weir_jwks *shop_keys(void)
{
	struct weir_jwks *keys;

	MINT(weir_jwks_new(&keys) == WEIR_OK);
	MINT(mint_add(keys, &shop_key, WEIR__JWT_HS256, "k1") == WEIR_OK);
	return keys;
}

/* The payload with exp in that many seconds, as "Bearer ..."; malloc'ed. more: ",\"a\":1", or "". */
MINT_UNUSED static char *shop_token_by(const struct mint_key *key, const char *kid, long seconds, const char *more)
{
	char payload[20000], *token, *out;

	snprintf(payload, sizeof payload, "{\"iss\":\"https://id\",\"aud\":\"shop\",\"exp\":%lld%s}", (long long)time(NULL) + seconds, more);
	token = mint_plain(key, WEIR__JWT_HS256, kid, payload);
	out = malloc(strlen(token) + 8);
	MINT(out != NULL);
	sprintf(out, "Bearer %s", token);
	free(token);
	return out;
}

MINT_UNUSED static char *shop_token(const char *more)
{
	return shop_token_by(&shop_key, "k1", 300, more);
}

/* A JWKS of these keys, one name each ("k1" is shop_key, "k0" the old one); malloc'ed. */
MINT_UNUSED static char *shop_jwks(const char *const *kids)
{
	char *out = malloc(4096);
	size_t at;

	MINT(out != NULL);
	at = (size_t)sprintf(out, "{\"keys\":[");
	for (size_t i = 0; kids[i] != NULL; i++) {
		const struct mint_key *key = strcmp(kids[i], "k0") == 0 ? &shop_old_key : &shop_key;

		at += (size_t)sprintf(out + at, "%s{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"%s\",\"k\":\"", i != 0 ? "," : "", kids[i]);
		at = mint_base64url(out, at, key->secret, key->secret_len);
		at += (size_t)sprintf(out + at, "\"}");
	}
	sprintf(out + at, "]}");
	return out;
}

#endif
