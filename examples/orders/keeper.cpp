// orders-store: requests to the store. See keeper.hpp. A request is all they read and write, beside the store.
#include "keeper.hpp"

#include <charconv>
#include <cstdio>
#include <cstring>

namespace keeper {

namespace {

void answer(request &r, int status, const char *error)
{
	r.status = status;
	r.answer_len = static_cast<std::size_t>(std::snprintf(r.answer, sizeof r.answer, "{\"error\":\"%s\"}\n", error));
}

void answer(request &r, int status, const order &o)
{
	r.status = status;
	r.answer_len = static_cast<std::size_t>(
	    std::snprintf(r.answer, sizeof r.answer, "{\"id\":%llu,\"item\":\"%s\",\"quantity\":%u,\"state\":\"accepted\"}\n",
	                  static_cast<unsigned long long>(o.id), o.item, o.quantity));
}

} // namespace

const char *text(route r)
{
	constexpr const char *texts[routes] = {"/orders/{id}", "/orders", "/healthz", "other"};

	return texts[static_cast<std::size_t>(r)];
}

route find(std::string_view path, std::uint64_t &id)
{
	constexpr std::string_view orders = "/orders";

	if (path == "/healthz")
		return route::health;
	if (path == orders)
		return route::orders;
	if (path.substr(0, orders.size()) != orders || path[orders.size()] != '/')
		return route::other;
	path.remove_prefix(orders.size() + 1);
	const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), id);
	if (error != std::errc{} || end != path.data() + path.size())
		return route::other;
	return route::order;
}

void receive(request &r, const char *data, std::size_t size)
{
	if (r.received < body_max)
		std::memcpy(r.body + r.received, data, size < body_max - r.received ? size : body_max - r.received);
	r.received += size;
}

bool needs_store(request &r)
{
	if (r.where == route::other) {
		answer(r, 404, "not found");
	} else if (r.method != (r.where == route::orders ? "POST" : "GET")) {
		answer(r, 405, "method not allowed");
	} else if (r.received > body_max) {
		answer(r, 413, "body too large");
	} else if (r.where == route::health) {
		r.status = 200;
		r.answer_len = static_cast<std::size_t>(std::snprintf(r.answer, sizeof r.answer, "{\"status\":\"ok\"}\n"));
	}
	return r.status == 0;
}

void work(request &r, store *store)
{
	order o{};
	int result;

	if (r.where == route::orders) {
		if (!order_parse(&o, r.body, r.received))
			return answer(r, 400, "bad request");
		result = store_put(store, &o, &r.delay_ns);
		r.id = o.id;
	} else {
		result = store_get(store, r.id, &o, &r.delay_ns);
	}
	r.failed = result < 0;
	if (r.failed)
		answer(r, 503, "the store failed");
	else if (result == STORE_NONE)
		answer(r, 404, "not found");
	else
		answer(r, r.where == route::orders ? 201 : 200, o);
}

} // namespace keeper
