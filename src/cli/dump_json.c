/* weir dump --json: one object: the segment, and its instruments with their series. Numbers are in the exported unit. No data of
 * its own. */
#include "dump.h"
#include "number.h"
#include "text.h"

#include <math.h>
#include <string.h>

static void put_text(FILE *out, struct model_text text)
{
	text_json(out, text.ptr, text.len);
}

static void put_number(FILE *out, const char *before, uint64_t v, unsigned digits)
{
	char text[NUMBER_MOST];

	number_decimal(text, v, digits);
	fprintf(out, "%s%s", before, text);
}

static void put_segment(FILE *out, const struct dump *dump)
{
	const struct model *model = dump->model;
	const struct weir_segment_header *h = segment_copy_header(model->copy);

	fprintf(out, "{\"segment\":{\"pid\":%lu,\"service\":", (unsigned long)h->pid);
	if (dump->name != NULL)
		text_json(out, dump->name, strlen(dump->name));
	else
		fputs("null", out);
	fprintf(out, ",\"state\":\"%s\",\"home\":\"%s\",\"version\":\"%u.%u\",\"bytes\":%llu,\"capacity\":%llu,", owner_text(dump->owner),
	        dump->home, (unsigned)h->major, (unsigned)h->minor, (unsigned long long)model->copy->stored_bytes,
	        (unsigned long long)h->total_bytes);
	fprintf(out, "\"series\":%lu,\"threads\":%lu,\"dropped\":%llu,\"overflowed\":%llu,\"passed_over\":%llu},\n",
	        (unsigned long)model->shown, (unsigned long)model->threads, (unsigned long long)h->records_dropped,
	        (unsigned long long)h->records_overflowed, (unsigned long long)model->passed_over);
}

static void put_labels(FILE *out, const struct model *model, const struct model_instrument *i, const struct model_series *s)
{
	fputs("\"labels\":{", out);
	if (model_is_overflow(s))
		fputs("\"otel_metric_overflow\":\"true\"", out);
	for (uint32_t k = 0; k < i->record->labels_count && !model_is_overflow(s); k++) {
		if (k != 0)
			putc(',', out);
		put_text(out, model_label(model, i, k));
		putc(':', out);
		put_text(out, model_value(model, s, k));
	}
	putc('}', out);
}

static void put_histogram(FILE *out, const struct model_instrument *i, const struct model_series *s)
{
	const struct weir_segment_instrument *r = i->record;

	put_number(out, ",\"count\":", model_count(i, s), 0);
	put_number(out, ",\"sum\":", s->cells[0], i->digits);
	if (r->slo_objective_ppm != 0)
		put_number(out, ",\"good\":", model_good(i, s), 0);
	fputs(",\"quantiles\":{", out);
	for (int q = 0; q < DUMP_QUANTILES; q++) {
		uint64_t value;

		fprintf(out, "%s\"%s\":", q != 0 ? "," : "", dump_quantiles[q].json);
		if (weir_segment_quantile(s->cells + 1, weir_segment_bounds(r), r->bounds_count, dump_quantiles[q].ppm, &value))
			put_number(out, "", value, i->digits);
		else
			fputs("null", out);
	}
	fputs("},\"buckets\":[", out);
	for (uint32_t b = 0; b <= r->bounds_count; b++) {
		fputs(b != 0 ? ",[" : "[", out);
		if (b < r->bounds_count)
			put_number(out, "", weir_segment_bounds(r)[b], i->digits);
		else
			fputs("\"+Inf\"", out);
		put_number(out, ",", s->cells[1 + b], 0);
		putc(']', out);
	}
	putc(']', out);
}

static void put_series(FILE *out, const struct model *model, const struct model_instrument *i, const struct model_series *s)
{
	char value[NUMBER_MOST];
	double real;

	putc('{', out);
	put_labels(out, model, i, s);
	if (i->record->kind == MODEL_HISTOGRAM) {
		put_histogram(out, i, s);
	} else {
		bool text = model_is_double(s, &real) && !isfinite(real);

		dump_value(value, i, s);
		fprintf(out, ",\"value\":%s%s%s", text ? "\"" : "", value, text ? "\"" : "");
	}
	putc('}', out);
}

static void put_instrument(FILE *out, const struct model *model, const struct model_instrument *i)
{
	const struct weir_segment_instrument *r = i->record;
	bool first = true;

	fputs("{\"name\":", out);
	put_text(out, i->name);
	fprintf(out, ",\"kind\":\"%s\",\"unit\":\"%s\",\"help\":", i->kind, i->unit);
	put_text(out, i->help);
	fputs(",\"constant\":{", out);
	for (uint32_t k = 0; k < r->constant_count; k++) {
		if (k != 0)
			putc(',', out);
		put_text(out, model_constant(model, i, k, 0));
		putc(':', out);
		put_text(out, model_constant(model, i, k, 1));
	}
	putc('}', out);
	if ((r->flags & 1) != 0)
		fprintf(out, ",\"exponential\":{\"scale\":%ld,\"offset\":%ld,\"split\":%lu}", (long)r->scale, (long)r->offset,
		        (unsigned long)r->split);
	if (r->slo_objective_ppm != 0) {
		put_number(out, ",\"slo\":{\"objective\":", r->slo_objective_ppm, 6);
		put_number(out, ",\"threshold\":", r->slo_threshold, i->digits);
		putc('}', out);
	}
	fputs(",\"series\":[", out);
	for (const struct model_series *s = NULL; (s = model_next(model, i, s)) != NULL; first = false) {
		fputs(first ? "\n " : ",\n ", out);
		put_series(out, model, i, s);
	}
	fputs("]}", out);
}

void dump_json(FILE *out, const struct dump *dump)
{
	bool first = true;

	put_segment(out, dump);
	fputs("\"instruments\":[", out);
	for (uint32_t n = 0; n < dump->model->instruments_count; n++) {
		if (dump->model->instruments[n].shown == 0)
			continue;
		fputs(first ? "\n" : ",\n", out);
		put_instrument(out, dump->model, &dump->model->instruments[n]);
		first = false;
	}
	fputs("]}\n", out);
}
