/* Unit: src/extract.c: what a request's headers mean, in whatever order they come: W3C, B3, the request id, baggage; and that
 * malformed ones, many and large ones cost nothing but a new trace. */
#define _GNU_SOURCE
#include "context.h"
#include "w3c.h"

#include "witness.h"

static struct weir_ctx ctx;

#define OTHER "0af7651916cd43dd8448eb211c80319c"
#define H(name, value) {{(name), sizeof(name) - 1}, {(value), sizeof(value) - 1}}
#define BEGIN(...)                                                                                                     \
	do {                                                                                                           \
		const struct weir_header headers_[] = {__VA_ARGS__};                                                   \
		weir_ctx_begin(&ctx, headers_, COUNT(headers_));                                                       \
	} while (0)

static bool is_trace(const char *trace)
{
	struct weir_ids ids = weir_ctx_ids(&ctx);
	char text[33], span[17];

	weir_ids_hex(&ids, text, span);
	return strcmp(text, trace) == 0;
}

/* Neither of those that came, and random. */
static void is_new(void)
{
	struct weir_ids ids = weir_ctx_ids(&ctx);

	assert_false(is_trace(TRACE) || is_trace(OTHER));
	assert_false(weir__is_zero(ids.trace_id, 16) || weir__is_zero(ids.span_id, 8));
	assert_int_equal(ids.flags & 2, 2);
}

/* ---- traceparent ---- */

ALONE(a_valid_traceparent_goes_on)
{
	static const char *const valid[] = {
		"00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-00", "00-" TRACE "-" PARENT "-ff",
		" 00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-01 \t", "01-" TRACE "-" PARENT "-01",
		"cc-" TRACE "-" PARENT "-01-what-the-future-brings", "fe-" TRACE "-" PARENT "-01-", "01-" TRACE "-" PARENT "-09",
	};
	struct weir_ids parent;

	ids_of_text(&parent, TRACE, PARENT);
	for (size_t i = 0; i < COUNT(valid); i++) {
		begin_with(&ctx, valid[i], NULL);
		if (!is_trace(TRACE))
			fail_msg("%s began a new trace", valid[i]);
		assert_memory_equal(weir_ctx_ids(&ctx).span_id, parent.span_id, 8);
		weir_ctx_end(&ctx);
	}
	assert_int_equal(status_now().headers_malformed, 0);
}

ALONE(a_malformed_traceparent_begins_a_new_trace)
{
	static const char *const malformed[] = {
		"", " ", "-", "0", "00", "00-", "---", "00-" TRACE, "00-" TRACE "-" PARENT, "00-" TRACE "-" PARENT "-",
		"00-" TRACE "-" PARENT "-0", "00-" TRACE "-" PARENT "-1", "00-" TRACE "-" PARENT "-001", "00-" TRACE "-" PARENT "-01-",
		"00-" TRACE "-" PARENT "-01-more", "00-" TRACE "-" PARENT "-01.", "00-" TRACE "-" PARENT "-01,00-" TRACE "-" PARENT "-01",
		"ff-" TRACE "-" PARENT "-01", "ff-" TRACE "-" PARENT "-01-more", "FF-" TRACE "-" PARENT "-01",
		"0-" TRACE "-" PARENT "-01", "000-" TRACE "-" PARENT "-01", "0g-" TRACE "-" PARENT "-01", "0A-" TRACE "-" PARENT "-01",
		"01-" TRACE "-" PARENT "-01more", "01-" TRACE "-" PARENT "-1", "cc-" TRACE "-" PARENT "-01.",
		"00-00000000000000000000000000000000-" PARENT "-01", "00-" TRACE "-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", "00-" TRACE "-00F067AA0BA902B7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473-" PARENT "-01", "00-" TRACE "4-" PARENT "-01", "00-" TRACE "-00f067aa0ba902b-01",
		"00-" TRACE "-" PARENT "7-01", "00-" TRACE "-" PARENT "-0x", "00-" TRACE "-" PARENT "-0A", "00-" TRACE "-" PARENT "- 1",
		"00_" TRACE "-" PARENT "-01", "00-" TRACE "_" PARENT "-01", "00-" TRACE "-" PARENT "_01", "00 -" TRACE "-" PARENT "-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473z-" PARENT "-01", "00-" TRACE "-00f067aa0ba902bz-01", "null", "undefined",
		"00-" TRACE "-" PARENT "-01\n", "\n00-" TRACE "-" PARENT "-01", "\"00-" TRACE "-" PARENT "-01\"",
		"00-4bf92f35-77b3-4da6-a3ce-929d0e0e4736-" PARENT "-01", "00:" TRACE ":" PARENT ":01", "00-" TRACE "-" PARENT "-+1",
		"00-\xd9\xa4" "bf92f3577b34da6a3ce929d0e0e4736-" PARENT "-01", TRACE "-" PARENT "-1", "1-" TRACE "-" PARENT "-01",
	};
	uint64_t before = 0;

	for (size_t i = 0; i < COUNT(malformed); i++) {
		begin_with(&ctx, malformed[i], "a=1");
		is_new();
		assert_null(sent_value(&ctx, "tracestate"));
		if (status_now().headers_malformed != ++before)
			fail_msg("not counted: %s", malformed[i]);
		weir_ctx_end(&ctx);
	}
	BEGIN(H("traceparent", "00-" TRACE "-" PARENT "\0-01"));
	is_new();
}

