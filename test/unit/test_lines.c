/* Unit: src/lines.c: a snapshot as lines, to the byte. */
#define _GNU_SOURCE
#include "observe.h"

#include <weir/exporter.h>
#include <weir/metric.h>

#include <math.h>

#include "alone.h"

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OPTIONS(...) (&(struct weir_instrument_options){.size = sizeof(struct weir_instrument_options), __VA_ARGS__})

struct text {
	char bytes[1 << 16];
	size_t used, writes, stop_at; /* stop_at: the write that is refused; 0: none */
};

static int gather(void *arg, const void *bytes, size_t len)
{
	struct text *t = arg;

	assert_true(len > 0 && t->used + len < sizeof t->bytes);
	memcpy(t->bytes + t->used, bytes, len);
	t->used += len;
	t->bytes[t->used] = '\0';
	return ++t->writes == t->stop_at ? -1 : 0;
}

static struct text written;
static const char *lines(void)
{
	struct weir_snapshot *snapshot;

	memset(&written, 0, sizeof written);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_int_equal(weir_snapshot_write(snapshot, gather, &written), WEIR_OK);
	weir_snapshot_destroy(snapshot);
	return written.bytes;
}

ALONE(nothing_is_no_line)
{
	assert_string_equal(lines(), "");
}

ALONE(numbers_of_every_kind)
{
	const struct weir_counter *c, *seconds;
	const struct weir_updown *u;
	const struct weir_gauge *g, *share;
	const struct weir_float_gauge *f;
	const struct weir_info *i;

	assert_int_equal(weir_counter_create(&c, "c_total", "Help.", NULL, NULL), WEIR_OK);
	assert_int_equal(weir_counter_create(&seconds, "s_total", "Help.", NULL, OPTIONS(.unit = WEIR_SECONDS)),
	                 WEIR_OK);
	assert_int_equal(weir_updown_create(&u, "u", "Help.", LABELS("a"), NULL), WEIR_OK);
	assert_int_equal(weir_gauge_create(&g, "g", "Help.", LABELS("a"), OPTIONS(.unit = WEIR_SECONDS)), WEIR_OK);
	assert_int_equal(weir_gauge_create(&share, "r", "Help.", NULL, OPTIONS(.unit = WEIR_RATIO)), WEIR_OK);
	assert_int_equal(weir_float_gauge_create(&f, "f", "Help.", LABELS("a"), NULL), WEIR_OK);
	assert_int_equal(weir_info_create(&i, "i", "Help.", LABELS("v"), NULL), WEIR_OK);
	weir_counter_add(c, UINT64_MAX);
	weir_counter_add(seconds, 1500000001);
	weir_updown_add_with(u, -1, "1");
	weir_updown_add_with(u, INT64_MIN, "2");
	weir_updown_add_with(u, INT64_MAX, "3");
	weir_updown_add_with(u, 0, "4");
	weir_gauge_set_with(g, -1, "1");
	weir_gauge_set_with(g, -2000000000, "2");
	weir_gauge_set_with(g, INT64_MIN, "3");
	weir_gauge_set(share, 995000);
	weir_float_gauge_set_with(f, 0.1, "1");
	weir_float_gauge_set_with(f, -1e300, "2");
	weir_float_gauge_set_with(f, (double)INFINITY, "3");
	weir_float_gauge_set_with(f, -(double)INFINITY, "4");
	weir_float_gauge_set_with(f, (double)NAN, "5");
	weir_float_gauge_set_with(f, 3, "6");
	weir_info_set(i, "1.2");
	assert_string_equal(lines(), "c_total 18446744073709551615\n"
	                             "s_total 1.500000001\n"
	                             "u{a=\"1\"} -1\n"
	                             "u{a=\"2\"} -9223372036854775808\n"
	                             "u{a=\"3\"} 9223372036854775807\n"
	                             "u{a=\"4\"} 0\n"
	                             "g{a=\"1\"} -0.000000001\n"
	                             "g{a=\"2\"} -2\n"
	                             "g{a=\"3\"} -9223372036.854775808\n"
	                             "r 0.995\n"
	                             "f{a=\"1\"} 0.1\n"
	                             "f{a=\"2\"} -1e+300\n"
	                             "f{a=\"3\"} +Inf\n"
	                             "f{a=\"4\"} -Inf\n"
	                             "f{a=\"5\"} NaN\n"
	                             "f{a=\"6\"} 3\n"
	                             "i{v=\"1.2\"} 1\n");
}

static const struct weir_observed *seen[2];
static void observe(struct weir_observer *o, void *arg)
{
	(void)arg;
	weir_observer_report(o, seen[0], 7);
	weir_observer_report_float(o, seen[1], -0.25);
}

ALONE(what_is_observed)
{
	struct weir_callback *callback;

	assert_int_equal(weir_observed_create(&seen[0], WEIR_OBSERVED_COUNTER_KIND, "oc", "Help.", NULL, NULL),
	                 WEIR_OK);
	assert_int_equal(weir_observed_create(&seen[1], WEIR_OBSERVED_GAUGE_KIND, "og", "Help.", NULL,
	                                      OPTIONS(.unit = WEIR_SECONDS)),
	                 WEIR_OK);
	assert_int_equal(weir_callback_new(&callback, observe, NULL), WEIR_OK);
	assert_string_equal(lines(), "");
	assert_true(weir__callbacks_run());
	assert_string_equal(lines(), "oc 7\nog -0.25\n");
}

