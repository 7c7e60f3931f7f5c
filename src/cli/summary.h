/* weir, the command: two looks at a segment as what top shows: rates, quantiles, shares, losses. Pure: no clock, no file.
 *
 * Invariant: numbers are those of the time between the looks, or since the start where since_start is set or there is no earlier
 * look of this segment; budgets are always since the start. All points into the later look, which must live as long. */
#ifndef WEIR_CLI_SUMMARY_H
#define WEIR_CLI_SUMMARY_H

#include "look.h"
#include "rows.h"

enum { SUMMARY_LOSSES = 8 };

struct summary_loss {
	char text[64]; /* its name without weir_ and _total, and its labels' values */
	double rate, all;
};

struct summary {
	struct groups groups;
	struct rows requests; /* by route and method, or what else they are told apart by */
	struct rows tenants;
	struct rows series;   /* all of them; only where asked for */
	struct row total;     /* of groups.main; its name is none */
	bool since_start;     /* what the numbers are of */
	double span_s;        /* how long that is */
	double burn;          /* how many times as fast as the SLO allows, over span_s; NAN */
	double in_flight;     /* of requests; NAN: nobody tells */
	double cpu;           /* processors, over span_s */
	double memory_bytes, threads, fds, fds_most;
	double tick_age_s;    /* since weir's thread in the process ticked; NAN: it never did */
	uint32_t recorders, series_count;
	struct summary_loss losses[SUMMARY_LOSSES]; /* that are not 0, the fastest first */
	size_t losses_count;
};

/* age_s: of the process; NAN: not known. series: make that table too. False: no memory; nothing is to be freed. */
bool summary_make(struct summary *summary, const struct look *before, const struct look *now, double age_s, bool since_start, bool series);
void summary_free(struct summary *summary);

#endif
