/* weir-jwt: which of a label's values have a place of their own: those with the most traffic. Layer: jwt.
 *
 * A bounded table of candidates, each with what it was seen of late (space-saving: a new one takes the place of the least). While
 * places are free a new value takes one at once. Then, each second: who was idle for idle_ns gives up his place; who is much busier
 * than the least of those who have one, and these have had it for a minute, takes it over.
 * Invariant: a request looks without a lock, and changes something where the lock is free. It waits for the lock, and not for ever,
 * only where it may take a place and places are free. Writers: any thread, under the lock; the lock belongs to a process, so that
 * a forked child finds it free. */
#ifndef WEIR_JWT_TOP_H
#define WEIR_JWT_TOP_H

#include <weir/base.h>

struct weir__jwt_top;

/* Errors: WEIR_ENOMEM. */
int weir__jwt_top_new(struct weir__jwt_top **top, int tag, uint32_t most, uint64_t idle_ns);
void weir__jwt_top_free(struct weir__jwt_top *top); /* gives up all places; NULL is harmless */

/* What a value is known by here; never 0. Keyed, so that nobody can choose values that meet. */
uint64_t weir__jwt_top_mark(const struct weir__jwt_top *top, struct weir_str value);
/* Counts one request of this value (240 bytes at most), and gives its place; 0: none. hint: where it was found; read and written.
 * may_take: takes a place, if one is free; this allocates, and takes the registry's lock. Blocks: then, for 70 milliseconds at
 * most, so that of two first requests at once none goes without the place. */
uint64_t weir__jwt_top_place(struct weir__jwt_top *top, uint64_t mark, uint16_t *hint, struct weir_str value, uint64_t now_ns,
                             bool may_take);
/* Once a second, by the thread. */
void weir__jwt_top_tend(struct weir__jwt_top *top, uint64_t now_ns);
uint32_t weir__jwt_top_placed(const struct weir__jwt_top *top);

#endif
