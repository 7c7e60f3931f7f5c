/* One of everything that goes by OTLP, sent to OTEL_EXPORTER_OTLP_ENDPOINT, for traces_collector.py, which knows what is
 * recorded here; what only this process knows (ids, and the sums as weir reads them back) is printed, name=value a line.
 * Spans once; metrics twice, each ROUND adding the same. Public API only. */
#include <weir/otlp.h>
#include <weir/weir.h>

#include <stdio.h>
#include <string.h>

WEIR_COUNTER(hits, "values_hits_total", "Hits.", "code");
WEIR_COUNTER_IN(busy, WEIR_SECONDS, "values_busy_seconds_total", "Time at work.");
WEIR_UPDOWN(open_now, "values_open", "Open now.");
WEIR_GAUGE(level, "values_level", "A level.");
WEIR_FLOAT_GAUGE(ratio, "values_ratio", "A ratio.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES, WEIR_BOUNDS(10, 100, 1000)), "values_size_bytes", "Sizes.");
WEIR_HISTOGRAM(times, WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))), "values_time_seconds", "Times.", "route");
WEIR_OBSERVED_COUNTER(observed_sum, "values_observed_total", "Reported sums.");
WEIR_OBSERVED_GAUGE(observed_level, "values_observed_level", "Reported levels.", "k");
WEIR_INFO(build, "values_build_info", "What it is.", "version");

static const struct weir_str strs[] = {{"one", 3}, {"", 0}, {"zw\xc3\xb6lf", 6}};
static const bool bools[] = {true, false, true};
static const int64_t ints[] = {0, -1, INT64_MAX, INT64_MIN};
static const double doubles[] = {0.0, -0.5, 1e308};
#define LIST(array) ((struct weir_list){array, sizeof(array) / sizeof *(array)})

static void say_ids(const char *name, struct weir_ids ids)
{
	char trace[33], span[17];

	weir_ids_hex(&ids, trace, span);
	printf("%s=%s:%s\n", name, trace, span);
}

/* ---- spans ------------------------------------------------------------------------------------------------------- */

static void every_attribute(struct weir_ctx *ctx)
{
	const struct weir_attr some[] = {weir_attr_str("e.string", "in an event"), weir_attr_ints("e.ints", LIST(ints)),
	                                 weir_attr_bool("e.bool", true)};
	static char buffer[8192];
	struct weir_span_options o = {.size = sizeof o, .buffer = buffer, .buffer_size = sizeof buffer};
	struct weir_ids other = {.trace_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, .span_id = {1, 1, 2, 3, 5, 8, 13, 21},
	                         .flags = 1};
	struct weir_span span;

	weir_span_begin_opts(&span, ctx, WEIR_SERVER, "every attribute", &o);
	weir_span_set_with(&span, weir_attr_str("a.string", "gr\xc3\xbc\xc3\x9f"), weir_attr_str("a.empty", ""),
	                   weir_attr_bool("a.true", true), weir_attr_bool("a.false", false), weir_attr_int("a.int", -42),
	                   weir_attr_int("a.most", INT64_MAX), weir_attr_double("a.double", 2.5), weir_attr_double("a.zero", 0.0));
	weir_span_set_with(&span, weir_attr_bytes("a.bytes", weir_str_n("\0\xff\n\x80", 4)), weir_attr_strs("a.strings", LIST(strs)),
	                   weir_attr_bools("a.bools", LIST(bools)), weir_attr_ints("a.ints", LIST(ints)),
	                   weir_attr_doubles("a.doubles", LIST(doubles)), weir_attr_strs("a.no_strings", (struct weir_list){NULL, 0}),
	                   weir_attr_ints("a.no_ints", (struct weir_list){NULL, 0}), weir_attr_str("a.replaced", "old"));
	weir_span_set_with(&span, weir_attr_int("a.replaced", 7));
	weir_span_event(&span, "bare event");
	weir_span_event_attrs(&span, "full event", (struct weir_attrs){some, 3});
	weir_span_event_at(&span, "early event", UINT64_C(1700000000000000001), (struct weir_attrs){NULL, 0});
	weir_span_link(&span, other);
	weir_span_link_attrs(&span, other, (struct weir_attrs){some, 3});
	say_ids("every", weir_span_ids(&span));
	weir_span_end(&span);
}

static void kinds_and_statuses(struct weir_ctx *ctx)
{
	static const char *const names[] = {"", "kind internal", "kind server", "kind client", "kind producer", "kind consumer"};
	struct weir_span_options timed = {.size = sizeof timed, .start_ns = UINT64_C(1700000000000000000)};
	struct weir_span span;

	for (int kind = WEIR_INTERNAL; kind <= WEIR_CONSUMER; kind++) {
		weir_span_begin(&span, ctx, (enum weir_span_kind)kind, names[kind]);
		if (kind == WEIR_CLIENT)
			weir_span_fail(&span, "no route");
		if (kind == WEIR_PRODUCER)
			weir_span_ok(&span);
		weir_span_end(&span);
	}
	weir_span_begin_opts(&span, ctx, WEIR_INTERNAL, "given times", &timed);
	weir_span_end_at(&span, UINT64_C(1700000000001500000));
}

