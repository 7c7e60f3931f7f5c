/* OTEL_SDK_DISABLED=true: no thread, no export, no output; recording counts, and headers go through. Public API only. */
#include "case.h"

#include <weir/exporter.h>
#include <weir/prometheus.h>
#include <weir/weir.h>

WEIR_COUNTER(adds, "disabled_adds_total", "Adds.");
WEIR_HISTOGRAM(times, WEIR_LATENCY, "disabled_times_seconds", "Times.");

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00-" TRACE "-00f067aa0ba902b7-01"

static uint32_t calls, closings;

static int never_metrics(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	(void)arg, (void)snapshot, (void)timeout_ns;
	__atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);
	return WEIR_OK;
}

static int never_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)arg, (void)batch, (void)timeout_ns;
	__atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);
	return WEIR_OK;
}

static int never_flush(void *arg, uint64_t timeout_ns)
{
	(void)arg, (void)timeout_ns;
	__atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);
	return WEIR_OK;
}

static void on_close(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&closings, 1, __ATOMIC_SEQ_CST);
}

static void never_observe(struct weir_observer *observer, void *arg)
{
	(void)observer, (void)arg;
	__atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);
}

static struct weir_exporter *export_all(void)
{
	struct weir_exporter_options o = {.size = sizeof o, .name = "never", .interval_ns = WEIR_MS(1), .metrics = never_metrics,
	                                  .spans = never_spans, .flush = never_flush, .closed = on_close};
	struct weir_exporter *e;

	CHECK(weir_exporter_new(&e, &o) == WEIR_OK);
	return e;
}

static void start(bool pumped)
{
	struct weir_options o;

	memset(&o, 0, sizeof o);
	o.size = sizeof o;
	o.no_thread = pumped;
	o.tick_ns = WEIR_MS(1);
	CHECK(weir_init(&o) == WEIR_OK);
}

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

static void request(const char *wanted)
{
	struct weir_header in[] = {{weir_str_of("traceparent"), weir_str_of(PARENT)},
	                           {weir_str_of("tracestate"), weir_str_of("a=1,b=2")},
	                           {weir_str_of("baggage"), weir_str_of("user=7")}};
	char baggage[256], out[1024];
	struct weir_ctx_options o;
	struct weir_ctx ctx;
	struct weir_span span;
	struct weir_scope scope;

	memset(&o, 0, sizeof o);
	o.size = sizeof o;
	o.buffer = baggage;
	o.buffer_size = sizeof baggage;
	weir_ctx_begin_opts(&ctx, &o);
	for (size_t i = 0; i < sizeof in / sizeof *in; i++)
		weir_ctx_add_header(&ctx, in[i].name, in[i].value);
	scope = weir_ctx_attach(&ctx);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "request");
	CHECK(!weir_span_is_recording(&span));
	weir_span_event(&span, "event");
	weir_ctx_inject_text(NULL, out, sizeof out);
	CHECK(strcmp(out, wanted) == 0);
	weir_span_fail(&span, "why");
	weir_span_end_record(&span, &times);
	weir_ctx_detach(scope);
	weir_ctx_end(&ctx);
}
#define AS_IT_CAME "traceparent: " PARENT "\r\ntracestate: a=1,b=2\r\nbaggage: user=7\r\n"

static void nothing_is_started(void)
{
	struct weir_callback *callback;
	long threads = proc_status("Threads:", 10);
	struct weir_exporter *e;

	setenv("OTEL_SDK_DISABLED", "true", 1);
	start(false);
	e = export_all();
	export_all();
	CHECK(weir_callback_new(&callback, never_observe, NULL) == WEIR_OK);
	CHECK(weir_prometheus_start(NULL) == WEIR_OK);
	CHECK(weir_prometheus_start(NULL) == WEIR_OK);
	EQUAL(weir_prometheus_port(), 0);
	EQUAL_INT(proc_status("Threads:", 10), threads);
	request(AS_IT_CAME);
	sleep_ms(50);
	CHECK(weir_flush(WEIR_S(1)) == WEIR_OK);
	CHECK(weir_exporter_destroy(e, WEIR_S(1)) == WEIR_OK);
	EQUAL(closings, 1);
	weir_callback_destroy(callback);
	CHECK(weir_shutdown(WEIR_S(1)) == WEIR_OK);
	EQUAL(closings, 2);
	CHECK(weir_shutdown(WEIR_S(1)) == WEIR_OK);
	EQUAL(calls, 0);
	EQUAL_INT(proc_status("Threads:", 10), threads);
}

