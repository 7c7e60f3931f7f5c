/* orders: its command line. */
#ifndef ORDERS_ARGS_H
#define ORDERS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

struct address {
	char host[64]; /* a name or an address, without brackets */
	uint16_t port; /* 0: any free one */
};

struct args {
	struct address listen, metrics;
	bool telemetry;
	unsigned threads;
	uint32_t slow_ppm, fail_ppm;
};

enum { ARGS_RUN = -1 };

/* ARGS_RUN, or the code to end with: what is to be said has been said, help on standard output, a mistake on standard
 * error. */
int args_parse(struct args *args, int argc, char **argv);

#endif
