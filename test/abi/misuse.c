/* What a user sees who gets it wrong: each case must fail to compile, and the message must hold one of the texts after
 * "says:" (they are parted by |). CASE 0, the right use, must compile. Built by misuse.sh. */
#include <weir/weir.h>

WEIR_COUNTER(requests, "http_requests_total", "Requests.", "method", "code");
WEIR_COUNTER(hits, "hits_total", "Hits.");
WEIR_GAUGE(depth, "queue_depth", "Depth.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES), "size_bytes", "Size.");
WEIR_HISTOGRAM(routes, WEIR_LATENCY, "route_seconds", "Time.", "route");
WEIR_COUNTER(by, "by_total", "By tenant.", "method", WEIR_CLAIM("tenant"));
WEIR_HISTOGRAM(took, WEIR_LATENCY, "took_seconds", "Time.", WEIR_CLAIM("tenant"));
void record(void);
void begin(struct weir_span *span, struct weir_ctx *ctx);
void end(struct weir_span *span);

#if CASE == 0
void record(void)
{
	weir_counter_add_with(&requests, 1, "GET", "200");
	weir_counter_add(&hits, 1);
	weir_gauge_set(&depth, 1);
	weir_histogram_record(&sizes, 1);
	weir_counter_add_ctx(&requests, 1, WEIR_CURRENT, "GET", "200");
	weir_counter_add_ctx(&hits, 1, WEIR_CURRENT);
	weir_histogram_record_ctx(&sizes, 1, weir_ctx_current());
	weir_counter_add_ctx(&by, 1, WEIR_CURRENT, "GET");
	weir_histogram_record_ctx(&took, 1, WEIR_CURRENT);
}
void begin(struct weir_span *span, struct weir_ctx *ctx) { weir_span_begin(span, ctx, WEIR_SERVER, "GET"); }
void end(struct weir_span *span)
{
	weir_span_set_with(span, weir_attr_int("rows", 3), weir_attr_str("table", "orders"));
	weir_span_end_record(span, &sizes);
	weir_span_end_record_with(span, &routes, "/");
	weir_span_end_record(span, &took);
}
#elif CASE == 1 /* a label value is missing */
/* says: give as many label values as the instrument has label names */
void record(void) { weir_counter_add_with(&requests, 1, "GET"); }
#elif CASE == 2 /* the help text is missing */
/* says: an instrument needs a name and a help text: bare */
WEIR_COUNTER(bare, "bare_total");
#elif CASE == 3 /* labels forgotten altogether */
/* says: give as many label values as the instrument has label names */
void record(void) { weir_counter_add(&requests, 1); }
#elif CASE == 4 /* a gauge is no counter */
/* says: incompatible pointer type | cannot convert | no known conversion */
void record(void) { weir_counter_add(&depth, 1); }
#elif CASE == 5 /* the buckets are missing */
/* says: inappropriate type initialized | array initializer must be | brace-enclosed initializer */
WEIR_HISTOGRAM(latency, "latency_seconds", "Time.");
#elif CASE == 6 /* 70 bounds */
#define TEN 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
/* says: too many bounds (62 at most */
WEIR_HISTOGRAM(many, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(TEN, TEN, TEN, TEN, TEN, TEN, TEN)), "many", "Many.");
#elif CASE == 7 /* a label value that is no text */
/* says: makes pointer from integer | integer to pointer conversion | invalid conversion from | no known conversion | no matching function for call to 'weir_list_' */
void record(void) { weir_counter_add_with(&requests, 1, "GET", 200); }
#elif CASE == 8 /* an attribute's value of another type */
/* says: makes integer from pointer | pointer to integer conversion | invalid conversion from | no known conversion */
struct weir_attr attribute(void);
struct weir_attr attribute(void) { return weir_attr_int("rows", "three"); }
#elif CASE == 9 /* a label value too many */
/* says: give as many label values as the instrument has label names */
void record(void) { weir_counter_add_with(&requests, 1, "GET", "200", "shop"); }
#elif CASE == 10 /* a handle with a label value missing */
/* says: give as many label values as the instrument has label names */
void record(void) { weir_counter_series_add(weir_counter_with(&requests, "GET"), 1); }
#elif CASE == 11 /* a counter cannot be set */
/* says: incompatible pointer type | cannot convert | no known conversion */
void record(void) { weir_gauge_set(&hits, 1); }
#elif CASE == 12 /* a stopwatch records into a histogram */
/* says: incompatible pointer type | cannot convert | no known conversion */
void record(void)
{
	struct weir_stopwatch watch = weir_stopwatch_begin();

	weir_stopwatch_record(&watch, &hits);
}
#elif CASE == 13 /* a handle of another kind */
/* says: incompatible type | could not convert | no known conversion */
void record(void) { weir_histogram_series_record(weir_counter_with(&requests, "GET", "200"), 1); }
#elif CASE == 14 /* instruments are constant */
/* says: read-only | const-qualified */
void record(void) { depth.i_.labels_ = 1; }
#elif CASE == 15 /* a span's attribute of another type */
/* says: makes integer from pointer | pointer to integer conversion | invalid conversion from | no known conversion */
void end(struct weir_span *span) { weir_span_set_with(span, weir_attr_int("rows", "three")); }
#elif CASE == 16 /* a span without its kind */
/* says: too few arguments | cannot convert | no matching function */
void begin(struct weir_span *span, struct weir_ctx *ctx) { weir_span_begin(span, ctx, "GET"); }
#elif CASE == 17 /* a span without its context: the kind stands in its place */
/* says: too few arguments | makes pointer from integer | integer to pointer conversion | cannot convert | no matching function */
void begin(struct weir_span *span, struct weir_ctx *ctx) { weir_span_begin(span, WEIR_SERVER, "GET"); }
#elif CASE == 18 /* the histogram has labels, the end has not */
/* says: give as many label values as the instrument has label names */
void end(struct weir_span *span) { weir_span_end_record(span, &routes); }
#elif CASE == 19 /* a label value too many at the end */
/* says: give as many label values as the instrument has label names */
void end(struct weir_span *span) { weir_span_end_record_with(span, &routes, "/", "GET"); }
#elif CASE == 20 /* a duration is no counter's */
/* says: incompatible pointer type | cannot convert | no known conversion */
void end(struct weir_span *span) { weir_span_end_record(span, &hits); }
#elif CASE == 21 /* an attribute that is no attribute */
/* says: missing initializer for field | suggest braces | could not convert | cannot convert | no matching function */
void end(struct weir_span *span) { weir_span_set_with(span, "rows", 3); }
#elif CASE == 22 /* a span is no context */
/* says: incompatible pointer type | cannot convert | no known conversion */
void end(struct weir_span *span) { weir_ctx_end(span); }
#elif CASE == 23 /* a scope is for detach, and only that */
/* says: incompatible type | could not convert | no known conversion | no matching function */
void begin(struct weir_span *span, struct weir_ctx *ctx) { weir_ctx_detach(ctx); }
#elif CASE == 24 /* for a request, a label value missing */
/* says: give as many label values as the instrument has label names */
void record(void) { weir_counter_add_ctx(&requests, 1, WEIR_CURRENT, "GET"); }
#elif CASE == 25 /* for a request, labels that the instrument has not */
/* says: give as many label values as the instrument has label names */
void record(void) { weir_histogram_record_ctx(&sizes, 1, WEIR_CURRENT, "GET"); }
#elif CASE == 26 /* the context forgotten */
/* says: incompatible pointer type | incompatible pointer types | cannot convert | no known conversion | no matching function | invalid conversion */
void record(void) { weir_counter_add_ctx(&hits, 1, "GET"); }
#elif CASE == 27 /* a counter is no histogram */
/* says: incompatible pointer type | cannot convert | no known conversion */
void record(void) { weir_histogram_record_ctx(&hits, 1, WEIR_CURRENT); }
#elif CASE == 28 /* what the context fills is given too */
/* says: give as many label values as the instrument has label names */
void record(void) { weir_counter_add_ctx(&by, 1, WEIR_CURRENT, "GET", "acme"); }
#elif CASE == 29 /* a label value missing beside what the context fills */
/* says: give as many label values as the instrument has label names */
void record(void) { weir_counter_add_ctx(&by, 1, WEIR_CURRENT); }
#elif CASE == 30 /* a context fills a label, and there is none */
/* says: a context fills some of these labels */
void record(void) { weir_counter_add_with(&by, 1, "GET", "acme"); }
#elif CASE == 31 /* nor has a handle one */
/* says: a context fills some of these labels */
void record(void) { weir_counter_series_add(weir_counter_with(&by, "GET", "acme"), 1); }
#elif CASE == 32 /* a label value too many at the end */
/* says: give as many label values as the instrument has label names */
void end(struct weir_span *span) { weir_span_end_record_with(span, &took, "acme"); }
#endif
