/* L3: what goes out of a context: headers, log lines; and its baggage and tracestate. See weir/context.h. */
#include "context.h"

#include "atomic.h"
#include "b3.h"
#include "w3c.h"

#include <string.h>

enum { HEADER_MAX = WEIR__BAGGAGE_BYTES + 1 };

static void put(weir_put_fn *fn, void *arg, const char *name, size_t name_len, const char *text, size_t len)
{
	fn(arg, weir_str_n(name, name_len), weir_str_n(text, len));
}
#define PUT(fn, arg, name, text, len) put((fn), (arg), (name), sizeof(name) - 1, (text), (len))

static void put_b3(const struct weir_ids *ids, bool debug, weir_put_fn *fn, void *arg)
{
	struct weir__b3 b3;

	memset(&b3, 0, sizeof b3);
	b3.ids = *ids;
	b3.has_ids = true;
	b3.sampling = (ids->flags & WEIR__FLAG_SAMPLED) == 0 ? WEIR__B3_NO : debug ? WEIR__B3_DEBUG : WEIR__B3_YES;
	if (weir__propagation.b3) {
		char text[WEIR__B3_SINGLE_MAX];
		size_t len = weir__b3_write(text, &b3);

		PUT(fn, arg, "b3", text, len);
	}
	if (weir__propagation.b3_multi) {
		struct weir__b3_text text;

		weir__b3_write_multi(&text, &b3);
		PUT(fn, arg, "X-B3-TraceId", text.trace_id, 32);
		PUT(fn, arg, "X-B3-SpanId", text.span_id, 16);
		if (text.sampled[0] != '\0')
			PUT(fn, arg, "X-B3-Sampled", text.sampled, 1);
		else
			PUT(fn, arg, "X-B3-Flags", text.flags, 1);
	}
}

static void inject(const struct weir__ctx *c, const uint8_t span_id[8], weir_put_fn *fn, void *arg)
{
	const struct weir__propagation *p = &weir__propagation;
	struct weir_ids ids;
	char text[WEIR__TRACEPARENT_LEN + 1];

	memset(&ids, 0, sizeof ids);
	memcpy(ids.trace_id, c->record.trace_id, sizeof ids.trace_id);
	memcpy(ids.span_id, span_id, sizeof ids.span_id);
	ids.flags = c->record.flags;
	if (p->w3c) {
		weir__traceparent_write(text, &ids);
		PUT(fn, arg, "traceparent", text, WEIR__TRACEPARENT_LEN);
		if (c->tracestate.len != 0) {
			char state[WEIR__TRACESTATE_BYTES + 1];

			memcpy(state, c->tracestate.text, c->tracestate.len);
			state[c->tracestate.len] = '\0';
			PUT(fn, arg, "tracestate", state, c->tracestate.len);
		}
	}
	if (p->b3 || p->b3_multi)
		put_b3(&ids, (c->state & (WEIR__CTX_PARENT | WEIR__CTX_DEBUG)) == (WEIR__CTX_PARENT | WEIR__CTX_DEBUG), fn, arg);
	if (p->baggage && c->baggage.len != 0) {
		char list[HEADER_MAX];

		memcpy(list, c->baggage.buf, c->baggage.len);
		list[c->baggage.len] = '\0';
		PUT(fn, arg, "baggage", list, c->baggage.len);
	}
}

/* NULL: there is nothing to send on. */
static struct weir__ctx *ready(const struct weir_ctx *ctx)
{
	struct weir__ctx *c = weir__ctx_of(ctx);

	if (c == NULL || (c->state & WEIR__CTX_OPEN) == 0)
		return NULL;
	weir__ctx_settled(c);
	return c->record.valid != 0 ? c : NULL;
}

void weir_ctx_inject(const struct weir_ctx *ctx, weir_put_fn *fn, void *arg)
{
	const struct weir__ctx *c = ready(ctx);

	if (c != NULL && fn != NULL)
		inject(c, c->record.span_id, fn, arg);
}

void weir_ctx_inject_response(const struct weir_ctx *ctx, weir_put_fn *fn, void *arg)
{
	const struct weir__ctx *c = ready(ctx);
	char text[33];

	if (c == NULL || fn == NULL || weir__load_relaxed(&weir__propagation.request_id_header_len) == 0)
		return;
	weir__hex_write(text, c->record.trace_id, 16);
	text[32] = '\0';
	put(fn, arg, weir__propagation.request_id_header, weir__load_relaxed(&weir__propagation.request_id_header_len), text, 32);
}

struct lines {
	char *buf;
	size_t size, len;
};

static void add_text(struct lines *l, const char *text, size_t len)
{
	if (l->len < l->size) {
		size_t room = l->size - l->len;

		memcpy(l->buf + l->len, text, len < room ? len : room);
	}
	l->len += len;
}

static void add_line(void *arg, struct weir_str name, struct weir_str value)
{
	struct lines *l = arg;

	add_text(l, name.ptr, name.len);
	add_text(l, ": ", 2);
	add_text(l, value.ptr, value.len);
	add_text(l, "\r\n", 2);
}