/* Two of them are no parent, be they valid or not, in whatever order. */
ALONE(two_traceparents_begin_a_new_trace)
{
#define VALID "00-" TRACE "-" PARENT "-01"
#define SECOND "00-" OTHER "-b7ad6b7169203331-01"
	BEGIN(H("traceparent", VALID), H("traceparent", SECOND));
	is_new();
	BEGIN(H("traceparent", VALID), H("traceparent", VALID));
	is_new();
	BEGIN(H("traceparent", VALID), H("traceparent", "junk"));
	is_new();
	BEGIN(H("traceparent", "junk"), H("traceparent", VALID));
	is_new();
	BEGIN(H("traceparent", ""), H("traceparent", VALID));
	is_new();
	BEGIN(H("traceparent", VALID), H("TRACEPARENT", ""));
	is_new();
	BEGIN(H("traceparent", "junk"), H("traceparent", "junk"));
	is_new();
	BEGIN(H("traceparent", VALID), H("traceparent", SECOND), H("traceparent", VALID));
	is_new();
	BEGIN(H("traceparent", VALID), H("tracestate", "a=1"), H("Traceparent", SECOND), H("tracestate", "b=1"));
	is_new();
	assert_null(sent_value(&ctx, "tracestate"));
	BEGIN(H("traceparent", VALID), H("host", "a"), H("traceparenT", SECOND), H("traceparent2", VALID));
	is_new();
	assert_true(status_now().headers_malformed >= 10);
}

ALONE(names_have_any_case_and_any_order)
{
	BEGIN(H("tracestate", "a=1"), H("TraceParent", VALID));
	assert_true(is_trace(TRACE));
	assert_string_equal(sent_value(&ctx, "tracestate"), "a=1");
	BEGIN(H("Accept", "*/*"), H("TRACESTATE", "a=1"), H("X", VALID), H("TRACEPARENT", VALID), H("tracesTATE", "b=2"));
	assert_true(is_trace(TRACE));
	assert_string_equal(sent_value(&ctx, "tracestate"), "a=1,b=2");
	BEGIN(H("trace-parent", VALID), H("traceparent ", VALID), H("", VALID));
	is_new();
}

