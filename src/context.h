/* L3: what stands in a struct weir_ctx and a struct weir_span. Both are the caller's memory: no pointer leads from a context to
 * a span, so that one that was never ended does no harm. The context's record is as OTEP 4947 wants it, and comes first.
 *
 * Invariant: who is the innermost span is one id in the record; a span brings back, at its end, the one that it found. */
#ifndef WEIR_CONTEXT_INTERNAL_H
#define WEIR_CONTEXT_INTERNAL_H

#include "baggage.h"
#include "clock.h"
#include "ids.h"
#include "ring.h"
#include "tracestate.h"

#include <weir/abi/thread_context.h>
#include <weir/span.h>

enum { /* state of a context */
	WEIR__CTX_OPEN = 1,
	WEIR__CTX_PARENT = 2,      /* the record's trace id and parent came with a valid header */
	WEIR__CTX_MANY = 4,        /* two traceparents: the trace begins anew */
	WEIR__CTX_SETTLED = 8,     /* ids and decision are there */
	WEIR__CTX_SAMPLED = 16,
	WEIR__CTX_TENTATIVE = 32,  /* not sampled, but may yet be kept */
	WEIR__CTX_ROOTED = 64,     /* its first span has begun */
	WEIR__CTX_FAILED = 128,
	WEIR__CTX_CHILD = 256,     /* of a context of this process, which decides */
	WEIR__CTX_COUNTER = 512,   /* ticks are the counter's */
	WEIR__CTX_B3 = 1024,       /* the parent came by B3 */
	WEIR__CTX_DEBUG = 2048,    /* with a parent: it asked for that by B3, and those that are called learn of it */
	WEIR__CTX_TIMED = 4096,    /* its first span has ended, so that first_ns is known */
	WEIR__CTX_CLOCKED = 8192,  /* start_ticks and start_ns are there */
	WEIR__CTX_REFUSED = 16384, /* a root that nobody records: that much is decided, its ids are made when somebody asks */
	WEIR__CTX_RECORDS = WEIR__CTX_SAMPLED | WEIR__CTX_TENTATIVE,
	WEIR__CTX_MARK = 0x5c710000, /* what never was a context has it not; one that has ended keeps it */
	WEIR__CTX_MARK_BITS = 0x7fff0000,
};
enum { WEIR__REQUEST_ID_MAX = 56 };

struct weir__route {
	struct weir__route *next;
	uint32_t hash, len;
	char text[];
};

/* What is said of a request: entries, one after the other, each a head of 8 bytes and the value's. See tag.h. */
struct __attribute__((may_alias)) weir__tags {
	uint64_t expiry_ns;
	uint32_t result, used; /* used: of bytes */
	uint8_t bytes[240];
};
enum { WEIR__TAGS_BEGUN = 128, WEIR__TAGS_IN_CTX = 8 };

/* A caller's struct weir_ctx and struct weir_span are words to the compiler, which may see both sides (-flto): so these, and
 * what of them is handed on by pointer, may stand for whatever type lies there. */
struct __attribute__((may_alias)) weir__ctx {
	struct weir_thread_context record;
	/* what each request needs stands together, in two cache lines */
	uint8_t parent_id[8];
	uint32_t state;
	uint16_t status, peer_port;
	uint64_t start_ticks, start_ns; /* one moment: ticks, and the wall clock */
	uint64_t slo_ns;                /* threshold + 1; 0: none */
	uint64_t first_ns;              /* how long its first span took */
	struct weir__tracestate tracestate;
	struct weir__baggage baggage;
	const struct weir__route *route;
	uint8_t peer_family; /* 4, 6 (addresses), 1 (a path's first bytes); 0: none */
	uint8_t request_id_len;
	uint8_t b3_seen; /* which of the B3 headers came */
	uint8_t tags_state; /* WEIR__TAGS_BEGUN, and how many there are; 0: none, and tags is not written */
	uint8_t peer[16];
	char request_id[WEIR__REQUEST_ID_MAX];
	uint64_t root; /* which local request it is, or is a child of: a trace may come here more than once. Where tentative */
	struct weir__tags tags;
};
_Static_assert(sizeof(struct weir__ctx) <= sizeof(struct weir_ctx), "frozen");
_Static_assert(offsetof(struct weir__ctx, parent_id) == 64, "the record has 64 bytes");
_Static_assert(offsetof(struct weir__ctx, tracestate.text) <= 128, "its length is in the second line");

