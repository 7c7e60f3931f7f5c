/* weir, the command: flags of a command line, by a table. --name VALUE and --name=VALUE are the same.
 *
 * Invariant: values are views into argv; a flag that is no list stands once. */
#ifndef WEIR_CLI_FLAGS_H
#define WEIR_CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

enum { FLAG_VALUES_MAX = 64 };

struct flag_list {
	const char *values[FLAG_VALUES_MAX];
	size_t count;
};

struct flag { /* one of the three is not NULL */
	const char *name; /* with its dashes */
	const char **value;
	struct flag_list *list; /* may stand FLAG_VALUES_MAX times */
	bool *there;            /* takes no value */
};

/* Words that are no flags: so many at most. */
struct flag_words {
	const char **values;
	size_t room, count;
};

enum { FLAGS_RUN = -1 };

/* FLAGS_RUN, or the code to end with: help has been printed, or it has complained. stray: what to say to a word that is no
 * flag; NULL: there may be none. */
int flags_read(const char *who, const char *help, const char *stray, const struct flag *table, size_t count, int argc,
               char **argv);
/* The same where there may be such words; stray is said to one too many. */
int flags_read_words(const char *who, const char *help, const char *stray, const struct flag *table, size_t count, int argc,
                     char **argv, struct flag_words *words);

#endif
