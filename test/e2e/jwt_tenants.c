/* A service whose tenants come and go, for jwt_tenants.py: wave after wave of them, each for a while, beside one that stays; every
 * request has its token, and counts by tenant. Public API only. Called as jwt_tenants WAVES TENANTS WAVE_MS PACE; prints "ready PORT",
 * waits for a line, sends PACE requests a second, two thirds of them to the wave's tenants in turn, prints "sent N", and waits for the
 * end of standard input. A machine that stood still catches nothing up, so that the pace is never above PACE. */
#define _GNU_SOURCE
#include <weir/jwt.h>
#include <weir/prometheus.h>
#include <weir/weir.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../integration/jwt_token.h"

WEIR_COUNTER(requests, "host_requests_total", "Requests.", WEIR_CLAIM("tenant"));

enum { TOKEN = 512, TENANTS_MOST = 300 };
static const char secret[] = "0123456789abcdef0123456789abcdef";

static void require(bool what, const char *text)
{
	if (what)
		return;
	fprintf(stderr, "jwt_tenants: %s\n", text);
	exit(1);
}

static void make(char token[TOKEN], const char *tenant)
{
	unsigned char mac[32];
	char payload[128];

	snprintf(payload, sizeof payload, "{\"exp\":%lld,\"tenant\":\"%s\"}", (long long)time(NULL) + 3600, tenant);
	token_make(token, secret, "k", payload, mac);
}

static struct weir_jwt_verifier *start(void)
{
	static const struct weir_jwt_claim claims[] = {{.claim = "tenant", .label = "tenant", .label_top = 2 * TENANTS_MOST, .required = true}};
	const struct weir_options w = {.size = sizeof w, .tick_ns = WEIR_MS(50)};
	const struct weir_prometheus_options p = {.size = sizeof p, .any_port = true, .max_age_ns = WEIR_MS(1)};
	struct weir_jwks *keys;
	const int set = weir_jwks_new(&keys);
	const struct weir_jwt_options o = {.size = sizeof o, .keys = keys, .claims = claims, .claims_count = 1, .idle_ns = WEIR_S(1)};
	struct weir_jwt_verifier *verifier;

	require(set == WEIR_OK && weir_jwks_add_secret(keys, "k", "HS256", weir_str_of(secret)) == WEIR_OK, "no keys");
	require(weir_init(&w) == WEIR_OK && weir_prometheus_start(&p) == WEIR_OK, "no endpoint");
	require(weir_jwt_verifier_new(&verifier, &o) == WEIR_OK, "no verifier");
	weir_jwks_destroy(keys);
	return verifier;
}

static void answer(struct weir_jwt_verifier *verifier, const char *token)
{
	struct weir_ctx ctx;

	weir_ctx_begin(&ctx, NULL, 0);
	require(weir_ctx_authenticate(&ctx, verifier, weir_str_of(token)) == WEIR_JWT_OK, "a good token is refused");
	weir_counter_add_ctx(&requests, 1, &ctx);
	weir_ctx_end(&ctx);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * WEIR_S(1) + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	const struct timespec t = {(time_t)(ns / WEIR_S(1)), (long)(ns % WEIR_S(1))};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
		;
}

int main(int argc, char **argv)
{
	static char wave[TENANTS_MOST][TOKEN], stays[TOKEN];
	unsigned long waves, tenants, wave_ms, pace, sent = 0;
	struct weir_jwt_verifier *verifier;
	uint64_t due;

	require(argc == 5, "WAVES TENANTS WAVE_MS PACE");
	waves = strtoul(argv[1], NULL, 10);
	tenants = strtoul(argv[2], NULL, 10);
	wave_ms = strtoul(argv[3], NULL, 10);
	pace = strtoul(argv[4], NULL, 10);
	require(tenants >= 1 && tenants <= TENANTS_MOST && pace >= 1, "1 to 300 tenants, some pace");
	verifier = start();
	make(stays, "stays");
	printf("ready %d\n", weir_prometheus_port());
	fflush(stdout);
	require(getchar() != EOF, "nobody said go");
	due = now_ns();
	for (unsigned long w = 0; w < waves; w++) {
		uint64_t until = now_ns() + WEIR_MS((uint64_t)wave_ms);
		char name[32];

		for (unsigned long n = 0; n < tenants; n++) {
			snprintf(name, sizeof name, "w%lut%lu", w, n);
			make(wave[n], name);
		}
		for (unsigned long n = 0; due < until; sent++) {
			uint64_t now = now_ns();

			if (due > now)
				sleep_until(due);
			due = (due > now ? due : now) + WEIR_S(1) / pace;
			answer(verifier, sent % 3 == 0 ? stays : wave[n++ % tenants]);
		}
	}
	printf("sent %lu\n", sent);
	fflush(stdout);
	while (getchar() != EOF)
		;
	weir_jwt_verifier_destroy(verifier);
	return weir_shutdown(WEIR_S(2)) == WEIR_OK ? 0 : 1;
}
