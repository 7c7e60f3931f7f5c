/* Unit: exporters/shm/owner.c: who is dead is told by number, start time and boot together; who may live is not dead. */
#define _GNU_SOURCE
#include "owner.h"

#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct weir_segment_header mine(void)
{
	struct weir_segment_header h;

	memset(&h, 0, sizeof h);
	h.pid = (uint32_t)getpid();
	weir__owner_self(&h.start_time, h.boot_id);
	return h;
}

static void this_process_lives(void **state)
{
	struct weir_segment_header h = mine();

	(void)state;
	assert_int_not_equal(h.start_time, 0);
	assert_false(weir__owner_is_dead(&h));
	h.start_time = 0; /* not told yet: it may be this one */
	assert_false(weir__owner_is_dead(&h));
}

static void another_start_or_boot_is_another_process(void **state)
{
	struct weir_segment_header h = mine();

	(void)state;
	h.start_time++;
	assert_true(weir__owner_is_dead(&h));
	h = mine();
	h.boot_id[3] ^= 1;
	assert_true(weir__owner_is_dead(&h));
	h.start_time = 0; /* then the boot is not told either */
	assert_false(weir__owner_is_dead(&h));
}

static void numbers_that_cannot_be_are_nobodys(void **state)
{
	struct weir_segment_header h = mine();

	(void)state;
	h.pid = 0;
	assert_true(weir__owner_is_dead(&h));
	h.pid = UINT32_MAX;
	assert_true(weir__owner_is_dead(&h));
	h.pid = INT32_MAX;
	assert_true(weir__owner_is_dead(&h));
}

static void a_child_is_dead_once_it_has_ended(void **state)
{
	struct weir_segment_header h = mine();
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		pause();
		_exit(0);
	}
	h.pid = (uint32_t)child;
	h.start_time = 0;
	assert_false(weir__owner_is_dead(&h));
	kill(child, SIGKILL);
	for (int tries = 0; tries < 5000 && !weir__owner_is_dead(&h); tries++)
		usleep(1000);
	assert_true(weir__owner_is_dead(&h)); /* a zombie */
	waitpid(child, NULL, 0);
	assert_true(weir__owner_is_dead(&h));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_process_lives),
		cmocka_unit_test(another_start_or_boot_is_another_process),
		cmocka_unit_test(numbers_that_cannot_be_are_nobodys),
		cmocka_unit_test(a_child_is_dead_once_it_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
