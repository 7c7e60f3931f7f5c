/* weir-prometheus: the endpoint's connections: how many, since when, and which of them go.
 *
 * Layer: exporter, I/O. Invariant: no connection is without a deadline: client_ns from accept, or from the first
 * byte of a further request, to the last byte that the other side has taken; IDLE_NS between requests. Where room is
 * wanted, the one that has waited longest without a request goes; a request that is being answered is never pushed
 * out. Writer: the endpoint's thread. A slot is libmicrohttpd's socket context, so that it outlives the connection. */
#ifndef WEIR_PROM_CONNECTION_H
#define WEIR_PROM_CONNECTION_H

#include <weir/base.h>

enum weir__stage {
	WEIR__SLOT_FREE,
	WEIR__READING, /* a request is awaited that has begun, or the first one */
	WEIR__ANSWERING,
	WEIR__IDLE, /* answered; another may come */
	WEIR__KICKED, /* shut down by us: libmicrohttpd will notice */
};

struct weir__connection {
	int fd;
	enum weir__stage stage;
	uint64_t since; /* when the stage began */
	uint64_t deadline; /* of the request, also while its answer's last bytes are not yet taken; then 0 */
	uint64_t idle_until;
};

struct weir__connections {
	struct weir__connection *slots;
	uint32_t room, used;
	uint64_t client_ns;
};

bool weir__connections_make(struct weir__connections *table, uint32_t room, uint64_t client_ns);
void weir__connections_free(struct weir__connections *table);

/* A slot for an accepted socket; NULL: none is free. */
struct weir__connection *weir__connection_add(struct weir__connections *table, int fd, uint64_t now);
void weir__connection_closed(struct weir__connections *table, struct weir__connection *c); /* libmicrohttpd closed it */
void weir__connection_asked(struct weir__connection *c, uint64_t now); /* a whole request is there */
void weir__connection_answered(struct weir__connection *c, uint64_t now); /* its answer is written */

/* Shuts down the one that has waited longest without a request; false: all are being answered. */
bool weir__connections_make_room(struct weir__connections *table);
/* Before libmicrohttpd reads, and behind: idle ones whose next request has begun, or whose other side has ended. */
void weir__connections_look(struct weir__connections *table, uint64_t now);
/* Shuts down what is late; when to come again, UINT64_MAX where there is none. */
uint64_t weir__connections_sweep(struct weir__connections *table, uint64_t now);
bool weir__connections_answering(const struct weir__connections *table);
/* One that was refused, since there was no room at all. */
void weir__connection_refused(void);

#endif
