/* base64url: what libcrypto encodes is read; each sequence of bytes has exactly one text. */
#include "base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* libcrypto's base64 with the other two digits, and without padding. */
static size_t encode(char *out, const uint8_t *bytes, size_t len)
{
	size_t text = (size_t)EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);

	while (text != 0 && out[text - 1] == '=')
		text--;
	for (size_t i = 0; i < text; i++)
		out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
	return text;
}

static void every_length(void **state)
{
	uint8_t bytes[300];
	char text[500];
	unsigned seed = 1;

	(void)state;
	for (size_t len = 0; len <= sizeof bytes; len++) {
		size_t text_len;
		uint8_t *out;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		text_len = encode(text, bytes, len);
		assert_int_equal(weir__base64url_bytes(text_len), len);
		out = malloc(len + 1);
		out[len] = 0xa5;
		assert_true(weir__base64url_valid(text, text_len));
		assert_true(weir__base64url_decode(text, text_len, out));
		assert_memory_equal(out, bytes, len);
		assert_int_equal(out[len], 0xa5);
		free(out);
		assert_true(weir__base64url_decode(text, text_len, (uint8_t *)text)); /* in place */
		assert_memory_equal(text, bytes, len);
	}
}

/* All texts of two and three digits: as many are taken as there are bytes, and no two mean the same. */
static void one_text_each(void **state)
{
	static uint8_t seen[65536];
	size_t taken = 0;
	char text[3];
	uint8_t out[2];

	(void)state;
	for (int a = 0; a < 64; a++)
		for (int b = 0; b < 64; b++) {
			text[0] = digits[a];
			text[1] = digits[b];
			if (!weir__base64url_decode(text, 2, out))
				continue;
			assert_int_equal(seen[out[0]]++, 0);
			taken++;
		}
	assert_int_equal(taken, 256);
	memset(seen, 0, sizeof seen);
	taken = 0;
	for (int a = 0; a < 64; a++)
		for (int b = 0; b < 64; b++)
			for (int c = 0; c < 64; c++) {
				text[0] = digits[a];
				text[1] = digits[b];
				text[2] = digits[c];
				if (!weir__base64url_decode(text, 3, out))
					continue;
				assert_int_equal(seen[out[0] << 8 | out[1]]++, 0);
				taken++;
			}
	assert_int_equal(taken, 65536);
}

static void nothing_else(void **state)
{
	(void)state;
	for (size_t len = 1; len <= 9; len++) /* at each place, every byte that is no digit; one digit too many as well */
		for (size_t at = 0; at < len; at++)
			for (int c = 0; c < 256; c++) {
				char text[10] = "AAAAAAAAA";
				uint8_t out[10];
				bool is_digit = c != 0 && strchr(digits, c) != NULL;

				memset(out, 0xa5, sizeof out);
				text[at] = (char)c;
				if (!is_digit || len % 4 == 1) {
					assert_false(weir__base64url_valid(text, len));
					assert_false(weir__base64url_decode(text, len, out));
				} else {
					assert_int_equal(weir__base64url_valid(text, len), weir__base64url_decode(text, len, out));
				}
				assert_int_equal(out[weir__base64url_bytes(len)], 0xa5);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_length), cmocka_unit_test(one_text_each), cmocka_unit_test(nothing_else)};

	return cmocka_run_group_tests_name("jwt_base64url", tests, NULL, NULL);
}
