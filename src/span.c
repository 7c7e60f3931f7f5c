/* L3: spans: begin, and what happened. See span.h, context.h and weir/span.h. Writer of a span: the one thread that uses it; one
 * that two threads use at once may lose entries, and never writes outside its own bytes. */
#include "span.h"

#include "clock.h"
#include "probe_request.h"
#include "ring.h"
#include "sampling.h"
#include "tally.h"
#include "utf8.h"
#include "w3c.h"

#include <string.h>

enum { NAME_MAX_BYTES = 255 };

/* ---- begin ---- */

/* The first need of a clock: one moment ties the context's ticks to the wall clock. Or the clock is no counter. */
static __attribute__((noinline)) uint64_t other_ticks_of(struct weir__ctx *c)
{
	struct weir__moment now;

	if ((c->state & WEIR__CTX_CLOCKED) != 0)
		return weir__ticks((c->state & WEIR__CTX_COUNTER) != 0);
	now = weir__clock_moment();
	c->start_ticks = now.ticks;
	if (c->start_ns == 0)
		c->start_ns = now.wall_ns;
	c->state |= WEIR__CTX_CLOCKED | (now.counter ? WEIR__CTX_COUNTER : 0u);
	return now.ticks;
}

static inline uint64_t ticks_of(struct weir__ctx *c)
{
	static const uint32_t known = WEIR__CTX_CLOCKED | WEIR__CTX_COUNTER;

	return __builtin_expect((c->state & known) == known, 1) ? weir__ticks(true) : other_ticks_of(c);
}

/* What one that is recorded has. parent: an explicit one's id, or NULL. */
static inline __attribute__((always_inline)) void record(struct weir__span *s, struct weir__ctx *c, struct weir__local *local,
                                                         uint32_t state, struct weir_str name, const uint8_t *parent)
{
	uint64_t innermost, id, above;

	memcpy(&innermost, c->record.span_id, sizeof innermost);
	if (__builtin_expect((state & WEIR__SPAN_FIRST) != 0 && (c->state & (WEIR__CTX_PARENT | WEIR__CTX_CHILD)) == 0, 0)) {
		id = innermost; /* a root's is told already */
		above = 0;
	} else {
		id = weir__span_id_next(local);
		above = innermost;
	}
	if (__builtin_expect(parent != NULL, 0)) {
		memcpy(&above, parent, sizeof above);
	} else {
		memcpy(c->record.span_id, &id, sizeof id);
	}
	memcpy(s->span_id, &id, sizeof id);
	memcpy(s->parent_id, &above, sizeof above);
	s->state = state;
	s->name_len = (uint16_t)name.len;
	s->used = (uint32_t)name.len;
	s->attrs = s->events = s->links = s->reserved2_ = 0;
	s->dropped_attrs = s->dropped_events = s->dropped_links = s->reserved3_ = 0;
	weir__copy(s->own, name.ptr, name.len);
}

static inline bool is_kind(enum weir_span_kind kind)
{
	return kind >= WEIR_INTERNAL && kind <= WEIR_CONSUMER;
}

