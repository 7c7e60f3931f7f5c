/* Unit: src/span.c: spans nest, end once, on any thread, at given times; names, events, links, failures; durations into
 * histograms, and exemplars. */
#define _GNU_SOURCE
#include "attr.h"
#include "clock.h"
#include "context.h"
#include "tally.h"

#include <weir/metric.h>
#include <weir/slo.h>

#include "witness.h"

WEIR_HISTOGRAM(latency, WEIR_LATENCY, "span_latency_seconds", "Time.");
WEIR_HISTOGRAM(by_route, WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))), "span_route_seconds", "Time.", "route");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES, WEIR_BOUNDS(10, 100, 1000)), "span_sizes_bytes", "Sizes.");
WEIR_COUNTER(requests, "span_requests_total", "Requests.", "method", "code");
WEIR_COUNTER(hits, "span_hits_total", "Hits.");

static struct weir_ctx ctx;

static const struct weir_exemplar *exemplars_of(const char *name, const struct weir_str *values, size_t count, size_t *found)
{
	static struct weir_snapshot *snapshot;
	static struct weir_series series;

	see_all();
	weir_snapshot_destroy(snapshot);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_true(weir_snapshot_find(snapshot, name, values, count, &series));
	*found = series.exemplars_count;
	return series.exemplars;
}

/* ---- parents ---- */

ALONE(a_root_has_no_parent)
{
	struct weir_span span;
	struct weir_ids ids;
	const struct weir_ended *e;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
	ids = weir_span_ids(&span);
	weir_span_end(&span);
	e = see("root");
	assert_memory_equal(e->ids.trace_id, ids.trace_id, 16);
	assert_memory_equal(e->ids.span_id, ids.span_id, 8);
	assert_memory_equal(e->parent_id, "\0\0\0\0\0\0\0", 8);
	assert_int_equal(e->ids.flags, 3); /* sampled, and random */
	assert_int_equal(e->kind, WEIR_SERVER);
	assert_int_equal(e->status, WEIR_STATUS_UNSET);
	assert_false(e->remote_parent || e->failed || e->kept);
	assert_int_equal(e->attrs.count + e->events_count + e->links_count, 0);
	assert_int_equal(e->dropped_attrs + e->dropped_events + e->dropped_links, 0);
	assert_int_equal(status_now().spans_exported, 1);
}

/* What is logged or sent before a root's first span begins is that span's own. */
ALONE(ids_told_before_the_root_are_the_roots)
{
	struct weir_span span;
	struct weir_ids before;
	const struct weir_ended *e;
	char line[128];

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	assert_int_equal(weir_ctx_log(&ctx, line, sizeof line), 9 + 32 + 9 + 16);
	assert_null(strstr(line, "span_id=0000000000000000"));
	assert_null(strstr(sent_value(&ctx, "traceparent"), "-0000000000000000-"));
	before = weir_ctx_ids(&ctx);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
	weir_span_end(&span);
	e = see("root");
	assert_memory_equal(e->ids.span_id, before.span_id, 8);
	assert_memory_equal(e->parent_id, "\0\0\0\0\0\0\0", 8);
}

ALONE(the_callers_span_is_the_remote_parent)
{
	struct weir_span span, child;
	struct weir_ids parent;

	witness(NULL);
	ids_of_text(&parent, TRACE, PARENT);
	begin_with(&ctx, TRACEPARENT, "a=1,b=2");
	weir_span_begin(&span, &ctx, WEIR_SERVER, "server");
	weir_span_begin(&child, &ctx, WEIR_INTERNAL, "child");
	weir_span_end(&child);
	weir_span_end(&span);
	assert_memory_equal(see("server")->parent_id, parent.span_id, 8);
	assert_memory_equal(see("server")->ids.trace_id, parent.trace_id, 16);
	assert_true(see("server")->remote_parent);
	assert_int_equal(see("server")->ids.flags, 1);
	assert_string_equal(tracestate_of(see("server")), "a=1,b=2");
	assert_false(see("child")->remote_parent);
	assert_memory_equal(see("child")->parent_id, see("server")->ids.span_id, 8);
}

enum { DEEP = 500 };
ALONE(spans_nest_to_any_depth)
{
	static struct weir_span spans[DEEP];
	char name[32];

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	for (int i = 0; i < DEEP; i++) {
		snprintf(name, sizeof name, "%d", i);
		weir_span_begin(&spans[i], &ctx, WEIR_INTERNAL, name);
	}
	for (int i = DEEP; i-- > 0;) {
		assert_memory_equal(weir_ctx_ids(&ctx).span_id, weir_span_ids(&spans[i]).span_id, 8);
		weir_span_end(&spans[i]);
	}
	assert_int_equal(see_all(), DEEP);
	for (int i = 1; i < DEEP; i++) {
		char parent[32];

		snprintf(name, sizeof name, "%d", i);
		snprintf(parent, sizeof parent, "%d", i - 1);
		assert_memory_equal(see(name)->parent_id, see(parent)->ids.span_id, 8);
		assert_memory_equal(see(name)->ids.trace_id, see("0")->ids.trace_id, 16);
	}
}

