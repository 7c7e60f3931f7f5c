/* bench: the tokens that floor, weir and peers verify: the same bytes, keys and claims. `tokens` makes them, with libcrypto, in
 * the folder jwt beside the programs: ALG.token and ALG.key, which is a public key as PEM, or the secret's bytes. Claims: iss,
 * aud, exp, sub, tenant, scope. Many live tokens are made by each program for itself, by HS256 and these rules:
 *   token i   of sub "user-" and i in seven digits, and tenant "tenant-" and i % 50 in two
 *   draws     2^20 of them, even: next() % n, seed 4; skewed: n ^ u, so that each tenfold of ranks has the same share, seed 5 */
#ifndef BENCH_TOKENS_H
#define BENCH_TOKENS_H

#include "bench.h"
#include "workload.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_ISSUER "https://login.example.com/"
#define TOKEN_AUDIENCE "orders"
#define TOKEN_KID "2026-11"
#define TOKEN_SECRET "0123456789abcdef0123456789abcdef"

enum { TOKEN_HS256, TOKEN_RS256, TOKEN_ES256, TOKEN_EDDSA, TOKEN_ALGS };
enum { TOKEN_MOST = 1024, TOKEN_DRAWS = 1 << 20, TOKEN_TENANTS = 50 };

static const char *const token_algs[TOKEN_ALGS] = {"HS256", "RS256", "ES256", "EdDSA"};
static const char *const token_rows[TOKEN_ALGS] = {"jwt_hs256", "jwt_rs256", "jwt_es256", "jwt_eddsa"};

static inline size_t token_base64url(char *out, size_t at, const void *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i += 3) {
		unsigned group = (unsigned)b[i] << 16 | (i + 1 < len ? (unsigned)b[i + 1] << 8 : 0) | (i + 2 < len ? b[i + 2] : 0);

		for (size_t n = 0; n < 4 && n <= len - i; n++)
			out[at++] = digits[group >> (18 - 6 * n) & 63];
	}
	out[at] = '\0';
	return at;
}

/* What is signed: header and payload. out has TOKEN_MOST bytes. */
static inline size_t token_begin(char *out, unsigned alg, const char *tenant, unsigned user)
{
	char header[128], payload[512];
	size_t at;

	snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"" TOKEN_KID "\"}", token_algs[alg]);
	snprintf(payload, sizeof payload,
	         "{\"iss\":\"" TOKEN_ISSUER "\",\"aud\":\"" TOKEN_AUDIENCE "\",\"exp\":4102444800,\"sub\":\"user-%07u\",\"tenant\":\"%s\","
	         "\"scope\":\"orders:read orders:write\"}",
	         user, tenant);
	at = token_base64url(out, 0, header, strlen(header));
	out[at++] = '.';
	return token_base64url(out, at, payload, strlen(payload));
}

static inline size_t token_mint(char *out, const char *tenant, unsigned user)
{
	uint8_t mac[32];
	unsigned mac_len = sizeof mac;
	size_t at = token_begin(out, TOKEN_HS256, tenant, user);

	bench_require(HMAC(EVP_sha256(), TOKEN_SECRET, sizeof TOKEN_SECRET - 1, (const uint8_t *)out, at, mac, &mac_len) != NULL,
	              "no HMAC");
	out[at++] = '.';
	return token_base64url(out, at, mac, sizeof mac);
}

static inline void token_path(char path[4096], const char *name)
{
	ssize_t len = readlink("/proc/self/exe", path, 3000);
	char *slash;

	bench_require(len > 0, "no /proc/self/exe");
	path[len] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash, 1000, "/jwt/%s", name);
}

/* ALG.what, ending in NUL; its length. buf has 4096 bytes. */
static inline size_t token_read(char *buf, unsigned alg, const char *what)
{
	char path[4096], name[32];
	size_t len;
	FILE *file;

	snprintf(name, sizeof name, "%s.%s", token_algs[alg], what);
	token_path(path, name);
	file = fopen(path, "re");
	bench_require(file != NULL, "no folder jwt with keys and tokens: run the program tokens");
	len = fread(buf, 1, 4095, file);
	fclose(file);
	buf[len] = '\0';
	return len;
}

/* Many tokens of one length, one behind the other, with prefix before each; and in which order they come. */
struct token_crowd {
	char *text;
	size_t stride, len, count;
	uint32_t *draws;
};

static inline const char *token_drawn(const struct token_crowd *c, uint64_t i)
{
	return c->text + c->stride * c->draws[i % TOKEN_DRAWS];
}

static inline uint32_t *token_draws(size_t count, bool skewed)
{
	uint64_t seed = skewed ? 5 : 4;
	uint32_t *draws = malloc(TOKEN_DRAWS * sizeof *draws);

	bench_require(draws != NULL, "out of memory");
	for (size_t i = 0; i < TOKEN_DRAWS; i++) {
		uint64_t next = work_next(&seed);

		draws[i] = skewed ? (uint32_t)pow((double)count, (double)(next >> 11) / 9007199254740992.0) - 1 : (uint32_t)(next % count);
	}
	return draws;
}

static inline struct token_crowd token_crowd(size_t count, bool skewed, const char *prefix)
{
	char one[TOKEN_MOST], tenant[16];
	size_t before = strlen(prefix), len = token_mint(one, "tenant-00", 0);
	struct token_crowd c = {NULL, before + len, before + len, count, token_draws(count, skewed)};

	c.text = malloc(count * c.stride + 1);
	bench_require(c.text != NULL, "out of memory");
	for (size_t i = 0; i < count; i++) {
		snprintf(tenant, sizeof tenant, "tenant-%02u", (unsigned)(i % TOKEN_TENANTS));
		bench_require(token_mint(one, tenant, (unsigned)i) == len, "tokens are of one length");
		memcpy(c.text + i * c.stride, prefix, before);
		memcpy(c.text + i * c.stride + before, one, len);
	}
	return c;
}

/* The rows jwt_cached* and jwt_hit_rate*: how many tokens live, how they are drawn, and what the cache has room for. */
struct token_live {
	const char *suffix;
	size_t count;
	bool skewed;
	uint32_t slots; /* 0: the default, 4096 */
};
static const struct token_live token_live[] = {
    {"", 1, false, 0},
    {"_1k", 1000, false, 0},
    {"_1m", 1000000, false, 1 << 20},
    {"_1m_default", 1000000, false, 0},
    {"_1m_skewed", 1000000, true, 0},
};

/* NULL: another row. */
static inline const struct token_live *token_row(const struct bench *b, const char *prefix)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < sizeof token_live / sizeof *token_live; i++)
		if (strncmp(b->row, prefix, len) == 0 && strcmp(b->row + len, token_live[i].suffix) == 0)
			return &token_live[i];
	return NULL;
}

#endif
