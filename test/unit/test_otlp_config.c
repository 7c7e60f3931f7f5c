/* What is sent where: options over the environment, what is wrong in either, and what is never heard. */
#define _GNU_SOURCE
#include "config.h"

#include "alone.h"

#include <sys/stat.h>

static char heard[4096];

static void hear(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	strncat(heard, text, sizeof heard - strlen(heard) - 2);
	strcat(heard, "\n");
}

static int read_config(struct weir__otlp_config *c, const struct weir_otlp_options *o)
{
	static const struct weir_otlp_options none = {.size = sizeof none};

	return weir__otlp_config_read(c, o != NULL ? o : &none);
}

static void begin(void)
{
	struct weir_options o = {.size = sizeof o, .log = hear, .no_thread = true};

	clearenv();
	assert_true(weir_init(&o) == WEIR_OK);
}

static void set(const char *name, const char *value)
{
	assert_true(setenv(name, value, 1) == 0);
}

ALONE(defaults)
{
	struct weir__otlp_config c;

	begin();
	set("OTEL_EXPORTER_OTLP_ENDPOINT", ""); /* empty is unset */
	assert_true(read_config(&c, NULL) == WEIR_OK);
	for (int s = 0; s < WEIR__OTLP_SIGNALS; s++) {
		assert_true(c.target[s].on && !c.target[s].gzip && c.target[s].timeout_ns == WEIR_S(10) && c.target[s].headers.count == 0);
		assert_true(c.target[s].ca_file == NULL && c.target[s].cert_file == NULL && c.target[s].key_file == NULL);
	}
	assert_true(strcmp(c.target[WEIR__OTLP_TRACES].url, "http://localhost:4318/v1/traces") == 0);
	assert_true(strcmp(c.target[WEIR__OTLP_METRICS].url, "http://localhost:4318/v1/metrics") == 0);
	assert_true(c.temporality == WEIR_OTLP_CUMULATIVE && c.spool_dir == NULL && c.spool_bytes == WEIR_MIB(8));
	assert_true(c.spool_age_ns == WEIR_S(3600) && c.interval_ns == 0);
	assert_true(heard[0] == '\0');
	weir__otlp_config_free(&c);
}

