/* orders: one request and its answer: what the server fills in, what the links and handlers leave.
 *
 * Invariant: an exchange belongs to one thread at a time; status is 0 until somebody answers. Writers: http.c before each
 * run of the chain, then the chain's links. */
#ifndef ORDERS_EXCHANGE_H
#define ORDERS_EXCHANGE_H

#include "telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BODY_MAX = 1024, ANSWER_MAX = 256 };

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_OTHER,
	METHODS
};

struct route;
struct store;

struct exchange {
	/* the request */
	enum method method;
	const struct route *route; /* never NULL: what no route answers has the route "other" */
	uint64_t order_id;         /* of the path; 0: none, or no number */
	struct store *store;
	size_t announced; /* Content-Length; 0 where there is none */
	size_t received;  /* may pass BODY_MAX: what is over is not kept */
	bool complete;    /* the body is all here */

	/* the answer */
	int status;
	int error;         /* what a link failed with; 0: none */
	uint64_t delay_ns; /* the answer stands, but is to leave only after this time */
	size_t answer_len;

	/* chain.c's own */
	size_t entered;
	bool ended;

	TELEMETRY_EXCHANGE
	char answer[ANSWER_MAX];
	char body[BODY_MAX];
};

#endif
