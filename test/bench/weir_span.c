/* bench: weir's rows of contexts and spans: what the request's thread pays. Invariant: blocks of spans are timed, and
 * drained untimed by weir_pump after each, so that chunks come back to the pool before they are needed again: no first touch
 * of a page is in a figure, and nothing is dropped. A row that has spans drained by weir's own thread says so. */
#define _GNU_SOURCE
#include "bench.h"
#include "workload.h"

#include <weir/exporter.h>
#include <weir/weir.h>

#include <stdlib.h>
#include <string.h>

WEIR_HISTOGRAM(span_seconds, WEIR_LATENCY, "bench_span_seconds", "The default bounds.", "method");

enum { ROOTS = 64 }; /* contexts that are begun before a block of first spans */

/* Apart by an odd number of cache lines: 64 contexts 1024 bytes apart would share four sets of a first-level cache, where a
 * service's was begun a moment before its first span. */
struct begun {
	struct weir_ctx ctx;
	char apart[64];
};
struct request {
	struct weir_ctx ctx;
	struct weir_span root;
	struct weir_histogram_series series;
	struct begun *roots;
	uint64_t spans; /* that weir must have exported in the end */
	const char *who;
};

static int take_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)timeout_ns;
	*(uint64_t *)arg += weir_batch_count(batch);
	return WEIR_OK;
}

/* ---- the loops ---- */

static inline __attribute__((always_inline)) void one_span(struct weir_ctx *ctx, uint64_t i)
{
	struct weir_span span;

	weir_span_begin(&span, ctx, WEIR_INTERNAL, "orders.find_one");
	weir_span_set_with(&span, weir_attr_str("order.id", work_ids[i % WORK_TURNS]),
	                   weir_attr_str("order.state", "accepted"), weir_attr_str("db.system", "postgresql"));
	weir_span_end(&span);
	bench_barrier();
}

static void loop_inner(void *arg, unsigned thread, uint64_t count)
{
	struct request *r = arg;

	(void)thread;
	for (uint64_t i = 0; i < count; i++)
		one_span(&r->ctx, i);
	r->spans += count;
}

static void loop_timed(void *arg, unsigned thread, uint64_t count)
{
	static const struct weir_span_options timed = {.size = sizeof timed, .timed = true};
	struct request *r = arg;

	(void)thread;
	for (uint64_t i = 0; i < count; i++) {
		struct weir_span span;
		uint64_t took;

		weir_span_begin_opts(&span, &r->ctx, WEIR_INTERNAL, "orders.find_one", &timed);
		weir_span_set_with(&span, weir_attr_str("order.id", work_ids[i % WORK_TURNS]),
		                   weir_attr_str("order.state", "accepted"), weir_attr_str("db.system", "postgresql"));
		took = weir_span_end(&span);
		bench_opaque(took);
	}
}

/* Contexts were begun before: the trace id, the decision and the span are what is timed. */
static void loop_root(void *arg, unsigned thread, uint64_t count)
{
	struct request *r = arg;

	(void)thread;
	for (uint64_t i = 0; i < count; i++)
		one_span(&r->roots[i].ctx, i);
	r->spans += count;
}

/* All of a request: its context begins with its headers, has one span, and ends. */
static void loop_request(void *arg, unsigned thread, uint64_t count)
{
	struct request *r = arg;
	const struct weir_header header = {weir_str_of("traceparent"), weir_str_n(work_traceparent, 55)};

	(void)thread;
	for (uint64_t i = 0; i < count; i++) {
		struct weir_ctx *ctx = &r->roots[0].ctx;

		weir_ctx_begin(ctx, &header, 1);
		one_span(ctx, i);
		weir_ctx_end(ctx);
	}
	r->spans += count;
}

static void loop_end_record(void *arg, unsigned thread, uint64_t count)
{
	struct request *r = arg;

	(void)thread;
	for (uint64_t i = 0; i < count; i++) {
		struct weir_span span;

		weir_span_begin(&span, &r->ctx, WEIR_INTERNAL, "orders.find_one");
		weir_span_end_record_series(&span, r->series);
		bench_barrier();
	}
	r->spans += count;
}

static void loop_end_then_record(void *arg, unsigned thread, uint64_t count)
{
	struct request *r = arg;

	(void)thread;
	for (uint64_t i = 0; i < count; i++) {
		struct weir_span span;

		weir_span_begin(&span, &r->ctx, WEIR_INTERNAL, "orders.find_one");
		weir_histogram_series_record(r->series, weir_span_end(&span));
		bench_barrier();
	}
	r->spans += count;
}

