/* L0: what happens to spans and contexts, counted. Writers: any thread, relaxed adds, none on a path that goes well but where
 * it says so; readers: any. A forked child begins at zero. */
#ifndef WEIR_TALLY_H
#define WEIR_TALLY_H

#include <stdint.h>

enum weir__tally {
	WEIR__SPANS_ENDED,     /* that came to the drain: by its holder */
	WEIR__SPANS_EXPORTED,  /* taken by every exporter: likewise */
	WEIR__SPANS_POOL,      /* dropped: no chunk was left */
	WEIR__SPANS_QUEUE,     /* dropped: the queue was full */
	WEIR__SPANS_EXPORT,    /* dropped: an exporter failed */
	WEIR__SPANS_LATE,      /* exported ones that the console took, and could not write */
	WEIR__SPANS_MALFORMED, /* dropped: two threads wrote it at once */
	WEIR__SPANS_REENTRY,   /* dropped: ended by a signal handler within another's end */
	WEIR__SPANS_KEPT,
	WEIR__SPANS_EVICTED,
	WEIR__HEADERS_MALFORMED,
	WEIR__BAGGAGE_DROPPED,
	WEIR__DETACHED_OUT_OF_ORDER,
	WEIR__ENDED_TWICE,
	WEIR__UNTIMED,
	WEIR__EXEMPLARS_DROPPED,
	WEIR__ROUTES_DROPPED,
	WEIR__TAGS_DROPPED,
	WEIR__TALLIES,
};
void weir__tally(enum weir__tally what, uint64_t n);
uint64_t weir__tallied(enum weir__tally what);
void weir__tally_restart(void);
const char *weir__tally_text(enum weir__tally what);

#endif
