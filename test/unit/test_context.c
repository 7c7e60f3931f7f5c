/* Unit: src/context.c: contexts begin and end, have children, are attached and detached in any order on any thread, say what a
 * request is; and what was never begun, or has ended, does no harm. */
#define _GNU_SOURCE
#include "context.h"
#include "ring.h"
#include "w3c.h"

#include <weir/metric.h>
#include <weir/slo.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "witness.h"

/* What lies in a caller's memory may stand for words there: a compiler that sees both sides (-flto) is told so. */
#if defined(__GNUC__) && !defined(__clang__)
_Static_assert(__builtin_has_attribute(struct weir__ctx, may_alias) && __builtin_has_attribute(struct weir__span, may_alias) &&
                   __builtin_has_attribute(struct weir__tracestate, may_alias) &&
                   __builtin_has_attribute(struct weir__baggage, may_alias), "they alias the caller's words");
#endif

WEIR_HISTOGRAM(slo, WEIR_LATENCY_SLO(990000, WEIR_MS(100)), "context_slo_seconds", "Time, promised.");
WEIR_HISTOGRAM(none_promised, WEIR_LATENCY, "context_plain_seconds", "Time.");
WEIR_HISTOGRAM(bytes, WEIR_BUCKETS(WEIR_BYTES, WEIR_SLO(990000, 100)), "context_bytes", "No time.");

static struct weir_ctx ctx;
static struct weir_ctx many[64];

static const struct weir__ctx *in(const struct weir_ctx *c)
{
	return (const struct weir__ctx *)(const void *)c;
}

/* ---- begin and end ---- */

ALONE(each_has_a_trace_of_its_own)
{
	struct weir_ids a, b;

	for (int i = 0; i < 64; i++)
		weir_ctx_begin(&many[i], NULL, 0);
	for (int i = 0; i < 64; i++)
		for (int n = 0; n < i; n++) {
			a = weir_ctx_ids(&many[i]);
			b = weir_ctx_ids(&many[n]);
			assert_true(memcmp(a.trace_id, b.trace_id, 16) != 0 && memcmp(a.span_id, b.span_id, 8) != 0);
		}
	a = weir_ctx_ids(&many[0]);
	b = weir_ctx_ids(&many[0]);
	assert_memory_equal(&a, &b, sizeof a);
	weir_ctx_end(&many[0]);
	weir_ctx_begin(&many[0], NULL, 0);
	b = weir_ctx_ids(&many[0]);
	assert_true(memcmp(a.trace_id, b.trace_id, 16) != 0);
}

/* Everything may be done with it; nothing comes of it. */
static void use(struct weir_ctx *c)
{
	struct weir_span span;
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	char buf[600];

	weir_ctx_set_route(c, weir_str_of("/r"));
	weir_ctx_set_status(c, 200);
	weir_ctx_set_peer(c, &in4, sizeof in4);
	weir_ctx_set_slo(c, &slo);
	weir_ctx_add_header(c, weir_str_of("traceparent"), weir_str_of(TRACEPARENT));
	assert_int_equal(weir_ctx_get_baggage(c, "a", buf, sizeof buf), WEIR_ENOTFOUND);
	assert_int_equal(weir_ctx_set_baggage(c, "a", weir_str_of("b")), WEIR_EINVAL);
	assert_int_equal(weir_ctx_set_tracestate(c, "a", weir_str_of("b")), WEIR_EINVAL);
	assert_null(weir_ctx_get_tracestate(c, "a").ptr);
	assert_int_equal(send_of(c)->count, 0);
	assert_int_equal(weir_ctx_inject_text(c, buf, sizeof buf), 0);
	assert_string_equal(buf, "");
	assert_int_equal(weir_ctx_log(c, buf, sizeof buf), 0);
	assert_string_equal(buf, "");
	assert_true(weir__is_zero(weir_ctx_ids(c).trace_id, 16) && weir__is_zero(weir_ctx_ids(c).span_id, 8));
	weir_counter_series_add_ctx((struct weir_counter_series){0}, 1, c);
	weir_ctx_end(c);
	weir_ctx_end(c);
	weir_ctx_begin_child(&many[0], c);
	assert_false(weir__is_zero(weir_ctx_ids(&many[0]).trace_id, 16));
	weir_ctx_end(&many[0]);
	memset(&span, 0, sizeof span);
	weir_span_end(&span);
}

