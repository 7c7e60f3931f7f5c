/* weir-prometheus: the endpoint's thread: it owns every descriptor, every connection and libmicrohttpd's daemon.
 *
 * Layer: exporter, I/O. Invariant: after the thread began, struct weir__endpoint is shared by two, the thread and
 * who started it; the last of them frees it. Fields up to ready: writer: the starter, before the thread begins; then
 * each as it says. */
#ifndef WEIR_PROM_ENDPOINT_H
#define WEIR_PROM_ENDPOINT_H

#include "listen.h"

#include <semaphore.h>
#include <sys/types.h>

struct weir__endpoint {
	struct weir__addresses addresses;
	uint16_t port; /* asked for; 0: any */
	uint32_t max_connections;
	uint64_t client_ns, max_age_ns;

	sem_t ready; /* posted once by the thread, behind the four below */
	int error;
	char why[WEIR__WHY];
	uint16_t got;
	pid_t thread;

	uint64_t drain_until; /* writer: the stopper, before stop */
	uint32_t stop; /* 0 -> 1 by the stopper (release); the thread: acquire */
	uint32_t holders; /* 2, 1, 0: release and acquire by both */
};

void weir__endpoint_run(void *endpoint); /* the thread's body; lets go of its hold at its end */
/* Tells the thread to end: what is being answered may go on until then. */
void weir__endpoint_stop(struct weir__endpoint *endpoint, uint64_t drain_until);
void weir__endpoint_let_go(struct weir__endpoint *endpoint);

#endif
