/* Every allocation of weir-jwt fails once, in turn: this program's own malloc, calloc and realloc stand before libc's for libweir-jwt,
 * libcrypto and jansson too, and the k-th call fails, for every k, while keys are added and tokens verified. Nothing crashes; no token verifies that should not; and once there is memory again, all is as before. Public API only; the
 * examples are RFC 7515's and 8037's.
 *
 * Invariant: calls are counted, and fail, only while `failing` is set; else they are libc's. */
#include "case.h"

#include <weir/jwt.h>

#if CASE_SANITIZED

static void without_sanitizers_only(void)
{
	SKIP("a sanitizer stands where this test's allocator would");
}
CASES({"every_allocation_of_a_token_fails_once", without_sanitizers_only, 10})

#else

#include "oom_calls.h"

static const char hs_key[] =
    "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4h"
    "cgUuTwjAzZr1Z9CAow\"}";
static const char hs_token[] =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9"
    "leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char rs_key[] =
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPM"
    "EzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5"
    "rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-D"
    "WNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}";
static const char rs_token[] =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19"
    "yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt"
    "_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI"
    "8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char es_key[] =
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue6"
    "59LNpXW6pCyStikYjKIWI5a0\"}";
static const char es_token[] =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19"
    "yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU"
    "1Q";
static const char ed_key[] =
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
static const char ed_token[] =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6"
    "dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

static const struct {
	const char *key, *token;
} examples[] = {{hs_key, hs_token}, {rs_key, rs_token}, {es_key, es_token}, {ed_key, ed_token}};
static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                          "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                          "-----END PUBLIC KEY-----\n";

/* Neither libcrypto nor jansson always says that it was memory. */
static bool refused(int error)
{
	return error == WEIR_ENOMEM || (fail_from != UINT64_MAX && (error == WEIR_EINVAL || error == WEIR_EUNSUPPORTED));
}

static void one_token(const struct weir_jwks *keys, const char *token, bool has_key)
{
	char changed[2048], out[2048];
	enum weir_jwt_result result;
	bool is_over = calls >= fail_to; /* what failed did so before: a key that was taken is whole */
	size_t len = 99, at;

	result = weir_jws_verify(keys, weir_str_of(token), out, sizeof out, &len);
	if (result != WEIR_JWT_OK && result != WEIR_JWT_NO_MEMORY &&
	    !((result == WEIR_JWT_BAD_SIGNATURE || result == WEIR_JWT_MALFORMED) && fail_from != UINT64_MAX) && /* see refused */
	    !(!has_key && (result == WEIR_JWT_ALG_NOT_ALLOWED || result == WEIR_JWT_UNKNOWN_KEY || result == WEIR_JWT_KEYS_UNAVAILABLE)))
		FAIL("a good token: %s", weir_jwt_result_text(result));
	CHECK(result == WEIR_JWT_OK || len == 0);
	CHECK(result == WEIR_JWT_OK || !has_key || !is_over);
	CHECK(result == WEIR_JWT_OK || fail_from != UINT64_MAX);
	at = (size_t)(strrchr(token, '.') - token) + 5;
	strcpy(changed, token);
	changed[at] = token[at] == 'A' ? 'B' : 'A';
	result = weir_jws_verify(keys, weir_str_of(changed), out, sizeof out, &len);
	CHECK(result != WEIR_JWT_OK && len == 0);
	CHECK(result == WEIR_JWT_BAD_SIGNATURE || fail_from != UINT64_MAX);
}

/* The same calls in the same order, whatever fails. */
static void life(size_t i)
{
	struct weir_jwks *keys = NULL;
	char set[2048];
	size_t added = 0, before;
	int error = weir_jwks_new(&keys), last = WEIR_OK;

	CHECK(error == WEIR_OK || (error == WEIR_ENOMEM && keys == NULL));
	if (error == WEIR_OK) {
		last = weir_jwks_add_jwk(keys, weir_str_of(examples[i].key));
		CHECK(last == WEIR_OK || refused(last));
		CHECK(weir_jwks_count(keys) == (last == WEIR_OK ? 1u : 0u));
	}
	one_token(keys, examples[i].token, keys != NULL && last == WEIR_OK);
	if (keys == NULL)
		return;
	before = weir_jwks_count(keys);
	snprintf(set, sizeof set, "{\"keys\":[{\"kid\":\"x\",%s]}", examples[i].key + 1);
	error = weir_jwks_add_jwks(keys, weir_str_of(set), &added);
	CHECK(error == WEIR_OK ? added <= 1 : refused(error) && added == 0);
	error = weir_jwks_add_pem(keys, "pem", NULL, weir_str_of(pem));
	CHECK(error == WEIR_OK || refused(error));
	added += error == WEIR_OK;
	error = weir_jwks_add_secret(keys, "secret", "HS256", weir_str_of("0123456789abcdef0123456789abcdef"));
	CHECK(error == WEIR_OK || refused(error));
	added += error == WEIR_OK;
	CHECK(weir_jwks_count(keys) == before + added);
	CHECK(added == 3 || fail_from != UINT64_MAX);
	weir_jwks_destroy(keys);
}

static uint64_t run_life(size_t i, uint64_t from, uint64_t to)
{
	fail_from = from;
	fail_to = to;
	calls = 0;
	__atomic_store_n(&failing, true, __ATOMIC_RELEASE);
	life(i);
	__atomic_store_n(&failing, false, __ATOMIC_RELEASE);
	fail_from = fail_to = UINT64_MAX;
	return calls;
}

/* What libcrypto sets up once is set up by the first. */
static uint64_t calls_of_life(size_t i)
{
	uint64_t all;

	run_life(i, UINT64_MAX, UINT64_MAX);
	all = run_life(i, UINT64_MAX, UINT64_MAX);
	CHECK(all > 100);
	return all;
}

static void every_allocation_of_a_token_fails_once(void)
{
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		uint64_t all = calls_of_life(i);

		for (uint64_t k = 1; k <= all; k++)
			run_life(i, k, k);
		life(i);
	}
}

static void all_allocations_of_a_token_fail_from_each_on(void)
{
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		uint64_t all = calls_of_life(i);

		for (uint64_t k = 1; k <= all; k += 1 + k / 50) {
			run_life(i, k, UINT64_MAX - 1);
			life(i);
		}
	}
}

CASES({"every_allocation_of_a_token_fails_once", every_allocation_of_a_token_fails_once, 110},
      {"all_allocations_of_a_token_fail_from_each_on", all_allocations_of_a_token_fail_from_each_on, 60})

#endif
