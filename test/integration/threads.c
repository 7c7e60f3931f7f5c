/* Threads that come and go: sums stay exact, no series goes back, memory stays as stated. Public API only. */
#include "case.h"

#include <weir/weir.h>

#include <limits.h>
#include <sys/resource.h>

WEIR_COUNTER(adds, "thread_adds_total", "Adds.");
WEIR_COUNTER(labelled, "thread_labelled_total", "Adds by label.", "k");
WEIR_UPDOWN(updown, "thread_updown", "Ups, and as many downs.");
WEIR_HISTOGRAM(times, WEIR_LATENCY, "thread_times_seconds", "Times.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES, WEIR_RANGE(16, WEIR_MIB(64))), "thread_sizes_bytes", "Sizes.");

enum { SMALL_STACK = 64 * 1024 };

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

/* ---- churn, with snapshots meanwhile ---- */

enum { LABELS = 4, STARTERS = 4 };
static const char *const label[LABELS] = {"a", "b", "c", "d"};
/* Offered is raised before the record: no snapshot that was made before it is read may show more. */
static uint64_t offered, offered_by_label[LABELS], offered_sum, born, snapshots;
static bool stop;

static void *short_life(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg * 2654435761u;
	unsigned records = seed % 97;

	for (unsigned i = 0; i < records; i++) {
		unsigned k = (seed + i) % LABELS;
		uint64_t v = (uint64_t)(seed % 1000003) * (i + 1);

		__atomic_fetch_add(&offered, 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&offered_by_label[k], 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&offered_sum, v, __ATOMIC_SEQ_CST);
		weir_counter_add(&adds, 1);
		weir_counter_add_with(&labelled, 1, label[k]);
		weir_histogram_record(&times, v);
		weir_histogram_record(&sizes, v);
		weir_updown_add(&updown, 5);
		weir_updown_add(&updown, -5);
	}
	return NULL;
}

static void *start_lives(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg << 20;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		pthread_t threads[8];

		for (int i = 0; i < 8; i++)
			thread_start(&threads[i], short_life, (void *)(uintptr_t)++n, SMALL_STACK);
		for (int i = 0; i < 8; i++)
			pthread_join(threads[i], NULL);
		__atomic_fetch_add(&born, 8, __ATOMIC_RELAXED);
	}
	return NULL;
}

struct seen {
	uint64_t adds, labelled[LABELS], times[64], sizes[512], times_sum;
	size_t times_buckets, sizes_buckets;
};

static uint64_t see_buckets(uint64_t *former, size_t most, const struct weir_series *s, size_t *count)
{
	uint64_t sum = 0;

	CHECK(s->buckets_count <= most);
	*count = s->buckets_count;
	for (size_t b = 0; b < s->buckets_count; b++) {
		if (s->buckets[b] < former[b])
			FAIL("bucket %zu went back from %llu to %llu", b, (unsigned long long)former[b],
			     (unsigned long long)s->buckets[b]);
		former[b] = s->buckets[b];
		sum += s->buckets[b];
	}
	return sum;
}

static void see(struct seen *former, bool final)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;
	uint64_t most;

	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	most = __atomic_load_n(&offered, __ATOMIC_SEQ_CST);
	CHECK(weir_snapshot_find(snapshot, "thread_adds_total", NULL, 0, &s));
	if (s.count < former->adds)
		FAIL("the counter went back from %llu to %llu", (unsigned long long)former->adds,
		     (unsigned long long)s.count);
	AT_MOST(s.count, most);
	former->adds = s.count;
	for (int k = 0; k < LABELS; k++) {
		struct weir_str value = weir_str_of(label[k]);

		if (!weir_snapshot_find(snapshot, "thread_labelled_total", &value, 1, &s)) {
			CHECK(former->labelled[k] == 0);
			continue;
		}
		CHECK(s.count >= former->labelled[k]);
		AT_MOST(s.count, __atomic_load_n(&offered_by_label[k], __ATOMIC_SEQ_CST));
		former->labelled[k] = s.count;
		if (final)
			EQUAL(s.count, offered_by_label[k]);
	}
	CHECK(weir_snapshot_find(snapshot, "thread_times_seconds", NULL, 0, &s));
	EQUAL(see_buckets(former->times, 64, &s, &former->times_buckets), s.count);
	AT_MOST(s.count, most);
	CHECK(s.sum_low >= former->times_sum && s.sum_high == 0);
	AT_MOST(s.sum_low, __atomic_load_n(&offered_sum, __ATOMIC_SEQ_CST));
	former->times_sum = s.sum_low;
	if (final) {
		EQUAL(s.count, offered);
		EQUAL(s.sum_low, offered_sum);
	}
	CHECK(weir_snapshot_find(snapshot, "thread_sizes_bytes", NULL, 0, &s));
	EQUAL(see_buckets(former->sizes, 512, &s, &former->sizes_buckets), s.count);
	AT_MOST(s.count, most);
	if (final) {
		EQUAL(s.count, offered);
		EQUAL(s.sum_low, offered_sum);
		EQUAL(former->adds, offered);
	}
	weir_snapshot_destroy(snapshot);
}

