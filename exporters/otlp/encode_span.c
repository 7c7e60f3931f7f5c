/* weir-otlp: a Span message. See encode_span.h. Layer: exporter, pure. */
#include "encode_span.h"

#include "encode_attr.h"

enum { SCOPE_SPANS = 2 }; /* of ScopeSpans */
enum span_field {
	SPAN_TRACE_ID = 1,
	SPAN_SPAN_ID,
	SPAN_TRACE_STATE,
	SPAN_PARENT_SPAN_ID,
	SPAN_NAME,
	SPAN_KIND,
	SPAN_START,
	SPAN_END,
	SPAN_ATTRIBUTES,
	SPAN_DROPPED_ATTRIBUTES,
	SPAN_EVENTS,
	SPAN_DROPPED_EVENTS,
	SPAN_LINKS,
	SPAN_DROPPED_LINKS,
	SPAN_STATUS,
	SPAN_FLAGS,
};
enum event_field { EVENT_TIME = 1, EVENT_NAME, EVENT_ATTRIBUTES, EVENT_DROPPED_ATTRIBUTES };
enum link_field { LINK_TRACE_ID = 1, LINK_SPAN_ID, LINK_ATTRIBUTES = 4, LINK_DROPPED_ATTRIBUTES, LINK_FLAGS };
enum status_field { STATUS_MESSAGE = 2, STATUS_CODE };
/* Of flags: the W3C ones in the low byte; whether the parent is remote is known, and what it is. */
enum { FLAG_HAS_IS_REMOTE = 0x100, FLAG_IS_REMOTE = 0x200 };
/* Lengths of 128 bytes to 16 KiB have two bytes. */
enum { SPAN_GUESS = 2, SMALL_GUESS = 1 };

static const uint8_t no_id[16];

/* A count on the wire is 32 bits wide. */
static uint64_t counted(uint64_t n)
{
	return n < UINT32_MAX ? n : UINT32_MAX;
}

static void put_id(struct weir__otlp_bytes *b, uint32_t field, const uint8_t *id, size_t len)
{
	if (memcmp(id, no_id, len) != 0)
		weir__otlp_put_bytes(b, field, id, len);
}

static void put_event(struct weir__otlp_bytes *b, const struct weir_event *event)
{
	size_t opened = weir__otlp_open(b, SPAN_EVENTS, SMALL_GUESS);

	weir__otlp_put_fixed64(b, EVENT_TIME, event->time_ns);
	weir__otlp_put_text(b, EVENT_NAME, event->name);
	weir__otlp_put_attrs(b, EVENT_ATTRIBUTES, event->attrs);
	weir__otlp_put_varint(b, EVENT_DROPPED_ATTRIBUTES, counted(event->dropped_attrs));
	weir__otlp_close(b, opened, SMALL_GUESS);
}

/* Whether a link leads to another process is not known: those bits stay 0. */
static void put_link(struct weir__otlp_bytes *b, const struct weir_link *link, uint64_t dropped)
{
	size_t opened = weir__otlp_open(b, SPAN_LINKS, SMALL_GUESS);

	put_id(b, LINK_TRACE_ID, link->ids.trace_id, sizeof link->ids.trace_id);
	put_id(b, LINK_SPAN_ID, link->ids.span_id, sizeof link->ids.span_id);
	weir__otlp_put_attrs(b, LINK_ATTRIBUTES, link->attrs);
	weir__otlp_put_varint(b, LINK_DROPPED_ATTRIBUTES, counted(dropped));
	weir__otlp_put_fixed32(b, LINK_FLAGS, link->ids.flags);
	weir__otlp_close(b, opened, SMALL_GUESS);
}

/* A description belongs to an error alone. */
static void put_status(struct weir__otlp_bytes *b, const struct weir_ended *span)
{
	enum weir_span_status status = span->failed ? WEIR_STATUS_ERROR : span->status;
	size_t opened;

	if (status == WEIR_STATUS_UNSET)
		return;
	opened = weir__otlp_open(b, SPAN_STATUS, SMALL_GUESS);
	if (status == WEIR_STATUS_ERROR)
		weir__otlp_put_text(b, STATUS_MESSAGE, span->failure);
	weir__otlp_put_varint(b, STATUS_CODE, status);
	weir__otlp_close(b, opened, SMALL_GUESS);
}

void weir__otlp_put_span(struct weir__otlp_bytes *b, const struct weir_ended *span)
{
	uint32_t flags = span->ids.flags | FLAG_HAS_IS_REMOTE | (span->remote_parent ? FLAG_IS_REMOTE : 0);
	size_t opened = weir__otlp_open(b, SCOPE_SPANS, SPAN_GUESS);

	put_id(b, SPAN_TRACE_ID, span->ids.trace_id, sizeof span->ids.trace_id);
	put_id(b, SPAN_SPAN_ID, span->ids.span_id, sizeof span->ids.span_id);
	weir__otlp_put_text(b, SPAN_TRACE_STATE, span->tracestate);
	put_id(b, SPAN_PARENT_SPAN_ID, span->parent_id, sizeof span->parent_id);
	weir__otlp_put_text(b, SPAN_NAME, span->name);
	weir__otlp_put_varint(b, SPAN_KIND, (uint64_t)span->kind);
	weir__otlp_put_fixed64(b, SPAN_START, span->start_ns);
	weir__otlp_put_fixed64(b, SPAN_END, span->end_ns);
	weir__otlp_put_attrs(b, SPAN_ATTRIBUTES, span->attrs);
	weir__otlp_put_varint(b, SPAN_DROPPED_ATTRIBUTES, counted(span->dropped_attrs));
	for (size_t i = 0; i < span->events_count; i++)
		put_event(b, &span->events[i]);
	weir__otlp_put_varint(b, SPAN_DROPPED_EVENTS, counted(span->dropped_events));
	for (size_t i = 0; i < span->links_count; i++)
		put_link(b, &span->links[i], span->links_dropped_attrs != NULL ? span->links_dropped_attrs[i] : 0);
	weir__otlp_put_varint(b, SPAN_DROPPED_LINKS, counted(span->dropped_links));
	put_status(b, span);
	weir__otlp_put_fixed32(b, SPAN_FLAGS, flags);
	weir__otlp_close(b, opened, SPAN_GUESS);
}
