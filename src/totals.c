/* L4: totals: see totals.h, and abi/segment.h for the layout. Invariant: of a block's two pages, the one that active names is
 * not written to: a reader is never held up, and a writer that is preempted leaves a whole copy. Writer: the tick, with the
 * core lock held. */
#include "totals.h"

#include "atomic.h"
#include "pages.h"
#include "registry.h"
#include "segment.h"
#include "shard.h"
#include "snapshot.h"

#include <string.h>

enum { GROUP = 256 };

/* In private memory, as all that weir needs to know of the segment. */
struct pair {
	uint64_t *copy[2]; /* NULL: no page yet */
	uint32_t page[2];
	uint32_t filled; /* how often. The index' active is one less */
};
static struct pair *groups[WEIR__BLOCKS_MAX / GROUP]; /* of blocks, made as they are needed */

static struct pair *pair_of(uint32_t block)
{
	struct pair **group = &groups[block / GROUP];

	if (*group == NULL)
		*group = weir__pages_take(GROUP * sizeof **group);
	return *group != NULL ? &(*group)[block % GROUP] : NULL;
}

/* Both pages, taken and listed; what was had at a former try is kept. */
static bool has_pages(struct pair *pair, uint32_t block)
{
	for (int i = 0; i < 2; i++) {
		if (pair->copy[i] == NULL)
			pair->copy[i] = weir__segment_page(&pair->page[i]);
		if (pair->copy[i] == NULL ||
		    (pair->filled == 0 && !weir__segment_list(pair->page[i], WEIR_PAGE_TOTALS, 0, block, 0)))
			return false;
	}
	return true;
}

static void publish_block(uint32_t block)
{
	struct weir_segment_block *index;
	struct pair *pair;
	uint64_t sums[WEIR__BLOCK_CELLS], *to;

	if (!weir__block_sum(sums, block))
		return;
	index = weir__segment_index(block);
	pair = index != NULL ? pair_of(block) : NULL;
	if (pair == NULL || !has_pages(pair, block))
		return;
	to = pair->copy[pair->filled & 1];
	/* Release: who reads a word of these (acquire), and then active, sees that it was turned away from this copy before. */
	for (uint32_t i = 0; i < WEIR__BLOCK_CELLS; i++)
		weir__store_release(&to[i], sums[i]);
	if (pair->filled == 0) { /* active is 0 */
		weir__store_release(&index->totals[1], pair->page[1]);
		weir__store_release(&index->totals[0], pair->page[0]);
	} else {
		weir__store_release(&index->active, pair->filled);
	}
	pair->filled++;
}

void weir__totals_publish(void)
{
	static uint32_t of; /* the process that the pairs are of */
	uint32_t generation = weir__generation(), blocks = weir__blocks_count();
	struct weir__guard guard;

	for (uint32_t block = 1; block <= blocks; block++) { /* in short turns */
		if (!weir__enter(&guard))
			return;
		if (guard.wiped->generation != generation || weir__segment_header() == NULL) { /* forked meanwhile: the next tick */
			weir__leave(&guard);
			return;
		}
		for (uint32_t g = 0; of != generation && g < WEIR__BLOCKS_MAX / GROUP; g++)
			if (groups[g] != NULL)
				memset(groups[g], 0, GROUP * sizeof **groups);
		of = generation;
		if (block < blocks)
			publish_block(block);
		else
			weir__store_release(&weir__segment_header()->totals_time_ns, weir__wall_ns());
		weir__leave(&guard);
	}
}