ALONE(values_are_escaped_and_labels_in_order)
{
	const struct weir_counter *c;

	assert_int_equal(weir_counter_create(&c, "http.requests/total", "Help.", LABELS("b.c", "a"),
	                                     OPTIONS(.constant = LABELS("z", "\"1\"\n", "y", ""), .max_series = 2)),
	                 WEIR_OK);
	weir_counter_add_with(c, 1, "say \"hi\"\\\n", "");
	weir_counter_add_with(c, 2, "\xe2\x82\xac", "a\xff" "b");
	weir_counter_add_with(c, 4, "over", "flow");
	assert_string_equal(lines(),
	                    "http.requests/total{z=\"\\\"1\\\"\\n\",y=\"\",b.c=\"say \\\"hi\\\"\\\\\\n\",a=\"\"} 1\n"
	                    "http.requests/total{z=\"\\\"1\\\"\\n\",y=\"\",b.c=\"\xe2\x82\xac\",a=\"a\xef\xbf\xbd"
	                    "b\"} 2\n"
	                    "http.requests/total{z=\"\\\"1\\\"\\n\",y=\"\",otel_metric_overflow=\"true\"} 4\n");
}

ALONE(a_histogram_is_cumulative_and_its_sum_has_128_bits)
{
	struct weir_instrument_options o = {
	    .size = sizeof o, .unit = WEIR_SECONDS, .bounds = (const uint64_t[]){500, 1000000000}, .bounds_count = 2};
	const struct weir_histogram *h, *b;

	assert_int_equal(weir_histogram_create(&h, "h_seconds", "Help.", NULL, &o), WEIR_OK);
	o.unit = WEIR_ONE;
	o.bounds_count = 1;
	assert_int_equal(weir_histogram_create(&b, "b", "Help.", LABELS("a"), &o), WEIR_OK);
	for (int i = 0; i < 5; i++) {
		weir_histogram_record(h, INT64_MAX);
		lines();
	}
	weir_histogram_record(h, 500);
	weir_histogram_record(h, 501);
	weir_histogram_record_with(b, 1, "x");
	weir_histogram_record_with(b, 1000, "x");
	/* 5 * (2^63 - 1) + 1001 = 46116860184273880036 */
	assert_string_equal(lines(), "h_seconds_bucket{le=\"0.0000005\"} 1\n"
	                             "h_seconds_bucket{le=\"1\"} 2\n"
	                             "h_seconds_bucket{le=\"+Inf\"} 7\n"
	                             "h_seconds_sum 46116860184.273880036\n"
	                             "h_seconds_count 7\n"
	                             "b_bucket{a=\"x\",le=\"500\"} 1\n"
	                             "b_bucket{a=\"x\",le=\"+Inf\"} 2\n"
	                             "b_sum{a=\"x\"} 1001\n"
	                             "b_count{a=\"x\"} 2\n");
}

static void many_lines(void)
{
	const struct weir_counter *c;
	static char value[1025];

	assert_int_equal(weir_counter_create(&c, "long", "Help.", LABELS("a"), NULL), WEIR_OK);
	memset(value, 'x', 1024);
	for (int i = 0; i < 20; i++) {
		value[i] = 'y';
		weir_counter_add_with(c, 1, value);
	}
}

ALONE(a_write_that_stops_is_asked_no_more)
{
	struct weir_snapshot *snapshot;
	struct text *t = &written;
	size_t writes;

	many_lines();
	lines();
	writes = written.writes;
	assert_true(writes > 10);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	for (size_t stop = 1; stop <= writes; stop++) {
		memset(t, 0, sizeof *t);
		t->stop_at = stop;
		assert_int_equal(weir_snapshot_write(snapshot, gather, t), WEIR_EIO);
		assert_int_equal(t->writes, stop);
	}
	memset(t, 0, sizeof *t);
	t->stop_at = writes + 1;
	assert_int_equal(weir_snapshot_write(snapshot, gather, t), WEIR_OK);
	weir_snapshot_destroy(snapshot);
}

ALONE(no_bytes_are_lost_between_writes)
{
	size_t at = 0, count = 0;

	many_lines();
	lines();
	for (; at < written.used; count++) {
		assert_int_equal(strncmp(written.bytes + at, "long{a=\"", 8), 0);
		assert_int_equal(strspn(written.bytes + at + 8, "xy"), 1024);
		assert_int_equal(strncmp(written.bytes + at + 8 + 1024, "\"} 1\n", 5), 0);
		at += 8 + 1024 + 5;
	}
	assert_int_equal(at, written.used);
	assert_int_equal(count, 20);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nothing_is_no_line),
	cmocka_unit_test(numbers_of_every_kind),
	cmocka_unit_test(what_is_observed),
	cmocka_unit_test(values_are_escaped_and_labels_in_order),
	cmocka_unit_test(a_histogram_is_cumulative_and_its_sum_has_128_bits),
	cmocka_unit_test(a_write_that_stops_is_asked_no_more),
	cmocka_unit_test(no_bytes_are_lost_between_writes),
};
ALONE_MAIN(tests)
