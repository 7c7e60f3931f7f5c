// Where macros cannot go: templates, inline functions, members; timers that move; instruments in namespaces.
#include <weir/weir.hpp>

#include <cassert>
#include <chrono>
#include <string>

template <class Key> struct cache {
	static bool find(const Key &key)
	{
		static weir::counter lookups{"cache_lookups_total", "Asked.", "cache", "result"};
		bool found = key != Key{};

		lookups.add(1, Key::name(), found ? "hit" : std::string("miss"));
		return found;
	}
};
struct user {
	int id = 0;
	static std::string_view name() { return "user"; }
	bool operator!=(const user &o) const { return id != o.id; }
};
struct order {
	std::string id;
	static std::string_view name() { return "order"; }
	bool operator!=(const order &o) const { return id != o.id; }
};

static constexpr std::uint64_t sizes[] = WEIR_BUCKETS(WEIR_BYTES, WEIR_BOUNDS(64, 1024, WEIR_KIB(16)));

inline weir_distribution sent(std::size_t bytes, std::chrono::microseconds took)
{
	static weir::histogram size{sizes, "reply_size_bytes", "Bytes of a reply."};
	static weir::histogram time{weir::latency, "reply_duration_seconds", "Time to reply.", "peer"};

	size.record(bytes);
	time.record(took, "store");
	assert(size.read().count == weir_histogram_series_read(time.with("store")).count);
	return weir_histogram_series_read(time.with("store"));
}

class pool {
public:
	void take() { free_.add(-1); }
	void give() { free_.add(1); }
	static std::int64_t free() { return free_.read(); }

private:
	static inline weir::updown free_{"pool_free", "Free."};
};

namespace shop {
WEIR_HISTOGRAM(work, WEIR_LATENCY, "work_duration_seconds", "Time at work.");
WEIR_COUNTER(done, "work_done_total", "Work done.", "kind");
} // namespace shop

static weir::timer started() { return weir::timer{shop::work}; }

static std::uint64_t count(weir_snapshot *snapshot, const char *name, std::initializer_list<weir_str> values)
{
	weir_series series;

	return weir_snapshot_find(snapshot, name, values.begin(), values.size(), &series) ? series.count : 0;
}

int main()
{
	weir_options options{};
	options.service_name = "templates";
	assert(weir_init(&options) == WEIR_OK);

	weir::timer timer = started();
	weir_distribution replies = sent(512, std::chrono::microseconds(40));
	assert(replies.count == 1 && replies.sum_low == 40000);

	cache<user>::find({1});
	cache<user>::find({});
	cache<order>::find({"a-1"});
	cache<order>::find({"a-2"});

	pool p;
	p.give();
	p.give();
	p.take();
	assert(pool::free() == 1);

	timer = started(); // ends the first
	assert(weir_histogram_read(&shop::work).count == 1);
	weir::timer dropped = std::move(timer);
	dropped.drop();
	weir_counter_add_with(&shop::done, 2, "packing");

	weir_snapshot *snapshot;
	assert(weir_snapshot_new(&snapshot) == WEIR_OK);
	assert(count(snapshot, "cache_lookups_total", {weir::str("user"), weir::str("hit")}) == 1);
	assert(count(snapshot, "cache_lookups_total", {weir::str("user"), weir::str("miss")}) == 1);
	assert(count(snapshot, "cache_lookups_total", {weir::str("order"), weir::str("hit")}) == 2);
	assert(count(snapshot, "work_done_total", {weir::str("packing")}) == 2);
	weir_snapshot_destroy(snapshot);
	assert(weir_histogram_read(&shop::work).count == 1);
	return weir_shutdown(WEIR_S(1));
}
