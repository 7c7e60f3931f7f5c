/* weir, the command: a series as a number, and its name. See measure.h. No data of its own. */
#include "measure.h"

#include <math.h>
#include <string.h>

static const double units[] = {1, 1e9, 1, 1e6}; /* by enum weir_unit: how many of the base unit are one */

uint64_t measure_grown(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : 0;
}

double measure_value(const struct model_instrument *i, const struct model_series *s, const uint64_t *cells)
{
	double real;

	if (i->record->kind == MODEL_HISTOGRAM) {
		uint64_t count = 0;

		for (uint32_t b = 0; b <= i->record->bounds_count; b++)
			count += cells[1 + b];
		return (double)count;
	}
	if ((s->record->flags & 2) != 0) {
		memcpy(&real, cells, sizeof real);
		return real;
	}
	if (model_is_counter(i))
		return (double)cells[0] / units[i->record->unit];
	return (double)(int64_t)cells[0] / units[i->record->unit];
}

double measure_quantile(const struct model_instrument *i, const uint64_t *counts, uint32_t ppm)
{
	uint32_t n = i->record->bounds_count;
	uint64_t value, below = 0, above = counts[n];
	double v;

	if (!weir_segment_quantile(counts, weir_segment_bounds(i->record), n, ppm, &value))
		return (double)NAN;
	for (uint32_t b = 0; b < n; b++)
		below += counts[b];
	v = (double)value / units[i->record->unit];
	return weir_segment_share_(ppm, below + above, 1000000) > below ? -v : v;
}

size_t measure_put(char *out, size_t size, size_t at, const char *text, size_t len)
{
	if (at + len >= size)
		len = at < size ? size - 1 - at : 0;
	memcpy(out + at, text, len);
	return at + len;
}

size_t measure_name(char *out, size_t size, const struct model *model, const struct model_instrument *i, const struct model_series *s)
{
	size_t at = measure_put(out, size, 0, i->name.ptr, i->name.len);

	if (model_is_overflow(s)) {
		at = measure_put(out, size, at, "{(all others)}", 14);
	} else {
		for (uint32_t k = 0; k < i->record->labels_count; k++) {
			struct model_text label = model_label(model, i, k), value = model_value(model, s, k);

			at = measure_put(out, size, at, k == 0 ? "{" : ",", 1);
			at = measure_put(out, size, at, label.ptr, label.len);
			at = measure_put(out, size, at, "=\"", 2);
			at = measure_put(out, size, at, value.ptr, value.len);
			at = measure_put(out, size, at, k + 1 == i->record->labels_count ? "\"}" : "\"", k + 1 == i->record->labels_count ? 2 : 1);
		}
	}
	out[at] = '\0';
	return at;
}
