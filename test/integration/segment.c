/* The segment from outside: this program runs itself as another process, which maps the memfd through /proc, read-only, and
 * finds every sum with nothing but abi/segment.h. */
#define _GNU_SOURCE
#include "segment_reader.h"

#include <weir/weir.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

WEIR_COUNTER(plain, "seg_plain_total", "Plain.");
WEIR_COUNTER(labelled, "seg_labelled_total", "Labelled.", "a", "b");
WEIR_UPDOWN(updown, "seg_updown", "Up and down.");
WEIR_GAUGE(gauge, "seg_gauge", "Gauge.");
WEIR_COUNTER(claimed, "seg_claimed_total", "A label that the context fills.", "a", WEIR_CLAIM("tenant"));
WEIR_HISTOGRAM(histogram, WEIR_BUCKETS(WEIR_BYTES, WEIR_SLO(990000, 100), WEIR_BOUNDS(10, 1000)), "seg_bytes", "Bytes.");

/* One block: the trailing counter, some between, then the leading one. Its writer adds to the leading one first. */
WEIR_COUNTER(pair, "seg_pair_total", "Trailing, then leading.", "which");

enum { THREADS = 6, ROUNDS = 1000, BETWEEN = 300, PAIRS = 3 };

static void *work(void *arg)
{
	int n = (int)(intptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		weir_counter_add(&plain, 1);
		weir_counter_add_with(&labelled, 2, n % 2 ? "odd" : "even", "x");
		weir_counter_add_ctx(&claimed, 3, WEIR_CURRENT, "x");
		weir_updown_add(&updown, -1);
		weir_histogram_record(&histogram, (uint64_t)(i % 200));
	}
	return NULL;
}

/* ---- the other process ---- */

static void print(void *arg, const struct reader_series *s)
{
	(void)arg;
	if (s->name_len < 8 || memcmp(s->name, "seg_", 4) != 0 || memcmp(s->name, "seg_pair", 8) == 0)
		return;
	printf("%.*s{%s} value %" PRId64 " count %" PRIu64 " sum %" PRIu64, (int)s->name_len, s->name, s->labels,
	       (int64_t)s->value, s->count, s->sum);
	for (uint32_t b = 0; s->count != 0 && b <= s->instrument->bounds_count; b++)
		printf(" %" PRIu64, s->buckets[b]);
	printf("\n");
}

/* For those that rest: sums made by the writer are those that a reader makes. */
static void count_totals(const struct reader *reader)
{
	uint64_t with = 0, without = 0, differ = 0, sums[WEIR_SEGMENT_CELLS];

	for (uint32_t block = 1; block < reader->blocks_count; block++) {
		if (reader->blocks[block].first == 0)
			continue;
		if (!reader_totals(reader, block, sums)) {
			without++;
			continue;
		}
		with++;
		for (uint32_t i = 0; i < WEIR_SEGMENT_CELLS && reader_page(reader, reader->blocks[block].first, WEIR_PAGE_CELLS) != NULL; i++)
			differ += sums[i] != reader_cell(reader, (uint64_t)block * WEIR_SEGMENT_CELLS + i);
	}
	printf("totals: %s with, %" PRIu64 " without, %" PRIu64 " differ, time %s\n", with != 0 ? "some" : "none", without, differ,
	       reader->header->totals_time_ns != 0 ? "told" : "0");
}

static void find_pair(const struct reader *r, const void *record, uint32_t bytes, void *arg)
{
	const struct weir_segment_series *s = record;
	uint32_t *cells = arg, len;
	const char *text;

	if (bytes < sizeof *s + 4 || s->values_count != 1)
		return;
	text = reader_string(r, *(const uint32_t *)(const void *)(s + 1), &len);
	if (len == 8 && memcmp(text, "trailing", 8) == 0)
		cells[0] = s->cell;
	if (len == 7 && memcmp(text, "leading", 7) == 0)
		cells[1] = s->cell;
}

/* While recorders run: of one copy the trailing one, summed first, is never ahead of the leading one; nothing goes back. */
static void watch(const struct reader *reader)
{
	uint64_t sums[WEIR_SEGMENT_CELLS], trailing = 0, leading = 0, copies = 0, torn = 0, back = 0, missed = 0;
	uint32_t cells[2] = {0, 0}, block, last = 0;

	reader_records(reader, WEIR_RECORD_SERIES, find_pair, cells);
	block = cells[0] / WEIR_SEGMENT_CELLS;
	if (cells[0] == 0 || cells[1] <= cells[0] || cells[1] / WEIR_SEGMENT_CELLS != block) {
		printf("watched: no pair in one block\n");
		return;
	}
	for (uint64_t tries = 0; copies < 300 && tries < 300000000 && missed < 10000; tries++) {
		uint32_t active = __atomic_load_n(&reader->blocks[block].active, __ATOMIC_RELAXED);
		uint64_t t, l;

		if (!reader_totals(reader, block, sums)) {
			missed++;
			continue;
		}
		t = sums[cells[0] % WEIR_SEGMENT_CELLS];
		l = sums[cells[1] % WEIR_SEGMENT_CELLS];
		torn += t > l;
		back += t < trailing || l < leading;
		copies += active != last;
		last = active;
		trailing = t;
		leading = l;
	}
	printf("watched: %s, %" PRIu64 " torn, %" PRIu64 " back, %s\n", copies >= 300 ? "enough" : "too few", torn, back,
	       trailing != 0 ? "growing" : "0");
}

