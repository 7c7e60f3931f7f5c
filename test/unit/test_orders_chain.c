/* The middleware chain of orders: who runs, who is left, what is measured. Compiled together with the chain, its links and
 * the telemetry themselves; the routes and their handlers are this test's. */
#include "../../examples/orders/access.c"
#include "../../examples/orders/breaker.c"
#include "../../examples/orders/call.c"
#include "../../examples/orders/chain.c"
#include "../../examples/orders/links.c"
#include "../../examples/orders/method.c"
#include "../../examples/orders/telemetry.c"
#include "../../examples/orders/trace.c"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- what the links of these tests note, in the order in which it happens ---------------------------------------------- */
static char notes[256];
static int seen_status;

static void note(const char *text)
{
	strncat(notes, text, sizeof notes - strlen(notes) - 1);
}

#define NOTING(who, verdict)                                                                                          \
	static int who##_enter(struct exchange *x)                                                                    \
	{                                                                                                              \
		(void)x;                                                                                               \
		note("+" #who);                                                                                       \
		return verdict;                                                                                        \
	}                                                                                                              \
	static void who##_leave(struct exchange *x)                                                                   \
	{                                                                                                              \
		note("-" #who);                                                                                       \
		seen_status = x->status;                                                                               \
	}                                                                                                              \
	static const struct link who = {.name = #who, .enter = who##_enter, .leave = who##_leave};

NOTING(a, CHAIN_NEXT)
NOTING(b, CHAIN_NEXT)
NOTING(c, CHAIN_NEXT)
NOTING(ends, (x->status = 429, CHAIN_END))
NOTING(fails, -7)
NOTING(waits, x->complete ? CHAIN_NEXT : CHAIN_WAIT)

static unsigned rounds;

static bool repeats_again(struct exchange *x)
{
	note("?repeats");
	x->error = 0;
	return --rounds > 0;
}

static int repeats_enter(struct exchange *x)
{
	note("+repeats");
	return x->delay_ns > 0 ? CHAIN_WAIT : CHAIN_NEXT;
}

static void repeats_leave(struct exchange *x)
{
	(void)x;
	note("-repeats");
}

static const struct link repeats = {"repeats", repeats_enter, repeats_leave, repeats_again};
static const struct link bare = {.name = "neither enter nor leave"};

#define CHAIN(...)                                                                                                     \
	(struct chain)                                                                                                 \
	{                                                                                                              \
		(const struct link *const[]){__VA_ARGS__},                                                             \
		    sizeof((const struct link *const[]){__VA_ARGS__}) / sizeof(struct link *)                          \
	}

/* ---- routes with handlers that do what the tests need ------------------------------------------------------------------ */
static int calls;
static uint64_t store_takes_ns;

static int answers(struct exchange *x)
{
	calls++;
	answer(x, 200, "{\"ok\":true}\n");
	x->delay_ns = store_takes_ns;
	return 0;
}

static int breaks(struct exchange *x)
{
	calls++;
	answer(x, 200, "half an answer");
	return -5;
}

static int forgets(struct exchange *x)
{
	(void)x;
	return 0;
}

const struct route routes[ROUTES] = {
	[ROUTE_ORDER] = {"answers", "GET, HEAD", METHOD_GET, answers, {200}},
	[ROUTE_ORDERS] = {"breaks", "POST", METHOD_POST, breaks, {413, 500}},
	[ROUTE_HEALTH] = {"forgets", "GET, HEAD", METHOD_GET, forgets, {0}},
	[ROUTE_OTHER] = {"other", "", METHOD_GET, NULL, {404}},
};

static struct exchange request(enum method method, const struct route *route)
{
	struct exchange x = {.method = method, .route = route, .complete = true};

	notes[0] = '\0';
	seen_status = 0;
	calls = 0;
	store_takes_ns = 0;
	return x;
}

/* What a server would know of a request: nothing here. */
void http_headers(const struct exchange *x, http_header_fn *take, void *arg)
{
	(void)x;
	(void)take;
	(void)arg;
}

const char *http_header(const struct exchange *x, const char *name)
{
	(void)x;
	(void)name;
	return NULL;
}

const void *http_peer(const struct exchange *x)
{
	(void)x;
	return NULL;
}

/* The chain as orders has it; and as it is with traces. */
static const struct link *const whole[] = {&link_requests, &link_latency, &link_status, &link_recovery,
                                           &link_guard,    &link_body,    &link_handle};
static const struct link *const traced[] = {&link_requests, &link_trace, &link_status, &link_recovery,
                                            &link_guard,    &link_body,  &link_handle};
static const struct chain orders = {whole, sizeof whole / sizeof whole[0]};
static const struct chain tracing = {traced, sizeof traced / sizeof traced[0]};

static uint64_t counted(const char *method, const char *route, const char *code)
{
	return weir_counter_series_read(weir_counter_with(&requests, method, route, code));
}

static uint64_t measured(const char *route)
{
	return weir_histogram_series_read(weir_histogram_with(&latency, route)).count;
}

/* ---- the chain itself --------------------------------------------------------------------------------------------------- */
static void links_run_in_order_and_are_left_in_reverse(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	struct chain chain = CHAIN(&a, &bare, &b, &c);

	(void)state;
	assert_true(chain_run(&chain, &x));
	assert_string_equal(notes, "+a+b+c-c-b-a");
	assert_true(x.ended);
}

static void a_link_ends_the_request(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	struct chain chain = CHAIN(&a, &ends, &b, &c);

	(void)state;
	assert_true(chain_run(&chain, &x));
	assert_string_equal(notes, "+a+ends-ends-a"); /* b and c did not run */
	assert_int_equal(seen_status, 429);           /* and a saw the status */
}

static void an_error_ends_the_request(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	struct chain chain = CHAIN(&a, &fails, &b);

	(void)state;
	assert_true(chain_run(&chain, &x));
	assert_string_equal(notes, "+a+fails-fails-a");
	assert_int_equal(x.error, -7);
}

static void a_link_that_waits_is_entered_again(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	struct chain chain = CHAIN(&a, &waits, &b);

	(void)state;
	x.complete = false;
	assert_false(chain_run(&chain, &x));
	assert_false(chain_run(&chain, &x));
	assert_string_equal(notes, "+a+waits+waits"); /* a once */
	assert_false(x.ended);
	x.complete = true;
	assert_true(chain_run(&chain, &x));
	assert_string_equal(notes, "+a+waits+waits+waits+b-b-waits-a");
}

static void an_aborted_request_is_left_by_those_it_entered(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	struct chain chain = CHAIN(&a, &waits, &b);

	(void)state;
	x.complete = false;
	assert_false(chain_run(&chain, &x));
	chain_abort(&chain, &x, 499);
	assert_string_equal(notes, "+a+waits-a");
	assert_int_equal(seen_status, 499);
	assert_true(x.ended);
}

static void an_empty_chain_ends(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	struct chain chain = {NULL, 0};

	(void)state;
	assert_true(chain_run(&chain, &x));
}

static void a_link_that_wants_it_is_entered_again(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	struct chain chain = CHAIN(&a, &repeats, &b, &ends);

	(void)state;
	rounds = 2;
	assert_true(chain_run(&chain, &x));
	assert_string_equal(notes, "+a+repeats+b+ends-ends-b?repeats+repeats+b+ends-ends-b?repeats-repeats-a");
	assert_true(x.ended);
}

static void entered_again_it_may_wait(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	struct chain chain = CHAIN(&a, &waits, &repeats, &b);

	(void)state;
	rounds = 2;
	x.complete = false;
	assert_false(chain_run(&chain, &x));
	x.complete = true;
	x.delay_ns = 1;
	assert_false(chain_run(&chain, &x));
	assert_string_equal(notes, "+a+waits+waits+repeats");
	x.delay_ns = 0;
	assert_true(chain_run(&chain, &x));
	assert_string_equal(notes, "+a+waits+waits+repeats+repeats+b-b?repeats+repeats+b-b?repeats-repeats-waits-a");
}

static void an_aborted_request_goes_in_no_more(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	struct chain chain = CHAIN(&a, &repeats, &waits);

	(void)state;
	rounds = 9;
	x.complete = false;
	assert_false(chain_run(&chain, &x));
	chain_abort(&chain, &x, 499);
	assert_string_equal(notes, "+a+repeats+waits-repeats-a");
}

/* ---- orders' own links, measured ---------------------------------------------------------------------------------------- */
static void an_answer_is_measured(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	uint64_t before = counted("GET", "answers", "200"), count = measured("answers");

	(void)state;
	assert_true(chain_run(&orders, &x));
	assert_int_equal(x.status, 200);
	assert_int_equal(calls, 1);
	assert_int_equal(counted("GET", "answers", "200") - before, 1);
	assert_int_equal(measured("answers") - count, 1);
	assert_int_equal(weir_updown_read(&in_flight), 0);
}

static void recovery_makes_an_error_a_measured_500(void **state)
{
	struct exchange x = request(METHOD_POST, &routes[ROUTE_ORDERS]);
	uint64_t before = counted("POST", "breaks", "500"), count = measured("breaks");

	(void)state;
	assert_true(chain_run(&orders, &x));
	assert_int_equal(calls, 1);
	assert_int_equal(x.error, -5);
	assert_int_equal(x.status, 500);
	x.answer[x.answer_len] = '\0';
	assert_string_equal(x.answer, "{\"error\":\"internal error\"}\n"); /* not the half answer */
	assert_int_equal(counted("POST", "breaks", "500") - before, 1);
	assert_int_equal(counted("POST", "breaks", "200"), 0);
	assert_int_equal(measured("breaks") - count, 1);
}

static void a_body_too_long_ends_measured_and_unhandled(void **state)
{
	struct exchange x = request(METHOD_POST, &routes[ROUTE_ORDERS]);
	uint64_t before = counted("POST", "breaks", "413"), count = measured("breaks");

	(void)state;
	x.complete = false;
	x.announced = BODY_MAX + 1;
	assert_true(chain_run(&orders, &x)); /* at once: it does not wait for the body */
	assert_int_equal(calls, 0);
	assert_int_equal(x.status, 413);
	assert_int_equal(counted("POST", "breaks", "413") - before, 1);
	assert_int_equal(measured("breaks") - count, 1);

	x = request(METHOD_POST, &routes[ROUTE_ORDERS]);
	x.received = BODY_MAX + 1; /* one that was not announced */
	assert_true(chain_run(&orders, &x));
	assert_int_equal(calls, 0);
	assert_int_equal(x.status, 413);
}

static void what_no_route_takes_ends_measured(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_OTHER]);
	uint64_t before = counted("GET", "other", "404");

	(void)state;
	assert_true(chain_run(&orders, &x));
	assert_int_equal(x.status, 404);
	assert_int_equal(counted("GET", "other", "404") - before, 1);

	x = request(METHOD_DELETE, &routes[ROUTE_ORDER]);
	assert_true(chain_run(&orders, &x));
	assert_int_equal(x.status, 405);
	assert_int_equal(calls, 0);
	assert_int_equal(counted("DELETE", "answers", "405"), 1); /* known to nobody beforehand */

	x = request(METHOD_HEAD, &routes[ROUTE_ORDER]);
	assert_true(chain_run(&orders, &x));
	assert_int_equal(x.status, 200);
	assert_int_equal(counted("HEAD", "answers", "200"), 1);
}

static void a_handler_that_forgets_to_answer_is_a_500(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_HEALTH]);

	(void)state;
	assert_true(chain_run(&orders, &x));
	assert_int_equal(x.status, 500);
	assert_int_equal(counted("GET", "forgets", "500"), 1);
}

