// A host's function of C++ that weir calls on the host's own thread may throw: the exception goes through weir's frames, and
// weir goes on. (Most of libweir has no unwind tables; what calls the host has.)
#include <weir/weir.h>

#include <cstdio>

namespace {

void put(void *, weir_str, weir_str) { throw 1; }
int write(void *, const void *, std::size_t) { throw 1; }

template <class Call> bool comes_through(const char *name, Call call)
{
	bool caught = false;

	try {
		call();
	} catch (int) {
		caught = true;
	}
	std::printf(caught ? "ok throws %s\n" : "not ok throws %s: it was not caught\n", name);
	return caught;
}

} // namespace

int main()
{
	weir_snapshot *snapshot = nullptr;
	weir_ctx ctx;
	weir_span span;
	bool all = weir_init(nullptr) == WEIR_OK;

	weir_ctx_begin(&ctx, nullptr, 0);
	weir_span_begin(&span, &ctx, WEIR_CLIENT, "call");
	all = comes_through("weir_ctx_inject", [&] { weir_ctx_inject(&ctx, put, nullptr); }) && all;
	all = comes_through("weir_ctx_inject_response", [&] { weir_ctx_inject_response(&ctx, put, nullptr); }) && all;
	all = comes_through("weir_span_inject", [&] { weir_span_inject(&span, put, nullptr); }) && all;
	all = weir_snapshot_new(&snapshot) == WEIR_OK && all;
	all = comes_through("weir_snapshot_write", [&] { weir_snapshot_write(snapshot, write, nullptr); }) && all;
	weir_snapshot_destroy(snapshot);
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	all = weir_shutdown(WEIR_S(5)) == WEIR_OK && all;
	return all ? 0 : 1;
}
