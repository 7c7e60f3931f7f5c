/* The links that only orders' gateway has: limit, local, retry, breaker, call; and the breaker itself, by a clock of the test's
 * own. The store is the test: it says what a call that the chain waits for came to. */
#include "../../examples/orders/access.c"
#include "../../examples/orders/breaker.c"
#include "../../examples/orders/call.c"
#include "../../examples/orders/chain.c"
#include "../../examples/orders/limit.c"
#include "../../examples/orders/links.c"
#include "../../examples/orders/method.c"
#include "../../examples/orders/order.c"
#include "../../examples/orders/telemetry.c"
#include "../../examples/orders/trace.c"
/* After links.c: its own functions have names of their own. */
#include "../../examples/orders/gateway.c"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int health(struct exchange *x)
{
	answer(x, 200, "{\"status\":\"ok\"}\n");
	return 0;
}

static int nobody(struct exchange *x)
{
	(void)x;
	fail_msg("a gateway has no handler but health's");
	return 0;
}

const struct route routes[ROUTES] = {
	[ROUTE_ORDER] = {"/api/v1/orders/{id}", "GET, HEAD", METHOD_GET, nobody, {200, 404, 429, 500, 502, 503, 504}},
	[ROUTE_ORDERS] = {"/api/v1/orders", "POST", METHOD_POST, nobody, {201}},
	[ROUTE_HEALTH] = {"/healthz", "GET, HEAD", METHOD_GET, health, {200}},
	[ROUTE_OTHER] = {"other", "", METHOD_GET, NULL, {404}},
};