ALONE(current_is_never_null_and_harmless)
{
	struct weir_ctx before;

	witness(NULL);
	assert_non_null(weir_ctx_current());
	before = *weir_ctx_current();
	use(weir_ctx_current());
	use(WEIR_CURRENT);
	weir_ctx_begin(weir_ctx_current(), NULL, 0);
	weir_ctx_detach(weir_ctx_attach(weir_ctx_current()));
	weir_ctx_detach(weir_ctx_attach(NULL));
	{
		struct weir_scope scope = weir_ctx_attach(weir_ctx_current());
		struct weir_span span;

		use(WEIR_CURRENT);
		weir_span_begin(&span, weir_ctx_current(), WEIR_SERVER, "nobody's");
		weir_span_end(&span);
		weir_ctx_detach(scope);
	}
	assert_memory_equal(&before, weir_ctx_current(), sizeof before);
	assert_int_equal(see_all(), 0);
	assert_int_equal(status_now().detached_out_of_order, 0);
}

ALONE(never_begun_or_ended_does_no_harm)
{
	static const unsigned char fills[] = {0x00, 0xff, 0xa5, 0x5a, 0x01, 0x7f, 0x11, 0x13, 0xef};
	struct weir_span span;

	witness(NULL);
	for (size_t i = 0; i < COUNT(fills); i++) {
		memset(&ctx, fills[i], sizeof ctx);
		use(&ctx);
		memset(&ctx, fills[i], sizeof ctx);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "span"); /* begins it */
		weir_span_set_attrs(&span, WEIR_ATTRS_(weir_attr_int("a", 1)));
		weir_span_end(&span);
		assert_int_equal(see_all(), 2 * i + 1);
		assert_int_equal(seen_list[seen_count - 1]->e.attrs.count, 1);
		weir_ctx_end(&ctx);
		use(&ctx);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
		weir_span_end(&span);
		assert_int_equal(see_all(), 2 * i + 2);
		weir_ctx_end(&ctx);
	}
}

/* ---- children ---- */

ALONE(a_child_has_what_its_parent_is)
{
	struct weir_ctx child, grandchild;
	struct weir_span root, span;
	struct weir_ids parent;
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x7f000001)};

	witness(NULL);
	begin_with(&ctx, TRACEPARENT, "a=1");
	weir_ctx_set_route(&ctx, weir_str_of("/orders/{id}"));
	weir_ctx_set_peer(&ctx, &peer, sizeof peer);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	parent = weir_span_ids(&root);
	weir_ctx_begin_child(&child, &ctx);
	assert_memory_equal(weir_ctx_ids(&child).trace_id, parent.trace_id, 16);
	assert_memory_equal(weir_ctx_ids(&child).span_id, parent.span_id, 8);
	weir_ctx_add_header(&child, weir_str_of("traceparent"), weir_str_of("00-" TRACE "-" PARENT "-00")); /* it has one */
	weir_span_begin(&span, &child, WEIR_CONSUMER, "child");
	weir_ctx_begin_child(&grandchild, &child);
	weir_span_end(&span);
	weir_ctx_end(&child);
	weir_span_begin(&span, &grandchild, WEIR_INTERNAL, "grandchild");
	weir_span_end(&span);
	weir_ctx_end(&grandchild);
	weir_span_end(&root);
	weir_ctx_end(&ctx);
	assert_memory_equal(see("child")->parent_id, see("root")->ids.span_id, 8);
	assert_false(see("child")->remote_parent);
	assert_memory_equal(see("grandchild")->parent_id, see("child")->ids.span_id, 8);
	assert_attr_text(see("child")->attrs, "http.route", "/orders/{id}");
	assert_attr_text(see("child")->attrs, "network.peer.address", "127.0.0.1");
	assert_string_equal(tracestate_of(see("grandchild")), "a=1");
}

