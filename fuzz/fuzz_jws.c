/* Compact JWS of whoever: whatever the bytes, no payload without a right signature, none written, the same answer twice, nothing left
 * in libcrypto's queue. The first byte says how: 0: the bytes are the token; 1: they are a header, a NUL and a payload, and the
 * token is signed rightly, so that what lies behind the header is reached. */
#define _GNU_SOURCE
#include "base64url.h"
#include "jws.h"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const char others[] =
    "{\"keys\":["
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"},"
    "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
    "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7"
    "d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awap"
    "JzKnqDKgw\"}]}";

static void require(bool what)
{
	if (!what)
		abort();
}

static struct weir_jwks *keys_of_all(void)
{
	static struct weir_jwks *keys;
	size_t added;

	if (keys != NULL)
		return keys;
	require(weir_jwks_new(&keys) == WEIR_OK);
	require(weir_jwks_add_secret(keys, NULL, "HS256", weir_str_n(secret, 32)) == WEIR_OK);
	require(weir_jwks_add_secret(keys, "k", "HS256", weir_str_n(secret, 32)) == WEIR_OK);
	require(weir_jwks_add_jwks(keys, weir_str_of(others), &added) == WEIR_OK && added == 3);
	return keys;
}

static size_t encode(char *out, size_t at, const uint8_t *bytes, size_t len)
{
	size_t text = (size_t)EVP_EncodeBlock((unsigned char *)out + at, bytes, (int)len);

	while (text != 0 && out[at + text - 1] == '=')
		text--;
	for (size_t i = at; i < at + text; i++)
		out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
	return at + text;
}

/* Verifies; the bytes lie in a block of exactly their size. *payload: where a right one has it. */
static enum weir_jwt_result verify(const char *token, size_t len, const uint8_t *payload, size_t payload_len, bool ours)
{
	char *exact = malloc(len != 0 ? len : 1);
	uint8_t *out = malloc(len + 1);
	struct weir__jws_ask ask = {.keys = keys_of_all()};
	struct weir__jws jws;
	enum weir_jwt_result result;
	size_t out_len;

	require(exact != NULL && out != NULL);
	if (len != 0)
		memcpy(exact, token, len);
	memset(out, 0xa5, len + 1);
	result = weir_jws_verify(ask.keys, weir_str_n(exact, len), out, len, &out_len);
	require(result == WEIR_JWT_OK || (out_len == 0 && out[0] == 0xa5));
	require(out[len] == 0xa5);
	require(result != WEIR_JWT_OK || (ours && out_len == payload_len && memcmp(out, payload, out_len) == 0));
	require(weir__jws_verify(&jws, &ask, weir_str_n(exact, len), out, len) == result);
	require((jws.entry != NULL && jws.payload.ptr != NULL) == (result == WEIR_JWT_OK) || result == WEIR_JWT_NO_MEMORY);
	ask.type = "at+jwt";
	ask.keys = NULL;
	require(weir__jws_verify(&jws, &ask, weir_str_n(exact, len), out, len) != WEIR_JWT_OK);
	require(ERR_peek_error() == 0);
	free(exact);
	free(out);
	return result;
}

static void sign_and_verify(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, 0, size);
	size_t header_len = nul != NULL ? (size_t)(nul - data) : size, payload_len = nul != NULL ? size - header_len - 1 : 0, at;
	const uint8_t *payload = nul != NULL ? nul + 1 : data;
	char *token = malloc(2 * size + 200);
	uint8_t mac[32];
	unsigned mac_len;

	require(token != NULL);
	at = encode(token, 0, data, header_len);
	token[at++] = '.';
	at = encode(token, at, payload, payload_len);
	require(HMAC(EVP_sha256(), secret, 32, (const uint8_t *)token, at, mac, &mac_len) != NULL);
	token[at++] = '.';
	at = encode(token, at, mac, mac_len);
	verify(token, at, payload, payload_len, true);
	token[at - 5] = token[at - 5] == 'A' ? 'B' : 'A';
	require(verify(token, at, payload, payload_len, false) != WEIR_JWT_OK);
	free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 1)
		sign_and_verify(data + 1, size - 1);
	else
		verify((const char *)data + 1, size - 1, NULL, 0, false);
	return 0;
}
