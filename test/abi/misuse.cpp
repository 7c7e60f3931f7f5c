// The same for weir.hpp: what C++ refuses beyond C. See misuse.c.
#include <weir/weir.hpp>

static weir::counter requests{"http_requests_total", "Requests.", "method", "code"};
static weir::counter hits{"hits_total", "Hits."};
static weir::histogram wait{weir::latency, "wait_seconds", "Time waited."};
static weir::histogram answer{weir::latency, "answer_seconds", "Time to answer.", "route"};
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
#endif
