/* orders: the routes. See route.h. Constant data only. */
#include "route.h"

#include "handlers.h"

#include <string.h>

#define ORDERS_PATH "/api/v1/orders"

const struct route routes[ROUTES] = {
	[ROUTE_ORDER] = {ORDERS_PATH "/{id}", "GET, HEAD", METHOD_GET, handle_order, {200, 404, 429, 500, 502, 503, 504}},
	[ROUTE_ORDERS] = {ORDERS_PATH, "POST", METHOD_POST, handle_orders, {201, 400, 413, 429, 500, 502, 503, 504}},
	[ROUTE_HEALTH] = {"/healthz", "GET, HEAD", METHOD_GET, handle_health, {200}},
	[ROUTE_OTHER] = {"other", "", METHOD_GET, NULL, {404}},
};

static uint64_t number(const char *text)
{
	uint64_t n = 0;
	size_t len = 0;

	for (; text[len] >= '0' && text[len] <= '9'; len++) {
		if (len == 18)
			return 0;
		n = n * 10 + (uint64_t)(text[len] - '0');
	}
	return text[len] == '\0' ? n : 0;
}

const struct route *route_find(const char *path, uint64_t *order_id)
{
	size_t len = sizeof ORDERS_PATH - 1;

	*order_id = 0;
	if (strncmp(path, ORDERS_PATH, len) == 0) {
		if (path[len] == '\0')
			return &routes[ROUTE_ORDERS];
		if (path[len] == '/' && path[len + 1] != '\0' && strchr(path + len + 1, '/') == NULL) {
			*order_id = number(path + len + 1);
			return &routes[ROUTE_ORDER];
		}
	} else if (strcmp(path, "/healthz") == 0) {
		return &routes[ROUTE_HEALTH];
	}
	return &routes[ROUTE_OTHER];
}
