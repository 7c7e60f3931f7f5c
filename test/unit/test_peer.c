/* Unit: src/peer.c: addresses as text: IPv4, IPv6 as RFC 5952 has it and as inet_ntop writes it, and paths. */
#define _GNU_SOURCE
#include "context.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "alone.h"

static struct weir_ctx ctx;

static const char *text_of(const void *address, size_t size)
{
	static char text[48];
	size_t len;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_peer(&ctx, address, size);
	memset(text, '!', sizeof text);
	len = weir__peer_text(text, weir__ctx_of(&ctx));
	assert_int_equal(strlen(text), len);
	return text;
}

static const char *v4(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
	return text_of(&in, sizeof in);
}

static const char *v6(const char *text)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6};

	assert_int_equal(inet_pton(AF_INET6, text, &in.sin6_addr), 1);
	return text_of(&in, sizeof in);
}

static void ipv4(void **state)
{
	static const char *const list[] = {"0.0.0.0", "255.255.255.255", "127.0.0.1", "192.0.2.10", "9.10.99.100", "1.200.30.4"};

	(void)state;
	for (size_t i = 0; i < COUNT(list); i++)
		assert_string_equal(v4(list[i]), list[i]);
}

static void ipv6(void **state)
{
	static const char *const list[][2] = {
		{"::", "::"}, {"::1", "::1"}, {"1::", "1::"}, {"2001:db8::1", "2001:db8::1"},
		{"2001:0DB8:0:0:0:0:0:1", "2001:db8::1"}, {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* one zero is not shortened */
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"}, {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     /* the longest, else the first */
		{"0:0:1:0:0:0:0:1", "0:0:1::1"}, {"1:0:0:0:0:0:0:0", "1::"}, {"0:1:0:0:0:0:0:0", "0:1::"}, {"fe80::a00:0:0:0", "fe80::a00:0:0:0"},
		{"abcd:ef01:2345:6789:abcd:ef01:2345:6789", "abcd:ef01:2345:6789:abcd:ef01:2345:6789"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"}, {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"}, {"1:2:0:0:5:6:0:0", "1:2::5:6:0:0"},
		{"::ffff:192.0.2.1", "192.0.2.1"}, /* mapped: who it is */
		{"::ffff:0:192.0.2.1", "::ffff:0:c000:201"}, {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"}, {"100:20:3:4000::", "100:20:3:4000::"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(list); i++)
		assert_string_equal(v6(list[i][0]), list[i][1]);
}

/* inet_ntop is another writer of the same, but for addresses whose end it shows as IPv4. */
static void ipv6_as_another_writes_it(void **state)
{
	uint32_t random = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct sockaddr_in6 in = {.sin6_family = AF_INET6};
		char other[INET6_ADDRSTRLEN];

		for (int w = 0; w < 8; w++) {
			random = random * 1664525u + 1013904223u;
			if ((random >> 16) % 2 != 0)
				continue;
			in.sin6_addr.s6_addr[2 * w] = (uint8_t)((random >> 24) % 3 != 0 ? random >> 8 : 0);
			in.sin6_addr.s6_addr[2 * w + 1] = (uint8_t)(random >> 20);
		}
		in.sin6_addr.s6_addr[1] |= 1;
		assert_non_null(inet_ntop(AF_INET6, &in.sin6_addr, other, sizeof other));
		assert_string_equal(text_of(&in, sizeof in), other);
	}
}

static void paths(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	(void)state;
	strcpy(un.sun_path, "/run/a.sock");
	assert_string_equal(text_of(&un, sizeof un), "/run/a.sock");
	assert_string_equal(text_of(&un, sizeof(sa_family_t) + 6), "/run/a"); /* without a NUL */
	strcpy(un.sun_path, "/a/path/that/is/longer");
	assert_string_equal(text_of(&un, sizeof un), "/a/path/that/is");
	strcpy(un.sun_path, "/a\n\x80" "b");
	assert_string_equal(text_of(&un, sizeof un), "/a??b");
	memcpy(un.sun_path, "\0abstract", 10);
	assert_string_equal(text_of(&un, sizeof(sa_family_t) + 9), "@abstract");
}

static void what_is_not_understood(void **state)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr odd = {.sa_family = AF_NETLINK};
	char one = 2;

	(void)state;
	assert_string_equal(text_of(&in, sizeof in - 1), "");
	assert_string_equal(text_of(&in, 0), "");
	assert_string_equal(text_of(&one, 1), "");
	assert_string_equal(text_of(NULL, sizeof in), "");
	assert_string_equal(text_of(&odd, sizeof odd), "");
	assert_string_equal(text_of(&un, sizeof(sa_family_t)), "");
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_peer(&ctx, &in, sizeof in);
	weir_ctx_set_peer(&ctx, &odd, sizeof odd); /* takes the former away */
	assert_int_equal(weir__ctx_of(&ctx)->peer_family, 0);
	in.sin_family = AF_INET6; /* shorter than that family is */
	weir_ctx_set_peer(&ctx, &in, sizeof in);
	assert_int_equal(weir__ctx_of(&ctx)->peer_family, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ipv4),  cmocka_unit_test(ipv6),  cmocka_unit_test(ipv6_as_another_writes_it),
	cmocka_unit_test(paths), cmocka_unit_test(what_is_not_understood),
};
ALONE_MAIN(tests)