ALONE(the_next_child_is_a_sibling)
{
	struct weir_span root, span;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	weir_span_begin(&span, &ctx, WEIR_CLIENT, "one");
	weir_span_end(&span);
	weir_span_begin(&span, &ctx, WEIR_CLIENT, "two");
	weir_span_end(&span);
	weir_span_end(&root);
	assert_memory_equal(see("one")->parent_id, see("root")->ids.span_id, 8);
	assert_memory_equal(see("two")->parent_id, see("root")->ids.span_id, 8);
	assert_true(memcmp(see("one")->ids.span_id, see("two")->ids.span_id, 8) != 0);
}

ALONE(a_span_in_the_current_context)
{
	struct weir_span root, child;
	struct weir_scope scope;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	scope = weir_ctx_attach(&ctx);
	weir_span_begin(&child, WEIR_CURRENT, WEIR_CLIENT, "child");
	weir_span_end(&child);
	weir_ctx_detach(scope);
	weir_span_end(&root);
	assert_memory_equal(see("child")->parent_id, see("root")->ids.span_id, 8);
	/* none is current: harmless, and nothing */
	weir_span_begin(&child, WEIR_CURRENT, WEIR_CLIENT, "nobody's");
	weir_span_set_attrs(&child, WEIR_ATTRS_(weir_attr_int("a", 1)));
	weir_span_event(&child, "e");
	weir_span_fail(&child, "why");
	assert_false(weir_span_is_recording(&child));
	assert_int_equal(weir_span_end(&child), 0);
	assert_int_equal(see_all(), 2);
}

/* Several may be open at once, each with a parent of its own; what is innermost stays as it was. */
ALONE(a_parent_given)
{
	struct weir_span root, a, b, under_a, under_b;
	struct weir_span_options o = {.size = sizeof o};

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	o.parent = &root;
	weir_span_begin_opts(&a, &ctx, WEIR_INTERNAL, "a", &o);
	weir_span_begin_opts(&b, &ctx, WEIR_INTERNAL, "b", &o);
	assert_memory_equal(weir_ctx_ids(&ctx).span_id, weir_span_ids(&root).span_id, 8);
	o.parent = &a;
	weir_span_begin_opts(&under_a, &ctx, WEIR_INTERNAL, "under a", &o);
	o.parent = &b;
	weir_span_begin_opts(&under_b, &ctx, WEIR_INTERNAL, "under b", &o);
	weir_span_end(&a);
	weir_span_end(&under_b);
	weir_span_end(&under_a);
	weir_span_end(&b);
	weir_span_end(&root);
	assert_memory_equal(see("under a")->parent_id, see("a")->ids.span_id, 8);
	assert_memory_equal(see("under b")->parent_id, see("b")->ids.span_id, 8);
	assert_memory_equal(see("a")->parent_id, see("root")->ids.span_id, 8);
	assert_memory_equal(see("b")->parent_id, see("root")->ids.span_id, 8);
}

static struct weir_span moved;
static void *end_it(void *arg)
{
	weir_span_event(&moved, "there");
	assert_true(weir_span_end(&moved) > 0);
	return arg;
}

static void *work_on_child(void *arg)
{
	struct weir_ctx child;
	struct weir_span span;

	weir_ctx_begin_child(&child, &ctx);
	weir_span_begin(&span, &child, WEIR_INTERNAL, arg);
	sleep_ms(2);
	weir_span_end(&span);
	weir_ctx_end(&child);
	return NULL;
}

ALONE(a_span_ends_on_another_thread_and_children_live_on_others)
{
	struct weir_span root;
	pthread_t threads[4];
	static char names[4][8] = {"t0", "t1", "t2", "t3"};

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	assert_true(is_sampled(&ctx)); /* settled before others look */
	for (int i = 0; i < 4; i++)
		threads[i] = begin_thread(work_on_child, names[i]);
	for (int i = 0; i < 4; i++)
		end_thread(threads[i]);
	weir_span_begin(&moved, &ctx, WEIR_CLIENT, "moved");
	sleep_ms(1);
	in_thread(end_it, NULL);
	weir_span_end(&root);
	weir_ctx_end(&ctx);
	for (int i = 0; i < 4; i++) {
		assert_memory_equal(see(names[i])->parent_id, see("root")->ids.span_id, 8);
		assert_memory_equal(see(names[i])->ids.trace_id, see("root")->ids.trace_id, 16);
		assert_false(see(names[i])->remote_parent);
		assert_true(see(names[i])->end_ns - see(names[i])->start_ns >= WEIR_MS(2));
	}
	assert_memory_equal(see("moved")->parent_id, see("root")->ids.span_id, 8);
	assert_int_equal(see("moved")->events_count, 1);
	assert_int_equal(see_all(), 6);
}

/* ---- ends ---- */

