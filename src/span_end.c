/* L3: a span's end: its record into the thread's chunk, its duration into a histogram, itself as the exemplar. See span.h. Writer
 * of a span: the one thread that uses it; what two threads did to one at once is found out here, or by who reads the record. */
#include "span.h"

#include "bucket.h"
#include "claim.h"
#include "clock.h"
#include "probe_request.h"
#include "registry.h"
#include "ring.h"
#include "tag.h"
#include "tally.h"

#include <string.h>

/* ---- end ---- */

/* What the request is, on its server span. */
static void put_request(struct weir__bytes *b, struct weir__span *s)
{
	const struct weir__ctx *c = s->ctx;
	uint32_t most = weir__load_relaxed(&weir__attr_limits.attrs);
#define PUT(call)                                                                                                      \
	do                                                                                                             \
		if (s->attrs < most && (call))                                                                         \
			s->attrs++;                                                                                    \
		else                                                                                                   \
			count_up(&s->dropped_attrs, 1);                                                                \
	while (0)
#define KEY(text) (text), sizeof(text) - 1

	if (c->route != NULL)
		PUT(weir__attr_put_text(b, KEY("http.route"), c->route->text, c->route->len));
	if (c->status != 0)
		PUT(weir__attr_put_int(b, KEY("http.response.status_code"), c->status));
	if (c->peer_family != 0) {
		char text[48];
		size_t len = weir__peer_text(text, c);

		PUT(weir__attr_put_text(b, KEY("network.peer.address"), text, (uint32_t)len));
		if (c->peer_port != 0)
			PUT(weir__attr_put_int(b, KEY("network.peer.port"), c->peer_port));
	}
	if (c->request_id_len != 0)
		PUT(weir__attr_put_text(b, KEY("http.request.id"), c->request_id, c->request_id_len));
	if (c->baggage.len != 0)
		for (const char *const *key = weir__load_acquire(&weir__propagation.baggage_attrs); key != NULL && *key != NULL; key++) {
			char value[256];
			int len = weir__baggage_get(&c->baggage, weir_str_of(*key), value, sizeof value);

			if (len >= 0 && len < (int)sizeof value)
				PUT(weir__attr_put_text(b, *key, (uint32_t)strlen(*key), value, (uint32_t)len));
			else if (len >= 0)
				count_up(&s->dropped_attrs, 1);
		}
#undef PUT
#undef KEY
}

/* A span's bytes, COPY_MOST at most: without a call. */
enum { COPY_MOST = 288 };
static inline void copy_bytes(char *to, const char *from, size_t len)
{
	typedef uint8_t piece __attribute__((vector_size(16), aligned(1), may_alias));
	enum { TWO = 2 * sizeof(piece) };
	size_t last = len - TWO, at = 0;

	if (__builtin_expect(len < TWO, 0)) {
		weir__copy_short(to, from, len);
		return;
	}
	do {
		((piece *)(void *)(to + at))[0] = ((const piece *)(const void *)(from + at))[0];
		((piece *)(void *)(to + at))[1] = ((const piece *)(const void *)(from + at))[1];
		at += TWO;
	} while (at < last);
	((piece *)(void *)(to + last))[0] = ((const piece *)(const void *)(from + last))[0];
	((piece *)(void *)(to + last))[1] = ((const piece *)(const void *)(from + last))[1];
}

static __attribute__((cold, noinline)) uint64_t lost(uint64_t duration)
{
	weir__tally(WEIR__SPANS_POOL, 1);
	return duration;
}

static __attribute__((cold, noinline)) uint64_t ended_twice(void)
{
	weir__tally(WEIR__ENDED_TWICE, 1);
	return 0;
}

/* State, kind and name's length, of a span and of its record: read at once, so that what is compared is what is used. */
static inline uint64_t head_of(const struct weir__span *s)
{
	uint64_t head;

	memcpy(&head, &s->state, sizeof head);
	return head;
}

static inline uint32_t state_of(uint64_t head)
{
	uint32_t state;

	memcpy(&state, &head, sizeof state);
	return state;
}

static inline uint32_t name_len_of(uint64_t head)
{
	uint16_t len;

	memcpy(&len, (const char *)&head + offsetof(struct weir__span, name_len) - offsetof(struct weir__span, state), sizeof len);
	return len;
}

