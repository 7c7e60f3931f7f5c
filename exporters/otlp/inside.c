/* weir-otlp: being inside libcurl. See inside.h. Layer: exporter. Who enters says so and then looks whether exit has begun; exit
 * says so and then looks who is inside: with sequential consistency one of the two sees the other. */
#define _GNU_SOURCE
#include "inside.h"

#include <weir/abi/private.h>

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_S = 1 };

static struct {
	uint32_t generation; /* of the process that count speaks of. Writer: who begins a sender; reader: exit; relaxed */
	uint32_t count;      /* threads inside. Writers: they; reader: exit; seq_cst */
	uint32_t closed;     /* generation + 1 of the process whose exit has begun. Writer: exit; readers: the threads; seq_cst */
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

void weir__otlp_inside_begin(void)
{
	uint32_t now = weir_private_generation();

	if (__atomic_load_n(&inside.generation, __ATOMIC_RELAXED) == now)
		return;
	__atomic_store_n(&inside.count, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&inside.generation, now, __ATOMIC_RELAXED);
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
