/* orders: the links of its chain. See links.h. An exchange is all they read and write, but for the access log. */
#include "links.h"

#include "access.h"
#include "route.h"

#include <stdarg.h>
#include <stdio.h>

void answer(struct exchange *x, int status, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(x->answer, sizeof x->answer, format, args);
	va_end(args);
	x->status = status;
	x->answer_len = len > 0 && (size_t)len < sizeof x->answer ? (size_t)len : 0;
}

static const char *status_text(int status)
{
	switch (status) {
	case 400: return "bad request";
	case 401: return "no good token";
	case 403: return "forbidden";
	case 404: return "not found";
	case 405: return "method not allowed";
	case 413: return "body too large";
	case 429: return "too many requests";
	case 500: return "internal error";
	case 502: return "the store failed";
	case 503: return "the store is unavailable";
	case 504: return "the store took too long";
	default: return "error";
	}
}

static void status_leave(struct exchange *x)
{
	if (x->status == 0)
		x->status = 500; /* nobody answered: an error nobody recovered, or a handler that forgot */
	if (x->answer_len == 0)
		answer(x, x->status, "{\"error\":\"%s\"}\n", status_text(x->status));
}

/* Inside of telemetry's links and of status: what they see is the 500. */
static void recovery_leave(struct exchange *x)
{
	if (x->error == 0)
		return;
	x->answer_len = 0; /* a half-made answer is no answer */
	x->status = 500;
}

static int guard_enter(struct exchange *x)
{
	if (x->route->handler == NULL) {
		x->status = 404;
		return CHAIN_END;
	}
	if (!route_takes(x->route, x->method)) {
		x->status = 405;
		return CHAIN_END;
	}
	return CHAIN_NEXT;
}

static int body_enter(struct exchange *x)
{
	if (x->announced > BODY_MAX || x->received > BODY_MAX) {
		x->status = 413;
		return CHAIN_END;
	}
	return x->complete ? CHAIN_NEXT : CHAIN_WAIT;
}

static int handle_enter(struct exchange *x)
{
	if (x->status == 0) {
		int error = x->route->handler(x);

		if (error < 0) {
			telemetry_store_failed(x);
			return error;
		}
		if (x->delay_ns > 0) {
			telemetry_store_slow(x);
			return CHAIN_WAIT; /* entered again, with the answer made, once the time is over */
		}
	}
	return CHAIN_END;
}

static int access_enter(struct exchange *x)
{
	x->began_ns = access_now_ns();
	return CHAIN_NEXT;
}

static void access_leave(struct exchange *x)
{
	struct access_entry entry = {.service = x->gateway != NULL ? "gateway" : "orders",
	                             .method = method_label(x->method),
	                             .route = x->route->label,
	                             .order_id = x->order_id,
	                             .status = x->status,
	                             .calls = x->attempts,
	                             .took_ns = access_now_ns() - x->began_ns};

	telemetry_ids(x, entry.ids, sizeof entry.ids);
	access_line(&entry);
}

const struct link link_access = {.name = "access", .enter = access_enter, .leave = access_leave};
const struct link link_status = {.name = "status", .leave = status_leave};
const struct link link_recovery = {.name = "recovery", .leave = recovery_leave};
const struct link link_guard = {.name = "guard", .enter = guard_enter};
const struct link link_body = {.name = "body", .enter = body_enter};
const struct link link_handle = {.name = "handle", .enter = handle_enter};
