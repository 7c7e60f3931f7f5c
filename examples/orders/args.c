/* orders: its command line. See args.h. Pure but for what it prints. */
#include "args.h"

#include "auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, THREADS_MAX = 64, MILLION = 1000000 };

static void usage(FILE *to)
{
	fputs("usage: orders [--role gateway|store] [--listen ADDR:PORT] [--metrics ADDR:PORT]\n"
	      "              [--telemetry on|off] [--threads N] [--slow-ppm N] [--fail-ppm N]\n"
	      "              [--store http://ADDR:PORT] [--rate N] [--otlp URL] [--access-log FILE]\n"
	      "              [--home file|map:PIN]\n"
	      "              [--jwks FILE|URL [--issuer TEXT] [--audience TEXT] [--require-header NAME]\n"
	      "              [--tenants N] [--tenant-idle SECONDS]]\n"
	      "  --role       gateway: asks a store over HTTP; store: is that; without: both in one process\n"
	      "  --listen     where it answers; port 0: any free one (127.0.0.1:8080; a store: 8081)\n"
	      "  --metrics    where /metrics is; port 0: any free one (127.0.0.1:9464; a store: 9465)\n"
	      "  --telemetry  off: nothing is recorded, and there is no /metrics (on)\n"
	      "  --threads    that answer, 1 to 64 (2)\n"
	      "  --slow-ppm   of a million calls to the store, how many take 20 to 220 ms (0)\n"
	      "  --fail-ppm   of a million calls to the store, how many fail (0)\n"
	      "  --store      where the gateway's store is (http://127.0.0.1:8081)\n"
	      "  --rate       requests a second that the gateway lets in; more are answered 429; 0: all (0)\n"
	      "  --otlp       exports traces and metrics to this OpenTelemetry Collector (http://127.0.0.1:4318 ...)\n"
	      "  --access-log appends a line of JSON a request to this file\n"
	      "  --home       where the counters live: file: one under /dev/shm, which outlives the process; map:PIN: a map for BPF\n"
	      "               programs, pinned at this path of a bpffs (an anonymous memfd)\n"
	      "  --jwks       keys: a request to /api/v1/ needs a bearer token that they verify, with a tenant and the scope\n"
	      "               orders:read (GET) or orders:write (POST); not for a store, nor without weir-jwt\n"
	      "  --issuer     what the token's iss must be\n"
	      "  --audience   what the token's aud must be, or contain\n"
	      "  --require-header  a header that such a request must have, X-Request-ID for instance\n"
	      "  --tenants    how many tenants have series of their own, those with the most traffic; the others are \"other\",\n"
	      "               who has no good token is \"anonymous\"; 1 to 1000 (50)\n"
	      "  --tenant-idle  after which a tenant's series retire, and others may have their place (600)\n"
	      "A gateway and a store trace their requests, and so does a single process with --otlp. OTEL_ variables\n"
	      "say the rest: OTEL_TRACES_SAMPLER, OTEL_BSP_MAX_QUEUE_SIZE and so on.\n"
	      "It prints \"ready ADDR:PORT\" when it listens, and ends with SIGTERM or SIGINT.\n",
	      to);
}

static bool parse_number(const char *text, unsigned long lowest, unsigned long highest, unsigned long *out)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 9 || text[len] != '\0')
		return false;
	*out = strtoul(text, NULL, 10);
	return *out >= lowest && *out <= highest;
}

/* HOST:PORT, or [HOST]:PORT where the host has colons. */
static bool parse_address(const char *text, struct address *out)
{
	const char *colon = strrchr(text, ':');
	unsigned long port;
	size_t len;

	if (colon == NULL || !parse_number(colon + 1, 0, UINT16_MAX, &port))
		return false;
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		return false;
	}
	if (len == 0 || len >= sizeof out->host)
		return false;
	memcpy(out->host, text, len);
	out->host[len] = '\0';
	out->port = (uint16_t)port;
	return true;
}

static bool parse_switch(const char *text, bool *out)
{
	*out = strcmp(text, "on") == 0;
	return *out || strcmp(text, "off") == 0;
}

/* http://HOST:PORT, and nothing behind it but a slash. */
static bool parse_url(const char *text, struct address *out)
{
	static const char scheme[] = "http://";
	char address[sizeof out->host + 16];
	size_t len;

	if (strncmp(text, scheme, sizeof scheme - 1) != 0)
		return false;
	text += sizeof scheme - 1;
	len = strcspn(text, "/");
	if (len >= sizeof address || (text[len] != '\0' && text[len + 1] != '\0'))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return parse_address(address, out) && out->port != 0;
}

