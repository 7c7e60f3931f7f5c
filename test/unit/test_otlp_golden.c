/* Golden bytes: a request of each kind, from values made by hand, against test/golden/otlp/NAME.bin, and what protoc reads in
 * them against NAME.txt (by our .proto) and NAME.raw.txt (by none). WEIR_WRITE_GOLDEN=1 writes the three anew. */
#define _GNU_SOURCE
#include "encode_attr.h"
#include "encode_point.h"
#include "encode_span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[1024], proto[1024];

static char *read_all(FILE *file, size_t *len)
{
	size_t room = 1 << 20;
	char *text = malloc(room);

	assert_non_null(file);
	*len = fread(text, 1, room, file);
	assert_true(*len < room);
	return text;
}

/* The file holds that; or is made to. */
static void same_as(const char *name, const char *suffix, const char *bytes, size_t len)
{
	char path[1200], *wanted;
	size_t wanted_len;
	FILE *file;

	snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
	if (getenv("WEIR_WRITE_GOLDEN") != NULL) {
		file = fopen(path, "w");
		assert_non_null(file);
		fwrite(bytes, 1, len, file);
		fclose(file);
		return;
	}
	file = fopen(path, "r");
	wanted = read_all(file, &wanted_len);
	fclose(file);
	assert_int_equal(len, wanted_len);
	assert_memory_equal(bytes, wanted, len);
	free(wanted);
}

static void same_by_protoc(const char *name, const char *suffix, const char *how)
{
	char command[4096], *text;
	size_t len;
	FILE *pipe;

	snprintf(command, sizeof command, "protoc %s <%s/%s.bin", how, folder, name);
	pipe = popen(command, "r");
	text = read_all(pipe, &len);
	assert_int_equal(pclose(pipe), 0);
	same_as(name, suffix, text, len);
	free(text);
}

static void check(const char *name, const char *message, struct weir__otlp_bytes *b)
{
	char how[2048];

	assert_false(b->failed);
	same_as(name, ".bin", (const char *)b->start, weir__otlp_used(b));
	weir__otlp_bytes_free(b);
	if (system("command -v protoc >/dev/null") != 0) {
		print_message("no protoc: the bytes alone were compared\n");
		return;
	}
	snprintf(how, sizeof how, "--decode=weir.otlp.%s --proto_path=%s otlp.proto", message, proto);
	same_by_protoc(name, ".txt", how);
	same_by_protoc(name, ".raw.txt", "--decode_raw");
}

static const struct weir_attr resource[] = {{.key = {"service.name", 12}, .type = WEIR_ATTR_STR, .as.str = {"shop", 4}}};

static void spans(void **state)
{
	static const struct weir_str strs[] = {{"a", 1}, {"", 0}};
	static const bool bools[] = {true, false};
	static const int64_t ints[] = {0, -1, INT64_MAX};
	static const double doubles[] = {0.5, -2};
	struct weir_attr attrs[] = {
	    weir_attr_str("http.route", "/orders/{id}"),
	    weir_attr_str("broken", "a\xff"),
	    weir_attr_bool("flag", true),
	    weir_attr_int("http.response.status_code", 500),
	    weir_attr_int("negative", INT64_MIN),
	    weir_attr_double("ratio", 0.25),
	    weir_attr_bytes("raw", weir_str_n("\0\xff", 2)),
	    weir_attr_strs("strs", (struct weir_list){strs, 2}),
	    weir_attr_bools("bools", (struct weir_list){bools, 2}),
	    weir_attr_ints("ints", (struct weir_list){ints, 3}),
	    weir_attr_doubles("doubles", (struct weir_list){doubles, 2}),
	};
	struct weir_event event = {.name = weir_str_of("retry"), .time_ns = 1700000000500000000, .dropped_attrs = 1,
	                           .attrs = {attrs, 1}};
	struct weir_link link = {.ids = {.trace_id = {9}, .span_id = {8}, .flags = 1}, .attrs = {attrs + 2, 1}};
	uint64_t link_dropped = 2;
	struct weir_ended child = {.ids = {.trace_id = {1, 2, 3}, .span_id = {4, 5}, .flags = 3}, .parent_id = {6},
	                           .remote_parent = true, .failed = true, .kind = WEIR_SERVER, .status = WEIR_STATUS_ERROR,
	                           .name = weir_str_of("GET /orders/{id}"), .failure = weir_str_of("no stock"),
	                           .tracestate = weir_str_of("ot=th:8"), .start_ns = 1700000000000000000,
	                           .end_ns = 1700000001000000000, .attrs = {attrs, sizeof attrs / sizeof *attrs},
	                           .events = &event, .links = &link, .links_dropped_attrs = &link_dropped, .events_count = 1,
	                           .links_count = 1, .dropped_attrs = 3, .dropped_events = 4, .dropped_links = 5};
	struct weir_ended root = {.ids = {.trace_id = {1}, .span_id = {2}, .flags = 1}, .kind = WEIR_INTERNAL,
	                          .name = weir_str_of("root"), .start_ns = 1, .end_ns = 2};
	struct weir__otlp_bytes b = {0};
	struct weir__otlp_request request = weir__otlp_request_open(&b, (struct weir_attrs){resource, 1});

	(void)state;
	weir__otlp_put_span(&b, &child);
	weir__otlp_put_span(&b, &root);
	weir__otlp_request_close(&b, &request);
	check("spans", "ExportTraceServiceRequest", &b);
}

