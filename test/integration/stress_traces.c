/* Traces, everything at once, for a bounded time, and then the sums are exact: spans that begin, end, and move between threads,
 * threads that come and go, exporters likewise, flush, status, init and shutdown: what exporters were given and what was counted
 * as dropped is what was offered. Public API only; no fork, so that it runs under the sanitizers too. */
#include "traces_sink.h"

enum { LONG = 3, SHORT_LIVES = 4, SLOTS = 64, MS = CASE_SANITIZED ? 3000 : 3000 };

WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "stress_traces_seconds", "Times, with exemplars.");

static bool stop;
static uint64_t offered; /* recorded spans that were ended */
static uint64_t threads_begun;

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

/* A second end, of what is not recorded: neither is one more. */
static void end_it(struct weir_span *span, bool record)
{
	if (weir_span_is_recording(span))
		__atomic_fetch_add(&offered, 1, __ATOMIC_RELAXED);
	if (record)
		weir_span_end_record(span, &times);
	else
		weir_span_end(span);
}

static void one_request(uint64_t n)
{
	struct weir_ctx ctx;
	struct weir_span root, child, leaf;
	struct weir_scope scope;

	weir_ctx_begin(&ctx, NULL, 0);
	scope = weir_ctx_attach(&ctx);
	weir_span_begin(&root, NULL, WEIR_SERVER, "root");
	weir_span_begin(&child, NULL, WEIR_CLIENT, "child");
	weir_span_set_with(&child, weir_attr_int("n", (int64_t)n), weir_attr_str("text", "some text that takes room"));
	if (n % 8 == 0) {
		weir_span_begin(&leaf, NULL, WEIR_INTERNAL, "leaf");
		weir_span_event_with(&leaf, "event", weir_attr_bool("b", true));
		end_it(&leaf, false);
	}
	end_it(&child, n % 2 == 0);
	if (n % 16 == 0)
		weir_span_fail(&root, "why");
	end_it(&root, true);
	weir_ctx_detach(scope);
	weir_ctx_end(&ctx);
}

static void *many_requests(void *arg)
{
	for (uint64_t n = (uintptr_t)arg; !stopped(); n++) {
		one_request(n);
		if (n % 512 == 0)
			usleep(100);
	}
	return NULL;
}

static void *few_requests(void *arg)
{
	for (uint64_t n = 0; n < 5; n++)
		one_request(n + (uintptr_t)arg);
	return NULL;
}

static void *start_short_lives(void *arg)
{
	(void)arg;
	while (!stopped()) {
		pthread_t threads[SHORT_LIVES];

		for (uintptr_t i = 0; i < SHORT_LIVES; i++)
			thread_start(&threads[i], few_requests, (void *)i, 0);
		for (int i = 0; i < SHORT_LIVES; i++)
			pthread_join(threads[i], NULL);
		threads_begun += SHORT_LIVES;
		usleep(1000);
	}
	return NULL;
}

/* ---- spans that end on another thread than they began on ---- */

static struct moving {
	uint32_t there; /* release by who begins; acquire by who ends, who clears it */
	struct weir_ctx ctx;
	struct weir_span root, child;
} moving[SLOTS];
static uint32_t enders_left;

