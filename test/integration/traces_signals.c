/* Signal handlers that begin, end, attach, detach, and write log lines and headers, amid the same thread's own: nothing is corrupt,
 * a handler's own are whole, and what it ended within another's end is counted as such. Public API only. */
#include "traces_sink.h"

#include <sys/time.h>

enum { MS = 3000 };

static __thread struct weir_ctx handlers_ctx; /* a timer's signal may come to any thread */
static uint64_t handled, by_handler, by_main;
static volatile sig_atomic_t enough;

static bool are_none(const struct weir_ids *ids)
{
	static const struct weir_ids none;

	return memcmp(ids, &none, sizeof none) == 0;
}

/* What the thread writes, and its handler amid that, are each the ids of its own innermost span. */
static void put(void *arg, struct weir_str name, struct weir_str value)
{
	struct weir_str *sent = arg;

	if (name.len == 11) {
		CHECK(value.len == 55 && sent->len >= value.len);
		memcpy((char *)(uintptr_t)sent->ptr, value.ptr, value.len + 1);
	}
}

static void write_all(const struct weir_ctx *ctx, const struct weir_ids *ids)
{
	char trace[33], span[17], wanted[128], line[128] = "", sent[128] = "";
	struct weir_str room = {sent, sizeof sent};

	weir_ids_hex(ids, trace, span);
	snprintf(wanted, sizeof wanted, "trace_id=%s span_id=%s", trace, span);
	CHECK(weir_ctx_log(ctx, line, sizeof line) == (int)strlen(wanted) && strcmp(line, wanted) == 0);
	snprintf(wanted, sizeof wanted, "00-%s-%s-%02x", trace, span, (unsigned)ids->flags);
	weir_ctx_inject(ctx, put, &room);
	CHECK(strcmp(sent, wanted) == 0);
}

static void one_request(const char *root_name, const char *child_name, struct weir_ctx *ctx, uint64_t *ended)
{
	struct weir_ids outer = weir_ctx_ids(WEIR_CURRENT), ids, again;
	struct weir_span root, child;
	struct weir_scope scope, inner;

	weir_ctx_begin(ctx, NULL, 0);
	scope = weir_ctx_attach(ctx);
	CHECK(weir_ctx_current() == ctx);
	weir_span_begin(&root, NULL, WEIR_SERVER, root_name);
	weir_span_begin(&child, NULL, WEIR_INTERNAL, child_name);
	weir_span_set_with(&child, weir_attr_str("of", child_name));
	ids = weir_ctx_ids(ctx);
	inner = weir_ctx_attach(NULL);
	CHECK(weir_ctx_current() == ctx);
	weir_ctx_detach(inner);
	again = weir_ctx_ids(WEIR_CURRENT);
	CHECK(memcmp(&ids, &again, sizeof ids) == 0);
	write_all(ctx, &ids);
	write_all(WEIR_CURRENT, &ids);
	weir_span_end(&child);
	weir_span_end(&root);
	COUNT_UP(*ended, 2);
	weir_ctx_detach(scope);
	weir_ctx_end(ctx);
	ids = weir_ctx_ids(WEIR_CURRENT);
	if (memcmp(&ids, &outer, sizeof ids) != 0) /* a handler that interrupts attach or detach finds it undone, then done */
		CHECK(ctx == &handlers_ctx && (are_none(&ids) || are_none(&outer)));
}

static void handle(int number)
{
	int saved = errno;

	(void)number;
	COUNT_UP(handled, 1);
	one_request("handler's root", "handler's child", &handlers_ctx, &by_handler);
	errno = saved;
}

static struct {
	uint64_t main_root, main_child, handler_root, handler_child, others;
} came;

static void look_at(void *arg, const struct weir_ended *e)
{
	char name[32];

	(void)arg;
	snprintf(name, sizeof name, "%.*s", (int)e->name.len, e->name.ptr);
	if (strcmp(name, "root") == 0)
		came.main_root++;
	else if (strcmp(name, "child") == 0)
		came.main_child++;
	else if (strcmp(name, "handler's root") == 0)
		came.handler_root++;
	else if (strcmp(name, "handler's child") == 0)
		came.handler_child++;
	else
		came.others++;
	if (strstr(name, "child") != NULL) {
		CHECK(e->attrs.count == 1);
		CHECK(e->attrs.ptr[0].as.str.len == e->name.len && memcmp(e->attrs.ptr[0].as.str.ptr, name, e->name.len) == 0);
	}
	EQUAL(e->dropped_attrs, 0);
}

