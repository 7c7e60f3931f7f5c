/* orders: its traces. See telemetry.h. Names and attributes are those of the stable semantic conventions for HTTP.
 *
 * Invariant: a traced exchange has an open server span from trace_enter to trace_leave, and a client span while a call is under
 * way. Writer of what is fixed: trace_start, before there are other threads. */
#include "args.h"
#include "http.h"
#include "links.h"
#include "route.h"

#include <weir/semconv.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct {
	char server[METHODS][ROUTES][64]; /* "GET /api/v1/orders/{id}"; of a path that no route has, the method alone */
	const char *store_host;
	uint16_t store_port;
	char store_url[96];
	size_t store_url_len;
} fixed;

static const char *method_name(enum method method)
{
	return method == METHOD_OTHER ? "_OTHER" : method_label(method);
}

void trace_start(const struct address *store)
{
	for (unsigned m = 0; m < METHODS; m++)
		for (unsigned r = 0; r < ROUTES; r++)
			snprintf(fixed.server[m][r], sizeof fixed.server[m][r], "%s%s%s",
			         m == METHOD_OTHER ? "HTTP" : method_label((enum method)m), r == ROUTE_OTHER ? "" : " ",
			         r == ROUTE_OTHER ? "" : routes[r].label);
	if (store != NULL) {
		bool bracket = strchr(store->host, ':') != NULL;

		fixed.store_host = store->host;
		fixed.store_port = store->port;
		snprintf(fixed.store_url, sizeof fixed.store_url, "http://%s%s%s:%u", bracket ? "[" : "", store->host,
		         bracket ? "]" : "", store->port);
		fixed.store_url_len = strlen(fixed.store_url);
	}
}

/* ---- the server's side ------------------------------------------------------------------------------------------------- */
static void add_header(void *ctx, const char *name, size_t name_len, const char *value, size_t value_len)
{
	weir_ctx_add_header(ctx, weir_str_n(name, name_len), weir_str_n(value, value_len));
}

static void keep_id(void *arg, struct weir_str name, struct weir_str value)
{
	struct request_trace *t = arg;

	if (name.len >= sizeof t->id_name || value.len >= sizeof t->id_value)
		return;
	memcpy(t->id_name, name.ptr, name.len + 1);
	memcpy(t->id_value, value.ptr, value.len + 1);
}

static size_t size_of(const struct sockaddr *address)
{
	switch (address->sa_family) {
	case AF_INET: return sizeof(struct sockaddr_in);
	case AF_INET6: return sizeof(struct sockaddr_in6);
	default: return sizeof(struct sockaddr_un);
	}
}

static void describe(struct exchange *x)
{
	const struct sockaddr *peer = http_peer(x);
	const char *agent = http_header(x, "User-Agent");
	struct weir_attr attrs[2];
	size_t count = 0;

	if (peer != NULL)
		weir_ctx_set_peer(&x->trace.ctx, peer, size_of(peer));
	if (agent != NULL)
		attrs[count++] = weir_attr_str(WEIR_USER_AGENT_ORIGINAL, agent);
	if (x->method == METHOD_OTHER)
		attrs[count++] = weir_attr_str(WEIR_HTTP_REQUEST_METHOD_ORIGINAL, x->method_text);
	if (count > 0)
		weir_span_set_attrs(&x->trace.server, (struct weir_attrs){attrs, count});
}

static int trace_enter(struct exchange *x)
{
	struct request_trace *t = &x->trace;
	const struct weir_attr attrs[] = {weir_attr_str(WEIR_HTTP_REQUEST_METHOD, method_name(x->method)),
	                                  weir_attr_str(WEIR_URL_SCHEME, "http"), weir_attr_str(WEIR_URL_PATH, x->path)};
	struct weir_ctx_options begin = {.size = sizeof begin, .buffer = t->baggage, .buffer_size = sizeof t->baggage};
	struct weir_span_options options = {.size = sizeof options, .attrs = {attrs, 3}, .timed = true, .buffer = t->room,
	                                    .buffer_size = sizeof t->room};

	x->traced = true;
	t->id_name[0] = '\0';
	weir_ctx_begin_opts(&t->ctx, &begin);
	http_headers(x, add_header, &t->ctx);
	weir_ctx_set_slo(&t->ctx, telemetry_slo());
	if (x->route != &routes[ROUTE_OTHER])
		weir_ctx_set_route(&t->ctx, weir_str_of(x->route->label));
	weir_span_begin_opts(&t->server, &t->ctx, WEIR_SERVER, fixed.server[x->method][x->route - routes], &options);
	if (weir_span_is_recording(&t->server))
		describe(x);
	telemetry_resumed(x);
	return CHAIN_NEXT;
}

