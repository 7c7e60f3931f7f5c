/* bench: the harness, see bench.h. Invariant: threads are created, pinned and warmed before the clock is first read. */
#define _GNU_SOURCE
#include "bench.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	FIRSTS = 200, /* threads a batch of bench_measure_threads */
	CROWD = 1000, /* threads of bench_bytes_per_thread */
	ONCES = 100000, /* bench_measure_once: at most */
	STACK = 128 * 1024,
};

static cpu_set_t given; /* the processors we were started on. Writer: bench_arguments, before there are threads */

void bench_require(bool what, const char *text)
{
	if (what)
		return;
	fprintf(stderr, "bench: %s\n", text);
	exit(1);
}

struct bench bench_arguments(int argc, char **argv)
{
	struct bench b = {"", 0, 0, 1};

	bench_require(argc == 5, "call me as PROGRAM ROW BATCH_MS BATCHES THREADS");
	b.row = argv[1];
	b.batch_ns = strtoull(argv[2], NULL, 10) * UINT64_C(1000000);
	b.batches = (unsigned)strtoul(argv[3], NULL, 10);
	b.threads = (unsigned)strtoul(argv[4], NULL, 10);
	bench_require(b.batch_ns > 0 && b.batches > 0 && b.threads > 0, "BATCH_MS, BATCHES and THREADS begin at 1");
	bench_require(sched_getaffinity(0, sizeof given, &given) == 0, "sched_getaffinity failed");
	return b;
}

bool bench_is(const struct bench *b, const char *row)
{
	return strcmp(b->row, row) == 0;
}

void bench_print(const struct bench *b, const char *who, double value)
{
	printf("%s %s %.4f\n", b->row, who, value);
	fflush(stdout);
}

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t bench_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void bench_pause(void)
{
	struct timespec t = {0, 10000000};

	nanosleep(&t, NULL);
}

/* ---- loops ---- */

struct team {
	bench_loop *loop;
	void *arg;
	uint64_t count; /* each */
	pthread_barrier_t ready;
};
struct member {
	struct team *team;
	unsigned number;
	pthread_t thread;
	uint64_t began, ended;
};

/* Thread n runs on the n-th processor that we were given, round and round. */
static void pin(unsigned number)
{
	unsigned left = number % (unsigned)CPU_COUNT(&given);
	cpu_set_t one;
	size_t cpu = 0;

	while (!CPU_ISSET(cpu, &given) || left-- != 0)
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	bench_require(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity failed");
}

static void *member_run(void *arg)
{
	struct member *m = arg;

	pin(m->number);
	m->team->loop(m->team->arg, m->number, 1);
	pthread_barrier_wait(&m->team->ready);
	m->began = bench_now();
	m->team->loop(m->team->arg, m->number, m->team->count);
	m->ended = bench_now();
	return NULL;
}

static uint64_t run(const struct bench *b, bench_loop *loop, void *arg, uint64_t count)
{
	struct team team = {.loop = loop, .arg = arg, .count = count / b->threads + 1};
	struct member *members;
	uint64_t began = UINT64_MAX, ended = 0;

	if (b->threads == 1) {
		began = bench_now();
		loop(arg, 0, count);
		return bench_now() - began;
	}
	members = calloc(b->threads, sizeof *members);
	bench_require(members != NULL, "out of memory");
	pthread_barrier_init(&team.ready, NULL, b->threads);
	for (unsigned i = 0; i < b->threads; i++) {
		members[i].team = &team;
		members[i].number = i;
		bench_require(pthread_create(&members[i].thread, NULL, member_run, &members[i]) == 0, "no thread");
	}
	for (unsigned i = 0; i < b->threads; i++) {
		pthread_join(members[i].thread, NULL);
		if (members[i].began < began)
			began = members[i].began;
		if (members[i].ended > ended)
			ended = members[i].ended;
	}
	pthread_barrier_destroy(&team.ready);
	free(members);
	return ended - began;
}

void bench_measure(const struct bench *b, const char *who, bench_loop *loop, void *arg)
{
	uint64_t count = 1024, took = 0;

	if (b->threads == 1)
		pin(0);
	/* The warm-up finds how many make a batch. */
	while (took = run(b, loop, arg, count), took < b->batch_ns / 4)
		count *= took < b->batch_ns / 64 ? 8 : 2;
	count = (uint64_t)((double)count * (double)b->batch_ns / (double)took) + 1;
	for (unsigned i = 0; i < b->batches; i++)
		bench_print(b, who, (double)run(b, loop, arg, count) / (double)count);
}

/* ---- single operations ---- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double median(uint64_t *values, size_t count)
{
	qsort(values, count, sizeof *values, compare);
	return ((double)values[(count - 1) / 2] + (double)values[count / 2]) / 2;
}

void bench_measure_once(const struct bench *b, const char *who, bench_once *once, void *arg)
{
	static uint64_t values[ONCES];

	pin(0);
	once(arg);
	for (unsigned i = 0; i < b->batches; i++) {
		uint64_t began = bench_now();
		size_t count = 0;

		while (count < ONCES && (count < 5 || bench_now() - began < b->batch_ns))
			values[count++] = once(arg);
		bench_print(b, who, median(values, count));
	}
}

void bench_measure_blocks(const struct bench *b, const char *who, bench_loop *loop, void *arg, uint64_t block,
                          void (*between)(void *arg))
{
	static uint64_t values[ONCES];

	pin(0);
	for (unsigned i = 0; i < 64; i++) { /* first touches, and what grows */
		loop(arg, 0, block);
		between(arg);
	}
	for (unsigned i = 0; i < b->batches; i++) {
		uint64_t began = bench_now();
		size_t count = 0;

		while (count < ONCES && (count < 5 || bench_now() - began < b->batch_ns)) {
			uint64_t at = bench_now();

			loop(arg, 0, block);
			values[count++] = bench_now() - at;
			between(arg);
		}
		bench_print(b, who, median(values, count) / (double)block);
	}
}

