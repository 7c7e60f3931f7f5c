/* weir top: what a user has chosen, and what a key changes of it. Pure.
 *
 * Invariant: the filter is UTF-8 if what was typed is; a sort column is one that its view has. */
#ifndef WEIR_CLI_TOP_STATE_H
#define WEIR_CLI_TOP_STATE_H

#include "keys.h"
#include "rows.h"

enum top_view { VIEW_REQUESTS, VIEW_TENANTS, VIEW_SERIES, VIEWS };

enum { TOP_FILTER_MOST = 64 };

struct top_state {
	enum top_view view;
	enum column sort[VIEWS];
	bool reverse, since_start;
	bool paused, help, quit;
	bool typing;
	char filter[TOP_FILTER_MOST];
	char typed[TOP_FILTER_MOST]; /* while typing: what the filter was */
	size_t scroll;               /* the first row that is shown; top_draw cuts it to what there is */
	size_t page;                 /* rows that are shown, as of the last top_draw */
};

/* A column of a view's table, in the order in which they stand. */
struct top_column {
	enum column column;
	const char *name, *head; /* as --sort has it, and over the table */
	int wide, rank;          /* rank: those with the highest go first where it is narrow */
};
const struct top_column *top_columns(enum top_view view, size_t *count);

struct top_state top_state(void);
/* Sorts all views that have a column of this name by it. False: there is none. */
bool top_sort_by(struct top_state *state, const char *name);
/* True: other numbers are to be made of the looks. */
bool top_key(struct top_state *state, int key);

#endif
