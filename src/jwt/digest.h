/* weir-jwt: SHA-256, and HMAC with it. Layer: jwt, pure.
 *
 * By libcrypto's context on the stack: nothing is allocated, looked up or kept by thread (the one-shot form costs 500 ns more,
 * of which a token's hash is 400). Invariant: what is left on the stack is wiped. */
#ifndef WEIR_JWT_DIGEST_H
#define WEIR_JWT_DIGEST_H

#include <weir/base.h>

void weir__jwt_digest(struct weir_str text, uint64_t digest[4]);
/* The first 16 hex digits of HMAC-SHA-256. */
void weir__jwt_digest_keyed(struct weir_str key, struct weir_str text, char hex[16]);

#endif
