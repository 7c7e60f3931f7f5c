/* L0: the gate. Who enters says so and then looks whether it is closed; exit closes it and then looks who is inside: with
 * sequential consistency one of the two sees the other. Writers: weir's threads, and exit. */
#include "gate.h"

#include "atomic.h"
#include "port.h"

#include <weir/abi/private.h>

#include <stdlib.h>

enum { WAIT_MS = 50 };

static __thread bool inside;

void weir_private_gate_enter(void)
{
	struct weir__wiped *wiped = weir__wiped();

	if (wiped == NULL)
		return;
	weir__add_seq(&wiped->gate_inside, 1u);
	inside = true;
	if (weir__load_seq(&wiped->gate_closed) == 0)
		return;
	weir_private_gate_leave();
	for (;;) /* the process is at its end */
		weir__futex_wait(&wiped->gate_closed, 1, UINT64_MAX);
}

void weir_private_gate_leave(void)
{
	struct weir__wiped *wiped = weir__wiped();

	inside = false;
	/* 0: a child, forked in foreign code, that comes back from it */
	if (wiped == NULL || weir__load_seq(&wiped->gate_inside) == 0)
		return;
	if (weir__sub_seq(&wiped->gate_inside, 1u) == 1 && weir__load_seq(&wiped->gate_closed) != 0)
		weir__futex_wake(&wiped->gate_inside, INT32_MAX);
}

void weir__gate_pass(void)
{
	if (!inside)
		return;
	weir_private_gate_leave();
	weir_private_gate_enter();
}

bool weir__gate_is_mine(void)
{
	return inside;
}

bool weir__exiting(void)
{
	struct weir__wiped *wiped = weir__wiped();

	return wiped != NULL && weir__load_seq(&wiped->gate_closed) != 0;
}

static void close_gate(void)
{
	struct weir__wiped *wiped = weir__wiped();
	uint64_t deadline = weir__clock_ns() + WEIR_MS(WAIT_MS);
	uint32_t others, mine = inside ? 1 : 0; /* a callback may call exit */

	if (wiped == NULL || weir__load_seq(&wiped->gate_closed) != 0) /* registered again by each exporter: the first one waits */
		return;
	weir__store_seq(&wiped->gate_closed, 1u);
	while ((others = weir__load_seq(&wiped->gate_inside)) > mine && weir__clock_ns() < deadline)
		weir__futex_wait(&wiped->gate_inside, others, deadline);
}

void weir_private_gate_at_exit(void)
{
	atexit(close_gate);
}
