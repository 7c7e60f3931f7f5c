/* The endpoint: what it answers, to whom, where it listens, and what start refuses. */
#include "endpoint_client.h"

WEIR_COUNTER(ticks, "ticks_total", "Ticks.");

static const char om[] = "Accept: application/openmetrics-text;version=1.0.0;escaping=underscores\r\n";

static void answers_get_and_head(void)
{
	struct weir_prometheus_options o = {.max_age_ns = WEIR_S(3600)};
	uint16_t port = (host_init(), host_start(o));
	struct reply get = ask(port, "GET", "/metrics", ""), head = ask(port, "HEAD", "/metrics", ""),
		     query = ask(port, "GET", "/metrics?name%5B%5D=ticks_total&x", ""),
		     absolute = ask(port, "GET", "http://localhost/metrics", "");
	char length[64];

	EQUAL(get.status, 200);
	CHECK(strstr(get.body, "\nticks_total 0\n") != NULL);
	CHECK(strcmp(header_of(&get, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8") == 0);
	CHECK(strcmp(header_of(&get, "Vary"), "Accept, Accept-Encoding") == 0);
	CHECK(is_whole(&get));
	EQUAL(head.status, 200);
	snprintf(length, sizeof length, "%s", header_of(&get, "Content-Length"));
	CHECK(strcmp(header_of(&head, "Content-Length"), length) == 0);
	CHECK(strcmp(header_of(&head, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8") == 0);
	EQUAL(head.body_len, 0);
	EQUAL(query.status, 200);
	EQUAL(query.body_len, get.body_len);
	EQUAL(absolute.status, 200);
	reply_free(&get);
	reply_free(&head);
	reply_free(&query);
	reply_free(&absolute);
	host_end();
}

static void answers_the_rest_with_errors(void)
{
	static const struct {
		const char *method, *path, *headers;
		int status;
	} cases[] = {
	    {"GET", "/", "", 200},
	    {"GET", "/metric", "", 404},
	    {"GET", "/metrics/", "", 404},
	    {"GET", "/favicon.ico", "", 404},
	    {"GET", "/../metrics", "", 404},
	    {"POST", "/nowhere", "Content-Length: 0\r\n", 404},
	    {"POST", "/metrics", "Content-Length: 0\r\n", 405},
	    {"PUT", "/metrics", "Content-Length: 1000000000\r\n", 405}, /* answered without waiting for any of it */
	    {"DELETE", "/metrics", "", 405},
	    {"OPTIONS", "/metrics", "", 405},
	    {"TRACE", "/", "", 405},
	    {"GET", "/metrics", "Accept: application/json\r\n", 406},
	    {"GET", "/metrics", "Accept: text/plain;q=0\r\n", 406},
	    {"GET", "/metrics", "Accept-Encoding: identity;q=0, gzip;q=0\r\n", 406},
	    {"HEAD", "/metrics", "Accept: image/*\r\n", 406},
	    {"GET", "/metrics", "Accept: application/json\r\nAccept: text/plain\r\n", 200}, /* two lines are one list */
	    {"GET", "/metrics", "Content-Length: 5\r\n", 200},
	};
	uint16_t port = host_begin();

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reply r = ask(port, cases[i].method, cases[i].path, cases[i].headers);

		if (r.status != cases[i].status)
			FAIL("%s %s %s: %d and not %d", cases[i].method, cases[i].path, cases[i].headers, r.status,
			     cases[i].status);
		CHECK(strcmp(cases[i].method, "HEAD") == 0 || is_whole(&r));
		if (r.status == 405)
			CHECK(strcmp(header_of(&r, "Allow"), "GET, HEAD") == 0);
		if (r.status == 406)
			CHECK(strcmp(header_of(&r, "Vary"), "Accept, Accept-Encoding") == 0);
		if (i == 0)
			CHECK(strstr(r.body, "<a href=\"/metrics\">") != NULL &&
			      strstr(header_of(&r, "Content-Type"), "text/html") != NULL);
		reply_free(&r);
	}
	host_end();
}

/* Through gzip(1), which knows nothing of us. */
static char *unzipped(const struct reply *r, size_t *len)
{
	char path[] = "/tmp/weir-endpoint-XXXXXX", command[64], *bytes = malloc(1 << 26);
	int fd = mkstemp(path);
	FILE *file;

	CHECK(fd >= 0 && bytes != NULL);
	CHECK(write(fd, r->body, r->body_len) == (ssize_t)r->body_len);
	close(fd);
	snprintf(command, sizeof command, "gzip -dc < %s", path);
	file = popen(command, "re");
	CHECK(file != NULL);
	*len = fread(bytes, 1, 1 << 26, file);
	EQUAL_INT(pclose(file), 0);
	unlink(path);
	return bytes;
}

static void zips_where_it_is_accepted(void)
{
	static const char *const accepts[] = {"", om};
	struct weir_prometheus_options o = {.max_age_ns = WEIR_S(3600)};
	uint16_t port = (host_init(), make_much(), host_start(o));

	for (size_t i = 0; i < 2; i++) {
		char headers[512];
		struct reply plain, zipped;
		size_t len;
		char *text;

		snprintf(headers, sizeof headers, "%sAccept-Encoding: gzip;q=0.5, identity;q=0.1\r\n", accepts[i]);
		plain = ask(port, "GET", "/metrics", accepts[i]);
		zipped = ask(port, "GET", "/metrics", headers);
		EQUAL(plain.status, 200);
		EQUAL(zipped.status, 200);
		CHECK(strcmp(header_of(&plain, "Content-Encoding"), "") == 0);
		CHECK(strcmp(header_of(&zipped, "Content-Encoding"), "gzip") == 0);
		CHECK(strstr(header_of(&zipped, "Content-Type"),
		             i == 0 ? "text/plain; version=0.0.4" : "openmetrics") != NULL);
		CHECK(zipped.body_len < plain.body_len / 5);
		text = unzipped(&zipped, &len);
		EQUAL(len, plain.body_len); /* of the same snapshot */
		CHECK(memcmp(text, plain.body, len) == 0);
		free(text);
		reply_free(&plain);
		reply_free(&zipped);
	}
	host_end();
}

static void speaks_openmetrics(void)
{
	uint16_t port = host_begin();
	struct reply r = ask(port, "GET", "/metrics", om);

	EQUAL(r.status, 200);
	CHECK(strcmp(header_of(&r, "Content-Type"),
	             "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores") == 0);
	CHECK(strcmp(r.body + r.body_len - 6, "# EOF\n") == 0);
	CHECK(strstr(r.body, "# TYPE target info\n") != NULL);
	CHECK(strstr(r.body, "\nticks_total 0\nticks_created ") != NULL);
	reply_free(&r);
	host_end();
}

static void keeps_connections_alive(void)
{
	struct weir_prometheus_options o = {.max_age_ns = 1, .client_ns = WEIR_MS(400)};
	uint16_t port = (host_init(), host_start(o));
	int fd = client_connect(port);
	static const char two[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nHEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	struct reply r;
	char byte;

	for (int i = 0; i < 3; i++) {
		CHECK(client_ask(fd, "GET", "/metrics", ""));
		r = client_read(fd, true, 5000);
		EQUAL(r.status, 200);
		CHECK(is_whole(&r));
		reply_free(&r);
		sleep_ms(600); /* between requests it may rest for longer than a request may take */
	}
	CHECK(client_send(fd, two, sizeof two - 1)); /* one behind the other */
	for (size_t got = 0, seen = 0; seen < 2;) {
		static char bytes[1 << 20];
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		CHECK(poll(&p, 1, 5000) == 1);
		n = recv(fd, bytes + got, sizeof bytes - 1 - got, 0);
		CHECK(n > 0);
		got += (size_t)n;
		bytes[got] = '\0';
		seen = 0;
		for (const char *at = bytes; (at = strstr(at, "HTTP/1.1 200 OK")) != NULL; at++)
			seen++;
	}
	close(fd);
	fd = client_connect(port);
	CHECK(client_send(fd, "GET /metrics HTTP/1.0\r\n\r\n", 25)); /* who speaks 1.0 is left at the answer's end */
	r = client_read(fd, true, 5000);
	CHECK(is_whole(&r));
	WITHIN_MS(5000, recv(fd, &byte, 1, MSG_DONTWAIT) == 0);
	close(fd);
	reply_free(&r);
	host_end();
}

static void listens_at_both_of_localhost(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	uint16_t port = host_begin();
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct reply r;

	scrape(port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0)
		SKIP("this machine has no ::1");
	at.sin6_port = htons(port);
	CHECK(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
	CHECK(client_ask(fd, "GET", "/metrics", ""));
	r = client_read(fd, true, 5000);
	EQUAL(r.status, 200);
	reply_free(&r);
	close(fd);
	host_end();
}

/* Takes a port, so that another cannot. */
static int take_port(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static void an_address_in_use_is_told(void)
{
	struct weir_prometheus_options o = {.size = sizeof o, .host = "127.0.0.1"};
	char wanted[64];
	int fd;

	host_init();
	fd = take_port(&o.port);
	EQUAL_INT(weir_prometheus_start(&o), WEIR_EIO);
	snprintf(wanted, sizeof wanted, "127.0.0.1 port %u: the address is in use", o.port);
	if (strstr(logged, wanted) == NULL)
		FAIL("the log has no \"%s\": %s", wanted, logged);
	EQUAL(weir_prometheus_port(), 0);
	EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
	close(fd);
	EQUAL_INT(weir_prometheus_start(&o), WEIR_OK); /* it may be tried again */
	EQUAL(weir_prometheus_port(), o.port);
	scrape(o.port);
	host_end();
}

static void options_are_looked_at(void)
{
	struct {
		struct weir_prometheus_options o;
		uint64_t tail[2];
	} newer = {.o = {.size = sizeof newer, .any_port = true}};
	struct weir_prometheus_options o = {.any_port = true};

	EQUAL_INT(weir_prometheus_start(NULL), WEIR_EINVAL); /* weir_init comes first */
	host_init();
	EQUAL_INT(weir_prometheus_start(&o), WEIR_EINVAL); /* no size */
	newer.tail[1] = 1;
	EQUAL_INT(weir_prometheus_start(&newer.o), WEIR_EINVAL); /* something that this version does not know */
	CHECK(strstr(logged, "the options are not what this version takes") != NULL);
	newer.tail[1] = 0;
	EQUAL_INT(weir_prometheus_start(&newer.o), WEIR_OK);
	scrape(weir_prometheus_port());
	o.size = sizeof o;
	EQUAL_INT(weir_prometheus_start(&o), WEIR_ECONFLICT);
	EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
	EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
	o.size = offsetof(struct weir_prometheus_options, client_ns); /* an older caller's */
	EQUAL_INT(weir_prometheus_start(&o), WEIR_OK);
	scrape(weir_prometheus_port());
	o = (struct weir_prometheus_options){.size = sizeof o, .any_port = true, .host = "no such host."};
	EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
	EQUAL_INT(weir_prometheus_start(&o), WEIR_EIO);
	host_end();
	EQUAL_INT(weir_prometheus_start(NULL), WEIR_EINVAL);
}

static void the_environment_is_asked(void)
{
	struct weir_prometheus_options o = {.size = sizeof o};
	uint16_t port, other;
	char text[16];
	int fd = take_port(&port);

	close(fd);
	snprintf(text, sizeof text, "%u", port);
	setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1", 1);
	setenv("OTEL_EXPORTER_PROMETHEUS_PORT", text, 1);
	host_init();
	EQUAL_INT(weir_prometheus_start(NULL), WEIR_OK);
	EQUAL(weir_prometheus_port(), port);
	scrape(port);
	EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
	fd = take_port(&other);
	close(fd);
	o.port = other; /* what is set wins */
	EQUAL_INT(weir_prometheus_start(&o), WEIR_OK);
	EQUAL(weir_prometheus_port(), other);
	EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
	setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "94640", 1); /* no port: told, and as if it were not there */
	weir_prometheus_start(NULL);
	CHECK(strstr(logged, "OTEL_EXPORTER_PROMETHEUS_PORT is no port, and is ignored: 94640") != NULL);
	CHECK(weir_prometheus_port() == 9464 || strstr(logged, "port 9464: the address is in use") != NULL);
	EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
	setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "192.0.2.1", 1); /* not this machine's */
	setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "", 1);
	EQUAL_INT(weir_prometheus_start(NULL), WEIR_EIO);
	host_end();
}

struct scraper {
	uint16_t port;
	pthread_t thread;
};

static void *scrape_often(void *arg)
{
	for (int i = 0; i < 40; i++)
		scrape(((struct scraper *)arg)->port);
	return NULL;
}

static void many_scrapers_share_a_snapshot(void)
{
	struct weir_prometheus_options o = {.max_age_ns = WEIR_S(3600)};
	uint16_t port = (host_init(), host_start(o));
	struct weir_status before = {.size = sizeof before}, after = {.size = sizeof after};
	struct scraper scrapers[8];
	struct reply old, now;

	weir_status_read(&before);
	for (size_t i = 0; i < 8; i++) {
		scrapers[i].port = port;
		thread_start(&scrapers[i].thread, scrape_often, &scrapers[i], 0);
	}
	for (size_t i = 0; i < 8; i++)
		pthread_join(scrapers[i].thread, NULL);
	weir_status_read(&after);
	EQUAL(after.snapshots - before.snapshots, 1); /* for 320 scrapes */
	weir_counter_add(&ticks, 7);
	old = ask(port, "GET", "/metrics", "");
	CHECK(strstr(old.body, "\nticks_total 0\n") != NULL); /* an hour is not over */
	EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
	o.max_age_ns = 1;
	port = host_start(o);
	now = ask(port, "GET", "/metrics", "");
	CHECK(strstr(now.body, "\nticks_total 7\n") != NULL);
	weir_counter_add(&ticks, 1);
	reply_free(&now);
	now = ask(port, "GET", "/metrics", "");
	CHECK(strstr(now.body, "\nticks_total 8\n") != NULL);
	reply_free(&old);
	reply_free(&now);
	host_end();
}

static void its_own_health_is_seen(void)
{
	uint16_t port = host_begin();
	struct reply r = ask(port, "GET", "/nowhere", "");

	reply_free(&r);
	scrape(port);
	scrape(port);
	r = ask(port, "GET", "/metrics", "");
	CHECK(strstr(r.body, "\nweir_prometheus_scrapes_total{code=\"200\"} 2\n") != NULL);
	CHECK(strstr(r.body, "\nweir_prometheus_scrapes_total{code=\"404\"} 1\n") != NULL);
	CHECK(strstr(r.body, "\nweir_prometheus_encode_duration_seconds_count 2\n") != NULL);
	reply_free(&r);
	host_end();
}

CASES({"endpoint_answers_get_and_head", answers_get_and_head, 60},
      {"endpoint_answers_the_rest_with_errors", answers_the_rest_with_errors, 60},
      {"endpoint_zips_where_it_is_accepted", zips_where_it_is_accepted, 60},
      {"endpoint_speaks_openmetrics", speaks_openmetrics, 60},
      {"endpoint_keeps_connections_alive", keeps_connections_alive, 60},
      {"endpoint_listens_at_both_of_localhost", listens_at_both_of_localhost, 60},
      {"endpoint_address_in_use", an_address_in_use_is_told, 60}, {"endpoint_options", options_are_looked_at, 60},
      {"endpoint_environment", the_environment_is_asked, 60},
      {"endpoint_many_scrapers_share_a_snapshot", many_scrapers_share_a_snapshot, 60},
      {"endpoint_health", its_own_health_is_seen, 60})
