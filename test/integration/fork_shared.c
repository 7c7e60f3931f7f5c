/* Children in the parent's memory, or in none that is ours: vfork, clone(CLONE_VM), posix_spawn. They count in the parent. Public
 * API only. */
#include "fork.h"

#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>

extern char **environ;

/* ---- children in the parent's memory ---- */

static void expect_works(uint64_t times_over)
{
	expect_all(times_over);
	record_all(1);
	expect_all(times_over + 1);
}

static void vfork_child_counts_in_the_parent(void)
{
	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(1);
	for (volatile int round = 0; round < 50; round++) {
		pid_t child = vfork();

		if (child == 0) {
			record_all(1);
			_exit(0);
		}
		CHILD_IS_WELL(child, 5000);
	}
	expect_works(51);
	NOTE("the records of a vfork child count in its parent: 50 of 50 did");
}

static void *vfork_first(void *arg)
{
	pid_t child;

	(void)arg;
	child = vfork(); /* the thread has not recorded: the child's record is its first use */
	if (child == 0) {
		record_all(1);
		_exit(0);
	}
	CHILD_IS_WELL(child, 5000);
	record_all(1);
	return NULL;
}

static void vfork_child_is_the_threads_first_use(void)
{
	uint64_t shards = 0;

	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(1);
	for (int round = 0; round < 100; round++) {
		pthread_t thread;

		thread_start(&thread, vfork_first, NULL, 0);
		pthread_join(thread, NULL);
		expect_all(1 + 2 * ((uint64_t)round + 1));
		if (round == 0)
			shards = status_now().shards;
	}
	/* Known, and harmless: such a thread's shard has the child's number, and is not leased again: 8 KiB each. */
	AT_MOST(status_now().shards, shards + 100);
	expect_works(201);
}

static void posix_spawn_touches_nothing(void)
{
	char *const args[] = {(char[]){"true"}, NULL};

	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(1);
	for (int round = 0; round < 30; round++) {
		pid_t child;

		CHECK(posix_spawnp(&child, "true", NULL, NULL, args, environ) == 0);
		record_all(1);
		CHILD_IS_WELL(child, 5000);
	}
	CHECK(system("exit 0") == 0);
	expect_works(31);
}

static int clone_main(void *arg)
{
	(void)arg;
	record_all(1);
	return 0;
}

static void clone_vm_child_counts_in_the_parent(void)
{
	static _Alignas(64) char stack[256 * 1024];

	handle = weir_counter_with(&labelled, "handle", "0");
	record_all(1);
	for (int round = 0; round < 50; round++) {
		int child = clone(clone_main, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);

		CHECK(child > 0);
		CHILD_IS_WELL(child, 5000);
	}
	expect_works(51);
	NOTE("the records of a clone(CLONE_VM | CLONE_VFORK) child count in its parent: 50 of 50 did");
}

CASES({"vfork_child_counts_in_the_parent", vfork_child_counts_in_the_parent, 20},
      {"vfork_child_is_the_threads_first_use", vfork_child_is_the_threads_first_use, 30},
      {"posix_spawn_touches_nothing", posix_spawn_touches_nothing, 30},
      {"clone_vm_child_counts_in_the_parent", clone_vm_child_counts_in_the_parent, 20})
