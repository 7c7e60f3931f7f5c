/* weir watch: the last values of one series as a chart: a sparkline where there is one line, more of the same where there are more.
 * Pure.
 *
 * Invariant: the newest value stands at the right; a value that is not known is a gap; what is not 0 is never drawn as nothing; the
 * scale changes only when values leave it, or fill less than a third of it, so that the picture does not jump. */
#ifndef WEIR_CLI_CHART_H
#define WEIR_CLI_CHART_H

#include "screen.h"

enum { CHART_MOST = SCREEN_SIDE_MOST };

struct chart {
	double values[CHART_MOST]; /* a ring */
	size_t count, next;        /* values that are there; where the next goes */
	double low, high;          /* the scale */
	bool from_zero;            /* its low end is 0, but for what is below */
};

void chart_add(struct chart *chart, double value);
/* The value of so many steps ago; NAN: none. */
double chart_at(const struct chart *chart, size_t ago);
/* Least, most and mean of the newest so many that are known; false: there are none. */
bool chart_range(const struct chart *chart, size_t newest, double *least, double *most, double *mean);
/* Lets the scale follow the newest so many. */
void chart_scale(struct chart *chart, size_t newest);
/* The newest values, one a column, into so many rows. */
void chart_draw(const struct chart *chart, struct screen *screen, int row, int rows, int col, int cols);

#endif
