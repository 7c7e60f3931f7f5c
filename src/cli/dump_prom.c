/* weir dump --prom: text 0.0.4, line by line as weir-prometheus writes the same instruments to who asks for nothing else.
 *
 * Invariant: a family stands once; a label stands once in a sample. No data of its own. */
#define _GNU_SOURCE
#include "dump.h"
#include "number.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = 4096 + 32, BUCKETS_SHOWN = 160 };

/* Names of families that stand already; by hash, in a table of pointers. */
struct seen {
	char **names;
	size_t mask, count;
};

static size_t hash_of(const char *s)
{
	size_t hash = 14695981039346656037u;

	for (; *s != '\0'; s++)
		hash = (hash ^ (unsigned char)*s) * 1099511628211u;
	return hash ^ hash >> 31;
}

static char **slot_of(const struct seen *seen, const char *name)
{
	size_t at = hash_of(name) & seen->mask;

	while (seen->names[at] != NULL && strcmp(seen->names[at], name) != 0)
		at = (at + 1) & seen->mask;
	return &seen->names[at];
}

/* True: it is new. Where memory is at its end every name is: the family is shown, maybe twice. */
static bool see(struct seen *seen, const char *name)
{
	char **slot;

	if (seen->count * 2 >= seen->mask) {
		struct seen larger = {.mask = seen->mask * 2 + 1 < 255 ? 255 : seen->mask * 2 + 1, .count = seen->count};

		larger.names = calloc(larger.mask + 1, sizeof *larger.names);
		if (larger.names == NULL)
			return true;
		for (size_t i = 0; seen->names != NULL && i <= seen->mask; i++)
			if (seen->names[i] != NULL)
				*slot_of(&larger, seen->names[i]) = seen->names[i];
		free(seen->names);
		*seen = larger;
	}
	slot = slot_of(seen, name);
	if (*slot != NULL)
		return false;
	*slot = strdup(name);
	seen->count += *slot != NULL;
	return true;
}

static void forget(struct seen *seen)
{
	for (size_t i = 0; seen->names != NULL && i <= seen->mask; i++)
		free(seen->names[i]);
	free(seen->names);
}

/* ---- names ---- */

static size_t without(const char *name, size_t len, const char *word)
{
	size_t cut = strlen(word);

	if (cut == 0 || len < cut + 2 || memcmp(name + len - cut, word, cut) != 0 || strchr("_.:/-", name[len - cut - 1]) == NULL)
		return len;
	return len - cut - 1;
}

/* In the old alphabet: each character that is not of it becomes one underscore. */
static void put_legacy(char *out, const char *name, size_t len, bool label)
{
	char *to = out;

	for (size_t i = 0; i < len;) {
		size_t step = text_character(name + i, len - i);
		char c = name[i];

		*to++ = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c == ':' && !label) || (c >= '0' && c <= '9' && i != 0) ? c
		                                                                                                                   : '_';
		i += step != 0 ? step : 1;
	}
	if (to == out)
		*to++ = '_';
	*to = '\0';
	if (label && out[0] == '_' && out[1] == '_') {
		memmove(out + 3, out, (size_t)(to - out) + 1);
		memcpy(out, "key", 3);
	}
}

static void full_name(char out[NAME_ROOM], const struct model_instrument *i)
{
	bool info = i->record->kind == MODEL_INFO;
	const char *last = model_is_counter(i) ? "total" : info ? "info" : "", *unit = info || i->record->unit == 0 ? "" : i->unit;
	size_t len = strnlen(i->name.ptr, i->name.len < 255 ? i->name.len : 255);

	len = without(i->name.ptr, len, last);
	len = without(i->name.ptr, len, unit);
	put_legacy(out, i->name.ptr, len, false);
	if (*unit != '\0')
		strcat(strcat(out, "_"), unit);
	if (*last != '\0')
		strcat(strcat(out, "_"), last);
}

/* ---- labels ---- */

/* Constant labels, then an instrument's own. Those that come out under one name share it, their values joined by ; */
struct labels {
	struct label {
		char name[NAME_ROOM];
		struct model_text given, value; /* value: of a constant */
		size_t leader;                  /* the first of its name */
		uint32_t which;                 /* of a series' values */
		bool constant;
	} list[2 * MODEL_LABELS_MAX];
	size_t order[2 * MODEL_LABELS_MAX], count;
};

