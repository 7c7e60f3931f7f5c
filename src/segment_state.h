/* L2: what segment.c and home.c know of the segment. See segment.h. Writer: the holder of the core lock. */
#ifndef WEIR_SEGMENT_STATE_H
#define WEIR_SEGMENT_STATE_H

#include "segment.h"

#include <sys/types.h>

struct weir__segment_state {
	uint8_t *base; /* readers: any thread after open, release by home */
	uint64_t capacity_wanted;
	uint32_t pages, used, opened; /* capacity; handed out; writable so far */
	uint32_t directory, blocks;   /* page numbers: the areas, at the end, so that pages keep theirs where the capacity changes */
	uint32_t blocks_count, populated_directory, populated_blocks;
	int fd;
	ino_t inode;
	dev_t device;
	bool whole; /* all of it is backed and writable: a BPF map */
	uint32_t descriptors, descriptors_used; /* the page being filled */
	const char *home; /* readers: any */
	uint64_t bytes_in_use; /* readers: any, relaxed */
};
extern struct weir__segment_state weir__seg;

/* The host may have closed the descriptor, and opened another under its number. */
bool weir__segment_still_ours(void);

/* Where the areas of so many pages begin: the first page that is not handed out; *blocks: the second area. */
uint32_t weir__segment_areas(uint32_t pages, uint32_t *blocks_count, uint32_t *blocks);
void weir__segment_place_areas(void); /* in the header, as the state has them */
void weir__segment_begin(void);       /* a new generation: from here on it counts */

#endif
