/* bench: where the cells live: a record in each home; a series read by a BPF program; the command on a large segment and on many
 * processes. The loop of the record rows is counter_add's of weir_record.c. A row that needs a privilege which is not there prints
 * nothing. */
#define _GNU_SOURCE
#include "bench.h"

#include <weir/abi/segment.h>
#include <weir/shm.h>
#include <weir/weir.h>

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

WEIR_COUNTER(labelled, "bench_labelled_total", "With labels.", "method");

static void loop_counter_add(void *arg, unsigned thread, uint64_t count)
{
	struct weir_counter_series s = *(const struct weir_counter_series *)arg;

	(void)thread;
	bench_opaque(s.cell_);
	for (uint64_t i = 0; i < count; i++) {
		weir_counter_series_add(s, 1);
		bench_barrier();
	}
}

static void measure_record(const struct bench *b, const char *home)
{
	struct weir_status status = {.size = sizeof status};
	struct weir_counter_series s = weir_counter_with(&labelled, "GET");

	weir_counter_series_add(s, 1);
	bench_require(weir_status_read(&status) == WEIR_OK && strncmp(status.home, home, strlen(home)) == 0, "it is another home");
	bench_measure(b, "weir", loop_counter_add, &s);
	bench_require(weir_counter_series_read(s) > 0, "nothing was counted");
}

static bool start(enum weir_shm_home home, const char *pin)
{
	struct weir_shm_options o = {.size = sizeof o, .home = home, .pin = pin, .name = "bench"};

	weir_counter_add_with(&labelled, 1, "GET");
	return weir_shm_start(&o) == WEIR_OK;
}

/* Beside this program. */
static void beside(char path[PATH_MAX], const char *name)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	self[len > 0 ? len : 0] = '\0';
	snprintf(path, PATH_MAX, "%.3000s/%.64s", dirname(self), name);
}

static uint64_t run_command(char *const *arguments)
{
	char path[PATH_MAX];
	uint64_t began = bench_now();
	pid_t child;
	int end;

	beside(path, "command");
	child = fork();
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		execv(path, arguments);
		_exit(127);
	}
	bench_require(waitpid(child, &end, 0) == child && end == 0, "the command failed");
	return bench_now() - began;
}

static uint64_t dump_once(void *arg)
{
	char *words[] = {"weir", "dump", "--prom", arg, NULL};

	return run_command(words);
}

static uint64_t ls_once(void *arg)
{
	char *words[] = {"weir", "ls", NULL};

	(void)arg;
	return run_command(words);
}

static void measure_dump(const struct bench *b)
{
	struct weir_instrument_options wide = {.size = sizeof wide, .max_series = 200000};
	char text[32];

	bench_require(weir_instrument_configure("bench_labelled_total", &wide) == WEIR_OK, "the cap");
	for (int i = 0; i < 100000; i++) {
		snprintf(text, sizeof text, "series-%d", i);
		weir_counter_add_with(&labelled, 1, text);
	}
	snprintf(text, sizeof text, "%d", (int)getpid());
	bench_measure_once(b, "weir", dump_once, text);
}

static void measure_ls(const struct bench *b)
{
	enum { PROCESSES = 200 };
	pid_t child[PROCESSES];
	int ready[2];
	char byte;

	bench_require(pipe(ready) == 0, "a pipe");
	for (int i = 0; i < PROCESSES; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			weir_counter_add_with(&labelled, 1, "GET");
			bench_require(write(ready[1], "x", 1) == 1, "the pipe");
			pause();
			_exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++)
		bench_require(read(ready[0], &byte, 1) == 1, "the pipe");
	bench_measure_once(b, "weir", ls_once, NULL);
	for (int i = 0; i < PROCESSES; i++) {
		kill(child[i], SIGKILL);
		waitpid(child[i], NULL, 0);
	}
}

static void measure_lookup(const struct bench *b)
{
	struct weir_options options = {.size = sizeof options, .tick_ns = WEIR_MS(10), .totals_ns = WEIR_MS(10)};
	const uint32_t pages = 1024, blocks = pages - pages * sizeof(struct weir_segment_block) / WEIR_SEGMENT_PAGE;
	char pin[64], line[2 * PATH_MAX + 128], program[PATH_MAX], object[PATH_MAX];
	uint32_t cell;
	double value, offset;
	FILE *pipe;

	beside(program, "shm_sums");
	beside(object, "shm_sums.bpf.o");
	snprintf(pin, sizeof pin, "/sys/fs/bpf/weir-bench-%d", (int)getpid());
	if (access(program, X_OK) != 0 || access(object, R_OK) != 0 || !start(WEIR_SHM_MAP, pin))
		return;
	bench_require(weir_init(&options) == WEIR_OK, "weir_init");
	for (int i = 0; i < 20; i++)
		bench_pause();
	cell = weir_counter_with(&labelled, "GET").cell_;
	snprintf(line, sizeof line, "%s %s %s %u %zu 1000000", program, object, pin, cell,
	         (size_t)blocks * WEIR_SEGMENT_PAGE + cell / WEIR_SEGMENT_CELLS * sizeof(struct weir_segment_block));
	pipe = popen(line, "re");
	bench_require(pipe != NULL && fscanf(pipe, "%lf %lf", &value, &offset) == 2 && value > 0 && offset > 0, "the BPF program failed");
	pclose(pipe);
	bench_print(b, "floor", offset);
	bench_print(b, "weir", value);
	weir_shutdown(WEIR_S(1));
}

int main(int argc, char **argv)
{
	struct bench b = bench_arguments(argc, argv);

	if (bench_is(&b, "record_memfd"))
		measure_record(&b, "memfd");
	if (bench_is(&b, "record_shm") && start(WEIR_SHM_FILE, NULL))
		measure_record(&b, "file");
	if (bench_is(&b, "record_bpfmap") && start(WEIR_SHM_MAP, NULL))
		measure_record(&b, "map");
	if (bench_is(&b, "bpf_lookup"))
		measure_lookup(&b);
	if (bench_is(&b, "dump_100k"))
		measure_dump(&b);
	if (bench_is(&b, "ls_200_processes"))
		measure_ls(&b);
	weir_shm_stop();
	return 0;
}