enum { /* state of a span */
	WEIR__SPAN_OPEN = 1,
	WEIR__SPAN_RECORDS = 2,
	WEIR__SPAN_TENTATIVE = 4,
	WEIR__SPAN_TIMED = 8,
	WEIR__SPAN_INNERMOST = 16, /* its context's, when it began */
	WEIR__SPAN_FIRST = 32,     /* of its context */
	WEIR__SPAN_REMOTE = 64,    /* its parent is another process' */
	WEIR__SPAN_FAILED = 128,
	WEIR__SPAN_OK = 256,
	WEIR__SPAN_OWN_START = 512, /* start_ticks is ns of the wall clock */
	WEIR__SPAN_SQUEEZED = 1024, /* what was replaced has been taken away, once */
	WEIR__SPAN_ELSEWHERE = 2048, /* its bytes are the caller's */
	WEIR__SPAN_PLAIN = 4096,    /* recorded, inner, in its own bytes, by the counter: it may end by the short way */
	WEIR__SPAN_ENDED = 0x5eed0000,
};
struct __attribute__((may_alias)) weir__span {
	struct weir__ctx *ctx;
	uint32_t state;
	uint8_t kind, reserved_;
	uint16_t name_len; /* the name stands first in the bytes */
	uint64_t start_ticks;
	uint8_t span_id[8], parent_id[8];
	char *bytes; /* as size: where they are elsewhere; else own */
	uint32_t size, used;
	uint16_t attrs, events, links, reserved2_;
	uint16_t dropped_attrs, dropped_events, dropped_links, reserved3_; /* zero */
	char own[512 - 72];
};
_Static_assert(sizeof(struct weir__span) == sizeof(struct weir_span), "frozen");
_Static_assert(offsetof(struct weir__span, state) == 8, "weir_span_is_recording looks there");
_Static_assert((WEIR__SPAN_OPEN | WEIR__SPAN_RECORDS) == 3, "likewise");
_Static_assert(WEIR__SPAN_OPEN == 1 && WEIR__SPAN_ENDED == 0x5eed0000, "weir_span_end_ says the same");

/* The context that is meant, opened as weir_ctx_begin would where a span is the first to touch it; NULL: there is none. */
struct weir__ctx *weir__ctx_of(const struct weir_ctx *ctx);
/* Ids and decision, by what is known of the first span. */
void weir__ctx_settle(struct weir__ctx *ctx, enum weir_span_kind kind, struct weir_str name, struct weir_attrs attrs);
static inline void weir__ctx_settled(struct weir__ctx *ctx)
{
	if ((ctx->state & WEIR__CTX_SETTLED) == 0)
		weir__ctx_settle(ctx, (enum weir_span_kind)0, weir_str_n("", 0), (struct weir_attrs){NULL, 0});
}
/* What was left as it came, of a root that nobody records: its ids, where somebody may look at them from outside. */
static inline void weir__ctx_told(struct weir__ctx *ctx)
{
	if (__builtin_expect((ctx->state & (WEIR__CTX_REFUSED | WEIR__CTX_SETTLED)) == WEIR__CTX_REFUSED, 0))
		weir__ctx_settled(ctx);
}
static inline uint64_t weir__ctx_now(const struct weir__ctx *ctx, uint64_t ticks) /* wall clock */
{
	return ctx->start_ns + weir__ticks_between(ctx->start_ticks, ticks, weir__ticks_pace((ctx->state & WEIR__CTX_COUNTER) != 0));
}

/* What init says once. Relaxed: each word on its own, before the first request or between two. */
struct weir__propagation {
	bool w3c, baggage, b3, b3_multi;
	bool wanted; /* somebody takes spans */
	bool disabled;
	bool child_exports;
	char request_id_header[64];
	uint32_t request_id_header_len;
	const char *const *baggage_attrs;
};
extern struct weir__propagation weir__propagation;
extern void (*weir__on_child_request)(void); /* relaxed; set by init where a child is to export by itself */

