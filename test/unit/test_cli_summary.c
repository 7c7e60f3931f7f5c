/* src/cli/look.c, groups.c, requests.c, summary.c and watch_value.c: two looks at a segment made by hand, and what is made of them. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/measure.h"
#include "../../src/cli/summary.h"
#include "../../src/cli/watch_value.h"
#include "made_looks.h"

#include <math.h>

enum { MS = 1000000 };

static const uint64_t bounds[] = {10 * MS, 100 * MS, 1000 * MS};

/* A service by the semantic conventions: a histogram that says how requests ended, a client's, and a counter that means nothing. */
static struct made conventions(void)
{
	static const char *const labels[] = {"http.request.method", "http.route", "http.response.status_code", "url.scheme", NULL};
	struct made m = made_new(0);

	made_labelled(&m, 1, 5, 1, "http.client.request.duration", (const char *const[]){"server.address", "error.type", NULL}, bounds, 3, 0, 0);
	made_labelled(&m, 2, 5, 1, "http.server.request.duration", labels, bounds, 3, 990000, 100 * MS);
	made_labelled(&m, 3, 1, 0, "cache_hits_total", (const char *const[]){"cache", NULL}, NULL, 0, 0, 0);
	made_valued(&m, 2, 512, 5, (const char *const[]){"GET", "/a", "200", "http", NULL}, 0);
	made_valued(&m, 2, 517, 5, (const char *const[]){"GET", "/a", "200", "https", NULL}, 0);
	made_valued(&m, 2, 522, 5, (const char *const[]){"GET", "/a", "503", "https", NULL}, 0);
	made_valued(&m, 2, 527, 5, (const char *const[]){"POST", "/a", "404", "https", NULL}, 0);
	made_valued(&m, 1, 532, 5, (const char *const[]){"db", "timeout", NULL}, 0);
	made_valued(&m, 3, 537, 1, (const char *const[]){"x", NULL}, 0);
	made_cells_page(&m, WEIR_PAGE_CELLS, 1);
	return m;
}

static uint64_t *cell(struct made *m, uint32_t n)
{
	return &made_cells(m, made_block(m, 1)->first)[n - 512];
}

/* So many values into a bucket of a histogram. */
static void put(struct made *m, uint32_t first, int bucket, uint64_t count)
{
	*cell(m, first + 1 + (uint32_t)bucket) += count;
}

static const struct row *row(const struct rows *rows, const char *name)
{
	for (size_t n = 0; n < rows->count; n++)
		if (strcmp(rows_name(rows, &rows->list[n]), name) == 0)
			return &rows->list[n];
	print_message("there is no row %s\n", name);
	fail();
	return NULL;
}

static void near(double v, double wanted)
{
	if (!(fabs(v - wanted) <= 1e-6 * fabs(wanted) + 1e-12))
		print_message("%g, not %g\n", v, wanted);
	assert_true(fabs(v - wanted) <= 1e-6 * fabs(wanted) + 1e-12);
}

static void test_rates_shares_and_quantiles_of_an_interval(void **unused)
{
	struct made m = conventions();
	struct look before = {.at_s = 0}, now = {.at_s = 0};
	struct summary s;

	(void)unused;
	put(&m, 512, 0, 1000); /* before: they do not count in the interval */
	put(&m, 522, 2, 9);
	made_look(&before, &m, 10);
	put(&m, 512, 0, 60);
	put(&m, 517, 1, 30);
	put(&m, 522, 3, 10);
	put(&m, 527, 0, 20);
	put(&m, 532, 0, 5);
	made_look(&now, &m, 12);
	assert_true(summary_make(&s, &before, &now, 100, false, false));
	assert_false(s.since_start);
	near(s.span_s, 2);
	assert_string_equal(s.groups.main->latency->name.ptr, "http.server.request.duration");
	assert_int_equal(s.requests.count, 3);
	near(row(&s.requests, "GET /a")->columns[COLUMN_RATE], 50);
	near(row(&s.requests, "GET /a")->columns[COLUMN_ERRORS], 0.1);
	near(row(&s.requests, "GET /a")->columns[COLUMN_REFUSED], 0);
	near(row(&s.requests, "GET /a")->columns[COLUMN_P50], 0.008333334); /* rank 50 of 60 in 10 ms, to its nanosecond */
	near(row(&s.requests, "GET /a")->columns[COLUMN_P99], -1); /* above all bounds */
	near(row(&s.requests, "GET /a")->columns[COLUMN_GOOD], 1090.0 / 1109);
	near(row(&s.requests, "GET /a")->columns[COLUMN_BUDGET], 1 - (19.0 / 1109) / 0.01);
	near(row(&s.requests, "POST /a")->columns[COLUMN_REFUSED], 1);
	near(row(&s.requests, "http_client_request_duration")->columns[COLUMN_ERRORS], 1);
	near(s.total.columns[COLUMN_RATE], 60);
	near(s.total.columns[COLUMN_ERRORS], 10.0 / 120);
	near(s.burn, 10.0 / 120 / 0.01);
	assert_int_equal(s.tenants.count, 0);
	summary_free(&s);

	assert_true(summary_make(&s, &before, &now, 100, true, false)); /* since the start */
	assert_true(s.since_start);
	near(row(&s.requests, "GET /a")->columns[COLUMN_RATE], 11.09);
	near(row(&s.requests, "GET /a")->columns[COLUMN_ERRORS], 19.0 / 1109);
	summary_free(&s);
	look_free(&before);
	look_free(&now);
	free(m.base);
}

