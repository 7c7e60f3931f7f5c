/* weir-jwt: the thread weir-jwt, one for the process: looks at files, begins fetches, tends labels' places. Layer: jwt.
 *
 * The first verifier that needs it starts it; weir_shutdown ends it, the next weir_init or verifier starts it again, and a
 * forked child starts its own at its first use. All it does is behind the gate. Invariant: it never waits for a fetch. */
#ifndef WEIR_JWT_KEEPER_H
#define WEIR_JWT_KEEPER_H

#include "verifier.h"

/* false: no memory. Once, before the others. */
bool weir__jwt_keeper_begin(void);
/* A place among the 16, and its number; WEIR_ELIMIT. Nobody sees it before add. */
int weir__jwt_keeper_reserve(unsigned *number);
void weir__jwt_keeper_add(struct weir_jwt_verifier *verifier);
/* With the lock: off the list, or gives the place back where it was not added. */
void weir__jwt_keeper_remove(unsigned number);
/* With the lock: a thread that is about to end, and cannot join itself. */
void weir__jwt_keeper_leave(struct weir_private_thread *thread);
/* With the lock, which is let go meanwhile: those that were left. */
void weir__jwt_keeper_join(void);
/* With the lock: whether the thread is there; may_start: sees to it. false: weir_shutdown ended it, or memory is short. */
bool weir__jwt_keeper_runs(bool may_start);
/* The same from a request that was not in the cache, which waits for nobody. */
void weir__jwt_keeper_ensure(void);

#endif