static void start_timer(long us)
{
	struct itimerval every = {{0, us}, {0, us}};
	struct sigaction act;

	memset(&act, 0, sizeof act);
	act.sa_handler = handle;
	act.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &act, NULL);
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

static void stop_timer(void)
{
	struct itimerval none = {{0, 0}, {0, 0}};

	CHECK(setitimer(ITIMER_REAL, &none, NULL) == 0);
}

static void *interrupt_main(void *arg)
{
	pthread_t thread = *(pthread_t *)arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!__atomic_load_n(&enough, __ATOMIC_ACQUIRE)) {
		pthread_kill(thread, SIGALRM);
		for (volatile int i = 0; i < 300; i++)
			;
	}
	return NULL;
}

static void expect_sums(struct sink *s)
{
	struct weir_status status;

	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	status = traces_expect(by_main + by_handler);
	EQUAL(s->spans, came.main_root + came.main_child + came.handler_root + came.handler_child);
	EQUAL(came.others, 0);
	EQUAL(status.spans_exported, s->spans);
	EQUAL(status.dropped_spans_malformed, 0);
	EQUAL(status.detached_out_of_order, 0);
	EQUAL(status.ended_twice, 0);
	EQUAL(status.dropped_spans_export, 0);
	if (status.dropped_spans_pool + status.dropped_spans_queue == 0) /* the main's are never the busy ones */
		EQUAL(came.main_root + came.main_child, by_main);
	NOTE("%llu signals; %llu ended by the thread and %llu by its handler: %llu came, %llu were within an end, %llu had no room",
	     (unsigned long long)handled, (unsigned long long)by_main, (unsigned long long)by_handler, (unsigned long long)s->spans,
	     (unsigned long long)status.dropped_spans_reentry,
	     (unsigned long long)(status.dropped_spans_pool + status.dropped_spans_queue));
	CHECK(handled > 100);
}

static void spin(void)
{
	static struct weir_ctx ctx;
	uint64_t until = now_ns() + MS * UINT64_C(1000000);

	while (now_ns() < until) {
		one_request("root", "child", &ctx, &by_main);
		if (by_main % 20000 == 0)
			usleep(2000);
	}
}

static void by_a_timer(void)
{
	struct sink s = {.answer = WEIR_OK};

	traces_start(2000000, WEIR_MIB(256), NULL);
	sink_open(&s, look_at, NULL);
	start_timer(50);
	spin();
	stop_timer();
	expect_sums(&s);
}

static void by_another_thread(void)
{
	struct sink s = {.answer = WEIR_OK};
	pthread_t self = pthread_self(), thread;

	traces_start(0, WEIR_MIB(1), NULL);
	sink_open(&s, look_at, NULL);
	start_timer(999999);
	thread_start(&thread, interrupt_main, &self, 0);
	spin();
	__atomic_store_n(&enough, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	stop_timer();
	expect_sums(&s);
}

/* The thread's first use of all is a handler's, or is interrupted by one. */
static void *first_use(void *arg)
{
	struct weir_ctx ctx;

	pthread_kill(pthread_self(), SIGALRM);
	one_request("root", "child", &ctx, arg);
	return NULL;
}

static void at_first_use(void)
{
	struct sink s = {.answer = WEIR_OK};
	pthread_t thread;

	traces_start(100000, 0, NULL);
	sink_open(&s, look_at, NULL);
	start_timer(100);
	for (int i = 0; i < 2000; i++) {
		thread_start(&thread, first_use, &by_main, 0);
		pthread_join(thread, NULL);
	}
	stop_timer();
	expect_sums(&s);
}

CASES({"spans_by_a_timer", by_a_timer, 60}, {"spans_by_another_thread", by_another_thread, 60},
      {"spans_at_first_use", at_first_use, 60})