ALONE(one_header_at_a_time_before_the_first_span)
{
	struct weir_span span;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_add_header(&ctx, weir_str_of("tracestate"), weir_str_of("a=1"));
	weir_ctx_add_header(&ctx, weir_str_of("Traceparent"), weir_str_of(VALID));
	weir_ctx_add_header(&ctx, weir_str_of("tracestate"), weir_str_of("b=2"));
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	assert_true(is_trace(TRACE));
	weir_ctx_add_header(&ctx, weir_str_of("traceparent"), weir_str_of(SECOND)); /* too late */
	weir_ctx_add_header(&ctx, weir_str_of("tracestate"), weir_str_of("c=3"));
	assert_true(is_trace(TRACE));
	assert_string_equal(sent_value(&ctx, "tracestate"), "a=1,b=2");
	weir_span_end(&span);
}

ALONE(nothing_given_is_harmless)
{
	const struct weir_header empty[] = {{{NULL, 0}, {NULL, 0}}, {{NULL, 11}, {VALID, 55}}, {{"traceparent", 11}, {NULL, 55}}};

	weir_ctx_begin(&ctx, empty, COUNT(empty));
	is_new();
	weir_ctx_begin(&ctx, NULL, 1000);
	is_new();
	weir_ctx_begin(NULL, empty, COUNT(empty));
	weir_ctx_begin_opts(&ctx, NULL);
	is_new();
	weir_ctx_add_header(NULL, weir_str_of("traceparent"), weir_str_of(VALID)); /* nobody's is current */
}

ALONE(flags_are_kept_or_made)
{
	static const struct {
		const char *in;
		int out;
	} flags[] = {{"00", 0}, {"01", 1}, {"02", 2}, {"03", 3}, {"ff", 3}, {"fc", 0}, {"0a", 2}, {"81", 1}};

	for (size_t i = 0; i < COUNT(flags); i++) {
		char text[64], sent[64];

		snprintf(text, sizeof text, "00-" TRACE "-" PARENT "-%s", flags[i].in);
		snprintf(sent, sizeof sent, "00-" TRACE "-" PARENT "-%02x", (unsigned)flags[i].out);
		begin_with(&ctx, text, NULL);
		assert_int_equal(weir_ctx_ids(&ctx).flags, flags[i].out);
		assert_string_equal(sent_value(&ctx, "traceparent"), sent);
	}
}

/* ---- tracestate ---- */

ALONE(tracestates_are_joined_in_order)
{
	BEGIN(H("traceparent", VALID), H("tracestate", "a=1,b=2"), H("tracestate", ""), H("tracestate", " c=3 , ,d=4,"));
	assert_string_equal(sent_value(&ctx, "tracestate"), "a=1,b=2,c=3,d=4");
	assert_true(weir_ctx_get_tracestate(&ctx, "c").len == 1);
	assert_null(weir_ctx_get_tracestate(&ctx, "e").ptr);
}

ALONE(a_bad_tracestate_goes_and_traceparent_stays)
{
	static const char *const bad[] = {"a", "a=", "=1", "A=1", "a=1,a=2", "a=1,b", "a==1", "a=1\x7f", "_a=1", "a b=1", "a=1;,=", "a=\xc3\xa4"};

	for (size_t i = 0; i < COUNT(bad); i++) {
		begin_with(&ctx, VALID, bad[i]);
		assert_true(is_trace(TRACE));
		if (sent_value(&ctx, "tracestate") != NULL)
			fail_msg("%s was sent on as %s", bad[i], sent_value(&ctx, "tracestate"));
		assert_int_equal(status_now().headers_malformed, i + 1);
	}
	/* also over several headers, whichever is the bad one */
	BEGIN(H("tracestate", "a=1"), H("traceparent", VALID), H("tracestate", "a=2"));
	assert_null(sent_value(&ctx, "tracestate"));
	assert_true(is_trace(TRACE));
	BEGIN(H("tracestate", "!"), H("traceparent", VALID), H("tracestate", "a=2"));
	assert_null(sent_value(&ctx, "tracestate"));
}

