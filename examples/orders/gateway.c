/* orders: the links that only a gateway has. See gateway.h. An exchange and its gateway are all they read and write. */
#define _GNU_SOURCE
#include "gateway.h"

#include "links.h"
#include "order.h"
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ATTEMPTS = 3 };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void gateway_begin(struct gateway *gateway, uint32_t rate)
{
	limit_begin(&gateway->limit, rate);
	breaker_begin(&gateway->breaker);
	gateway->client = NULL;
}

void gateway_end(struct gateway *gateway)
{
	breaker_end(&gateway->breaker);
}

/* Health is asked by those who would restart us if they got a 429. */
static int limit_enter(struct exchange *x)
{
	if (x->gateway->limit.step_ns == 0 || x->route == &routes[ROUTE_HEALTH] || limit_take(&x->gateway->limit, now_ns()))
		return CHAIN_NEXT;
	telemetry_limited(x);
	x->status = 429;
	return CHAIN_END;
}

static int local_enter(struct exchange *x)
{
	struct order order;

	if (x->route == &routes[ROUTE_HEALTH]) {
		int error = x->route->handler(x);

		return error < 0 ? error : CHAIN_END;
	}
	if (x->route == &routes[ROUTE_ORDERS] && !order_parse(&order, x->body, x->received)) {
		x->status = 400;
		return CHAIN_END;
	}
	return CHAIN_NEXT;
}

/* Doubled each time, and up to as much again, so that not all come back at once. */
static uint64_t backoff_ns(unsigned attempts)
{
	uint64_t least = UINT64_C(5000000) << (attempts - 1);

	return least + now_ns() % least;
}

static int retry_enter(struct exchange *x)
{
	return x->delay_ns > 0 ? CHAIN_WAIT : CHAIN_NEXT;
}

/* A POST may have been done although its answer is lost: it is not repeated. Nor is what took too long: 502 only. */
static bool retry_again(struct exchange *x)
{
	if (x->status != 502 || x->attempts >= ATTEMPTS || (x->method != METHOD_GET && x->method != METHOD_HEAD))
		return false;
	x->delay_ns = backoff_ns(x->attempts);
	telemetry_retried(x);
	x->failed = false;
	x->status = 0;
	x->answer_len = 0;
	return true;
}

static int breaker_enter(struct exchange *x)
{
	struct breaker_news news = breaker_ask(&x->gateway->breaker, now_ns());

	if (news.changed || !news.pass)
		telemetry_breaker(x, &news, !news.pass);
	x->passed = news.pass;
	if (news.pass)
		return CHAIN_NEXT;
	x->status = 503;
	return CHAIN_END;
}

static void breaker_leave(struct exchange *x)
{
	struct breaker_news news;

	if (!x->passed)
		return;
	x->passed = false;
	news = breaker_tell(&x->gateway->breaker, !x->failed, now_ns());
	if (news.changed)
		telemetry_breaker(x, &news, false);
}

static void ask(struct exchange *x)
{
	struct call *call = &x->call;

	call_begin(call, x->method == METHOD_POST);
	if (call->post) {
		memcpy(call->path, "/orders", sizeof "/orders");
		call->body = x->body;
		call->body_len = x->received;
	} else {
		snprintf(call->path, sizeof call->path, "/orders/%llu", (unsigned long long)x->order_id);
	}
	x->attempts++;
	x->calling = CALLING_WANTED;
	telemetry_calling(x);
}

/* The id that the store gave a new order, for its Location: {"id":N, and so on. */
static uint64_t id_in(const struct call *call)
{
	static const char before[] = "{\"id\":";
	char text[ANSWER_MAX + 1];

	memcpy(text, call->answer, call->answer_len);
	text[call->answer_len] = '\0';
	return strncmp(text, before, sizeof before - 1) == 0 ? strtoull(text + sizeof before - 1, NULL, 10) : 0;
}

static void answered(struct exchange *x)
{
	const struct call *call = &x->call;

	switch (call->status) {
	case 201:
		x->order_id = id_in(call);
		/* fall through */
	case 200:
	case 404:
		x->status = call->status;
		memcpy(x->answer, call->answer, call->answer_len);
		x->answer_len = call->answer_len;
		return;
	default:
		x->failed = true;
		x->status = call->failure != NULL && strcmp(call->failure, "timeout") == 0 ? 504 : 502;
	}
}

static int call_enter(struct exchange *x)
{
	if (x->calling == CALLING_NOBODY)
		ask(x);
	if (x->calling != CALLING_DONE)
		return CHAIN_WAIT;
	x->calling = CALLING_NOBODY;
	answered(x);
	return CHAIN_END;
}

const struct link link_limit = {.name = "limit", .enter = limit_enter};
const struct link link_local = {.name = "local", .enter = local_enter};
const struct link link_retry = {.name = "retry", .enter = retry_enter, .again = retry_again};
const struct link link_breaker = {.name = "breaker", .enter = breaker_enter, .leave = breaker_leave};
const struct link link_call = {.name = "call", .enter = call_enter};