static int end_text(struct lines *l)
{
	if (l->size != 0)
		l->buf[l->len < l->size ? l->len : l->size - 1] = '\0';
	return (int)l->len;
}

int weir_ctx_inject_text(const struct weir_ctx *ctx, char *buf, size_t size)
{
	struct lines l = {buf, buf != NULL ? size : 0, 0};

	weir_ctx_inject(ctx, add_line, &l);
	return end_text(&l);
}

static const uint8_t *id_of(const struct weir__span *s, const struct weir__ctx *c)
{
	return (s->state & (WEIR__SPAN_OPEN | WEIR__SPAN_RECORDS)) == (WEIR__SPAN_OPEN | WEIR__SPAN_RECORDS) ? s->span_id
	                                                                                                    : c->record.span_id;
}

void weir_span_inject(const struct weir_span *span, weir_put_fn *fn, void *arg)
{
	const struct weir__span *s = (const struct weir__span *)(const void *)span;
	const struct weir__ctx *c;

	if (span == NULL || fn == NULL || (s->state & WEIR__SPAN_OPEN) == 0 || s->ctx == NULL)
		return;
	c = ready((const struct weir_ctx *)(const void *)s->ctx);
	if (c != NULL)
		inject(c, id_of(s, c), fn, arg);
}

int weir_span_inject_text(const struct weir_span *span, char *buf, size_t size)
{
	struct lines l = {buf, buf != NULL ? size : 0, 0};

	weir_span_inject(span, add_line, &l);
	return end_text(&l);
}

struct weir_ids weir_span_ids(const struct weir_span *span)
{
	const struct weir__span *s = (const struct weir__span *)(const void *)span;
	struct weir_ids ids;

	memset(&ids, 0, sizeof ids);
	if (span == NULL || (s->state & WEIR__SPAN_OPEN) == 0 || s->ctx == NULL)
		return ids;
	ids = weir_ctx_ids((const struct weir_ctx *)(const void *)s->ctx);
	if (!weir__is_zero(ids.trace_id, sizeof ids.trace_id))
		memcpy(ids.span_id, id_of(s, s->ctx), sizeof ids.span_id);
	return ids;
}

void weir_ids_hex(const struct weir_ids *ids, char trace[33], char span[17])
{
	weir__hex_write(trace, ids->trace_id, 16);
	trace[32] = '\0';
	weir__hex_write(span, ids->span_id, 8);
	span[16] = '\0';
}

int weir_ctx_log(const struct weir_ctx *ctx, char *buf, size_t size)
{
	struct weir_ids ids = weir_ctx_ids(ctx);
	struct lines l = {buf, buf != NULL ? size : 0, 0};
	char trace[33], span[17];

	if (!weir__is_zero(ids.trace_id, sizeof ids.trace_id)) {
		weir_ids_hex(&ids, trace, span);
		add_text(&l, "trace_id=", 9);
		add_text(&l, trace, 32);
		add_text(&l, " span_id=", 9);
		add_text(&l, span, 16);
	}
	return end_text(&l);
}

/* ---- baggage and tracestate ---- */

int weir_ctx_get_baggage(const struct weir_ctx *ctx, const char *key, char *buf, size_t size)
{
	const struct weir__ctx *c = weir__ctx_of(ctx);

	if (c == NULL || key == NULL || (c->state & WEIR__CTX_OPEN) == 0 || c->baggage.buf == NULL)
		return WEIR_ENOTFOUND;
	return weir__baggage_get(&c->baggage, weir_str_of(key), buf, buf != NULL ? size : 0);
}

int weir_ctx_set_baggage(struct weir_ctx *ctx, const char *key, struct weir_str value)
{
	struct weir__ctx *c = weir__ctx_of(ctx);

	if (c == NULL || key == NULL || (c->state & WEIR__CTX_OPEN) == 0)
		return WEIR_EINVAL;
	if (c->baggage.buf == NULL)
		return WEIR_ENOMEM;
	return value.ptr != NULL ? weir__baggage_set(&c->baggage, weir_str_of(key), value)
	                         : weir__baggage_remove(&c->baggage, weir_str_of(key));
}

struct weir_str weir_ctx_get_tracestate(const struct weir_ctx *ctx, const char *key)
{
	const struct weir__ctx *c = weir__ctx_of(ctx);

	if (c == NULL || key == NULL || (c->state & WEIR__CTX_OPEN) == 0 ||
	    (c->state & (WEIR__CTX_SETTLED | WEIR__CTX_PARENT)) == 0) /* that of nobody counts for nothing */
		return weir_str_n(NULL, 0);
	return weir__tracestate_get(&c->tracestate, weir_str_of(key));
}

int weir_ctx_set_tracestate(struct weir_ctx *ctx, const char *key, struct weir_str value)
{
	struct weir__ctx *c = weir__ctx_of(ctx);

	if (c == NULL || key == NULL || (c->state & WEIR__CTX_OPEN) == 0)
		return WEIR_EINVAL;
	weir__ctx_settled(c); /* what came in without a parent is not ours to send on */
	return value.ptr != NULL ? weir__tracestate_set(&c->tracestate, weir_str_of(key), value)
	                         : weir__tracestate_remove(&c->tracestate, weir_str_of(key));
}
