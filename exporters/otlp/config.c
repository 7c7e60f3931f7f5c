/* weir-otlp: options over the environment. See config.h. Layer: exporter. Empty is unset; a number or a word that is wrong
 * is told and passed over; an endpoint, a file or a protocol that cannot be used is an error. */
#define _GNU_SOURCE
#include "config.h"

#include "url.h"

#include <weir/abi/private.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX "OTEL_EXPORTER_OTLP_"
enum { NAME_BYTES = 80, TIMEOUT_MS = 10000, TIMEOUT_MS_MOST = 86400000, FILE_LOOK = 1 << 20 };

static const char *const signal_names[WEIR__OTLP_SIGNALS] = {"TRACES", "METRICS"};
static const char *const signal_paths[WEIR__OTLP_SIGNALS] = {"v1/traces", "v1/metrics"};

/* ---- the environment --------------------------------------------------------------------------------------------- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The signal's own, else the general one; name: the one that was found, for what is said about it. */
static const char *setting(enum weir__otlp_signal signal, const char *what, char name[NAME_BYTES])
{
	const char *value;

	snprintf(name, NAME_BYTES, PREFIX "%s_%s", signal_names[signal], what);
	value = variable(name);
	if (value != NULL)
		return value;
	snprintf(name, NAME_BYTES, PREFIX "%s", what);
	return variable(name);
}

static bool is_true(const char *name)
{
	const char *value = variable(name);

	if (value != NULL && strcasecmp(value, "true") != 0 && strcasecmp(value, "false") != 0)
		weir_private_log(WEIR_LOG_WARN, "%s=%.40s is neither true nor false: false is taken", name, value);
	return value != NULL && strcasecmp(value, "true") == 0;
}

static const char *take_word(const char *list, char word[32])
{
	size_t len;

	list += strspn(list, ", \t");
	len = strcspn(list, ", \t");
	snprintf(word, 32, "%.*s", (int)(len < 31 ? len : 31), list);
	return list + len;
}

/* Whether a list of exporters has otlp. What others do is not ours to say, but a word that nobody knows is. */
static bool exporter_is_on(enum weir__otlp_signal signal)
{
	char name[NAME_BYTES], word[32];
	const char *list;
	bool otlp = false, known = false;

	snprintf(name, sizeof name, "OTEL_%s_EXPORTER", signal_names[signal]);
	list = variable(name);
	if (list == NULL)
		return true;
	for (list = take_word(list, word); word[0] != '\0'; list = take_word(list, word)) {
		if (strcmp(word, "otlp") == 0)
			otlp = known = true;
		else if (strcmp(word, "none") == 0 || strcmp(word, "console") == 0 || strcmp(word, "logging") == 0 ||
		         strcmp(word, "prometheus") == 0 || strcmp(word, "zipkin") == 0)
			known = true;
		else
			weir_private_log(WEIR_LOG_WARN, "%s: %s is not known, and is ignored", name, word);
	}
	return otlp || !known;
}

static uint64_t timeout_from_environment(enum weir__otlp_signal signal)
{
	char name[NAME_BYTES], *end;
	const char *value = setting(signal, "TIMEOUT", name);
	unsigned long long ms;

	if (value == NULL)
		return WEIR_MS((uint64_t)TIMEOUT_MS);
	errno = 0;
	ms = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || ms > TIMEOUT_MS_MOST) {
		weir_private_log(WEIR_LOG_WARN, "%s=%.40s is no number of milliseconds: %d is taken", name, value, TIMEOUT_MS);
		return WEIR_MS((uint64_t)TIMEOUT_MS);
	}
	return WEIR_MS((uint64_t)ms);
}

static bool gzip_from_environment(enum weir__otlp_signal signal)
{
	char name[NAME_BYTES];
	const char *value = setting(signal, "COMPRESSION", name);

	if (value == NULL || strcmp(value, "none") == 0)
		return false;
	if (strcmp(value, "gzip") == 0)
		return true;
	weir_private_log(WEIR_LOG_WARN, "%s=%.40s is neither none nor gzip: none is taken", name, value);
	return false;
}

static enum weir_otlp_temporality temporality_from_environment(void)
{
	static const char name[] = PREFIX "METRICS_TEMPORALITY_PREFERENCE";
	const char *value = variable(name);

	if (value == NULL || strcasecmp(value, "cumulative") == 0)
		return WEIR_OTLP_CUMULATIVE;
	if (strcasecmp(value, "delta") == 0)
		return WEIR_OTLP_DELTA;
	if (strcasecmp(value, "lowmemory") == 0)
		return WEIR_OTLP_LOWMEMORY;
	weir_private_log(WEIR_LOG_WARN, "%s=%.40s is none of cumulative, delta, lowmemory: cumulative is taken", name, value);
	return WEIR_OTLP_CUMULATIVE;
}

