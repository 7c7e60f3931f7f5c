/* weir-jwt: what all verifiers of the process share: a lock, and the look whether this is a forked child. Layer: jwt.
 *
 * Lock, condition and the counts of readers stand in one page that fork wipes, so that in a child they are free, whatever the
 * parent's threads were at. Invariant: the lock is held for pointers and numbers only; never behind the gate, in a callback, over
 * a file, nor while a token is verified. */
#ifndef WEIR_JWT_LIFE_H
#define WEIR_JWT_LIFE_H

#include <weir/base.h>

enum { WEIR__JWT_VERIFIERS = 16, WEIR__JWT_SLOTS = 4 };

/* Before anything else; again is harmless. child: what a forked child puts in order, once, before anyone has the lock; then after,
 * without it. false: no memory. */
bool weir__jwt_life_begin(void (*child)(void), void (*after)(void));
/* At each way in: puts a forked child in order. */
void weir__jwt_life_look(void);
/* How many threads are in a verifier's key set: see rotation.h. */
uint32_t *weir__jwt_life_readers(unsigned verifier);

void weir__jwt_lock(void);
bool weir__jwt_try_lock(void);
void weir__jwt_unlock(void);
/* With the lock. wait: false: until_ns (weir_private_clock_ns) has come. wake: everybody. */
bool weir__jwt_wait(uint64_t until_ns);
void weir__jwt_wake(void);

#endif
