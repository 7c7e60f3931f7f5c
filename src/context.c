/* L3: contexts: begin, decide, end, attach; and what a request is. See context.h and weir/context.h. Writer of a context: the
 * one thread that uses it. */
#define _GNU_SOURCE
#include "context.h"

#include "atomic.h"
#include "clock.h"
#include "probe_request.h"
#include "propagate.h"
#include "registry.h"
#include "ring.h"
#include "sampling.h"
#include "tally.h"
#include "w3c.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct weir__propagation weir__propagation = {.w3c = true, .baggage = true, .request_id_header = "X-Trace-ID",
                                              .request_id_header_len = 10};
void (*weir__on_child_request)(void);
static struct weir_ctx none; /* who has no context is in this one: never written */

struct weir__ctx *weir__ctx_of(const struct weir_ctx *given)
{
	struct weir_ctx *ctx = (struct weir_ctx *)(uintptr_t)given;
	struct weir__ctx *c;

	if (ctx == NULL)
		ctx = weir__local()->current;
	if (ctx == NULL || ctx == &none)
		return NULL;
	c = (struct weir__ctx *)(void *)ctx;
	if (__builtin_expect((c->state & WEIR__CTX_MARK_BITS) != WEIR__CTX_MARK, 0)) {
		c->record.valid = 0;
		c->state = WEIR__CTX_MARK; /* its memory may hold anything: it is as one that has ended */
	}
	return c;
}

static void open_ctx(struct weir__ctx *c)
{
	void (*child)(void) = weir__load_relaxed(&weir__on_child_request);

	if (__builtin_expect(child != NULL, 0))
		child();
	weir__ctx_hide(c);
	memset(&c->record, 0, sizeof c->record); /* apart, so that neither is a call */
	memset(c->parent_id, 0, offsetof(struct weir__ctx, tracestate.text) - offsetof(struct weir__ctx, parent_id));
	memset(&c->baggage, 0, offsetof(struct weir__ctx, peer) - offsetof(struct weir__ctx, baggage));
	c->state = WEIR__CTX_MARK | WEIR__CTX_OPEN;
}

void weir_ctx_begin(struct weir_ctx *ctx, const struct weir_header *headers, size_t count)
{
	uint32_t own = weir__load_relaxed(&weir__propagation.request_id_header_len);

	if (ctx == NULL || ctx == &none)
		return;
	open_ctx((struct weir__ctx *)(void *)ctx);
	for (size_t i = 0; headers != NULL && i < count; i++)
		if (weir__header_may_be(headers[i].name.len, own)) /* most are others', and told by their length */
			weir_ctx_add_header(ctx, headers[i].name, headers[i].value);
}

static void take_from_parent(struct weir__ctx *c, struct weir__ctx *parent)
{
	if (parent == NULL || parent == c || (parent->state & WEIR__CTX_OPEN) == 0)
		return;
	weir__ctx_settled(parent);
	c->record.flags = parent->record.flags;
	c->record.attrs_bytes = parent->record.attrs_bytes;
	memcpy(c->record.attrs, parent->record.attrs, sizeof c->record.attrs);
	memcpy(c->record.trace_id, parent->record.trace_id, sizeof c->record.trace_id + sizeof c->record.span_id);
	memcpy(c->parent_id, parent->record.span_id, sizeof c->parent_id);
	if (parent->record.valid != 0)
		weir__ctx_show(c);
	c->tracestate = parent->tracestate;
	c->route = parent->route;
	c->peer_family = parent->peer_family;
	c->peer_port = parent->peer_port;
	memcpy(c->peer, parent->peer, sizeof c->peer);
	c->tags_state = parent->tags_state;
	if (c->tags_state != 0)
		memcpy(&c->tags, &parent->tags, sizeof c->tags);
	if ((parent->state & WEIR__CTX_TENTATIVE) != 0)
		c->root = parent->root;
	c->state |= WEIR__CTX_SETTLED | WEIR__CTX_CHILD | (parent->state & (WEIR__CTX_RECORDS | WEIR__CTX_PARENT | WEIR__CTX_DEBUG));
}

