/* orders: the gateway's HTTP client: libcurl's multi interface, connections kept alive, no thread held by a call. */
#ifndef ORDERS_CLIENT_H
#define ORDERS_CLIENT_H

#include "args.h"
#include "call.h"

struct client;

/* Its threads start here; NULL: they could not, and it has said why. */
struct client *client_new(const struct address *store, unsigned threads);
/* Threads: any. Its done is called in one of the client's threads, or, where the client has stopped, in this one. */
void client_call(struct client *client, struct call *call);
/* Calls under way may go on for so long; then they fail. What is asked later fails at once. */
void client_stop(struct client *client, uint64_t grace_ns);
void client_destroy(struct client *client);

#endif
