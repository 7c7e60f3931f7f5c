/* L3: exemplars. See exemplar.h. Writer: who holds the exemplars lock, which is a leaf, after every other lock: nothing
 * but the store is touched while it is held. */
#include "exemplar.h"

#include "atomic.h"
#include "port.h"
#include "registry.h"

#include <stdlib.h>
#include <string.h>

struct store { /* keys apart, so that a search touches few lines */
	uint64_t keys[WEIR__EXEMPLARS_MAX];
	struct weir_exemplar list[WEIR__EXEMPLARS_MAX];
};
static struct store *store; /* made by the first put, kept for ever. Under the lock */
/* How many there are. Writer: under the lock; readers: also without it, relaxed: whether there are any at all, and how
 * much room a copy takes. */
static uint32_t count;
uint64_t weir__exemplars_since[2];
static uint64_t dropped; /* writers: who puts; readers: any thread; relaxed */

/* The first place whose key is not below. */
static size_t place_of(const uint64_t *keys, size_t n, uint64_t key)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (keys[middle] < key)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

/* The key's place, made if there is none; NULL: there is no room. */
static struct weir_exemplar *take_place(uint64_t key)
{
	size_t n = count, at;

	if (store == NULL)
		store = weir__map(sizeof *store, true, false);
	if (store == NULL)
		return NULL;
	at = place_of(store->keys, n, key);
	if (at < n && store->keys[at] == key)
		return &store->list[at];
	if (n == WEIR__EXEMPLARS_MAX)
		return NULL;
	/* At most so often as there is room: then they are replaced in their places. */
	memmove(&store->keys[at + 1], &store->keys[at], (n - at) * sizeof *store->keys);
	memmove(&store->list[at + 1], &store->list[at], (n - at) * sizeof *store->list);
	store->keys[at] = key;
	weir__store_relaxed(&count, (uint32_t)n + 1);
	return &store->list[at];
}

void weir__exemplar_drop(void)
{
	weir__add_relaxed(&dropped, 1u);
}

void weir__exemplar_put(uint32_t cell, uint32_t bucket, uint64_t value, uint64_t time_ns, const struct weir_ids *ids)
{
	struct weir_exemplar *place, exemplar = {.value = value, .time_ns = time_ns, .bucket = bucket, .ids = *ids};
	struct weir__wiped *wiped;

	if (cell == 0 || weir__generation() == 0) { /* an empty handle; or no memory at all */
		weir__exemplar_drop();
		return;
	}
	wiped = weir__wiped();
	weir__lock(&wiped->exemplars);
	place = take_place((uint64_t)cell << 32 | bucket);
	if (place != NULL)
		*place = exemplar;
	weir__unlock(&wiped->exemplars);
	if (place == NULL)
		weir__exemplar_drop();
}

void weir__exemplars_take_away(uint32_t cell)
{
	struct weir__wiped *wiped = weir__wiped();
	size_t from, to, rest;

	weir__lock(&wiped->exemplars);
	if (count != 0) {
		from = place_of(store->keys, count, (uint64_t)cell << 32);
		to = place_of(store->keys, count, (uint64_t)(cell + 1) << 32);
		rest = count - to;
		memmove(&store->keys[from], &store->keys[to], rest * sizeof *store->keys);
		memmove(&store->list[from], &store->list[to], rest * sizeof *store->list);
		weir__store_relaxed(&count, (uint32_t)(from + rest));
	}
	weir__unlock(&wiped->exemplars);
}

uint64_t weir__exemplars_dropped(void)
{
	return weir__load_relaxed(&dropped);
}

/* Whatever the parent's thread was in the middle of: what is not counted is not there. */
void weir__exemplars_restart(void)
{
	weir__store_relaxed(&count, 0u);
	weir__store_relaxed(&dropped, 0u);
}

bool weir__exemplars_copy(struct weir__exemplars *to)
{
	size_t room = weir__load_relaxed(&count), n;
	struct weir__wiped *wiped;
	uint64_t *keys;

	*to = (struct weir__exemplars){NULL, NULL, 0};
	if (room == 0)
		return true;
	to->list = malloc(room * (sizeof *to->list + sizeof *keys));
	if (to->list == NULL)
		return false;
	keys = (uint64_t *)(to->list + room);
	wiped = weir__wiped();
	weir__lock(&wiped->exemplars);
	n = count < room ? count : room;
	memcpy(to->list, store->list, n * sizeof *to->list);
	memcpy(keys, store->keys, n * sizeof *keys);
	weir__unlock(&wiped->exemplars);
	to->keys = keys;
	to->count = n;
	return true;
}

void weir__exemplars_free(struct weir__exemplars *exemplars)
{
	free(exemplars->list);
	*exemplars = (struct weir__exemplars){NULL, NULL, 0};
}

const struct weir_exemplar *weir__exemplars_of(const struct weir__exemplars *exemplars, uint32_t cell, size_t *found)
{
	size_t from = place_of(exemplars->keys, exemplars->count, (uint64_t)cell << 32), to = from;

	while (to < exemplars->count && exemplars->keys[to] >> 32 == cell)
		to++;
	*found = to - from;
	return to != from ? &exemplars->list[from] : NULL;
}