ALONE(environment)
{
	struct weir__otlp_config c;

	begin();
	set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://base:1/otlp/");
	set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://user:s3cret@own:2/exactly?key=s3cret");
	set("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=s3cret,bad");
	set("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "c=3");
	set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
	set("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none");
	set("OTEL_EXPORTER_OTLP_TIMEOUT", "250");
	set("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "0");
	set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
	set("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "LowMemory");
	assert_true(read_config(&c, NULL) == WEIR_OK);
	assert_true(strcmp(c.target[WEIR__OTLP_TRACES].url, "https://user:s3cret@own:2/exactly?key=s3cret") == 0);
	assert_true(strcmp(c.target[WEIR__OTLP_TRACES].shown, "https://own:2/exactly") == 0);
	assert_true(strcmp(c.target[WEIR__OTLP_METRICS].url, "http://base:1/otlp/v1/metrics") == 0);
	assert_true(c.target[WEIR__OTLP_TRACES].headers.count == 2 && c.target[WEIR__OTLP_METRICS].headers.count == 1);
	assert_true(!c.target[WEIR__OTLP_TRACES].gzip && c.target[WEIR__OTLP_METRICS].gzip);
	assert_true(c.target[WEIR__OTLP_TRACES].timeout_ns == WEIR_MS(250) && c.target[WEIR__OTLP_METRICS].timeout_ns == 0);
	assert_true(c.temporality == WEIR_OTLP_LOWMEMORY);
	assert_true(strstr(heard, "OTEL_EXPORTER_OTLP_HEADERS") != NULL && strstr(heard, "s3cret") == NULL);
	weir__otlp_config_free(&c);
}

ALONE(options_win)
{
	static const char *const headers[] = {"x", "1", NULL};
	struct weir_otlp_options o = {.size = sizeof o, .endpoint = "http://mine", .headers = headers, .compression = WEIR_OTLP_NONE,
	                              .temporality = WEIR_OTLP_DELTA, .timeout_ns = WEIR_S(3), .spool_dir = "/tmp/x", .no_metrics = true};
	struct weir__otlp_config c;

	begin();
	set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://theirs");
	set("OTEL_EXPORTER_OTLP_HEADERS", "a=1");
	set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
	set("OTEL_EXPORTER_OTLP_TIMEOUT", "1");
	set("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"); /* of a signal that is off */
	assert_true(read_config(&c, &o) == WEIR_OK);
	assert_true(strcmp(c.target[WEIR__OTLP_TRACES].url, "http://mine/v1/traces") == 0);
	assert_true(c.target[WEIR__OTLP_TRACES].headers.count == 1 && strcmp(c.target[WEIR__OTLP_TRACES].headers.lines[0], "x: 1") == 0);
	assert_true(!c.target[WEIR__OTLP_TRACES].gzip && c.target[WEIR__OTLP_TRACES].timeout_ns == WEIR_S(3));
	assert_true(!c.target[WEIR__OTLP_METRICS].on && c.temporality == WEIR_OTLP_DELTA && c.spool_bytes == WEIR_MIB(256));
	weir__otlp_config_free(&c);
}

ALONE(words_and_numbers_that_are_wrong)
{
	struct weir__otlp_config c;

	begin();
	set("OTEL_EXPORTER_OTLP_TIMEOUT", "ten");
	set("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1");
	set("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd");
	set("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier/pigeon");
	set("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes");
	set("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram");
	set("OTEL_TRACES_EXPORTER", "jagger");
	set("OTEL_SDK_DISABLED", "1");
	assert_true(read_config(&c, NULL) == WEIR_OK);
	assert_true(c.target[WEIR__OTLP_TRACES].on && c.target[WEIR__OTLP_TRACES].timeout_ns == WEIR_S(10) && !c.target[WEIR__OTLP_TRACES].gzip);
	assert_true(c.target[WEIR__OTLP_METRICS].timeout_ns == WEIR_S(10) && c.temporality == WEIR_OTLP_CUMULATIVE);
	assert_true(strstr(heard, "ten") != NULL && strstr(heard, "-1") != NULL && strstr(heard, "zstd") != NULL);
	assert_true(strstr(heard, "pigeon") != NULL && strstr(heard, "sometimes") != NULL && strstr(heard, "base2") != NULL);
	assert_true(strstr(heard, "jagger") != NULL && strstr(heard, "OTEL_SDK_DISABLED") != NULL);
	weir__otlp_config_free(&c);
}

ALONE(which_signals)
{
	static const struct {
		const char *traces, *metrics, *disabled;
		bool on[WEIR__OTLP_SIGNALS];
	} cases[] = {
	    {"none", "", "", {false, true}},
	    {"otlp", "prometheus", "", {true, false}},
	    {"console, otlp", "prometheus,otlp", "", {true, true}},
	    {"console", "none", "", {false, false}},
	    {"otlp", "otlp", "TRUE", {false, false}},
	    {"otlp", "otlp", "false", {true, true}},
	};

	begin();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct weir__otlp_config c;

		set("OTEL_TRACES_EXPORTER", cases[i].traces);
		set("OTEL_METRICS_EXPORTER", cases[i].metrics);
		set("OTEL_SDK_DISABLED", cases[i].disabled);
		assert_true(read_config(&c, NULL) == WEIR_OK);
		for (int s = 0; s < WEIR__OTLP_SIGNALS; s++)
			assert_true(c.target[s].on == cases[i].on[s]);
		weir__otlp_config_free(&c);
	}
}

ALONE(errors)
{
	static const char *const smuggled[] = {"x", "1\r\nY: 2", NULL}, *const ours[] = {"Content-Type", "x", NULL}, *const odd[] = {"x", NULL};
	struct weir_otlp_options o = {.size = sizeof o, .endpoint = "user:s3cret@nowhere"};
	char file[] = "/tmp/weir-otlp-config-XXXXXX";
	struct weir__otlp_config c;
	int fd = mkstemp(file);

	begin();
	assert_true(read_config(&c, &o) == WEIR_EINVAL && strstr(heard, "s3cret") == NULL && strstr(heard, "no endpoint") != NULL);
	assert_true(c.target[0].url == NULL);
	o.endpoint = NULL;
	o.headers = smuggled;
	assert_true(read_config(&c, &o) == WEIR_EINVAL);
	o.headers = ours;
	assert_true(read_config(&c, &o) == WEIR_EINVAL);
	o.headers = odd;
	assert_true(read_config(&c, &o) == WEIR_EINVAL);
	o.headers = NULL;
	o.compression = (enum weir_otlp_compression)7;
	assert_true(read_config(&c, &o) == WEIR_EINVAL);
	o.compression = WEIR_OTLP_COMPRESSION_ENV;
	o.ca_file = "/nowhere/at.pem";
	assert_true(read_config(&c, &o) == WEIR_EIO && strstr(heard, "/nowhere/at.pem") != NULL);
	o.ca_file = file;
	assert_true(read_config(&c, &o) == WEIR_EIO && strstr(heard, "holds no PEM") != NULL);
	assert_true(write(fd, "-----BEGIN CERTIFICATE-----\n", 28) == 28);
	assert_true(read_config(&c, &o) == WEIR_OK);
	weir__otlp_config_free(&c);
	o.cert_file = file;
	assert_true(read_config(&c, &o) == WEIR_EIO && strstr(heard, "come together") != NULL);
	close(fd);
	unlink(file);
	o = (struct weir_otlp_options){.size = sizeof o};
	set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
	assert_true(read_config(&c, &o) == WEIR_EUNSUPPORTED && strstr(heard, "grpc") != NULL);
	set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
	assert_true(read_config(&c, &o) == WEIR_EUNSUPPORTED);
	set("OTEL_EXPORTER_OTLP_PROTOCOL", "");
	set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "localhost:4318");
	assert_true(read_config(&c, &o) == WEIR_EINVAL && strstr(heard, "neither http:// nor https://") != NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(defaults),
	cmocka_unit_test(environment),
	cmocka_unit_test(options_win),
	cmocka_unit_test(words_and_numbers_that_are_wrong),
	cmocka_unit_test(which_signals),
	cmocka_unit_test(errors),
};
ALONE_MAIN(tests)
