/* weir, the command: what stands in a copied segment, as instruments with their series, in the order in which they were made.
 *
 * Invariant: all texts and lists point into the copy, which must live as long; cells are sums over threads. What breaks a rule of
 * the format is passed over and counted. */
#ifndef WEIR_CLI_SEGMENT_MODEL_H
#define WEIR_CLI_SEGMENT_MODEL_H

#include "segment_copy.h"

enum { MODEL_LABELS_MAX = 64 };

enum model_kind { /* as they stand in a record: enum weir_kind */
	MODEL_COUNTER = 1,
	MODEL_UPDOWN,
	MODEL_GAUGE,
	MODEL_FLOAT_GAUGE,
	MODEL_HISTOGRAM,
	MODEL_INFO,
	MODEL_OBSERVED_COUNTER,
	MODEL_OBSERVED_GAUGE,
};

struct model_text {
	const char *ptr; /* any bytes */
	uint32_t len;
};

struct model_series {
	const struct weir_segment_series *record;
	const uint64_t *cells; /* record->cells of them */
	uint32_t next;         /* of the same instrument: its number + 1; 0: none */
	bool hidden;           /* a later one has its cells; or an info that is not set */
};

struct model_instrument {
	const struct weir_segment_instrument *record; /* the latest of this id */
	struct model_text name, help;
	const char *kind, *unit; /* as text */
	unsigned digits;         /* exported = integer / 10^digits */
	uint32_t first, last;    /* of its series: number + 1; 0: none */
	uint32_t shown;          /* series that are not hidden */
};

struct model {
	const struct segment_copy *copy;
	struct model_instrument *instruments;
	struct model_series *series;
	uint32_t instruments_count, series_count;
	uint32_t shown; /* series that are not hidden */
	uint32_t threads; /* shards that have recorded */
	uint64_t passed_over; /* records that break a rule, or are of a kind that this reader does not know */
	uint64_t **sums; /* by block; NULL: none were asked for */
	uint32_t blocks;
};

/* False: no memory. Of an outline the cells are all 0. */
bool model_make(struct model *model, const struct segment_copy *copy);
void model_free(struct model *model);

/* Series one after the other: begin with NULL. */
const struct model_series *model_next(const struct model *model, const struct model_instrument *i, const struct model_series *s);

bool model_is_counter(const struct model_instrument *i);
bool model_is_overflow(const struct model_series *s);
bool model_is_double(const struct model_series *s, double *value);

struct model_text model_text(const struct model *model, uint32_t offset);
struct model_text model_label(const struct model *model, const struct model_instrument *i, uint32_t k);
struct model_text model_value(const struct model *model, const struct model_series *s, uint32_t k);
/* n: 0 its name, 1 its value */
struct model_text model_constant(const struct model *model, const struct model_instrument *i, uint32_t k, uint32_t n);

/* Histograms. */
uint64_t model_count(const struct model_instrument *i, const struct model_series *s);
uint64_t model_good(const struct model_instrument *i, const struct model_series *s); /* within the SLO's threshold */

#endif