static void look_at_aggregation(void)
{
	static const char name[] = PREFIX "METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
	const char *value = variable(name);

	if (value != NULL && strcasecmp(value, "explicit_bucket_histogram") != 0)
		weir_private_log(WEIR_LOG_WARN, "%s=%.40s is ignored: a histogram has the buckets it was declared with", name, value);
}

static int look_at_protocol(enum weir__otlp_signal signal)
{
	char name[NAME_BYTES];
	const char *value = setting(signal, "PROTOCOL", name);

	if (value == NULL || strcmp(value, "http/protobuf") == 0)
		return WEIR_OK;
	if (strcmp(value, "grpc") == 0 || strcmp(value, "http/json") == 0) {
		weir_private_log(WEIR_LOG_ERROR, "otlp: %s=%s: weir speaks http/protobuf only", name, value);
		return WEIR_EUNSUPPORTED;
	}
	weir_private_log(WEIR_LOG_WARN, "%s=%.40s is not known: http/protobuf is taken", name, value);
	return WEIR_OK;
}

/* ---- endpoints, headers, files ----------------------------------------------------------------------------------- */

static int take_endpoint(struct weir__otlp_target *target, enum weir__otlp_signal signal, const struct weir_otlp_options *o)
{
	char name[NAME_BYTES] = "the endpoint of the options";
	const char *base = o->endpoint, *why;
	bool whole = false;

	if (base == NULL || base[0] == '\0') {
		base = setting(signal, "ENDPOINT", name);
		whole = base != NULL && strcmp(name, PREFIX "ENDPOINT") != 0;
	}
	if (base == NULL)
		base = "http://localhost:4318";
	why = weir__otlp_url_wrong(base);
	if (why == weir__otlp_url_no_memory)
		return WEIR_ENOMEM;
	if (why != NULL) {
		weir_private_log(WEIR_LOG_ERROR, "otlp: %s is no endpoint: %s", name, why);
		return WEIR_EINVAL;
	}
	target->url = whole ? strdup(base) : weir__otlp_url_append(base, signal_paths[signal]);
	target->shown = target->url != NULL ? weir__otlp_url_shown(target->url) : NULL;
	return target->shown != NULL ? WEIR_OK : WEIR_ENOMEM;
}

static int take_given_headers(struct weir__otlp_target *target, const char *const *list)
{
	for (; list[0] != NULL; list += 2) {
		if (list[1] == NULL) {
			weir_private_log(WEIR_LOG_ERROR, "otlp: a header of the options has no value");
			return WEIR_EINVAL;
		}
		switch (weir__otlp_header_add(&target->headers, list[0], strlen(list[0]), list[1], strlen(list[1]))) {
		case WEIR__OTLP_HEADER_TAKEN:
			break;
		case WEIR__OTLP_HEADER_NO_MEMORY:
			return WEIR_ENOMEM;
		case WEIR__OTLP_HEADER_OURS:
			weir_private_log(WEIR_LOG_ERROR, "otlp: the header %.64s belongs to the transport", list[0]);
			return WEIR_EINVAL;
		case WEIR__OTLP_HEADER_BAD:
			weir_private_log(WEIR_LOG_ERROR, "otlp: a header of the options is none");
			return WEIR_EINVAL;
		}
	}
	return WEIR_OK;
}

static int take_headers(struct weir__otlp_target *target, enum weir__otlp_signal signal, const struct weir_otlp_options *o)
{
	char name[NAME_BYTES];
	const char *text;
	size_t bad;

	if (o->headers != NULL)
		return take_given_headers(target, o->headers);
	text = setting(signal, "HEADERS", name);
	if (text == NULL)
		return WEIR_OK;
	if (!weir__otlp_headers_parse(&target->headers, text, &bad))
		return WEIR_ENOMEM;
	if (bad != 0)
		weir_private_log(WEIR_LOG_WARN, "%s: %zu of its members are no headers of name=value, and are ignored", name, bad);
	return WEIR_OK;
}

/* A file that is not what it should be is told at start, not at the first export. */
static bool file_holds(const char *path, const char *what, const char **why)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(FILE_LOOK);
	size_t got = 0;

	*why = "it cannot be read";
	if (file != NULL && text != NULL) {
		got = fread(text, 1, FILE_LOOK, file);
		if (ferror(file) == 0) {
			*why = "it holds no PEM of that kind";
			if (got != 0 && memmem(text, got, "-----BEGIN ", 11) != NULL && memmem(text, got, what, strlen(what)) != NULL)
				*why = NULL;
		}
	}
	if (text != NULL)
		memset(text, 0, got); /* it may be a key */
	if (file != NULL)
		fclose(file);
	free(text);
	return *why == NULL;
}

