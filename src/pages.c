/* L0: the bump allocator of what is never freed. See pages.h. Writer of its data: the holder of the core lock. */
#include "pages.h"

#include "atomic.h"
#include "port.h"

#include <string.h>

enum { CHUNK = 64 * 1024 };

static struct {
	char *next;
	size_t left;
	uint64_t mapped; /* readers: any, relaxed: a figure */
} pages;

void *weir__pages_take(size_t bytes)
{
	void *taken;

	bytes = (bytes + 7u) & ~(size_t)7u;
	if (bytes > pages.left) {
		size_t chunk = bytes > CHUNK / 4 ? (bytes + WEIR__PAGE - 1) & ~(size_t)(WEIR__PAGE - 1) : CHUNK;
		char *memory = weir__map(chunk, true, false);

		if (memory == NULL)
			return NULL;
		weir__store_relaxed(&pages.mapped, pages.mapped + chunk);
		if (chunk != CHUNK) /* a large one stands alone, and the current chunk goes on */
			return memory;
		weir__store_release(&pages.next, memory);
		weir__store_release(&pages.left, chunk);
	}
	/* A child forked by another thread between any two of these stores finds less room than there is, never more. */
	taken = pages.next;
	weir__store_release(&pages.left, pages.left - bytes);
	weir__store_release(&pages.next, pages.next + bytes);
	return taken;
}

char *weir__pages_text(const char *text, size_t len)
{
	char *copy = weir__pages_take(len + 1);

	if (copy != NULL && len != 0)
		memcpy(copy, text, len);
	return copy;
}

uint64_t weir__pages_bytes(void)
{
	return weir__load_relaxed(&pages.mapped);
}
