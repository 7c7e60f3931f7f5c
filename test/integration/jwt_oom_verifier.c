/* Every allocation fails once, in turn, over the life of a verifier: made, asked, its file replaced, destroyed; then all of them from the
 * k-th on. Nothing crashes or hangs, no token is taken that should not be, and once there is memory again all is as before. Public API
 * only. */
#include "case.h"

#include <weir/jwt.h>
#include <weir/weir.h>

#if CASE_SANITIZED

static void without_sanitizers_only(void)
{
	SKIP("a sanitizer stands where this test's allocator would");
}
CASES({"every_allocation_of_a_verifier_fails_once", without_sanitizers_only, 10})

#else

#include "oom_calls.h"

#include "jwt_token.h"

static const char secret[] = "0123456789abcdef0123456789abcdef", other[] = "1123456789abcdef0123456789abcdef";
static char good[1024], strange[1024], expired[1024], folder[] = "/tmp/weir-jwt-XXXXXX", path[64];

static void quiet(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
}

static void begin(void)
{
	const struct weir_options o = {.size = sizeof o, .no_thread = true, .log = quiet};
	unsigned char mac[32];
	char text[1024];
	FILE *file;
	size_t at;

	CHECK(weir_init(&o) == WEIR_OK);
	snprintf(text, sizeof text, "{\"exp\":%lld,\"sub\":\"joe\",\"tenant\":\"acme\",\"plan\":\"gold\"}", (long long)time(NULL) + 3600);
	token_make(good, secret, "k", text, mac);
	token_make(strange, other, "k", text, mac);
	token_make(expired, secret, "k", "{\"exp\":1,\"tenant\":\"acme\"}", mac);
	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/keys", folder);
	at = (size_t)sprintf(text, "{\"keys\":[");
	at = token_key(text, at, secret, "k");
	sprintf(text + at, "]}");
	file = fopen(path, "we");
	CHECK(file != NULL);
	fputs(text, file);
	fclose(file);
}

static void end(void)
{
	unlink(path);
	rmdir(folder);
}

static bool failed_by(enum weir_jwt_result result, enum weir_jwt_result wanted)
{
	if (result == wanted)
		return true;
	/* what libcrypto or jansson cannot have may look otherwise; but never like a good token */
	return fail_from != UINT64_MAX && result != WEIR_JWT_OK &&
	       (result == WEIR_JWT_NO_MEMORY || result == WEIR_JWT_KEYS_UNAVAILABLE || result == WEIR_JWT_BAD_SIGNATURE ||
	        result == WEIR_JWT_MALFORMED);
}

static void life(void)
{
	static const char *const plans[] = {"gold", NULL};
	static const struct weir_jwt_claim claims[] = {{.claim = "tenant", .label = "tenant", .attribute = "tenant"},
	                                               {.claim = "plan", .label = "plan", .label_values = plans},
	                                               {.claim = "/a/b", .attribute = "ab", .equals = NULL}};
	static const char *const required[] = {"exp", NULL};
	const struct weir_jwt_options o = {.size = sizeof o, .jwks_path = path, .claims = claims, .claims_count = 3, .required = required,
	                                   .result_label = "auth", .type = NULL, .cache_slots = 16};
	struct weir_jwt_verifier *verifier = NULL;
	struct weir_ctx ctx;
	int error = weir_jwt_verifier_new(&verifier, &o);

	CHECK(error == WEIR_OK ? verifier != NULL : error == WEIR_ENOMEM && verifier == NULL);
	CHECK(error == WEIR_OK || fail_from != UINT64_MAX);
	if (error != WEIR_OK)
		return;
	for (int i = 0; i < 2; i++) {
		weir_ctx_begin(&ctx, NULL, 0);
		CHECK(failed_by(weir_ctx_authenticate(&ctx, verifier, weir_str_of(good)), WEIR_JWT_OK));
		CHECK((weir_ctx_auth_result(&ctx) == WEIR_JWT_OK) == (weir_ctx_auth_claim(&ctx, verifier, 0).ptr != NULL));
		CHECK(failed_by(weir_ctx_authenticate(&ctx, verifier, weir_str_of(strange)), WEIR_JWT_BAD_SIGNATURE));
		CHECK(failed_by(weir_ctx_authenticate(&ctx, verifier, weir_str_of(expired)), WEIR_JWT_EXPIRED));
		weir_ctx_end(&ctx);
	}
	weir_jwt_verifier_refresh(verifier, WEIR_MS(fail_from == UINT64_MAX ? 5000 : 20));
	CHECK(failed_by(weir_jwt_verify(verifier, weir_str_of(good + 7)), WEIR_JWT_OK));
	weir_jwt_verifier_destroy(verifier);
}

static uint64_t run_life(uint64_t from, uint64_t to)
{
	fail_from = from;
	fail_to = to;
	__atomic_store_n(&calls, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&failing, true, __ATOMIC_RELEASE);
	life();
	__atomic_store_n(&failing, false, __ATOMIC_RELEASE);
	fail_from = fail_to = UINT64_MAX;
	return __atomic_load_n(&calls, __ATOMIC_ACQUIRE);
}

static uint64_t calls_of_life(void)
{
	uint64_t all;

	run_life(UINT64_MAX, UINT64_MAX);
	all = run_life(UINT64_MAX, UINT64_MAX);
	CHECK(all > 50);
	return all;
}

static void every_allocation_of_a_verifier_fails_once(void)
{
	uint64_t all;

	begin();
	all = calls_of_life();
	for (uint64_t k = 1; k <= all; k++)
		run_life(k, k);
	life();
	end();
}

static void all_allocations_of_a_verifier_fail_from_each_on(void)
{
	uint64_t all;

	begin();
	all = calls_of_life();
	for (uint64_t k = 1; k <= all; k += 1 + k / 20) {
		run_life(k, UINT64_MAX - 1);
		life();
	}
	end();
}

CASES({"every_allocation_of_a_verifier_fails_once", every_allocation_of_a_verifier_fails_once, 110},
      {"all_allocations_of_a_verifier_fail_from_each_on", all_allocations_of_a_verifier_fail_from_each_on, 60})

#endif