void weir_ctx_begin_opts(struct weir_ctx *ctx, const struct weir_ctx_options *given)
{
	struct weir__ctx *c = (struct weir__ctx *)(void *)ctx;
	size_t size = given != NULL ? given->size : 0;

	if (ctx == NULL || ctx == &none)
		return;
	open_ctx(c);
	if (size < sizeof(struct weir_ctx_options)) /* its first form; a later one is longer */
		return;
	if (given->buffer != NULL)
		c->baggage = weir__baggage_in(given->buffer, given->buffer_size);
	c->start_ns = given->start_ns; /* the first span's own, where it is given; else the clock says so there */
	if (given->parent != NULL) {
		struct weir__ctx *parent = weir__ctx_of(given->parent);

		take_from_parent(c, parent);
		if (parent != NULL && parent != c && (parent->state & WEIR__CTX_OPEN) != 0 && c->baggage.buf != NULL &&
		    parent->baggage.len != 0)
			weir__baggage_add(&c->baggage, weir__baggage_text(&parent->baggage)); /* what has no room is counted */
	}
}

void weir_ctx_begin_child(struct weir_ctx *ctx, const struct weir_ctx *parent)
{
	if (ctx == NULL || ctx == &none)
		return;
	open_ctx((struct weir__ctx *)(void *)ctx);
	take_from_parent((struct weir__ctx *)(void *)ctx, weir__ctx_of(parent));
}

/* ---- the decision ---- */

static void write_threshold(struct weir__ctx *c, uint64_t threshold, bool has_threshold)
{
	struct weir_str key = weir_str_n("ot", 2), former = {NULL, 0};
	struct weir__ot ot;
	char text[WEIR__OT_MAX];
	size_t len;

	if (c->tracestate.len != 0) /* most have none: it is not looked through */
		former = weir__tracestate_get(&c->tracestate, key);
	if (former.ptr == NULL && !has_threshold)
		return;
	memset(&ot, 0, sizeof ot);
	if (former.ptr != NULL)
		weir__ot_read(former, &ot);
	if (!has_threshold && !ot.has_threshold)
		return;
	ot.has_threshold = has_threshold;
	ot.threshold = threshold;
	len = weir__ot_write(text, former, &ot);
	if (len != 0)
		weir__tracestate_set(&c->tracestate, key, weir_str_n(text, len));
	else
		weir__tracestate_remove(&c->tracestate, key);
}

static uint64_t randomness(struct weir__ctx *c)
{
	struct weir_str member;
	struct weir__ot ot;

	if (c->tracestate.len == 0)
		return weir__ot_random_of(c->record.trace_id);
	member = weir__tracestate_get(&c->tracestate, weir_str_n("ot", 2));
	memset(&ot, 0, sizeof ot);
	if (member.ptr != NULL && weir__ot_read(member, &ot) && ot.has_random)
		return ot.random;
	return weir__ot_random_of(c->record.trace_id);
}

/* Somebody asks who it is after all. By what its first span has left, so that a forked child says the same as its parent. */
static void make_ids_of_refused(struct weir__ctx *c)
{
	uint64_t id;

	weir__trace_id_mix(c->record.trace_id, c->start_ticks);
	memcpy(&id, c->record.trace_id + 8, sizeof id);
	id = weir__id_mix(id); /* ids of spans are told apart within their trace */
	id = id != 0 ? id : 1;
	memcpy(c->record.span_id, &id, sizeof id);
	memset(&c->tracestate, 0, offsetof(struct weir__tracestate, text)); /* it came without a parent */
	c->record.flags = WEIR__FLAG_RANDOM;
	c->state |= WEIR__CTX_SETTLED;
	weir__ctx_show(c);
}

