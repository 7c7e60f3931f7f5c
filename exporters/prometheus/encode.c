/* weir-prometheus: a snapshot as text, or by encode_protobuf.c: families, and the samples that have one value. See encode.h.
 *
 * Layer: exporter, pure. Invariant: room is made once for all lines of a series, then written without a check. */
#include "encode_protobuf.h"

#include <stdlib.h>

const char weir__two_digits[200] = "0001020304050607080910111213141516171819"
				   "2021222324252627282930313233343536373839"
				   "4041424344454647484950515253545556575859"
				   "6061626364656667686970717273747576777879"
				   "8081828384858687888990919293949596979899";

struct weir__scale weir__scale_of(double divisor)
{
	double power = 1;

	for (unsigned digits = 0; digits <= 18; digits++, power *= 10)
		if (divisor >= power && divisor <= power)
			return (struct weir__scale){divisor, digits, false};
	return (struct weir__scale){divisor, 0, true};
}

static bool is_counter(enum weir_kind kind)
{
	return kind == WEIR_COUNTER_KIND || kind == WEIR_OBSERVED_COUNTER_KIND;
}

static const char *type_of(const struct weir__encoder *e, enum weir_kind kind)
{
	switch (kind) {
	case WEIR_COUNTER_KIND:
	case WEIR_OBSERVED_COUNTER_KIND:
		return "counter";
	case WEIR_UPDOWN_KIND:
	case WEIR_GAUGE_KIND:
	case WEIR_FLOAT_GAUGE_KIND:
	case WEIR_OBSERVED_GAUGE_KIND:
		return "gauge";
	case WEIR_HISTOGRAM_KIND:
		return "histogram";
	case WEIR_INFO_KIND:
		return e->openmetrics ? "info" : "gauge";
	}
	return e->openmetrics ? "unknown" : "untyped"; /* a kind of a newer libweir: its value is shown all the same */
}

/* ---- names seen: two instruments may come out under one name; a family that stood twice would cost the scrape ---- */

static uint64_t hash_of(const char *s, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)s[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 29;
}

static bool seen_grow(struct weir__encoder *e)
{
	size_t slots = e->seen != NULL ? 2 * (e->seen_mask + 1) : 256;
	struct weir__seen *seen = calloc(slots, sizeof *seen);

	if (seen == NULL)
		return false;
	for (size_t i = 0; e->seen != NULL && i <= e->seen_mask; i++) {
		size_t to = e->seen[i].hash & (slots - 1);

		if (e->seen[i].len == 0)
			continue;
		while (seen[to].len != 0)
			to = (to + 1) & (slots - 1);
		seen[to] = e->seen[i];
	}
	free(e->seen);
	e->seen = seen;
	e->seen_mask = slots - 1;
	return true;
}

static bool seen_add(struct weir__encoder *e, const char *name, size_t len, bool *again)
{
	uint64_t hash = hash_of(name, len);
	size_t slot;

	*again = false;
	if (2 * e->seen_count >= e->seen_mask && !seen_grow(e))
		return false;
	for (slot = hash & e->seen_mask; e->seen[slot].len != 0; slot = (slot + 1) & e->seen_mask)
		if (e->seen[slot].hash == hash && e->seen[slot].len == len &&
		    memcmp(e->seen_names.start + e->seen[slot].at, name, len) == 0) {
			*again = true;
			return true;
		}
	e->seen[slot] = (struct weir__seen){hash, weir__out_used(&e->seen_names), len};
	e->seen_count++;
	return weir__out_put(&e->seen_names, name, len);
}

/* ---- a family's first lines -------------------------------------------------------------------------------------- */

/* # WORD name */
static bool put_meta(struct weir__encoder *e, const char *word)
{
	struct weir__out *out = e->out;

	return weir__out_text(out, "# ") && weir__out_text(out, word) && weir__out_put(out, " \"", e->quoted ? 2 : 1) &&
	       weir__out_put(out, e->name.start, e->family_len) && weir__out_put(out, "\" ", e->quoted ? 2 : 0) &&
	       weir__out_put(out, " ", e->quoted ? 0 : 1);
}