static void a_slow_answer_is_made_once_and_measured_at_its_end(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	uint64_t count = measured("answers");

	(void)state;
	store_takes_ns = 1000;
	assert_false(chain_run(&orders, &x));
	assert_int_equal(x.delay_ns, 1000);
	assert_int_equal(measured("answers"), count);
	assert_true(chain_run(&orders, &x));
	assert_int_equal(measured("answers") - count, 1);
	assert_int_equal(calls, 1);
	assert_int_equal(x.status, 200);
}

static void a_client_that_goes_away_is_measured(void **state)
{
	struct exchange x = request(METHOD_POST, &routes[ROUTE_ORDERS]);
	uint64_t count = measured("breaks");

	(void)state;
	x.complete = false;
	assert_false(chain_run(&orders, &x));
	assert_int_equal(weir_updown_read(&in_flight), 1);
	assert_int_equal(measured("breaks"), count);
	chain_abort(&orders, &x, 499);
	assert_int_equal(weir_updown_read(&in_flight), 0);
	assert_int_equal(counted("POST", "breaks", "499"), 1);
	assert_int_equal(measured("breaks") - count, 1);
}

static void a_traced_request_is_measured_and_has_ids(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	uint64_t before = counted("GET", "answers", "200"), count = measured("answers");
	uint64_t slow_before = weir_counter_read(&slow);
	char ids[ACCESS_IDS];

	(void)state;
	x.path = "/api/v1/orders/1";
	x.method_text = "GET";
	store_takes_ns = 1000;
	assert_false(chain_run(&tracing, &x));
	telemetry_ids(&x, ids, sizeof ids);
	assert_int_equal(strlen(ids), sizeof "trace_id= span_id=" - 1 + 32 + 16);
	assert_true(chain_run(&tracing, &x));
	assert_int_equal(counted("GET", "answers", "200") - before, 1);
	assert_int_equal(measured("answers") - count, 1);
	assert_string_equal(x.trace.id_name, "X-Trace-ID");
	assert_memory_equal(x.trace.id_value, ids + sizeof "trace_id=" - 1, 32);
	assert_int_equal(weir_counter_read(&slow) - slow_before, 1); /* and the store's slow answer is told */
}