static void put_metric(struct weir__otlp_bytes *b, const char *name, enum weir_kind kind, enum weir_unit unit, double divisor,
                       const struct weir_series *s, bool is_delta)
{
	static const char *const labels[] = {"method"};
	struct weir_family f = {.name = name, .help = "Help.", .kind = kind, .unit = unit, .divisor = divisor,
	                        .labels = labels, .labels_count = 1};
	struct weir__otlp_metric metric;

	assert_true(weir__otlp_metric_open(b, &metric, &f, s->exponential, is_delta));
	weir__otlp_put_point(b, &metric, &f, s, 2000000000);
	weir__otlp_metric_close(b, &metric, &f);
}

static void metrics(void **state)
{
	static const struct weir_str get = {"GET", 3};
	static const uint64_t bounds[] = {5000000, 250000000}, buckets[] = {1, 0, 4}, exponential[] = {1, 2, 0, 3, 1};
	static const uint64_t exponential_bounds[] = {1000000000, 2000000000, 4000000000, 8000000000};
	struct weir_exemplar x = {.value = 300000000, .time_ns = 1500000000, .bucket = 2, .ids = {.trace_id = {7}, .span_id = {8}}};
	struct weir_series s = {.values = &get, .start_ns = 1000000000, .count = 12, .level = -3, .real = 0.5};
	struct weir_series h = {.values = &get, .start_ns = 1000000000, .sum_low = 2500000000, .bounds = bounds,
	                        .buckets = buckets, .buckets_count = 3, .exemplars = &x, .exemplars_count = 1};
	struct weir_series e = {.values = &get, .start_ns = 1000000000, .sum_low = 9, .sum_high = 1, .exponential = true,
	                        .bounds = exponential_bounds, .buckets = exponential, .buckets_count = 5};
	struct weir_series over = {.count = 4, .overflow = true};
	struct weir__otlp_bytes b = {0};
	struct weir__otlp_request request = weir__otlp_request_open(&b, (struct weir_attrs){resource, 1});

	(void)state;
	put_metric(&b, "counter", WEIR_COUNTER_KIND, WEIR_ONE, 1, &s, false);
	put_metric(&b, "counter.delta", WEIR_COUNTER_KIND, WEIR_BYTES, 1, &s, true);
	put_metric(&b, "counter.overflow", WEIR_COUNTER_KIND, WEIR_ONE, 1, &over, false);
	put_metric(&b, "busy", WEIR_OBSERVED_COUNTER_KIND, WEIR_SECONDS, 1e9, &s, false);
	put_metric(&b, "updown", WEIR_UPDOWN_KIND, WEIR_ONE, 1, &s, false);
	put_metric(&b, "gauge", WEIR_GAUGE_KIND, WEIR_RATIO, 1e6, &s, false);
	put_metric(&b, "info", WEIR_INFO_KIND, WEIR_ONE, 1, &s, false);
	put_metric(&b, "histogram", WEIR_HISTOGRAM_KIND, WEIR_SECONDS, 1e9, &h, false);
	put_metric(&b, "exponential", WEIR_HISTOGRAM_KIND, WEIR_SECONDS, 1e9, &e, true);
	s.floating = true;
	put_metric(&b, "float", WEIR_FLOAT_GAUGE_KIND, WEIR_ONE, 1, &s, false);
	weir__otlp_request_close(&b, &request);
	check("metrics", "ExportMetricsServiceRequest", &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(spans), cmocka_unit_test(metrics)};
	const char *root = getenv("WEIR_ROOT") != NULL ? getenv("WEIR_ROOT") : ".";

	snprintf(folder, sizeof folder, "%s/test/golden/otlp", root);
	snprintf(proto, sizeof proto, "%s/exporters/otlp", root);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
