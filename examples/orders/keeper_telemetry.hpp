// orders-store: its telemetry, and the only file of it with weir in it: weir.hpp, and nothing else of weir. With ORDERS_BARE all of
// it is empty.
//
// A request's trace is begun by the head of the request, and ended with its answer, by whichever thread has it then: a slow answer
// sleeps between the two. Who asks is a gateway, which tells its own clients their traces: the store's answers have no header
// of it.
#ifndef ORDERS_KEEPER_TELEMETRY_HPP
#define ORDERS_KEEPER_TELEMETRY_HPP

#include "access.h"
#include "keeper.hpp"

#ifndef ORDERS_BARE
#include <weir/semconv.h>
#include <weir/weir.hpp>
#endif

#include <cstdio>
#include <cstring>
#include <netinet/in.h>
#include <optional>
#include <string>

namespace keeper {

#ifdef ORDERS_BARE

inline void telemetry_start() {}

class trace {
public:
	template <class Each> void begin(const request &, std::string_view, const sockaddr *, Each) {}
	void work_begins(const request &) {}
	void work_answered(const request &) {}
	void work_ends() {}
	void ids(access_entry &) {}
	void end(const request &) {}
};

#else

static weir::counter requests{"http_requests_total", "Requests answered.", "method", "route", "code"};
static constexpr std::uint64_t latency_shape[] = WEIR_LATENCY_SLO(995000, WEIR_MS(200));
static weir::histogram latency{latency_shape, "http_request_duration_seconds",
                               "Time from a request's head to its answer.", "route"};
static weir::updown in_flight{"http_requests_in_flight", "Requests begun and not answered."};
static weir::gauge stored{"orders_stored", "Orders in the store."};
static weir::counter slow{"orders_store_slow_total", "Slow answers of the store.", "operation"};
static weir::counter failures{"orders_store_failures_total", "Failures of the store.", "operation"};
static bool recording; // set before there are other threads, as what is prepared

// What nearly every request of a route needs: worked out once, not for each of them.
struct prepared {
	const char *method; // that the route answers; nullptr: none
	int status;         // and how, where all goes well
	char name[64];      // of the span
	weir_histogram_series latency;
	weir_counter_series answered;
};
static prepared usual[routes] = {{"GET", 200, {}, {}, {}}, {"POST", 201, {}, {}, {}}, {"GET", 200, {}, {}, {}}, {}};

inline const char *code_text(char (&text)[12], int status)
{
	std::snprintf(text, sizeof text, "%d", status);
	return text;
}

inline void telemetry_start()
{
	char code[12];

	recording = true;
	stored.set(STORE_SEED);
	in_flight.add(0);
	for (const char *operation : {"get", "put"}) {
		slow.with(operation);
		failures.with(operation);
	}
	for (std::size_t i = 0; i < routes; i++) {
		const char *route_text = text(static_cast<route>(i));
		prepared &p = usual[i];

		p.latency = latency.with(route_text);
		if (p.method == nullptr)
			continue;
		p.answered = requests.with(p.method, route_text, code_text(code, p.status));
		std::snprintf(p.name, sizeof p.name, "%s %s", p.method, route_text);
	}
}

// Known ones only: what a client calls its method is no label, and no span's name.
inline const char *known(std::string_view method)
{
	for (const char *m : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
		if (method == m)
			return m;
	return "_OTHER";
}

class trace {
public:
	trace() = default;
	trace(const trace &) = delete;
	trace &operator=(const trace &) = delete;

	// each(take) calls take(name, value) with each header.
	template <class Each> void begin(const request &r, std::string_view path, const sockaddr *peer, Each each)
	{
		if (!recording)
			return;
		in_flight.add(1);
		ctx_.emplace();
		each([this](std::string_view name, std::string_view value) { ctx_->header(name, value); });
		ctx_->slo(latency);
		if (r.where != route::other)
			ctx_->route(text(r.where));
		const prepared &p = usual[static_cast<std::size_t>(r.where)];
		const char *method = known(r.method), *name = p.name;
		char unusual[64]; // copied
		if (p.method == nullptr || r.method != p.method) {
			std::snprintf(unusual, sizeof unusual, "%s%s%s", method[0] != '_' ? method : "HTTP", r.where != route::other ? " " : "",
			              r.where != route::other ? text(r.where) : "");
			name = unusual;
		}
		server_.emplace(*ctx_, name, WEIR_SERVER,
		                weir::attrs{{WEIR_HTTP_REQUEST_METHOD, method}, {WEIR_URL_SCHEME, "http"}, {WEIR_URL_PATH, path}});
		if (server_->recording() && peer != nullptr)
			ctx_->peer(peer, peer->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
	}
	// Around the store's own work, which may take its time.
	void work_begins(const request &r)
	{
		if (server_)
			work_.emplace(*ctx_, r.where == route::orders ? "orders.put" : "orders.get");
	}
	void work_answered(const request &r)
	{
		const char *operation = r.where == route::orders ? "put" : "get";

		if (!server_)
			return;
		work_->set({{"order.id", r.id}, {"order.found", r.status < 400}});
		if (r.failed) {
			failures.add(1, operation);
			work_->event("store failed", {{"store.operation", operation}});
			work_->fail("the store failed");
		}
		if (r.delay_ns > 0) {
			slow.add(1, operation);
			work_->event("slow answer", {{"store.delay_ms", static_cast<double>(r.delay_ns) / 1e6}});
		}
		if (r.status == 201)
			stored.add(1);
	}
	void work_ends() { work_.reset(); }

	// For the request's line in the access log; while the request lasts.
	void ids(access_entry &entry)
	{
		if (ctx_)
			std::snprintf(entry.ids, sizeof entry.ids, "%s", ctx_->log().c_str());
	}

	void end(const request &r)
	{
		if (!server_)
			return;
		const prepared &p = usual[static_cast<std::size_t>(r.where)];
		char code[12];
		ctx_->status(r.status);
		if (r.status >= 500) {
			server_->set(WEIR_ERROR_TYPE, code_text(code, r.status));
			server_->fail();
		}
		server_->end(p.latency);
		server_.reset();
		ctx_.reset();
		in_flight.add(-1);
		if (p.method != nullptr && r.status == p.status && r.method == p.method)
			weir_counter_series_add(p.answered, 1);
		else
			requests.add(1, known(r.method), text(r.where), code_text(code, r.status));
	}

private:
	std::optional<weir::ctx_with_baggage<512>> ctx_;
	std::optional<weir::span> server_, work_;
};

#endif

} // namespace keeper
#endif
