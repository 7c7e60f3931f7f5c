/* L2: shards: their tables, their leases. See shard.h. Writers: the holder of the core lock; readers of the published words:
 * snapshots, and each thread its own table. */
#include "shard.h"

#include "atomic.h"
#include "port.h"
#include "segment.h"
#include "thread_context.h"

#include <weir/abi/hot.h>

#include <string.h>

enum { HEADER = 1024, TABLE_BYTES = WEIR__BLOCKS_MAX * sizeof(uint64_t *) + WEIR__PAGE, PAGES = TABLE_BYTES / WEIR__PAGE };

/* Begins the first page of the table's mapping, so that a thread with one series pays for one page of it. All of it is wiped
 * on fork, which is why the list of shards is dropped there. */
struct shard {
	int owner;      /* tid. Under the core lock; so neither order nor compare-and-swap is needed: a lease taken over is
	                 * ordered after its former owner's last store by the kernel, which said that the thread is gone */
	uint32_t index;
	int pid;        /* whose thread the owner is: a process made by clone(CLONE_VM) cannot ask after another's threads */
	uint64_t writable[(PAGES + 63) / 64]; /* pages opened so far */
};
_Static_assert(sizeof(struct shard) + sizeof(struct weir__local) <= HEADER, "both fit before the table");

enum { NOBODY = -1 }; /* an owner that never leaves, of no process */

/* Never written: it stays zero pages of .bss. */
static struct {
	struct weir__local none;
	uint64_t *table[WEIR__BLOCKS_MAX];
} nulls;
_Static_assert(sizeof(struct weir__local) % 8 == 0, "the table follows it");
WEIR_API __thread uint64_t *const *weir_tls_v1 __attribute__((tls_model("initial-exec"))) =
	(uint64_t *const *)nulls.table;
/* The same by a name that nobody can stand before. */
extern __thread uint64_t *const *weir__tls_own
    __attribute__((alias("weir_tls_v1"), visibility("hidden"), tls_model("initial-exec")));
WEIR_API const struct weir_layout weir_layout_none_v1 = {NULL, NULL, 0, 0, 0};

static struct {
	/* Backwards, so that the first ones and the first levels share a page: see at_place. Each written once, before count; readers:
	 * snapshots (acquire on count). */
	struct shard *list[WEIR__SHARDS_MAX];
	uint32_t count;
	uint32_t cursor, swept; /* where attach and the tick look next */
	uint64_t refused_until; /* at memory's end it is not asked for at each record */
	uint64_t *levels[WEIR__BLOCKS_MAX]; /* written once, release; readers: any, acquire */
} shards;

static struct shard **at_place(uint32_t index)
{
	return &shards.list[WEIR__SHARDS_MAX - 1 - index];
}

static uint64_t **table_of(struct shard *shard)
{
	return (uint64_t **)(void *)((char *)shard + HEADER);
}

static struct shard *shard_of(uint64_t *const *table)
{
	return (struct shard *)(void *)((uintptr_t)table - HEADER);
}

static bool is_attached(void)
{
	return weir_tls_v1 != (uint64_t *const *)nulls.table;
}

bool weir__tls_is_own(void)
{
	const void *named = &weir_tls_v1, *own = &weir__tls_own;

	__asm__("" : "+r"(named)); /* to the compiler they are one */
	__asm__("" : "+r"(own));
	return named == own;
}

static bool open_page(struct shard *shard, uint32_t page)
{
	if (shard->writable[page / 64] >> page % 64 & 1)
		return true;
	if (!weir__make_writable((char *)shard + (size_t)page * WEIR__PAGE, WEIR__PAGE))
		return false;
	shard->writable[page / 64] |= UINT64_C(1) << page % 64;
	return true;
}

static struct shard *make(int tid, int pid)
{
	struct shard *shard;

	if (shards.count >= WEIR__SHARDS_MAX)
		return NULL;
	shard = weir__map(TABLE_BYTES, false, true);
	if (shard == NULL)
		return NULL;
	if (!weir__make_writable(shard, WEIR__PAGE)) {
		weir__unmap(shard, TABLE_BYTES);
		return NULL;
	}
	shard->writable[0] = 1;
	shard->index = shards.count;
	shard->owner = tid;
	shard->pid = pid;
	*at_place(shards.count) = shard;
	weir__store_release(&shards.count, shards.count + 1);
	return shard;
}

/* Free: nobody's, or its thread is gone. A tid that is mine and yet not my table means that the former thread of my number
 * is dead. Under the lock, so that nobody takes the number anew between the question and the answer's use. */
static bool take(struct shard *shard, int tid, int pid)
{
	if (shard->owner != 0 && shard->owner != tid && (shard->pid != pid || !weir__thread_is_gone(shard->owner)))
		return false;
	if (shard->pid != 0 && shard->pid != pid)
		return false;
	shard->owner = tid;
	shard->pid = pid;
	return true;
}

bool weir__shard_attach(void)
{
	struct shard *shard = NULL;
	int tid, pid;

	if (!weir__tls_is_own())
		return false;
	if (is_attached())
		return true;
	tid = weir__tid();
	pid = weir__pid();
	for (uint32_t looked = 0; looked < 8 && looked < shards.count && shard == NULL; looked++) {
		struct shard *candidate = *at_place(shards.cursor++ % shards.count);

		if (take(candidate, tid, pid))
			shard = candidate;
	}
	if (shard == NULL && (shards.refused_until == 0 || weir__clock_ns() >= shards.refused_until)) {
		shard = make(tid, pid);
		shards.refused_until = shard != NULL ? 0 : weir__clock_ns() + UINT64_C(100000000);
	}
	if (shard == NULL)
		return false;
	weir_tls_v1 = (uint64_t *const *)table_of(shard);
	/* what its former thread had attached is gone; its chunk is filled on */
	WEIR__TAKES_OVER(weir__local());
	weir__local()->current = NULL;
	weir__local()->outside = weir__thread_context();
	weir__local()->depth = 0;
	weir__local()->astray = 0;
	weir__local()->busy = 0;
	weir__store_relaxed(&weir__local()->inside, (weir__local()->inside + 1) & ~1u);
	return true;
}

