/* orders: the HTTP server: libmicrohttpd's pool of threads, each with an epoll loop, in front of the chain. */
#ifndef ORDERS_HTTP_H
#define ORDERS_HTTP_H

#include "chain.h"

struct http;

/* Serves what comes in on the listening socket fd, which it owns from here on; chain and store stay the caller's. NULL: it
 * could not, and has said why. */
struct http *http_start(int fd, unsigned threads, const struct chain *chain, struct store *store);
/* Answers at once what sleeps, closes all connections, and returns when all threads are gone. */
void http_stop(struct http *http);

#endif
