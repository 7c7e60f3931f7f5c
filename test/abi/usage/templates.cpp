// Where macros cannot go: templates, inline functions, members; timers that move; instruments in namespaces; attributes of every
// type; the current context; propagation.
#include <weir/weir.hpp>

#include <array>
#include <cassert>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

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

inline void asked(const weir_ctx *request) // labels that the request's context fills
{
	static weir::counter by{"asked_total", "Asked, by tenant.", "cache", weir::claim{WEIR_CLAIM("tenant")}};
	static weir::histogram rows{sizes, "asked_rows_bytes", "Bytes, by tenant.", weir::claim{WEIR_CLAIM("tenant")}};

	by.add_ctx(request, 1, std::string("user"));
	rows.record_ctx(request, 100u);
}

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

// ---- requests and spans ----
using headers = std::map<std::string, std::string>;
static constexpr char traceparent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
static constexpr char not_sampled[] = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

static weir::histogram served{weir::latency, "served_seconds", "Time to serve.", "route"};
WEIR_HISTOGRAM(queried, WEIR_LATENCY, "queried_seconds", "Time of a query.", "table");

struct arrived { // what an exporter saw
	std::string name, parent, id, failure;
	std::map<std::string, std::string> attrs;
	weir_span_kind kind;
	weir_span_status status;
	std::vector<std::string> events;
	std::vector<std::string> linked;
};
static std::vector<arrived> seen;

static std::string hex(const std::uint8_t (&id)[8])
{
	weir_ids ids{};
	char trace[33], span[17];

	std::memcpy(ids.span_id, id, sizeof id);
	weir_ids_hex(&ids, trace, span);
	return span;
}

template <class T> static std::string joined(const weir_list &l)
{
	std::string text = "[";

	for (std::size_t i = 0; i < l.count; i++) {
		T v = static_cast<const T *>(l.ptr)[i];
		if constexpr (std::is_same_v<T, weir_str>)
			text += std::string(weir::view(v)) + ";";
		else
			text += std::to_string(v) + ";";
	}
	return text + "]";
}

static std::string shown(const weir_attr &a)
{
	switch (a.type) {
	case WEIR_ATTR_STR: return std::string(weir::view(a.as.str));
	case WEIR_ATTR_BYTES: return "bytes:" + std::to_string(a.as.str.len);
	case WEIR_ATTR_BOOL: return a.as.boolean ? "true" : "false";
	case WEIR_ATTR_INT: return std::to_string(a.as.integer);
	case WEIR_ATTR_DOUBLE: return std::to_string(a.as.real);
	case WEIR_ATTR_STRS: return joined<weir_str>(a.as.list);
	case WEIR_ATTR_BOOLS: return joined<bool>(a.as.list);
	case WEIR_ATTR_INTS: return joined<std::int64_t>(a.as.list);
	case WEIR_ATTR_DOUBLES: return joined<double>(a.as.list);
	}
	return "?";
}

static int look(void *, weir_batch *batch, std::uint64_t)
{
	weir_ended e;

	weir_ended_begin(&e, batch);
	while (weir_ended_next(&e)) {
		arrived a{};

		a.name = weir::view(e.name);
		a.parent = hex(e.parent_id);
		a.id = hex(e.ids.span_id);
		a.failure = std::string(e.failure.ptr != nullptr ? weir::view(e.failure) : "");
		a.kind = e.kind;
		a.status = e.status;
		for (std::size_t i = 0; i < e.attrs.count; i++)
			a.attrs[std::string(weir::view(e.attrs.ptr[i].key))] = shown(e.attrs.ptr[i]);
		for (std::size_t i = 0; i < e.events_count; i++)
			a.events.push_back(std::string(weir::view(e.events[i].name)) + "/" + std::to_string(e.events[i].attrs.count));
		for (std::size_t i = 0; i < e.links_count; i++)
			a.linked.push_back(hex(e.links[i].ids.span_id));
		seen.push_back(a);
	}
	return WEIR_OK;
}

static arrived take(const std::string &name)
{
	for (const arrived &a : seen)
		if (a.name == name)
			return a;
	std::fprintf(stderr, "there is no span %s\n", name.c_str());
	std::exit(1);
}

static void child(headers &out) // of the current context
{
	weir::span span{"SELECT orders", WEIR_CLIENT};

	span.set({{"db.system.name", "postgresql"}, {"db.response.returned_rows", 3}, {"cached", false}, {"share", 0.5}});
	span.inject([&](std::string_view name, std::string_view value) { out.emplace(name, value); });
	assert(span.end(queried, "orders").count() > 0);
}

static void every_type(weir::ctx &request)
{
	char space[4096];
	weir_span_options options{};
	options.buffer = space; // its own 440 bytes are too few for all of these
	options.buffer_size = sizeof space;
	weir::span span{request, "types", WEIR_INTERNAL, options};
	std::string text = "text";
	std::string_view view = text;
	const char *nothing = nullptr;
	unsigned char small = 200;
	unsigned long long large = 1ull << 62;
	std::array<std::int64_t, 2> ints{4, 5};
	std::vector<double> doubles{0.25, 0.5};
	bool bools[] = {true, false};
	weir_str strs[] = {weir::str("a"), weir::str("b")};

	span.set({{"str", text}, {"view", view}, {"null", nothing}, {"char", small}, {"large", large}, {"short", short{-7}}});
	span.set({{"float", 1.5f}, {"bytes", weir::bytes{"\0\1", 2}}, {"ints", ints}, {"doubles", doubles}, {"bools", bools}});
	span.set({{"strs", strs}, {"list", weir::list{"x", text, view}}, {"numbers", weir::list{1, 2u, 3l}}, {"mixed", weir::list{1, 0.5}}});
	span.set("single", 1);
	span.set("single", "the last one counts");
	span.set("flags", weir::list{true});
	span.name("all types");
	span.event("begun");
	span.event("retried", {{"attempt", 2}, {"why", "slow"}});
	span.event_at("before", WEIR_S(1700000000));
	span.fail("never mind");
	span.ok();
}