ALONE(a_child_of_the_current_one_and_of_none)
{
	struct weir_ctx child;
	struct weir_scope scope;
	struct weir_ids ids;

	weir_ctx_begin(&ctx, NULL, 0);
	ids = weir_ctx_ids(&ctx);
	scope = weir_ctx_attach(&ctx);
	weir_ctx_begin_child(&child, WEIR_CURRENT);
	assert_memory_equal(weir_ctx_ids(&child).trace_id, ids.trace_id, 16);
	weir_ctx_detach(scope);
	weir_ctx_begin_child(&child, WEIR_CURRENT);
	assert_true(memcmp(weir_ctx_ids(&child).trace_id, ids.trace_id, 16) != 0);
	weir_ctx_end(&ctx);
	weir_ctx_begin_child(&child, &ctx); /* has ended */
	assert_true(memcmp(weir_ctx_ids(&child).trace_id, ids.trace_id, 16) != 0);
	weir_ctx_begin_child(&child, &child);
	assert_false(weir__is_zero(weir_ctx_ids(&child).trace_id, 16));
	weir_ctx_begin_child(NULL, &ctx);
}

ALONE(a_child_of_an_unsampled_one_is_unsampled)
{
	struct weir_ctx child;
	struct weir_span span;

	witness(NULL);
	begin_with(&ctx, "00-" TRACE "-" PARENT "-00", NULL);
	weir_ctx_begin_child(&child, &ctx);
	weir_span_begin(&span, &child, WEIR_SERVER, "child");
	assert_false(weir_span_is_recording(&span));
	weir_span_end(&span);
	assert_string_equal(sent_value(&child, "traceparent"), "00-" TRACE "-" PARENT "-00");
	assert_int_equal(see_all(), 0);
}

ALONE(baggage_goes_along_into_a_buffer)
{
	char room[64], more[64], little[8];
	struct weir_ctx_options o = {.size = sizeof o, .buffer = room, .buffer_size = sizeof room};
	struct weir_ctx child;
	char value[16];

	weir_ctx_begin_opts(&ctx, &o);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "user", weir_str_of("alice")), WEIR_OK);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "k", weir_str_of("v")), WEIR_OK);
	o = (struct weir_ctx_options){.size = sizeof o, .buffer = more, .buffer_size = sizeof more, .parent = &ctx};
	weir_ctx_begin_opts(&child, &o);
	assert_memory_equal(weir_ctx_ids(&child).trace_id, weir_ctx_ids(&ctx).trace_id, 16);
	assert_int_equal(weir_ctx_get_baggage(&child, "user", value, sizeof value), 5);
	assert_string_equal(value, "alice");
	assert_int_equal(weir_ctx_set_baggage(&child, "user", weir_str_of("bob")), WEIR_OK);
	weir_ctx_get_baggage(&ctx, "user", value, sizeof value);
	assert_string_equal(value, "alice");
	weir_ctx_end(&child);
	o.buffer = little; /* what has no room is counted */
	o.buffer_size = sizeof little;
	weir_ctx_begin_opts(&child, &o);
	assert_int_equal(weir_ctx_get_baggage(&child, "user", NULL, 0), WEIR_ENOTFOUND);
	assert_int_equal(weir_ctx_get_baggage(&child, "k", value, sizeof value), 1);
	weir_ctx_end(&child);
	assert_int_equal(status_now().baggage_dropped, 1);
	weir_ctx_begin_child(&child, &ctx);
	assert_int_equal(weir_ctx_get_baggage(&child, "user", value, sizeof value), WEIR_ENOTFOUND);
	weir_ctx_end(&ctx);
	memset(room, 0xa5, sizeof room);
	o.buffer = more;
	o.buffer_size = sizeof more;
	weir_ctx_begin_opts(&child, &o); /* of one that has ended: its buffer is gone */
	assert_int_equal(weir_ctx_get_baggage(&child, "user", value, sizeof value), WEIR_ENOTFOUND);
	weir_ctx_end(&child);
}

