/* Accept and Accept-Encoding: what real clients send, q-values, specificity, schemes for names, and what is
 * malformed. */
#include "negotiate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEXT "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_1 "text/plain; version=1.0.0; charset=utf-8; escaping="
#define PB "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
#define OM "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping="

struct accept {
	const char *header, *type; /* type NULL: 406 */
};

static void check(const struct accept *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *header = cases[i].header;
		struct weir__prom_variant variant;
		bool taken = weir__prom_negotiate(&variant, header, header != NULL ? strlen(header) : 0);

		if (taken != (cases[i].type != NULL) ||
		    (taken && strcmp(weir__prom_content_type(variant), cases[i].type) != 0))
			fail_msg("%s: %s", header, taken ? weir__prom_content_type(variant) : "406");
	}
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))

static void real_clients(void **state)
{
	static const struct accept cases[] = {
	    {NULL, TEXT},
	    {"", TEXT},
	    {"*/*", TEXT}, /* curl */
	    {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", TEXT},
	    /* Prometheus 2.42, and with native histograms */
	    {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
	     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	     OM "underscores"},
	    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
	     "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
	     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	     PB},
	    /* Prometheus 3 */
	    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8;q=0.6,"
	     "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
	     "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
	     "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
	     PB "; escaping=allow-utf-8"},
	    {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
	     "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
	     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	     OM "allow-utf-8"},
	    {"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.2",
	     TEXT_1 "allow-utf-8"},
	    {"text/plain;version=0.0.4;q=0.5,*/*;q=0.1", TEXT},
	};

	(void)state;
	CHECK(cases);
}

static void by_q_then_by_closeness(void **state)
{
	static const struct accept cases[] = {
	    {"application/openmetrics-text;q=0.4, text/plain;q=0.5", TEXT},
	    {"application/openmetrics-text;q=0.5, text/plain;q=0.4", OM "underscores"},
	    {"application/openmetrics-text;q=0.501, text/plain;q=0.50", OM "underscores"},
	    {"text/plain, application/openmetrics-text", TEXT}, /* alike: the header's order */
	    {"application/openmetrics-text, text/plain", OM "underscores"},
	    {"text/*;q=0.5, application/openmetrics-text;q=0.5", OM "underscores"},
	    {"*/*, application/openmetrics-text", OM "underscores"},
	    {"text/plain;q=0, */*", OM "underscores"}, /* what names it closely decides */
	    {"text/*;q=0, */*;q=0.3", OM "underscores"},
	    {"text/plain;version=0.0.4;q=0, text/plain", TEXT_1 "underscores"},
	    {"text/plain;version=0.0.4;q=0.1, text/plain;q=0.9, application/openmetrics-text;q=0.5",
	     TEXT_1 "underscores"},
	    {"application/*", OM "underscores"},
	    {"application/*, application/openmetrics-text;q=0", PB}, /* nobody is given it unasked, but for this */
	    {"text/plain, application/vnd.google.protobuf;proto=\"io.prometheus.client.MetricFamily\";encoding=delimited;q=0.9", TEXT},
	    {"text/*", TEXT},
	    {"TEXT/Plain;VERSION=0.0.4;Q=1", TEXT},
	    {" text/plain ; version = \"0.0.4\" ; q = 1.000 , ", TEXT},
	    {"text/plain;charset=UTF-8", TEXT},
	    {"text/plain;charset=iso-8859-1, application/openmetrics-text;q=0.1", OM "underscores"},
	    {"text/plain;unknown=parameter", TEXT},
	};

	(void)state;
	CHECK(cases);
}

static void schemes(void **state)
{
	static const struct accept cases[] = {
	    {"application/openmetrics-text;version=1.0.0;escaping=dots", OM "dots"},
	    {"application/openmetrics-text;escaping=values", OM "values"},
	    {"application/openmetrics-text;escaping=underscores", OM "underscores"},
	    {"text/plain;version=1.0.0;escaping=allow-utf8", TEXT_1 "allow-utf-8"},
	    {"text/plain;escaping=allow-utf-8", TEXT_1 "allow-utf-8"}, /* quoted names are of 1.0.0 */
	    {"text/plain;version=0.0.4;escaping=dots", TEXT "; escaping=dots"},
	    {"application/openmetrics-text;escaping=rot13", OM "underscores"},
	    {"text/plain;version=1.0.0", TEXT_1 "underscores"},
	    {"application/openmetrics-text;escaping=values;q=0.4,application/openmetrics-text;escaping=dots;q=0.6",
	     OM "dots"},
	};

	(void)state;
	CHECK(cases);
}

