/* L2: text in the segment: interned, or in places that are written anew. See segment.h. Writer of all data here: the holder of
 * the core lock. */
#include "segment.h"

#include "atomic.h"
#include "port.h"

#include <string.h>

struct interned {
	const char *text;
	uint32_t len, offset;
};
static struct {
	struct interned *interned; /* open addressing, offset 0: free */
	uint32_t mask, count;
	uint32_t page, used; /* the page being filled */
} strings;

static uint32_t hash_text(const char *text, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static bool grow_interned(void)
{
	uint32_t mask = strings.mask * 2 + 1;
	struct interned *larger, *former = strings.interned;
	size_t former_bytes = former != NULL ? ((size_t)strings.mask + 1) * sizeof *former : 0;

	if (mask < 255)
		mask = 255;
	larger = weir__map(((size_t)mask + 1) * sizeof *larger, true, false);
	if (larger == NULL)
		return false;
	for (uint32_t i = 0; former != NULL && i <= strings.mask; i++)
		if (former[i].offset != 0) {
			uint32_t at = hash_text(former[i].text, former[i].len) & mask;

			while (larger[at].offset != 0)
				at = (at + 1) & mask;
			larger[at] = former[i];
		}
	weir__store_release(&strings.interned, larger); /* before its mask: a child forked in between unmaps too little, not too much */
	weir__store_release(&strings.mask, mask);
	if (former != NULL) /* only the lock's holder ever reads it */
		weir__unmap(former, former_bytes);
	return true;
}

/* Room for a text of len bytes, empty so far: its offset; 0: none. */
static uint32_t room(size_t len)
{
	uint32_t length = ((uint32_t)len + 4 + 1 + 3) & ~3u, offset;

	if (strings.page == 0 || strings.used + length > WEIR_SEGMENT_PAGE) {
		uint32_t fresh;

		if (weir__segment_page(&fresh) == NULL || !weir__segment_list(fresh, WEIR_PAGE_STRINGS, 0, 0, 0))
			return 0;
		strings.page = fresh;
		strings.used = 0;
	}
	offset = strings.page * WEIR_SEGMENT_PAGE + strings.used;
	strings.used += length;
	return offset;
}

void weir__segment_rewrite(uint32_t offset, struct weir_str text)
{
	uint8_t *to = (uint8_t *)weir__segment_header() + offset;

	memcpy(to + 4, text.ptr, text.len);
	to[4 + text.len] = 0;
	memcpy(to, &(uint32_t){(uint32_t)text.len}, 4);
}

uint32_t weir__segment_room(uint32_t most, struct weir_str text)
{
	uint32_t offset = room(most);

	if (offset != 0)
		weir__segment_rewrite(offset, text);
	return offset;
}

uint32_t weir__segment_string(const char *text, size_t len)
{
	const size_t most = WEIR_SEGMENT_PAGE - 16;
	uint32_t at, offset;

	if (len > most)
		for (len = most; len != 0 && ((uint8_t)text[len] & 0xc0) == 0x80;)
			len--;
	if (strings.count * 2 >= strings.mask && !grow_interned())
		return 0;
	for (at = hash_text(text, len) & strings.mask; strings.interned[at].offset != 0; at = (at + 1) & strings.mask)
		if (strings.interned[at].len == len && memcmp(strings.interned[at].text, text, len) == 0)
			return strings.interned[at].offset;
	offset = weir__segment_room((uint32_t)len, weir_str_n(text, len));
	if (offset == 0)
		return 0;
	strings.interned[at] = (struct interned){text, (uint32_t)len, offset};
	strings.count++;
	return offset;
}

void weir__segment_strings_forget(void)
{
	if (strings.interned != NULL)
		weir__unmap(strings.interned, ((size_t)strings.mask + 1) * sizeof *strings.interned);
	memset(&strings, 0, sizeof strings);
}

uint64_t weir__segment_heap_bytes(void)
{
	uint32_t mask = weir__load_relaxed(&strings.mask);

	return mask != 0 ? ((uint64_t)mask + 1) * sizeof(struct interned) : 0;
}
