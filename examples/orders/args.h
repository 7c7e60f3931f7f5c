/* orders: its command line. */
#ifndef ORDERS_ARGS_H
#define ORDERS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct address {
	char host[64]; /* a name or an address, without brackets */
	uint16_t port; /* 0: any free one */
};

enum role {
	ROLE_WHOLE,   /* one process: gateway and store in one */
	ROLE_GATEWAY, /* asks a store over HTTP */
	ROLE_STORE,
};

struct args {
	enum role role;
	struct address listen, metrics, store;
	bool telemetry;
	unsigned threads;
	uint32_t slow_ppm, fail_ppm, rate;
	const char *otlp, *access_log, *home; /* NULL: none; home: a memfd */
	const char *jwks, *issuer, *audience, *require_header; /* likewise; the last three only with the first */
	uint32_t tenants, tenant_idle_s;                       /* 0: weir-jwt's own; likewise */
};

enum { ARGS_RUN = -1 };

/* ARGS_RUN, or the code to end with: what is to be said has been said, help on standard output, a mistake on standard
 * error. */
int args_parse(struct args *args, int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
