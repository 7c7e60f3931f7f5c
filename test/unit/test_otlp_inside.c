/* Exit waits for who is inside libcurl, a second at most, and nobody enters after it has begun. */
#define _GNU_SOURCE
#include "inside.h"

#include <weir/abi/private.h>

#include "alone.h"

static uint64_t left_ns;

static void *compute(void *arg)
{
	weir__otlp_enter();
	__atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
	usleep(200000);
	__atomic_store_n(&left_ns, weir_private_clock_ns(), __ATOMIC_RELEASE);
	weir__otlp_leave();
	weir__otlp_enter(); /* never comes back */
	_exit(3);
}

static void last(void)
{
	uint64_t left = __atomic_load_n(&left_ns, __ATOMIC_ACQUIRE);

	usleep(20000);
	_exit(left != 0 ? 0 : 4);
}

ALONE(exit_waits_for_who_is_inside)
{
	pthread_t thread;
	int in = 0;

	atexit(last); /* runs last: as a library's own handler would */
	weir__otlp_inside_at_exit();
	weir__otlp_inside_begin();
	assert_int_equal(pthread_create(&thread, NULL, compute, &in), 0);
	while (__atomic_load_n(&in, __ATOMIC_ACQUIRE) == 0)
		usleep(STEP_US);
	exit(5);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(exit_waits_for_who_is_inside),
};
ALONE_MAIN(tests)
