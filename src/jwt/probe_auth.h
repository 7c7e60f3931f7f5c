/* weir-jwt: its probes: auth_ok and auth_refused, two, so that who watches refusals costs good requests nothing. See
 * weir-probes(7). Layer: jwt. Invariants as in libweir: a look at a semaphore, then cold code that points to its own stack. */
#ifndef WEIR_JWT_PROBE_AUTH_H
#define WEIR_JWT_PROBE_AUTH_H

#include <weir/jwt.h>

/* What has just been decided of this request. */
void weir__jwt_probe_result(const struct weir_ctx *ctx, enum weir_jwt_result result, bool cached);

#endif
