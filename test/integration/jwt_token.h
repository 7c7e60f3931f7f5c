/* Tokens and key sets by HS256, for tests of verifiers: made by libcrypto's HMAC, apart from weir. Include it behind case.h. */
#ifndef JWT_TOKEN_H
#define JWT_TOKEN_H

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define JWT_UNUSED __attribute__((unused))

/* Behind what out has already; returns how much that is now. */
JWT_UNUSED static size_t token_base64url(char *out, size_t at, const void *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *b = bytes;

	for (size_t i = 0; i < len; i += 3) {
		unsigned group = (unsigned)b[i] << 16 | (i + 1 < len ? (unsigned)b[i + 1] << 8 : 0) | (i + 2 < len ? b[i + 2] : 0);

		for (size_t n = 0; n < 4 && n <= len - i; n++)
			out[at++] = digits[group >> (18 - 6 * n) & 63];
	}
	out[at] = '\0';
	return at;
}

/* Into out, which has room for it: "Bearer " and the token. Returns where the signature begins; mac: its bytes. */
JWT_UNUSED static size_t token_make(char *out, const char *secret, const char *kid, const char *payload, unsigned char mac[32])
{
	unsigned mac_len = 32;
	char header[128];
	size_t at = 7;

	memcpy(out, "Bearer ", at);
	snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", kid);
	at = token_base64url(out, at, header, strlen(header));
	out[at++] = '.';
	at = token_base64url(out, at, payload, strlen(payload));
	HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)out + 7, at - 7, mac, &mac_len);
	out[at++] = '.';
	token_base64url(out, at, mac, 32);
	return at;
}

/* Another one of a JWKS, {"keys":[ ... ]}, at the end of out. */
JWT_UNUSED static size_t token_key(char *out, size_t at, const char *secret, const char *kid)
{
	at += (size_t)sprintf(out + at, "%s{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"%s\",\"k\":\"", at > 9 ? "," : "", kid);
	at = token_base64url(out, at, secret, strlen(secret));
	return at + (size_t)sprintf(out + at, "\"}");
}

#endif
