/* What native_histogram.py has scraped: histograms and a counter of known values, with exemplars, at a free port. Lives
 * until its standard input ends. Linked with the archives, since it puts exemplars where spans will. */
#define _GNU_SOURCE
#include "exemplar.h"
#include "registry.h"

#include <weir/prometheus.h>
#include <weir/weir.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

WEIR_HISTOGRAM(took,
               WEIR_BUCKETS(WEIR_SECONDS, WEIR_SLO(990000, WEIR_MS(200)), WEIR_RANGE(WEIR_MS(1), WEIR_S(2))),
               "e2e_took_seconds", "1 to 1000 ms.", "route");
WEIR_HISTOGRAM(wide, WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))), "e2e_wide_seconds",
               "208 buckets, merged to 160 at most; and one value above the range.");
WEIR_HISTOGRAM(classic, WEIR_BUCKETS(WEIR_SECONDS, WEIR_BOUNDS(WEIR_MS(100), WEIR_MS(500))), "e2e_classic_seconds",
               "1 to 1000 ms.");
WEIR_COUNTER(done, "e2e_done_total", "How many.");

static void put(const char *name, const char *route, uint64_t value, uint8_t id)
{
	struct weir_str values = weir_str_of(route);
	struct weir_ids ids = {.trace_id = {0xab, [15] = id}, .span_id = {0xcd, [7] = id}, .flags = 1};
	struct weir_snapshot *snapshot;
	struct weir_series s;
	struct timespec now;
	uint32_t bucket = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	if (weir_snapshot_new(&snapshot) != WEIR_OK ||
	    !weir_snapshot_find(snapshot, name, &values, route[0] != '\0' ? 1 : 0, &s))
		exit(1);
	while (s.buckets_count != 0 && bucket + 1 < s.buckets_count && s.bounds[bucket] < value)
		bucket++;
	weir_snapshot_destroy(snapshot);
	for (const struct weir__instrument *i = weir__instruments_first(); i != NULL; i = i->next)
		if (strcmp(i->name, name) == 0)
			weir__exemplar_put(i->first->cell, bucket, value,
			                   (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, &ids);
}

int main(void)
{
	struct weir_prometheus_options o = {.size = sizeof o, .host = "127.0.0.1", .any_port = true};

	if (weir_init(NULL) != WEIR_OK || weir_prometheus_start(&o) != WEIR_OK)
		return 1;
	for (uint64_t ms = 1; ms <= 1000; ms++) {
		weir_histogram_record_with(&took, WEIR_MS(ms), "/a");
		weir_histogram_record(&wide, WEIR_MS(ms));
		weir_histogram_record(&classic, WEIR_MS(ms));
		weir_counter_add(&done, 1);
	}
	weir_histogram_record(&wide, WEIR_S(600));
	put("e2e_took_seconds", "/a", WEIR_MS(150), 1);
	put("e2e_took_seconds", "/a", WEIR_MS(850), 2);
	put("e2e_classic_seconds", "", WEIR_MS(300), 3);
	put("e2e_done_total", "", 7, 4);
	printf("metrics 127.0.0.1:%u\n", weir_prometheus_port());
	fflush(stdout);
	while (getchar() != EOF)
		;
	return weir_shutdown(WEIR_S(5)) == WEIR_OK ? 0 : 1;
}
