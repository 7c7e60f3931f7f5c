/* bench: a process that has started and does nothing: what it takes alone (as floor), with weir, and with the endpoint.
 * Built three times: without weir, with libweir alone (BENCH_WEIR), with the exporter (both it and BENCH_ENDPOINT). */
#define _GNU_SOURCE
#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifdef BENCH_WEIR
#include <weir/prometheus.h>
#include <weir/weir.h>

WEIR_COUNTER(started, "bench_started_total", "Starts.");
#endif

/* All of libc is brought in, here as there: which of its pages a program happens to have touched is not weir's doing,
 * and the kernel maps up to sixteen at a time. */
static void bring_in_libc(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	bench_require(maps != NULL, "no /proc/self/maps");
	while (fgets(line, sizeof line, maps) != NULL) {
		unsigned long begin, end;

		if (strstr(line, "/libc.so") == NULL && strstr(line, "/ld-linux") == NULL)
			continue;
		bench_require(sscanf(line, "%lx-%lx", &begin, &end) == 2, "an unknown line in /proc/self/maps");
		if (strstr(line, " r") != NULL)
			(void)madvise((void *)begin, end - begin, MADV_POPULATE_READ);
	}
	fclose(maps);
}

int main(int argc, char **argv)
{
	struct bench b = bench_arguments(argc, argv);
#ifdef BENCH_ENDPOINT
	bool fits = bench_is(&b, "rss_with_endpoint") || bench_is(&b, "threads_with_endpoint");
#elif defined(BENCH_WEIR)
	bool fits = bench_is(&b, "rss_after_init") || bench_is(&b, "threads_after_init");
#else
	bool fits = bench_is(&b, "rss_after_init") || bench_is(&b, "threads_after_init") ||
	            bench_is(&b, "rss_with_endpoint") || bench_is(&b, "threads_with_endpoint");
#endif
	const char *who = "floor";

	if (!fits)
		return 0;
#ifdef BENCH_WEIR
	who = "weir";
	bench_require(weir_init(NULL) == WEIR_OK, "weir_init failed");
	weir_counter_add(&started, 1);
#endif
#ifdef BENCH_ENDPOINT
	{
		struct weir_prometheus_options options = {
		    .size = sizeof options, .host = "127.0.0.1", .any_port = true};

		bench_require(weir_prometheus_start(&options) == WEIR_OK, "weir_prometheus_start failed");
	}
#endif
	/* Long enough for the first tick, in whose wake the threads stand as they will stand. */
	for (uint64_t end = bench_now() + UINT64_C(1200000000); bench_now() < end;)
		bench_pause();
	bring_in_libc();
	if (bench_is(&b, "rss_after_init") || bench_is(&b, "rss_with_endpoint"))
		bench_print(&b, who, (double)bench_resident_bytes());
	else
		bench_print(&b, who, bench_thread_count());
#ifdef BENCH_WEIR
	bench_require(weir_shutdown(WEIR_S(5)) == WEIR_OK, "weir_shutdown failed");
#endif
	return 0;
}