ALONE(ended_twice_is_counted_and_seen_once)
{
	struct weir_span span, never;

	witness(NULL);
	memset(&never, 0, sizeof never);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "once");
	assert_true(weir_span_is_recording(&span));
	weir_span_end(&span);
	assert_false(weir_span_is_recording(&span));
	assert_int_equal(weir_span_end(&span), 0);
	assert_int_equal(weir_span_end_at(&span, 5), 0);
	assert_int_equal(weir_span_end_record(&span, &latency), 0);
	assert_int_equal(weir_span_end(&never), 0); /* never begun */
	assert_int_equal(weir_span_end(NULL), 0);
	weir_span_set_attrs(&span, WEIR_ATTRS_(weir_attr_int("a", 1)));
	weir_span_event(&span, "late");
	weir_span_set_name(&span, weir_str_of("late"));
	weir_span_fail(&span, "late");
	weir_span_ok(&span);
	weir_span_link(&span, weir_ctx_ids(&ctx));
	assert_int_equal(status_now().ended_twice, 4);
	assert_int_equal(weir_histogram_read(&latency).count, 0);
	assert_int_equal(see("once")->attrs.count, 0);
	/* unsampled ones are told apart, too */
	begin_with(&ctx, "00-" TRACE "-" PARENT "-00", NULL);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "unsampled");
	weir_span_end(&span);
	weir_span_end(&span);
	assert_int_equal(status_now().ended_twice, 5);
}

ALONE(never_ended_does_no_harm)
{
	struct weir_span kept, *gone = malloc(sizeof *gone);

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(gone, &ctx, WEIR_SERVER, "gone");
	memset(gone, 0xa5, sizeof *gone);
	free(gone);
	weir_span_begin(&kept, &ctx, WEIR_CLIENT, "kept");
	weir_span_end(&kept);
	weir_ctx_end(&ctx);
	assert_int_equal(see_all(), 1);
	see("kept");
}

ALONE(ended_after_shutdown_is_counted)
{
	struct weir_span before, after;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&after, &ctx, WEIR_SERVER, "after");
	weir_span_begin(&before, &ctx, WEIR_SERVER, "before");
	weir_span_end(&before);
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
	assert_int_equal(seen_count, 1);
	assert_int_equal(status_now().dropped_spans, 0);
	assert_true(weir_span_end(&after) > 0);
	assert_int_equal(status_now().dropped_spans, 1);
	weir_ctx_end(&ctx);
	/* new requests still have ids, and cost nothing */
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&after, &ctx, WEIR_SERVER, "later");
	assert_false(weir_span_is_recording(&after));
	assert_non_null(sent_value(&ctx, "traceparent"));
	weir_span_end(&after);
	weir_ctx_end(&ctx);
	assert_int_equal(status_now().dropped_spans, 1);
	assert_int_equal(seen_count, 1);
}

ALONE(a_context_that_ends_before_its_span)
{
	struct weir_span span;
	char room[256];
	struct weir_ctx_options o = {.size = sizeof o, .buffer = room, .buffer_size = sizeof room};

	witness(NULL);
	sleep_ms(200);
	weir_pump(WEIR_S(1), NULL); /* anchors */
	weir_ctx_begin_opts(&ctx, &o);
	assert_int_equal(weir_ctx_set_baggage(&ctx, "k", weir_str_of("v")), WEIR_OK);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "late");
	sleep_ms(5);
	weir_ctx_end(&ctx);
	memset(room, 0xa5, sizeof room);
	assert_in_range(weir_span_end(&span), WEIR_MS(5), WEIR_S(30));
	assert_in_range(see("late")->end_ns - see("late")->start_ns, WEIR_MS(5), WEIR_S(30));
}

/* ---- time ---- */

ALONE(start_and_end_given)
{
	struct weir_span span;
	struct weir_span_options o = {.size = sizeof o, .start_ns = WEIR_S(1000)};
	uint64_t wall, early;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin_opts(&span, &ctx, WEIR_SERVER, "both", &o);
	assert_int_equal(weir_span_end_at(&span, WEIR_S(1003)), WEIR_S(3));
	assert_int_equal(see("both")->start_ns, WEIR_S(1000));
	assert_int_equal(see("both")->end_ns, WEIR_S(1003));
	weir_span_begin_opts(&span, &ctx, WEIR_SERVER, "backwards", &o);
	assert_int_equal(weir_span_end_at(&span, WEIR_S(999)), 0); /* an end before the start */
	assert_int_equal(see("backwards")->start_ns, WEIR_S(1000));
	assert_int_equal(see("backwards")->end_ns, WEIR_S(1000));
	wall = weir__wall_ns();
	o.start_ns = early = wall - WEIR_S(5);
	weir_span_begin_opts(&span, &ctx, WEIR_SERVER, "start", &o);
	assert_in_range(weir_span_end(&span), WEIR_S(5) - WEIR_MS(100), WEIR_S(65));
	assert_int_equal(see("start")->start_ns, early);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "end");
	assert_in_range(weir_span_end_at(&span, weir__wall_ns() + WEIR_S(100)), WEIR_S(40), WEIR_S(101));
	assert_in_range(see("end")->start_ns, wall - WEIR_MS(100), wall + WEIR_S(60));
	weir_ctx_end(&ctx);
}

