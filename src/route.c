/* L3: route templates, each kept once for the process: contexts point to them. See context.h. Writer: the holder of the core
 * lock; readers: any thread (acquire by a chain's head and next; each release by who adds). */
#include "context.h"

#include "atomic.h"
#include "pages.h"
#include "registry.h"
#include "tally.h"

enum { CHAINS = 256, ROUTES_MAX = 2000, ROUTE_BYTES = 255 };

static struct weir__route *chains[CHAINS];
static uint32_t count;

static const struct weir__route *look(struct weir_str route, uint32_t hash)
{
	for (const struct weir__route *r = weir__load_acquire(&chains[hash % CHAINS]); r != NULL; r = weir__load_acquire(&r->next))
		if (r->hash == hash && r->len == route.len && memcmp(r->text, route.ptr, route.len) == 0)
			return r;
	return NULL;
}

const struct weir__route *weir__route_find(struct weir_str route)
{
	const struct weir__route *found;
	struct weir__route *made = NULL;
	struct weir__guard guard;
	uint32_t hash = 2166136261u;

	if (route.ptr == NULL || route.len == 0)
		return NULL;
	if (route.len > ROUTE_BYTES) {
		weir__tally(WEIR__ROUTES_DROPPED, 1);
		return NULL;
	}
	for (size_t i = 0; i < route.len; i++)
		hash = (hash ^ (uint8_t)route.ptr[i]) * 16777619u;
	found = look(route, hash);
	if (found != NULL)
		return found;
	if (!weir__enter(&guard)) {
		weir__tally(WEIR__ROUTES_DROPPED, 1);
		return NULL;
	}
	found = look(route, hash);
	if (found == NULL && count < ROUTES_MAX)
		made = weir__pages_take(sizeof *made + route.len + 1);
	if (made != NULL) {
		made->hash = hash;
		made->len = (uint32_t)route.len;
		memcpy(made->text, route.ptr, route.len);
		made->next = chains[hash % CHAINS];
		weir__store_release(&chains[hash % CHAINS], made);
		count++;
		found = made;
	}
	weir__leave(&guard);
	if (found == NULL)
		weir__tally(WEIR__ROUTES_DROPPED, 1);
	return found;
}
