/* weir-jwt: what it says of itself in the host's metrics. Layer: jwt.
 *
 *   weir_jwt_verifications_total{result}   each authenticate, verify and refuse
 *   weir_jwt_cache_lookups_total{outcome}  hit, miss
 *   weir_jwt_key_refreshes_total{outcome}  changed, unchanged, failed
 *   weir_jwt_key_set_age_seconds{verifier} since the source confirmed it, for files and URLs; the verifiers are numbered from 0
 *
 * Invariant: no text of a token, a key or a URL is a label. Writers: start; any thread records. */
#ifndef WEIR_JWT_HEALTH_H
#define WEIR_JWT_HEALTH_H

#include "rotation.h"

#include <weir/jwt.h>

void weir__jwt_health_start(void);
void weir__jwt_health_result(enum weir_jwt_result result);
void weir__jwt_health_lookup(bool hit);
void weir__jwt_health_refresh(enum weir__jwt_published outcome);
void weir__jwt_health_age(unsigned verifier, uint64_t ns);

#endif