static void without_a_trace_there_are_no_ids(void **state)
{
	struct exchange x = request(METHOD_GET, &routes[ROUTE_ORDER]);
	char ids[ACCESS_IDS] = "?";

	(void)state;
	assert_true(chain_run(&orders, &x));
	telemetry_ids(&x, ids, sizeof ids);
	assert_string_equal(ids, "");
}

static int resolve(void **state)
{
	(void)state;
	telemetry_start(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_run_in_order_and_are_left_in_reverse),
		cmocka_unit_test(a_link_ends_the_request),
		cmocka_unit_test(an_error_ends_the_request),
		cmocka_unit_test(a_link_that_waits_is_entered_again),
		cmocka_unit_test(an_aborted_request_is_left_by_those_it_entered),
		cmocka_unit_test(an_empty_chain_ends),
		cmocka_unit_test(a_link_that_wants_it_is_entered_again),
		cmocka_unit_test(entered_again_it_may_wait),
		cmocka_unit_test(an_aborted_request_goes_in_no_more),
		cmocka_unit_test(an_answer_is_measured),
		cmocka_unit_test(recovery_makes_an_error_a_measured_500),
		cmocka_unit_test(a_body_too_long_ends_measured_and_unhandled),
		cmocka_unit_test(what_no_route_takes_ends_measured),
		cmocka_unit_test(a_handler_that_forgets_to_answer_is_a_500),
		cmocka_unit_test(a_slow_answer_is_made_once_and_measured_at_its_end),
		cmocka_unit_test(a_client_that_goes_away_is_measured),
		cmocka_unit_test(a_traced_request_is_measured_and_has_ids),
		cmocka_unit_test(without_a_trace_there_are_no_ids),
	};

	return cmocka_run_group_tests_name("orders_chain", tests, resolve, NULL);
}
