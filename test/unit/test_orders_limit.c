/* The rate limit of orders' gateway: what it lets in, by a clock of the test's own. */
#include "../../examples/orders/limit.c"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)
#define LATER (1000 * S) /* as a monotonic clock stands */

static unsigned let_in(struct limit *limit, uint64_t now_ns, unsigned asked)
{
	unsigned count = 0;

	for (unsigned i = 0; i < asked; i++)
		count += limit_take(limit, now_ns);
	return count;
}

static void without_a_rate_all_come_in(void **state)
{
	struct limit limit;

	(void)state;
	limit_begin(&limit, 0);
	assert_int_equal(let_in(&limit, LATER, 100000), 100000);
}

static void at_once_a_burst_comes_in(void **state)
{
	struct limit limit;

	(void)state;
	limit_begin(&limit, 1000);
	assert_int_equal(let_in(&limit, LATER, 5000), 100); /* a tenth of a second's */
	assert_int_equal(let_in(&limit, LATER, 5000), 0);
}

static void the_rate_comes_in_over_time(void **state)
{
	struct limit limit;
	unsigned count = 0;

	(void)state;
	limit_begin(&limit, 500);
	for (uint64_t t = 0; t < 10 * S; t += S / 2000) /* four times as many as may */
		count += limit_take(&limit, LATER + t);
	assert_in_range(count, 5000, 5000 + 50);
}

static void a_quiet_time_saves_no_more_than_a_burst(void **state)
{
	struct limit limit;

	(void)state;
	limit_begin(&limit, 100);
	assert_int_equal(let_in(&limit, LATER, 50), 10);
	assert_int_equal(let_in(&limit, LATER + 3600 * S, 50), 10);
}

static void one_a_second_is_one_a_second(void **state)
{
	struct limit limit;

	(void)state;
	limit_begin(&limit, 1);
	assert_true(limit_take(&limit, LATER));
	assert_false(limit_take(&limit, LATER + S - 1));
	assert_true(limit_take(&limit, LATER + S));
}

static struct limit shared;
static unsigned _Atomic taken;

static void *take_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++)
		atomic_fetch_add(&taken, limit_take(&shared, LATER));
	return NULL;
}

static void threads_share_it(void **state)
{
	pthread_t threads[4];

	(void)state;
	limit_begin(&shared, 100000);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(taken, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rate_all_come_in),
		cmocka_unit_test(at_once_a_burst_comes_in),
		cmocka_unit_test(the_rate_comes_in_over_time),
		cmocka_unit_test(a_quiet_time_saves_no_more_than_a_burst),
		cmocka_unit_test(one_a_second_is_one_a_second),
		cmocka_unit_test(threads_share_it),
	};

	return cmocka_run_group_tests_name("orders_limit", tests, NULL, NULL);
}
