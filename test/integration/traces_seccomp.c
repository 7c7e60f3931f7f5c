/* Strict seccomp: a thread that has used contexts and spans once makes no system call in any of it, a million times: begin,
 * attributes, events, end, attach, detach, extract, inject, exemplars. Public API only. */
#include "traces_sink.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

enum { CALLS = 1000000 };

WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(3)), "strict_spans_seconds", "Times.");
WEIR_HISTOGRAM(times_by, WEIR_LATENCY, "strict_spans_by_seconds", "Times by label.", "k");
WEIR_COUNTER(counter, "strict_spans_total", "Spans.");

static bool no_filter;
static struct weir_counter_series handle;

/* This thread alone: any call but exit kills the process, and so the case. */
static bool only_exit(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
	struct sock_fprog program = {sizeof code / sizeof *code, code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* A thread cannot return under that filter: what ends it makes other calls. */
__attribute__((noreturn)) static void end_thread(void)
{
#if defined(__x86_64__)
	for (;;)
		__asm__ volatile("syscall" : : "a"((long)SYS_exit), "D"(0L) : "rcx", "r11", "memory");
#else
	for (;;)
		syscall(SYS_exit, 0);
#endif
}

static void put(void *arg, struct weir_str name, struct weir_str value)
{
	*(size_t *)arg += name.len + value.len;
}

static void each_call(uint64_t i)
{
	static const struct weir_header headers[] = {
	    {{"traceparent", 11}, {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 55}},
	    {{"tracestate", 10}, {"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", 39}},
	    {{"baggage", 7}, {"key1=value1;property1,key2=value2", 33}},
	    {{"accept", 6}, {"*/*", 3}}};
	struct weir_ctx ctx, child;
	char buffer[256], text[512];
	struct weir_ctx_options o = {.size = sizeof o, .buffer = buffer, .buffer_size = sizeof buffer};
	struct weir_span root, inner, other;
	struct weir_span_options of_root = {.size = sizeof of_root, .parent = &root};
	struct weir_link link;
	struct weir_scope scope;
	size_t bytes = 0;

	weir_ctx_begin_opts(&ctx, &o);
	for (size_t h = 0; h < (i % 2 != 0 ? 4 : 0); h++)
		weir_ctx_add_header(&ctx, headers[h].name, headers[h].value);
	scope = weir_ctx_attach(&ctx);
	weir_ctx_set_status(NULL, 200);
	weir_ctx_set_slo(NULL, &times);
	weir_ctx_set_route(NULL, weir_str_of("/orders/{id}"));
	weir_ctx_set_baggage(NULL, "k", weir_str_of("v"));
	weir_span_begin(&root, NULL, WEIR_SERVER, "GET /orders/{id}");
	link.ids = weir_span_ids(&root);
	weir_span_begin(&inner, NULL, WEIR_CLIENT, "inner");
	weir_span_set_with(&inner, weir_attr_str("db.system", "none"), weir_attr_int("n", (int64_t)i), weir_attr_double("d", 0.5));
	weir_span_event_with(&inner, "event", weir_attr_bool("b", true));
	weir_span_link(&inner, link.ids);
	weir_span_set_name(&inner, weir_str_of("another name"));
	weir_ctx_inject(NULL, put, &bytes);
	weir_ctx_inject_response(NULL, put, &bytes);
	weir_span_inject_text(&inner, text, sizeof text);
	weir_ctx_log(NULL, text, sizeof text);
	weir_span_begin_opts(&other, NULL, WEIR_INTERNAL, "other", &of_root);
	weir_ctx_begin_child(&child, NULL);
	weir_ctx_end(&child);
	weir_span_end(&other);
	weir_span_fail(&inner, "why");
	weir_span_end_record(&inner, &times);
	weir_histogram_record_values(&times, i, WEIR_CURRENT, NULL, 0);
	weir_counter_series_add_ctx(handle, 1, NULL);
	weir_span_end_record_with(&root, &times_by, "x");
	weir_ctx_detach(scope);
	weir_ctx_end(&ctx);
}

static void *strict_thread(void *arg)
{
	(void)arg;
	handle = weir_counter_values(&counter, NULL, 0);
	for (uint64_t i = 0; i < 40; i++) /* each once */
		each_call(i);
	if (!only_exit()) {
		no_filter = true;
		return NULL;
	}
	for (uint64_t i = 0; i < CALLS; i++)
		each_call(i);
	end_thread();
}

static void run(const struct weir_sampling *sampling, bool recorded)
{
	struct sink s = {.answer = WEIR_OK};
	struct weir_status status;
	pthread_t thread;
	uint64_t offered = recorded ? 3ull * (CALLS + 40) : 0;

	traces_start(0, 0, sampling);
	sink_open(&s, NULL, NULL);
	thread_start(&thread, strict_thread, NULL, 0);
	pthread_join(thread, NULL);
	if (no_filter)
		SKIP("there is no seccomp here");
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	status = traces_status();
	EQUAL(weir_counter_read(&counter), CALLS + 40);
	EQUAL(weir_histogram_read(&times).count + status.untimed, 2 * (CALLS + 40));
	EQUAL(status.dropped_records, 0);
	EQUAL(status.headers_malformed, 0);
	EQUAL(status.baggage_dropped, 0);
	if (sampling == NULL) {
		traces_expect(offered);
		EQUAL(status.spans_exported, s.spans);
	}
	NOTE("%llu spans came, %llu were dropped, %llu kept", (unsigned long long)s.spans, (unsigned long long)status.dropped_spans,
	     (unsigned long long)status.kept_spans);
}

static void sampled(void)
{
	run(NULL, true);
}

static void not_sampled(void)
{
	struct weir_sampling never = {.size = sizeof never, .sampler = WEIR_SAMPLER_NEVER, .ignore_parent = true};

	run(&never, false);
	EQUAL(traces_status().spans_ended, 0);
}

static void perhaps_kept(void)
{
	struct weir_sampling kept = {.size = sizeof kept, .sampler = WEIR_SAMPLER_NEVER, .ignore_parent = true, .keep_failed = true,
	                             .keep_slow = true};

	run(&kept, false);
}

CASES({"strict_spans_sampled", sampled, 100}, {"strict_spans_not_sampled", not_sampled, 100},
      {"strict_spans_perhaps_kept", perhaps_kept, 100})
