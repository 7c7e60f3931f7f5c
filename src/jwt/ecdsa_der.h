/* weir-jwt: an ECDSA signature as JWS has it, r and s as numbers of fixed length one behind the other, made into DER, which is what
 * libcrypto takes.
 *
 * Layer: jwt, pure. Invariant: r and s are not zero, and the text is the one that DER has for them. */
#ifndef WEIR_JWT_ECDSA_DER_H
#define WEIR_JWT_ECDSA_DER_H

#include <stddef.h>
#include <stdint.h>

enum { WEIR__ECDSA_COORDINATE_MOST = 66, WEIR__ECDSA_DER_MOST = 3 + 2 * (3 + WEIR__ECDSA_COORDINATE_MOST) };

/* raw has twice that many bytes, of which each number has 66 at most. The length of the DER; 0: r or s is zero. */
size_t weir__ecdsa_der(const uint8_t *raw, size_t coordinate, uint8_t out[WEIR__ECDSA_DER_MOST]);

#endif