ALONE(tracestate_has_32_members)
{
	char text[400] = "";
	struct weir_header headers[2] = {header("traceparent", VALID)};

	for (int i = 0; i < 32; i++)
		snprintf(text + strlen(text), 12, "%sk%d=%d", i != 0 ? "," : "", i, i);
	headers[1] = header("tracestate", text);
	weir_ctx_begin(&ctx, headers, 2);
	assert_string_equal(sent_value(&ctx, "tracestate"), text);
	strcat(text, ",k32=1");
	headers[1] = header("tracestate", text);
	weir_ctx_begin(&ctx, headers, 2);
	assert_null(sent_value(&ctx, "tracestate"));
	assert_true(is_trace(TRACE));
}

ALONE(a_tracestate_without_a_traceparent_is_nobodys)
{
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_add_header(&ctx, weir_str_of("tracestate"), weir_str_of("a=1,ot=rv:00000000000000"));
	assert_null(weir_ctx_get_tracestate(&ctx, "a").ptr); /* before anybody asked for an id, too */
	is_new();
	assert_null(weir_ctx_get_tracestate(&ctx, "a").ptr);
	assert_null(sent_value(&ctx, "tracestate"));
	assert_int_equal(weir_ctx_set_tracestate(&ctx, "mine", weir_str_of("x")), WEIR_OK);
	assert_string_equal(sent_value(&ctx, "tracestate"), "mine=x");
}

/* ---- B3 ---- */

#define B3_TRACE "0af7651916cd43dd8448eb211c80319c"
#define B3_SPAN "b7ad6b7169203331"

ALONE(b3_is_off_by_default)
{
	BEGIN(H("b3", B3_TRACE "-" B3_SPAN "-1"), H("X-B3-TraceId", B3_TRACE), H("X-B3-SpanId", B3_SPAN));
	is_new();
	assert_null(sent_value(&ctx, "b3"));
	assert_int_equal(status_now().headers_malformed, 0);
}

static void with_propagators(const char *list)
{
	setenv("OTEL_PROPAGATORS", list, 1);
	witness(NULL);
}

ALONE(b3_single_comes_in)
{
	static const char *const bad[] = {"", "x", B3_TRACE, B3_TRACE "-" B3_SPAN "-2", B3_TRACE "-" B3_SPAN "-1-", "00000000000000000000000000000000-" B3_SPAN "-1",
	                                  B3_TRACE "-0000000000000000-1", "0AF7651916CD43DD8448EB211C80319C-" B3_SPAN "-1"};

	with_propagators("b3");
	BEGIN(H("B3", B3_TRACE "-" B3_SPAN "-1"));
	assert_true(is_trace(B3_TRACE));
	assert_true(is_sampled(&ctx));
	BEGIN(H("b3", B3_TRACE "-" B3_SPAN "-0-05e3ac9a4f6e3b90"));
	assert_true(is_trace(B3_TRACE));
	assert_false(is_sampled(&ctx));
	BEGIN(H("b3", B3_TRACE "-" B3_SPAN "-d"));
	assert_true(is_sampled(&ctx));
	BEGIN(H("b3", "8448eb211c80319c-" B3_SPAN "-1"));
	assert_true(is_trace("00000000000000008448eb211c80319c"));
	BEGIN(H("b3", "1")); /* no ids: a new trace */
	is_new();
	for (size_t i = 0; i < COUNT(bad); i++) {
		const struct weir_header h = header("b3", bad[i]);

		weir_ctx_begin(&ctx, &h, 1);
		is_new();
		assert_int_equal(status_now().headers_malformed, i + 1);
	}
	BEGIN(H("traceparent", VALID)); /* not in the list */
	is_new();
	BEGIN(H("b3", B3_TRACE "-" B3_SPAN "-1"), H("tracestate", "a=1"));
	assert_null(weir_ctx_get_tracestate(&ctx, "a").ptr);
}

