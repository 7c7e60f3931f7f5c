/* weir top. See top.h. No data of its own. */
#define _GNU_SOURCE
#include "top.h"

#include "command.h"
#include "flags.h"
#include "interval.h"
#include "target.h"
#include "terminal.h"
#include "top_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char who[] = "weir top";
static const char help[] =
	"usage: weir top [FLAG...] [PID | NAME]\n"
	"A process' requests, as they go: how many, how they end, how long they take, what is left of the SLO's budget,\n"
	"who asks, what is lost. By its number, or the name that weir ls has; none is needed where there is one alone.\n"
	"  --interval MS    between two looks; 1000 where none is given\n"
	"  --count N        so many pictures as text, and no terminal; without a terminal 1 is the default\n"
	"  --view VIEW      requests, tenants or series\n"
	"  --sort COLUMN    name, rate, errors, refused, p50, p99, good, budget or value\n"
	"  --filter TEXT    only what has this in its name\n"
	"  --since-start    numbers since the process began, not those of the last interval\n"
	"  --help           this text\n"
	"Keys: ? tells them. The process is not asked, stopped or slowed: its memory is read. When it ends its last numbers\n"
	"stay, and the next one of its name takes its place. Colours: none where NO_COLOR is set.\n";

enum { PLAIN_ROWS = 60, PLAIN_COLS = 100 };

