/* orders: its telemetry in C; beside auth.h the only C header with weir in it. With ORDERS_BARE all of it compiles to nothing: the other
 * sources are the same for orders and for orders-bare, the baseline of what telemetry costs. The store's role has its own, in
 * C++: keeper_telemetry.hpp.
 *
 * Invariant: nothing outside of telemetry.c, trace.c, endpoint.c and auth.c names an instrument or a span. */
#ifndef ORDERS_TELEMETRY_H
#define ORDERS_TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address;
struct breaker_news;
struct exchange;
struct link;

/* Called with each header that telemetry adds to an answer. */
typedef void telemetry_header_fn(void *arg, const char *name, const char *value);

enum { TELEMETRY_LINKS_MAX = 2 };

#ifdef ORDERS_BARE

#define TELEMETRY_EXCHANGE
#define telemetry_start(store) (void)(store)
#define telemetry_stored(n) (void)0
#define telemetry_links(links, traced) ((void)(links), (void)(traced), (size_t)0)
#define telemetry_limited(x) (void)(x)
#define telemetry_retried(x) (void)(x)
#define telemetry_breaker(x, news, refused) ((void)(x), (void)(news), (void)(refused))
#define telemetry_calling(x) (void)(x)
#define telemetry_called(x) (void)(x)
#define telemetry_store_slow(x) (void)(x)
#define telemetry_store_failed(x) (void)(x)
#define telemetry_resumed(x) (void)(x)
#define telemetry_paused(x) (void)(x)
#define telemetry_ids(x, text, size) ((void)(x), (void)(text), (void)(size))
#define telemetry_answer_headers(x, put, arg) ((void)(x), (void)(put), (void)(arg))

#else

#include <weir/weir.h>

/* What an exchange carries for them: its trace, where it is traced, else the time it began. */
struct request_trace {
	struct weir_ctx ctx;
	struct weir_scope scope; /* while a thread is at it */
	struct weir_span server, client; /* client: the call to the store that is under way */
	char id_name[64], id_value[40];  /* the header that tells the client its trace; empty: none */
	char baggage[512];
	char room[1024]; /* the server span's: its own is too small for all that retries leave there */
};
#define TELEMETRY_EXCHANGE                                                                                             \
	struct weir_stopwatch since;                                                                                   \
	struct request_trace trace;

extern const struct link link_requests; /* in flight; on the way out: one more of this method, route and code */
extern const struct link link_latency;  /* from the request's head to its answer, by route */
extern const struct link link_trace;    /* the same, and the request's context and server span */

/* Before the first request: resolves the series that are known beforehand, and from then on records. store: what it knows of
 * the gateway's store, NULL where there is none. */
void telemetry_start(const struct address *store);
/* Puts the links, outermost first, which go before all others, into links, and says how many. */
size_t telemetry_links(const struct link **links, bool traced);

/* What happens to a request, each a counter and an event of its span. Nothing before telemetry_start. */
void telemetry_stored(int64_t n); /* n more orders are in the store */
void telemetry_limited(struct exchange *x);
void telemetry_retried(struct exchange *x); /* after x->attempts calls, in x->delay_ns */
void telemetry_breaker(struct exchange *x, const struct breaker_news *news, bool refused);
void telemetry_store_slow(struct exchange *x); /* the store of this process: its answer takes x->delay_ns */
void telemetry_store_failed(struct exchange *x);

/* Around a call to the store: the client span, and its headers in the call. called: any thread. */
void telemetry_calling(struct exchange *x);
void telemetry_called(struct exchange *x);

/* Around what a thread does for it: who looks at the thread from outside sees which request it is at. Twice is harmless. */
void telemetry_resumed(struct exchange *x);
void telemetry_paused(struct exchange *x);

/* "trace_id=... span_id=..." of the request's innermost span, or nothing; and the answer's header with the trace's id. */
void telemetry_ids(struct exchange *x, char *text, size_t size);
void telemetry_answer_headers(const struct exchange *x, telemetry_header_fn *put, void *arg);

/* trace.c's, for telemetry.c. */
void trace_start(const struct address *store);
void trace_event(struct exchange *x, const char *name, struct weir_attrs attrs);
struct weir_histogram_series telemetry_latency(const struct exchange *x);
const struct weir_histogram *telemetry_slo(void);

#endif
#endif