void weir__ctx_settle(struct weir__ctx *c, enum weir_span_kind kind, struct weir_str name, struct weir_attrs attrs)
{
	const struct weir__sampling *s = weir__sampling();
	struct weir__local *local = weir__local_ready();
	bool had_parent = (c->state & WEIR__CTX_PARENT) != 0, sampled = false;
	bool wanted = weir__load_relaxed(&weir__propagation.wanted);
	uint64_t threshold = UINT64_MAX;

	if (c->state & WEIR__CTX_SETTLED)
		return;
	if (c->state & WEIR__CTX_REFUSED) {
		make_ids_of_refused(c);
		return;
	}
	if ((c->state & WEIR__CTX_OPEN) == 0) { /* never begun, or ended */
		open_ctx(c);
		had_parent = false;
	}
	c->state |= WEIR__CTX_SETTLED;
	if (wanted && local == NULL) /* its spans are not recorded: as one that is lost */
		weir__tally(WEIR__SPANS_POOL, 1);
	if (!had_parent || (c->state & WEIR__CTX_B3) != 0) /* it belongs to a traceparent */
		memset(&c->tracestate, 0, offsetof(struct weir__tracestate, text));
	if (!had_parent) {
		if (local == NULL)
			return;
		weir__trace_id_draw(local, c->record.trace_id);
		weir__trace_id_mix(c->record.trace_id, 0);
		c->record.flags = WEIR__FLAG_RANDOM;
	}
	if (wanted && had_parent && !s->ignore_parent) {
		sampled = (c->record.flags & WEIR__FLAG_SAMPLED) != 0;
	} else if (wanted) {
		/* where it is the same for all, it is not asked for */
		bool asked = (s->threshold != 0 && s->threshold < WEIR__NEVER) || s->rules_count != 0;

		if (asked || s->threshold == 0)
			sampled = weir__sampling_decide(s, asked ? randomness(c) : 0, kind, name, attrs, &threshold);
		if (c->tracestate.len != 0 || sampled)
			write_threshold(c, threshold, sampled && threshold != UINT64_MAX);
		c->record.flags = (uint8_t)((c->record.flags & ~WEIR__FLAG_SAMPLED) | (sampled ? WEIR__FLAG_SAMPLED : 0));
	} /* not wanted: a caller's decision goes through as it is */
	if (wanted && local != NULL) {
		if (sampled) {
			c->state |= WEIR__CTX_SAMPLED;
		} else if (s->keep_failed || s->keep_slow) {
			c->state |= WEIR__CTX_TENTATIVE;
			c->root = weir__id_next(&local->streams[2], local->gamma);
		}
	}
	if (had_parent)
		memcpy(c->record.span_id, c->parent_id, sizeof c->record.span_id);
	else /* the first span's, so that what is sent on or logged before it begins is its own; if there is one at all */
		weir__span_id_make(local, c->record.span_id);
	weir__ctx_show(c);
	if (WEIR__WATCHED(request_begin))
		weir__probe_request_begin(c, kind, name);
}

/* ---- end ---- */

/* Of one whose first span never ended: as if it ended now. */
static void time_now(struct weir__ctx *c)
{
	bool counter = (c->state & WEIR__CTX_COUNTER) != 0;

	if ((c->state & (WEIR__CTX_TIMED | WEIR__CTX_CLOCKED)) == WEIR__CTX_CLOCKED)
		c->first_ns = weir__ticks_between(c->start_ticks, weir__ticks(counter), weir__ticks_pace(counter));
}

static void send_verdict(struct weir__ctx *c)
{
	const struct weir__sampling *s = weir__sampling();
	struct weir__local *local = weir__local_ready();
	struct weir__verdict_record *record;
	enum weir__ring_fault why;
	enum weir__verdict verdict = WEIR__VERDICT_DROP;

	if (local == NULL)
		return;
	if (s->keep_failed && ((c->state & WEIR__CTX_FAILED) != 0 || c->status >= 500))
		verdict = WEIR__VERDICT_FAILED;
	else if (s->keep_slow && c->slo_ns != 0 && c->first_ns >= c->slo_ns)
		verdict = WEIR__VERDICT_SLOW;
	record = weir__ring_take(local, sizeof *record, &why);
	if (record == NULL) /* its spans age until they are evicted, and are counted there */
		return;
	record->bytes = sizeof *record;
	record->type = WEIR__RECORD_VERDICT;
	record->verdict = (uint16_t)verdict;
	memcpy(record->trace_id, c->record.trace_id, sizeof record->trace_id);
	record->root = c->root;
	weir__ring_commit(local, sizeof *record);
}

static __attribute__((cold, noinline)) void tell_end(struct weir__ctx *c)
{
	weir__ctx_told(c);
	if ((c->state & (WEIR__CTX_SETTLED | WEIR__CTX_CHILD)) != WEIR__CTX_SETTLED || c->record.valid == 0)
		return;
	time_now(c);
	weir__probe_request_end(c);
}

