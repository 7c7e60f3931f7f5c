/* weir-otlp: requests that wait, one queue a signal, first in, first out.
 *
 * Layer: exporter, pure. Invariant: memory_bytes and stored_bytes are the sums over the requests in the queue. Whoever holds
 * the sender's lock writes; a busy request is the sender's thread's alone, and stays until it says so. */
#ifndef WEIR_OTLP_QUEUE_H
#define WEIR_OTLP_QUEUE_H

#include "config.h"

struct weir__otlp_request {
	struct weir__otlp_request *next;
	enum weir__otlp_signal signal;
	uint8_t *bytes; /* malloc's; NULL: in the spool only */
	size_t len;     /* of what is sent */
	size_t room;    /* of bytes: at least len */
	bool gzip;      /* bytes are packed */
	bool prepared;  /* packed, where it is to be, and stored, where there is a spool: or both were tried */
	bool busy;      /* the sender's thread is at it */
	uint64_t items; /* spans or points */
	uint64_t group; /* requests of one snapshot have one: they are not pushed out by each other */
	uint64_t order; /* over all signals: counts up with each request */
	uint64_t made_wall_ns;
	uint64_t stored_bytes; /* what its file takes; 0: it has none */
	char file[48];         /* its name in the spool */
	unsigned attempts;
	uint64_t begun_ns, due_ns; /* of the first attempt; not before */
	bool told;                 /* due_ns is the server's word */
};

struct weir__otlp_queue {
	struct weir__otlp_request *first, *last;
	size_t count, unprepared;
	uint64_t memory_bytes, stored_bytes;
};

/* A request that has taken bytes over, with no more room than they need; NULL: no memory, and bytes stay the caller's. */
struct weir__otlp_request *weir__otlp_request_new(enum weir__otlp_signal signal, uint8_t *bytes, size_t len, uint64_t items);
void weir__otlp_request_free(struct weir__otlp_request *request);

void weir__otlp_queue_put(struct weir__otlp_queue *queue, struct weir__otlp_request *request);
void weir__otlp_queue_remove(struct weir__otlp_queue *queue, struct weir__otlp_request *request);
/* The oldest that nobody is at; NULL: none. */
struct weir__otlp_request *weir__otlp_queue_oldest(const struct weir__otlp_queue *queue);
/* Puts other bytes in the place of a queued request's (NULL: its file has them), with the sums. */
void weir__otlp_queue_replace(struct weir__otlp_queue *queue, struct weir__otlp_request *request, uint8_t *bytes, size_t len);
void weir__otlp_queue_prepared(struct weir__otlp_queue *queue, struct weir__otlp_request *request);
void weir__otlp_queue_store(struct weir__otlp_queue *queue, struct weir__otlp_request *request, uint64_t stored_bytes);

#endif