ALONE(a_start_given)
{
	struct weir_ctx_options o = {.size = sizeof o, .start_ns = WEIR_S(1234)};
	struct weir_span span;
	uint64_t ns;

	witness(NULL);
	weir_ctx_begin_opts(&ctx, &o);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	sleep_ms(2);
	ns = weir_span_end(&span);
	assert_int_equal(see("span")->start_ns, WEIR_S(1234));
	assert_int_equal(see("span")->end_ns, WEIR_S(1234) + ns);
	assert_true(ns >= WEIR_MS(2));
}

/* ---- attach and detach ---- */

ALONE(attached_ones_nest)
{
	struct weir_scope scopes[64];
	struct weir_ctx *nobody = weir_ctx_current();

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 64; i++) { /* deeper than is remembered */
			weir_ctx_begin(&many[i], NULL, 0);
			scopes[i] = weir_ctx_attach(&many[i]);
			assert_ptr_equal(weir_ctx_current(), &many[i]);
		}
		for (int i = 64; i-- > 0;) {
			assert_ptr_equal(weir_ctx_current(), &many[i]);
			weir_ctx_detach(scopes[i]);
		}
		assert_ptr_equal(weir_ctx_current(), nobody);
	}
	assert_int_equal(status_now().detached_out_of_order, 0);
}

/* Of what is attached, the newest is current, in whatever order the others go. */
ALONE(every_order_of_three)
{
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const unsigned wrong[6] = {2, 1, 2, 1, 1, 0};
	struct weir_ctx *nobody = weir_ctx_current(), below;
	uint64_t before = 0;

	weir_ctx_begin(&below, NULL, 0);
	for (int under = 0; under < 2; under++)
		for (int i = 0; i < 6; i++) {
			struct weir_scope scopes[3], first = {{0, 0}};
			bool there[3] = {true, true, true};

			if (under != 0)
				first = weir_ctx_attach(&below);
			for (int n = 0; n < 3; n++)
				scopes[n] = weir_ctx_attach(&many[n]);
			for (int n = 0; n < 3; n++) {
				struct weir_ctx *newest = under != 0 ? &below : nobody;

				weir_ctx_detach(scopes[orders[i][n]]);
				there[orders[i][n]] = false;
				for (int k = 0; k < 3; k++)
					if (there[k])
						newest = &many[k];
				assert_ptr_equal(weir_ctx_current(), newest);
			}
			before += wrong[i];
			assert_int_equal(status_now().detached_out_of_order, before);
			weir_ctx_detach(first);
			assert_ptr_equal(weir_ctx_current(), nobody);
			assert_int_equal(status_now().detached_out_of_order, before);
		}
}

/* Whatever is wrong, what was detached is never current again once all that came after it is gone, and at the end nothing is. */
ALONE(any_order_at_any_depth)
{
	struct weir_ctx *nobody = weir_ctx_current();
	uint32_t random = 12345;

	for (int round = 0; round < 2000; round++) {
		struct weir_scope scopes[40];
		int order[40], depth = 1 + round % 40;

		for (int i = 0; i < depth; i++) {
			scopes[i] = weir_ctx_attach(&many[i]);
			order[i] = i;
		}
		for (int i = depth; i-- > 1;) {
			int other;

			random = random * 1664525u + 1013904223u;
			other = (int)((random >> 8) % (unsigned)(i + 1));
			int kept = order[i];
			order[i] = order[other];
			order[other] = kept;
		}
		for (int i = 0; i < depth; i++)
			weir_ctx_detach(scopes[order[i]]);
		assert_ptr_equal(weir_ctx_current(), nobody);
	}
	assert_int_equal(weir__local()->depth, 0);
}

