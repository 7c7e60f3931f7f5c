// bench: the peer opentelemetry-cpp: its SDK with a batch processor and an exporter that only counts. Invariant: the same
// work as weir_span.c and weir_drain.c, by the rules of workload.h.
#include "bench.h"
#include "workload.h"

#include <opentelemetry/context/propagation/text_map_propagator.h>
#include <opentelemetry/sdk/common/global_log_handler.h>
#include <opentelemetry/sdk/trace/batch_span_processor_factory.h>
#include <opentelemetry/sdk/trace/batch_span_processor_options.h>
#include <opentelemetry/sdk/trace/exporter.h>
#include <opentelemetry/sdk/trace/samplers/always_off.h>
#include <opentelemetry/sdk/trace/samplers/always_on.h>
#include <opentelemetry/sdk/trace/samplers/parent.h>
#include <opentelemetry/sdk/trace/span_data.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/trace/propagation/http_trace_context.h>
#include <opentelemetry/trace/scope.h>

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace sdk = opentelemetry::sdk;
namespace trace = opentelemetry::trace;
namespace nostd = opentelemetry::nostd;

namespace {

const char *const who = "opentelemetry-cpp";
std::atomic<uint64_t> exported{0};
std::vector<std::unique_ptr<sdk::trace::Recordable>> kept;

class Exporter final : public sdk::trace::SpanExporter {
public:
	explicit Exporter(bool keep) : keep_(keep) {}
	std::unique_ptr<sdk::trace::Recordable> MakeRecordable() noexcept override
	{
		return std::make_unique<sdk::trace::SpanData>();
	}
	sdk::common::ExportResult Export(const nostd::span<std::unique_ptr<sdk::trace::Recordable>> &spans) noexcept override
	{
		exported += spans.size();
		if (keep_)
			for (auto &span : spans)
				kept.push_back(std::move(span));
		return sdk::common::ExportResult::kSuccess;
	}
	bool ForceFlush(std::chrono::microseconds) noexcept override { return true; }
	bool Shutdown(std::chrono::microseconds) noexcept override { return true; }

private:
	bool keep_;
};

struct Traces {
	std::unique_ptr<sdk::trace::TracerProvider> provider;
	nostd::shared_ptr<trace::Tracer> tracer;
	nostd::shared_ptr<trace::Span> request;
	trace::StartSpanOptions inner, root;

	Traces(bool on, size_t queue, bool keep = false)
	{
		sdk::trace::BatchSpanProcessorOptions options;
		std::shared_ptr<sdk::trace::Sampler> sampler;

		options.max_queue_size = queue;
		options.schedule_delay_millis = std::chrono::milliseconds(100);
		if (on)
			sampler = std::make_shared<sdk::trace::AlwaysOnSampler>();
		else
			sampler = std::make_shared<sdk::trace::AlwaysOffSampler>();
		provider = std::make_unique<sdk::trace::TracerProvider>(
		    sdk::trace::BatchSpanProcessorFactory::Create(std::make_unique<Exporter>(keep), options),
		    sdk::resource::Resource::Create({}), std::make_unique<sdk::trace::ParentBasedSampler>(sampler));
		tracer = provider->GetTracer("bench");
		request = tracer->StartSpan("GET /orders/{id}");
		inner.parent = request->GetContext();
	}

	void spans(uint64_t count, const trace::StartSpanOptions &options)
	{
		for (uint64_t i = 0; i < count; i++) {
			auto span = tracer->StartSpan("orders.find_one", options);

			if (span->IsRecording()) {
				span->SetAttribute("order.id", work_ids[i % WORK_TURNS]);
				span->SetAttribute("order.state", "accepted");
				span->SetAttribute("db.system", "postgresql");
			}
			span->End();
		}
	}

	void flush() { bench_require(provider->ForceFlush(), "the flush failed"); }
};

void loop_inner(void *arg, unsigned, uint64_t count)
{
	auto *t = static_cast<Traces *>(arg);

	t->spans(count, t->inner);
}

void loop_root(void *arg, unsigned, uint64_t count)
{
	auto *t = static_cast<Traces *>(arg);

	t->spans(count, t->root);
}

void loop_attach(void *arg, unsigned, uint64_t count)
{
	auto *t = static_cast<Traces *>(arg);

	for (uint64_t i = 0; i < count; i++) {
		trace::Scope scope(t->request);
		bench_barrier();
	}
}

void flush(void *arg)
{
	static_cast<Traces *>(arg)->flush();
}

class Carrier final : public opentelemetry::context::propagation::TextMapCarrier {
public:
	std::map<std::string, std::string> headers;

