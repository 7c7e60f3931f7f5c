/* orders: what is recorded. See telemetry.h.
 *
 * Series that are known beforehand are resolved once, so that they are exported as 0 before the first request, and cost one
 * add each; what is rare (another method, another code) is resolved per call. Writer of the handles: telemetry_start, before
 * there are other threads. */
#include "breaker.h"
#include "links.h"
#include "route.h"

#include <stdio.h>

WEIR_COUNTER(requests, "http_requests_total", "Requests answered.", "method", "route", "code");
WEIR_HISTOGRAM(latency, WEIR_LATENCY_SLO(995000, WEIR_MS(200)), "http_request_duration_seconds",
               "Time from a request's head to its answer.", "route");
WEIR_UPDOWN(in_flight, "http_requests_in_flight", "Requests begun and not answered.");
WEIR_GAUGE(stored, "orders_stored", "Orders in the store.");
WEIR_COUNTER(limited, "orders_rate_limited_total", "Requests refused because they came too fast.");
WEIR_COUNTER(retries, "orders_retries_total", "Calls to the store that were made again.", "route");
WEIR_COUNTER(turns, "orders_breaker_changes_total", "How often the circuit breaker came into a state.", "state");
WEIR_COUNTER(rejected, "orders_breaker_rejected_total", "Requests refused because the circuit breaker was open.");
WEIR_GAUGE(open_breaker, "orders_breaker_open", "1 while the circuit breaker is not closed.");
WEIR_COUNTER(slow, "orders_store_slow_total", "Slow answers of the store in this process.");
WEIR_COUNTER(failures, "orders_store_failures_total", "Failures of the store in this process.");
WEIR_INFO(build, "orders_build_info", "What runs.", "version", "weir");

enum { STATUS_FIRST = 200, STATUS_LAST = 504 };

static struct {
	bool on;
	struct weir_histogram_series latency[ROUTES];
	/* Of the method that the route answers; the byte is 1 + the place in counted, 0: not known beforehand. */
	uint8_t known[ROUTES][STATUS_LAST - STATUS_FIRST + 1];
	struct weir_counter_series counted[ROUTES][sizeof routes[0].statuses / sizeof(int)];
} series;

static const char *code_text(char text[12], int status)
{
	snprintf(text, 12, "%d", status);
	return text;
}

void telemetry_start(const struct address *store)
{
	char code[12];

	for (size_t r = 0; r < ROUTES; r++) {
		const struct route *route = &routes[r];

		series.latency[r] = weir_histogram_with(&latency, route->label);
		for (uint8_t i = 0; route->statuses[i] != 0; i++) {
			series.counted[r][i] = weir_counter_with(&requests, method_label(route->method), route->label,
			                                         code_text(code, route->statuses[i]));
			series.known[r][route->statuses[i] - STATUS_FIRST] = (uint8_t)(i + 1);
		}
	}
	weir_info_set(&build, WEIR_VERSION_TEXT, weir_version());
	trace_start(store);
	series.on = true;
}

void telemetry_stored(int64_t n)
{
	if (series.on)
		weir_gauge_add(&stored, n);
}

/* ---- what happens on the way ------------------------------------------------------------------------------------------- */
void telemetry_limited(struct exchange *x)
{
	if (!series.on)
		return;
	weir_counter_add(&limited, 1);
	trace_event(x, "rate limited", (struct weir_attrs){NULL, 0});
}

void telemetry_retried(struct exchange *x)
{
	if (!series.on)
		return;
	weir_counter_add_with(&retries, 1, x->route->label);
	trace_event(x, "retry", WEIR_ATTRS_(weir_attr_int("retry.attempt", x->attempts),
	                                    weir_attr_double("retry.delay_ms", (double)x->delay_ns / 1e6)));
}

void telemetry_breaker(struct exchange *x, const struct breaker_news *news, bool refused)
{
	const char *text = breaker_text(news->state);

	if (!series.on)
		return;
	if (news->changed) {
		weir_counter_add_with(&turns, 1, text);
		weir_gauge_set(&open_breaker, news->state != BREAKER_CLOSED);
	}
	if (refused)
		weir_counter_add(&rejected, 1);
	trace_event(x, refused ? "circuit breaker refused" : "circuit breaker changed",
	            WEIR_ATTRS_(weir_attr_str("breaker.state", text)));
}

void telemetry_store_slow(struct exchange *x)
{
	if (!series.on)
		return;
	weir_counter_add(&slow, 1);
	trace_event(x, "slow answer", WEIR_ATTRS_(weir_attr_double("store.delay_ms", (double)x->delay_ns / 1e6)));
}

void telemetry_store_failed(struct exchange *x)
{
	if (!series.on)
		return;
	weir_counter_add(&failures, 1);
	trace_event(x, "store failed", (struct weir_attrs){NULL, 0});
}

/* ---- the links --------------------------------------------------------------------------------------------------------- */
static int requests_enter(struct exchange *x)
{
	(void)x;
	weir_updown_add(&in_flight, 1);
	return CHAIN_NEXT;
}

static void requests_leave(struct exchange *x)
{
	const struct route *route = x->route;
	size_t r = (size_t)(route - routes);
	uint8_t known = 0;
	char code[12];

	weir_updown_add(&in_flight, -1);
	if (x->method == route->method && x->status >= STATUS_FIRST && x->status <= STATUS_LAST)
		known = series.known[r][x->status - STATUS_FIRST];
	if (known != 0)
		weir_counter_series_add(series.counted[r][known - 1], 1);
	else
		weir_counter_add_with(&requests, 1, method_label(x->method), route->label, code_text(code, x->status));
}

struct weir_histogram_series telemetry_latency(const struct exchange *x)
{
	return series.latency[x->route - routes];
}

const struct weir_histogram *telemetry_slo(void)
{
	return &latency;
}

static int latency_enter(struct exchange *x)
{
	x->since = weir_stopwatch_begin();
	return CHAIN_NEXT;
}

static void latency_leave(struct exchange *x)
{
	weir_stopwatch_record_series(&x->since, telemetry_latency(x));
}

const struct link link_requests = {"requests", requests_enter, requests_leave, NULL};
const struct link link_latency = {"latency", latency_enter, latency_leave, NULL};

size_t telemetry_links(const struct link **links, bool traced)
{
	links[0] = &link_requests;
	links[1] = traced ? &link_trace : &link_latency;
	return 2;
}
