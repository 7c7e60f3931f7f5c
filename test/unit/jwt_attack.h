/* What tests of hostile tokens share: a set with a key of each family, and the one way to offer a token to it: refused for the
 * stated reason, nothing said of a payload, and not a byte written. */
#ifndef JWT_ATTACK_H
#define JWT_ATTACK_H

#include "jwt_mint.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char attack_payload[] = "{\"sub\":\"mallory\"}";
static struct weir_jwks *attack_set;
static struct mint_key attack_hs, attack_rs, attack_es, attack_ed; /* with the kids hs, rs, es, ed */
static int attack_count;

MINT_UNUSED static int attack_begin(void **state)
{
	(void)state;
	attack_hs = mint_key_new(WEIR__JWT_HS256);
	attack_rs = mint_key_new(WEIR__JWT_RS256);
	attack_es = mint_key_new(WEIR__JWT_ES256);
	attack_ed = mint_key_new(WEIR__JWT_EDDSA);
	return weir_jwks_new(&attack_set) != WEIR_OK || mint_add(attack_set, &attack_hs, WEIR__JWT_HS256, "hs") != WEIR_OK ||
	       mint_add(attack_set, &attack_rs, WEIR__JWT_RS256, "rs") != WEIR_OK ||
	       mint_add(attack_set, &attack_es, WEIR__JWT_ES256, "es") != WEIR_OK ||
	       mint_add(attack_set, &attack_ed, WEIR__JWT_EDDSA, "ed") != WEIR_OK;
}

MINT_UNUSED static int attack_end(void **state)
{
	(void)state;
	weir_jwks_destroy(attack_set);
	EVP_PKEY_free(attack_rs.pkey);
	EVP_PKEY_free(attack_es.pkey);
	EVP_PKEY_free(attack_ed.pkey);
	return 0;
}

/* The token lies at the end of a block of exactly its size, so that a sanitizer sees a read past it. */
MINT_UNUSED static enum weir_jwt_result attack_offer(const struct weir_jwks *keys, const char *token, size_t len, size_t *payload_len)
{
	char *exact = malloc(len != 0 ? len : 1);
	uint8_t *out = malloc(len + 1);
	enum weir_jwt_result result;

	assert_non_null(exact);
	assert_non_null(out);
	if (len != 0)
		memcpy(exact, token, len);
	memset(out, 0xa5, len + 1);
	*payload_len = 99;
	result = weir_jws_verify(keys, weir_str_n(exact, len), out, len + 1, payload_len);
	for (size_t i = result == WEIR_JWT_OK ? *payload_len : 0; i <= len; i++)
		assert_int_equal(out[i], 0xa5);
	free(exact);
	free(out);
	return result;
}

MINT_UNUSED static void attack_on(const struct weir_jwks *keys, const char *name, const char *token, size_t len,
                                  enum weir_jwt_result wanted)
{
	size_t payload_len;
	enum weir_jwt_result result = attack_offer(keys, token, len, &payload_len);

	attack_count++;
	if (result != wanted)
		fail_msg("%s: %s, wanted %s", name, weir_jwt_result_text(result), weir_jwt_result_text(wanted));
	if (payload_len != (result == WEIR_JWT_OK ? sizeof attack_payload - 1 : 0))
		fail_msg("%s: a payload of %zu bytes", name, payload_len);
}

MINT_UNUSED static void attack(const char *name, const char *token, enum weir_jwt_result wanted)
{
	attack_on(attack_set, name, token, strlen(token), wanted);
}

#endif