static void *take_snapshots(void *arg)
{
	struct seen *former = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		see(former, false);
		snapshots++;
		usleep(500);
	}
	return NULL;
}

static void churn(unsigned starters, unsigned ms)
{
	static struct seen seen[2];
	pthread_t threads[STARTERS], lookers[2];

	for (int i = 0; i < 2; i++)
		thread_start(&lookers[i], take_snapshots, &seen[i], 0);
	for (uintptr_t i = 0; i < starters; i++)
		thread_start(&threads[i], start_lives, (void *)(i + 1), 0);
	sleep_ms(ms);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < starters; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(lookers[i], NULL);
	see(&seen[0], true);
	see(&seen[1], true);
	EQUAL_INT(weir_updown_read(&updown), 0);
	EQUAL(status_now().dropped_records, 0);
	NOTE("%llu threads were born and died in %u ms, %llu snapshots, %llu shards", (unsigned long long)born, ms,
	     (unsigned long long)snapshots, (unsigned long long)status_now().shards);
	CHECK(born > 100 && snapshots > 10);
}

static void threads_come_and_go(void)
{
	churn(STARTERS, 3000);
}

static void threads_come_and_go_under_weir_init(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)}; /* it looks for dead threads all the time */

	CHECK(weir_init(&o) == WEIR_OK);
	churn(STARTERS, 2000);
	CHECK(weir_shutdown(WEIR_S(5)) == WEIR_OK);
}

/* ---- the last things that a thread does ---- */

extern int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *module); /* thread_local's, of C++ */
extern void *__dso_handle;

static pthread_key_t keys[3];
static uint64_t last_words;

static void say_last_words(void *value)
{
	uintptr_t rounds = (uintptr_t)value;

	weir_counter_add(&adds, 1);
	weir_counter_add_with(&labelled, 1, label[rounds % LABELS]);
	weir_histogram_record(&times, rounds);
	__atomic_fetch_add(&last_words, 1, __ATOMIC_RELAXED);
	if (rounds > 1) /* once more, in the next round of destructors */
		for (int k = 0; k < 3; k++)
			if (pthread_getspecific(keys[k]) == NULL) {
				pthread_setspecific(keys[k], (void *)(rounds - 1));
				break;
			}
}

static void *with_last_words(void *arg)
{
	uintptr_t n = (uintptr_t)arg;

	if (n % 3 != 0) /* every third thread records for the first time when it is at its end */
		weir_counter_add(&adds, 0);
	if (n % 2 == 0)
		__cxa_thread_atexit_impl(say_last_words, (void *)(uintptr_t)1, &__dso_handle);
	for (int k = 0; k < 3; k++)
		pthread_setspecific(keys[k], (void *)(uintptr_t)(PTHREAD_DESTRUCTOR_ITERATIONS + 1));
	if (n % 5 == 0)
		pthread_exit(NULL);
	return NULL;
}

static void last_words_count(void)
{
	pthread_t threads[32];
	uint64_t by_label = 0;

	for (int k = 0; k < 3; k++)
		CHECK(pthread_key_create(&keys[k], say_last_words) == 0);
	for (uintptr_t round = 0; round < 40; round++) {
		for (uintptr_t i = 0; i < 32; i++)
			thread_start(&threads[i], with_last_words, (void *)(round * 32 + i), SMALL_STACK);
		for (int i = 0; i < 32; i++)
			pthread_join(threads[i], NULL);
	}
	CHECK(last_words > 40 * 32 * 3);
	EQUAL(weir_counter_read(&adds), last_words);
	EQUAL(weir_histogram_read(&times).count, last_words);
	for (int k = 0; k < LABELS; k++)
		by_label += weir_counter_series_read(weir_counter_with(&labelled, label[k]));
	EQUAL(by_label, last_words);
	EQUAL(status_now().dropped_records, 0);
	NOTE("%llu records in destructors", (unsigned long long)last_words);
}

/* ---- one after the other ---- */

static void *one_of_many(void *arg)
{
	(void)arg;
	weir_counter_add(&adds, 1);
	weir_counter_add_with(&labelled, 1, "a");
	weir_histogram_record(&times, 7);
	return NULL;
}

