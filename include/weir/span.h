/* weir: spans: what a request did, when, and for how long.
 *
 * A span is memory of the caller's, of frozen size, begun and ended; nothing is allocated. It nests: it is its context's
 * innermost until it ends. It may end on another thread than it began on, but one thread at a time uses it. Its attributes
 * stand in its own memory (about 390 bytes) or in a buffer given at begin; what does not fit is dropped whole, and counted in
 * the span. Names and keys are the programmer's; all is copied. */
#ifndef WEIR_SPAN_H
#define WEIR_SPAN_H

#include <weir/context.h>
#include <weir/metric.h>

WEIR_BEGIN_DECLS_

struct weir_span {
	uint64_t private_[64];
};
WEIR_ASSERT_(sizeof(struct weir_span) == 512, "frozen");

enum weir_span_kind { /* as OTLP counts */
	WEIR_INTERNAL = 1,
	WEIR_SERVER,
	WEIR_CLIENT,
	WEIR_PRODUCER,
	WEIR_CONSUMER,
};
enum weir_span_status { WEIR_STATUS_UNSET, WEIR_STATUS_OK, WEIR_STATUS_ERROR };

struct weir_link {
	struct weir_ids ids;
	struct weir_attrs attrs;
};
struct weir_span_options {
	WEIR_SIZE_(weir_span_options);
	const struct weir_span *parent; /* NULL: the context's innermost; a given one may be open on another thread */
	uint64_t start_ns;              /* wall clock; 0: now */
	struct weir_attrs attrs;        /* those that samplers see */
	const struct weir_link *links;
	size_t links_count;
	void *buffer; /* in place of the span's own, until end; about 15 KiB of it at most are used */
	size_t buffer_size;
	bool timed; /* reads the clock, though it is not sampled */
};

/* Begins a span. A span with a parent given is not the context's innermost: several may be open at once.
 * Threads: any. Signals: safe. Blocks: no, after a thread's first use. Allocates: no, likewise. Owns: span is the caller's
 * until end; ctx must live as long. Errors: none. Units: wall clock in ns since 1970. */
WEIR_API void weir_span_begin(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind, const char *name);
WEIR_API void weir_span_begin_v1_(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind, struct weir_str name);
/* A name whose length the compiler knows is not measured at each call. */
WEIR_INLINE_ void weir_span_begin_(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind, const char *name)
{
	if (name != NULL && __builtin_constant_p(__builtin_strlen(name)))
		weir_span_begin_v1_(span, ctx, kind, weir_str_n(name, __builtin_strlen(name)));
	else
		weir_span_begin(span, ctx, kind, name);
}
#define weir_span_begin(...) weir_span_begin_(__VA_ARGS__)
WEIR_API void weir_span_begin_opts(struct weir_span *span, struct weir_ctx *ctx, enum weir_span_kind kind, const char *name,
                                   const struct weir_span_options *options);

/* What happened. set: the same key again replaces. fail: the span's status is error, and why its description; ok: it is well,
 * whatever comes later. true: it is worth working out attributes, since the span is recorded.
 * Threads: one at a time. Signals: no. Blocks: no. Allocates: no. Owns: copied. Errors: none; what does not fit is counted in
 * the span's dropped attributes, events, links. Limits: OTEL_SPAN_*_LIMIT, OTEL_*ATTRIBUTE_*_LIMIT. */
WEIR_API void weir_span_set_name(struct weir_span *span, struct weir_str name);
WEIR_API void weir_span_set_attrs(struct weir_span *span, struct weir_attrs attrs);
WEIR_API void weir_span_event(struct weir_span *span, const char *name);
WEIR_API void weir_span_event_attrs(struct weir_span *span, const char *name, struct weir_attrs attrs);
WEIR_API void weir_span_event_at(struct weir_span *span, const char *name, uint64_t time_ns, struct weir_attrs attrs);
WEIR_API void weir_span_link(struct weir_span *span, struct weir_ids ids);
WEIR_API void weir_span_link_attrs(struct weir_span *span, struct weir_ids ids, struct weir_attrs attrs);
WEIR_API void weir_span_fail(struct weir_span *span, const char *why);
WEIR_API void weir_span_ok(struct weir_span *span);
WEIR_INLINE_ bool weir_span_is_recording(const struct weir_span *span)
{
	uint32_t state;

	if (span == NULL)
		return false;
	__builtin_memcpy(&state, &span->private_[1], sizeof state);
	return (state & 3u) == 3u;
}
/* What stands in the call is worked out for a span that is recorded only. */
#define weir_span_set_with(span, ...)                                                                                  \
	(weir_span_is_recording(span) ? weir_span_set_attrs((span), WEIR_ATTRS_(__VA_ARGS__)) : WEIR_CAST_(void, 0))
#define weir_span_event_with(span, name, ...)                                                                          \
	(weir_span_is_recording(span) ? weir_span_event_attrs((span), (name), WEIR_ATTRS_(__VA_ARGS__)) : WEIR_CAST_(void, 0))
#define weir_span_link_with(span, ids, ...) weir_span_link_attrs((span), (ids), WEIR_ATTRS_(__VA_ARGS__))

