/* weir top: a summary as a screen. Pure.
 *
 * Invariant: of any size, down to one cell, it draws what is most needed and nothing outside; what stands above the table is the same
 * whatever is sorted, filtered or scrolled. What is bad has a mark, so that it is seen without colours. */
#ifndef WEIR_CLI_TOP_VIEW_H
#define WEIR_CLI_TOP_VIEW_H

#include "screen.h"
#include "summary.h"
#include "top_state.h"

struct top_scene {
	const struct summary *summary; /* NULL: nothing could be read yet */
	const char *name;
	int pid;
	double age_s, interval_s;
	bool alive;
	bool plain;         /* no keys, no hints */
	const char *notice; /* what went wrong; NULL */
	const char *clock;  /* the time of day; NULL: none is shown */
};

/* Cuts state's scroll to what there is, and tells it the page. False: no memory; the screen says so. */
bool top_draw(struct screen *screen, const struct top_scene *scene, struct top_state *state);

#endif
