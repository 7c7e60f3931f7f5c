/* L3: the last exemplar of each bucket of a histogram's series, and one of a counter's: put by who ends spans, copied
 * by snapshots.
 *
 * Invariant: sorted by cell and bucket, without gaps; bounded in all: past WEIR__EXEMPLARS_MAX a bucket that has none yet
 * gets none, and that is counted, while those that are there go on being replaced. Writer: one thread at a time, the
 * pipeline's, under the exemplars lock. A forked child's store begins empty. */
#ifndef WEIR_EXEMPLAR_H
#define WEIR_EXEMPLAR_H

#include <weir/snapshot.h>

enum { WEIR__EXEMPLARS_MAX = 4096 };

/* cell: the first of the series. bucket: its number as a snapshot counts; 0 for a counter. */
void weir__exemplar_put(uint32_t cell, uint32_t bucket, uint64_t value, uint64_t time_ns, const struct weir_ids *ids);
/* Those of the series that begins at a cell. */
void weir__exemplars_take_away(uint32_t cell);
/* What waited in the rings when series retired, since nobody took it, may be theirs: what was pushed before is counted as dropped.
 * Of either kind of ticks, [1] the counter's: the wall clock may go back. Relaxed; writer: who retires; reader: who drains. */
extern uint64_t weir__exemplars_since[2];
void weir__exemplar_drop(void); /* counts one */
uint64_t weir__exemplars_dropped(void); /* any thread */
void weir__exemplars_restart(void); /* in a forked child. With the core lock held, before anything else comes here */

/* All of them at a moment. Nothing is allocated where there are none. */
struct weir__exemplars {
	struct weir_exemplar *list; /* malloc's; the keys lie behind them */
	const uint64_t *keys;       /* cell << 32 | bucket, ascending */
	size_t count;
};
bool weir__exemplars_copy(struct weir__exemplars *to); /* false: no memory */
void weir__exemplars_free(struct weir__exemplars *exemplars);
/* Those of the series that begins at a cell, by bucket. */
const struct weir_exemplar *weir__exemplars_of(const struct weir__exemplars *exemplars, uint32_t cell, size_t *count);

#endif
