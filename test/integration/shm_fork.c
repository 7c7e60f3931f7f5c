/* A process forks, from a thread of its own, while its cells change homes and threads record: children count for themselves, and the
 * parent's sums are exact. */
#include "case.h"

#include <weir/shm.h>
#include <weir/weir.h>

WEIR_COUNTER(adds, "home_adds_total", "Adds.");
WEIR_GAUGE(level, "home_level", "Added to by all.");

enum { THREADS = 3, FORKS = 150 };

static bool stop;
static uint64_t rounds[THREADS][8];
static uint32_t forked, moved, failed;

static void *work(void *arg)
{
	uint64_t *mine = rounds[(intptr_t)arg];

	for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); (*mine)++) {
		weir_counter_add(&adds, 1);
		weir_gauge_add(&level, 1);
	}
	return NULL;
}

static void *fork_on(void *arg)
{
	for (; forked < FORKS; forked++) {
		pid_t child = fork();

		if (child == 0) {
			weir_counter_add(&adds, 3);
			weir_gauge_set(&level, 4);
			_exit(weir_counter_read(&adds) == 3 && weir_gauge_read(&level) == 4 ? 0 : 1);
		}
		failed += child < 0 || child_end(child, 10000) != 0;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	return arg;
}

static void children_forked_amid_a_move_count_for_themselves(void)
{
	struct weir_shm_options file = {.size = sizeof file, .name = "fork"};
	struct weir_shm_options map = {.size = sizeof map, .home = WEIR_SHM_MAP};
	pthread_t thread[THREADS + 1];
	uint64_t sum = 0;

	for (int n = 0; n < THREADS; n++)
		thread_start(&thread[n], work, (void *)(intptr_t)n, 0);
	thread_start(&thread[THREADS], fork_on, NULL, 0);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		moved += weir_shm_start(&file) == WEIR_OK;
		weir_shm_stop();
		if (geteuid() == 0)
			moved += weir_shm_start(&map) == WEIR_OK;
		weir_shm_stop();
	}
	for (int n = 0; n <= THREADS; n++)
		pthread_join(thread[n], NULL);
	for (int n = 0; n < THREADS; n++)
		sum += rounds[n][0];
	NOTE("%u forks, %u moves, %llu rounds", (unsigned)forked, (unsigned)moved, (unsigned long long)sum);
	CHECK(moved > 3);
	EQUAL(failed, 0);
	EQUAL(weir_counter_read(&adds), sum);
	EQUAL_INT(weir_gauge_read(&level), (int64_t)sum);
}

CASES({"children_forked_amid_a_move_count_for_themselves", children_forked_amid_a_move_count_for_themselves, 60})
