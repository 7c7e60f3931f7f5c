/* L4: ended spans for exporters: a record read into struct weir_ended. See weir/exporter.h. Pure but for the batch's room, which
 * holds what one step gives. What is read is checked against the record's end. */
#include "spans.h"

#include "attr.h"

#include <stdlib.h>

size_t weir_batch_count(const struct weir_batch *batch)
{
	return batch->count;
}

struct weir_attrs weir_batch_resource(const struct weir_batch *batch)
{
	return batch->resource != NULL ? *batch->resource : (struct weir_attrs){NULL, 0};
}

void weir_ended_begin(struct weir_ended *ended, struct weir_batch *batch)
{
	memset(ended, 0, sizeof *ended);
	ended->private_[0] = (uint64_t)(uintptr_t)batch;
}

/* Reads an attribute where it will stay; the same key again replaces. */
static void add_attr(struct weir_attr *list, size_t *count, const struct weir__entry *entry, struct weir_str key, struct weir_str value,
                     char **room, size_t *left)
{
	struct weir_attr *a = &list[*count];

	if (!weir__attr_read(a, entry, key, value, room, left))
		return;
	for (size_t i = 0; i < *count; i++)
		if (list[i].key.len == key.len && memcmp(list[i].key.ptr, key.ptr, key.len) == 0) {
			list[i] = *a;
			return;
		}
	++*count;
}

static void *slice(char **room, size_t *left, size_t bytes)
{
	size_t pad = (8 - ((uintptr_t)*room & 7)) & 7; /* what was put there before may end anywhere */
	void *at = *room + pad;

	if (*left < pad || bytes > *left - pad)
		return NULL;
	*room += pad + bytes;
	*left -= pad + bytes;
	return at;
}

static struct weir_attrs nested(const char *bytes, size_t len, uint32_t count, char **room, size_t *left)
{
	struct weir_attr *list = slice(room, left, count * sizeof *list);
	struct weir__entry entry;
	struct weir_str key, value;
	size_t at = 0, found = 0;
	bool whole = true;

	if (list == NULL)
		return (struct weir_attrs){NULL, 0};
	while (found < count && weir__entry_next(bytes, len, &at, &entry, &key, &value, &whole))
		if (entry.tag == WEIR__ENTRY_ATTR)
			add_attr(list, &found, &entry, key, value, room, left);
	return (struct weir_attrs){list, found};
}

