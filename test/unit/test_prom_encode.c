/* Whole snapshots as text, byte for byte: test/golden/prometheus/. Also the rules that hold for any text: each
 * family once and in one piece, buffers of any size, a callback that stops it. `test_prom_encode --print ACCEPT`
 * writes the same snapshot for a stranger to read (test/e2e/promtool.sh). */
#define _GNU_SOURCE
#include "encode.h"

#include "exemplar.h"
#include "registry.h"

#include <weir/prometheus.h>
#include <weir/weir.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct weir_snapshot *snapshot;

static void make_counters(void)
{
	static const char *const labels[] = {"method", "http.route", NULL}, *const constant[] = {"zone", "a\"1",
	                                                                                         "shard.id", "7", NULL};
	struct weir_instrument_options o = {.size = sizeof o, .max_series = 4},
				       seconds = {.size = sizeof seconds, .unit = WEIR_SECONDS};
	const struct weir_counter *c;

	weir_counter_create(&c, "http.requests.total", "Requests \"answered\",\nby C:\\path.", labels, &o);
	weir_counter_add_with(c, 3, "GET", "/orders/{id}");
	weir_counter_add_with(c, UINT64_MAX, "quote\"", "back\\slash\nnewline");
	weir_counter_add_with(c, 1, "caf\xc3\xa9", "\xff\x01 is no text");
	weir_counter_add_with(c, 0, NULL, "");
	for (int i = 0; i < 10; i++)
		weir_counter_add_with(c, 2, i % 2 == 0 ? "too" : "many", "series"); /* past the cap */
	seconds.constant = constant;
	weir_counter_create(&c, "busy_total", "Time at work.", NULL, &seconds);
	weir_counter_add(c, 1500000001);
	weir_counter_create(&c, "jobs_seconds", "Comes out as jobs_seconds_total.", NULL, NULL);
	seconds.constant = NULL;
	weir_counter_create(&c, "jobs", "So would this: refused.", NULL, &seconds);
	weir_counter_create(&c, "unused", "No series yet: no family.", labels, NULL);
}

static void make_levels(void)
{
	static const char *const labels[] = {"sensor", NULL};
	struct weir_instrument_options ratio = {.size = sizeof ratio, .unit = WEIR_RATIO},
				       bytes = {.size = sizeof bytes, .unit = WEIR_BYTES};
	const struct weir_float_gauge *f;
	const struct weir_updown *u;
	const struct weir_gauge *g;
	const struct weir_info *i;

	weir_updown_create(&u, "queue-depth", "Waiting.", NULL, NULL);
	weir_updown_add(u, -5);
	weir_gauge_create(&g, "buffer", "In use.", NULL, &bytes);
	weir_gauge_set(g, 1 << 20);
	weir_gauge_create(&g, "disk_used", "Of all.", NULL, &ratio);
	weir_gauge_set(g, -125000);
	weir_gauge_create(&g, "lowest", "INT64_MIN.", NULL, NULL);
	weir_gauge_set(g, INT64_MIN);
	weir_float_gauge_create(&f, "temperature.celsius", "Measured.", labels, NULL);
	weir_float_gauge_set_with(f, 21.5, "room");
	weir_float_gauge_set_with(f, -0.1, "outside");
	weir_float_gauge_set_with(f, (double)NAN, "broken");
	weir_float_gauge_set_with(f, (double)INFINITY, "sun");
	weir_float_gauge_set_with(f, -(double)INFINITY, "void");
	weir_info_create(&i, "build", "What runs.", labels, NULL);
	weir_info_set(i, "v1.2.3");
}

static void make_histograms(void)
{
	static const char *const labels[] = {"route", NULL}, *const constant[] = {"zone", "a", NULL};
	static const uint64_t bounds[] = {1, 1000, 1000000, UINT64_C(5000000000)};
	struct weir_instrument_options slo = {.size = sizeof slo,
	                                      .unit = WEIR_SECONDS,
	                                      .constant = constant,
	                                      .slo_objective_ppm = 995000,
	                                      .slo_threshold = WEIR_MS(200)},
				       plain = {.size = sizeof plain, .bounds = bounds, .bounds_count = 4},
				       wide = {.size = sizeof wide,
	                                       .unit = WEIR_SECONDS,
	                                       .range_lowest = WEIR_MS(1),
	                                       .range_highest = WEIR_MS(8),
	                                       .slo_objective_ppm = 990000,
	                                       .slo_threshold = WEIR_MS(3)};
	const struct weir_histogram *h;

	weir_histogram_create(&h, "http.request.duration", "Time to answer.", labels, &slo);
	weir_histogram_record_with(h, WEIR_MS(200), "/");
	weir_histogram_record_with(h, WEIR_MS(200) + 1, "/");
	weir_histogram_record_with(h, WEIR_S(60), "/");
	weir_histogram_record_with(h, 1, "/a\"b");
	weir_histogram_create(&h, "sizes", "Without a unit.", NULL, &plain);
	for (uint64_t v = 1; v < UINT64_C(10000000000000); v *= 10)
		weir_histogram_record(h, v);
	weir_histogram_create(&h, "wide", "Exponential.", NULL, &wide);
	for (uint64_t v = 100000; v < 20000000; v += 100000)
		weir_histogram_record(h, v);
}

