/* L2: the segment as its writer sees it: pages taken one by one, records and strings put into them. Layout: abi/segment.h.
 * Invariant: structure is never read back from it; what weir needs to know of it stands in private memory. All functions are
 * called with the core lock held, but the figures. */
#ifndef WEIR_SEGMENT_H
#define WEIR_SEGMENT_H

#include <weir/abi/segment.h>
#include <weir/base.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens it if there is none: a memfd, or private memory where that is refused. False: no memory. */
bool weir__segment_open(void);
bool weir__segment_is_open(void);
void weir__segment_capacity(uint64_t bytes); /* of the next one */

/* A zeroed page, populated, not yet listed; NULL where there is none. Then publish it. */
void *weir__segment_page(uint32_t *page);
void weir__segment_publish_cells(uint32_t page, enum weir_page_type type, uint32_t owner, uint32_t block);

/* For totals.c: a page's entry in the directory; a block's in the index, NULL where there is no room for it; the header. */
bool weir__segment_list(uint32_t page, enum weir_page_type type, uint32_t owner, uint32_t number, uint32_t next);
struct weir_segment_block *weir__segment_index(uint32_t block);
struct weir_segment_header *weir__segment_header(void); /* NULL: none is open */

/* Text, interned: its offset; 0 where memory is at its end. Long text is cut to fit a page, at a character. text must stay. */
uint32_t weir__segment_string(const char *text, size_t len);
/* Text that may be written anew, of at most so many bytes: its offset, or 0; and another text in its place. Readers know by
 * other means when it holds. */
uint32_t weir__segment_room(uint32_t most, struct weir_str text);
void weir__segment_rewrite(uint32_t offset, struct weir_str text);
void weir__segment_strings_forget(void); /* for forget, below */
/* A record, copied in and published by its first word: its offset; 0: no room. */
uint32_t weir__segment_record(const void *record, uint32_t bytes);

/* What one tick tells its readers. Any thread. */
void weir__segment_heartbeat(uint64_t now_ns, uint64_t dropped, uint64_t overflowed);
void weir__segment_owner(uint64_t start_time, const uint8_t boot_id[16]);

/* In a forked child: private memory goes over the parent's segment, so that no late store reaches it, and there is none. */
void weir__segment_forget(void);

/* Of the memfd; -1: there is none, or the host has closed it. Any thread. */
int weir__segment_descriptor(void);

/* Figures, for any thread. */
const char *weir__segment_home(void);
uint64_t weir__segment_bytes(void);
uint64_t weir__segment_heap_bytes(void); /* private memory: the table of strings */

#endif
