/* L2: what threads hand to the pipeline: records of ended spans, exemplars and verdicts, in chunks of 16 KiB out of one bounded
 * pool. A thread fills its chunk and hangs the next one behind it; the drain follows. A list has one writer, its shard's thread
 * (the next one fills on where an ended thread left off), and one reader, the holder of the drain lock.
 *
 * Invariants: what is below committed is never written again; a chunk goes back to the pool when the drain has gone past it and
 * nothing refers to its records. Nothing here locks, loops without bound, or makes a system call. */
#ifndef WEIR_RING_H
#define WEIR_RING_H

#include "shard.h"

#include <stddef.h>

enum {
	WEIR__CHUNK_BYTES = 16 * 1024,
	WEIR__CHUNK_HEADER = 32,
	WEIR__RECORD_MAX = WEIR__CHUNK_BYTES - WEIR__CHUNK_HEADER, /* bytes */
};
struct weir__chunk {
	struct weir__chunk *next; /* release by the thread that fills; acquire by the drain */
	uint32_t committed;       /* bytes of data; likewise */
	uint32_t live;            /* records that are referred to. Under the spans lock, as the next */
	uint32_t passed;          /* 1: the drain has gone on to the next */
	uint32_t index;           /* in the pool */
	uint32_t free_next;       /* index + 1 of the next free one. Relaxed: the head's tag tells whether it is still true */
	uint32_t reserved_;
	unsigned char data[WEIR__CHUNK_BYTES - 32];
};
_Static_assert(offsetof(struct weir__chunk, data) == WEIR__CHUNK_HEADER, "as said");

enum weir__record_type { WEIR__RECORD_SPAN = 1, WEIR__RECORD_EXEMPLAR, WEIR__RECORD_VERDICT };
struct weir__record { /* begins each; records are aligned to 8 bytes */
	uint32_t bytes; /* in all, a multiple of 8 */
	uint16_t type, reserved_;
};

/* Maps the pool, once a process: false: no memory. A second call is true and changes nothing. */
bool weir__ring_open(uint64_t bytes);
bool weir__ring_is_open(void); /* any thread; acquire */
uint64_t weir__ring_bytes(void);
void weir__ring_forget(void); /* in a forked child: its pool is empty, and closed until it is opened again. With the core lock held */

/* Room for a record of this thread; NULL: none, and *why is told by the caller's count. Then commit, on the same thread; false:
 * a signal handler forked in between, and this is the child: the record is nobody's. Its chunk stays mapped for that moment;
 * the thread's words are zeros there, which is why they are read once. */
enum weir__ring_fault { WEIR__RING_OK, WEIR__RING_DRY, WEIR__RING_BUSY, WEIR__RING_CLOSED };
struct weir__chunk *weir__ring_add_chunk(struct weir__local *local) __attribute__((cold));
#define WEIR__ONCE(word) (*(volatile __typeof__(word) *)&(word)) /* of this thread and its signal handlers */
static inline void *weir__ring_take(struct weir__local *local, uint32_t bytes, enum weir__ring_fault *why)
{
	struct weir__chunk *chunk;
	uint32_t used;

	if (__builtin_expect(local->busy != 0, 0)) {
		*why = WEIR__RING_BUSY;
		return NULL;
	}
	local->busy = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* a handler sees busy before anything of the list changes */
	chunk = WEIR__ONCE(local->chunk);
	used = WEIR__ONCE(local->used);
	if (__builtin_expect(chunk == NULL || used + bytes > WEIR__RECORD_MAX, 0)) {
		chunk = weir__ring_add_chunk(local);
		used = 0;
		if (chunk == NULL) {
			*why = weir__ring_is_open() ? WEIR__RING_DRY : WEIR__RING_CLOSED;
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
			local->busy = 0;
			WEIR__LEAVES(local);
			return NULL;
		}
	}
	return chunk->data + used;
}
/* The common case of it, without a call: the thread's chunk has room. NULL: it has not, or a handler is within another's; nothing
 * was changed, and take says. */
static inline void *weir__ring_take_here(struct weir__local *local, uint32_t bytes)
{
	struct weir__chunk *chunk;
	uint32_t used;

	if (__builtin_expect(local->busy != 0, 0))
		return NULL;
	local->busy = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	chunk = WEIR__ONCE(local->chunk);
	used = WEIR__ONCE(local->used);
	if (__builtin_expect(chunk == NULL || used + bytes > WEIR__RECORD_MAX, 0)) {
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		local->busy = 0;
		return NULL;
	}
	return chunk->data + used;
}
static inline bool weir__ring_commit(struct weir__local *local, uint32_t bytes)
{
	struct weir__chunk *chunk;

	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	chunk = WEIR__ONCE(local->chunk);
	if (__builtin_expect(WEIR__ONCE(local->busy) == 0, 0)) /* read after the chunk, which is NULL only where this is 0 */
		return false;
	local->used += bytes;
	__atomic_store_n(&chunk->committed, local->used, __ATOMIC_RELEASE); /* the drain acquires */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	local->busy = 0;
	WEIR__LEAVES(local);
	return true;
}

/* With the drain lock held. The next record of a shard, in *chunk; NULL: no more for now. The chunks that were gone past meanwhile
 * are told one by one: *passed, else NULL. */
const struct weir__record *weir__ring_next(struct weir__local *local, struct weir__chunk **chunk, struct weir__chunk **passed);
void weir__ring_give_back(struct weir__chunk *chunk); /* any thread, when nothing refers to it */

#endif
