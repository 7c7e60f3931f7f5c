/* weir top: the screen. See top_view.h. No data of its own. */
#include "top_view.h"

#include "figure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 256, TENANTS_BELOW = 5, ERRORS_BAD_PERCENT = 5 };

/* ---- lines of facts: one behind the other as long as there is room ---- */

struct line {
	struct screen *screen;
	int row, col, end;
};

static void fact(struct line *line, enum screen_style style, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void fact(struct line *line, enum screen_style style, const char *format, ...)
{
	char text[TEXT_MOST];
	va_list args;
	int gap = line->col == 0 ? 0 : 2, left = line->end - line->col - gap;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (line->col != 0 && (int)strlen(text) > left) { /* bytes: no less than columns */
		line->end = line->col; /* what comes behind is less needed still */
		return;
	}
	if (left > 0)
		line->col += gap + screen_put(line->screen, line->row, line->col + gap, left, style, text);
}

static void draw_title(struct screen *screen, int row, const struct top_scene *scene, const struct top_state *state)
{
	const char *word = !scene->alive ? "" : state->paused ? "PAUSED" : state->since_start ? "SINCE START" : NULL;
	char right[FIGURE_MOST + 16], age[FIGURE_MOST];
	struct line line = {screen, row, 0, screen->cols};

	snprintf(right, sizeof right, "%.3gs", scene->interval_s);
	if (word != NULL)
		snprintf(right, sizeof right, "%s", word);
	else if (scene->clock != NULL)
		snprintf(right, sizeof right, "%s", scene->clock);
	if (screen->cols >= 60) {
		screen_right(screen, row, 0, screen->cols, word != NULL ? STYLE_STRONG : STYLE_PLAIN, right);
		line.end -= (int)strlen(right) + 2;
	}
	figure_age(age, scene->age_s > 0 ? (uint64_t)scene->age_s : 0);
	fact(&line, STYLE_STRONG, "%.64s", scene->name);
	if (!scene->alive)
		fact(&line, STYLE_BAD, "! pid %d has ended: its last numbers", scene->pid);
	else
		fact(&line, STYLE_PLAIN, "pid %d", scene->pid);
	if (scene->alive)
		fact(&line, STYLE_PLAIN, "up %s", age);
	else
		fact(&line, STYLE_PLAIN, "waits for the next");
	if (scene->notice != NULL)
		fact(&line, STYLE_BAD, "! %s", scene->notice);
}

static void draw_process(struct screen *screen, int row, const struct summary *s)
{
	struct line line = {screen, row, 0, screen->cols};
	char a[FIGURE_MOST], b[FIGURE_MOST];

	if (!isnan(s->cpu)) {
		figure_share(a, s->cpu);
		fact(&line, STYLE_PLAIN, "cpu %s", a);
	}
	if (!isnan(s->memory_bytes)) {
		figure_bytes(a, s->memory_bytes);
		fact(&line, STYLE_PLAIN, "memory %s", a);
	}
	figure_number(a, s->threads);
	if (!isnan(s->threads))
		fact(&line, STYLE_PLAIN, "threads %s, %u record", a, s->recorders);
	else
		fact(&line, STYLE_PLAIN, "threads %u record", s->recorders);
	if (!isnan(s->fds)) {
		bool many = s->fds > 0.9 * s->fds_most;

		figure_number(a, s->fds);
		figure_number(b, s->fds_most);
		fact(&line, many ? STYLE_BAD : STYLE_PLAIN, "%sfds %s of %s", many ? "! " : "", a, b);
	}
	fact(&line, STYLE_PLAIN, "series %u", s->series_count);
	if (!isnan(s->tick_age_s) && s->tick_age_s > 10)
		fact(&line, STYLE_BAD, "! weir's thread stands still since %.0f s", s->tick_age_s);
}

/* A quantile, with a mark where it is above all bounds. */
static void quantile(char out[FIGURE_MOST + 1], double v)
{
	out[0] = '>';
	figure_seconds(out + (v < 0), fabs(v));
}

static void draw_requests(struct screen *screen, int row, const struct summary *s)
{
	struct line line = {screen, row, 0, screen->cols};
	const double *c = s->total.columns;
	char a[FIGURE_MOST + 1];

	if (s->total.group == NULL) {
		fact(&line, STYLE_PLAIN, "requests -");
		return;
	}
	figure_number(a, c[COLUMN_RATE]);
	fact(&line, STYLE_STRONG, "requests %s/s", a);
	if (!isnan(c[COLUMN_ERRORS])) {
		bool bad = c[COLUMN_ERRORS] * 100 >= ERRORS_BAD_PERCENT;

		figure_share(a, c[COLUMN_ERRORS]);
		fact(&line, bad ? STYLE_BAD : STYLE_STRONG, "%serrors %s", bad ? "! " : "", a);
	}
	if (!isnan(c[COLUMN_P99])) {
		quantile(a, c[COLUMN_P50]);
		fact(&line, STYLE_STRONG, "p50 %s", a);
		quantile(a, c[COLUMN_P99]);
		fact(&line, STYLE_STRONG, "p99 %s", a);
	}
	if (!isnan(s->in_flight)) {
		figure_number(a, s->in_flight);
		fact(&line, STYLE_PLAIN, "in flight %s", a);
	}
	if (!isnan(c[COLUMN_REFUSED])) {
		figure_share(a, c[COLUMN_REFUSED]);
		fact(&line, STYLE_PLAIN, "refused %s", a);
	}
}

static void draw_slo(struct screen *screen, int row, const struct summary *s)
{
	struct line line = {screen, row, 0, screen->cols};
	const struct weir_segment_instrument *r = s->total.group != NULL && s->total.group->latency != NULL ? s->total.group->latency->record : NULL;
	char a[FIGURE_MOST], b[FIGURE_MOST];
	double left;

	if (r == NULL || r->slo_objective_ppm == 0) {
		fact(&line, STYLE_PLAIN, "SLO -");
		return;
	}
	left = s->total.columns[COLUMN_BUDGET];
	figure_share(a, (double)r->slo_objective_ppm / 1e6);
	figure_seconds(b, (double)r->slo_threshold / 1e9);
	fact(&line, STYLE_PLAIN, "SLO %s in %s", a, b);
	figure_share(a, left);
	if (isnan(left))
		fact(&line, STYLE_PLAIN, "no requests yet");
	else
		fact(&line, left < 0 ? STYLE_BAD : STYLE_STRONG, "%sbudget %s%s", left < 0 ? "! " : "", a, left < 0 ? ": overdrawn" : " left");
	if (!isnan(s->burn)) {
		figure_number(a, s->burn);
		fact(&line, s->burn > 1 ? STYLE_BAD : STYLE_PLAIN, "%sburns %s times as fast as allowed", s->burn > 1 ? "! " : "", a);
	}
	figure_share(a, s->total.columns[COLUMN_GOOD]);
	if (!isnan(left))
		fact(&line, STYLE_PLAIN, "in it %s", a);
}

static void draw_lost(struct screen *screen, int row, const struct summary *s)
{
	struct line line = {screen, row, 0, screen->cols};
	char a[FIGURE_MOST], b[FIGURE_MOST];

	fact(&line, STYLE_PLAIN, s->losses_count == 0 ? "drops none" : "drops");
	for (size_t n = 0; n < s->losses_count; n++) {
		const struct summary_loss *l = &s->losses[n];
		bool now = !s->since_start && l->rate > 0;

		figure_number(a, l->rate);
		figure_number(b, l->all);
		fact(&line, now ? STYLE_BAD : STYLE_PLAIN, now ? "%s%s: %s in all, %s/s now" : "%s%s: %s in all", now ? "! " : "", l->text, b, a);
	}
}

/* ---- the table ---- */

static void figure_of(char out[FIGURE_MOST + 1], enum column column, double v)
{
	switch (column) {
	case COLUMN_P50:
	case COLUMN_P99: quantile(out, v); break;
	case COLUMN_ERRORS:
	case COLUMN_REFUSED:
	case COLUMN_GOOD:
	case COLUMN_BUDGET: figure_share(out, v); break;
	default: figure_number(out, v); break;
	}
}

static bool is_bad(enum column column, double v)
{
	return (column == COLUMN_ERRORS && v * 100 >= ERRORS_BAD_PERCENT) || (column == COLUMN_BUDGET && v < 0);
}

/* Which columns have room beside the names; where the names end. */
static int fit(const struct screen *screen, const struct top_column *columns, size_t count, bool shown[COLUMNS])
{
	int names = screen->cols * 3 / 10, used = 0, least = -1;

	names = names < 10 ? 10 : names > 40 ? 40 : names;
	for (size_t c = 0; c < count; c++)
		shown[c] = false;
	for (int rank = 0; rank < COLUMNS; rank++)
		for (size_t c = 0; c < count; c++)
			if (columns[c].rank == rank && least < 0) {
				if (screen->cols - used - columns[c].wide < names)
					least = rank; /* nor those that are needed less */
				else {
					used += columns[c].wide;
					shown[c] = true;
				}
			}
	return screen->cols - used;
}

static void draw_head(struct screen *screen, int row, const struct top_state *state, enum top_view view, int names, const bool *shown,
                      const char *title)
{
	size_t count;
	const struct top_column *columns = top_columns(view, &count);
	int col = names;
	char head[32];

	screen_fill(screen, row, 0, STYLE_HEAD);
	snprintf(head, sizeof head, "%s", state->sort[view] == COLUMN_NAME ? (state->reverse ? "<" : ">") : "");
	col = screen_put(screen, row, 0, names, STYLE_HEAD, head);
	screen_put(screen, row, col, names - col - 1, STYLE_HEAD, title);
	col = names;
	for (size_t c = 0; c < count; c++) {
		if (!shown[c])
			continue;
		snprintf(head, sizeof head, "%s%s", columns[c].column == state->sort[view] ? (state->reverse ? "<" : ">") : "", columns[c].head);
		screen_right(screen, row, col, columns[c].wide, STYLE_HEAD, head);
		col += columns[c].wide;
	}
}

static void draw_row(struct screen *screen, int row, enum top_view view, int names, const bool *shown, const struct rows *rows,
                     const struct row *is)
{
	size_t count;
	const struct top_column *columns = top_columns(view, &count);
	bool bad = false;
	int col = names;

	for (size_t c = 0; c < count; c++)
		bad = bad || is_bad(columns[c].column, is->columns[columns[c].column]);
	if (bad)
		screen_char(screen, row, 0, STYLE_BAD, '!');
	screen_name(screen, row, 1, names - 2, bad ? STYLE_STRONG : STYLE_PLAIN, rows_name(rows, is), is->name_len);
	for (size_t c = 0; c < count; c++) {
		char text[FIGURE_MOST + 1];
		double v = is->columns[columns[c].column];

		if (!shown[c])
			continue;
		figure_of(text, columns[c].column, v);
		screen_right(screen, row, col, columns[c].wide, is_bad(columns[c].column, v) ? STYLE_BAD : STYLE_PLAIN, text);
		col += columns[c].wide;
	}
}

static const struct rows *rows_of(const struct summary *s, enum top_view view)
{
	return view == VIEW_REQUESTS ? &s->requests : view == VIEW_TENANTS ? &s->tenants : &s->series;
}

static const char *nothing(enum top_view view, const struct rows *rows, const char *filter)
{
	if (rows->count != 0)
		return *filter != '\0' ? "none has this in its name" : "";
	return view == VIEW_REQUESTS ? "nothing here measures requests: 3 shows all series"
	       : view == VIEW_TENANTS ? "nothing here says who asks"
	                              : "it has no series";
}

/* From row on, so many lines with the head; scroll NULL: from the first. False: no memory. */
static bool draw_table(struct screen *screen, int row, int lines, const struct summary *s, const struct top_state *state, enum top_view view,
                       size_t *scroll, size_t *page)
{
	static const char *const titles[] = {"REQUESTS", "TENANTS", "SERIES"};
	const char *filter = view == state->view ? state->filter : "";
	const struct rows *rows = rows_of(s, view);
	size_t count, total, first, fits = lines > 1 ? (size_t)lines - 1 : 0;
	const struct top_column *columns = top_columns(view, &count);
	const struct row **list = rows_sorted(rows, state->sort[view], state->reverse, filter, &total);
	char title[TEXT_MOST];
	bool shown[COLUMNS];
	int names = fit(screen, columns, count, shown);

	if (list == NULL && rows->count != 0)
		return false;
	first = scroll == NULL ? 0 : *scroll < total ? *scroll : total;
	first = first + fits > total ? (total > fits ? total - fits : 0) : first;
	if (scroll != NULL)
		*scroll = first;
	if (page != NULL)
		*page = fits;
	snprintf(title, sizeof title, "%s", titles[view]);
	if (total > fits)
		snprintf(title, sizeof title, "%s %zu-%zu of %zu", titles[view], first + 1, first + fits, total);
	draw_head(screen, row, state, view, names, shown, title);
	for (size_t n = 0; n < fits && first + n < total; n++)
		draw_row(screen, row + 1 + (int)n, view, names, shown, rows, list[first + n]);
	if (total == 0 && fits > 0)
		screen_put(screen, row + 1, 1, screen->cols - 1, STYLE_PLAIN, nothing(view, rows, filter));
	free(list);
	return true;
}

static void draw_help(struct screen *screen)
{
	static const char *const lines[] = {
		"1 2 3, Tab   requests, tenants, all series", "s  < >       sort by the next column, the one before", "r            the other way round",
		"/            filter by a part of the name; Enter keeps it, Escape does not", "Escape       no filter",
		"p  space     pause, and go on", "t            since the start of the process, or as of now", "arrows, page up, page down, Home, End",
		"q            quit", "", "ERRORS  answers that are the service's fault: 5xx and their like", "REFUSED the client's: 4xx",
		"IN SLO, BUDGET  since the start: what was in time, what is left", "!  errors of 5% and more; an SLO overdrawn; what is lost now",
		"", "any key goes back",
	};

	screen_put(screen, 0, 0, screen->cols, STYLE_STRONG, "weir top");
	for (size_t n = 0; n < sizeof lines / sizeof *lines; n++)
		screen_put(screen, (int)n + 1, 0, screen->cols, STYLE_PLAIN, lines[n]);
}

static void draw_hints(struct screen *screen, int row, const struct top_state *state)
{
	struct line line = {screen, row, 0, screen->cols};
	char text[TEXT_MOST];

	if (state->typing) {
		snprintf(text, sizeof text, "/%s_", state->filter);
		screen_put(screen, row, 0, screen->cols, STYLE_STRONG, text);
		return;
	}
	if (state->filter[0] != '\0')
		fact(&line, STYLE_STRONG, "/%s", state->filter);
	fact(&line, STYLE_PLAIN, "q quit");
	fact(&line, STYLE_PLAIN, "? help");
	fact(&line, STYLE_PLAIN, "Tab view");
	fact(&line, STYLE_PLAIN, "s sort");
	fact(&line, STYLE_PLAIN, "/ filter");
	fact(&line, STYLE_PLAIN, state->paused ? "p go on" : "p pause");
	fact(&line, STYLE_PLAIN, state->since_start ? "t now" : "t since start");
}

bool top_draw(struct screen *screen, const struct top_scene *scene, struct top_state *state)
{
	const struct summary *s = scene->summary;
	int rows = screen->rows, row = 0, end = rows, below = 0;
	bool ok = true;

	if (state->help) {
		draw_help(screen);
		return true;
	}
	if (!scene->plain && (rows >= 10 || state->typing))
		draw_hints(screen, --end, state);
	if (rows >= 3)
		draw_title(screen, row++, scene, state);
	if (s == NULL)
		return true;
	if (rows >= 9)
		draw_process(screen, row++, s);
	if (rows >= 4)
		draw_requests(screen, row++, s);
	if (rows >= 7)
		draw_slo(screen, row++, s);
	if (rows >= 8)
		draw_lost(screen, row++, s);
	if (state->view == VIEW_REQUESTS && s->tenants.count != 0 && end - row >= 12)
		below = 1 + (s->tenants.count < TENANTS_BELOW ? (int)s->tenants.count : TENANTS_BELOW);
	ok = draw_table(screen, row, end - row - below, s, state, state->view, &state->scroll, &state->page);
	if (below != 0)
		ok = draw_table(screen, end - below, below, s, state, VIEW_TENANTS, NULL, NULL) && ok;
	if (!ok)
		screen_put(screen, row, 0, screen->cols, STYLE_BAD, "! no memory");
	return ok;
}