/* What a histogram gets does not depend on the decision. */
ALONE(times_given_count_without_a_decision_too)
{
	struct weir_span span;
	struct weir_span_options o = {.size = sizeof o, .start_ns = WEIR_S(1000), .timed = true};

	witness(NULL);
	begin_with(&ctx, "00-" TRACE "-" PARENT "-00", NULL);
	weir_span_begin_opts(&span, &ctx, WEIR_SERVER, "first", &o);
	assert_int_equal(weir_span_end_at(&span, WEIR_S(1003)), WEIR_S(3));
	weir_span_begin_opts(&span, &ctx, WEIR_SERVER, "second", &o);
	assert_int_equal(weir_span_end_at(&span, WEIR_S(1004)), WEIR_S(4));
	o.timed = false;
	weir_span_begin_opts(&span, &ctx, WEIR_SERVER, "untimed", &o);
	assert_int_equal(weir_span_end_at(&span, WEIR_S(1004)), 0);
	o.timed = true; /* without a context */
	weir_span_begin_opts(&span, WEIR_CURRENT, WEIR_SERVER, "nobody's", &o);
	assert_int_equal(weir_span_end_at(&span, WEIR_S(1002)), WEIR_S(2));
	o.start_ns = 0;
	weir_span_begin_opts(&span, WEIR_CURRENT, WEIR_SERVER, "nobody's", &o);
	sleep_ms(3);
	assert_in_range(weir_span_end(&span), WEIR_MS(3), WEIR_S(30));
	assert_int_equal(see_all(), 0);
}

ALONE(children_lie_within_their_parents)
{
	struct weir_span root, child;
	uint64_t before = weir__wall_ns(), root_ns, child_ns;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	sleep_ms(3);
	weir_span_begin(&child, &ctx, WEIR_CLIENT, "child");
	sleep_ms(3);
	weir_span_event(&child, "here");
	child_ns = weir_span_end(&child);
	sleep_ms(3);
	root_ns = weir_span_end(&root);
	assert_true(see("root")->start_ns >= before);
	assert_int_equal(see("root")->end_ns - see("root")->start_ns, root_ns);
	assert_int_equal(see("child")->end_ns - see("child")->start_ns, child_ns);
	assert_true(child_ns >= WEIR_MS(3) && root_ns >= child_ns + WEIR_MS(6));
	assert_true(see("child")->start_ns >= see("root")->start_ns + WEIR_MS(3));
	assert_true(see("child")->end_ns + WEIR_MS(3) <= see("root")->end_ns + 1000);
	assert_in_range(see("child")->events[0].time_ns, see("child")->start_ns + WEIR_MS(3), see("child")->end_ns);
}

/* ---- what happened ---- */

ALONE(names)
{
	static const char euro[] = "\xe2\x82\xac";
	struct weir_span span;
	char text[400] = "";

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "first");
	weir_span_set_attrs(&span, WEIR_ATTRS_(weir_attr_str("key", "value"), weir_attr_int("n", 7)));
	weir_span_event_attrs(&span, "event", WEIR_ATTRS_(weir_attr_bool("b", true)));
	weir_span_set_name(&span, weir_str_of("a name that is longer"));
	weir_span_set_name(&span, weir_str_of("short"));
	weir_span_set_name(&span, weir_str_of("GET /orders/{id}"));
	weir_span_set_attrs(&span, WEIR_ATTRS_(weir_attr_str("after", "x")));
	weir_span_end(&span);
	assert_attr_text(see("GET /orders/{id}")->attrs, "key", "value");
	assert_attr_int(see("GET /orders/{id}")->attrs, "n", 7);
	assert_attr_text(see("GET /orders/{id}")->attrs, "after", "x");
	assert_int_equal(see("GET /orders/{id}")->events_count, 1);
	weir_span_begin(&span, &ctx, WEIR_CLIENT, NULL);
	weir_span_end(&span);
	see("");
	/* 255 bytes at most, cut at a character */
	for (int i = 0; i < 100; i++)
		strcat(text, euro);
	weir_span_begin(&span, &ctx, WEIR_CLIENT, text);
	weir_span_end(&span);
	text[255] = '\0';
	see(text);
	strcat(text, "and more");
	text[0] = 'x'; /* now the 255th byte is within a character */
	memmove(text + 1, text + 3, strlen(text + 3) + 1);
	strcat(text, "and more");
	weir_span_begin(&span, &ctx, WEIR_CLIENT, "y");
	weir_span_set_name(&span, weir_str_n(text, 200));
	weir_span_set_name(&span, weir_str_n(NULL, 0));
	weir_span_set_name(&span, weir_str_n(text, 7));
	weir_span_end(&span);
	see("x\xe2\x82\xac\xe2\x82\xac");
}

ALONE(a_name_that_has_no_room_is_counted)
{
	struct weir_span span;
	char name[256];

	witness(NULL);
	memset(name, 'n', sizeof name);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "stays");
	for (int i = 0; i < 20; i++) {
		char key[8];

		snprintf(key, sizeof key, "k%d", i);
		weir_span_set_attrs(&span, WEIR_ATTRS_(weir_attr_int(key, i)));
	}
	weir_span_set_name(&span, weir_str_n(name, 255));
	weir_span_end(&span);
	assert_true(see("stays")->dropped_attrs > 0);
	assert_attr_int(see("stays")->attrs, "k3", 3);
}

