/* L3: tags: what may be said of a request, by who verified it; and the values in its context. A tag is a name, a metric
 * label's name and a span attribute's. See abi/private.h.
 *
 * Invariants: tags are appended and never change: published by their count (release; acquire). In a context each value stands
 * once, behind a head of 8 bytes: its tag, its length and its place in one word. Writer of the list: the holder of the core lock. */
#ifndef WEIR_TAG_H
#define WEIR_TAG_H

#include "attr.h"
#include "context.h"

enum { WEIR__TAGS_MAX = 64 };

struct weir__tag {
	const char *name, *label, *attribute; /* label, attribute: NULL: not that */
	const char *absent;
	uint64_t absent_key;                  /* what stands for it in a series' key: see place.h */
};
const struct weir__tag *weir__tag(unsigned number); /* 1 to the count; NULL: there is none. Any thread */
unsigned weir__tag_of_label(const char *label);     /* 0: none */

/* An entry's head: the place's token below (48 bits), the tag, the length. */
static inline unsigned weir__tag_in(uint64_t head)
{
	return (unsigned)(head >> 48 & 0xff);
}
static inline uint32_t weir__tag_len(uint64_t head)
{
	return (uint32_t)(head >> 56);
}
static inline uint64_t weir__tag_place(uint64_t head)
{
	return head & ((UINT64_C(1) << 48) - 1);
}
/* The next entry: its head, and its value in *value; 0: no more. *at begins with 0. The memory may hold anything. */
uint64_t weir__tag_next(const struct weir__ctx *ctx, uint32_t *at, const char **value);

/* The attributes of a span's context, on that span. */
void weir__tags_put(struct weir__bytes *to, struct weir__span *span, const struct weir__ctx *ctx);

#endif
