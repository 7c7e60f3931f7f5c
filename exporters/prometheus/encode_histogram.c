/* weir-prometheus: histograms as text: cumulative buckets, exponential ones merged until they are 160 at most;
 * exemplars.
 *
 * Layer: exporter, pure. Invariant: every bound shown is one of the series' own, so that what is cumulated below it
 * is exact; the SLO's threshold is always shown; +Inf and _count are one number. */
#include "encode_state.h"

#include <math.h>
#include <stdlib.h>

int64_t weir__merged(int64_t index, unsigned shift)
{
	return index >= 0 ? index >> shift : -((-index + ((INT64_C(1) << shift) - 1)) >> shift);
}

unsigned weir__merges(const struct weir_series *s)
{
	/* the zero bucket, the one above the range, the other half of a split one */
	size_t outside = s->split != 0 ? 3 : 2;
	int64_t first = s->offset, last;
	unsigned shift = 0;

	if (!s->exponential || s->buckets_count <= outside)
		return 0;
	last = first + (int64_t)(s->buckets_count - outside) - 1;
	while (shift < 32 && weir__merged(last, shift) - weir__merged(first, shift) + 1 > WEIR__BUCKETS_SHOWN)
		shift++;
	return shift;
}

static bool is_kept(const struct weir__encoder *e, const struct weir_series *s, size_t bound, unsigned shift)
{
	int64_t index;

	if (shift == 0 || bound == 0 || bound + 2 >= s->buckets_count || (s->split != 0 && bound == s->split) ||
	    (e->family.slo_threshold != 0 && s->bounds[bound] == e->family.slo_threshold))
		return true;
	index = (int64_t)s->offset + (int64_t)bound - 1 - (s->split != 0 && bound > s->split ? 1 : 0);
	return weir__merged(index, shift) != weir__merged(index + 1, shift);
}

static bool add_le(struct weir__encoder *e, const char *sep, const char *value, size_t len, size_t buckets,
                   double bound)
{
	struct weir__out *text = &e->le_text;
	size_t at = weir__out_used(text);

	if (!(weir__out_text(text, sep) && weir__out_put(text, "le=\"", 4) && weir__out_put(text, value, len) &&
	      weir__out_put(text, "\"} ", 3)))
		return false;
	e->les[e->les_count++] =
	    (struct weir__le){{(uint32_t)at, (uint32_t)(weir__out_used(text) - at)}, buckets, bound};
	return true;
}

static bool bounds_room(struct weir__encoder *e, size_t count)
{
	uint64_t *bounds;
	struct weir__le *les;

	if (count + 1 <= e->les_room)
		return true;
	bounds = realloc(e->bounds, (count + 1) * sizeof *bounds);
	if (bounds != NULL)
		e->bounds = bounds;
	les = realloc(e->les, (count + 1) * sizeof *les);
	if (les != NULL)
		e->les = les;
	if (bounds == NULL || les == NULL)
		return false;
	e->les_room = count + 1;
	return true;
}

static bool same_bounds(const struct weir__encoder *e, const struct weir_series *s, size_t count)
{
	return e->bounds_known && e->bounds_count == count &&
	       (count == 0 || memcmp(e->bounds, s->bounds, count * sizeof *s->bounds) == 0);
}

/* The le texts of the series' bounds: most often those of the series before. */
bool weir__encode_les(struct weir__encoder *e, const struct weir_series *s, bool has_labels)
{
	size_t count = s->buckets_count != 0 ? s->buckets_count - 1 : 0, len;
	const char *sep = has_labels ? "," : "";
	unsigned shift = weir__merges(s);
	double before = 0;
	char text[64];

	if (same_bounds(e, s, count))
		return true;
	e->bounds_known = false;
	if (!bounds_room(e, count))
		return false;
	e->le_text.at = e->le_text.start;
	e->les_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is_kept(e, s, i, shift))
			continue;
		if (e->les_count != 0 && !((double)s->bounds[i] / e->scale.divisor > before))
			e->les_count--; /* no double tells it from the one before: it stands for both */
		before = (double)s->bounds[i] / e->scale.divisor;
		len = e->scale.no_digits ? weir_private_double(text, before)
		                         : weir_private_canonical(text, s->bounds[i], e->scale.digits);
		if (!add_le(e, sep, text, len, i + 1, before))
			return false;
	}
	if (!add_le(e, sep, "+Inf", 4, s->buckets_count, (double)INFINITY) || !weir__out_room(&e->le_text, 0))
		return false;
	if (count != 0)
		memcpy(e->bounds, s->bounds, count * sizeof *s->bounds);
	e->bounds_count = count;
	e->bounds_known = true;
	return true;
}

