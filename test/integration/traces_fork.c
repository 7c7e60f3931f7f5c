/* Traces and fork: a child of a running service exports its own spans, with ids of its own, and its parent loses none; whatever the
 * parent's threads are at. Public API only. */
#include "traces_sink.h"

enum { CHILDREN = 10, SPANS = 200 };

static struct sink sink = {.answer = WEIR_OK};
static char instance[64];

/* What came in this process: ids must be of one resource. */
static void note_resource(const struct weir_batch *batch)
{
	struct weir_attrs r = weir_batch_resource(batch);

	for (size_t i = 0; i < r.count; i++)
		if (r.ptr[i].key.len == 19 && memcmp(r.ptr[i].key.ptr, "service.instance.id", 19) == 0)
			snprintf(instance, sizeof instance, "%.*s", (int)r.ptr[i].as.str.len, r.ptr[i].as.str.ptr);
}

static int spans_and_resource(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	note_resource(batch);
	return sink_spans(arg, batch, timeout_ns);
}

static void open_sink(void)
{
	struct weir_exporter_options o = {.size = sizeof o, .name = "sink", .arg = &sink, .spans = spans_and_resource,
	                                  .flush = sink_flush, .closed = sink_closed};

	EQUAL_INT(weir_exporter_new(&sink.exporter, &o), WEIR_OK);
}

static void start(bool export_in_child)
{
	struct weir_options o = {.size = sizeof o, .no_process = true, .spans_queue = 100000, .export_in_child = export_in_child};

	EQUAL_INT(weir_init(&o), WEIR_OK);
	open_sink();
}

static bool stop;
static uint64_t ended_beside;

static void *end_beside(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		end_one("beside");
		ended_beside++;
		usleep(20);
	}
	return arg;
}

/* The child's whole life. told: its instance id. */
static void in_the_child(bool export_in_child, int told)
{
	uint64_t before = GET(sink.spans); /* the parent's, by memory */

	if (!export_in_child)
		EQUAL_INT(weir_after_fork(), WEIR_OK);
	SET(sink.hold, 0u);
	end_many(SPANS);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(GET(sink.spans) - before, SPANS);
	EQUAL(traces_expect(SPANS).spans_exported, SPANS);
	CHECK(write(told, instance, sizeof instance) == sizeof instance);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
	_exit(0);
}

static void children_export(bool export_in_child, bool amid_an_export)
{
	char ids[CHILDREN + 1][sizeof instance];
	pthread_t thread;
	int told[2];

	CHECK(pipe(told) == 0);
	start(export_in_child);
	thread_start(&thread, end_beside, NULL, 0);
	WITHIN_MS(20000, weir_flush(WEIR_S(1)) == WEIR_OK && GET(sink.spans) != 0);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child;

		if (amid_an_export) {
			SET(sink.hold, 1u);
			WITHIN_MS(20000, GET(sink.inside) == 1 || weir_flush(WEIR_MS(1)) == WEIR_ETIMEOUT);
		}
		child = fork();
		if (child == 0)
			in_the_child(export_in_child, told[1]);
		SET(sink.hold, 0u);
		CHILD_IS_WELL(child, 30000);
		CHECK(read(told[0], ids[i], sizeof *ids) == (ssize_t)sizeof *ids);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(sink.spans, ended_beside); /* the parent loses none */
	EQUAL(traces_expect(ended_beside).dropped_spans, 0);
	memcpy(ids[CHILDREN], instance, sizeof instance);
	for (int i = 0; i <= CHILDREN; i++) {
		CHECK(strlen(ids[i]) == 36);
		for (int j = 0; j < i; j++)
			CHECK(strcmp(ids[i], ids[j]) != 0);
	}
}

static void with_after_fork(void)
{
	children_export(false, false);
}

static void with_export_in_child(void)
{
	children_export(true, false);
}

static void amid_an_export(void)
{
	children_export(false, true);
}

static void amid_an_export_by_themselves(void)
{
	children_export(true, true);
}

