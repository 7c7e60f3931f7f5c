/* orders: where its telemetry goes: weir's life, the Prometheus endpoint, and with --otlp the exporter. See endpoint.h.
 * Writer of weir's life in this process. */
#include "endpoint.h"

#include "args.h"

#include <weir/prometheus.h>
#include <weir/shm.h>
#include <weir/weir.h>
#ifdef ORDERS_OTLP
#include <weir/otlp.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int otlp_start(const char *url)
{
#ifdef ORDERS_OTLP
	struct weir_otlp_options options = {.size = sizeof options, .endpoint = url};

	return weir_otlp_start(&options);
#else
	(void)url;
	return WEIR_EUNSUPPORTED;
#endif
}

/* --home, as it is written on the command line. */
static int home_start(const char *text)
{
	struct weir_shm_options options = {.size = sizeof options, .home = WEIR_SHM_FILE, .name = "orders"};
	struct weir_status status = {.size = sizeof status};
	int error;

	if (strncmp(text, "map:", 4) == 0) {
		options.home = WEIR_SHM_MAP;
		options.pin = text + 4;
	}
	error = weir_shm_start(&options);
	if (error != WEIR_OK && weir_status_read(&status) == WEIR_OK)
		fprintf(stderr, "orders: no home %s: %s; the counters live in a %s\n", text, weir_error_text(error), status.home);
	return error;
}

/* An option that is set wins over its variable; ours is only a default. */
static const char *name_of(enum role role)
{
	const char *chosen = getenv("OTEL_SERVICE_NAME");

	if (chosen != NULL && chosen[0] != '\0')
		return NULL;
	return role == ROLE_GATEWAY ? "orders-gateway" : role == ROLE_STORE ? "orders-store" : "orders";
}

int endpoint_start(const struct args *args)
{
	const struct address *address = &args->metrics;
	struct weir_options options = {.size = sizeof options, .service_name = name_of(args->role)};
	struct weir_prometheus_options at = {.size = sizeof at, .host = address->host, .port = address->port,
	                                     .any_port = address->port == 0};
	bool bracket = strchr(address->host, ':') != NULL;
	int error;

	if (args->home != NULL && strncmp(args->home, "map:", 4) == 0)
		options.totals_ns = WEIR_S(1); /* for BPF programs */
	error = weir_init(&options);

	if (error == WEIR_OK)
		error = weir_prometheus_start(&at);
	if (error != WEIR_OK) {
		fprintf(stderr, "orders: no metrics at %s:%u: %s\n", address->host, address->port, weir_error_text(error));
		return error;
	}
	if (args->otlp != NULL && (error = otlp_start(args->otlp)) != WEIR_OK) {
		fprintf(stderr, "orders: no export to %s: %s\n", args->otlp, weir_error_text(error));
		return error;
	}
	if (args->home != NULL && (error = home_start(args->home)) != WEIR_OK)
		return error;
	fprintf(stderr, "metrics %s%s%s:%u\n", bracket ? "[" : "", address->host, bracket ? "]" : "", weir_prometheus_port());
	return 0;
}

/* Half of the second that orders has to end in. */
void endpoint_stop(void)
{
	int error = weir_shutdown(WEIR_MS(500));

	if (error != WEIR_OK)
		fprintf(stderr, "orders: telemetry did not end well: %s\n", weir_error_text(error));
}