ALONE(b3_multi_comes_in)
{
	with_propagators("b3multi");
	BEGIN(H("x-b3-traceid", B3_TRACE), H("X-B3-SPANID", B3_SPAN), H("X-B3-Sampled", "1"));
	assert_true(is_trace(B3_TRACE));
	assert_true(is_sampled(&ctx));
	BEGIN(H("x-b3-sampled", "1"), H("X-B3-SPANID", B3_SPAN), H("X-B3-TraceId", B3_TRACE));
	assert_true(is_trace(B3_TRACE));
	assert_true(is_sampled(&ctx));
	BEGIN(H("x-b3-flags", "1"), H("X-B3-SPANID", B3_SPAN), H("X-B3-TraceId", B3_TRACE), H("X-B3-Sampled", "0"));
	assert_true(is_sampled(&ctx));
	BEGIN(H("X-B3-SPANID", B3_SPAN), H("X-B3-TraceId", B3_TRACE), H("X-B3-Sampled", "false"));
	assert_true(is_trace(B3_TRACE));
	assert_false(is_sampled(&ctx));
	BEGIN(H("X-B3-TraceId", B3_TRACE), H("X-B3-Sampled", "1"));
	is_new();
	BEGIN(H("X-B3-SpanId", B3_SPAN));
	is_new();
	BEGIN(H("X-B3-SPANID", B3_SPAN), H("X-B3-TraceId", B3_TRACE), H("X-B3-Sampled", "maybe"));
	is_new();
	BEGIN(H("X-B3-SPANID", "0"), H("X-B3-TraceId", B3_TRACE), H("X-B3-SpanId", B3_SPAN));
	is_new();
	assert_int_equal(status_now().headers_malformed, 2);
	BEGIN(H("b3", B3_TRACE "-" B3_SPAN "-1")); /* either form comes in by either name */
	assert_true(is_trace(B3_TRACE));
}

/* traceparent, then the one header, then the several, whatever their order; a malformed traceparent begins anew. */
ALONE(order_among_propagators_does_not_matter)
{
	static const struct weir_header all[] = {H("traceparent", VALID), H("b3", OTHER "-" B3_SPAN "-1"),
	                                         H("X-B3-TraceId", "00000000000000000000000000000077"), H("X-B3-SpanId", "0000000000000077")};
	static const int orders[24][4] = {{0, 1, 2, 3}, {0, 1, 3, 2}, {0, 2, 1, 3}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1},
	                                  {1, 0, 2, 3}, {1, 0, 3, 2}, {1, 2, 0, 3}, {1, 2, 3, 0}, {1, 3, 0, 2}, {1, 3, 2, 0},
	                                  {2, 0, 1, 3}, {2, 0, 3, 1}, {2, 1, 0, 3}, {2, 1, 3, 0}, {2, 3, 0, 1}, {2, 3, 1, 0},
	                                  {3, 0, 1, 2}, {3, 0, 2, 1}, {3, 1, 0, 2}, {3, 1, 2, 0}, {3, 2, 0, 1}, {3, 2, 1, 0}};
	struct weir_ids parent;

	with_propagators("tracecontext,b3,b3multi");
	for (int without = 0; without < 2; without++)
		for (int i = 0; i < 24; i++) {
			ids_of_text(&parent, without == 0 ? TRACE : OTHER, without == 0 ? PARENT : B3_SPAN);
			weir_ctx_begin(&ctx, NULL, 0);
			for (int n = 0; n < 4; n++)
				if (orders[i][n] >= without)
					weir_ctx_add_header(&ctx, all[orders[i][n]].name, all[orders[i][n]].value);
			assert_memory_equal(weir_ctx_ids(&ctx).trace_id, parent.trace_id, 16);
			assert_memory_equal(weir_ctx_ids(&ctx).span_id, parent.span_id, 8);
		}
	for (int i = 0; i < 24; i++) { /* malformed */
		weir_ctx_begin(&ctx, NULL, 0);
		for (int n = 0; n < 4; n++)
			weir_ctx_add_header(&ctx, all[orders[i][n]].name, orders[i][n] == 0 ? weir_str_of("junk") : all[orders[i][n]].value);
		is_new();
		assert_false(is_trace("00000000000000000000000000000077"));
	}
}

