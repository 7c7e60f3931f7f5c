/* Unit: src/health_spans.c: weir's own metrics of spans say what the status says, and are there once somebody takes spans. */
#define _GNU_SOURCE
#include "snapshot.h"
#include "spans.h"
#include "tally.h"

#include <weir/exporter.h>

#include "alone.h"

struct sink {
	int result;
	size_t spans;
};

static int take_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct sink *s = arg;

	(void)timeout_ns;
	s->spans += s->result == WEIR_OK ? weir_batch_count(batch) : 0;
	return s->result;
}

static void start(uint32_t queue)
{
	struct weir_options o = {.size = sizeof o, .no_thread = true, .no_process = true, .spans_queue = queue, .log = say_to_test};

	setenv("OTEL_BSP_SCHEDULE_DELAY", "0", 1);
	assert_int_equal(weir_init(&o), WEIR_OK);
}

static struct weir_exporter *export_to(struct sink *s)
{
	struct weir_exporter_options o = {.size = sizeof o, .arg = s, .spans = take_spans};
	struct weir_exporter *e;

	assert_int_equal(weir_exporter_new(&e, &o), WEIR_OK);
	return e;
}

static void make_spans(unsigned count)
{
	struct weir_ctx ctx;
	struct weir_span span;

	for (unsigned i = 0; i < count; i++) {
		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "health");
		weir_span_end(&span);
		weir_ctx_end(&ctx);
	}
}

static bool find(const char *name, const char *label, uint64_t *value)
{
	struct weir_str v = weir_str_of(label);
	struct weir_snapshot *snapshot;
	struct weir_series s;
	bool found;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	found = weir_snapshot_find(snapshot, name, &v, label != NULL ? 1 : 0, &s);
	*value = found ? s.count : 0;
	weir_snapshot_destroy(snapshot);
	return found;
}

static uint64_t value(const char *name, const char *label)
{
	uint64_t v;

	if (!find(name, label, &v))
		fail_msg("there is no %s{%s}", name, label != NULL ? label : "");
	return v;
}

ALONE(who_has_metrics_only_has_none_of_them)
{
	uint64_t v;

	start(0);
	make_spans(3);
	assert_true(find("weir_instruments", NULL, &v));
	assert_false(find("otel.sdk.processor.span.processed", "", &v));
	assert_false(find("otel.sdk.processor.span.queue.size", NULL, &v));
	assert_false(find("weir_trace_faults_total", "untimed", &v));
}

ALONE(spans_are_told_as_the_status_tells_them)
{
	static const struct {
		enum weir__tally tally;
		const char *name, *label;
		size_t field;
	} all[] = {
#define FIELD(field) offsetof(struct weir_status, field)
		{WEIR__SPANS_POOL, "otel.sdk.processor.span.processed", "pool_dry", FIELD(dropped_spans_pool)},
		{WEIR__SPANS_MALFORMED, "otel.sdk.processor.span.processed", "malformed", FIELD(dropped_spans_malformed)},
		{WEIR__SPANS_REENTRY, "otel.sdk.processor.span.processed", "reentry", FIELD(dropped_spans_reentry)},
		{WEIR__SPANS_KEPT, "weir_spans_held_total", "kept", FIELD(kept_spans)},
		{WEIR__SPANS_EVICTED, "weir_spans_held_total", "evicted", FIELD(evicted_spans)},
		{WEIR__HEADERS_MALFORMED, "weir_trace_faults_total", "header_malformed", FIELD(headers_malformed)},
		{WEIR__BAGGAGE_DROPPED, "weir_trace_faults_total", "baggage_dropped", FIELD(baggage_dropped)},
		{WEIR__DETACHED_OUT_OF_ORDER, "weir_trace_faults_total", "detached_out_of_order", FIELD(detached_out_of_order)},
		{WEIR__ENDED_TWICE, "weir_trace_faults_total", "ended_twice", FIELD(ended_twice)},
		{WEIR__UNTIMED, "weir_trace_faults_total", "untimed", FIELD(untimed)},
		{WEIR__EXEMPLARS_DROPPED, "weir_trace_faults_total", "exemplar_dropped", FIELD(exemplars_dropped)},
		{WEIR__ROUTES_DROPPED, "weir_trace_faults_total", "route_dropped", FIELD(routes_dropped)},
		{WEIR__TAGS_DROPPED, "weir_trace_faults_total", "tags_dropped", FIELD(tags_dropped)},
	};
	struct sink s = {WEIR_ELIMIT, 0};
	struct weir_status status;

	start(4);
	export_to(&s);
	for (size_t i = 0; i < COUNT(all); i++)
		assert_int_equal(value(all[i].name, all[i].label), 0);
	make_spans(7);
	assert_int_equal(weir_pump(WEIR_S(10), NULL), WEIR_OK); /* four wait, three found no room */
	assert_int_equal(value("otel.sdk.processor.span.queue.size", NULL), 4);
	assert_int_equal(value("otel.sdk.processor.span.queue.capacity", NULL), 4);
	assert_int_equal(value("otel.sdk.processor.span.processed", ""), 0);
	assert_int_equal(value("otel.sdk.processor.span.processed", "queue_full"), 3);
	assert_int_equal(value("weir_spans_ended_total", NULL), 7);
	s.result = WEIR_OK;
	assert_int_equal(weir_flush(WEIR_S(10)), WEIR_OK);
	assert_int_equal(s.spans, 4);
	s.result = WEIR_EIO;
	make_spans(2);
	assert_int_equal(weir_flush(WEIR_S(10)), WEIR_EIO);
	for (size_t i = 0; i < COUNT(all); i++)
		weir__tally(all[i].tally, i + 1);
	status = status_now();
	assert_int_equal(status.spans_ended, 9);
	assert_int_equal(status.spans_exported, 4);
	assert_int_equal(status.spans_waiting, 0);
	assert_int_equal(status.dropped_spans_queue, 3);
	assert_int_equal(status.dropped_spans_export, 2);
	assert_int_equal(status.dropped_spans, 3 + 2 + 1 + 2 + 3);
	assert_int_equal(value("otel.sdk.processor.span.queue.size", NULL), 0);
	assert_int_equal(value("otel.sdk.processor.span.processed", ""), status.spans_exported);
	assert_int_equal(value("otel.sdk.processor.span.processed", "queue_full"), status.dropped_spans_queue);
	assert_int_equal(value("weir_spans_export_failed_total", NULL), status.dropped_spans_export);
	for (size_t i = 0; i < COUNT(all); i++) {
		uint64_t told;

		memcpy(&told, (const char *)&status + all[i].field, sizeof told);
		assert_int_equal(told, i + 1);
		assert_int_equal(value(all[i].name, all[i].label), i + 1);
	}
}

