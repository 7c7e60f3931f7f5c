/* L2: chunks: the pool, and each thread's list. See ring.h. */
#include "ring.h"

#include "atomic.h"
#include "port.h"

enum { TRIES = 64 };

static struct {
	char *base;       /* mapped once, and kept: written before open */
	uint32_t open;    /* release by open; acquire */
	uint32_t count;   /* of chunks; written before open */
	uint32_t made;    /* taken for the first time: relaxed adds */
	uint64_t bytes;
	/* The free ones, a stack: tag above, index + 1 below; the tag counts, so that a head that was taken and came back in the
	 * meantime is seen. Writers: any thread, by compare-and-swap: taking acquires what giving back released. */
	uint64_t free;
} pool;

bool weir__ring_open(uint64_t bytes)
{
	char *base = pool.base;

	if (weir__ring_is_open())
		return true;
	if (base != NULL) { /* the parent's, empty here */
		weir__store_release(&pool.open, 1u);
		return true;
	}
	bytes = (bytes + WEIR__CHUNK_BYTES - 1) / WEIR__CHUNK_BYTES * WEIR__CHUNK_BYTES;
	if (bytes / WEIR__CHUNK_BYTES >= UINT32_MAX / 2)
		return false;
	base = weir__map((size_t)bytes, true, true);
	if (base == NULL)
		return false;
	pool.count = (uint32_t)(bytes / WEIR__CHUNK_BYTES);
	pool.bytes = bytes;
	pool.made = 0;
	pool.free = 0;
	pool.base = base;
	weir__store_release(&pool.open, 1u);
	return true;
}

bool weir__ring_is_open(void)
{
	return weir__load_acquire(&pool.open) != 0;
}

uint64_t weir__ring_bytes(void)
{
	uint64_t made = weir__ring_is_open() ? weir__load_relaxed(&pool.made) : 0;

	return (made < pool.count ? made : pool.count) * WEIR__CHUNK_BYTES;
}

void weir__ring_forget(void)
{
	/* It stays mapped: who forked may have done so in a signal handler, amid a record of the same thread that is yet to be
	 * written, or in an exporter with a batch in its hands. */
	weir__store_release(&pool.open, 0u);
	weir__store_relaxed(&pool.made, 0u);
	weir__store_relaxed(&pool.free, UINT64_C(0));
}

static struct weir__chunk *chunk_at(char *base, uint32_t index)
{
	return (struct weir__chunk *)(void *)(base + (size_t)index * WEIR__CHUNK_BYTES);
}

static struct weir__chunk *take_chunk(char *base)
{
	uint64_t head = weir__load_acquire(&pool.free);
	struct weir__chunk *chunk;

	for (int tries = 0; tries < TRIES && (uint32_t)head != 0; tries++) {
		chunk = chunk_at(base, (uint32_t)head - 1);
		/* It may be taken by another thread by now, and its word be changed: then the tag has changed too. */
		if (weir__cas_acq_rel(&pool.free, &head,
		                      ((head >> 32) + 1) << 32 | weir__load_relaxed(&chunk->free_next)))
			return chunk;
	}
	if (weir__load_relaxed(&pool.made) < pool.count) {
		uint32_t index = weir__add_relaxed(&pool.made, 1u);

		if (index < pool.count) {
			chunk = chunk_at(base, index);
			chunk->index = index;
			return chunk;
		}
	}
	return NULL;
}

void weir__ring_give_back(struct weir__chunk *chunk)
{
	uint64_t head = weir__load_relaxed(&pool.free);

	do /* bounded: one giver at a time, and takers are bounded by their own loop */
		weir__store_relaxed(&chunk->free_next, (uint32_t)head);
	while (!weir__cas_acq_rel(&pool.free, &head, ((head >> 32) + 1) << 32 | (chunk->index + 1)));
}

struct weir__chunk *weir__ring_add_chunk(struct weir__local *local)
{
	struct weir__chunk *chunk = weir__ring_is_open() ? take_chunk(pool.base) : NULL, *former = local->chunk;

	/* no longer busy: a signal handler forked, and this is the child: the chunk was its parent's */
	if (chunk == NULL || weir__load_relaxed(&local->busy) == 0)
		return NULL;
	weir__store_relaxed(&chunk->next, (struct weir__chunk *)NULL);
	weir__store_relaxed(&chunk->committed, 0u);
	chunk->live = chunk->passed = 0;
	local->chunk = chunk;
	local->used = 0;
	if (former != NULL)
		weir__store_release(&former->next, chunk);
	else
		weir__store_release(&local->first, chunk);
	return chunk;
}

const struct weir__record *weir__ring_next(struct weir__local *local, struct weir__chunk **chunk, struct weir__chunk **passed)
{
	*passed = NULL;
	if (local->draining == NULL) {
		local->draining = weir__load_acquire(&local->first);
		local->drained = 0;
		if (local->draining == NULL)
			return NULL;
	}
	if (local->drained >= weir__load_acquire(&local->draining->committed)) {
		struct weir__chunk *next = weir__load_acquire(&local->draining->next);

		/* what was committed before the next one was hung behind it */
		if (next == NULL || local->drained < weir__load_acquire(&local->draining->committed))
			goto here;
		*passed = local->draining;
		local->draining = next;
		local->drained = 0;
	}
here:
	*chunk = local->draining;
	if (local->drained < weir__load_acquire(&local->draining->committed)) {
		const struct weir__record *record =
			(const struct weir__record *)(const void *)(local->draining->data + local->drained);

		local->drained += record->bytes;
		return record;
	}
	return NULL;
}
