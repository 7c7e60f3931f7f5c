/* A gateway's request, whole: what comes in, baggage, tracestate, work on another thread, links, events, a failure, an outgoing
 * call, a size with an exemplar, a log line, what goes back; the sampling that it asks for; and the end of the process within
 * its time. */
#include <weir/weir.h>

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

WEIR_COUNTER(requests, "gateway_requests_total", "Requests answered.", "method", "code", WEIR_CLAIM("tenant"));
WEIR_HISTOGRAM(latency, WEIR_LATENCY_SLO(995000, WEIR_MS(200)), "gateway_request_duration_seconds", "Time to answer.", "route");
WEIR_HISTOGRAM(body, WEIR_BUCKETS(WEIR_BYTES), "gateway_body_bytes", "Size of an answer.", WEIR_CLAIM("tenant"));

/* ---- work on another thread: a context of its own, child of the request's ---- */
struct check {
	struct weir_ctx ctx;
	struct weir_ids cause;
};

static void risk_score(void) /* deep in a library: it knows nothing of requests, and uses the current context */
{
	struct weir_span span;

	weir_span_begin(&span, WEIR_CURRENT, WEIR_INTERNAL, "risk.score");
	weir_span_end(&span);
}

static void *check_risk(void *arg)
{
	struct check *check = arg;
	struct weir_scope scope = weir_ctx_attach(&check->ctx);
	struct weir_span span;

	weir_span_begin(&span, WEIR_CURRENT, WEIR_INTERNAL, "risk");
	weir_span_link_with(&span, check->cause, weir_attr_str("link.reason", "batched"));
	risk_score();
	weir_span_end(&span);
	weir_ctx_detach(scope);
	weir_ctx_end(&check->ctx);
	return NULL;
}

/* ---- the outgoing call ---- */
struct http {
	char head[1024];
	size_t used;
};

static void put(void *arg, struct weir_str name, struct weir_str value)
{
	struct http *http = arg;
	int len = snprintf(http->head + http->used, sizeof http->head - http->used, "%s: %s\r\n", name.ptr, value.ptr);

	http->used += len > 0 ? (size_t)len : 0;
}

static int call_store(struct weir_ctx *ctx, struct http *http)
{
	struct weir_span span;
	int status = 503; /* what the store said */

	weir_span_begin(&span, ctx, WEIR_CLIENT, "GET");
	weir_span_set_with(&span, weir_attr_str("server.address", "store"), weir_attr_int("server.port", 8080),
	                   weir_attr_bool("retry", false));
	weir_ctx_inject(ctx, put, http); /* the client span's ids: it is the innermost */
	weir_span_event_with(&span, "retry", weir_attr_int("http.request.resend_count", 1));
	if (status >= 500)
		weir_span_fail(&span, "store is unavailable");
	weir_span_end(&span);
	return status;
}

static void answer(const struct weir_header *headers, size_t count, struct http *out, struct http *back, char log[128])
{
	struct weir_ctx ctx;
	struct weir_span span;
	struct check check;
	pthread_t thread;
	char tenant[64], baggage[512];
	struct weir_ctx_options options = {.size = sizeof options, .buffer = baggage, .buffer_size = sizeof baggage};
	int status;

	weir_ctx_begin_opts(&ctx, &options); /* the buffer is for baggage */
	for (size_t i = 0; i < count; i++)
		weir_ctx_add_header(&ctx, headers[i].name, headers[i].value);
	weir_ctx_set_route(&ctx, weir_str_of("/api/v1/orders/{id}"));
	weir_span_begin(&span, &ctx, WEIR_SERVER, "GET /api/v1/orders/{id}");

	if (weir_ctx_get_baggage(&ctx, "tenant", tenant, sizeof tenant) == WEIR_ENOTFOUND)
		weir_ctx_set_baggage(&ctx, "tenant", weir_str_of("nobody"));
	weir_ctx_set_tracestate(&ctx, "shop", weir_str_of("gw1"));
	weir_ctx_begin_child(&check.ctx, &ctx);
	check.cause = weir_ctx_ids(&ctx);
	if (pthread_create(&thread, NULL, check_risk, &check) != 0)
		check_risk(&check);
	else
		pthread_join(thread, NULL);
	status = call_store(&ctx, out);
	if (status >= 500)
		weir_span_fail(&span, "store");
	weir_ctx_set_status(&ctx, status);
	assert(weir_ctx_get_claim(&ctx, "tenant").ptr == NULL); /* there is no verifier here */
	weir_counter_add_ctx(&requests, 1, &ctx, "GET", "503");
	weir_histogram_record_ctx(&body, 512, &ctx); /* the span is the exemplar */
	weir_ctx_log(&ctx, log, 128);
	weir_ctx_inject_response(&ctx, put, back);
	weir_span_end_record_with(&span, &latency, "/api/v1/orders/{id}");
	weir_ctx_end(&ctx);
}

/* ---- an exporter that only looks ---- */
struct seen {
	char trace[33], id[17], parent[17], name[64], failure[64];
	enum weir_span_kind kind;
	bool failed, remote;
	size_t attrs, events, links;
	int64_t status;
};
static struct seen seen[16];
static size_t seen_count;

