// Coroutines that are resumed on other threads than they were suspended on: their context goes along by name, or is attached for
// each stretch; parents, exemplars, log lines, and what is current, are their own. C++20. Public API only.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast" // it is C
#include "case.h"
#pragma GCC diagnostic pop
#include <weir/weir.h>

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <mutex>

namespace {

enum { THREADS = 3, ROUTINES = CASE_SANITIZED ? 300 : 2000, STEPS = 8 };

// A queue of what is to be resumed, by whichever thread is free.
std::mutex lock;
std::condition_variable there;
std::deque<std::coroutine_handle<>> ready;
std::atomic<int> over{0};
std::atomic<unsigned> moved{0};

struct elsewhere { // co_await elsewhere{}: on to another thread, as a rule
	bool await_ready() const noexcept { return false; }
	void await_suspend(std::coroutine_handle<> h) const noexcept
	{
		std::lock_guard<std::mutex> guard(lock);
		ready.push_back(h);
		there.notify_one();
	}
	void await_resume() const noexcept {}
};

struct task {
	struct promise_type {
		task get_return_object() noexcept { return {}; }
		std::suspend_never initial_suspend() noexcept { return {}; }
		std::suspend_never final_suspend() noexcept { return {}; }
		void return_void() noexcept {}
		void unhandled_exception() noexcept { abort(); }
	};
};

WEIR_HISTOGRAM(numbers, WEIR_BUCKETS(WEIR_ONE, WEIR_RANGE(1, 1000000)), "coroutine_numbers", "Which routine it was.");

weir_ids roots[ROUTINES], waits[ROUTINES][STEPS];
std::atomic<unsigned> came[ROUTINES];

bool is_mine(const weir_ids &got, const weir_ids &mine)
{
	return memcmp(got.trace_id, mine.trace_id, 16) == 0;
}

void expect_log(const weir_ctx *ctx, const weir_ids &ids)
{
	char line[128], trace[33], span[17], wanted[128];

	weir_ids_hex(&ids, trace, span);
	snprintf(wanted, sizeof wanted, "trace_id=%s span_id=%s", trace, span);
	CHECK(weir_ctx_log(ctx, line, sizeof line) == static_cast<int>(strlen(wanted)) && strcmp(line, wanted) == 0);
}

task routine(int number)
{
	weir_ctx ctx;
	weir_span root;
	pid_t last = gettid(); // not pthread_self: the compiler believes that it stays the same

	weir_ctx_begin(&ctx, nullptr, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	weir_span_set_attrs(&root, WEIR_ATTRS_(weir_attr_int("n", number)));
	roots[number] = weir_span_ids(&root);
	for (int step = 0; step < STEPS; step++) {
		weir_span span;

		weir_span_begin(&span, &ctx, WEIR_INTERNAL, "over a wait");
		weir_span_set_attrs(&span, WEIR_ATTRS_(weir_attr_int("n", number)));
		waits[number][step] = weir_span_ids(&span);
		co_await elsewhere{};
		if (last != gettid())
			moved++;
		last = gettid();
		{ // nothing is awaited while it is attached
			weir_ids none = weir_ctx_ids(WEIR_CURRENT);
			CHECK(none.trace_id[0] == 0 && none.trace_id[15] == 0);
			weir_scope scope = weir_ctx_attach(&ctx);
			weir_span inner;

			CHECK(is_mine(weir_ctx_ids(WEIR_CURRENT), roots[number]));
			weir_span_begin(&inner, WEIR_CURRENT, WEIR_CLIENT, "inner");
			weir_span_set_attrs(&inner, WEIR_ATTRS_(weir_attr_int("n", number), weir_attr_int("step", step)));
			expect_log(WEIR_CURRENT, weir_span_ids(&inner));
			weir_histogram_record_values(&numbers, static_cast<uint64_t>(number) + 1, WEIR_CURRENT, nullptr, 0);
			weir_span_end(&inner);
			weir_ctx_detach(scope);
		}
		expect_log(&ctx, waits[number][step]);
		weir_histogram_record_values(&numbers, static_cast<uint64_t>(number) + 1, &ctx, nullptr, 0);
		weir_span_end(&span);
		weir_ids now = weir_ctx_ids(&ctx);
		CHECK(memcmp(now.span_id, roots[number].span_id, 8) == 0);
	}
	weir_span_end(&root);
	weir_ctx_end(&ctx);
	over++;
	there.notify_all();
}

void *resume_all(void *)
{
	for (;;) {
		std::unique_lock<std::mutex> guard(lock);

		there.wait(guard, [] { return !ready.empty() || over == ROUTINES; });
		if (ready.empty())
			return nullptr;
		std::coroutine_handle<> h = ready.front();
		ready.pop_front();
		guard.unlock();
		h.resume();
	}
}

int take(void *, weir_batch *batch, uint64_t)
{
	weir_ended e;

	for (weir_ended_begin(&e, batch); weir_ended_next(&e);) {
		CHECK(e.attrs.count == (e.kind == WEIR_CLIENT ? 2 : 1));
		size_t n = static_cast<size_t>(e.attrs.ptr[0].as.integer);

		CHECK(n < ROUTINES && is_mine(e.ids, roots[n]));
		if (e.kind == WEIR_INTERNAL)
			CHECK(memcmp(e.parent_id, roots[n].span_id, 8) == 0);
		if (e.kind == WEIR_CLIENT) { // the one that was open over the wait
			size_t step = static_cast<size_t>(e.attrs.ptr[1].as.integer);

			CHECK(step < STEPS && memcmp(e.parent_id, waits[n][step].span_id, 8) == 0);
		}
		came[n]++;
	}
	return WEIR_OK;
}

void look_at_exemplars()
{
	weir_snapshot *snapshot = nullptr;
	weir_series series{};

	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "coroutine_numbers", nullptr, 0, &series));
	CHECK(series.exemplars_count > 5);
	for (size_t i = 0; i < series.exemplars_count; i++) {
		const weir_exemplar &x = series.exemplars[i];

		CHECK(x.value >= 1 && x.value <= ROUTINES && is_mine(x.ids, roots[x.value - 1]));
	}
	weir_snapshot_destroy(snapshot);
}

