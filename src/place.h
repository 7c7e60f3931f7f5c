/* L3: places: the values of labels that contexts fill in, as numbers that series are looked up by, so that a series' key never
 * changes while the text that it is exported with does. A place has a generation; a token is a generation and a number.
 *
 * The life of a place: free, taken (of a text), given up (its generation is another at once, so that no record begins to use
 * it), retired by the tick (retire.c), free again. Its text is written while it is free only. Writer: the holder of the core
 * lock; readers of the generation: any record; of the text: who holds the core lock, or the snapshot lock and a series that is live.
 *
 * In a series' key a place stands as a text of three characters, which is one word; see weir__place_key. */
#ifndef WEIR_PLACE_H
#define WEIR_PLACE_H

#include <weir/base.h>

enum {
	WEIR__PLACES_MAX = 4096,
	WEIR__PLACE_TEXT = 240, /* bytes; a context holds no longer value */
	WEIR__PLACE_OTHER = 0,
};
enum weir__place_state {
	WEIR__PLACE_FREE,
	WEIR__PLACE_TAKEN,
	WEIR__PLACE_GIVEN_UP,
	WEIR__PLACE_WAITING,  /* for the records that began before */
	WEIR__PLACE_QUIET,    /* no record uses it: its last values are shown for a while */
	WEIR__PLACE_RETIRING,
};
struct weir__place {
	uint32_t generation; /* release; acquire by records, within their epoch: see claim.c */
	uint8_t state, tag;
	uint16_t len;
	uint32_t segment_text; /* where the text stands in the segment; 0: nowhere */
	uint64_t linger_ns, until_ns;
	uint64_t key; /* of its number */
	char text[WEIR__PLACE_TEXT + 8]; /* ends in NUL */
};
struct weir__place *weir__place(unsigned number); /* NULL: never taken. Any thread */
uint32_t weir__places_count(void);                /* numbers are 1 to this. Any thread */
bool weir__places_leave(void); /* some are given up, and not free yet. Any thread */
void weir__place_left(void);   /* one is free again. With the core lock held */
void weir__places_restart(void); /* in a forked child, with the core lock held: its segment has no texts */
const struct weir__place *weir__place_of(uint64_t token); /* NULL: it is given up, or never was. Any thread */
static inline unsigned weir__place_in(uint64_t token)
{
	return (unsigned)(token & 0xffff);
}

/* What stands in a key: of a place, of the value "other", of a tag's absent text ("-"), of the empty text (""): one of a list
 * that the texts of places are not on, so that no two series have the same labels. */
uint64_t weir__place_key(unsigned number);

#endif