static int look(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct weir_ended e;

	(void)arg;
	(void)timeout_ns;
	weir_ended_begin(&e, batch);
	while (weir_ended_next(&e) && seen_count < 16) {
		struct seen *s = &seen[seen_count++];
		struct weir_ids parent = e.ids;

		memcpy(parent.span_id, e.parent_id, sizeof parent.span_id);
		weir_ids_hex(&parent, s->trace, s->parent);
		weir_ids_hex(&e.ids, s->trace, s->id);
		snprintf(s->name, sizeof s->name, "%.*s", (int)e.name.len, e.name.ptr);
		snprintf(s->failure, sizeof s->failure, "%.*s", (int)e.failure.len, e.failure.ptr != NULL ? e.failure.ptr : "");
		s->kind = e.kind;
		s->failed = e.failed;
		s->remote = e.remote_parent;
		s->attrs = e.attrs.count;
		s->events = e.events_count;
		s->links = e.links_count;
		for (size_t i = 0; i < e.attrs.count; i++)
			if (e.attrs.ptr[i].key.len == 25 && memcmp(e.attrs.ptr[i].key.ptr, "http.response.status_code", 25) == 0)
				s->status = e.attrs.ptr[i].as.integer;
	}
	return WEIR_OK;
}

static const struct seen *find(const char *name)
{
	for (size_t i = 0; i < seen_count; i++)
		if (strcmp(seen[i].name, name) == 0)
			return &seen[i];
	fprintf(stderr, "there is no span %s\n", name);
	exit(1);
}

static const char *span_of(const struct weir_exemplar *exemplar)
{
	static char trace[33], span[17];

	weir_ids_hex(&exemplar->ids, trace, span);
	return span;
}

static void to_syslog(void *arg, enum weir_log_level level, const char *text)
{
	fprintf(arg, "<%d>%s\n", (int)level, text);
}

int main(void)
{
	static const char trace[] = "0af7651916cd43dd8448eb211c80319c";
	struct weir_sampling_rule rules[] = {{.name_prefix = "GET /healthz", .ratio_ppm = 1}};
	struct weir_sampling sampling = {.size = sizeof sampling, .sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 100000, .rules = rules,
	                                 .rules_count = 1, .keep_failed = true, .keep_slow = true};
	struct weir_options options = {.size = sizeof options, .service_name = "gateway", .sampling = &sampling,
	                               .log = to_syslog, .log_arg = stderr};
	struct weir_exporter_options looks = {.size = sizeof looks, .name = "looks", .spans = look};
	struct weir_header headers[] = {
		{weir_str_of("TraceParent"), weir_str_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
		{weir_str_of("accept"), weir_str_of("*/*")},
		{weir_str_of("baggage"), weir_str_of("tenant=acme")}};
	struct http out = {.used = 0}, back = {.used = 0};
	struct weir_status status = {.size = sizeof status};
	struct weir_exporter *exporter;
	struct weir_snapshot *snapshot;
	const struct weir_str nobody = weir_str_of(""), requested[] = {weir_str_of("GET"), weir_str_of("503"), nobody};
	struct weir_series series;
	char log[128], expected[160];
	const struct seen *server, *client, *risk;

	assert(weir_init(&options) == WEIR_OK && weir_exporter_new(&exporter, &looks) == WEIR_OK);
	answer(headers, 3, &out, &back, log);
	assert(weir_flush(WEIR_S(5)) == WEIR_OK && seen_count == 4);

	server = find("GET /api/v1/orders/{id}");
	assert(server->kind == WEIR_SERVER && server->failed && server->remote && server->status == 503);
	assert(strcmp(server->trace, trace) == 0 && strcmp(server->parent, "b7ad6b7169203331") == 0);
	assert(server->attrs == 2 && strcmp(server->failure, "store") == 0); /* http.route and the status */
	client = find("GET");
	assert(client->kind == WEIR_CLIENT && strcmp(client->parent, server->id) == 0 && client->attrs == 3 && client->events == 1);
	assert(client->failed && strcmp(client->failure, "store is unavailable") == 0);
	risk = find("risk");
	assert(strcmp(risk->parent, server->id) == 0 && risk->links == 1 && strcmp(risk->trace, trace) == 0);
	assert(strcmp(find("risk.score")->parent, risk->id) == 0);

	snprintf(expected, sizeof expected, "traceparent: 00-%s-%s-01\r\n", trace, client->id);
	assert(strstr(out.head, expected) != NULL && strstr(out.head, "tracestate: shop=gw1\r\n") != NULL);
	assert(strstr(out.head, "baggage: tenant=acme\r\n") != NULL);
	snprintf(expected, sizeof expected, "X-Trace-ID: %s\r\n", trace);
	assert(strcmp(back.head, expected) == 0);
	snprintf(expected, sizeof expected, "trace_id=%s span_id=%s", trace, server->id);
	assert(strcmp(log, expected) == 0);

	assert(weir_snapshot_new(&snapshot) == WEIR_OK);
	assert(weir_snapshot_find(snapshot, "gateway_body_bytes", &nobody, 1, &series) && series.exemplars_count == 1);
	assert(series.exemplars[0].value == 512 && strcmp(span_of(&series.exemplars[0]), server->id) == 0);
	assert(series.count == 1 && series.sum_low == 512);
	assert(weir_snapshot_find(snapshot, "gateway_requests_total", requested, 3, &series) && series.count == 1);
	weir_snapshot_destroy(snapshot);

	assert(weir_histogram_series_read(weir_histogram_with(&latency, "/api/v1/orders/{id}")).count == 1);
	assert(weir_status_read(&status) == WEIR_OK && status.spans_exported == 4 && status.dropped_spans == 0);
	return weir_shutdown(WEIR_S(5)) ? 1 : 0;
}
