/* orders: the HTTP server: libmicrohttpd's pool of threads, each with an epoll loop, in front of the chain. */
#ifndef ORDERS_HTTP_H
#define ORDERS_HTTP_H

#include "chain.h"

struct http;

/* Serves what comes in on the listening socket fd, which it owns from here on; chain, store and gateway stay the caller's: one
 * of the two is NULL. NULL: it could not, and has said why. */
struct http *http_start(int fd, unsigned threads, const struct chain *chain, struct store *store, struct gateway *gateway);
/* Answers at once what sleeps, closes all connections, and returns when all threads are gone. */
void http_stop(struct http *http);

/* What telemetry asks of a request. Values end in NUL, and live as long as the exchange. */
typedef void http_header_fn(void *arg, const char *name, size_t name_len, const char *value, size_t value_len);
void http_headers(const struct exchange *x, http_header_fn *take, void *arg);
const char *http_header(const struct exchange *x, const char *name); /* NULL: it has none */
const void *http_peer(const struct exchange *x);                     /* a struct sockaddr, or NULL */

#endif
