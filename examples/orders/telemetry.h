/* orders: its telemetry, and the only header with weir in it. With ORDERS_BARE all of it compiles to nothing: the other
 * sources are the same for orders and for orders-bare, the baseline of what telemetry costs.
 *
 * Invariant: nothing outside of telemetry.c and endpoint.c names an instrument. */
#ifndef ORDERS_TELEMETRY_H
#define ORDERS_TELEMETRY_H

#include <stdint.h>

#ifdef ORDERS_BARE

#define TELEMETRY_EXCHANGE
#define TELEMETRY_LINKS
enum { TELEMETRY_LINK_COUNT = 0 };
#define telemetry_start() (void)0
#define telemetry_stored(n) (void)0
#define endpoint_start(address) ((void)(address), 0)
#define endpoint_stop() (void)0

#else

#include <weir/weir.h>

/* What an exchange carries for them, and the links, outermost first: they go before all others. */
#define TELEMETRY_EXCHANGE struct weir_stopwatch since;
#define TELEMETRY_LINKS &link_requests, &link_latency,
enum { TELEMETRY_LINK_COUNT = 2 };

extern const struct link link_requests; /* in flight; on the way out: one more of this method, route and code */
extern const struct link link_latency;  /* from the request's head to its answer, by route */

/* Before the first request: resolves the series that are known beforehand, and from then on records. */
void telemetry_start(void);
/* n more orders are in the store. Nothing before telemetry_start. */
void telemetry_stored(int64_t n);

/* Starts weir and its Prometheus endpoint, and says on standard error where: metrics ADDR:PORT. 0, or it has said why not. */
struct address;
int endpoint_start(const struct address *address);
void endpoint_stop(void);

#endif
#endif
