/* An HTTP client for the endpoint's tests: as bare as its worst clients, and bounded in time.
 * Invariant: nothing waits for longer than its ms; what fails ends the case. */
#ifndef ENDPOINT_CLIENT_H
#define ENDPOINT_CLIENT_H

#include "case.h"

#include <weir/prometheus.h>
#include <weir/weir.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

struct reply {
	char *bytes; /* all that came, ending in NUL */
	size_t len;
	int status; /* 0: none came */
	char *body;
	size_t body_len;
	bool reset, late; /* ended by a reset; was not at its end in time */
};

static inline int try_connect(uint16_t port, int receive_bytes)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	if (receive_bytes != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline int client_connect(uint16_t port)
{
	int fd = try_connect(port, 0);

	if (fd < 0)
		FAIL("no connection to port %u: %s", port, strerror(errno));
	return fd;
}

/* False: the other side wants no more. */
static inline bool client_send(int fd, const void *bytes, size_t len)
{
	for (const char *at = bytes; len != 0;) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static inline bool client_ask(int fd, const char *method, const char *path, const char *headers)
{
	char request[2048];
	int len =
	    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, path, headers);

	CHECK(len > 0 && (size_t)len < sizeof request);
	return client_send(fd, request, (size_t)len);
}

/* The value of a header of a reply; "" where there is none. */
static inline const char *header_of(const struct reply *r, const char *name)
{
	static __thread char value[512];
	size_t len = strlen(name);

	value[0] = '\0';
	for (const char *line = r->bytes; line != NULL && line < r->body; line = strstr(line, "\r\n") + 2) {
		if (line[0] == '\r')
			break;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			snprintf(value, sizeof value, "%.*s", (int)strcspn(line + len + 2, "\r"), line + len + 2);
			break;
		}
	}
	return value;
}

static inline void parse_reply(struct reply *r)
{
	char *end = strstr(r->bytes, "\r\n\r\n");

	r->status = 0;
	r->body = r->bytes + r->len;
	if (strncmp(r->bytes, "HTTP/1.1 ", 9) != 0 || end == NULL)
		return;
	r->status = atoi(r->bytes + 9);
	r->body = end + 4;
	r->body_len = r->len - (size_t)(r->body - r->bytes);
}

/* One reply: until its Content-Length is there (has_body), or the connection ends, ms at most. */
static inline struct reply client_read(int fd, bool has_body, unsigned ms)
{
	uint64_t until = now_ns() + ms * UINT64_C(1000000);
	size_t room = 1 << 16, want = SIZE_MAX;
	struct reply r = {.bytes = malloc(room)};

	CHECK(r.bytes != NULL);
	r.bytes[0] = '\0';
	while (r.len < want) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t now = now_ns();
		ssize_t n;

		if (now >= until || poll(&p, 1, (int)((until - now) / 1000000) + 1) == 0) {
			r.late = true;
			break;
		}
		if (room - r.len < 1 << 15) {
			r.bytes = realloc(r.bytes, room *= 2);
			CHECK(r.bytes != NULL);
		}
		n = recv(fd, r.bytes + r.len, want - r.len < room - r.len - 1 ? want - r.len : room - r.len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r.reset = n < 0;
			break;
		}
		r.len += (size_t)n;
		r.bytes[r.len] = '\0';
		parse_reply(&r);
		if (r.status != 0)
			want = (size_t)(r.body - r.bytes) +
			       (has_body ? strtoul(header_of(&r, "Content-Length"), NULL, 10) : 0);
		if (want < r.len)
			FAIL("%zu bytes past a reply's end", r.len - want);
	}
	parse_reply(&r);
	return r;
}

static inline void reply_free(struct reply *r)
{
	free(r->bytes);
	memset(r, 0, sizeof *r);
}

static inline bool is_whole(const struct reply *r)
{
	return r->status != 0 && r->body_len == strtoul(header_of(r, "Content-Length"), NULL, 10);
}

/* One request on a connection of its own. */
static inline struct reply ask(uint16_t port, const char *method, const char *path, const char *headers)
{
	int fd = client_connect(port);
	struct reply r;

	CHECK(client_ask(fd, method, path, headers));
	r = client_read(fd, strcmp(method, "HEAD") != 0, 10000);
	close(fd);
	return r;
}

/* A scrape that must go well. */
static inline void scrape(uint16_t port)
{
	struct reply r = ask(port, "GET", "/metrics", "");

	EQUAL(r.status, 200);
	CHECK(is_whole(&r));
	reply_free(&r);
}

/* Whether the other side has ended the connection, whatever lies in it unread. */
static inline bool is_ended(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* ---- the host ---------------------------------------------------------------------------------------------------- */

static char logged[8192]; /* what the log callback was told, line by line */

static inline void keep_log(void *arg, enum weir_log_level level, const char *text)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	size_t len;

	(void)arg;
	(void)level;
	pthread_mutex_lock(&lock);
	len = strlen(logged);
	snprintf(logged + len, sizeof logged - len, "%s\n", text);
	pthread_mutex_unlock(&lock);
}

/* The endpoint's thread has a table of descriptors of its own; a thread sanitizer knows of one, and takes the same
 * numbers in both for the same files. So the host's begin higher. */
static inline void part_the_numbers(void)
{
	static bool parted;

	for (int i = 0; CASE_SANITIZED && !parted && i < 300; i++)
		CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
	parted = true;
}

static inline void host_init(void)
{
	struct weir_options o = {.size = sizeof o, .log = keep_log, .log_level = WEIR_LOG_INFO, .no_process = true};

	part_the_numbers();

	EQUAL_INT(weir_init(&o), WEIR_OK);
}

static inline uint16_t host_start(struct weir_prometheus_options o)
{
	o.size = sizeof o;
	o.any_port = true;
	EQUAL_INT(weir_prometheus_start(&o), WEIR_OK);
	CHECK(weir_prometheus_port() != 0);
	return weir_prometheus_port();
}

static inline uint16_t host_begin(void)
{
	struct weir_prometheus_options o = {.max_age_ns = 1};

	host_init();
	return host_start(o);
}

static inline void host_end(void)
{
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
	EQUAL(weir_prometheus_port(), 0);
}

/* An answer of many megabytes, which no socket's buffers hold. */
static inline void make_much(void)
{
	static const char *const labels[] = {"text", NULL};
	struct weir_instrument_options o = {.size = sizeof o, .max_series = 20000};
	const struct weir_counter *c;
	char text[512];

	EQUAL_INT(weir_counter_create(&c, "much_total", "Much.", labels, &o), WEIR_OK);
	memset(text, 'x', sizeof text);
	for (int i = 0; i < 16000; i++) {
		snprintf(text + sizeof text - 10, 10, "%09d", i);
		weir_counter_add_with(c, 1, text);
	}
}

#endif
