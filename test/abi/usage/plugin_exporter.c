/* A third party's exporter, as a plugin: lines of StatsD-like text, and of each slow span; made of the public iterators
 * alone. Loaded by plugin_host.c. */
#include <weir/weir.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct lines {
	FILE *out;
	uint64_t slowest_ns;
};
int lines_start(const char *path, uint64_t slowest_ns, struct weir_exporter **exporter);

static void put_labels(FILE *out, const struct weir_family *family, const struct weir_series *series)
{
	for (size_t i = 0; i < family->labels_count && series->values != NULL; i++)
		fprintf(out, ",%s=%.*s", family->labels[i], (int)series->values[i].len, series->values[i].ptr);
}

static void put_value(FILE *out, const struct weir_family *f, const struct weir_series *s)
{
	switch (f->kind) {
	case WEIR_COUNTER_KIND:
	case WEIR_OBSERVED_COUNTER_KIND:
		fprintf(out, " %.9g|c\n", (double)s->count / f->divisor);
		break;
	case WEIR_HISTOGRAM_KIND:
		for (size_t i = 0; i + 1 < s->buckets_count; i++)
			if (s->buckets[i] != 0)
				fprintf(out, " le%g=%" PRIu64, (double)s->bounds[i] / f->divisor, s->buckets[i]);
		for (size_t i = 0; i < s->exemplars_count; i++)
			fprintf(out, " e%" PRIu64, s->exemplars[i].value);
		fprintf(out, " %" PRIu64 "|h\n", s->count);
		break;
	case WEIR_UPDOWN_KIND:
	case WEIR_GAUGE_KIND:
	case WEIR_FLOAT_GAUGE_KIND:
	case WEIR_OBSERVED_GAUGE_KIND:
	case WEIR_INFO_KIND:
	default: /* a kind of tomorrow: as a level */
		fprintf(out, " %.9g|g\n", s->floating ? s->real : (double)s->level / f->divisor);
	}
}

static int lines_metrics(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct lines *lines = arg;
	struct weir_family f;
	struct weir_series s;

	(void)timeout_ns; /* a local file does not wait */
	weir_family_begin(&f, snapshot);
	while (weir_family_next(&f)) {
		weir_series_begin(&s, &f);
		while (weir_series_next(&s)) {
			fputs(f.name, lines->out);
			put_labels(lines->out, &f, &s);
			put_value(lines->out, &f, &s);
		}
	}
	return fflush(lines->out) == 0 ? WEIR_OK : WEIR_EIO;
}

static int lines_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct lines *lines = arg;
	struct weir_ended span;
	char trace[33], id[17];

	(void)timeout_ns;
	weir_ended_begin(&span, batch);
	while (weir_ended_next(&span)) {
		if (span.end_ns - span.start_ns < lines->slowest_ns)
			continue;
		weir_ids_hex(&span.ids, trace, id);
		fprintf(lines->out, "slow %s %.*s%s\n", trace, (int)span.name.len, span.name.ptr, span.failed ? " failed" : "");
	}
	return fflush(lines->out) == 0 ? WEIR_OK : WEIR_EIO;
}

static void lines_closed(void *arg)
{
	struct lines *lines = arg;

	fputs("closed\n", lines->out);
	fclose(lines->out);
	free(lines);
}

int lines_start(const char *path, uint64_t slowest_ns, struct weir_exporter **exporter)
{
	struct lines *lines = malloc(sizeof *lines);
	struct weir_exporter_options options = {.size = sizeof options, .name = "lines", .arg = lines,
	                                        .interval_ns = WEIR_S(10), .metrics = lines_metrics,
	                                        .spans = lines_spans, .closed = lines_closed};

	if (lines == NULL)
		return WEIR_ENOMEM;
	lines->slowest_ns = slowest_ns;
	lines->out = fopen(path, "a");
	if (lines->out == NULL) {
		free(lines);
		return WEIR_EIO;
	}
	return weir_exporter_new(exporter, &options); /* from here on lines_closed frees it, also when new fails */
}
