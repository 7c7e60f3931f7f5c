/* Unit: src/ids.c: ids are random, never zero, and never given twice: not by one thread, by several, by forked children, nor by
 * a signal handler amid another's. */
#define _GNU_SOURCE
#include "ids.h"
#include "w3c.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "alone.h"

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

static void none_twice(uint8_t (*ids)[8], size_t count)
{
	qsort(ids, count, 8, compare);
	for (size_t i = 1; i < count; i++)
		if (memcmp(ids[i - 1], ids[i], 8) == 0)
			fail_msg("an id was given twice");
}

ALONE(one_thread_gives_none_twice)
{
	enum { N = 1000000 };
	uint8_t(*ids)[8] = calloc(N, 8);
	struct weir__local *local = weir__local_ready();

	assert_non_null(ids);
	assert_non_null(local);
	assert_int_equal(local->gamma & 1, 1);
	for (int i = 0; i < N; i++) {
		weir__span_id_make(local, ids[i]);
		assert_false(weir__is_zero(ids[i], 8));
	}
	none_twice(ids, N);
	for (int i = 0; i < N; i++) {
		uint8_t id[16];

		weir__trace_id_draw(local, id);
		weir__trace_id_mix(id, 0);
		assert_false(weir__is_zero(id, 8));
		memcpy(ids[i], id + 8, 8);
	}
	none_twice(ids, N);
	free(ids);
}

/* Each bit of the last seven bytes is as often one as zero: what sampling by ratio goes by. */
ALONE(bits_are_even)
{
	enum { N = 100000 };
	unsigned ones[128] = {0};
	struct weir__local *local = weir__local_ready();

	for (int i = 0; i < N; i++) {
		uint8_t id[16];

		weir__trace_id_draw(local, id);
		weir__trace_id_mix(id, 0);
		for (int bit = 0; bit < 128; bit++)
			ones[bit] += id[bit / 8] >> (bit % 8) & 1u;
	}
	for (int bit = 0; bit < 128; bit++) /* 158 is a standard deviation: 6 of them */
		assert_in_range(ones[bit], N / 2 - 950, N / 2 + 950);
}

enum { PER = 50000, THREADS = 8 };
static uint8_t (*all)[8];
static unsigned next;
static void *make_many(void *arg)
{
	unsigned from = __atomic_fetch_add(&next, PER, __ATOMIC_RELAXED);
	struct weir__local *local = weir__local_ready();

	for (unsigned i = 0; i < PER; i++)
		weir__span_id_make(local, all[from + i]);
	return arg;
}

ALONE(threads_give_none_twice)
{
	all = calloc(2 * PER * THREADS, 8);
	assert_non_null(all);
	in_threads(THREADS, make_many, NULL);
	in_threads(THREADS, make_many, NULL); /* these take over what those left */
	none_twice(all, 2 * PER * THREADS);
	free(all);
}

/* A hundred children, each goes on from where its parent is, and gives other ids; a million in all. */
enum { FORKS = 100, EACH = 9900 };
ALONE(forked_children_give_none_twice)
{
	size_t bytes = (size_t)(FORKS + 1) * EACH * 8;
	pid_t children[FORKS];

	all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(all != MAP_FAILED);
	assert_non_null(weir__local_ready());
	for (int n = 0; n < FORKS; n++) {
		children[n] = fork();
		assert_true(children[n] >= 0);
		if (children[n] == 0) {
			struct weir__local *local = weir__local_ready();

			if (local == NULL)
				_exit(1);
			for (int i = 0; i < EACH; i++)
				weir__span_id_make(local, all[n * EACH + i]);
			_exit(0);
		}
	}
	for (int i = 0; i < EACH; i++)
		weir__span_id_make(weir__local_ready(), all[FORKS * EACH + i]);
	for (int n = 0; n < FORKS; n++)
		assert_int_equal(end_of(children[n]), 0);
	none_twice(all, (size_t)(FORKS + 1) * EACH);
	munmap(all, bytes);
}

static volatile sig_atomic_t handled;
static void make_one(int signal)
{
	(void)signal;
	if (handled < PER)
		weir__span_id_make(weir__local_ready(), all[PER + handled]), handled++;
}

ALONE(a_signal_handler_gets_none_that_it_interrupted)
{
	struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	struct sigaction action;
	int interrupted = 0;

	memset(&action, 0, sizeof action);
	action.sa_handler = make_one;
	all = calloc(2 * PER, 8);
	assert_non_null(all);
	assert_non_null(weir__local_ready());
	assert_int_equal(sigaction(SIGPROF, &action, NULL), 0);
	setitimer(ITIMER_PROF, &often, NULL);
	for (int i = 0; i < 200000 && interrupted < 20; i++) {
		size_t n;

		handled = 0;
		for (n = 0; n < PER / 10; n++)
			weir__span_id_make(weir__local_ready(), all[n]);
		if (handled == 0)
			continue;
		interrupted++;
		n = (size_t)handled;
		memcpy(all[PER / 10], all[PER], n * sizeof *all);
		none_twice(all, PER / 10 + n);
	}
	setitimer(ITIMER_PROF, &never, NULL);
	assert_true(interrupted > 0);
	free(all);
}

ALONE(an_error_of_the_hosts_stays)
{
	errno = 7;
	assert_non_null(weir__local_ready());
	assert_int_equal(errno, 7);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_thread_gives_none_twice),
	cmocka_unit_test(bits_are_even),
	cmocka_unit_test(threads_give_none_twice),
	cmocka_unit_test(forked_children_give_none_twice),
	cmocka_unit_test(a_signal_handler_gets_none_that_it_interrupted),
	cmocka_unit_test(an_error_of_the_hosts_stays),
};
ALONE_MAIN(tests)