static inline uint32_t record_bytes(uint32_t state, uint32_t state_len, uint32_t used)
{
	return (uint32_t)(sizeof(struct weir__span_record) + state_len + used + weir__root_bytes(state) + 7) & ~7u;
}

/* The record of a span, all but its name and entries. */
static inline __attribute__((always_inline)) void fill(struct weir__span_record *r, uint32_t bytes, const struct weir__span *s,
                                                       const struct weir__ctx *c, uint64_t head, uint32_t state_len,
                                                       uint32_t entries_len, uint64_t start_ns, uint64_t duration)
{
	r->bytes = bytes;
	r->type = WEIR__RECORD_SPAN;
	r->tracestate_len = (uint16_t)state_len;
	memcpy(r->trace_id, c->record.trace_id, sizeof r->trace_id);
	memcpy(r->span_id, s->span_id, WEIR__IDS_BYTES);
	r->start_ns = start_ns;
	r->duration_ns = duration;
	memcpy(&r->state, &head, WEIR__HEAD_BYTES);
	r->flags = c->record.flags;
	memcpy(&r->dropped_attrs, &s->dropped_attrs, WEIR__DROPPED_BYTES);
	r->entries_len = entries_len;
	/* not by what stands in the record: in a child that was forked just now that is zeros */
	if ((state_of(head) & WEIR__SPAN_TENTATIVE) != 0)
		memcpy((char *)r + bytes - WEIR__ROOT_BYTES, &c->root, WEIR__ROOT_BYTES);
}

static void push(struct weir__span *s, const struct weir__ctx *c, struct weir__local *local, uint64_t start_ns, uint64_t duration)
{
	struct weir__bytes b = bytes_of(s);
	uint64_t head = head_of(s);
	struct weir__span_record *r;
	enum weir__ring_fault why = WEIR__RING_OK;
	uint32_t state_len = weir__load_relaxed(&c->tracestate.len), name_len = name_len_of(head), bytes;

	if (name_len > b.used || b.used > b.size || b.size > WEIR__SPAN_BYTES_MAX || state_len > WEIR__TRACESTATE_BYTES) {
		weir__tally(WEIR__SPANS_MALFORMED, 1); /* another thread was at it */
		return;
	}
	if ((s->state & WEIR__SPAN_FIRST) != 0 && (s->kind == WEIR_SERVER || s->kind == WEIR_CONSUMER))
		put_request(&b, s);
	if (__builtin_expect(c->tags_state != 0, 0) && (s->state & WEIR__SPAN_FIRST) != 0)
		weir__tags_put(&b, s, c);
	bytes = record_bytes(s->state, state_len, b.used);
	r = weir__ring_take(local, bytes, &why);
	if (r == NULL) {
		weir__tally(why == WEIR__RING_BUSY ? WEIR__SPANS_REENTRY : WEIR__SPANS_POOL, 1);
		return;
	}
	fill(r, bytes, s, c, head, state_len, b.used - name_len, start_ns, duration);
	memcpy(r + 1, b.at, name_len);
	memcpy((char *)(r + 1) + name_len, c->tracestate.text, state_len);
	memcpy((char *)(r + 1) + name_len + state_len, b.at + name_len, b.used - name_len);
	if (!weir__ring_commit(local, bytes))
		weir__tally(WEIR__SPANS_POOL, 1);
}

static inline void leave_innermost(const struct weir__span *s, struct weir__ctx *c)
{
	if (__builtin_expect(memcmp(c->record.span_id, s->span_id, sizeof s->span_id) == 0, 1))
		memcpy(c->record.span_id, s->parent_id, sizeof s->parent_id);
}

/* What is left of the state serves the exemplar, and tells a second end. */
static inline uint32_t closed(uint32_t state)
{
	return (state & (WEIR__SPAN_RECORDS | WEIR__SPAN_TENTATIVE | WEIR__SPAN_TIMED)) | WEIR__SPAN_ENDED;
}

/* Of a span without a context: its duration. */
static __attribute__((cold, noinline)) uint64_t end_alone(struct weir__span *s, uint64_t end_ns)
{
	uint64_t duration = 0;

	if ((s->state & WEIR__SPAN_TIMED) != 0 && end_ns == 0 && (s->state & WEIR__SPAN_OWN_START) == 0) {
		duration = weir__clock_ns() - s->start_ticks;
	} else if ((s->state & WEIR__SPAN_TIMED) != 0) {
		uint64_t now = weir__wall_ns(), to = end_ns != 0 ? end_ns : now;
		uint64_t from = (s->state & WEIR__SPAN_OWN_START) != 0 ? s->start_ticks : now - (weir__clock_ns() - s->start_ticks);

		duration = to > from ? to - from : 0;
	}
	s->state = WEIR__SPAN_ENDED;
	return duration;
}