ALONE(memory_of_spans_is_told)
{
	struct sink s = {WEIR_OK, 0};
	uint64_t before, pool;

	start(1000);
	before = status_now().heap_bytes;
	export_to(&s);
	assert_true(status_now().heap_bytes >= before + 1000 * sizeof(void *)); /* the queue */
	pool = status_now().heap_bytes;
	make_spans(1);
	assert_true(status_now().heap_bytes >= pool + 16384); /* a chunk */
	assert_int_equal(value("weir_heap_bytes", NULL), status_now().heap_bytes);
}

static void child_begins_at_zero(void)
{
	uint64_t pool = weir__spans_bytes();
	struct weir_status status = status_now();

	assert_true(pool < 16384); /* the parent's chunks are not the child's */
	assert_int_equal(status.spans_ended + status.dropped_spans + status.spans_exported + status.spans_waiting, 0);
	assert_int_equal(status.ended_twice, 0);
	assert_int_equal(weir_after_fork(), WEIR_OK);
	assert_int_equal(value("otel.sdk.processor.span.processed", ""), 0);
	assert_int_equal(value("otel.sdk.processor.span.processed", "queue_full"), 0);
	assert_int_equal(value("otel.sdk.processor.span.queue.size", NULL), 0);
	assert_int_equal(value("otel.sdk.processor.span.queue.capacity", NULL), 4);
	assert_int_equal(value("weir_trace_faults_total", "ended_twice"), 0);
	make_spans(2);
	assert_int_equal(weir_flush(WEIR_S(10)), WEIR_OK);
	assert_int_equal(value("otel.sdk.processor.span.processed", ""), 2);
	assert_int_equal(status_now().spans_exported, 2);
}

ALONE(a_child_counts_its_own_spans)
{
	struct sink s = {WEIR_ELIMIT, 0};

	start(4);
	export_to(&s);
	make_spans(7);
	assert_int_equal(weir_pump(WEIR_S(10), NULL), WEIR_OK);
	weir__tally(WEIR__ENDED_TWICE, 3);
	assert_int_equal(value("otel.sdk.processor.span.queue.size", NULL), 4);
	s.result = WEIR_OK;
	in_child(child_begins_at_zero);
	assert_int_equal(value("otel.sdk.processor.span.queue.size", NULL), 4); /* the parent's are as they were */
	assert_int_equal(weir_flush(WEIR_S(10)), WEIR_OK);
	assert_int_equal(s.spans, 4);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(who_has_metrics_only_has_none_of_them),
	cmocka_unit_test(spans_are_told_as_the_status_tells_them),
	cmocka_unit_test(memory_of_spans_is_told),
	cmocka_unit_test(a_child_counts_its_own_spans),
};
ALONE_MAIN(tests)