static void *begin_and_hand_over(void *arg)
{
	(void)arg;
	for (unsigned n = 0; !stopped(); n++) {
		struct moving *m = &moving[n % SLOTS];

		if (__atomic_load_n(&m->there, __ATOMIC_ACQUIRE) != 0) {
			usleep(50);
			continue;
		}
		weir_ctx_begin(&m->ctx, NULL, 0);
		weir_span_begin(&m->root, &m->ctx, WEIR_CONSUMER, "moved");
		weir_span_begin(&m->child, &m->ctx, WEIR_INTERNAL, "moved child");
		__atomic_store_n(&m->there, 1u, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void *take_over_and_end(void *arg)
{
	bool last = false;

	(void)arg;
	for (;;) {
		bool any = false;

		for (int i = 0; i < SLOTS; i++) {
			struct moving *m = &moving[i];

			if (__atomic_load_n(&m->there, __ATOMIC_ACQUIRE) == 0)
				continue;
			end_it(&m->child, false);
			end_it(&m->root, false);
			weir_ctx_end(&m->ctx);
			__atomic_store_n(&m->there, 0u, __ATOMIC_RELEASE);
			any = true;
		}
		if (last && !any)
			return NULL;
		last = __atomic_load_n(&enders_left, __ATOMIC_ACQUIRE) != 0;
	}
}

/* ---- who looks on ---- */

static void *flush_and_look(void *arg)
{
	(void)arg;
	while (!stopped()) {
		int result = weir_flush(WEIR_S(20));
		struct weir_snapshot *snapshot;

		CHECK(result == WEIR_OK || result == WEIR_EINVAL || result == WEIR_EIO || result == WEIR_ETIMEOUT);
		traces_status();
		CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
		weir_snapshot_destroy(snapshot);
		usleep(500);
	}
	return NULL;
}

static void look_at(void *arg, const struct weir_ended *e)
{
	static const char *const names[] = {"root", "child", "leaf", "moved", "moved child"};
	bool known = false;

	(void)arg;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		known = known || (e->name.len == strlen(names[i]) && memcmp(e->name.ptr, names[i], e->name.len) == 0);
	CHECK(known && e->end_ns >= e->start_ns);
	CHECK(e->dropped_attrs + e->dropped_events + e->dropped_links == 0);
}

static void *exporters_come_and_go(void *arg)
{
	(void)arg;
	for (int n = 0; !stopped(); n++) {
		struct sink s = {.answer = n % 3 == 0 ? WEIR_ELIMIT : WEIR_OK};

		sink_open(&s, look_at, NULL);
		usleep(2000);
		SET(s.answer, WEIR_OK);
		EQUAL_INT(weir_exporter_destroy(s.exporter, WEIR_S(20)), WEIR_OK);
		EQUAL(s.closed, 1);
	}
	return NULL;
}

static uint64_t received_by_all;

static void *begin_and_end(void *arg)
{
	(void)arg;
	while (!stopped()) {
		struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)};
		struct sink s = {.answer = WEIR_OK};

		EQUAL_INT(weir_init(&o), WEIR_OK);
		sink_open(&s, look_at, NULL);
		usleep(2000);
		EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
		EQUAL(s.closed, 1);
		received_by_all += s.spans;
	}
	return NULL;
}

static void everything(void *(*with)(void *))
{
	pthread_t threads[LONG + 5], ender;
	int n = 0;

	for (uintptr_t i = 0; i < LONG; i++)
		thread_start(&threads[n++], many_requests, (void *)i, 0);
	thread_start(&threads[n++], start_short_lives, NULL, 0);
	thread_start(&threads[n++], begin_and_hand_over, NULL, 0);
	thread_start(&threads[n++], flush_and_look, NULL, 0);
	thread_start(&threads[n++], with, NULL, 0);
	thread_start(&ender, take_over_and_end, NULL, 0);
	sleep_ms(MS);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&enders_left, 1u, __ATOMIC_RELEASE);
	pthread_join(ender, NULL);
}

static void expect_exact(uint64_t received)
{
	struct weir_status status = traces_expect(offered);

	EQUAL(status.spans_waiting, 0);
	EQUAL(status.spans_exported, received);
	EQUAL(received + status.dropped_spans, offered);
	EQUAL(status.dropped_spans_malformed, 0);
	EQUAL(status.dropped_spans_reentry, 0);
	EQUAL(status.ended_twice, 0);
	EQUAL(status.detached_out_of_order, 0);
	NOTE("%llu spans, %llu received, %llu without a chunk, %llu without a place, %llu left behind; %llu threads",
	     (unsigned long long)offered, (unsigned long long)received, (unsigned long long)status.dropped_spans_pool,
	     (unsigned long long)status.dropped_spans_queue, (unsigned long long)status.dropped_spans_export,
	     (unsigned long long)threads_begun);
}

