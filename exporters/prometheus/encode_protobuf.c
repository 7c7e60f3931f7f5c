/* weir-prometheus: families as protobuf messages: labels, counters, gauges. See encode_protobuf.h.
 *
 * Layer: exporter, pure. Invariant: room is made once for a series, then written without a check. */
#include "encode_protobuf.h"

#include <stdlib.h>

enum { METRIC = 4, LABEL = 1, GAUGE = 2, COUNTER = 3, UNTYPED = 5, HISTOGRAM = 7 }; /* fields of MetricFamily, Metric */

void weir__protobuf_begin(struct weir__protobuf *p)
{
	struct weir__out *const outs[] = {&p->body,       &p->histogram,     &p->pairs.text,
	                                  &p->pairs.fixed, &p->overflow.text, &p->overflow.fixed};

	for (size_t i = 0; i < sizeof outs / sizeof *outs; i++)
		weir__out_grown(outs[i], 0);
}

static void free_pairs(struct weir__pairs *pairs)
{
	weir__out_free(&pairs->text);
	weir__out_free(&pairs->fixed);
	free(pairs->list);
	free(pairs->parts);
}

void weir__protobuf_end(struct weir__protobuf *p)
{
	weir__out_free(&p->body);
	weir__out_free(&p->histogram);
	free_pairs(&p->pairs);
	free_pairs(&p->overflow);
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

static bool pairs_room(struct weir__pairs *pairs, size_t labels)
{
	struct weir__pair *list;
	struct weir__part *parts;

	if (labels <= pairs->room)
		return true;
	list = realloc(pairs->list, labels * sizeof *list);
	if (list != NULL)
		pairs->list = list;
	parts = realloc(pairs->parts, labels * sizeof *parts);
	if (parts != NULL)
		pairs->parts = parts;
	if (list == NULL || parts == NULL)
		return false;
	pairs->room = labels;
	return true;
}

/* A field of text. */
static bool put_text(struct weir__out *out, char tag, const char *text, size_t len)
{
	char *at;

	if (!weir__out_room(out, len + 11))
		return false;
	at = weir__put_field(out->at, tag, len);
	if (len != 0)
		memcpy(at, text, len);
	out->at = at + len;
	return true;
}

static size_t value_size(const struct weir__pairs *pairs, const struct weir__pair *pair, const struct weir_str *values)
{
	size_t size = pair->parts_count - 1;

	for (size_t i = 0; i < pair->parts_count; i++) {
		const struct weir__part *part = &pairs->parts[pair->parts + i];

		size += part->label < 0 ? part->len : values[part->label].len;
	}
	return size;
}

/* The inner length: name and value as fields. */
static size_t inner_size(const struct weir__pair *pair, size_t value)
{
	return pair->len - 2 + weir__varint_size(value) + value;
}

static size_t pairs_size(const struct weir__pairs *pairs, const struct weir_str *values, bool *small)
{
	size_t size = pairs->small, inner = 0;

	if (values == NULL) {
		*small = false;
		return weir__out_used(&pairs->fixed);
	}
	*small = !pairs->joined;
	if (!pairs->joined) {
		for (size_t i = 0; i < pairs->count; i++) {
			size_t len = values[pairs->parts[i].label].len;

			size += len;
			inner |= pairs->list[i].len - 1 + len; /* any of 128 or more leaves a bit above 127 */
		}
		*small = inner < 128;
	}
	if (*small)
		return size;
	size = weir__out_used(&pairs->fixed);
	for (size_t i = 0; i < pairs->count; i++) {
		inner = inner_size(&pairs->list[i], value_size(pairs, &pairs->list[i], values));
		size += 1 + weir__varint_size(inner) + inner;
	}
	return size;
}

static char *put_long_pair(char *at, const struct weir__pairs *pairs, const struct weir__pair *pair,
                           const struct weir_str *values)
{
	size_t value = value_size(pairs, pair, values);
	const char *text = pairs->text.start;

	at = weir__put_field(at, WEIR__TAG(LABEL, WEIR__WIRE_BYTES), inner_size(pair, value));
	memcpy(at, text + pair->at + 2, pair->len - 2);
	at = weir__put_varint(at + pair->len - 2, value);
	for (size_t i = 0; i < pair->parts_count; i++) {
		const struct weir__part *part = &pairs->parts[pair->parts + i];
		const char *from = part->label < 0 ? text + part->at : values[part->label].ptr;
		size_t len = part->label < 0 ? part->len : values[part->label].len;

		if (i != 0)
			*at++ = ';';
		if (len != 0)
			memcpy(at, from, len);
		at += len;
	}
	return at;
}

static char *put_pairs(char *at, const struct weir__pairs *pairs, const struct weir_str *values, bool small)
{
	size_t fixed = weir__out_used(&pairs->fixed);
	weir__v16 unused = {0};

	if (fixed != 0)
		memcpy(at, pairs->fixed.start, fixed);
	at += fixed;
	for (size_t i = 0; values != NULL && i < pairs->count; i++) {
		const struct weir__pair *pair = &pairs->list[i];
		const struct weir_str *value;

		if (__builtin_expect(!small, 0)) {
			at = put_long_pair(at, pairs, pair, values);
			continue;
		}
		value = &values[pairs->parts[i].label];
		weir__copy_piece(at, pairs->text.start + pair->at, pair->len);
		at[1] = (char)(pair->len - 1 + value->len);
		at[pair->len] = (char)value->len;
		at = weir__copy_value(at + pair->len + 1, value->ptr, value->len, &unused);
	}
	return at;
}

/* The labels of one name: order[0] up to order[count - 1]. */
static bool add_pair(struct weir__encoder *e, struct weir__pairs *pairs, const size_t *order, size_t count,
                     const char *name, size_t name_len)
{
	struct weir__pair *pair = &pairs->list[pairs->count];
	size_t from = weir__out_used(&pairs->text);
	bool varies = false;

	*pair = (struct weir__pair){from, 0, pairs->parts_count, count};
	if (!weir__out_put(&pairs->text, (const char[]){WEIR__TAG(LABEL, WEIR__WIRE_BYTES), 0}, 2) ||
	    !put_text(&pairs->text, WEIR__TAG(1, WEIR__WIRE_BYTES), name, name_len) ||
	    !weir__out_put(&pairs->text, (const char[]){WEIR__TAG(2, WEIR__WIRE_BYTES)}, 1))
		return false;
	pair->len = weir__out_used(&pairs->text) - from;
	for (size_t i = 0; i < count; i++) {
		const struct weir__label *label = &e->labels.list[order[i]];
		size_t at = weir__out_used(&pairs->text);

		varies = varies || label->label >= 0;
		if (label->label < 0 && !weir__prom_put_text(&pairs->text, label->value.ptr,
		                                             label->value.ptr != NULL ? label->value.len : 0,
		                                             WEIR__TEXT_RAW))
			return false;
		pairs->parts[pairs->parts_count++] =
		    (struct weir__part){label->label, at, weir__out_used(&pairs->text) - at};
	}
	if (varies) {
		pairs->joined = pairs->joined || count != 1;
		pairs->small += pair->len + 1;
		pairs->count++;
		return true;
	}
	if (!weir__out_room(&pairs->fixed, weir__out_used(&pairs->text) - from + count + 20))
		return false;
	pairs->fixed.at = put_long_pair(pairs->fixed.at, pairs, pair, NULL);
	pairs->parts_count = pair->parts;
	return true;
}

bool weir__protobuf_labels(struct weir__encoder *e, struct weir__pairs *pairs)
{
	struct weir__arrangement a;
	bool ok = weir__labels_arrange(&a, &e->labels, e->escaping) && pairs_room(pairs, e->labels.count);

	pairs->text.at = pairs->text.start;
	pairs->fixed.at = pairs->fixed.start;
	pairs->count = pairs->parts_count = pairs->small = 0;
	pairs->joined = false;
	for (size_t k = 0, end; ok && k < e->labels.count; k = end) {
		size_t leader = a.leader[a.order[k]];

		for (end = k + 1; end < e->labels.count && a.leader[a.order[end]] == leader; end++)
			;
		ok = add_pair(e, pairs, a.order + k, end - k, a.names.start + a.at[leader],
		              a.at[leader + 1] - a.at[leader]);
	}
	weir__arrangement_free(&a);
	pairs->small += weir__out_used(&pairs->fixed);
	return ok && weir__out_room(&pairs->text, 0); /* so that the last piece may be read past its end */
}

/* ---- a family ---------------------------------------------------------------------------------------------------- */

static unsigned type_number(const char *type)
{
	static const char *const types[] = {"counter", "gauge", "summary", "untyped", "histogram"};
	unsigned n = 0;

	while (n < sizeof types / sizeof *types - 1 && strcmp(types[n], type) != 0)
		n++;
	return n;
}

bool weir__protobuf_start(struct weir__encoder *e, const char *type, const char *help)
{
	struct weir__out *body = &e->protobuf->body, *text = &e->protobuf->histogram;

	body->at = body->start;
	if (!put_text(body, WEIR__TAG(1, WEIR__WIRE_BYTES), e->name.start, e->family_len))
		return false;
	if (help != NULL && help[0] != '\0') {
		text->at = text->start;
		if (!weir__prom_put_text(text, help, strlen(help), WEIR__TEXT_RAW) ||
		    !put_text(body, WEIR__TAG(2, WEIR__WIRE_BYTES), text->start, weir__out_used(text)))
			return false;
	}
	if (!weir__out_room(body, 2))
		return false;
	body->at = weir__put_field(body->at, WEIR__TAG(3, WEIR__WIRE_VARINT), type_number(type));
	return true;
}

/* In pieces, so that a long family needs no room of its length in what is flushed. */
bool weir__protobuf_finish(struct weir__encoder *e)
{
	enum { PIECE = 32768 };
	const struct weir__out *body = &e->protobuf->body;
	size_t len = weir__out_used(body);

	if (!weir__out_room(e->out, 10))
		return false;
	e->out->at = weir__put_varint(e->out->at, len);
	for (size_t done = 0; done < len; done += PIECE)
		if (!weir__out_put(e->out, body->start + done, len - done < PIECE ? len - done : PIECE))
			return false;
	return true;
}

/* A Metric's tag, length and labels, for a value of so many bytes with its tag; NULL: no room. */
static char *metric_begin(struct weir__encoder *e, const struct weir__pairs *pairs, const struct weir_str *values,
                          size_t value)
{
	struct weir__out *body = &e->protobuf->body;
	bool small;
	size_t labels = pairs_size(pairs, values, &small);

	if (!weir__out_room(body, labels + value + 16))
		return NULL;
	return put_pairs(weir__put_field(body->at, WEIR__TAG(METRIC, WEIR__WIRE_BYTES), labels + value), pairs, values,
	                 small);
}

static bool put_value(struct weir__encoder *e, const struct weir__pairs *pairs, const struct weir_str *values,
                      unsigned field, double value)
{
	char *at = metric_begin(e, pairs, values, 11);

	if (at == NULL)
		return false;
	at[0] = WEIR__TAG(field, WEIR__WIRE_BYTES);
	at[1] = 9;
	e->protobuf->body.at = weir__put_double(at + 2, WEIR__TAG(1, WEIR__WIRE_DOUBLE), value);
	return true;
}

bool weir__protobuf_gauge(struct weir__encoder *e, const struct weir__pairs *pairs, const struct weir_str *values,
                          double value)
{
	return put_value(e, pairs, values, GAUGE, value);
}

/* google.protobuf.Timestamp: what is 0 is left out. */
char *weir__protobuf_time(char *at, char tag, uint64_t ns)
{
	uint64_t seconds = ns / UINT64_C(1000000000), rest = ns % UINT64_C(1000000000);
	char *began = at = weir__small_begin(at, tag);

	if (seconds != 0)
		at = weir__put_field(at, WEIR__TAG(1, WEIR__WIRE_VARINT), seconds);
	if (rest != 0)
		at = weir__put_field(at, WEIR__TAG(2, WEIR__WIRE_VARINT), rest);
	return weir__small_end(began, at);
}

static char *put_id(char *at, const char *name, const uint8_t *bytes, size_t count)
{
	char *began = at = weir__small_begin(at, WEIR__TAG(1, WEIR__WIRE_BYTES)), *value;
	size_t len = strlen(name);

	at = weir__small_begin(at, WEIR__TAG(1, WEIR__WIRE_BYTES));
	memcpy(at, name, len);
	value = weir__small_begin(weir__small_end(at, at + len), WEIR__TAG(2, WEIR__WIRE_BYTES));
	return weir__small_end(began, weir__small_end(value, weir__put_hex(value, bytes, count)));
}

/* The fields of an Exemplar, without its tag and length. */
char *weir__protobuf_exemplar(const struct weir__encoder *e, char *at, const struct weir_exemplar *x)
{
	static const uint8_t no_trace[16];

	if (memcmp(x->ids.trace_id, no_trace, sizeof no_trace) != 0) {
		at = put_id(at, "trace_id", x->ids.trace_id, sizeof x->ids.trace_id);
		at = put_id(at, "span_id", x->ids.span_id, sizeof x->ids.span_id);
	}
	at = weir__put_double(at, WEIR__TAG(2, WEIR__WIRE_DOUBLE), (double)x->value / e->scale.divisor);
	return x->time_ns != 0 ? weir__protobuf_time(at, WEIR__TAG(3, WEIR__WIRE_BYTES), x->time_ns) : at;
}

static bool put_counter(struct weir__encoder *e, const struct weir__pairs *pairs, const struct weir_series *s,
                        double value)
{
	char bytes[16 + WEIR__PROTOBUF_EXEMPLAR_MOST + 16], *at;
	char *began = weir__small_begin(bytes, WEIR__TAG(COUNTER, WEIR__WIRE_BYTES));
	size_t len;

	at = weir__put_double(began, WEIR__TAG(1, WEIR__WIRE_DOUBLE), value);
	if (s->exemplars_count != 0) {
		const struct weir_exemplar *x = &s->exemplars[s->exemplars_count - 1];
		char *exemplar = weir__small_begin(at, WEIR__TAG(2, WEIR__WIRE_BYTES));

		at = weir__small_end(exemplar, weir__protobuf_exemplar(e, exemplar, x));
	}
	if (s->start_ns != 0)
		at = weir__protobuf_time(at, WEIR__TAG(3, WEIR__WIRE_BYTES), s->start_ns);
	at = weir__small_end(began, at);
	len = (size_t)(at - bytes);
	at = metric_begin(e, pairs, s->values, len);
	if (at == NULL)
		return false;
	memcpy(at, bytes, len);
	e->protobuf->body.at = at + len;
	return true;
}

static bool put_histogram(struct weir__encoder *e, const struct weir__pairs *pairs, const struct weir_series *s)
{
	struct weir__out *message = &e->protobuf->histogram;
	size_t len;
	char *at;

	message->at = message->start;
	if (!weir__protobuf_histogram(e, s))
		return false;
	len = weir__out_used(message);
	at = metric_begin(e, pairs, s->values, 1 + weir__varint_size(len) + len);
	if (at == NULL)
		return false;
	at = weir__put_field(at, WEIR__TAG(HISTOGRAM, WEIR__WIRE_BYTES), len);
	memcpy(at, message->start, len);
	e->protobuf->body.at = at + len;
	return true;
}

bool weir__protobuf_series(struct weir__encoder *e, const struct weir__pairs *pairs, const struct weir_series *s)
{
	double divisor = e->scale.divisor;

	switch (e->family.kind) {
	case WEIR_COUNTER_KIND:
	case WEIR_OBSERVED_COUNTER_KIND:
		return put_counter(e, pairs, s, s->floating ? s->real : (double)s->count / divisor);
	case WEIR_UPDOWN_KIND:
	case WEIR_GAUGE_KIND:
	case WEIR_FLOAT_GAUGE_KIND:
	case WEIR_OBSERVED_GAUGE_KIND:
		return put_value(e, pairs, s->values, GAUGE, s->floating ? s->real : (double)s->level / divisor);
	case WEIR_HISTOGRAM_KIND:
		return put_histogram(e, pairs, s);
	case WEIR_INFO_KIND:
		return put_value(e, pairs, s->values, GAUGE, 1);
	}
	return put_value(e, pairs, s->values, UNTYPED, s->floating ? s->real : (double)s->level / divisor);
}
