/* orders: HTTP methods, and which a route takes. See route.h. Constant data only. */
#include "route.h"

#include <string.h>

static const char *const names[METHODS] = {
	[METHOD_GET] = "GET",     [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",       [METHOD_PUT] = "PUT",
	[METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS", [METHOD_OTHER] = "other",
};

enum method method_of(const char *name)
{
	for (unsigned i = 0; i < METHOD_OTHER; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum method)i;
	return METHOD_OTHER;
}

const char *method_label(enum method method)
{
	return names[method];
}

bool route_takes(const struct route *route, enum method method)
{
	return method == route->method || (method == METHOD_HEAD && route->method == METHOD_GET);
}
