/* Every allocation fails once, in turn, over a whole life with spans: contexts, exporters, kept spans, flush, shutdown; then all of
 * them from the k-th on. Nothing crashes or hangs; what was recorded came, or was counted as dropped; and once there is memory
 * again, every span comes. Public API only. */
#include "traces_sink.h"

#if CASE_SANITIZED

static void without_sanitizers_only(void)
{
	SKIP("a sanitizer stands where this test's allocator would");
}
CASES({"every_allocation_of_spans_fails_once", without_sanitizers_only, 10})

#else

#include "oom_calls.h"

WEIR_HISTOGRAM(times, WEIR_LATENCY, "oom_spans_seconds", "Times.");

enum { BEFORE = 10, EACH = 30, SIDE_BY_SIDE = 6 };
static uint64_t recorded, requests; /* spans that said so; requests in all */

static void count_and_end(struct weir_span *span)
{
	recorded += weir_span_is_recording(span);
	weir_span_end_record(span, &times);
}

static void one_request(int n)
{
	char route[16];
	struct weir_ctx ctx;
	struct weir_span root, child;
	struct weir_scope scope;

	snprintf(route, sizeof route, "/route/%d", n % 10);
	weir_ctx_begin(&ctx, NULL, 0);
	scope = weir_ctx_attach(&ctx);
	weir_ctx_set_route(NULL, weir_str_of(route));
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	weir_span_begin(&child, &ctx, WEIR_CLIENT, "child");
	weir_span_set_with(&child, weir_attr_int("n", n));
	count_and_end(&child);
	if (n % 4 == 0)
		weir_span_fail(&root, "why");
	count_and_end(&root);
	weir_ctx_detach(scope);
	weir_ctx_end(&ctx);
	requests++;
}

static void *requests_here(void *arg)
{
	for (int n = 0; n < EACH; n++)
		one_request(n);
	return arg;
}

static void in_a_thread(void)
{
	pthread_t thread;

	/* libc's own: the host's threads are not what is tested; where there is none, then here */
	if (libc.pthread_create(&thread, NULL, requests_here, NULL) == 0)
		pthread_join(thread, NULL);
	else
		requests_here(NULL);
}

enum way { THREADED, PUMPED, KEPT, WAYS };

static int try_exporter(struct sink *s)
{
	struct weir_exporter_options o = {.size = sizeof o, .name = "sink", .arg = s, .spans = sink_spans, .flush = sink_flush,
	                                  .closed = sink_closed};

	return weir_exporter_new(&s->exporter, &o);
}

static int try_init(enum way way)
{
	struct weir_sampling sampling = {.size = sizeof sampling, .keep_failed = true, .sampler = WEIR_SAMPLER_NEVER};
	struct weir_options o = {.size = sizeof o, .log_level = WEIR_LOG_NONE, .no_process = true, .no_thread = way == PUMPED,
	                         .sampling = way == KEPT ? &sampling : NULL};

	return weir_init(&o);
}

static void life(enum way way, struct sink *s)
{
	int error = try_init(way);

	CHECK(error == WEIR_OK || error == WEIR_ENOMEM);
	error = try_exporter(s);
	CHECK(error == WEIR_OK || (error == WEIR_ENOMEM && s->exporter == NULL));
	EQUAL(s->closed, error != WEIR_OK);
	for (int n = 0; n < BEFORE; n++)
		one_request(n);
	in_a_thread();
	error = way == PUMPED ? weir_pump(WEIR_S(1), NULL) : WEIR_OK;
	CHECK(error == WEIR_OK || error == WEIR_EINVAL);
	if (weir_flush(WEIR_S(5)) == WEIR_ETIMEOUT)
		FAIL("flush hangs");
	in_a_thread();
	if (s->exporter != NULL && weir_exporter_destroy(s->exporter, WEIR_S(5)) == WEIR_ETIMEOUT)
		FAIL("destroy hangs");
	EQUAL(s->closed, 1);
	if (weir_shutdown(WEIR_S(5)) == WEIR_ETIMEOUT)
		FAIL("shutdown hangs");
}