/* Who asked for debugging asked those too that are called: by either form, from children, and where no decision of ours says no. */
ALONE(debug_goes_on)
{
	struct weir_sampling never = {.size = sizeof never, .sampler = WEIR_SAMPLER_NEVER, .ignore_parent = true};
	struct weir_ctx child;

	with_propagators("tracecontext,b3,b3multi");
	BEGIN(H("b3", B3_TRACE "-" B3_SPAN "-d"));
	assert_true(is_trace(B3_TRACE) && is_sampled(&ctx));
	assert_string_equal(sent_value(&ctx, "b3"), B3_TRACE "-" B3_SPAN "-d");
	assert_string_equal(sent_value(&ctx, "X-B3-Flags"), "1");
	assert_null(sent_value(&ctx, "X-B3-Sampled")); /* one implies the other */
	assert_string_equal(sent_value(&ctx, "traceparent"), "00-" B3_TRACE "-" B3_SPAN "-01"); /* nobody says that it is random */
	weir_ctx_begin_child(&child, &ctx);
	assert_string_equal(sent_value(&child, "b3"), B3_TRACE "-" B3_SPAN "-d");
	BEGIN(H("X-B3-Flags", "1"), H("X-B3-TraceId", B3_TRACE), H("X-B3-SpanId", B3_SPAN), H("X-B3-Sampled", "0"));
	assert_true(is_trace(B3_TRACE) && is_sampled(&ctx));
	assert_string_equal(sent_value(&ctx, "b3"), B3_TRACE "-" B3_SPAN "-d");
	BEGIN(H("X-B3-Flags", "1"), H("b3", B3_TRACE "-" B3_SPAN "-1")); /* the one header stands before the several */
	assert_string_equal(sent_value(&ctx, "b3"), B3_TRACE "-" B3_SPAN "-1");
	BEGIN(H("b3", B3_TRACE "-" B3_SPAN "-d"), H("traceparent", VALID)); /* and traceparent before both */
	assert_true(is_trace(TRACE));
	assert_string_equal(sent_value(&ctx, "X-B3-Sampled"), "1");
	assert_null(sent_value(&ctx, "X-B3-Flags"));
	BEGIN(H("X-B3-Flags", "1"), H("traceparent", "junk"));
	is_new();
	assert_null(sent_value(&ctx, "X-B3-Flags"));
	BEGIN(H("b3", "d")); /* without ids nobody is asked */
	is_new();
	assert_null(sent_value(&ctx, "X-B3-Flags"));
	BEGIN(H("X-B3-Flags", "1"));
	is_new();
	assert_null(sent_value(&ctx, "X-B3-Flags"));
	assert_int_equal(weir_sampling_set(&never), WEIR_OK);
	BEGIN(H("b3", B3_TRACE "-" B3_SPAN "-d"));
	assert_string_equal(sent_value(&ctx, "b3"), B3_TRACE "-" B3_SPAN "-0");
	assert_null(sent_value(&ctx, "X-B3-Flags"));
}