static void loop_attach(void *arg, unsigned thread, uint64_t count)
{
	struct request *r = arg;

	(void)thread;
	for (uint64_t i = 0; i < count; i++) {
		struct weir_scope scope = weir_ctx_attach(&r->ctx);

		bench_barrier();
		weir_ctx_detach(scope);
		bench_barrier();
	}
}

static void put(void *arg, struct weir_str name, struct weir_str value)
{
	(void)name;
	memcpy(arg, value.ptr, value.len);
}

struct carrier {
	const struct weir_header *headers;
	size_t count;
};

static void loop_extract_inject(void *arg, unsigned thread, uint64_t count)
{
	const struct carrier *c = arg;
	struct weir_ctx ctx;
	char out[64];

	(void)thread;
	for (uint64_t i = 0; i < count; i++) {
		const struct weir_header *headers = c->headers;

		bench_opaque(headers);
		weir_ctx_begin(&ctx, headers, c->count);
		weir_ctx_inject(&ctx, put, out);
		weir_ctx_end(&ctx);
		bench_barrier();
	}
	bench_require(memcmp(out, work_traceparent, 55) == 0, "what went out is not what came in");
}

/* ---- what is around them ---- */

static void pump(void *arg)
{
	(void)arg;
	bench_require(weir_pump(UINT64_MAX, NULL) == WEIR_OK, "weir_pump failed");
}

static void pump_and_begin(void *arg)
{
	struct request *r = arg;

	pump(NULL);
	for (size_t i = 0; i < ROOTS; i++) {
		weir_ctx_end(&r->roots[i].ctx);
		weir_ctx_begin(&r->roots[i].ctx, NULL, 0);
	}
}

static uint64_t exported(void)
{
	struct weir_status status = {.size = sizeof status};

	bench_require(weir_status_read(&status) == WEIR_OK, "no status");
	bench_require(status.dropped_spans == 0, "spans were dropped");
	return status.spans_exported;
}

/* weir's own thread is at it, on another processor where there is one. */
static void wait_for_thread(void *arg)
{
	const struct request *r = arg;
	uint64_t deadline = bench_now() + WEIR_S(5);

	while (exported() + WORK_BLOCK <= r->spans) {
		uint64_t soon = bench_now() + 50000;

		bench_require(soon < deadline, "spans were not drained in time");
		while (bench_now() < soon)
			;
	}
}

enum clocks { COUNTER, CLOCK }; /* CLOCK: nobody ticks, so that the time stamp counter is not trusted */

static void start(enum clocks clocks, bool threaded, const struct weir_sampling *sampling)
{
	static uint64_t taken;
	const struct weir_options options = {
	    .size = sizeof options, .no_thread = !threaded, .no_process = true, .sampling = sampling,
	    .tick_ns = clocks == COUNTER ? WEIR_MS(110) : WEIR_S(3600), .spans_queue = 16384,
	};
	const struct weir_exporter_options null = {
	    .size = sizeof null, .name = "null", .arg = &taken, .interval_ns = WEIR_S(3600), .spans = take_spans};
	struct weir_exporter *exporter;

	bench_require(weir_init(&options) == WEIR_OK, "weir_init failed");
	bench_require(weir_exporter_new(&exporter, &null) == WEIR_OK, "no exporter");
	if (!threaded)
		pump(NULL);
	for (int i = 0; clocks == COUNTER && i < 40; i++) { /* until the counter is tied to the clock */
		bench_pause();
		if (!threaded)
			pump(NULL);
	}
}

static void begin(struct request *r, const char *parent)
{
	const struct weir_header header = {weir_str_of("traceparent"), weir_str_of(parent)};

	weir_ctx_begin(&r->ctx, &header, parent != NULL ? 1 : 0);
	weir_span_begin(&r->root, &r->ctx, WEIR_SERVER, "GET /orders/{id}");
	for (size_t i = 0; i < ROOTS; i++)
		weir_ctx_begin(&r->roots[i].ctx, NULL, 0);
}

/* recorded: every span that was ended must have come out. */
static void end(struct request *r, bool recorded)
{
	weir_span_end(&r->root);
	weir_ctx_end(&r->ctx);
	bench_require(weir_flush(WEIR_S(5)) == WEIR_OK, "weir_flush failed");
	bench_require(exported() == (recorded ? r->spans + 1 : 0), "the count of exported spans is wrong");
}

