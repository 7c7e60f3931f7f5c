/* L3: series of instruments with labels that a context fills: looked up by places (place.h), lent to a place's text for as long
 * as it is taken, and retired with it (retire.c).
 *
 * Invariants: a record is within its thread's epoch (inside of struct weir__local) from before it looks whether a place is
 * current until after its add; so, where a place was given up and every thread's epoch has moved since, its series rest. A
 * series' texts are written while it is not live. */
#ifndef WEIR_CLAIM_INTERNAL_H
#define WEIR_CLAIM_INTERNAL_H

#include "context.h"
#include "place.h"
#include "registry.h"

/* With the core lock held: who fills an instrument's labels; a series' texts, by its key. */
void weir__claim_tags(struct weir__instrument *instrument);
void weir__claim_texts(const struct weir__instrument *instrument, struct weir__series *series);
/* The place that stands in its key for a label; NULL: none, the text is one for ever. Any thread. */
struct weir__place *weir__claim_place(const struct weir__instrument *instrument, const struct weir__series *series, uint32_t label);

/* Records on a counter or a histogram; and the end of a span, recorded. The other labels' values, as values or (NULL) as texts. A
 * wrong number of them is counted, and so is an instrument without such labels. */
void weir__claim_record(const struct weir_instrument *description, uint64_t number, const struct weir_ctx *ctx,
                        const struct weir_str *values, const char *const *texts, size_t count);
uint64_t weir__claim_end(struct weir_span *span, const struct weir_histogram *histogram, const struct weir_str *values,
                         const char *const *texts, size_t count);

#endif
