/* L3: what of a context is seen from outside beside its ids: its route, and what a policy lets be an attribute, as entries of its
 * record (OTEP 4947). Writer: the context's thread.
 *
 * Invariant: attrs_bytes is 0 while the entries are written, so that none is seen half. */
#include "context.h"

#include "tag.h"
#include "utf8.h"

/* The key's index: 0 the route, else the tag's number. Where it has no room, it is left out. */
static void put(struct weir_thread_context *record, uint16_t *used, unsigned key, const char *value, uint32_t len)
{
	if (*used + 2 + len > sizeof record->attrs)
		return;
	record->attrs[*used] = (uint8_t)key;
	record->attrs[*used + 1] = (uint8_t)len;
	memcpy(record->attrs + *used + 2, value, len);
	*used = (uint16_t)(*used + 2 + len);
}

void weir__ctx_outside(struct weir__ctx *c)
{
	enum { ROUTE_MOST = sizeof c->record.attrs - 2 };
	const char *value;
	uint32_t at = 0;
	uint16_t used = 0;
	uint64_t head;

	c->record.attrs_bytes = 0;
	weir__outside_fence();
	if (c->route != NULL)
		put(&c->record, &used, 0, c->route->text,
		    c->route->len > ROUTE_MOST ? (uint32_t)weir__utf8_cut(c->route->text, c->route->len, ROUTE_MOST) : c->route->len);
	while (c->tags_state != 0 && (head = weir__tag_next(c, &at, &value)) != 0) {
		const struct weir__tag *tag = weir__tag(weir__tag_in(head));

		if (tag != NULL && tag->attribute != NULL)
			put(&c->record, &used, weir__tag_in(head), value, weir__tag_len(head));
	}
	weir__outside_fence();
	c->record.attrs_bytes = used;
}