static void with_exporters(void)
{
	struct sink s = {.answer = WEIR_OK};

	traces_start(20000, WEIR_MIB(8), NULL);
	sink_open(&s, look_at, NULL);
	everything(exporters_come_and_go);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	expect_exact(s.spans);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
	expect_exact(s.spans);
}

static void with_init_and_shutdown(void)
{
	struct sink s = {.answer = WEIR_OK};

	everything(begin_and_end);
	traces_start(0, 0, NULL); /* what was ended after the last one was gone comes to the next */
	sink_open(&s, look_at, NULL);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	expect_exact(s.spans + received_by_all);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

/* ---- one span, two threads: against the rules, and yet nothing is written or read outside ---- */

static struct weir_ctx shared_ctx;
static struct weir_span shared;
static char shared_buffer[2000];
static pthread_barrier_t together;

/* The race is the test's subject: thread sanitizer would only say what is known. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#ifndef WITH_TSAN
#define WITH_TSAN 0
#endif
enum { RACES = CASE_SANITIZED ? 20000 : 100000 };

static void use_it(uint64_t seed, bool with_buffer)
{
	struct weir_span_options o = {.size = sizeof o, .buffer = with_buffer ? shared_buffer : NULL, .buffer_size = sizeof shared_buffer};
	char name[32];

	snprintf(name, sizeof name, "%.*s", (int)(seed % 30), "a name that is of many lengths");
	if (seed % 7 == 0)
		weir_span_begin_opts(&shared, &shared_ctx, WEIR_INTERNAL, name, &o);
	weir_span_set_with(&shared, weir_attr_str("some.key", name), weir_attr_int("n", (int64_t)seed));
	if (seed % 3 == 0)
		weir_span_set_name(&shared, weir_str_of(name));
	if (seed % 5 == 0)
		weir_span_event_with(&shared, name, weir_attr_str("k", "v"));
	weir_span_fail(&shared, name);
	if (seed % 2 == 0)
		weir_span_end(&shared);
}

static void *use_one_span(void *arg)
{
	uint64_t seed = 88172645463325252u + (uintptr_t)arg;

	pthread_barrier_wait(&together);
	for (int n = 0; n < RACES; n++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		use_it(seed >> 8, n % 2 == 0);
	}
	return NULL;
}

static void read_name(void *arg, const struct weir_ended *e)
{
	uint64_t *read = arg;

	for (size_t i = 0; i < e->name.len; i++)
		*read += (uint8_t)e->name.ptr[i];
	for (size_t i = 0; i < e->attrs.count; i++)
		if (e->attrs.ptr[i].type == WEIR_ATTR_STR)
			for (size_t j = 0; j < e->attrs.ptr[i].as.str.len; j++)
				*read += (uint8_t)e->attrs.ptr[i].as.str.ptr[j];
}

static void one_span_in_two_threads(void)
{
	struct sink s = {.answer = WEIR_OK};
	struct weir_status status;
	pthread_t threads[2];
	uint64_t read = 0;

	if (WITH_TSAN)
		SKIP("a race is what is tested");
	traces_start(100000, WEIR_MIB(64), NULL);
	sink_open(&s, read_name, &read);
	weir_ctx_begin(&shared_ctx, NULL, 0);
	weir_span_begin(&shared, &shared_ctx, WEIR_INTERNAL, "shared");
	pthread_barrier_init(&together, NULL, 2);
	for (uintptr_t i = 0; i < 2; i++)
		thread_start(&threads[i], use_one_span, (void *)i, 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	status = traces_status();
	EQUAL(status.spans_exported, s.spans);
	CHECK(s.spans > 1000);
	NOTE("%llu came, %llu were malformed, %llu ended twice", (unsigned long long)s.spans,
	     (unsigned long long)status.dropped_spans_malformed, (unsigned long long)status.ended_twice);
	for (int i = 0; i < 100; i++) /* and all goes on well */
		end_one("root");
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(traces_status().spans_exported, status.spans_exported + 100);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

CASES({"traces_with_exporters", with_exporters, 100}, {"traces_with_init_and_shutdown", with_init_and_shutdown, 100},
      {"one_span_in_two_threads", one_span_in_two_threads, 100})
