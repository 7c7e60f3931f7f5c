/* weir, the command: base64url. See base64url.h. */
#include "base64url.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(char *out, const void *bytes, size_t len)
{
	const unsigned char *in = bytes;
	size_t at = 0;
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | in[i];
		for (have += 8; have >= 6; have -= 6)
			out[at++] = alphabet[bits >> (have - 6) & 63];
	}
	if (have > 0)
		out[at++] = alphabet[bits << (6 - have) & 63];
	out[at] = '\0';
	return at;
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(void *out, size_t *out_len, const char *text, size_t len)
{
	unsigned char *bytes = out;
	uint32_t bits = 0;
	unsigned have = 0;
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		int v = value_of(text[i]);

		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			bytes[at++] = (unsigned char)(bits >> have);
		}
	}
	*out_len = at;
	return len % 4 != 1 && (bits & ((1U << have) - 1)) == 0;
}