/* As with Prometheus' client libraries: the histogram by route, its counter by method, route and code. */
static void test_a_counter_says_how_they_ended(void **unused)
{
	struct made m = made_new(0);
	struct look now = {.at_s = 0};
	struct summary s;

	(void)unused;
	made_labelled(&m, 1, 1, 0, "http_requests_total", (const char *const[]){"method", "route", "code", NULL}, NULL, 0, 0, 0);
	made_labelled(&m, 2, 1, 0, "jobs_total", (const char *const[]){"status", NULL}, NULL, 0, 0, 0);
	made_labelled(&m, 3, 5, 1, "http_request_duration_seconds", (const char *const[]){"route", NULL}, bounds, 3, 0, 0);
	made_labelled(&m, 4, 3, 0, "http_requests_in_flight", (const char *const[]){NULL}, NULL, 0, 0, 0);
	made_valued(&m, 1, 512, 1, (const char *const[]){"GET", "/a", "200", NULL}, 0);
	made_valued(&m, 1, 513, 1, (const char *const[]){"PUT", "/a", "500", NULL}, 0);
	made_valued(&m, 2, 514, 1, (const char *const[]){"failed", NULL}, 0);
	made_valued(&m, 2, 515, 1, (const char *const[]){"done", NULL}, 0);
	made_valued(&m, 3, 516, 5, (const char *const[]){"/a", NULL}, 0);
	made_valued(&m, 3, 521, 5, NULL, 0);
	made_valued(&m, 4, 526, 1, (const char *const[]){NULL}, 0);
	made_cells_page(&m, WEIR_PAGE_CELLS, 1);
	*cell(&m, 512) = 30;
	*cell(&m, 513) = 10;
	*cell(&m, 514) = 1;
	*cell(&m, 515) = 3;
	*cell(&m, 526) = 7;
	put(&m, 516, 1, 40);
	put(&m, 521, 1, 2);
	made_look(&now, &m, 12);
	assert_true(summary_make(&s, &(struct look){.at_s = 0}, &now, 10, false, true));
	near(row(&s.requests, "/a")->columns[COLUMN_RATE], 4);
	near(row(&s.requests, "/a")->columns[COLUMN_ERRORS], 0.25);
	near(row(&s.requests, "(all others)")->columns[COLUMN_RATE], 0.2);
	near(row(&s.requests, "jobs")->columns[COLUMN_ERRORS], 0.25); /* a counter alone */
	assert_true(isnan(row(&s.requests, "jobs")->columns[COLUMN_P99]));
	near(s.in_flight, 7);
	near(row(&s.series, "http_requests_total{method=\"PUT\",route=\"/a\",code=\"500\"}")->columns[COLUMN_VALUE], 10);
	near(row(&s.series, "http_request_duration_seconds{(all others)}")->columns[COLUMN_VALUE], 2);
	summary_free(&s);
	look_free(&now);
	free(m.base);
}

/* Who asked: by a claim, whatever its label is called; and the series of one turn is not compared with that of another. */
static void test_tenants_by_claims_and_turns(void **unused)
{
	struct made m = made_new(0);
	struct look before = {.at_s = 0}, now = {.at_s = 0};
	struct weir_segment_claim_series *second;
	struct summary s;

	(void)unused;
	made_labelled(&m, 1, 5, 1, "shop_duration", (const char *const[]){"shop", NULL}, bounds, 3, 0, 0);
	made_labelled(&m, 2, 1, 0, "shop_requests_total", (const char *const[]){"code", "shop", NULL}, NULL, 0, 0, 0);
	made_valued(&m, 1, 512, 5, (const char *const[]){"one", NULL}, 1);
	second = made_valued(&m, 1, 517, 5, (const char *const[]){"two", NULL}, 3);
	made_valued(&m, 2, 522, 1, (const char *const[]){"500", "one", NULL}, 1);
	made_cells_page(&m, WEIR_PAGE_CELLS, 1);
	put(&m, 512, 0, 4);
	put(&m, 517, 0, 50);
	made_look(&before, &m, 1);
	second->turn = 5; /* another has it now, from zero */
	*cell(&m, 518) = 0;
	put(&m, 512, 0, 6);
	put(&m, 517, 0, 30);
	*cell(&m, 522) = 3;
	made_look(&now, &m, 2);
	assert_true(summary_make(&s, &before, &now, 100, false, false));
	assert_int_equal(s.tenants.count, 2);
	near(row(&s.tenants, "one")->columns[COLUMN_RATE], 6);
	near(row(&s.tenants, "one")->columns[COLUMN_ERRORS], 1);
	near(row(&s.tenants, "two")->columns[COLUMN_RATE], 30);
	summary_free(&s);
	look_free(&before);
	look_free(&now);
	free(m.base);
}

