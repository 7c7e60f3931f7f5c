/* weir-prometheus: listening sockets. See listen.h. Layer: exporter, I/O: no data of its own. */
#define _GNU_SOURCE
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { BACKLOG = 128, TRIES = 16 };

static void add(struct weir__addresses *to, const void *address, socklen_t len)
{
	if (to->count == WEIR__LISTEN_MOST || len > sizeof to->list[0])
		return;
	for (unsigned i = 0; i < to->count; i++) /* a resolver may name one twice */
		if (to->len[i] == len && memcmp(&to->list[i], address, len) == 0)
			return;
	memcpy(&to->list[to->count], address, len);
	to->len[to->count++] = len;
}

static void add_loopback(struct weir__addresses *to)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	add(to, &v4, sizeof v4);
	add(to, &v6, sizeof v6);
}

int weir__listen_resolve(struct weir__addresses *addresses, const char *host, char why[WEIR__WHY])
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE},
			*found = NULL;
	size_t len = strlen(host);
	char plain[256];
	int error;

	memset(addresses, 0, sizeof *addresses);
	if (strcasecmp(host, "localhost") == 0) { /* without asking anybody */
		add_loopback(addresses);
		return WEIR_OK;
	}
	if (len == 0 || len >= sizeof plain) {
		snprintf(why, WEIR__WHY, "this is no host's name");
		return WEIR_EIO;
	}
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') { /* [::1] */
		host++;
		len -= 2;
	}
	memcpy(plain, host, len);
	plain[len] = '\0';
	error = getaddrinfo(plain, NULL, &hints, &found);
	if (error != 0) {
		snprintf(why, WEIR__WHY, "the name has no address here (resolver's error %d)", error);
		return WEIR_EIO;
	}
	for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
		add(addresses, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(found);
	if (addresses->count == 0)
		snprintf(why, WEIR__WHY, "the name has no address here");
	return addresses->count != 0 ? WEIR_OK : WEIR_EIO;
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
	if (address->ss_family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)address)->sin_port = htons(port);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;

	memset(&address, 0, sizeof address);
	if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
	                                           : ((struct sockaddr_in *)&address)->sin_port);
}

/* -1, and errno. alone: an IPv6 socket beside one for IPv4 must not want its port too. */
static int open_one(const struct sockaddr_storage *at, socklen_t len, uint16_t port, bool alone)
{
	int fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, error;
	struct sockaddr_storage address = *at;

	if (fd < 0)
		return -1;
	set_port(&address, port);
	/* past connections of a former process do not count */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (at->ss_family == AF_INET6 && !alone)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&address, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void explain(char why[WEIR__WHY], int error)
{
	const char *text = error == EADDRINUSE      ? "the address is in use"
	                   : error == EADDRNOTAVAIL ? "this machine has no such address"
	                   : error == EACCES        ? "that is not permitted"
	                                            : NULL;

	if (text != NULL)
		snprintf(why, WEIR__WHY, "%s", text);
	else
		snprintf(why, WEIR__WHY, "the system refused, error %d", error);
}

static void close_all(const int *sockets, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(sockets[i]);
}

int weir__listen_open(int sockets[WEIR__LISTEN_MOST], unsigned *count, const struct weir__addresses *addresses,
                      uint16_t port, uint16_t *got, char why[WEIR__WHY])
{
	bool alone = addresses->count == 1;

	for (unsigned tries = 0; tries < TRIES; tries++) {
		bool again = false;

		*count = 0;
		sockets[0] = open_one(&addresses->list[0], addresses->len[0], port, alone);
		if (sockets[0] < 0) {
			explain(why, errno);
			return WEIR_EIO;
		}
		*got = port_of(sockets[0]);
		*count = 1;
		for (unsigned i = 1; i < addresses->count; i++) {
			int fd = open_one(&addresses->list[i], addresses->len[i], *got, alone);

			/* a free port is to be free at all addresses: who asks localhost may mean either */
			if (fd < 0 && errno == EADDRINUSE && port == 0 && tries + 1 < TRIES)
				again = true;
			if (fd >= 0)
				sockets[(*count)++] = fd;
		}
		if (!again)
			return WEIR_OK;
		close_all(sockets, *count);
	}
	return WEIR_OK;
}
