/* The links of orders that ask who asks: what is let in, what each refusal is answered, and that all of it is measured. With the
 * chain and its links, a real verifier, and tokens of the test's own. */
#define _GNU_SOURCE
#define ORDERS_JWT
#include "../../examples/orders/auth.c"

#include "../../examples/orders/access.c"
#include "../../examples/orders/breaker.c"
#include "../../examples/orders/call.c"
#include "../../examples/orders/chain.c"
#include "../../examples/orders/links.c"
#include "../../examples/orders/method.c"
#include "../../examples/orders/telemetry.c"
#include "../../examples/orders/trace.c"
#include "jwt_mint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int calls;

static int answers(struct exchange *x)
{
	calls++;
	answer(x, 200, "{\"ok\":true}\n");
	return 0;
}

const struct route routes[ROUTES] = {
	[ROUTE_ORDER] = {"/api/v1/orders/{id}", "GET, HEAD", METHOD_GET, answers, {200}},
	[ROUTE_ORDERS] = {"/api/v1/orders", "POST", METHOD_POST, answers, {201}},
	[ROUTE_HEALTH] = {"/healthz", "GET, HEAD", METHOD_GET, answers, {200}},
	[ROUTE_OTHER] = {"other", "", METHOD_GET, NULL, {404}},
};

/* ---- a request, as a server would know it --------------------------------------------------------------------------------- */
static const char *authorization, *request_id;

void http_headers(const struct exchange *x, http_header_fn *take, void *arg)
{
	(void)x;
	(void)take;
	(void)arg;
}

const char *http_header(const struct exchange *x, const char *name)
{
	(void)x;
	return strcmp(name, "Authorization") == 0 ? authorization : strcmp(name, "X-Request-ID") == 0 ? request_id : NULL;
}

const void *http_peer(const struct exchange *x)
{
	(void)x;
	return NULL;
}

static const struct link *const plain[] = {&link_requests, &link_latency, &link_tenant, &link_status, &link_recovery,
                                           &link_auth,     &link_guard,   &link_body,   &link_handle};
static const struct link *const traced[] = {&link_requests, &link_trace, &link_tenant, &link_status, &link_recovery,
                                            &link_auth,     &link_guard, &link_body,   &link_handle};
static bool traces;

static struct exchange ask(enum method method, enum route_id route, const char *path)
{
	struct exchange x = {.method = method, .route = &routes[route], .path = path, .method_text = "GET", .complete = true};
	struct chain chain = {traces ? traced : plain, sizeof plain / sizeof plain[0]};

	calls = 0;
	assert_true(chain_run(&chain, &x));
	x.answer[x.answer_len] = '\0';
	return x;
}

static struct exchange get(void)
{
	return ask(METHOD_GET, ROUTE_ORDER, "/api/v1/orders/1");
}

static struct exchange post(void)
{
	return ask(METHOD_POST, ROUTE_ORDERS, "/api/v1/orders");
}

/* ---- tokens ---------------------------------------------------------------------------------------------------------------- */
static struct mint_key key;
static char path[] = "/tmp/test_orders_auth.XXXXXX";
static char bearer[2048];

/* From now on requests come with this token. */
static void with_token(const char *claims_text)
{
	char payload[1024];
	char *token;

	snprintf(payload, sizeof payload, "{\"exp\":%lld,%s}", (long long)time(NULL) + 60, claims_text);
	token = mint_plain(&key, WEIR__JWT_HS256, "k", payload);
	snprintf(bearer, sizeof bearer, "Bearer %s", token);
	free(token);
	authorization = bearer;
}

static void with_good_token(void)
{
	with_token("\"tenant\":\"tea\",\"sub\":\"u1\",\"scope\":\"orders:read orders:write\"");
}