static void a_hundred_thousand_threads_in_a_row(void)
{
	enum { THREADS = 100000, SETTLED = 2000 };
	long rss = 0, mappings = 0;
	uint64_t bytes = 0;

	for (int i = 0; i < THREADS; i++) {
		pthread_t thread;

		thread_start(&thread, one_of_many, NULL, SMALL_STACK);
		pthread_join(thread, NULL);
		if (i == SETTLED) {
			rss = proc_status("VmRSS:", 10);
			mappings = proc_mappings();
			bytes = status_now().segment_bytes + status_now().heap_bytes;
		}
	}
	EQUAL(weir_counter_read(&adds), THREADS);
	EQUAL(weir_counter_series_read(weir_counter_with(&labelled, "a")), THREADS);
	EQUAL(weir_histogram_read(&times).count, THREADS);
	EQUAL(status_now().dropped_records, 0);
	NOTE("shards %llu, RSS %ld KiB, then %ld, mappings %ld, then %ld", (unsigned long long)status_now().shards, rss,
	     proc_status("VmRSS:", 10), mappings, proc_mappings());
	AT_MOST(proc_status("VmRSS:", 10), rss + 256);
	AT_MOST(proc_mappings(), mappings + 8);
	AT_MOST(status_now().segment_bytes + status_now().heap_bytes, bytes + 16 * 8192); /* few shards more at most */
	AT_MOST(status_now().shards, 32);
}

/* ---- many at once ---- */

enum { LIVE = 1000, SERIES = 10000 };
static struct weir_counter_series handles[SERIES];
static pthread_barrier_t before, after;

static void *record_ten_thousand(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&before);
	for (int i = 0; i < SERIES; i++)
		weir_counter_series_add(handles[i], 1);
	pthread_barrier_wait(&after);
	return NULL;
}

static void a_thousand_threads_with_ten_thousand_series(void)
{
	struct weir_instrument_options room = {.size = sizeof room, .max_series = SERIES};
	static pthread_t threads[LIVE];
	struct weir_status status;
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t cells, counted = 0;
	long rss;

	CHECK(weir_instrument_configure("thread_labelled_total", &room) == WEIR_OK);
	for (int i = 0; i < SERIES; i++) {
		char k[16];

		snprintf(k, sizeof k, "%d", i);
		handles[i] = weir_counter_with(&labelled, k);
	}
	pthread_barrier_init(&before, NULL, LIVE + 1);
	pthread_barrier_init(&after, NULL, LIVE + 1);
	for (int i = 0; i < LIVE; i++)
		thread_start(&threads[i], record_ten_thousand, NULL, SMALL_STACK);
	sleep_ms(100);
	rss = proc_status("VmRSS:", 10);
	pthread_barrier_wait(&before);
	pthread_barrier_wait(&after);
	for (int i = 0; i < LIVE; i++)
		pthread_join(threads[i], NULL);
	status = status_now();
	rss = proc_status("VmRSS:", 10) - rss;
	/* 8 bytes a cell and thread, in blocks of 4 KiB of which the first and the last may be shared with others;
	 * 320 bytes a series; and what a thread costs by itself. */
	cells = (uint64_t)LIVE * ((SERIES + 511) / 512 + 1) * 4096;
	AT_MOST(status.segment_bytes + status.heap_bytes, cells + SERIES * 320u + LIVE * 8192u + WEIR_KIB(512));
	AT_MOST(rss, (cells + LIVE * 8192u) / 1024 + 8192);
	NOTE("%llu KiB of segment, %llu KiB of heap, RSS + %ld KiB", (unsigned long long)status.segment_bytes / 1024,
	     (unsigned long long)status.heap_bytes / 1024, rss);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "thread_labelled_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s); counted++)
				EQUAL(s.count, LIVE);
	weir_snapshot_destroy(snapshot);
	EQUAL(counted, SERIES);
	EQUAL(status.dropped_records, 0);
	EQUAL(status.overflowed, 0);
}

static void *record_one(void *arg)
{
	volatile char stack[16384]; /* touched beforehand, so that RSS shows weir's pages alone */

	(void)arg;
	for (size_t i = 0; i < sizeof stack; i += 1024)
		stack[i] = 1;
	pthread_barrier_wait(&before);
	pthread_barrier_wait(&before); /* the memory is measured between these */
	weir_counter_add(&adds, 1);
	pthread_barrier_wait(&after);
	pthread_barrier_wait(&after);
	return NULL;
}

/* Exact, unlike the kernel's figure in status, which comes in lots. */
static long resident_kib(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long kib = -1;

	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "Rss: %ld kB", &kib) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return kib;
}

/* A thread's own are two pages, to the byte: its table and its cells. What grows beside them is the segment's and the
 * process', and is shared: an entry of 16 bytes in the directory and a pointer in the list of shards, a page for each 256 and
 * for each 512 threads. */
