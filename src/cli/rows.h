/* weir, the command: rows of a table by name, as they are gathered and then sorted, filtered and shown.
 *
 * Invariant: a group and a name stand once. A row's name lies in the table, at an offset, ended by a NUL that does not count. Pure. */
#ifndef WEIR_CLI_ROWS_H
#define WEIR_CLI_ROWS_H

#include "groups.h"

enum column { /* what a row says; the units are seconds, shares of 1, and counts */
	COLUMN_NAME,
	COLUMN_RATE,    /* a second */
	COLUMN_ERRORS,  /* the service's, as a share */
	COLUMN_REFUSED, /* the client's */
	COLUMN_P50,     /* below 0: more than so much: above all bounds */
	COLUMN_P99,
	COLUMN_GOOD,   /* since the start: within the SLO's threshold */
	COLUMN_BUDGET, /* since the start: of what the SLO allows, what is left; below 0: overdrawn */
	COLUMN_VALUE,
	COLUMNS,
};

struct row {
	size_t name, name_len;
	const struct group *group; /* NULL: of all series */
	uint64_t count;            /* over the time that is looked at */
	uint64_t coded, errors, refused;
	uint64_t all, all_good, good;
	uint64_t *buckets; /* of group->latency; NULL: none */
	double columns[COLUMNS]; /* NAN: nothing to say */
};

struct rows {
	struct row *list;
	size_t count;
	char *names;
	size_t names_used, names_room;
	uint32_t *slots; /* by hash: a row's number + 1 */
	size_t slots_count;
};

/* The row of this name, made where there is none; NULL: no memory. Holds until the next call. */
struct row *rows_at(struct rows *rows, const struct group *group, const char *name, size_t len);
void rows_free(struct rows *rows);
const char *rows_name(const struct rows *rows, const struct row *row);

/* Whether a text has part in it, whatever the case of its ASCII letters; an empty one is in all. */
bool rows_has(const char *text, size_t len, const char *part);

/* The rows whose names have filter in them, in order: names and budgets from the least, all else from the most, nothing to say last;
 * equal ones by name. A list of pointers, to be freed; NULL: no memory, or none (count 0). */
const struct row **rows_sorted(const struct rows *rows, enum column by, bool reverse, const char *filter, size_t *count);

#endif
