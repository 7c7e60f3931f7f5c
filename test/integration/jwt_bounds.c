/* What a token's author cannot do: make a verification allocate more than a plain one by what is written into the token, beyond what a
 * header of 4 KiB needs; and make series. Public API only. */
#include "case.h"

#include <weir/jwt.h>
#include <weir/weir.h>

#include "jwt_token.h"

#include <malloc.h>

WEIR_COUNTER(by_subject, "subject_requests_total", "Requests by who asked.", WEIR_CLAIM("who"));

static const char secret[] = "0123456789abcdef0123456789abcdef";

/* ---- allocations --------------------------------------------------------------------------------------------------------- */

#if CASE_SANITIZED

static void allocations_are_bounded(void)
{
	SKIP("a sanitizer stands where this test's allocator would");
}

#else

static bool counting; /* of one thread: nobody else runs */
static size_t held, most, calls;

static void *took(void *memory)
{
	if (counting && memory != NULL) {
		calls++;
		held += malloc_usable_size(memory);
		most = held > most ? held : most;
	}
	return memory;
}

#pragma GCC visibility push(default) /* so that libcrypto, jansson and weir find these first */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void __libc_free(void *memory);

void *malloc(size_t size)
{
	return took(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
	return took(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
	if (counting && memory != NULL)
		held -= malloc_usable_size(memory);
	return took(__libc_realloc(memory, size));
}

void free(void *memory)
{
	if (counting && memory != NULL)
		held -= malloc_usable_size(memory);
	__libc_free(memory);
}
#pragma GCC visibility pop

/* The most that was allocated at once. */
static size_t most_of(struct weir_jwt_verifier *verifier, const char *token, enum weir_jwt_result wanted)
{
	enum weir_jwt_result result;

	held = most = calls = 0;
	counting = true;
	result = weir_jwt_verify(verifier, weir_str_of(token + 7));
	counting = false;
	if (result != wanted)
		FAIL("%s, wanted %s", weir_jwt_result_text(result), weir_jwt_result_text(wanted));
	EQUAL(held, 0);
	return most;
}

/* header with filler between its two pieces, payload likewise; NULL: the token that token_make makes. */
static void hostile(char *out, const char *head, const char *fill, size_t times, const char *tail, const char *payload)
{
	static char header[8192];
	unsigned char mac[32];
	unsigned mac_len = 32;
	size_t at;

	strcpy(header, head);
	for (at = strlen(header); times-- > 0; at += strlen(fill))
		strcpy(header + at, fill);
	strcpy(header + at, tail);
	memcpy(out, "Bearer ", 7);
	at = token_base64url(out, 7, header, strlen(header));
	out[at++] = '.';
	at = token_base64url(out, at, payload, strlen(payload));
	HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)out + 7, at - 7, mac, &mac_len);
	out[at++] = '.';
	token_base64url(out, at, mac, 32);
}

static void allocations_are_bounded(void)
{
	enum { HEADER = 16 * 1024, ROOM = 30000, NODES = 1000 };
	static const struct weir_jwt_claim claims[] = {{.claim = "tenant", .attribute = "tenant"}, {.claim = "all"}};
	static char token[2 * ROOM], payload[2 * ROOM], fill[ROOM];
	struct weir_jwks *keys;
	struct weir_jwt_options o = {.size = sizeof o, .claims = claims, .claims_count = 2, .no_cache = true};
	struct weir_jwt_verifier *verifier;
	const long long exp = (long long)time(NULL) + 3600;
	unsigned char mac[32];
	size_t plain, header;

	CHECK(weir_init(&(struct weir_options){.size = sizeof(struct weir_options), .no_thread = true}) == WEIR_OK);
	CHECK(weir_jwks_new(&keys) == WEIR_OK);
	CHECK(weir_jwks_add_secret(keys, "k", "HS256", weir_str_of(secret)) == WEIR_OK);
	o.keys = keys;
	CHECK(weir_jwt_verifier_new(&verifier, &o) == WEIR_OK);
	snprintf(payload, sizeof payload, "{\"exp\":%lld,\"tenant\":\"acme\"}", exp);
	token_make(token, secret, "k", payload, mac);
	most_of(verifier, token, WEIR_JWT_OK); /* what is made once */
	plain = most_of(verifier, token, WEIR_JWT_OK);
	CHECK(plain > 0 && calls > 0);

	/* Of the payload nothing is allocated, whatever it is: one size for all. */
	for (size_t n = 100; n <= 10000; n += 900) {
		memset(fill, 'a', n);
		fill[n] = '\0';
		snprintf(payload, sizeof payload, "{\"exp\":%lld,\"x\":\"%s\"}", exp, fill);
		token_make(token, secret, "k", payload, mac);
		EQUAL(most_of(verifier, token, WEIR_JWT_OK), plain);
		memset(fill, '[', n); /* nested, unended */
		snprintf(payload, sizeof payload, "{\"exp\":%lld,\"all\":%s", exp, fill);
		token_make(token, secret, "k", payload, mac);
		EQUAL(most_of(verifier, token, WEIR_JWT_MALFORMED), plain);
		for (size_t i = 0; i < n; i += 2) /* n / 2 values: a thousand may be in all */
			memcpy(fill + i, "1,", 2);
		fill[n - 1] = '\0';
		snprintf(payload, sizeof payload, "{\"exp\":%lld,\"all\":[%s]}", exp, fill);
		token_make(token, secret, "k", payload, mac);
		EQUAL(most_of(verifier, token, n / 2 < NODES ? WEIR_JWT_OK : WEIR_JWT_MALFORMED), plain);
	}

	/* Of the header as much as JSON of 4 KiB takes. */
	snprintf(payload, sizeof payload, "{\"exp\":%lld}", exp);
	hostile(token, "{\"alg\":\"HS256\",\"kid\":\"k\",\"x\":\"", "a", 4000, "\"}", payload);
	header = most_of(verifier, token, WEIR_JWT_OK);
	AT_MOST(header, plain + HEADER);
	hostile(token, "{\"alg\":\"HS256\",\"kid\":\"k\",\"x\":\"", "\\u20ac", 670, "\"}", payload);
	AT_MOST(most_of(verifier, token, WEIR_JWT_OK), plain + HEADER);
	hostile(token, "{\"alg\":\"HS256\",\"kid\":\"k\",\"x\":[0", ",0", 2000, "]}", payload); /* too many */
	AT_MOST(most_of(verifier, token, WEIR_JWT_MALFORMED), plain);
	hostile(token, "{\"alg\":\"HS256\",\"kid\":\"k\",\"x\":", "[", 4000, "}", payload); /* too deep */
	AT_MOST(most_of(verifier, token, WEIR_JWT_MALFORMED), plain);
	hostile(token, "{\"alg\":\"HS256\",\"kid\":\"k\",\"x\":\"", "a", 5000, "\"}", payload); /* too large */
	AT_MOST(most_of(verifier, token, WEIR_JWT_TOO_LARGE), plain);
	memset(token + 7, 'A', 20000); /* over 16 KiB: nothing at all */
	token[20007] = '\0';
	EQUAL(most_of(verifier, token, WEIR_JWT_TOO_LARGE), 0);
	weir_jwt_verifier_destroy(verifier);
	weir_jwks_destroy(keys);
}

