/* weir-jwt: key sets in turn. See rotation.h. Layer: jwt. */
#define _GNU_SOURCE
#include "rotation.h"

#include <weir/abi/private.h>

#include <string.h>

void weir__jwt_rotation_begin(struct weir__jwt_rotation *r, unsigned verifier)
{
	memset(r, 0, sizeof *r);
	r->epoch = 1;
	r->readers = weir__jwt_life_readers(verifier);
}

void weir__jwt_rotation_end(struct weir__jwt_rotation *r)
{
	for (unsigned i = 0; i < WEIR__JWT_SLOTS; i++)
		weir__jwks_unref(r->slot[i]);
	memset(r, 0, sizeof *r);
}

uint64_t weir__jwt_rotation_epoch(const struct weir__jwt_rotation *r)
{
	return __atomic_load_n(&r->epoch, __ATOMIC_ACQUIRE);
}

/* Again only where a new set came just between: those are a tick apart. */
static uint32_t pin(struct weir__jwt_rotation *r)
{
	for (;;) {
		uint32_t i = __atomic_load_n(&r->current, __ATOMIC_SEQ_CST);

		__atomic_fetch_add(&r->readers[i], 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&r->current, __ATOMIC_SEQ_CST) == i)
			return i;
		__atomic_fetch_sub(&r->readers[i], 1, __ATOMIC_SEQ_CST);
	}
}

enum weir_jwt_result weir__jwt_rotation_verify(struct weir__jwt_rotation *r, struct weir__jws_ask *ask, struct weir_str token,
                                               void *buf, size_t size, struct weir_str *payload, uint64_t *key_until_ns)
{
	uint32_t i = pin(r);
	enum weir_jwt_result result;
	struct weir__jws jws;

	ask->keys = r->slot[i];
	ask->now_ns = weir_private_clock_ns();
	result = weir__jws_verify(&jws, ask, token, buf, size);
	*payload = jws.payload;
	*key_until_ns = result == WEIR_JWT_OK ? jws.entry->until_ns : 0;
	ask->keys = NULL;
	__atomic_fetch_sub(&r->readers[i], 1, __ATOMIC_SEQ_CST);
	return result;
}

enum weir__jwt_published weir__jwt_rotation_publish(struct weir__jwt_rotation *r, struct weir_jwks *fresh, uint64_t grace_ns)
{
	struct weir_jwks *former = r->slot[r->current], *merged;
	uint64_t now = weir_private_clock_ns();
	uint32_t i;

	if (former != NULL && weir__jwks_same(fresh, former)) {
		weir__jwks_unref(fresh);
		return WEIR__JWT_UNCHANGED;
	}
	merged = weir__jwks_merge(fresh, former, now, grace_ns > UINT64_MAX - now ? UINT64_MAX : now + grace_ns);
	weir__jwks_unref(fresh);
	for (i = 0; i < WEIR__JWT_SLOTS; i++)
		if (i != r->current && __atomic_load_n(&r->readers[i], __ATOMIC_SEQ_CST) == 0)
			break;
	if (merged == NULL || i == WEIR__JWT_SLOTS) {
		weir__jwks_unref(merged);
		return WEIR__JWT_FAILED;
	}
	former = r->slot[i];
	r->slot[i] = NULL; /* first: a child forked meanwhile must not let go of it again */
	weir__jwks_unref(former);
	r->slot[i] = merged;
	__atomic_store_n(&r->current, i, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&r->epoch, 1, __ATOMIC_RELEASE);
	return WEIR__JWT_CHANGED;
}

void weir__jwt_rotation_forget(struct weir__jwt_rotation *r)
{
	__atomic_fetch_add(&r->epoch, 1, __ATOMIC_RELEASE);
}
