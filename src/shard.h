/* L2: a thread's table of blocks, and who has it. A shard is leased: when its thread is gone, the next thread takes it over
 * and adds on; cells are cumulative, so that nothing is folded or lost.
 *
 * Invariants: a table has one writer, the slow path on its own thread, under the core lock; table[0] is always NULL; an entry
 * goes from NULL to a block once and stays. Tables live in memory that fork wipes: a child finds them null. */
#ifndef WEIR_SHARD_H
#define WEIR_SHARD_H

#include <stdbool.h>
#include <stdint.h>

enum { WEIR__BLOCKS_MAX = 65536, WEIR__BLOCK_CELLS = 512, WEIR__SHARDS_MAX = 32768, WEIR__LEVELS_OWNER = 0 };

/* With the core lock held: */
/* False: a module before this one exports weir_tls_v1, and records would go by its tables. Then nothing may be recorded here. */
bool weir__tls_is_own(void);
bool weir__shard_attach(void);             /* this thread has a table from here on */
uint64_t *weir__shard_block(uint32_t block, bool levels); /* opens it for this thread; NULL: no memory, or no cells that old */
void weir__shards_reap(uint32_t most);     /* looks whether owners are gone */
void weir__shards_forget(void);            /* in a forked child: this thread's table stays, the others go */

/* Any thread, no lock: the number of shards, and a shard's block; both only ever grow (acquire). */
uint32_t weir__shards_count(void);
const uint64_t *weir__shard_peek(uint32_t shard, uint32_t block);
uint64_t *weir__level_peek(uint32_t block); /* the one page of a block of levels; NULL: nobody has used it */
uint64_t weir__shards_bytes(void);
uint64_t *const *weir__shard_nulls(void); /* the table of who is not attached */

#endif
