/* orders: the order-query API of a gateway, the service that weir is shown and measured on.
 *
 * It puts the parts together and waits for a signal; all work is done in other threads. */
#define _GNU_SOURCE
#include "access.h"
#include "args.h"
#include "auth.h"
#include "client.h"
#include "endpoint.h"
#include "gateway.h"
#include "http.h"
#include "links.h"
#include "listener.h"
#include "signals.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Outermost first; before them telemetry's. */
static const struct link *const whole[] = {&link_status, &link_recovery, &link_guard, &link_body, &link_handle};
static const struct link *const gateways[] = {&link_status, &link_recovery, &link_guard, &link_limit,  &link_body,
                                              &link_local,  &link_retry,    &link_breaker, &link_call};
enum { WHOLE = sizeof whole / sizeof whole[0], GATEWAYS = sizeof gateways / sizeof gateways[0] };

/* A gateway traces; so does the whole in one process once it exports. */
static bool traces(const struct args *args)
{
	return args->telemetry && (args->role != ROLE_WHOLE || args->otlp != NULL);
}

static bool serve_chain(const struct args *args, int fd, const char *where, const sigset_t *end, struct store *store,
                        struct gateway *gateway)
{
	const struct link *links[TELEMETRY_LINKS_MAX + AUTH_LINKS_MAX + 1 + GATEWAYS];
	const struct link *const *own = gateway != NULL ? gateways : whole;
	size_t count = args->telemetry ? telemetry_links(links, traces(args)) : 0;
	struct chain chain = {links, 0};
	struct http *http;

	count += auth_outer(links + count);
	if (access_is_open())
		links[count++] = &link_access;
	for (size_t i = 0; i < (gateway != NULL ? (size_t)GATEWAYS : (size_t)WHOLE); i++) {
		links[count++] = own[i];
		if (own[i] == &link_recovery)
			count += auth_inner(links + count);
	}
	chain.count = count;
	http = http_start(fd, args->threads, &chain, store, gateway);
	if (http == NULL)
		return false;
	signals_await(end, where);
	http_stop(http);
	return true;
}

static bool serve_gateway(const struct args *args, int fd, const char *where, const sigset_t *end)
{
	struct gateway gateway;
	bool served = false;

	gateway_begin(&gateway, args->rate);
	gateway.client = client_new(&args->store, args->threads);
	if (gateway.client != NULL) {
		served = serve_chain(args, fd, where, end, NULL, &gateway);
		client_destroy(gateway.client);
	} else {
		close(fd);
	}
	gateway_end(&gateway);
	return served;
}

static bool serve_whole(const struct args *args, int fd, const char *where, const sigset_t *end)
{
	struct store *store = store_new(args->slow_ppm, args->fail_ppm);
	bool served;

	if (store == NULL) {
		fputs("orders: no memory\n", stderr);
		close(fd);
		return false;
	}
	telemetry_stored(STORE_SEED);
	served = serve_chain(args, fd, where, end, store, NULL);
	store_destroy(store);
	return served;
}

/* A store is a program of its own, beside this one: orders-store. Its process is this one. */
static int become_store(char **argv)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path);

	if (len > 0 && (size_t)len + sizeof "-store" <= sizeof path) {
		memcpy(path + len, "-store", sizeof "-store");
		execv(path, argv);
	}
	perror("orders: its store does not start");
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	sigset_t end = signals_take();
	char where[LISTENER_TEXT];
	struct args args;
	bool served;
	int code, fd;

	code = args_parse(&args, argc, argv);
	if (code != ARGS_RUN)
		return code;
	if (args.role == ROLE_STORE)
		return become_store(argv);
	if (args.access_log != NULL && !access_open(args.access_log))
		return EXIT_FAILURE;
	fd = listener_open(&args.listen, where);
	if (fd < 0)
		return EXIT_FAILURE;
	if (args.telemetry) {
		telemetry_start(args.role == ROLE_GATEWAY ? &args.store : NULL);
		if (endpoint_start(&args) != 0) {
			close(fd);
			return EXIT_FAILURE;
		}
	}
	if (!auth_start(&args)) {
		close(fd);
		return EXIT_FAILURE;
	}
	served = args.role == ROLE_GATEWAY ? serve_gateway(&args, fd, where, &end) : serve_whole(&args, fd, where, &end);
	auth_stop();
	if (args.telemetry)
		endpoint_stop();
	access_close();
	return served ? EXIT_SUCCESS : EXIT_FAILURE;
}
