/* Connections and their deadlines, with a clock made by hand and sockets that nobody serves. */
#define _GNU_SOURCE
#include "connection.h"

#include <weir/weir.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROOM = 4 };
static const uint64_t second = WEIR_S(1);
static int ours[ROOM + 1], theirs[ROOM + 1];
static struct weir__connections table;

/* TCP, since an answer's last bytes are asked of the system. */
static int set_up(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 16) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) != 0)
		return -1;
	for (int i = 0; i <= ROOM; i++) {
		theirs[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(theirs[i], (struct sockaddr *)&at, sizeof at) != 0)
			return -1;
		ours[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	}
	close(listener);
	return weir__connections_make(&table, ROOM, 10 * second) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i <= ROOM; i++) {
		close(ours[i]);
		close(theirs[i]);
	}
	weir__connections_free(&table);
	return 0;
}

static bool is_shut(int i)
{
	struct pollfd fd = {.fd = theirs[i], .events = POLLIN};
	char byte;

	return poll(&fd, 1, 0) == 1 && recv(theirs[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK) <= 0;
}

static uint64_t closed_for(const char *reason)
{
	struct weir_snapshot *snapshot;
	struct weir_str value = weir_str_of(reason);
	struct weir_series s;
	uint64_t count = 0;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	if (weir_snapshot_find(snapshot, "weir_prometheus_connections_closed_total", &value, 1, &s))
		count = s.count;
	weir_snapshot_destroy(snapshot);
	return count;
}

static void a_request_has_client_ns(void **state)
{
	uint64_t before = closed_for("deadline");
	struct weir__connection *silent = weir__connection_add(&table, ours[0], second),
				*slow = weir__connection_add(&table, ours[1], 2 * second);

	(void)state;
	assert_int_equal(weir__connections_sweep(&table, 3 * second), 11 * second);
	weir__connection_asked(slow, 9 * second); /* its answer has what is left of the time */
	assert_true(weir__connections_answering(&table));
	assert_int_equal(weir__connections_sweep(&table, 11 * second - 1), 11 * second);
	assert_false(is_shut(0));
	assert_int_equal(weir__connections_sweep(&table, 11 * second), 12 * second);
	assert_int_equal(silent->stage, WEIR__KICKED);
	assert_true(is_shut(0));
	assert_false(is_shut(1));
	assert_int_equal(weir__connections_sweep(&table, 12 * second), UINT64_MAX);
	assert_true(is_shut(1));
	assert_int_equal(closed_for("deadline"), before + 2);
	assert_int_equal(weir__connections_sweep(&table, 99 * second), UINT64_MAX); /* once */
	assert_int_equal(closed_for("deadline"), before + 2);
	weir__connection_closed(&table, silent);
	weir__connection_closed(&table, silent); /* told twice: harmless */
	weir__connection_closed(&table, slow);
	assert_int_equal(table.used, 0);
}

static void between_requests_it_may_rest(void **state)
{
	struct weir__connection *c = weir__connection_add(&table, ours[0], second);
	uint64_t before = closed_for("idle"), next;

	(void)state;
	weir__connection_asked(c, 2 * second);
	weir__connection_answered(c, 3 * second);
	assert_false(weir__connections_answering(&table));
	next = weir__connections_sweep(&table, 4 * second);
	assert_int_equal(next, 11 * second); /* to see that the answer was taken */
	next = weir__connections_sweep(&table, next);
	assert_int_equal(next, 78 * second); /* 75 s of rest */
	assert_false(is_shut(0));
	weir__connections_look(&table, 70 * second); /* nothing came */
	assert_int_equal(c->stage, WEIR__IDLE);
	assert_int_equal(write(theirs[0], "G", 1), 1); /* the first byte of another */
	for (int i = 0; i < 1000 && c->stage == WEIR__IDLE; i++) {
		weir__connections_look(&table, 71 * second);
		usleep(1000);
	}
	assert_int_equal(c->stage, WEIR__READING);
	assert_int_equal(weir__connections_sweep(&table, 79 * second), 81 * second);
	weir__connections_sweep(&table, 81 * second);
	assert_true(is_shut(0));
	c = weir__connection_add(&table, ours[1], 100 * second);
	weir__connection_asked(c, 100 * second);
	weir__connection_answered(c, 100 * second);
	weir__connections_sweep(&table, 110 * second);
	weir__connections_sweep(&table, 175 * second);
	assert_int_equal(c->stage, WEIR__KICKED);
	assert_int_equal(closed_for("idle"), before + 1);
}

/* Written is not taken: who reads a byte a second is late all the same. */
static void an_answer_that_is_not_taken(void **state)
{
	static char answer[1 << 20];
	struct weir__connection *c = weir__connection_add(&table, ours[0], second);
	uint64_t before = closed_for("deadline");
	ssize_t written = 0, n;

	(void)state;
	weir__connection_asked(c, second);
	while (written < (64 << 20) && (n = send(ours[0], answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		written += n; /* until the other side's buffer is full, and ours */
	assert_true(written > 0);
	weir__connection_answered(c, 2 * second);
	weir__connections_sweep(&table, 11 * second);
	assert_int_equal(c->stage, WEIR__KICKED);
	assert_int_equal(closed_for("deadline"), before + 1);
}

static void the_longest_without_a_request_makes_room(void **state)
{
	struct weir__connection *c[ROOM];
	uint64_t before = closed_for("pushed_out");

	(void)state;
	for (int i = 0; i < ROOM; i++)
		c[i] = weir__connection_add(&table, ours[i], second + (uint64_t)i);
	assert_null(weir__connection_add(&table, ours[ROOM], 2 * second));
	weir__connection_asked(c[0], 2 * second); /* the oldest is being answered */
	weir__connection_asked(c[1], 2 * second);
	weir__connection_answered(c[1], 3 * second); /* this one has just been */
	assert_true(weir__connections_make_room(&table));
	assert_int_equal(c[2]->stage, WEIR__KICKED);
	assert_true(weir__connections_make_room(&table));
	assert_int_equal(c[3]->stage, WEIR__KICKED);
	assert_true(weir__connections_make_room(&table));
	assert_int_equal(c[1]->stage, WEIR__KICKED);
	assert_false(weir__connections_make_room(&table)); /* never one that is being answered */
	assert_int_equal(c[0]->stage, WEIR__ANSWERING);
	assert_int_equal(closed_for("pushed_out"), before + 3);
	weir__connection_closed(&table, c[2]);
	assert_ptr_equal(weir__connection_add(&table, ours[ROOM], 4 * second), c[2]);
	weir__connection_answered(c[3], 5 * second); /* shut down meanwhile: it stays so */
	weir__connection_asked(c[3], 5 * second);
	assert_int_equal(c[3]->stage, WEIR__KICKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_request_has_client_ns, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(between_requests_it_may_rest, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(an_answer_that_is_not_taken, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(the_longest_without_a_request_makes_room, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("prom_connection", tests, NULL, NULL);
}
