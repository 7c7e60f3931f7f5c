/* bench: weir's rows of tokens: what a request pays to say who asks, and to be counted by it. The policy is the one of orders:
 * tenant is an attribute and a label of the fifty busiest, sub a hashed attribute, scope is kept for the host. Invariant: each
 * call's result is looked at; what was counted by tenant is summed up and compared. A first time is one by flushing the cache
 * before each call: the lookup that misses and the slot that is written are in it. */
#define _GNU_SOURCE
#include "tokens.h"

#include <weir/jwt.h>
#include <weir/weir.h>

WEIR_COUNTER(requests, "bench_requests_total", "Requests.", "method", "code", WEIR_CLAIM("tenant"));

enum { BLOCK = 64 }; /* contexts that are ready before a block of counts: they stay in the first cache, as a request's does */

static struct weir_jwt_verifier *verifier_new(const struct weir_jwks *keys, uint32_t slots)
{
	static const struct weir_jwt_claim claims[] = {
	    {.claim = "tenant", .attribute = "app.tenant", .label = "tenant", .required = true},
	    {.claim = "sub", .attribute = "enduser.id", .hashed = true},
	    {.claim = "scope"},
	};
	const struct weir_jwt_options options = {.size = sizeof options, .keys = keys, .issuer = TOKEN_ISSUER,
	                                         .audience = TOKEN_AUDIENCE, .claims = claims, .claims_count = 3, .cache_slots = slots};
	struct weir_jwt_verifier *verifier;

	bench_require(weir_jwt_verifier_new(&verifier, &options) == WEIR_OK, "no verifier");
	return verifier;
}

static struct weir_jwks *keys_new(unsigned alg)
{
	struct weir_jwks *keys;
	char key[4096];
	struct weir_str text = weir_str_n(key, token_read(key, alg, "key"));

	bench_require(weir_jwks_new(&keys) == WEIR_OK, "no keys");
	bench_require((alg == TOKEN_HS256 ? weir_jwks_add_secret(keys, TOKEN_KID, "HS256", text)
	                                  : weir_jwks_add_pem(keys, TOKEN_KID, token_algs[alg], text)) == WEIR_OK,
	              "the key is refused");
	return keys;
}

/* ---- known ---- */

struct known {
	struct weir_jwt_verifier *verifier;
	struct token_crowd tokens; /* "Bearer " before each */
};

static void loop_authenticate(void *arg, unsigned thread, uint64_t count)
{
	const struct known *k = arg;
	unsigned wrong = 0;
	struct weir_ctx ctx;

	weir_ctx_begin(&ctx, NULL, 0);
	for (uint64_t i = 0; i < count; i++) {
		struct weir_str header = weir_str_n(token_drawn(&k->tokens, thread + i), k->tokens.len);

		wrong |= weir_ctx_authenticate(&ctx, k->verifier, header);
		bench_barrier();
	}
	bench_require(wrong == 0 && weir_ctx_auth_claim(&ctx, k->verifier, 0).len == 9, "a good token was refused");
	weir_ctx_end(&ctx);
}

static void loop_verify(void *arg, unsigned thread, uint64_t count)
{
	const struct known *k = arg;
	unsigned wrong = 0;

	for (uint64_t i = 0; i < count; i++) {
		wrong |= weir_jwt_verify(k->verifier, weir_str_n(token_drawn(&k->tokens, thread + i) + 7, k->tokens.len - 7));
		bench_barrier();
	}
	bench_require(wrong == 0, "a good token was refused");
}

static struct known known_new(const struct token_live *live)
{
	struct known k = {verifier_new(keys_new(TOKEN_HS256), live->slots), token_crowd(live->count, live->skewed, "Bearer ")};

	/* Filled beforehand, as often as it takes until what can be kept is. */
	for (size_t i = 0; i < k.tokens.count; i++)
		bench_require(weir_jwt_verify(k.verifier, weir_str_n(k.tokens.text + k.tokens.stride * i + 7, k.tokens.len - 7)) == WEIR_JWT_OK,
		              "a good token was refused");
	loop_verify(&k, 0, k.tokens.count < TOKEN_DRAWS ? k.tokens.count : TOKEN_DRAWS);
	return k;
}

/* The verifier's own account of it, per cent. */
static double hit_rate(struct known *k, uint64_t count)
{
	static const char *const labels[] = {"outcome", NULL};
	const struct weir_counter *lookups;
	struct weir_counter_series hit, miss;
	uint64_t hits, misses;

	bench_require(weir_counter_create(&lookups, "weir_jwt_cache_lookups_total",
	                                  "Tokens that were looked for among those verified before.", labels, NULL) == WEIR_OK,
	              "no count of lookups");
	hit = weir_counter_with(lookups, "hit");
	miss = weir_counter_with(lookups, "miss");
	hits = weir_counter_series_read(hit);
	misses = weir_counter_series_read(miss);
	loop_verify(k, 0, count);
	hits = weir_counter_series_read(hit) - hits;
	misses = weir_counter_series_read(miss) - misses;
	bench_require(hits + misses == count, "lookups are not the tokens");
	return 100.0 * (double)hits / (double)count;
}

/* ---- not known ---- */

struct first {
	struct weir_jwt_verifier *verifier;
	struct weir_jwks *keys;
	char token[4096]; /* "Bearer " before it */
	size_t len;
};