/* Each by itself: only what it stands for is read, and only that is sent; of the others' headers none is even malformed. */
ALONE(a_propagator_reads_and_sends_its_own_headers_alone)
{
	static const struct {
		const char *list, *trace, *sent; /* trace NULL: a new one */
	} each[] = {
		{"tracecontext", TRACE, "traceparent tracestate "},
		{"baggage", NULL, "baggage "},
		{"b3", OTHER, "b3 "},
		{"b3multi", OTHER, "X-B3-TraceId X-B3-SpanId X-B3-Sampled "},
		{"none", NULL, ""},
	};
	static char buffer[256];
	struct weir_ctx_options o = {.size = sizeof o, .buffer = buffer, .buffer_size = sizeof buffer};

	for (size_t i = 0; i < COUNT(each); i++) {
		char names[200] = "";
		const struct sent *s;

		with_propagators(each[i].list);
		for (int junk = 1; junk >= 0; junk--) {
			weir_ctx_begin_opts(&ctx, &o);
			weir_ctx_add_header(&ctx, weir_str_of("traceparent"), weir_str_of(junk && i != 0 ? "junk" : VALID));
			weir_ctx_add_header(&ctx, weir_str_of("tracestate"), weir_str_of(junk && i != 0 ? "junk" : "a=1"));
			weir_ctx_add_header(&ctx, weir_str_of("baggage"), weir_str_of("k=v"));
			weir_ctx_add_header(&ctx, weir_str_of("b3"), weir_str_of(junk && i != 2 && i != 3 ? "junk" : OTHER "-" B3_SPAN "-1"));
			if (each[i].trace == NULL)
				is_new();
			else
				assert_true(is_trace(each[i].trace));
		}
		s = send_of(&ctx);
		for (size_t n = 0; n < s->count; n++)
			snprintf(names + strlen(names), sizeof names - strlen(names), "%s ", s->name[n]);
		assert_string_equal(names, each[i].sent);
		assert_int_equal(weir_ctx_get_baggage(&ctx, "k", NULL, 0), i == 1 ? 1 : WEIR_ENOTFOUND);
		assert_int_equal(status_now().headers_malformed, 0);
		assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
	}
}

/* ---- the request id ---- */

ALONE(a_valid_request_id_is_recorded_and_never_trusted)
{
	static const char *const good[] = {"abc", "4bf92f3577b34da6a3ce929d0e0e4736", "a-b_c.d:E", " padded\t", "12345678901234567890123456789012345678901234567890123456"};
	static const char *const bad[] = {"", " ", "a b", "a\"b", "<script>", "a\nb", "123456789012345678901234567890123456789012345678901234567", "\xc3\xa4", "a,b", "a;b"};
	struct weir_span span;
	char name[16];

	witness(NULL);
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct weir_header h = header(i % 2 == 0 ? "X-Trace-ID" : "x-trace-id", good[i]);

		snprintf(name, sizeof name, "good %zu", i);
		weir_ctx_begin(&ctx, &h, 1);
		is_new();
		weir_span_begin(&span, &ctx, WEIR_SERVER, name);
		weir_span_end(&span);
		assert_attr_text(see(name)->attrs, "http.request.id", i == 3 ? "padded" : good[i]);
		weir_ctx_end(&ctx);
	}
	assert_int_equal(status_now().headers_malformed, 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		const struct weir_header h = header("X-Trace-ID", bad[i]);

		snprintf(name, sizeof name, "bad %zu", i);
		weir_ctx_begin(&ctx, &h, 1);
		weir_span_begin(&span, &ctx, WEIR_SERVER, name);
		weir_span_end(&span);
		assert_no_attr(see(name)->attrs, "http.request.id");
		weir_ctx_end(&ctx);
	}
	assert_int_equal(status_now().headers_malformed, COUNT(bad));
}

ALONE(the_request_ids_name_is_configurable)
{
	struct weir_options o = {.size = sizeof o, .request_id_header = "X-Request-Id"};
	struct weir_span span;

	witness(&o);
	BEGIN(H("x-request-id", "one"), H("x-trace-id", "two"), H("X_Request_Id", "three"), H("X-Request-Id\0", "four"));
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	weir_span_end(&span);
	assert_attr_text(see("span")->attrs, "http.request.id", "one");
}

/* ---- many, and large ---- */