void weir_ctx_end(struct weir_ctx *ctx)
{
	struct weir__ctx *c = weir__ctx_of(ctx);

	if (c == NULL || (c->state & WEIR__CTX_OPEN) == 0)
		return;
	if ((c->state & (WEIR__CTX_TENTATIVE | WEIR__CTX_CHILD)) == WEIR__CTX_TENTATIVE) {
		time_now(c);
		send_verdict(c);
	}
	if (WEIR__WATCHED(request_end) || WEIR__WATCHED(slo_miss))
		tell_end(c);
	if (c->baggage.dropped != 0)
		weir__tally(WEIR__BAGGAGE_DROPPED, c->baggage.dropped);
	c->baggage = weir__baggage_in(NULL, 0); /* its buffer may go */
	c->record.valid = 0;
	c->state = WEIR__CTX_MARK | (c->state & WEIR__CTX_COUNTER); /* a span that ends too late measures in what it began with */
}

/* ---- the current one ---- */

/* Seen from outside too. The record comes first in a context; it is complete, or valid is 0. */
static inline void make_current(struct weir__local *local, struct weir_ctx *ctx)
{
	local->current = ctx;
	weir__outside_fence();
	*local->outside = ctx;
}

struct weir_scope weir_ctx_attach(struct weir_ctx *ctx)
{
	struct weir__local *local = weir__local_ready();
	struct weir_scope scope = {{0, 0}};
	uint32_t at;

	if (local == NULL)
		return scope;
	if (ctx == NULL)
		ctx = local->current;
	if (ctx == &none)
		ctx = NULL;
	if (ctx != NULL && weir__ctx_of(ctx) != NULL) /* what never was one is one from here on, since others read it */
		weir__ctx_told((struct weir__ctx *)(void *)ctx);
	at = local->depth;
	if (at < WEIR__SCOPES) { /* a handler that detaches its own in between goes past no place that is being filled, and finds there what is current */
		local->scopes[at].ctx = local->current;
		local->scopes[at].token = UINT64_MAX;
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	local->depth = at + 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (at < WEIR__SCOPES) {
		local->token += 2; /* even */
		scope.private_[0] = local->token;
		scope.private_[1] = (uint64_t)(uintptr_t)local;
		local->scopes[at].ctx = ctx;
		local->scopes[at].token = scope.private_[0];
	} else { /* deeper than is remembered: what was there before stands in the scope itself, and is odd */
		scope.private_[0] = (uint64_t)(uintptr_t)local->current | 1;
		scope.private_[1] = (uint64_t)(uintptr_t)ctx;
	}
	make_current(local, ctx);
	WEIR__LEAVES(local);
	return scope;
}

/* The newest that is still attached, of those that are remembered; those that were detached out of order are gone past. */
static void bring_back(struct weir__local *local)
{
	uint32_t at = local->depth < WEIR__SCOPES ? local->depth : WEIR__SCOPES;

	while (at != 0 && local->scopes[at - 1].token == 0)
		at--;
	make_current(local, at != 0 ? local->scopes[at - 1].ctx : NULL);
	if (local->depth <= WEIR__SCOPES) {
		local->depth = at;
		local->astray = 0;
	}
}

/* One that is not remembered. Once one of them was detached out of order, what the others found may be gone. */
static void detach_deep(struct weir__local *local, struct weir_scope scope)
{
	if (local->depth <= WEIR__SCOPES || scope.private_[1] != (uint64_t)(uintptr_t)local->current) {
		weir__tally(WEIR__DETACHED_OUT_OF_ORDER, 1);
		if (local->depth <= WEIR__SCOPES)
			return;
		local->astray = 1;
		local->depth--;
		if (local->depth == WEIR__SCOPES)
			bring_back(local);
		return;
	}
	local->depth--;
	if (local->astray != 0 || local->depth == WEIR__SCOPES)
		bring_back(local);
	else
		make_current(local, (struct weir_ctx *)(uintptr_t)(scope.private_[0] & ~UINT64_C(1)));
}

static void detach(struct weir__local *local, struct weir_scope scope)
{
	if (scope.private_[0] == 0)
		return;
	if ((scope.private_[0] & 1) != 0) {
		detach_deep(local, scope);
		return;
	}
	if (local->depth == 0 || scope.private_[1] != (uint64_t)(uintptr_t)local) { /* another thread's, or a forked child's parent's */
		weir__tally(WEIR__DETACHED_OUT_OF_ORDER, 1);
		return;
	}
	if (local->depth <= WEIR__SCOPES && local->scopes[local->depth - 1].token == scope.private_[0]) {
		local->depth--;
		bring_back(local);
		return;
	}
	weir__tally(WEIR__DETACHED_OUT_OF_ORDER, 1);
	for (uint32_t at = local->depth < WEIR__SCOPES ? local->depth : WEIR__SCOPES; at-- > 0;)
		if (local->scopes[at].token == scope.private_[0])
			local->scopes[at].token = 0;
}

void weir_ctx_detach(struct weir_scope scope)
{
	struct weir__local *local = weir__local();

	detach(local, scope);
	WEIR__LEAVES(local);
}

struct weir_ctx *weir_ctx_current(void)
{
	struct weir_ctx *current = weir__local()->current;

