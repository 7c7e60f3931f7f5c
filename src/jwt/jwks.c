/* weir-jwt: key sets. See jwks.h. Layer: jwt. */
#include "jwks.h"

#include <weir/abi/private.h>

#include <stdlib.h>
#include <string.h>

static uint64_t last_generation; /* relaxed: numbers that differ, nothing is ordered by them */

static uint64_t next_generation(void)
{
	return __atomic_add_fetch(&last_generation, 1, __ATOMIC_RELAXED);
}

static struct weir_jwks *new_set(void)
{
	struct weir_jwks *keys = calloc(1, sizeof *keys);

	if (keys != NULL) {
		keys->references = 1;
		keys->generation = next_generation();
	}
	return keys;
}

struct weir_jwks *weir__jwks_ref(const struct weir_jwks *keys)
{
	struct weir_jwks *counted = (struct weir_jwks *)(uintptr_t)keys; /* the count is no part of what must not change */

	__atomic_fetch_add(&counted->references, 1, __ATOMIC_RELAXED);
	return counted;
}

void weir__jwks_unref(const struct weir_jwks *keys)
{
	struct weir_jwks *counted = (struct weir_jwks *)(uintptr_t)keys;

	if (keys == NULL || __atomic_sub_fetch(&counted->references, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	for (size_t i = 0; i < counted->count; i++)
		weir__jwt_key_unref(counted->entries[i].key);
	free(counted->entries);
	free(counted);
}

static bool append(struct weir_jwks *keys, struct weir__jwt_key *key, uint64_t until_ns)
{
	if (keys->count == keys->room) {
		size_t room = keys->room != 0 ? 2 * keys->room : 4;
		struct weir__jwks_entry *entries = realloc(keys->entries, room * sizeof *entries);

		if (entries == NULL)
			return false;
		keys->entries = entries;
		keys->room = room;
	}
	keys->entries[keys->count++] = (struct weir__jwks_entry){key, until_ns};
	keys->algs |= UINT32_C(1) << key->alg;
	keys->generation = next_generation();
	return true;
}

static bool append_shared(struct weir_jwks *keys, const struct weir__jwks_entry *entry, uint64_t until_ns)
{
	if (!append(keys, entry->key, until_ns))
		return false;
	weir__jwt_key_ref(entry->key);
	return true;
}

static bool same_name(const struct weir__jwt_key *a, const struct weir__jwt_key *b)
{
	return a->alg == b->alg && (a->kid != NULL) == (b->kid != NULL) && a->kid_len == b->kid_len &&
	       (a->kid == NULL || memcmp(a->kid, b->kid, a->kid_len) == 0);
}

static bool same_key(const struct weir__jwt_key *a, const struct weir__jwt_key *b)
{
	return same_name(a, b) && memcmp(a->print, b->print, sizeof a->print) == 0;
}

typedef bool alike_fn(const struct weir__jwt_key *a, const struct weir__jwt_key *b);

/* Of those that are in force. */
static bool has(const struct weir_jwks *keys, const struct weir__jwt_key *key, alike_fn *alike)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->entries[i].until_ns == 0 && alike(keys->entries[i].key, key))
			return true;
	return false;
}

static size_t count_of_name(const struct weir_jwks *keys, const struct weir__jwt_key *key)
{
	size_t count = 0;

	for (size_t i = 0; i < keys->count; i++)
		count += same_name(keys->entries[i].key, key);
	return count;
}

int weir__jwks_take(struct weir_jwks *keys, struct weir__jwt_key *key)
{
	int error = WEIR_OK;

	if (has(keys, key, key->kid != NULL ? same_name : same_key))
		error = WEIR_ECONFLICT;
	else if (keys->count >= WEIR__JWKS_MOST || count_of_name(keys, key) >= WEIR__JWKS_MOST_WITHOUT_KID)
		error = WEIR_ELIMIT;
	if (error == WEIR_OK && !append(keys, key, 0))
		error = WEIR_ENOMEM;
	if (error == WEIR_ECONFLICT)
		weir_private_log(WEIR_LOG_ERROR, "jwt: the set has a key of that kid and algorithm, or that key, already");
	if (error == WEIR_ELIMIT)
		weir_private_log(WEIR_LOG_ERROR, "jwt: the set is full: 256 keys, and without a kid 8 of an algorithm");
	if (error != WEIR_OK)
		weir__jwt_key_unref(key);
	return error;
}

struct weir_jwks *weir__jwks_copy(const struct weir_jwks *keys)
{
	struct weir_jwks *copy = new_set();

	for (size_t i = 0; copy != NULL && i < keys->count; i++) {
		if (!append_shared(copy, &keys->entries[i], keys->entries[i].until_ns)) {
			weir__jwks_unref(copy);
			copy = NULL;
		}
	}
	if (copy != NULL)
		copy->generation = keys->generation;
	return copy;
}

static bool has_all(const struct weir_jwks *keys, const struct weir_jwks *of)
{
	for (size_t i = 0; i < of->count; i++)
		if (of->entries[i].until_ns == 0 && !has(keys, of->entries[i].key, same_key))
			return false;
	return true;
}

bool weir__jwks_same(const struct weir_jwks *a, const struct weir_jwks *b)
{
	return has_all(a, b) && has_all(b, a);
}

struct weir_jwks *weir__jwks_merge(const struct weir_jwks *fresh, const struct weir_jwks *former, uint64_t now_ns, uint64_t until_ns)
{
	struct weir_jwks *keys = weir__jwks_copy(fresh);
	size_t kept = 0;

	if (keys == NULL)
		return NULL;
	keys->generation = next_generation();
	for (size_t i = 0; former != NULL && i < former->count; i++) {
		const struct weir__jwks_entry *entry = &former->entries[i];
		uint64_t until = entry->until_ns != 0 ? entry->until_ns : until_ns;

		if (until <= now_ns || has(fresh, entry->key, entry->key->kid != NULL ? same_name : same_key))
			continue;
		if (kept == WEIR__JWKS_MOST || count_of_name(keys, entry->key) >= 2 * WEIR__JWKS_MOST_WITHOUT_KID) {
			weir_private_log(WEIR_LOG_WARN, "jwt: too many keys left the set: some of them are gone at once");
			continue;
		}
		if (!append_shared(keys, entry, until)) {
			weir__jwks_unref(keys);
			return NULL;
		}
		kept++;
	}
	return keys;
}

uint64_t weir__jwks_next_end_ns(const struct weir_jwks *keys)
{
	uint64_t next = 0;

	for (size_t i = 0; i < keys->count; i++)
		if (keys->entries[i].until_ns != 0 && (next == 0 || keys->entries[i].until_ns < next))
			next = keys->entries[i].until_ns;
	return next;
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

void weir_jwks_destroy(struct weir_jwks *keys)
{
	weir__jwks_unref(keys);
}

int weir_jwks_new(struct weir_jwks **out)
{
	if (out == NULL)
		return WEIR_EINVAL;
	*out = new_set();
	return *out != NULL ? WEIR_OK : WEIR_ENOMEM;
}

size_t weir_jwks_count(const struct weir_jwks *keys)
{
	return keys != NULL ? keys->count : 0;
}
