/* What shm.py looks at: a service whose cells are moved as it is told by lines of text:
 *   init [MS]            weir_init, with totals every MS (20)
 *   record N [THREADS]   each thread (1) adds N times to a counter, one of its series, a histogram, and an up-down counter
 *   storm                two threads add to both halves of a counter, until it ends
 *   file DIR [NAME]      weir_shm_start: a file; - is the default of either
 *   map PIN [BYTES]      a map, pinned there; - is nowhere
 *   adopt PATH           the map that is pinned there
 *   given PATH           the same, as a descriptor
 *   mode OCTAL GROUP     of the starts that follow
 *   keep                 likewise
 *   stop, shutdown       weir_shm_stop, weir_shutdown
 *   user UID             drops its privileges
 *   small BYTES          RLIMIT_FSIZE
 *   fork N               a child adds N times, and ends; exact says whether it saw its own numbers
 *   leave                a child sleeps on; prints its number
 *   cells                prints the first cell of the first thread's series, and of the histogram's
 *   series N             a counter with so many series
 *   close                closes all descriptors from 3 on, as daemons do
 *   status               prints home, dropped records and the counter's value
 * It answers each line with the error's name, or "WEIR_OK", and ends with its standard input. */
#define _GNU_SOURCE
#include <weir/shm.h>
#include <weir/weir.h>

#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

WEIR_COUNTER(plain, "shm_plain_total", "Plain.");
WEIR_COUNTER(labelled, "shm_labelled_total", "By thread.", "thread");
WEIR_UPDOWN(updown, "shm_updown", "Up and down.");
WEIR_GAUGE(gauge, "shm_gauge", "A level.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES, WEIR_BOUNDS(10, 100, 1000)), "shm_sizes_bytes", "Sizes.", "k");
WEIR_COUNTER(halves, "shm_halves_total", "Both halves grow by one.");
WEIR_COUNTER(many, "shm_many_total", "Many.", "n");

static struct weir_shm_options next = {.size = sizeof next};
static long rounds;

static void *record(void *arg)
{
	char name[16];

	snprintf(name, sizeof name, "%d", (int)(intptr_t)arg);
	for (long i = 0; i < rounds; i++) {
		weir_counter_add(&plain, 1);
		weir_counter_add_with(&labelled, 2, name);
		weir_updown_add(&updown, -1);
		weir_gauge_add(&gauge, 1);
		weir_histogram_record_with(&sizes, (uint64_t)(i % 2000), "x");
	}
	return NULL;
}

static int record_all(const char *words)
{
	pthread_t thread[64];
	int threads = 1;

	sscanf(words, "%ld %d", &rounds, &threads);
	for (int n = 0; n < threads && n < 64; n++)
		if (pthread_create(&thread[n], NULL, record, (void *)(intptr_t)n) != 0)
			exit(3);
	for (int n = 0; n < threads && n < 64; n++)
		pthread_join(thread[n], NULL);
	return WEIR_OK;
}

static void *storm(void *arg)
{
	for (;;)
		weir_counter_add(&halves, (UINT64_C(1) << 32) + 1);
	return arg;
}

static int start_storm(void)
{
	pthread_t thread;

	for (int i = 0; i < 2; i++)
		if (pthread_create(&thread, NULL, storm, NULL) != 0)
			exit(3);
	return WEIR_OK;
}

static int begin(const char *words)
{
	struct weir_options options = {.size = sizeof options, .tick_ns = WEIR_MS(20), .totals_ns = WEIR_MS(20), .no_process = true};
	long ms = atol(words);

	if (ms > 0)
		options.tick_ns = options.totals_ns = WEIR_MS((uint64_t)ms);
	return weir_init(&options);
}

static char *or_default(char *word)
{
	return word == NULL || strcmp(word, "-") == 0 ? NULL : word;
}

static int start(enum weir_shm_home home, char *first, char *second)
{
	struct weir_shm_options o = next;

	o.home = home;
	if (home == WEIR_SHM_FILE) {
		o.dir = or_default(first);
		o.name = or_default(second);
	} else {
		o.pin = or_default(first);
		o.map_bytes = second != NULL ? strtoull(second, NULL, 10) : 0;
	}
	return weir_shm_start(&o);
}

static int given(const char *path)
{
	struct weir_shm_options o = next;
	union bpf_attr attr;
	int error;

	memset(&attr, 0, sizeof attr);
	attr.pathname = (uintptr_t)path;
	o.home = WEIR_SHM_MAP;
	o.map_fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof attr);
	if (o.map_fd < 0)
		o.map_fd = open(path, O_RDONLY | O_CLOEXEC);
	error = weir_shm_start(&o);
	close(o.map_fd);
	return error;
}

