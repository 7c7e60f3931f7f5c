/* weir-otlp: metrics and points of one value. See encode_point.h. Layer: exporter, pure. */
#include "encode_point.h"

#include "encode_attr.h"

enum { SCOPE_METRICS = 2 }; /* of ScopeMetrics */
enum metric_field {
	METRIC_NAME = 1,
	METRIC_DESCRIPTION,
	METRIC_UNIT,
	METRIC_GAUGE = 5,
	METRIC_SUM = 7,
	METRIC_HISTOGRAM = 9,
	METRIC_EXPONENTIAL,
};
enum { DATA_POINTS = 1, DATA_TEMPORALITY, SUM_IS_MONOTONIC };
enum { TEMPORALITY_DELTA = 1, TEMPORALITY_CUMULATIVE };
enum { NUMBER_START = 2, NUMBER_TIME, NUMBER_DOUBLE, NUMBER_EXEMPLARS, NUMBER_INT, NUMBER_ATTRIBUTES };
enum { EXEMPLAR_TIME = 2, EXEMPLAR_DOUBLE, EXEMPLAR_SPAN_ID, EXEMPLAR_TRACE_ID, EXEMPLAR_INT };
enum { METRIC_GUESS = 2, POINT_GUESS = 1, HISTOGRAM_GUESS = 2 };

/* UCUM's, as OpenTelemetry writes them. */
static struct weir_str unit_of(enum weir_unit unit)
{
	switch (unit) {
	case WEIR_SECONDS:
		return weir_str_of("s");
	case WEIR_BYTES:
		return weir_str_of("By");
	case WEIR_ONE:
	case WEIR_RATIO:
		return weir_str_of("1");
	}
	return weir_str_of(NULL); /* a unit of a newer libweir */
}

static uint32_t data_of(enum weir_kind kind, bool exponential)
{
	switch (kind) {
	case WEIR_COUNTER_KIND:
	case WEIR_OBSERVED_COUNTER_KIND:
	case WEIR_UPDOWN_KIND:
	case WEIR_INFO_KIND: /* a sum that is not monotonic, as OpenTelemetry's rules of conversion ask for */
		return METRIC_SUM;
	case WEIR_GAUGE_KIND:
	case WEIR_FLOAT_GAUGE_KIND:
	case WEIR_OBSERVED_GAUGE_KIND:
		return METRIC_GAUGE;
	case WEIR_HISTOGRAM_KIND:
		return exponential ? METRIC_EXPONENTIAL : METRIC_HISTOGRAM;
	}
	return 0;
}

static bool is_counter(enum weir_kind kind)
{
	return kind == WEIR_COUNTER_KIND || kind == WEIR_OBSERVED_COUNTER_KIND;
}

bool weir__otlp_metric_open(struct weir__otlp_bytes *b, struct weir__otlp_metric *metric, const struct weir_family *family,
                            bool exponential, bool is_delta)
{
	uint32_t data = data_of(family->kind, exponential);

	if (data == 0)
		return false;
	metric->exponential = exponential;
	metric->is_delta = is_delta;
	metric->outer = weir__otlp_open(b, SCOPE_METRICS, METRIC_GUESS);
	weir__otlp_put_text(b, METRIC_NAME, weir_str_of(family->name));
	weir__otlp_put_text(b, METRIC_DESCRIPTION, weir_str_of(family->help));
	weir__otlp_put_text(b, METRIC_UNIT, unit_of(family->unit));
	metric->inner = weir__otlp_open(b, data, METRIC_GUESS);
	return true;
}

void weir__otlp_metric_close(struct weir__otlp_bytes *b, const struct weir__otlp_metric *metric,
                             const struct weir_family *family)
{
	if (data_of(family->kind, metric->exponential) != METRIC_GAUGE)
		weir__otlp_put_varint(b, DATA_TEMPORALITY, metric->is_delta ? TEMPORALITY_DELTA : TEMPORALITY_CUMULATIVE);
	weir__otlp_put_varint(b, SUM_IS_MONOTONIC, is_counter(family->kind));
	weir__otlp_close(b, metric->inner, METRIC_GUESS);
	weir__otlp_close(b, metric->outer, METRIC_GUESS);
}

/* ---- what points of all kinds have ---------------------------------------------------------------------------------- */

void weir__otlp_put_labels(struct weir__otlp_bytes *b, uint32_t field, const struct weir_family *family,
                           const struct weir_series *s)
{
	static const struct weir_attr overflow = {
	    .key = {"otel.metric.overflow", 20}, .type = WEIR_ATTR_BOOL, .as.boolean = true};

	for (size_t i = 0; i < family->constant_count; i++)
		weir__otlp_put_label(b, field, weir_str_of(family->constant[2 * i]),
		                     weir_str_of(family->constant[2 * i + 1]));
	for (size_t i = 0; i < family->labels_count && s->values != NULL; i++)
		weir__otlp_put_label(b, field, weir_str_of(family->labels[i]), s->values[i]);
	if (s->overflow)
		weir__otlp_put_attr(b, field, &overflow);
}

