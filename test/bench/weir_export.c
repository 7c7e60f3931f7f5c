/* bench: weir's snapshot, text, protobuf and OTLP rows. Invariant: every value changes before each snapshot that is timed,
 * and the text is looked at once, so that what is timed is the whole of it. */
#define _GNU_SOURCE
#include "bench.h"
#include "workload.h"

#include <weir/otlp.h>
#include <weir/prometheus.h>
#include <weir/weir.h>

#include <stdlib.h>
#include <string.h>

struct work {
	struct weir_counter_series *series;
	size_t count, each;
	char *text;
	size_t room, length;
};

static void grow(const struct work *w)
{
	for (size_t i = 0; i < w->count; i++)
		weir_counter_series_add(w->series[i], work_growth(i % w->each));
}

static struct work prepare(size_t count)
{
	struct work w = {.count = count, .each = count / WORK_FAMILIES, .room = 65536 + count * 160};
	struct weir_instrument_options options = {.size = sizeof options, .max_series = (uint32_t)w.each};

	w.series = malloc(count * sizeof *w.series);
	w.text = malloc(w.room);
	bench_require(w.series != NULL && w.text != NULL, "out of memory");
	memset(w.text, 1, w.room);
	for (size_t i = 0; i < count; i++) {
		static const struct weir_counter *counter;
		const char *values[WORK_LABELS];
		char name[64], help[64], route[32];

		if (i % w.each == 0) {
			work_family(i / w.each, name, help);
			bench_require(weir_counter_create(&counter, name, help, work_label_names, &options) == WEIR_OK,
			              "the instrument was refused");
		}
		work_series(i % w.each, values, route);
		w.series[i] = weir_counter_with(counter, values[0], values[1], values[2]);
		weir_counter_series_add(w.series[i], work_start(i % w.each));
	}
	return w;
}

static uint64_t once_snapshot(void *arg)
{
	struct weir_snapshot *snapshot;
	uint64_t began, ended;

	grow(arg);
	began = bench_now();
	bench_require(weir_snapshot_new(&snapshot) == WEIR_OK, "no snapshot");
	ended = bench_now();
	weir_snapshot_destroy(snapshot);
	return ended - began;
}

static uint64_t once_text(void *arg)
{
	struct work *w = arg;
	struct weir_snapshot *snapshot;
	uint64_t began;

	grow(w);
	began = bench_now();
	bench_require(weir_snapshot_new(&snapshot) == WEIR_OK, "no snapshot");
	bench_require(weir_prometheus_encode(snapshot, NULL, w->text, w->room, &w->length) == WEIR_OK, "no text");
	weir_snapshot_destroy(snapshot);
	return bench_now() - began;
}

#define DELIMITED "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

static uint64_t once_protobuf(void *arg)
{
	struct work *w = arg;
	struct weir_snapshot *snapshot;
	uint64_t began;

	grow(w);
	began = bench_now();
	bench_require(weir_snapshot_new(&snapshot) == WEIR_OK, "no snapshot");
	bench_require(weir_prometheus_encode(snapshot, DELIMITED, w->text, w->room, &w->length) == WEIR_OK, "no messages");
	weir_snapshot_destroy(snapshot);
	return bench_now() - began;
}

/* Each family is a length and a message; each series one Metric, which has a label "method" here. */
static void check_protobuf(const struct work *w)
{
	size_t families = 0, series = 0;

	for (size_t at = 0; at < w->length; families++) {
		size_t len = 0;

		for (unsigned shift = 0;; shift += 7) {
			len |= (size_t)(w->text[at] & 127) << shift;
			if ((w->text[at++] & 128) == 0)
				break;
		}
		bench_require(len <= w->length - at, "a message is cut short");
		at += len;
	}
	for (const char *c = w->text; (c = memmem(c, (size_t)(w->text + w->length - c), work_label_names[0],
	                                          strlen(work_label_names[0]))) != NULL; c++)
		series++;
	bench_require(families >= WORK_FAMILIES && series >= w->count, "the messages have too few series");
}

static uint64_t once_encode(void *arg)
{
	struct work *w = arg;
	struct weir_snapshot *snapshot;
	uint64_t began, took;

	grow(w);
	bench_require(weir_snapshot_new(&snapshot) == WEIR_OK, "no snapshot");
	began = bench_now();
	bench_require(weir_prometheus_encode(snapshot, NULL, w->text, w->room, &w->length) == WEIR_OK, "no text");
	took = bench_now() - began;
	weir_snapshot_destroy(snapshot);
	return took;
}

static int write_bytes(void *arg, const void *bytes, size_t len)
{
	struct work *w = arg;

	if (len > w->room - w->length)
		return -1;
	memcpy(w->text + w->length, bytes, len);
	w->length += len;
	return 0;
}

static uint64_t once_otlp(void *arg)
{
	struct work *w = arg;
	struct weir_snapshot *snapshot;
	uint64_t began;

	grow(w);
	w->length = 0;
	began = bench_now();
	bench_require(weir_snapshot_new(&snapshot) == WEIR_OK, "no snapshot");
	bench_require(weir_otlp_write_metrics(snapshot, write_bytes, w) == WEIR_OK, "no bytes");
	weir_snapshot_destroy(snapshot);
	return bench_now() - began;
}

/* A line a series at least, and the first series of the first family among them. */
static void check(const struct work *w)
{
	size_t lines = 0;

	for (size_t i = 0; i < w->length; i++)
		lines += w->text[i] == '\n';
	bench_require(lines >= w->count, "the text has too few lines");
	bench_require(memmem(w->text, w->length, "bench_requests_000_total{", 25) != NULL, "the text lacks a family");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *row;
		size_t series;
		bench_once *once;
	} rows[] = {
	    {"snapshot_1k", 1000, once_snapshot},          {"snapshot_10k", 10000, once_snapshot},
	    {"snapshot_100k", 100000, once_snapshot},      {"snapshot_1m", 1000000, once_snapshot},
	    {"prometheus_text_1k", 1000, once_text},       {"prometheus_text_10k", 10000, once_text},
	    {"prometheus_text_100k", 100000, once_text},   {"prometheus_text_1m", 1000000, once_text},
	    {"prometheus_encode_10k", 10000, once_encode}, {"prometheus_protobuf_10k", 10000, once_protobuf},
	    {"otlp_metrics_10k", 10000, once_otlp},
	};
	struct bench b = bench_arguments(argc, argv);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct work w;

		if (!bench_is(&b, rows[i].row))
			continue;
		w = prepare(rows[i].series);
		if (rows[i].once == once_protobuf) {
			once_protobuf(&w);
			check_protobuf(&w);
		} else if (rows[i].once == once_otlp) {
			once_otlp(&w);
			bench_require(w.length > 50 * w.count, "the bytes are too few");
		} else {
			once_text(&w);
			check(&w);
		}
		bench_measure_once(&b, "weir", rows[i].once, &w);
		fprintf(stderr, "bench: weir: %zu bytes\n", w.length);
		free(w.series);
		free(w.text);
	}
	return 0;
}