static uint64_t *open_block(struct shard *shard, uint32_t block, bool levels)
{
	uint64_t **entry = &table_of(shard)[block], *cells;
	uint32_t page;

	if (*entry != NULL)
		return *entry;
	if (!open_page(shard, (uint32_t)(((uintptr_t)entry - (uintptr_t)shard) / WEIR__PAGE)))
		return NULL;
	cells = levels ? shards.levels[block] : NULL;
	if (cells == NULL) {
		cells = weir__segment_page(&page);
		if (cells == NULL)
			return NULL;
		weir__segment_publish_cells(page, levels ? WEIR_PAGE_LEVELS : WEIR_PAGE_CELLS,
		                            levels ? WEIR__LEVELS_OWNER : shard->index + 1, block);
		if (levels)
			weir__store_release(&shards.levels[block], cells);
	}
	weir__store_release(entry, cells);
	return cells;
}

uint64_t *weir__shard_block(uint32_t block, bool levels)
{
	if (block == 0 || block >= WEIR__BLOCKS_MAX || !weir__shard_attach())
		return NULL;
	return open_block(shard_of(weir_tls_v1), block, levels);
}

uint64_t *weir__shard_carry(uint32_t block)
{
	struct shard *shard = NULL;

	for (uint32_t i = 0; i < shards.count && shard == NULL; i++)
		if ((*at_place(i))->owner == NOBODY)
			shard = *at_place(i);
	if (shard == NULL)
		shard = make(NOBODY, 0);
	return shard != NULL ? open_block(shard, block, false) : NULL;
}

void weir__shards_hide_levels(uint32_t blocks)
{
	for (uint32_t block = 1; block < blocks; block++)
		for (uint32_t i = 0; shards.levels[block] != NULL && i < shards.count; i++)
			if (table_of(*at_place(i))[block] != NULL)
				weir__store_release(&table_of(*at_place(i))[block], (uint64_t *)NULL);
}

void weir__shards_reap(uint32_t most)
{
	int pid = weir__pid();

	for (uint32_t looked = 0; looked < most && looked < shards.count; looked++) {
		struct shard *shard = *at_place(shards.swept++ % shards.count);

		if (shard->owner != 0 && shard->pid == pid && weir__thread_is_gone(shard->owner)) {
			struct weir__local *local = (struct weir__local *)(void *)table_of(shard) - 1;

			shard->owner = 0;
			if ((local->inside & 1) != 0) /* it died amid a record: nobody waits for it */
				weir__store_release(&local->inside, local->inside + 1);
		}
	}
}

void weir__shards_forget(void)
{
	struct shard *mine = is_attached() ? shard_of(weir_tls_v1) : NULL;

	for (uint32_t i = 0; i < shards.count; i++)
		if (*at_place(i) != mine)
			weir__unmap(*at_place(i), TABLE_BYTES);
	for (uint32_t i = 0; i < WEIR__BLOCKS_MAX; i++)
		if (shards.levels[i] != NULL)
			shards.levels[i] = NULL;
	shards.count = 0;
	shards.cursor = 0;
	if (mine != NULL) { /* it was wiped, header and all; where that cannot be, the header tells what to wipe */
		for (uint32_t page = 0; page < PAGES && !weir__can_wipe(); page++)
			if (mine->writable[page / 64] >> page % 64 & 1)
				memset((char *)mine + (page == 0 ? HEADER : (size_t)page * WEIR__PAGE), 0,
				       WEIR__PAGE - (page == 0 ? HEADER : 0u));
		memset((struct weir__local *)(void *)table_of(mine) - 1, 0, sizeof(struct weir__local));
		*mine = (struct shard){.owner = weir__tid(), .index = 0, .pid = weir__pid(), .writable = {1}};
		weir__local()->outside = weir__thread_context();
		*weir__local()->outside = NULL; /* what the parent had attached is attached here no more */
		*at_place(0) = mine;
		weir__store_release(&shards.count, 1u);
	}
}

uint32_t weir__shards_count(void)
{
	return weir__load_acquire(&shards.count);
}

const uint64_t *weir__shard_peek(uint32_t shard, uint32_t block)
{
	return weir__load_acquire(&table_of(*at_place(shard))[block]);
}

void weir__shards_clear(uint32_t cell, uint32_t count)
{
	for (uint32_t i = 0; i < shards.count; i++) {
		uint64_t *page = table_of(*at_place(i))[cell / WEIR__BLOCK_CELLS];

		for (uint32_t k = 0; page != NULL && k < count; k++)
			weir__store_release(&page[cell % WEIR__BLOCK_CELLS + k], UINT64_C(0)); /* who reads it from outside finds the turn over */
	}
}

uint64_t *weir__level_peek(uint32_t block)
{
	return weir__load_acquire(&shards.levels[block]);
}

struct weir__local *weir__shard_local(uint32_t shard)
{
	return (struct weir__local *)(void *)table_of(*at_place(shard)) - 1;
}

uint64_t weir__shards_bytes(void)
{
	return (uint64_t)weir__shards_count() * WEIR__PAGE; /* the pages that each has written; the rest reads as zeros */
}

uint64_t *const *weir__shard_nulls(void)
{
	return (uint64_t *const *)nulls.table;
}
