/* L4: places that were given up, and the series that they leave. See place.h. */
#ifndef WEIR_RETIRE_H
#define WEIR_RETIRE_H

#include <stdint.h>

/* One look at what was given up, without waiting for anybody: by the tick, after each give-up until all of it is free again. */
void weir__places_retire(void);
extern uint64_t weir__retire_wait_ns; /* how long who is amid a record is waited for. Writer: tests, before there are threads */

#endif
