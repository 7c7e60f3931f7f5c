/* weir-shm: who writes a segment, and whether that process still lives: by its number and its start time together. Reads /proc. */
#ifndef WEIR_SHM_OWNER_H
#define WEIR_SHM_OWNER_H

#include <weir/abi/segment_read.h>

#include <stdbool.h>

/* Of this process; start_time 0, or zeros: /proc does not tell. */
void weir__owner_self(uint64_t *start_time, uint8_t boot_id[16]);
/* True only where it certainly is: another boot, no such process, or another that has its number. */
bool weir__owner_is_dead(const struct weir_segment_header *header);

#endif
