/* weir-jwt: a JWK (RFC 7517, 7518 section 6, RFC 8037) made into a key.
 *
 * Layer: jwt. Invariant: a member that is looked at is of its type and in its one form, or the key is refused. */
#ifndef WEIR_JWT_JWK_H
#define WEIR_JWT_JWK_H

#include "json.h"
#include "key.h"

/* WEIR_OK, or as weir_jwks_add_jwk says; the log has the reason. WEIR_EUNSUPPORTED: it is for something else, or of a kind that is not
 * known here. */
int weir__jwk_read(struct weir__jwt_key **key, const json_t *jwk);

#endif
