// bench: the peer prometheus-cpp, on the same harness and the same data as the C programs.
#include "bench.h"
#include "workload.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace
{

const char *const who = "prometheus-cpp";

prometheus::Labels labels_of(const char *const *values)
{
	return {{"method", values[0]}, {"route", values[1]}, {"code", values[2]}};
}

void loop_add(void *arg, unsigned, uint64_t count)
{
	auto *counter = static_cast<prometheus::Counter *>(arg);

	for (uint64_t i = 0; i < count; i++) {
		counter->Increment();
		bench_barrier();
	}
}

struct labelled {
	prometheus::Family<prometheus::Counter> *family;
	const char *lists[WORK_LISTS][WORK_LABELS];
};

void loop_add_labels(void *arg, unsigned, uint64_t count)
{
	auto *l = static_cast<labelled *>(arg);

	for (uint64_t done = 0; done < count; done += WORK_LISTS) {
		for (size_t k = 0; k < WORK_LISTS && done + k < count; k++) {
			l->family->Add(labels_of(l->lists[k])).Increment();
			bench_barrier();
		}
	}
}

struct tenants {
	prometheus::Family<prometheus::Counter> *family;
	std::vector<std::string> all;
};

void loop_add_tenant(void *arg, unsigned, uint64_t count)
{
	auto *t = static_cast<tenants *>(arg);

	for (uint64_t i = 0; i < count; i++) {
		t->family->Add({{"method", "GET"}, {"code", "200"}, {"tenant", t->all[i % t->all.size()]}}).Increment();
		bench_barrier();
	}
}

// Each tenant has a series of its own.
void measure_tenants(const bench &b, size_t count, bool skewed)
{
	prometheus::Registry registry;
	tenants t{&prometheus::BuildCounter().Name("bench_requests_total").Help("Requests.").Register(registry), {}};
	uint64_t seed = skewed ? 5 : 4;
	char name[32];

	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof name, "tenant-%05zu", i);
		t.family->Add({{"method", "GET"}, {"code", "200"}, {"tenant", name}});
	}
	for (size_t i = 0; i < size_t{1} << 20; i++) {
		uint64_t drawn = work_next(&seed);
		double u = static_cast<double>(drawn >> 11) / 9007199254740992.0;

		snprintf(name, sizeof name, "tenant-%05zu",
		         skewed ? static_cast<size_t>(pow(static_cast<double>(count), u)) - 1 : static_cast<size_t>(drawn % count));
		t.all.push_back(name);
	}
	bench_measure(&b, who, loop_add_tenant, &t);
}

void loop_set(void *arg, unsigned, uint64_t count)
{
	auto *gauge = static_cast<prometheus::Gauge *>(arg);

	for (uint64_t i = 0; i < count; i++) {
		gauge->Set(static_cast<double>(i));
		bench_barrier();
	}
}

struct records {
	std::vector<prometheus::Histogram *> series;
	std::vector<double> values;
};

void loop_record(void *arg, unsigned, uint64_t count)
{
	auto *r = static_cast<records *>(arg);
	prometheus::Histogram *const *series = r->series.data();
	const double *values = r->values.data();
	size_t turns = r->series.size();

	if (turns == 1) {
		for (uint64_t i = 0; i < count; i++) {
			series[0]->Observe(values[i % WORK_VALUES]);
			bench_barrier();
		}
	} else {
		for (uint64_t i = 0; i < count; i++) {
			series[i % WORK_TURNS]->Observe(values[i % WORK_VALUES]);
			bench_barrier();
		}
	}
}

void loop_many(void *arg, unsigned, uint64_t count)
{
	auto *m = static_cast<std::vector<prometheus::Counter *> *>(arg);

	for (uint64_t done = 0; done < count; done += m->size()) {
		for (size_t k = 0; k < m->size() && done + k < count; k++) {
			(*m)[k]->Increment();
			bench_barrier();
		}
	}
}

struct exported {
	prometheus::Registry registry;
	std::vector<prometheus::Counter *> series;
	size_t each = 0;
	prometheus::TextSerializer serializer;
	bool snapshot = true, text = true; // what is timed
};

uint64_t once_export(void *arg)
{
	auto *e = static_cast<exported *>(arg);
	uint64_t began, took;

	for (size_t i = 0; i < e->series.size(); i++)
		e->series[i]->Increment(static_cast<double>(work_growth(i % e->each)));
	began = bench_now();
	auto families = e->registry.Collect();
	took = bench_now() - began;
	bench_require(families.size() == WORK_FAMILIES, "prometheus-cpp: families are missing");
	if (!e->text)
		return took;
	if (!e->snapshot)
		began = bench_now();
	// What serving it does: a string of its own.
	std::string text = e->serializer.Serialize(families);
	took = bench_now() - began;
	bench_require(text.size() > 50 * e->series.size(), "prometheus-cpp: the text is too short");
	return took;
}

void measure_export(const bench &b, size_t count, bool snapshot, bool text)
{
	auto e = std::make_unique<exported>();
	prometheus::Family<prometheus::Counter> *family = nullptr;

	e->each = count / WORK_FAMILIES;
	e->snapshot = snapshot;
	e->text = text;
	for (size_t i = 0; i < count; i++) {
		const char *values[WORK_LABELS];
		char name[64], help[64], route[32];

		if (i % e->each == 0) {
			work_family(i / e->each, name, help);
			family = &prometheus::BuildCounter().Name(name).Help(help).Register(e->registry);
		}
		work_series(i % e->each, values, route);
		auto &counter = family->Add(labels_of(values));
		counter.Increment(static_cast<double>(work_start(i % e->each)));
		e->series.push_back(&counter);
	}
	bench_measure_once(&b, who, once_export, e.get());
}

