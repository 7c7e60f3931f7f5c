/* bench: the floors of the rows of tokens: the least that does the job at all. A token that is known costs its SHA-256; one that
 * is not costs libcrypto's check of its signature, with the key ready, the context used again and again, and the signature
 * decoded beforehand: no header, no JSON, no claims. A count by tenant costs a lookup of three texts among fifty tenants. */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init and its like: each other way to SHA-256 allocates */
#include "tokens.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

/* ---- known: SHA-256 ---- */

static void sha256(const void *text, size_t len, uint8_t out[32])
{
	SHA256_CTX c;

	SHA256_Init(&c);
	SHA256_Update(&c, text, len);
	SHA256_Final(out, &c);
}

static void loop_sha256(void *arg, unsigned thread, uint64_t count)
{
	const struct token_crowd *c = arg;
	uint8_t out[32];

	for (uint64_t i = 0; i < count; i++) {
		sha256(token_drawn(c, thread + i), c->len, out);
		bench_barrier();
	}
}

/* ---- not known: the signature ---- */

struct signature {
	unsigned alg;
	EVP_PKEY *key;
	EVP_MAC_CTX *mac; /* has the secret */
	char token[4096];
	size_t signed_len;
	uint8_t bytes[512]; /* the signature; of ES256 as DER */
	size_t len;
};

static size_t decode(const char *text, size_t len, uint8_t *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t group = 0;
	size_t bits = 0, at = 0;

	for (size_t i = 0; i < len; i++) {
		group = group << 6 | (uint32_t)(strchr(digits, text[i]) - digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[at++] = (uint8_t)(group >> bits);
		}
	}
	return at;
}

static size_t der_of(uint8_t *bytes)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	uint8_t *out = bytes;
	int len;

	bench_require(pair != NULL && ECDSA_SIG_set0(pair, BN_bin2bn(bytes, 32, NULL), BN_bin2bn(bytes + 32, 32, NULL)) == 1, "no pair");
	len = i2d_ECDSA_SIG(pair, &out);
	ECDSA_SIG_free(pair);
	return (size_t)len;
}

static void signature_read(struct signature *s, unsigned alg)
{
	char key[4096], *dot;
	size_t key_len = token_read(key, alg, "key"), len = token_read(s->token, alg, "token");

	s->alg = alg;
	dot = strrchr(s->token, '.');
	s->signed_len = (size_t)(dot - s->token);
	s->len = decode(dot + 1, len - s->signed_len - 1, s->bytes);
	if (alg == TOKEN_ES256)
		s->len = der_of(s->bytes);
	if (alg == TOKEN_HS256) {
		const OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 6), OSSL_PARAM_END};

		s->mac = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, "HMAC", NULL));
		bench_require(s->mac != NULL && EVP_MAC_init(s->mac, (uint8_t *)key, key_len, params) == 1, "no HMAC");
	} else {
		BIO *bio = BIO_new_mem_buf(key, (int)key_len);

		s->key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
		BIO_free(bio);
		bench_require(s->key != NULL, "no key");
	}
}

static void loop_mac(void *arg, unsigned thread, uint64_t count)
{
	const struct signature *s = arg;
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(s->mac);
	bool right = ctx != NULL;
	uint8_t out[32];
	size_t len;

	(void)thread;
	for (uint64_t i = 0; i < count && right; i++)
		right = EVP_MAC_init(ctx, NULL, 0, NULL) == 1 && EVP_MAC_update(ctx, (const uint8_t *)s->token, s->signed_len) == 1 &&
		        EVP_MAC_final(ctx, out, &len, sizeof out) == 1 && CRYPTO_memcmp(out, s->bytes, 32) == 0;
	EVP_MAC_CTX_free(ctx);
	bench_require(right, "the MAC is wrong");
}

static void loop_digest(void *arg, unsigned thread, uint64_t count)
{
	const struct signature *s = arg;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(s->key, NULL);
	bool right = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1;
	uint8_t hash[32];

	(void)thread;
	for (uint64_t i = 0; i < count && right; i++) {
		sha256(s->token, s->signed_len, hash);
		right = EVP_PKEY_verify(ctx, s->bytes, s->len, hash, sizeof hash) == 1;
	}
	EVP_PKEY_CTX_free(ctx);
	bench_require(right, "the signature is wrong");
}

