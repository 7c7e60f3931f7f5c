/* Queues: order and sums, whatever comes and goes. */
#include "queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct weir__otlp_request *request(size_t len, uint64_t order)
{
	uint8_t *bytes = malloc(len);
	struct weir__otlp_request *r = weir__otlp_request_new(WEIR__OTLP_TRACES, bytes, len, 1);

	assert_non_null(bytes);
	assert_non_null(r);
	r->order = order;
	return r;
}

static void order_and_sums(void **state)
{
	struct weir__otlp_queue q = {0};
	struct weir__otlp_request *r[5];

	(void)state;
	for (size_t i = 0; i < 5; i++)
		weir__otlp_queue_put(&q, r[i] = request(10 * (i + 1), i));
	assert_int_equal(q.count, 5);
	assert_int_equal(q.memory_bytes, 150);
	assert_int_equal(q.unprepared, 5);
	r[0]->busy = true;
	assert_ptr_equal(weir__otlp_queue_oldest(&q), r[1]);
	weir__otlp_queue_prepared(&q, r[0]);
	weir__otlp_queue_prepared(&q, r[0]);
	assert_int_equal(q.unprepared, 4);
	weir__otlp_queue_store(&q, r[1], 4096);
	weir__otlp_queue_store(&q, r[1], 8192);
	assert_int_equal(q.stored_bytes, 8192);
	weir__otlp_queue_replace(&q, r[1], NULL, 0);
	assert_int_equal(q.memory_bytes, 130);
	weir__otlp_queue_replace(&q, r[1], malloc(7), 7);
	assert_int_equal(q.memory_bytes, 137);
	weir__otlp_queue_remove(&q, r[2]); /* in the midst */
	weir__otlp_queue_remove(&q, r[2]); /* it is not there */
	weir__otlp_queue_remove(&q, r[4]); /* the last */
	weir__otlp_request_free(r[4]);
	weir__otlp_queue_put(&q, r[4] = request(1, 9));
	assert_ptr_equal(q.last, r[4]);
	weir__otlp_queue_remove(&q, r[0]);
	assert_ptr_equal(q.first, r[1]);
	weir__otlp_queue_remove(&q, r[1]);
	weir__otlp_queue_remove(&q, r[3]);
	weir__otlp_queue_remove(&q, r[4]);
	assert_null(q.first);
	assert_null(q.last);
	assert_int_equal(q.count + q.memory_bytes + q.stored_bytes + q.unprepared, 0);
	for (size_t i = 0; i < 5; i++)
		weir__otlp_request_free(r[i]);
	assert_null(weir__otlp_queue_oldest(&q));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(order_and_sums)};

	return cmocka_run_group_tests_name("otlp_queue", tests, NULL, NULL);
}
