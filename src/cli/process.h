/* weir, the command: what /proc says of a process, and whether a segment's writer still lives.
 *
 * Invariant: a process is told by its number and its start time together; one that has vanished is no error. */
#ifndef WEIR_CLI_PROCESS_H
#define WEIR_CLI_PROCESS_H

#include <weir/abi/segment.h>

#include <stdbool.h>
#include <stdint.h>

struct process {
	int pid;
	uint32_t inner_pid;  /* as it knows itself, in its own namespace */
	uint64_t start_time; /* in clock ticks since boot */
	char state;          /* Z: a zombie */
	char name[64];       /* comm */
};

enum owner {
	OWNER_ALIVE,
	OWNER_DEAD,
	OWNER_UNKNOWN, /* it lives, or another that has its number: the segment has no start time yet */
};

/* False: there is none. */
bool process_read(struct process *process, int pid);
uint64_t process_age_s(const struct process *process);

/* Whether this process writes the segment. */
bool process_writes(const struct process *process, const struct weir_segment_header *header);
/* Of a segment that stands by itself, by what its header says; *process: the writer, where it lives. */
enum owner owner_of(const struct weir_segment_header *header, struct process *process);
const char *owner_text(enum owner owner);

#endif
