/* bench: weir's rows of spans on their way out: the CPU time of all threads, the bytes of OTLP, a flood, and what a
 * waiting span takes. weir's own threads drain; nothing is sent. Invariant: each row accounts for every span that it has
 * ended. */
#define _GNU_SOURCE
#include "bench.h"
#include "workload.h"

#include <weir/otlp.h>
#include <weir/weir.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	FLOOD = 1000000,  /* spans, in one second */
	SLICE = 100,      /* of them at once */
	WAITING = 100000, /* spans of bytes_per_span */
	SPANS = 1000,     /* of otlp_encode_1000_spans */
};

static struct {
	const struct bench *b;
	char out[1 << 20];
	size_t len;
	uint64_t spans; /* written by weir's thread, read after a flush */
} sink;

static int write_bytes(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	if (len > sizeof sink.out - sink.len)
		return -1;
	memcpy(sink.out + sink.len, bytes, len);
	sink.len += len;
	return 0;
}

static int take_nothing(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)arg, (void)timeout_ns;
	sink.spans += weir_batch_count(batch);
	return WEIR_OK;
}

static int take_never(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)arg, (void)batch, (void)timeout_ns;
	return WEIR_ELIMIT;
}

static int take_and_encode(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)arg, (void)timeout_ns;
	sink.len = 0;
	sink.spans += weir_batch_count(batch);
	return weir_otlp_write_spans(batch, write_bytes, NULL);
}

static uint64_t once_encode(void *arg)
{
	uint64_t began = bench_now();

	sink.len = 0;
	bench_require(weir_otlp_write_spans(arg, write_bytes, NULL) == WEIR_OK, "no bytes");
	return bench_now() - began;
}

/* In the callback, where a batch lives. */
static int take_and_measure(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)arg, (void)timeout_ns;
	if (weir_batch_count(batch) == SPANS && sink.spans == 0) {
		bench_measure_once(sink.b, "weir", once_encode, batch);
		fprintf(stderr, "bench: weir: %zu bytes\n", sink.len);
	}
	sink.spans += weir_batch_count(batch);
	return WEIR_OK;
}

static void start(struct weir_options *options, int (*spans)(void *, struct weir_batch *, uint64_t))
{
	const struct weir_exporter_options o = {
	    .size = sizeof o, .name = "bench", .interval_ns = WEIR_S(3600), .spans = spans};
	struct weir_exporter *exporter;

	options->size = sizeof *options;
	options->no_process = true;
	options->tick_ns = WEIR_MS(110); /* so that the time stamp counter is soon tied to the clock */
	bench_require(weir_init(options) == WEIR_OK, "weir_init failed");
	bench_require(weir_exporter_new(&exporter, &o) == WEIR_OK, "no exporter");
	for (int i = 0; i < 40; i++) {
		bench_pause();
		if (options->no_thread)
			bench_require(weir_pump(UINT64_MAX, NULL) == WEIR_OK, "weir_pump failed");
	}
}

static inline void one_span(struct weir_ctx *ctx, uint64_t i)
{
	struct weir_span span;

	weir_span_begin(&span, ctx, WEIR_INTERNAL, "orders.find_one");
	weir_span_set_with(&span, weir_attr_str("order.id", work_ids[i % WORK_TURNS]),
	                   weir_attr_str("order.state", "accepted"), weir_attr_str("db.system", "postgresql"));
	weir_span_end(&span);
}

static void some_spans(struct weir_ctx *ctx, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		one_span(ctx, i);
}

static void begin(struct weir_ctx *ctx, struct weir_span *root)
{
	weir_ctx_begin(ctx, NULL, 0);
	weir_span_begin(root, ctx, WEIR_SERVER, "GET /orders/{id}");
}

static struct weir_status status(void)
{
	struct weir_status s = {.size = sizeof s};

	bench_require(weir_status_read(&s) == WEIR_OK, "no status");
	return s;
}

static void rest(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	nanosleep(&t, NULL);
}

/* 512 spans, a millisecond of sleep, and so on: what all threads of the process ran, over the spans. There is room enough
 * that a thread which is kept waiting costs none. */