ALONE(ten_thousand_headers)
{
	enum { MANY = 10000 };
	struct weir_header *headers = calloc(MANY, sizeof *headers);
	static char names[MANY][16];

	assert_non_null(headers);
	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "X-Header-%d", i);
		headers[i] = header(names[i], "value");
	}
	headers[MANY / 2] = header("traceparent", VALID);
	headers[MANY - 1] = header("tracestate", "a=1");
	weir_ctx_begin(&ctx, headers, MANY);
	assert_true(is_trace(TRACE));
	assert_string_equal(sent_value(&ctx, "tracestate"), "a=1");
	for (int i = 0; i < MANY; i++)
		headers[i] = header("traceparent", VALID);
	weir_ctx_begin(&ctx, headers, MANY);
	is_new();
	for (int i = 1; i < MANY; i++)
		headers[i] = header("tracestate", i % 2 == 0 ? "a=1" : "");
	weir_ctx_begin(&ctx, headers, MANY);
	assert_true(is_trace(TRACE));
	assert_null(sent_value(&ctx, "tracestate"));
	for (int i = 1; i < MANY; i++)
		headers[i] = header("baggage", "a=1");
	weir_ctx_begin(&ctx, headers, MANY);
	assert_true(is_trace(TRACE));
	assert_int_equal(status_now().baggage_dropped, MANY - 1); /* there is no buffer for it */
	free(headers);
}

ALONE(headers_of_a_mebibyte)
{
	enum { LARGE = 1 << 20 };
	static const char *const names[] = {"traceparent", "tracestate", "baggage", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags", "x-trace-id"};
	static const char fill[] = {' ', 'a', '-', ',', '0', '=', '\0', '%', (char)0xff};
	static char buffer[8192];
	char *large = malloc(LARGE);
	struct weir_ctx_options o = {.size = sizeof o, .buffer = buffer, .buffer_size = sizeof buffer};

	assert_non_null(large);
	with_propagators("tracecontext,baggage,b3,b3multi");
	for (size_t n = 0; n < COUNT(names); n++)
		for (size_t f = 0; f < COUNT(fill); f++) {
			memset(large, fill[f], LARGE);
			if (f % 2 == 0) /* one that begins well */
				memcpy(large, VALID, 55);
			weir_ctx_begin_opts(&ctx, &o);
			weir_ctx_add_header(&ctx, weir_str_of(names[n]), weir_str_n(large, LARGE));
			weir_ctx_add_header(&ctx, weir_str_n(large, LARGE), weir_str_of(VALID));
			if (n == 0 && f == 0)
				assert_true(is_trace(TRACE)); /* white space around it is passed over, however much */
			else
				is_new();
			weir_ctx_end(&ctx);
		}
	free(large);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_valid_traceparent_goes_on),
	cmocka_unit_test(a_malformed_traceparent_begins_a_new_trace),
	cmocka_unit_test(two_traceparents_begin_a_new_trace),
	cmocka_unit_test(names_have_any_case_and_any_order),
	cmocka_unit_test(one_header_at_a_time_before_the_first_span),
	cmocka_unit_test(nothing_given_is_harmless),
	cmocka_unit_test(flags_are_kept_or_made),
	cmocka_unit_test(tracestates_are_joined_in_order),
	cmocka_unit_test(a_bad_tracestate_goes_and_traceparent_stays),
	cmocka_unit_test(tracestate_has_32_members),
	cmocka_unit_test(a_tracestate_without_a_traceparent_is_nobodys),
	cmocka_unit_test(b3_is_off_by_default),
	cmocka_unit_test(b3_single_comes_in),
	cmocka_unit_test(b3_multi_comes_in),
	cmocka_unit_test(order_among_propagators_does_not_matter),
	cmocka_unit_test(debug_goes_on),
	cmocka_unit_test(a_propagator_reads_and_sends_its_own_headers_alone),
	cmocka_unit_test(a_valid_request_id_is_recorded_and_never_trusted),
	cmocka_unit_test(the_request_ids_name_is_configurable),
	cmocka_unit_test(ten_thousand_headers),
	cmocka_unit_test(headers_of_a_mebibyte),
};
ALONE_MAIN(tests)
