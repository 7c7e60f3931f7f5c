/* weir-jwt: a compact JWS verified. See jws.h. Layer: jwt. The steps stand in the order of RFC 7515 5.2, but that nothing is decoded or
 * computed which a cheaper step could have refused. */
#define _GNU_SOURCE
#include "jws.h"

#include "base64url.h"
#include "header.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

struct parts {
	struct weir_str header, payload, signature, signed_bytes;
};

/* Two dots, and base64url between them. */
static enum weir_jwt_result split(struct parts *parts, struct weir_str token)
{
	const char *dots[2], *end = token.ptr + token.len;
	size_t count = 0;

	for (const char *at = token.ptr; count < 5 && (at = memchr(at, '.', (size_t)(end - at))) != NULL; at++, count++)
		if (count < 2)
			dots[count] = at;
	if (count != 2)
		return count == 4 ? WEIR_JWT_ENCRYPTED : WEIR_JWT_MALFORMED;
	parts->header = weir_str_n(token.ptr, (size_t)(dots[0] - token.ptr));
	parts->payload = weir_str_n(dots[0] + 1, (size_t)(dots[1] - dots[0] - 1));
	parts->signature = weir_str_n(dots[1] + 1, (size_t)(end - dots[1] - 1));
	parts->signed_bytes = weir_str_n(token.ptr, (size_t)(dots[1] - token.ptr));
	if (weir__base64url_bytes(parts->header.len) > WEIR__JWS_HEADER_MOST)
		return WEIR_JWT_TOO_LARGE;
	return weir__base64url_valid(parts->payload.ptr, parts->payload.len) &&
	               weir__base64url_valid(parts->signature.ptr, parts->signature.len)
	           ? WEIR_JWT_OK
	           : WEIR_JWT_MALFORMED;
}

static enum weir_jwt_result read_header(struct weir__jws_header *header, struct weir_str text, const char *type)
{
	uint8_t decoded[WEIR__JWS_HEADER_MOST];
	size_t len = weir__base64url_bytes(text.len);
	enum weir_jwt_result result = WEIR_JWT_MALFORMED;

	if (weir__base64url_decode(text.ptr, text.len, decoded))
		result = weir__jws_header_read(header, (const char *)decoded, len, type);
	OPENSSL_cleanse(decoded, len);
	return result;
}

static bool is_named(const struct weir__jwt_key *key, const struct weir__jws_header *header)
{
	if (header->kid == NULL || key->kid == NULL)
		return header->kid == NULL && key->kid == NULL;
	return key->kid_len == header->kid_len && memcmp(key->kid, header->kid, key->kid_len) == 0;
}

/* With a kid: the keys of that kid and algorithm. Without: the keys that have no kid, and that algorithm; each is tried. A key that has a
 * kid is never used for a token that names none, nor the other way round. */
static enum weir_jwt_result check(const struct weir__jwks_entry **entry, const struct weir__jws_ask *ask,
                                  const struct weir__jws_header *header, const struct parts *parts, const uint8_t *signature,
                                  size_t signature_len)
{
	enum weir_jwt_result result = WEIR_JWT_UNKNOWN_KEY;

	for (size_t i = 0; i < ask->keys->count; i++) {
		const struct weir__jwks_entry *e = &ask->keys->entries[i];

		if (!is_named(e->key, header) || (e->until_ns != 0 && ask->now_ns >= e->until_ns))
			continue;
		if (e->key->alg != header->alg) {
			if (result == WEIR_JWT_UNKNOWN_KEY && header->kid != NULL)
				result = WEIR_JWT_ALG_NOT_ALLOWED;
			continue;
		}
		result = weir__jwt_key_verify(e->key, signature, signature_len, parts->signed_bytes.ptr, parts->signed_bytes.len);
		if (result != WEIR_JWT_BAD_SIGNATURE) {
			*entry = e;
			break;
		}
	}
	return result;
}

static enum weir_jwt_result check_signature(struct weir__jws *jws, const struct weir__jws_ask *ask,
                                            const struct weir__jws_header *header, const struct parts *parts)
{
	uint8_t signature[WEIR__JWT_SIGNATURE_MOST];
	size_t len = weir__base64url_bytes(parts->signature.len);
	enum weir_jwt_result result;

	if (ask->keys == NULL)
		return WEIR_JWT_KEYS_UNAVAILABLE;
	if (ask->keys->count != 0 && (ask->keys->algs >> header->alg & 1) == 0)
		return WEIR_JWT_ALG_NOT_ALLOWED;
	if (len > sizeof signature)
		return WEIR_JWT_BAD_SIGNATURE;
	weir__base64url_decode(parts->signature.ptr, parts->signature.len, signature);
	ERR_set_mark();
	result = check(&jws->entry, ask, header, parts, signature, len);
	ERR_pop_to_mark();
	OPENSSL_cleanse(signature, len);
	return result;
}

enum weir_jwt_result weir__jws_verify(struct weir__jws *jws, const struct weir__jws_ask *ask, struct weir_str token, void *buf, size_t size)
{
	size_t most = ask->max_bytes != 0 && ask->max_bytes < WEIR__JWS_BYTES_MOST ? ask->max_bytes : WEIR__JWS_BYTES_MOST, len;
	struct weir__jws_header header;
	enum weir_jwt_result result;
	struct parts parts;

	memset(jws, 0, sizeof *jws);
	if (token.ptr == NULL || token.len == 0)
		return WEIR_JWT_MALFORMED;
	if (token.len > most)
		return WEIR_JWT_TOO_LARGE;
	result = split(&parts, token);
	if (result == WEIR_JWT_OK)
		result = read_header(&header, parts.header, ask->type);
	if (result != WEIR_JWT_OK)
		return result;
	len = weir__base64url_bytes(parts.payload.len);
	result = len <= size ? check_signature(jws, ask, &header, &parts) : WEIR_JWT_NO_MEMORY;
	weir__jws_header_free(&header);
	if (result != WEIR_JWT_OK)
		return result;
	weir__base64url_decode(parts.payload.ptr, parts.payload.len, buf);
	jws->payload = weir_str_n(buf, len);
	return WEIR_JWT_OK;
}

enum weir_jwt_result weir_jws_verify(const struct weir_jwks *keys, struct weir_str token, void *buf, size_t size, size_t *payload_len)
{
	const struct weir__jws_ask ask = {.keys = keys};
	struct weir__jws jws;
	enum weir_jwt_result result = weir__jws_verify(&jws, &ask, token, buf, buf != NULL ? size : 0);

	if (payload_len != NULL)
		*payload_len = jws.payload.len;
	return result;
}