static void test_losses_come_first_that_grow(void **unused)
{
	struct made m = made_new(0);
	struct look before = {.at_s = 0}, now = {.at_s = 0};
	struct summary s;

	(void)unused;
	made_labelled(&m, 1, 7, 0, "weir_dropped_records_total", (const char *const[]){"reason", NULL}, NULL, 0, 0, 0);
	made_labelled(&m, 2, 7, 0, "otel.sdk.processor.span.processed", (const char *const[]){"otel.component.type", "error.type", NULL}, NULL, 0, 0, 0);
	made_valued(&m, 1, 512, 1, (const char *const[]){"memory", NULL}, 0);
	made_valued(&m, 1, 513, 1, (const char *const[]){"value", NULL}, 0);
	made_valued(&m, 1, 514, 1, (const char *const[]){"never", NULL}, 0);
	made_valued(&m, 2, 515, 1, (const char *const[]){"batch", "queue_full", NULL}, 0);
	made_valued(&m, 2, 516, 1, (const char *const[]){"batch", "", NULL}, 0);
	made_cells_page(&m, WEIR_PAGE_CELLS, 1);
	*cell(&m, 512) = 1000;
	*cell(&m, 516) = 1000000;
	made_header(&m)->records_dropped = 1000;
	made_look(&before, &m, 1);
	*cell(&m, 513) = 4;
	*cell(&m, 515) = 8;
	made_header(&m)->records_overflowed = 2;
	made_look(&now, &m, 3);
	assert_true(summary_make(&s, &before, &now, 100, false, false));
	assert_int_equal(s.losses_count, 4);
	assert_string_equal(s.losses[0].text, "processor_span_processed queue_full");
	near(s.losses[0].rate, 4);
	assert_string_equal(s.losses[1].text, "dropped_records value");
	assert_string_equal(s.losses[2].text, "overflowed_lookups");
	near(s.losses[2].rate, 1);
	assert_string_equal(s.losses[3].text, "dropped_records memory");
	near(s.losses[3].all, 1000);
	summary_free(&s);
	look_free(&before);
	look_free(&now);
	free(m.base);
}

static void test_looks_of_two_segments_are_not_compared(void **unused)
{
	struct made m = conventions();
	struct look before = {.at_s = 0}, now = {.at_s = 0}, moved = {.at_s = 0};
	struct summary s;

	(void)unused;
	put(&m, 512, 0, 1000);
	made_look(&before, &m, 10);
	made_header(&m)->generation_begin = made_header(&m)->generation_end = 8;
	made_look(&now, &m, 12);
	assert_false(look_goes_on(&before, &now));
	assert_true(summary_make(&s, &before, &now, 50, false, false));
	assert_true(s.since_start);
	near(s.total.columns[COLUMN_RATE], 20);
	summary_free(&s);
	look_move(&moved, &now);
	assert_false(look_is_there(&now));
	assert_ptr_equal(moved.model.copy, &moved.copy);
	look_free(&moved);
	look_free(&before);
	free(m.base);
}

static struct watch_value watch(const char *text, const struct look *before, const struct look *now)
{
	static struct selector selector;

	assert_null(selector_parse(&selector, text));
	return watch_value_of(&selector, before, now);
}

static void test_what_is_watched(void **unused)
{
	struct made m = conventions();
	struct look none = {.at_s = 0}, before = {.at_s = 0}, now = {.at_s = 0};
	struct watch_value v;

	(void)unused;
	*cell(&m, 537) = 10;
	put(&m, 512, 0, 1000);
	made_look(&before, &m, 10);
	*cell(&m, 537) = 40;
	put(&m, 512, 0, 50);
	put(&m, 517, 1, 50);
	made_look(&now, &m, 12);
	v = watch("cache_hits", &before, &now);
	assert_int_equal(v.kind, WATCH_RATE);
	near(v.value, 15);
	assert_true(isnan(watch("cache_hits", &none, &now).value));
	v = watch("http.server.request.duration{http.route=\"/a\"}", &before, &now);
	assert_int_equal(v.kind, WATCH_P99);
	assert_int_equal(v.series, 4);
	near(v.rate, 50);
	near(v.p50, 0.010);
	near(v.value, 0.0982); /* rank 99 of 100: the 49th of 50 between 10 and 100 ms */
	assert_false(v.above);
	v = watch("http.server.request.duration{http.route=\"/b\"}", &before, &now);
	assert_int_equal(v.series, 0);
	assert_int_equal(watch("nothing", &before, &now).kind, WATCH_NOTHING);
	look_free(&before);
	look_free(&now);
	free(m.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_shares_and_quantiles_of_an_interval),
		cmocka_unit_test(test_a_counter_says_how_they_ended),
		cmocka_unit_test(test_tenants_by_claims_and_turns),
		cmocka_unit_test(test_losses_come_first_that_grow),
		cmocka_unit_test(test_looks_of_two_segments_are_not_compared),
		cmocka_unit_test(test_what_is_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
