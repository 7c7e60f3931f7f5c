/* The cells change homes while eight threads record: a memfd, a file, a map for BPF programs, another file, and so on. No record
 * is lost, none counts twice, and no snapshot goes back. */
#define _GNU_SOURCE
#include "case.h"

#include <weir/shm.h>
#include <weir/weir.h>

WEIR_COUNTER(adds, "home_adds_total", "Adds.");
WEIR_COUNTER(labelled, "home_labelled_total", "Adds by thread.", "thread");
WEIR_UPDOWN(updown, "home_updown", "Up and down.");
WEIR_GAUGE(level, "home_level", "Added to by all.");
WEIR_FLOAT_GAUGE(real, "home_real", "Added to by all.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES, WEIR_BOUNDS(10, 100)), "home_sizes_bytes", "Sizes.");

enum { THREADS = 8, HOMES = 40 };

static bool stop;
static struct tally {
	uint64_t rounds;
	uint64_t pad[7];
} tallies[THREADS];

static void *work(void *arg)
{
	int n = (int)(intptr_t)arg;
	char name[12];
	uint64_t rounds = 0;

	snprintf(name, sizeof name, "%d", n);
	for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); rounds++) {
		weir_counter_add(&adds, 1);
		weir_counter_add_with(&labelled, 2, name);
		weir_updown_add(&updown, -3);
		weir_gauge_add(&level, 1);
		weir_float_gauge_add(&real, 0.5);
		weir_histogram_record(&sizes, rounds % 128);
	}
	tallies[n].rounds = rounds;
	return NULL;
}

static bool move(int round)
{
	struct weir_shm_options o = {.size = sizeof o, .home = round % 2 ? WEIR_SHM_MAP : WEIR_SHM_FILE, .name = "stress"};

	return weir_shm_start(&o) == WEIR_OK && weir_shm_stop() == WEIR_OK;
}

static void records_are_exact_while_the_cells_move(void)
{
	struct weir_options options = {.size = sizeof options, .tick_ns = WEIR_MS(5), .totals_ns = WEIR_MS(5)};
	struct weir_status status = {.size = sizeof status};
	uint64_t rounds = 0, seen = 0, labels = 0;
	pthread_t thread[THREADS];
	int moved[2] = {0, 0};

	CHECK(weir_init(&options) == WEIR_OK);
	for (int n = 0; n < THREADS; n++)
		thread_start(&thread[n], work, (void *)(intptr_t)n, 0);
	for (int round = 0; round < HOMES; round++) {
		struct weir_snapshot *snapshot;
		struct weir_series series;

		moved[round % 2] += move(round);
		sleep_ms(2);
		CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
		CHECK(weir_snapshot_find(snapshot, "home_adds_total", NULL, 0, &series));
		CHECK(series.count >= seen);
		seen = series.count;
		weir_snapshot_destroy(snapshot);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int n = 0; n < THREADS; n++) {
		char name[12];

		pthread_join(thread[n], NULL);
		rounds += tallies[n].rounds;
		snprintf(name, sizeof name, "%d", n);
		labels += weir_counter_series_read(weir_counter_with(&labelled, name));
	}
	EQUAL(moved[0], HOMES / 2);
	if (geteuid() == 0)
		EQUAL(moved[1], HOMES / 2);
	CHECK(rounds > HOMES);
	EQUAL(weir_counter_read(&adds), rounds);
	EQUAL(labels, 2 * rounds);
	EQUAL_INT(weir_updown_read(&updown), -3 * (int64_t)rounds);
	EQUAL_INT(weir_gauge_read(&level), (int64_t)rounds);
	EQUAL((uint64_t)(weir_float_gauge_read(&real) * 2), rounds);
	EQUAL(weir_histogram_read(&sizes).count, rounds);
	CHECK(weir_status_read(&status) == WEIR_OK);
	EQUAL(status.dropped_records - status.dropped_contended, 0);
	NOTE("%llu rounds of %d threads, in %s at last, %llu contended", (unsigned long long)rounds, THREADS, status.home,
	     (unsigned long long)status.dropped_contended);
	CHECK(weir_shutdown(WEIR_S(5)) == WEIR_OK);
}

CASES({"records_are_exact_while_the_cells_move", records_are_exact_while_the_cells_move, 60})