ALONE(deep_ones_out_of_order_leave_none_that_is_gone)
{
	struct weir_scope scopes[WEIR__SCOPES + 3];
	struct weir_ctx *nobody = weir_ctx_current();

	for (int i = 0; i < WEIR__SCOPES + 3; i++)
		scopes[i] = weir_ctx_attach(&many[i]);
	weir_ctx_detach(scopes[WEIR__SCOPES + 1]); /* the last but one */
	assert_ptr_equal(weir_ctx_current(), &many[WEIR__SCOPES + 2]);
	weir_ctx_detach(scopes[WEIR__SCOPES + 2]); /* found the one that is gone */
	assert_ptr_equal(weir_ctx_current(), &many[WEIR__SCOPES - 1]); /* the newest that is remembered */
	weir_ctx_detach(scopes[WEIR__SCOPES - 1]);
	assert_int_equal(status_now().detached_out_of_order, 2);
	weir_ctx_detach(scopes[WEIR__SCOPES]);
	assert_ptr_equal(weir_ctx_current(), &many[WEIR__SCOPES - 2]);
	for (int i = WEIR__SCOPES - 1; i-- > 0;)
		weir_ctx_detach(scopes[i]);
	assert_ptr_equal(weir_ctx_current(), nobody);
	weir_ctx_detach(scopes[WEIR__SCOPES + 2]); /* once more */
	assert_ptr_equal(weir_ctx_current(), nobody);
}

ALONE(detached_twice_is_counted)
{
	struct weir_scope a = weir_ctx_attach(&many[0]), b = weir_ctx_attach(&many[1]), never = {{0, 0}};

	weir_ctx_detach(b);
	weir_ctx_detach(b);
	assert_ptr_equal(weir_ctx_current(), &many[0]);
	assert_int_equal(status_now().detached_out_of_order, 1);
	weir_ctx_detach(a);
	weir_ctx_detach(a);
	assert_int_equal(status_now().detached_out_of_order, 2);
	weir_ctx_detach(never);
	assert_int_equal(status_now().detached_out_of_order, 2);
}

static struct weir_scope given_away;
static void *detach_there(void *arg)
{
	struct weir_scope own = weir_ctx_attach(&many[5]);

	weir_ctx_detach(given_away); /* not ours */
	assert_ptr_equal(weir_ctx_current(), &many[5]);
	weir_ctx_detach(own);
	weir_ctx_detach(given_away);
	return arg;
}

static void *current_there(void *arg)
{
	assert_true(weir_ctx_current() != &many[0]);
	return arg;
}

ALONE(detached_on_another_thread_does_no_harm)
{
	given_away = weir_ctx_attach(&many[0]);
	in_thread(current_there, NULL);
	in_thread(detach_there, NULL);
	assert_ptr_equal(weir_ctx_current(), &many[0]);
	assert_int_equal(status_now().detached_out_of_order, 2);
	weir_ctx_detach(given_away);
	assert_int_equal(status_now().detached_out_of_order, 2);
}

static void *leave_attached(void *arg)
{
	weir_ctx_attach(&many[7]);
	return arg;
}

static void *see_nothing(void *arg)
{
	struct weir_scope scope = weir_ctx_attach(&many[1]);

	weir_ctx_detach(scope);
	assert_true(weir_ctx_current() != &many[7] && weir_ctx_current() != &many[1]);
	return arg;
}

ALONE(a_thread_that_ends_attached_leaves_nothing)
{
	for (int i = 0; i < 50; i++) {
		in_thread(leave_attached, NULL);
		in_thread(see_nothing, NULL);
	}
	assert_int_equal(status_now().detached_out_of_order, 0);
}

ALONE(tokens_do_not_run_out)
{
	struct weir_scope a;

	weir_ctx_detach(weir_ctx_attach(&many[0]));
	weir__local()->token = UINT32_MAX - 3u; /* after a few days */
	for (int i = 0; i < 8; i++) {
		a = weir_ctx_attach(&many[0]);
		assert_ptr_equal(weir_ctx_current(), &many[0]);
		weir_ctx_detach(a);
		assert_true(weir_ctx_current() != &many[0]);
	}
}