static void put_exemplar(const char *name, uint32_t bucket, uint64_t value, uint64_t time_ns, uint8_t id)
{
	struct weir_ids ids = {.trace_id = {0xab, [15] = id}, .span_id = {0xcd, [7] = id}, .flags = 1};

	for (struct weir__instrument *i = weir__instruments_first(); i != NULL; i = i->next)
		if (strcmp(i->name, name) == 0)
			weir__exemplar_put(i->first->cell, bucket, value, time_ns, &ids);
}

/* Of some first series: seen in OpenMetrics' golden files, and in none of text's. */
static void make_exemplars(void)
{
	put_exemplar("http.requests.total", 0, 2, UINT64_C(1700000000500000000), 1);
	put_exemplar("busy_total", 0, 1500000001, 0, 2);
	put_exemplar("http.request.duration", 6, WEIR_MS(200), UINT64_C(1700000001000000000), 3);
	put_exemplar("http.request.duration", 15, WEIR_S(60), UINT64_C(1700000002000000001), 4);
	put_exemplar("queue-depth", 0, 5, UINT64_C(1700000003000000000), 5); /* a gauge has none */
}

static int make(void **state)
{
	(void)state;
	make_counters();
	make_levels();
	make_histograms();
	make_exemplars();
	return weir_snapshot_new(&snapshot);
}

static int unmake(void **state)
{
	(void)state;
	weir_snapshot_destroy(snapshot);
	return 0;
}

/* ---- golden bytes ------------------------------------------------------------------------------------------------ */

static char *encode(const char *accept, size_t *len)
{
	char *text;

	assert_int_equal(weir_prometheus_encode(snapshot, accept, NULL, 0, len), WEIR_ENOMEM);
	text = malloc(*len + 1);
	assert_int_equal(weir_prometheus_encode(snapshot, accept, text, *len + 1, len), WEIR_OK);
	assert_int_equal(text[*len], '\0');
	return text;
}

/* When a series began is no golden number: it must be one of now. */
static void hide_created(char *text)
{
	for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		char *value = memrchr(line, ' ', (size_t)(end - line)), *name_end = line + strcspn(line, "{ ");
		bool quoted = line[0] == '{';

		if (line[0] == '#' || value == NULL)
			continue;
		if (quoted) /* {"name_created",... */
			name_end = strchr(line + 2, '"');
		if (name_end - line < 8 || strncmp(name_end - 8, "_created", 8) != 0)
			continue;
		if (strtod(value + 1, NULL) > 1.6e9 && strtod(value + 1, NULL) < 1e11) {
			memmove(value + 4, end, strlen(end) + 1); /* shorter: a wall clock's seconds have ten digits */
			memcpy(value + 1, "NOW", 3);
			end = value + 4;
		}
	}
}

