/* weir-jwt: the thread. See keeper.h. Layer: jwt. */
#define _GNU_SOURCE
#include "keeper.h"

#include "health.h"

#include <weir/abi/private.h>

#include <time.h>

enum state { NONE, RUNNING, STOPPED };

static struct {
	/* Under the lock; a child forked amid a change sees the old or the new pointer: */
	struct weir_jwt_verifier *verifier[WEIR__JWT_VERIFIERS];
	bool reserved[WEIR__JWT_VERIFIERS];
	struct weir_private_thread *thread;
	struct weir_private_thread *left[WEIR__JWT_VERIFIERS]; /* to be joined */
	uint64_t run; /* the number of the thread that is to run; another one ends */
	uint64_t retry_ns;
	uint32_t state; /* readers without the lock: relaxed, they look again with it */
} keeper;

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * WEIR_S(1) + (uint64_t)t.tv_nsec;
}

static bool is_needed_by(const struct weir_jwt_verifier *v)
{
	if (v->source.path != NULL || v->source.url != NULL)
		return true;
	for (size_t i = 0; i < v->policy.count; i++)
		if (v->policy.claim[i].top != NULL)
			return true;
	return false;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* Without the lock, behind the gate. */
static void tend(struct weir_jwt_verifier *v, uint64_t asked)
{
	if (v->source.path != NULL)
		weir__jwt_source_file(v, asked != 0);
	weir__jwt_policy_tend(&v->policy, wall_ns());
}

/* With the lock, which is let go meanwhile. */
static void look_after(struct weir_jwt_verifier *v)
{
	struct weir__jwt_source *s = &v->source;
	uint64_t asked = s->asked != s->done ? s->asked : 0, now;
	bool last;

	v->tended = true;
	v->holders++;
	weir__jwt_unlock();
	weir_private_gate_enter();
	tend(v, asked);
	weir_private_gate_leave();
	weir__jwt_lock();
	v->tended = false;
	now = weir_private_clock_ns();
	if (s->url != NULL && !v->destroyed)
		weir__jwt_source_fetch(v, now);
	if (s->path != NULL && asked != 0) {
		s->done = asked;
		weir__jwt_wake();
	}
	if (s->fresh_ns != 0)
		weir__jwt_health_age(s->number, now - s->fresh_ns);
	last = weir__jwt_verifier_release(v);
	if (!last) {
		if (v->destroyed)
			weir__jwt_wake(); /* its owner waits for us */
		return;
	}
	weir__jwt_unlock();
	weir__jwt_verifier_free(v);
	weir__jwt_lock();
}

void weir__jwt_keeper_join(void)
{
	for (int i = 0; i < WEIR__JWT_VERIFIERS; i++) {
		struct weir_private_thread *thread = keeper.left[i];

		if (thread == NULL)
			continue;
		keeper.left[i] = NULL;
		weir__jwt_unlock();
		weir_private_thread_join(thread, weir__jwt_pace.leave_ns);
		weir__jwt_lock();
	}
}

static void run(void *arg)
{
	uint64_t mine = (uint64_t)(uintptr_t)arg, tick = 0;

	weir__jwt_lock();
	while (keeper.run == mine && keeper.state == RUNNING) {
		uint64_t now = weir_private_clock_ns(), next;
		bool all = now >= tick;

		if (all)
			tick = now + weir__jwt_pace.tick_ns;
		next = tick;
		weir__jwt_keeper_join();
		for (int i = 0; i < WEIR__JWT_VERIFIERS; i++) {
			struct weir_jwt_verifier *v = keeper.verifier[i];

			if (v != NULL && (all || v->source.asked != v->source.done || weir__jwt_source_next(&v->source) <= now) && !v->tended)
				look_after(v);
			v = keeper.verifier[i]; /* it may be gone */
			if (v != NULL && !v->tended && weir__jwt_source_next(&v->source) < next)
				next = weir__jwt_source_next(&v->source);
		}
		if (keeper.run == mine && keeper.state == RUNNING && weir_private_clock_ns() < next)
			weir__jwt_wait(next);
	}
	weir__jwt_unlock();
}

/* With the lock. */
static void start(void)
{
	uint64_t now = weir_private_clock_ns();

	if (keeper.state == RUNNING || now < keeper.retry_ns)
		return;
	keeper.run++;
	__atomic_store_n(&keeper.state, RUNNING, __ATOMIC_RELAXED);
	if (weir_private_thread_start(&keeper.thread, "weir-jwt", run, (void *)(uintptr_t)keeper.run) == WEIR_OK)
		return;
	__atomic_store_n(&keeper.state, NONE, __ATOMIC_RELAXED);
	keeper.retry_ns = now + WEIR_S(1);
}

static bool is_needed(void)
{
	for (int i = 0; i < WEIR__JWT_VERIFIERS; i++)
		if (keeper.verifier[i] != NULL && is_needed_by(keeper.verifier[i]))
			return true;
	return false;
}

/* What is stuck is left to itself: it ends when it comes back. */
static int stop(uint64_t timeout_ns)
{
	uint64_t wait = timeout_ns < weir__jwt_pace.leave_ns ? timeout_ns : weir__jwt_pace.leave_ns;
	struct weir_private_thread *thread;

	weir__jwt_lock();
	thread = keeper.thread;
	keeper.thread = NULL;
	__atomic_store_n(&keeper.state, STOPPED, __ATOMIC_RELAXED);
	weir__jwt_wake();
	weir__jwt_unlock();
	if (thread != NULL)
		weir_private_thread_join(thread, wait);
	return WEIR_OK; /* keys that are not read again are no failure to deliver */
}

/* ---- fork -------------------------------------------------------------------------------------------------------- */

static void child(void)
{
	keeper.thread = NULL;
	for (int i = 0; i < WEIR__JWT_VERIFIERS; i++)
		keeper.left[i] = NULL;
	keeper.retry_ns = 0;
	if (keeper.state == RUNNING)
		keeper.state = NONE;
	for (int i = 0; i < WEIR__JWT_VERIFIERS; i++) {
		struct weir_jwt_verifier *v = keeper.verifier[i];

		if (v == NULL)
			continue;
		v->holders = 1;
		v->tended = false;
		weir__jwt_source_child(&v->source);
	}
}

static void after(void)
{
	weir__jwt_keeper_ensure();
}

/* ---- verifiers --------------------------------------------------------------------------------------------------- */

bool weir__jwt_keeper_begin(void)
{
	if (!weir__jwt_life_begin(child, after))
		return false;
	weir__jwt_life_look();
	return true;
}

int weir__jwt_keeper_reserve(unsigned *number)
{
	int error = WEIR_ELIMIT;

	weir__jwt_lock();
	for (unsigned i = 0; i < WEIR__JWT_VERIFIERS && error != WEIR_OK; i++)
		if (!keeper.reserved[i]) {
			keeper.reserved[i] = true;
			*number = i;
			error = WEIR_OK;
		}
	if (error == WEIR_OK) {
		weir__jwt_health_start();
		weir_private_on_shutdown(stop);
	}
	weir__jwt_unlock();
	return error;
}

void weir__jwt_keeper_add(struct weir_jwt_verifier *v)
{
	weir__jwt_lock();
	__atomic_store_n(&keeper.verifier[v->source.number], v, __ATOMIC_RELEASE);
	if (keeper.state == STOPPED)
		__atomic_store_n(&keeper.state, NONE, __ATOMIC_RELAXED);
	if (is_needed())
		start();
	weir__jwt_wake();
	weir__jwt_unlock();
}

void weir__jwt_keeper_remove(unsigned number)
{
	__atomic_store_n(&keeper.verifier[number], NULL, __ATOMIC_RELEASE);
	keeper.reserved[number] = false;
}

void weir__jwt_keeper_leave(struct weir_private_thread *thread)
{
	for (int i = 0; i < WEIR__JWT_VERIFIERS; i++)
		if (keeper.left[i] == NULL) {
			keeper.left[i] = thread;
			return;
		}
	weir_private_thread_join(thread, 0); /* to itself */
}

bool weir__jwt_keeper_runs(bool may_start)
{
	if (may_start && keeper.state != RUNNING && (keeper.state != STOPPED || weir_private_started()) && is_needed()) {
		__atomic_store_n(&keeper.state, NONE, __ATOMIC_RELAXED);
		start();
	}
	return keeper.state == RUNNING;
}

void weir__jwt_keeper_ensure(void)
{
	uint32_t state = __atomic_load_n(&keeper.state, __ATOMIC_RELAXED);

	if (state == RUNNING || (state == STOPPED && !weir_private_started()) || !weir__jwt_try_lock())
		return;
	weir__jwt_keeper_runs(true);
	weir__jwt_unlock();
}
