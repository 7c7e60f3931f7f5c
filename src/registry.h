/* L3: what instruments and series there are: the truth, in private memory that lives as long as the process. The segment is
 * its published copy. Includes the one way in: weir__enter.
 *
 * Invariants: all is appended, and published by a release store of a count or a pointer, so that readers need no lock, and a
 * child forked at any moment finds a whole prefix. Writer of everything here: the holder of the core lock. */
#ifndef WEIR_REGISTRY_H
#define WEIR_REGISTRY_H

#include "atomic.h"
#include "bucket.h"
#include "port.h"

#include <weir/metric.h>

/* ---- the way in: signals blocked, the core lock held, a forked child put in order. False: no memory, or this thread is
 * inside already (a signal handler on its way in cannot be; a callback of the system's could): the record is dropped. */
struct weir__guard {
	uint64_t mask;
	struct weir__wiped *wiped;
};
bool weir__enter(struct weir__guard *guard);
void weir__leave(struct weir__guard *guard);
/* As enter and leave, for who only needs a forked child to be put in order. */
uint32_t weir__generation(void);
void weir__generation_lost(void); /* told by an atfork handler where fork cannot wipe */

/* ---- what is lost, by reason. Writers: any thread, relaxed adds; readers: any. ---- */
enum weir__loss {
	WEIR__LOST_REFUSED,   /* an instrument that was refused, or a handle that is empty */
	WEIR__LOST_VALUE,     /* above INT64_MAX, or negative where it cannot be */
	WEIR__LOST_LABELS,    /* a wrong number of label values */
	WEIR__LOST_MEMORY,
	WEIR__LOST_REENTRY,
	WEIR__LOST_CONTENDED, /* a double that others changed 1000 times meanwhile */
	WEIR__LOSSES,
};
void weir__lose(enum weir__loss why);
uint64_t weir__lost(enum weir__loss why);
const char *weir__loss_text(enum weir__loss why);

struct weir__sum { /* of a histogram's series, in 128 bits: writer: the holder of the snapshot lock */
	uint64_t low, high;
};
struct weir__series {
	struct weir__series *next;  /* of the instrument, in order of making; published by series_count */
	const struct weir_str *values; /* NULL: the overflow series, or no labels. Of a claim series: as long as it is live */
	struct weir__sum *sum;      /* histograms */
	uint64_t start_ns;
	uint32_t cell, turn, words; /* turn: where a claim series' stands in the segment; 0: nowhere */
	uint32_t round;             /* observed: the round that reported it last. Writer: who reports (release; acquire) */
	bool live;                  /* claim series: false: retired, and hidden until it is adopted (release; acquire): claim.c, retire.c */
	bool overflow, floating;    /* floating: its level is a double. Written before the first such level */
	uint64_t key[];
};
struct weir__table { /* insert-only; superseded ones are kept, since readers hold no lock */
	uint32_t mask;
	uint64_t slots[]; /* 16 bits of hash above 48 of pointer; 0: free. Release by insert, acquire by look-up */
};
struct weir__instrument {
	struct weir__instrument *next, *same_hash; /* in order of making; of the name's chain */
	char *name, *help, *canonical;
	const char *const *labels;
	const char *const *constant; /* name, value, ..., NULL; or NULL; may be replaced whole (release; acquire) */
	const char *const *declared; /* the same as it was declared: by these a definition is compared */
	uint32_t id, cells, max_series;
	uint16_t labels_count, given_count; /* given_count: values in a record without a context; with claims there are none such */
	uint8_t kind, unit;
	bool levels; /* its cells are shared by all threads */
	const struct weir__shape *shape;
	const struct weir_layout *layout;
	struct weir__table *table;            /* release; acquire */
	struct weir__series *first, **last;   /* first: release; acquire */
	struct weir__series *overflow;        /* release; acquire */
	uint32_t series_count;                /* with the overflow series; release; acquire */
	uint32_t keyed_count;                 /* without it */
	uint32_t folded_cell;                 /* counts what went to overflow */
	bool full;                            /* relaxed: a hint */
	uint32_t round;                       /* observed: the newest whole round that reported any of it (release; acquire) */
	const struct weir_instrument *made; /* what weir_*_create hands out; NULL: not asked yet. Under the lock */
	uint32_t reporting;                   /* the newest round that does, maybe not whole yet. Writer and reader: who reports */
	uint32_t claims;                      /* labels that a context fills: a bit each; then all its series are claim series */
	uint8_t claims_count;
	uint8_t tags[16];                     /* of these labels; 0: none is defined yet. Relaxed */
	bool retires;                         /* a series has retired. Under the snapshot lock, as the next */
	uint64_t retired;                     /* what those held that have */
};

