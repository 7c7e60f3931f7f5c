/* L3: a span's end: its record into the thread's chunk, its duration into a histogram, itself as the exemplar. See span.h. Writer
 * of a span: the one thread that uses it; what two threads did to one at once is found out here, or by who reads the record. */
#include "span.h"

#include "bucket.h"
#include "clock.h"
#include "registry.h"
#include "ring.h"
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

/* On its own, so that a sampled one's way holds nothing for it. */
static __attribute__((noinline)) void put_root(char *record_end, const struct weir__span *s)
{
	memcpy(record_end - WEIR__ROOT_BYTES, &s->ctx->root, WEIR__ROOT_BYTES);
}

static void push(struct weir__span *s, struct weir__local *local, uint64_t duration)
{
	static const enum weir__tally faults[] = {[WEIR__RING_DRY] = WEIR__SPANS_POOL, [WEIR__RING_BUSY] = WEIR__SPANS_REENTRY,
	                                          [WEIR__RING_CLOSED] = WEIR__SPANS_POOL};
	struct weir__ctx *c = s->ctx;
	struct weir__bytes b = bytes_of(s);
	struct weir__span_record *r;
	enum weir__ring_fault why = WEIR__RING_OK;
	uint32_t state_len = weir__load_relaxed(&c->tracestate.len), name_len = weir__load_relaxed(&s->name_len), bytes;

	if (__builtin_expect(name_len > b.used || b.used > b.size || b.size > WEIR__SPAN_BYTES_MAX ||
	                     state_len > WEIR__TRACESTATE_BYTES, 0)) { /* another thread was at it */
		weir__tally(WEIR__SPANS_MALFORMED, 1);
		return;
	}
	if (__builtin_expect(!weir__load_relaxed(&weir__propagation.wanted), 0)) { /* who would have taken it is gone */
		weir__tally(WEIR__SPANS_POOL, 1);
		return;
	}
	if ((s->state & WEIR__SPAN_FIRST) != 0 && (s->kind == WEIR_SERVER || s->kind == WEIR_CONSUMER))
		put_request(&b, s);
	bytes = (uint32_t)(sizeof *r + state_len + b.used + weir__root_bytes(s->state) + 7) & ~7u;
	r = weir__ring_take(local, bytes, &why);
	if (__builtin_expect(r == NULL, 0)) {
		weir__tally(faults[why], 1);
		return;
	}
	r->bytes = bytes;
	r->type = WEIR__RECORD_SPAN;
	r->name_len = (uint16_t)name_len;
	memcpy(r->trace_id, c->record.trace_id, sizeof r->trace_id);
	memcpy(r->span_id, s->span_id, sizeof r->span_id);
	memcpy(r->parent_id, s->parent_id, sizeof r->parent_id);
	r->start_ns = (s->state & WEIR__SPAN_OWN_START) != 0 ? s->start_ticks : weir__ctx_now(c, s->start_ticks);
	r->duration_ns = duration;
	r->state = s->state;
	r->kind = s->kind;
	r->flags = c->record.flags;
	r->tracestate_len = (uint16_t)state_len;
	r->entries_len = b.used - name_len;
	r->dropped_attrs = weir__load_relaxed(&s->dropped_attrs); /* one by one, as they were stored: see bytes_of */
	r->dropped_events = weir__load_relaxed(&s->dropped_events);
	r->dropped_links = weir__load_relaxed(&s->dropped_links);
	r->kept = 0;
	r->reserved_ = 0;
	if (state_len == 0) {
		memcpy(r + 1, b.at, b.used);
	} else {
		memcpy(r + 1, b.at, name_len);
		memcpy((char *)(r + 1) + name_len, c->tracestate.text, state_len);
		memcpy((char *)(r + 1) + name_len + state_len, b.at + name_len, b.used - name_len);
	}
	if (__builtin_expect((s->state & WEIR__SPAN_TENTATIVE) != 0, 0))
		put_root((char *)r + bytes, s); /* not by what stands in it: in a child that was forked just now that is zeros */
	if (__builtin_expect(!weir__ring_commit(local, bytes), 0))
		weir__tally(WEIR__SPANS_POOL, 1);
}

