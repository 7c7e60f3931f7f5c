/* weir watch. See watch.h. No data of its own. */
#define _GNU_SOURCE
#include "watch.h"

#include "command.h"
#include "flags.h"
#include "interval.h"
#include "segment_source.h"
#include "target.h"
#include "terminal.h"
#include "watch_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char who[] = "weir watch";
static const char help[] =
	"usage: weir watch [FLAG...] SERIES [PID | NAME]\n"
	"One series, as it goes: what a counter grows by in a second, a gauge's level, the p99 of each interval of a histogram.\n"
	"SERIES is a name, or name{label=\"value\",...}; several that it means are taken together. Of which process: by its\n"
	"number, or the name that weir ls has; none is needed where one alone has such a series.\n"
	"  --interval MS    between two looks; 1000 where none is given\n"
	"  --count N        so many lines of text, and no terminal; without a terminal they do not end\n"
	"  --help           this text\n"
	"Keys: q quits, p pauses. The process is not asked, stopped or slowed: its memory is read. When it ends there is a\n"
	"gap, and the next one of its name goes on. Colours: none where NO_COLOR is set.\n";

enum { PLAIN_COLS = 64 };

struct watch {
	struct selector selector;
	const char *text;
	struct target target;
	struct look before, now;
	struct watch_value value;
	struct chart chart;
	struct screen screen;
	const char *notice;
	bool paused;
	int interval_ms, count; /* count 0: until it is ended */
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void look(struct watch *w)
{
	bool lived = w->target.alive, other = target_follow(&w->target);
	struct look next;

	w->notice = NULL;
	w->value.value = (double)NAN;
	if ((!lived && !w->target.alive) || !look_take(&next, w->target.fd, &w->notice))
		return;
	look_move(&w->before, &w->now);
	look_move(&w->now, &next);
	if (other) /* of another segment */
		look_free(&w->before);
	w->value = watch_value_of(&w->selector, &w->before, &w->now);
	w->chart.from_zero = w->value.kind != WATCH_LEVEL;
}

/* One more look, and a column of it. */
static void go_on(struct watch *w)
{
	look(w);
	chart_add(&w->chart, w->value.value);
}

static struct watch_scene scene_of(const struct watch *w)
{
	return (struct watch_scene){.value = &w->value, .series = w->text, .name = w->target.process.name, .pid = w->target.process.pid,
	                            .alive = w->target.alive, .paused = w->paused, .interval_s = w->interval_ms / 1000.0,
	                            .notice = w->notice};
}

static int print(struct watch *w)
{
	for (int n = 0; w->count == 0 || n < w->count; n++) {
		struct watch_scene scene;
		char line[SCREEN_LINE_MOST], clock[16] = "";
		time_t t;
		struct tm tm;

		terminal_sleep(w->interval_ms);
		go_on(w);
		scene = scene_of(w);
		t = time(NULL);
		if (localtime_r(&t, &tm) != NULL)
			strftime(clock, sizeof clock, "%H:%M:%S", &tm);
		if (!screen_set(&w->screen, 1, PLAIN_COLS))
			return complain(EXIT_REFUSED, who, "no memory");
		watch_line(&w->screen, &scene, &w->chart, clock);
		screen_line(&w->screen, 0, line);
		puts(line);
		if (command_end(who) != EXIT_OK)
			return EXIT_REFUSED;
	}
	return EXIT_OK;
}

static int run(struct watch *w)
{
	double next = now_s() + w->interval_ms / 1000.0;

	for (int key = KEY_IS_NONE; key != 'q' && key != KEY_IS_GONE;) {
		struct watch_scene scene = scene_of(w);
		double left = next - now_s();
		int rows, cols;

		if (left <= 0) {
			if (!w->paused)
				go_on(w);
			next = now_s() + w->interval_ms / 1000.0;
			continue;
		}
		terminal_size(&rows, &cols);
		if (!screen_set(&w->screen, rows, cols))
			return EXIT_REFUSED;
		watch_draw(&w->screen, &scene, &w->chart);
		terminal_show(&w->screen);
		key = terminal_wait((int)(left * 1000) + 1);
		if (key == 'p' || key == ' ')
			w->paused = !w->paused;
	}
	return EXIT_OK;
}

static int show(struct watch *w)
{
	bool there = terminal_is_there(&w->screen.utf8);
	int code;

	if (!there || w->count != 0)
		return print(w);
	if (!terminal_open())
		return complain(EXIT_REFUSED, who, "the terminal cannot be used; --count 1 needs none");
	code = run(w);
	terminal_close();
	return terminal_end(code);
}

/* ---- whose series ---- */

static bool has_it(const struct watch *w, const struct segment_found *found)
{
	struct look look;
	const char *why;
	int fd = segment_open_path(found->path);
	bool has = false;

	if (fd >= 0 && look_take(&look, fd, &why)) {
		has = watch_value_of(&w->selector, &(struct look){.at_s = 0}, &look).series != 0;
		look_free(&look);
	}
	if (fd >= 0)
		close(fd);
	return has;
}

/* The only process that has such a series. */
static int find(struct watch *w)
{
	struct segment_list list = {.found = NULL};
	const struct segment_found *it = NULL;
	size_t have = 0;
	int code;

	if (!segment_find_all(&list)) {
		segment_list_free(&list);
		return complain(EXIT_REFUSED, who, "no memory");
	}
	target_keep_written(&list, NULL);
	for (size_t n = 0; n < list.count; n++)
		if (has_it(w, &list.found[n])) {
			it = &list.found[n];
			have++;
		}
	if (have > 1)
		code = complain(EXIT_USAGE, who, "%zu processes have such a series: name one, as weir ls has it", have);
	else if (have == 1)
		code = target_take(&w->target, it) ? FLAGS_RUN : complain(EXIT_REFUSED, who, "the process has just ended");
	else if (list.denied != 0)
		code = complain(EXIT_USAGE, who, "no process that may be looked into has such a series; %zu may not be", list.denied);
	else
		code = complain(EXIT_REFUSED, who, "no process has such a series");
	segment_list_free(&list);
	return code;
}

static int start(struct watch *w, const char *process)
{
	int code = process != NULL ? target_open(&w->target, who, process) : find(w);

	if (code != FLAGS_RUN)
		return code;
	look(w);
	if (!look_is_there(&w->now))
		return complain(EXIT_REFUSED, who, "the segment cannot be read: %s", w->notice != NULL ? w->notice : "its writer has ended");
	if (w->value.kind == WATCH_NOTHING)
		return complain(EXIT_REFUSED, who, "the process has no such series");
	if (w->value.kind == WATCH_LEVEL)
		chart_add(&w->chart, w->value.value);
	return show(w);
}

int watch_run(int argc, char **argv)
{
	struct watch w = {.target = {.fd = -1}, .interval_ms = 1000};
	const char *interval = NULL, *count = NULL, *words[2], *wrong;
	const struct flag flags[] = {{.name = "--interval", .value = &interval}, {.name = "--count", .value = &count}};
	struct flag_words rest = {words, 2, 0};
	int code = flags_read_words(who, help, "one series of one process at a time", flags, 2, argc, argv, &rest);

	if (code != FLAGS_RUN)
		return code;
	if (rest.count == 0)
		return complain(EXIT_USAGE, who, "which series? See %s --help", who);
	if (!interval_parse(interval, INTERVAL_LEAST_MS, INTERVAL_MOST_MS, &w.interval_ms))
		return complain(EXIT_USAGE, who, "--interval is a number of milliseconds, from %d to %d", INTERVAL_LEAST_MS, INTERVAL_MOST_MS);
	if (!interval_parse(count, 1, COUNT_MOST, &w.count))
		return complain(EXIT_USAGE, who, "--count is a number from 1 to %d", COUNT_MOST);
	wrong = selector_parse(&w.selector, words[0]);
	if (wrong != NULL)
		return complain(EXIT_USAGE, who, "the series %s", wrong);
	w.text = words[0];
	code = start(&w, rest.count > 1 ? words[1] : NULL);
	look_free(&w.before);
	look_free(&w.now);
	screen_free(&w.screen);
	target_close(&w.target);
	return code;
}