static void begin(struct weir__span *s, struct weir_ctx *given, enum weir_span_kind kind, struct weir_str name,
                  const uint8_t *parent, struct weir_attrs attrs, bool timed)
{
	struct weir__ctx *c = weir__ctx_of(given);
	struct weir__local *local;
	uint32_t state = timed ? WEIR__SPAN_OPEN | WEIR__SPAN_TIMED : WEIR__SPAN_OPEN;

	if (name.ptr == NULL)
		name.len = 0;
	s->ctx = c;
	s->start_ticks = 0;
	s->kind = (uint8_t)(is_kind(kind) ? kind : WEIR_INTERNAL);
	if (c == NULL) {
		s->state = state;
		if (timed)
			s->start_ticks = weir__clock_ns();
		return;
	}
	/* a first span needs the clock in any case: it is read before the rest, as below */
	if ((c->state & (WEIR__CTX_OPEN | WEIR__CTX_ROOTED)) == WEIR__CTX_OPEN)
		s->start_ticks = ticks_of(c);
	if ((c->state & WEIR__CTX_SETTLED) == 0)
		weir__ctx_settle(c, kind, name, attrs);
	if ((c->state & WEIR__CTX_ROOTED) == 0) {
		c->state |= WEIR__CTX_ROOTED;
		state |= WEIR__SPAN_FIRST | WEIR__SPAN_TIMED;
		if ((c->state & (WEIR__CTX_PARENT | WEIR__CTX_CHILD)) == WEIR__CTX_PARENT)
			state |= WEIR__SPAN_REMOTE;
	}
	if ((c->state & WEIR__CTX_RECORDS) == 0) {
		if ((state & WEIR__SPAN_TIMED) != 0 && s->start_ticks == 0)
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
	if ((c->state & WEIR__CTX_TENTATIVE) != 0)
		state |= WEIR__SPAN_TENTATIVE;
	if (name.len > NAME_MAX_BYTES)
		name.len = weir__utf8_cut(name.ptr, name.len, NAME_MAX_BYTES);
	if (parent != NULL)
		state &= ~(unsigned)WEIR__SPAN_REMOTE;
	else
		state |= WEIR__SPAN_INNERMOST;
	if (s->start_ticks == 0)
		s->start_ticks = ticks_of(c);
	record(s, c, local, state | WEIR__SPAN_RECORDS | WEIR__SPAN_TIMED, name, parent);
	if (WEIR__WATCHED(span_begin))
		weir__probe_span_begin(s);
}

/* On its own, so that the ways of most need no stack. */
static __attribute__((noinline)) void begin_other(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind,
                                                  struct weir_str name)
{
	begin(of(span), ctx, kind, name, NULL, (struct weir_attrs){NULL, 0}, false);
}

/* The first time on this thread, or the counter is not trusted. */
static __attribute__((cold, noinline)) void refuse_other(struct weir__span *s, struct weir__ctx *c)
{
	struct weir__local *local = weir__local_ready();

	if (local != NULL)
		weir__trace_id_draw(local, c->record.trace_id);
	c->state |= WEIR__CTX_ROOTED | (local != NULL ? WEIR__CTX_REFUSED : WEIR__CTX_SETTLED);
	s->start_ticks = other_ticks_of(c);
}

/* A new trace's first span where no root is recorded: when it began, and what its ids are to be made of when somebody asks. */
static __attribute__((noinline)) void begin_refused(struct weir__span *s, struct weir__ctx *c)
{
	struct weir__moment now;
	struct weir__local *local = weir__local();

	s->ctx = c;
	s->state = WEIR__SPAN_OPEN | WEIR__SPAN_FIRST | WEIR__SPAN_TIMED;
	if (__builtin_expect(!weir__clock_counter(&now) || local->gamma == 0, 0)) {
		refuse_other(s, c);
	} else {
		memcpy(c->record.trace_id, local->streams, sizeof c->record.trace_id);
		s->start_ticks = now.ticks;
		c->start_ticks = now.ticks;
		if (c->start_ns == 0)
			c->start_ns = now.wall_ns;
		c->state |= WEIR__CTX_CLOCKED | WEIR__CTX_COUNTER | WEIR__CTX_ROOTED | WEIR__CTX_REFUSED;
	}
	if (__builtin_expect((struct weir__ctx *)(void *)local->current == c, 0)) /* seen from outside */
		weir__ctx_told(c);
}

/* Whether no root is recorded, whatever it is. */
static inline bool refuses(void)
{
	return !weir__load_relaxed(&weir__propagation.wanted) || weir__sampling()->refuses;
}

void weir_span_begin_v1_(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind, struct weir_str name)
{
	enum { /* of the context's state: its first span has begun; its ticks are the counter's */
		BEGUN = WEIR__CTX_MARK | WEIR__CTX_ROOTED,
		BEGUN_BITS = WEIR__CTX_MARK_BITS | WEIR__CTX_ROOTED | WEIR__CTX_RECORDS,
		NEW = WEIR__CTX_MARK | WEIR__CTX_OPEN, /* a trace of its own, of which nothing is settled */
		NEW_BITS = WEIR__CTX_MARK_BITS | WEIR__CTX_OPEN | WEIR__CTX_ROOTED | WEIR__CTX_SETTLED | WEIR__CTX_PARENT | WEIR__CTX_CLOCKED,
		RECORDED_BITS = WEIR__CTX_MARK_BITS | WEIR__CTX_ROOTED, /* of one that is begun, and not what is told by BEGUN_BITS */
		COUNTS = WEIR__CTX_CLOCKED | WEIR__CTX_COUNTER,
	};
	struct weir__ctx *c = (struct weir__ctx *)(void *)(__builtin_expect(ctx != NULL, 1) ? ctx : weir__local()->current);
	struct weir__span *s = of(span);
	uint32_t how, state = WEIR__SPAN_OPEN | WEIR__SPAN_RECORDS | WEIR__SPAN_TIMED | WEIR__SPAN_INNERMOST | WEIR__SPAN_PLAIN;

	if (__builtin_expect(span == NULL, 0))
		return;
	if (__builtin_expect(c != NULL, 1)) {
		struct weir__local *local;

		how = c->state;
		if ((how & BEGUN_BITS) == BEGUN) { /* nothing but who it belongs to */
			s->ctx = c;
			s->state = WEIR__SPAN_OPEN;
			return;
		}
		if ((how & NEW_BITS) == NEW && refuses() && !WEIR__WATCHED(request_begin)) {
			begin_refused(s, c);
			return;
		}
		if (__builtin_expect((how & (RECORDED_BITS | COUNTS)) != (BEGUN | COUNTS), 0)) {
			begin_other(span, ctx, kind, name);
			return;
		}
		state |= (how & WEIR__CTX_TENTATIVE) / (WEIR__CTX_TENTATIVE / WEIR__SPAN_TENTATIVE); /* no branch: either is common */
		/* before the rest: a processor finishes what came before a reading, and what comes after goes along
		 * with the caller's work */
		s->start_ticks = weir__ticks(true);
		local = weir__local();
		if (__builtin_expect(local->gamma != 0 && name.ptr != NULL && name.len <= WEIR__SHORT && is_kind(kind) &&
		                     !WEIR__WATCHED(span_begin), 1)) {
			s->ctx = c;
			s->kind = (uint8_t)kind;
			record(s, c, local, state, name, NULL);
			return;
		}
	}
	begin_other(span, ctx, kind, name);
}

#undef weir_span_begin /* the header's, which passes on a length that the compiler knows */
void weir_span_begin(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind, const char *name)
{
	weir_span_begin_v1_(span, ctx, kind, weir_str_of(name));
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
		begin(s, ctx, kind, weir_str_of(name), NULL, (struct weir_attrs){NULL, 0}, false);
		return;
	}
	if (o->parent != NULL && records(of(o->parent)))
		parent = of(o->parent)->span_id;
	else if (o->parent != NULL && of(o->parent)->ctx != NULL) {
		weir__ctx_settled(of(o->parent)->ctx);
		parent = of(o->parent)->ctx->record.span_id;
	}
	begin(s, ctx, kind, weir_str_of(name), parent != NULL || o->parent == NULL ? parent : no_parent, o->attrs, o->timed);
	if (o->start_ns != 0 && (s->state & WEIR__SPAN_TIMED) != 0) {
		s->state |= WEIR__SPAN_OWN_START;
		s->start_ticks = o->start_ns;
	}
	if (!records(s))
		return;
	if (o->buffer != NULL && o->buffer_size > sizeof s->own) {
		memcpy(o->buffer, s->own, s->used);
		s->state |= WEIR__SPAN_ELSEWHERE;
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

/* What the common case leaves over, and all that comes after it; on its own, so that the common case needs no stack. */
static __attribute__((noinline)) void set_others(struct weir__span *s, struct weir_attrs attrs)
{
	struct weir__bytes b;
	uint32_t most = weir__load_relaxed(&weir__attr_limits.attrs), taken;

	if (!records(s))
		return;
	if (attrs.ptr == NULL) {
		count_up(&s->dropped_attrs, attrs.count);
		return;
	}
	b = bytes_of(s);
	taken = s->attrs;
	for (size_t i = 0; i < attrs.count; i++) {
		if (taken < most && weir__attr_put(&b, &attrs.ptr[i]))
			taken++;
		else if (put_in_place(s, &b, &attrs.ptr[i], most, &taken))
			taken++;
		else
			count_up(&s->dropped_attrs, 1);
	}
	s->attrs = (uint16_t)taken;
	s->used = b.used;
}

void weir_span_set_attrs(struct weir_span *span, struct weir_attrs attrs)
{
	enum { RECORDS = WEIR__SPAN_OPEN | WEIR__SPAN_RECORDS };
	struct weir__span *s = of(span);
	const struct weir_attr *a = attrs.ptr, *last;
	size_t taken;
	char *at, *most;
	uint32_t used;

	if (__builtin_expect(span == NULL, 0))
		return;
	used = weir__load_relaxed(&s->used);
	taken = s->attrs + attrs.count;
	if (__builtin_expect((s->state & (RECORDS | WEIR__SPAN_ELSEWHERE)) != RECORDS || a == NULL || used > sizeof s->own ||
	                     taken > weir__load_relaxed(&weir__attr_limits.short_attrs), 0)) {
		set_others(s, attrs);
		return;
	}
	s->attrs = (uint16_t)taken;
	at = s->own + used;
	most = s->own + sizeof s->own - WEIR__SHORT_ENTRY;
	for (last = a + attrs.count; a != last; a++) {
		char *next = __builtin_expect(at <= most, 1) ? weir__attr_put_short(at, a) : NULL;

		if (__builtin_expect(next == NULL, 0)) {
			s->attrs = (uint16_t)(s->attrs - (last - a));
			s->used = (uint32_t)(at - s->own);
			set_others(s, (struct weir_attrs){a, (size_t)(last - a)});
			return;
		}
		at = next;
	}
	s->used = (uint32_t)(at - s->own);
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

__attribute__((cold)) void weir_span_link_attrs(struct weir_span *span, struct weir_ids ids, struct weir_attrs attrs)
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

__attribute__((cold)) void weir_span_fail(struct weir_span *span, const char *why)
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
