/* weir dump: as a table for people. No data of its own. */
#include "dump.h"
#include "number.h"
#include "text.h"

#include <string.h>

/* In the columns of a terminal, more or less: bytes. */
enum { VALUE_AT = 56 };

static size_t put_counted(FILE *out, struct model_text text)
{
	text_plain(out, text.ptr, text.len);
	return text.len;
}

static size_t put_pair(FILE *out, struct model_text name, struct model_text value, bool first)
{
	size_t used = (size_t)fprintf(out, "%s", first ? "" : ", ");

	used += put_counted(out, name);
	putc('=', out);
	return used + 1 + put_counted(out, value);
}

static void put_head(FILE *out, const struct dump *dump)
{
	const struct model *model = dump->model;
	const struct weir_segment_header *h = segment_copy_header(model->copy);

	if (dump->name != NULL)
		text_plain(out, dump->name, strlen(dump->name));
	else
		fputs("a process", out);
	fprintf(out, ", pid %lu, %s, %s: %lu series, %lu threads, %llu KiB", (unsigned long)h->pid, owner_text(dump->owner), dump->home,
	        (unsigned long)model->shown, (unsigned long)model->threads, (unsigned long long)(model->copy->stored_bytes + 1023) / 1024);
	if (h->records_dropped != 0)
		fprintf(out, ", %llu records dropped", (unsigned long long)h->records_dropped);
	if (h->records_overflowed != 0)
		fprintf(out, ", %llu look-ups past a cap", (unsigned long long)h->records_overflowed);
	if (model->passed_over != 0)
		fprintf(out, ", %llu records not understood", (unsigned long long)model->passed_over);
	putc('\n', out);
}

static void put_histogram(FILE *out, const struct model_instrument *i, const struct model_series *s)
{
	const struct weir_segment_instrument *r = i->record;
	char text[NUMBER_MOST];
	uint64_t count = model_count(i, s);

	number_decimal(text, s->cells[0], i->digits);
	fprintf(out, "count %llu, sum %s", (unsigned long long)count, text);
	for (int q = 0; q < DUMP_QUANTILES; q++) {
		uint64_t value;

		if (!weir_segment_quantile(s->cells + 1, weir_segment_bounds(r), r->bounds_count, dump_quantiles[q].ppm, &value))
			continue;
		number_decimal(text, value, i->digits);
		fprintf(out, ", %s %s", dump_quantiles[q].table, text);
	}
	if (r->slo_objective_ppm != 0 && count != 0) {
		number_decimal(text, r->slo_threshold, i->digits);
		fprintf(out, ", %.3f %% within %s", (double)model_good(i, s) * 100 / (double)count, text);
		number_decimal(text, r->slo_objective_ppm, 4);
		fprintf(out, " of %s %%", text);
	}
}

static void put_series(FILE *out, const struct model *model, const struct model_instrument *i, const struct model_series *s)
{
	size_t used = (size_t)fprintf(out, "  ");
	char value[NUMBER_MOST];

	if (model_is_overflow(s))
		used += (size_t)fprintf(out, "(all others)");
	for (uint32_t k = 0; k < i->record->labels_count && !model_is_overflow(s); k++)
		used += put_pair(out, model_label(model, i, k), model_value(model, s, k), k == 0);
	fprintf(out, "%*s", used < VALUE_AT ? (int)(VALUE_AT - used) : 1, "");
	if (i->record->kind == MODEL_HISTOGRAM) {
		put_histogram(out, i, s);
	} else {
		dump_value(value, i, s);
		fputs(value, out);
	}
	putc('\n', out);
}

static void put_instrument(FILE *out, const struct model *model, const struct model_instrument *i)
{
	text_plain(out, i->name.ptr, i->name.len);
	fprintf(out, "  %s", i->kind);
	if (i->record->unit != 0)
		fprintf(out, ", %s", i->unit);
	if ((i->record->flags & 1) != 0)
		fprintf(out, ", exponential at scale %ld", (long)i->record->scale);
	for (uint32_t k = 0; k < i->record->constant_count; k++) {
		fputs(k == 0 ? "  {" : "", out);
		put_pair(out, model_constant(model, i, k, 0), model_constant(model, i, k, 1), k == 0);
		fputs(k + 1 == i->record->constant_count ? "}" : "", out);
	}
	putc('\n', out);
	for (const struct model_series *s = NULL; (s = model_next(model, i, s)) != NULL;)
		put_series(out, model, i, s);
}

void dump_table(FILE *out, const struct dump *dump)
{
	put_head(out, dump);
	for (uint32_t n = 0; n < dump->model->instruments_count; n++)
		if (dump->model->instruments[n].shown != 0)
			put_instrument(out, dump->model, &dump->model->instruments[n]);
}
