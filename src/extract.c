/* L3: what comes in with a request: its headers into its context. See weir/context.h. Order does not matter; the first span
 * settles what they mean. */
#include "context.h"

#include "atomic.h"
#include "b3.h"
#include "propagate.h"
#include "tally.h"
#include "w3c.h"

__attribute__((noinline, cold)) static void restart(struct weir__ctx *c)
{
	c->state = (c->state | WEIR__CTX_MANY) & ~(unsigned)(WEIR__CTX_PARENT | WEIR__CTX_B3 | WEIR__CTX_DEBUG);
	memset(&c->record, 0, sizeof c->record);
	memset(c->parent_id, 0, sizeof c->parent_id);
}

static void take_parent(struct weir__ctx *c, const struct weir_ids *ids, bool b3)
{
	memcpy(c->record.trace_id, ids->trace_id, sizeof c->record.trace_id);
	memcpy(c->parent_id, ids->span_id, sizeof c->parent_id);
	c->record.flags = ids->flags;
	c->state |= WEIR__CTX_PARENT | (b3 ? WEIR__CTX_B3 : 0u);
}

/* Two of them, or one that is malformed: the trace begins anew, whichever comes first. One that came by B3 gives way. */
static void traceparent(struct weir__ctx *c, struct weir_str value)
{
	struct weir_ids ids;

	if ((c->state & WEIR__CTX_MANY) != 0)
		return;
	memset(&ids, 0, sizeof ids);
	if ((c->state & (WEIR__CTX_PARENT | WEIR__CTX_B3)) != WEIR__CTX_PARENT && weir__traceparent_parse(&ids, value)) {
		c->state &= ~(unsigned)(WEIR__CTX_B3 | WEIR__CTX_DEBUG);
		take_parent(c, &ids, false);
	} else {
		restart(c);
		weir__tally(WEIR__HEADERS_MALFORMED, 1);
	}
}

enum { SEEN_TRACE = 1, SEEN_SPAN = 2, SEEN_SAMPLED = 4, SEEN_BAD = 8, SEEN_SINGLE = 16 };

/* To a traceparent. */
static bool gives_way(const struct weir__ctx *c)
{
	return (c->state & WEIR__CTX_MANY) != 0 || (c->state & (WEIR__CTX_PARENT | WEIR__CTX_B3)) == WEIR__CTX_PARENT;
}

/* It stands before the several ones. */
__attribute__((noinline, cold)) static void b3_single(struct weir__ctx *c, struct weir_str value)
{
	struct weir__b3 b3;

	if (gives_way(c) || (c->b3_seen & SEEN_SINGLE) != 0)
		return;
	if (!weir__b3_parse(&b3, value)) {
		weir__tally(WEIR__HEADERS_MALFORMED, 1);
		return;
	}
	if (b3.has_ids) {
		c->state = (c->state & ~(unsigned)WEIR__CTX_DEBUG) | (b3.sampling == WEIR__B3_DEBUG ? WEIR__CTX_DEBUG : 0u);
		take_parent(c, &b3.ids, true);
		c->b3_seen |= SEEN_SINGLE;
	}
}

