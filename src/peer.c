/* L3: a peer's address as text, without the C library's formatting: from a signal handler too. RFC 5952 for IPv6. */
#include "context.h"

static char *decimal(char *at, unsigned v)
{
	if (v >= 100)
		*at++ = (char)('0' + v / 100);
	if (v >= 10)
		*at++ = (char)('0' + v / 10 % 10);
	*at++ = (char)('0' + v % 10);
	return at;
}

static char *hex(char *at, unsigned v)
{
	bool begun = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned digit = v >> shift & 15;

		if (digit != 0 || begun || shift == 0) {
			*at++ = "0123456789abcdef"[digit];
			begun = true;
		}
	}
	return at;
}

static char *v4(char *at, const uint8_t *b)
{
	for (int i = 0; i < 4; i++) {
		at = decimal(at, b[i]);
		if (i < 3)
			*at++ = '.';
	}
	return at;
}

static char *v6(char *at, const uint8_t *b)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255};
	unsigned word[8];
	int from = -1, most = 1;

	if (memcmp(b, mapped, 12) == 0)
		return v4(at, b + 12);
	for (int i = 0; i < 8; i++)
		word[i] = (unsigned)b[2 * i] << 8 | b[2 * i + 1];
	for (int i = 0; i < 8; i++) {
		int run = 0;

		while (i + run < 8 && word[i + run] == 0)
			run++;
		if (run > most) {
			from = i;
			most = run;
		}
	}
	for (int i = 0; i < 8; i++) {
		if (i == from) {
			*at++ = ':';
			if (i == 0)
				*at++ = ':';
			i += most - 1;
			if (i == 7)
				return at;
			continue;
		}
		at = hex(at, word[i]);
		if (i < 7)
			*at++ = ':';
	}
	return at;
}

size_t weir__peer_text(char out[48], const struct weir__ctx *c)
{
	char *end = out;

	if (c->peer_family == 4) {
		end = v4(out, c->peer);
	} else if (c->peer_family == 6) {
		end = v6(out, c->peer);
	} else {
		for (size_t i = 0; i < sizeof c->peer && c->peer[i] != 0; i++)
			*end++ = c->peer[i] >= 0x20 && c->peer[i] < 0x7f ? (char)c->peer[i] : '?';
	}
	*end = '\0';
	return (size_t)(end - out);
}