ALONE(events)
{
	struct weir_span span;
	const struct weir_ended *e;
	struct weir_str texts[] = {STR("one"), STR("two")};

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	weir_span_event(&span, "plain");
	weir_span_event_attrs(&span, "attrs",
	                      WEIR_ATTRS_(weir_attr_int("n", 5), weir_attr_strs("list", (struct weir_list){texts, 2}),
	                                  weir_attr_int("n", 6), weir_attr_str(NULL, "no key")));
	weir_span_event_at(&span, "at", WEIR_S(77), (struct weir_attrs){NULL, 0});
	weir_span_event_at(&span, NULL, WEIR_S(78), (struct weir_attrs){NULL, 3});
	weir_span_event_with(&span, "with", weir_attr_bool("yes", true));
	weir_span_end(&span);
	e = see("span");
	assert_int_equal(e->events_count, 5);
	assert_int_equal(e->dropped_events, 0);
	assert_true(e->events[0].name.len == 5 && memcmp(e->events[0].name.ptr, "plain", 5) == 0);
	assert_in_range(e->events[0].time_ns, e->start_ns, e->end_ns);
	assert_int_equal(e->events[1].attrs.count, 2);
	assert_attr_int(e->events[1].attrs, "n", 6);
	assert_int_equal(attr_in(e->events[1].attrs, "list")->as.list.count, 2);
	assert_int_equal(e->events[1].dropped_attrs, 1);
	assert_int_equal(e->events[2].time_ns, WEIR_S(77));
	assert_int_equal(e->events[3].name.len, 0);
	assert_int_equal(e->events[3].dropped_attrs, 3);
	assert_true(attr_in(e->events[4].attrs, "yes")->as.boolean);
	assert_int_equal(e->attrs.count, 0);
}

ALONE(links)
{
	struct weir_span span;
	struct weir_ids ids, zero, half;
	const struct weir_ended *e;

	witness(NULL);
	ids_of_text(&ids, TRACE, PARENT);
	memset(&zero, 0, sizeof zero);
	half = ids;
	memset(half.span_id, 0, sizeof half.span_id);
	weir_ctx_begin(&ctx, NULL, 0);
	{
		struct weir_link given[] = {{ids, WEIR_ATTRS_(weir_attr_str("at", "begin"))}, {zero, {NULL, 0}}};
		struct weir_span_options o = {.size = sizeof o, .links = given, .links_count = 2};

		weir_span_begin_opts(&span, &ctx, WEIR_CONSUMER, "span", &o);
	}
	ids.span_id[7]++;
	weir_span_link(&span, ids);
	weir_span_link_with(&span, ids, weir_attr_int("n", 3), weir_attr_int(NULL, 3));
	weir_span_link(&span, zero);
	weir_span_link(&span, half);
	weir_span_end(&span);
	e = see("span");
	assert_int_equal(e->links_count, 3);
	assert_int_equal(e->dropped_links, 3);
	assert_attr_text(e->links[0].attrs, "at", "begin");
	assert_memory_equal(e->links[1].ids.trace_id, ids.trace_id, 16);
	assert_memory_equal(e->links[1].ids.span_id, ids.span_id, 8);
	assert_attr_int(e->links[2].attrs, "n", 3);
	assert_int_equal(e->links_dropped_attrs[2], 1);
	assert_int_equal(e->links_dropped_attrs[0], 0);
}

ALONE(failures)
{
	struct weir_span span;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "failed");
	weir_span_fail(&span, "first");
	weir_span_fail(&span, "the store does not answer");
	weir_span_end(&span);
	assert_true(see("failed")->failed);
	assert_int_equal(see("failed")->status, WEIR_STATUS_ERROR);
	assert_string_equal(failure_of(see("failed")), "the store does not answer");
	weir_span_begin(&span, &ctx, WEIR_SERVER, "silent");
	weir_span_fail(&span, NULL);
	weir_span_end(&span);
	assert_int_equal(see("silent")->status, WEIR_STATUS_ERROR);
	assert_string_equal(failure_of(see("silent")), "");
	weir_span_begin(&span, &ctx, WEIR_SERVER, "ok");
	weir_span_ok(&span);
	weir_span_fail(&span, "ignored");
	weir_span_end(&span);
	assert_int_equal(see("ok")->status, WEIR_STATUS_OK);
	assert_string_equal(failure_of(see("ok")), "");
	weir_span_begin(&span, &ctx, WEIR_SERVER, "mended");
	weir_span_fail(&span, "first");
	weir_span_ok(&span);
	weir_span_end(&span);
	assert_int_equal(see("mended")->status, WEIR_STATUS_OK);
	assert_string_equal(failure_of(see("mended")), "");
}

ALONE(a_kind_that_is_none)
{
	struct weir_span span;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, (enum weir_span_kind)0, "zero");
	weir_span_end(&span);
	weir_span_begin(&span, &ctx, (enum weir_span_kind)77, "high");
	weir_span_end(&span);
	assert_int_equal(see("zero")->kind, WEIR_INTERNAL);
	assert_int_equal(see("high")->kind, WEIR_INTERNAL);
}

/* ---- durations into histograms, and exemplars ---- */