void measure_many(const bench &b, size_t count)
{
	prometheus::Registry registry;
	auto &family = prometheus::BuildCounter().Name("bench_many_total").Help("Many series.").Register(registry);
	std::vector<prometheus::Counter *> series(std::max<size_t>(count, 1000));
	std::vector<uint32_t> order(series.size());

	work_shuffle(order.data(), order.size(), 3);
	for (size_t i = 0; i < series.size(); i++)
		series[count > 1 ? order[i] : i] = &family.Add({{"id", std::to_string(i % count)}});
	loop_many(&series, 0, series.size()); // first uses are another row's
	bench_measure(&b, who, loop_many, &series);
}

void measure_records(const bench &b, size_t turns)
{
	prometheus::Registry registry;
	auto &family = prometheus::BuildHistogram().Name("bench_explicit_seconds").Help("Bounds.").Register(registry);
	prometheus::Histogram::BucketBoundaries bounds;
	std::vector<uint64_t> nanoseconds(WORK_VALUES);
	records r;

	for (uint64_t bound : work_bounds)
		bounds.push_back(static_cast<double>(bound) / 1e9);
	for (size_t i = 0; i < turns; i++)
		r.series.push_back(&family.Add({{"method", "m" + std::to_string(i)}}, bounds));
	work_values(nanoseconds.data(), work_explicit_lowest, work_explicit_highest);
	for (uint64_t v : nanoseconds)
		r.values.push_back(static_cast<double>(v) / 1e9);
	bench_measure(&b, who, loop_record, &r);
}

uint64_t once_add(void *arg)
{
	uint64_t began = bench_now();

	static_cast<prometheus::Counter *>(arg)->Increment();
	return bench_now() - began;
}

void measure_series_bytes(const bench &b)
{
	const size_t series = 100000;
	prometheus::Registry registry;
	auto &family = prometheus::BuildCounter().Name("bench_requests_total").Help("Requests.").Register(registry);
	uint64_t before = bench_resident_bytes();

	for (size_t i = 0; i < series; i++) {
		const char *values[WORK_LABELS];
		char route[32];

		work_series(i, values, route);
		family.Add(labels_of(values)).Increment();
	}
	bench_print(&b, who, (static_cast<double>(bench_resident_bytes()) - static_cast<double>(before)) / series);
}

} // namespace

int main(int argc, char **argv)
{
	const struct {
		const char *row;
		std::function<void(const bench &)> measure;
	} rows[] = {
	    {"record_series_1", [](const bench &b) { measure_many(b, 1); }},
	    {"record_series_1k", [](const bench &b) { measure_many(b, 1000); }},
	    {"record_series_100k", [](const bench &b) { measure_many(b, 100000); }},
	    {"record_series_1m", [](const bench &b) { measure_many(b, 1000000); }},
	    {"snapshot_1k", [](const bench &b) { measure_export(b, 1000, true, false); }},
	    {"snapshot_10k", [](const bench &b) { measure_export(b, 10000, true, false); }},
	    {"snapshot_100k", [](const bench &b) { measure_export(b, 100000, true, false); }},
	    {"snapshot_1m", [](const bench &b) { measure_export(b, 1000000, true, false); }},
	    {"prometheus_text_1k", [](const bench &b) { measure_export(b, 1000, true, true); }},
	    {"prometheus_text_10k", [](const bench &b) { measure_export(b, 10000, true, true); }},
	    {"prometheus_text_100k", [](const bench &b) { measure_export(b, 100000, true, true); }},
	    {"prometheus_text_1m", [](const bench &b) { measure_export(b, 1000000, true, true); }},
	    {"prometheus_encode_10k", [](const bench &b) { measure_export(b, 10000, false, true); }},
	    {"histogram_explicit", [](const bench &b) { measure_records(b, 1); }},
	    {"histogram_explicit_16_series", [](const bench &b) { measure_records(b, WORK_TURNS); }},
	    {"bytes_per_series", measure_series_bytes},
	};
	struct bench b = bench_arguments(argc, argv);
	prometheus::Registry registry;
	auto &counters = prometheus::BuildCounter().Name("bench_adds_total").Help("Adds.").Register(registry);
	auto &gauges = prometheus::BuildGauge().Name("bench_level").Help("Level.").Register(registry);

	for (const auto &row : rows)
		if (bench_is(&b, row.row))
			row.measure(b);
	if (bench_is(&b, "counter_add") || bench_is(&b, "counter_add_static")) {
		auto &counter = counters.Add({{"method", "GET"}, {"route", "/"}, {"code", "200"}});

		bench_measure(&b, who, loop_add, &counter);
		bench_require(counter.Value() > 0, "prometheus-cpp: nothing was counted");
	}
	if (bench_is(&b, "counter_add_tenant"))
		measure_tenants(b, 10, false);
	if (bench_is(&b, "counter_add_tenant_100k"))
		measure_tenants(b, 100000, true);
	if (bench_is(&b, "counter_add_labels")) {
		labelled l;

		l.family = &counters;
		work_lists(l.lists);
		bench_measure(&b, who, loop_add_labels, &l);
	}
	if (bench_is(&b, "gauge_set"))
		bench_measure(&b, who, loop_set, &gauges.Add({{"method", "GET"}}));
	if (bench_is(&b, "thread_first_use") || bench_is(&b, "thread_first_use_new"))
		bench_measure_threads(&b, who, once_add, &counters.Add({}), bench_is(&b, "thread_first_use_new"));
	if (bench_is(&b, "bytes_per_thread"))
		bench_bytes_per_thread(&b, who, once_add, &counters.Add({}));
	return 0;
}
