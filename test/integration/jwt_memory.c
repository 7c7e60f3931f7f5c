/* What stays in memory: a program whose tokens are gone verified ten thousand of them; its core holds no signature, no payload's text
 * and no claim that is not on the list. All of the process' writable memory is searched, as a core would have it.
 *
 * Tokens lie in a mapping that a child fills, and that is unmapped before the search; what is searched for stands in another, turned
 * around bit by bit, so that it does not find itself. */
#include "case.h"

#include <weir/jwt.h>
#include <weir/weir.h>

#include "jwt_token.h"

#include <sys/mman.h>

enum { TOKENS = 10000, TOKEN = 1024, WORD = 8, BUCKETS = 1 << 17, NEEDLES = 3 * TOKENS + 16 };
static const char secret[] = "0123456789abcdef0123456789abcdef";

static struct wanted { /* words, each turned around; 0: none */
	uint64_t bucket[BUCKETS];
	uint32_t count, listed; /* listed: how many of these must be found: what is allowed */
	uint64_t allowed;
} *wanted;
static char (*tokens)[TOKEN];
static char keys[256], path[64];

static uint64_t word_at(const void *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof word);
	return word;
}

static uint64_t slot_of(uint64_t turned)
{
	return turned * UINT64_C(0x9e3779b97f4a7c15) >> 47;
}

static void want(const void *bytes)
{
	uint64_t turned = ~word_at(bytes), at = slot_of(turned);

	while (wanted->bucket[at] != 0 && wanted->bucket[at] != turned)
		at = (at + 1) % BUCKETS;
	wanted->count += wanted->bucket[at] == 0;
	wanted->bucket[at] = turned;
}

static bool is_wanted(uint64_t word)
{
	for (uint64_t at = slot_of(~word); wanted->bucket[at] != 0; at = (at + 1) % BUCKETS)
		if (wanted->bucket[at] == ~word)
			return true;
	return false;
}

/* In the child: its memory goes with it. */
static void make_all(void)
{
	char payload[512], claim[32];
	unsigned char mac[32];
	size_t at;

	for (unsigned n = 0; n < TOKENS; n++) {
		const char *dot;

		snprintf(claim, sizeof claim, "Hidden%05uClaim", n);
		snprintf(payload, sizeof payload, "{\"exp\":%lld,\"tenant\":\"acme-of-list\",\"x\":[{\"y\":\"%s\"}],\"email\":\"joe%05u@example.com\"}",
		         (long long)time(NULL) + 3600, claim, n);
		at = token_make(tokens[n], secret, "k", payload, mac);
		want(tokens[n] + at + 8); /* the signature's text, and its bytes */
		want(mac + 8);
		want(claim + 4); /* "en00000C" */
		dot = strchr(tokens[n], '.');
		if (n % 100 == 0)
			want(dot + 81); /* of the payload's text, behind exp and tenant */
	}
	want("joe00001");
	wanted->allowed = ~word_at(&"acme-of-list"[2]);
	at = (size_t)sprintf(keys, "{\"keys\":[");
	at = token_key(keys, at, secret, "k");
	sprintf(keys + at, "]}");
	at = (size_t)open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (write((int)at, keys, strlen(keys)) != (ssize_t)strlen(keys))
		_exit(3);
	_exit(0);
}

/* Every byte of memory that is ours to write, but the list itself. */
static uint64_t search(uint64_t *bytes)
{
	enum { CHUNK = 1 << 20 };
	char *chunk = mmap(NULL, CHUNK + WORD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long from, to;
	char line[512], mode[8];
	uint64_t found = 0;

	CHECK(chunk != MAP_FAILED && memory >= 0 && maps != NULL);
	while (fgets(line, sizeof line, maps) != NULL) {
		CHECK(sscanf(line, "%llx-%llx %7s", &from, &to, mode) == 3);
		if (mode[0] != 'r' || mode[1] != 'w' || (from <= (uintptr_t)chunk && (uintptr_t)chunk < to) ||
		    (from <= (uintptr_t)wanted && (uintptr_t)wanted < to))
			continue;
		for (unsigned long long at = from; at < to; at += CHUNK) {
			ssize_t got = pread(memory, chunk, CHUNK + WORD, (off_t)at);

			for (ssize_t i = 0; i + WORD <= got && i < CHUNK; i++) {
				uint64_t word = word_at(chunk + i);

				if (is_wanted(word)) {
					NOTE("at %llx in %s %.8s", at + (unsigned long long)i, mode, chunk + i);
					found++;
				}
				wanted->listed += word == ~wanted->allowed;
			}
			*bytes += got > 0 ? (uint64_t)got : 0;
		}
	}
	fclose(maps);
	close(memory);
	munmap(chunk, CHUNK + WORD);
	return found;
}

static void core_holds_no_token(void)
{
	static const struct weir_jwt_claim claims[] = {{.claim = "tenant", .label = "tenant", .attribute = "tenant"},
	                                               {.claim = "email", .attribute = "email", .hashed = true}};
	const struct weir_jwt_options o = {.size = sizeof o, .jwks_path = path, .claims = claims, .claims_count = 2, .result_label = "auth",
	                                   .cache_slots = TOKENS};
	struct weir_jwt_verifier *verifier;
	uint64_t bytes = 0, found;
	pid_t child;

	if (CASE_SANITIZED)
		SKIP("a sanitizer has memory of its own, and much of it");
	wanted = mmap(NULL, sizeof *wanted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	tokens = mmap(NULL, sizeof *tokens * TOKENS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(wanted != MAP_FAILED && tokens != MAP_FAILED);
	snprintf(path, sizeof path, "/tmp/weir-jwt-%d", (int)getpid());
	child = fork();
	if (child == 0)
		make_all();
	CHILD_IS_WELL(child, 60000);
	CHECK(wanted->count > 3 * TOKENS);
	CHECK(weir_init(NULL) == WEIR_OK);
	CHECK(weir_jwt_verifier_new(&verifier, &o) == WEIR_OK);
	for (unsigned n = 0; n < TOKENS; n++) {
		size_t len = strlen(tokens[n]);
		struct weir_span span;
		struct weir_ctx ctx;

		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "GET /");
		CHECK(weir_ctx_authenticate(&ctx, verifier, weir_str_n(tokens[n], len)) == WEIR_JWT_OK);
		if (n % 2 == 0) /* from the cache as well */
			CHECK(weir_ctx_authenticate(&ctx, verifier, weir_str_n(tokens[n], len)) == WEIR_JWT_OK);
		if (n % 10 == 0) { /* and what is refused */
			tokens[n][len - 20] = tokens[n][len - 20] == 'A' ? 'B' : 'A';
			CHECK(weir_ctx_authenticate(&ctx, verifier, weir_str_n(tokens[n], len)) == WEIR_JWT_BAD_SIGNATURE);
			CHECK(weir_ctx_authenticate(&ctx, verifier, weir_str_n(tokens[n], len - 60)) != WEIR_JWT_OK);
		}
		weir_span_end(&span);
		weir_ctx_end(&ctx);
	}
	munmap(tokens, sizeof *tokens * TOKENS);
	unlink(path);
	found = search(&bytes);
	CHECK(bytes > 1 << 20);
	CHECK(wanted->listed > TOKENS / 2); /* the cache, which may hold what is on the list, was searched */
	EQUAL(found, 0);
	weir_jwt_verifier_destroy(verifier);
}

CASES({"jwt_core_holds_no_token", core_holds_no_token, 100})
