/* Unit: src/inject.c: what goes out of a context: which headers, in which order, their exact text; text that is cut as snprintf
 * cuts it; log lines; baggage and tracestate that are read, set and removed. */
#define _GNU_SOURCE
#include "context.h"

#include "witness.h"

static struct weir_ctx ctx;
static char room[8192];

static void begin_buffered(const char *traceparent, const char *tracestate, const char *baggage)
{
	struct weir_ctx_options o = {.size = sizeof o, .buffer = room, .buffer_size = sizeof room};

	weir_ctx_begin_opts(&ctx, &o);
	if (traceparent != NULL)
		weir_ctx_add_header(&ctx, weir_str_of("traceparent"), weir_str_of(traceparent));
	if (tracestate != NULL)
		weir_ctx_add_header(&ctx, weir_str_of("tracestate"), weir_str_of(tracestate));
	if (baggage != NULL)
		weir_ctx_add_header(&ctx, weir_str_of("baggage"), weir_str_of(baggage));
}

/* ---- headers ---- */

ALONE(headers_in_their_order)
{
	const struct sent *s;

	begin_buffered(TRACEPARENT, " b=2 , a=1", "k = v , l=w;p=1");
	s = send_of(&ctx);
	assert_int_equal(s->count, 3);
	assert_string_equal(s->name[0], "traceparent");
	assert_string_equal(s->value[0], TRACEPARENT);
	assert_string_equal(s->name[1], "tracestate");
	assert_string_equal(s->value[1], "b=2,a=1");
	assert_string_equal(s->name[2], "baggage");
	assert_string_equal(s->value[2], "k=v,l=w;p=1");
	begin_buffered(TRACEPARENT, NULL, NULL); /* what is empty is not sent */
	assert_int_equal(send_of(&ctx)->count, 1);
	weir_ctx_inject(&ctx, NULL, NULL);
	weir_ctx_inject(NULL, keep_sent, NULL); /* none is current: not called */
}

ALONE(the_innermost_spans_ids_go_out)
{
	struct weir_span root, child, apart;
	struct weir_span_options o = {.size = sizeof o, .parent = &root};
	struct weir_ids ids;
	char trace[33], span[17], wanted[64];

	witness(NULL);
	begin_with(&ctx, TRACEPARENT, NULL);
	assert_string_equal(sent_value(&ctx, "traceparent"), TRACEPARENT); /* before a span: the caller's */
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	weir_span_begin(&child, &ctx, WEIR_CLIENT, "child");
	weir_span_begin_opts(&apart, &ctx, WEIR_CLIENT, "apart", &o);
#define IS_SENT(from, text)                                                                                            \
	do {                                                                                                           \
		ids = weir_span_ids(from);                                                                             \
		weir_ids_hex(&ids, trace, span);                                                                       \
		snprintf(wanted, sizeof wanted, "00-%s-%s-01", TRACE, span);                                           \
		assert_string_equal(text, wanted);                                                                     \
	} while (0)
	IS_SENT(&child, sent_value(&ctx, "traceparent"));
	{
		struct sent *own = calloc(1, sizeof *own);
		char text[128], line[128];

		assert_non_null(own);
		weir_span_inject(&apart, keep_sent, own);
		IS_SENT(&apart, own->value[0]);
		assert_int_equal(weir_span_inject_text(&apart, text, sizeof text), 13 + 55 + 2);
		snprintf(line, sizeof line, "traceparent: %s\r\n", wanted);
		assert_string_equal(text, line);
		free(own);
	}
	weir_span_end(&child);
	IS_SENT(&root, sent_value(&ctx, "traceparent"));
	weir_span_end(&apart);
	weir_span_end(&root);
	ids = weir_span_ids(&root); /* one that has ended has none */
	assert_int_equal(ids.span_id[0] | ids.trace_id[0], 0);
	assert_int_equal(weir_span_inject_text(&root, NULL, 0), 0);
	assert_int_equal(weir_span_inject_text(NULL, NULL, 0), 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "last");
	weir_ctx_end(&ctx);
	ids = weir_span_ids(&root); /* nor has one whose context has */
	for (int i = 0; i < 8; i++)
		assert_int_equal(ids.span_id[i], 0);
}

