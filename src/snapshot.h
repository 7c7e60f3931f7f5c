/* L4: the snapshot: all cells summed over shards into one array, and who the series were. Invariant: once made it is never
 * written; recorders are never held up. */
#ifndef WEIR_SNAPSHOT_INTERNAL_H
#define WEIR_SNAPSHOT_INTERNAL_H

#include "registry.h"

#include <weir/snapshot.h>

/* The sum of one cell over all shards, as it is now. A forked child is put in order first. */
uint64_t weir__cell_sum(uint32_t cell);
/* The same of all 512 cells of a block; false: nobody has used it, and all are 0. */
bool weir__block_sum(uint64_t *sums, uint32_t block);

/* What the process says of itself. Set once at a time, kept for ever: a snapshot may still point to the former. */
void weir__resource_set(const struct weir_attrs *resource);
const struct weir_attrs *weir__resource(void); /* NULL: not known yet */

/* Brings weir's own metrics up to date, before each snapshot; registers them at first. */
void weir__health_refresh(void);
void weir__health_start(void);
void weir__health_spans_refresh(void); /* health_spans.c: as long as somebody takes spans, or did */
void weir__health_exports_failed(uint64_t n);
uint64_t weir__exports_failed(void);
uint64_t weir__overflowed_total(void);
uint64_t weir__heap_bytes(void); /* weir's own memory, but for the segment */
uint64_t weir__snapshots_total(void);
uint64_t weir__snapshot_last_ns(void);

#endif
