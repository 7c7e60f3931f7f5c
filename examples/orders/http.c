/* orders: the HTTP server. See http.h.
 *
 * Invariant: an exchange lives from a request's head until libmicrohttpd is done with it, and its chain has ended by then.
 * Writer of an exchange's request: the thread that serves its connection. */
#include "http.h"

#include "client.h"
#include "delay.h"
#include "gateway.h"
#include "route.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a body that is refused, so much is read before the connection is closed: the client then reads its answer before it
 * learns that nobody listens. */
enum { DRAIN_MAX = 1 << 20, IDLE_S = 30, CLIENT_GONE = 499 };
#define GRACE_NS UINT64_C(150000000) /* for calls to the store that are under way at the end */

struct http {
	struct MHD_Daemon *daemon;
	struct delay *delay;
	const struct chain *chain;
	struct store *store;
	struct gateway *gateway;
};

static size_t announced_length(struct MHD_Connection *connection)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text != NULL ? strtoul(text, NULL, 10) : 0; /* a number: libmicrohttpd has checked it */
}

static struct exchange *exchange_new(struct http *http, struct MHD_Connection *connection, const char *url, const char *method)
{
	struct exchange *x = malloc(sizeof *x);

	if (x == NULL)
		return NULL;
	memset(x, 0, offsetof(struct exchange, answer));
	x->store = http->store;
	x->gateway = http->gateway;
	x->connection = connection;
	x->method_text = method;
	x->path = url;
	x->method = method_of(method);
	x->route = route_find(url, &x->order_id);
	if (x->method != METHOD_GET)
		x->announced = announced_length(connection);
	return x;
}

static void receive(struct exchange *x, const char *data, size_t size)
{
	if (x->received < BODY_MAX)
		memcpy(x->body + x->received, data, size < BODY_MAX - x->received ? size : BODY_MAX - x->received);
	x->received += size;
}

/* ---- what telemetry asks ----------------------------------------------------------------------------------------------- */
struct taking {
	http_header_fn *take;
	void *arg;
};

static enum MHD_Result take_one(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                                size_t value_len)
{
	struct taking *taking = cls;

	(void)kind;
	if (value != NULL)
		taking->take(taking->arg, name, name_len, value, value_len);
	return MHD_YES;
}

void http_headers(const struct exchange *x, http_header_fn *take, void *arg)
{
	struct taking taking = {take, arg};

	MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, take_one, &taking);
}

const char *http_header(const struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const void *http_peer(const struct exchange *x)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info != NULL ? info->client_addr : NULL;
}

/* ---- the answer -------------------------------------------------------------------------------------------------------- */
static void add_header(void *response, const char *name, const char *value)
{
	MHD_add_response_header(response, name, value);
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct exchange *x)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(x->answer_len, x->answer, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;
	char location[64];

	if (response == NULL)
		return MHD_NO;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json") == MHD_YES) {
		result = MHD_YES;
		if (x->status == 405)
			result = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, x->route->allow);
		if (x->status == 201) {
			snprintf(location, sizeof location, "%s/%llu", x->route->label, (unsigned long long)x->order_id);
			result = MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, location);
		}
		if (x->status == 429 || x->status == 503)
			result = MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
		if (x->challenge != NULL)
			result = MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, x->challenge);
		telemetry_answer_headers(x, add_header, response);
	}
	if (result == MHD_YES)
		result = MHD_queue_response(connection, (unsigned)x->status, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- a request that waits ---------------------------------------------------------------------------------------------- */
static void on_called(struct call *call)
{
	struct exchange *x = (struct exchange *)(void *)((char *)call - offsetof(struct exchange, call));
	struct MHD_Connection *connection = x->connection;

	telemetry_called(x);
	x->calling = CALLING_DONE;
	MHD_resume_connection(connection);
}

/* The connection is suspended first: whom it waits for may be quicker than we are. MHD_NO: a link waits for what will not
 * come. */
static enum MHD_Result wait_for(struct http *http, struct exchange *x)
{
	uint64_t delay_ns = x->delay_ns;

	if (x->calling != CALLING_WANTED && delay_ns == 0)
		return MHD_NO;
	MHD_suspend_connection(x->connection);
	if (x->calling == CALLING_WANTED) {
		x->calling = CALLING_STORE;
		x->call.done = on_called;
		client_call(http->gateway->client, &x->call);
	} else {
		x->delay_ns = 0;
		delay_add(http->delay, x->connection, delay_ns);
	}
	return MHD_YES;
}

/* Called with a request's head, with each piece of its body, at its end, and again when a suspended connection is resumed.
 * An answer to the head alone would cost the connection, so it is kept until the end, but for bodies that nobody should
 * have to send. MHD_NO closes the connection. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **own)
{
	struct http *http = cls;
	struct exchange *x = *own;
	enum MHD_Result result;

	(void)version;
	if (x == NULL) {
		x = exchange_new(http, connection, url, method);
		if (x == NULL)
			return MHD_NO;
		*own = x;
		result = chain_run(http->chain, x) && x->announced > DRAIN_MAX ? send_answer(connection, x) : MHD_YES;
		telemetry_paused(x);
		return result;
	}
	if (*size > 0) {
		receive(x, data, *size);
		*size = 0;
		return x->received > DRAIN_MAX ? MHD_NO : MHD_YES;
	}
	x->complete = true;
	telemetry_resumed(x);
	result = x->ended || chain_run(http->chain, x) ? send_answer(connection, x) : wait_for(http, x);
	telemetry_paused(x);
	return result;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **own, enum MHD_RequestTerminationCode why)
{
	struct http *http = cls;
	struct exchange *x = *own;

	(void)connection;
	(void)why;
	if (x == NULL)
		return;
	if (!x->ended)
		chain_abort(http->chain, x, CLIENT_GONE);
	free(x);
	*own = NULL;
}

struct http *http_start(int fd, unsigned threads, const struct chain *chain, struct store *store, struct gateway *gateway)
{
	struct http *http = calloc(1, sizeof *http);
	struct MHD_OptionItem pool[] = {{MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL}, {MHD_OPTION_END, 0, NULL}};

	if (threads == 1)
		pool[0] = pool[1]; /* a pool of one is no pool: libmicrohttpd refuses it */
	if (http != NULL) {
		http->chain = chain;
		http->store = store;
		http->gateway = gateway;
		http->delay = delay_new();
	}
	if (http != NULL && http->delay != NULL)
		http->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		                                on_request, http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
		                                on_completed, http, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		                                MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
	if (http != NULL && http->daemon != NULL)
		return http;
	fputs("orders: the HTTP server does not start\n", stderr);
	if (http != NULL && http->delay != NULL) {
		delay_stop(http->delay);
		delay_destroy(http->delay);
	}
	free(http);
	close(fd);
	return NULL;
}

void http_stop(struct http *http)
{
	/* First: a suspended connection must not meet the daemon's end. */
	if (http->gateway != NULL)
		client_stop(http->gateway->client, GRACE_NS);
	delay_stop(http->delay);
	MHD_stop_daemon(http->daemon);
	delay_destroy(http->delay);
	free(http);
}
