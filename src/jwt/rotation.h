/* weir-jwt: the key set that verifies now, and the change from one to the next. Layer: jwt.
 *
 * A set is never changed: a new one is published, with the keys that left it for as long as their grace lasts. Who verifies pins the
 * current slot by a count, and looks again whether it is current still; who publishes first makes another slot current, and then
 * looks at the count. With sequential consistency one of the two sees the other: nobody waits, and no set goes that is looked at.
 * The epoch counts up behind each new set, so that what the cache has of the former one is not found.
 * Writers: publish, by one thread at a time (new, then the thread weir-jwt or a fetch's). Readers: any thread. */
#ifndef WEIR_JWT_ROTATION_H
#define WEIR_JWT_ROTATION_H

#include "jws.h"
#include "life.h"

struct weir__jwt_rotation {
	struct weir_jwks *slot[WEIR__JWT_SLOTS]; /* NULL: no set. Written while it is neither current nor pinned */
	uint32_t current;                        /* seq_cst */
	uint64_t epoch;                          /* writers: release, behind current; readers: acquire, before they pin */
	uint32_t *readers;                       /* of each slot: seq_cst; in life.h's page */
};

void weir__jwt_rotation_begin(struct weir__jwt_rotation *rotation, unsigned verifier);
void weir__jwt_rotation_end(struct weir__jwt_rotation *rotation);

uint64_t weir__jwt_rotation_epoch(const struct weir__jwt_rotation *rotation);
/* As weir__jws_verify, by the current set. key_until_ns: how long the key that signed verifies; 0: it is in force. */
enum weir_jwt_result weir__jwt_rotation_verify(struct weir__jwt_rotation *rotation, struct weir__jws_ask *ask, struct weir_str token,
                                               void *buf, size_t size, struct weir_str *payload, uint64_t *key_until_ns);

enum weir__jwt_published { WEIR__JWT_CHANGED, WEIR__JWT_UNCHANGED, WEIR__JWT_FAILED };
/* Takes fresh over. FAILED: no memory, or all slots are pinned: the former set stays. */
enum weir__jwt_published weir__jwt_rotation_publish(struct weir__jwt_rotation *rotation, struct weir_jwks *fresh, uint64_t grace_ns);
void weir__jwt_rotation_forget(struct weir__jwt_rotation *rotation); /* what is cached. Any thread */

#endif