ALONE(text_is_cut_as_snprintf_cuts_it)
{
	static const char whole[] = "traceparent: " TRACEPARENT "\r\ntracestate: a=1\r\nbaggage: k=v\r\n";
	char buf[sizeof whole + 8];

	begin_buffered(TRACEPARENT, "a=1", "k=v");
	assert_int_equal(weir_ctx_inject_text(&ctx, NULL, 0), sizeof whole - 1);
	assert_int_equal(weir_ctx_inject_text(&ctx, NULL, 100), sizeof whole - 1);
	for (size_t size = 0; size < sizeof buf; size++) {
		memset(buf, '!', sizeof buf);
		assert_int_equal(weir_ctx_inject_text(&ctx, buf, size), sizeof whole - 1);
		if (size == 0) {
			assert_int_equal(buf[0], '!');
		} else {
			size_t len = size - 1 < sizeof whole - 1 ? size - 1 : sizeof whole - 1;

			assert_memory_equal(buf, whole, len);
			assert_int_equal(buf[len], '\0');
			assert_int_equal(buf[len + 1], '!');
		}
	}
}

ALONE(b3_goes_out_as_configured)
{
	const struct sent *s;
	struct sent *own = calloc(1, sizeof *own);

	setenv("OTEL_PROPAGATORS", "tracecontext, b3,b3multi,baggage", 1);
	witness(NULL);
	begin_buffered(TRACEPARENT, "a=1", "k=v");
	s = send_of(&ctx);
	assert_int_equal(s->count, 7);
	assert_string_equal(s->name[0], "traceparent");
	assert_string_equal(s->name[1], "tracestate");
	assert_string_equal(s->name[2], "b3");
	assert_string_equal(s->value[2], TRACE "-" PARENT "-1");
	assert_string_equal(s->name[3], "X-B3-TraceId");
	assert_string_equal(s->value[3], TRACE);
	assert_string_equal(s->name[4], "X-B3-SpanId");
	assert_string_equal(s->value[4], PARENT);
	assert_string_equal(s->name[5], "X-B3-Sampled");
	assert_string_equal(s->value[5], "1");
	assert_string_equal(s->name[6], "baggage");
	begin_with(&ctx, "00-" TRACE "-" PARENT "-00", NULL);
	assert_string_equal(sent_value(&ctx, "b3"), TRACE "-" PARENT "-0");
	assert_string_equal(sent_value(&ctx, "X-B3-Sampled"), "0");
	free(own);
}

ALONE(no_propagator_sends_nothing)
{
	setenv("OTEL_PROPAGATORS", "none", 1);
	witness(NULL);
	begin_buffered(TRACEPARENT, "a=1", "k=v");
	assert_int_equal(send_of(&ctx)->count, 0);
	assert_int_equal(weir_ctx_inject_text(&ctx, NULL, 0), 0);
}

ALONE(a_response_tells_the_trace)
{
	struct weir_options o = {.size = sizeof o, .request_id_header = "X-Request-ID"};
	struct sent *s = calloc(1, sizeof *s);

	assert_non_null(s);
	begin_with(&ctx, TRACEPARENT, NULL);
	weir_ctx_inject_response(&ctx, keep_sent, s);
	assert_int_equal(s->count, 1);
	assert_string_equal(s->name[0], "X-Trace-ID");
	assert_string_equal(s->value[0], TRACE);
	witness(&o);
	weir_ctx_add_header(&ctx, weir_str_of("X-Request-ID"), weir_str_of("not-the-trace"));
	weir_ctx_inject_response(&ctx, keep_sent, s);
	assert_string_equal(s->name[1], "X-Request-ID");
	assert_string_equal(s->value[1], TRACE);
	weir_ctx_inject_response(&ctx, NULL, NULL);
	weir_ctx_inject_response(NULL, keep_sent, s);
	assert_int_equal(s->count, 2);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
	o.request_id_header = ""; /* none at all */
	witness(&o);
	weir_ctx_inject_response(&ctx, keep_sent, s);
	assert_int_equal(s->count, 2);
	free(s);
}

/* ---- log lines ---- */

ALONE(log_lines)
{
	static const char whole[] = "trace_id=" TRACE " span_id=" PARENT;
	char buf[sizeof whole + 8];
	struct weir_scope scope;

	begin_with(&ctx, TRACEPARENT, NULL);
	assert_int_equal(weir_ctx_log(&ctx, buf, sizeof buf), sizeof whole - 1);
	assert_string_equal(buf, whole);
	assert_int_equal(weir_ctx_log(&ctx, NULL, 0), sizeof whole - 1);
	assert_int_equal(weir_ctx_log(&ctx, buf, 20), sizeof whole - 1);
	assert_memory_equal(buf, whole, 19);
	assert_int_equal(strlen(buf), 19);
	assert_int_equal(weir_ctx_log(WEIR_CURRENT, buf, sizeof buf), 0);
	assert_string_equal(buf, "");
	scope = weir_ctx_attach(&ctx);
	assert_int_equal(weir_ctx_log(WEIR_CURRENT, buf, sizeof buf), sizeof whole - 1);
	assert_string_equal(buf, whole);
	assert_memory_equal(weir_ctx_ids(WEIR_CURRENT).trace_id, weir_ctx_ids(&ctx).trace_id, 16);
	weir_ctx_detach(scope);
}