const struct weir__route *weir__route_find(struct weir_str route); /* made if need be; NULL: counted */

/* The record's attributes, as they are to be seen from outside: all of them anew. */
void weir__ctx_outside(struct weir__ctx *ctx);
/* A record that is filled is not to be read meanwhile: what stands before this is stored before what stands behind it, as far as
 * a reader is concerned who stops the thread. */
static inline void weir__outside_fence(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
/* Not to be read, from here on. */
static inline void weir__ctx_hide(struct weir__ctx *ctx)
{
	ctx->record.valid = 0;
	weir__outside_fence();
}
static inline void weir__ctx_show(struct weir__ctx *ctx)
{
	weir__outside_fence();
	ctx->record.valid = 1;
}

size_t weir__peer_text(char out[48], const struct weir__ctx *ctx); /* the address, ends in NUL */

/* Records that the drain reads. */
struct weir__span_record {
	uint32_t bytes;
	uint16_t type, tracestate_len;
	uint8_t trace_id[16], span_id[8], parent_id[8];
	uint64_t start_ns, duration_ns;
	uint32_t state; /* of the span */
	uint8_t kind, flags;
	uint16_t name_len;
	uint16_t dropped_attrs, dropped_events, dropped_links;
	uint8_t kept, reserved_; /* why it was kept: written by who keeps */
	uint32_t entries_len, reserved2_;
	/* then the name, the tracestate, the entries; and last, where tentative, its context's root */
};
_Static_assert(sizeof(struct weir__span_record) % 8 == 0, "records are aligned");
/* What a record has of its span as it stands there: copied at once. */
#define WEIR__SAME_(first, last)                                                                                       \
	_Static_assert(offsetof(struct weir__span, last) - offsetof(struct weir__span, first) ==                       \
	                       offsetof(struct weir__span_record, last) - offsetof(struct weir__span_record, first), "the same")
WEIR__SAME_(state, kind);
WEIR__SAME_(state, name_len);
WEIR__SAME_(span_id, parent_id);
WEIR__SAME_(dropped_attrs, dropped_events);
WEIR__SAME_(dropped_attrs, dropped_links);
#undef WEIR__SAME_
enum { WEIR__HEAD_BYTES = 8, WEIR__IDS_BYTES = 16, WEIR__DROPPED_BYTES = 8 };
enum { WEIR__ROOT_BYTES = 8 };
static inline uint32_t weir__root_bytes(uint32_t span_state)
{
	return (span_state & WEIR__SPAN_TENTATIVE) != 0 ? WEIR__ROOT_BYTES : 0;
}
static inline uint64_t weir__root_of(const struct weir__span_record *tentative)
{
	uint64_t root;

	memcpy(&root, (const char *)tentative + tentative->bytes - WEIR__ROOT_BYTES, sizeof root);
	return root;
}
/* Of a span's bytes: with a whole tracestate they fit a chunk. */
enum {
	WEIR__SPAN_BYTES_MAX =
		WEIR__RECORD_MAX - (int)sizeof(struct weir__span_record) - WEIR__TRACESTATE_BYTES - WEIR__ROOT_BYTES - 8
};
struct weir__exemplar_record {
	uint32_t bytes;
	uint16_t type, counter; /* what ticks are, 0 or 1 */
	uint32_t cell, bucket;
	uint64_t value, time_ns, ticks;
	struct weir_ids ids;
};
enum weir__verdict { WEIR__VERDICT_DROP, WEIR__VERDICT_FAILED, WEIR__VERDICT_SLOW };
struct weir__verdict_record {
	uint32_t bytes;
	uint16_t type, verdict;
	uint8_t trace_id[16];
	uint64_t root;
};
_Static_assert(sizeof(struct weir__verdict_record) == 32, "records are aligned");

/* Pushes an exemplar of a sampled span; the drain keeps the last of each bucket. bucket 0 for counters. */
void weir__exemplar_push(const struct weir__ctx *ctx, const uint8_t span_id[8], uint32_t cell, uint32_t bucket, uint64_t value);

#endif