static char *golden(const char *name)
{
	const char *root = getenv("WEIR_ROOT");
	char path[4096], *text;
	size_t len;
	FILE *file;

	snprintf(path, sizeof path, "%s/test/golden/prometheus/%s", root != NULL ? root : ".", name);
	file = fopen(path, "re");
	if (file == NULL)
		fail_msg("%s is not there (WEIR_ROOT is the source's root)", path);
	text = malloc(1 << 20);
	len = fread(text, 1, (1 << 20) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static void check_golden(const char *accept, const char *name)
{
	size_t len;
	char *text = encode(accept, &len), *wanted = golden(name);

	hide_created(text);
	for (char *a = text, *b = wanted; *a != '\0' || *b != '\0';) { /* line by line, to tell which */
		size_t a_len = strcspn(a, "\n"), b_len = strcspn(b, "\n");

		if (a_len != b_len || memcmp(a, b, a_len) != 0)
			fail_msg("%s: is %.*s, and not %.*s", name, (int)a_len, a, (int)b_len, b);
		a += a_len + (a[a_len] != '\0');
		b += b_len + (b[b_len] != '\0');
	}
	assert_string_equal(text, wanted);
	free(wanted);
	free(text);
}

static void text_as_written_down(void **state)
{
	(void)state;
	check_golden(NULL, "text.txt");
	check_golden("text/plain;version=1.0.0;escaping=underscores", "text.txt"); /* the same bytes */
	check_golden("text/plain;version=1.0.0;escaping=allow-utf-8", "text_utf8.txt");
	check_golden("text/plain;version=1.0.0;escaping=dots", "text_dots.txt");
	check_golden("text/plain;version=1.0.0;escaping=values", "text_values.txt");
}

static void openmetrics_as_written_down(void **state)
{
	(void)state;
	check_golden("application/openmetrics-text;version=1.0.0", "openmetrics.txt");
	check_golden("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", "openmetrics_utf8.txt");
}

/* ---- what holds for any text ------------------------------------------------------------------------------------- */

static const char *const accepts[] = {
    NULL,
    "text/plain;version=1.0.0;escaping=dots",
    "text/plain;version=1.0.0;escaping=values",
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    "application/openmetrics-text",
    "application/openmetrics-text;escaping=dots",
    "application/openmetrics-text;escaping=values",
    "application/openmetrics-text;escaping=allow-utf-8",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
};
enum { ACCEPTS = sizeof accepts / sizeof *accepts, TEXTS = ACCEPTS - 1 };

static void families_stand_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEXTS; i++) {
		size_t len, families = 0;
		char *text = encode(accepts[i], &len);

		assert_int_equal(text[len - 1], '\n');
		assert_int_equal(strlen(text), len);
		for (char *a = text; (a = strstr(a, "# TYPE ")) != NULL; a++, families++) {
			size_t name = strcspn(a, "\n");
			char line[1024];

			name = strcspn(a + 8, "\" \n") + 8; /* with the quote, if there is one */
			memcpy(line, a, name + 1);
			line[name + 1] = '\0';
			assert_null(strstr(a + 1, line));
		}
		assert_int_equal(families, 14);
		if (i >= 4)
			assert_string_equal(text + len - 6, "# EOF\n");
		free(text);
	}
}

struct sink {
	char *bytes;
	size_t len, room, calls, stop_at;
};

static int take(void *arg, const void *bytes, size_t len)
{
	struct sink *sink = arg;

	if (++sink->calls == sink->stop_at)
		return -1;
	assert_true(sink->len + len <= sink->room);
	memcpy(sink->bytes + sink->len, bytes, len);
	sink->len += len;
	return 0;
}

static void written_as_encoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ACCEPTS; i++) {
		size_t len, short_len;
		char *text = encode(accepts[i], &len), *small;
		struct sink sink = {.bytes = malloc(len), .room = len};

		assert_int_equal(weir_prometheus_write(snapshot, accepts[i], take, &sink), WEIR_OK);
		assert_int_equal(sink.len, len);
		assert_memory_equal(sink.bytes, text, len);
		sink = (struct sink){.bytes = sink.bytes, .room = len, .stop_at = 1};
		assert_int_equal(weir_prometheus_write(snapshot, accepts[i], take, &sink), WEIR_EIO);
		for (size_t size = 1; size < len; size += 97) {
			small = malloc(size);
			assert_int_equal(weir_prometheus_encode(snapshot, accepts[i], small, size, &short_len),
			                 WEIR_ENOMEM);
			assert_int_equal(short_len, len);
			assert_memory_equal(small, text, size);
			free(small);
		}
		small = malloc(len); /* as long as it is: enough */
		assert_int_equal(weir_prometheus_encode(snapshot, accepts[i], small, len, &short_len), WEIR_OK);
		assert_memory_equal(small, text, len);
		free(small);
		free(sink.bytes);
		free(text);
	}
}

/* Samples by name, with every label: "name{...} value" stands there. */
static void overflow_is_seen(void **state)
{
	size_t len;
	char *text = encode(NULL, &len);

	(void)state;
	assert_non_null(strstr(text, "\nhttp_requests_total{otel_metric_overflow=\"true\"} 20\n"));
	free(text);
}

static void content_types(void **state)
{
	(void)state;
	assert_string_equal(weir_prometheus_content_type(NULL), "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(weir_prometheus_content_type("image/png"), "text/plain; version=0.0.4; charset=utf-8");
	assert_non_null(strstr(weir_prometheus_content_type("application/openmetrics-text"), "version=1.0.0"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_as_written_down), cmocka_unit_test(openmetrics_as_written_down),
	    cmocka_unit_test(families_stand_once),  cmocka_unit_test(written_as_encoded),
	    cmocka_unit_test(overflow_is_seen),     cmocka_unit_test(content_types),
	};

	if (argc == 3 && strcmp(argv[1], "--print") == 0) {
		size_t len = 0;
		char *text;

		make(NULL);
		weir_prometheus_encode(snapshot, argv[2], NULL, 0, &len);
		text = malloc(len);
		weir_prometheus_encode(snapshot, argv[2], text, len, &len);
		return fwrite(text, 1, len, stdout) == len ? 0 : 1;
	}
	return cmocka_run_group_tests_name("prom_encode", tests, make, unmake);
}
