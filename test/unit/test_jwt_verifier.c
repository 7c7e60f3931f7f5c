/* Verifiers: options that are refused, limits, types, and a life without a cache, without libweir's start, and when it is disabled. */
#include "jwt_shop.h"
#include "verifier.h"

#include <weir/abi/private.h>
#include <weir/metric.h>

#include "alone.h"

static void no_fetch(void *arg, struct weir_fetch *fetch)
{
	(void)arg;
	fetch->status = WEIR_EIO;
}

static void quiet(void *arg, enum weir_log_level level, const char *text)
{
	(void)level;
	assert_null(strstr(text, "fedcba98")); /* a key */
	*(int *)arg += 1;
}

ALONE(options)
{
	static const char *const names[] = {"a", "/b/c", NULL}, *const bad_names[] = {"/~", NULL};
	static const char *many[70];
	const struct weir_jwt_claim claims[9] = {{.claim = "a"}, {.claim = "b"}, {.claim = "c"}, {.claim = "d"}, {.claim = "e"},
	                                         {.claim = "f"}, {.claim = "g"}, {.claim = "h"}, {.claim = "i"}};
	struct weir_jwks *keys = shop_keys(), *empty;
	const size_t size = sizeof(struct weir_jwt_options);
	struct weir_jwt_verifier *verifier = (struct weir_jwt_verifier *)1;
	struct {
		struct weir_jwt_options o;
		uint64_t tail;
	} newer;
	int lines = 0;
	const struct weir_options w = {.size = sizeof w, .no_thread = true, .log = quiet, .log_arg = &lines};

	assert_int_equal(weir_init(&w), WEIR_OK);
	assert_int_equal(weir_jwks_new(&empty), WEIR_OK);
	for (size_t i = 0; i < COUNT(many) - 1; i++)
		many[i] = "a";
	const struct weir_jwt_options bad[] = {
	    {.size = 0, .keys = keys},
	    {.size = size},
	    {.size = size, .keys = empty},
	    {.size = size, .keys = keys, .jwks_path = "/none"},
	    {.size = size, .jwks_path = "/none", .jwks_url = "http://x", .fetch = no_fetch},
	    {.size = size, .jwks_url = "http://x"},
	    {.size = size, .keys = keys, .fetch = no_fetch},
	    {.size = size, .keys = keys, .leeway_ns = WEIR_S(300) + 1},
	    {.size = size, .keys = keys, .max_bytes = 65537},
	    {.size = size, .keys = keys, .cache_slots = (1 << 20) + 1},
	    {.size = size, .keys = keys, .claims_count = 1},
	    {.size = size, .keys = keys, .claims = claims, .claims_count = 9},
	    {.size = size, .keys = keys, .claims = claims, .claims_count = 8, .result_label = "auth"},
	    {.size = size, .keys = keys, .result_label = "0"},
	    {.size = size, .keys = keys, .required = bad_names},
	    {.size = size, .keys = keys, .required = many},
	    {.size = size, .keys = keys, .hash_key = {"fedcba98", 8}},
	    {.size = size, .keys = keys, .reserved_ = {0, 0, 0, 1}},
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (weir_jwt_verifier_new(&verifier, &bad[i]) != WEIR_EINVAL || verifier != NULL)
			fail_msg("options %zu are taken", i);
		verifier = (struct weir_jwt_verifier *)1;
	}
	assert_int_equal(weir_jwt_verifier_new(&verifier, NULL), WEIR_EINVAL);
	assert_in_range(lines, 12, COUNT(bad) + 1); /* each is lines, the same one once a minute */
	memset(&newer, 0, sizeof newer);
	newer.o = (struct weir_jwt_options){.size = sizeof newer, .keys = keys, .claims = claims, .claims_count = 8, .required = names};
	newer.tail = 1;
	assert_int_equal(weir_jwt_verifier_new(&verifier, &newer.o), WEIR_EINVAL);
	newer.tail = 0;
	assert_int_equal(weir_jwt_verifier_new(&verifier, &newer.o), WEIR_OK);
	weir_jwt_verifier_destroy(verifier);
	weir_jwt_verifier_destroy(NULL);
	weir_jwks_destroy(keys);
	weir_jwks_destroy(empty);
}

ALONE(sixteen)
{
	struct weir_jwks *keys = shop_keys();
	const struct weir_jwt_options o = {.size = sizeof o, .keys = keys, .cache_slots = 4};
	struct weir_jwt_verifier *verifier[17];
	char *token = shop_token("");

	for (int i = 0; i < 16; i++)
		assert_int_equal(weir_jwt_verifier_new(&verifier[i], &o), WEIR_OK);
	assert_int_equal(weir_jwt_verifier_new(&verifier[16], &o), WEIR_ELIMIT);
	assert_null(verifier[16]);
	weir_jwt_verifier_destroy(verifier[7]);
	assert_int_equal(weir_jwt_verifier_new(&verifier[7], &o), WEIR_OK);
	weir_jwks_destroy(keys); /* they were copied */
	for (int i = 0; i < 16; i++) {
		assert_int_equal(weir_jwt_verify(verifier[i], weir_str_of(token + 7)), WEIR_JWT_OK);
		assert_int_equal(weir_jwt_verifier_refresh(verifier[i], 0), WEIR_OK);
		weir_jwt_verifier_destroy(verifier[i]);
	}
	free(token);
}