ALONE(end_record_gives_an_exemplar)
{
	struct weir_span span, child;
	struct weir_ids ids, child_ids;
	const struct weir_exemplar *x;
	struct weir_str route = STR("/orders/{id}");
	uint64_t ns, child_ns;
	size_t count;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
	weir_span_begin(&child, &ctx, WEIR_CLIENT, "child");
	ids = weir_span_ids(&span);
	child_ids = weir_span_ids(&child);
	child_ns = weir_span_end_record_with(&child, &by_route, "/orders/{id}");
	ns = weir_span_end_record(&span, &latency);
	assert_int_equal(weir_histogram_read(&latency).sum_low, ns);
	assert_int_equal(see("root")->end_ns - see("root")->start_ns, ns);
	x = exemplars_of("span_latency_seconds", NULL, 0, &count);
	assert_int_equal(count, 1);
	assert_int_equal(x->value, ns);
	assert_memory_equal(x->ids.trace_id, ids.trace_id, 16);
	assert_memory_equal(x->ids.span_id, ids.span_id, 8);
	assert_in_range(x->time_ns, see("root")->start_ns, weir__wall_ns() + WEIR_MS(100));
	x = exemplars_of("span_route_seconds", &route, 1, &count);
	assert_int_equal(count, 1);
	assert_int_equal(x->value, child_ns);
	assert_memory_equal(x->ids.span_id, child_ids.span_id, 8);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "handle");
	weir_span_end_record_series(&span, weir_histogram_with(&by_route, "/h"));
	route = STR("/h");
	exemplars_of("span_route_seconds", &route, 1, &count);
	assert_int_equal(count, 1);
	assert_int_equal(status_now().dropped_records, 0);
}

ALONE(unsampled_records_but_gives_no_exemplar)
{
	struct weir_span span;
	struct weir_span_options o = {.size = sizeof o, .timed = true};
	size_t count;

	witness(NULL);
	begin_with(&ctx, "00-" TRACE "-" PARENT "-00", NULL);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "first"); /* timed: the context's first */
	sleep_ms(2);
	assert_true(weir_span_end_record(&span, &latency) >= WEIR_MS(2));
	weir_span_begin(&span, &ctx, WEIR_SERVER, "second");
	assert_int_equal(weir_span_end_record(&span, &latency), 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "third");
	assert_int_equal(weir_span_end_record_with(&span, &by_route, "/r"), 0);
	assert_int_equal(status_now().untimed, 2);
	weir_span_begin_opts(&span, &ctx, WEIR_SERVER, "timed", &o);
	sleep_ms(2);
	assert_true(weir_span_end_record(&span, &latency) >= WEIR_MS(2));
	weir_histogram_record_ctx(&sizes, 50, &ctx);
	weir_counter_add_ctx(&hits, 3, &ctx);
	assert_int_equal(weir_histogram_read(&latency).count, 2);
	assert_int_equal(weir_counter_read(&hits), 3);
	exemplars_of("span_latency_seconds", NULL, 0, &count);
	assert_int_equal(count, 0);
	exemplars_of("span_sizes_bytes", NULL, 0, &count);
	assert_int_equal(count, 0);
	exemplars_of("span_hits_total", NULL, 0, &count);
	assert_int_equal(count, 0);
	assert_int_equal(status_now().untimed, 2);
}

ALONE(records_for_a_request)
{
	struct weir_span span;
	struct weir_ids ids;
	struct weir_scope scope;
	const struct weir_exemplar *x;
	struct weir_str values[] = {STR("GET"), STR("200")}, other[] = {STR("PUT"), STR("201")}, third[] = {STR("PUT"), STR("500")};
	size_t count;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	ids = weir_span_ids(&span);
	weir_histogram_record_ctx(&sizes, 5, &ctx);
	weir_histogram_record_ctx(&sizes, 7, &ctx);
	weir_histogram_series_record_ctx(weir_histogram_values(&sizes, NULL, 0), 500, &ctx);
	weir_histogram_record_values(&sizes, 5000, &ctx, NULL, 0);
	weir_histogram_record_values(&sizes, 50, NULL, NULL, 0); /* for no request */
	x = exemplars_of("span_sizes_bytes", NULL, 0, &count);
	assert_int_equal(count, 3); /* one a bucket, the last one */
	assert_int_equal(x[0].value, 7);
	assert_int_equal(x[0].bucket, 0);
	assert_int_equal(x[1].value, 500);
	assert_int_equal(x[1].bucket, 2);
	assert_int_equal(x[2].value, 5000);
	assert_int_equal(x[2].bucket, 3);
	for (size_t i = 0; i < count; i++) {
		assert_memory_equal(x[i].ids.trace_id, ids.trace_id, 16);
		assert_memory_equal(x[i].ids.span_id, ids.span_id, 8);
	}
	assert_int_equal(weir_histogram_read(&sizes).count, 5);
	weir_counter_add_ctx(&requests, 2, &ctx, "GET", "200");
	weir_counter_add_values(&requests, 3, &ctx, other, 2);
	scope = weir_ctx_attach(&ctx);
	weir_counter_series_add_ctx(weir_counter_with(&requests, "PUT", "500"), 4, WEIR_CURRENT);
	weir_counter_add_ctx(&hits, 9, WEIR_CURRENT);
	weir_ctx_detach(scope);
	x = exemplars_of("span_requests_total", values, 2, &count);
	assert_int_equal(count, 1);
	assert_int_equal(x->value, 2);
	x = exemplars_of("span_requests_total", other, 2, &count);
	assert_int_equal(count, 1);
	assert_int_equal(x->value, 3);
	x = exemplars_of("span_requests_total", third, 2, &count);
	assert_int_equal(count, 1);
	assert_memory_equal(x->ids.span_id, ids.span_id, 8);
	exemplars_of("span_hits_total", NULL, 0, &count);
	assert_int_equal(count, 1);
	weir_counter_add_ctx(&hits, 1, WEIR_CURRENT); /* nobody's */
	assert_int_equal(weir_counter_read(&hits), 10);
	assert_int_equal(status_now().dropped_records, 0);
}

