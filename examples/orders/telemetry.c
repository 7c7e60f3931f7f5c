/* orders: what is recorded. See telemetry.h.
 *
 * Series that are known beforehand are resolved once, so that they are exported as 0 before the first request, and cost one
 * add each; what is rare (another method, another code) is resolved per call. Writer of the handles: telemetry_start, before
 * there are other threads. */
#include "links.h"
#include "route.h"

#include <stdio.h>

WEIR_COUNTER(requests, "http_requests_total", "Requests answered.", "method", "route", "code");
WEIR_HISTOGRAM(latency, WEIR_LATENCY_SLO(995000, WEIR_MS(200)), "http_request_duration_seconds",
               "Time from a request's head to its answer.", "route");
WEIR_UPDOWN(in_flight, "http_requests_in_flight", "Requests begun and not answered.");
WEIR_GAUGE(stored, "orders_stored", "Orders in the store.");
WEIR_INFO(build, "orders_build_info", "What runs.", "version", "weir");

enum { STATUS_FIRST = 200, STATUS_LAST = 500 };

static struct {
	bool on;
	struct weir_histogram_series latency[ROUTES];
	/* Of the method that the route answers; the byte is 1 + the place in counted, 0: not known beforehand. */
	uint8_t known[ROUTES][STATUS_LAST - STATUS_FIRST + 1];
	struct weir_counter_series counted[ROUTES][6];
} series;

static const char *code_text(char text[12], int status)
{
	snprintf(text, 12, "%d", status);
	return text;
}

void telemetry_start(void)
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
	series.on = true;
}

void telemetry_stored(int64_t n)
{
	if (series.on)
		weir_gauge_add(&stored, n);
}

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

static int latency_enter(struct exchange *x)
{
	x->since = weir_stopwatch_begin();
	return CHAIN_NEXT;
}

static void latency_leave(struct exchange *x)
{
	weir_stopwatch_record_series(&x->since, series.latency[x->route - routes]);
}

const struct link link_requests = {"requests", requests_enter, requests_leave};
const struct link link_latency = {"latency", latency_enter, latency_leave};
