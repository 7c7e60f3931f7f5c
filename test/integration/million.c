/* A million series, recorded by 64 threads: exact, and in the memory that is promised: at most 320 bytes a series,
 * and 8 bytes for each cell and recording thread, in blocks of 4 KiB. Public API only. */
#include "case.h"

#include <weir/weir.h>

enum { SERIES = 1000000, THREADS = 64 };

WEIR_COUNTER(requests, "million_requests_total", "Requests.", "tenant", "route", "code");
static struct weir_counter_series handles[SERIES];
static pthread_barrier_t ready;

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

/* 1000 tenants x 200 routes x 5 codes, as they come in a service */
static void values_of(unsigned n, char tenant[24], char route[24], const char **code)
{
	static const char *const codes[] = {"200", "201", "400", "404", "500"};

	snprintf(tenant, 24, "tenant-%u", n / 1000);
	snprintf(route, 24, "/api/v1/route/%u", n / 5 % 200);
	*code = codes[n % 5];
}

static void *record_all(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	pthread_barrier_wait(&ready);
	/* from another place each, as threads of a service would */
	for (unsigned i = 0; i < SERIES; i++)
		weir_counter_series_add(handles[(i + me * (SERIES / THREADS)) % SERIES], 1 + me);
	for (unsigned i = me; i < SERIES; i += 997) { /* and some through their labels */
		char tenant[24], route[24];
		const char *code;

		values_of(i, tenant, route, &code);
		weir_counter_add_with(&requests, 1000, tenant, route, code);
	}
	pthread_barrier_wait(&ready); /* none ends before all have recorded: they hold 64 shards */
	return NULL;
}

static void a_million_series_by_64_threads(void)
{
	struct weir_instrument_options room = {.size = sizeof room, .max_series = SERIES};
	struct weir_status first = status_now(), made, used;
	long rss = proc_status("VmRSS:", 10), largest;
	uint64_t each = THREADS * (THREADS + 1) / 2, counted = 0, sum = 0, by_label = 0, cells;
	static pthread_t threads[THREADS];
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;

	CHECK(weir_instrument_configure("million_requests_total", &room) == WEIR_OK);
	for (unsigned i = 0; i < SERIES; i++) {
		char tenant[24], route[24];
		const char *code;

		values_of(i, tenant, route, &code);
		handles[i] = weir_counter_with(&requests, tenant, route, code);
	}
	made = status_now();
	EQUAL(made.overflowed, 0);
	CHECK(made.series >= SERIES);
	NOTE("%llu bytes a series: %llu KiB of segment, %llu KiB of heap",
	     (unsigned long long)(made.segment_bytes + made.heap_bytes - first.segment_bytes - first.heap_bytes) /
	         SERIES,
	     (unsigned long long)made.segment_bytes / 1024, (unsigned long long)made.heap_bytes / 1024);
	AT_MOST(made.segment_bytes + made.heap_bytes - first.segment_bytes - first.heap_bytes, SERIES * 320u);
	AT_MOST(proc_status("VmRSS:", 10) - rss, SERIES / 1024 * 320 + (long)(sizeof handles / 1024) + 2048);

	pthread_barrier_init(&ready, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		thread_start(&threads[i], record_all, (void *)i, 256 * 1024);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned me = 0; me < THREADS; me++)
		by_label += (SERIES - me + 996) / 997;
	used = status_now();
	/* blocks of 512 cells, two of them shared with others */
	cells = (uint64_t)THREADS * ((SERIES + 511) / 512 + 2) * 4096;
	NOTE("%llu KiB more of segment and heap for %llu KiB of cells; RSS + %ld KiB in all",
	     (unsigned long long)(used.segment_bytes + used.heap_bytes - made.segment_bytes - made.heap_bytes) / 1024,
	     (unsigned long long)cells / 1024, proc_status("VmRSS:", 10) - rss);
	AT_MOST(used.segment_bytes + used.heap_bytes - first.segment_bytes - first.heap_bytes,
	        cells + SERIES * 320u + THREADS * 8192u);
	largest =
	    (long)(cells / 1024) + SERIES / 1024 * 320 + (long)(sizeof handles / 1024) + THREADS * (8 + 20) + 4096;
	AT_MOST(proc_status("VmRSS:", 10) - rss, largest); /* each thread's table of 2000 blocks takes five pages */

	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "million_requests_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s); counted++) {
				CHECK(!s.overflow);
				if (s.count % 1000 != each % 1000)
					FAIL("a series has %llu", (unsigned long long)s.count);
				sum += s.count;
			}
	weir_snapshot_destroy(snapshot);
	EQUAL(counted, SERIES);
	EQUAL(sum, each * SERIES + by_label * 1000);
	CHECK(used.shards >= THREADS);
	EQUAL(used.dropped_records, 0);
	EQUAL(used.overflowed, 0);
}

CASES({"a_million_series_by_64_threads", a_million_series_by_64_threads, 110})
