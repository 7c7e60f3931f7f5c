/* weir-prometheus: where the endpoint listens: a host's addresses, and their sockets.
 *
 * Layer: exporter, I/O. Invariant: every socket made here is close-on-exec and never blocks; on failure none is
 * left. Stateless. */
#ifndef WEIR_PROM_LISTEN_H
#define WEIR_PROM_LISTEN_H

#include <weir/base.h>

#include <sys/socket.h>

enum { WEIR__LISTEN_MOST = 4, WEIR__WHY = 96 };

struct weir__addresses {
	struct sockaddr_storage list[WEIR__LISTEN_MOST];
	socklen_t len[WEIR__LISTEN_MOST];
	unsigned count;
};

/* The addresses of a host: localhost is 127.0.0.1 and ::1, a name what the resolver says. why: a sentence where it
 * fails. */
int weir__listen_resolve(struct weir__addresses *addresses, const char *host, char why[WEIR__WHY]);
/* Opens a socket each; the first must be had, the others where the system has them. port 0: a free one, told in
 * *got. */
int weir__listen_open(int sockets[WEIR__LISTEN_MOST], unsigned *count, const struct weir__addresses *addresses,
                      uint16_t port, uint16_t *got, char why[WEIR__WHY]);

#endif
