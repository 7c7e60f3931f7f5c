/* weir watch: one number. See watch_value.h. No data of its own. */
#include "watch_value.h"

#include "measure.h"

#include <math.h>

struct sums {
	double level, grown;
	uint64_t buckets[WEIR_SEGMENT_CELLS];
	uint64_t count;
	uint32_t series;
};

static void add(struct sums *sums, const struct model_instrument *i, const struct model_series *s, const uint64_t *before)
{
	sums->series++;
	sums->level += measure_value(i, s, s->cells);
	if (before == NULL)
		return;
	if (model_is_counter(i))
		sums->grown += fmax(0, measure_value(i, s, s->cells) - measure_value(i, s, before));
	for (uint32_t b = 0; i->record->kind == MODEL_HISTOGRAM && b <= i->record->bounds_count; b++) {
		uint64_t more = measure_grown(s->cells[1 + b], before[1 + b]);

		sums->buckets[b] += more;
		sums->count += more;
	}
}

struct watch_value watch_value_of(const struct selector *selector, const struct look *before, const struct look *now)
{
	struct watch_value v = {.value = (double)NAN, .p50 = (double)NAN, .rate = (double)NAN};
	const struct model *model = &now->model;
	const struct model_instrument *i = look_is_there(now) ? selector_find(selector, model) : NULL;
	bool on = look_goes_on(before, now) && now->at_s > before->at_s;
	double span_s = on ? now->at_s - before->at_s : 1;
	struct sums sums = {.level = 0};

	if (i == NULL)
		return v;
	v.kind = i->record->kind == MODEL_HISTOGRAM ? WATCH_P99 : model_is_counter(i) ? WATCH_RATE : WATCH_LEVEL;
	v.unit = i->record->unit;
	for (const struct model_series *s = NULL; (s = model_next(model, i, s)) != NULL;)
		if (selector_takes_series(selector, model, i, s))
			add(&sums, i, s, on ? look_before(before, now, s) : NULL);
	v.series = sums.series;
	if (sums.series == 0)
		return v;
	if (v.kind == WATCH_LEVEL)
		v.value = sums.level;
	if (!on)
		return v;
	if (v.kind == WATCH_RATE)
		v.value = sums.grown / span_s;
	if (v.kind == WATCH_P99) {
		v.rate = (double)sums.count / span_s;
		v.p50 = fabs(measure_quantile(i, sums.buckets, 500000));
		v.value = measure_quantile(i, sums.buckets, 990000);
		v.above = v.value < 0;
		v.value = fabs(v.value);
	}
	return v;
}
