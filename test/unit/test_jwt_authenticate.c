/* Authorization headers and contexts: what is a Bearer token, what the context knows then, and what children inherit. */
#include "jwt_shop.h"
#include "registry.h"
#include "verifier.h"

#include <pthread.h>
#include <weir/abi/private.h>
#include <weir/metric.h>
#include <weir/snapshot.h>

#include "alone.h"

static struct weir_jwt_verifier *verifier;
static const struct weir_jwt_claim claims[] = {{.claim = "/org/tenant", .attribute = "enduser.tenant", .label = "tenant"},
                                               {.claim = "plan", .label = "plan", .label_values = (const char *const[]){"gold", NULL}},
                                               {.claim = "email", .attribute = "enduser.id", .hashed = true}};

static void begin_opts(struct weir_jwt_options *o)
{
	const struct weir_options w = {.size = sizeof w, .no_thread = true};
	struct weir_jwks *keys = shop_keys();

	assert_int_equal(weir_init(&w), WEIR_OK);
	o->size = sizeof *o;
	o->keys = keys;
	assert_int_equal(weir_jwt_verifier_new(&verifier, o), WEIR_OK);
	weir_jwks_destroy(keys);
}

static void begin(void)
{
	struct weir_jwt_options o = {.issuer = "https://id", .audience = "shop", .claims = claims, .claims_count = COUNT(claims), .result_label = "auth"};

	begin_opts(&o);
}

static uint64_t counted(const char *name, const char *label)
{
	struct weir_str value = weir_str_of(label);
	struct weir_snapshot *snapshot;
	struct weir_series series;
	uint64_t n = 0;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	if (weir_snapshot_find(snapshot, name, &value, 1, &series))
		n = series.count;
	weir_snapshot_destroy(snapshot);
	return n;
}

static bool is_text(struct weir_str got, const char *wanted)
{
	return wanted == NULL ? got.ptr == NULL : got.ptr != NULL && got.len == strlen(wanted) && memcmp(got.ptr, wanted, got.len) == 0;
}

/* RFC 9110 and 6750: %s stands for a good token. */
ALONE(headers)
{
	static const struct {
		const char *format;
		enum weir_jwt_result result;
	} rows[] = {
	    {"Bearer %s", WEIR_JWT_OK},           {"bearer %s", WEIR_JWT_OK},          {"BEARER %s", WEIR_JWT_OK},
	    {"bEaReR   %s", WEIR_JWT_OK},         {"Bearer\t%s", WEIR_JWT_MISSING},    {"Bearer%s", WEIR_JWT_MISSING},
	    {" Bearer %s", WEIR_JWT_MISSING},     {"Basic %s", WEIR_JWT_MISSING},      {"Bearers %s", WEIR_JWT_MISSING},
	    {"%s", WEIR_JWT_MISSING},             {"", WEIR_JWT_MISSING},              {"Beare", WEIR_JWT_MISSING},
	    {"Bearer", WEIR_JWT_MALFORMED},       {"Bearer ", WEIR_JWT_MALFORMED},     {"Bearer     ", WEIR_JWT_MALFORMED},
	    {"Bearer %s ", WEIR_JWT_MALFORMED},   {"Bearer %s\t", WEIR_JWT_MALFORMED}, {"Bearer %s,", WEIR_JWT_MALFORMED},
	    {"Bearer %s, Basic eA", WEIR_JWT_MALFORMED}, {"Bearer \"%s\"", WEIR_JWT_MALFORMED}, {"Bearer %s\r\n", WEIR_JWT_MALFORMED},
	    {"Bearer %s=", WEIR_JWT_MALFORMED},   {"Bearer  \t%s", WEIR_JWT_MALFORMED}, {"Bearer token=%s", WEIR_JWT_MALFORMED},
	    {"Bearer %s %s", WEIR_JWT_ENCRYPTED} /* four dots */, {"Bearer .", WEIR_JWT_MALFORMED},    {"Bearer ..", WEIR_JWT_MALFORMED},
	};
	char *token, header[8192];
	struct weir_ctx ctx;

	begin();
	token = shop_token("");
	for (int cached = 0; cached < 2; cached++)
		for (size_t i = 0; i < COUNT(rows); i++) {
			enum weir_jwt_result got;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(header, sizeof header, rows[i].format, token + 7, token + 7);
#pragma GCC diagnostic pop
			weir_ctx_begin(&ctx, NULL, 0);
			got = weir_ctx_authenticate(&ctx, verifier, weir_str_of(header));
			if (got != rows[i].result)
				fail_msg("%s is %s", rows[i].format, weir_jwt_result_text(got));
			assert_int_equal(weir_ctx_auth_result(&ctx), got);
			weir_ctx_end(&ctx);
		}
	weir_ctx_begin(&ctx, NULL, 0);
	assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_n(NULL, 0)), WEIR_JWT_MISSING);
	header[0] = '\0';
	strcpy(header, token);
	assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_n(header, strlen(header) + 1)), WEIR_JWT_MALFORMED); /* NUL */
	weir_ctx_end(&ctx);
	free(token);
}