/* end_ns: wall clock; 0: now. exemplar: filled where the span is sampled. */
static uint64_t end(struct weir_span *span, uint64_t end_ns)
{
	struct weir__span *s = of(span);
	struct weir__ctx *c;
	struct weir__local *local;
	uint64_t duration = 0;
	bool counter;

	if (__builtin_expect(span == NULL, 0))
		return 0;
	if (__builtin_expect((s->state & WEIR__SPAN_OPEN) == 0, 0)) {
		weir__tally(WEIR__ENDED_TWICE, 1);
		return 0;
	}
	c = s->ctx;
	if (__builtin_expect(c == NULL, 0)) {
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
	counter = (c->state & WEIR__CTX_COUNTER) != 0;
	if ((s->state & WEIR__SPAN_TIMED) != 0) {
		if (__builtin_expect(end_ns == 0 && (s->state & WEIR__SPAN_OWN_START) == 0, 1)) {
			duration = weir__ticks_between(s->start_ticks, weir__ticks(counter), counter);
		} else {
			uint64_t from = (s->state & WEIR__SPAN_OWN_START) != 0 ? s->start_ticks : weir__ctx_now(c, s->start_ticks);
			uint64_t to = end_ns != 0 ? end_ns : weir__ctx_now(c, weir__ticks(counter));

			duration = to > from ? to - from : 0;
		}
	}
	if ((s->state & WEIR__SPAN_FIRST) != 0) {
		c->first_ns = duration;
		c->state |= WEIR__CTX_TIMED | ((s->state & WEIR__SPAN_FAILED) != 0 ? WEIR__CTX_FAILED : 0u);
	}
	if ((s->state & WEIR__SPAN_RECORDS) != 0) {
		/* the first one stays: what is logged after its end belongs to it, not to its caller */
		if ((s->state & (WEIR__SPAN_INNERMOST | WEIR__SPAN_FIRST)) == WEIR__SPAN_INNERMOST && memcmp(c->record.span_id, s->span_id, sizeof s->span_id) == 0)
			memcpy(c->record.span_id, s->parent_id, sizeof s->parent_id);
		local = weir__local_ready();
		if (__builtin_expect(local != NULL, 1))
			push(s, local, duration);
		else
			weir__tally(WEIR__SPANS_POOL, 1);
	}
	/* what is left of the state serves the exemplar, and tells a second end */
	s->state = (s->state & (WEIR__SPAN_RECORDS | WEIR__SPAN_TENTATIVE | WEIR__SPAN_TIMED)) | WEIR__SPAN_ENDED;
	return duration;
}

#undef weir_span_end
uint64_t weir_span_end(struct weir_span *span)
{
	if (span != NULL && of(span)->state == WEIR__SPAN_OPEN) { /* not recorded, not timed */
		of(span)->state = WEIR__SPAN_ENDED;
		return 0;
	}
	return end(span, 0);
}

uint64_t weir_span_end_at(struct weir_span *span, uint64_t end_ns)
{
	return end(span, end_ns);
}

/* ---- end, and record ---- */

void weir__exemplar_push(const struct weir__ctx *c, const uint8_t span_id[8], uint32_t cell, uint32_t bucket, uint64_t value)
{
	struct weir__local *local = weir__local_ready();
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
	r->reserved_ = 0;
	r->cell = cell;
	r->bucket = bucket;
	r->value = value;
	r->time_ns = (c->state & WEIR__CTX_CLOCKED) != 0 ? weir__ctx_now(c, weir__ticks((c->state & WEIR__CTX_COUNTER) != 0)) : weir__wall_ns();
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
		series = weir_histogram_values(h, NULL, 0);
	return series.cell_ != 0 ? end_record(span, series) : end(span, 0);
}

uint64_t weir_span_end_record_v1_(struct weir_span *span, const struct weir_histogram *h, struct weir_labels_ l)
{
	struct weir_histogram_series series = {NULL, weir_resolve_with_v1_(&h->i_, l)};

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
	struct weir_counter_series series = {weir_resolve_with_v1_(&counter->i_, l)};

	if (series.cell_ != 0) /* else it is counted already */
		weir_counter_series_add_ctx(series, n, ctx);
}

void weir_histogram_record_ctx_v1_(const struct weir_histogram *h, uint64_t v, const struct weir_ctx *ctx, struct weir_labels_ l)
{
	struct weir_histogram_series series = {NULL, weir_resolve_with_v1_(&h->i_, l)};

	series.layout_ = weir__load_acquire(&h->i_.state_->layout_);
	if (series.cell_ != 0)
		weir_histogram_series_record_ctx(series, v, ctx);
}
