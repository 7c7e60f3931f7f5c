/* weir-otlp: being inside libcurl. See inside.h. Layer: exporter. Who enters says so and then looks whether exit has begun; exit
 * says so and then looks who is inside: with sequential consistency one of the two sees the other. */
#define _GNU_SOURCE
#include "inside.h"

#include <weir/abi/private.h>

#include <curl/curl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_S = 1 };

static struct {
	uint32_t generation; /* of the process that count speaks of. Writer: who begins, by compare-and-swap; reader: exit; relaxed */
	uint32_t count;      /* threads inside. Writers: they; reader: exit; seq_cst */
	uint32_t closed;     /* generation + 1 of the process whose exit has begun. Writer: exit; readers: the threads; seq_cst */
	uint32_t prepared;   /* 1: libcurl is set up. Writer: who has preparing: release; readers: acquire */
	uint32_t preparing;  /* generation + 1 of the process one of whose threads is at it; compare-and-swap */
} inside;

static void pause_ms(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

static void wait_for_them(void)
{
	uint64_t until = weir_private_clock_ns() + WEIR_S((uint64_t)WAIT_S);

	if (__atomic_load_n(&inside.generation, __ATOMIC_RELAXED) != weir_private_generation()) /* a child without a sender */
		return;
	__atomic_store_n(&inside.closed, weir_private_generation() + 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&inside.count, __ATOMIC_SEQ_CST) != 0 && weir_private_clock_ns() < until)
		pause_ms();
}

void weir__otlp_inside_at_exit(void)
{
	weir_private_gate_at_exit();
	atexit(wait_for_them); /* runs first */
}

bool weir__otlp_inside_prepare(void)
{
	uint32_t mine = weir_private_generation() + 1, now;
	bool ok;

	for (;;) {
		if (__atomic_load_n(&inside.prepared, __ATOMIC_ACQUIRE) != 0)
			return true;
		now = __atomic_load_n(&inside.preparing, __ATOMIC_RELAXED);
		if (now != mine && __atomic_compare_exchange_n(&inside.preparing, &now, mine, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			break;
		pause_ms();
	}
	ok = __atomic_load_n(&inside.prepared, __ATOMIC_RELAXED) != 0;
	if (!ok && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
		weir__otlp_inside_at_exit(); /* behind what libcurl and its TLS have registered by now */
		__atomic_store_n(&inside.prepared, 1, __ATOMIC_RELEASE);
		ok = true;
	}
	__atomic_store_n(&inside.preparing, 0, __ATOMIC_RELEASE);
	return ok;
}

void weir__otlp_inside_begin(void)
{
	uint32_t now = weir_private_generation(), of = __atomic_load_n(&inside.generation, __ATOMIC_RELAXED);

	if (of != now && __atomic_compare_exchange_n(&inside.generation, &of, now, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		__atomic_store_n(&inside.count, 0, __ATOMIC_SEQ_CST);
}

void weir__otlp_enter(void)
{
	weir_private_gate_enter(); /* first: where exit has it, we wait there, and are not counted */
	__atomic_fetch_add(&inside.count, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&inside.closed, __ATOMIC_SEQ_CST) == weir_private_generation() + 1) {
		weir__otlp_leave();
		for (;;) /* the process is at its end */
			pause();
	}
}

void weir__otlp_leave(void)
{
	__atomic_fetch_sub(&inside.count, 1, __ATOMIC_SEQ_CST);
	weir_private_gate_leave();
}
