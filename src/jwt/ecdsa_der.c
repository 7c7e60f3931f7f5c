/* weir-jwt: ECDSA signatures in DER. See ecdsa_der.h. Layer: jwt, pure. */
#include "ecdsa_der.h"

#include <string.h>

enum { INTEGER = 0x02, SEQUENCE = 0x30, LONG_LENGTH = 0x81 };

/* An INTEGER; 0: it would be zero. Without leading zeros, but for one where the first bit would make it negative. */
static size_t put_integer(uint8_t *out, const uint8_t *number, size_t len)
{
	size_t pad;

	while (len != 0 && *number == 0) {
		number++;
		len--;
	}
	if (len == 0)
		return 0;
	pad = *number >> 7;
	out[0] = INTEGER;
	out[1] = (uint8_t)(len + pad);
	out[2] = 0;
	memcpy(out + 2 + pad, number, len);
	return 2 + pad + len;
}

size_t weir__ecdsa_der(const uint8_t *raw, size_t coordinate, uint8_t out[WEIR__ECDSA_DER_MOST])
{
	uint8_t *body = out + 3;
	size_t r, s, len;

	if (coordinate > WEIR__ECDSA_COORDINATE_MOST)
		return 0;
	r = put_integer(body, raw, coordinate);
	s = r != 0 ? put_integer(body + r, raw + coordinate, coordinate) : 0;
	if (s == 0)
		return 0;
	len = r + s;
	out[0] = SEQUENCE;
	if (len >= 128) {
		out[1] = LONG_LENGTH;
		out[2] = (uint8_t)len;
		return 3 + len;
	}
	out[1] = (uint8_t)len;
	memmove(out + 2, body, len);
	return 2 + len;
}
