/* r and s in DER: the same bytes as libcrypto writes, for numbers of every length. */
#include "ecdsa_der.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ecdsa.h>

static void as_libcrypto(const uint8_t *raw, size_t coordinate)
{
	uint8_t ours[WEIR__ECDSA_DER_MOST], *theirs = NULL;
	size_t len = weir__ecdsa_der(raw, coordinate, ours);
	ECDSA_SIG *pair = ECDSA_SIG_new();
	int their_len;

	assert_int_equal(ECDSA_SIG_set0(pair, BN_bin2bn(raw, (int)coordinate, NULL), BN_bin2bn(raw + coordinate, (int)coordinate, NULL)), 1);
	their_len = i2d_ECDSA_SIG(pair, &theirs);
	assert_int_equal(len, their_len);
	assert_memory_equal(ours, theirs, len);
	OPENSSL_free(theirs);
	ECDSA_SIG_free(pair);
}

static void every_length(void **state)
{
	static const size_t coordinates[] = {32, 48, 66};
	static const uint8_t firsts[] = {0x01, 0x7f, 0x80, 0xff};

	(void)state;
	for (size_t c = 0; c < 3; c++)
		for (size_t r = 1; r <= coordinates[c]; r++)
			for (size_t s = 1; s <= coordinates[c]; s++)
				for (size_t f = 0; f < 16; f++) {
					uint8_t raw[2 * WEIR__ECDSA_COORDINATE_MOST] = {0};
					size_t n = coordinates[c];

					memset(raw + n - r, 0xa5, r);
					memset(raw + 2 * n - s, 0x5a, s);
					raw[n - r] = firsts[f % 4];
					raw[2 * n - s] = firsts[f / 4];
					as_libcrypto(raw, n);
				}
}

static void zero(void **state)
{
	uint8_t raw[2 * WEIR__ECDSA_COORDINATE_MOST + 2] = {0}, out[WEIR__ECDSA_DER_MOST];

	(void)state;
	assert_int_equal(weir__ecdsa_der(raw, 32, out), 0);
	raw[31] = 1;
	assert_int_equal(weir__ecdsa_der(raw, 32, out), 0);
	raw[31] = 0;
	raw[63] = 1;
	assert_int_equal(weir__ecdsa_der(raw, 32, out), 0);
	raw[31] = 1;
	assert_int_equal(weir__ecdsa_der(raw, 32, out), 8);
	assert_int_equal(weir__ecdsa_der(raw, WEIR__ECDSA_COORDINATE_MOST + 1, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_length), cmocka_unit_test(zero)};

	return cmocka_run_group_tests_name("jwt_ecdsa_der", tests, NULL, NULL);
}
