/* L5: weir's own threads, polite ones. See abi/private.h. Two have a thread's handle, itself and who joins it: where the
 * latter stops waiting, the former frees it. */
#define _GNU_SOURCE
#include "atomic.h"
#include "port.h"
#include "pipeline.h"
#include "registry.h"
#include "segment.h"

#include <weir/abi/private.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STACK_BYTES = 512 * 1024 };
enum { APART_MS = 100 };
enum { RUNS, ENDED, LEFT };

struct weir_private_thread {
	pthread_t id;
	void (*run)(void *);
	void *arg;
	char name[16];
	bool own_descriptors;
	uint32_t apart; /* futex: 1 once the descriptors are its own, or never will be: by the thread, release; who starts it, acquire */
	uint32_t state; /* futex: RUNS -> ENDED by the thread, -> LEFT by who joins it: acquire and release */
	uint32_t generation;
};

/* A descriptor table of its own, empty but for the standard three: the host may close all of its own, as daemons do. The
 * segment's is kept: by it readers outside find the segment then. */
static void own_descriptors(void)
{
#ifdef SYS_close_range
	const unsigned unshare = 1u << 1; /* CLOSE_RANGE_UNSHARE */
	int kept = weir__segment_descriptor();

	if (kept < 3 || syscall(SYS_close_range, (unsigned)kept + 1, ~0u, unshare) != 0)
		syscall(SYS_close_range, 3u, ~0u, unshare);
	else {
		if (kept > 3)
			syscall(SYS_close_range, 3u, (unsigned)kept - 1, 0u);
		if (weir__segment_descriptor() != kept) /* the host put another there just before */
			close(kept);
	}
#endif
}

static void *thread_main(void *arg)
{
	struct weir_private_thread *thread = arg;

	if (thread->own_descriptors) {
		own_descriptors();
		weir__store_release(&thread->apart, 1u);
		weir__futex_wake(&thread->apart, 1);
	}
	prctl(PR_SET_NAME, thread->name);
	thread->run(thread->arg);
	if (weir__swap_acq_rel(&thread->state, (uint32_t)ENDED) == LEFT)
		free(thread);
	else
		weir__futex_wake(&thread->state, INT32_MAX); /* it is freed behind pthread_join */
	return NULL;
}

int weir_private_thread_start(struct weir_private_thread **made, const char *name, void (*run)(void *), void *arg)
{
	*made = NULL;
	return weir__stopping() ? WEIR_EINVAL : weir__thread_start(made, name, run, arg, true);
}

int weir__thread_start(struct weir_private_thread **made, const char *name, void (*run)(void *), void *arg, bool own_descriptors)
{
	struct weir_private_thread *thread = calloc(1, sizeof *thread);
	pthread_attr_t attr;
	sigset_t all, before;
	uint64_t deadline;
	int error;

	*made = NULL;
	if (thread == NULL)
		return WEIR_ENOMEM;
	thread->run = run;
	thread->arg = arg;
	thread->own_descriptors = own_descriptors;
	thread->generation = weir__generation();
	snprintf(thread->name, sizeof thread->name, "%s", name);
	if (pthread_attr_init(&attr) != 0) {
		free(thread);
		return WEIR_ENOMEM;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited: the thread never has one open */
	pthread_attr_setstacksize(&attr, STACK_BYTES); /* paid in full under mlockall */
	error = pthread_create(&thread->id, &attr, thread_main, thread);
	if (error != 0) /* a host whose thread-local storage does not fit */
		error = pthread_create(&thread->id, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (error != 0) {
		free(thread);
		return WEIR_ENOMEM;
	}
	/* a host that closes all its descriptors next does not close the thread's; not for ever, where it gets no processor */
	deadline = weir__clock_ns() + WEIR_MS(APART_MS);
	while (own_descriptors && weir__load_acquire(&thread->apart) == 0 && weir__futex_wait(&thread->apart, 0, deadline))
		;
	*made = thread;
	return WEIR_OK;
}

bool weir_private_thread_join(struct weir_private_thread *thread, uint64_t timeout_ns)
{
	uint64_t now = weir__clock_ns(), deadline = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
	pthread_t id = thread->id; /* once it is left, the handle is not ours */

	if (thread->generation != weir__generation()) { /* the parent's */
		free(thread);
		return true;
	}
	while (weir__load_acquire(&thread->state) == RUNS) {
		uint32_t runs = RUNS;

		if (!weir__futex_wait(&thread->state, RUNS, deadline) && weir__cas_acq_rel(&thread->state, &runs, (uint32_t)LEFT)) {
			pthread_detach(id);
			return false;
		}
	}
	pthread_join(id, NULL); /* about to return */
	free(thread);
	return true;
}
