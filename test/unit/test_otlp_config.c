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

/* Each variable, empty: as if there were none; and a signal's own, empty, leaves the general one. */
ALONE(empty_is_unset)
{
	static const char *const signals[] = {"", "TRACES_", "METRICS_"};
	static const char *const what[] = {"ENDPOINT", "HEADERS", "COMPRESSION", "TIMEOUT", "PROTOCOL", "CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"};
	struct weir__otlp_config c;

	begin();
	for (size_t s = 0; s < COUNT(signals); s++)
		for (size_t w = 0; w < COUNT(what); w++) {
			char name[80];

			snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s%s", signals[s], what[w]);
			set(name, "");
		}
	set("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "");
	set("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "");
	set("OTEL_TRACES_EXPORTER", "");
	set("OTEL_METRICS_EXPORTER", "");
	set("OTEL_SDK_DISABLED", "");
	assert_true(read_config(&c, NULL) == WEIR_OK);
	for (int s = 0; s < WEIR__OTLP_SIGNALS; s++) {
		assert_true(c.target[s].on && !c.target[s].gzip && c.target[s].timeout_ns == WEIR_S(10) && c.target[s].headers.count == 0);
		assert_true(c.target[s].ca_file == NULL && c.target[s].cert_file == NULL && c.target[s].key_file == NULL);
	}
	assert_string_equal(c.target[WEIR__OTLP_TRACES].url, "http://localhost:4318/v1/traces");
	assert_true(c.temporality == WEIR_OTLP_CUMULATIVE && heard[0] == '\0');
	weir__otlp_config_free(&c);
	set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://base");
	set("OTEL_EXPORTER_OTLP_HEADERS", "a=1");
	set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
	set("OTEL_EXPORTER_OTLP_TIMEOUT", "3");
	assert_true(read_config(&c, NULL) == WEIR_OK);
	assert_string_equal(c.target[WEIR__OTLP_TRACES].url, "http://base/v1/traces");
	assert_string_equal(c.target[WEIR__OTLP_METRICS].url, "http://base/v1/metrics");
	for (int s = 0; s < WEIR__OTLP_SIGNALS; s++)
		assert_true(c.target[s].headers.count == 1 && c.target[s].gzip && c.target[s].timeout_ns == WEIR_MS(3));
	weir__otlp_config_free(&c);
}

/* A file that looks like both of a PEM's kinds, so that each variable may name one. */
static const char *pem(char file[])
{
	static const char text[] = "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n";
	int fd = mkstemp(file);

	assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
	close(fd);
	return file;
}

static void check_files(const struct weir__otlp_target *t, const char *ca, const char *cert, const char *key)
{
	assert_string_equal(t->ca_file, ca);
	assert_string_equal(t->cert_file, cert);
	assert_string_equal(t->key_file, key);
}

/* Each of the three, the general one and each signal's own. */
ALONE(files_of_the_environment)
{
	char general[] = "/tmp/weir-otlp-config-XXXXXX", own[] = "/tmp/weir-otlp-config-XXXXXX";
	struct weir__otlp_config c;

	begin();
	set("OTEL_EXPORTER_OTLP_CERTIFICATE", pem(general));
	set("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", general);
	set("OTEL_EXPORTER_OTLP_CLIENT_KEY", general);
	assert_true(read_config(&c, NULL) == WEIR_OK);
	check_files(&c.target[WEIR__OTLP_TRACES], general, general, general);
	check_files(&c.target[WEIR__OTLP_METRICS], general, general, general);
	weir__otlp_config_free(&c);
	set("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", pem(own));
	set("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", own);
	set("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", own);
	assert_true(read_config(&c, NULL) == WEIR_OK);
	check_files(&c.target[WEIR__OTLP_TRACES], own, general, general);
	check_files(&c.target[WEIR__OTLP_METRICS], general, own, own);
	weir__otlp_config_free(&c);
	set("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", own);
	set("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", own);
	set("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", own);
	assert_true(read_config(&c, NULL) == WEIR_OK);
	check_files(&c.target[WEIR__OTLP_TRACES], own, own, own);
	check_files(&c.target[WEIR__OTLP_METRICS], own, own, own);
	weir__otlp_config_free(&c);
	set("OTEL_EXPORTER_OTLP_CLIENT_KEY", ""); /* metrics have their own */
	set("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "");
	assert_true(read_config(&c, NULL) == WEIR_EIO && strstr(heard, "come together") != NULL);
	set("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/nowhere/own.key");
	assert_true(read_config(&c, NULL) == WEIR_EIO && strstr(heard, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY") != NULL);
	unlink(general);
	unlink(own);
}

/* What one signal says of itself is not the other's: each variable in the form that `environment` does not have. */
ALONE(each_signals_own)
{
	struct weir__otlp_config c;

	begin();
	set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://own:9/as/it/is");
	set("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=1,b=2");
	set("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip");
	set("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "7");
	set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"); /* the signals' own go before */
	set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
	set("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf");
	assert_true(read_config(&c, NULL) == WEIR_OK);
	assert_string_equal(c.target[WEIR__OTLP_TRACES].url, "http://localhost:4318/v1/traces");
	assert_string_equal(c.target[WEIR__OTLP_METRICS].url, "http://own:9/as/it/is");
	assert_true(c.target[WEIR__OTLP_TRACES].headers.count == 2 && c.target[WEIR__OTLP_METRICS].headers.count == 0);
	assert_true(!c.target[WEIR__OTLP_TRACES].gzip && c.target[WEIR__OTLP_METRICS].gzip);
	assert_true(c.target[WEIR__OTLP_TRACES].timeout_ns == WEIR_MS(7) && c.target[WEIR__OTLP_METRICS].timeout_ns == WEIR_S(10));
	assert_string_equal(heard, "");
	weir__otlp_config_free(&c);
	set("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json");
	assert_true(read_config(&c, NULL) == WEIR_EUNSUPPORTED && strstr(heard, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") != NULL);
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
	cmocka_unit_test(empty_is_unset),
	cmocka_unit_test(files_of_the_environment),
	cmocka_unit_test(each_signals_own),
	cmocka_unit_test(options_win),
	cmocka_unit_test(words_and_numbers_that_are_wrong),
	cmocka_unit_test(which_signals),
	cmocka_unit_test(errors),
};
ALONE_MAIN(tests)