static int begin(void **state)
{
	char set[512], secret[128];
	struct args args = {.jwks = path, .telemetry = true, .require_header = "X-Request-ID"};
	size_t len;
	int fd = mkstemp(path);

	(void)state;
	key = mint_key_new(WEIR__JWT_HS256);
	len = mint_base64url(secret, 0, key.secret, key.secret_len);
	len = (size_t)snprintf(set, sizeof set, "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"k\",\"k\":\"%.*s\"}]}", (int)len, secret);
	if (fd < 0 || write(fd, set, len) != (ssize_t)len || close(fd) != 0)
		return -1;
	telemetry_start(NULL);
	return auth_start(&args) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	auth_stop();
	return unlink(path);
}

static int each(void **state)
{
	(void)state;
	authorization = NULL;
	request_id = "r1";
	traces = false;
	return 0;
}

/* ---- what was measured ------------------------------------------------------------------------------------------------------ */
static uint64_t counted(const char *name, const char *first, const char *tenant)
{
	struct weir_str values[2] = {weir_str_of(first), weir_str_of(tenant)};
	struct weir_snapshot *snapshot = NULL;
	struct weir_series found;
	uint64_t count = 0;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	if (first != NULL ? weir_snapshot_find(snapshot, name, values, 2, &found)
	                  : weir_snapshot_find(snapshot, name, values + 1, 1, &found))
		count = found.count;
	weir_snapshot_destroy(snapshot);
	return count;
}

#define REQUESTS "orders_tenant_requests_total"
#define LATENCY "orders_tenant_request_duration_seconds"
#define REFUSALS "orders_refusals_total"

/* Refused with this status and challenge, before the handler, and counted: by its code, its reason, its time, of this tenant. */
static void refused(struct exchange (*request)(void), int status, const char *challenge, const char *reason, const char *tenant)
{
	char code[12];
	uint64_t requests_before, latency_before, refusals_before;
	struct exchange x;

	snprintf(code, sizeof code, "%d", status);
	requests_before = counted(REQUESTS, code, tenant);
	latency_before = counted(LATENCY, NULL, tenant);
	refusals_before = counted(REFUSALS, reason, tenant);
	x = request();
	assert_int_equal(x.status, status);
	assert_int_equal(calls, 0);
	if (challenge == NULL)
		assert_null(x.challenge);
	else
		assert_string_equal(x.challenge, challenge);
	if (status == 401)
		assert_string_equal(x.answer, "{\"error\":\"no good token\"}\n"); /* whatever is wrong with it */
	assert_int_equal(counted(REQUESTS, code, tenant) - requests_before, 1);
	assert_int_equal(counted(LATENCY, NULL, tenant) - latency_before, 1);
	assert_int_equal(counted(REFUSALS, reason, tenant) - refusals_before, 1);
}

static void a_good_token_is_let_in_and_measured_by_tenant(void **state)
{
	uint64_t before = counted(REQUESTS, "200", "tea"), count = counted(LATENCY, NULL, "tea");
	struct exchange x;

	(void)state;
	with_good_token();
	x = get();
	assert_int_equal(x.status, 200);
	assert_int_equal(calls, 1);
	assert_int_equal(counted(REQUESTS, "200", "tea") - before, 1);
	assert_int_equal(counted(LATENCY, NULL, "tea") - count, 1);
	assert_int_equal(post().status, 200);
	assert_int_equal(ask(METHOD_HEAD, ROUTE_ORDER, "/api/v1/orders/1").status, 200);
}

static void without_a_token_it_is_401_and_no_error_is_told(void **state)
{
	(void)state;
	refused(get, 401, "Bearer", "missing", "anonymous");
	authorization = "Basic dXNlcjpwYXNz";
	refused(get, 401, "Bearer", "missing", "anonymous");
}

static void a_bad_token_is_401_whatever_is_wrong_with_it(void **state)
{
	static const char invalid[] = "Bearer error=\"invalid_token\"";
	char *last;

	(void)state;
	authorization = "Bearer x";
	refused(get, 401, invalid, "malformed", "anonymous");
	with_good_token();
	last = &bearer[strlen(bearer) - 5];
	*last = *last == 'A' ? 'B' : 'A';
	refused(post, 401, invalid, "bad_signature", "anonymous");
	with_token("\"tenant\":\"tea\",\"scope\":\"orders:read\",\"nbf\":99999999999");
	refused(get, 401, invalid, "not_yet_valid", "anonymous");
	with_token("\"sub\":\"u1\",\"scope\":\"orders:read\"");
	refused(get, 401, invalid, "claim", "anonymous"); /* of no tenant */
}