struct top {
	struct target target;
	struct look before, now;
	struct summary summary;
	bool has_summary;
	const char *notice;
	struct top_state state;
	struct screen screen;
	int interval_ms, count; /* count 0: as long as there is a terminal */
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Its numbers, as the state wants them. */
static void sum_up(struct top *top)
{
	bool series = top->state.view == VIEW_SERIES;

	if (top->has_summary)
		summary_free(&top->summary);
	top->has_summary = look_is_there(&top->now) && summary_make(&top->summary, &top->before, &top->now, fmax(1, (double)top->target.age_s),
	                                                            top->state.since_start, series);
	if (look_is_there(&top->now) && !top->has_summary)
		top->notice = "no memory";
}

/* One more look. Of one that has ended the last two stay, so that what it did last is seen. */
static void look(struct top *top)
{
	bool lived = top->target.alive, other = target_follow(&top->target);
	struct look next;

	if (!lived && !top->target.alive)
		return;
	top->notice = NULL;
	if (!look_take(&next, top->target.fd, &top->notice))
		return;
	look_move(&top->before, &top->now);
	look_move(&top->now, &next);
	if (other) /* of another segment */
		look_free(&top->before);
	sum_up(top);
}

static void draw(struct top *top, bool plain)
{
	char clock[16] = "";
	time_t t = time(NULL);
	struct tm tm;
	struct top_scene scene = {
		.summary = top->has_summary ? &top->summary : NULL,
		.name = top->target.process.name,
		.pid = top->target.process.pid,
		.age_s = (double)top->target.age_s,
		.interval_s = top->interval_ms / 1000.0,
		.alive = top->target.alive,
		.plain = plain,
		.notice = top->notice,
		.clock = clock,
	};

	if (localtime_r(&t, &tm) != NULL)
		strftime(clock, sizeof clock, "%H:%M:%S", &tm);
	top_draw(&top->screen, &scene, &top->state);
}

/* ---- without a terminal ---- */

static int print(struct top *top)
{
	const char *columns = getenv("COLUMNS");
	int cols = PLAIN_COLS;

	if (!interval_parse(columns, 1, SCREEN_SIDE_MOST, &cols))
		cols = PLAIN_COLS;
	for (int n = 0; n < top->count; n++) {
		char line[SCREEN_LINE_MOST];
		int last = PLAIN_ROWS;

		terminal_sleep(top->interval_ms);
		look(top);
		if (!screen_set(&top->screen, PLAIN_ROWS, cols))
			return complain(EXIT_REFUSED, who, "no memory");
		draw(top, true);
		while (last > 1 && screen_line(&top->screen, last - 1, line) == 0)
			last--;
		for (int row = 0; row < last; row++) {
			screen_line(&top->screen, row, line);
			puts(line);
		}
		if (n + 1 < top->count)
			putchar('\n');
		if (command_end(who) != EXIT_OK)
			return EXIT_REFUSED;
	}
	return EXIT_OK;
}

/* ---- on a terminal ---- */

static int run(struct top *top)
{
	double next = now_s() + top->interval_ms / 1000.0;
	int rows, cols;

	while (!top->state.quit) {
		double left = next - now_s();

		if (left <= 0) {
			if (!top->state.paused)
				look(top);
			next = now_s() + top->interval_ms / 1000.0;
			continue;
		}
		terminal_size(&rows, &cols);
		if (!screen_set(&top->screen, rows, cols))
			return EXIT_REFUSED;
		draw(top, false);
		terminal_show(&top->screen);
		if (top_key(&top->state, terminal_wait((int)(left * 1000) + 1)))
			sum_up(top);
	}
	return EXIT_OK;
}

static int show(struct top *top)
{
	bool terminal = top->count == 0 && terminal_is_there(&top->screen.utf8);
	int code;

	if (top->count != 0)
		terminal_is_there(&top->screen.utf8); /* for its characters */
	look(top);
	if (!terminal) {
		top->count = top->count != 0 ? top->count : 1;
		return top->notice != NULL && !top->has_summary ? complain(EXIT_REFUSED, who, "the segment cannot be read: %s", top->notice)
		                                               : print(top);
	}
	if (!terminal_open())
		return complain(EXIT_REFUSED, who, "the terminal cannot be used; --count 1 needs none");
	code = run(top);
	terminal_close();
	return terminal_end(code);
}

static bool view_of(const char *text, enum top_view *view)
{
	static const char *const names[] = {"requests", "tenants", "series"};

	for (int v = 0; v < VIEWS; v++)
		if (strcmp(names[v], text) == 0) {
			*view = (enum top_view)v;
			return true;
		}
	return false;
}

/* The flags, once they are read. */
static int set(struct top *top, const char *interval, const char *count, const char *view, const char *sort, const char *filter)
{
	if (!interval_parse(interval, INTERVAL_LEAST_MS, INTERVAL_MOST_MS, &top->interval_ms))
		return complain(EXIT_USAGE, who, "--interval is a number of milliseconds, from %d to %d", INTERVAL_LEAST_MS, INTERVAL_MOST_MS);
	if (!interval_parse(count, 1, COUNT_MOST, &top->count))
		return complain(EXIT_USAGE, who, "--count is a number from 1 to %d", COUNT_MOST);
	if (view != NULL && !view_of(view, &top->state.view))
		return complain(EXIT_USAGE, who, "--view is requests, tenants or series");
	if (sort != NULL && !top_sort_by(&top->state, sort))
		return complain(EXIT_USAGE, who, "there is no such column to sort by; see %s --help", who);
	if (filter != NULL && strlen(filter) >= TOP_FILTER_MOST)
		return complain(EXIT_USAGE, who, "--filter is longer than %d bytes", TOP_FILTER_MOST - 1);
	if (filter != NULL)
		snprintf(top->state.filter, sizeof top->state.filter, "%s", filter);
	return FLAGS_RUN;
}

int top_run(int argc, char **argv)
{
	struct top top = {.target = {.fd = -1}, .state = top_state(), .interval_ms = 1000};
	const char *interval = NULL, *count = NULL, *view = NULL, *sort = NULL, *filter = NULL, *words[1];
	const struct flag flags[] = {
		{.name = "--interval", .value = &interval}, {.name = "--count", .value = &count}, {.name = "--view", .value = &view},
		{.name = "--sort", .value = &sort}, {.name = "--filter", .value = &filter},
		{.name = "--since-start", .there = &top.state.since_start}};
	struct flag_words rest = {words, 1, 0};
	int code = flags_read_words(who, help, "one process at a time", flags, sizeof flags / sizeof *flags, argc, argv, &rest);

	if (code == FLAGS_RUN)
		code = set(&top, interval, count, view, sort, filter);
	if (code == FLAGS_RUN)
		code = target_open(&top.target, who, rest.count != 0 ? words[0] : NULL);
	if (code == FLAGS_RUN)
		code = show(&top);
	if (top.has_summary)
		summary_free(&top.summary);
	look_free(&top.before);
	look_free(&top.now);
	screen_free(&top.screen);
	target_close(&top.target);
	return code;
}
