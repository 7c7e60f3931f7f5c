/* L3: cells and blocks, handed out in order and never given back. See registry.h. Writer: the holder of the core lock. */
#include "registry.h"

#include "atomic.h"
#include "shard.h"

enum { CURSORS = 3 };

static struct {
	uint32_t blocks; /* the next to hand out; 1 at first */
	uint32_t cursor[CURSORS]; /* next cell of: counters, histograms, levels; 0: a new block */
	uint64_t levels[WEIR__BLOCKS_MAX / 64]; /* which blocks hold levels: readers: any thread, relaxed, after blocks */
} cells;

bool weir__block_is_levels(uint32_t block)
{
	return weir__load_relaxed(&cells.levels[block / 64]) >> block % 64 & 1;
}

uint32_t weir__cells_take(uint32_t count, bool levels)
{
	uint32_t *cursor = &cells.cursor[levels ? 2 : count > 1 ? 1 : 0], taken;
	uint64_t bit;

	if (*cursor == 0 || *cursor % WEIR__BLOCK_CELLS + count > WEIR__BLOCK_CELLS) {
		uint32_t block = cells.blocks == 0 ? 1 : cells.blocks;

		if (block >= WEIR__BLOCKS_MAX)
			return 0;
		/* Written both ways: a child forked between here and the next store takes this block again, for its own purpose. */
		bit = UINT64_C(1) << block % 64;
		weir__store_relaxed(&cells.levels[block / 64], levels ? cells.levels[block / 64] | bit : cells.levels[block / 64] & ~bit);
		weir__store_release(&cells.blocks, block + 1);
		*cursor = block * WEIR__BLOCK_CELLS;
	}
	taken = *cursor;
	*cursor += count;
	if (*cursor % WEIR__BLOCK_CELLS == 0)
		*cursor = 0;
	return taken;
}

void weir__cells_give_back(uint32_t cell, uint32_t count, bool levels)
{
	cells.cursor[levels ? 2 : count > 1 ? 1 : 0] = cell;
}

uint32_t weir__blocks_count(void)
{
	return weir__load_acquire(&cells.blocks);
}