static void a_thread_with_one_series_costs_two_pages(void)
{
	enum { FEW = 500, SHARED = FEW / 256 + 1 + FEW / 512 + 1 };
	static pthread_t threads[FEW];
	struct weir_status first, last;
	long rss;

	weir_counter_add(&adds, 1);
	pthread_barrier_init(&before, NULL, FEW + 1);
	pthread_barrier_init(&after, NULL, FEW + 1);
	for (int i = 0; i < FEW; i++)
		thread_start(&threads[i], record_one, NULL, SMALL_STACK);
	pthread_barrier_wait(&before);
	resident_kib(); /* what it touches itself */
	first = status_now();
	rss = resident_kib();
	pthread_barrier_wait(&before);
	pthread_barrier_wait(&after);
	last = status_now();
	rss = resident_kib() - rss;
	pthread_barrier_wait(&after);
	for (int i = 0; i < FEW; i++)
		pthread_join(threads[i], NULL);
	EQUAL(weir_counter_read(&adds), FEW + 1);
	NOTE("%llu bytes of segment and heap a thread, %ld bytes of RSS",
	     (unsigned long long)(last.segment_bytes + last.heap_bytes - first.segment_bytes - first.heap_bytes) / FEW,
	     rss * 1024 / FEW);
	EQUAL(last.shards - first.shards, FEW);
	EQUAL(last.heap_bytes - first.heap_bytes, FEW * 4096u);
	AT_MOST(last.segment_bytes - first.segment_bytes, FEW * 4096u + (FEW / 256 + 1) * 4096u);
	EQUAL((last.segment_bytes - first.segment_bytes) % 4096, 0);
	if (!CASE_SANITIZED)
		AT_MOST(rss, FEW * 8 + SHARED * 4);
}

/* One after the other, all alive: each costs exactly two pages, but where the directory needs its next one. */
static void *record_and_stay(void *arg)
{
	weir_counter_add(&adds, 1);
	pthread_barrier_wait(arg);
	pthread_barrier_wait(&after);
	return NULL;
}

static void each_thread_costs_exactly_two_pages(void)
{
	enum { FEW = 300 };
	static pthread_t threads[FEW];
	pthread_barrier_t recorded;
	unsigned with_directory = 0;

	weir_counter_add(&adds, 1);
	pthread_barrier_init(&recorded, NULL, 2);
	pthread_barrier_init(&after, NULL, FEW + 1);
	for (int i = 0; i < FEW; i++) {
		struct weir_status was = status_now(), is;
		uint64_t cost;

		thread_start(&threads[i], record_and_stay, &recorded, SMALL_STACK);
		pthread_barrier_wait(&recorded);
		is = status_now();
		cost = is.segment_bytes + is.heap_bytes - was.segment_bytes - was.heap_bytes;
		with_directory += cost == 3 * 4096;
		if (cost != 3 * 4096)
			EQUAL(cost, 8192);
	}
	pthread_barrier_wait(&after);
	for (int i = 0; i < FEW; i++)
		pthread_join(threads[i], NULL);
	AT_MOST(with_directory, FEW / 256 + 1);
}

/* weir_thread_attach opens what exists, and is harmless at any time. */
static void *attach_first(void *arg)
{
	(void)arg;
	CHECK(weir_thread_attach() == WEIR_OK);
	CHECK(weir_thread_attach() == WEIR_OK);
	weir_counter_add(&adds, 1);
	return NULL;
}

static void threads_attach_beforehand(void)
{
	pthread_t threads[16];

	CHECK(weir_thread_attach() == WEIR_OK);
	for (int i = 0; i < 16; i++)
		thread_start(&threads[i], attach_first, NULL, 0);
	for (int i = 0; i < 16; i++)
		pthread_join(threads[i], NULL);
	EQUAL(weir_counter_read(&adds), 16);
	EQUAL(status_now().dropped_records, 0);
}

CASES({"threads_come_and_go", threads_come_and_go, 60},
      {"threads_come_and_go_under_weir_init", threads_come_and_go_under_weir_init, 60},
      {"last_words_count", last_words_count, 30},
      {"a_hundred_thousand_threads_in_a_row", a_hundred_thousand_threads_in_a_row, 120},
      {"a_thousand_threads_with_ten_thousand_series", a_thousand_threads_with_ten_thousand_series, 120},
      {"a_thread_with_one_series_costs_two_pages", a_thread_with_one_series_costs_two_pages, 30},
      {"each_thread_costs_exactly_two_pages", each_thread_costs_exactly_two_pages, 30},
      {"threads_attach_beforehand", threads_attach_beforehand, 20})
