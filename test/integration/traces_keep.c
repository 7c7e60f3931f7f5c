/* Keeping what failed or was slow though nothing is sampled: of such a request the whole local tree arrives, children on other
 * threads included, each marked, and of no other request any, be it of the same trace; with room for few, what was not kept is
 * counted. Public API only. */
#include "traces_sink.h"

#include <sched.h>

enum { REQUESTS = CASE_SANITIZED ? 4000 : 20000, WORKERS = 2, TREE = 5 };

WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_S(100)), "keep_seconds", "Times, over which no machine takes by itself.");

/* What came of each request, by its number. */
static struct came {
	uint32_t spans, failed, slow, roots;
} came[REQUESTS];
static uint64_t unknown;

static void look_at(void *arg, const struct weir_ended *e)
{
	struct came *c = NULL;
	const char *kept = NULL;

	(void)arg;
	for (size_t i = 0; i < e->attrs.count; i++) {
		const struct weir_attr *a = &e->attrs.ptr[i];

		if (a->key.len == 1 && a->key.ptr[0] == 'n' && a->type == WEIR_ATTR_INT && a->as.integer >= 0 && a->as.integer < REQUESTS)
			c = &came[a->as.integer];
		if (a->key.len == 9 && memcmp(a->key.ptr, "weir.kept", 9) == 0)
			kept = a->as.str.len == 6 && memcmp(a->as.str.ptr, "failed", 6) == 0 ? "failed"
			       : a->as.str.len == 4 && memcmp(a->as.str.ptr, "slow", 4) == 0 ? "slow" : "?";
	}
	if (c == NULL || kept == NULL || !e->kept || (e->ids.flags & 1) != 0) {
		unknown++;
		return;
	}
	c->spans++;
	c->failed += strcmp(kept, "failed") == 0;
	c->slow += strcmp(kept, "slow") == 0;
	c->roots += e->kind == WEIR_SERVER;
}

/* ---- requests, a part of each on another thread ---- */

static struct part {
	uint32_t there; /* 1: to be done; 0: done. Release and acquire */
	int64_t n;
	struct weir_ctx ctx;
} parts[WORKERS];
static bool stop;

static void *work(void *arg)
{
	struct part *p = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct weir_span outer, inner;

		if (__atomic_load_n(&p->there, __ATOMIC_ACQUIRE) == 0) {
			sched_yield();
			continue;
		}
		weir_span_begin(&outer, &p->ctx, WEIR_INTERNAL, "elsewhere");
		weir_span_set_with(&outer, weir_attr_int("n", p->n));
		weir_span_begin(&inner, &p->ctx, WEIR_INTERNAL, "deeper");
		weir_span_set_with(&inner, weir_attr_int("n", p->n));
		weir_span_end(&inner);
		weir_span_end(&outer);
		weir_ctx_end(&p->ctx);
		__atomic_store_n(&p->there, 0u, __ATOMIC_RELEASE);
	}
	return NULL;
}

static bool fails(int n)
{
	return n % 100 == 7;
}

static bool is_slow(int n)
{
	return n % 100 == 13;
}

struct request {
	struct weir_ctx ctx;
	struct weir_span root;
	int n;
};

static void request_begin(struct request *q, int n, const struct weir_header *headers, size_t count)
{
	struct part *p = &parts[n % WORKERS];

	q->n = n;
	weir_ctx_begin(&q->ctx, headers, count);
	weir_ctx_set_slo(&q->ctx, &times);
	weir_span_begin(&q->root, &q->ctx, WEIR_SERVER, "request");
	weir_span_set_with(&q->root, weir_attr_int("n", n));
	weir_ctx_begin_child(&p->ctx, &q->ctx);
	p->n = n;
	__atomic_store_n(&p->there, 1u, __ATOMIC_RELEASE);
}

static void request_end(struct request *q, bool failing, bool slow)
{
	struct weir_span child, leaf;

	weir_span_begin(&child, &q->ctx, WEIR_CLIENT, "child");
	weir_span_set_with(&child, weir_attr_int("n", q->n));
	weir_span_begin(&leaf, &q->ctx, WEIR_CLIENT, "leaf");
	weir_span_set_with(&leaf, weir_attr_int("n", q->n));
	weir_span_end(&leaf);
	weir_span_end(&child);
	if (failing && q->n % 200 < 100)
		weir_span_fail(&q->root, "why");
	else if (failing)
		weir_ctx_set_status(&q->ctx, 503);
	while (__atomic_load_n(&parts[q->n % WORKERS].there, __ATOMIC_ACQUIRE) != 0)
		sched_yield();
	if (slow) /* as long as the SLO has it, without waiting for it */
		weir_span_end_at(&q->root, (uint64_t)time(NULL) * WEIR_S(1) + WEIR_S(200));
	else
		weir_span_end(&q->root);
	weir_ctx_end(&q->ctx);
}

static void one_request(int n)
{
	struct request q;

	request_begin(&q, n, NULL, 0);
	request_end(&q, fails(n), is_slow(n));
}

