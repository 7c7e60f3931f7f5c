/* weir-otlp: a HistogramDataPoint: explicit bounds. See encode_point.h. Layer: exporter, pure. */
#include "encode_point.h"

enum {
	HISTOGRAM_START = 2,
	HISTOGRAM_TIME,
	HISTOGRAM_COUNT,
	HISTOGRAM_SUM,
	HISTOGRAM_BUCKETS,
	HISTOGRAM_BOUNDS,
	HISTOGRAM_EXEMPLARS,
	HISTOGRAM_ATTRIBUTES,
};

/* Whether the bound has a double of its own in the exported unit; a receiver wants them strictly ascending. One that has none
 * stands for the bound before it, too: its bucket goes to the next. */
static bool is_own(const struct weir_family *family, const struct weir_series *s, size_t bound)
{
	return bound + 2 == s->buckets_count || (double)s->bounds[bound] / family->divisor <
	                                            (double)s->bounds[bound + 1] / family->divisor;
}

/* Packed: a tag, the length in bytes, then 8 bytes each. */
static bool open_packed(struct weir__otlp_bytes *b, uint32_t field, size_t count)
{
	if (count == 0 || !weir__otlp_room(b, 8 * count + 2 * WEIR__VARINT_MOST))
		return false;
	b->at = weir__varint(weir__varint(b->at, WEIR__TAG(field, WEIR__LENGTH)), 8 * count);
	return true;
}

void weir__otlp_put_histogram(struct weir__otlp_bytes *b, const struct weir_family *family, const struct weir_series *s,
                              uint64_t time_ns, bool is_delta)
{
	size_t count = s->buckets_count, bounds = 0;
	uint64_t all = 0, sum = 0;

	for (size_t i = 0; i < count; i++)
		all += s->buckets[i];
	for (size_t i = 0; i + 1 < count; i++)
		bounds += is_own(family, s, i);
	weir__otlp_put_fixed64(b, HISTOGRAM_START, s->start_ns);
	weir__otlp_put_fixed64(b, HISTOGRAM_TIME, time_ns);
	weir__otlp_put_fixed64(b, HISTOGRAM_COUNT, all);
	weir__otlp_put_given64(b, HISTOGRAM_SUM, weir__double_bits(weir__otlp_sum(family, s)));
	if (count != 0 && open_packed(b, HISTOGRAM_BUCKETS, bounds + 1))
		for (size_t i = 0; i < count; i++) {
			sum += s->buckets[i];
			if (i + 1 == count || is_own(family, s, i)) {
				b->at = weir__fixed64(b->at, sum);
				sum = 0;
			}
		}
	if (open_packed(b, HISTOGRAM_BOUNDS, bounds))
		for (size_t i = 0; i + 1 < count; i++)
			if (is_own(family, s, i))
				b->at = weir__fixed64(b->at, weir__double_bits((double)s->bounds[i] / family->divisor));
	weir__otlp_put_exemplars(b, HISTOGRAM_EXEMPLARS, family, s, is_delta);
	weir__otlp_put_labels(b, HISTOGRAM_ATTRIBUTES, family, s);
}
