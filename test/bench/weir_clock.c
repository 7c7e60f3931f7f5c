/* bench: how far durations of spans are from the system's clock, over minutes: one span as long as the batch, and one a second
 * within it, while weir's own thread ties the counter to the clocks. In millionths of the time measured, the worst of them.
 * A reading of the clock stands before and behind each begin and end: what lies between is no error, however long it took. */
#include "bench.h"

#include <weir/exporter.h>
#include <weir/weir.h>

#include <stdio.h>

struct timed {
	struct weir_ctx ctx;
	struct weir_span span;
	uint64_t before, behind; /* its begin */
};

static int take_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)timeout_ns;
	*(uint64_t *)arg += weir_batch_count(batch);
	return WEIR_OK;
}

static void begin(struct timed *t)
{
	t->before = bench_now();
	weir_ctx_begin(&t->ctx, NULL, 0);
	weir_span_begin(&t->span, &t->ctx, WEIR_INTERNAL, "timed");
	t->behind = bench_now();
}

/* Millionths beyond what the clock says. */
static double end(struct timed *t)
{
	uint64_t before = bench_now(), took = weir_span_end(&t->span), behind = bench_now();
	uint64_t least = before - t->behind, most = behind - t->before;

	weir_ctx_end(&t->ctx);
	bench_require(took != 0, "a span without a duration");
	return took < least ? (double)(least - took) * 1e6 / (double)least : took > most ? (double)(took - most) * 1e6 / (double)most : 0;
}

static void seconds(struct bench *b)
{
	static struct timed whole, second;
	double worst = 0, off;
	uint64_t until;

	begin(&whole);
	for (until = whole.before + b->batch_ns; bench_now() < until;) {
		begin(&second);
		for (int i = 0; i < 100; i++)
			bench_pause();
		off = end(&second);
		worst = off > worst ? off : worst;
	}
	off = end(&whole);
	bench_print(b, "weir", off > worst ? off : worst);
}

int main(int argc, char **argv)
{
	static uint64_t taken;
	const struct weir_options options = {.size = sizeof options, .no_process = true};
	const struct weir_exporter_options counting = {.size = sizeof counting, .name = "counting", .arg = &taken, .spans = take_spans};
	struct bench b = bench_arguments(argc, argv);
	struct weir_exporter *exporter;

	if (!bench_is(&b, "clock_minutes"))
		return 0;
	bench_require(weir_init(&options) == WEIR_OK, "weir_init failed");
	bench_require(weir_exporter_new(&exporter, &counting) == WEIR_OK, "no exporter");
	for (int i = 0; i < 200; i++) { /* until the counter is tied to the clock */
		static struct timed t;

		begin(&t);
		bench_pause();
		(void)end(&t);
	}
	for (unsigned i = 0; i < b.batches; i++)
		seconds(&b);
	bench_require(weir_shutdown(WEIR_S(5)) == WEIR_OK && taken > 200, "spans were not exported");
	return 0;
}
