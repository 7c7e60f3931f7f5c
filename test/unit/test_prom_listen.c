/* Listening: which addresses a host has, one port at all of them, and what is said where it cannot be. */
#define _GNU_SOURCE
#include "listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool has_ipv6(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static void hosts(void **state)
{
	struct weir__addresses a;
	char why[WEIR__WHY] = "", longest[400];

	(void)state;
	assert_int_equal(weir__listen_resolve(&a, "LocalHost", why), WEIR_OK);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.list[0].ss_family, AF_INET);
	assert_int_equal(a.list[1].ss_family, AF_INET6);
	assert_int_equal(weir__listen_resolve(&a, "127.0.0.1", why), WEIR_OK);
	assert_int_equal(a.count, 1);
	assert_int_equal(((struct sockaddr_in *)&a.list[0])->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir__listen_resolve(&a, i == 0 ? "::1" : "[::1]", why), WEIR_OK);
		assert_int_equal(a.count, 1);
		assert_true(IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&a.list[0])->sin6_addr));
	}
	assert_int_equal(weir__listen_resolve(&a, "300.1.1.1.", why), WEIR_EIO);
	assert_string_not_equal(why, "");
	why[0] = '\0';
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(weir__listen_resolve(&a, longest, why), WEIR_EIO);
	assert_string_not_equal(why, "");
	assert_int_equal(weir__listen_resolve(&a, "", why), WEIR_EIO);
}

static void close_all(const int *sockets, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(sockets[i]);
}

static void a_free_port_at_both(void **state)
{
	struct weir__addresses a;
	char why[WEIR__WHY] = "";
	int sockets[WEIR__LISTEN_MOST];
	unsigned count;
	uint16_t port = 0;

	(void)state;
	assert_int_equal(weir__listen_resolve(&a, "localhost", why), WEIR_OK);
	assert_int_equal(weir__listen_open(sockets, &count, &a, 0, &port, why), WEIR_OK);
	assert_int_not_equal(port, 0);
	assert_int_equal(count, has_ipv6() ? 2 : 1);
	for (unsigned i = 0; i < count; i++) {
		struct sockaddr_storage at;
		socklen_t len = sizeof at;

		assert_int_equal(getsockname(sockets[i], (struct sockaddr *)&at, &len), 0);
		assert_int_equal(ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
		                                                : ((struct sockaddr_in *)&at)->sin_port),
		                 port);
	}
	close_all(sockets, count);
}

static void an_address_in_use(void **state)
{
	struct weir__addresses a;
	char why[WEIR__WHY] = "";
	int sockets[WEIR__LISTEN_MOST], more[WEIR__LISTEN_MOST];
	unsigned count, none;
	uint16_t port, got;

	(void)state;
	assert_int_equal(weir__listen_resolve(&a, "127.0.0.1", why), WEIR_OK);
	assert_int_equal(weir__listen_open(sockets, &count, &a, 0, &port, why), WEIR_OK);
	assert_int_equal(weir__listen_open(more, &none, &a, port, &got, why), WEIR_EIO);
	assert_string_equal(why, "the address is in use");
	close_all(sockets, count);
	assert_int_equal(weir__listen_open(sockets, &count, &a, port, &got, why), WEIR_OK); /* at once again */
	assert_int_equal(got, port);
	close_all(sockets, count);
	assert_int_equal(weir__listen_resolve(&a, "192.0.2.1", why), WEIR_OK); /* kept for documentation */
	assert_int_equal(weir__listen_open(more, &none, &a, 0, &got, why), WEIR_EIO);
	assert_string_equal(why, "this machine has no such address");
}

/* IPv6 taken by another, IPv4 free: the first can be had, so it listens. */
static void the_second_may_be_missing(void **state)
{
	struct weir__addresses both, six;
	char why[WEIR__WHY] = "";
	int sockets[WEIR__LISTEN_MOST], other[WEIR__LISTEN_MOST];
	unsigned count, others;
	uint16_t port, got;

	(void)state;
	if (!has_ipv6()) {
		print_message("skipped: there is no ::1 here\n");
		skip();
	}
	assert_int_equal(weir__listen_resolve(&six, "::1", why), WEIR_OK);
	assert_int_equal(weir__listen_resolve(&both, "localhost", why), WEIR_OK);
	assert_int_equal(weir__listen_open(other, &others, &six, 0, &port, why), WEIR_OK);
	assert_int_equal(weir__listen_open(sockets, &count, &both, port, &got, why), WEIR_OK);
	assert_int_equal(count, 1);
	close_all(sockets, count);
	close_all(other, others);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hosts),
	    cmocka_unit_test(a_free_port_at_both),
	    cmocka_unit_test(an_address_in_use),
	    cmocka_unit_test(the_second_may_be_missing),
	};

	return cmocka_run_group_tests_name("prom_listen", tests, NULL, NULL);
}