/* Its own ids, and its own outgoing headers, as weir_ctx_inject has them: where several spans are open at once. */
WEIR_API struct weir_ids weir_span_ids(const struct weir_span *span);
WEIR_API void weir_span_inject(const struct weir_span *span, weir_put_fn *put, void *arg);
WEIR_API int weir_span_inject_text(const struct weir_span *span, char *buf, size_t size);

/* Ends it, and gives its duration in ns; 0 where no clock was read (unsampled, not timed, not the context's first). _record puts
 * the duration into a histogram, with the span as its exemplar where it is sampled; of a span without a duration nothing is
 * recorded, and counted (untimed). Labels that a context fills are the span's context's. A second end is harmless, gives 0, and is counted.
 * Threads: any, one at a time. Signals: safe. Blocks: no, after a thread's first use. Allocates: no, likewise. Owns: the span's
 * memory is free again. Errors: none; a span that finds no room is dropped and counted. Units: ns. */
WEIR_API uint64_t weir_span_end(struct weir_span *span);
/* A span that is neither recorded nor timed ends here: 1 is open, and no more. */
WEIR_INLINE_ uint64_t weir_span_end_(struct weir_span *span)
{
	uint32_t state = 1, ended = 0x5eed0000;

	if (span == NULL)
		return 0;
	__builtin_memcpy(&state, &span->private_[1], sizeof state);
	if (state != 1)
		return weir_span_end(span);
	__builtin_memcpy(&span->private_[1], &ended, sizeof ended);
	return 0;
}
#define weir_span_end(span) weir_span_end_(span)
WEIR_API uint64_t weir_span_end_at(struct weir_span *span, uint64_t end_ns);
WEIR_API uint64_t weir_span_end_record(struct weir_span *span, const struct weir_histogram *h);
WEIR_API uint64_t weir_span_end_record_series(struct weir_span *span, struct weir_histogram_series s);
WEIR_API uint64_t weir_span_end_record_values(struct weir_span *span, const struct weir_histogram *h, WEIR_VALUES_);
WEIR_API uint64_t weir_span_end_record_v1_(struct weir_span *span, const struct weir_histogram *h, struct weir_labels_ l);
WEIR_INLINE_ const struct weir_histogram *weir_span_unlabelled_(const struct weir_histogram *h)
{
	WEIR_CHECK_CTX_(h, 0u);
	return h;
}
#define weir_span_end_record(span, h) weir_span_end_record((span), weir_span_unlabelled_(h))
WEIR_INLINE_ uint64_t weir_span_end_record_with_(struct weir_span *span, const struct weir_histogram *h, struct weir_labels_ l)
{
	WEIR_CHECK_CTX_(h, l.n_);
	return weir_span_end_record_v1_(span, h, l);
}
#define weir_span_end_record_with(span, h, ...) weir_span_end_record_with_((span), (h), WEIR_LABELS_(__VA_ARGS__))

/* Records for a request: the context's innermost sampled span becomes the exemplar; ctx NULL is the current one. The context,
 * then as many label values as there are label names, if any, but those that the context fills (WEIR_CLAIM):
 *   weir_counter_add_ctx(&requests, 1, ctx, "GET", "200"); weir_histogram_record_ctx(&size, n, WEIR_CURRENT);
 * As weir_histogram_record_values and weir_counter_add_values. */
WEIR_API void weir_histogram_series_record_ctx(struct weir_histogram_series s, uint64_t v, const struct weir_ctx *ctx);
WEIR_API void weir_counter_series_add_ctx(struct weir_counter_series s, uint64_t n, const struct weir_ctx *ctx);
WEIR_API void weir_counter_add_ctx_v1_(const struct weir_counter *c, uint64_t n, const struct weir_ctx *ctx, struct weir_labels_ l);
WEIR_API void weir_histogram_record_ctx_v1_(const struct weir_histogram *h, uint64_t v, const struct weir_ctx *ctx,
                                            struct weir_labels_ l);
/* A NULL ends the list, so that there may be no label values at all; it is not one of them. */
#define WEIR_CTX_LABELS_(ctx, ...) (ctx), WEIR_LABELS_(__VA_ARGS__)
#define WEIR_CTX_WITH_(name, type, i, number)                                                                          \
	WEIR_INLINE_ void name##_ctx_(const struct type *i, uint64_t number, const struct weir_ctx *ctx, struct weir_labels_ l) \
	{                                                                                                              \
		l.n_--;                                                                                                \
		WEIR_CHECK_CTX_(i, l.n_);                                                                              \
		name##_ctx_v1_(i, number, ctx, l);                                                                     \
	}
WEIR_CTX_WITH_(weir_counter_add, weir_counter, c, n)
WEIR_CTX_WITH_(weir_histogram_record, weir_histogram, h, v)
#define weir_counter_add_ctx(c, n, ...) weir_counter_add_ctx_((c), (n), WEIR_CTX_LABELS_(__VA_ARGS__, NULL))
#define weir_histogram_record_ctx(h, v, ...) weir_histogram_record_ctx_((h), (v), WEIR_CTX_LABELS_(__VA_ARGS__, NULL))

WEIR_END_DECLS_
#endif
