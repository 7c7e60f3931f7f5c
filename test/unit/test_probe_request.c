/* L3: the probes of requests and spans: when they are passed, and that passing them changes nothing. Who watches is played by writing
 * a semaphore; what they say is test/e2e/probes.py's. */
#define _GNU_SOURCE
#include "probe_request.h"

#include <weir/abi/private.h>
#include <weir/weir.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void watch(unsigned short how)
{
	weir_request_begin_semaphore = weir_request_end_semaphore = weir_span_begin_semaphore = weir_span_end_semaphore = how;
	weir_slo_miss_semaphore = how;
}

static uint64_t taken;

static int take(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)arg;
	(void)timeout_ns;
	taken += weir_batch_count(batch);
	return WEIR_OK;
}

static void request(struct weir_ids *ids)
{
	const struct weir_header header = {weir_str_of("traceparent"),
	                                   weir_str_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")};
	struct weir_span server, inner;
	struct weir_ctx ctx;

	weir_ctx_begin(&ctx, &header, 1);
	weir_span_begin(&server, &ctx, WEIR_SERVER, "GET /");
	weir_span_begin(&inner, &ctx, WEIR_INTERNAL, "look");
	weir_span_set_name(&inner, weir_str_of("a longer name than before"));
	weir_span_end(&inner);
	weir_span_end(&server);
	*ids = weir_ctx_ids(&ctx);
	weir_ctx_end(&ctx);
}

static void watching_changes_nothing(void **state)
{
	struct weir_ids plain, watched;

	(void)state;
	taken = 0;
	request(&plain);
	watch(1);
	request(&watched);
	watch(0);
	assert_int_equal(weir_flush(WEIR_S(5)), WEIR_OK);
	assert_int_equal(taken, 4);
	assert_memory_equal(plain.trace_id, watched.trace_id, 16);
	assert_int_equal(plain.flags, watched.flags);
}

static void what_was_never_begun_is_passed_over(void **state)
{
	struct weir_ctx ctx, child;
	struct weir_span span;

	(void)state;
	watch(1);
	memset(&ctx, 0xaa, sizeof ctx);
	weir_ctx_end(&ctx);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_end(&ctx); /* without ids */
	weir_ctx_end(&ctx);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, ""); /* no name, no end */
	weir_ctx_begin_child(&child, &ctx);
	weir_ctx_end(&child);
	weir_ctx_end(&ctx);
	weir_span_end(&span);
	watch(0);
}

static void about_tells_what_there_is(void **state)
{
	static const uint8_t zeros[16];
	const struct weir_private_tag shown = {"tenant", "tenant", NULL, NULL}, hidden = {"tenant", NULL, NULL, NULL},
	                              other = {"tenants", NULL, "app.tenants", NULL};
	int tags[] = {weir_private_tag_define(&other), weir_private_tag_define(&hidden), weir_private_tag_define(&shown)};
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct weir_private_about about;
	struct weir_ctx ctx;

	(void)state;
	inet_pton(AF_INET, "192.0.2.7", &peer.sin_addr);
	weir_private_ctx_about(NULL, &about); /* no current one */
	assert_memory_equal(about.trace_id, zeros, 16);
	assert_string_equal(about.route, "-");
	assert_string_equal(about.tenant, "-");
	assert_string_equal(about.peer, "-");
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_route(&ctx, weir_str_of("/a/{b}"));
	weir_ctx_set_peer(&ctx, &peer, sizeof peer);
	weir_private_ctx_tags_begin(&ctx, 1, 0);
	assert_true(weir_private_ctx_tag(&ctx, tags[0], weir_str_of("others"), 0));
	assert_true(weir_private_ctx_tag(&ctx, tags[1], weir_str_of("secret"), 0));
	weir_private_ctx_about(&ctx, &about);
	assert_string_equal(about.route, "/a/{b}");
	assert_string_equal(about.peer, "192.0.2.7");
	assert_string_equal(about.tenant, "-"); /* not let out */
	assert_memory_equal(about.trace_id, zeros, 16);
	assert_true(weir_private_ctx_tag(&ctx, tags[2], weir_str_of("tea"), 0));
	weir_private_ctx_about(&ctx, &about);
	assert_string_equal(about.tenant, "tea");
	weir_ctx_ids(&ctx);
	weir_private_ctx_about(&ctx, &about);
	assert_memory_not_equal(about.trace_id, zeros, 16);
	weir_ctx_end(&ctx);
	weir_private_ctx_about(&ctx, &about);
	assert_string_equal(about.route, "-");
}

static void a_callers_trace_is_known_before_the_first_span(void **state)
{
	const struct weir_header header = {weir_str_of("traceparent"),
	                                   weir_str_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")};
	struct weir_private_about about;
	struct weir_ctx ctx;

	(void)state;
	weir_ctx_begin(&ctx, &header, 1);
	weir_private_ctx_about(&ctx, &about);
	assert_int_equal(about.trace_id[0], 0x0a);
	assert_int_equal(about.trace_id[15], 0x9c);
	weir_ctx_end(&ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(watching_changes_nothing),
	    cmocka_unit_test(what_was_never_begun_is_passed_over),
	    cmocka_unit_test(about_tells_what_there_is),
	    cmocka_unit_test(a_callers_trace_is_known_before_the_first_span),
	};
	const struct weir_options options = {.size = sizeof options, .no_thread = true, .no_process = true};
	const struct weir_exporter_options sink = {.size = sizeof sink, .name = "sink", .interval_ns = WEIR_S(3600), .spans = take};
	struct weir_exporter *exporter;

	unsetenv("OTEL_TRACES_SAMPLER");
	if (weir_init(&options) != WEIR_OK || weir_exporter_new(&exporter, &sink) != WEIR_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