static bool parse_role(const char *text, enum role *out)
{
	*out = strcmp(text, "gateway") == 0 ? ROLE_GATEWAY : ROLE_STORE;
	return *out == ROLE_GATEWAY || strcmp(text, "store") == 0;
}

static bool parse_text(const char *text, const char **out)
{
	*out = text;
	return text[0] != '\0';
}

/* As endpoint.c takes it. */
static bool parse_home(const char *text, const char **out)
{
	*out = text;
	return strcmp(text, "file") == 0 || strncmp(text, "map:/", 5) == 0;
}

static bool parse_one(struct args *args, const char *name, const char *value)
{
	unsigned long n = 0;
	bool ok = false;

	if (strcmp(name, "--listen") == 0)
		return parse_address(value, &args->listen);
	if (strcmp(name, "--metrics") == 0)
		return parse_address(value, &args->metrics);
	if (strcmp(name, "--telemetry") == 0)
		return parse_switch(value, &args->telemetry);
	if (strcmp(name, "--role") == 0)
		return parse_role(value, &args->role);
	if (strcmp(name, "--store") == 0)
		return parse_url(value, &args->store);
	if (strcmp(name, "--otlp") == 0)
		return parse_text(value, &args->otlp);
	if (strcmp(name, "--access-log") == 0)
		return parse_text(value, &args->access_log);
	if (strcmp(name, "--home") == 0)
		return parse_home(value, &args->home);
	if (strcmp(name, "--jwks") == 0)
		return parse_text(value, &args->jwks);
	if (strcmp(name, "--issuer") == 0)
		return parse_text(value, &args->issuer);
	if (strcmp(name, "--audience") == 0)
		return parse_text(value, &args->audience);
	if (strcmp(name, "--require-header") == 0)
		return parse_text(value, &args->require_header);
	if (strcmp(name, "--threads") == 0 && (ok = parse_number(value, 1, THREADS_MAX, &n)))
		args->threads = (unsigned)n;
	else if (strcmp(name, "--slow-ppm") == 0 && (ok = parse_number(value, 0, MILLION, &n)))
		args->slow_ppm = (uint32_t)n;
	else if (strcmp(name, "--fail-ppm") == 0 && (ok = parse_number(value, 0, MILLION, &n)))
		args->fail_ppm = (uint32_t)n;
	else if (strcmp(name, "--rate") == 0 && (ok = parse_number(value, 0, MILLION, &n)))
		args->rate = (uint32_t)n;
	else if (strcmp(name, "--tenants") == 0 && (ok = parse_number(value, 1, 1000, &n)))
		args->tenants = (uint32_t)n;
	else if (strcmp(name, "--tenant-idle") == 0 && (ok = parse_number(value, 1, 86400, &n)))
		args->tenant_idle_s = (uint32_t)n;
	return ok;
}

/* What must not be overlooked: a check of tokens that would not be made. NULL: nothing. */
static const char *contradiction(const struct args *args)
{
	if (args->home != NULL && !args->telemetry)
		return "--home: with --telemetry off there are no counters";
	if (args->jwks == NULL && (args->issuer != NULL || args->audience != NULL || args->require_header != NULL ||
	                           args->tenants != 0 || args->tenant_idle_s != 0))
		return "--issuer, --audience, --require-header, --tenants and --tenant-idle go with --jwks";
	if (args->jwks != NULL && args->role == ROLE_STORE)
		return "--jwks is for who answers clients: a store asks nobody for a token";
	if (args->jwks != NULL && !auth_is_there())
		return "--jwks: this program is built without weir-jwt, and checks no tokens";
	return NULL;
}

int args_parse(struct args *args, int argc, char **argv)
{
	*args = (struct args){.store = {"127.0.0.1", 8081}, .telemetry = true, .threads = 2};
	for (int i = 1; i < argc; i += 2) {
		if (strcmp(argv[i], "--help") == 0) {
			usage(stdout);
			return EXIT_SUCCESS;
		}
		if (i + 1 == argc || !parse_one(args, argv[i], argv[i + 1])) {
			fprintf(stderr, "orders: not understood: %s %s\n", argv[i], i + 1 == argc ? "" : argv[i + 1]);
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (contradiction(args) != NULL) {
		fprintf(stderr, "orders: %s\n", contradiction(args));
		usage(stderr);
		return EXIT_USAGE;
	}
	if (args->listen.host[0] == '\0')
		args->listen = (struct address){"127.0.0.1", args->role == ROLE_STORE ? 8081 : 8080};
	if (args->metrics.host[0] == '\0')
		args->metrics = (struct address){"127.0.0.1", args->role == ROLE_STORE ? 9465 : 9464};
	return ARGS_RUN;
}