static int take_file(char **to, const char *given, enum weir__otlp_signal signal, const char *what, const char *holds)
{
	char name[NAME_BYTES] = "the options";
	const char *path = given != NULL && given[0] != '\0' ? given : setting(signal, what, name), *why;

	if (path == NULL)
		return WEIR_OK;
	if (!file_holds(path, holds, &why)) {
		weir_private_log(WEIR_LOG_ERROR, "otlp: the file %.200s (%s, %s) cannot be used: %s", path, what, name, why);
		return WEIR_EIO;
	}
	*to = strdup(path);
	return *to != NULL ? WEIR_OK : WEIR_ENOMEM;
}

static int take_files(struct weir__otlp_target *target, enum weir__otlp_signal signal, const struct weir_otlp_options *o)
{
	int error = take_file(&target->ca_file, o->ca_file, signal, "CERTIFICATE", "CERTIFICATE-----");

	if (error == WEIR_OK)
		error = take_file(&target->cert_file, o->cert_file, signal, "CLIENT_CERTIFICATE", "CERTIFICATE-----");
	if (error == WEIR_OK)
		error = take_file(&target->key_file, o->key_file, signal, "CLIENT_KEY", "PRIVATE KEY-----");
	if (error == WEIR_OK && (target->cert_file == NULL) != (target->key_file == NULL)) {
		weir_private_log(WEIR_LOG_ERROR, "otlp: a client certificate and its key come together: one of them is missing");
		error = WEIR_EIO;
	}
	return error;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static int read_target(struct weir__otlp_target *target, enum weir__otlp_signal signal, const struct weir_otlp_options *o)
{
	int error = look_at_protocol(signal);

	if (error == WEIR_OK)
		error = take_endpoint(target, signal, o);
	if (error == WEIR_OK)
		error = take_headers(target, signal, o);
	if (error == WEIR_OK)
		error = take_files(target, signal, o);
	if (error != WEIR_OK)
		return error;
	target->gzip = o->compression == WEIR_OTLP_COMPRESSION_ENV ? gzip_from_environment(signal)
	                                                           : o->compression == WEIR_OTLP_GZIP;
	target->timeout_ns = o->timeout_ns != 0 ? o->timeout_ns : timeout_from_environment(signal);
	if (target->timeout_ns > WEIR_MS((uint64_t)TIMEOUT_MS_MOST))
		target->timeout_ns = WEIR_MS((uint64_t)TIMEOUT_MS_MOST);
	return WEIR_OK;
}

int weir__otlp_config_read(struct weir__otlp_config *config, const struct weir_otlp_options *o)
{
	const bool off[WEIR__OTLP_SIGNALS] = {o->no_traces, o->no_metrics};
	bool disabled = is_true("OTEL_SDK_DISABLED");
	int error = WEIR_OK;

	memset(config, 0, sizeof *config);
	if ((unsigned)o->compression > WEIR_OTLP_GZIP || (unsigned)o->temporality > WEIR_OTLP_LOWMEMORY) {
		weir_private_log(WEIR_LOG_ERROR, "otlp: the options' compression or temporality is none that is known");
		return WEIR_EINVAL;
	}
	for (int s = 0; s < WEIR__OTLP_SIGNALS && error == WEIR_OK; s++) {
		enum weir__otlp_signal signal = (enum weir__otlp_signal)s;

		config->target[s].on = !disabled && !off[s] && exporter_is_on(signal);
		if (config->target[s].on)
			error = read_target(&config->target[s], signal, o);
	}
	config->temporality = o->temporality != WEIR_OTLP_TEMPORALITY_ENV ? o->temporality : temporality_from_environment();
	look_at_aggregation();
	config->interval_ns = o->interval_ns;
	if (error == WEIR_OK && o->spool_dir != NULL && o->spool_dir[0] != '\0') {
		config->spool_dir = strdup(o->spool_dir);
		if (config->spool_dir == NULL)
			error = WEIR_ENOMEM;
	}
	config->spool_bytes = o->spool_bytes != 0 ? o->spool_bytes : config->spool_dir != NULL ? WEIR_MIB(256) : WEIR_MIB(8);
	config->spool_age_ns = o->spool_age_ns != 0 ? o->spool_age_ns : WEIR_S(3600);
	if (error != WEIR_OK)
		weir__otlp_config_free(config);
	return error;
}

void weir__otlp_config_free(struct weir__otlp_config *config)
{
	for (int s = 0; s < WEIR__OTLP_SIGNALS; s++) {
		struct weir__otlp_target *target = &config->target[s];

		free(target->url);
		free(target->shown);
		weir__otlp_headers_free(&target->headers);
		free(target->ca_file);
		free(target->cert_file);
		free(target->key_file);
	}
	free(config->spool_dir);
	memset(config, 0, sizeof *config);
}
