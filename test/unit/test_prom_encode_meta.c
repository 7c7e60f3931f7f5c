/* target_info with whatever a resource holds, and families of callbacks and of weir's own. */
#include "encode.h"

#include <weir/prometheus.h>
#include <weir/weir.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

WEIR_OBSERVED_COUNTER_IN(read_bytes, WEIR_BYTES, "read", "Read so far.", "disk");
WEIR_OBSERVED_GAUGE_IN(load, WEIR_RATIO, "load", "");

static void observe(struct weir_observer *observer, void *arg)
{
	(void)arg;
	weir_observer_report_with(observer, &read_bytes, 4096, "sda");
	weir_observer_report_float(observer, &load, 0.75);
}

static const char *encode(const char *accept)
{
	static char text[1 << 16];
	struct weir_snapshot *snapshot;
	size_t len;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_int_equal(weir_prometheus_encode(snapshot, accept, text, sizeof text - 1, &len), WEIR_OK);
	weir_snapshot_destroy(snapshot);
	return text;
}

#define HAS(text, part)                                                \
	do                                                             \
		if (strstr((text), (part)) == NULL)                    \
			fail_msg("%s is not in:\n%s", (part), (text)); \
	while (0)

static void before_init_there_is_no_target(void **state)
{
	(void)state;
	assert_null(strstr(encode(NULL), "target_info"));
}

static void a_resource_of_any_kind(void **state)
{
	const struct weir_attr attrs[] = {
	    weir_attr_str("deployment.environment", "pro\"d"),
	    weir_attr_str("a.b", "second"),
	    weir_attr_str("a/b", "third"),
	    weir_attr_str("a_b", "fourth"), /* . / _ in this order: all come out as a_b */
	    weir_attr_str("__name__", "x"),
	    weir_attr_str("1st", "y"),
	    weir_attr_str("bytes", "\xff\xfe"),
	    weir_attr_bool("is.true", true),
	    weir_attr_int("minus", -7),
	    weir_attr_int("least", INT64_MIN),
	    weir_attr_double("half", 0.5),
	};
	struct weir_options o = {.size = sizeof o, .service_name = "shop", .no_thread = true, .no_process = true};
	struct weir_callback *callback;
	const char *text;

	(void)state;
	o.resource = (struct weir_attrs){attrs, sizeof attrs / sizeof *attrs};
	assert_int_equal(weir_init(&o), WEIR_OK);
	text = encode(NULL);
	HAS(text, "# TYPE target_info gauge\ntarget_info{");
	HAS(text, "service_name=\"shop\"");
	HAS(text, "deployment_environment=\"pro\\\"d\"");
	HAS(text, "a_b=\"second;third;fourth\"");
	HAS(text, "key__name__=\"x\"");
	HAS(text, "_st=\"y\"");
	HAS(text, "bytes=\"\xef\xbf\xbd\xef\xbf\xbd\"");
	HAS(text, "is_true=\"true\"");
	HAS(text, "minus=\"-7\"");
	HAS(text, "least=\"-9223372036854775808\"");
	HAS(text, "half=\"0.5\"");
	assert_int_equal(strncmp(text, "# HELP target_info ", 19), 0);
	text = encode("application/openmetrics-text;escaping=allow-utf-8");
	assert_int_equal(strncmp(text, "# TYPE target info\n# HELP target ", 33), 0);
	HAS(text, "\"a.b\"=\"second\",\"a/b\"=\"third\",a_b=\"fourth\"");
	HAS(text, "\"1st\"=\"y\"");
	assert_int_equal(weir_callback_new(&callback, observe, NULL), WEIR_OK);
	assert_int_equal(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	text = encode(NULL);
	HAS(text, "# HELP read_bytes_total Read so far.\n# TYPE read_bytes_total "
	          "counter\nread_bytes_total{disk=\"sda\"} 4096\n");
	HAS(text, "\n# TYPE load_ratio gauge\nload_ratio 0.75\n"); /* no help: no line for it */
	weir_callback_destroy(callback);
	assert_int_equal(weir_shutdown(WEIR_S(1)), WEIR_OK);
}

/* A host that calls an instrument as we call a family of ours keeps the scrape whole: the second is left out. */
static void names_of_ours_taken_by_the_host(void **state)
{
	const struct weir_instrument_options slo = {
	    .size = sizeof slo, .unit = WEIR_SECONDS, .slo_objective_ppm = 999000, .slo_threshold = WEIR_MS(100)};
	const struct weir_histogram *h;
	const struct weir_gauge *g;
	const struct weir_info *i;
	const char *text, *first;

	(void)state;
	assert_int_equal(weir_histogram_create(&h, "answer", "Time.", NULL, &slo), WEIR_OK);
	HAS(encode(NULL), "weir_slo_threshold{histogram=\"answer_seconds\"} 0.1\n");
	assert_int_equal(weir_gauge_create(&g, "weir_slo_threshold", "The host's.", NULL, NULL), WEIR_OK);
	assert_int_equal(weir_info_create(&i, "target", "The host's.", NULL, NULL), WEIR_OK);
	weir_gauge_set(g, 5);
	text = encode(NULL);
	first = strstr(text, "# TYPE weir_slo_threshold ");
	assert_non_null(first);
	assert_null(strstr(first + 1, "# TYPE weir_slo_threshold "));
	HAS(text, "\nweir_slo_threshold 5\n");
	assert_null(strstr(text, "weir_slo_threshold{"));
	HAS(text, "weir_slo_objective_ratio{histogram=\"answer_seconds\"} 0.999\n");
	first = strstr(text, "# TYPE target_info ");
	assert_non_null(first);
	assert_null(strstr(first + 1, "# TYPE target_info "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(before_init_there_is_no_target),
	    cmocka_unit_test(a_resource_of_any_kind),
	    cmocka_unit_test(names_of_ours_taken_by_the_host),
	};

	return cmocka_run_group_tests_name("prom_encode_meta", tests, NULL, NULL);
}
