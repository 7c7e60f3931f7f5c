/* weir-otlp: health. See health.h. Layer: exporter. */
#include "health.h"

#include <weir/metric.h>

static const char *const reasons[WEIR__OTLP_LOSSES] = {"limit", "age", "refused", "rejected", "size", "memory", "spool", "shutdown"};
static const char *const signals[WEIR__OTLP_SIGNALS] = {"traces", "metrics"};

static struct {
	uint32_t started; /* 1 from the end of start on: release; acquire. The rest never changes after */
	const struct weir_counter *exported[WEIR__OTLP_SIGNALS];
	const struct weir_updown *in_flight[WEIR__OTLP_SIGNALS];
	const struct weir_histogram *took;
	const struct weir_counter *lost, *retried, *set_aside;
	const struct weir_gauge *requests, *bytes, *capacity;
} health;

static bool is_started(void)
{
	return __atomic_load_n(&health.started, __ATOMIC_ACQUIRE) != 0;
}

static void start_signal(enum weir__otlp_signal signal)
{
	static const char *const error_type[] = {"error.type", NULL};
	static const char *const constant[WEIR__OTLP_SIGNALS][5] = {
	    {"otel.component.type", "otlp_http_span_exporter", "otel.component.name", "otlp_http_span_exporter/0", NULL},
	    {"otel.component.type", "otlp_http_metric_exporter", "otel.component.name", "otlp_http_metric_exporter/0", NULL}};
	static const char *const text[WEIR__OTLP_SIGNALS][4] = {
	    {"otel.sdk.exporter.span.exported", "Spans whose export has ended, well or with an error.", "otel.sdk.exporter.span.inflight",
	     "Spans that were passed to the exporter, and whose export has not ended."},
	    {"otel.sdk.exporter.metric_data_point.exported", "Data points whose export has ended, well or with an error.",
	     "otel.sdk.exporter.metric_data_point.inflight",
	     "Data points that were passed to the exporter, and whose export has not ended."}};
	struct weir_instrument_options o = {.size = sizeof o, .constant = constant[signal]};

	weir_counter_create(&health.exported[signal], text[signal][0], text[signal][1], error_type, &o);
	weir_updown_create(&health.in_flight[signal], text[signal][2], text[signal][3], NULL, &o);
}

void weir__otlp_health_start(const struct weir__otlp_config *config)
{
	static const char *const took[] = {"otel.component.type", "http.response.status_code", "error.type", NULL};
	static const char *const lost[] = {"signal", "reason", NULL}, *const signal[] = {"signal", NULL};
	struct weir_instrument_options seconds = {.size = sizeof seconds, .unit = WEIR_SECONDS};
	struct weir_instrument_options bytes = {.size = sizeof bytes, .unit = WEIR_BYTES};

	if (!is_started()) {
		for (int s = 0; s < WEIR__OTLP_SIGNALS; s++)
			start_signal((enum weir__otlp_signal)s);
		weir_histogram_create(&health.took, "otel.sdk.exporter.operation.duration",
		                      "Time of an export, from its first attempt to the end of its last.", took, &seconds);
		weir_counter_create(&health.lost, "weir_otlp_dropped_total", "Spans and data points that were not delivered.", lost, NULL);
		weir_counter_create(&health.retried, "weir_otlp_retries_total", "Attempts that were to be made again.", signal, NULL);
		weir_counter_create(&health.set_aside, "weir_otlp_spool_set_aside_total", "Files of the spool that were no whole requests.",
		                    NULL, NULL);
		weir_gauge_create(&health.requests, "weir_otlp_queue_requests", "Requests that wait, in memory and in the spool.",
		                  signal, NULL);
		weir_gauge_create(&health.bytes, "weir_otlp_queue_bytes", "Bytes of requests that wait, in memory and in the spool.",
		                  signal, &bytes);
		weir_gauge_create(&health.capacity, "weir_otlp_queue_capacity_bytes", "Bytes of requests that may wait.", NULL, &bytes);
		__atomic_store_n(&health.started, 1, __ATOMIC_RELEASE);
	}
	weir_gauge_set(health.capacity, (int64_t)(config->spool_bytes < INT64_MAX ? config->spool_bytes : INT64_MAX));
}

void weir__otlp_health_taken(enum weir__otlp_signal signal, uint64_t items)
{
	if (is_started())
		weir_updown_add(health.in_flight[signal], (int64_t)items);
}

void weir__otlp_health_delivered(enum weir__otlp_signal signal, uint64_t items)
{
	if (!is_started())
		return;
	weir_updown_add(health.in_flight[signal], -(int64_t)items);
	weir_counter_add_with(health.exported[signal], items, "");
}

void weir__otlp_health_lost(enum weir__otlp_signal signal, enum weir__otlp_loss why, const char *error, uint64_t items, bool taken)
{
	if (!is_started() || items == 0)
		return;
	if (taken) {
		weir_updown_add(health.in_flight[signal], -(int64_t)items);
		weir_counter_add_with(health.exported[signal], items, error != NULL && error[0] != '\0' ? error : reasons[why]);
	}
	weir_counter_add_with(health.lost, items, signals[signal], reasons[why]);
}

void weir__otlp_health_took(enum weir__otlp_signal signal, uint64_t ns, long status, const char *error)
{
	static const char *const types[WEIR__OTLP_SIGNALS] = {"otlp_http_span_exporter", "otlp_http_metric_exporter"};
	char code[4] = "";

	if (!is_started())
		return;
	if (status >= 100 && status <= 999)
		for (int i = 2; i >= 0; i--, status /= 10)
			code[i] = (char)('0' + status % 10);
	weir_histogram_record_with(health.took, ns, types[signal], code, error);
}

void weir__otlp_health_retried(enum weir__otlp_signal signal)
{
	if (is_started())
		weir_counter_add_with(health.retried, 1, signals[signal]);
}

void weir__otlp_health_queue(enum weir__otlp_signal signal, uint64_t requests, uint64_t bytes)
{
	if (!is_started())
		return;
	weir_gauge_set_with(health.requests, (int64_t)requests, signals[signal]);
	weir_gauge_set_with(health.bytes, (int64_t)bytes, signals[signal]);
}

void weir__otlp_health_set_aside(uint64_t files)
{
	if (is_started() && files != 0)
		weir_counter_add(health.set_aside, files);
}
