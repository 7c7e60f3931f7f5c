/* weir, the command: the segments of this machine: memfds by the name of weir, files, maps.
 *
 * A process' descriptors are looked at; where it has closed them, those of weir's own thread, which has a table of its own; and
 * where none has it, what the process has mapped, if we may. Then come the files of /dev/shm, and what is pinned in
 * /sys/fs/bpf: of those who died. Invariant: nothing is opened but such a memfd, a file of that name, or a map, by its link; a process
 * that vanishes meanwhile is passed over. */
#ifndef WEIR_CLI_SEGMENT_FIND_H
#define WEIR_CLI_SEGMENT_FIND_H

#include "process.h"

#include <stddef.h>
#include <sys/types.h>

struct segment_found {
	char path[280]; /* opens it: segment_open_path */
	char home[8];   /* "memfd", "file", "map" */
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

#endif