/* The record of an instrument's description; registered if it is new. NULL: refused. With the lock held. Nothing is logged
 * there: *why tells, and is logged by who called, outside. */
struct weir__refusal {
	int error;
	char text[512];
};
struct weir__instrument *weir__register(const struct weir_instrument *description, const struct weir_instrument_options *options,
                                        struct weir__refusal *why);
/* The same from anywhere: NULL and counted where it is refused. Not to be called with the lock held. */
struct weir__instrument *weir__instrument_of(const struct weir_instrument *description);
/* Caps and constant labels told before the name is declared. With the lock held. */
int weir__configure(const char *name, const struct weir_instrument_options *options, struct weir__refusal *why);

void weir__registry_restart(void); /* in a forked child: its numbers begin at zero. With the lock held */
void weir__series_restart(struct weir__instrument *instrument, struct weir__series *newest); /* likewise, as series.c knows it */
void weir__mended_restart(void);
uint64_t weir__began_ns(void);     /* of a forked child: its series began no earlier; 0 in any other process */
struct weir__instrument *weir__instruments_first(void); /* acquire; then next, as many as the count */
uint32_t weir__instruments_count(void);
uint32_t weir__blocks_count(void); /* blocks that hold cells, and one more: acquire */
uint64_t weir__series_total(void);
uint64_t weir__refused_total(void);
uint64_t weir__mended_total(bool cut);
void weir__mended_count(uint64_t cleaned, uint64_t cut);
bool weir__block_is_levels(uint32_t block);

/* Cells for a series: the first one; 0: none are left. With the lock held. */
uint32_t weir__cells_take(uint32_t count, bool levels);
void weir__cells_give_back(uint32_t cell, uint32_t count, bool levels); /* those taken last */
/* Makes the series of these words (already mended) if the cap allows, else gives the overflow series. With the lock held. */
struct weir__series *weir__series_make(struct weir__instrument *instrument, const struct weir_str *values, const uint64_t *words,
                                       uint32_t count, uint64_t hash);
enum { WEIR__POINTER_BITS = 48 };
static inline struct weir__series *weir__series_in(uint64_t slot)
{
	return (struct weir__series *)(uintptr_t)(slot & ((UINT64_C(1) << WEIR__POINTER_BITS) - 1));
}
/* The series of these words, one at least; NULL: not there, or no table yet. */
static inline struct weir__series *weir__series_find(const struct weir__table *table, const uint64_t *words, uint32_t count,
                                                     uint64_t hash)
{
	uint64_t slot;

	if (table == NULL)
		return NULL;
	/* acquire: pairs with insert's release, so that a found record is whole */
	for (uint32_t at = (uint32_t)hash & table->mask; (slot = weir__load_acquire(&table->slots[at])) != 0;
	     at = (at + 1) & table->mask) {
		struct weir__series *s = weir__series_in(slot);

		if (slot >> WEIR__POINTER_BITS != hash >> WEIR__POINTER_BITS || s->words != count)
			continue;
		for (uint32_t same = 0; s->key[same] == words[same];)
			if (++same == count)
				return s;
	}
	return NULL;
}
/* The series of these values, made if need be; NULL: counted, why. ptr NULL is the empty value. From anywhere. */
struct weir__series *weir__resolve(const struct weir_instrument *description, const struct weir_str *values, size_t count);
/* What these do where there is no such series (words_count 0: the key is too long, or cannot be made), or a wrong number. */
struct weir__series *weir__series_missed(struct weir__instrument *instrument, const struct weir_str *values, size_t count,
                                         const uint64_t *words, uint32_t words_count);
struct weir__series *weir__wrong_count(const struct weir__instrument *instrument);
struct weir__series *weir__resolve_text(const struct weir_instrument *description, struct weir_labels_ labels);

/* Puts what the registry has into the segment, as far as it is not there: one at a time, or all in a fresh one. */
void weir__publish_instrument(const struct weir__instrument *instrument);
void weir__publish_series(const struct weir__instrument *instrument, struct weir__series *series);
void weir__publish_turn(const struct weir__series *series); /* of a claim series: one begins, or ends */
void weir__segment_ready(void); /* opens it, and fills a fresh one. With the lock held */

/* The block of a cell for this thread; NULL: lost, and counted. From anywhere. */
uint64_t *weir__block_of(uint32_t cell);

#endif
