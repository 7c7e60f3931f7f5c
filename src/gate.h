/* L0: the gate that keeps weir's threads out of foreign code when the process is at its end. Entered and left by
 * abi/private.h's functions. Invariant: behind a closed gate no foreign code begins. */
#ifndef WEIR_GATE_H
#define WEIR_GATE_H

#include <stdbool.h>

/* Before each piece of foreign code in a row: stops here where exit has begun meanwhile. Nothing, on a thread that is not in. */
void weir__gate_pass(void);
bool weir__gate_is_mine(void); /* this thread is weir's, in foreign code: it must not wait for itself */
bool weir__exiting(void);      /* the gate is closed: weir's threads begin nothing any more */

#endif
