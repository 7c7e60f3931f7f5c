/* weir-prometheus: histograms as protobuf messages. Explicit ones are classic histograms, as in text. Exponential ones
 * are native: a schema, a zero bucket, spans and deltas; their classic buckets are only the SLO's threshold, which rules
 * ask for by its le, and +Inf. All exemplars stand with the native ones; the newest of either classic bucket also there,
 * where older Prometheus servers look for them.
 *
 * Layer: exporter, pure. Invariant: the native buckets and the zero bucket add up to sample_count, which is +Inf. */
#include "encode_protobuf.h"

#include <math.h>

enum {
	SAMPLE_COUNT = 1,
	SAMPLE_SUM = 2,
	BUCKET = 3,
	SCHEMA = 5,
	ZERO_THRESHOLD = 6,
	ZERO_COUNT = 7,
	POSITIVE_SPAN = 12,
	POSITIVE_DELTA = 13,
	CREATED = 15,
	EXEMPLARS = 16,
};
enum { BUCKET_MOST = 24 + WEIR__PROTOBUF_EXEMPLAR_MOST, EMPTY_MOST = 2 /* that a span goes across */ };

static char *put_bucket(const struct weir__encoder *e, char *at, uint64_t below, double bound,
                        const struct weir_exemplar *x)
{
	char *began = at = weir__small_begin(at, WEIR__TAG(BUCKET, WEIR__WIRE_BYTES));

	at = weir__put_field(at, WEIR__TAG(1, WEIR__WIRE_VARINT), below);
	at = weir__put_double(at, WEIR__TAG(2, WEIR__WIRE_DOUBLE), bound);
	if (x != NULL) {
		char *exemplar = weir__small_begin(at, WEIR__TAG(3, WEIR__WIRE_BYTES));

		at = weir__small_end(exemplar, weir__protobuf_exemplar(e, exemplar, x));
	}
	return weir__small_end(began, at);
}

static char *put_classic(const struct weir__encoder *e, char *at, const struct weir_series *s)
{
	uint64_t below = 0;
	size_t bucket = 0;

	for (size_t i = 0; i < e->les_count; i++) {
		size_t from = bucket;

		for (; bucket < e->les[i].buckets; bucket++)
			below += s->buckets[bucket];
		at = put_bucket(e, at, below, e->les[i].bound,
		                s->exemplars_count != 0 ? weir__exemplar_of(s, from, bucket) : NULL);
	}
	return at;
}

/* Of an exponential one: up to the threshold, and all. */
static char *put_threshold(const struct weir__encoder *e, char *at, const struct weir_series *s, uint64_t all)
{
	uint64_t threshold = e->family.slo_threshold, below = 0;
	size_t from = 0;

	if (threshold != 0) {
		while (from + 1 < s->buckets_count && s->bounds[from] <= threshold)
			below += s->buckets[from++];
		at = put_bucket(e, at, below, (double)threshold / e->scale.divisor, weir__exemplar_of(s, 0, from));
	}
	return put_bucket(e, at, all, (double)INFINITY, weir__exemplar_of(s, from, s->buckets_count));
}

/* Spans of buckets that hold anything, with gaps of EMPTY_MOST at most; then the counts' differences. */
static char *put_spans(char *at, const uint64_t *counts, size_t count, int64_t first)
{
	int64_t before = 0, end = 0; /* of the span before: the index behind it; 0 is where offsets begin */
	size_t deltas = 0;
	bool kept[WEIR__BUCKETS_SHOWN] = {false};
	char *began;

	for (size_t i = 0; i < count;) {
		size_t from, last;

		while (i < count && counts[i] == 0)
			i++;
		if (i == count)
			break;
		for (from = last = i; i < count && i - last <= EMPTY_MOST + 1; i++)
			if (counts[i] != 0)
				last = i;
		i = last + 1;
		began = at = weir__small_begin(at, WEIR__TAG(POSITIVE_SPAN, WEIR__WIRE_BYTES));
		at = weir__put_field(at, WEIR__TAG(1, WEIR__WIRE_VARINT), weir__zigzag(first + (int64_t)from - end));
		at = weir__put_field(at, WEIR__TAG(2, WEIR__WIRE_VARINT), last + 1 - from);
		at = weir__small_end(began, at);
		end = first + (int64_t)last + 1;
		for (size_t k = from; k <= last; k++) {
			deltas += weir__varint_size(weir__zigzag((int64_t)(counts[k] - (uint64_t)before)));
			before = (int64_t)counts[k];
			kept[k] = true;
		}
	}
	if (deltas == 0)
		return at;
	at = weir__put_field(at, WEIR__TAG(POSITIVE_DELTA, WEIR__WIRE_BYTES), deltas);
	before = 0;
	for (size_t k = 0; k < count; k++) {
		if (!kept[k])
			continue;
		at = weir__put_varint(at, weir__zigzag((int64_t)(counts[k] - (uint64_t)before)));
		before = (int64_t)counts[k];
	}
	return at;
}

