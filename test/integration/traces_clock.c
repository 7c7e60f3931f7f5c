/* A wall clock that jumps, an hour ahead and an hour back, amid requests: this program is its own clock (its clock_gettime stands
 * before libc's, for libweir as well). Durations are the monotonic clock's, a request keeps the time that it began with, the next
 * one has the new time, intervals go on, and no exemplar is lost. */
#include "traces_sink.h"

#include <sys/syscall.h>
#include <time.h>

WEIR_HISTOGRAM(latency, WEIR_LATENCY, "clock_latency_seconds", "Time.");
WEIR_HISTOGRAM(body, WEIR_BUCKETS(WEIR_BYTES, WEIR_BOUNDS(10, 100)), "clock_body_bytes", "Sizes.");

#define HOUR INT64_C(3600)
#define AT_LEAST(got, least) AT_MOST((least), (got))
#define BETWEEN(got, least, most)                                                                                      \
	do {                                                                                                           \
		AT_LEAST((got), (least));                                                                              \
		AT_MOST((got), (most));                                                                                \
	} while (0)
static int64_t jumped_s; /* of the wall clock; atomic */

__attribute__((visibility("default"))) int clock_gettime(clockid_t which, struct timespec *t)
{
	int error = (int)syscall(SYS_clock_gettime, which, t);

	if (error == 0 && which == CLOCK_REALTIME)
		t->tv_sec += __atomic_load_n(&jumped_s, __ATOMIC_SEQ_CST);
	return error;
}

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

enum { REQUESTS = 40, CHILD_MS = 2 };
static struct seen {
	uint64_t start_ns, end_ns, event_ns;
} roots[REQUESTS], children[REQUESTS];
static uint64_t count;

static void keep(void *arg, const struct weir_ended *e)
{
	struct seen *s = e->name.ptr[0] == 'r' ? roots : children;
	char name[32] = "";
	int n;

	(void)arg;
	memcpy(name, e->name.ptr, e->name.len < sizeof name ? e->name.len : sizeof name - 1);
	n = atoi(name + 1);
	CHECK(n >= 0 && n < REQUESTS);
	s[n].start_ns = e->start_ns;
	s[n].end_ns = e->end_ns;
	s[n].event_ns = e->events_count == 1 ? e->events[0].time_ns : 0;
	COUNT_UP(count, 1);
}

static void sleep_a_while(unsigned ms)
{
	struct timespec t = {0, (long)ms * 1000000};

	nanosleep(&t, NULL);
}

static void jump(int64_t by_s)
{
	__atomic_fetch_add(&jumped_s, by_s, __ATOMIC_SEQ_CST);
}

/* A request: its clock jumps within it, between its spans. told: what the wall clock said at its begin. */
static void request(int n, int64_t by_s, uint64_t *told, uint64_t *took)
{
	struct weir_ctx ctx;
	struct weir_span root, child;
	char name[32];

	*told = wall_ns();
	weir_ctx_begin(&ctx, NULL, 0);
	snprintf(name, sizeof name, "r%d", n);
	weir_span_begin(&root, &ctx, WEIR_SERVER, name);
	jump(by_s);
	name[0] = 'c';
	weir_span_begin(&child, &ctx, WEIR_INTERNAL, name);
	sleep_a_while(CHILD_MS);
	weir_span_event(&child, "within");
	weir_histogram_record_ctx(&body, 50, &ctx);
	weir_span_end(&child);
	*took = weir_span_end_record(&root, &latency);
	weir_ctx_end(&ctx);
}

static void the_wall_clock_jumps_amid_requests(void)
{
	static struct sink sink;
	uint64_t told[REQUESTS], took[REQUESTS], began = now_ns(), slack = WEIR_S(20);

	traces_start(0, 0, NULL);
	sink_open(&sink, keep, NULL);
	for (int n = 0; n < REQUESTS; n++) {
		if (n == REQUESTS / 2) /* the first ones by the clocks; these by the counter, where there is one */
			sleep_a_while(400);
		request(n, n % 4 < 2 ? HOUR : -HOUR, &told[n], &took[n]); /* two ahead, two back */
		sleep_a_while(n % 8 == 7 ? 130 : 1); /* now and then the counter is tied to the clock anew */
	}
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(GET(count), 2 * REQUESTS);
	for (int n = 0; n < REQUESTS; n++) {
		const struct seen *r = &roots[n], *c = &children[n];

		BETWEEN(took[n], WEIR_MS(CHILD_MS), slack);
		BETWEEN(r->end_ns - r->start_ns, WEIR_MS(CHILD_MS), slack);
		BETWEEN(c->end_ns - c->start_ns, WEIR_MS(CHILD_MS), r->end_ns - r->start_ns + 1000);
		/* one wall time a request, whatever the clock does meanwhile: children lie within */
		AT_LEAST(c->start_ns + 1000, r->start_ns);
		AT_MOST(c->end_ns, r->end_ns + 1000);
		BETWEEN(c->event_ns, c->start_ns, c->end_ns + 1000);
		/* the clock's time, or (by the counter, until it is tied anew) the time before the last jumps */
		CHECK(r->start_ns + slack + 2 * (uint64_t)HOUR * WEIR_S(1) >= told[n] && r->start_ns <= told[n] + slack + 2 * (uint64_t)HOUR * WEIR_S(1));
	}
	AT_MOST(now_ns() - began, WEIR_S(60));
	{
		struct weir_status s = traces_status();

		EQUAL(s.dropped_spans, 0);
		EQUAL(s.exemplars_dropped, 0);
		EQUAL(s.spans_exported, 2 * REQUESTS);
	}
}

