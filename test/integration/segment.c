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
WEIR_HISTOGRAM(histogram, WEIR_BUCKETS(WEIR_BYTES, WEIR_SLO(990000, 100), WEIR_BOUNDS(10, 1000)), "seg_bytes", "Bytes.");

enum { THREADS = 6, ROUNDS = 1000 };

static void *work(void *arg)
{
	int n = (int)(intptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		weir_counter_add(&plain, 1);
		weir_counter_add_with(&labelled, 2, n % 2 ? "odd" : "even", "x");
		weir_updown_add(&updown, -1);
		weir_histogram_record(&histogram, (uint64_t)(i % 200));
	}
	return NULL;
}

/* ---- the other process ---- */

static void print(void *arg, const struct reader_series *s)
{
	(void)arg;
	if (s->name_len < 4 || memcmp(s->name, "seg_", 4) != 0)
		return;
	printf("%.*s{%s} value %" PRId64 " count %" PRIu64 " sum %" PRIu64, (int)s->name_len, s->name, s->labels,
	       (int64_t)s->value, s->count, s->sum);
	for (uint32_t b = 0; s->count != 0 && b <= s->instrument->bounds_count; b++)
		printf(" %" PRIu64, s->buckets[b]);
	printf("\n");
}

static int read_other(const char *pid)
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

int main(int argc, char **argv)
{
	char command[256], pid[16], text[8192];
	pthread_t thread[THREADS];
	size_t got;
	FILE *pipe;

	if (argc == 2)
		return read_other(argv[1]);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(intptr_t)i) != 0)
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	weir_gauge_set(&gauge, -42);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	snprintf(command, sizeof command, "'%s' %s", argv[0], pid);
	pipe = popen(command, "r");
	if (pipe == NULL)
		return 1;
	got = fread(text, 1, sizeof text - 1, pipe);
	text[got] = '\0';
	if (pclose(pipe) != 0) {
		printf("not ok segment_reader: it found no segment that it understands\n");
		return 1;
	}
	expect(text, "seg_plain_total{} value 6000 ", "segment_counter");
	expect(text, "seg_labelled_total{even|x} value 6000 ", "segment_labels_even");
	expect(text, "seg_labelled_total{odd|x} value 6000 ", "segment_labels_odd");
	expect(text, "seg_updown{} value -6000 ", "segment_updown");
	expect(text, "seg_gauge{} value -42 ", "segment_gauge");
	/* values 0..199, five times a thread: 11 of them to 10, 90 to the SLO's 100, 99 to 1000 */
	expect(text, "seg_bytes{} value 0 count 6000 sum 597000 330 2700 2970 0", "segment_histogram");
	expect(text, "writable map: refused", "segment_sealed_against_writing");
	expect(text, "truncate: refused", "segment_sealed_against_truncation");
	return bad != 0;
}
