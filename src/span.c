/* L3: spans: begin, and what happened. See span.h, context.h and weir/span.h. Writer of a span: the one thread that uses it; one
 * that two threads use at once may lose entries, and never writes outside its own bytes. */
#include "span.h"

#include "clock.h"
#include "ring.h"
#include "tally.h"
#include "utf8.h"
#include "w3c.h"

#include <string.h>

enum { NAME_MAX_BYTES = 255 };

/* ---- begin ---- */

static inline void put_name(struct weir__span *s, const char *name)
{
	size_t len = name != NULL ? strlen(name) : 0;

	if (__builtin_expect(len > NAME_MAX_BYTES, 0))
		len = weir__utf8_cut(name, len, NAME_MAX_BYTES);
	if (__builtin_expect(len > s->size, 0))
		len = 0;
	weir__copy(s->bytes != NULL ? s->bytes : s->own, name, len);
	s->name_len = (uint16_t)len;
	s->used = (uint32_t)len;
}

/* The first need of a clock: one moment ties the context's ticks to the wall clock. */
static uint64_t first_clock(struct weir__ctx *c)
{
	struct weir__moment now = weir__clock_moment();

	c->start_ticks = now.ticks;
	if (c->start_ns == 0)
		c->start_ns = now.wall_ns;
	c->state |= WEIR__CTX_CLOCKED | (now.counter ? WEIR__CTX_COUNTER : 0u);
	return now.ticks;
}

static inline uint64_t ticks_of(struct weir__ctx *c)
{
	return __builtin_expect((c->state & WEIR__CTX_CLOCKED) != 0, 1) ? weir__ticks((c->state & WEIR__CTX_COUNTER) != 0) : first_clock(c);
}

/* parent: an explicit one's id, or NULL. */
static void begin(struct weir__span *s, struct weir_ctx *given, enum weir_span_kind kind, const char *name,
                         const uint8_t *parent, struct weir_attrs attrs, bool timed)
{
	struct weir__ctx *c = weir__ctx_of(given);
	struct weir__local *local;
	uint32_t state = WEIR__SPAN_OPEN;

	s->ctx = c;
	s->start_ticks = 0;
	s->kind = (uint8_t)(kind >= WEIR_INTERNAL && kind <= WEIR_CONSUMER ? kind : WEIR_INTERNAL);
	if (__builtin_expect(c == NULL, 0)) {
		s->state = timed ? WEIR__SPAN_OPEN | WEIR__SPAN_TIMED : WEIR__SPAN_OPEN;
		if (timed)
			s->start_ticks = weir__clock_ns();
		return;
	}
	if (__builtin_expect((c->state & WEIR__CTX_SETTLED) == 0, 0))
		weir__ctx_settle(c, kind, weir_str_of(name), attrs);
	if ((c->state & WEIR__CTX_ROOTED) == 0) {
		c->state |= WEIR__CTX_ROOTED;
		state |= WEIR__SPAN_FIRST | WEIR__SPAN_TIMED;
		if ((c->state & (WEIR__CTX_PARENT | WEIR__CTX_CHILD)) == WEIR__CTX_PARENT)
			state |= WEIR__SPAN_REMOTE;
	}
	if (timed)
		state |= WEIR__SPAN_TIMED;
	if ((c->state & WEIR__CTX_RECORDS) == 0) {
		if ((state & WEIR__SPAN_TIMED) != 0)
			s->start_ticks = ticks_of(c);
		s->state = state;
		return;
	}
	local = weir__local_ready();
	if (__builtin_expect(local == NULL, 0)) {
		weir__tally(WEIR__SPANS_POOL, 1);
		s->state = state & ~(unsigned)WEIR__SPAN_TIMED;
		return;
	}
	state |= WEIR__SPAN_RECORDS | WEIR__SPAN_TIMED;
	if ((c->state & WEIR__CTX_TENTATIVE) != 0)
		state |= WEIR__SPAN_TENTATIVE;
	if (__builtin_expect((state & WEIR__SPAN_FIRST) != 0 && (c->state & (WEIR__CTX_PARENT | WEIR__CTX_CHILD)) == 0, 0))
		memcpy(s->span_id, c->record.span_id, sizeof s->span_id); /* a root's is told already */
	else
		weir__span_id_make(local, s->span_id);
	if (parent != NULL) {
		memcpy(s->parent_id, parent, sizeof s->parent_id);
		state &= ~(unsigned)WEIR__SPAN_REMOTE;
	} else if (__builtin_expect(memcmp(s->span_id, c->record.span_id, sizeof s->span_id) == 0, 0)) {
		memset(s->parent_id, 0, sizeof s->parent_id);
		state |= WEIR__SPAN_INNERMOST;
	} else {
		memcpy(s->parent_id, c->record.span_id, sizeof s->parent_id);
		memcpy(c->record.span_id, s->span_id, sizeof s->span_id);
		state |= WEIR__SPAN_INNERMOST;
	}
	s->bytes = NULL;
	s->size = sizeof s->own;
	s->attrs = s->events = s->links = s->dropped_attrs = s->dropped_events = s->dropped_links = 0;
	s->state = state;
	put_name(s, name);
	s->start_ticks = ticks_of(c);
}

