/* Unit: exporters/otlp/transfer.c: one exchange: what goes out, what is taken of an answer, how its end is told. The server is a
 * thread that answers each connection with the bytes of its case.
 *
 * Invariant: nothing waits without end: sockets have timeouts, exchanges a deadline, each case a process with an alarm. */
#define _GNU_SOURCE
#include "transfer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <zlib.h>

#include "alone.h"

enum { REQUEST_MOST = 8192, REQUESTS = 4, ACCEPT_MS = 10000, BODY_BYTES = 40000 };

static struct server { /* written before its thread begins, and by it; read when it has ended */
	int listener;
	const char *answer; /* NULL: the connection is closed unread */
	size_t len;
	unsigned per_connection; /* requests on one connection */
	unsigned connections;
	struct request {
		char text[REQUEST_MOST + 1];
		size_t len;
	} request[REQUESTS];
	unsigned requests; /* whole ones */
	pthread_t thread;
} server;
static char url[64];
static struct weir__otlp_target target;
static struct weir__otlp_transfer transfer;
static CURLM *multi;

/* A whole request, by its length. False: there is none. */
static bool read_request(int fd, struct request *r)
{
	for (r->len = 0; r->len < REQUEST_MOST;) {
		ssize_t got = recv(fd, r->text + r->len, REQUEST_MOST - r->len, 0);
		const char *end, *len;

		if (got <= 0)
			return false;
		r->len += (size_t)got;
		r->text[r->len] = '\0';
		end = strstr(r->text, "\r\n\r\n");
		len = strcasestr(r->text, "\r\nContent-Length:");
		if (end != NULL && len != NULL && r->len >= (size_t)(end + 4 - r->text) + strtoul(len + 17, NULL, 10))
			return true;
	}
	return false;
}

static void *serve(void *arg)
{
	struct server *s = arg;

	for (unsigned n = 0; n < s->connections; n++) {
		const struct timeval patience = {.tv_sec = 5};
		struct pollfd p = {.fd = s->listener, .events = POLLIN};
		int fd = poll(&p, 1, ACCEPT_MS) == 1 ? accept4(s->listener, NULL, NULL, SOCK_CLOEXEC) : -1;

		if (fd < 0)
			return NULL;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		for (unsigned r = 0; r < s->per_connection && s->answer != NULL && read_request(fd, &s->request[s->requests]); r++) {
			s->requests++;
			for (size_t sent = 0; sent < s->len;) {
				ssize_t more = send(fd, s->answer + sent, s->len - sent, MSG_NOSIGNAL);

				if (more <= 0)
					break;
				sent += (size_t)more;
			}
		}
		close(fd);
	}
	return NULL;
}

