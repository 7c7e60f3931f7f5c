/* L5: the process_* metrics by their standard names, read from /proc at each tick. */
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H

#include <stdint.h>

void weir__process_start(void);
void weir__process_observe(void);
/* In clock ticks since boot; 0 where /proc does not tell. And the boot's id. */
uint64_t weir__process_start_ticks(void);
void weir__process_boot_id(uint8_t id[16]);

#endif
