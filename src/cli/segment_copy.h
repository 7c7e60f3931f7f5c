/* weir, the command: a segment, copied page by page out of a file or a map into memory of our own, which is then read in peace.
 *
 * Invariant: only pages that the directory lists are read (a touch of another would allocate it), as segment_source.h does it:
 * a file that is cut short meanwhile is an error, not a signal. Nothing that its writer does later changes the copy. */
#ifndef WEIR_CLI_SEGMENT_COPY_H
#define WEIR_CLI_SEGMENT_COPY_H

#include <weir/abi/segment_read.h>

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct segment_copy {
	unsigned char *base; /* total_bytes, of which only what is not zero takes memory */
	size_t bytes;
	struct weir_segment_reader reader;
	bool has_cells;        /* false: an outline */
	uint64_t stored_bytes; /* what it takes of memory or disk */
	const char *home;      /* "memfd", "file", "map" */
	dev_t device;          /* which it is, with inode */
	ino_t inode;
	const char *why;       /* where it failed: the end of a sentence */
};

enum segment_depth {
	SEGMENT_HEADER,  /* header alone: is it one, and whose */
	SEGMENT_OUTLINE, /* directory and descriptors too: no texts, no cells */
	SEGMENT_WHOLE,
};

/* False: why says what is wrong; nothing is to be freed. fd is left where it stands. */
bool segment_copy_make(struct segment_copy *copy, int fd, enum segment_depth depth);
void segment_copy_free(struct segment_copy *copy);

static inline const struct weir_segment_header *segment_copy_header(const struct segment_copy *copy)
{
	return (const struct weir_segment_header *)(const void *)copy->base;
}

#endif