	return current != NULL ? current : &none;
}

/* ---- what the request is ---- */

void weir_ctx_set_route(struct weir_ctx *ctx, struct weir_str route)
{
	struct weir__ctx *c = weir__ctx_of(ctx);

	if (c != NULL) {
		c->route = weir__route_find(route);
		weir__ctx_outside(c);
	}
}

void weir_ctx_set_status(struct weir_ctx *ctx, int http_status)
{
	struct weir__ctx *c = weir__ctx_of(ctx);

	if (c != NULL && http_status >= 0 && http_status <= UINT16_MAX)
		c->status = (uint16_t)http_status;
}

__attribute__((cold)) void weir_ctx_set_peer(struct weir_ctx *ctx, const void *sockaddr, size_t size)
{
	struct weir__ctx *c = weir__ctx_of(ctx);
	sa_family_t family;

	if (c == NULL || sockaddr == NULL || size < sizeof family)
		return;
	memcpy(&family, sockaddr, sizeof family);
	memset(c->peer, 0, sizeof c->peer);
	c->peer_family = 0;
	c->peer_port = 0;
	if (family == AF_INET && size >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;

		memcpy(&in, sockaddr, sizeof in);
		memcpy(c->peer, &in.sin_addr, 4);
		c->peer_port = ntohs(in.sin_port);
		c->peer_family = 4;
	} else if (family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in;

		memcpy(&in, sockaddr, sizeof in);
		memcpy(c->peer, &in.sin6_addr, 16);
		c->peer_port = ntohs(in.sin6_port);
		c->peer_family = 6;
	} else if (family == AF_UNIX) {
		const char *path = (const char *)sockaddr + sizeof family;
		size_t len = size - sizeof family < sizeof c->peer - 1 ? size - sizeof family : sizeof c->peer - 1;

		if (len == 0) /* it has no name */
			return;
		memcpy(c->peer, path, len);
		if (path[0] == '\0') /* as tools show abstract ones */
			c->peer[0] = '@';
		c->peer_family = len > 1 || path[0] != '\0' ? 1 : 0;
	}
}

__attribute__((cold)) void weir_ctx_set_slo(struct weir_ctx *ctx, const struct weir_histogram *histogram)
{
	struct weir__ctx *c = weir__ctx_of(ctx);
	const struct weir__instrument *i;

	if (c == NULL)
		return;
	i = histogram != NULL ? weir__instrument_of(&histogram->i_) : NULL;
	c->slo_ns = i != NULL && i->shape != NULL && i->unit == WEIR_SECONDS && i->shape->slo_threshold != 0
	                    ? i->shape->slo_threshold + 1 : 0;
}

struct weir_ids weir_ctx_ids(const struct weir_ctx *ctx)
{
	struct weir__ctx *c = weir__ctx_of(ctx);
	struct weir_ids ids;

	memset(&ids, 0, sizeof ids);
	if (c == NULL || (c->state & WEIR__CTX_OPEN) == 0)
		return ids;
	weir__ctx_settled(c);
	if (c->record.valid) {
		memcpy(ids.trace_id, c->record.trace_id, sizeof ids.trace_id);
		memcpy(ids.span_id, c->record.span_id, sizeof ids.span_id);
		ids.flags = c->record.flags;
	}
	return ids;
}