static const uint32_t unrecorded_bits = WEIR__CTX_MARK_BITS | WEIR__CTX_SETTLED | WEIR__CTX_ROOTED | WEIR__CTX_RECORDS;
static const uint32_t unrecorded = WEIR__CTX_MARK | WEIR__CTX_SETTLED | WEIR__CTX_ROOTED;

/* On its own, so that the way of who is not recorded needs no stack. */
static __attribute__((noinline)) void begin_other(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind, const char *name)
{
	struct weir__ctx *c = weir__ctx_of(ctx);

	if (c != NULL && (c->state & unrecorded_bits) == unrecorded) {
		of(span)->ctx = c;
		of(span)->state = WEIR__SPAN_OPEN;
		return;
	}
	begin(of(span), ctx, kind, name, NULL, (struct weir_attrs){NULL, 0}, false);
}

void weir_span_begin(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind, const char *name)
{
	struct weir__ctx *c = (struct weir__ctx *)(void *)ctx;

	if (__builtin_expect(span == NULL, 0))
		return;
	/* of a request that is not recorded: nothing but who it belongs to */
	if (c != NULL && (c->state & unrecorded_bits) == unrecorded) {
		of(span)->ctx = c;
		of(span)->state = WEIR__SPAN_OPEN;
		return;
	}
	begin_other(span, ctx, kind, name);
}

void weir_span_begin_opts(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind, const char *name,
                          const struct weir_span_options *o)
{
	static const uint8_t no_parent[8];
	struct weir__span *s = of(span);
	const uint8_t *parent = NULL;

	if (span == NULL)
		return;
	if (o == NULL || o->size < sizeof *o) {
		begin(s, ctx, kind, name, NULL, (struct weir_attrs){NULL, 0}, false);
		return;
	}
	if (o->parent != NULL && records(of(o->parent)))
		parent = of(o->parent)->span_id;
	else if (o->parent != NULL && of(o->parent)->ctx != NULL)
		parent = of(o->parent)->ctx->record.span_id;
	begin(s, ctx, kind, name, parent != NULL || o->parent == NULL ? parent : no_parent, o->attrs, o->timed);
	if (o->start_ns != 0 && (s->state & WEIR__SPAN_TIMED) != 0) {
		s->state |= WEIR__SPAN_OWN_START;
		s->start_ticks = o->start_ns;
	}
	if (!records(s))
		return;
	if (o->buffer != NULL && o->buffer_size > s->size) {
		memcpy(o->buffer, s->own, s->used);
		s->bytes = o->buffer;
		s->size = o->buffer_size < WEIR__SPAN_BYTES_MAX ? (uint32_t)o->buffer_size : (uint32_t)WEIR__SPAN_BYTES_MAX;
	}
	weir_span_set_attrs(span, o->attrs);
	for (size_t i = 0; o->links != NULL && i < o->links_count; i++)
		weir_span_link_attrs(span, o->links[i].ids, o->links[i].attrs);
}

/* ---- what happened ---- */

void weir_span_set_name(struct weir_span *span, struct weir_str name)
{
	struct weir__span *s = of(span);
	struct weir__bytes b;
	size_t len = name.ptr != NULL ? name.len : 0;
	uint32_t former;

	if (span == NULL || !records(s))
		return;
	b = bytes_of(s);
	former = weir__load_relaxed(&s->name_len); /* once: another thread may be at it, against the rules */
	if (len > NAME_MAX_BYTES)
		len = weir__utf8_cut(name.ptr, len, NAME_MAX_BYTES);
	if (b.used < former || b.used > b.size || b.used - former + len > b.size) {
		count_up(&s->dropped_attrs, 1);
		return;
	}
	memmove(b.at + len, b.at + former, b.used - former);
	if (len != 0)
		memcpy(b.at, name.ptr, len);
	s->used = (uint32_t)(b.used - former + len);
	s->name_len = (uint16_t)len;
}

