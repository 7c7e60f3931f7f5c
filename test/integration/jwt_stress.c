/* Eight threads verify while keys rotate, the cache is flushed and verifiers come and go: each context sees its own token's values, and
 * no other's. And: what a life allocates is given back; a hit allocates nothing. */
#include "case.h"

#include <weir/jwt.h>
#include <weir/weir.h>

#include "jwt_token.h"

#include <malloc.h>

enum { THREADS = 8, TOKENS = 64, KEYS = 3 };
static const char *const secrets[KEYS] = {"0123456789abcdef0123456789abcdef", "1123456789abcdef0123456789abcdef", "2123456789abcdef0123456789abcdef"};
static char tokens[TOKENS][1024];
static char folder[] = "/tmp/weir-jwt-XXXXXX", path[64];
static struct weir_jwt_verifier *verifier;
static uint32_t done; /* relaxed */

/* Token number n is user number n's, of tenant n % 7, by key n % KEYS. */
static void mint(unsigned n)
{
	char text[512], kid[8];
	unsigned char mac[32];

	snprintf(kid, sizeof kid, "k%u", n % KEYS);
	snprintf(text, sizeof text, "{\"exp\":%lld,\"sub\":\"user%u\",\"tenant\":\"t%u\",\"role\":\"role-of-user%u\"}", (long long)time(NULL) + 3600, n,
	         n % 7, n);
	token_make(tokens[n], secrets[n % KEYS], kid, text, mac);
}

/* All keys but key number out; KEYS: none is. */
static void put_keys(unsigned out)
{
	char text[2048], other[80], kid[8];
	size_t at = (size_t)sprintf(text, "{\"keys\":[");
	FILE *file;

	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(kid, sizeof kid, "k%u", i);
		if (i != out)
			at = token_key(text, at, secrets[i], kid);
	}
	sprintf(text + at, "]}");
	snprintf(other, sizeof other, "%s.new", path);
	file = fopen(other, "we");
	CHECK(file != NULL);
	fputs(text, file);
	fclose(file);
	CHECK(rename(other, path) == 0);
}

static void new_verifier(struct weir_jwt_verifier **made, uint32_t slots)
{
	static const char *const roles[] = {"role-of-user1", "role-of-user2", NULL};
	static const struct weir_jwt_claim claims[] = {{.claim = "tenant", .label = "tenant", .label_top = 3},
	                                               {.claim = "role", .label = "role", .label_values = roles, .attribute = "role"}};
	const struct weir_jwt_options o = {.size = sizeof o, .jwks_path = path, .claims = claims, .claims_count = 2, .cache_slots = slots,
	                                   .result_label = "auth", .grace_ns = WEIR_MS(1)};

	CHECK(weir_jwt_verifier_new(made, &o) == WEIR_OK);
}

static void make_folder(void)
{
	if (path[0] != '\0')
		return;
	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/keys", folder);
}

static void begin(uint32_t slots)
{
	make_folder();
	put_keys(KEYS);
	for (unsigned n = 0; n < TOKENS; n++)
		mint(n);
	CHECK(weir_init(NULL) == WEIR_OK);
	new_verifier(&verifier, slots);
}

static void end(void)
{
	weir_jwt_verifier_destroy(verifier);
	unlink(path);
	rmdir(folder);
	weir_shutdown(WEIR_S(5));
}

static bool is_text(struct weir_str got, const char *wanted)
{
	return got.ptr != NULL && got.len == strlen(wanted) && memcmp(got.ptr, wanted, got.len) == 0;
}

static void *requests(void *arg)
{
	unsigned at = (unsigned)(uintptr_t)arg * 13, ok = 0;
	char user[16], tenant[8], role[32];
	struct weir_ctx ctx, child;
	struct weir_span span;

	while (__atomic_load_n(&done, __ATOMIC_RELAXED) == 0 || ok < 50) {
		unsigned n = at++ * 2654435761u >> 8;
		enum weir_jwt_result result;

		n %= TOKENS;
		snprintf(user, sizeof user, "user%u", n);
		snprintf(tenant, sizeof tenant, "t%u", n % 7);
		snprintf(role, sizeof role, "role-of-user%u", n);
		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "GET /");
		result = weir_ctx_authenticate(&ctx, verifier, weir_str_of(tokens[n]));
		if (result == WEIR_JWT_OK) {
			ok++;
			weir_ctx_begin_child(&child, &ctx);
			CHECK(is_text(weir_ctx_auth_subject(&child), user));
			CHECK(is_text(weir_ctx_auth_claim(&child, verifier, 0), tenant));
			CHECK(is_text(weir_ctx_auth_claim(&child, verifier, 1), role));
			weir_ctx_end(&child);
		} else {
			CHECK(result == WEIR_JWT_UNKNOWN_KEY); /* it is out just now */
			CHECK(weir_ctx_auth_subject(&ctx).ptr == NULL && weir_ctx_auth_claim(&ctx, verifier, 0).ptr == NULL);
		}
		weir_span_end(&span);
		weir_ctx_end(&ctx);
	}
	return NULL;
}

