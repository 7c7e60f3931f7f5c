/* orders: one request and its answer: what the server fills in, what the links and handlers leave.
 *
 * Invariant: an exchange belongs to one thread at a time; status is 0 until somebody answers. Writers: http.c before each
 * run of the chain, then the chain's links. */
#ifndef ORDERS_EXCHANGE_H
#define ORDERS_EXCHANGE_H

#include "auth.h"
#include "call.h"
#include "telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BODY_MAX = 1024 };

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

enum calling { /* where the call to a gateway's store stands */
	CALLING_NOBODY,
	CALLING_WANTED, /* the chain waits for it, and it has yet to be made */
	CALLING_STORE,
	CALLING_DONE,
};

struct MHD_Connection;
struct gateway;
struct route;
struct store;

struct exchange {
	/* the request */
	enum method method;
	const struct route *route; /* never NULL: what no route answers has the route "other" */
	uint64_t order_id;         /* of the path; 0: none, or no number */
	const char *method_text, *path; /* as they came; libmicrohttpd's, as long as the exchange lives */
	struct MHD_Connection *connection;
	struct store *store;     /* NULL in a gateway */
	struct gateway *gateway; /* NULL where the store is in this process */
	size_t announced; /* Content-Length; 0 where there is none */
	size_t received;  /* may pass BODY_MAX: what is over is not kept */
	bool complete;    /* the body is all here */

	/* the answer */
	int status;
	int error;         /* what a link failed with; 0: none */
	uint64_t delay_ns; /* the answer stands, but is to leave only after this time */
	size_t answer_len;
	const char *challenge; /* a refusal's WWW-Authenticate; NULL: none */

	/* a gateway's */
	enum calling calling;
	unsigned attempts; /* calls to the store, this one included */
	bool passed;       /* the circuit breaker waits to hear how it went */
	bool failed;       /* the store did not do its part: a call may be tried again */

	uint64_t began_ns; /* the access log's */
	bool traced;       /* telemetry's: it has a trace */
	bool at_work;      /* likewise: a thread is at it, and it can be seen */

	/* chain.c's own */
	size_t entered;
	bool ended;

	/* from here on not zeroed beforehand */
	char answer[ANSWER_MAX];
	char body[BODY_MAX];
	struct call call;
	TELEMETRY_EXCHANGE
	AUTH_EXCHANGE
};

#endif
