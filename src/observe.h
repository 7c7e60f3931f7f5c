/* L3: callbacks that report: their list, their runs. Invariant: a callback runs under no lock; a run is told to others by the
 * callback that is running, so that destroy and unload can wait for it. */
#ifndef WEIR_OBSERVE_H
#define WEIR_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

/* One round of all callbacks, on the calling thread; false: another thread is at it. */
bool weir__callbacks_run(void);
uint32_t weir__callbacks_count(void);
/* Those whose function lies in the module of this address go; a run in progress is waited for. */
void weir__callbacks_unload(const void *in_module);
/* Called, under no lock, when a callback has come: set once by the pipeline. */
void weir__callbacks_on_new(void (*start)(void));
void weir__callbacks_watch(void);     /* at each tick: counts a round that the tick before has seen, too */
uint64_t weir__callbacks_late(void);  /* that count */

struct weir_observer;
struct weir_observed;
/* A level reported by weir itself, outside any callback. */
struct weir_observer *weir__observer_internal(void);

#endif
