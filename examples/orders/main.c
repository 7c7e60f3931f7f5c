/* orders: the order-query API of a gateway, the service that weir is shown and measured on.
 *
 * It puts the parts together and waits for a signal; all work is done in other threads. */
#define _GNU_SOURCE
#include "args.h"
#include "http.h"
#include "links.h"
#include "listener.h"
#include "store.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Outermost first. */
static const struct link *const links[] = {TELEMETRY_LINKS &link_status, &link_recovery, &link_guard, &link_body,
                                           &link_handle};
enum { LINKS = sizeof links / sizeof links[0] };

/* SIGTERM and SIGINT are waited for, also where whoever started us had them ignored. */
static sigset_t take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	return set;
}

static int serve(const struct args *args, int fd, const char *where, const sigset_t *end)
{
	size_t without = args->telemetry ? 0 : TELEMETRY_LINK_COUNT;
	struct chain chain = {links + without, LINKS - without};
	struct store *store = store_new(args->slow_ppm, args->fail_ppm);
	struct http *http;
	int caught;

	if (store == NULL) {
		fputs("orders: no memory\n", stderr);
		close(fd);
		return EXIT_FAILURE;
	}
	telemetry_stored(STORE_SEED);
	http = http_start(fd, args->threads, &chain, store);
	if (http != NULL) {
		printf("ready %s\n", where);
		fflush(stdout);
		sigwait(end, &caught);
		http_stop(http);
	}
	store_destroy(store);
	return http != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	sigset_t end = take_signals();
	char where[LISTENER_TEXT];
	struct args args;
	int code, fd;

	code = args_parse(&args, argc, argv);
	if (code != ARGS_RUN)
		return code;
	fd = listener_open(&args.listen, where);
	if (fd < 0)
		return EXIT_FAILURE;
	if (args.telemetry) {
		telemetry_start();
		if (endpoint_start(&args.metrics) != 0) {
			close(fd);
			return EXIT_FAILURE;
		}
	}
	code = serve(&args, fd, where, &end);
	if (args.telemetry)
		endpoint_stop();
	return code;
}