ALONE(records_with_a_wrong_count_are_dropped_once)
{
	struct weir_span span;
	const struct weir_counter *c = &requests;
	const struct weir_histogram *h = &by_route;

	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	__asm__("" : "+r"(c), "+r"(h)); /* what the compiler sees it refuses */
	weir_counter_add_ctx(c, 1, &ctx, "GET");
	assert_int_equal(status_now().dropped_records, 1);
	weir_histogram_record_ctx(h, 1, &ctx);
	assert_int_equal(status_now().dropped_labels, 2);
	weir_counter_add_values(c, 1, &ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	assert_true(weir_span_end_record(&span, h) > 0); /* it has labels */
	assert_int_equal(status_now().dropped_records, 4);
	assert_int_equal(see_all(), 1);
}

/* ---- against the rules ---- */

static void *use_it(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000 && weir_span_is_recording(&moved); i++) {
		char name[64];

		snprintf(name, sizeof name, "%0*d", i % 60, i);
		weir_span_set_name(&moved, weir_str_of(name));
		weir_span_set_attrs(&moved, WEIR_ATTRS_(weir_attr_int("n", i), weir_attr_str(name, name)));
		weir_span_event(&moved, name);
	}
	return NULL;
}

ALONE(two_threads_at_once_do_no_harm)
{
	struct weir_status s;

	if (TSAN)
		alone_skip("it is a race, and meant");
	witness(NULL);
	for (int round = 0; round < 50; round++) {
		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&moved, &ctx, WEIR_SERVER, "span");
		in_threads(2, use_it, NULL);
		weir_span_end(&moved);
		weir_ctx_end(&ctx);
	}
	see_all();
	s = status_now();
	assert_int_equal(seen_count + s.dropped_spans_malformed, 50);
}

static void *spans_by_the_thousand(void *arg)
{
	struct weir_ctx own;
	struct weir_span root, child;

	for (int i = 0; i < 1000; i++) {
		weir_ctx_begin(&own, NULL, 0);
		weir_span_begin(&root, &own, WEIR_SERVER, "root");
		weir_span_begin(&child, &own, WEIR_CLIENT, "child");
		weir_span_set_attrs(&child, WEIR_ATTRS_(weir_attr_int("i", i), weir_attr_str("text", "0123456789012345678901234567890123456789")));
		weir_span_end(&child);
		weir_span_end(&root);
		weir_ctx_end(&own);
	}
	return arg;
}

ALONE(none_is_lost_by_threads_that_end)
{
	struct weir_status s;

	witness(NULL);
	in_threads(8, spans_by_the_thousand, NULL);
	see_all();
	s = status_now();
	assert_int_equal(seen_count, 16000);
	assert_int_equal(s.spans_ended, 16000);
	assert_int_equal(s.dropped_spans, 0);
	for (size_t i = 0; i + 1 < seen_count; i++)
		if (strcmp(seen_list[i]->name, "child") == 0)
			assert_memory_equal(seen_list[i]->e.parent_id, seen_list[i + 1]->e.ids.span_id, 8);
}

/* ---- the short way ---- */

static void until_the_counter_counts(void)
{
	for (int i = 0; i < 100 && !weir__clock_moment().counter; i++) {
		weir__clock_anchor();
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	}
}

static uint32_t state_of(const struct weir_span *span)
{
	return ((const struct weir__span *)(const void *)span)->state;
}

