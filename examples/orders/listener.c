/* orders: a socket that listens. See listener.h. */
#define _GNU_SOURCE
#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_one(const struct addrinfo *at)
{
	int one = 1;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 && bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
	    listen(fd, 1024) == 0)
		return fd;
	one = errno;
	close(fd);
	errno = one;
	return -1;
}

static bool name_of(int fd, char text[LISTENER_TEXT])
{
	struct sockaddr_storage at;
	socklen_t len = sizeof at;
	char host[64], port[8];

	if (getsockname(fd, (struct sockaddr *)&at, &len) != 0 ||
	    getnameinfo((struct sockaddr *)&at, len, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	snprintf(text, LISTENER_TEXT, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return true;
}

int listener_open(const struct address *address, char text[LISTENER_TEXT])
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
	char port[8];
	int error, fd = -1;

	snprintf(port, sizeof port, "%u", address->port);
	error = getaddrinfo(address->host, port, &hints, &found);
	if (error != 0) {
		fprintf(stderr, "orders: %s: %s\n", address->host, gai_strerror(error));
		return -1;
	}
	for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next)
		fd = open_one(at);
	freeaddrinfo(found);
	if (fd < 0) {
		fprintf(stderr, "orders: cannot listen on %s:%u: %s\n", address->host, address->port, strerror(errno));
	} else if (!name_of(fd, text)) {
		fprintf(stderr, "orders: cannot tell where it listens\n");
		close(fd);
		fd = -1;
	}
	return fd;
}