static void knows(struct weir_ctx *ctx)
{
	char hex[17];
	struct weir_str email = weir_ctx_auth_claim(ctx, verifier, 2);

	assert_int_equal(weir_ctx_auth_result(ctx), WEIR_JWT_OK);
	assert_true(is_text(weir_ctx_auth_claim(ctx, verifier, 0), "acme"));
	assert_true(is_text(weir_ctx_auth_claim(ctx, verifier, 1), "gold"));
	assert_true(is_text(weir_ctx_get_claim(ctx, "/org/tenant"), "acme"));
	assert_true(is_text(weir_ctx_get_claim(ctx, "tenant"), "acme"));
	assert_true(is_text(weir_ctx_get_claim(ctx, "auth"), "ok"));
	assert_int_equal(email.len, 16);
	memcpy(hex, email.ptr, 16);
	hex[16] = '\0';
	assert_int_equal(strspn(hex, "0123456789abcdef"), 16);
	assert_true(is_text(weir_ctx_auth_subject(ctx), "joe"));
	assert_true(is_text(weir_ctx_auth_issuer(ctx), "https://id"));
	assert_null(weir_ctx_auth_claim(ctx, verifier, 3).ptr);
	assert_in_range(weir_ctx_auth_expiry_ns(ctx), ((uint64_t)time(NULL) + 290) * WEIR_S(1), ((uint64_t)time(NULL) + 310) * WEIR_S(1));
	assert_null(memmem(ctx, sizeof *ctx, "s3cret", 6));
	assert_null(memmem(ctx, sizeof *ctx, "joe@acme", 8));
}

ALONE(contexts)
{
	char *token;
	struct weir_ctx ctx, child;

	begin();
	token = shop_token(",\"sub\":\"joe\",\"plan\":\"gold\",\"email\":\"joe@acme\",\"org\":{\"tenant\":\"acme\",\"x\":\"s3cret\"}");
	weir_ctx_begin(&ctx, NULL, 0);
	assert_int_equal(weir_ctx_auth_result(&ctx), WEIR_JWT_NONE);
	assert_int_equal(weir_ctx_auth_expiry_ns(&ctx), 0);
	assert_null(weir_ctx_auth_subject(&ctx).ptr);
	for (int i = 0; i < 3; i++) { /* the first time, and from the cache */
		assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_of(token)), WEIR_JWT_OK);
		knows(&ctx);
		weir_ctx_begin_child(&child, &ctx);
		knows(&child);
		weir_ctx_end(&child);
	}
	assert_int_equal(counted("weir_jwt_verifications_total", "ok"), 3);
	assert_int_equal(counted("weir_jwt_cache_lookups_total", "hit"), 2);
	assert_int_equal(counted("weir_jwt_cache_lookups_total", "miss"), 1);
	weir_jwt_verifier_flush(verifier);
	assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_of(token)), WEIR_JWT_OK);
	knows(&ctx);
	assert_int_equal(counted("weir_jwt_cache_lookups_total", "miss"), 2);
	/* Another one's token leaves nothing of the first. */
	free(token);
	token = shop_token("");
	assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_of(token)), WEIR_JWT_OK);
	assert_null(weir_ctx_auth_claim(&ctx, verifier, 0).ptr);
	assert_null(weir_ctx_auth_subject(&ctx).ptr);
	token[strlen(token) - 3] = token[strlen(token) - 3] == 'A' ? 'B' : 'A';
	assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_of(token)), WEIR_JWT_BAD_SIGNATURE);
	assert_null(weir_ctx_auth_issuer(&ctx).ptr);
	assert_int_equal(weir_ctx_auth_expiry_ns(&ctx), 0);
	assert_true(is_text(weir_ctx_get_claim(&ctx, "auth"), "bad_signature"));
	weir_ctx_end(&ctx);
	free(token);
	weir_jwt_verifier_destroy(verifier);
}

