/* Fuzz: a request's headers, from any bytes: each line is one, "name:value", or its first byte names one that weir knows; the
 * first byte of all says which propagators there are and how much room for baggage. What goes out comes in again as the same
 * trace, and what stands in it is valid. */
#include "context.h"
#include "w3c.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

enum { SENT = 8 };
struct sent {
	size_t count;
	struct weir_header list[SENT];
};

static void keep(void *arg, struct weir_str name, struct weir_str value)
{
	struct sent *s = arg;
	char *text = malloc(value.len + 1);

	must(s->count < SENT && text != NULL && value.ptr[value.len] == '\0' && name.ptr[name.len] == '\0');
	memcpy(text, value.ptr, value.len + 1);
	for (size_t i = 0; i < value.len; i++) /* nothing that begins another header */
		must(value.ptr[i] >= 0x20 && value.ptr[i] < 0x7f);
	s->list[s->count++] = (struct weir_header){name, weir_str_n(text, value.len)};
}

static void check_ids(const struct weir_ids *ids)
{
	must(!weir__is_zero(ids->trace_id, 16) && !weir__is_zero(ids->span_id, 8));
	must((ids->flags & ~(WEIR__FLAG_SAMPLED | WEIR__FLAG_RANDOM)) == 0);
}

static void header(struct weir_ctx *ctx, const char *line, size_t len)
{
	static const char *const names[] = {"traceparent", "tracestate", "baggage", "b3", "X-B3-TraceId", "x-b3-spanid", "X-B3-Sampled",
	                                    "x-b3-flags", "X-Trace-ID", "Host"};
	const char *colon = len != 0 ? memchr(line, ':', len) : NULL;

	if (colon != NULL)
		weir_ctx_add_header(ctx, weir_str_n(line, (size_t)(colon - line)), weir_str_n(colon + 1, len - (size_t)(colon - line) - 1));
	else if (len != 0)
		weir_ctx_add_header(ctx, weir_str_of(names[(uint8_t)line[0] % 10]), weir_str_n(line + 1, len - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t rooms[] = {0, 1, 16, 100, 1000, 8192, 20000, 7};
	const char *at = (const char *)data + (size != 0), *end = (const char *)data + size;
	struct weir__propagation *p = &weir__propagation;
	struct weir_ctx_options o = {.size = sizeof o};
	struct sent sent = {.count = 0}, again = {.count = 0};
	struct weir_ids ids, back;
	struct weir_ctx ctx;
	struct weir_span span;
	bool sampled_before;
	char *text;
	int len;

	p->w3c = size == 0 || (data[0] & 1) == 0;
	p->b3 = size != 0 && (data[0] & 2) != 0;
	p->b3_multi = size != 0 && (data[0] & 4) != 0;
	p->baggage = size == 0 || (data[0] & 8) == 0;
	o.buffer_size = rooms[size != 0 ? data[0] >> 5 : 0];
	o.buffer = o.buffer_size != 0 ? malloc(o.buffer_size) : NULL;
	weir_ctx_begin_opts(&ctx, &o);
	while (at != end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop != NULL ? stop : end;
		header(&ctx, at, (size_t)(stop - at));
		at = stop != end ? stop + 1 : end;
	}
	ids = weir_ctx_ids(&ctx);
	check_ids(&ids);
	weir_ctx_inject(&ctx, keep, &sent);
	must(sent.count <= 7);

	/* the same comes in again, backwards, too */
	for (int turned = 0; turned < 2; turned++) {
		struct weir_ctx next;
		char *room = malloc(8192);
		struct weir_ctx_options other = {.size = sizeof other, .buffer = room, .buffer_size = 8192};

		must(room != NULL);
		weir_ctx_begin_opts(&next, &other);
		for (size_t i = 0; i < sent.count; i++) {
			const struct weir_header *h = &sent.list[turned == 0 ? i : sent.count - 1 - i];

			weir_ctx_add_header(&next, h->name, h->value);
		}
		back = weir_ctx_ids(&next);
		if (p->w3c || p->b3 || p->b3_multi)
			must(memcmp(back.trace_id, ids.trace_id, 16) == 0 && memcmp(back.span_id, ids.span_id, 8) == 0 &&
			     ((back.flags ^ ids.flags) & WEIR__FLAG_SAMPLED) == 0);
		if (turned == 0) {
			weir_ctx_inject(&next, keep, &again);
			must(again.count == sent.count);
			for (size_t i = 0; i < sent.count; i++)
				if (p->w3c || strcmp(sent.list[i].name.ptr, "baggage") == 0) {
					size_t value = sent.list[i].value.len;

					must(again.list[i].value.len == value);
					if (strcmp(sent.list[i].name.ptr, "b3") == 0 && sent.list[i].value.ptr[value - 1] == 'd')
						value--; /* a traceparent goes before B3, and has no debug */
					must(memcmp(again.list[i].value.ptr, sent.list[i].value.ptr, value) == 0);
				}
		}
		weir_ctx_end(&next);
		free(room);
	}

	/* as text it is what the headers are, whatever room there is */
	len = weir_ctx_inject_text(&ctx, NULL, 0);
	text = malloc((size_t)len + 1);
	must(text != NULL && weir_ctx_inject_text(&ctx, text, (size_t)len + 1) == len && strlen(text) == (size_t)len);
	free(text);
	text = malloc(33);
	must(text != NULL && weir_ctx_inject_text(&ctx, text, 33) == len && strlen(text) == (size_t)(len < 32 ? len : 32));
	free(text);

	/* a span of it belongs to it, and late headers change nothing */
	sampled_before = (ids.flags & WEIR__FLAG_SAMPLED) != 0;
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	header(&ctx, (const char *)data, size);
	back = weir_ctx_ids(&ctx);
	must(memcmp(back.trace_id, ids.trace_id, 16) == 0 && ((back.flags & WEIR__FLAG_SAMPLED) != 0) == sampled_before);
	weir_ctx_set_tracestate(&ctx, "weir", weir_str_n(data, size));
	weir_ctx_set_baggage(&ctx, "weir", weir_str_n(data, size));
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	must(weir_ctx_inject_text(&ctx, NULL, 0) == 0);
	for (size_t i = 0; i < sent.count; i++)
		free((char *)(uintptr_t)sent.list[i].value.ptr);
	for (size_t i = 0; i < again.count; i++)
		free((char *)(uintptr_t)again.list[i].value.ptr);
	free(o.buffer);
	return 0;
}