/* ---- spans that were begun before ---- */

static void begun_before_and_ended_after(void)
{
	struct weir_ctx ctx;
	struct weir_span root, child_span, more;
	struct weir_scope scope;
	pid_t child;

	start(false);
	weir_ctx_begin(&ctx, NULL, 0);
	scope = weir_ctx_attach(&ctx);
	weir_span_begin(&root, NULL, WEIR_SERVER, "root");
	weir_span_begin(&child_span, NULL, WEIR_CLIENT, "child");
	child = fork();
	if (child == 0) {
		uint64_t before = GET(sink.spans);

		weir_span_end(&child_span);
		EQUAL(traces_expect(1).dropped_spans_pool, 1); /* nothing is exported here */
		weir_ctx_detach(scope);                        /* it was the parent's thread's */
		EQUAL(traces_status().detached_out_of_order, 1);
		EQUAL_INT(weir_after_fork(), WEIR_OK);
		weir_span_begin(&more, &ctx, WEIR_INTERNAL, "more");
		weir_span_end(&more);
		weir_span_end(&root);
		weir_ctx_end(&ctx);
		EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
		EQUAL(GET(sink.spans) - before, 2);
		EQUAL(traces_expect(3).spans_exported, 2);
		_exit(0);
	}
	CHILD_IS_WELL(child, 30000);
	weir_span_end(&child_span);
	weir_span_end(&root);
	weir_ctx_detach(scope);
	weir_ctx_end(&ctx);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(sink.spans, 2);
	EQUAL(traces_expect(2).dropped_spans, 0);
}

/* ---- a fork by a signal handler, amid this thread's own ends ---- */

static uint32_t forks_well, forks_begun;

static void fork_here(int number)
{
	pid_t child = fork();

	(void)number;
	if (child == 0) {
		alarm(20);
		return; /* the interrupted end goes on in the child */
	}
	forks_begun++;
}

static void a_handler_forks(void)
{
	enum { FORKS = 60 };
	struct sigaction act;
	uint64_t ended = 0;
	pid_t self = getpid();

	memset(&act, 0, sizeof act);
	act.sa_handler = fork_here;
	start(false);
	sigaction(SIGALRM, &act, NULL);
	for (unsigned n = 0; forks_begun < FORKS; n++) {
		struct timespec wait = {0, 0};
		uint32_t seen = forks_begun;
		timer_t timer;
		struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
		struct itimerspec when = {{0, 0}, {0, 20000 + (long)(n * 377 % 9000)}};
		int status;

		(void)wait;
		CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
		CHECK(timer_settime(timer, 0, &when, NULL) == 0);
		while (__atomic_load_n(&forks_begun, __ATOMIC_RELAXED) == seen && getpid() == self) {
			end_one("interrupted");
			ended++;
		}
		if (getpid() != self) { /* here the child lives on, as any */
			uint64_t before = GET(sink.spans);
			struct weir_status s;

			signal(SIGALRM, SIG_DFL);
			EQUAL_INT(weir_after_fork(), WEIR_OK);
			end_many(SPANS);
			EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
			s = traces_status();
			CHECK(GET(sink.spans) - before >= SPANS && GET(sink.spans) - before <= SPANS + 1);
			AT_MOST(s.dropped_spans, 1);
			_exit(0);
		}
		timer_delete(timer);
		while (waitpid(-1, &status, 0) < 0)
			CHECK(errno == EINTR);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		forks_well++;
	}
	EQUAL(forks_well, FORKS);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(traces_expect(ended).spans_exported, sink.spans);
}

/* ---- kept spans ---- */

static void fail_one(void)
{
	struct weir_ctx ctx;
	struct weir_span span;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "failing");
	weir_span_fail(&span, "why");
	weir_span_end(&span);
	weir_ctx_end(&ctx);
}