ALONE(ids_as_hex)
{
	struct weir_ids ids;
	char trace[33], span[17];

	ids_of_text(&ids, TRACE, PARENT);
	weir_ids_hex(&ids, trace, span);
	assert_string_equal(trace, TRACE);
	assert_string_equal(span, PARENT);
}

/* ---- baggage ---- */

ALONE(baggage_is_read_set_and_removed)
{
	char value[32], key[8], large[8200];

	begin_buffered(TRACEPARENT, NULL, "user=alice,note=a%20b%2Cc;p=1");
	assert_int_equal(weir_ctx_get_baggage(&ctx, "user", value, sizeof value), 5);
	assert_string_equal(value, "alice");
	assert_int_equal(weir_ctx_get_baggage(&ctx, "note", value, sizeof value), 5);
	assert_string_equal(value, "a b,c");
	assert_int_equal(weir_ctx_get_baggage(&ctx, "note", value, 3), 5);
	assert_string_equal(value, "a ");
	assert_int_equal(weir_ctx_get_baggage(&ctx, "user", NULL, 9), 5);
	assert_int_equal(weir_ctx_get_baggage(&ctx, "nobody", value, sizeof value), WEIR_ENOTFOUND);
	assert_int_equal(weir_ctx_get_baggage(&ctx, NULL, value, sizeof value), WEIR_ENOTFOUND);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "user", weir_str_of("b\xc3\xb6""b, x")), WEIR_OK);
	assert_int_equal(weir_ctx_get_baggage(&ctx, "user", value, sizeof value), 7);
	assert_string_equal(value, "b\xc3\xb6""b, x");
	assert_string_equal(sent_value(&ctx, "baggage"), "note=a%20b%2Cc;p=1,user=b%C3%B6b%2C%20x");
	assert_int_equal(weir_ctx_set_baggage(&ctx, "note", weir_str_n(NULL, 0)), WEIR_OK);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "note", weir_str_n(NULL, 0)), WEIR_ENOTFOUND);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "user", weir_str_n(NULL, 0)), WEIR_OK);
	assert_null(sent_value(&ctx, "baggage"));
	assert_int_equal(weir_ctx_set_baggage(&ctx, "a b", weir_str_of("c")), WEIR_EINVAL);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "", weir_str_of("c")), WEIR_EINVAL);
	assert_int_equal(weir_ctx_set_baggage(&ctx, NULL, weir_str_of("c")), WEIR_EINVAL);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "empty", weir_str_of("")), WEIR_OK);
	assert_int_equal(weir_ctx_get_baggage(&ctx, "empty", value, sizeof value), 0);
	for (int i = 0; i < 63; i++) {
		snprintf(key, sizeof key, "k%d", i);
		assert_int_equal(weir_ctx_set_baggage(&ctx, key, weir_str_of("v")), WEIR_OK);
	}
	assert_int_equal(weir_ctx_set_baggage(&ctx, "one.more", weir_str_of("v")), WEIR_ELIMIT);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "k5", weir_str_of("w")), WEIR_OK);
	memset(large, 'x', sizeof large);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "k5", weir_str_n(large, sizeof large)), WEIR_ELIMIT);
	assert_int_equal(weir_ctx_get_baggage(&ctx, "k5", value, sizeof value), 1); /* as it was */
}

/* All values of the header, in their order and any case; a bad member costs itself alone. */
ALONE(several_baggage_headers_are_one)
{
	char value[8];

	begin_buffered(TRACEPARENT, NULL, "a=1;p=q,b=2");
	weir_ctx_add_header(&ctx, weir_str_of("BAGGAGE"), weir_str_of(" c = 3 , bad"));
	weir_ctx_add_header(&ctx, weir_str_of("host"), weir_str_of("x=y"));
	weir_ctx_add_header(&ctx, weir_str_of("Baggage"), weir_str_of(""));
	weir_ctx_add_header(&ctx, weir_str_of("baggage"), weir_str_of("d=%C3%A4,b=5"));
	assert_string_equal(sent_value(&ctx, "baggage"), "a=1;p=q,b=2,c=3,d=%C3%A4,b=5");
	assert_int_equal(weir_ctx_get_baggage(&ctx, "d", value, sizeof value), 2);
	assert_string_equal(value, "\xc3\xa4");
	assert_int_equal(weir_ctx_get_baggage(&ctx, "b", value, sizeof value), 1);
	assert_string_equal(value, "5");
	weir_ctx_end(&ctx);
	assert_int_equal(status_now().baggage_dropped, 1);
}