static void measure_extract_inject(const struct bench *b, bool many)
{
	const struct weir_header headers[] = {
	    {weir_str_of("host"), weir_str_of("shop.example.com")},
	    {weir_str_of("user-agent"), weir_str_of("curl/7.88.1")},
	    {weir_str_of("accept"), weir_str_of("*/*")},
	    {weir_str_of("accept-encoding"), weir_str_of("gzip, br")},
	    {weir_str_of("content-type"), weir_str_of("application/json")},
	    {weir_str_of("authorization"), weir_str_of("Bearer abcdef")},
	    {weir_str_of("x-forwarded-for"), weir_str_of("192.0.2.7")},
	    {weir_str_of("traceparent"), weir_str_of(work_traceparent)},
	};
	struct carrier c = {many ? headers : headers + 7, many ? 8 : 1};

	start(COUNTER, false, NULL);
	bench_measure(b, "weir", loop_extract_inject, &c);
}

int main(int argc, char **argv)
{
	const struct weir_sampling never = {.size = sizeof never, .sampler = WEIR_SAMPLER_NEVER};
	const struct weir_sampling keep = {.size = sizeof keep, .sampler = WEIR_SAMPLER_NEVER, .keep_failed = true};
	struct bench b = bench_arguments(argc, argv);
	struct request r = {.roots = calloc(ROOTS, sizeof *r.roots)};

	bench_require(r.roots != NULL, "out of memory");
	if (bench_is(&b, "span_sampled") || bench_is(&b, "span_sampled_no_tsc")) {
		start(bench_is(&b, "span_sampled") ? COUNTER : CLOCK, false, NULL);
		begin(&r, NULL);
		bench_measure_blocks(&b, "weir", loop_inner, &r, WORK_BLOCK, pump);
		end(&r, true);
	}
	if (bench_is(&b, "span_sampled_threaded")) {
		start(COUNTER, true, NULL);
		begin(&r, NULL);
		bench_measure_blocks(&b, "weir", loop_inner, &r, WORK_BLOCK, wait_for_thread);
		end(&r, true);
	}
	if (bench_is(&b, "span_kept")) {
		start(COUNTER, false, &keep);
		begin(&r, NULL);
		bench_measure_blocks(&b, "weir", loop_inner, &r, WORK_BLOCK, pump);
		end(&r, false);
	}
	if (bench_is(&b, "span_unsampled")) {
		start(COUNTER, false, &never);
		begin(&r, NULL);
		bench_measure(&b, "weir", loop_inner, &r);
		end(&r, false);
	}
	if (bench_is(&b, "span_disabled")) {
		setenv("OTEL_SDK_DISABLED", "true", 1);
		start(COUNTER, false, NULL);
		begin(&r, NULL);
		bench_measure(&b, "weir", loop_inner, &r);
		end(&r, false);
	}
	if (bench_is(&b, "span_unsampled_timed")) {
		start(COUNTER, false, &never);
		begin(&r, NULL);
		bench_measure(&b, "weir", loop_timed, &r);
		end(&r, false);
	}
	if (bench_is(&b, "span_unsampled_root")) {
		start(COUNTER, false, &never);
		begin(&r, NULL);
		bench_measure_blocks(&b, "weir", loop_root, &r, ROOTS, pump_and_begin);
		end(&r, false);
	}
	if (bench_is(&b, "request_sampled")) {
		start(COUNTER, false, NULL);
		begin(&r, NULL);
		bench_measure_blocks(&b, "weir", loop_request, &r, WORK_BLOCK, pump);
		end(&r, true);
	}
	if (bench_is(&b, "request_unsampled")) {
		const struct weir_sampling ignoring = {.size = sizeof ignoring, .sampler = WEIR_SAMPLER_NEVER, .ignore_parent = true};

		start(COUNTER, false, &ignoring);
		begin(&r, NULL);
		bench_measure(&b, "weir", loop_request, &r);
		end(&r, false);
	}
	if (bench_is(&b, "exemplar_record")) {
		start(COUNTER, false, NULL);
		begin(&r, NULL);
		r.series = weir_histogram_with(&span_seconds, "GET");
		bench_measure_blocks(&b, "weir", loop_end_record, &r, WORK_BLOCK / 2, pump);
		bench_measure_blocks(&b, "weir-apart", loop_end_then_record, &r, WORK_BLOCK / 2, pump);
		bench_require(weir_histogram_series_read(r.series).count > 0, "nothing was recorded");
		end(&r, true);
	}
	if (bench_is(&b, "ctx_attach_detach")) {
		start(COUNTER, false, NULL);
		begin(&r, NULL);
		bench_measure(&b, "weir", loop_attach, &r);
		end(&r, true);
	}
	if (bench_is(&b, "extract_inject") || bench_is(&b, "extract_inject_8_headers"))
		measure_extract_inject(&b, bench_is(&b, "extract_inject_8_headers"));
	free(r.roots);
	return 0;
}