static void begin_bytes(const char *answer, size_t len, unsigned connections, unsigned per_connection)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;

	server = (struct server){.answer = answer, .len = len, .connections = connections, .per_connection = per_connection};
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(server.listener >= 0 && bind(server.listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(server.listener, 8) == 0);
	assert_int_equal(getsockname(server.listener, (struct sockaddr *)&at, &size), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/traces", ntohs(at.sin_port));
	target.url = url;
	if (target.timeout_ns == 0)
		target.timeout_ns = WEIR_S(10);
	server.thread = begin_thread(serve, &server);
	assert_int_equal(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
	multi = curl_multi_init();
	assert_non_null(multi);
	assert_true(weir__otlp_transfer_open(&transfer, &target));
}

static void begin(const char *answer)
{
	begin_bytes(answer, answer != NULL ? strlen(answer) : 0, 1, 1);
}

/* As the sender's thread does it. */
static struct weir__otlp_result exchange(const char *bytes, size_t len, bool gzip)
{
	struct weir__otlp_result result;
	CURLMsg *message = NULL;
	int running = 1, left;

	assert_true(weir__otlp_transfer_begin(&transfer, multi, (const uint8_t *)bytes, len, gzip));
	for (int turns = 0; message == NULL; turns++) {
		assert_true(turns < 4000);
		assert_int_equal(curl_multi_perform(multi, &running), CURLM_OK);
		message = curl_multi_info_read(multi, &left);
		if (message == NULL)
			assert_int_equal(curl_multi_poll(multi, NULL, 0, 10, NULL), CURLM_OK);
	}
	assert_int_equal(message->msg, CURLMSG_DONE);
	weir__otlp_transfer_end(&transfer, multi, message->data.result, &result);
	return result;
}

static void end(void)
{
	weir__otlp_transfer_close(&transfer, multi);
	weir__otlp_transfer_close(&transfer, multi); /* twice is harmless */
	curl_multi_cleanup(multi);
	end_thread(server.thread);
	close(server.listener);
}

static bool sent_line(unsigned n, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
	return n < server.requests && strstr(server.request[n].text, whole) != NULL;
}

/* ---- out ---- */

ALONE(what_goes_out)
{
	char *lines[] = {"api-key: secret", "x-empty;"};
	struct weir__otlp_result result;

	target.headers.lines = lines;
	target.headers.count = 2;
	begin("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 3\r\n\r\nabc");
	result = exchange("1234567", 7, false);
	assert_int_equal(result.ended, WEIR__OTLP_ENDED_ANSWERED);
	assert_int_equal(result.status, 200);
	assert_string_equal(result.content_type, "application/x-protobuf");
	assert_null(result.retry_after);
	assert_string_equal(result.error, "");
	assert_string_equal(result.why, "");
	assert_int_equal(transfer.len, 3);
	assert_memory_equal(transfer.body, "abc", 3);
	end();
	assert_int_equal(strncmp(server.request[0].text, "POST /v1/traces HTTP/1.1\r\n", 26), 0);
	assert_true(sent_line(0, "Content-Type: application/x-protobuf") && sent_line(0, "Content-Length: 7"));
	assert_true(sent_line(0, "User-Agent: OTel-OTLP-Exporter-C/" WEIR_VERSION_TEXT) && sent_line(0, "Accept-Encoding: gzip"));
	assert_true(sent_line(0, "api-key: secret") && sent_line(0, "x-empty:"));
	assert_null(strcasestr(server.request[0].text, "\r\nExpect:"));
	assert_null(strcasestr(server.request[0].text, "\r\nContent-Encoding:"));
	assert_memory_equal(server.request[0].text + server.request[0].len - 7, "1234567", 7);
}

/* NULs are bytes like others; each kind has its own headers, on one connection. */
ALONE(packed_and_plain_on_one_connection)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

	begin_bytes(answer, sizeof answer - 1, 1, 3);
	assert_int_equal(exchange("a\0b", 3, true).status, 200);
	assert_int_equal(exchange("c", 1, false).status, 200);
	assert_int_equal(exchange("d", 1, true).status, 200);
	end();
	assert_int_equal(server.requests, 3);
	for (unsigned n = 0; n < 3; n++) {
		assert_true(sent_line(n, "Content-Type: application/x-protobuf"));
		assert_int_equal(sent_line(n, "Content-Encoding: gzip"), n != 1);
	}
	assert_memory_equal(server.request[0].text + server.request[0].len - 3, "a\0b", 3);
}

/* ---- in ---- */

static void check_retry_after(const char *answer, const char *wanted)
{
	struct weir__otlp_result result;

	begin(answer);
	result = exchange("x", 1, false);
	if (wanted == NULL)
		assert_null(result.retry_after);
	else
		assert_string_equal(result.retry_after, wanted);
	end();
}

ALONE(retry_after_as_it_stands)
{
	check_retry_after("HTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", "7");
	check_retry_after("HTTP/1.1 429 Later\r\nRETRY-AFTER:\t Fri, 31 Dec 1999 23:59:59 GMT \t\r\nContent-Length: 0\r\n\r\n",
	                  "Fri, 31 Dec 1999 23:59:59 GMT");
	check_retry_after("HTTP/1.1 503 Later\r\nX-Retry-After: 7\r\nRetry-Afterwards: 8\r\nContent-Length: 0\r\n\r\n", NULL);
	check_retry_after("HTTP/1.1 503 Later\r\nRetry-After:\r\nContent-Length: 0\r\n\r\n", NULL);
	/* that of an answer on the way is not the answer's */
	check_retry_after("HTTP/1.1 100 Continue\r\nRetry-After: 9\r\n\r\nHTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", NULL);
	/* one that has no room is cut, and then is no date and no number */
	check_retry_after("HTTP/1.1 503 Later\r\nRetry-After: "
	                  "1234567890123456789012345678901234567890123456789012345678901234567890\r\nContent-Length: 0\r\n\r\n",
	                  "123456789012345678901234567890123456789012345678901234567890123");
}

ALONE(statuses_that_are_errors)
{
	static const int statuses[] = {301, 400, 408, 429, 500, 503};

	for (size_t i = 0; i < COUNT(statuses); i++) {
		char answer[200], text[16];
		struct weir__otlp_result result;

		snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nno", statuses[i]);
		snprintf(text, sizeof text, "%d", statuses[i]);
		begin(answer);
		result = exchange("x", 1, false);
		assert_int_equal(result.ended, WEIR__OTLP_ENDED_ANSWERED);
		assert_int_equal(result.status, statuses[i]); /* no redirect is followed */
		assert_string_equal(result.error, text);
		assert_int_equal(transfer.len, 2);
		end();
	}
}

/* What one exchange had is not the next one's. */
ALONE(nothing_is_left_of_the_former_answer)
{
	static const char answer[] = "HTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno";
	struct weir__otlp_result result;

	begin_bytes(answer, sizeof answer - 1, 1, 1);
	assert_string_equal(exchange("x", 1, false).retry_after, "7");
	end_thread(server.thread);
	close(server.listener); /* nobody is there any more */
	result = exchange("x", 1, false);
	assert_int_equal(result.ended, WEIR__OTLP_ENDED_SILENT);
	assert_null(result.retry_after);
	assert_string_equal(result.error, "connect");
	assert_int_equal(transfer.len, 0);
	weir__otlp_transfer_close(&transfer, multi);
	curl_multi_cleanup(multi);
}

/* ---- ends ---- */

static void check_end(const char *answer, enum weir__otlp_ended wanted, const char *error, long status)
{
	struct weir__otlp_result result;

	begin(answer);
	result = exchange("x", 1, false);
	if (result.ended != wanted || strcmp(result.error, error) != 0 || result.status != status)
		fail_msg("\"%.40s\": %d, %s, %ld, \"%s\"", answer != NULL ? answer : "(closed)", result.ended, result.error, result.status, result.why);
	assert_true(result.why[0] != '\0');
	end();
}

ALONE(ends_that_are_none)
{
	check_end(NULL, WEIR__OTLP_ENDED_SILENT, "disconnect", 0);
	check_end("", WEIR__OTLP_ENDED_SILENT, "disconnect", 0);
	check_end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", WEIR__OTLP_ENDED_INCOMPLETE, "disconnect", 200);
	check_end("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde", WEIR__OTLP_ENDED_INCOMPLETE,
	          "disconnect", 200);
	check_end("SSH-2.0-OpenSSH_9.2\r\n", WEIR__OTLP_ENDED_NO_HTTP, "not_http", 0);
}

/* A status and a body that does not come, on a connection that stays open; and nothing at all. */
ALONE(patience_ends)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
	struct weir__otlp_result result;

	target.timeout_ns = WEIR_MS(150);
	for (size_t len = 0; len < sizeof head; len += sizeof head - 1) {
		begin_bytes(head, len, 1, 2); /* a second request never comes: the connection is held until we go */
		result = exchange("x", 1, false);
		assert_int_equal(result.ended, len == 0 ? WEIR__OTLP_ENDED_SILENT : WEIR__OTLP_ENDED_INCOMPLETE);
		assert_string_equal(result.error, "timeout");
		end();
	}
}