static bool read_entries(struct weir_ended *e, struct weir_batch *batch, const char *bytes, size_t len, const char *kept)
{
	size_t at = 0, attrs = 1, events = 0, links = 0, nested_attrs = 0, need, left, attrs_count = 0;
	struct weir__entry entry;
	struct weir_str key, value;
	struct weir_attr *attr_list;
	struct weir_event *event_list;
	struct weir_link *link_list;
	uint64_t *dropped_list;
	bool whole = true;
	char *room;

	while (weir__entry_next(bytes, len, &at, &entry, &key, &value, &whole)) {
		attrs += entry.tag == WEIR__ENTRY_ATTR;
		events += entry.tag == WEIR__ENTRY_EVENT;
		links += entry.tag == WEIR__ENTRY_LINK;
		nested_attrs += entry.tag == WEIR__ENTRY_EVENT || entry.tag == WEIR__ENTRY_LINK ? value.len / sizeof entry + 1 : 0;
	}
	if (!whole)
		return false;
	/* a text of an array takes 4 bytes at least, and 16 as a struct weir_str */
	need = (attrs + nested_attrs) * sizeof *attr_list + events * sizeof *event_list + links * (sizeof *link_list + 8) + 5 * len + 64 +
	       8 * (attrs + nested_attrs + events + links);
	if (need > batch->room_bytes) {
		char *more = realloc(batch->room, need);

		if (more == NULL)
			return false;
		batch->room = more;
		batch->room_bytes = need;
	}
	room = batch->room;
	left = batch->room_bytes;
	attr_list = slice(&room, &left, attrs * sizeof *attr_list);
	event_list = slice(&room, &left, events * sizeof *event_list);
	link_list = slice(&room, &left, links * sizeof *link_list);
	dropped_list = slice(&room, &left, links * sizeof *dropped_list);
	at = events = links = 0;
	while (weir__entry_next(bytes, len, &at, &entry, &key, &value, &whole)) {
		struct weir__event_head event;
		struct weir__link_head link;

		if (entry.tag == WEIR__ENTRY_ATTR) {
			add_attr(attr_list, &attrs_count, &entry, key, value, &room, &left);
		} else if (entry.tag == WEIR__ENTRY_EVENT && value.len >= sizeof event) {
			memcpy(&event, value.ptr, sizeof event);
			if (event.attrs > value.len / sizeof entry)
				return false;
			event_list[events].name = key;
			event_list[events].time_ns = event.time_ns;
			event_list[events].dropped_attrs = event.dropped;
			event_list[events++].attrs = nested(value.ptr + sizeof event, value.len - sizeof event, event.attrs, &room, &left);
		} else if (entry.tag == WEIR__ENTRY_LINK && value.len >= sizeof link) {
			memcpy(&link, value.ptr, sizeof link);
			if (link.attrs > value.len / sizeof entry)
				return false;
			link_list[links].ids = link.ids;
			dropped_list[links] = link.dropped;
			link_list[links++].attrs = nested(value.ptr + sizeof link, value.len - sizeof link, link.attrs, &room, &left);
		} else if (entry.tag == WEIR__ENTRY_FAILURE) {
			e->failure = value;
		}
	}
	if (kept != NULL) {
		const struct weir__entry reason = {WEIR__ENTRY_ATTR, WEIR_ATTR_STR, 0, 0};

		add_attr(attr_list, &attrs_count, &reason, weir_str_of("weir.kept"), weir_str_of(kept), &room, &left);
	}
	e->attrs = (struct weir_attrs){attr_list, attrs_count};
	e->events = event_list;
	e->events_count = events;
	e->links = link_list;
	e->links_dropped_attrs = dropped_list;
	e->links_count = links;
	return true;
}

bool weir_ended_next(struct weir_ended *e)
{
	struct weir_batch *batch = (struct weir_batch *)(uintptr_t)e->private_[0];

	while (e->private_[1] < batch->count) {
		const struct weir__span_record *r = batch->list[e->private_[1]++];
		const char *text;
		uint64_t at = e->private_[1];

		memset(e, 0, sizeof *e);
		e->private_[0] = (uint64_t)(uintptr_t)batch;
		e->private_[1] = at;
		if (r == NULL)
			continue;
		text = (const char *)(r + 1);
		if (!read_entries(e, batch, text + r->name_len + r->tracestate_len, r->entries_len, r->kept == 1 ? "failed" : r->kept == 2 ? "slow" : NULL)) {
			batch->list[at - 1] = NULL; /* counted when the batch is done with: it may be read, and offered, again */
			continue;
		}
		memcpy(e->ids.trace_id, r->trace_id, sizeof e->ids.trace_id);
		memcpy(e->ids.span_id, r->span_id, sizeof e->ids.span_id);
		e->ids.flags = r->flags;
		memcpy(e->parent_id, r->parent_id, sizeof e->parent_id);
		e->remote_parent = (r->state & WEIR__SPAN_REMOTE) != 0;
		e->kept = r->kept != 0;
		e->kind = r->kind >= WEIR_INTERNAL && r->kind <= WEIR_CONSUMER ? (enum weir_span_kind)r->kind : WEIR_INTERNAL;
		e->failed = (r->state & WEIR__SPAN_FAILED) != 0;
		e->status = e->failed ? WEIR_STATUS_ERROR : (r->state & WEIR__SPAN_OK) != 0 ? WEIR_STATUS_OK : WEIR_STATUS_UNSET;
		if (!e->failed)
			e->failure = weir_str_n(NULL, 0);
		e->name = weir_str_n(text, r->name_len);
		e->tracestate = weir_str_n(text + r->name_len, r->tracestate_len);
		e->start_ns = r->start_ns;
		e->end_ns = r->start_ns + r->duration_ns;
		e->dropped_attrs = r->dropped_attrs;
		e->dropped_events = r->dropped_events;
		e->dropped_links = r->dropped_links;
		return true;
	}
	return false;
}