static bool ends_in_unit(const struct weir__encoder *e, const char *unit)
{
	size_t len = strlen(unit);

	return len != 0 && e->family_len > len + 1 && e->name.start[e->family_len - len - 1] == '_' &&
	       memcmp(e->name.start + e->family_len - len, unit, len) == 0;
}

static bool put_help(struct weir__encoder *e, const char *help)
{
	return help == NULL || help[0] == '\0' ||
	       (put_meta(e, "HELP") &&
	        weir__prom_put_text(e->out, help, strlen(help),
	                            e->openmetrics ? WEIR__TEXT_QUOTED : WEIR__TEXT_PLAIN) &&
	        weir__out_put(e->out, "\n", 1));
}

static bool put_type(struct weir__encoder *e, const char *type)
{
	return put_meta(e, "TYPE") && weir__out_text(e->out, type) && weir__out_put(e->out, "\n", 1);
}

/* The family of that full name: *again: it stood before, and nothing is written. */
bool weir__encode_start(struct weir__encoder *e, const char *name, size_t len, const char *type, enum weir_unit unit,
                        const char *help, bool *again)
{
	e->name.at = e->name.start;
	if (!weir__prom_put_name(&e->name, name, len, e->escaping, false))
		return false;
	e->family_len = weir__out_used(&e->name);
	e->quoted = e->escaping == WEIR__ESCAPE_UTF8 && !weir__prom_is_legacy(name, len, false);
	if (e->openmetrics && strcmp(type, "counter") == 0)
		e->family_len -= strlen("_total");
	else if (e->openmetrics && strcmp(type, "info") == 0)
		e->family_len -= strlen("_info");
	if (!seen_add(e, e->name.start, e->family_len, again))
		return false;
	if (*again) {
		weir_private_log(WEIR_LOG_WARN, "prometheus: %s is left out: another family comes out under this name",
		                 name);
		return true;
	}
	if (e->protobuf != NULL)
		return weir__protobuf_start(e, type, help);
	if (!e->openmetrics)
		return put_help(e, help) && put_type(e, type);
	if (!put_type(e, type))
		return false;
	if (ends_in_unit(e, weir__prom_unit(unit)) &&
	    !(put_meta(e, "UNIT") && weir__out_text(e->out, weir__prom_unit(unit)) && weir__out_put(e->out, "\n", 1)))
		return false;
	return put_help(e, help);
}

