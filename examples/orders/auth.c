/* orders: who asks. See auth.h. Writer of what is fixed: auth_start, before there are other threads.
 *
 * The order in which a request is refused: no good token, not the scope, a header that is missing. So who may not ask learns
 * nothing of what a good request looks like. */
#include "auth.h"

#include "args.h"
#include "chain.h"
#include "http.h"

#include <weir/jwt.h>
#ifdef ORDERS_OTLP
#include <weir/otlp.h>
#endif

#include <stdio.h>
#include <string.h>

WEIR_COUNTER(tenant_requests, "orders_tenant_requests_total", "Requests to the API answered, by who asked.", "code",
             WEIR_CLAIM("tenant"));
/* Fine enough to tell tenants apart that are answered quickly, few enough for one of these a tenant. */
WEIR_HISTOGRAM(tenant_latency,
               WEIR_BUCKETS(WEIR_SECONDS, WEIR_SLO(995000, WEIR_MS(200)),
                            WEIR_BOUNDS(5000, 10000, 20000, 50000, 100000, 200000, 500000, WEIR_MS(1), WEIR_MS(2), WEIR_MS(5),
                                        WEIR_MS(10), WEIR_MS(50), WEIR_MS(100), WEIR_MS(200), WEIR_MS(500), WEIR_S(1))),
               "orders_tenant_request_duration_seconds", "Time from a request's head to its answer, by who asked.",
               WEIR_CLAIM("tenant"));
WEIR_COUNTER(refusals, "orders_refusals_total", "Requests to the API refused for who asked, or how.", "reason",
             WEIR_CLAIM("tenant"));

enum { CLAIM_TENANT, CLAIM_SUB, CLAIM_SCOPE, CLAIMS };
static struct weir_jwt_claim claims[CLAIMS] = {
	[CLAIM_TENANT] = {.claim = "tenant", .attribute = "app.tenant", .label = "tenant", .required = true},
	[CLAIM_SUB] = {.claim = "sub", .attribute = "enduser.id", .hashed = true},
	[CLAIM_SCOPE] = {.claim = "scope"}, /* leaves the process as nothing */
};

static struct {
	struct weir_jwt_verifier *verifier;
	const char *header; /* that a request must have; NULL: none */
	bool measures;
} asked;

static bool is_url(const char *text)
{
	return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

bool auth_start(const struct args *args)
{
	struct weir_jwt_options options = {.size = sizeof options, .issuer = args->issuer, .audience = args->audience,
	                                   .claims = claims, .claims_count = CLAIMS,
	                                   .idle_ns = WEIR_S((uint64_t)args->tenant_idle_s)};
	int error;

	if (args->jwks == NULL)
		return true;
	asked.header = args->require_header;
	asked.measures = args->telemetry;
	claims[CLAIM_TENANT].label_top = args->tenants;
	if (is_url(args->jwks)) {
#ifdef ORDERS_OTLP
		options.jwks_url = args->jwks;
		options.fetch = weir_otlp_fetch;
#else
		fputs("orders: --jwks takes a URL only where weir-otlp is there, which fetches it\n", stderr);
		return false;
#endif
	} else {
		options.jwks_path = args->jwks;
	}
	error = weir_jwt_verifier_new(&asked.verifier, &options);
	if (error != WEIR_OK) {
		fprintf(stderr, "orders: no verifier with the keys at %s: %s\n", args->jwks, weir_error_text(error));
		return false;
	}
	error = weir_jwt_verifier_refresh(asked.verifier, WEIR_S(2));
	if (error != WEIR_OK) /* they may still come */
		fprintf(stderr, "orders: no keys at %s yet: %s; until then requests are answered 503\n", args->jwks, weir_error_text(error));
	return true;
}

void auth_stop(void)
{
	if (asked.verifier != NULL)
		weir_jwt_verifier_destroy(asked.verifier);
	asked.verifier = NULL;
}

/* ---- the token ----------------------------------------------------------------------------------------------------------- */
static bool is_api(const char *path)
{
	return strncmp(path, "/api/v1", 7) == 0 && (path[7] == '/' || path[7] == '\0');
}

/* The word stands in a list with spaces (RFC 8693, 4.2), or commas, as weir joins an array. */
static bool has_word(struct weir_str list, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= list.len; i++) {
		bool begins = i == 0 || list.ptr[i - 1] == ' ' || list.ptr[i - 1] == ',';
		bool ends = i + len == list.len || list.ptr[i + len] == ' ' || list.ptr[i + len] == ',';

		if (begins && ends && memcmp(list.ptr + i, word, len) == 0)
			return true;
	}
	return false;
}