/* The environment's limits are 20 attributes, 3 events, 2 links, 4 attributes of an event. */
static void what_does_not_fit(struct weir_ctx *ctx)
{
	static const char *const keys[] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11", "k12",
	                                   "k13", "k14", "k15", "k16", "k17", "k18", "k19", "k20", "k21", "k22", "k23", "k24"};
	static char buffer[16384], large[600];
	struct weir_span_options o = {.size = sizeof o, .buffer = buffer, .buffer_size = sizeof buffer};
	struct weir_attr attrs[25];
	struct weir_ids other = {.trace_id = {9}, .span_id = {9}};
	struct weir_span span;

	for (int i = 0; i < 25; i++)
		attrs[i] = weir_attr_int(keys[i], i);
	weir_span_begin_opts(&span, ctx, WEIR_INTERNAL, "over the limits", &o);
	weir_span_set_attrs(&span, (struct weir_attrs){attrs, 25});
	for (int i = 0; i < 5; i++)
		weir_span_event_attrs(&span, "again and again", (struct weir_attrs){attrs, i == 0 ? 6 : 0});
	for (int i = 0; i < 4; i++)
		weir_span_link(&span, other);
	weir_span_end(&span);
	memset(large, 'x', sizeof large - 1);
	weir_span_begin(&span, ctx, WEIR_INTERNAL, "over its memory");
	weir_span_set_with(&span, weir_attr_str("small", "fits"), weir_attr_str("large", large));
	weir_span_end(&span);
}

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

static void observe(struct weir_observer *observer, void *arg)
{
	(void)arg;
	weir_observer_report(observer, &observed_sum, 77);
	weir_observer_report_with(observer, &observed_level, -3, "left");
	weir_observer_report_float_values(observer, &observed_level, 0.25, &(struct weir_str){"right", 5}, 1);
}

static void measure(void)
{
	struct weir_counter_series ok = weir_counter_with(&hits, "200");
	struct weir_histogram_series route = weir_histogram_with(&times, "/a");
	struct weir_span span;
	struct weir_ctx ctx;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "exemplary request");
	say_ids("exemplary", weir_span_ids(&span));
	weir_counter_series_add_ctx(ok, 5, &ctx);
	weir_histogram_record_values(&sizes, 50, &ctx, NULL, 0);
	weir_counter_add_with(&hits, 2, "500");
	weir_counter_add(&busy, UINT64_C(1500000000));
	weir_updown_add(&open_now, -3);
	weir_gauge_set(&level, -9);
	weir_float_gauge_set(&ratio, 0.75);
	weir_histogram_record(&sizes, 10);
	weir_histogram_record(&sizes, 5000);
	weir_info_set(&build, "1.2.3");
	weir_histogram_series_record(route, 1);                          /* below the range: the zero bucket */
	weir_histogram_series_record(route, UINT64_C(3000000));          /* 3 ms */
	weir_histogram_series_record(route, UINT64_C(1000000000));       /* 1 s: on a bound */
	printf("duration=%llu\n", (unsigned long long)weir_span_end_record_series(&span, route));
	weir_ctx_end(&ctx);
}

static void say_sums(void)
{
	struct weir_distribution d = weir_histogram_series_read(weir_histogram_with(&times, "/a"));
	struct weir_distribution s = weir_histogram_read(&sizes);
	struct weir_status status = {.size = sizeof status};

	weir_status_read(&status);
	printf("hits_200=%llu\nhits_500=%llu\nbusy=%llu\nopen=%lld\nlevel=%lld\nratio=%g\n",
	       (unsigned long long)weir_counter_series_read(weir_counter_with(&hits, "200")),
	       (unsigned long long)weir_counter_series_read(weir_counter_with(&hits, "500")),
	       (unsigned long long)weir_counter_read(&busy), (long long)weir_updown_read(&open_now), (long long)weir_gauge_read(&level),
	       weir_float_gauge_read(&ratio));
	printf("times_count=%llu\ntimes_sum=%llu\nsizes_count=%llu\nsizes_sum=%llu\n", (unsigned long long)d.count,
	       (unsigned long long)d.sum_low, (unsigned long long)s.count, (unsigned long long)s.sum_low);
	printf("spans_ended=%llu\nspans_exported=%llu\ndropped_spans=%llu\ndropped_records=%llu\n",
	       (unsigned long long)status.spans_ended, (unsigned long long)status.spans_exported,
	       (unsigned long long)status.dropped_spans, (unsigned long long)status.dropped_records);
}

int main(void)
{
	static const struct weir_header headers[] = {
	    {{"traceparent", 11}, {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", 55}},
	    {{"tracestate", 10}, {"vendor=abc,other=1", 18}}};
	const struct weir_attr extra[] = {weir_attr_int("answer", 42), weir_attr_strs("of.strings", LIST(strs)),
	                                  weir_attr_double("of.double", 0.5), weir_attr_bool("of.bool", true)};
	struct weir_options w = {.size = sizeof w, .service_name = "values", .service_version = "9.8.7", .resource = {extra, 4}};
	struct weir_otlp_options o = {.size = sizeof o, .interval_ns = WEIR_S(3600)};
	struct weir_callback *callback;
	struct weir_ctx ctx;

	if (weir_init(&w) != WEIR_OK || weir_otlp_start(&o) != WEIR_OK || weir_callback_new(&callback, observe, NULL) != WEIR_OK)
		return 2;
	weir_ctx_begin(&ctx, headers, 2);
	every_attribute(&ctx);
	kinds_and_statuses(&ctx);
	what_does_not_fit(&ctx);
	weir_ctx_end(&ctx);
	for (int round = 0; round < 2; round++) {
		measure();
		if (weir_flush(WEIR_S(10)) != WEIR_OK)
			return 3;
	}
	say_sums();
	return weir_shutdown(WEIR_S(10)) == WEIR_OK ? 0 : 4;
}
