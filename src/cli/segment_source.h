/* weir, the command: where a segment's bytes come from: a file, or an array of bpf(2).
 *
 * Invariant: a file is read by pread alone, so that one that is cut short is an error, not a signal. An array can neither shrink
 * nor go away: it is mapped, or its values are looked up where the descriptor is read-only. */
#ifndef WEIR_CLI_SEGMENT_SOURCE_H
#define WEIR_CLI_SEGMENT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct segment_source {
	int fd;
	const char *home; /* "memfd", "file", "map" */
	uint64_t bytes, stored_bytes;
	dev_t device; /* what it is, with inode: an array's id where device is all ones */
	ino_t inode;
	const char *why; /* where a call failed: the end of a sentence */
	/* of an array: */
	uint32_t value_bytes;
	unsigned char *map, *value; /* one of them */
};

/* Read-only where that is enough, never waiting, or -1 with errno. A path on a bpffs is what is pinned there; /proc/PID/fd/N of an
 * array is taken over from that process. */
int segment_open_path(const char *path);
bool segment_is_bpffs(const char *path);

/* False: why says what is wrong, and nothing is to be closed. fd stays the caller's. */
bool segment_source_open(struct segment_source *source, int fd);
bool segment_source_read(struct segment_source *source, void *to, size_t len, uint64_t offset);
void segment_source_close(struct segment_source *source);

#endif