static void loop_whole(void *arg, unsigned thread, uint64_t count)
{
	const struct signature *s = arg;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool right = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, s->key) == 1;

	(void)thread;
	for (uint64_t i = 0; i < count && right; i++)
		right = EVP_DigestVerify(ctx, s->bytes, s->len, (const uint8_t *)s->token, s->signed_len) == 1;
	EVP_MD_CTX_free(ctx);
	bench_require(right, "the signature is wrong");
}

/* ---- a count by tenant ---- */

enum { SLOTS = 256, WORDS = 5 }; /* method, code, tenant of three words */

struct place {
	uint64_t key[WORDS];
	uint64_t cell; /* 0: nobody's */
};
struct tenants {
	struct place places[SLOTS];
	uint64_t cells[TOKEN_TENANTS + 2];
	uint64_t (*texts)[WORDS];
	uint32_t *draws;
};

static uint64_t hash_of(const uint64_t key[WORDS])
{
	uint64_t h = 0;

	for (int i = 0; i < WORDS; i++)
		h = ((h << 7 | h >> 57) ^ key[i]) * UINT64_C(0xd6e8feb86659fd93);
	return h >> 32 ^ h;
}

static struct place *find(struct tenants *t, const uint64_t key[WORDS])
{
	for (uint64_t at = hash_of(key);; at++) {
		struct place *p = &t->places[at % SLOTS];

		if (p->cell == 0 || memcmp(p->key, key, WORDS * 8) == 0)
			return p;
	}
}

/* Not found: cell 0, which is "other". */
static void loop_tenant(void *arg, unsigned thread, uint64_t count)
{
	struct tenants *t = arg;
	uint64_t cells[TOKEN_TENANTS + 2] = {0}; /* a thread's own */

	for (uint64_t i = 0; i < count; i++) {
		cells[find(t, t->texts[t->draws[(thread + i) % TOKEN_DRAWS]])->cell]++;
		bench_barrier();
	}
	for (size_t i = 0; thread == 0 && i < TOKEN_TENANTS + 2; i++)
		t->cells[i] += cells[i];
}

static void measure_tenants(const struct bench *b, size_t count, bool skewed)
{
	struct tenants *t = calloc(1, sizeof *t);

	bench_require(t != NULL && (t->texts = calloc(count, sizeof *t->texts)) != NULL, "out of memory");
	t->draws = token_draws(count, skewed);
	for (size_t i = 0; i < count; i++) {
		memcpy(&t->texts[i][0], "GET", 3);
		memcpy(&t->texts[i][1], "200", 3);
		snprintf((char *)&t->texts[i][2], 24, "tenant-%05zu", i);
		if (i < TOKEN_TENANTS) {
			struct place *p = find(t, t->texts[i]);

			memcpy(p->key, t->texts[i], sizeof p->key);
			p->cell = i + 1;
		}
	}
	bench_measure(b, "floor", loop_tenant, t);
	bench_require(t->cells[1] > 0, "nothing was counted");
}

int main(int argc, char **argv)
{
	static bench_loop *const loops[TOKEN_ALGS] = {loop_mac, loop_digest, loop_digest, loop_whole};
	struct bench b = bench_arguments(argc, argv);
	const struct token_live *live = token_row(&b, "jwt_cached");
	static struct signature s;

	if (live != NULL) {
		struct token_crowd c = token_crowd(live->count, live->skewed, "");

		bench_measure(&b, "floor", loop_sha256, &c);
	}
	for (unsigned alg = 0; alg < TOKEN_ALGS; alg++)
		if (bench_is(&b, token_rows[alg])) {
			signature_read(&s, alg);
			bench_measure(&b, "floor", loops[alg], &s);
		}
	if (bench_is(&b, "counter_add_tenant"))
		measure_tenants(&b, 10, false);
	if (bench_is(&b, "counter_add_tenant_100k"))
		measure_tenants(&b, 100000, true);
	return 0;
}