/* Requests on one thread, each gone on with when its turn comes: no parent of another's. */
ALONE(interleaved_requests_keep_apart)
{
	static struct weir_span roots[64], spans[64];
	struct weir_ids ids[64];
	char name[16];

	witness(NULL);
	for (int i = 0; i < 64; i++) {
		struct weir_scope scope;

		weir_ctx_begin(&many[i], NULL, 0);
		scope = weir_ctx_attach(&many[i]);
		weir_span_begin(&roots[i], WEIR_CURRENT, WEIR_SERVER, "root");
		ids[i] = weir_span_ids(&roots[i]);
		weir_ctx_detach(scope);
	}
	for (int step = 0; step < 4; step++)
		for (int i = 0; i < 64; i++) {
			int n = (i * 37 + step * 11) % 64;
			struct weir_scope scope = weir_ctx_attach(&many[n]);
			char line[128], trace[33], span[17];

			if (step % 2 == 0) {
				snprintf(name, sizeof name, "%d %d", n, step);
				weir_span_begin(&spans[n], WEIR_CURRENT, WEIR_CLIENT, name);
			} else {
				weir_span_end(&spans[n]);
			}
			weir_ctx_log(WEIR_CURRENT, line, sizeof line);
			weir_ids_hex(&ids[n], trace, span);
			assert_memory_equal(line + 9, trace, 32);
			weir_ctx_detach(scope);
		}
	for (int i = 0; i < 64; i++) {
		weir_span_end(&roots[i]);
		weir_ctx_end(&many[i]);
	}
	assert_int_equal(see_all(), 64 + 128);
	for (int i = 0; i < 64; i++)
		for (int step = 0; step < 4; step += 2) {
			snprintf(name, sizeof name, "%d %d", i, step);
			assert_memory_equal(see(name)->ids.trace_id, ids[i].trace_id, 16);
			assert_memory_equal(see(name)->parent_id, ids[i].span_id, 8);
		}
}

/* ---- what the request is ---- */

static const struct weir_ended *serve(const char *name, enum weir_span_kind kind)
{
	struct weir_span span;

	weir_span_begin(&span, &ctx, kind, name);
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	return see(name);
}

ALONE(what_a_request_is_stands_on_its_server_span)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(54321), .sin_addr.s_addr = htonl(0xc0000201)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/a.sock"};
	const struct weir_ended *e;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_route(&ctx, weir_str_of("/orders/{id}"));
	weir_ctx_set_status(&ctx, 404);
	weir_ctx_set_status(&ctx, -1); /* passed over */
	weir_ctx_set_status(&ctx, 70000);
	weir_ctx_set_peer(&ctx, &in4, sizeof in4);
	e = serve("v4", WEIR_SERVER);
	assert_attr_text(e->attrs, "http.route", "/orders/{id}");
	assert_attr_int(e->attrs, "http.response.status_code", 404);
	assert_attr_text(e->attrs, "network.peer.address", "192.0.2.1");
	assert_attr_int(e->attrs, "network.peer.port", 54321);
	assert_int_equal(e->attrs.count, 4);
	weir_ctx_begin(&ctx, NULL, 0); /* what it was before is gone */
	in6.sin6_addr.s6_addr[15] = 1;
	weir_ctx_set_peer(&ctx, &in6, sizeof in6);
	e = serve("v6", WEIR_SERVER);
	assert_attr_text(e->attrs, "network.peer.address", "::1");
	assert_attr_int(e->attrs, "network.peer.port", 443);
	assert_int_equal(e->attrs.count, 2);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_peer(&ctx, &un, sizeof un);
	e = serve("unix", WEIR_CONSUMER);
	assert_attr_text(e->attrs, "network.peer.address", "/run/a.sock");
	assert_int_equal(e->attrs.count, 1);
	weir_ctx_begin(&ctx, NULL, 0); /* a peer that has no name */
	weir_ctx_set_peer(&ctx, &un, sizeof(sa_family_t));
	weir_ctx_set_peer(&ctx, &in4, sizeof in4 - 1);
	weir_ctx_set_peer(&ctx, NULL, sizeof in4);
	weir_ctx_set_peer(&ctx, &in4, 1);
	assert_int_equal(serve("nameless", WEIR_SERVER)->attrs.count, 0);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_status(&ctx, 200);
	assert_int_equal(serve("client", WEIR_CLIENT)->attrs.count, 0); /* not the server's */
}