static int compare_texts(struct model_text a, struct model_text b)
{
	int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static void add_label(struct labels *labels, struct label label)
{
	size_t n = labels->count++, to = n;

	put_legacy(label.name, label.given.ptr, label.given.len, true);
	labels->list[n] = label;
	for (label.leader = 0; label.leader < n; label.leader++)
		if (strcmp(labels->list[label.leader].name, label.name) == 0)
			break;
	labels->list[n].leader = label.leader;
	for (; to > 0; to--) {
		const struct label *before = &labels->list[labels->order[to - 1]];

		if (before->leader < label.leader || (before->leader == label.leader && compare_texts(before->given, label.given) <= 0))
			break;
		labels->order[to] = labels->order[to - 1];
	}
	labels->order[to] = n;
}

static void make_labels(struct labels *labels, const struct model *model, const struct model_instrument *i)
{
	labels->count = 0;
	for (uint32_t k = 0; k < i->record->constant_count; k++)
		add_label(labels, (struct label){.given = model_constant(model, i, k, 0), .value = model_constant(model, i, k, 1), .constant = true});
	for (uint32_t k = 0; k < i->record->labels_count; k++)
		add_label(labels, (struct label){.given = model_label(model, i, k), .which = k});
}

/* {name="value",...} with le at its end, where that is not NULL; nothing where there is no label. s NULL: constant ones. */
static void put_labels(FILE *out, const struct model *model, const struct labels *labels, const struct model_series *s, const char *le)
{
	bool overflow = s != NULL && model_is_overflow(s) && labels->count != 0;
	size_t last = SIZE_MAX;

	for (size_t n = 0; n < labels->count; n++) {
		const struct label *label = &labels->list[labels->order[n]];
		struct model_text value = label->value;

		if (!label->constant) {
			if (s == NULL || overflow)
				continue;
			value = model_value(model, s, label->which);
		}
		if (label->leader == last)
			putc(';', out);
		else
			fprintf(out, "%s%s=\"", last == SIZE_MAX ? "{" : "\",", label->name);
		last = label->leader;
		text_prom(out, value.ptr, value.len, 1);
	}
	if (last != SIZE_MAX)
		putc('"', out);
	if (overflow)
		fprintf(out, "%sotel_metric_overflow=\"true\"", last == SIZE_MAX ? "{" : ",");
	if (le != NULL)
		fprintf(out, "%sle=\"%s\"", last == SIZE_MAX && !overflow ? "{" : ",", le);
	if (last != SIZE_MAX || overflow || le != NULL)
		putc('}', out);
	putc(' ', out);
}

/* ---- histograms: exponential ones are shown with neighbours merged, until they are few enough ---- */

static int64_t merged(int64_t index, unsigned shift)
{
	return index >= 0 ? index >> shift : -((-index + ((INT64_C(1) << shift) - 1)) >> shift);
}

static unsigned merges(const struct weir_segment_instrument *r)
{
	int64_t outside = r->split != 0 ? 3 : 2, first = r->offset, last = first + (int64_t)r->bounds_count - outside;
	unsigned shift = 0;

	if ((r->flags & 1) == 0 || (int64_t)r->bounds_count + 1 <= outside)
		return 0;
	while (shift < 32 && merged(last, shift) - merged(first, shift) + 1 > BUCKETS_SHOWN)
		shift++;
	return shift;
}

static bool is_kept(const struct weir_segment_instrument *r, uint32_t bound, unsigned shift)
{
	int64_t index;

	if (shift == 0 || bound == 0 || bound + 1 >= r->bounds_count || (r->split != 0 && bound == r->split) ||
	    (r->slo_threshold != 0 && weir_segment_bounds(r)[bound] == r->slo_threshold))
		return true;
	index = (int64_t)r->offset + (int64_t)bound - 1 - (r->split != 0 && bound > r->split ? 1 : 0);
	return merged(index, shift) != merged(index + 1, shift);
}

static void put_histogram(FILE *out, const struct model *model, const struct model_instrument *i, const struct model_series *s,
                          const char *name, const struct labels *labels)
{
	static const double divisors[] = {1, 1e9, 1, 1e6};
	const struct weir_segment_instrument *r = i->record;
	const uint64_t *bounds = weir_segment_bounds(r);
	unsigned shift = merges(r);
	uint64_t below = 0;
	char text[NUMBER_MOST];

	for (uint32_t b = 0; b < r->bounds_count; b++) {
		uint32_t next = b + 1;

		below += s->cells[1 + b];
		while (next < r->bounds_count && !is_kept(r, next, shift))
			next++;
		/* what no double tells from the next bound is shown with it */
		if (!is_kept(r, b, shift) ||
		    (next < r->bounds_count && !((double)bounds[next] / divisors[r->unit] > (double)bounds[b] / divisors[r->unit])))
			continue;
		number_canonical(text, bounds[b], i->digits);
		fprintf(out, "%s_bucket", name);
		put_labels(out, model, labels, s, text);
		fprintf(out, "%llu\n", (unsigned long long)below);
	}
	below = model_count(i, s);
	fprintf(out, "%s_bucket", name);
	put_labels(out, model, labels, s, "+Inf");
	fprintf(out, "%llu\n", (unsigned long long)below);
	number_decimal(text, s->cells[0], i->digits);
	fprintf(out, "%s_sum", name);
	put_labels(out, model, labels, s, NULL);
	fprintf(out, "%s\n%s_count", text, name);
	put_labels(out, model, labels, s, NULL);
	fprintf(out, "%llu\n", (unsigned long long)below);
}

/* ---- families ---- */

static void put_family(FILE *out, const struct model *model, const struct model_instrument *i, struct labels *labels, struct seen *seen)
{
	char name[NAME_ROOM], value[NUMBER_MOST];
	const char *type = model_is_counter(i) ? "counter" : i->record->kind == MODEL_HISTOGRAM ? "histogram" : "gauge";

	full_name(name, i);
	if (!see(seen, name))
		return;
	if (i->help.len != 0) {
		fprintf(out, "# HELP %s ", name);
		text_prom(out, i->help.ptr, i->help.len, 0);
		putc('\n', out);
	}
	fprintf(out, "# TYPE %s %s\n", name, type);
	make_labels(labels, model, i);
	for (const struct model_series *s = NULL; (s = model_next(model, i, s)) != NULL;) {
		if (i->record->kind == MODEL_HISTOGRAM) {
			put_histogram(out, model, i, s, name, labels);
			continue;
		}
		dump_value(value, i, s);
		fputs(name, out);
		put_labels(out, model, labels, s, NULL);
		fprintf(out, "%s\n", value);
	}
}

static void put_slos(FILE *out, const struct model *model, struct labels *labels, struct seen *seen, bool threshold)
{
	const char *family = threshold ? "weir_slo_threshold" : "weir_slo_objective_ratio";
	bool begun = false;

	for (uint32_t n = 0; n < model->instruments_count; n++) {
		const struct model_instrument *i = &model->instruments[n];
		char name[NAME_ROOM], value[NUMBER_MOST];

		if (i->record->kind != MODEL_HISTOGRAM || i->record->slo_objective_ppm == 0 || i->shown == 0)
			continue;
		if (!begun && !see(seen, family))
			return;
		if (!begun)
			fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", family,
			        threshold ? "What a value is to be within, in the histogram's unit."
			                  : "Share of values that is to be within the threshold.",
			        family);
		begun = true;
		full_name(name, i);
		labels->count = 0;
		add_label(labels, (struct label){.given = {"histogram", 9}, .value = {name, (uint32_t)strlen(name)}, .constant = true});
		for (uint32_t k = 0; k < i->record->constant_count && k < MODEL_LABELS_MAX; k++)
			add_label(labels, (struct label){.given = model_constant(model, i, k, 0), .value = model_constant(model, i, k, 1), .constant = true});
		number_decimal(value, threshold ? i->record->slo_threshold : i->record->slo_objective_ppm, threshold ? i->digits : 6);
		fputs(family, out);
		put_labels(out, model, labels, NULL, NULL);
		fprintf(out, "%s\n", value);
	}
}

void dump_prom(FILE *out, const struct dump *dump)
{
	struct labels *labels = malloc(sizeof *labels);
	struct seen seen = {.names = NULL};

	if (labels == NULL)
		return;
	for (uint32_t n = 0; n < dump->model->instruments_count; n++)
		if (dump->model->instruments[n].shown != 0)
			put_family(out, dump->model, &dump->model->instruments[n], labels, &seen);
	put_slos(out, dump->model, labels, &seen, false);
	put_slos(out, dump->model, labels, &seen, true);
	forget(&seen);
	free(labels);
}
