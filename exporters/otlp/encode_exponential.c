/* weir-otlp: an ExponentialHistogramDataPoint. See encode_point.h.
 *
 * Layer: exporter, pure. Neighbours are merged by pairs until a declared range has 160 buckets at most: by the range, not by
 * what is in it, so that a series' scale stays the same from one export to the next. Empty buckets at both ends are left out. */
#include "encode_point.h"

enum {
	EXPONENTIAL_ATTRIBUTES = 1,
	EXPONENTIAL_START,
	EXPONENTIAL_TIME,
	EXPONENTIAL_COUNT,
	EXPONENTIAL_SUM,
	EXPONENTIAL_SCALE,
	EXPONENTIAL_ZERO_COUNT,
	EXPONENTIAL_POSITIVE,
	EXPONENTIAL_EXEMPLARS = 11,
	EXPONENTIAL_ZERO_THRESHOLD = 14,
};
enum { BUCKETS_OFFSET = 1, BUCKETS_COUNTS };
enum { BUCKETS_MOST = 160 };

/* floor(index / 2^shift) */
static int64_t merged(int64_t index, unsigned shift)
{
	return index >= 0 ? index >> shift : -((-index + ((INT64_C(1) << shift) - 1)) >> shift);
}

/* The index of bucket b, 1 to buckets_count - 1: the two parts of a split one have the same, and so has the bucket above the
 * range with the last one within it. */
static int64_t index_of(const struct weir_series *s, size_t b)
{
	bool split = s->split != 0;
	int64_t index = (int64_t)s->offset + (int64_t)b - 1 - (split && b > s->split);
	int64_t last = (int64_t)s->offset + (int64_t)s->buckets_count - (split ? 4 : 3);

	if (last < s->offset)
		last = s->offset;
	return index < last ? index : last;
}

static void put_buckets(struct weir__otlp_bytes *b, const struct weir_series *s, unsigned shift)
{
	uint64_t counts[BUCKETS_MOST] = {0};
	int64_t base = merged(s->offset, shift);
	size_t first = BUCKETS_MOST, last = 0, opened, counts_at;

	for (size_t i = 1; i < s->buckets_count; i++) {
		size_t to = (size_t)(merged(index_of(s, i), shift) - base);

		counts[to] += s->buckets[i];
		if (s->buckets[i] == 0)
			continue;
		first = to < first ? to : first;
		last = to;
	}
	if (first == BUCKETS_MOST)
		return;
	opened = weir__otlp_open(b, EXPONENTIAL_POSITIVE, 2);
	weir__otlp_put_varint(b, BUCKETS_OFFSET, weir__zigzag(base + (int64_t)first) & UINT32_MAX);
	counts_at = weir__otlp_open(b, BUCKETS_COUNTS, 2);
	if (weir__otlp_room(b, (last - first + 1) * WEIR__VARINT_MOST))
		for (size_t i = first; i <= last; i++)
			b->at = weir__varint(b->at, counts[i]);
	weir__otlp_close(b, counts_at, 2);
	weir__otlp_close(b, opened, 2);
}

void weir__otlp_put_exponential(struct weir__otlp_bytes *b, const struct weir_family *family, const struct weir_series *s,
                                uint64_t time_ns, bool is_delta)
{
	uint64_t all = 0;
	unsigned shift = 0;

	for (size_t i = 0; i < s->buckets_count; i++)
		all += s->buckets[i];
	if (s->buckets_count > 1)
		while (merged(index_of(s, s->buckets_count - 1), shift) - merged(s->offset, shift) >= BUCKETS_MOST)
			shift++;
	weir__otlp_put_labels(b, EXPONENTIAL_ATTRIBUTES, family, s);
	weir__otlp_put_fixed64(b, EXPONENTIAL_START, s->start_ns);
	weir__otlp_put_fixed64(b, EXPONENTIAL_TIME, time_ns);
	weir__otlp_put_fixed64(b, EXPONENTIAL_COUNT, all);
	weir__otlp_put_given64(b, EXPONENTIAL_SUM, weir__double_bits(weir__otlp_sum(family, s)));
	weir__otlp_put_varint(b, EXPONENTIAL_SCALE, weir__zigzag((int64_t)s->scale - (int64_t)shift) & UINT32_MAX);
	if (s->buckets_count != 0)
		weir__otlp_put_fixed64(b, EXPONENTIAL_ZERO_COUNT, s->buckets[0]);
	put_buckets(b, s, shift);
	weir__otlp_put_exemplars(b, EXPONENTIAL_EXEMPLARS, family, s, is_delta);
	if (s->buckets_count > 1)
		weir__otlp_put_fixed64(b, EXPONENTIAL_ZERO_THRESHOLD, weir__double_bits((double)s->bounds[0] / family->divisor));
}
