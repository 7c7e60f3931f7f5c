// orders-store: what a request to the store is, and how it is answered: without HTTP, and without telemetry.
#ifndef ORDERS_KEEPER_HPP
#define ORDERS_KEEPER_HPP

#include "store.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keeper {

enum class route { order, orders, health, other };
constexpr std::size_t routes = 4;
constexpr std::size_t body_max = 1024;

const char *text(route r); // "/orders/{id}", "/orders", "/healthz", "other"
route find(std::string_view path, std::uint64_t &id);

// What a request asks, and what it is answered: status 0 until then.
struct request {
	std::string_view method;
	route where = route::other;
	std::uint64_t id = 0;
	std::size_t received = 0; // may pass body_max: what is over is not kept
	int status = 0;
	bool failed = false;        // the store did, as it was told to
	std::uint64_t delay_ns = 0; // the answer is to leave only after this time
	std::size_t answer_len = 0;
	char body[body_max];
	char answer[256];
};

void receive(request &r, const char *data, std::size_t size);
// The work itself: which the caller may measure. False: r needs none, and is answered.
bool needs_store(request &r);
void work(request &r, store *store);

} // namespace keeper
#endif
