/* Unit: src/outside.c and the record of a context: its bytes as OTEP 4947 has them, and its attributes: the route, and what a
 * policy lets be an attribute. */
#define _GNU_SOURCE
#include "context.h"

#include <weir/abi/private.h>
#include <weir/weir.h>

#include "alone.h"

static const char traceparent[] = "00-0102030405060708090a0b0c0d0e0f10-1112131415161718-01";

static void begin(struct weir_ctx *ctx)
{
	const struct weir_header header = {weir_str_of("traceparent"), weir_str_of(traceparent)};

	weir_ctx_begin(ctx, &header, 1);
	weir_ctx_ids(ctx); /* nobody takes spans: its innermost one is the caller's */
}

static const uint8_t *bytes_of(const struct weir_ctx *ctx)
{
	return (const uint8_t *)ctx;
}

ALONE(the_record_is_as_it_is_specified)
{
	static const uint8_t wanted[39] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
	                                   1 /* valid */, 1 /* flags */, 11, 0 /* bytes of attributes */,
	                                   0 /* key */, 9 /* length */, '/', 'a', '/', '{', 'i', 'd', '}', '/', 'b'};
	struct weir_ctx ctx;

	memset(&ctx, 0xa5, sizeof ctx);
	begin(&ctx);
	weir_ctx_set_route(&ctx, weir_str_of("/a/{id}/b"));
	assert_memory_equal(bytes_of(&ctx), wanted, sizeof wanted);
	weir_ctx_end(&ctx);
	assert_int_equal(bytes_of(&ctx)[24], 0);
}

ALONE(it_is_not_valid_before_it_has_ids)
{
	struct weir_ctx ctx;

	memset(&ctx, 1, sizeof ctx);
	weir_ctx_begin(&ctx, NULL, 0);
	assert_int_equal(bytes_of(&ctx)[24], 0);
	weir_ctx_ids(&ctx);
	assert_int_equal(bytes_of(&ctx)[24], 1);
	weir_ctx_begin(&ctx, NULL, 0);
	assert_int_equal(bytes_of(&ctx)[24], 0);
}

ALONE(a_long_route_is_cut_between_characters)
{
	struct weir_ctx ctx;

	begin(&ctx);
	weir_ctx_set_route(&ctx, weir_str_of("/0123456789/0123456789/0123456789/x"));
	assert_int_equal(bytes_of(&ctx)[26], 36);
	assert_int_equal(bytes_of(&ctx)[29], 34);
	assert_memory_equal(bytes_of(&ctx) + 30, "/0123456789/0123456789/0123456789/", 34);
	weir_ctx_set_route(&ctx, weir_str_of("/0123456789/0123456789/0123456789\xc3\xa9"));
	assert_int_equal(bytes_of(&ctx)[29], 33);
	weir_ctx_set_route(&ctx, weir_str_of("/b"));
	assert_int_equal(bytes_of(&ctx)[26], 4);
	weir_ctx_set_route(&ctx, weir_str_n(NULL, 0));
	assert_int_equal(bytes_of(&ctx)[26], 0);
}

static int define(const char *name, const char *label, const char *attribute)
{
	struct weir_private_tag tag = {name, label, attribute, NULL};

	return weir_private_tag_define(&tag);
}

ALONE(only_what_the_policy_makes_an_attribute_is_seen)
{
	int secret = define("sub", "sub", NULL), tenant = define("tenant", "tenant", "app.tenant");
	struct weir_ctx ctx, child;

	begin(&ctx);
	weir_ctx_set_route(&ctx, weir_str_of("/r"));
	weir_private_ctx_tags_begin(&ctx, 1, 0);
	assert_true(weir_private_ctx_tag(&ctx, secret, STR("jane"), 0));
	assert_int_equal(bytes_of(&ctx)[26], 4);
	assert_true(weir_private_ctx_tag(&ctx, tenant, STR("acme"), 0));
	assert_int_equal(bytes_of(&ctx)[26], 10);
	assert_memory_equal(bytes_of(&ctx) + 28, "\0\2/r\2\4acme", 10);
	weir_ctx_begin_child(&child, &ctx);
	assert_memory_equal(bytes_of(&child), bytes_of(&ctx), 38);
	weir_private_ctx_tags_refuse(&ctx, 2, tenant); /* and it is gone */
	assert_int_equal(bytes_of(&ctx)[26], 4);
	assert_true(weir_private_ctx_tag(&ctx, tenant, STR("a-tenant-of-31-bytes-and-more-x"), 0)); /* no room: left out whole */
	assert_int_equal(bytes_of(&ctx)[26], 4);
	weir_private_ctx_tags_begin(&ctx, 1, 0);
	assert_int_equal(bytes_of(&ctx)[26], 4);
	assert_int_equal(bytes_of(&child)[26], 10);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_record_is_as_it_is_specified),
	cmocka_unit_test(it_is_not_valid_before_it_has_ids),
	cmocka_unit_test(a_long_route_is_cut_between_characters),
	cmocka_unit_test(only_what_the_policy_makes_an_attribute_is_seen),
};
ALONE_MAIN(tests)