static int refuse(struct exchange *x, int status, const char *challenge)
{
	x->status = status;
	x->challenge = challenge;
	return CHAIN_END;
}

/* RFC 6750, 3.1: who sent no token is told no error. */
static int refuse_token(struct exchange *x, enum weir_jwt_result result)
{
	switch (result) {
	case WEIR_JWT_MISSING: return refuse(x, 401, "Bearer");
	case WEIR_JWT_KEYS_UNAVAILABLE: /* ours, not the token's: 401 would make clients throw good tokens away */
	case WEIR_JWT_NO_MEMORY: return refuse(x, 503, NULL);
	default: return refuse(x, 401, "Bearer error=\"invalid_token\"");
	}
}

static int auth_enter(struct exchange *x)
{
	struct weir_ctx *ctx = &x->trace.ctx;
	bool reads = x->method == METHOD_GET || x->method == METHOD_HEAD;
	enum weir_jwt_result result;

	if (!x->guarded)
		return CHAIN_NEXT;
	result = weir_ctx_authenticate(ctx, asked.verifier, weir_str_of(http_header(x, "Authorization")));
	if (result != WEIR_JWT_OK)
		return refuse_token(x, result);
	if (!has_word(weir_ctx_auth_claim(ctx, asked.verifier, CLAIM_SCOPE), reads ? "orders:read" : "orders:write")) {
		weir_ctx_refuse(ctx, WEIR_JWT_FORBIDDEN);
		return refuse(x, 403, reads ? "Bearer error=\"insufficient_scope\", scope=\"orders:read\""
		                            : "Bearer error=\"insufficient_scope\", scope=\"orders:write\"");
	}
	if (asked.header != NULL && http_header(x, asked.header) == NULL) {
		weir_ctx_refuse(ctx, WEIR_JWT_HEADER_MISSING);
		return refuse(x, 400, NULL);
	}
	return CHAIN_NEXT;
}

/* ---- what is measured of it ---------------------------------------------------------------------------------------------- */
static int tenant_enter(struct exchange *x)
{
	x->guarded = is_api(x->path);
	if (!x->guarded)
		return CHAIN_NEXT;
	if (!x->traced) /* a token needs a context, traced or not */
		weir_ctx_begin(&x->trace.ctx, NULL, 0);
	x->guarded_since = weir_stopwatch_begin();
	return CHAIN_NEXT;
}

static void tenant_leave(struct exchange *x)
{
	struct weir_ctx *ctx = &x->trace.ctx;
	enum weir_jwt_result result;
	char code[12];

	if (!x->guarded)
		return;
	result = weir_ctx_auth_result(ctx);
	if (asked.measures) {
		snprintf(code, sizeof code, "%d", x->status);
		weir_counter_add_ctx(&tenant_requests, 1, ctx, code);
		weir_histogram_record_ctx(&tenant_latency, weir_stopwatch_read(&x->guarded_since), ctx);
		if (result != WEIR_JWT_OK)
			weir_counter_add_ctx(&refusals, 1, ctx, weir_jwt_result_text(result));
	}
	if (!x->traced)
		weir_ctx_end(ctx);
}

const struct link link_tenant = {"tenant", tenant_enter, tenant_leave, NULL};
const struct link link_auth = {"auth", auth_enter, NULL, NULL};

size_t auth_outer(const struct link **links)
{
	links[0] = &link_tenant;
	return asked.verifier != NULL;
}

size_t auth_inner(const struct link **links)
{
	links[0] = &link_auth;
	return asked.verifier != NULL;
}