WEIR_COUNTER(elsewhere, "elsewhere_total", "Counted by another thread.", WEIR_CLAIM("tenant"));

static void *go_on(void *arg)
{
	knows(arg);
	weir_counter_add_ctx(&elsewhere, 3, (struct weir_ctx *)arg);
	return NULL;
}

/* A context goes to another thread with all that it knows, also while the cache is emptied and another token stands in its slot. */
ALONE(another_thread_goes_on)
{
	char *token;
	struct weir_ctx ctx;
	pthread_t thread;

	begin();
	token = shop_token(",\"sub\":\"joe\",\"plan\":\"gold\",\"email\":\"joe@acme\",\"org\":{\"tenant\":\"acme\"}");
	weir_ctx_begin(&ctx, NULL, 0);
	assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_of(token)), WEIR_JWT_OK);
	memset(token, 'x', strlen(token)); /* nothing points to the host's header */
	weir_jwt_verifier_flush(verifier);
	assert_int_equal(pthread_create(&thread, NULL, go_on, &ctx), 0);
	pthread_join(thread, NULL);
	assert_int_equal(counted("elsewhere_total", "acme"), 3);
	weir_ctx_end(&ctx);
	free(token);
}

static void gather(void *arg, struct weir_str name, struct weir_str value)
{
	snprintf((char *)arg + strlen(arg), 2000 - strlen(arg), "%.*s: %.*s\n", (int)name.len, name.ptr, (int)value.len, value.ptr);
}

/* Claims do not leave the process: not in baggage, not in any other header, neither to whom we call nor to who asked. */
ALONE(claims_stay_here)
{
	const struct weir_header headers[] = {{STR("traceparent"), STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
	                                      {STR("baggage"), STR("theirs=1")}};
	static const char *const words[] = {"joe", "acme", "gold", "https://id", "ok", "tenant"};
	char *token, out[2000] = "";
	struct weir_ctx ctx, child;

	begin();
	token = shop_token(",\"sub\":\"joe\",\"plan\":\"gold\",\"email\":\"joe@acme\",\"org\":{\"tenant\":\"acme\"}");
	weir_ctx_begin(&ctx, headers, 2);
	assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_of(token)), WEIR_JWT_OK);
	knows(&ctx);
	weir_ctx_begin_child(&child, &ctx);
	weir_ctx_inject(&ctx, gather, out);
	weir_ctx_inject(&child, gather, out);
	weir_ctx_inject_response(&ctx, gather, out);
	assert_non_null(strstr(out, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"));
	for (size_t i = 0; i < COUNT(words); i++)
		if (strstr(out, words[i]) != NULL)
			fail_msg("%s leaves: %s", words[i], out);
	assert_null(memmem(out, sizeof out, token + 7, 20));
	weir_ctx_end(&child);
	weir_ctx_end(&ctx);
	free(token);
}

ALONE(refused)
{
	struct weir_ctx ctx, fresh;
	char *token;

	begin();
	token = shop_token(",\"org\":{\"tenant\":\"acme\"}");
	weir_ctx_begin(&ctx, NULL, 0);
	assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_of(token)), WEIR_JWT_OK);
	weir_ctx_refuse(&ctx, WEIR_JWT_FORBIDDEN);
	assert_int_equal(weir_ctx_auth_result(&ctx), WEIR_JWT_FORBIDDEN);
	assert_true(is_text(weir_ctx_auth_claim(&ctx, verifier, 0), "acme")); /* who was refused is known */
	assert_true(is_text(weir_ctx_get_claim(&ctx, "auth"), "forbidden"));
	weir_ctx_refuse(&ctx, (enum weir_jwt_result)99);
	assert_int_equal(weir_ctx_auth_result(&ctx), WEIR_JWT_FORBIDDEN);
	weir_ctx_begin(&fresh, NULL, 0);
	weir_ctx_refuse(&fresh, WEIR_JWT_HEADER_MISSING);
	assert_int_equal(weir_ctx_auth_result(&fresh), WEIR_JWT_HEADER_MISSING);
	assert_true(is_text(weir_ctx_get_claim(&fresh, "auth"), "header_missing"));
	assert_int_equal(counted("weir_jwt_verifications_total", "forbidden"), 1);
	assert_int_equal(counted("weir_jwt_verifications_total", "header_missing"), 1);
	weir_ctx_end(&fresh);
	weir_ctx_end(&ctx);
	free(token);
}

