/* bench: the work itself, the same for every peer: which labels, values and families, in which order. The peers in
 * other languages make the same from the same rules: change them together.
 *   order     splitmix64 from a fixed seed; lists are shuffled from their end (swap i with next() % (i + 1))
 *   labels    1000 lists of method, route, code: list i is method i % 5, route i / 5 % 20, code i / 100; seed 1
 *   values    16384 of them, spread evenly over the logarithm of a range: lowest * (highest / lowest) ^ u, seed 2
 *   handles   n series, in shuffled order, seed 3
 *   families  100 of n / 100 series: series i of a family is method i % 4, code i / 4 % 5, route "/api/v1/orders/" and
 *             i / 20 in two digits at least; its value begins at 1000000 + 7919 * i, and grows by 1 + i % 7 before
 *             every encoding
 *   spans     "orders.find_one" with order.id, order.state and db.system, all text; the id is one of 16 in turn, the others are
 *             constants; an inner span of a request, 163 bytes in OTLP */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	WORK_LISTS = 1000,
	WORK_LABELS = 3,
	WORK_VALUES = 16384,
	WORK_FAMILIES = 100,
	WORK_TURNS = 16, /* series of histogram_explicit_16_series; order ids of spans */
	WORK_BLOCK = 512, /* spans until they are drained */
	WORK_ID_BYTES = 10,
};

static const char *const work_label_names[] = {"method", "route", "code", NULL};
static const char *const work_methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH"};
static const char *const work_routes[] = {
    "/", "/healthz", "/metrics", "/login", "/logout", "/api/v1/orders", "/api/v1/orders/{id}",
    "/api/v1/orders/{id}/items", "/api/v1/items", "/api/v1/items/{id}", "/api/v1/users", "/api/v1/users/{id}",
    "/api/v1/users/{id}/orders",
    "/api/v1/carts", "/api/v1/carts/{id}", "/api/v1/search", "/api/v1/payments", "/api/v1/payments/{id}",
    "/api/v1/invoices", "/api/v1/invoices/{id}",
};
static const char *const work_codes[] = {"200", "201", "204", "301", "304", "400", "401", "404", "500", "503"};

/* The default bounds for seconds, in ns. */
static const uint64_t work_bounds[] = {
    5000000, 10000000, 25000000, 50000000, 75000000, 100000000, 250000000, 500000000, 750000000, 1000000000, 2500000000,
    5000000000, 7500000000, 10000000000,
};
enum { WORK_BOUNDS = sizeof work_bounds / sizeof *work_bounds };
/* What is recorded into them, and into exponential buckets, in ns. */
static const uint64_t work_explicit_lowest = 1000000, work_explicit_highest = 20000000000;
static const uint64_t work_exponential_lowest = 1000, work_exponential_highest = 60000000000;

static const char *const work_ids[WORK_TURNS] = {
    "42-1234500", "42-1234501", "42-1234502", "42-1234503", "42-1234504", "42-1234505", "42-1234506", "42-1234507",
    "42-1234508", "42-1234509", "42-1234510", "42-1234511", "42-1234512", "42-1234513", "42-1234514", "42-1234515",
};
static const char work_traceparent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static inline uint64_t work_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline void work_shuffle(uint32_t *order, size_t count, uint64_t seed)
{
	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	for (size_t i = count - 1; i > 0; i--) {
		size_t j = (size_t)(work_next(&seed) % (i + 1));
		uint32_t swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
}

static inline void work_lists(const char *lists[WORK_LISTS][WORK_LABELS])
{
	uint32_t order[WORK_LISTS];

	work_shuffle(order, WORK_LISTS, 1);
	for (size_t k = 0; k < WORK_LISTS; k++) {
		size_t i = order[k];

		lists[k][0] = work_methods[i % 5];
		lists[k][1] = work_routes[i / 5 % 20];
		lists[k][2] = work_codes[i / 100];
	}
}

static inline void work_values(uint64_t values[WORK_VALUES], uint64_t lowest, uint64_t highest)
{
	uint64_t seed = 2;

	for (size_t i = 0; i < WORK_VALUES; i++) {
		double u = (double)(work_next(&seed) >> 11) / 9007199254740992.0;

		values[i] = (uint64_t)((double)lowest * pow((double)highest / (double)lowest, u));
	}
}

static inline void work_family(size_t family, char name[64], char help[64])
{
	snprintf(name, 64, "bench_requests_%03zu_total", family);
	snprintf(help, 64, "Requests of family %zu.", family);
}

static inline void work_series(size_t i, const char *values[WORK_LABELS], char route[32])
{
	snprintf(route, 32, "/api/v1/orders/%02u", (unsigned)(i / 20));
	values[0] = work_methods[i % 4];
	values[1] = route;
	values[2] = work_codes[i / 4 % 5];
}

static inline uint64_t work_start(size_t i)
{
	return UINT64_C(1000000) + UINT64_C(7919) * i;
}

static inline uint64_t work_growth(size_t i)
{
	return 1 + i % 7;
}

#endif
