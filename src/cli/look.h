/* weir, the command: looks at one segment, one after the other, and what a series had at the one before.
 *
 * Invariant: records are only added to a segment, and never move: two looks' series are one by where their records stand, and by
 * whose turn it was. Numbers of two segments, or of two turns, are never compared. */
#ifndef WEIR_CLI_LOOK_H
#define WEIR_CLI_LOOK_H

#include "segment_model.h"

struct look {
	struct segment_copy copy; /* base NULL: nobody has looked */
	struct model model;
	double at_s; /* of the monotonic clock */
};

/* False: *why says what is wrong, as the end of a sentence; nothing is to be freed. */
bool look_take(struct look *look, int fd, const char **why);
void look_free(struct look *look);
/* from becomes to, whose own is freed; from is none then. A look is not copied otherwise: its model points into it. */
void look_move(struct look *to, struct look *from);
bool look_is_there(const struct look *look);

/* Both of one segment. */
bool look_goes_on(const struct look *before, const struct look *now);
/* The cells that s, of the later look, had at the one before: zeros where it was not there. Only where look_goes_on. */
const uint64_t *look_before(const struct look *before, const struct look *now, const struct model_series *s);

#endif
