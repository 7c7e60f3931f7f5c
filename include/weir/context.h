/* weir: a request as it crosses threads and processes: the trace that it belongs to (W3C trace context, baggage), what it is
 * (route, status, peer), and which request the thread is at.
 *
 * A context is memory of the caller's, of frozen size, begun and ended; nothing is allocated. It may move between threads, one
 * at a time, but not in memory; it outlives its spans.
 *
 * A ctx that is NULL, or reads WEIR_CURRENT, is the thread's attached one: each function has both forms in one. */
#ifndef WEIR_CONTEXT_H
#define WEIR_CONTEXT_H

#include <weir/abi/hot.h>

WEIR_BEGIN_DECLS_

struct weir_ctx {
	uint64_t private_[128];
};
struct weir_scope { /* what attach gives, for detach */
	uint64_t private_[2];
};
WEIR_ASSERT_(sizeof(struct weir_ctx) == 1024, "frozen");

struct weir_header {
	struct weir_str name, value;
};
#define WEIR_CURRENT NULL

struct weir_ctx_options {
	WEIR_SIZE_(weir_ctx_options);
	void *buffer;                  /* for baggage, until end; without one baggage is dropped and counted */
	size_t buffer_size;
	uint64_t start_ns;             /* wall clock; 0: now */
	const struct weir_ctx *parent; /* a context of this process whose child this one is */
};

/* Begins a context. headers: all of the incoming ones, in any order and case, repeated ones included; others than those of
 * propagation are passed over. Who meets them one at a time begins with none and adds each, before the first span. Without a
 * valid parent the trace is a new one, and its id random.
 * begin_child: for work in parallel: the same trace, as child of parent's innermost span; what the request is goes along,
 * baggage does not (give a buffer and the parent in the options).
 * Threads: any. Signals: safe. Blocks: no, after a thread's first use. Allocates: no, likewise. Owns: ctx is the caller's, until
 * weir_ctx_end; headers are copied. Errors: none; malformed headers are passed over, and counted.
 * Source: W3C Trace Context level 2, W3C Baggage; B3 where OTEL_PROPAGATORS has it. */
WEIR_API void weir_ctx_begin(struct weir_ctx *ctx, const struct weir_header *headers, size_t count);
WEIR_API void weir_ctx_begin_opts(struct weir_ctx *ctx, const struct weir_ctx_options *options);
WEIR_API void weir_ctx_begin_child(struct weir_ctx *ctx, const struct weir_ctx *parent);
WEIR_API void weir_ctx_add_header(struct weir_ctx *ctx, struct weir_str name, struct weir_str value);
/* Ends it: judges the SLO, and lets go of the request's spans that wait for that, or sends them. Twice is harmless.
 * Threads: any. Signals: safe. Blocks: no. Allocates: no. Owns: ctx may be used anew. Errors: none. */
WEIR_API void weir_ctx_end(struct weir_ctx *ctx);

/* Makes ctx the thread's current one, until detach, which brings back the one before. Out of order, detach puts right what it
 * can and counts. current: never NULL: without one, a context that is empty and not sampled.
 * Threads: any; scope belongs to the thread. Signals: safe. Blocks, Allocates: no, after a thread's first use. Owns: nothing.
 * Errors: none; counted. */
WEIR_API struct weir_scope weir_ctx_attach(struct weir_ctx *ctx);
WEIR_API void weir_ctx_detach(struct weir_scope scope);
WEIR_API struct weir_ctx *weir_ctx_current(void);

/* What the request is. The context's first span, and no other, gets http.route, http.response.status_code, network.peer.address
 * and network.peer.port of it, if its kind is SERVER or CONSUMER and it ends later. A route is a template ("/orders/{id}"), of
 * which there are few: it is kept once for the process (2000 of 255 bytes; others are dropped and counted). sockaddr: IPv4,
 * IPv6 or Unix.
 * slo: the histogram whose threshold judges the request at its end: over it is slow. A status from 500 on has failed.
 * Threads: any. Signals: safe. Blocks: on the registry's lock at a route's first use. Allocates: weir's own pages, likewise.
 * Owns: all is copied. Errors: none; what is not understood is passed over. */
WEIR_API void weir_ctx_set_route(struct weir_ctx *ctx, struct weir_str route);
WEIR_API void weir_ctx_set_status(struct weir_ctx *ctx, int http_status);
WEIR_API void weir_ctx_set_peer(struct weir_ctx *ctx, const void *sockaddr, size_t size);
WEIR_API void weir_ctx_set_slo(struct weir_ctx *ctx, const struct weir_histogram *histogram);

/* Baggage is decoded into buf as snprintf does: the result is its length, or WEIR_ENOTFOUND; a value whose ptr is NULL
 * removes. Tracestate: get gives a view, valid until the context changes.
 * Threads: any. Signals: safe. Blocks: no. Allocates: no. Owns: copied. Errors: WEIR_ENOTFOUND, WEIR_EINVAL (a key or value
 * against the grammar), WEIR_ENOMEM (no buffer, or no room), WEIR_ELIMIT (64 members, 32 of tracestate). */
WEIR_API int weir_ctx_get_baggage(const struct weir_ctx *ctx, const char *key, char *buf, size_t size);
WEIR_API int weir_ctx_set_baggage(struct weir_ctx *ctx, const char *key, struct weir_str value);
WEIR_API struct weir_str weir_ctx_get_tracestate(const struct weir_ctx *ctx, const char *key);
WEIR_API int weir_ctx_set_tracestate(struct weir_ctx *ctx, const char *key, struct weir_str value);

/* What a verified token says of who asks (weir/jwt.h): a claim's value by its name in the policy, its label's or its
 * attribute's; a view, valid until the context changes; ptr NULL: there is none. Children of the context have it too.
 * Threads: any. Signals: safe. Blocks: no. Allocates: no. Owns: nothing. Errors: none. */
WEIR_API struct weir_str weir_ctx_get_claim(const struct weir_ctx *ctx, const char *name);

/* The outgoing headers, with the ids of the innermost open span: put once a header (both texts also end in NUL), or lines
 * "name: value\r\n" into buf. inject_response: what goes back with the answer: the request id header (X-Trace-ID, or as
 * weir_options has it) with the trace id. Lengths as snprintf's.
 * Threads: any. Signals: safe. Blocks: no. Allocates: no. Owns: texts live during the call. Errors: none. */
typedef void weir_put_fn(void *arg, struct weir_str name, struct weir_str value);
WEIR_API void weir_ctx_inject(const struct weir_ctx *ctx, weir_put_fn *put, void *arg);
WEIR_API int weir_ctx_inject_text(const struct weir_ctx *ctx, char *buf, size_t size);
WEIR_API void weir_ctx_inject_response(const struct weir_ctx *ctx, weir_put_fn *put, void *arg);

/* Who the innermost open span is (all zero: there is no trace); as hex; and for log lines "trace_id=... span_id=...", its
 * length as snprintf's, 0 where there is no trace.
 * Threads: any. Signals: safe. Blocks: no. Allocates: no. Owns: nothing. Errors: none. */
WEIR_API struct weir_ids weir_ctx_ids(const struct weir_ctx *ctx);
WEIR_API void weir_ids_hex(const struct weir_ids *ids, char trace[33], char span[17]);
WEIR_API int weir_ctx_log(const struct weir_ctx *ctx, char *buf, size_t size);

WEIR_END_DECLS_
#endif
