/* Start and stop: options, twice, after shutdown, in a forked child; deadlines where nobody answers. */
#define _GNU_SOURCE
#include <weir/otlp.h>
#include <weir/weir.h>

#include <sys/mman.h>

#include "test_otlp_server.h"

static void begin(bool answers)
{
	struct weir_options o = {.size = sizeof o};

	clearenv();
	requests = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(requests != MAP_FAILED);
	begin_server(answers);
	assert_int_equal(weir_init(&o), WEIR_OK);
}

static int start(void)
{
	struct weir_otlp_options o = {.size = sizeof o, .endpoint = url};

	return weir_otlp_start(&o);
}

ALONE(options)
{
	struct {
		struct weir_otlp_options o;
		char more[8];
	} newer = {.o = {.size = sizeof newer}};
	struct weir_otlp_options o = {.size = 0};

	begin(true);
	assert_int_equal(weir_otlp_start(&o), WEIR_EINVAL);
	o.size = sizeof o;
	o.endpoint = "nowhere";
	assert_int_equal(weir_otlp_start(&o), WEIR_EINVAL);
	newer.o.endpoint = url;
	newer.more[3] = 1;
	assert_int_equal(weir_otlp_start(&newer.o), WEIR_EINVAL);
	o.endpoint = NULL;
	o.spool_dir = "/dev/null";
	assert_int_equal(weir_otlp_start(&o), WEIR_EIO);
	assert_int_equal(weir_otlp_stop(WEIR_S(1)), WEIR_OK); /* nothing runs */
	newer.more[3] = 0;
	assert_int_equal(weir_otlp_start(&newer.o), WEIR_OK);
	assert_int_equal(weir_otlp_start(NULL), WEIR_OK); /* changes nothing */
	assert_int_equal(weir_otlp_stop(WEIR_S(30)), WEIR_OK);
}

ALONE(metrics_arrive_at_flush_and_at_shutdown)
{
	uint32_t seen;

	begin(true);
	assert_int_equal(start(), WEIR_OK);
	assert_int_equal(weir_flush(WEIR_S(30)), WEIR_OK);
	seen = __atomic_load_n(requests, __ATOMIC_RELAXED);
	assert_true(seen >= 1);
	assert_int_equal(weir_shutdown(WEIR_S(30)), WEIR_OK);
	assert_true(__atomic_load_n(requests, __ATOMIC_RELAXED) > seen);
	assert_int_equal(weir_otlp_stop(WEIR_S(30)), WEIR_OK); /* it has ended */
	assert_int_equal(weir_init(NULL), WEIR_OK);
	assert_int_equal(start(), WEIR_OK); /* and may start again */
	assert_int_equal(weir_flush(WEIR_S(30)), WEIR_OK);
	assert_int_equal(weir_otlp_stop(WEIR_S(30)), WEIR_OK);
	assert_int_equal(weir_shutdown(WEIR_S(30)), WEIR_OK);
}

ALONE(deadlines_hold_where_nobody_answers)
{
	uint64_t took;
	struct timespec a, b;

	begin(false);
	assert_int_equal(start(), WEIR_OK);
	for (int tries = 0;; tries++) { /* the machine has others to serve */
		clock_gettime(CLOCK_MONOTONIC, &a);
		assert_int_equal(weir_flush(WEIR_MS(200)), WEIR_ETIMEOUT);
		clock_gettime(CLOCK_MONOTONIC, &b);
		took = (uint64_t)((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
		if (took >= 199 && took <= 250)
			break;
		if (tries == 4)
			fail_msg("200 ms took %llu", (unsigned long long)took);
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(weir_shutdown(WEIR_MS(200)), WEIR_ETIMEOUT);
	clock_gettime(CLOCK_MONOTONIC, &b);
	took = (uint64_t)((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
	assert_in_range(took, 150, 1000);
}

ALONE(a_forked_child_sends_by_itself)
{
	pid_t child;
	int status;

	if (TSAN)
		alone_skip("thread sanitizer ends a child of threads that begins a thread");
	begin(true);
	assert_int_equal(start(), WEIR_OK);
	assert_int_equal(weir_flush(WEIR_S(30)), WEIR_OK);
	child = fork();
	if (child == 0) {
		assert_int_equal(weir_after_fork(), WEIR_OK);
		assert_int_equal(weir_flush(WEIR_S(30)), WEIR_OK);
		assert_int_equal(weir_shutdown(WEIR_S(30)), WEIR_OK);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(__atomic_load_n(requests, __ATOMIC_RELAXED) >= 2);
	assert_int_equal(weir_flush(WEIR_S(30)), WEIR_OK);
	assert_int_equal(weir_shutdown(WEIR_S(30)), WEIR_OK);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(options),
	cmocka_unit_test(metrics_arrive_at_flush_and_at_shutdown),
	cmocka_unit_test(deadlines_hold_where_nobody_answers),
	cmocka_unit_test(a_forked_child_sends_by_itself),
};
ALONE_MAIN(tests)
