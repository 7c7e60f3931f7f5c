/* A server of a few lines for test_otlp_send.c and test_otlp_start.c: it answers each request with 200 and nothing, or takes connections
 * and is silent. What servers do wrong is test/e2e/otlp_server.py's. Its address is in `url`. */
#ifndef TEST_OTLP_SERVER_H
#define TEST_OTLP_SERVER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "alone.h"

static char url[64];
static uint32_t *requests; /* shared memory, where the server counts those of metrics, relaxed; NULL: it does not */

/* A process of its own that answers each request with 200 and nothing, for as long as this one lives: a thread of ours has
 * descriptors of its own, which the thread sanitizer cannot tell from those of a server in this process. */
static inline void serve(int listener)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char bytes[65536];
		ssize_t got;

		if (fork() == 0) { /* one a connection */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while ((got = read(fd, bytes, sizeof bytes)) > 0)
				if (memmem(bytes, (size_t)got, "POST /", 6) != NULL) {
					if (requests != NULL && memmem(bytes, (size_t)got, "POST /v1/metrics ", 17) != NULL)
						__atomic_fetch_add(requests, 1, __ATOMIC_RELAXED);
					if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
						break;
				}
			_exit(0);
		}
		close(fd);
	}
}

static inline void begin_server(bool answers)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof at;

	assert_true(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 8) == 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(at.sin_port));
	if (answers && fork() == 0)
		serve(listener);
}

#endif