static void a_store_of_kept_spans_is_the_childs_own(void)
{
	struct weir_sampling sampling = {.size = sizeof sampling, .sampler = WEIR_SAMPLER_NEVER, .keep_failed = true};
	struct weir_ctx ctx;
	struct weir_span span;

	traces_start(0, 0, &sampling);
	open_sink();
	for (int i = 0; i < 300; i++)
		fail_one();
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "open");
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(sink.spans, 300);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork();

		if (child == 0) {
			uint64_t before = GET(sink.spans);

			EQUAL_INT(weir_after_fork(), WEIR_OK);
			for (int n = 0; n < SPANS; n++)
				fail_one();
			EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
			EQUAL(GET(sink.spans) - before, SPANS);
			EQUAL(traces_status().kept_spans, SPANS);
			_exit(0);
		}
		CHILD_IS_WELL(child, 30000);
	}
	weir_span_fail(&span, "late");
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(sink.spans, 301);
}

/* ---- ids ---- */

static int by_number(const void *a, const void *b)
{
	uint64_t one, two;

	memcpy(&one, a, 8);
	memcpy(&two, b, 8);
	return one < two ? -1 : one > two;
}

/* 100 forks, 10000 spans each: a million span ids, and as many trace ids, without one twice. */
static void a_million_ids(void)
{
	enum { FORKS = 100, EACH = 10000 };
	uint64_t *ids = calloc((size_t)FORKS * EACH, 2 * sizeof *ids);
	int told[2];

	CHECK(ids != NULL);
	start(true);
	end_one("first"); /* this thread's streams are there */
	for (size_t f = 0; f < FORKS; f++) {
		uint64_t *mine = ids + f * EACH;
		pid_t child;

		CHECK(pipe(told) == 0);
		child = fork();
		if (child == 0) {
			for (size_t n = 0; n < EACH; n++) {
				struct weir_ctx ctx;
				struct weir_span span;
				struct weir_ids of;

				weir_ctx_begin(&ctx, NULL, 0);
				weir_span_begin(&span, &ctx, WEIR_SERVER, "ids");
				of = weir_span_ids(&span);
				memcpy(&mine[n], of.span_id, 8);
				memcpy(&mine[n + (size_t)FORKS * EACH], of.trace_id, 8);
				weir_span_end(&span);
				weir_ctx_end(&ctx);
			}
			for (int part = 0; part < 2; part++)
				for (size_t at = 0; at < EACH * 8u;) {
					ssize_t put = write(told[1], (char *)(mine + (size_t)part * FORKS * EACH) + at, EACH * 8u - at);

					CHECK(put > 0);
					at += (size_t)put;
				}
			_exit(0);
		}
		close(told[1]);
		for (int part = 0; part < 2; part++)
			for (size_t at = 0; at < EACH * 8u;) {
				ssize_t got = read(told[0], (char *)(mine + (size_t)part * FORKS * EACH) + at, EACH * 8u - at);

				CHECK(got > 0);
				at += (size_t)got;
			}
		close(told[0]);
		CHILD_IS_WELL(child, 30000);
	}
	for (int part = 0; part < 2; part++) {
		uint64_t *list = ids + (size_t)part * FORKS * EACH;

		qsort(list, (size_t)FORKS * EACH, sizeof *list, by_number);
		CHECK(list[0] != 0);
		for (size_t i = 1; i < (size_t)FORKS * EACH; i++)
			CHECK(list[i] != list[i - 1]);
	}
	free(ids);
}

CASES({"with_after_fork", with_after_fork, 100}, {"with_export_in_child", with_export_in_child, 100},
      {"amid_an_export", amid_an_export, 100}, {"amid_an_export_by_themselves", amid_an_export_by_themselves, 100},
      {"begun_before_and_ended_after", begun_before_and_ended_after, 60}, {"a_handler_forks", a_handler_forks, 100},
      {"a_store_of_kept_spans_is_the_childs_own", a_store_of_kept_spans_is_the_childs_own, 60}, {"a_million_ids", a_million_ids, 100})