/* ---- what is too much ---- */

static void check_body(size_t bytes, bool packed, enum weir__otlp_ended wanted)
{
	char *body = calloc(1, bytes + 1), *answer = malloc(bytes + 4096);
	struct weir__otlp_result result;
	size_t len = bytes;
	int head;

	assert_true(body != NULL && answer != NULL);
	if (packed) {
		char *small = malloc(compressBound(bytes) + 64);
		z_stream z = {.next_in = (Bytef *)body, .avail_in = (uInt)bytes, .next_out = (Bytef *)small, .avail_out = (uInt)compressBound(bytes) + 64};

		assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		len = z.total_out;
		deflateEnd(&z);
		free(body);
		body = small;
	}
	head = snprintf(answer, 4096, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n", packed ? "Content-Encoding: gzip\r\n" : "", len);
	memcpy(answer + head, body, len);
	begin_bytes(answer, (size_t)head + len, 1, 1);
	result = exchange("x", 1, false);
	assert_int_equal(result.ended, wanted);
	assert_string_equal(result.error, wanted == WEIR__OTLP_ENDED_ANSWERED ? "" : "response_too_large");
	assert_true(transfer.len <= WEIR__OTLP_BODY_MOST && transfer.room <= WEIR__OTLP_BODY_MOST);
	if (wanted == WEIR__OTLP_ENDED_ANSWERED)
		assert_int_equal(transfer.len, bytes);
	end();
	free(answer);
	free(body);
}

ALONE(four_mib_and_no_more)
{
	check_body(WEIR__OTLP_BODY_MOST, false, WEIR__OTLP_ENDED_ANSWERED);
	check_body(WEIR__OTLP_BODY_MOST + 1, false, WEIR__OTLP_ENDED_TOO_LARGE);
}

ALONE(unpacked_too)
{
	check_body(BODY_BYTES, true, WEIR__OTLP_ENDED_ANSWERED);
	check_body(WEIR__OTLP_BODY_MOST, true, WEIR__OTLP_ENDED_ANSWERED);
	check_body(64u << 20, true, WEIR__OTLP_ENDED_TOO_LARGE);
}

/* ---- what is refused ---- */

ALONE(no_protocol_but_http)
{
	struct weir__otlp_result result;

	begin("");
	target.url = "file:///etc/passwd";
	weir__otlp_transfer_close(&transfer, multi);
	assert_true(weir__otlp_transfer_open(&transfer, &target));
	result = exchange("x", 1, false);
	assert_int_equal(result.status, 0);
	assert_string_equal(result.error, "not_http");
	assert_int_equal(transfer.len, 0);
	weir__otlp_transfer_close(&transfer, multi);
	curl_multi_cleanup(multi);
	shutdown(server.listener, SHUT_RDWR);
	end_thread(server.thread);
}

ALONE(closed_while_it_is_under_way)
{
	int running;

	begin("");
	assert_true(weir__otlp_transfer_begin(&transfer, multi, (const uint8_t *)"x", 1, false));
	assert_int_equal(curl_multi_perform(multi, &running), CURLM_OK);
	assert_true(transfer.under_way);
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_goes_out),
	cmocka_unit_test(packed_and_plain_on_one_connection),
	cmocka_unit_test(retry_after_as_it_stands),
	cmocka_unit_test(statuses_that_are_errors),
	cmocka_unit_test(nothing_is_left_of_the_former_answer),
	cmocka_unit_test(ends_that_are_none),
	cmocka_unit_test(patience_ends),
	cmocka_unit_test(four_mib_and_no_more),
	cmocka_unit_test(unpacked_too),
	cmocka_unit_test(no_protocol_but_http),
	cmocka_unit_test(closed_while_it_is_under_way),
};
ALONE_MAIN(tests)
