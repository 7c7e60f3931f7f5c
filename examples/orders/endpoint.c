/* orders: where its metrics are to be had. See telemetry.h. Writer of weir's life in this process. */
#include "args.h"
#include "telemetry.h"

#include <weir/prometheus.h>

#include <stdio.h>
#include <string.h>

int endpoint_start(const struct address *address)
{
	struct weir_options options = {.size = sizeof options, .service_name = "orders"};
	struct weir_prometheus_options at = {.size = sizeof at, .host = address->host, .port = address->port,
	                                     .any_port = address->port == 0};
	bool bracket = strchr(address->host, ':') != NULL;
	int error = weir_init(&options);

	if (error == WEIR_OK)
		error = weir_prometheus_start(&at);
	if (error != WEIR_OK) {
		fprintf(stderr, "orders: no metrics at %s:%u: %s\n", address->host, address->port, weir_error_text(error));
		return error;
	}
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
