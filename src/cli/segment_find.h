/* weir, the command: the segments that processes of this machine have open: memfds by the name of weir.
 *
 * A process' descriptors are looked at; where it has closed them, those of weir's own thread, which has a table of its own; and
 * where none has it, what the process has mapped, if we may. Invariant: nothing is opened but what is such a memfd by its link; a
 * process that vanishes meanwhile is passed over. */
#ifndef WEIR_CLI_SEGMENT_FIND_H
#define WEIR_CLI_SEGMENT_FIND_H

#include "process.h"

#include <stddef.h>
#include <sys/types.h>

struct segment_found {
	char path[96]; /* opens it */
	struct process holder;
	dev_t device;
	ino_t inode;
	bool written; /* the holder is who writes it; else it has come by its descriptor, by fork for one */
};

struct segment_list {
	struct segment_found *found;
	size_t count;
	size_t denied;   /* processes that may not be looked into */
	const char *why; /* of one that was found and cannot be read: what is wrong with it; NULL: there is none */
};

/* Appends. False: no memory. Of one segment that several have open there is one entry: its writer's, where that lives. */
bool segment_find_of(struct segment_list *list, int pid);
bool segment_find_all(struct segment_list *list);
void segment_list_free(struct segment_list *list);

/* Read-only, never waiting, or -1 with errno. */
int segment_open_path(const char *path);

#endif