/* On its own, so that the others' way needs no stack. */
static __attribute__((noinline)) uint64_t end_recorded(struct weir__span *s, struct weir__ctx *c, uint64_t start_ns, uint64_t duration)
{
	struct weir__local *local;

	if (WEIR__WATCHED(span_end))
		weir__probe_span_end(s, duration);
	/* the first one stays: what is logged after its end belongs to it, not to its caller */
	if ((s->state & (WEIR__SPAN_INNERMOST | WEIR__SPAN_FIRST)) == WEIR__SPAN_INNERMOST)
		leave_innermost(s, c);
	local = weir__local_ready();
	if (local != NULL && weir__load_relaxed(&weir__propagation.wanted))
		push(s, c, local, start_ns, duration);
	else /* who would have taken it is gone */
		weir__tally(WEIR__SPANS_POOL, 1);
	s->state = closed(s->state);
	return duration;
}

static inline uint64_t finish(struct weir__span *s, struct weir__ctx *c, uint64_t start_ns, uint64_t duration)
{
	if ((s->state & WEIR__SPAN_FIRST) != 0) {
		c->first_ns = duration;
		c->state |= WEIR__CTX_TIMED | ((s->state & WEIR__SPAN_FAILED) != 0 ? WEIR__CTX_FAILED : 0u);
	}
	if ((s->state & WEIR__SPAN_RECORDS) != 0)
		return end_recorded(s, c, start_ns, duration);
	s->state = closed(s->state);
	return duration;
}

/* Where start or end are the caller's. */
static __attribute__((cold, noinline)) uint64_t end_given(struct weir__span *s, struct weir__ctx *c, uint64_t end_ns, uint64_t now)
{
	uint64_t to = end_ns != 0 ? end_ns : weir__ctx_now(c, now);
	uint64_t from = (s->state & WEIR__SPAN_OWN_START) != 0 ? s->start_ticks : weir__ctx_now(c, s->start_ticks);

	return finish(s, c, from, to > from ? to - from : 0);
}

/* end_ns: wall clock; 0: now. */
static uint64_t end(struct weir_span *span, uint64_t end_ns)
{
	struct weir__span *s = of(span);
	struct weir__ctx *c;
	uint64_t start_ns = 0, duration = 0;

	if (span == NULL)
		return 0;
	if (__builtin_expect((s->state & WEIR__SPAN_OPEN) == 0, 0))
		return ended_twice();
	c = s->ctx;
	if (c == NULL)
		return end_alone(s, end_ns);
	if ((s->state & WEIR__SPAN_TIMED) != 0) {
		bool counter = (c->state & WEIR__CTX_COUNTER) != 0;
		uint64_t now = weir__ticks(counter), pace = weir__ticks_pace(counter);

		if (__builtin_expect(end_ns != 0 || (s->state & WEIR__SPAN_OWN_START) != 0, 0))
			return end_given(s, c, end_ns, now);
		if ((s->state & WEIR__SPAN_RECORDS) != 0)
			start_ns = c->start_ns + weir__ticks_between(c->start_ticks, s->start_ticks, pace);
		duration = weir__ticks_between(s->start_ticks, now, pace);
	}
	return finish(s, c, start_ns, duration);
}

/* The common case, without a call: what began by the short way, in a context without a tracestate, of bytes that are not many
 * and have room in the chunk. Nothing is changed before all that is known. */
