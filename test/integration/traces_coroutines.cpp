// Coroutines that are resumed on other threads than they were suspended on: their context goes along by name, or is attached for
// each stretch; parents, and what is current, are their own. C++20. Public API only.
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

weir_ids roots[ROUTINES];
std::atomic<unsigned> came[ROUTINES];

bool is_mine(const weir_ids &got, const weir_ids &mine)
{
	return memcmp(got.trace_id, mine.trace_id, 16) == 0;
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
			weir_span_set_attrs(&inner, WEIR_ATTRS_(weir_attr_int("n", number)));
			weir_span_end(&inner);
			weir_ctx_detach(scope);
		}
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
		CHECK(e.attrs.count == 1);
		size_t n = static_cast<size_t>(e.attrs.ptr[0].as.integer);

		CHECK(n < ROUTINES && is_mine(e.ids, roots[n]));
		if (e.kind == WEIR_INTERNAL)
			CHECK(memcmp(e.parent_id, roots[n].span_id, 8) == 0);
		if (e.kind == WEIR_CLIENT)
			CHECK(memcmp(e.parent_id, roots[n].span_id, 8) != 0);
		came[n]++;
	}
	return WEIR_OK;
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
	NOTE("%u times on another thread than before", moved.load());
	CHECK(weir_exporter_destroy(exporter, WEIR_S(20)) == WEIR_OK);
	CHECK(weir_shutdown(WEIR_S(20)) == WEIR_OK);
}

} // namespace

CASES({"coroutines_on_many_threads", on_many_threads, 60})