/* One header at a time: the ids are a parent when both are there. */
__attribute__((noinline, cold)) static void b3_multi(struct weir__ctx *c, enum weir__header which, struct weir_str value)
{
	static const struct weir_str some_trace = {"00000000000000000000000000000001", 32}, some_span = {"0000000000000001", 16};
	struct weir__b3_multi in = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
	struct weir__b3 b3;

	if (gives_way(c) || (c->b3_seen & SEEN_SINGLE) != 0)
		return;
	/* each on its own, beside values that are sound */
	in.trace_id = which == WEIR__HEADER_X_B3_TRACEID ? value : some_trace;
	in.span_id = which == WEIR__HEADER_X_B3_SPANID ? value : some_span;
	if (which == WEIR__HEADER_X_B3_SAMPLED)
		in.sampled = value;
	if (which == WEIR__HEADER_X_B3_FLAGS)
		in.flags = value;
	if (!weir__b3_parse_multi(&b3, &in)) {
		c->b3_seen |= SEEN_BAD;
		weir__tally(WEIR__HEADERS_MALFORMED, 1);
		c->state &= ~(unsigned)(WEIR__CTX_PARENT | WEIR__CTX_B3);
		return;
	}
	switch (which) {
	case WEIR__HEADER_X_B3_TRACEID:
		memcpy(c->record.trace_id, b3.ids.trace_id, sizeof c->record.trace_id);
		c->b3_seen |= SEEN_TRACE;
		break;
	case WEIR__HEADER_X_B3_SPANID:
		memcpy(c->parent_id, b3.ids.span_id, sizeof c->parent_id);
		c->b3_seen |= SEEN_SPAN;
		break;
	default:
		if (b3.sampling == WEIR__B3_DEBUG)
			c->state |= WEIR__CTX_DEBUG;
		if (b3.sampling == WEIR__B3_YES)
			c->b3_seen |= SEEN_SAMPLED;
	}
	c->record.flags = (c->b3_seen & SEEN_SAMPLED) != 0 || (c->state & WEIR__CTX_DEBUG) != 0 ? WEIR__FLAG_SAMPLED : 0;
	if ((c->b3_seen & (SEEN_TRACE | SEEN_SPAN | SEEN_BAD)) == (SEEN_TRACE | SEEN_SPAN))
		c->state |= WEIR__CTX_PARENT | WEIR__CTX_B3;
}

/* Somebody else's id: letters, digits and a few signs, so that it is harmless wherever it is shown. */
__attribute__((noinline)) static void request_id(struct weir__ctx *c, struct weir_str value)
{
	value = weir__trim(value);
	if (value.len == 0 || value.len > sizeof c->request_id) {
		weir__tally(WEIR__HEADERS_MALFORMED, 1);
		return;
	}
	for (size_t i = 0; i < value.len; i++) {
		char b = value.ptr[i];

		if (!((b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '-' || b == '_' || b == '.' ||
		      b == ':')) {
			weir__tally(WEIR__HEADERS_MALFORMED, 1);
			return;
		}
	}
	memcpy(c->request_id, value.ptr, value.len);
	c->request_id_len = (uint8_t)value.len;
}

static bool is_request_id(struct weir_str name)
{
	const struct weir__propagation *p = &weir__propagation;

	if (name.len != weir__load_relaxed(&p->request_id_header_len) || name.len == 0)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char a = (unsigned char)name.ptr[i], b = (unsigned char)p->request_id_header[i];

		if (a != b && ((a | 0x20) != (b | 0x20) || (a | 0x20) < 'a' || (a | 0x20) > 'z'))
			return false;
	}
	return true;
}

void weir_ctx_add_header(struct weir_ctx *ctx, struct weir_str name, struct weir_str value)
{
	struct weir__ctx *c = weir__ctx_of(ctx);
	const struct weir__propagation *p = &weir__propagation;
	enum weir__header which;

	if (c == NULL || (c->state & (WEIR__CTX_OPEN | WEIR__CTX_SETTLED | WEIR__CTX_REFUSED)) != WEIR__CTX_OPEN || name.ptr == NULL || value.ptr == NULL)
		return;
	which = weir__header_of(name);
	switch (which) {
	case WEIR__HEADER_TRACEPARENT:
		if (p->w3c)
			traceparent(c, value);
		return;
	case WEIR__HEADER_TRACESTATE:
		if (p->w3c) {
			uint8_t before = c->tracestate.flags;

			weir__tracestate_add(&c->tracestate, value);
			if ((c->tracestate.flags & ~before & WEIR__TRACESTATE_BAD) != 0)
				weir__tally(WEIR__HEADERS_MALFORMED, 1);
		}
		return;
	case WEIR__HEADER_BAGGAGE:
		if (p->baggage) {
			if (c->baggage.buf == NULL)
				weir__tally(WEIR__BAGGAGE_DROPPED, 1);
			else
				weir__baggage_add(&c->baggage, value);
		}
		return;
	case WEIR__HEADER_B3:
		if (p->b3 || p->b3_multi)
			b3_single(c, value);
		return;
	case WEIR__HEADER_NONE:
		if (is_request_id(name))
			request_id(c, value);
		return;
	default:
		if (p->b3 || p->b3_multi)
			b3_multi(c, which, value);
	}
}
