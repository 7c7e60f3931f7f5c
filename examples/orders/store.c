/* orders: the store. See store.h.
 *
 * An order's id tells its shard and its sequence in it; a slot holds the newest order of its sequences. Writer of a shard:
 * who holds its lock. */
#define _GNU_SOURCE
#include "store.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARDS = 64, SLOTS = 1024, SEED = STORE_SEED / SHARDS, MILLION = 1000000 };

struct shard {
	alignas(64) pthread_mutex_t lock;
	uint64_t next;
	struct order slots[SLOTS];
};

struct store {
	uint32_t slow_ppm, fail_ppm;
	struct shard shards[SHARDS];
};

/* Marsaglia's xorshift64*, a state a thread: what is drawn need not be good, only cheap and unshared. */
static uint64_t draw(void)
{
	static _Thread_local uint64_t state;

	if (state == 0) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		state = (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)&state ^ UINT64_C(0x9e3779b97f4a7c15);
	}
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * UINT64_C(0x2545f4914f6cdd1d)) >> 24;
}

static int fate(const struct store *store, uint64_t *delay_ns)
{
	*delay_ns = 0;
	if (store->fail_ppm > 0 && draw() % MILLION < store->fail_ppm)
		return STORE_FAILED;
	if (store->slow_ppm > 0 && draw() % MILLION < store->slow_ppm)
		*delay_ns = (20 + draw() % 201) * UINT64_C(1000000);
	return STORE_OK;
}

static struct order *slot_of(struct shard *shard, uint64_t sequence)
{
	return &shard->slots[sequence < SEED ? sequence : SEED + (sequence - SEED) % (SLOTS - SEED)];
}

static int put_in(struct shard *shard, uint64_t number, struct order *order)
{
	struct order *slot;
	int result;

	pthread_mutex_lock(&shard->lock);
	order->id = shard->next * SHARDS + number + 1;
	slot = slot_of(shard, shard->next++);
	result = slot->id == 0 ? STORE_NEW : STORE_OK;
	*slot = *order;
	pthread_mutex_unlock(&shard->lock);
	return result;
}

int store_put(struct store *store, struct order *order, uint64_t *delay_ns)
{
	uint64_t number = draw() % SHARDS;
	int result = fate(store, delay_ns);

	return result < 0 ? result : put_in(&store->shards[number], number, order);
}

int store_get(struct store *store, uint64_t id, struct order *order, uint64_t *delay_ns)
{
	int result = fate(store, delay_ns);
	struct shard *shard;

	if (result < 0)
		return result;
	if (id == 0)
		return STORE_NONE;
	shard = &store->shards[(id - 1) % SHARDS];
	pthread_mutex_lock(&shard->lock);
	*order = *slot_of(shard, (id - 1) / SHARDS);
	pthread_mutex_unlock(&shard->lock);
	return order->id == id ? STORE_OK : STORE_NONE;
}

struct store *store_new(uint32_t slow_ppm, uint32_t fail_ppm)
{
	static const char *const items[] = {"tea", "coffee", "bread", "salt", "paper", "ink", "rope", "lamp"};
	struct store *store = aligned_alloc(64, sizeof *store);

	if (store == NULL)
		return NULL;
	memset(store, 0, sizeof *store);
	store->slow_ppm = slow_ppm;
	store->fail_ppm = fail_ppm;
	for (uint64_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&store->shards[i].lock, NULL);
	for (uint64_t i = 0; i < STORE_SEED; i++) {
		struct order order = {.quantity = (uint32_t)(1 + i % 12)};
		const char *item = items[i % (sizeof items / sizeof items[0])];

		memcpy(order.item, item, strlen(item));
		put_in(&store->shards[i % SHARDS], i % SHARDS, &order);
	}
	return store;
}

void store_destroy(struct store *store)
{
	if (store == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&store->shards[i].lock);
	free(store);
}
