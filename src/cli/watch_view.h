/* weir watch: the chart with what it is of, and the newest number, as a screen or one line. Pure.
 *
 * Invariant: of any size it draws the newest number first, then the chart, then what explains it. */
#ifndef WEIR_CLI_WATCH_VIEW_H
#define WEIR_CLI_WATCH_VIEW_H

#include "chart.h"
#include "figure.h"
#include "watch_value.h"

struct watch_scene {
	const struct watch_value *value;
	const char *series; /* as the user wrote it */
	const char *name;   /* of the process */
	int pid;
	bool alive, paused;
	double interval_s;
	const char *notice; /* NULL */
};

void watch_draw(struct screen *screen, const struct watch_scene *scene, struct chart *chart);
/* The same in one row, for a file: time, number, and the last values. */
void watch_line(struct screen *screen, const struct watch_scene *scene, struct chart *chart, const char *clock);

/* A number of this kind and unit. */
void watch_figure(char out[FIGURE_MOST + 4], const struct watch_value *of, double v);

#endif