static void run(uint32_t slots, unsigned seconds)
{
	pthread_t thread[THREADS];
	struct weir_jwt_verifier *other;
	uint64_t until;

	begin(slots);
	for (uintptr_t i = 0; i < THREADS; i++)
		thread_start(&thread[i], requests, (void *)i, 0);
	until = now_ns() + WEIR_S((uint64_t)seconds);
	for (unsigned i = 0; now_ns() < until; i++) {
		put_keys(i % (KEYS + 1));
		if (i % 2 == 0) { /* else the thread sees to it */
			int error = weir_jwt_verifier_refresh(verifier, WEIR_S(10));

			CHECK(error == WEIR_OK || error == WEIR_EIO); /* EIO: four sets are pinned at once */
		}
		weir_jwt_verifier_flush(verifier);
		new_verifier(&other, 16);
		CHECK(weir_jwt_verify(other, weir_str_of(tokens[(i + 1) % TOKENS] + 7)) != WEIR_JWT_BAD_SIGNATURE);
		weir_jwt_verifier_destroy(other);
		sleep_ms(i % 5);
	}
	put_keys(KEYS);
	weir_jwt_verifier_refresh(verifier, WEIR_S(10));
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	end();
}

static void rotate_flush_verify(void)
{
	run(0, 4);
}

static void more_tokens_than_slots(void)
{
	run(8, 4);
}

/* ---- exit ---- */

static void *rotate(void *arg)
{
	(void)arg;
	for (unsigned i = 0;; i++) {
		put_keys(i % KEYS);
		weir_jwt_verifier_refresh(verifier, WEIR_S(1));
	}
	return NULL;
}

/* exit() while the thread reads keys, and others verify, as libcrypto's own handlers take libcrypto down. */
static void exit_amid_rotation(void)
{
	char other[80];

	make_folder();
	for (int i = 0; i < 24; i++) {
		pid_t child = fork();

		if (child == 0) {
			pthread_t thread;

			begin(0);
			thread_start(&thread, rotate, NULL, 0);
			usleep((useconds_t)(500 + i * 977));
			exit(0);
		}
		CHILD_IS_WELL(child, 10000);
	}
	snprintf(other, sizeof other, "%s.new", path);
	unlink(other);
	unlink(path);
	rmdir(folder);
}

/* ---- allocation ---- */

static void a_hit_allocates_nothing(void)
{
	struct mallinfo2 before, after;
	struct weir_ctx ctx;

	if (CASE_SANITIZED)
		SKIP("a sanitizer has an allocator of its own");
	begin(0);
	sleep_ms(3500); /* the file is settled, and not read again */
	for (int round = 0; round < 2; round++) {
		before = mallinfo2();
		for (unsigned i = 0; i < 100000; i++) {
			weir_ctx_begin(&ctx, NULL, 0);
			CHECK(weir_ctx_authenticate(&ctx, verifier, weir_str_of(tokens[i % 8])) == WEIR_JWT_OK);
			weir_ctx_end(&ctx);
		}
		after = mallinfo2();
	}
	EQUAL(after.uordblks, before.uordblks);
	end();
}

static void a_life_gives_back(void)
{
	struct mallinfo2 before, after;
	struct weir_jwt_verifier *other;

	if (CASE_SANITIZED)
		SKIP("a sanitizer has an allocator of its own");
	begin(0);
	for (int i = 0; i < 60; i++) {
		if (i == 10)
			before = mallinfo2();
		new_verifier(&other, 64);
		for (unsigned n = 0; n < TOKENS; n++)
			CHECK(weir_jwt_verify(other, weir_str_of(tokens[n] + 7)) == WEIR_JWT_OK);
		put_keys((unsigned)i % KEYS);
		CHECK(weir_jwt_verifier_refresh(other, WEIR_S(10)) == WEIR_OK);
		put_keys(KEYS);
		CHECK(weir_jwt_verifier_refresh(other, WEIR_S(10)) == WEIR_OK);
		weir_jwt_verifier_destroy(other);
	}
	after = mallinfo2();
	AT_MOST(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + 65536); /* fifty lives of 40 KiB at least */
	end();
}

CASES({"jwt_exit_amid_rotation", exit_amid_rotation, 60}, {"jwt_rotate_flush_verify", rotate_flush_verify, 60}, {"jwt_more_tokens_than_slots", more_tokens_than_slots, 60},
      {"jwt_hit_allocates_nothing", a_hit_allocates_nothing, 60}, {"jwt_life_gives_back", a_life_gives_back, 60})
