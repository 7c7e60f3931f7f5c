/* A process that sends by weir-otlp's sender what it is told to on standard input, a command a line, and answers each with a
 * line: for otlp_faults.py and otlp_spool.py. Options are the environment's (OTEL_EXPORTER_OTLP_*), and below.
 *
 *   start [dir=D] [bytes=N] [age_ms=N] [timeout_ms=N] [gzip=1] [ca=F] [cert=F] [key=F] [endpoint=U]   WEIR_OK
 *   offer traces|metrics LENGTH [GROUP]   WEIR_OK, and its number: the bytes are that number over and over, as 8 bytes
 *   room traces|metrics                    0 or 1
 *   flush MS                               the result, and how many ms it took
 *   stop MS                                ms
 *   counts                                 name=value ...
 *   lines NAME                             the metrics whose name begins so, then a dot
 *   fork                                   from here on a forked child, with a sender of its own, answers; ends at `end`
 *   sigpipe                                how many came
 *   exit, kill                             nothing */
#define _GNU_SOURCE
#include "inside.h"
#include "send.h"

#include <weir/abi/private.h>

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct weir__otlp_config config;
static struct weir__otlp_sender *sender;
static uint64_t number;
static volatile sig_atomic_t pipes;

static void on_pipe(int signal)
{
	(void)signal;
	pipes++;
}

static uint64_t ms_since(uint64_t began)
{
	return (weir_private_clock_ns() - began) / 1000000;
}

static int start(char *words)
{
	struct weir_otlp_options o = {.size = sizeof o};
	int error;

	for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
		char *value = strchr(word, '=');

		if (value == NULL)
			return WEIR_EINVAL;
		*value++ = '\0';
		if (strcmp(word, "dir") == 0)
			o.spool_dir = value;
		else if (strcmp(word, "bytes") == 0)
			o.spool_bytes = strtoull(value, NULL, 10);
		else if (strcmp(word, "age_ms") == 0)
			o.spool_age_ns = WEIR_MS(strtoull(value, NULL, 10));
		else if (strcmp(word, "timeout_ms") == 0)
			o.timeout_ns = WEIR_MS(strtoull(value, NULL, 10));
		else if (strcmp(word, "gzip") == 0)
			o.compression = WEIR_OTLP_GZIP;
		else if (strcmp(word, "ca") == 0)
			o.ca_file = value;
		else if (strcmp(word, "cert") == 0)
			o.cert_file = value;
		else if (strcmp(word, "key") == 0)
			o.key_file = value;
		else if (strcmp(word, "endpoint") == 0)
			o.endpoint = value;
		else
			return WEIR_EINVAL;
	}
	error = weir__otlp_config_read(&config, &o);
	if (error != WEIR_OK)
		return error;
	weir__otlp_health_start(&config);
	return weir__otlp_sender_new(&sender, &config);
}

static enum weir__otlp_signal signal_of(const char *name)
{
	return strcmp(name, "metrics") == 0 ? WEIR__OTLP_METRICS : WEIR__OTLP_TRACES;
}

static void offer(const char *name, size_t len, uint64_t group)
{
	struct weir__otlp_bytes bytes = {0};
	int error;

	number++;
	if (weir__otlp_room(&bytes, len))
		for (size_t i = 0; i < len; i++)
			*bytes.at++ = (uint8_t)(number >> i % 8 * 8);
	error = weir__otlp_sender_offer(sender, signal_of(name), &bytes, 10, group);
	printf("%s %llu\n", weir_error_name(error), (unsigned long long)number);
}