/* Pairs are merged as in text; the halves of a bucket that a threshold cut are one again; what is above the range is in
 * the last bucket. Prometheus' index of a bucket is that of its upper bound: one more than ours. */
static char *put_native(const struct weir__encoder *e, char *at, const struct weir_series *s)
{
	uint64_t counts[WEIR__BUCKETS_SHOWN] = {0}, zero = s->buckets[0];
	unsigned shift = weir__merges(s);
	int64_t first = weir__merged(s->offset, shift), last = first;
	size_t above = s->buckets_count - 1;

	for (size_t b = 1; b < above; b++) {
		last = weir__merged((int64_t)s->offset + (int64_t)b - 1 - (s->split != 0 && b > s->split ? 1 : 0), shift);
		counts[last - first] += s->buckets[b];
	}
	if (above > 1)
		counts[last - first] += s->buckets[above];
	else if (above == 1) /* no range at all */
		zero += s->buckets[above];
	at = weir__put_field(at, WEIR__TAG(SCHEMA, WEIR__WIRE_VARINT), weir__zigzag(s->scale - (int32_t)shift));
	at = weir__put_double(at, WEIR__TAG(ZERO_THRESHOLD, WEIR__WIRE_DOUBLE),
	                      (double)s->bounds[0] / e->scale.divisor);
	at = weir__put_field(at, WEIR__TAG(ZERO_COUNT, WEIR__WIRE_VARINT), zero);
	return put_spans(at, counts, (size_t)(last - first) + 1, first + 1);
}

static char *put_exemplars(const struct weir__encoder *e, char *at, const struct weir_series *s)
{
	for (size_t i = 0; i < s->exemplars_count; i++) {
		char *began;

		if (s->exemplars[i].time_ns == 0) /* must have a time there */
			continue;
		*at++ = (char)(0x80 | ((EXEMPLARS << 3 | WEIR__WIRE_BYTES) & 0x7f)); /* a tag of two bytes */
		began = weir__small_begin(at, EXEMPLARS << 3 >> 7);
		at = weir__small_end(began, weir__protobuf_exemplar(e, began, &s->exemplars[i]));
	}
	return at;
}

bool weir__protobuf_histogram(struct weir__encoder *e, const struct weir_series *s)
{
	/* an exponential one without a bound is none */
	bool native = s->exponential && s->buckets_count > 1;
	struct weir__out *out = &e->protobuf->histogram;
	uint64_t all = 0;
	char *at;

	if (!native && !weir__encode_les(e, s, true))
		return false;
	if (!weir__out_room(out, 96 + (native ? 2 * BUCKET_MOST + WEIR__BUCKETS_SHOWN * 24 : e->les_count * BUCKET_MOST) +
	                             s->exemplars_count * (WEIR__PROTOBUF_EXEMPLAR_MOST + 3)))
		return false;
	for (size_t b = 0; b < s->buckets_count; b++)
		all += s->buckets[b];
	at = weir__put_field(out->at, WEIR__TAG(SAMPLE_COUNT, WEIR__WIRE_VARINT), all);
	at = weir__put_double(at, WEIR__TAG(SAMPLE_SUM, WEIR__WIRE_DOUBLE),
	                      ((double)s->sum_high * 0x1p64 + (double)s->sum_low) / e->scale.divisor);
	at = native ? put_native(e, put_threshold(e, at, s, all), s) : put_classic(e, at, s);
	if (s->start_ns != 0)
		at = weir__protobuf_time(at, WEIR__TAG(CREATED, WEIR__WIRE_BYTES), s->start_ns);
	out->at = native ? put_exemplars(e, at, s) : at;
	return true;
}
