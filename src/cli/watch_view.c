/* weir watch: the screen. See watch_view.h. No data of its own. */
#include "watch_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { AXIS = 10, LINE_CHART = 40 };

void watch_figure(char out[FIGURE_MOST + 4], const struct watch_value *of, double v)
{
	if (of->unit == 1 && of->kind != WATCH_RATE)
		figure_seconds(out, v);
	else if (of->unit == 2)
		figure_bytes(out, v);
	else
		figure_number(out, v);
	if (of->kind == WATCH_RATE && !isnan(v))
		strcat(out, of->unit == 1 ? "s/s" : "/s");
}

static void newest(char *out, size_t size, const struct watch_value *of)
{
	char figure[FIGURE_MOST + 4];

	watch_figure(figure, of, of->value);
	snprintf(out, size, "%s%s", of->above ? ">" : "", figure);
}

/* What the number is, and of how many series; or why there is none. */
static void say_what(char *out, size_t size, const struct watch_scene *scene)
{
	static const char *const kinds[] = {"nothing of this name", "counter, a second", "gauge", "histogram, p99 of each interval"};
	const struct watch_value *v = scene->value;

	if (v->kind != WATCH_NOTHING && v->series == 0)
		snprintf(out, size, "no series has these labels yet");
	else if (v->series > 1)
		snprintf(out, size, "%s, %u series together", kinds[v->kind], v->series);
	else
		snprintf(out, size, "%s", kinds[v->kind]);
}

static void draw_title(struct screen *screen, int row, const struct watch_scene *scene)
{
	char text[128];
	int used;

	if (!scene->alive)
		snprintf(text, sizeof text, "! %s, pid %d, has ended", scene->name, scene->pid);
	else if (scene->notice != NULL)
		snprintf(text, sizeof text, "! %s", scene->notice);
	else
		snprintf(text, sizeof text, "%s, pid %d%s", scene->name, scene->pid, scene->paused ? ", PAUSED" : "");
	used = screen->cols - (int)strlen(text) - 2;
	if (used >= 20)
		screen_right(screen, row, used + 2, (int)strlen(text), scene->alive && scene->notice == NULL ? STYLE_PLAIN : STYLE_BAD, text);
	else
		used = screen->cols;
	screen_name(screen, row, 0, used, STYLE_STRONG, scene->series, strlen(scene->series));
}

static void draw_numbers(struct screen *screen, int row, const struct watch_scene *scene, const struct chart *chart, size_t shown)
{
	char text[256], a[FIGURE_MOST + 4], b[FIGURE_MOST + 4], c[FIGURE_MOST + 4];
	double least, most, mean;
	int col;

	newest(text, sizeof text, scene->value);
	col = screen_put(screen, row, 0, screen->cols, STYLE_STRONG, text) + 2;
	if (scene->value->kind == WATCH_P99) {
		struct watch_value rate = {.kind = WATCH_RATE};

		watch_figure(a, scene->value, scene->value->p50);
		watch_figure(b, &rate, scene->value->rate);
		snprintf(text, sizeof text, "p50 %s  %s", a, b);
		col += screen_put(screen, row, col, screen->cols - col, STYLE_PLAIN, text) + 2;
	}
	if (!chart_range(chart, shown, &least, &most, &mean))
		return;
	watch_figure(a, scene->value, least);
	watch_figure(b, scene->value, mean);
	watch_figure(c, scene->value, most);
	snprintf(text, sizeof text, "least %s  mean %s  most %s", a, b, c);
	screen_put(screen, row, col, screen->cols - col, STYLE_PLAIN, text);
}

static void draw_axis(struct screen *screen, int row, int rows, const struct watch_scene *scene, const struct chart *chart)
{
	char text[FIGURE_MOST + 4];

	watch_figure(text, scene->value, chart->high);
	screen_right(screen, row, 0, AXIS - 1, STYLE_PLAIN, text);
	if (rows == 1)
		return;
	watch_figure(text, scene->value, chart->low);
	screen_right(screen, row + rows - 1, 0, AXIS - 1, STYLE_PLAIN, text);
}

static void draw_foot(struct screen *screen, int row, const struct watch_scene *scene, int columns)
{
	char what[96], age[FIGURE_MOST], text[256];
	double span = columns * scene->interval_s;

	say_what(what, sizeof what, scene);
	figure_age(age, (uint64_t)span);
	snprintf(text, sizeof text, "%s; the last %s, %.3gs a column   q quit  p %s", what, age, scene->interval_s,
	         scene->paused ? "go on" : "pause");
	screen_put(screen, row, 0, screen->cols, STYLE_PLAIN, text);
}

void watch_draw(struct screen *screen, const struct watch_scene *scene, struct chart *chart)
{
	int rows = screen->rows, row = 0, end = rows, left = screen->cols >= 30 ? AXIS : 0, columns = screen->cols - left;

	chart_scale(chart, (size_t)columns);
	if (rows >= 5)
		draw_foot(screen, --end, scene, columns);
	if (rows >= 3)
		draw_title(screen, row++, scene);
	if (rows >= 2)
		draw_numbers(screen, row++, scene, chart, (size_t)columns);
	if (rows == 1 && left != 0) {
		char text[FIGURE_MOST + 8];

		newest(text, sizeof text, scene->value);
		screen_right(screen, 0, 0, AXIS - 1, STYLE_STRONG, text);
	} else if (left != 0 && chart->high > chart->low) {
		draw_axis(screen, row, end - row, scene, chart);
	}
	if (chart->high > chart->low)
		chart_draw(chart, screen, row, end - row, left, columns);
}

void watch_line(struct screen *screen, const struct watch_scene *scene, struct chart *chart, const char *clock)
{
	char text[FIGURE_MOST + 8];
	int col = screen_put(screen, 0, 0, screen->cols, STYLE_PLAIN, clock) + 2;

	newest(text, sizeof text, scene->value);
	screen_right(screen, 0, col, AXIS, STYLE_PLAIN, text);
	chart_scale(chart, LINE_CHART);
	if (chart->high > chart->low)
		chart_draw(chart, screen, 0, 1, col + AXIS + 2, LINE_CHART);
}
