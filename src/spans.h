/* L4: what threads handed over, taken up: the drain, the queue of ended spans, and who takes them out of it.
 *
 * The drain follows every thread's list of chunks, one holder of the drain lock at a time. Spans are not copied: the queue refers
 * to their records, and a chunk stays until nothing refers to it. Locks: drain, before spans; spans is a leaf, but for the
 * exemplars' own. */
#ifndef WEIR_SPANS_H
#define WEIR_SPANS_H

#include "context.h"

#include <weir/exporter.h>

enum { WEIR__SPANS_QUEUE_MAX = 1 << 26 };
#define WEIR__SPANS_BYTES_MAX (UINT64_C(1) << 40)
struct weir__spans_options {
	uint64_t pool_bytes;
	uint32_t queue, batch;
	uint64_t delay_ns, timeout_ns;
};
void weir__spans_configure(const struct weir__spans_options *options); /* at init; queue and pool count at the next open */
struct weir__spans_options weir__spans_options(void);

/* A taker's place in the queue, from what comes next; the first opens pool and queue. WEIR_ENOMEM, WEIR_ELIMIT. */
int weir__spans_join(uint32_t *taker);
void weir__spans_leave(uint32_t taker);
int weir__spans_reopen(void); /* in a forked child that exports */
void weir__spans_retain(uint64_t takers); /* likewise: bit by bit those that have an exporter; the others were on their way */

/* Takes up what there is; how many spans came. limit bounds the work: 0: all. */
uint32_t weir__spans_drain(void);
uint32_t weir__spans_pending(uint32_t taker);
uint32_t weir__spans_pending_most(void);
uint64_t weir__spans_waiting(void); /* any taker's */
uint32_t weir__spans_capacity(void); /* of the queue; 0: there is none, since nobody takes spans */
uint64_t weir__spans_exported(void); /* taken by every exporter, and refused by none */
uint64_t weir__exemplars_lost(void); /* for want of a chunk, or of a place */
uint64_t weir__spans_bytes(void);    /* what pool, queue and kept spans occupy */
bool weir__spans_were_wanted(void);  /* somebody has joined, in this process or in one that it was forked from */

struct weir_batch {
	const struct weir__span_record **list; /* NULL: what could not be read */
	size_t count;
	const struct weir_attrs *resource;
	char *room;
	size_t room_bytes;
};
enum weir__outcome { WEIR__BATCH_AGAIN, WEIR__BATCH_TAKEN, WEIR__BATCH_LOST };
/* Up to batch spans for a taker; false: there are none, or no memory. What it refers to stays until done, which moves the
 * taker on (again: the same are offered once more). A span that any taker lost counts as dropped, once. */
bool weir__spans_take(uint32_t taker, struct weir_batch *batch);
void weir__spans_done(uint32_t taker, struct weir_batch *batch, enum weir__outcome outcome);

/* keep.c: spans that may yet be kept. With the drain lock held. */
void weir__keep_put(const struct weir__span_record *record);
void weir__keep_verdict(const struct weir__verdict_record *record);
void weir__keep_forget(void);
uint64_t weir__keep_bytes(void);
struct weir__local *weir__keep_local(void); /* what is kept comes out of here, as if a thread had ended it */

#endif