/* There is no room for one more: in place of a former one of its key, or of what others have replaced. */
static __attribute__((cold, noinline)) bool put_in_place(struct weir__span *s, struct weir__bytes *b, const struct weir_attr *a,
                                                         uint32_t most, uint32_t *taken)
{
	uint32_t from = weir__load_relaxed(&s->name_len), gone;

	if (weir__attr_replace(b, from, a, taken))
		return true;
	if ((s->state & WEIR__SPAN_SQUEEZED) != 0)
		return false;
	s->state |= WEIR__SPAN_SQUEEZED;
	gone = weir__attrs_squeeze(b, from);
	*taken -= gone < *taken ? gone : *taken;
	return *taken < most && weir__attr_put(b, a);
}

/* What the common case leaves over. */
static __attribute__((noinline)) void set_attr(struct weir__span *s, struct weir__bytes *b, const struct weir_attr *a, uint32_t most,
                                               uint32_t *taken)
{
	if (*taken < most && weir__attr_put(b, a))
		++*taken;
	else if (put_in_place(s, b, a, most, taken))
		++*taken;
	else
		count_up(&s->dropped_attrs, 1);
}

void weir_span_set_attrs(struct weir_span *span, struct weir_attrs attrs)
{
	struct weir__span *s = of(span);
	struct weir__bytes b;
	uint32_t most, value_most, taken, used;

	if (span == NULL || !records(s))
		return;
	b = bytes_of(s);
	used = b.used;
	most = weir__load_relaxed(&weir__attr_limits.attrs);
	value_most = weir__load_relaxed(&weir__attr_limits.value_len);
	taken = s->attrs;
	if (__builtin_expect(attrs.ptr == NULL, 0)) {
		count_up(&s->dropped_attrs, attrs.count);
		return;
	}
	for (size_t i = 0; i < attrs.count; i++) {
		uint32_t bytes = taken < most ? weir__attr_put_short(b.at, used, b.size, &attrs.ptr[i], value_most) : 0;

		if (__builtin_expect(bytes != 0, 1)) {
			used += bytes;
			taken++;
		} else {
			struct weir__bytes slow = {b.at, used, b.size};
			uint32_t now = taken;

			set_attr(s, &slow, &attrs.ptr[i], most, &now);
			used = slow.used;
			taken = now;
		}
	}
	s->attrs = (uint16_t)taken;
	s->used = used;
}

void weir_span_event_at(struct weir_span *span, const char *name, uint64_t time_ns, struct weir_attrs attrs)
{
	struct weir__span *s = of(span);
	struct weir__bytes b;

	if (span == NULL || !records(s))
		return;
	b = bytes_of(s);
	if (s->events < weir__load_relaxed(&weir__attr_limits.events) && weir__event_put(&b, weir_str_of(name), time_ns, attrs))
		s->events++;
	else
		count_up(&s->dropped_events, 1);
	s->used = b.used;
}

void weir_span_event_attrs(struct weir_span *span, const char *name, struct weir_attrs attrs)
{
	const struct weir__span *s = of(span);

	if (span != NULL && records(s))
		weir_span_event_at(span, name, weir__ctx_now(s->ctx, ticks_of(s->ctx)), attrs);
}

void weir_span_event(struct weir_span *span, const char *name)
{
	weir_span_event_attrs(span, name, (struct weir_attrs){NULL, 0});
}

void weir_span_link_attrs(struct weir_span *span, struct weir_ids ids, struct weir_attrs attrs)
{
	struct weir__span *s = of(span);
	struct weir__bytes b;

	if (span == NULL || !records(s))
		return;
	b = bytes_of(s);
	if (s->links < weir__load_relaxed(&weir__attr_limits.links) && !weir__is_zero(ids.trace_id, sizeof ids.trace_id) &&
	    !weir__is_zero(ids.span_id, sizeof ids.span_id) && weir__link_put(&b, &ids, attrs))
		s->links++;
	else
		count_up(&s->dropped_links, 1);
	s->used = b.used;
}

void weir_span_link(struct weir_span *span, struct weir_ids ids)
{
	weir_span_link_attrs(span, ids, (struct weir_attrs){NULL, 0});
}

void weir_span_fail(struct weir_span *span, const char *why)
{
	struct weir__span *s = of(span);
	struct weir__bytes b;

	if (span == NULL || (s->state & WEIR__SPAN_OPEN) == 0 || (s->state & WEIR__SPAN_OK) != 0)
		return;
	s->state |= WEIR__SPAN_FAILED;
	if (!records(s))
		return;
	b = bytes_of(s);
	if (why != NULL && !weir__failure_put(&b, weir_str_of(why)))
		count_up(&s->dropped_attrs, 1);
	s->used = b.used;
}

void weir_span_ok(struct weir_span *span)
{
	struct weir__span *s = of(span);

	if (span != NULL && (s->state & WEIR__SPAN_OPEN) != 0)
		s->state = (s->state | WEIR__SPAN_OK) & ~(unsigned)WEIR__SPAN_FAILED;
}