static int adopt(const char *path)
{
	struct weir_shm_options o = next;

	o.home = WEIR_SHM_MAP;
	o.map = path;
	return weir_shm_start(&o);
}

static int drop(const char *user)
{
	unsigned id = (unsigned)atoi(user);

	if (setgroups(0, NULL) != 0 || setgid(id) != 0 || setuid(id) != 0)
		exit(4);
	prctl(PR_SET_DUMPABLE, 1); /* its /proc is its own again */
	return WEIR_OK;
}

static int fork_one(const char *count)
{
	pid_t child = fork();
	int end = 0;

	if (child == 0) {
		rounds = atol(count);
		record((void *)(intptr_t)99);
		_exit(weir_counter_read(&plain) == (uint64_t)rounds ? 0 : 1);
	}
	return waitpid(child, &end, 0) == child && end == 0 ? WEIR_OK : WEIR_EIO;
}

static int leave(void)
{
	pid_t child = fork();

	if (child == 0) {
		close(0);
		close(1);
		sleep(60);
		_exit(0);
	}
	printf("%d\n", (int)child);
	return WEIR_OK;
}

static int tell(void)
{
	struct weir_status status = {.size = sizeof status};

	weir_status_read(&status);
	printf("%s\n%llu\n%llu\n", status.home, (unsigned long long)status.dropped_records, (unsigned long long)weir_counter_read(&plain));
	return WEIR_OK;
}

static int series(const char *count)
{
	struct weir_instrument_options wide = {.size = sizeof wide, .max_series = 1000000};
	char text[32];

	weir_instrument_configure("shm_many_total", &wide);
	for (long i = 0; i < atol(count); i++) {
		snprintf(text, sizeof text, "series %ld", i);
		weir_counter_add_with(&many, (uint64_t)i, text);
	}
	return WEIR_OK;
}

static int obey(char *line)
{
	char *word = strtok(line, " \n"), *first = strtok(NULL, " \n"), *second = strtok(NULL, " \n"), both[64];
	struct rlimit small;

	snprintf(both, sizeof both, "%s %s", first != NULL ? first : "", second != NULL ? second : "");
	if (word == NULL)
		exit(2);
	if (strcmp(word, "init") == 0)
		return begin(both);
	if (strcmp(word, "record") == 0)
		return record_all(both);
	if (strcmp(word, "storm") == 0)
		return start_storm();
	if (strcmp(word, "file") == 0)
		return start(WEIR_SHM_FILE, first, second);
	if (strcmp(word, "map") == 0)
		return start(WEIR_SHM_MAP, first, second);
	if (strcmp(word, "adopt") == 0)
		return adopt(first);
	if (strcmp(word, "given") == 0)
		return given(first);
	if (strcmp(word, "mode") == 0) {
		next.mode = (uint32_t)strtoul(first, NULL, 8);
		next.group = second != NULL ? (uint32_t)atoi(second) : 0;
		return WEIR_OK;
	}
	if (strcmp(word, "keep") == 0) {
		next.keep = true;
		return WEIR_OK;
	}
	if (strcmp(word, "stop") == 0)
		return weir_shm_stop();
	if (strcmp(word, "shutdown") == 0)
		return weir_shutdown(WEIR_S(5));
	if (strcmp(word, "user") == 0)
		return drop(first);
	if (strcmp(word, "small") == 0) {
		small.rlim_cur = small.rlim_max = (rlim_t)atol(first);
		return setrlimit(RLIMIT_FSIZE, &small) == 0 ? WEIR_OK : WEIR_EIO;
	}
	if (strcmp(word, "fork") == 0)
		return fork_one(first);
	if (strcmp(word, "leave") == 0)
		return leave();
	if (strcmp(word, "series") == 0)
		return series(first);
	if (strcmp(word, "close") == 0) {
		syscall(SYS_close_range, 3u, ~0u, 0u);
		return WEIR_OK;
	}
	if (strcmp(word, "cells") == 0) {
		printf("%u %u\n", weir_counter_with(&labelled, "0").cell_, weir_histogram_with(&sizes, "x").cell_);
		return WEIR_OK;
	}
	if (strcmp(word, "status") == 0)
		return tell();
	exit(2);
}

int main(void)
{
	char line[4096];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		puts(weir_error_name(obey(line)));
		fflush(stdout);
	}
	return 0;
}