static void counts(void)
{
	static const char *const reasons[] = {"limit", "age", "refused", "rejected", "size", "memory", "spool", "shutdown"};
	struct weir__otlp_counts c;

	weir__otlp_sender_counts(sender, &c);
	for (int s = 0; s < WEIR__OTLP_SIGNALS; s++)
		printf("taken_%d=%llu delivered_%d=%llu waiting_%d=%llu ", s, (unsigned long long)c.taken[s], s,
		       (unsigned long long)c.delivered[s], s, (unsigned long long)c.waiting[s]);
	for (int why = 0; why < WEIR__OTLP_LOSSES; why++)
		printf("lost_%s=%llu ", reasons[why], (unsigned long long)c.lost[why]);
	printf("attempts=%llu retries=%llu rejected_items=%llu memory=%llu stored=%llu found=%llu\n", (unsigned long long)c.attempts,
	       (unsigned long long)c.retries, (unsigned long long)c.rejected_items, (unsigned long long)c.memory_bytes,
	       (unsigned long long)c.stored_bytes, (unsigned long long)c.found);
}

static int take_text(void *arg, const void *bytes, size_t len)
{
	return fwrite(bytes, 1, len, arg) == len ? 0 : -1;
}

static void lines(const char *begin)
{
	struct weir_snapshot *snapshot = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	if (file != NULL && weir_snapshot_new(&snapshot) == WEIR_OK)
		weir_snapshot_write(snapshot, take_text, file);
	weir_snapshot_destroy(snapshot);
	if (file != NULL)
		fclose(file);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (strncmp(line, begin, strlen(begin)) == 0)
			puts(line);
	puts(".");
	free(text);
}

static void flush_or_stop(bool stop, uint64_t ms)
{
	uint64_t began = weir_private_clock_ns();
	int error = WEIR_OK;

	if (!stop)
		error = weir__otlp_sender_flush(sender, WEIR_MS(ms));
	else if (!weir__otlp_sender_stop(sender, WEIR_MS(ms)))
		error = WEIR_ETIMEOUT;
	printf("%s %llu\n", weir_error_name(error), (unsigned long long)ms_since(began));
}

static void go_on_in_child(void)
{
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child > 0) {
		waitpid(child, NULL, 0); /* the child takes the lines until `end`: input is not buffered */
		puts("parent");
		return;
	}
	puts(weir_error_name(weir_after_fork() == WEIR_OK ? weir__otlp_sender_new(&sender, &config) : WEIR_EIO));
}

static bool obey(char *line)
{
	char word[32] = "", name[64] = "";
	unsigned long long a = 0, b = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%31s", word) != 1)
		return true;
	if (strcmp(word, "start") == 0)
		puts(weir_error_name(start(line + 5)));
	else if (sscanf(line, "offer %63s %llu %llu", name, &a, &b) >= 2)
		offer(name, (size_t)a, b);
	else if (sscanf(line, "room %63s", name) == 1)
		printf("%d\n", weir__otlp_sender_has_room(sender, signal_of(name)));
	else if (sscanf(line, "flush %llu", &a) == 1)
		flush_or_stop(false, a);
	else if (sscanf(line, "stop %llu", &a) == 1)
		flush_or_stop(true, a);
	else if (strcmp(word, "counts") == 0)
		counts();
	else if (sscanf(line, "lines %63s", name) == 1)
		lines(name);
	else if (strcmp(word, "sigpipe") == 0)
		printf("%d\n", (int)pipes);
	else if (strcmp(word, "fork") == 0)
		go_on_in_child();
	else if (strcmp(word, "end") == 0)
		_exit(0);
	else if (strcmp(word, "kill") == 0)
		kill(getpid(), SIGKILL);
	else
		return strcmp(word, "exit") != 0;
	return true;
}

static bool read_line(char *line, size_t size)
{
	size_t len = 0;

	while (len + 1 < size && read(STDIN_FILENO, line + len, 1) == 1)
		if (line[len++] == '\n')
			break;
	line[len] = '\0';
	return len != 0;
}

int main(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(100), .log_level = WEIR_LOG_INFO};
	char line[4096];

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, on_pipe);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (weir_init(&o) != WEIR_OK)
		return 2;
	weir__otlp_inside_at_exit();
	while (read_line(line, sizeof line) && obey(line))
		;
	exit(0);
}
