/* weir watch: what the series that are meant say between two looks, as one number. Pure.
 *
 * A counter's growth a second, a gauge's level, a histogram's p99: of several series the sum, of histograms the quantile of all their
 * values. Invariant: what cannot be told is NAN: no earlier look, no such series, no values meanwhile. */
#ifndef WEIR_CLI_WATCH_VALUE_H
#define WEIR_CLI_WATCH_VALUE_H

#include "look.h"
#include "selector.h"

enum watch_kind { WATCH_NOTHING, WATCH_RATE, WATCH_LEVEL, WATCH_P99 };

struct watch_value {
	enum watch_kind kind; /* WATCH_NOTHING: there is no such instrument */
	unsigned unit;        /* as in a record: 0 one, 1 seconds, 2 bytes, 3 ratio */
	double value;
	bool above;       /* above all bounds: value is the last of them */
	double p50, rate; /* of a histogram */
	uint32_t series;  /* that are meant */
};

struct watch_value watch_value_of(const struct selector *selector, const struct look *before, const struct look *now);

#endif
