/* The RFCs' own examples verify, and give what they are said to hold. */
#include "jwt_vectors.h"

#include <weir/jwt.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char joe[] = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

static const char frodo[] = "It\xe2\x80\x99s a dangerous business, Frodo, going out your door. You step onto the road, and if you "
                            "don't keep your feet, there\xe2\x80\x99s no knowing where you might be swept off to.";

static const struct example {
	const char *name, *key, *token, *payload;
} examples[] = {
    {"RFC 7515 A.1", rfc7515_a1_key, rfc7515_a1, joe},
    {"RFC 7515 A.2", rfc7515_a2_key, rfc7515_a2, joe},
    {"RFC 7515 A.3", rfc7515_a3_key, rfc7515_a3, joe},
    {"RFC 7515 A.4", rfc7515_a4_key, rfc7515_a4, "Payload"},
    {"RFC 8037 A.4", rfc8037_a2_key, rfc8037_a4, "Example of Ed25519 signing"},
    {"RFC 7520 4.1", rfc7520_3_3, rfc7520_4_1, frodo},
    {"RFC 7520 4.2", rfc7520_3_3_ps384, rfc7520_4_2, frodo},
    {"RFC 7520 4.3", rfc7520_3_1, rfc7520_4_3, frodo},
    {"RFC 7520 4.4", rfc7520_3_5, rfc7520_4_4, frodo},
};

static struct weir_jwks *set(const char *key)
{
	struct weir_jwks *keys;

	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	if (key != NULL)
		assert_int_equal(weir_jwks_add_jwk(keys, weir_str_of(key)), WEIR_OK);
	return keys;
}

static void verify(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		const struct example *e = &examples[i];
		struct weir_jwks *keys = set(e->key);
		char payload[1024];
		size_t len = 99;
		enum weir_jwt_result result = weir_jws_verify(keys, weir_str_of(e->token), payload, sizeof payload, &len);

		if (result != WEIR_JWT_OK || len != strlen(e->payload) || memcmp(payload, e->payload, len) != 0)
			fail_msg("%s: %s, %zu bytes", e->name, weir_jwt_result_text(result), len);
		weir_jwks_destroy(keys);
	}
}

/* Each of them with each other's key. */
static void cross(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof examples / sizeof *examples; k++) {
		struct weir_jwks *keys = set(examples[k].key);

		for (size_t t = 0; t < sizeof examples / sizeof *examples; t++) {
			char payload[1024];
			size_t len = 99;
			enum weir_jwt_result result =
			    weir_jws_verify(keys, weir_str_of(examples[t].token), payload, sizeof payload, &len);

			if (t == k ? result != WEIR_JWT_OK
			           : result != WEIR_JWT_ALG_NOT_ALLOWED && result != WEIR_JWT_UNKNOWN_KEY && result != WEIR_JWT_BAD_SIGNATURE)
				fail_msg("%s with the key of %s: %s", examples[t].name, examples[k].name, weir_jwt_result_text(result));
			assert_int_equal(len, t == k ? strlen(examples[t].payload) : 0);
		}
		weir_jwks_destroy(keys);
	}
}

static void unsecured(void **state)
{
	struct weir_jwks *keys = set(rfc7515_a1_key);
	char payload[1024];

	(void)state;
	assert_int_equal(weir_jws_verify(keys, weir_str_of(rfc7515_a5), payload, sizeof payload, NULL), WEIR_JWT_ALG_NOT_ALLOWED);
	weir_jwks_destroy(keys);
}

static void sets(void **state)
{
	struct weir_jwks *keys = set(NULL);
	size_t added = 99;

	(void)state;
	assert_int_equal(weir_jwks_add_jwks(keys, weir_str_of(rfc7517_a1), &added), WEIR_OK);
	assert_int_equal(added, 1); /* the other is for encryption */
	assert_int_equal(weir_jwks_add_jwks(keys, weir_str_of(rfc7517_a1), &added), WEIR_ECONFLICT);
	assert_int_equal(added, 0);
	assert_int_equal(weir_jwks_add_jwks(keys, weir_str_of(rfc7517_a2), &added), WEIR_OK);
	assert_int_equal(added, 0); /* private ones are not taken */
	assert_int_equal(weir_jwks_add_jwks(keys, weir_str_of(rfc7517_a3), &added), WEIR_OK);
	assert_int_equal(added, 0); /* one wraps keys, the other does not say its algorithm */
	assert_int_equal(weir_jwks_add_jwk(keys, weir_str_of(rfc7517_b)), WEIR_OK); /* x5c is not looked at */
	assert_int_equal(weir_jwks_add_jwk(keys, weir_str_of(rfc7517_c1)), WEIR_EUNSUPPORTED); /* its use is enc */
	assert_int_equal(weir_jwks_add_jwk(keys, weir_str_of(rfc8037_a1_key)), WEIR_EINVAL);
	assert_int_equal(weir_jwks_count(keys), 2);
	weir_jwks_destroy(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verify), cmocka_unit_test(cross), cmocka_unit_test(unsecured), cmocka_unit_test(sets)};

	return cmocka_run_group_tests_name("jwt_vectors", tests, NULL, NULL);
}
