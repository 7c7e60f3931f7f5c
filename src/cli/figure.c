/* weir, the command: numbers for people. See figure.h. No data of its own. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Three digits that count. */
static void three(char *out, double v, const char *unit)
{
	double size = fabs(v);

	snprintf(out, FIGURE_MOST, "%.*f%s", size < 9.995 ? 2 : size < 99.95 ? 1 : 0, v, unit);
}

/* By steps of so much, from the largest unit that leaves at least 1. */
static void scaled(char *out, double v, double step, const char *const *units, int last)
{
	int unit = 0;

	while (unit < last && fabs(v) >= step - step / 2000) {
		v /= step;
		unit++;
	}
	if (fabs(v) >= 1e5) /* beyond all units */
		snprintf(out, FIGURE_MOST, "%.1e", v);
	else
		three(out, v, units[unit]);
}

void figure_number(char *out, double v)
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
	double size = fabs(v);

	if (isnan(v))
		strcpy(out, "-");
	else if (isinf(v))
		strcpy(out, v < 0 ? "-Inf" : "Inf");
	else if (size < 9999.5 && fabs(v - nearbyint(v)) < 1e-9)
		snprintf(out, FIGURE_MOST, "%.0f", v + 0.0);
	else if (size < 0.005)
		snprintf(out, FIGURE_MOST, "%.0e", v);
	else if (size < 9999.5)
		three(out, v, "");
	else
		scaled(out, v, 1000, units, 6);
}

void figure_seconds(char *out, double s)
{
	if (isnan(s))
		strcpy(out, "-");
	else if (s < 0.9995e-6)
		snprintf(out, FIGURE_MOST, "%.0fns", s * 1e9);
	else if (s < 0.9995e-3)
		three(out, s * 1e6, "us");
	else if (s < 0.9995)
		three(out, s * 1e3, "ms");
	else if (s < 99999.5)
		three(out, s, "s");
	else
		snprintf(out, FIGURE_MOST, "%.1es", s);
}

void figure_bytes(char *out, double bytes)
{
	static const char *const units[] = {"B", "K", "M", "G", "T", "P", "E"};

	if (isnan(bytes))
		strcpy(out, "-");
	else if (fabs(bytes) < 1023.5)
		snprintf(out, FIGURE_MOST, "%.0fB", bytes);
	else
		scaled(out, bytes, 1024, units, 6);
}

void figure_share(char *out, double share)
{
	double percent = share * 100;

	if (isnan(share))
		strcpy(out, "-");
	else if (percent <= -999.5)
		strcpy(out, "<-999%");
	else if (percent > 0 && percent < 0.01)
		strcpy(out, "<0.01%");
	else if (percent > 99.99 && percent < 100)
		strcpy(out, ">99.99%");
	else if (fabs(percent - nearbyint(percent)) < 1e-9)
		snprintf(out, FIGURE_MOST, "%.0f%%", percent + 0.0);
	else
		snprintf(out, FIGURE_MOST, "%.*f%%", fabs(percent) < 9.995 || (percent > 90 && percent < 100) ? 2 : fabs(percent) < 99.95, percent);
}

void figure_age(char *out, uint64_t s)
{
	if (s >= 86400)
		snprintf(out, FIGURE_MOST, "%llud%lluh", (unsigned long long)s / 86400, (unsigned long long)s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(out, FIGURE_MOST, "%lluh%llum", (unsigned long long)s / 3600, (unsigned long long)s % 3600 / 60);
	else if (s >= 60)
		snprintf(out, FIGURE_MOST, "%llum%llus", (unsigned long long)s / 60, (unsigned long long)s % 60);
	else
		snprintf(out, FIGURE_MOST, "%llus", (unsigned long long)s);
}