static void run(uint64_t keep_bytes, struct sink *s, void (*request)(int n), int step)
{
	struct weir_sampling sampling = {.size = sizeof sampling, .sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 0, .keep_failed = true,
	                                 .keep_slow = true, .keep_bytes = keep_bytes};
	pthread_t workers[WORKERS];

	traces_start(100000, WEIR_MIB(64), &sampling);
	sink_open(s, look_at, NULL);
	for (int i = 0; i < WORKERS; i++)
		thread_start(&workers[i], work, &parts[i], 0);
	for (int n = 0; n < REQUESTS; n += step) {
		request(n);
		if (n % 500 == 0) /* the table holds so many undecided ones; beyond, they would be evicted, and counted */
			EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(unknown, 0);
}

static void whole_trees_and_no_others(void)
{
	struct sink s = {.answer = WEIR_OK};
	struct weir_status status;

	run(0, &s, one_request, 1);
	for (int n = 0; n < REQUESTS; n++) {
		if (came[n].spans != (fails(n) || is_slow(n) ? TREE : 0))
			FAIL("of request %d came %u spans", n, came[n].spans);
		EQUAL(came[n].failed, fails(n) ? TREE : 0);
		EQUAL(came[n].slow, is_slow(n) ? TREE : 0);
		EQUAL(came[n].roots, fails(n) || is_slow(n));
	}
	status = traces_status();
	EQUAL(status.kept_spans, REQUESTS / 50 * TREE);
	EQUAL(status.spans_exported, REQUESTS / 50 * TREE);
	EQUAL(status.dropped_spans, 0);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

/* ---- a trace comes here twice: a retry, or a service that is called twice ---- */

static bool one_of_two_fails(int n)
{
	return n % 4 == 1 || n % 4 == 2; /* the second of a pair; of the next one, the first */
}

static void two_requests(int n)
{
	struct weir_header header = {weir_str_of("traceparent"), {NULL, 0}};
	char text[56];
	struct request first, second;

	(void)snprintf(text, sizeof text, "00-%032x-%016x-00", (unsigned)n + 1, (unsigned)n + 1);
	header.value = weir_str_of(text);
	request_begin(&first, n, &header, 1);
	if (n % 8 < 4)
		request_end(&first, one_of_two_fails(n), false);
	request_begin(&second, n + 1, &header, 1);
	if (n % 16 >= 12) /* the first encloses it */
		request_end(&second, one_of_two_fails(n + 1), false);
	if (n % 8 >= 4)
		request_end(&first, one_of_two_fails(n), false);
	if (n % 16 < 12)
		request_end(&second, one_of_two_fails(n + 1), false);
}

static void each_request_of_a_trace(void)
{
	struct sink s = {.answer = WEIR_OK};
	struct weir_status status;

	run(0, &s, two_requests, 2);
	for (int n = 0; n < REQUESTS; n++) {
		if (came[n].spans != (one_of_two_fails(n) ? TREE : 0))
			FAIL("of request %d came %u spans", n, came[n].spans);
		EQUAL(came[n].failed, came[n].spans);
		EQUAL(came[n].roots, one_of_two_fails(n));
	}
	status = traces_status();
	EQUAL(status.kept_spans, REQUESTS / 2 * TREE);
	EQUAL(status.spans_exported, REQUESTS / 2 * TREE);
	EQUAL(status.dropped_spans, 0);
	EQUAL(status.evicted_spans, 0);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

/* ---- all fail at once, and there is room for few ---- */

enum { OPEN = 2000 };

static void room_for_few(void)
{
	static struct weir_ctx ctxs[OPEN];
	static struct weir_span roots[OPEN];
	struct weir_sampling sampling = {.size = sizeof sampling, .sampler = WEIR_SAMPLER_NEVER, .keep_failed = true,
	                                 .keep_bytes = WEIR_KIB(64)};
	struct sink s = {.answer = WEIR_OK};
	struct weir_status status;
	uint64_t ended = 0;

	traces_start(100000, WEIR_MIB(64), &sampling);
	sink_open(&s, look_at, NULL);
	for (int n = 0; n < OPEN; n++) {
		struct weir_span child;

		weir_ctx_begin(&ctxs[n], NULL, 0);
		weir_span_begin(&roots[n], &ctxs[n], WEIR_SERVER, "request");
		weir_span_set_with(&roots[n], weir_attr_int("n", n));
		for (int i = 0; i < n % 5; i++, ended++) {
			weir_span_begin(&child, &ctxs[n], WEIR_CLIENT, "child");
			weir_span_set_with(&child, weir_attr_int("n", n));
			weir_span_end(&child);
		}
	}
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK); /* they are in the store, as far as they have room */
	for (int n = 0; n < OPEN; n++, ended++) {
		weir_span_fail(&roots[n], "all of them");
		weir_span_end(&roots[n]);
		weir_ctx_end(&ctxs[n]);
	}
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	status = traces_status();
	EQUAL(status.dropped_spans, 0);
	EQUAL(status.kept_spans + status.evicted_spans, ended);
	EQUAL(status.kept_spans, s.spans);
	CHECK(status.evicted_spans != 0 && status.kept_spans >= OPEN); /* a root comes right before its verdict */
	NOTE("of %llu spans %llu were kept and %llu evicted", (unsigned long long)ended, (unsigned long long)status.kept_spans,
	     (unsigned long long)status.evicted_spans);
}

CASES({"whole_trees_and_no_others", whole_trees_and_no_others, 100}, {"each_request_of_a_trace", each_request_of_a_trace, 100},
      {"room_for_few", room_for_few, 60})
