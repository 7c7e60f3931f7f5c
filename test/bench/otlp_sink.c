/* bench: a receiver of OTLP over HTTP that counts spans and forgets them, as cheaply as it can: one thread, epoll, connections
 * that stay. Not part of the library. Called as otlp_sink; prints "ready PORT", on 127.0.0.1, and ends at its input's end.
 *
 * POST /v1/traces is walked field by field, POST to any other path is taken unread; both get 200 and no body, which is OTLP's
 * whole success. GET /count answers one line, "requests N spans N bytes N malformed N": of traces only. What is no message
 * gets 400 and is counted; what is no HTTP, or has no length, costs the connection.
 * Invariant: a request is answered once it is here whole, and has been counted then. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, FIRST_ROOM = 256 << 10, HEAD_MOST = 16 << 10, BODY_MOST = 64 << 20 };

struct connection {
	int fd;
	char *bytes;
	size_t len, room;
};

static struct {
	uint64_t requests, spans, bytes, malformed;
} counted;

static void require(bool what, const char *text)
{
	if (what)
		return;
	fprintf(stderr, "otlp_sink: %s\n", text);
	exit(1);
}

/* ---- spans in a message ------------------------------------------------------------------------------------------------ */
static bool varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		uint8_t byte = *(*at)++;

		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans, ScopeSpans.spans */
static const uint64_t path[] = {1, 2, 2};
enum { DEPTH = sizeof path / sizeof path[0] };

/* False: no message. How deep it goes is known, so that it cannot be made to go deeper. */
static bool count_spans(const uint8_t *at, const uint8_t *end, unsigned depth, uint64_t *spans)
{
	while (at < end) {
		uint64_t tag, value;

		if (!varint(&at, end, &tag))
			return false;
		switch (tag & 7) {
		case 0:
			if (!varint(&at, end, &value))
				return false;
			continue;
		case 1: value = 8; break;
		case 5: value = 4; break;
		case 2:
			if (!varint(&at, end, &value))
				return false;
			break;
		default: return false;
		}
		if (value > (size_t)(end - at))
			return false;
		if ((tag & 7) == 2 && tag >> 3 == path[depth]) {
			if (depth + 1 == DEPTH)
				++*spans;
			else if (!count_spans(at, at + value, depth + 1, spans))
				return false;
		}
		at += value;
	}
	return true;
}

/* ---- HTTP -------------------------------------------------------------------------------------------------------------- */
static bool send_all(int fd, const char *text)
{
	size_t len = strlen(text);

	return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len; /* short, and the peer waits for it: there is room */
}

static bool take(int fd, const char *head, const char *body, size_t len)
{
	const uint8_t *at = (const uint8_t *)body;
	uint64_t spans = 0;
	char text[256], line[128];

	if (strncmp(head, "GET /count ", 11) == 0) {
		snprintf(line, sizeof line, "requests %llu spans %llu bytes %llu malformed %llu\n",
		         (unsigned long long)counted.requests, (unsigned long long)counted.spans,
		         (unsigned long long)counted.bytes, (unsigned long long)counted.malformed);
		snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(line), line);
		return send_all(fd, text);
	}
	if (strncmp(head, "POST ", 5) != 0)
		return false;
	if (strncmp(head + 5, "/v1/traces ", 11) == 0) {
		if (!count_spans(at, at + len, 0, &spans)) {
			counted.malformed++;
			return send_all(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
		}
		counted.requests++;
		counted.spans += spans;
		counted.bytes += len;
	}
	return send_all(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n");
}

/* The length that a request's head announces; head ends in a NUL. */
static size_t length_of(const char *head)
{
	const char *line = strcasestr(head, "\r\nContent-Length:");

	return line != NULL ? strtoul(line + sizeof "\r\nContent-Length:" - 1, NULL, 10) : 0;
}

/* Takes all requests that are here whole. False: what is here is none, and never will be. */
static bool take_whole(struct connection *c)
{
	char *head = c->bytes;
	size_t left = c->len;

	for (;;) {
		char *end = memmem(head, left, "\r\n\r\n", 4);
		size_t head_len, len;

		if (end == NULL) {
			if (left > HEAD_MOST)
				return false;
			break;
		}
		head_len = (size_t)(end - head) + 4;
		*end = '\0';
		len = length_of(head);
		if (strcasestr(head, "\r\nTransfer-Encoding:") != NULL || len > BODY_MOST)
			return false;
		if (left - head_len < len) { /* looked at again with more */
			*end = '\r';
			if (head_len + len > c->room) {
				size_t at = (size_t)(head - c->bytes);

				c->room = at + head_len + len;
				c->bytes = realloc(c->bytes, c->room);
				require(c->bytes != NULL, "no memory");
				head = c->bytes + at;
			}
			break;
		}
		if (!take(c->fd, head, head + head_len, len))
			return false;
		head += head_len + len;
		left -= head_len + len;
	}
	memmove(c->bytes, head, left);
	c->len = left;
	return true;
}

static bool receive(struct connection *c)
{
	ssize_t got;

	require(c->len < c->room, "a request without an end");
	got = recv(c->fd, c->bytes + c->len, c->room - c->len, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	c->len += (size_t)got;
	return take_whole(c);
}

/* ---- sockets ----------------------------------------------------------------------------------------------------------- */
static void watch(int epoll, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	require(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void meet(int epoll, int listener)
{
	struct connection *c = calloc(1, sizeof *c);

	require(c != NULL && (c->bytes = malloc(FIRST_ROOM)) != NULL, "no memory");
	c->room = FIRST_ROOM;
	c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (c->fd >= 0) {
		watch(epoll, c->fd, c);
		return;
	}
	free(c->bytes);
	free(c);
}

static void part(struct connection *c)
{
	close(c->fd);
	free(c->bytes);
	free(c);
}

int main(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC);
	static char input, listening;
	socklen_t len = sizeof at;

	require(listener >= 0 && epoll >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 64) == 0 &&
	            getsockname(listener, (struct sockaddr *)&at, &len) == 0,
	        "cannot listen");
	watch(epoll, listener, &listening);
	watch(epoll, STDIN_FILENO, &input);
	printf("ready %u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll, events, EVENTS, -1);

		require(n >= 0 || errno == EINTR, "epoll_wait");
		for (int i = 0; i < n; i++) {
			void *what = events[i].data.ptr;

			if (what == &input)
				return 0;
			if (what == &listening)
				meet(epoll, listener);
			else if (!receive(what))
				part(what);
		}
	}
}
