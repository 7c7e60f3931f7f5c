/* What a user sees who gets it wrong: each case must fail to compile, and the message must hold one of the texts after
 * "says:" (they are parted by |). CASE 0, the right use, must compile. Built by misuse.sh. */
#include <weir/weir.h>

WEIR_COUNTER(requests, "http_requests_total", "Requests.", "method", "code");
WEIR_COUNTER(hits, "hits_total", "Hits.");
WEIR_GAUGE(depth, "queue_depth", "Depth.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES), "size_bytes", "Size.");
void record(void);

#if CASE == 0
void record(void)
{
	weir_counter_add_with(&requests, 1, "GET", "200");
	weir_counter_add(&hits, 1);
	weir_gauge_set(&depth, 1);
	weir_histogram_record(&sizes, 1);
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
#endif