	nostd::string_view Get(nostd::string_view key) const noexcept override
	{
		auto found = headers.find(std::string(key));

		return found != headers.end() ? nostd::string_view(found->second) : nostd::string_view("");
	}
	void Set(nostd::string_view key, nostd::string_view value) noexcept override
	{
		headers[std::string(key)] = std::string(value);
	}
};

void loop_extract_inject(void *, unsigned, uint64_t count)
{
	trace::propagation::HttpTraceContext propagator;
	Carrier in, out;

	in.Set("traceparent", work_traceparent);
	for (uint64_t i = 0; i < count; i++) {
		opentelemetry::context::Context empty;

		auto context = propagator.Extract(in, empty);
		propagator.Inject(out, context);
		bench_barrier();
	}
	bench_require(out.headers["traceparent"] == work_traceparent, "what went out is not what came in");
}

void measure_cpu(const bench &b)
{
	Traces t(true, 65536);

	for (unsigned batch = 0; batch <= b.batches; batch++) {
		uint64_t spans = 0, began = bench_now(), before = bench_cpu();

		while (bench_now() - began < b.batch_ns) {
			t.spans(WORK_BLOCK, t.inner);
			spans += WORK_BLOCK;
			std::this_thread::sleep_for(std::chrono::milliseconds(1));
		}
		t.flush();
		if (batch != 0)
			bench_print(&b, who, static_cast<double>(bench_cpu() - before) / static_cast<double>(spans));
	}
}

void measure_flood(const bench &b, bool rate)
{
	const uint64_t flood = 1000000, slice = 100;
	Traces t(true, rate ? flood + 1 : 2048);

	for (unsigned batch = 0; batch < b.batches; batch++) {
		uint64_t before = exported, began = bench_now(), took;
		double lost;

		for (uint64_t done = 0; done < flood; done += slice) {
			while (rate && bench_now() - began < done * 1000)
				;
			t.spans(slice, t.inner);
		}
		took = bench_now() - began;
		t.flush();
		lost = static_cast<double>(flood) - static_cast<double>(exported - before);
		fprintf(stderr, "bench: %s: %.3f s, lost %.0f\n", who, static_cast<double>(took) / 1e9, lost);
		bench_print(&b, who, rate ? lost : 100 * lost / static_cast<double>(flood));
	}
}

void measure_bytes(const bench &b)
{
	Traces t(true, 2048, true);
	uint64_t before;

	t.spans(WORK_BLOCK, t.inner);
	t.flush();
	before = bench_resident_bytes();
	for (int i = 0; i < 200; i++) {
		t.spans(WORK_BLOCK, t.inner);
		t.flush();
	}
	bench_require(kept.size() == 201 * WORK_BLOCK, "spans are missing");
	bench_print(&b, who, static_cast<double>(bench_resident_bytes() - before) / (200.0 * WORK_BLOCK));
}

} // namespace

int main(int argc, char **argv)
{
	bench b = bench_arguments(argc, argv);

	/* a line for each span that is dropped would be what is measured */
	sdk::common::internal_log::GlobalLogHandler::SetLogLevel(sdk::common::internal_log::LogLevel::None);
	if (bench_is(&b, "span_sampled") || bench_is(&b, "span_sampled_no_tsc")) {
		Traces t(true, 2048);
		bench_measure_blocks(&b, who, loop_inner, &t, WORK_BLOCK, flush);
	}
	if (bench_is(&b, "span_unsampled")) {
		Traces t(false, 2048);
		bench_measure(&b, who, loop_inner, &t);
	}
	if (bench_is(&b, "span_unsampled_root")) {
		Traces t(false, 2048);
		bench_measure(&b, who, loop_root, &t);
	}
	if (bench_is(&b, "ctx_attach_detach")) {
		Traces t(true, 2048);
		bench_measure(&b, who, loop_attach, &t);
	}
	if (bench_is(&b, "extract_inject"))
		bench_measure(&b, who, loop_extract_inject, nullptr);
	if (bench_is(&b, "span_cpu_total"))
		measure_cpu(b);
	if (bench_is(&b, "span_flood") || bench_is(&b, "span_flood_default"))
		measure_flood(b, bench_is(&b, "span_flood"));
	if (bench_is(&b, "bytes_per_span"))
		measure_bytes(b);
	return 0;
}
