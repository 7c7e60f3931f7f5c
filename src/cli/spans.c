/* weir spans: the spans and requests of a process, as they end, by its probes. Names are the service's: they are put as text.h puts
 * the texts of strangers. A signal sets one word. */
#define _GNU_SOURCE
#include "spans.h"

#include "command.h"
#include "figure.h"
#include "flags.h"
#include "interval.h"
#include "process.h"
#include "spans_watch.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char who[] = "weir spans";
static const char help[] =
	"usage: weir spans [FLAG...] PID\n"
	"The spans and requests of a process as they end, by its probes: when, which trace, what kind, how long, how it\n"
	"ended, and the span's name or the request's route. It needs root, or CAP_BPF with CAP_PERFMON.\n"
	"  --slow MS    only those that took so many milliseconds or longer: 100, 0.5\n"
	"  --failed     only spans that failed, and requests that were answered with 5xx\n"
	"  --count N    ends after so many\n"
	"  --json       a JSON object in each line\n"
	"  --help       this text\n"
	"Ends with the process, on SIGINT and on SIGTERM. What was too much to be shown is counted, and told.\n";

enum { POLL_MS = 100, PLACES = 6 };

struct tail {
	bool json, failed;
	int most;  /* 0: no end */
	int64_t wall_ns; /* what CLOCK_REALTIME is ahead of CLOCK_MONOTONIC by */
	uint64_t shown, lost;
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

static bool enough(const struct tail *t)
{
	return t->most != 0 && t->shown == (uint64_t)t->most;
}

/* ---- one line ---- */

static void put_hex(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
}

static const char *kind_of(const struct spans_event *e)
{
	static const char *const kinds[] = {"request", "internal", "server", "client", "producer", "consumer"};

	return e->kind < sizeof kinds / sizeof kinds[0] ? kinds[e->kind] : "other";
}

static void put_json(const struct spans_event *e, const struct tm *at, unsigned ms, size_t name_len)
{
	char date[32];

	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", at);
	printf("{\"type\":\"%s\",\"time\":\"%s.%03uZ\",\"trace_id\":\"", e->kind == SPANS_REQUEST ? "request" : "span", date, ms);
	put_hex(e->trace_id, sizeof e->trace_id);
	if (e->kind == SPANS_REQUEST) {
		printf("\",\"status\":%" PRIu32 ",\"route\":", e->status);
	} else {
		fputs("\",\"span_id\":\"", stdout);
		put_hex(e->span_id, sizeof e->span_id);
		printf("\",\"kind\":\"%s\",\"name\":", kind_of(e));
	}
	text_json(stdout, e->name, name_len);
	printf(",\"duration_ns\":%" PRIu64 ",\"failed\":%s}\n", e->duration_ns, e->failed ? "true" : "false");
}

static void put_plain(const struct spans_event *e, const struct tm *at, unsigned ms, size_t name_len)
{
	char duration[FIGURE_MOST], status[16];

	snprintf(status, sizeof status, "%s", e->failed ? "failed" : "ok");
	if (e->kind == SPANS_REQUEST)
		snprintf(status, sizeof status, "%" PRIu32, e->status);
	figure_seconds(duration, (double)e->duration_ns / 1e9);
	printf("%02d:%02d:%02d.%03u ", at->tm_hour, at->tm_min, at->tm_sec, ms);
	put_hex(e->trace_id, sizeof e->trace_id);
	printf(" %-8s %8s %-6s ", kind_of(e), duration, status);
	text_plain(stdout, e->name, name_len);
	putchar('\n');
}

static void take(void *arg, const struct spans_event *e)
{
	struct tail *t = arg;
	int64_t wall = (int64_t)e->end_ns + t->wall_ns;
	time_t seconds = (time_t)(wall / 1000000000);
	unsigned ms = (unsigned)(wall % 1000000000 / 1000000);
	struct tm at = {0};

	if (enough(t))
		return;
	if (t->json)
		put_json(e, gmtime_r(&seconds, &at) != NULL ? &at : &(struct tm){0}, ms, strnlen(e->name, sizeof e->name));
	else
		put_plain(e, localtime_r(&seconds, &at) != NULL ? &at : &(struct tm){0}, ms, strnlen(e->name, sizeof e->name));
	t->shown++;
}

/* ---- until it ends ---- */

static void tell_lost(struct tail *t, uint64_t lost)
{
	if (lost == t->lost)
		return;
	if (t->json)
		printf("{\"type\":\"lost\",\"number\":%" PRIu64 "}\n", lost - t->lost);
	else
		complain(0, who, "%" PRIu64 " lost: more than could be shown", lost - t->lost);
	t->lost = lost;
}

static bool lives(const struct process *process)
{
	struct process now;

	return process_read(&now, process->pid) && now.start_time == process->start_time && now.state != 'Z';
}

static int watch(struct tail *t, struct spans_watch *watched, const struct process *process)
{
	/* what is being written is written; who is held up with it ends at the second signal */
	const struct sigaction ends = {.sa_handler = stop, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
	bool alive = true;

	sigaction(SIGINT, &ends, NULL);
	sigaction(SIGTERM, &ends, NULL);
	fprintf(stderr, "%s: watching process %d\n", who, process->pid);
	if (!t->json)
		printf("%-12s %-32s %-8s %8s %-6s %s\n", "TIME", "TRACE", "KIND", "TOOK", "STATUS", "NAME OR ROUTE");
	while (fflush(stdout) == 0 && !stopped && !enough(t) && alive) {
		spans_watch_poll(watched, POLL_MS);
		tell_lost(t, spans_watch_lost(watched));
		alive = lives(process);
	}
	spans_watch_stop(watched);
	tell_lost(t, spans_watch_lost(watched));
	if (!alive)
		complain(0, who, "the process has ended");
	complain(0, who, "%" PRIu64 " shown, %" PRIu64 " lost", t->shown, t->lost);
	return command_end(who);
}

/* ---- the command line ---- */

/* Milliseconds, with so many places as make nanoseconds. */
static bool parse_ms(const char *text, uint64_t *ns)
{
	size_t whole = strspn(text, "0123456789"), places = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	uint64_t v = 0;

	if (whole == 0 || whole > 9 || (text[whole] == '.' && places == 0) || places > PLACES ||
	    text[whole + (places != 0) + places] != '\0')
		return false;
	for (size_t i = 0; i < whole; i++)
		v = v * 10 + (uint64_t)(text[i] - '0');
	for (size_t i = 0; i < PLACES; i++)
		v = v * 10 + (i < places ? (uint64_t)(text[whole + 1 + i] - '0') : 0);
	*ns = v;
	return true;
}

static int64_t ahead_ns(void)
{
	struct timespec wall, steady;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &steady);
	return ((int64_t)wall.tv_sec - steady.tv_sec) * 1000000000 + (wall.tv_nsec - steady.tv_nsec);
}

int spans_run(int argc, char **argv)
{
	const char *slow = NULL, *count = NULL, *pid_text = NULL;
	struct tail t = {.wall_ns = ahead_ns()};
	struct spans_filter filter = {0};
	struct flag_words words = {&pid_text, 1, 0};
	const struct flag flags[] = {
		{"--slow", &slow, NULL, NULL},
		{"--count", &count, NULL, NULL},
		{"--failed", NULL, NULL, &filter.failed},
		{"--json", NULL, NULL, &t.json},
	};
	struct spans_watch *watched = NULL;
	struct process process;
	int pid = 0, code = flags_read_words(who, help, "one process at a time", flags, sizeof flags / sizeof flags[0], argc, argv, &words);

	if (code != FLAGS_RUN)
		return code;
	if (pid_text == NULL || *pid_text == '\0' || pid_text[strspn(pid_text, "0123456789")] != '\0')
		return complain(EXIT_USAGE, who, "the number of a process is wanted; see %s --help", who);
	if (slow != NULL && !parse_ms(slow, &filter.slow_ns))
		return complain(EXIT_USAGE, who, "--slow is milliseconds: 100, 0.5");
	if (!interval_parse(count, 1, COUNT_MOST, &t.most))
		return complain(EXIT_USAGE, who, "--count is a whole number from 1 to %d", COUNT_MOST);
	if (!interval_parse(pid_text, 1, INT_MAX, &pid) || !process_read(&process, pid) || process.state == 'Z')
		return complain(EXIT_REFUSED, who, "there is no process of this number");
	code = spans_watch_open(&watched, who, pid, &filter, take, &t);
	if (code == FLAGS_RUN)
		code = watch(&t, watched, &process);
	spans_watch_close(watched);
	return code;
}
