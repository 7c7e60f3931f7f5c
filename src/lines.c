/* L4: a snapshot as lines, for a host's status command: name{label="v"} 1, in the exported unit. Pure. */
#include <weir/abi/private.h>
#include <weir/snapshot.h>

#include <string.h>

struct line {
	weir_write_fn *write;
	void *arg;
	size_t used;
	bool stopped;
	char bytes[1024];
};

static void flush(struct line *line)
{
	if (line->used != 0 && !line->stopped && line->write(line->arg, line->bytes, line->used) != 0)
		line->stopped = true;
	line->used = 0;
}

static void put(struct line *line, const char *text, size_t len)
{
	while (len != 0) {
		size_t room = sizeof line->bytes - line->used, n = len < room ? len : room;

		memcpy(line->bytes + line->used, text, n);
		line->used += n;
		text += n;
		len -= n;
		if (line->used == sizeof line->bytes)
			flush(line);
	}
}

static void put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

static void put_label(struct line *line, bool *first, const char *name, const char *value, size_t len)
{
	put_text(line, *first ? "{" : ",");
	*first = false;
	put_text(line, name);
	put_text(line, "=\"");
	for (size_t i = 0; i < len; i++)
		if (value[i] == '\n')
			put(line, "\\n", 2);
		else if (value[i] == '"' || value[i] == '\\')
			put(line, (const char[]){'\\', value[i]}, 2);
		else
			put(line, value + i, 1);
	put(line, "\"", 1);
}

static void put_name(struct line *line, const struct weir_family *f, const struct weir_series *s, const char *suffix, const char *le)
{
	bool first = true;

	put_text(line, f->name);
	put_text(line, suffix);
	for (size_t i = 0; i < f->constant_count; i++)
		put_label(line, &first, f->constant[2 * i], f->constant[2 * i + 1], strlen(f->constant[2 * i + 1]));
	for (size_t i = 0; i < f->labels_count && s->values != NULL; i++)
		put_label(line, &first, f->labels[i], s->values[i].ptr, s->values[i].len);
	if (s->overflow)
		put_label(line, &first, "otel_metric_overflow", "true", 4);
	if (le != NULL)
		put_label(line, &first, "le", le, strlen(le));
	put_text(line, first ? " " : "} ");
}

static void put_number(struct line *line, uint64_t high, uint64_t low, unsigned digits)
{
	char text[64];

	put(line, text, weir_private_decimal(text, high, low, digits));
	put(line, "\n", 1);
}

static void put_histogram(struct line *line, const struct weir_family *f, const struct weir_series *s, unsigned digits)
{
	uint64_t below = 0;
	char le[64];

	for (size_t b = 0; b < s->buckets_count; b++) {
		below += s->buckets[b];
		if (b + 1 < s->buckets_count)
			weir_private_decimal(le, 0, s->bounds[b], digits);
		put_name(line, f, s, "_bucket", b + 1 < s->buckets_count ? le : "+Inf");
		put_number(line, 0, below, 0);
	}
	put_name(line, f, s, "_sum", NULL);
	put_number(line, s->sum_high, s->sum_low, digits);
	put_name(line, f, s, "_count", NULL);
	put_number(line, 0, s->count, 0);
}

int weir_snapshot_write(const struct weir_snapshot *snapshot, weir_write_fn *write, void *arg)
{
	struct line line = {.write = write, .arg = arg};
	struct weir_family f;
	struct weir_series s;
	char text[64];

	for (weir_family_begin(&f, snapshot); weir_family_next(&f) && !line.stopped;) {
		unsigned digits = f.unit == WEIR_SECONDS ? 9 : f.unit == WEIR_RATIO ? 6 : 0;

		for (weir_series_begin(&s, &f); weir_series_next(&s) && !line.stopped;) {
			if (f.kind == WEIR_HISTOGRAM_KIND) {
				put_histogram(&line, &f, &s, digits);
				continue;
			}
			put_name(&line, &f, &s, "", NULL);
			if (s.floating) {
				put(&line, text, weir_private_double(text, s.real));
				put(&line, "\n", 1);
			} else if (f.kind == WEIR_COUNTER_KIND || f.kind == WEIR_OBSERVED_COUNTER_KIND || s.level >= 0) {
				put_number(&line, 0, s.count, digits);
			} else {
				put(&line, "-", 1);
				put_number(&line, 0, 0 - s.count, digits);
			}
		}
	}
	flush(&line);
	return line.stopped ? WEIR_EIO : WEIR_OK;
}
