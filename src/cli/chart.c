/* weir watch: charts. See chart.h. No data of its own. */
#include "chart.h"

#include <math.h>

enum { LEVELS = 8 };

void chart_add(struct chart *chart, double value)
{
	chart->values[chart->next] = value;
	chart->next = (chart->next + 1) % CHART_MOST;
	chart->count += chart->count < CHART_MOST;
}

double chart_at(const struct chart *chart, size_t ago)
{
	return ago < chart->count ? chart->values[(chart->next + CHART_MOST - 1 - ago) % CHART_MOST] : (double)NAN;
}

bool chart_range(const struct chart *chart, size_t newest, double *least, double *most, double *mean)
{
	double sum = 0;
	size_t known = 0;

	*least = INFINITY;
	*most = -INFINITY;
	for (size_t ago = 0; ago < newest && ago < chart->count; ago++) {
		double v = chart_at(chart, ago);

		if (!isfinite(v))
			continue;
		*least = fmin(*least, v);
		*most = fmax(*most, v);
		sum += v;
		known++;
	}
	*mean = known != 0 ? sum / (double)known : (double)NAN;
	return known != 0;
}

/* 1, 2 or 5 times a power of ten, at least v. */
static double round_up(double v)
{
	double power = v > 0 ? pow(10, floor(log10(v))) : 1;

	if (!isfinite(power) || power <= 0)
		return v;
	return v <= power ? power : v <= 2 * power ? 2 * power : v <= 5 * power ? 5 * power : 10 * power;
}

void chart_scale(struct chart *chart, size_t newest)
{
	double least, most, mean;

	if (!chart_range(chart, newest, &least, &most, &mean))
		return;
	if (chart->from_zero && least >= 0)
		least = 0;
	if (chart->high > chart->low && least >= chart->low && most <= chart->high &&
	    (most - fmin(least, chart->low <= 0 ? 0 : least)) * 3 >= chart->high - chart->low)
		return;
	if (least >= 0 && (chart->from_zero || least < most / 2 || !(most > least))) {
		chart->low = 0;
		chart->high = round_up(most);
	} else {
		double step = round_up(most > least ? (most - least) / 4 : fabs(most) / 10 + 1e-9);

		chart->low = floor(least / step) * step;
		chart->high = ceil(most / step) * step;
	}
	if (!(chart->high > chart->low))
		chart->high = chart->low + 1;
}

/* In eighths of a row, from the lowest: 1 at least. */
static int height_of(const struct chart *chart, double v, int most)
{
	double share = (v - chart->low) / (chart->high - chart->low);
	int height = isfinite(share) ? (int)lround(fmin(1, fmax(0, share)) * most) : most;

	return height < 1 ? 1 : height;
}

/* A zero, and what lies at the scale's low end, is the lowest of marks, which is not a block. */
static uint32_t mark_of(const struct screen *screen, int eighths)
{
	static const char ascii[LEVELS + 1] = " _.-:=+*#";

	return screen->utf8 ? (eighths == 0 ? ' ' : 0x2580 + (uint32_t)eighths) : (uint32_t)ascii[eighths];
}

void chart_draw(const struct chart *chart, struct screen *screen, int row, int rows, int col, int cols)
{
	for (int c = 0; c < cols; c++) {
		double v = chart_at(chart, (size_t)(cols - 1 - c));
		int height;

		if (isnan(v))
			continue;
		height = height_of(chart, v, rows * LEVELS);
		for (int r = 0; r < rows; r++) {
			int part = height - (rows - 1 - r) * LEVELS;

			screen_char(screen, row + r, col + c, STYLE_BAR, mark_of(screen, part < 0 ? 0 : part > LEVELS ? LEVELS : part));
		}
	}
}
