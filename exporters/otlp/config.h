/* weir-otlp: what is sent where: the options over the environment, read once at start.
 *
 * Layer: exporter. Invariant: a configuration that was read is complete and never changes; it outlives the sender. Neither
 * headers' values nor a URL's credentials are ever logged. Writer: weir__otlp_config_read. */
#ifndef WEIR_OTLP_CONFIG_H
#define WEIR_OTLP_CONFIG_H

#include "header.h"

#include <weir/otlp.h>

enum weir__otlp_signal { WEIR__OTLP_TRACES, WEIR__OTLP_METRICS, WEIR__OTLP_SIGNALS };

struct weir__otlp_target {
	bool on;
	bool gzip;
	char *url, *shown; /* shown: without what is secret */
	struct weir__otlp_headers headers;
	char *ca_file, *cert_file, *key_file; /* NULL: none */
	uint64_t timeout_ns;                  /* of one attempt; 0: none */
};

struct weir__otlp_config {
	struct weir__otlp_target target[WEIR__OTLP_SIGNALS];
	enum weir_otlp_temporality temporality; /* never ENV */
	uint64_t interval_ns;                   /* 0: weir's own */
	char *spool_dir;                        /* NULL: in memory */
	uint64_t spool_bytes, spool_age_ns;
};

/* WEIR_OK, or what weir_otlp_start is to return, after it was logged; config is then empty. options: complete ones. */
int weir__otlp_config_read(struct weir__otlp_config *config, const struct weir_otlp_options *options);
void weir__otlp_config_free(struct weir__otlp_config *config);

#endif