void http_headers(const struct exchange *x, http_header_fn *tell, void *arg)
{
	static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", bag[] = "tenant=acme";

	(void)x;
	tell(arg, "Traceparent", 11, parent, sizeof parent - 1);
	tell(arg, "tracestate", 10, "other=1", 7);
	tell(arg, "Baggage", 7, bag, sizeof bag - 1);
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

static const struct link *const all[] = {&link_requests, &link_trace, &link_status, &link_recovery, &link_guard, &link_limit,
                                         &link_body,     &link_local, &link_retry,  &link_breaker,  &link_call};
static const struct chain chain = {all, sizeof all / sizeof all[0]};
static struct gateway gateway;

static struct exchange request(enum method method, enum route_id route)
{
	struct exchange x = {.method = method, .route = &routes[route], .complete = true, .order_id = 7, .gateway = &gateway};

	x.method_text = method_label(method);
	x.path = "/a/path";
	return x;
}

static int fresh(void **state)
{
	(void)state;
	gateway_begin(&gateway, 0);
	return 0;
}

static int done(void **state)
{
	(void)state;
	gateway_end(&gateway);
	return 0;
}

/* The call that x waits for came to this. As http.c has it. */
static bool store_says(struct exchange *x, int status, const char *text)
{
	assert_int_equal(x->calling, CALLING_WANTED);
	assert_int_equal(x->delay_ns, 0);
	x->call.status = status;
	if (status == 0) {
		x->call.failure = text;
	} else {
		x->call.answer_len = strlen(text);
		memcpy(x->call.answer, text, x->call.answer_len);
	}
	telemetry_called(x);
	x->calling = CALLING_DONE;
	return chain_run(&chain, x);
}

/* The pause before another attempt is over. */
static bool paused(struct exchange *x)
{
	assert_true(x->delay_ns > 0);
	assert_int_equal(x->calling, CALLING_NOBODY);
	x->delay_ns = 0;
	return chain_run(&chain, x);
}

static uint64_t retried(const char *route)
{
	return weir_counter_series_read(weir_counter_with(&retries, route));
}

/* ---- the call ---------------------------------------------------------------------------------------------------------- */
static void the_stores_answer_is_the_answer(void **state)
{
	struct exchange x = request(METHOD_GET, ROUTE_ORDER);

	(void)state;
	assert_false(chain_run(&chain, &x));
	assert_false(x.call.post);
	assert_string_equal(x.call.path, "/orders/7");
	assert_true(store_says(&x, 200, "{\"id\":7}\n"));
	assert_int_equal(x.status, 200);
	assert_int_equal(x.attempts, 1);
	assert_memory_equal(x.answer, "{\"id\":7}\n", x.answer_len);
	assert_int_equal(x.answer_len, 9);
}

static void a_post_carries_its_body_and_learns_the_id(void **state)
{
	static const char body[] = "{\"item\":\"tea\",\"quantity\":3}";
	struct exchange x = request(METHOD_POST, ROUTE_ORDERS);

	(void)state;
	x.order_id = 0;
	x.received = sizeof body - 1;
	memcpy(x.body, body, sizeof body);
	assert_false(chain_run(&chain, &x));
	assert_true(x.call.post);
	assert_string_equal(x.call.path, "/orders");
	assert_ptr_equal(x.call.body, x.body);
	assert_int_equal(x.call.body_len, sizeof body - 1);
	assert_true(store_says(&x, 201, "{\"id\":10241,\"item\":\"tea\"}\n"));
	assert_int_equal(x.status, 201);
	assert_int_equal(x.order_id, 10241);
}

static void the_context_goes_along(void **state)
{
	struct exchange x = request(METHOD_GET, ROUTE_ORDER);
	char parent[80] = "", rest[1024] = "";
	struct weir_ids ids;
	char trace[33], span[17];

	(void)state;
	assert_false(chain_run(&chain, &x));
	ids = weir_span_ids(&x.trace.client);
	weir_ids_hex(&ids, trace, span);
	assert_string_equal(trace, "0af7651916cd43dd8448eb211c80319c"); /* the caller's */
	snprintf(parent, sizeof parent, "traceparent: 00-%s-%s-01", trace, span);
	for (size_t i = 0; i < x.call.headers_count; i++) {
		strcat(rest, x.call.headers[i]);
		strcat(rest, "\n");
	}
	assert_non_null(strstr(rest, parent)); /* the client span is the store's parent */
	assert_non_null(strstr(rest, "tracestate: other=1\n"));
	assert_non_null(strstr(rest, "baggage: tenant=acme\n"));
	assert_true(store_says(&x, 404, ""));
	assert_int_equal(x.status, 404);
	x.answer[x.answer_len] = '\0';
	assert_string_equal(x.answer, "{\"error\":\"not found\"}\n");
}

static void headers_that_do_not_fit_are_left_out(void **state)
{
	struct call call;
	char value[CALL_TEXT];

	(void)state;
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	call_begin(&call, false);
	call_header(&call, "long", value);
	assert_int_equal(call.headers_count, 0);
	for (int i = 0; i < CALL_HEADERS + 3; i++)
		call_header(&call, "name", "value");
	assert_int_equal(call.headers_count, CALL_HEADERS);
	assert_string_equal(call.headers[0], "name: value");
	assert_string_equal(call.headers[CALL_HEADERS - 1], "name: value");
}

static void what_needs_no_store_asks_none(void **state)
{
	struct exchange x = request(METHOD_GET, ROUTE_HEALTH);

	(void)state;
	assert_true(chain_run(&chain, &x));
	assert_int_equal(x.status, 200);
	x = request(METHOD_POST, ROUTE_ORDERS);
	x.received = 3;
	memcpy(x.body, "tea", 4);
	assert_true(chain_run(&chain, &x));
	assert_int_equal(x.status, 400);
	x = request(METHOD_GET, ROUTE_OTHER);
	assert_true(chain_run(&chain, &x));
	assert_int_equal(x.status, 404);
	assert_int_equal(x.attempts, 0);
}

/* ---- limit ------------------------------------------------------------------------------------------------------------- */
static void what_comes_too_fast_is_refused_and_counted(void **state)
{
	uint64_t before = weir_counter_read(&limited);
	unsigned refused = 0;

	(void)state;
	limit_begin(&gateway.limit, 1);
	for (int i = 0; i < 5; i++) {
		struct exchange x = request(METHOD_GET, ROUTE_ORDER);

		if (!chain_run(&chain, &x)) {
			assert_true(store_says(&x, 200, "{}"));
			continue;
		}
		assert_int_equal(x.status, 429);
		assert_int_equal(x.attempts, 0);
		refused++;
	}
	assert_in_range(refused, 3, 4); /* 5 in a row; one more only where the machine slept for a second */
	assert_int_equal(weir_counter_read(&limited) - before, refused);
}

static void health_is_never_refused(void **state)
{
	(void)state;
	limit_begin(&gateway.limit, 1);
	for (int i = 0; i < 5; i++) {
		struct exchange x = request(METHOD_GET, ROUTE_HEALTH);

		assert_true(chain_run(&chain, &x));
		assert_int_equal(x.status, 200);
	}
}

/* ---- retry ------------------------------------------------------------------------------------------------------------- */
static void a_get_that_failed_is_asked_again(void **state)
{
	struct exchange x = request(METHOD_GET, ROUTE_ORDER);
	uint64_t before = retried("/api/v1/orders/{id}");

	(void)state;
	assert_false(chain_run(&chain, &x));
	assert_false(store_says(&x, 503, "half"));
	assert_in_range(x.delay_ns, 5000000, 10000000);
	assert_false(paused(&x));
	assert_int_equal(x.attempts, 2);
	assert_true(store_says(&x, 200, "{\"id\":7}\n"));
	assert_int_equal(x.status, 200);
	assert_memory_equal(x.answer, "{\"id\":7}\n", 9);
	assert_int_equal(retried("/api/v1/orders/{id}") - before, 1);
}

static void three_times_in_all(void **state)
{
	struct exchange x = request(METHOD_GET, ROUTE_ORDER);

	(void)state;
	assert_false(chain_run(&chain, &x));
	assert_false(store_says(&x, 0, "connection_refused"));
	assert_false(paused(&x));
	assert_false(store_says(&x, 500, ""));
	assert_in_range(x.delay_ns, 10000000, 20000000);
	assert_false(paused(&x));
	assert_true(store_says(&x, 503, ""));
	assert_int_equal(x.status, 502);
	assert_int_equal(x.attempts, 3);
	x.answer[x.answer_len] = '\0';
	assert_string_equal(x.answer, "{\"error\":\"the store failed\"}\n");
}

static void neither_a_post_nor_what_took_too_long(void **state)
{
	static const char body[] = "{\"item\":\"tea\",\"quantity\":3}";
	struct exchange x = request(METHOD_POST, ROUTE_ORDERS);

	(void)state;
	x.received = sizeof body - 1;
	memcpy(x.body, body, sizeof body);
	assert_false(chain_run(&chain, &x));
	assert_true(store_says(&x, 503, ""));
	assert_int_equal(x.status, 502);
	x = request(METHOD_GET, ROUTE_ORDER);
	assert_false(chain_run(&chain, &x));
	assert_true(store_says(&x, 0, "timeout"));
	assert_int_equal(x.status, 504);
	x = request(METHOD_GET, ROUTE_ORDER);
	assert_false(chain_run(&chain, &x));
	assert_true(store_says(&x, 404, ""));
	assert_int_equal(x.attempts, 1);
}

/* ---- breaker ----------------------------------------------------------------------------------------------------------- */
#define NOW (1000 * BREAKER_REST_NS)

static void failures_in_a_row_open_it(void **state)
{
	struct breaker *b = &gateway.breaker;

	(void)state;
	for (int i = 0; i < 3 * BREAKER_FAILURES; i++) { /* none in a row */
		assert_true(breaker_ask(b, NOW).pass);
		assert_false(breaker_tell(b, i % 2, NOW).changed);
	}
	assert_false(breaker_tell(b, true, NOW).changed);
	for (int i = 0; i < BREAKER_FAILURES - 1; i++)
		assert_false(breaker_tell(b, false, NOW).changed);
	assert_true(breaker_tell(b, false, NOW).changed);
	assert_int_equal(b->state, BREAKER_OPEN);
	assert_false(breaker_ask(b, NOW + BREAKER_REST_NS - 1).pass);
}

static void half_open_one_passes(void **state)
{
	struct breaker *b = &gateway.breaker;

	(void)state;
	for (int i = 0; i < BREAKER_FAILURES; i++)
		breaker_tell(b, false, NOW);
	assert_true(breaker_ask(b, NOW + BREAKER_REST_NS).pass);
	assert_int_equal(b->state, BREAKER_HALF_OPEN);
	assert_false(breaker_ask(b, NOW + BREAKER_REST_NS).pass);
	assert_true(breaker_tell(b, false, NOW + BREAKER_REST_NS).changed); /* it fails: open again, for as long */
	assert_false(breaker_ask(b, NOW + 2 * BREAKER_REST_NS - 1).pass);
	assert_true(breaker_ask(b, NOW + 2 * BREAKER_REST_NS).pass);
	assert_true(breaker_tell(b, true, NOW + 2 * BREAKER_REST_NS).changed);
	assert_int_equal(b->state, BREAKER_CLOSED);
	assert_true(breaker_ask(b, NOW + 2 * BREAKER_REST_NS).pass);
	assert_true(breaker_ask(b, NOW + 2 * BREAKER_REST_NS).pass);
}

static void stragglers_do_not_lengthen_it(void **state)
{
	struct breaker *b = &gateway.breaker;

	(void)state;
	for (int i = 0; i < BREAKER_FAILURES; i++)
		breaker_tell(b, false, NOW);
	assert_false(breaker_tell(b, false, NOW + BREAKER_REST_NS / 2).changed);
	assert_true(breaker_ask(b, NOW + BREAKER_REST_NS).pass);
}

static void open_it_spares_the_store_and_is_counted(void **state)
{
	uint64_t opened = weir_counter_series_read(weir_counter_with(&turns, "open")), refused = weir_counter_read(&rejected);
	struct exchange x;
	int asked = 0;

	(void)state;
	for (int i = 0; i < 4; i++) { /* 3 calls, then 2, and then it is open */
		x = request(METHOD_GET, ROUTE_ORDER);
		bool ended = chain_run(&chain, &x);

		while (!ended) {
			asked += x.calling == CALLING_WANTED;
			ended = x.calling == CALLING_WANTED ? store_says(&x, 503, "") : paused(&x);
		}
	}
	assert_int_equal(asked, BREAKER_FAILURES);
	assert_int_equal(x.status, 503);
	assert_int_equal(x.attempts, 0);
	x.answer[x.answer_len] = '\0';
	assert_string_equal(x.answer, "{\"error\":\"the store is unavailable\"}\n");
	assert_int_equal(weir_counter_series_read(weir_counter_with(&turns, "open")) - opened, 1);
	assert_int_equal(weir_counter_read(&rejected) - refused, 3);
	assert_int_equal(weir_gauge_read(&open_breaker), 1);
}

static int resolve(void **state)
{
	static const struct address store = {"127.0.0.1", 8081};

	(void)state;
	telemetry_start(&store);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_stores_answer_is_the_answer, fresh, done),
		cmocka_unit_test_setup_teardown(a_post_carries_its_body_and_learns_the_id, fresh, done),
		cmocka_unit_test_setup_teardown(the_context_goes_along, fresh, done),
		cmocka_unit_test(headers_that_do_not_fit_are_left_out),
		cmocka_unit_test_setup_teardown(what_needs_no_store_asks_none, fresh, done),
		cmocka_unit_test_setup_teardown(what_comes_too_fast_is_refused_and_counted, fresh, done),
		cmocka_unit_test_setup_teardown(health_is_never_refused, fresh, done),
		cmocka_unit_test_setup_teardown(a_get_that_failed_is_asked_again, fresh, done),
		cmocka_unit_test_setup_teardown(three_times_in_all, fresh, done),
		cmocka_unit_test_setup_teardown(neither_a_post_nor_what_took_too_long, fresh, done),
		cmocka_unit_test_setup_teardown(failures_in_a_row_open_it, fresh, done),
		cmocka_unit_test_setup_teardown(half_open_one_passes, fresh, done),
		cmocka_unit_test_setup_teardown(stragglers_do_not_lengthen_it, fresh, done),
		cmocka_unit_test_setup_teardown(open_it_spares_the_store_and_is_counted, fresh, done),
	};

	return cmocka_run_group_tests_name("orders_gateway", tests, resolve, NULL);
}
