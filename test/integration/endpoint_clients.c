/* Bad clients: each is bounded in bytes, in time and in number, holds no one else up, and costs nothing but its
 * connection. */
#include "endpoint_client.h"

static uint16_t begin(uint64_t client_ms, uint32_t most)
{
	struct weir_prometheus_options o = {
	    .client_ns = WEIR_MS(client_ms), .max_connections = most, .max_age_ns = WEIR_MS(100)};

	host_init();
	return host_start(o);
}

static uint64_t closed_for(const char *reason)
{
	struct weir_snapshot *snapshot;
	struct weir_str value = weir_str_of(reason);
	struct weir_series s;
	uint64_t count = 0;

	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	if (weir_snapshot_find(snapshot, "weir_prometheus_connections_closed_total", &value, 1, &s))
		count = s.count;
	weir_snapshot_destroy(snapshot);
	return count;
}

/* Takes what comes until the other side's end; false: there was none within ms. */
static bool drain(int fd, unsigned ms, char *first, size_t size)
{
	uint64_t until = now_ns() + ms * UINT64_C(1000000);
	char bytes[4096];
	size_t got = 0;
	ssize_t n = 1;

	while (n > 0 && now_ns() < until) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 100) == 0)
			continue;
		n = recv(fd, bytes, sizeof bytes, 0);
		for (ssize_t i = 0; i < n && got + 1 < size; i++)
			first[got++] = bytes[i];
	}
	first[got] = '\0';
	return n <= 0;
}

