/* weir-jwt: a compact JWS verified, as the layer above it asks for it.
 *
 * Layer: jwt. Invariant: no cryptography before the token's form, size, algorithm and key are known to be right; no payload without
 * WEIR_JWT_OK; nothing of the token stays behind but what the caller's buffer has. */
#ifndef WEIR_JWT_JWS_H
#define WEIR_JWT_JWS_H

#include "jwks.h"

enum { WEIR__JWS_BYTES_MOST = 65536, WEIR__JWS_HEADER_MOST = 4096 };

struct weir__jws_ask {
	const struct weir_jwks *keys; /* NULL: WEIR_JWT_KEYS_UNAVAILABLE, where nothing else is wrong */
	size_t max_bytes;             /* of a token; 0, and more than that: 64 KiB */
	uint64_t now_ns;              /* weir_private_clock_ns, by which keys go out; 0: none does */
	const char *type;             /* of RFC 8725 3.11, with or without application/; NULL: not checked */
};

/* Views into the caller's buffer and into the set: valid as long as these are. Set with WEIR_JWT_OK only. */
struct weir__jws {
	struct weir_str payload;
	const struct weir__jwks_entry *entry; /* who signed: its key, kid, and how long it verifies */
};

/* As weir_jws_verify. */
enum weir_jwt_result weir__jws_verify(struct weir__jws *jws, const struct weir__jws_ask *ask, struct weir_str token, void *buf, size_t size);

#endif