bool weir__encode_heads(struct weir__encoder *e, bool has_labels)
{
	static const char *const suffixes[] = {
	    [WEIR__HEAD_CREATED] = "_created",
	    [WEIR__HEAD_BUCKET] = "_bucket",
	    [WEIR__HEAD_COUNT] = "_count",
	};

	e->heads.at = e->heads.start;
	for (unsigned i = 0; i < WEIR__HEADS; i++) {
		bool is_value = i == WEIR__HEAD_VALUE, is_histogram = e->family.kind == WEIR_HISTOGRAM_KIND,
		     labels = has_labels || i == WEIR__HEAD_BUCKET;
		const char *suffix = !is_value ? suffixes[i] : is_histogram ? "_sum" : "";
		size_t at = weir__out_used(&e->heads);

		if (!(weir__out_put(&e->heads, "{\"", e->quoted ? 2 : 0) &&
		      weir__out_put(&e->heads, e->name.start, is_value ? weir__out_used(&e->name) : e->family_len) &&
		      weir__out_text(&e->heads, suffix) &&
		      weir__out_text(&e->heads, e->quoted ? labels ? "\"," : "\"" : "") &&
		      weir__out_put(&e->heads, "{", !e->quoted && labels ? 1 : 0)))
			return false;
		e->head[i] = (struct weir__piece){(uint32_t)at, (uint32_t)(weir__out_used(&e->heads) - at)};
	}
	return weir__out_room(&e->heads, 0);
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static char *put_value(const struct weir__encoder *e, char *at, const struct weir_series *s)
{
	enum weir_kind kind = e->family.kind;

	if (s->floating)
		return at + weir_private_double(at, s->real);
	if (kind == WEIR_INFO_KIND) {
		*at = '1';
		return at + 1;
	}
	if (is_counter(kind) || s->level >= 0)
		return weir__put_exported(at, is_counter(kind) ? s->count : (uint64_t)s->level, e->scale);
	*at = '-';
	return weir__put_exported(at + 1, 0 - (uint64_t)s->level, e->scale);
}

/* The series' one line; OpenMetrics tells when a counter began, and its exemplar. */
static bool put_scalar(struct weir__encoder *e, const struct weir_series *s, const struct weir__frame *frame,
                       bool has_labels)
{
	bool is_count = is_counter(e->family.kind) && e->openmetrics, created = is_count && s->start_ns != 0;
	size_t labels = weir__frame_most(frame, s->values);
	const struct weir__piece *head = &e->head[WEIR__HEAD_VALUE];
	char *at;

	if (!weir__out_room(e->out, 2 * (head->len + labels + WEIR__NUMBER_MOST + 32) + WEIR__EXEMPLAR_MOST))
		return false;
	at = weir__copy_piece(e->out->at, e->heads.start + head->at, head->len);
	at = weir__frame_put(frame, at, s->values);
	at = put_value(e, weir__encode_tail(e, at, has_labels), s);
	if (is_count && s->exemplars_count != 0)
		at = weir__encode_exemplar(e, at, &s->exemplars[s->exemplars_count - 1]);
	*at++ = '\n';
	if (created) {
		head = &e->head[WEIR__HEAD_CREATED];
		at = weir__copy_piece(at, e->heads.start + head->at, head->len);
		at = weir__frame_put(frame, at, s->values);
		at = weir__put_scaled(weir__encode_tail(e, at, has_labels), s->start_ns, 9);
		*at++ = '\n';
	}
	e->out->at = at;
	return true;
}

bool weir__encode_lone(struct weir__encoder *e, uint64_t value, struct weir__scale scale)
{
	const struct weir__piece *head = &e->head[WEIR__HEAD_VALUE];
	bool has_labels = e->labels.count != 0;
	char *at;

	if (e->protobuf != NULL)
		return weir__protobuf_labels(e, &e->protobuf->pairs) &&
		       weir__protobuf_gauge(e, &e->protobuf->pairs, NULL, (double)value / scale.divisor);
	if (!weir__frame_make(&e->frame, &e->labels, e->escaping) || !weir__encode_heads(e, has_labels) ||
	    !weir__out_room(e->out, head->len + weir__frame_most(&e->frame, NULL) + WEIR__NUMBER_MOST + 32))
		return false;
	at = weir__copy_piece(e->out->at, e->heads.start + head->at, head->len);
	at = weir__encode_tail(e, weir__frame_put(&e->frame, at, NULL), has_labels);
	at = weir__put_exported(at, value, scale);
	*at = '\n';
	e->out->at = at + 1;
	return true;
}

bool weir__encode_finish(struct weir__encoder *e)
{
	return e->protobuf == NULL || weir__protobuf_finish(e);
}

/* ---- a family ---------------------------------------------------------------------------------------------------- */

static bool add_constants(struct weir__encoder *e)
{
	e->labels.count = 0;
	for (size_t i = 0; i < e->family.constant_count; i++) {
		const char *name = e->family.constant[2 * i];

		if (!weir__labels_add(&e->labels, name, strlen(name), weir_str_of(e->family.constant[2 * i + 1]), -1))
			return false;
	}
	return true;
}

static bool make_overflow(struct weir__encoder *e)
{
	static const char name[] = "otel_metric_overflow";

	if (e->has_overflow)
		return true;
	e->has_overflow = true;
	return add_constants(e) && weir__labels_add(&e->labels, name, sizeof name - 1, weir_str_of("true"), -1) &&
	       (e->protobuf != NULL ? weir__protobuf_labels(e, &e->protobuf->overflow)
	                            : weir__frame_make(&e->overflow, &e->labels, e->escaping));
}

static bool make_frame(struct weir__encoder *e)
{
	static const struct weir_str none = {NULL, 0};

	if (!add_constants(e))
		return false;
	for (size_t i = 0; i < e->family.labels_count; i++)
		if (!weir__labels_add(&e->labels, e->family.labels[i], strlen(e->family.labels[i]), none, (int)i))
			return false;
	e->has_overflow = false;
	return e->protobuf != NULL ? weir__protobuf_labels(e, &e->protobuf->pairs)
	                           : weir__frame_make(&e->frame, &e->labels, e->escaping);
}

static bool put_series(struct weir__encoder *e, const struct weir_series *s, bool overflow, bool has_labels)
{
	const struct weir__frame *frame = overflow ? &e->overflow : &e->frame;

	if (e->protobuf != NULL)
		return weir__protobuf_series(e, overflow ? &e->protobuf->overflow : &e->protobuf->pairs, s);
	if (e->family.kind == WEIR_HISTOGRAM_KIND)
		return weir__encode_histogram(e, s, frame, has_labels);
	return put_scalar(e, s, frame, has_labels);
}

static bool put_family(struct weir__encoder *e)
{
	char name[WEIR__NAME_ROOM];
	size_t len = weir__prom_full_name(name, e->family.name, e->family.kind, e->family.unit);
	bool has_labels, again;
	struct weir_series s;

	e->scale = weir__scale_of(e->family.divisor);
	e->bounds_known = false;
	if (!weir__encode_start(e, name, len, type_of(e, e->family.kind), e->family.unit, e->family.help, &again))
		return false;
	if (again)
		return true;
	if (!make_frame(e))
		return false;
	has_labels = e->labels.count != 0;
	if (e->protobuf == NULL && !weir__encode_heads(e, has_labels))
		return false;
	for (weir_series_begin(&s, &e->family); weir_series_next(&s);) {
		bool overflow = s.overflow && has_labels;

		if (__builtin_expect(overflow, 0) && !make_overflow(e))
			return false;
		if (!put_series(e, &s, overflow, has_labels))
			return false;
	}
	return weir__encode_finish(e);
}

static void end(struct weir__encoder *e)
{
	struct weir__out *const outs[] = {&e->name, &e->heads, &e->le_text, &e->seen_names};

	for (size_t i = 0; i < sizeof outs / sizeof *outs; i++)
		weir__out_free(outs[i]);
	weir__frame_free(&e->frame);
	weir__frame_free(&e->overflow);
	free(e->labels.list);
	free(e->bounds);
	free(e->les);
	free(e->seen);
}

int weir__prom_encode(const struct weir_snapshot *snapshot, struct weir__prom_variant variant, struct weir__out *out)
{
	struct weir__encoder e = {
	    .out = out,
	    .snapshot = snapshot,
	    .openmetrics = variant.format == WEIR__OPENMETRICS_1_0_0,
	    .escaping = (enum weir__prom_escaping)variant.escaping,
	};
	struct weir__protobuf protobuf = {.body = {.at = NULL}};
	bool ok;

	if (variant.format == WEIR__PROTOBUF) {
		weir__protobuf_begin(&protobuf);
		e.protobuf = &protobuf;
	}
	weir__out_grown(&e.name, 0);
	weir__out_grown(&e.heads, 0);
	weir__out_grown(&e.le_text, 0);
	weir__out_grown(&e.seen_names, 0);
	ok = weir__encode_target(&e);
	for (weir_family_begin(&e.family, snapshot); ok && weir_family_next(&e.family);)
		ok = put_family(&e);
	ok = ok && weir__encode_slos(&e);
	if (ok && e.openmetrics)
		ok = weir__out_text(out, "# EOF\n");
	end(&e);
	if (e.protobuf != NULL)
		weir__protobuf_end(e.protobuf);
	return ok ? WEIR_OK : out->error != WEIR_OK ? out->error : WEIR_ENOMEM;
}