static int read_other(const char *pid, const char *how)
{
	char path[64], link[64], target[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct reader reader;
		struct stat is;
		void *map;
		ssize_t len;
		int fd, writable;

		snprintf(link, sizeof link, "/proc/%s/fd/%.10s", pid, entry->d_name);
		len = readlink(link, target, sizeof target - 1);
		target[len > 0 ? len : 0] = '\0';
		if (strncmp(target, "/memfd:weir", 11) != 0)
			continue;
		fd = open(link, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &is) != 0)
			return 2;
		map = mmap(NULL, (size_t)is.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED || !reader_open(&reader, map, (uint64_t)is.st_size))
			return 3;
		if (strcmp(how, "watch") == 0) {
			watch(&reader);
			closedir(dir);
			return 0;
		}
		count_totals(&reader);
		reader_sums(&reader, 100000, print, NULL);
		writable = open(link, O_RDWR | O_CLOEXEC);
		printf("writable map: %s\n", writable >= 0 && mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0) == MAP_FAILED
		                                     ? "refused" : "allowed");
		printf("truncate: %s\n", writable >= 0 && ftruncate(writable, 0) != 0 && errno == EPERM ? "refused" : "allowed");
		closedir(dir);
		return 0;
	}
	return 4;
}

static int bad;

static void expect(const char *text, const char *line, const char *name)
{
	bool found = strstr(text, line) != NULL;

	printf(found ? "ok %s\n" : "not ok %s: no line \"%s\"\n", name, line);
	bad += !found;
}

/* What another process, this program, says of this one's segment. */
static bool ask(const char *self, int pid, const char *how, char text[8192])
{
	char command[256];
	size_t got;
	FILE *pipe;

	snprintf(command, sizeof command, "'%s' %d %s", self, pid, how);
	pipe = popen(command, "re");
	if (pipe == NULL)
		return false;
	got = fread(text, 1, 8191, pipe);
	text[got] = '\0';
	return pclose(pipe) == 0;
}

static struct weir_counter_series trailing_one, leading_one;
static bool stop;

static void *work_pairs(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		weir_counter_series_add(leading_one, 1);
		weir_counter_series_add(trailing_one, 1);
	}
	return arg;
}

/* Two rounds of totals at least: they are made before the process' metrics are counted anew, once a tick. */
static void wait_for_ticks(void)
{
	usleep(200000);
}

/* A child's totals are its own sums, from zero. */
static void fork_and_look(const char *self)
{
	char text[8192];
	pid_t child;
	int end = 0;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		weir_counter_add(&plain, 5);
		if (weir_after_fork() != WEIR_OK)
			_exit(1);
		wait_for_ticks();
		if (!ask(self, (int)getpid(), "sums", text))
			_exit(2);
		bad = 0;
		expect(text, "totals: some with, 0 without, 0 differ, time told", "segment_totals_of_a_forked_child");
		expect(text, "seg_plain_total{} value 5 ", "segment_sums_of_a_forked_child");
		fflush(stdout);
		_exit(bad != 0);
	}
	bad += child < 0 || waitpid(child, &end, 0) != child || end != 0;
}

int main(int argc, char **argv)
{
	struct weir_options options = {.size = sizeof options, .tick_ns = WEIR_MS(1), .totals_ns = WEIR_MS(1)};
	pthread_t thread[THREADS];
	char text[8192];

	if (argc == 3)
		return read_other(argv[1], argv[2]);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(intptr_t)i) != 0)
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	weir_gauge_set(&gauge, -42);
	if (!ask(argv[0], (int)getpid(), "sums", text)) {
		printf("not ok segment_reader: it found no segment that it understands\n");
		return 1;
	}
	expect(text, "totals: none with, ", "segment_no_totals_unless_asked_for");
	expect(text, "seg_plain_total{} value 6000 ", "segment_counter");
	expect(text, "seg_labelled_total{even|x} value 6000 ", "segment_labels_even");
	expect(text, "seg_labelled_total{odd|x} value 6000 ", "segment_labels_odd");
	expect(text, "seg_claimed_total{x|} value 18000 ", "segment_claims");
	expect(text, "seg_updown{} value -6000 ", "segment_updown");
	expect(text, "seg_gauge{} value -42 ", "segment_gauge");
	/* values 0..199, five times a thread: 11 of them to 10, 90 to the SLO's 100, 99 to 1000 */
	expect(text, "seg_bytes{} value 0 count 6000 sum 597000 330 2700 2970 0", "segment_histogram");
	expect(text, "writable map: refused", "segment_sealed_against_writing");
	expect(text, "truncate: refused", "segment_sealed_against_truncation");

	trailing_one = weir_counter_with(&pair, "trailing");
	for (int i = 0; i < BETWEEN; i++) {
		snprintf(text, sizeof text, "%d", i);
		weir_counter_add_with(&pair, 0, text);
	}
	leading_one = weir_counter_with(&pair, "leading");
	if (weir_init(&options) != WEIR_OK)
		return 1;
	for (int i = 0; i < PAIRS; i++)
		if (pthread_create(&thread[i], NULL, work_pairs, NULL) != 0)
			return 1;
	wait_for_ticks();
	if (!ask(argv[0], (int)getpid(), "watch", text))
		text[0] = '\0';
	expect(text, "watched: enough, 0 torn, 0 back, growing", "segment_totals_are_whole_while_recorders_run");
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < PAIRS; i++)
		pthread_join(thread[i], NULL);
	wait_for_ticks();
	if (!ask(argv[0], (int)getpid(), "sums", text))
		text[0] = '\0';
	expect(text, "totals: some with, 0 without, 0 differ, time told", "segment_totals_equal_sums_at_rest");
	fork_and_look(argv[0]);
	weir_shutdown(WEIR_S(5));
	return bad != 0;
}
