/* A thousand requests at a time, interleaved on one epoll thread: each event attaches its request's context, or names it. No parent,
 * exemplar or log line of one is another's. Public API only. */
#include "traces_sink.h"

#include <sys/epoll.h>

enum { AT_A_TIME = 1000, REQUESTS = CASE_SANITIZED ? 2000 : 5000, STEPS = 4 };

WEIR_HISTOGRAM(times, WEIR_LATENCY, "epoll_seconds", "Times.");
WEIR_HISTOGRAM(numbers, WEIR_BUCKETS(WEIR_ONE, WEIR_RANGE(1, 1000000)), "epoll_numbers", "Which request it was.");

struct request {
	int number, step, fd[2];
	struct weir_ctx ctx;
	struct weir_span root, step_span;
	struct weir_ids ids;
};
static struct request slots[AT_A_TIME];
static struct weir_ids ids_of[REQUESTS]; /* of each root */
static uint32_t came_of[REQUESTS];

static void expect_log(const struct weir_ctx *ctx, const struct weir_ids *ids)
{
	char line[128], trace[33], span[17], wanted[128];

	weir_ids_hex(ids, trace, span);
	snprintf(wanted, sizeof wanted, "trace_id=%s span_id=%s", trace, span);
	CHECK(weir_ctx_log(ctx, line, sizeof line) == (int)strlen(wanted) && strcmp(line, wanted) == 0);
}

static void begin(struct request *r, int number, int epoll)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = r};

	CHECK(pipe2(r->fd, O_NONBLOCK | O_CLOEXEC) == 0);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, r->fd[0], &event) == 0);
	r->number = number;
	r->step = 0;
	weir_ctx_begin(&r->ctx, NULL, 0);
	weir_span_begin(&r->root, &r->ctx, WEIR_SERVER, "request");
	weir_span_set_with(&r->root, weir_attr_int("n", number));
	r->ids = weir_span_ids(&r->root);
	ids_of[number] = r->ids;
	CHECK(write(r->fd[1], "x", 1) == 1);
}

/* true: it is over. */
static bool on_event(struct request *r)
{
	bool attached = (r->number + r->step) % 2 != 0;
	struct weir_ctx *ctx = attached ? WEIR_CURRENT : &r->ctx;
	struct weir_scope scope = {{0, 0}};
	struct weir_span inner;
	struct weir_ids ids;
	char byte;

	CHECK(read(r->fd[0], &byte, 1) == 1);
	ids = weir_ctx_ids(WEIR_CURRENT); /* nobody's, between two events */
	CHECK(ids.span_id[0] == 0 && memcmp(&ids, &(struct weir_ids){.flags = 0}, sizeof ids) == 0);
	if (attached)
		scope = weir_ctx_attach(&r->ctx);
	if (r->step != 0) { /* the one that was open over the wait */
		ids = weir_span_ids(&r->step_span);
		CHECK(memcmp(ids.trace_id, r->ids.trace_id, 16) == 0);
		expect_log(ctx, &ids);
		weir_span_end_record(&r->step_span, &times);
	}
	expect_log(ctx, &r->ids);
	weir_span_begin(&inner, ctx, WEIR_INTERNAL, "inner");
	weir_span_set_with(&inner, weir_attr_int("n", r->number));
	weir_histogram_record_values(&numbers, (uint64_t)r->number + 1, ctx, NULL, 0);
	weir_span_end(&inner);
	if (r->step < STEPS) {
		weir_span_begin(&r->step_span, ctx, WEIR_CLIENT, "step");
		weir_span_set_with(&r->step_span, weir_attr_int("n", r->number));
	}
	if (attached)
		weir_ctx_detach(scope);
	if (r->step++ < STEPS) {
		CHECK(write(r->fd[1], "x", 1) == 1);
		return false;
	}
	weir_span_end(&r->root);
	weir_ctx_end(&r->ctx);
	close(r->fd[0]);
	close(r->fd[1]);
	return true;
}

static void look_at(void *arg, const struct weir_ended *e)
{
	int n = -1;

	(void)arg;
	for (size_t i = 0; i < e->attrs.count; i++)
		if (e->attrs.ptr[i].key.len == 1 && e->attrs.ptr[i].key.ptr[0] == 'n')
			n = (int)e->attrs.ptr[i].as.integer;
	CHECK(n >= 0 && n < REQUESTS);
	CHECK(memcmp(e->ids.trace_id, ids_of[n].trace_id, 16) == 0);
	if (e->kind == WEIR_SERVER)
		CHECK(memcmp(e->ids.span_id, ids_of[n].span_id, 8) == 0 && memcmp(e->parent_id, (char[8]){0}, 8) == 0);
	else /* each hangs from its own request's root */
		CHECK(memcmp(e->parent_id, ids_of[n].span_id, 8) == 0);
	__atomic_fetch_add(&came_of[n], 1, __ATOMIC_RELAXED);
}

static void look_at_exemplars(void)
{
	struct weir_snapshot *snapshot;
	struct weir_series series;

	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "epoll_numbers", NULL, 0, &series));
	CHECK(series.exemplars_count > 10);
	for (size_t i = 0; i < series.exemplars_count; i++) {
		const struct weir_exemplar *x = &series.exemplars[i];

		CHECK(x->value >= 1 && x->value <= REQUESTS);
		CHECK(memcmp(x->ids.trace_id, ids_of[x->value - 1].trace_id, 16) == 0);
	}
	weir_snapshot_destroy(snapshot);
}

static void a_thousand_at_a_time(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), begun = 0, over = 0;
	struct epoll_event events[64];
	struct sink s = {.answer = WEIR_OK};
	struct weir_status status;

	CHECK(epoll >= 0);
	if (sysconf(_SC_OPEN_MAX) < 2 * AT_A_TIME + 50)
		SKIP("%ld descriptors are too few", sysconf(_SC_OPEN_MAX));
	traces_start(1000000, WEIR_MIB(128), NULL);
	sink_open(&s, look_at, NULL);
	for (; begun < AT_A_TIME; begun++)
		begin(&slots[begun], begun, epoll);
	while (over < REQUESTS) {
		int count = epoll_wait(epoll, events, 64, 20000);

		CHECK(count > 0);
		for (int i = 0; i < count; i++) {
			struct request *r = events[i].data.ptr;

			if (!on_event(r))
				continue;
			over++;
			if (begun < REQUESTS)
				begin(r, begun++, epoll);
		}
	}
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	status = traces_expect((uint64_t)REQUESTS * (1 + STEPS + STEPS + 1));
	EQUAL(status.dropped_spans, 0);
	EQUAL(s.spans, (uint64_t)REQUESTS * (2 * STEPS + 2));
	EQUAL(status.detached_out_of_order, 0);
	EQUAL(status.exemplars_dropped, 0);
	for (int n = 0; n < REQUESTS; n++)
		EQUAL(came_of[n], 2 * STEPS + 2);
	look_at_exemplars();
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

CASES({"a_thousand_at_a_time", a_thousand_at_a_time, 100})