/* Each gets an error or an end, and the next one is served. */
static void malformed_requests(void)
{
#define REQUEST(text)                  \
	{                              \
		text, sizeof(text) - 1 \
	}
	static const struct weir_str requests[] = {
	    REQUEST(""),
	    REQUEST("\r\n\r\n\r\n"),
	    REQUEST("GET\r\n\r\n"),
	    REQUEST("GET /metrics\r\n\r\n"),
	    REQUEST("GET  /metrics  HTTP/1.1\r\n\r\n"),
	    REQUEST("GET /metrics HTTP/9.9\r\n\r\n"),
	    REQUEST("GET /metrics HTTP/1.1 and more\r\n\r\n"),
	    REQUEST("GET /metrics HTTP/1.1\r\nno colon\r\n\r\n"),
	    REQUEST("GET /metrics HTTP/1.1\r\n: empty name\r\n\r\n"),
	    REQUEST("GET /metrics HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n"),
	    REQUEST("GET /metrics HTTP/1.1\nHost: bare\n\n"),
	    REQUEST("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
	    REQUEST("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
	    REQUEST("POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
	    REQUEST("GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\n"),
	    REQUEST("GET /metrics\0 HTTP/1.1\r\nHost: x\r\n\r\n"),
	    REQUEST("GET /metrics%00 HTTP/1.1\r\nHost: x\r\n\r\n"),
	    REQUEST("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
	    REQUEST("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: \0\xff\r\n\r\n"),
	    REQUEST("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello"),
	    REQUEST("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	    REQUEST("\xff\xfe\x00\x01\x02\r\n\r\n"),
	    REQUEST("GET /metrics HTTP/1.1\r\nHost: x"), /* and no more */
	};
	uint16_t port = begin(1000, 0);

	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		int fd = client_connect(port);
		char first[16];

		client_send(fd, requests[i].ptr, requests[i].len);
		shutdown(fd, SHUT_WR);
		if (!drain(fd, 10000, first, sizeof first))
			FAIL("request %zu: no end", i);
		if (first[0] != '\0' && strncmp(first, "HTTP/1.", 7) != 0)
			FAIL("request %zu: answered with %s", i, first);
		close(fd);
		scrape(port);
	}
	host_end();
}

static void a_header_of_a_mebibyte(void)
{
	static char header[1 << 20];
	uint16_t port = begin(5000, 0);

	memset(header, 'x', sizeof header);
	for (int kind = 0; kind < 3; kind++) {
		int fd = client_connect(port);
		struct reply r;

		client_send(fd, "GET /", 5);
		if (kind != 2) /* 2: the path itself */
			client_send(fd, "metrics HTTP/1.1\r\nHost: x\r\nX: ", 31);
		if (kind == 0)
			client_send(fd, header, sizeof header);
		for (size_t i = 0; kind == 1 && i < sizeof header; i += 8) /* many short ones */
			if (!client_send(fd, "\r\nA: bcd", 8))
				break;
		if (kind == 2)
			client_send(fd, header, sizeof header);
		client_send(fd, "\r\n\r\n", 4);
		r = client_read(fd, true, 4000);
		if (r.late)
			FAIL("neither an answer nor an end");
		if (r.status != 0 &&
		    (r.status < 400 || r.status >= 500)) /* a reset may come before the answer is read */
			FAIL("answered with %d", r.status);
		CHECK(r.status != 0 || r.reset || r.len == 0);
		close(fd);
		reply_free(&r);
		scrape(port);
	}
	host_end();
}

static void raise_limit(rlim_t wanted)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < wanted)
		SKIP("this process may have %lu descriptors only", (unsigned long)limit.rlim_max);
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = wanted;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void a_thousand_idle_connections(void)
{
	enum { IDLE = 1000, MOST = 64 };
	static int fds[IDLE];
	int open = 0;
	uint16_t port;

	raise_limit(IDLE + 200);
	port = begin(2000, MOST);
	for (int i = 0; i < IDLE; i++)
		fds[i] = client_connect(port);
	for (int i = 0; i < 5; i++)
		scrape(port); /* they hold nobody up */
	for (int i = 0; i < IDLE; i++)
		open += !is_ended(fds[i]);
	AT_MOST(open, MOST);
	for (int i = 0; i < IDLE; i++)
		WITHIN_MS(5000, is_ended(fds[i]));
	scrape(port);
	EQUAL(closed_for("pushed_out") + closed_for("deadline"), IDLE);
	for (int i = 0; i < IDLE; i++)
		close(fds[i]);
	host_end();
}

static void one_byte_at_a_time(void)
{
	static const char request[] =
	    "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: and never at its end, since a byte comes only now "
	    "and then, and then another, for as long as this text is, and so it is cut short\r\n\r\n";
	uint16_t port = begin(1000, 0);
	int fd = client_connect(port), scrapes = 0;
	uint64_t began = now_ns();

	for (size_t i = 0; i < sizeof request - 1 && !is_ended(fd); i++) {
		client_send(fd, request + i, 1);
		scrape(port);
		scrapes += !is_ended(fd);
		sleep_ms(50);
		if (now_ns() - began > WEIR_S(10))
			FAIL("still open");
	}
	CHECK(is_ended(fd));
	CHECK(scrapes > 0); /* others were served meanwhile */
	CHECK(now_ns() - began >= WEIR_MS(900)); /* and it had its time */
	EQUAL(closed_for("deadline"), 1);
	close(fd);
	host_end();
}

/* The same on a connection that was served before: its next request has as long as the first. */
static void one_byte_at_a_time_later(void)
{
	uint16_t port = begin(1000, 0);
	int fd = client_connect(port);
	uint64_t began;
	struct reply r;

	CHECK(client_ask(fd, "GET", "/metrics", ""));
	r = client_read(fd, true, 5000);
	CHECK(is_whole(&r));
	reply_free(&r);
	sleep_ms(1500);
	CHECK(!is_ended(fd));
	began = now_ns();
	for (int i = 0; i < 200 && !is_ended(fd); i++) {
		client_send(fd, "G", 1);
		sleep_ms(50);
	}
	CHECK(is_ended(fd));
	CHECK(now_ns() - began >= WEIR_MS(900));
	AT_MOST(now_ns() - began, WEIR_S(8));
	close(fd);
	host_end();
}

static void who_reads_one_byte_at_a_time(void)
{
	uint16_t port = begin(1000, 0);
	int fd, scrapes = 0;
	uint64_t began;
	char byte;

	make_much();
	fd = try_connect(port, 4096);
	CHECK(fd >= 0);
	began = now_ns();
	CHECK(client_ask(fd, "GET", "/metrics", ""));
	while (!is_ended(fd)) {
		CHECK(recv(fd, &byte, 1, 0) >= 0 || errno == ECONNRESET);
		scrape(port);
		scrapes += !is_ended(fd);
		sleep_ms(20);
		if (now_ns() - began > WEIR_S(15))
			FAIL("still open");
	}
	CHECK(scrapes > 0);
	CHECK(now_ns() - began >= WEIR_MS(900));
	CHECK(closed_for("deadline") >= 1);
	close(fd);
	host_end();
}

/* All the room is taken by answers in flight: one more is closed at once, and there is room when they are late. */
static void no_room_at_all(void)
{
	enum { MOST = 3 };
	uint16_t port = begin(2000, MOST);
	int fds[MOST], one_more;
	struct reply r;

	make_much();
	for (int i = 0; i < MOST; i++) {
		char byte;

		fds[i] = try_connect(port, 4096);
		CHECK(fds[i] >= 0);
		CHECK(client_ask(fds[i], "GET", "/metrics", ""));
		EQUAL_INT(recv(fds[i], &byte, 1, 0), 1); /* it is being answered */
	}
	one_more = client_connect(port);
	WITHIN_MS(1500, is_ended(one_more));
	r = client_read(one_more, false, 1000);
	EQUAL(r.len, 0);
	reply_free(&r);
	EQUAL(closed_for("refused"), 1);
	WITHIN_MS(10000, closed_for("deadline") == MOST);
	scrape(port);
	for (int i = 0; i < MOST; i++) {
		char first[16];

		CHECK(drain(fds[i], 5000, first, sizeof first)); /* what was under way, and the end */
		close(fds[i]);
	}
	close(one_more);
	host_end();
}

/* Who says with the request that nothing follows is answered, and left at the answer's end: nothing is waited for. */
static void who_ends_with_the_request(void)
{
	uint16_t port = begin(60000, 0);

	for (int i = 0; i < 20; i++) {
		int fd = client_connect(port);
		char first[16];

		CHECK(client_ask(fd, "GET", "/metrics", ""));
		if (i % 2 == 1)
			sleep_ms(5); /* the end comes behind the request */
		shutdown(fd, SHUT_WR);
		if (!drain(fd, 5000, first, sizeof first))
			FAIL("no end");
		CHECK(strcmp(first, "HTTP/1.1 200 OK") == 0);
		close(fd);
	}
	EQUAL(closed_for("deadline") + closed_for("idle") + closed_for("pushed_out"), 0);
	host_end();
}

/* The system has no descriptor for one more: those that wait make room, and it goes on. */
static void no_descriptors_left(void)
{
	uint16_t port = begin(30000, 0);
	struct rlimit limit;
	pid_t child;

	getrlimit(RLIMIT_NOFILE, &limit);
	child = fork();
	if (child == 0) { /* the clients, which keep their limit */
		int fds[40];

		for (int i = 0; i < 40; i++)
			fds[i] = client_connect(port);
		sleep_ms(300);
		for (int i = 0; i < 3; i++)
			scrape(port);
		for (int i = 0; i < 40; i++)
			close(fds[i]);
		scrape(port);
		_exit(0);
	}
	limit.rlim_cur = 14;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHILD_IS_WELL(child, 30000);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	CHECK(closed_for("pushed_out") > 0);
	host_end();
}

static volatile sig_atomic_t pipes;

static void on_pipe(int signal)
{
	(void)signal;
	pipes++;
}

/* Who goes away in the middle of an answer raises no signal, here or anywhere. */
static void who_goes_away(void)
{
	struct sigaction action = {.sa_handler = on_pipe}, after;
	struct linger none = {.l_onoff = 1, .l_linger = 0};
	uint16_t port;

	sigaction(SIGPIPE, &action, NULL);
	port = begin(5000, 0);
	make_much();
	for (int i = 0; i < 40; i++) {
		int fd = try_connect(port, 4096);
		char byte;

		CHECK(fd >= 0);
		CHECK(client_ask(fd, "GET", "/metrics", i % 2 == 0 ? "" : "Accept-Encoding: gzip\r\n"));
		if (i % 4 < 2)
			EQUAL_INT(recv(fd, &byte, 1, 0), 1);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none); /* a reset */
		close(fd);
	}
	scrape(port);
	host_end();
	EQUAL_INT(pipes, 0);
	sigaction(SIGPIPE, NULL, &after);
	CHECK(after.sa_handler == on_pipe);
}

CASES({"endpoint_malformed_requests", malformed_requests, 120},
      {"endpoint_header_of_a_mebibyte", a_header_of_a_mebibyte, 60},
      {"endpoint_a_thousand_idle_connections", a_thousand_idle_connections, 60},
      {"endpoint_sender_of_one_byte_at_a_time", one_byte_at_a_time, 60},
      {"endpoint_sender_of_one_byte_at_a_time_later", one_byte_at_a_time_later, 60},
      {"endpoint_reader_of_one_byte_at_a_time", who_reads_one_byte_at_a_time, 60},
      {"endpoint_no_room_at_all", no_room_at_all, 60},
      {"endpoint_who_ends_with_the_request", who_ends_with_the_request, 60},
      {"endpoint_no_descriptors_left", no_descriptors_left, 60},
      {"endpoint_who_goes_away", who_goes_away, 60})