static void what_nobody_writes_here(void **state)
{
	static const struct accept cases[] = {
	    {"application/json", NULL},
	    {"image/*", NULL},
	    {"text/html", NULL},
	    {"application/openmetrics-text;version=0.0.1", NULL},
	    {"application/openmetrics-text;version=2.0.0", NULL},
	    {"*/*;q=0", NULL},
	    {"text/plain;q=0", NULL},
	    {"text/plain;q=0.000,application/openmetrics-text;q=0.0", NULL},
	    {"application/vnd.google.protobuf", NULL}, /* any message at all */
	    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily", NULL},
	    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", NULL},
	    {"application/vnd.google.protobuf;proto=other.Message;encoding=delimited", NULL},
	    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;version=2", NULL},
	    {"textual/plain", NULL},
	    {"text", NULL},
	};
	struct weir__prom_variant variant;

	(void)state;
	CHECK(cases);
	assert_false(weir__prom_negotiate(&variant, "image/png", 9)); /* who cannot say 406 answers with this */
	assert_string_equal(weir__prom_content_type(variant), TEXT);
}

/* What is no range is as good as absent; nothing but such is no header. */
static void malformed(void **state)
{
	static const struct accept cases[] = {
	    {",,,", TEXT},
	    {";;;", TEXT},
	    {"(", TEXT},
	    {"text/plain;q=2", TEXT},
	    {"text/plain;q=", TEXT},
	    {"text/plain;q=0.5.5", TEXT},
	    {"text/plain;q=-1", TEXT},
	    {"text/plain;version=\"0.0.4", TEXT},
	    {"text/plain;version=\"0.0.4\\", NULL}, /* a value that is no version */
	    {"text/plain foo, application/openmetrics-text;q=0.1", OM "underscores"},
	    {"text/plain;=x, application/openmetrics-text;q=0.1", OM "underscores"},
	    {"text/plain;version=\"a,b\";q=1, application/openmetrics-text;q=0.1", OM "underscores"},
	    {"\x80\xff, text/plain", TEXT},
	    {"text/plain;;;q=1;", TEXT},
	};
	struct weir__prom_variant variant;

	(void)state;
	CHECK(cases);
	assert_true(weir__prom_negotiate(&variant, "application/openmetrics-text\0junk", 33)); /* a NUL is no token */
	assert_string_equal(weir__prom_content_type(variant), TEXT);
}

static void every_variant_has_an_index_and_a_type(void **state)
{
	bool seen[WEIR__PROM_VARIANTS] = {false};

	(void)state;
	for (unsigned f = 0; f < WEIR__PROM_FORMATS; f++)
		for (unsigned k = 0; k < 5; k++) {
			struct weir__prom_variant v = {(uint8_t)f, (uint8_t)(k < 4 ? k : 0), k < 4};
			unsigned index = weir__prom_variant_index(v);

			assert_true(index < WEIR__PROM_VARIANTS);
			assert_false(seen[index]);
			seen[index] = true;
			assert_non_null(strstr(weir__prom_content_type(v), f == WEIR__PROTOBUF ? "MetricFamily; encoding=d"
			                                                   : f == WEIR__OPENMETRICS_1_0_0
			                                                       ? "application/openmetrics-text; v"
			                                                       : "text/plain; v"));
		}
}

static void codings(void **state)
{
	static const struct {
		const char *header;
		enum weir__prom_coding coding;
	} cases[] = {
	    {NULL, WEIR__IDENTITY},
	    {"", WEIR__IDENTITY},
	    {"gzip", WEIR__GZIP},
	    {"GZip", WEIR__GZIP},
	    {"x-gzip", WEIR__GZIP},
	    {"deflate, gzip, br", WEIR__GZIP},
	    {"*", WEIR__GZIP},
	    {"identity", WEIR__IDENTITY},
	    {"br", WEIR__IDENTITY},
	    {"gzip;q=0", WEIR__IDENTITY},
	    {"gzip;q=0.0, *", WEIR__IDENTITY},
	    {"gzip;q=0.5, identity;q=0.8", WEIR__IDENTITY},
	    {"gzip;q=0.8, identity;q=0.5", WEIR__GZIP},
	    {"gzip;q=0.5, identity;q=0.5", WEIR__GZIP},
	    {"gzip;q=0.001", WEIR__GZIP},
	    {"identity;q=0", WEIR__NO_CODING},
	    {"identity;q=0, gzip;q=0", WEIR__NO_CODING},
	    {"*;q=0", WEIR__NO_CODING},
	    {"*;q=0, identity", WEIR__IDENTITY},
	    {"*;q=0, gzip;q=0.3", WEIR__GZIP},
	    {"identity;q=0, *", WEIR__GZIP},
	    {"gzip;q=banana", WEIR__IDENTITY},
	    {"gzip;", WEIR__GZIP},
	    {"gzip zstd", WEIR__IDENTITY}, /* malformed: not there */
	    {",;,=", WEIR__IDENTITY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *header = cases[i].header;
		enum weir__prom_coding coding =
		    weir__prom_negotiate_coding(header, header != NULL ? strlen(header) : 0);

		if (coding != cases[i].coding)
			fail_msg("%s: %d", header, (int)coding);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(real_clients), cmocka_unit_test(by_q_then_by_closeness),
	    cmocka_unit_test(schemes),      cmocka_unit_test(what_nobody_writes_here),
	    cmocka_unit_test(malformed),    cmocka_unit_test(every_variant_has_an_index_and_a_type),
	    cmocka_unit_test(codings),
	};

	return cmocka_run_group_tests_name("prom_negotiate", tests, NULL, NULL);
}
