/* bench: weir's rows of memory and of a thread's first use. One row a process, since nothing is ever given back. */
#include "bench.h"
#include "workload.h"

#include <weir/weir.h>

static struct weir_counter_series one;

static uint64_t once_add(void *arg)
{
	uint64_t began = bench_now();

	(void)arg;
	weir_counter_series_add(one, 1);
	return bench_now() - began;
}

static const struct weir_counter *create(uint32_t series)
{
	struct weir_instrument_options options = {.size = sizeof options, .max_series = series};
	const struct weir_counter *counter;

	bench_require(weir_counter_create(&counter, "bench_requests_total", "Requests.", work_label_names, &options) ==
	                  WEIR_OK,
	              "the instrument was refused");
	return counter;
}

static void measure_series_bytes(const struct bench *b)
{
	const size_t series = 100000;
	const struct weir_counter *counter = create((uint32_t)series);
	struct weir_status status = {.size = sizeof status};
	uint64_t before;

	weir_counter_add_with(counter, 1, "GET", "/", "200");
	before = bench_resident_bytes();
	for (size_t i = 1; i < series; i++) {
		const char *values[WORK_LABELS];
		char route[32];

		work_series(i, values, route);
		weir_counter_add_with(counter, 1, values[0], values[1], values[2]);
	}
	bench_print(b, "weir", ((double)bench_resident_bytes() - (double)before) / (double)series);
	bench_require(weir_status_read(&status) == WEIR_OK && status.overflowed == 0 && status.dropped_records == 0,
	              "series overflowed, or records were dropped");
}

int main(int argc, char **argv)
{
	struct bench b = bench_arguments(argc, argv);

	if (bench_is(&b, "bytes_per_series")) {
		measure_series_bytes(&b);
		return 0;
	}
	one = weir_counter_with(create(2), "GET", "/", "200");
	if (bench_is(&b, "thread_first_use"))
		bench_measure_threads(&b, "weir", once_add, NULL, false);
	if (bench_is(&b, "thread_first_use_new"))
		bench_measure_threads(&b, "weir", once_add, NULL, true);
	if (bench_is(&b, "bytes_per_thread"))
		bench_bytes_per_thread(&b, "weir", once_add, NULL);
	return 0;
}