static void without_the_scope_it_is_403_of_its_tenant(void **state)
{
	(void)state;
	with_token("\"tenant\":\"tea\",\"scope\":\"orders:read profile\"");
	assert_int_equal(get().status, 200);
	refused(post, 403, "Bearer error=\"insufficient_scope\", scope=\"orders:write\"", "forbidden", "tea");
	with_token("\"tenant\":\"tea\",\"scope\":[\"orders:write\",\"orders:reader\"]");
	assert_int_equal(post().status, 200);
	refused(get, 403, "Bearer error=\"insufficient_scope\", scope=\"orders:read\"", "forbidden", "tea");
	with_token("\"tenant\":\"tea\"");
	refused(get, 403, "Bearer error=\"insufficient_scope\", scope=\"orders:read\"", "forbidden", "tea");
	with_token("\"tenant\":\"tea\",\"scope\":\"xorders:read orders:readx orders:rea\"");
	refused(get, 403, "Bearer error=\"insufficient_scope\", scope=\"orders:read\"", "forbidden", "tea");
}

static void without_the_header_it_is_400_but_only_for_who_may_ask(void **state)
{
	(void)state;
	request_id = NULL;
	with_good_token();
	refused(get, 400, NULL, "header_missing", "tea");
	with_token("\"tenant\":\"tea\"");
	refused(get, 403, "Bearer error=\"insufficient_scope\", scope=\"orders:read\"", "forbidden", "tea");
	authorization = NULL;
	refused(get, 401, "Bearer", "missing", "anonymous");
}

static void health_stays_open_and_all_of_the_api_is_closed(void **state)
{
	static const char *const closed[] = {"/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/orders/1/x"};

	(void)state;
	assert_int_equal(ask(METHOD_GET, ROUTE_HEALTH, "/healthz").status, 200);
	assert_int_equal(ask(METHOD_GET, ROUTE_OTHER, "/favicon.ico").status, 404);
	for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
		assert_int_equal(ask(METHOD_GET, ROUTE_OTHER, closed[i]).status, 401);
	assert_int_equal(ask(METHOD_DELETE, ROUTE_ORDER, "/api/v1/orders/1").status, 401); /* before the guard's 405 */
	with_good_token();
	assert_int_equal(ask(METHOD_GET, ROUTE_OTHER, "/api/v1/nothing").status, 404);
	assert_int_equal(ask(METHOD_DELETE, ROUTE_ORDER, "/api/v1/orders/1").status, 405);
}

static void a_traced_request_is_the_same(void **state)
{
	uint64_t before = counted(REQUESTS, "200", "tea");

	(void)state;
	traces = true;
	with_good_token();
	assert_int_equal(get().status, 200);
	assert_int_equal(counted(REQUESTS, "200", "tea") - before, 1);
	with_token("\"tenant\":\"tea\",\"scope\":\"orders:read\"");
	refused(post, 403, "Bearer error=\"insufficient_scope\", scope=\"orders:write\"", "forbidden", "tea");
	authorization = NULL;
	refused(get, 401, "Bearer", "missing", "anonymous");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_good_token_is_let_in_and_measured_by_tenant, each),
		cmocka_unit_test_setup(without_a_token_it_is_401_and_no_error_is_told, each),
		cmocka_unit_test_setup(a_bad_token_is_401_whatever_is_wrong_with_it, each),
		cmocka_unit_test_setup(without_the_scope_it_is_403_of_its_tenant, each),
		cmocka_unit_test_setup(without_the_header_it_is_400_but_only_for_who_may_ask, each),
		cmocka_unit_test_setup(health_stays_open_and_all_of_the_api_is_closed, each),
		cmocka_unit_test_setup(a_traced_request_is_the_same, each),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