/* Whether an integer leaves as one: in a unit whose base is itself. */
static bool is_whole(const struct weir_family *family)
{
	return !(family->divisor > 1) && !(family->divisor < 1);
}

static double wide(uint64_t high, uint64_t low)
{
	return (double)high * 0x1p64 + (double)low;
}

double weir__otlp_sum(const struct weir_family *family, const struct weir_series *s)
{
	return wide(s->sum_high, s->sum_low) / family->divisor;
}

/* Of a delta, only those since its start: the others went with the delta that they belong to. */
void weir__otlp_put_exemplars(struct weir__otlp_bytes *b, uint32_t field, const struct weir_family *family,
                              const struct weir_series *s, bool is_delta)
{
	static const uint8_t no_trace[16];

	for (size_t i = 0; i < s->exemplars_count; i++) {
		const struct weir_exemplar *x = &s->exemplars[i];
		bool traced = memcmp(x->ids.trace_id, no_trace, sizeof no_trace) != 0;
		bool whole = is_whole(family) && x->value <= INT64_MAX;
		size_t opened;

		if (is_delta && x->time_ns < s->start_ns)
			continue;
		opened = weir__otlp_open(b, field, POINT_GUESS);
		weir__otlp_put_fixed64(b, EXEMPLAR_TIME, x->time_ns);
		if (!whole)
			weir__otlp_put_given64(b, EXEMPLAR_DOUBLE, weir__double_bits((double)x->value / family->divisor));
		if (traced) {
			weir__otlp_put_bytes(b, EXEMPLAR_SPAN_ID, x->ids.span_id, sizeof x->ids.span_id);
			weir__otlp_put_bytes(b, EXEMPLAR_TRACE_ID, x->ids.trace_id, sizeof x->ids.trace_id);
		}
		if (whole)
			weir__otlp_put_given64(b, EXEMPLAR_INT, x->value);
		weir__otlp_close(b, opened, POINT_GUESS);
	}
}

/* ---- points --------------------------------------------------------------------------------------------------------- */

struct number {
	bool is_int;
	uint64_t bits;
};

static struct number real(double v)
{
	return (struct number){false, weir__double_bits(v)};
}

static struct number value_of(const struct weir_family *family, const struct weir_series *s)
{
	if (s->floating)
		return real(s->real);
	if (family->kind == WEIR_INFO_KIND)
		return (struct number){true, 1};
	if (is_counter(family->kind)) {
		if (!is_whole(family) || s->count > INT64_MAX)
			return real((double)s->count / family->divisor);
		return (struct number){true, s->count};
	}
	if (!is_whole(family))
		return real((double)s->level / family->divisor);
	return (struct number){true, (uint64_t)s->level};
}

static void put_number(struct weir__otlp_bytes *b, const struct weir_family *family, const struct weir_series *s,
                       uint64_t time_ns, bool is_delta)
{
	struct number value = value_of(family, s);

	weir__otlp_put_fixed64(b, NUMBER_START, s->start_ns);
	weir__otlp_put_fixed64(b, NUMBER_TIME, time_ns);
	if (!value.is_int)
		weir__otlp_put_given64(b, NUMBER_DOUBLE, value.bits);
	weir__otlp_put_exemplars(b, NUMBER_EXEMPLARS, family, s, is_delta);
	if (value.is_int)
		weir__otlp_put_given64(b, NUMBER_INT, value.bits);
	weir__otlp_put_labels(b, NUMBER_ATTRIBUTES, family, s);
}

void weir__otlp_put_point(struct weir__otlp_bytes *b, const struct weir__otlp_metric *metric,
                          const struct weir_family *family, const struct weir_series *s, uint64_t time_ns)
{
	size_t guess = family->kind == WEIR_HISTOGRAM_KIND ? HISTOGRAM_GUESS : POINT_GUESS;
	size_t opened = weir__otlp_open(b, DATA_POINTS, guess);

	if (family->kind != WEIR_HISTOGRAM_KIND)
		put_number(b, family, s, time_ns, metric->is_delta);
	else if (metric->exponential)
		weir__otlp_put_exponential(b, family, s, time_ns, metric->is_delta);
	else
		weir__otlp_put_histogram(b, family, s, time_ns, metric->is_delta);
	weir__otlp_close(b, opened, guess);
}