ALONE(ones_own_attributes_are_replaced_and_limits_hold)
{
	struct weir_span span;
	char text[300];

	setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3", 1);
	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_route(&ctx, weir_str_of("/true"));
	weir_ctx_set_status(&ctx, 200);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	weir_span_set_attrs(&span, WEIR_ATTRS_(weir_attr_str("http.route", "/mine"), weir_attr_int("a", 1)));
	weir_span_end(&span);
	assert_attr_text(see("span")->attrs, "http.route", "/true");
	assert_int_equal(see("span")->attrs.count, 2); /* the third one replaces */
	assert_int_equal(see("span")->dropped_attrs, 1);
	weir_ctx_end(&ctx);
	memset(text, 'r', sizeof text);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_route(&ctx, weir_str_n(text, sizeof text)); /* longer than a route may be */
	assert_int_equal(serve("long", WEIR_SERVER)->attrs.count, 0);
	assert_int_equal(status_now().routes_dropped, 1);
}

/* ---- the SLO ---- */

ALONE(an_slo_is_of_a_histogram_in_seconds)
{
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_slo(&ctx, &slo);
	assert_int_equal(in(&ctx)->slo_ns, WEIR_MS(100) + 1);
	weir_ctx_set_slo(&ctx, &none_promised);
	assert_int_equal(in(&ctx)->slo_ns, 0);
	weir_ctx_set_slo(&ctx, &slo);
	weir_ctx_set_slo(&ctx, &bytes);
	assert_int_equal(in(&ctx)->slo_ns, 0);
	weir_ctx_set_slo(&ctx, &slo);
	weir_ctx_set_slo(&ctx, NULL);
	assert_int_equal(in(&ctx)->slo_ns, 0);
}

/* keep: what the end of a request says of its spans. after: the SLO is told after the span's end. */
static uint64_t kept_of(uint64_t ns, bool fail, int status, bool with_slo, bool after)
{
	struct weir_span_options o = {.size = sizeof o, .start_ns = WEIR_S(1000)};
	uint64_t before = status_now().kept_spans;
	struct weir_span span;

	weir_ctx_begin(&ctx, NULL, 0);
	if (with_slo && !after)
		weir_ctx_set_slo(&ctx, &slo);
	weir_span_begin_opts(&span, &ctx, WEIR_SERVER, "span", &o);
	assert_true(weir_span_is_recording(&span)); /* it may yet be kept */
	assert_false(is_sampled(&ctx));
	if (fail)
		weir_span_fail(&span, "failed");
	weir_span_end_at(&span, WEIR_S(1000) + ns);
	if (with_slo && after)
		weir_ctx_set_slo(&ctx, &slo);
	weir_ctx_set_status(&ctx, status);
	weir_ctx_end(&ctx);
	see_all();
	return status_now().kept_spans - before;
}

ALONE(what_failed_or_was_slow_is_kept)
{
	struct weir_sampling s = {.size = sizeof s, .sampler = WEIR_SAMPLER_NEVER, .keep_failed = true, .keep_slow = true};
	struct weir_options o = {.size = sizeof o, .sampling = &s};

	witness(&o);
	assert_int_equal(kept_of(WEIR_MS(100), false, 200, true, false), 0);
	assert_int_equal(kept_of(WEIR_MS(100) + 1, false, 200, true, false), 1);
	assert_attr_text(seen_list[0]->e.attrs, "weir.kept", "slow");
	assert_true(seen_list[0]->e.kept);
	assert_int_equal(seen_list[0]->e.ids.flags & 1, 0);
	assert_int_equal(kept_of(WEIR_MS(100) + 1, false, 200, true, true), 1); /* judged at the end */
	assert_int_equal(kept_of(WEIR_S(100), false, 200, false, false), 0);
	assert_int_equal(kept_of(1, true, 200, true, false), 1);
	assert_attr_text(seen_list[2]->e.attrs, "weir.kept", "failed");
	assert_int_equal(kept_of(1, false, 499, false, false), 0);
	assert_int_equal(kept_of(1, false, 500, false, false), 1);
	assert_int_equal(seen_count, 4);
}

/* A trace that comes twice: the fine one's spans go, and the failing one's stay, whole and however full the record is; those too
 * that a child's child ends after both were judged. */
