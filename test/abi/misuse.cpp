// The same for weir.hpp: what C++ refuses beyond C. See misuse.c.
#include <weir/weir.hpp>

[[maybe_unused]] static weir::counter requests{"http_requests_total", "Requests.", "method", "code"};
[[maybe_unused]] static weir::counter hits{"hits_total", "Hits."};
[[maybe_unused]] static weir::histogram wait{weir::latency, "wait_seconds", "Time waited."};
[[maybe_unused]] static weir::histogram answer{weir::latency, "answer_seconds", "Time to answer.", "route"};
[[maybe_unused]] static weir::counter by{"by_total", "By tenant.", "method", weir::claim{WEIR_CLAIM("tenant")}};
[[maybe_unused]] static weir::histogram took{weir::latency, "took_seconds", "Time.", weir::claim{WEIR_CLAIM("tenant")}};
WEIR_HISTOGRAM(routes, WEIR_LATENCY, "route_seconds", "Time.", "route");
void record();

#if CASE == 0
void record()
{
	requests.add(1, "GET", "200");
	hits.add(1u);
	wait.record(5u);
	wait.record(std::chrono::milliseconds(5));
	answer.record(5u, "/orders");
	weir::timer whole{wait};
	weir::timer part{answer.with("/orders")};
	part = std::move(whole);
	weir::ctx request;
	weir::span span{request, "query", WEIR_CLIENT};
	span.set({{"rows", 3}, {"tables", weir::list{"orders", "items"}}});
	span.end(routes, "/");
	weir::span timed{"query"};
	timed.end(answer, "/orders");
	by.add_ctx(request.c(), 1, "GET");
	took.record_ctx(nullptr, 1u);
	weir::span last{request, "query"};
	last.end(took);
}
#elif CASE == 1 // a negative value
// says: record takes an unsigned integer
void record() { wait.record(-1); }
#elif CASE == 2 // a fraction
// says: record takes an unsigned integer
void record() { wait.record(0.005); }
#elif CASE == 3 // a label value is missing
// says: give as many label values as the instrument has label names
void record() { requests.add(1, "GET"); }
#elif CASE == 4 // a label value that is no text
// says: label values are text
void record() { requests.add(1, "GET", 200); }
#elif CASE == 5 // a counter takes no fractions
// says: a counter takes integers
void record() { hits.add(0.5); }
#elif CASE == 6 // a timer on a histogram with labels
// says: a timer records into a histogram without labels, or into a handle
void record() { weir::timer t{answer}; }
#elif CASE == 7 // a timer is not copied
// says: deleted
void record()
{
	weir::timer t{wait};
	weir::timer twice{t};
}
#elif CASE == 8 // an instrument is not copied
// says: deleted
void record() { auto twice = hits; }
#elif CASE == 9 // label names are literals
// says: label names are string literals
static weir::counter odd{"odd_total", "Odd.", 5};
void record() { odd.add(1); }
#elif CASE == 10 // a duration is no counter's
// says: a counter takes integers
void record() { hits.add(std::chrono::seconds(1)); }
#elif CASE == 11 // an attribute of a type that there is not
// says: an attribute is text, a bool, a number, weir::bytes, or an array
void record() { weir::span span{"query"}; span.set({{"took", std::chrono::seconds(1)}}); }
#elif CASE == 12 // a pointer is no bool
// says: an attribute is text, a bool, a number, weir::bytes, or an array
void record() { weir::span span{"query"}; span.set("self", &span); }
#elif CASE == 13 // a list of several kinds
// says: a list holds text, or bools, or integers, or floating point numbers
void record() { weir::span span{"query"}; span.set("odd", weir::list{"one", 2}); }
#elif CASE == 14 // labels are missing at the end
// says: give as many label values as the instrument has label names
void record() { weir::span span{"query"}; span.end(answer); }
#elif CASE == 15 // the same, of an instrument that a macro declared
// says: give as many label values as the instrument has label names
void record() { weir::span span{"query"}; span.end(routes); }
#elif CASE == 16 // a label value too many
// says: give as many label values as the instrument has label names
void record() { weir::span span{"query"}; span.end(routes, "/", "GET"); }
#elif CASE == 17 // a label value that is no text
// says: label values are text
void record() { weir::span span{"query"}; span.end(routes, 200); }
#elif CASE == 18 // a span is not copied
// says: deleted
void record() { weir::span span{"query"}; weir::span twice{span}; }
#elif CASE == 19 // nor is a context
// says: deleted
void record() { weir::ctx request; weir::ctx twice{request}; }
#elif CASE == 20 // a span ends into a histogram
// says: no matching function | no matching member function
void record() { weir::span span{"query"}; span.end(hits); }
#elif CASE == 21 // a span without a name
// says: no matching function | no matching constructor
void record() { weir::ctx request; weir::span span{request, WEIR_SERVER}; }
#elif CASE == 22 // a context fills a label
// says: a context fills some of these labels
void record() { by.add(1, "GET", "acme"); }
#elif CASE == 23 // what the context fills is given
// says: give as many label values as the instrument has label names
void record() { by.add_ctx(nullptr, 1, "GET", "acme"); }
#endif