static void several_at_once(weir::ctx &request)
{
	weir::span server{request, "several", WEIR_SERVER, {{"seen.by.samplers", true}}};
	weir::span first{request, server, "first", WEIR_CLIENT}, second{request, server, "second", WEIR_CLIENT, {{"n", 2}}};

	second.link(first);
	second.link(server.ids(), {{"reason", "test"}});
	first.end();
	server.end();
}

static void requests()
{
	headers in{{"TraceParent", traceparent}, {"tracestate", "them=1"}, {"baggage", "tenant=acme,user=al%20ice"}}, out, back;
	char room[32], little[3];

	{
		weir::ctx_with_baggage<512> request{in};
		weir::current here{request};
		weir::span span{request, "GET /orders", WEIR_SERVER};

		request.route("/orders/{id}");
		request.status(500);
		request.slo(served);
		assert(request.baggage("user", room) == "al ice" && !request.baggage("user", little) && !request.baggage("no", room));
		assert(request.set_baggage("cart", "3") == WEIR_OK && request.remove_baggage("tenant") == WEIR_OK);
		assert(request.set_tracestate("us", "2") == WEIR_OK && request.tracestate("them") == "1");
		assert(std::string_view(request.log()).substr(0, 41) == "trace_id=0af7651916cd43dd8448eb211c80319c");
		assert(std::string(weir::current::log().c_str()) == request.log().c_str());
		assert(hex(weir::current::ids().span_id) == hex(span.ids().span_id));
		child(out);
		every_type(request);
		{
			weir::ctx_with_baggage<512> work{weir::ctx::child_of{request.c()}};
			weir::ctx bare{weir::ctx::child_of{request.c()}};
			weir::span task{work, "task"};

			assert(work.baggage("cart", room) == "3" && !bare.baggage("cart", room));
		}
		request.inject_response([&](std::string_view name, std::string_view value) { back.emplace(name, value); });
		span.fail("no stock");
		asked(request.c());
		asked(WEIR_CURRENT);
		assert(request.claim("tenant").data() == nullptr);
		assert(span.end(served, "/orders/{id}").count() > 0);
	}
	assert(weir_histogram_series_read(served.with("/orders/{id}")).count == 1);
	assert(weir_histogram_series_read(weir_histogram_with(&queried, "orders")).count == 1);
	assert(out["tracestate"] == "us=2,them=1" && out["baggage"] == "user=al%20ice,cart=3");
	assert(back["X-Trace-ID"] == "0af7651916cd43dd8448eb211c80319c");

	{ // a list in the call; not sampled: nothing is kept, and it is measured all the same
		weir::ctx request{std::initializer_list<std::pair<const char *, const char *>>{{"traceparent", not_sampled}}};
		weir::span span{request, "not sampled", WEIR_SERVER};

		assert(!span.recording());
		span.set({{"never", "kept"}});
		span.event("nor this");
		assert(span.end().count() > 0);
	}
	weir::ctx own;
	several_at_once(own);
}

static void check_arrived()
{
	arrived server = take("GET /orders"), db = take("SELECT orders"), types = take("all types");

	assert(seen.size() == 7);
	assert(server.kind == WEIR_SERVER && server.parent == "b7ad6b7169203331" && server.status == WEIR_STATUS_ERROR);
	assert(server.failure == "no stock" && server.attrs["http.route"] == "/orders/{id}");
	assert(server.attrs["http.response.status_code"] == "500");
	assert(db.kind == WEIR_CLIENT && db.parent == server.id && db.attrs.size() == 4 && db.attrs["share"] == "0.500000");
	assert(db.attrs["db.response.returned_rows"] == "3" && db.attrs["cached"] == "false");
	assert(types.kind == WEIR_INTERNAL && types.status == WEIR_STATUS_OK && types.parent == server.id);
	assert(types.attrs["str"] == "text" && types.attrs["view"] == "text" && types.attrs["null"].empty());
	assert(types.attrs["char"] == "200" && types.attrs["large"] == "4611686018427387904" && types.attrs["short"] == "-7");
	assert(types.attrs["float"] == "1.500000" && types.attrs["bytes"] == "bytes:2" && types.attrs["ints"] == "[4;5;]");
	assert(types.attrs["doubles"] == "[0.250000;0.500000;]" && types.attrs["bools"] == "[1;0;]" && types.attrs["strs"] == "[a;b;]");
	assert(types.attrs["list"] == "[x;text;text;]" && types.attrs["numbers"] == "[1;2;3;]");
	assert(types.attrs["mixed"] == "[1.000000;0.500000;]" && types.attrs["single"] == "the last one counts");
	assert(types.attrs["flags"] == "[1;]" && types.attrs.size() == 17);
	assert((types.events == std::vector<std::string>{"begun/0", "retried/2", "before/0"}));
	assert(take("task").parent == server.id);
	assert(take("first").parent == take("several").id && take("second").parent == take("several").id);
	assert((take("second").linked == std::vector<std::string>{take("first").id, take("several").id}));
	assert(take("second").attrs["n"] == "2" && take("several").attrs["seen.by.samplers"] == "true");
}

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

	weir_exporter_options looks{};
	weir_exporter *exporter;
	looks.name = "looks";
	looks.spans = look;
	assert(weir_exporter_new(&exporter, &looks) == WEIR_OK);
	requests();
	assert(weir_flush(WEIR_S(5)) == WEIR_OK);
	check_arrived();

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
