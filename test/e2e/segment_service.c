/* What cli_segment.py looks at from outside: instruments of each kind with known values, and more as it is told by lines of text:
 *   metrics PATH   what /metrics says, into a file
 *   series N       a counter with so many series
 *   close          closes all descriptors from 3 on, as daemons do
 *   storm          threads record until it ends: of one counter the two halves of the sum are always equal
 *   exec           becomes itself anew, by the same number
 *   leave          a forked child sleeps on with this process' descriptors; prints its number
 * --bare: without weir_init. It answers each line with "ok" and ends with its standard input. */
#define _GNU_SOURCE
#include <weir/prometheus.h>
#include <weir/weir.h>

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

WEIR_COUNTER(plain, "seg_plain_total", "Plain. With \"quotes\", a \\ and\na line's end.");
WEIR_COUNTER_IN(busy, WEIR_SECONDS, "seg_busy", "Time.", "who");
WEIR_COUNTER(dotted, "seg.dotted-name", "Another alphabet.", "a.b", "c");
WEIR_UPDOWN(updown, "seg_updown", "Up and down.");
WEIR_GAUGE(gauge, "seg_height", "Gauge.");
WEIR_GAUGE_IN(share, WEIR_RATIO, "seg_share_ratio", "Gauge of a ratio.");
WEIR_FLOAT_GAUGE(real, "seg_real", "Double.", "of");
WEIR_INFO(build, "seg_build_info", "Info.", "version");
WEIR_OBSERVED_COUNTER(seen, "seg_seen_total", "Observed.");
WEIR_OBSERVED_GAUGE(level, "seg_level", "Observed, as a double.", "of");
WEIR_HISTOGRAM(bytes, WEIR_BUCKETS(WEIR_BYTES, WEIR_SLO(990000, 100), WEIR_BOUNDS(10, 1000)), "seg_size_bytes", "Bytes.");
WEIR_HISTOGRAM(took, WEIR_BUCKETS(WEIR_SECONDS, WEIR_SLO(999000, WEIR_MS(200)), WEIR_RANGE(1000, WEIR_S(60))), "seg_took_seconds",
               "Exponential.", "route");
WEIR_HISTOGRAM(empty, WEIR_LATENCY, "seg_empty_seconds", "Nothing yet.");
WEIR_COUNTER(capped, "seg_capped_total", "Past its cap.", "n");
WEIR_COUNTER(many, "seg_many_total", "Many.", "n");
WEIR_COUNTER(halves, "seg_halves_total", "Both halves grow by one.");

static void observe(struct weir_observer *observer, void *arg)
{
	(void)arg;
	weir_observer_report(observer, &seen, 42);
	weir_observer_report_float_values(observer, &level, 0.25, &(struct weir_str){"x", 1}, 1);
}

static void configure(void)
{
	static const char *const constant[] = {"region", "eu \"1\"", NULL};
	struct weir_instrument_options few = {.size = sizeof few, .max_series = 3};
	struct weir_instrument_options fixed = {.size = sizeof fixed, .constant = constant};
	struct weir_instrument_options wide = {.size = sizeof wide, .max_series = 1000000};

	if (weir_instrument_configure("seg_capped_total", &few) != WEIR_OK ||
	    weir_instrument_configure("seg_size_bytes", &fixed) != WEIR_OK ||
	    weir_instrument_configure("seg_many_total", &wide) != WEIR_OK)
		exit(1);
}

static void record(void)
{
	weir_counter_add(&plain, 7);
	weir_counter_add_with(&busy, WEIR_MS(1500), "me");
	weir_counter_add_with(&busy, 1, "a\"b\\c\nd");
	weir_counter_add_with(&dotted, 3, "x", "y");
	weir_updown_add(&updown, -5);
	weir_gauge_set(&gauge, INT64_MIN + 1);
	weir_gauge_set(&share, 125000);
	weir_float_gauge_set_with(&real, 0.1, "tenth");
	weir_float_gauge_set_with(&real, -1.5e300, "large");
	weir_float_gauge_set_with(&real, 1e21, "plain");
	weir_float_gauge_set_with(&real, (double)NAN, "none");
	weir_float_gauge_set_with(&real, (double)-INFINITY, "least");
	weir_info_set(&build, "1.0");
	weir_info_clear(&build);
	weir_info_set(&build, "2.0");
	for (uint64_t v = 0; v < 200; v++)
		weir_histogram_record(&bytes, v);
	for (uint64_t ms = 1; ms <= 1000; ms++)
		weir_histogram_record_with(&took, WEIR_MS(ms), "/a");
	weir_histogram_record_with(&took, WEIR_S(600), "/a");
	for (int i = 0; i < 10; i++)
		weir_counter_add_with(&capped, 1, (const char[]){(char)('a' + i), '\0'});
}

static void *other(void *arg)
{
	record();
	return arg;
}

static void *storm(void *arg)
{
	for (;;)
		weir_counter_add(&halves, (UINT64_C(1) << 32) + 1);
	return arg;
}

static int write_out(void *arg, const void *text, size_t len)
{
	return fwrite(text, 1, len, arg) == len ? 0 : 1;
}

static void metrics(const char *path)
{
	FILE *out = fopen(path, "we");
	struct weir_snapshot *snapshot;

	if (out == NULL || weir_snapshot_new(&snapshot) != WEIR_OK || weir_prometheus_write(snapshot, NULL, write_out, out) != WEIR_OK ||
	    fclose(out) != 0)
		exit(1);
	weir_snapshot_destroy(snapshot);
}

static void series(long count)
{
	char text[32];

	for (long i = 0; i < count; i++) {
		snprintf(text, sizeof text, "series %ld", i);
		weir_counter_add_with(&many, (uint64_t)i, text);
	}
}

static void obey(char *line)
{
	pthread_t thread;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "metrics ", 8) == 0)
		metrics(line + 8);
	else if (strncmp(line, "series ", 7) == 0)
		series(atol(line + 7));
	else if (strcmp(line, "close") == 0)
		syscall(SYS_close_range, 3u, ~0u, 0u);
	else if (strcmp(line, "storm") == 0)
		for (int i = 0; i < 2; i++)
			pthread_create(&thread, NULL, storm, NULL);
	else if (strcmp(line, "exec") == 0) {
		execl("/proc/self/exe", "segment_service", (char *)NULL);
		exit(1);
	} else if (strcmp(line, "leave") == 0) {
		pid_t child = fork();

		if (child == 0) {
			close(0);
			close(1);
			sleep(60);
			_exit(0);
		}
		printf("%d\n", (int)child);
	} else
		exit(2);
	puts("ok");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct weir_options options = {.size = sizeof options, .tick_ns = WEIR_MS(20)};
	bool bare = argc == 2 && strcmp(argv[1], "--bare") == 0;
	struct weir_callback *callback;
	pthread_t thread;
	char line[4096];

	configure();
	if (!bare && (weir_init(&options) != WEIR_OK || weir_callback_new(&callback, observe, NULL) != WEIR_OK))
		return 1;
	record();
	if (pthread_create(&thread, NULL, other, NULL) != 0)
		return 1;
	pthread_join(thread, NULL);
	puts("ok");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL)
		obey(line);
	return 0;
}