static void all_is_well_again(enum way way, struct weir_status before)
{
	for (int tries = 0;; tries++) { /* memory is asked for again within a second or so */
		struct sink s = {.answer = WEIR_OK};
		struct weir_status now;
		uint64_t came;

		EQUAL_INT(try_init(way), WEIR_OK);
		EQUAL_INT(try_exporter(&s), WEIR_OK);
		EQUAL_INT(weir_flush(WEIR_S(5)), WEIR_OK); /* what was left waiting has come */
		came = s.spans;
		for (int n = 0; n < 20; n++)
			one_request(n);
		EQUAL_INT(weir_exporter_destroy(s.exporter, WEIR_S(5)), WEIR_OK);
		EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
		now = traces_status();
		if (s.spans - came == (way == KEPT ? 10 : 40)) {
			CHECK(now.dropped_spans >= before.dropped_spans);
			return;
		}
		if (tries == 40)
			FAIL("%llu spans came, with memory again; %llu dropped", (unsigned long long)(s.spans - came),
			     (unsigned long long)now.dropped_spans);
		sleep_ms(100);
	}
}

static void one_life(uint64_t from, uint64_t to, enum way way, int told)
{
	struct sink s = {.answer = WEIR_OK};
	struct weir_status status;

	fail_from = from;
	fail_to = to;
	__atomic_store_n(&failing, true, __ATOMIC_RELEASE);
	life(way, &s);
	__atomic_store_n(&failing, false, __ATOMIC_RELEASE);
	status = traces_status();
	AT_MOST(status.spans_exported, s.spans);
	if (way == KEPT) /* of four requests one failed: both its spans are kept, or counted */
		CHECK(status.kept_spans + status.evicted_spans + status.dropped_spans <= recorded + requests);
	else if (status.spans_exported + status.spans_waiting + status.dropped_spans < recorded)
		CHECK(s.exporter == NULL || status.spans_waiting != 0); /* or they stand where the next exporter finds them */
	if (from > to) { /* nothing failed */
		EQUAL(status.dropped_spans, 0);
		EQUAL(s.spans, way == KEPT ? 2 * (3 + 8 + 8) : 2 * (BEFORE + 2 * EACH));
	}
	/* a span less than there was says why */
	if (way != KEPT && s.exporter != NULL && s.spans < 2 * requests)
		CHECK(status.dropped_spans + status.dropped_records != 0);
	all_is_well_again(way, status);
	CHECK(write(told, &calls, sizeof calls) == sizeof calls);
}

/* Each life is a process of its own, forked from one that has not used weir. */
static struct {
	pid_t child;
	uint64_t from;
	int told;
} lives[SIDE_BY_SIDE];
static uint64_t last_calls;

static void end_life(int at)
{
	int end;

	if (lives[at].child == 0)
		return;
	end = child_end(lives[at].child, 20000);
	if (end != 0)
		FAIL("with call %llu failing, a life ends with %d (-1: hung, 1000 and more: a signal)", (unsigned long long)lives[at].from,
		     end);
	CHECK(read(lives[at].told, &last_calls, sizeof last_calls) == sizeof last_calls);
	close(lives[at].told);
	lives[at].child = 0;
}

static void end_lives(void)
{
	for (int i = 0; i < SIDE_BY_SIDE; i++)
		end_life(i);
}

static void start_life(uint64_t from, uint64_t to, enum way way)
{
	static unsigned next;
	int at = (int)(next++ % SIDE_BY_SIDE), told[2];

	end_life(at);
	CHECK(pipe(told) == 0);
	lives[at].from = from;
	lives[at].told = told[0];
	lives[at].child = fork();
	if (lives[at].child == 0) {
		one_life(from, to, way, told[1]);
		exit(0);
	}
	close(told[1]);
}

static void each_call_once(enum way way)
{
	uint64_t all;

	start_life(UINT64_MAX, 0, way);
	end_lives();
	all = last_calls;
	NOTE("%llu calls", (unsigned long long)all);
	CHECK(all > 10);
	for (uint64_t k = 1; k <= all; k++)
		start_life(k, k, way);
	end_lives();
}

static void each_once_threaded(void)
{
	each_call_once(THREADED);
}

static void each_once_pumped(void)
{
	each_call_once(PUMPED);
}

static void each_once_kept(void)
{
	each_call_once(KEPT);
}

static void all_from_each_on(void)
{
	uint64_t all;

	start_life(UINT64_MAX, 0, THREADED);
	end_lives();
	all = last_calls;
	for (uint64_t k = 1; k <= all; k++)
		start_life(k, UINT64_MAX, (enum way)(k % WAYS));
	end_lives();
}

CASES({"every_allocation_of_spans_fails_once", each_once_threaded, 100},
      {"every_allocation_of_spans_fails_once_pumped", each_once_pumped, 100},
      {"every_allocation_of_kept_spans_fails_once", each_once_kept, 100}, {"all_of_spans_fail_from_each_on", all_from_each_on, 100})

#endif