static enum weir_jwt_result verify_with(struct weir_jwt_options *o, const char *token)
{
	struct weir_jwks *keys = shop_keys();
	struct weir_jwt_verifier *verifier;
	enum weir_jwt_result result;

	o->size = sizeof *o;
	o->keys = keys;
	assert_int_equal(weir_jwt_verifier_new(&verifier, o), WEIR_OK);
	result = weir_jwt_verify(verifier, weir_str_of(token));
	weir_jwt_verifier_destroy(verifier);
	weir_jwks_destroy(keys);
	return result;
}

/* RFC 9068 and 8725: the type that is asked for, with or without application/, in any case; and none that is not asked for. */
ALONE(types)
{
	static const struct {
		const char *typ, *asked;
		enum weir_jwt_result result;
	} rows[] = {
	    {"\"at+jwt\"", "at+jwt", WEIR_JWT_OK},
	    {"\"AT+JWT\"", "at+jwt", WEIR_JWT_OK},
	    {"\"application/at+jwt\"", "at+jwt", WEIR_JWT_OK},
	    {"\"Application/At+Jwt\"", "at+jwt", WEIR_JWT_OK},
	    {"\"at+jwt\"", "application/at+jwt", WEIR_JWT_OK},
	    {"\"JWT\"", "at+jwt", WEIR_JWT_TYPE},
	    {"\"text/at+jwt\"", "at+jwt", WEIR_JWT_TYPE},
	    {"\"at+jwt \"", "at+jwt", WEIR_JWT_TYPE},
	    {"\"\"", "at+jwt", WEIR_JWT_TYPE},
	    {NULL, "at+jwt", WEIR_JWT_TYPE},
	    {"\"JWT\"", NULL, WEIR_JWT_OK},
	    {NULL, NULL, WEIR_JWT_OK},
	};
	char header[128], payload[64];

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct weir_jwt_options o = {.type = rows[i].asked};
		char *token;

		snprintf(header, sizeof header, rows[i].typ != NULL ? "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":%s}" : "{\"alg\":\"HS256\",\"kid\":\"k1\"}",
		         rows[i].typ);
		snprintf(payload, sizeof payload, "{\"exp\":%lld}", (long long)time(NULL) + 100);
		token = mint(&shop_key, WEIR__JWT_HS256, header, payload);
		if (verify_with(&o, token) != rows[i].result)
			fail_msg("%s is not %s as %s", header, weir_jwt_result_text(rows[i].result), rows[i].asked);
		free(token);
	}
}

ALONE(sizes)
{
	struct weir_jwt_options o = {.max_bytes = 0};
	char *more = malloc(20000), *token;

	snprintf(more, 20000, ",\"x\":\"%04000d\"", 1);
	token = shop_token(more);
	assert_int_equal(verify_with(&o, token + 7), WEIR_JWT_OK);
	o.max_bytes = (uint32_t)strlen(token + 7);
	assert_int_equal(verify_with(&o, token + 7), WEIR_JWT_OK);
	o.max_bytes--;
	assert_int_equal(verify_with(&o, token + 7), WEIR_JWT_TOO_LARGE);
	free(token);
	o.max_bytes = 0; /* 16 KiB: on either side of it, as near as base64 comes */
	for (size_t n = 12000, len = 0, before = 0; len <= 16384; n++, before = len) {
		snprintf(more, 20000, ",\"x\":\"%0*d\"", (int)n, 1);
		token = shop_token(more);
		len = strlen(token + 7);
		if (len > 16384) {
			assert_in_range(before, 16382, 16384);
			assert_in_range(len, 16385, 16386);
		}
		if (len > 16380)
			assert_int_equal(verify_with(&o, token + 7), len <= 16384 ? WEIR_JWT_OK : WEIR_JWT_TOO_LARGE);
		free(token);
	}
	free(more);
}