static void measure_cpu(const struct bench *b)
{
	struct weir_options options = {.spans_queue = FLOOD, .spans_bytes = WEIR_MIB(256)};
	struct weir_span root;
	struct weir_ctx ctx;

	start(&options, take_and_encode);
	begin(&ctx, &root);
	for (unsigned batch = 0; batch <= b->batches; batch++) { /* the first is for first touches */
		uint64_t spans = 0, began = bench_now(), before = bench_cpu();

		while (bench_now() - began < b->batch_ns) {
			some_spans(&ctx, WORK_BLOCK);
			spans += WORK_BLOCK;
			rest(1000000);
		}
		bench_require(weir_flush(WEIR_S(5)) == WEIR_OK, "weir_flush failed");
		if (batch != 0)
			bench_print(b, "weir", (double)(bench_cpu() - before) / (double)spans);
	}
	bench_require(status().dropped_spans == 0, "spans were dropped");
	bench_require(status().spans_exported == sink.spans, "the exporter did not get what was exported");
}

static void measure_encode(const struct bench *b)
{
	struct weir_options options = {.no_thread = true};
	struct weir_span root;
	struct weir_ctx ctx;

	sink.b = b;
	setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000", 1);
	start(&options, take_and_measure);
	begin(&ctx, &root);
	some_spans(&ctx, SPANS);
	bench_require(weir_flush(WEIR_S(60)) == WEIR_OK && sink.spans == SPANS, "there were no 1000 spans");
}

/* rate: FLOOD spans within a second, in slices; else as fast as can be. */
static void measure_flood(const struct bench *b, bool rate)
{
	struct weir_options options = {.spans_queue = rate ? FLOOD + 1 : 0, .spans_bytes = rate ? WEIR_MIB(256) : 0};
	struct weir_status before, after;
	struct weir_span root;
	struct weir_ctx ctx;
	uint64_t took;

	start(&options, take_nothing);
	begin(&ctx, &root);
	for (unsigned batch = 0; batch < b->batches; batch++) {
		uint64_t began = bench_now(), lost, counted;

		before = status();
		for (uint64_t done = 0; done < FLOOD; done += SLICE) {
			while (rate && bench_now() - began < done * 1000)
				;
			some_spans(&ctx, SLICE);
		}
		took = bench_now() - began;
		bench_require(weir_flush(WEIR_S(10)) == WEIR_OK, "weir_flush failed");
		after = status();
		lost = FLOOD - (after.spans_exported - before.spans_exported);
		counted = after.dropped_spans - before.dropped_spans;
		bench_require(lost == counted, "a loss was not counted");
		bench_require(after.spans_exported == sink.spans, "the exporter did not get what was exported");
		fprintf(stderr, "bench: weir: %.3f s, lost %llu: pool %llu, queue %llu\n", (double)took / 1e9, (unsigned long long)lost,
		        (unsigned long long)(after.dropped_spans_pool - before.dropped_spans_pool),
		        (unsigned long long)(after.dropped_spans_queue - before.dropped_spans_queue));
		bench_print(b, "weir", rate ? (double)lost : 100.0 * (double)lost / FLOOD);
	}
}

static void measure_bytes(const struct bench *b)
{
	struct weir_options options = {.spans_queue = 2 * WAITING, .spans_bytes = WEIR_MIB(256)};
	struct weir_span root;
	struct weir_ctx ctx;
	uint64_t before;

	start(&options, take_never);
	begin(&ctx, &root);
	some_spans(&ctx, WORK_BLOCK);
	while (status().spans_waiting < WORK_BLOCK)
		bench_pause();
	before = bench_resident_bytes();
	some_spans(&ctx, WAITING);
	while (status().spans_waiting < WAITING + WORK_BLOCK)
		bench_pause();
	bench_print(b, "weir", ((double)bench_resident_bytes() - (double)before) / WAITING);
	bench_require(status().dropped_spans == 0, "spans were dropped");
}

int main(int argc, char **argv)
{
	struct bench b = bench_arguments(argc, argv);

	if (bench_is(&b, "span_cpu_total"))
		measure_cpu(&b);
	if (bench_is(&b, "otlp_encode_1000_spans"))
		measure_encode(&b);
	if (bench_is(&b, "span_flood") || bench_is(&b, "span_flood_default"))
		measure_flood(&b, bench_is(&b, "span_flood"));
	if (bench_is(&b, "bytes_per_span"))
		measure_bytes(&b);
	return 0;
}