ALONE(a_trace_that_comes_twice_is_judged_twice)
{
	struct weir_sampling s = {.size = sizeof s, .sampler = WEIR_SAMPLER_NEVER, .keep_failed = true};
	struct weir_options o = {.size = sizeof o, .sampling = &s};
	static char room[2][WEIR__RECORD_MAX], filling[WEIR__RECORD_MAX], state[WEIR__TRACESTATE_BYTES + 1];
	struct weir_ctx ctxs[2], children[2], grandchildren[2];
	struct weir_span roots[2], late[2];

	witness(&o);
	memset(state, 'v', 511);
	for (int i = 0; i < 4; i++) { /* as long as it may be */
		if (i != 0)
			state[i * 128 - 1] = ',';
		state[i * 128] = (char)('a' + i);
		state[i * 128 + 1] = '=';
	}
	for (int i = 0; i < 2; i++) {
		struct weir_span_options large = {.size = sizeof large, .buffer = room[i], .buffer_size = sizeof room[i]};
		struct weir_ctx_options below = {.size = sizeof below, .parent = &children[i]};

		begin_with(&ctxs[i], "00-" TRACE "-" PARENT "-00", state);
		weir_span_begin(&roots[i], &ctxs[i], WEIR_SERVER, i == 0 ? "fine" : "failing");
		weir_ctx_begin_child(&children[i], &ctxs[i]);
		weir_ctx_begin_opts(&grandchildren[i], &below);
		weir_span_begin_opts(&late[i], &grandchildren[i], WEIR_INTERNAL, i == 0 ? "fine's" : "failing's", &large);
		for (size_t half = sizeof filling / 2; half != 0; half /= 2) /* to the last byte but few */
			weir_span_set_with(&late[i], weir_attr_bytes("k", weir_str_n(filling, half)));
	}
	assert_true(in(&ctxs[0])->root != in(&ctxs[1])->root);
	assert_true(in(&grandchildren[1])->root == in(&ctxs[1])->root);
	weir_span_fail(&roots[1], "why");
	for (int i = 0; i < 2; i++) {
		weir_span_end(&roots[i]);
		weir_ctx_end(&children[i]);
		weir_ctx_end(&ctxs[i]);
	}
	assert_int_equal(see_all(), 1);
	for (int i = 0; i < 2; i++) {
		weir_span_end(&late[i]);
		weir_ctx_end(&grandchildren[i]);
	}
	assert_int_equal(see_all(), 2);
	assert_true(see("failing")->kept && see("failing's")->kept);
	assert_string_equal(seen_list[1]->tracestate, state);
	assert_int_equal(status_now().kept_spans, 2);
	assert_int_equal(status_now().dropped_spans, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_has_a_trace_of_its_own),
	cmocka_unit_test(current_is_never_null_and_harmless),
	cmocka_unit_test(never_begun_or_ended_does_no_harm),
	cmocka_unit_test(a_child_has_what_its_parent_is),
	cmocka_unit_test(a_child_of_the_current_one_and_of_none),
	cmocka_unit_test(a_child_of_an_unsampled_one_is_unsampled),
	cmocka_unit_test(baggage_goes_along_into_a_buffer),
	cmocka_unit_test(a_start_given),
	cmocka_unit_test(attached_ones_nest),
	cmocka_unit_test(every_order_of_three),
	cmocka_unit_test(any_order_at_any_depth),
	cmocka_unit_test(deep_ones_out_of_order_leave_none_that_is_gone),
	cmocka_unit_test(detached_twice_is_counted),
	cmocka_unit_test(detached_on_another_thread_does_no_harm),
	cmocka_unit_test(a_thread_that_ends_attached_leaves_nothing),
	cmocka_unit_test(tokens_do_not_run_out),
	cmocka_unit_test(interleaved_requests_keep_apart),
	cmocka_unit_test(what_a_request_is_stands_on_its_server_span),
	cmocka_unit_test(ones_own_attributes_are_replaced_and_limits_hold),
	cmocka_unit_test(an_slo_is_of_a_histogram_in_seconds),
	cmocka_unit_test(what_failed_or_was_slow_is_kept),
	cmocka_unit_test(a_trace_that_comes_twice_is_judged_twice),
};
ALONE_MAIN(tests)
