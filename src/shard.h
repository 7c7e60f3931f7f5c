/* L2: a thread's table of blocks, and who has it. A shard is leased: when its thread is gone, the next thread takes it over
 * and adds on; cells are cumulative, so that nothing is folded or lost.
 *
 * Invariants: a table has one writer, the slow path on its own thread, under the core lock; table[0] is always NULL; an entry
 * goes from NULL to a block once and stays. Tables live in memory that fork wipes: a child finds them null. */
#ifndef WEIR_SHARD_H
#define WEIR_SHARD_H

#include <weir/abi/hot.h>

#include <stdbool.h>
#include <stdint.h>

struct weir_ctx;
struct weir__chunk;

/* What else is a thread's own. It stands right before the table, so that the one thread-local pointer reaches it, and is wiped
 * with it: a forked child finds zeros. A thread that is not attached has one of zeros that is never written: gamma tells.
 * Writer: its thread, but where another is named. */
enum { WEIR__SCOPES = 24 };
struct weir__local {
	uint64_t gamma;      /* 0: not ready */
	uint64_t streams[3]; /* ids: two for traces, one for spans; each stepped by one instruction */
	struct weir_ctx *current;
	const void **outside;      /* the thread's pointer that others read: see thread_context.h */
	struct weir__chunk *chunk; /* being filled */
	struct weir__chunk *first; /* release by its thread, once; the drain takes it up (acquire) */
	struct weir__chunk *draining; /* writer and reader: the holder of the drain lock, as the next */
	uint32_t drained;
	uint32_t used;             /* of chunk */
	uint32_t busy;             /* 1 while it is being filled: a signal handler sees it */
	uint32_t depth;            /* of scopes */
	uint64_t token;            /* the last one given */
	uint32_t astray;           /* 1: below what is remembered a scope was detached out of order */
	uint32_t inside;           /* odd: in a record by places (claim.c); 0: never was. Release by its thread; acquire by the tick */
	uint32_t waited;           /* what the tick waits to see the end of; 0: nothing. Writer and reader: the tick */
	uint32_t reserved_;
	struct {
		struct weir_ctx *ctx;
		uint64_t token; /* 0: detached out of order */
	} scopes[WEIR__SCOPES];
};

enum { WEIR__BLOCKS_MAX = 65536, WEIR__BLOCK_CELLS = 512, WEIR__SHARDS_MAX = 32768, WEIR__LEVELS_OWNER = 0 };

/* With the core lock held: */
/* False: a module before this one exports weir_tls_v1, and records would go by its tables. Then nothing may be recorded here. */
bool weir__tls_is_own(void);
bool weir__shard_attach(void);             /* this thread has a table from here on */
uint64_t *weir__shard_block(uint32_t block, bool levels); /* opens it for this thread; NULL: no memory, or no cells that old */
void weir__shards_reap(uint32_t most);     /* looks whether owners are gone */
void weir__shards_hide_levels(uint32_t blocks); /* of so many: no thread has a block of levels open: each asks for it again, and waits for the lock */
uint64_t *weir__shard_carry(uint32_t block); /* cells that are no thread's: written under the lock. NULL: no memory */
void weir__shards_forget(void);            /* in a forked child: this thread's table stays, the others go */

/* Any thread, no lock: the number of shards, and a shard's block; both only ever grow (acquire). */
uint32_t weir__shards_count(void);
void weir__shards_clear(uint32_t cell, uint32_t count); /* cells that rest begin anew. With the core lock held */
const uint64_t *weir__shard_peek(uint32_t shard, uint32_t block);
uint64_t *weir__level_peek(uint32_t block); /* the one page of a block of levels; NULL: nobody has used it */
uint64_t weir__shards_bytes(void);
uint64_t *const *weir__shard_nulls(void); /* the table of who is not attached */

struct weir__local *weir__shard_local(uint32_t shard);

/* A thread that is gone has left its shard by its death, which the system orders; the thread sanitizer has to be told. Called
 * where a thread has written what is its own, and where another one takes it over. */
#ifdef WEIR_TSAN_
void __tsan_release(void *address);
void __tsan_acquire(void *address);
#define WEIR__LEAVES(local) __tsan_release(local)
#define WEIR__TAKES_OVER(local) __tsan_acquire(local)
#else
#define WEIR__LEAVES(local) (void)0
#define WEIR__TAKES_OVER(local) (void)0
#endif

/* This thread's; of zeros where it is not attached: see weir__local_ready (registry.h). */
extern __thread uint64_t *const *weir__tls_own __attribute__((visibility("hidden"), tls_model("initial-exec"))); /* weir_tls_v1, by a name that nobody can stand before */
static inline struct weir__local *weir__local(void)
{
	return (struct weir__local *)(uintptr_t)weir__tls_own - 1;
}

#endif