void on_many_threads()
{
	weir_options options{};
	weir_exporter_options exporting{};
	weir_exporter *exporter = nullptr;
	weir_status status{};
	pthread_t threads[THREADS];

	options.size = sizeof options;
	options.no_process = true;
	options.spans_queue = 200000;
	options.spans_bytes = WEIR_MIB(64);
	exporting.size = sizeof exporting;
	exporting.spans = take;
	CHECK(weir_init(&options) == WEIR_OK);
	CHECK(weir_exporter_new(&exporter, &exporting) == WEIR_OK);
	for (pthread_t &t : threads)
		thread_start(&t, resume_all, nullptr, 0);
	for (int n = 0; n < ROUTINES; n++)
		routine(n);
	for (pthread_t &t : threads) {
		while (over < ROUTINES)
			sleep_ms(1);
		{
			std::lock_guard<std::mutex> guard(lock);
			there.notify_all();
		}
		pthread_join(t, nullptr);
	}
	CHECK(weir_flush(WEIR_S(20)) == WEIR_OK);
	for (auto &c : came)
		CHECK(c.load() == 1 + 2 * STEPS);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	CHECK(status.spans_exported == ROUTINES * (1 + 2 * STEPS));
	CHECK(status.dropped_spans + status.detached_out_of_order + status.ended_twice == 0);
	CHECK(moved >= ROUTINES);
	look_at_exemplars();
	NOTE("%u times on another thread than before", moved.load());
	CHECK(weir_exporter_destroy(exporter, WEIR_S(20)) == WEIR_OK);
	CHECK(weir_shutdown(WEIR_S(20)) == WEIR_OK);
}

} // namespace

CASES({"coroutines_on_many_threads", on_many_threads, 60})