static void records_count_and_spans_do_not(void)
{
	setenv("OTEL_SDK_DISABLED", "TRUE", 1); /* in any case */
	start(false);
	export_all();
	weir_counter_add(&adds, 5);
	request(AS_IT_CAME);
	EQUAL(weir_counter_read(&adds), 5);
	EQUAL(status_now().spans_ended, 0);
	EQUAL(status_now().spans_waiting, 0);
	EQUAL(status_now().dropped_spans, 0);
	EQUAL(status_now().dropped_records, 0);
	CHECK(weir_shutdown(WEIR_S(1)) == WEIR_OK);
	weir_counter_add(&adds, 1);
	EQUAL(weir_counter_read(&adds), 6);
	EQUAL(calls, 0);
}

static void an_exporter_before_init_has_nothing_either(void)
{
	struct weir_exporter *e = export_all();

	setenv("OTEL_SDK_DISABLED", "true", 1);
	start(false);
	request(AS_IT_CAME);
	CHECK(weir_flush(WEIR_S(1)) == WEIR_OK);
	CHECK(weir_exporter_destroy(e, WEIR_S(1)) == WEIR_OK);
	EQUAL(calls, 0);
	EQUAL(closings, 1);
	EQUAL(status_now().spans_ended, 0);
	CHECK(weir_shutdown(WEIR_S(1)) == WEIR_OK);
}

static void pumped_it_has_nothing_to_do(void)
{
	uint64_t next = 0;

	setenv("OTEL_SDK_DISABLED", "true", 1);
	start(true);
	export_all();
	request(AS_IT_CAME);
	sleep_ms(5);
	CHECK(weir_pump(WEIR_S(1), &next) == WEIR_OK);
	CHECK(next != 0);
	CHECK(weir_flush(0) == WEIR_OK);
	CHECK(weir_shutdown(0) == WEIR_OK);
	EQUAL(calls, 0);
	EQUAL(closings, 1);
}

static void nothing_is_printed(void)
{
	char text[16];
	int ends[2];

	CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	CHECK(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
	setenv("OTEL_SDK_DISABLED", "true", 1);
	setenv("OTEL_TRACES_EXPORTER", "console", 1);
	start(false);
	request(AS_IT_CAME);
	CHECK(weir_flush(WEIR_S(1)) == WEIR_OK);
	CHECK(weir_shutdown(WEIR_S(1)) == WEIR_OK);
	CHECK(read(ends[0], text, sizeof text) < 0);
}

static void a_child_is_disabled_too(void)
{
	pid_t child;

	setenv("OTEL_SDK_DISABLED", "true", 1);
	start(false);
	export_all();
	child = fork();
	if (child == 0) {
		long threads = proc_status("Threads:", 10);

		CHECK(weir_after_fork() == WEIR_OK);
		weir_counter_add(&adds, 2);
		request(AS_IT_CAME);
		EQUAL_INT(proc_status("Threads:", 10), threads);
		EQUAL(weir_counter_read(&adds), 2);
		CHECK(weir_flush(WEIR_S(1)) == WEIR_OK);
		CHECK(weir_shutdown(WEIR_S(1)) == WEIR_OK);
		EQUAL(calls, 0);
		_exit(0);
	}
	CHILD_IS_WELL(child, 20000);
	CHECK(weir_shutdown(WEIR_S(1)) == WEIR_OK);
}

static void enabled_again_it_works(void)
{
	setenv("OTEL_SDK_DISABLED", "true", 1);
	start(false);
	CHECK(weir_shutdown(WEIR_S(1)) == WEIR_OK);
	setenv("OTEL_SDK_DISABLED", "1", 1); /* true alone is true */
	start(false);
	export_all();
	WITHIN_MS(20000, __atomic_load_n(&calls, __ATOMIC_SEQ_CST) != 0);
	CHECK(weir_shutdown(WEIR_S(20)) == WEIR_OK);
	EQUAL(closings, 1);
}

CASES({"nothing_is_started", nothing_is_started, 30}, {"records_count_and_spans_do_not", records_count_and_spans_do_not, 30},
      {"an_exporter_before_init_has_nothing_either", an_exporter_before_init_has_nothing_either, 30},
      {"pumped_it_has_nothing_to_do", pumped_it_has_nothing_to_do, 30}, {"nothing_is_printed_when_disabled", nothing_is_printed, 30},
      {"a_child_is_disabled_too", a_child_is_disabled_too, 60}, {"enabled_again_it_works", enabled_again_it_works, 60})
