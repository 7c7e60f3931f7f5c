/* Unit: exporters/otlp/health.c: what was taken is counted once, as delivered or as lost with its reason; before start nothing
 * is, and nothing breaks. */
#define _GNU_SOURCE
#include "health.h"

#include <weir/weir.h>

#include "alone.h"

static const struct weir__otlp_config config = {.spool_bytes = 4096};

static uint64_t value(const char *name, const char *a, const char *b, const char *c)
{
	struct weir_str values[] = {weir_str_of(a != NULL ? a : ""), weir_str_of(b != NULL ? b : ""), weir_str_of(c != NULL ? c : "")};
	struct weir_snapshot *snapshot;
	struct weir_series s;
	uint64_t found = UINT64_MAX;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	if (weir_snapshot_find(snapshot, name, values, a == NULL ? 0u : b == NULL ? 1u : c == NULL ? 2u : 3u, &s))
		found = s.count;
	weir_snapshot_destroy(snapshot);
	return found;
}

ALONE(before_start_all_of_it_is_harmless)
{
	weir__otlp_health_taken(WEIR__OTLP_TRACES, 1);
	weir__otlp_health_delivered(WEIR__OTLP_TRACES, 1);
	weir__otlp_health_lost(WEIR__OTLP_TRACES, WEIR__OTLP_LOST_AGE, NULL, 1, true);
	weir__otlp_health_took(WEIR__OTLP_TRACES, 1, 200, "");
	weir__otlp_health_retried(WEIR__OTLP_TRACES);
	weir__otlp_health_queue(WEIR__OTLP_TRACES, 1, 1);
	weir__otlp_health_set_aside(1);
	assert_int_equal(value("weir_otlp_dropped_total", "traces", "age", NULL), UINT64_MAX);
	assert_int_equal(status_now().dropped_records, 0);
}

ALONE(what_was_taken_is_counted_once)
{
	weir__otlp_health_start(&config);
	weir__otlp_health_start(&config); /* as after a stop */
	weir__otlp_health_taken(WEIR__OTLP_TRACES, 10);
	weir__otlp_health_taken(WEIR__OTLP_METRICS, 3);
	assert_int_equal(value("otel.sdk.exporter.span.inflight", NULL, NULL, NULL), 10);
	weir__otlp_health_delivered(WEIR__OTLP_TRACES, 6);
	weir__otlp_health_lost(WEIR__OTLP_TRACES, WEIR__OTLP_LOST_REFUSED, "400", 3, true);
	weir__otlp_health_lost(WEIR__OTLP_TRACES, WEIR__OTLP_LOST_SHUTDOWN, NULL, 1, true);
	weir__otlp_health_lost(WEIR__OTLP_TRACES, WEIR__OTLP_LOST_MEMORY, NULL, 7, false); /* never taken */
	weir__otlp_health_lost(WEIR__OTLP_METRICS, WEIR__OTLP_LOST_LIMIT, "", 2, true);
	weir__otlp_health_lost(WEIR__OTLP_METRICS, WEIR__OTLP_LOST_LIMIT, "", 0, true);
	assert_int_equal(value("otel.sdk.exporter.span.inflight", NULL, NULL, NULL), 0);
	assert_int_equal(value("otel.sdk.exporter.metric_data_point.inflight", NULL, NULL, NULL), 1);
	assert_int_equal(value("otel.sdk.exporter.span.exported", "", NULL, NULL), 6);
	assert_int_equal(value("otel.sdk.exporter.span.exported", "400", NULL, NULL), 3);
	assert_int_equal(value("otel.sdk.exporter.span.exported", "shutdown", NULL, NULL), 1);
	assert_int_equal(value("otel.sdk.exporter.span.exported", "memory", NULL, NULL), UINT64_MAX);
	assert_int_equal(value("otel.sdk.exporter.metric_data_point.exported", "limit", NULL, NULL), 2);
	assert_int_equal(value("weir_otlp_dropped_total", "traces", "refused", NULL), 3);
	assert_int_equal(value("weir_otlp_dropped_total", "traces", "shutdown", NULL), 1);
	assert_int_equal(value("weir_otlp_dropped_total", "traces", "memory", NULL), 7);
	assert_int_equal(value("weir_otlp_dropped_total", "metrics", "limit", NULL), 2);
}

ALONE(each_reason_has_its_name)
{
	static const char *const names[WEIR__OTLP_LOSSES] = {"limit", "age", "refused", "rejected", "size", "memory", "spool", "shutdown"};

	weir__otlp_health_start(&config);
	for (int why = 0; why < WEIR__OTLP_LOSSES; why++)
		weir__otlp_health_lost(WEIR__OTLP_METRICS, (enum weir__otlp_loss)why, NULL, (uint64_t)why + 1, false);
	for (int why = 0; why < WEIR__OTLP_LOSSES; why++)
		assert_int_equal(value("weir_otlp_dropped_total", "metrics", names[why], NULL), why + 1);
}

ALONE(operations_retries_and_the_queue)
{
	weir__otlp_health_start(&config);
	weir__otlp_health_took(WEIR__OTLP_TRACES, WEIR_MS(3), 200, "");
	weir__otlp_health_took(WEIR__OTLP_TRACES, WEIR_MS(3), 200, "");
	weir__otlp_health_took(WEIR__OTLP_METRICS, WEIR_MS(3), 0, "timeout");
	weir__otlp_health_took(WEIR__OTLP_METRICS, WEIR_MS(3), 123456, "odd"); /* no status of HTTP */
	weir__otlp_health_retried(WEIR__OTLP_METRICS);
	weir__otlp_health_queue(WEIR__OTLP_TRACES, 4, 4000);
	weir__otlp_health_queue(WEIR__OTLP_TRACES, 2, 1000);
	weir__otlp_health_set_aside(0);
	weir__otlp_health_set_aside(5);
	assert_int_equal(value("otel.sdk.exporter.operation.duration", "otlp_http_span_exporter", "200", ""), 2);
	assert_int_equal(value("otel.sdk.exporter.operation.duration", "otlp_http_metric_exporter", "", "timeout"), 1);
	assert_int_equal(value("otel.sdk.exporter.operation.duration", "otlp_http_metric_exporter", "", "odd"), 1);
	assert_int_equal(value("weir_otlp_retries_total", "metrics", NULL, NULL), 1);
	assert_int_equal(value("weir_otlp_queue_requests", "traces", NULL, NULL), 2);
	assert_int_equal(value("weir_otlp_queue_bytes", "traces", NULL, NULL), 1000);
	assert_int_equal(value("weir_otlp_queue_capacity_bytes", NULL, NULL, NULL), 4096);
	assert_int_equal(value("weir_otlp_spool_set_aside_total", NULL, NULL, NULL), 5);
	assert_int_equal(status_now().dropped_records, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(before_start_all_of_it_is_harmless),
	cmocka_unit_test(what_was_taken_is_counted_once),
	cmocka_unit_test(each_reason_has_its_name),
	cmocka_unit_test(operations_retries_and_the_queue),
};
ALONE_MAIN(tests)