/* ---- threads that do one thing ---- */

struct crowd {
	bench_once *once;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned stage; /* of all: 1: do it, 2: end */
	unsigned done; /* how many have reached the stage */
};
struct single {
	struct crowd *crowd;
	pthread_t thread;
	uint64_t ns;
};

static void crowd_stage(struct crowd *c, unsigned stage)
{
	pthread_mutex_lock(&c->lock);
	c->stage = stage;
	c->done = 0;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static void crowd_wait(struct crowd *c, unsigned count)
{
	pthread_mutex_lock(&c->lock);
	while (c->done < count)
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

static void single_reach(struct crowd *c, unsigned stage)
{
	pthread_mutex_lock(&c->lock);
	c->done++;
	pthread_cond_broadcast(&c->changed);
	while (c->stage < stage)
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

static __attribute__((noinline)) void stack_touch(void)
{
	volatile char deep[STACK / 4];

	for (size_t i = 0; i < sizeof deep; i += 512)
		deep[i] = 1;
}

static void *single_run(void *arg)
{
	struct single *s = arg;

	stack_touch();
	single_reach(s->crowd, 1);
	s->ns = s->crowd->once(s->crowd->arg);
	single_reach(s->crowd, 2);
	return NULL;
}

static void single_start(struct single *s, struct crowd *c)
{
	pthread_attr_t attributes;

	s->crowd = c;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	bench_require(pthread_create(&s->thread, &attributes, single_run, s) == 0, "no thread");
	pthread_attr_destroy(&attributes);
}

void bench_measure_threads(const struct bench *b, const char *who, bench_once *once, void *arg, bool keep)
{
	static struct single singles[FIRSTS];
	uint64_t values[FIRSTS];

	pin(0);
	for (unsigned batch = 0; batch < b->batches; batch++) {
		struct crowd c = {once, arg, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

		if (!keep)
			c.stage = 2;
		for (size_t i = 0; i < FIRSTS; i++) {
			single_start(&singles[i], &c);
			if (!keep)
				pthread_join(singles[i].thread, NULL);
		}
		if (keep) {
			crowd_wait(&c, FIRSTS);
			crowd_stage(&c, 1);
			crowd_wait(&c, FIRSTS);
			crowd_stage(&c, 2);
		}
		for (size_t i = 0; i < FIRSTS; i++) {
			if (keep)
				pthread_join(singles[i].thread, NULL);
			values[i] = singles[i].ns;
		}
		bench_print(b, who, median(values, FIRSTS));
	}
}

void bench_bytes_per_thread(const struct bench *b, const char *who, bench_once *once, void *arg)
{
	static struct single few[4], many[CROWD];
	struct crowd first = {once, arg, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0}, then = first;
	uint64_t before, after;

	/* A few go first, and stay, so that neither what is touched once nor what they leave is told as a thread's. */
	for (size_t i = 0; i < sizeof few / sizeof *few; i++)
		single_start(&few[i], &first);
	crowd_wait(&first, sizeof few / sizeof *few);
	crowd_stage(&first, 1);
	crowd_wait(&first, sizeof few / sizeof *few);
	for (size_t i = 0; i < CROWD; i++)
		single_start(&many[i], &then);
	crowd_wait(&then, CROWD);
	bench_resident_bytes();
	before = bench_resident_bytes();
	crowd_stage(&then, 1);
	crowd_wait(&then, CROWD);
	after = bench_resident_bytes();
	crowd_stage(&then, 2);
	crowd_stage(&first, 2);
	for (size_t i = 0; i < CROWD; i++)
		pthread_join(many[i].thread, NULL);
	for (size_t i = 0; i < sizeof few / sizeof *few; i++)
		pthread_join(few[i].thread, NULL);
	bench_print(b, who, ((double)after - (double)before) / CROWD);
}

/* ---- what the process takes ---- */

uint64_t bench_resident_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	unsigned long long kib = 0;
	char line[256];
	bool found = false;

	bench_require(file != NULL, "no /proc/self/smaps_rollup");
	while (fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "Rss: %llu kB", &kib) == 1)
			found = true;
	fclose(file);
	bench_require(found, "no Rss in smaps_rollup");
	return kib * 1024;
}

unsigned bench_thread_count(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned count = 0;

	bench_require(tasks != NULL, "no /proc/self/task");
	while ((entry = readdir(tasks)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(tasks);
	return count;
}