void telemetry_resumed(struct exchange *x)
{
	if (x->traced && !x->at_work && !x->ended) {
		x->trace.scope = weir_ctx_attach(&x->trace.ctx);
		x->at_work = true;
	}
}

void telemetry_paused(struct exchange *x)
{
	if (x->at_work)
		weir_ctx_detach(x->trace.scope);
	x->at_work = false;
}

static void trace_leave(struct exchange *x)
{
	struct request_trace *t = &x->trace;
	char code[12];

	weir_ctx_set_status(&t->ctx, x->status);
	if (x->status >= 500) {
		snprintf(code, sizeof code, "%d", x->status);
		weir_span_set_with(&t->server, weir_attr_str(WEIR_ERROR_TYPE, code));
		weir_span_fail(&t->server, NULL);
	}
	weir_ctx_inject_response(&t->ctx, keep_id, t);
	telemetry_paused(x);
	weir_span_end_record_series(&t->server, telemetry_latency(x));
	weir_ctx_end(&t->ctx);
}

void trace_event(struct exchange *x, const char *name, struct weir_attrs attrs)
{
	if (x->traced && weir_span_is_recording(&x->trace.server))
		weir_span_event_attrs(&x->trace.server, name, attrs);
}

void telemetry_ids(struct exchange *x, char *text, size_t size)
{
	text[0] = '\0';
	if (x->traced)
		weir_ctx_log(&x->trace.ctx, text, size);
}

void telemetry_answer_headers(const struct exchange *x, telemetry_header_fn *put, void *arg)
{
	if (x->traced && x->trace.id_name[0] != '\0')
		put(arg, x->trace.id_name, x->trace.id_value);
}

/* ---- the client's side ------------------------------------------------------------------------------------------------- */
static void put_header(void *call, struct weir_str name, struct weir_str value)
{
	call_header(call, name.ptr, value.ptr);
}

void telemetry_calling(struct exchange *x)
{
	struct request_trace *t = &x->trace;
	char url[sizeof fixed.store_url + sizeof x->call.path];

	if (!x->traced)
		return;
	weir_span_begin(&t->client, &t->ctx, WEIR_CLIENT, x->call.post ? "POST" : "GET");
	if (weir_span_is_recording(&t->client)) {
		memcpy(url, fixed.store_url, fixed.store_url_len);
		memcpy(url + fixed.store_url_len, x->call.path, strlen(x->call.path) + 1);
		weir_span_set_with(&t->client, weir_attr_str(WEIR_HTTP_REQUEST_METHOD, x->call.post ? "POST" : "GET"),
		                   weir_attr_str(WEIR_SERVER_ADDRESS, fixed.store_host),
		                   weir_attr_int(WEIR_SERVER_PORT, fixed.store_port), weir_attr_str(WEIR_URL_FULL, url));
		if (x->attempts > 1)
			weir_span_set_with(&t->client, weir_attr_int(WEIR_HTTP_REQUEST_RESEND_COUNT, x->attempts - 1));
	}
	weir_span_inject(&t->client, put_header, &x->call);
}

/* The convention for clients: every status from 400 on is an error of the span. */
void telemetry_called(struct exchange *x)
{
	struct request_trace *t = &x->trace;
	char code[12];

	if (!x->traced)
		return;
	if (x->call.status != 0)
		weir_span_set_with(&t->client, weir_attr_int(WEIR_HTTP_RESPONSE_STATUS_CODE, x->call.status));
	if (x->call.status == 0 || x->call.status >= 400) {
		snprintf(code, sizeof code, "%d", x->call.status);
		weir_span_set_with(&t->client, weir_attr_str(WEIR_ERROR_TYPE, x->call.status != 0 ? code : x->call.failure));
		weir_span_fail(&t->client, NULL);
	}
	weir_span_end(&t->client);
}

const struct link link_trace = {"trace", trace_enter, trace_leave, NULL};
