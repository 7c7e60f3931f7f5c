/* A service that asks who asks, with all of weir's outputs on, which does what it is told to on standard input, a command a line, and
 * answers each with a line: for jwt_source.py and jwt_secrets.py. Options are the environment's, and below. Public API only.
 *
 *   start [url=U] [path=P] [ca=F] [otlp=U] [prometheus=1]   the result, and the endpoint's port
 *   auth TOKEN       what came of it, and how many us it took
 *   load N TOKEN     how many of N requests went well
 *   refresh MS       the result, and how many ms it took
 *   lines NAME       the metrics whose name begins so, then a dot
 *   flush MS, shutdown MS   the result, and how many ms it took */
#define _GNU_SOURCE
#include <weir/jwt.h>
#include <weir/otlp.h>
#include <weir/prometheus.h>
#include <weir/weir.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

WEIR_COUNTER(requests, "host_requests_total", "Requests.", WEIR_CLAIM("tenant"), WEIR_CLAIM("auth"));
WEIR_HISTOGRAM(times, WEIR_LATENCY, "host_request_seconds", "Time of a request.", WEIR_CLAIM("tenant"));

static struct weir_jwt_verifier *verifier;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * WEIR_S(1) + (uint64_t)t.tv_nsec;
}

/* The value of name= in line, ending in NUL; NULL: none. */
static char *option(const char *line, const char *name, char value[512])
{
	const char *at = strstr(line, name);
	size_t len;

	if (at == NULL)
		return NULL;
	at += strlen(name);
	len = strcspn(at, " \n");
	if (len > 511)
		len = 511;
	memcpy(value, at, len);
	value[len] = '\0';
	return value;
}

static int start_verifier(const char *line)
{
	static const struct weir_jwt_claim claims[] = {{.claim = "/org/tenant", .attribute = "enduser.tenant", .label = "tenant"},
	                                               {.claim = "email", .attribute = "enduser.id", .hashed = true}};
	static char ca[512];
	static struct weir_otlp_options tls = {.size = sizeof tls};
	char url[512], path[512];
	struct weir_jwt_options o = {.size = sizeof o, .claims = claims, .claims_count = 2, .result_label = "auth", .grace_ns = WEIR_MS(1)};

	o.jwks_url = option(line, "url=", url);
	o.jwks_path = option(line, "path=", path);
	o.fetch = o.jwks_url != NULL ? weir_otlp_fetch : NULL;
	tls.ca_file = option(line, "ca=", ca);
	o.fetch_arg = &tls;
	return weir_jwt_verifier_new(&verifier, &o);
}

static void start(const char *line)
{
	char otlp[512], any[512];
	struct weir_otlp_options o = {.size = sizeof o, .interval_ns = WEIR_MS(200)};
	struct weir_prometheus_options p = {.size = sizeof p, .any_port = true};
	int error = weir_init(NULL);

	if (error == WEIR_OK && (o.endpoint = option(line, "otlp=", otlp)) != NULL)
		error = weir_otlp_start(&o);
	if (error == WEIR_OK && option(line, "prometheus=", any) != NULL)
		error = weir_prometheus_start(&p);
	if (error == WEIR_OK)
		error = start_verifier(line);
	printf("%s %d\n", error == WEIR_OK ? "WEIR_OK" : weir_error_name(error), weir_prometheus_port());
}

static enum weir_jwt_result answer(const char *token, size_t len)
{
	char header[20000];
	struct weir_span span;
	struct weir_ctx ctx;
	enum weir_jwt_result result;
	int n = snprintf(header, sizeof header, "Bearer %.*s", (int)len, token);

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "GET /orders");
	result = weir_ctx_authenticate(&ctx, verifier, weir_str_n(header, (size_t)n));
	if (result != WEIR_JWT_OK)
		weir_span_fail(&span, weir_jwt_result_text(result));
	weir_counter_add_ctx(&requests, 1, &ctx);
	weir_span_end_record(&span, &times);
	weir_ctx_end(&ctx);
	return result;
}

static void load(const char *arguments)
{
	char *token;
	unsigned long n = strtoul(arguments, &token, 10), well = 0;

	token += strspn(token, " ");
	for (unsigned long i = 0; i < n; i++)
		well += answer(token, strcspn(token, "\n")) == WEIR_JWT_OK;
	printf("%lu\n", well);
}

static void print_lines(const char *name)
{
	struct weir_snapshot *snapshot;
	size_t len = strcspn(name, "\n"), size = 0;
	char *text = NULL;
	FILE *file = open_memstream(&text, &size);

	if (file == NULL || weir_snapshot_new(&snapshot) != WEIR_OK)
		exit(3);
	struct weir_family f;

	weir_family_begin(&f, snapshot);
	while (weir_family_next(&f)) {
		struct weir_series s;

		if (strncmp(f.name, name, len) != 0)
			continue;
		weir_series_begin(&s, &f);
		while (weir_series_next(&s)) {
			fprintf(file, "%s", f.name);
			for (size_t i = 0; i < f.labels_count; i++)
				fprintf(file, " %s", s.values != NULL ? s.values[i].ptr : "-");
			fprintf(file, " = %lld\n", f.kind == WEIR_GAUGE_KIND ? (long long)s.level : (long long)s.count);
		}
	}
	fclose(file);
	printf("%s.\n", text);
	free(text);
	weir_snapshot_destroy(snapshot);
}

static void timed(const char *line, const char *name, int (*call)(uint64_t))
{
	uint64_t began = now_ns();
	int error = call(WEIR_MS((uint64_t)strtoull(line + strlen(name), NULL, 10)));

	printf("%s %llu\n", error == WEIR_OK ? "WEIR_OK" : weir_error_name(error), (unsigned long long)((now_ns() - began) / WEIR_MS(1)));
}

static int refresh(uint64_t timeout_ns)
{
	return weir_jwt_verifier_refresh(verifier, timeout_ns);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&line, &size, stdin) > 0) {
		if (strncmp(line, "start", 5) == 0) {
			start(line);
		} else if (strncmp(line, "auth ", 5) == 0) {
			uint64_t began = now_ns();
			enum weir_jwt_result result = answer(line + 5, strcspn(line + 5, "\n"));

			printf("%s %llu\n", weir_jwt_result_text(result), (unsigned long long)((now_ns() - began) / 1000));
		} else if (strncmp(line, "load ", 5) == 0) {
			load(line + 5);
		} else if (strncmp(line, "lines ", 6) == 0) {
			print_lines(line + 6);
		} else if (strncmp(line, "refresh ", 8) == 0) {
			timed(line, "refresh ", refresh);
		} else if (strncmp(line, "flush ", 6) == 0) {
			timed(line, "flush ", weir_flush);
		} else if (strncmp(line, "shutdown ", 9) == 0) {
			timed(line, "shutdown ", weir_shutdown);
		} else {
			printf("what?\n");
		}
	}
	free(line);
	return 0;
}
