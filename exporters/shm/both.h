/* weir-shm: a level that two threads were amid writing when the cells moved. No data of its own. */
#ifndef WEIR_SHM_BOTH_H
#define WEIR_SHM_BOTH_H

#include <stdint.h>

/* The old page had copied, and final at last; the new one began with copied, and is *word. Both threads began before levels were
 * hidden, so that either may count as the first: what the one added is added to what the other left. */
void weir__both(const void *segment, uint32_t cell, uint64_t *word, uint64_t final, uint64_t copied);

#endif