WEIR_COUNTER(by_result, "by_result_total", "Requests by who asked, and how it went.", WEIR_CLAIM("tenant"), WEIR_CLAIM("auth"));

static uint64_t asked_by(const char *tenant, const char *auth)
{
	const struct weir_str values[] = {weir_str_of(tenant), weir_str_of(auth)};
	struct weir_snapshot *snapshot;
	struct weir_series series;
	uint64_t n = 0;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	if (weir_snapshot_find(snapshot, "by_result_total", values, 2, &series))
		n = series.count;
	weir_snapshot_destroy(snapshot);
	return n;
}

/* Who is let in and who is not is measured, with the reason; each reason is a value of its own, and none is "other". */
ALONE(reasons_are_measured)
{
	const struct {
		char *header;
		const char *tenant, *auth;
		enum weir_jwt_result refuse;
	} rows[] = {
	    {shop_token(",\"org\":{\"tenant\":\"acme\"}"), "acme", "ok", WEIR_JWT_NONE},
	    {shop_token(",\"org\":{\"tenant\":\"acme\"}"), "acme", "forbidden", WEIR_JWT_FORBIDDEN},
	    {shop_token(",\"org\":{\"tenant\":\"acme\"}"), "acme", "header_missing", WEIR_JWT_HEADER_MISSING},
	    {shop_token(""), "anonymous", "ok", WEIR_JWT_NONE},
	    {shop_token_by(&shop_key, "k1", -5, ",\"org\":{\"tenant\":\"acme\"}"), "anonymous", "expired", WEIR_JWT_NONE},
	    {shop_token_by(&shop_old_key, "k1", 5, ",\"org\":{\"tenant\":\"acme\"}"), "anonymous", "bad_signature", WEIR_JWT_NONE},
	    {shop_token_by(&shop_key, "k7", 5, ""), "anonymous", "unknown_key", WEIR_JWT_NONE},
	    {strdup("Basic x"), "anonymous", "missing", WEIR_JWT_NONE},
	    {strdup("Bearer x"), "anonymous", "malformed", WEIR_JWT_NONE},
	};
	struct weir_ctx ctx;

	begin();
	for (size_t i = 0; i < COUNT(rows); i++) {
		weir_ctx_begin(&ctx, NULL, 0);
		weir_ctx_authenticate(&ctx, verifier, weir_str_of(rows[i].header));
		if (rows[i].refuse != WEIR_JWT_NONE)
			weir_ctx_refuse(&ctx, rows[i].refuse);
		weir_counter_add_ctx(&by_result, i + 1, &ctx);
		weir_ctx_end(&ctx);
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (asked_by(rows[i].tenant, rows[i].auth) != i + 1)
			fail_msg("%s, %s: %llu", rows[i].tenant, rows[i].auth, (unsigned long long)asked_by(rows[i].tenant, rows[i].auth));
		free(rows[i].header);
	}
}

/* What has no room in a context is counted, the rest is there. */
ALONE(no_room)
{
	struct weir_status status = {.size = sizeof status};
	struct weir_ctx ctx;
	char more[1024], *token;

	begin();
	snprintf(more, sizeof more, ",\"sub\":\"joe\",\"plan\":\"gold\",\"org\":{\"tenant\":\"%0300d\"}", 7);
	token = shop_token(more);
	weir_ctx_begin(&ctx, NULL, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_of(token)), WEIR_JWT_OK);
		assert_null(weir_ctx_auth_claim(&ctx, verifier, 0).ptr);
		assert_true(is_text(weir_ctx_auth_claim(&ctx, verifier, 1), "gold"));
		assert_true(is_text(weir_ctx_auth_subject(&ctx), "joe"));
	}
	assert_int_equal(weir_status_read(&status), WEIR_OK);
	assert_int_equal(status.tags_dropped, 2);
	weir_ctx_end(&ctx);
	free(token);
}

/* What is cached is looked at again: its times, each time. */
ALONE(expires_in_the_cache)
{
	struct weir_jwt_options o = {.allow_no_expiry = true, .max_age_ns = WEIR_S(3600)};
	char *token, more[64];

	begin_opts(&o);
	token = shop_token_by(&shop_key, "k1", 2, "");
	assert_int_equal(weir_jwt_verify(verifier, weir_str_of(token + 7)), WEIR_JWT_CLAIM); /* no iat */
	free(token);
	snprintf(more, sizeof more, ",\"iat\":%lld", (long long)time(NULL));
	token = shop_token_by(&shop_key, "k1", 2, more);
	assert_int_equal(weir_jwt_verify(verifier, weir_str_of(token + 7)), WEIR_JWT_OK);
	assert_int_equal(weir_jwt_verify(verifier, weir_str_of(token + 7)), WEIR_JWT_OK);
	sleep(2);
	assert_int_equal(weir_jwt_verify(verifier, weir_str_of(token + 7)), WEIR_JWT_EXPIRED);
	assert_int_equal(counted("weir_jwt_cache_lookups_total", "hit"), 2);
	free(token);
}

