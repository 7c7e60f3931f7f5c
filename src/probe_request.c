/* L3: the probes of requests and spans. See probe_request.h. No data of its own. */
#include "probe_request.h"

#include "span.h"
#include "tag.h"

#include <weir/abi/private.h>

#define WORD(v) ((uintptr_t)(v))

/* What leaves the process as the tenant, by label or by attribute. A claim that leaves it as nothing is not shown. */
static struct weir_str tenant_of(const struct weir__ctx *c)
{
	uint32_t at = 0;
	const char *value;
	uint64_t head;

	while (c->tags_state != 0 && (head = weir__tag_next(c, &at, &value)) != 0) {
		const struct weir__tag *tag = weir__tag(weir__tag_in(head));

		if (tag != NULL && (tag->label != NULL || tag->attribute != NULL) && strcmp(tag->name, "tenant") == 0)
			return weir_str_n(value, weir__tag_len(head));
	}
	return weir_str_n(NULL, 0);
}

static void about(struct weir_private_about *out, const struct weir__ctx *c)
{
	struct weir_str tenant = tenant_of(c);
	char peer[48];

	memset(out->trace_id, 0, sizeof out->trace_id);
	if (c->record.valid != 0 || (c->state & WEIR__CTX_PARENT) != 0)
		memcpy(out->trace_id, c->record.trace_id, sizeof out->trace_id);
	weir__probe_text(out->route, c->route != NULL ? c->route->text : NULL, c->route != NULL ? c->route->len : 0);
	weir__probe_text(out->tenant, tenant.ptr, tenant.len);
	weir__probe_text(out->peer, peer, weir__peer_text(peer, c));
}

void weir_private_ctx_about(const struct weir_ctx *ctx, struct weir_private_about *out)
{
	static struct weir__ctx nobody; /* zeros, never written; no constant, which would stand in the file */
	struct weir__ctx *c = weir__ctx_of(ctx);

	if (c != NULL)
		weir__ctx_told(c);
	about(out, c != NULL && (c->state & WEIR__CTX_OPEN) != 0 ? c : &nobody);
}

static uintptr_t decision(const struct weir__ctx *c)
{
	return (c->state & WEIR__CTX_SAMPLED) != 0 ? 1 : (c->state & WEIR__CTX_TENTATIVE) != 0 ? 2 : 0;
}

void weir__probe_request_begin(const struct weir__ctx *c, enum weir_span_kind kind, struct weir_str name)
{
	char text[WEIR__PROBE_TEXT];
	uint8_t trace_id[16];

	memcpy(trace_id, c->record.trace_id, sizeof trace_id);
	weir__probe_text(text, name.ptr, name.len);
	WEIR_PROBE_HERE_(weir, request_begin, 4, WORD(trace_id), WORD(text), WORD(kind), decision(c));
}

void weir__probe_request_end(const struct weir__ctx *c)
{
	struct weir_private_about of;
	uintptr_t status = c->status, took = WORD(c->first_ns), slo = WORD(c->slo_ns);

	about(&of, c);
	if (WEIR__WATCHED(request_end))
		WEIR_PROBE_HERE_(weir, request_end, 6, WORD(of.trace_id), WORD(of.route), status, took, WORD(of.tenant), decision(c));
	if (WEIR__WATCHED(slo_miss) && slo != 0 && took >= slo)
		WEIR_PROBE_HERE_(weir, slo_miss, 6, WORD(of.trace_id), WORD(of.route), status, took, slo - 1, WORD(of.tenant));
}

/* A span's own, on the stack. */
struct told {
	uint8_t trace_id[16], span_id[8], parent_id[8];
	char name[WEIR__PROBE_TEXT];
};

static void tell(struct told *t, const struct weir__span *s)
{
	struct weir__bytes b = bytes_of(s);

	memcpy(t->trace_id, s->ctx->record.trace_id, sizeof t->trace_id);
	memcpy(t->span_id, s->span_id, sizeof t->span_id);
	memcpy(t->parent_id, s->parent_id, sizeof t->parent_id);
	weir__probe_text(t->name, b.at, s->name_len <= b.size ? s->name_len : 0);
}

void weir__probe_span_begin(const struct weir__span *s)
{
	struct told t;

	tell(&t, s);
	WEIR_PROBE_HERE_(weir, span_begin, 5, WORD(t.trace_id), WORD(t.span_id), WORD(t.parent_id), WORD(t.name), WORD(s->kind));
}

void weir__probe_span_end(const struct weir__span *s, uint64_t duration_ns)
{
	struct told t;

	tell(&t, s);
	WEIR_PROBE_HERE_(weir, span_end, 6, WORD(t.trace_id), WORD(t.span_id), WORD(t.name), WORD(duration_ns), WORD(s->kind),
	                 WORD((s->state & WEIR__SPAN_FAILED) != 0));
}
