/* weir-jwt: base64url. See base64url.h. Layer: jwt, pure. */
#include "base64url.h"

enum { BAD = 0x40 }; /* a bit that no digit has: digits can be or'ed and looked at once */

/* A digit's value plus 1, so that all else is 0. */
static const uint8_t digits[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

static uint32_t value(char c)
{
	return (uint32_t)(uint8_t)(digits[(uint8_t)c] - 1); /* 0 becomes 255, which has BAD */
}

/* Of the last group: that there is no single digit, and that the bits that stand for nothing are zero. */
static bool tail_is_canonical(const char *text, size_t len)
{
	switch (len % 4) {
	case 0:
		return true;
	case 2:
		return (value(text[len - 1]) & 0x0f) == 0;
	case 3:
		return (value(text[len - 1]) & 0x03) == 0;
	default:
		return false;
	}
}

bool weir__base64url_valid(const char *text, size_t len)
{
	uint32_t all = 0;

	for (size_t i = 0; i < len; i++)
		all |= value(text[i]);
	return (all & BAD) == 0 && tail_is_canonical(text, len);
}

bool weir__base64url_decode(const char *text, size_t len, uint8_t *out)
{
	uint32_t all = 0, group;
	size_t at = 0;
	bool canonical = tail_is_canonical(text, len); /* before out, which may be text, is written */

	for (; len - at >= 4; at += 4) {
		uint32_t a = value(text[at]), b = value(text[at + 1]), c = value(text[at + 2]), d = value(text[at + 3]);

		all |= a | b | c | d;
		group = a << 18 | b << 12 | c << 6 | d;
		*out++ = (uint8_t)(group >> 16);
		*out++ = (uint8_t)(group >> 8);
		*out++ = (uint8_t)group;
	}
	if (len - at >= 2) { /* of one digit there is nothing to write */
		group = 0;
		for (size_t i = at; i < len; i++) {
			all |= value(text[i]);
			group |= value(text[i]) << (18 - 6 * (i - at));
		}
		*out++ = (uint8_t)(group >> 16);
		if (len - at == 3)
			*out = (uint8_t)(group >> 8);
	}
	return (all & BAD) == 0 && canonical;
}