/* What a signed payload may not be: no JSON object, and all that json's reader refuses. */
ALONE(payloads)
{
	static const struct {
		const char *payload;
		size_t len;
		enum weir_jwt_result result;
	} rows[] = {
	    {"", 0, WEIR_JWT_MALFORMED},           {"[]", 2, WEIR_JWT_MALFORMED},         {"{\"exp\":1e999}", 13, WEIR_JWT_CLAIM},
	    {"{\"exp\":1}", 9, WEIR_JWT_EXPIRED},  {"{\"a\":\"\\u0000\"}", 14, WEIR_JWT_MALFORMED}, {"{\"a\":\"\xff\"}", 9, WEIR_JWT_MALFORMED},
	    {"{\"a\":1,\"a\":1}", 13, WEIR_JWT_MALFORMED}, {"{}\0", 3, WEIR_JWT_MALFORMED}, {"\xef\xbb\xbf{}", 5, WEIR_JWT_MALFORMED},
	    {"{}", 2, WEIR_JWT_CLAIM},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"k1\"}";
		struct weir_jwt_options o = {.no_cache = i % 2 == 0};
		char *token = mint_raw(&shop_key, WEIR__JWT_HS256, header, strlen(header), rows[i].payload, rows[i].len);

		if (verify_with(&o, token) != rows[i].result)
			fail_msg("payload %zu, %s", i, rows[i].payload);
		free(token);
	}
}

static uint64_t lookups(const char *outcome)
{
	static const char *const labels[] = {"outcome", NULL};
	const struct weir_counter *counter;

	assert_int_equal(weir_counter_create(&counter, "weir_jwt_cache_lookups_total",
	                                     "Tokens that were looked for among those verified before.", labels, NULL), WEIR_OK);
	return weir_counter_series_read(weir_counter_with(counter, outcome));
}

/* Asked for none there is none; of as many slots as are asked for more are kept than of fewer. */
ALONE(cache)
{
	struct weir_jwks *keys = shop_keys();
	struct weir_jwt_options o = {.size = sizeof o, .keys = keys, .no_cache = true};
	static char *token[64];
	struct weir_jwt_verifier *verifier;
	uint64_t hits[2];

	for (size_t n = 0; n < COUNT(token); n++) {
		char more[32];

		snprintf(more, sizeof more, ",\"n\":%zu", n);
		token[n] = shop_token(more);
	}
	assert_int_equal(weir_jwt_verifier_new(&verifier, &o), WEIR_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(weir_jwt_verify(verifier, weir_str_of(token[0] + 7)), WEIR_JWT_OK);
	assert_int_equal(lookups("hit") + lookups("miss"), 0);
	weir_jwt_verifier_destroy(verifier);
	o.no_cache = false;
	for (int large = 0; large < 2; large++) {
		o.cache_slots = large ? 1024 : 4;
		hits[large] = lookups("hit");
		assert_int_equal(weir_jwt_verifier_new(&verifier, &o), WEIR_OK);
		for (size_t i = 0; i < 2 * COUNT(token); i++)
			assert_int_equal(weir_jwt_verify(verifier, weir_str_of(token[i % COUNT(token)] + 7)), WEIR_JWT_OK);
		hits[large] = lookups("hit") - hits[large];
		weir_jwt_verifier_destroy(verifier);
	}
	assert_in_range(hits[0], 0, 4);
	assert_in_range(hits[1], COUNT(token) - 4, COUNT(token)); /* some may have fallen five into one set of four */
	weir_jwks_destroy(keys);
}

/* A host that goes on without a verifier refuses everybody. */
ALONE(none)
{
	char *token = shop_token("");
	struct weir_ctx ctx;

	weir_ctx_begin(&ctx, NULL, 0);
	assert_int_equal(weir_ctx_authenticate(&ctx, NULL, weir_str_of(token)), WEIR_JWT_KEYS_UNAVAILABLE);
	assert_int_equal(weir_ctx_auth_result(&ctx), WEIR_JWT_KEYS_UNAVAILABLE);
	assert_null(weir_ctx_auth_claim(&ctx, NULL, 0).ptr);
	weir_ctx_end(&ctx);
	assert_int_equal(weir_jwt_verify(NULL, weir_str_of(token + 7)), WEIR_JWT_KEYS_UNAVAILABLE);
	assert_int_equal(weir_jwt_verifier_refresh(NULL, 0), WEIR_EINVAL);
	weir_jwt_verifier_flush(NULL);
	free(token);
}

/* Who asks is asked also where telemetry is off, or was never begun. */
ALONE(disabled)
{
	struct weir_jwt_options o = {.no_cache = true};
	char *token = shop_token("");

	setenv("OTEL_SDK_DISABLED", "true", 1);
	assert_int_equal(verify_with(&o, token + 7), WEIR_JWT_OK);
	assert_int_equal(weir_init(NULL), WEIR_OK);
	assert_int_equal(verify_with(&o, token + 7), WEIR_JWT_OK);
	token[strlen(token) - 5] = token[strlen(token) - 5] == 'A' ? 'B' : 'A';
	assert_int_equal(verify_with(&o, token + 7), WEIR_JWT_BAD_SIGNATURE);
	free(token);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(options), cmocka_unit_test(sixteen),  cmocka_unit_test(types),
                                          cmocka_unit_test(sizes),   cmocka_unit_test(payloads), cmocka_unit_test(disabled),
                                          cmocka_unit_test(none),    cmocka_unit_test(cache)};
ALONE_MAIN(tests)
