/* Flat out with the defaults: more spans than the queue and the pool hold are ended, and each is exported or counted as dropped.
 * Public API only. */
#include "traces_sink.h"

enum { THREADS = 4, EACH = CASE_SANITIZED ? 100000 : 500000 };

static void *end_with_attributes(void *arg)
{
	struct weir_ctx ctx;
	struct weir_span root, child;

	for (int n = 0; n < EACH; n++) {
		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
		weir_span_begin(&child, &ctx, WEIR_CLIENT, "child");
		weir_span_set_with(&child, weir_attr_str("db.system", "none"), weir_attr_int("n", n));
		weir_span_end(&child);
		weir_span_end(&root);
		weir_ctx_end(&ctx);
	}
	return arg;
}

static void flat_out(uint64_t pool_bytes, bool slow, struct weir_status *status)
{
	struct sink s = {.answer = WEIR_OK};
	pthread_t threads[THREADS];
	uint64_t offered = 2ull * THREADS * EACH;

	traces_start(0, pool_bytes, NULL);
	sink_open(&s, NULL, NULL);
	SET(s.hold, slow ? 1u : 0u);
	for (int i = 0; i < THREADS; i++)
		thread_start(&threads[i], end_with_attributes, NULL, 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	SET(s.hold, 0u);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	*status = traces_expect(offered);
	EQUAL(status->spans_waiting, 0);
	EQUAL(status->spans_exported, s.spans);
	EQUAL(s.spans + status->dropped_spans, offered);
	EQUAL(status->dropped_spans, status->dropped_spans_pool + status->dropped_spans_queue);
	NOTE("of %llu spans %llu came, %llu found no chunk, %llu no place in the queue", (unsigned long long)offered,
	     (unsigned long long)s.spans, (unsigned long long)status->dropped_spans_pool,
	     (unsigned long long)status->dropped_spans_queue);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

static void by_default(void)
{
	struct weir_status status;

	flat_out(0, false, &status);
}

static void with_a_small_pool(void)
{
	struct weir_status status;

	flat_out(WEIR_KIB(64), false, &status);
	CHECK(status.dropped_spans_pool != 0);
}

static void with_an_exporter_that_takes_its_time(void)
{
	struct weir_status status;

	flat_out(0, true, &status);
	CHECK(status.dropped_spans_queue != 0);
}

/* More threads than the pool has chunks: what they cannot hand over is counted. */
static pthread_barrier_t all_there;

static void *end_one_here(void *arg)
{
	pthread_barrier_wait(&all_there);
	end_one("span");
	pthread_barrier_wait(&all_there);
	return arg;
}

static void more_threads_than_chunks(void)
{
	enum { MANY = 40 };
	struct sink s = {.answer = WEIR_OK};
	pthread_t threads[MANY];

	traces_start(0, WEIR_KIB(16 * 10), NULL);
	sink_open(&s, NULL, NULL);
	pthread_barrier_init(&all_there, NULL, MANY);
	for (int i = 0; i < MANY; i++)
		thread_start(&threads[i], end_one_here, NULL, 0);
	for (int i = 0; i < MANY; i++)
		pthread_join(threads[i], NULL);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(traces_expect(MANY).dropped_spans_pool, MANY - 10);
	EQUAL(s.spans, 10);
}

CASES({"by_default", by_default, 100}, {"with_a_small_pool", with_a_small_pool, 100},
      {"with_an_exporter_that_takes_its_time", with_an_exporter_that_takes_its_time, 100},
      {"more_threads_than_chunks", more_threads_than_chunks, 60})
