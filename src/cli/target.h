/* weir, the command: one process whose segment is looked at again and again, and who comes after it.
 *
 * A process is followed by its name: when it ends, the next one that is called so, and began later, takes its place. Invariant: what is
 * opened is opened read-only; fd is that of a segment, of this process or of the one that ended last, whose numbers stay readable. */
#ifndef WEIR_CLI_TARGET_H
#define WEIR_CLI_TARGET_H

#include "segment_find.h"

struct target {
	struct process process; /* the one that lives, or lived last */
	struct segment_found found;
	int fd;
	bool alive;
	uint64_t age_s; /* as of target_follow */
};

/* what: a number or a name of weir ls; NULL: the only one that there is. FLAGS_RUN, or the code to end with: it has complained. */
int target_open(struct target *target, const char *who, const char *what);
void target_close(struct target *target);

/* Looks whether it lives. True: fd is another segment's now. */
bool target_follow(struct target *target);

/* The segments that are written by those who have them open, alone; the first so many of list. */
size_t target_keep_written(struct segment_list *list, const char *name);
/* One of them. False: it has vanished. */
bool target_take(struct target *target, const struct segment_found *found);

#endif