#undef weir_span_end
uint64_t weir_span_end(struct weir_span *span)
{
	enum {
		PLAIN = WEIR__SPAN_OPEN | WEIR__SPAN_PLAIN,
		TIMED = WEIR__SPAN_OPEN | WEIR__SPAN_TIMED, /* and no more but that it is its context's first */
		OTHERWISE = WEIR__SPAN_RECORDS | WEIR__SPAN_OWN_START | WEIR__SPAN_FAILED,
	};
	struct weir__span *s = of(span);
	struct weir__local *local;
	struct weir__span_record *r;
	struct weir__ctx *c;
	uint64_t now, start_ns, duration, head;
	uint32_t used, entries_len, bytes;

	if (__builtin_expect(span == NULL, 0))
		return 0;
	head = head_of(s);
	c = s->ctx;
	if (__builtin_expect((state_of(head) & PLAIN) != PLAIN, 0)) {
		if ((state_of(head) & (TIMED | OTHERWISE)) != TIMED || c == NULL || (c->state & WEIR__CTX_COUNTER) == 0)
			return end(span, 0);
		duration = weir__ticks_between(s->start_ticks, weir__ticks(true), weir__ticks_pace(true));
		if ((state_of(head) & WEIR__SPAN_FIRST) != 0) {
			c->first_ns = duration;
			c->state |= WEIR__CTX_TIMED;
		}
		s->state = closed(state_of(head));
		return duration;
	}
	now = weir__ticks(true);
	local = weir__local();
	used = weir__load_relaxed(&s->used);
	if (__builtin_expect(local->gamma == 0 || !weir__load_relaxed(&weir__propagation.wanted) || used > COPY_MOST ||
	                     __builtin_sub_overflow(used, name_len_of(head), &entries_len) || c->tracestate.len != 0 ||
	                     WEIR__WATCHED(span_end), 0))
		return end(span, 0);
	start_ns = c->start_ns + weir__ticks_between(c->start_ticks, s->start_ticks, weir__ticks_pace(true));
	duration = weir__ticks_between(s->start_ticks, now, weir__ticks_pace(true));
	bytes = record_bytes(state_of(head), 0, used);
	r = weir__ring_take_here(local, bytes);
	if (__builtin_expect(r == NULL, 0))
		return end(span, 0);
	s->state = closed(state_of(head));
	leave_innermost(s, c);
	fill(r, bytes, s, c, head, 0, entries_len, start_ns, duration);
	copy_bytes((char *)(r + 1), s->own, used);
	if (__builtin_expect(!weir__ring_commit(local, bytes), 0))
		return lost(duration);
	return duration;
}

uint64_t weir_span_end_at(struct weir_span *span, uint64_t end_ns)
{
	return end(span, end_ns);
}

/* ---- end, and record ---- */

void weir__exemplar_push(const struct weir__ctx *c, const uint8_t span_id[8], uint32_t cell, uint32_t bucket, uint64_t value)
{
	struct weir__local *local = weir__local_ready();
	bool counter = (c->state & WEIR__CTX_COUNTER) != 0;
	uint64_t ticks = weir__ticks(counter);
	enum weir__ring_fault why;
	struct weir__exemplar_record *r;

	if (local == NULL)
		return;
	r = weir__ring_take(local, sizeof *r, &why);
	if (r == NULL) {
		weir__tally(WEIR__EXEMPLARS_DROPPED, 1);
		return;
	}
	r->bytes = sizeof *r;
	r->type = WEIR__RECORD_EXEMPLAR;
	r->counter = counter;
	r->cell = cell;
	r->bucket = bucket;
	r->value = value;
	r->ticks = ticks;
	r->time_ns = (c->state & WEIR__CTX_CLOCKED) != 0 ? weir__ctx_now(c, ticks) : weir__wall_ns();
	memcpy(r->ids.trace_id, c->record.trace_id, sizeof r->ids.trace_id);
	memcpy(r->ids.span_id, span_id, sizeof r->ids.span_id);
	r->ids.flags = c->record.flags;
	memset(r->ids.reserved_, 0, sizeof r->ids.reserved_);
	if (!weir__ring_commit(local, sizeof *r))
		weir__tally(WEIR__EXEMPLARS_DROPPED, 1);
}

static uint32_t bucket_in(const struct weir_layout *l, uint64_t v)
{
	return v < l->limit_ ? (uint32_t)weir_bucket_(l, v) : weir__bucket_search(l->bounds_, l->buckets_ - 1, v);
}

static uint64_t end_record(struct weir_span *span, struct weir_histogram_series series)
{
	struct weir__span *s = of(span);
	bool was_open = span != NULL && (s->state & WEIR__SPAN_OPEN) != 0;
	uint64_t duration = end(span, 0);

	if (!was_open)
		return 0;
	if ((s->state & WEIR__SPAN_TIMED) == 0) {
		weir__tally(WEIR__UNTIMED, 1);
		return 0;
	}
	weir_histogram_series_record(series, duration);
	if ((s->state & (WEIR__SPAN_RECORDS | WEIR__SPAN_TENTATIVE)) == WEIR__SPAN_RECORDS && series.cell_ != 0 && duration <= INT64_MAX)
		weir__exemplar_push(s->ctx, s->span_id, series.cell_, bucket_in(series.layout_, duration), duration);
	return duration;
}