char *weir__put_hex(char *at, const uint8_t *bytes, size_t count)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		*at++ = hex[bytes[i] >> 4];
		*at++ = hex[bytes[i] & 15];
	}
	return at;
}

/* # {trace_id="..",span_id=".."} value time: 63 of the 128 code points that may be. */
char *weir__encode_exemplar(const struct weir__encoder *e, char *at, const struct weir_exemplar *x)
{
	static const uint8_t no_trace[16];

	memcpy(at, " # {", 4);
	at += 4;
	if (memcmp(x->ids.trace_id, no_trace, sizeof no_trace) != 0) {
		memcpy(at, "trace_id=\"", 10);
		at = weir__put_hex(at + 10, x->ids.trace_id, sizeof x->ids.trace_id);
		memcpy(at, "\",span_id=\"", 11);
		at = weir__put_hex(at + 11, x->ids.span_id, sizeof x->ids.span_id);
		*at++ = '"';
	}
	*at++ = '}';
	*at++ = ' ';
	at = weir__put_exported(at, x->value, e->scale);
	if (x->time_ns != 0) {
		*at++ = ' ';
		at = weir__put_scaled(at, x->time_ns, 9);
	}
	return at;
}

const struct weir_exemplar *weir__exemplar_of(const struct weir_series *s, size_t from, size_t to)
{
	const struct weir_exemplar *found = NULL;

	for (size_t i = 0; i < s->exemplars_count; i++)
		if (s->exemplars[i].bucket >= from && s->exemplars[i].bucket < to &&
		    (found == NULL || s->exemplars[i].time_ns >= found->time_ns))
			found = &s->exemplars[i];
	return found;
}

/* A head and the labels, which stand in the first line already. */
static char *put_start(const struct weir__encoder *e, char *at, enum weir__head head, const char *labels, size_t len)
{
	at = weir__copy_piece(at, e->heads.start + e->head[head].at, e->head[head].len);
	return weir__copy_piece(at, labels, len);
}

static char *put_sum(const struct weir__encoder *e, char *at, const struct weir_series *s)
{
	if (s->sum_high == 0)
		return weir__put_exported(at, s->sum_low, e->scale);
	if (e->scale.no_digits)
		return at +
		       weir_private_double(at, ((double)s->sum_high * 0x1p64 + (double)s->sum_low) / e->scale.divisor);
	return at + weir_private_decimal(at, s->sum_high, s->sum_low, e->scale.digits);
}

bool weir__encode_histogram(struct weir__encoder *e, const struct weir_series *s, const struct weir__frame *frame,
                            bool has_labels)
{
	uint64_t below = 0;
	size_t bucket = 0, line, len = 0;
	const char *labels = NULL;
	char *at;

	if (!weir__encode_les(e, s, has_labels))
		return false;
	line = e->head[WEIR__HEAD_CREATED].len + weir__frame_most(frame, s->values) + 2 * WEIR__NUMBER_MOST + 32 +
	       (e->openmetrics && s->exemplars_count != 0 ? WEIR__EXEMPLAR_MOST : 0);
	if (!weir__out_room(e->out, (e->les_count + 3) * line))
		return false;
	at = e->out->at;
	for (size_t i = 0; i < e->les_count; i++) {
		const struct weir__le *le = &e->les[i];
		size_t from = bucket;

		for (; bucket < le->buckets; bucket++)
			below += s->buckets[bucket];
		if (labels != NULL) {
			at = put_start(e, at, WEIR__HEAD_BUCKET, labels, len);
		} else {
			at = weir__copy_piece(at, e->heads.start + e->head[WEIR__HEAD_BUCKET].at,
			                      e->head[WEIR__HEAD_BUCKET].len);
			labels = at;
			at = weir__frame_put(frame, at, s->values);
			len = (size_t)(at - labels);
		}
		at = weir__copy_piece(at, e->le_text.start + le->text.at, le->text.len);
		at = weir__put_u64(at, below);
		if (e->openmetrics && s->exemplars_count != 0) {
			const struct weir_exemplar *x = weir__exemplar_of(s, from, le->buckets);

			at = x != NULL ? weir__encode_exemplar(e, at, x) : at;
		}
		*at++ = '\n';
	}
	at = put_sum(e, weir__encode_tail(e, put_start(e, at, WEIR__HEAD_VALUE, labels, len), has_labels), s);
	*at++ = '\n';
	at = weir__put_u64(weir__encode_tail(e, put_start(e, at, WEIR__HEAD_COUNT, labels, len), has_labels), below);
	*at++ = '\n';
	if (e->openmetrics && s->start_ns != 0) {
		at = weir__encode_tail(e, put_start(e, at, WEIR__HEAD_CREATED, labels, len), has_labels);
		at = weir__put_scaled(at, s->start_ns, 9);
		*at++ = '\n';
	}
	e->out->at = at;
	return true;
}