/* name and attributes of those lengths; all of it but ids and times is the same, whichever way it goes. */
static void both_ways(size_t name_len, size_t count, size_t len, bool counter)
{
	static const struct weir_span_options whole = {.size = sizeof whole};
	struct weir_span span;
	struct weir_attr attrs[16];
	struct weir_ids outer = weir_ctx_ids(&ctx);
	char names[2][128], text[512];
	const struct weir_ended *e[2];

	memset(text, 'v', sizeof text);
	for (int way = 0; way < 2; way++) {
		snprintf(names[way], sizeof names[way], "%d.%zu.%zu.", way, count, len);
		for (size_t i = strlen(names[way]); i < name_len || i < 8; i++)
			names[way][i] = 'n', names[way][i + 1] = '\0';
		for (size_t i = 0; i < count; i++)
			attrs[i] = i % 4 == 3 ? weir_attr_int("a.number", (int64_t)i) : weir_attr_str_n("some.key", weir_str_n(text, len));
		for (size_t i = 0; i < count; i++)
			attrs[i].key = weir_str_n(&"0123456789abcdef"[i], 16 - i);
		if (way == 0)
			weir_span_begin(&span, &ctx, WEIR_CLIENT, names[way]);
		else
			weir_span_begin_opts(&span, &ctx, WEIR_CLIENT, names[way], &whole);
		assert_int_equal((state_of(&span) & WEIR__SPAN_PLAIN) != 0, way == 0 && counter && strlen(names[way]) <= WEIR__SHORT);
		weir_span_set_attrs(&span, (struct weir_attrs){attrs, count});
		weir_span_end(&span);
		assert_int_equal(state_of(&span) & WEIR__SPAN_ENDED, WEIR__SPAN_ENDED);
		assert_memory_equal(weir_ctx_ids(&ctx).span_id, outer.span_id, 8);
	}
	for (int way = 0; way < 2; way++) {
		e[way] = see(names[way]);
		assert_memory_equal(e[way]->parent_id, outer.span_id, 8);
		assert_memory_equal(e[way]->ids.trace_id, outer.trace_id, 16);
		assert_true(e[way]->kind == WEIR_CLIENT && e[way]->ids.flags == 3 && !e[way]->failed && !e[way]->remote_parent);
	}
	assert_true(e[1]->start_ns >= e[0]->start_ns && e[1]->start_ns - e[0]->start_ns < WEIR_S(10) && e[0]->end_ns >= e[0]->start_ns && e[0]->end_ns - e[0]->start_ns < WEIR_S(10));
	assert_int_equal(e[0]->attrs.count, e[1]->attrs.count);
	assert_int_equal(e[0]->dropped_attrs, e[1]->dropped_attrs);
	assert_int_equal(e[0]->attrs.count + e[0]->dropped_attrs, count);
	for (size_t i = 0; i < e[0]->attrs.count; i++) {
		const struct weir_attr *x = &e[0]->attrs.ptr[i], *y = &e[1]->attrs.ptr[i];

		assert_true(x->type == y->type && x->key.len == y->key.len && memcmp(x->key.ptr, y->key.ptr, x->key.len) == 0);
		assert_true(x->type == WEIR_ATTR_INT ? x->as.integer == y->as.integer
		                                     : x->as.str.len == y->as.str.len && memcmp(x->as.str.ptr, y->as.str.ptr, x->as.str.len) == 0);
	}
}

ALONE(the_short_way_ends_in_the_same_record)
{
	struct weir_span first;
	bool counter;

	witness(NULL);
	until_the_counter_counts();
	counter = weir__clock_moment().counter; /* where the system's clock is none, there is the whole way only */
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&first, &ctx, WEIR_SERVER, "first");
	assert_true((state_of(&first) & WEIR__SPAN_PLAIN) == 0);
	for (size_t count = 0; count <= 15; count++)
		for (size_t len = 0; len <= 48; len += len < 33 ? 3 : 15)
			for (size_t name_len = 8; name_len <= 48; name_len += 8)
				both_ways(name_len, count, len, counter);
	/* with a tracestate it is not short to the end */
	assert_int_equal(weir_ctx_set_tracestate(&ctx, "vendor", weir_str_of("x")), WEIR_OK);
	both_ways(12, 1, 200, counter);
	weir_span_end(&first);
	assert_int_equal(status_now().dropped_spans, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_short_way_ends_in_the_same_record),
	cmocka_unit_test(a_root_has_no_parent),
	cmocka_unit_test(ids_told_before_the_root_are_the_roots),
	cmocka_unit_test(the_callers_span_is_the_remote_parent),
	cmocka_unit_test(spans_nest_to_any_depth),
	cmocka_unit_test(the_next_child_is_a_sibling),
	cmocka_unit_test(a_span_in_the_current_context),
	cmocka_unit_test(a_parent_given),
	cmocka_unit_test(a_span_ends_on_another_thread_and_children_live_on_others),
	cmocka_unit_test(ended_twice_is_counted_and_seen_once),
	cmocka_unit_test(never_ended_does_no_harm),
	cmocka_unit_test(ended_after_shutdown_is_counted),
	cmocka_unit_test(a_context_that_ends_before_its_span),
	cmocka_unit_test(start_and_end_given),
	cmocka_unit_test(times_given_count_without_a_decision_too),
	cmocka_unit_test(children_lie_within_their_parents),
	cmocka_unit_test(names),
	cmocka_unit_test(a_name_that_has_no_room_is_counted),
	cmocka_unit_test(events),
	cmocka_unit_test(links),
	cmocka_unit_test(failures),
	cmocka_unit_test(a_kind_that_is_none),
	cmocka_unit_test(end_record_gives_an_exemplar),
	cmocka_unit_test(unsampled_records_but_gives_no_exemplar),
	cmocka_unit_test(records_for_a_request),
	cmocka_unit_test(records_with_a_wrong_count_are_dropped_once),
	cmocka_unit_test(two_threads_at_once_do_no_harm),
	cmocka_unit_test(none_is_lost_by_threads_that_end),
};
ALONE_MAIN(tests)
