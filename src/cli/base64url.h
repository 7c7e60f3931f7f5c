/* weir, the command: base64url without padding (RFC 7515, 2). Pure. */
#ifndef WEIR_CLI_BASE64URL_H
#define WEIR_CLI_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

#define BASE64URL_LEN(bytes) (((bytes)*4 + 2) / 3)

/* Writes BASE64URL_LEN(len) characters and a NUL; returns the first. */
size_t base64url_encode(char *out, const void *bytes, size_t len);
/* out: len * 3 / 4 bytes at most. False: another alphabet, padding, or bits that say nothing and are not 0. */
bool base64url_decode(void *out, size_t *out_len, const char *text, size_t len);

#endif
