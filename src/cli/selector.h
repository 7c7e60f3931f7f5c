/* weir, the command: which series are meant: name, or name{label="value",...}, as Prometheus writes it. Pure.
 *
 * A name is an instrument's, or what Prometheus makes of it: dots or underscores, with or without _total and the unit. A series is
 * meant if all labels that are given have these values; constant labels count too. Invariant: views point into the text that was
 * parsed but for values, which are unescaped. */
#ifndef WEIR_CLI_SELECTOR_H
#define WEIR_CLI_SELECTOR_H

#include "segment_model.h"

enum { SELECTOR_LABELS = 16, SELECTOR_MOST = 4096 };

struct selector {
	struct model_text name;
	size_t count;
	struct {
		struct model_text name, value;
	} labels[SELECTOR_LABELS];
	char values[SELECTOR_MOST];
};

/* NULL, or what is wrong, as a sentence's end. text must live as long. */
const char *selector_parse(struct selector *selector, const char *text);

/* Whether the instrument has that name, and each label that is asked for. */
bool selector_takes(const struct selector *selector, const struct model *model, const struct model_instrument *i);
bool selector_takes_series(const struct selector *selector, const struct model *model, const struct model_instrument *i,
                           const struct model_series *s);
/* The instrument, by its own name before one that is alike; NULL: there is none. */
const struct model_instrument *selector_find(const struct selector *selector, const struct model *model);

#endif
