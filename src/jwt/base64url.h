/* weir-jwt: base64url of RFC 4648, in the one form that RFC 7515 takes: no padding, no white space, unused bits zero. So each
 * sequence of bytes has exactly one text.
 *
 * Layer: jwt, pure. Invariant: decode takes what valid takes, and nothing else. */
#ifndef WEIR_JWT_BASE64URL_H
#define WEIR_JWT_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes a text of that length stands for. */
static inline size_t weir__base64url_bytes(size_t len)
{
	return len / 4 * 3 + (len % 4 * 3) / 4;
}

bool weir__base64url_valid(const char *text, size_t len);
/* Writes weir__base64url_bytes(len) bytes, which out has; false: not valid, and out holds anything. out may be text. */
bool weir__base64url_decode(const char *text, size_t len, uint8_t *out);

#endif
