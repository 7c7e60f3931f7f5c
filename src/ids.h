/* L3: a thread made ready for traces, and ids. Ids are three streams a thread, each a sum that steps by an odd number of the
 * thread's own and is then mixed: one stream gives no number twice. A step is one instruction, so that a signal handler on the
 * same thread never gets the id that it interrupted. */
#ifndef WEIR_IDS_H
#define WEIR_IDS_H

#include "shard.h"

#include <weir/base.h>

#include <string.h>

/* This thread's, attached and seeded; NULL: no memory (counted), or no randomness to be had. */
struct weir__local *weir__local_make(void) __attribute__((cold));
static inline struct weir__local *weir__local_ready(void)
{
	struct weir__local *local = weir__local();

	return __builtin_expect(local->gamma != 0, 1) ? local : weir__local_make();
}

static inline uint64_t weir__id_step(uint64_t *stream, uint64_t gamma)
{
	uint64_t z = gamma;

#if defined(__x86_64__) && !defined(WEIR_TSAN_)
	__asm__ volatile("xaddq %0, %1" : "+r"(z), "+m"(*stream) : : "cc");
#else
	z = __atomic_fetch_add(stream, z, __ATOMIC_RELAXED);
#endif
	return z;
}

static inline uint64_t weir__id_mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint64_t weir__id_next(uint64_t *stream, uint64_t gamma)
{
	return weir__id_mix(weir__id_step(stream, gamma));
}

static inline uint64_t weir__span_id_next(struct weir__local *local) /* as its bytes stand */
{
	uint64_t z = weir__id_next(&local->streams[2], local->gamma);

	if (__builtin_expect(z == 0, 0))
		return 1;
	return z;
}

static inline void weir__span_id_make(struct weir__local *local, uint8_t id[8])
{
	uint64_t z = weir__span_id_next(local);

	memcpy(id, &z, 8);
}

/* In two steps: what is drawn stands for the id until somebody asks for it. */
static inline void weir__trace_id_draw(struct weir__local *local, uint8_t id[16])
{
	uint64_t high = weir__id_step(&local->streams[0], local->gamma), low = weir__id_step(&local->streams[1], local->gamma);

	memcpy(id, &high, 8);
	memcpy(id + 8, &low, 8);
}

/* apart: tells apart those between which the streams did not step. No two pairs of a step and an apart have the same sum and the
 * same difference, so that no id comes twice. */
static inline void weir__trace_id_mix(uint8_t id[16], uint64_t apart)
{
	uint64_t high, low;

	memcpy(&high, id, 8);
	memcpy(&low, id + 8, 8);
	high = weir__id_mix(high + apart);
	low = weir__id_mix(low - apart);
	high = high != 0 ? high : 1;
	memcpy(id, &high, 8);
	memcpy(id + 8, &low, 8);
}

#endif