#endif

/* ---- series -------------------------------------------------------------------------------------------------------------- */

static uint64_t requests_of(const char *who, size_t *series)
{
	struct weir_snapshot *snapshot;
	struct weir_family family;
	struct weir_series s;
	uint64_t sum = 0;

	*series = 0;
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (weir_family_begin(&family, snapshot); weir_family_next(&family);)
		for (weir_series_begin(&s, &family); strcmp(family.name, "subject_requests_total") == 0 && weir_series_next(&s);) {
			++*series;
			if (who == NULL || (s.values != NULL && strcmp(s.values[0].ptr, who) == 0))
				sum += s.count;
		}
	weir_snapshot_destroy(snapshot);
	return sum;
}

/* A million subjects, each once, and two who ask again and again. */
static void a_million_subjects_are_few_series(void)
{
	enum { TOP = 20, BUSY = 2 };
	const unsigned subjects = CASE_SANITIZED ? 50000 : 1000000;
	static const struct weir_jwt_claim claims[] = {{.claim = "sub", .label = "who", .label_top = TOP}};
	struct weir_jwks *keys;
	struct weir_jwt_options o = {.size = sizeof o, .claims = claims, .claims_count = 1};
	struct weir_jwt_verifier *verifier;
	static char busy[BUSY][1024], token[1024];
	char payload[128];
	unsigned char mac[32];
	struct weir_ctx ctx;
	uint64_t asked[BUSY] = {0};
	size_t series;

	CHECK(weir_init(NULL) == WEIR_OK && weir_jwks_new(&keys) == WEIR_OK);
	CHECK(weir_jwks_add_secret(keys, "k", "HS256", weir_str_of(secret)) == WEIR_OK);
	o.keys = keys;
	CHECK(weir_jwt_verifier_new(&verifier, &o) == WEIR_OK);
	for (unsigned i = 0; i < BUSY; i++) {
		snprintf(payload, sizeof payload, "{\"exp\":%lld,\"sub\":\"busy%u\"}", (long long)time(NULL) + 3600, i);
		token_make(busy[i], secret, "k", payload, mac);
	}
	weir_ctx_begin(&ctx, NULL, 0);
	for (unsigned n = 0; n < subjects; n++) {
		unsigned who = n / 4 % BUSY;
		bool again = n % 4 == 0;

		if (!again) {
			snprintf(payload, sizeof payload, "{\"exp\":%lld,\"sub\":\"user%u\"}", (long long)time(NULL) + 3600, n);
			token_make(token, secret, "k", payload, mac);
		}
		CHECK(weir_ctx_authenticate(&ctx, verifier, weir_str_of(again ? busy[who] : token)) == WEIR_JWT_OK);
		weir_counter_add_ctx(&by_subject, 1, &ctx);
		asked[who] += again;
	}
	weir_ctx_end(&ctx);
	EQUAL(requests_of(NULL, &series), subjects); /* nobody's idle_ns is over: nothing has retired */
	AT_MOST(series, TOP + 2); /* other, and anonymous */
	EQUAL(requests_of("busy0", &series), asked[0]);
	EQUAL(requests_of("busy1", &series), asked[1]);
	CHECK(requests_of("other", &series) > subjects / 2);
	weir_jwt_verifier_destroy(verifier);
	weir_jwks_destroy(keys);
}

CASES({"jwt_allocations_are_bounded", allocations_are_bounded, 30}, {"jwt_a_million_subjects_are_few_series", a_million_subjects_are_few_series, 110})