/* At rest the new time comes with the next tick. */
static void a_request_after_the_jump_has_the_new_time(void)
{
	static struct sink sink;
	uint64_t told, took;

	traces_start(0, 0, NULL);
	sink_open(&sink, keep, NULL);
	request(0, 0, &told, &took);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	jump(-HOUR);
	for (int tries = 0; tries < 200; tries++) { /* spans flow: the counter is tied every 100 ms */
		request(1, 0, &told, &took);
		EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
		if (roots[1].start_ns + WEIR_S(20) > told && roots[1].start_ns < told + WEIR_S(20))
			return;
		sleep_a_while(50);
	}
	FAIL("the new time never came");
}

/* An exporter's turns are the monotonic clock's: none is missed for an hour, and none comes twice. */
static unsigned turns;
static int take(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	(void)arg, (void)snapshot, (void)timeout_ns;
	COUNT_UP(turns, 1);
	return WEIR_OK;
}

static void intervals_go_on(void)
{
	struct weir_exporter_options o = {.size = sizeof o, .name = "turns", .metrics = take, .interval_ns = WEIR_MS(50)};
	struct weir_options options = {.size = sizeof options, .no_process = true, .tick_ns = WEIR_MS(10)};
	struct weir_exporter *exporter;

	EQUAL_INT(weir_init(&options), WEIR_OK);
	EQUAL_INT(weir_exporter_new(&exporter, &o), WEIR_OK);
	for (int n = 0; n < 6; n++) {
		uint64_t began = now_ns(), until = began + WEIR_S(20);
		unsigned before = GET(turns);

		jump(n % 2 == 0 ? -HOUR : 2 * HOUR);
		while (GET(turns) < before + 4 && now_ns() < until)
			usleep(1000);
		AT_LEAST(GET(turns), before + 4); /* they come */
		AT_MOST(GET(turns), before + 4 + (now_ns() - began) / WEIR_MS(50) + 2); /* and not all at once */
	}
}

/* An exemplar after a step back is as good as one before. */
static size_t exemplars(uint64_t value, uint64_t *time_ns)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;
	size_t found = 0;

	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "clock_body_bytes", NULL, 0, &s));
	for (size_t i = 0; i < s.exemplars_count; i++)
		if (s.exemplars[i].value == value) {
			*time_ns = s.exemplars[i].time_ns;
			found++;
		}
	weir_snapshot_destroy(snapshot);
	return found;
}

static void no_exemplar_is_lost(void)
{
	static struct sink sink;

	traces_start(0, 0, NULL);
	sink_open(&sink, NULL, NULL);
	for (uint64_t n = 1; n <= 6; n++) {
		struct weir_ctx ctx;
		struct weir_span span;
		uint64_t at = 0;

		jump(n % 2 == 0 ? -HOUR : HOUR);
		sleep_a_while(130);
		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "x");
		weir_histogram_record_ctx(&body, n, &ctx);
		weir_span_end(&span);
		weir_ctx_end(&ctx);
		EQUAL(exemplars(n, &at), 1);
		CHECK(at != 0);
	}
	EQUAL(traces_status().exemplars_dropped, 0);
}

CASES({"clock_the_wall_clock_jumps_amid_requests", the_wall_clock_jumps_amid_requests, 100},
      {"clock_a_request_after_the_jump_has_the_new_time", a_request_after_the_jump_has_the_new_time, 100},
      {"clock_intervals_go_on", intervals_go_on, 100}, {"clock_no_exemplar_is_lost", no_exemplar_is_lost, 100})