/* What was refused is verified again, each time. */
ALONE(failures_are_not_cached)
{
	char *token;

	begin();
	token = shop_token_by(&shop_old_key, "k1", 300, "");
	for (int i = 0; i < 3; i++)
		assert_int_equal(weir_jwt_verify(verifier, weir_str_of(token + 7)), WEIR_JWT_BAD_SIGNATURE);
	free(token);
	token = shop_token_by(&shop_key, "k1", -5, "");
	for (int i = 0; i < 3; i++)
		assert_int_equal(weir_jwt_verify(verifier, weir_str_of(token + 7)), WEIR_JWT_EXPIRED);
	assert_int_equal(counted("weir_jwt_cache_lookups_total", "miss"), 6);
	assert_int_equal(counted("weir_jwt_verifications_total", "expired"), 3);
	free(token);
}

WEIR_COUNTER(asked, "asked_total", "Requests.", WEIR_CLAIM("tenant"));
WEIR_COUNTER(ready, "ready_total", "Threads.");

struct asker {
	pthread_t thread;
	const char *token;
	int ready, asks;
};

static void *ask_first(void *arg)
{
	struct asker *me = arg;
	struct weir_ctx ctx;

	weir_counter_add(&ready, 1); /* the thread's first use is over */
	weir_ctx_begin(&ctx, NULL, 0);
	__atomic_store_n(&me->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&me->asks, __ATOMIC_ACQUIRE))
		usleep(100);
	assert_int_equal(weir_ctx_authenticate(&ctx, verifier, weir_str_of(me->token)), WEIR_JWT_OK);
	weir_counter_add_ctx(&asked, 1, &ctx);
	weir_ctx_end(&ctx);
	return NULL;
}

/* A tenant's first requests come at once, by one token and by two, while the one is held up with the place that it takes: where
 * places are free no request is measured as "other". */
ALONE(first_requests_at_once)
{
	struct asker asker[2] = {{.ready = 0}};
	struct weir__guard guard;
	char *token[3];

	begin();
	token[0] = shop_token(",\"org\":{\"tenant\":\"one\"}");
	token[1] = shop_token(",\"org\":{\"tenant\":\"two\"}");
	token[2] = shop_token(",\"org\":{\"tenant\":\"two\"},\"sub\":\"joe\"");
	for (int by_two = 0; by_two < 2; by_two++) {
		for (int i = 0; i < 2; i++) {
			asker[i] = (struct asker){.token = token[by_two + (by_two && i)]};
			assert_int_equal(pthread_create(&asker[i].thread, NULL, ask_first, &asker[i]), 0);
			while (!__atomic_load_n(&asker[i].ready, __ATOMIC_ACQUIRE))
				usleep(100);
		}
		assert_true(weir__enter(&guard)); /* the registry's lock, which the first needs behind that of the places */
		for (int i = 0; i < 2; i++) {
			__atomic_store_n(&asker[i].asks, 1, __ATOMIC_RELEASE);
			usleep(5000);
		}
		weir__leave(&guard);
		for (int i = 0; i < 2; i++)
			pthread_join(asker[i].thread, NULL);
	}
	assert_int_equal(counted("asked_total", "one"), 2);
	assert_int_equal(counted("asked_total", "two"), 2);
	assert_int_equal(counted("asked_total", "other"), 0);
	for (int i = 0; i < 3; i++)
		free(token[i]);
	weir_jwt_verifier_destroy(verifier);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(headers),
                                          cmocka_unit_test(contexts),
                                          cmocka_unit_test(another_thread_goes_on),
                                          cmocka_unit_test(claims_stay_here),
                                          cmocka_unit_test(refused),
                                          cmocka_unit_test(reasons_are_measured),
                                          cmocka_unit_test(no_room),
                                          cmocka_unit_test(expires_in_the_cache),
                                          cmocka_unit_test(failures_are_not_cached),
                                          cmocka_unit_test(first_requests_at_once)};
ALONE_MAIN(tests)
