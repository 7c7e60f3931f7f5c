/* Unit: src/with.c: label values that are given in the call find the series that a handle has, for every kind, wherever the
 * text lies and however long the list is. */
#define _GNU_SOURCE
#include "label.h"
#include "registry.h"

#include <sys/mman.h>

#include "alone.h"

WEIR_COUNTER(counters, "with_counters_total", "Counters.", "a", "b");
WEIR_UPDOWN(updowns, "with_updowns", "Up-down counters.", "a");
WEIR_GAUGE(gauges, "with_gauges", "Gauges.", "a");
WEIR_FLOAT_GAUGE(reals, "with_reals", "Gauges of doubles.", "a");
WEIR_HISTOGRAM(histograms, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(10, 100)), "with_histograms", "Histograms.", "a");
WEIR_INFO(infos, "with_infos", "Infos.", "a");

/* Twice: the first call makes the series, the second finds it. */
ALONE(each_kind_records_into_the_series_of_its_values)
{
	for (int round = 0; round < 2; round++) {
		weir_counter_add_with(&counters, 3, "x", "y");
		weir_updown_add_with(&updowns, -4, "x");
		weir_gauge_set_with(&gauges, 5, "x");
		weir_gauge_add_with(&gauges, 6, "x");
		weir_float_gauge_set_with(&reals, 1.5, "x");
		weir_float_gauge_add_with(&reals, 0.25, "x");
		weir_histogram_record_with(&histograms, 50, "x");
		weir_info_set(&infos, "x");
	}
	assert_int_equal(weir_counter_series_read(weir_counter_with(&counters, "x", "y")), 6);
	assert_int_equal(weir_updown_series_read(weir_updown_with(&updowns, "x")), -8);
	assert_int_equal(weir_gauge_series_read(weir_gauge_with(&gauges, "x")), 11);
	assert_true(weir_float_gauge_series_read(weir_float_gauge_with(&reals, "x")) == 1.75);
	assert_int_equal(status_now().dropped_records, 0);
	assert_int_equal(status_now().series, 6);
}

/* Right before a page that is not there, at every distance, and in the midst of other text. */
ALONE(text_is_found_wherever_it_lies)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t expected = 0;

	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
	for (size_t before = 0; before < 32; before++) {
		char *text = page + 4096 - before - sizeof "/api/v1/orders/{id}";

		memset(page, '#', 4096);
		memcpy(text, "/api/v1/orders/{id}", sizeof "/api/v1/orders/{id}");
		weir_counter_add_with(&counters, before, text, "GET");
		weir_counter_add_with(&counters, before, "/api/v1/orders/{id}", text + sizeof "/api/v1/orders/{id}" - 1);
		expected += before;
	}
	assert_int_equal(weir_counter_series_read(weir_counter_with(&counters, "/api/v1/orders/{id}", "GET")), expected);
	assert_int_equal(weir_counter_series_read(weir_counter_with(&counters, "/api/v1/orders/{id}", "")), expected);
	assert_int_equal(status_now().series, 2);
}

/* More words than the quick way has room for: the other finds the same. */
ALONE(long_lists_are_found_too)
{
	char a[600], b[600];
	uint64_t expected = 0;

	for (size_t len = 200; len < sizeof a; len += 7) {
		memset(a, 'a', len);
		memset(b, 'b', len);
		a[len] = b[len] = '\0';
		for (unsigned round = 0; round < 3; round++)
			weir_counter_add_with(&counters, len, a, b);
		assert_int_equal(weir_counter_series_read(weir_counter_with(&counters, a, b)), 3 * len);
		assert_int_equal(weir_counter_series_read(weir_counter_values(
		                     &counters, (struct weir_str[]){weir_str_n(a, len), weir_str_n(b, len)}, 2)),
		                 3 * len);
		expected++;
	}
	assert_int_equal(status_now().series, expected);
	assert_int_equal(status_now().dropped_records, 0);
}

/* valgrind is known by what it preloads: nothing is read ahead, and the same is found. */
ALONE(under_valgrind_text_is_measured)
{
	assert_int_equal(setenv("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_core-amd64-linux.so", 1), 0);
	for (int round = 0; round < 3; round++)
		weir_counter_add_with(&counters, 1, "/api/v1/orders", "GET");
	assert_int_equal(weir_counter_series_read(weir_counter_values(&counters, (struct weir_str[]){STR("/api/v1/orders"), STR("GET")}, 2)),
	                 3);
	assert_int_equal(status_now().series, 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_kind_records_into_the_series_of_its_values),
	cmocka_unit_test(text_is_found_wherever_it_lies),
	cmocka_unit_test(long_lists_are_found_too),
	cmocka_unit_test(under_valgrind_text_is_measured),
};
ALONE_MAIN(tests)