ALONE(baggage_without_a_buffer_is_counted)
{
	struct weir_header headers[] = {header("traceparent", TRACEPARENT), header("baggage", "a=1,b=2"), header("Baggage", "c=3")};
	char value[8];

	weir_ctx_begin(&ctx, headers, 3);
	assert_int_equal(weir_ctx_get_baggage(&ctx, "a", value, sizeof value), WEIR_ENOTFOUND);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "a", weir_str_of("1")), WEIR_ENOMEM);
	assert_null(sent_value(&ctx, "baggage"));
	assert_int_equal(status_now().baggage_dropped, 2);
	weir_ctx_end(&ctx);
	{
		struct weir_ctx_options o = {.size = sizeof o, .buffer = room, .buffer_size = 10};

		weir_ctx_begin_opts(&ctx, &o);
		for (int i = 0; i < 3; i++)
			weir_ctx_add_header(&ctx, headers[i].name, headers[i].value);
		assert_string_equal(sent_value(&ctx, "baggage"), "a=1,b=2");
		assert_int_equal(weir_ctx_set_baggage(&ctx, "more", weir_str_of("1")), WEIR_ENOMEM);
		weir_ctx_end(&ctx);
	}
	assert_int_equal(status_now().baggage_dropped, 3);
}

ALONE(baggage_becomes_attributes_by_allow_list_only)
{
	static const char *const keys[] = {"tenant", "user", "absent", "long", NULL};
	struct weir_options o = {.size = sizeof o, .baggage_attrs = keys};
	struct weir_span span;
	char list[400] = "tenant=gold,secret=x,user=a%20b,long=";

	memset(list + strlen(list), 'x', 300);
	witness(&o);
	begin_buffered(TRACEPARENT, NULL, list);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "server");
	weir_span_end(&span);
	assert_int_equal(see("server")->attrs.count, 2);
	assert_attr_text(see("server")->attrs, "tenant", "gold");
	assert_attr_text(see("server")->attrs, "user", "a b");
	assert_int_equal(see("server")->dropped_attrs, 1); /* over 255 bytes */
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
	witness(NULL); /* begun anew without the list */
	begin_buffered(TRACEPARENT, NULL, list);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "without");
	weir_span_end(&span);
	assert_int_equal(see("without")->attrs.count, 0);
}

/* ---- tracestate ---- */

ALONE(tracestate_is_read_set_and_removed)
{
	begin_with(&ctx, TRACEPARENT, "a=1,b=2,c=3");
	assert_true(weir_ctx_get_tracestate(&ctx, "b").len == 1 && *weir_ctx_get_tracestate(&ctx, "b").ptr == '2');
	assert_null(weir_ctx_get_tracestate(&ctx, "x").ptr);
	assert_null(weir_ctx_get_tracestate(&ctx, NULL).ptr);
	assert_int_equal(weir_ctx_set_tracestate(&ctx, "b", weir_str_of("new")), WEIR_OK);
	assert_string_equal(sent_value(&ctx, "tracestate"), "b=new,a=1,c=3"); /* others keep their order */
	assert_int_equal(weir_ctx_set_tracestate(&ctx, "a", weir_str_n(NULL, 0)), WEIR_OK);
	assert_int_equal(weir_ctx_set_tracestate(&ctx, "a", weir_str_n(NULL, 0)), WEIR_ENOTFOUND);
	assert_int_equal(weir_ctx_set_tracestate(&ctx, "A", weir_str_of("1")), WEIR_EINVAL);
	assert_int_equal(weir_ctx_set_tracestate(&ctx, "x", weir_str_of("a,b")), WEIR_EINVAL);
	assert_int_equal(weir_ctx_set_tracestate(&ctx, "x", weir_str_of("")), WEIR_EINVAL);
	assert_int_equal(weir_ctx_set_tracestate(&ctx, NULL, weir_str_of("1")), WEIR_EINVAL);
	assert_string_equal(sent_value(&ctx, "tracestate"), "b=new,c=3");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(headers_in_their_order),
	cmocka_unit_test(the_innermost_spans_ids_go_out),
	cmocka_unit_test(text_is_cut_as_snprintf_cuts_it),
	cmocka_unit_test(b3_goes_out_as_configured),
	cmocka_unit_test(no_propagator_sends_nothing),
	cmocka_unit_test(a_response_tells_the_trace),
	cmocka_unit_test(log_lines),
	cmocka_unit_test(ids_as_hex),
	cmocka_unit_test(baggage_is_read_set_and_removed),
	cmocka_unit_test(several_baggage_headers_are_one),
	cmocka_unit_test(baggage_without_a_buffer_is_counted),
	cmocka_unit_test(baggage_becomes_attributes_by_allow_list_only),
	cmocka_unit_test(tracestate_is_read_set_and_removed),
};
ALONE_MAIN(tests)