static void loop_first(void *arg, unsigned thread, uint64_t count)
{
	const struct first *f = arg;
	unsigned wrong = 0;
	struct weir_ctx ctx;

	(void)thread;
	weir_ctx_begin(&ctx, NULL, 0);
	for (uint64_t i = 0; i < count; i++) {
		weir_jwt_verifier_flush(f->verifier);
		wrong |= weir_ctx_authenticate(&ctx, f->verifier, weir_str_n(f->token, f->len));
	}
	bench_require(wrong == 0 && weir_ctx_auth_claim(&ctx, f->verifier, 0).len == 9, "a good token was refused");
	weir_ctx_end(&ctx);
}

/* The lower layer alone: bytes and keys. */
static void loop_jws(void *arg, unsigned thread, uint64_t count)
{
	const struct first *f = arg;
	unsigned wrong = 0;
	char payload[1024];
	size_t len = 0;

	(void)thread;
	for (uint64_t i = 0; i < count; i++)
		wrong |= weir_jws_verify(f->keys, weir_str_n(f->token + 7, f->len - 7), payload, sizeof payload, &len);
	bench_require(wrong == 0 && len > 0, "a good token was refused");
}

/* ---- counted by tenant ---- */

struct counted {
	struct weir_jwt_verifier *verifier;
	char (*tokens)[512];
	size_t len, at;
	uint32_t *draws;
	struct weir_ctx ctx[BLOCK];
	uint64_t adds; /* locked: by the threads */
};

static void ready(void *arg)
{
	struct counted *c = arg;

	for (size_t i = 0; i < BLOCK; i++)
		bench_require(weir_ctx_authenticate(&c->ctx[i], c->verifier,
		                                    weir_str_n(c->tokens[c->draws[c->at++ % TOKEN_DRAWS]], c->len)) == WEIR_JWT_OK,
		              "a good token was refused");
}

static void loop_count(void *arg, unsigned thread, uint64_t count)
{
	struct counted *c = arg;

	for (uint64_t i = 0; i < count; i++) {
		weir_counter_add_ctx(&requests, 1, &c->ctx[(thread + i) % BLOCK], "GET", "200");
		bench_barrier();
	}
	__atomic_fetch_add(&c->adds, count, __ATOMIC_RELAXED);
}

/* What was counted is what is there, and the busy ones have series of their own. */
static void check(const struct counted *c)
{
	struct weir_snapshot *snapshot;
	struct weir_family family;
	struct weir_series series;
	size_t tenants = 0;
	uint64_t sum = 0;

	bench_require(weir_snapshot_new(&snapshot) == WEIR_OK, "no snapshot");
	for (weir_family_begin(&family, snapshot); weir_family_next(&family);)
		for (weir_series_begin(&series, &family); weir_series_next(&series);)
			if (strcmp(family.name, "bench_requests_total") == 0) {
				sum += series.count;
				tenants++;
			}
	weir_snapshot_destroy(snapshot);
	bench_require(sum == c->adds, "counted is another number than was added");
	bench_require(tenants >= 10 && tenants <= TOKEN_TENANTS + 2, "series are not those of ten to fifty tenants, and other");
}

static void measure_tenants(const struct bench *b, size_t count, bool skewed)
{
	struct counted *c = calloc(1, sizeof *c);
	char tenant[16];

	bench_require(c != NULL && (c->tokens = malloc(count * sizeof *c->tokens)) != NULL, "out of memory");
	c->verifier = verifier_new(keys_new(TOKEN_HS256), 0);
	c->draws = token_draws(count, skewed);
	for (size_t i = 0; i < count; i++) {
		snprintf(tenant, sizeof tenant, "tenant-%05zu", i);
		memcpy(c->tokens[i], "Bearer ", 7);
		c->len = token_mint(c->tokens[i] + 7, tenant, 0) + 7;
	}
	for (size_t i = 0; i < BLOCK; i++)
		weir_ctx_begin(&c->ctx[i], NULL, 0);
	ready(c);
	if (b->threads > 1)
		bench_measure(b, "weir", loop_count, c);
	else
		bench_measure_blocks(b, "weir", loop_count, c, BLOCK, ready);
	check(c);
}

int main(int argc, char **argv)
{
	struct bench b = bench_arguments(argc, argv);
	const struct token_live *cached = token_row(&b, "jwt_cached"), *rate = token_row(&b, "jwt_hit_rate");

	bench_require(weir_init(NULL) == WEIR_OK, "weir_init failed");
	if (cached != NULL) {
		struct known k = known_new(cached);

		bench_measure(&b, "weir", loop_authenticate, &k);
		bench_measure(&b, "weir-without-context", loop_verify, &k);
	}
	if (rate != NULL) {
		struct known k = known_new(rate);

		for (unsigned i = 0; i < b.batches; i++)
			bench_print(&b, "weir", hit_rate(&k, TOKEN_DRAWS / 4));
	}
	for (unsigned alg = 0; alg < TOKEN_ALGS; alg++)
		if (bench_is(&b, token_rows[alg])) {
			static struct first f;

			f.keys = keys_new(alg);
			f.verifier = verifier_new(f.keys, 0);
			memcpy(f.token, "Bearer ", 7);
			f.len = 7 + token_read(f.token + 7, alg, "token");
			bench_measure(&b, "weir", loop_first, &f);
			bench_measure(&b, "weir-jws", loop_jws, &f);
		}
	if (bench_is(&b, "counter_add_tenant"))
		measure_tenants(&b, 10, false);
	if (bench_is(&b, "counter_add_tenant_100k"))
		measure_tenants(&b, 100000, true);
	weir_shutdown(WEIR_S(1));
	return 0;
}