uint64_t weir_span_end_record_series(struct weir_span *span, struct weir_histogram_series series)
{
	return end_record(span, series);
}

#undef weir_span_end_record /* the header's check of labels, before the call */
uint64_t weir_span_end_record(struct weir_span *span, const struct weir_histogram *h)
{
	struct weir_histogram_series series = {weir__load_acquire(&h->i_.state_->layout_), 0};

	series.cell_ = series.layout_->cell_;
	if (__builtin_expect(series.cell_ == 0, 0))
		return weir_span_end_record_values(span, h, NULL, 0);
	return end_record(span, series);
}

uint64_t weir_span_end_record_values(struct weir_span *span, const struct weir_histogram *h, WEIR_VALUES_)
{
	struct weir_histogram_series series;

	if (count != h->i_.labels_)
		return weir__claim_end(span, h, values, NULL, count);
	series = weir_histogram_values(h, values, count);
	return series.cell_ != 0 ? end_record(span, series) : end(span, 0); /* none: it is counted already */
}

uint64_t weir_span_end_record_v1_(struct weir_span *span, const struct weir_histogram *h, struct weir_labels_ l)
{
	struct weir_histogram_series series;

	if (__builtin_expect(l.n_ != h->i_.labels_, 0))
		return weir__claim_end(span, h, NULL, l.v_, l.n_);
	series.cell_ = weir_resolve_with_v1_(&h->i_, l);
	series.layout_ = weir__load_acquire(&h->i_.state_->layout_);
	return series.cell_ != 0 ? end_record(span, series) : end(span, 0); /* none: it is counted already */
}

/* ---- records for a request ---- */

static const struct weir__ctx *sampled(const struct weir_ctx *ctx)
{
	const struct weir__ctx *c = weir__ctx_of(ctx);

	return c != NULL && (c->state & (WEIR__CTX_OPEN | WEIR__CTX_SAMPLED)) == (WEIR__CTX_OPEN | WEIR__CTX_SAMPLED) ? c : NULL;
}

void weir_histogram_series_record_ctx(struct weir_histogram_series s, uint64_t v, const struct weir_ctx *ctx)
{
	const struct weir__ctx *c = sampled(ctx);

	weir_histogram_series_record(s, v);
	if (c != NULL && s.cell_ != 0 && v <= INT64_MAX)
		weir__exemplar_push(c, c->record.span_id, s.cell_, bucket_in(s.layout_, v), v);
}

void weir_counter_series_add_ctx(struct weir_counter_series s, uint64_t n, const struct weir_ctx *ctx)
{
	const struct weir__ctx *c = sampled(ctx);

	weir_counter_series_add(s, n);
	if (c != NULL && s.cell_ != 0)
		weir__exemplar_push(c, c->record.span_id, s.cell_, 0, n);
}

void weir_counter_add_ctx_v1_(const struct weir_counter *counter, uint64_t n, const struct weir_ctx *ctx, struct weir_labels_ l)
{
	struct weir_counter_series series;

	if (__builtin_expect(l.n_ != counter->i_.labels_, 0)) { /* a claim is to fill what is missing */
		weir__claim_record(&counter->i_, n, ctx, NULL, l.v_, l.n_);
		return;
	}
	series.cell_ = weir_resolve_with_v1_(&counter->i_, l);
	if (series.cell_ != 0) /* else it is counted already */
		weir_counter_series_add_ctx(series, n, ctx);
}

void weir_histogram_record_ctx_v1_(const struct weir_histogram *h, uint64_t v, const struct weir_ctx *ctx, struct weir_labels_ l)
{
	struct weir_histogram_series series;

	if (__builtin_expect(l.n_ != h->i_.labels_, 0)) {
		weir__claim_record(&h->i_, v, ctx, NULL, l.v_, l.n_);
		return;
	}
	series.cell_ = weir_resolve_with_v1_(&h->i_, l);
	series.layout_ = weir__load_acquire(&h->i_.state_->layout_);
	if (series.cell_ != 0)
		weir_histogram_series_record_ctx(series, v, ctx);
}
