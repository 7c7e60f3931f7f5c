/* Unit: src/span.c: a root that nobody records begins by a short way, and its ids are made when somebody asks. What can be seen of
 * it is what can be seen where a rule, which matches nothing, makes it go the long way: compared here, word by word. */
#define _GNU_SOURCE
#include "clock.h"
#include "context.h"
#include "tally.h"
#include "w3c.h"

#include <weir/metric.h>
#include <weir/slo.h>

#include "witness.h"

#include <signal.h>

WEIR_HISTOGRAM(latency, WEIR_LATENCY, "refused_latency_seconds", "Time.");
WEIR_COUNTER(hits, "refused_hits_total", "Hits.");

static struct weir_ctx ctx;
enum way { SHORT, LONG, WAYS };

static void go(enum way way)
{
	static const struct weir_sampling_rule other = {.name_prefix = "no span has this name", .ratio_ppm = 1000000};
	struct weir_sampling s = {.size = sizeof s, .sampler = WEIR_SAMPLER_NEVER, .rules = &other, .rules_count = way == LONG};

	assert_int_equal(weir_sampling_set(&s), WEIR_OK);
}

static bool refused(const struct weir_ctx *c)
{
	return (weir__ctx_of(c)->state & WEIR__CTX_REFUSED) != 0;
}

static void anchor(void)
{
	weir__clock_start();
	sleep_ms(120);
	weir__clock_anchor();
}

/* ---- what is seen ---- */

struct view { /* no padding: compared whole */
	uint32_t valid, same_later, same_in_spans, same_in_handler, same_in_child_process, same_on_thread, same_after_end, same_in_header;
	uint32_t flags, header_flags, headers, log_len, state_len, got_state, set_state, state_sent, recording, inner_recording, late_header_ignored;
	uint32_t child_trace, child_parent, child_flags, timed, inner_took, record_took, counted, exemplars, slo_failed, gone;
	uint64_t ended, exported, dropped, twice, untimed, exemplars_dropped, malformed, hits;
};

static struct weir_ids asked;
static void ask(int signal)
{
	(void)signal;
	asked = weir_ctx_ids(&ctx);
}

static void *ask_there(void *arg)
{
	(void)arg;
	asked = weir_ctx_ids(&ctx);
	return NULL;
}

static bool as_asked(const struct weir_ids *ids)
{
	return memcmp(&asked, ids, sizeof asked) == 0;
}

enum when { BEFORE, AMID, IN_HANDLER, ON_THREAD, IN_FORK, AFTER_END, WHENS };

static struct view look(enum when when)
{
	struct view v;
	struct weir_span root, inner, third;
	struct weir_ctx child;
	struct weir_ids ids, of_child;
	struct weir_snapshot *snapshot;
	struct weir_series series;
	const char *sent;
	char line[128];
	int pipe_[2];

	memset(&v, 0, sizeof v);
	memset(&asked, 0, sizeof asked);
	begin_with(&ctx, NULL, "other=1,ot=rv:00000000000001"); /* without a parent it counts for nothing */
	weir_ctx_set_slo(&ctx, &latency);
	if (when == BEFORE)
		ask(0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	if (when == IN_HANDLER)
		raise(SIGUSR1);
	if (when == ON_THREAD)
		end_thread(begin_thread(ask_there, NULL));
	if (when == IN_FORK) {
		pid_t pid;

		assert_int_equal(pipe(pipe_), 0);
		pid = fork();
		if (pid == 0) {
			ask(0);
			_exit(write(pipe_[1], &asked, sizeof asked) == (ssize_t)sizeof asked ? 0 : 1);
		}
		assert_int_equal(read(pipe_[0], &asked, sizeof asked), sizeof asked);
		close(pipe_[0]);
		close(pipe_[1]);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	v.recording = weir_span_is_recording(&root);
	weir_ctx_add_header(&ctx, weir_str_of("traceparent"), weir_str_of(TRACEPARENT));
	weir_span_begin(&inner, &ctx, WEIR_INTERNAL, "inner");
	weir_span_set_with(&inner, weir_attr_int("n", 1));
	v.inner_recording = weir_span_is_recording(&inner);
	weir_counter_add_ctx(&hits, 1, &ctx);
	sleep_ms(1);
	v.inner_took = weir_span_end(&inner) != 0;
	if (when == AFTER_END) {
		v.timed = weir_span_end(&root) >= WEIR_MS(1);
		ask(0);
	} else if (when == AMID) {
		ask(0);
	}
	ids = weir_ctx_ids(&ctx);
	v.valid = !weir__is_zero(ids.trace_id, 16) && !weir__is_zero(ids.span_id, 8);
	v.flags = ids.flags;
	v.late_header_ignored = ids.trace_id[0] != 0x4b || ids.trace_id[1] != 0xf9;
	v.same_later = as_asked(&ids);
	if (when != AFTER_END) {
		struct weir_ids of_root = weir_span_ids(&root);

		v.same_in_spans = memcmp(&of_root, &ids, sizeof ids) == 0;
	}
	v.headers = (uint32_t)send_of(&ctx)->count;
	sent = sent_value(&ctx, "traceparent");
	if (sent != NULL && strlen(sent) == 55) {
		struct weir_ids parsed;
		char trace[33], span[17];

		snprintf(trace, sizeof trace, "%.32s", sent + 3);
		snprintf(span, sizeof span, "%.16s", sent + 36);
		ids_of_text(&parsed, trace, span);
		v.same_in_header = memcmp(parsed.trace_id, ids.trace_id, 16) == 0 && memcmp(parsed.span_id, ids.span_id, 8) == 0;
		v.header_flags = (uint32_t)strtoul(sent + 53, NULL, 16);
	}
	v.log_len = (uint32_t)weir_ctx_log(&ctx, line, sizeof line);
	v.got_state = weir_ctx_get_tracestate(&ctx, "other").ptr != NULL;
	v.set_state = weir_ctx_set_tracestate(&ctx, "mine", weir_str_of("2")) == WEIR_OK;
	sent = sent_value(&ctx, "tracestate");
	v.state_sent = sent != NULL && strcmp(sent, "mine=2") == 0;
	weir_ctx_begin_child(&child, &ctx);
	of_child = weir_ctx_ids(&child);
	v.child_trace = memcmp(of_child.trace_id, ids.trace_id, 16) == 0;
	v.child_flags = of_child.flags;
	weir_span_begin(&third, &child, WEIR_INTERNAL, "of the child");
	v.child_parent = weir_span_is_recording(&third);
	weir_span_end(&third);
	weir_ctx_end(&child);
	if (when != AFTER_END)
		v.timed = weir_span_end(&root) >= WEIR_MS(1);
	v.slo_failed = weir__ctx_of(&ctx)->first_ns >= WEIR_MS(1);
	weir_span_end(&root);
	weir_ctx_end(&ctx);
	v.gone = weir__is_zero(weir_ctx_ids(&ctx).trace_id, 16);

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "recorded");
	sleep_ms(1);
	v.record_took = weir_span_end_record(&root, &latency) >= WEIR_MS(1);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "untimed");
	weir_span_end_record(&root, &latency);
	weir_ctx_end(&ctx);
	see_all();
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_true(weir_snapshot_find(snapshot, "refused_latency_seconds", NULL, 0, &series));
	v.exemplars = (uint32_t)series.exemplars_count;
	weir_snapshot_destroy(snapshot);
	v.counted = weir_histogram_read(&latency).count != 0;
	return v;
}

static struct view look_from(enum way way, enum when when)
{
	uint64_t counted = weir_histogram_read(&latency).count, hit = weir_counter_read(&hits), before[WEIR__TALLIES];
	struct view v;

	go(way);
	for (int i = 0; i < WEIR__TALLIES; i++)
		before[i] = weir__tallied((enum weir__tally)i);
	v = look(when);
#define GREW(what) (weir__tallied(what) - before[what])
	v.counted = (uint32_t)(weir_histogram_read(&latency).count - counted);
	v.hits = weir_counter_read(&hits) - hit;
	v.ended = GREW(WEIR__SPANS_ENDED);
	v.exported = GREW(WEIR__SPANS_EXPORTED);
	v.dropped = GREW(WEIR__SPANS_POOL) + GREW(WEIR__SPANS_QUEUE) + GREW(WEIR__SPANS_MALFORMED) + GREW(WEIR__SPANS_REENTRY);
	v.twice = GREW(WEIR__ENDED_TWICE);
	v.untimed = GREW(WEIR__UNTIMED);
	v.exemplars_dropped = GREW(WEIR__EXEMPLARS_DROPPED);
	v.malformed = GREW(WEIR__HEADERS_MALFORMED);
	return v;
}

static void compare(void)
{
	signal(SIGUSR1, ask);
	for (int when = 0; when < WHENS; when++) {
		struct view a = look_from(SHORT, (enum when)when), b = look_from(LONG, (enum when)when);
		const uint32_t *x = (const uint32_t *)(const void *)&a, *y = (const uint32_t *)(const void *)&b;

		for (size_t i = 0; i < sizeof a / sizeof *x; i++)
			if (x[i] != y[i])
				fail_msg("asked at %d: word %zu is %u by the short way, %u by the long one", when, i, x[i], y[i]);
		assert_true(a.valid && a.same_later && a.timed && a.record_took && a.twice == 1 && a.untimed == 1);
		assert_true(a.same_in_header && a.state_sent && a.child_trace && a.gone);
		assert_int_equal(a.flags, 2);
		assert_int_equal(a.counted, 1);
		assert_int_equal(a.exemplars + a.ended + a.exported + a.dropped, 0);
	}
}

ALONE(the_short_way_is_as_the_long_one)
{
	witness(NULL);
	compare();
}

ALONE(by_the_counter_too)
{
	witness(NULL);
	anchor();
	compare();
}

ALONE(the_ways_are_two)
{
	struct weir_span span;

	witness(NULL);
	for (int way = 0; way < WAYS; way++) {
		go((enum way)way);
		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
		assert_int_equal(refused(&ctx), way == SHORT);
		weir_span_end(&span);
		weir_ctx_end(&ctx);
	}
}

/* ---- when it is the long way ---- */

static bool goes_short(const struct weir_sampling *s)
{
	struct weir_span span;
	bool was;

	if (s != NULL)
		assert_int_equal(weir_sampling_set(s), WEIR_OK);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
	was = refused(&ctx);
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	return was;
}

ALONE(only_where_no_root_may_be_recorded)
{
	struct weir_sampling s = {.size = sizeof s, .sampler = WEIR_SAMPLER_NEVER};

	witness(NULL);
	assert_false(goes_short(NULL)); /* the default records all */
	assert_true(goes_short(&s));
	s.keep_failed = true;
	assert_false(goes_short(&s));
	s.keep_failed = false;
	s.keep_slow = true;
	assert_false(goes_short(&s));
	s.keep_slow = false;
	s.sampler = WEIR_SAMPLER_RATIO;
	s.ratio_ppm = 1;
	assert_false(goes_short(&s));
	s.ratio_ppm = 0;
	assert_true(goes_short(&s));
	s.sampler = WEIR_SAMPLER_ALWAYS;
	assert_false(goes_short(&s));
}

/* A caller's decision is the caller's. */
ALONE(a_parent_is_followed)
{
	struct weir_span span;

	witness(NULL);
	go(SHORT);
	begin_with(&ctx, TRACEPARENT, NULL);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "continued");
	assert_true(weir_span_is_recording(&span) && !refused(&ctx));
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	assert_non_null(see("continued"));
}

ALONE(nobody_takes_spans)
{
	struct weir_options o = {.size = sizeof o, .no_thread = true, .no_process = true, .log = say_to_test};

	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_true(goes_short(NULL));
	weir_ctx_begin(&ctx, NULL, 0);
	assert_false(weir__is_zero(weir_ctx_ids(&ctx).trace_id, 16));
}

/* What was refused stays refused, whatever is set meanwhile; the next one is new. */
ALONE(the_decision_stands_while_the_request_lasts)
{
	struct weir_sampling always = {.size = sizeof always, .sampler = WEIR_SAMPLER_ALWAYS};
	struct weir_span root, inner;

	witness(NULL);
	go(SHORT);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	assert_int_equal(weir_sampling_set(&always), WEIR_OK);
	weir_span_begin(&inner, &ctx, WEIR_INTERNAL, "inner");
	assert_false(weir_span_is_recording(&inner) || is_sampled(&ctx));
	weir_span_end(&inner);
	weir_span_begin(&inner, &ctx, WEIR_INTERNAL, "inner");
	assert_false(weir_span_is_recording(&inner));
	weir_span_end(&inner);
	weir_span_end(&root);
	weir_ctx_end(&ctx);
	assert_int_equal(see_all(), 0);
	assert_false(goes_short(NULL));
	assert_int_equal(see_all(), 1);
}

/* A span below another one, which is given, of a request that nobody records. */
ALONE(an_explicit_parent_of_it)
{
	struct weir_span_options o = {.size = sizeof o};
	struct weir_sampling always = {.size = sizeof always, .sampler = WEIR_SAMPLER_ALWAYS};
	struct weir_ctx recorded;
	struct weir_span root, below;

	witness(NULL);
	go(SHORT);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, "root");
	assert_int_equal(weir_sampling_set(&always), WEIR_OK);
	weir_ctx_begin(&recorded, NULL, 0);
	o.parent = &root;
	weir_span_begin_opts(&below, &recorded, WEIR_INTERNAL, "below", &o);
	weir_span_end(&below);
	assert_memory_equal(see("below")->parent_id, weir_ctx_ids(&ctx).span_id, 8);
	assert_false(weir__is_zero(see("below")->parent_id, 8));
}

/* ---- ids ---- */

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

enum { MANY = 200000 };
static void none_twice(uint8_t (*ids)[16])
{
	qsort(ids, MANY, sizeof *ids, by_bytes);
	for (size_t i = 1; i < MANY; i++)
		assert_true(memcmp(ids[i - 1], ids[i], sizeof *ids) != 0);
}

/* Some are asked and some are not, some requests go the one way and some the other; half of them by the counter. */
ALONE(no_id_comes_twice)
{
	uint8_t(*ids)[16] = malloc(MANY * sizeof *ids);
	unsigned ones[128] = {0};

	assert_non_null(ids);
	witness(NULL);
	for (size_t i = 0; i < MANY; i++) {
		struct weir_span span;

		if (i == MANY / 2)
			anchor();
		if (i % 1000 == 0)
			go(i % 3000 == 0 ? LONG : SHORT);
		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
		memcpy(ids[i], weir_ctx_ids(&ctx).trace_id, 16);
		for (int bit = 0; bit < 128; bit++)
			ones[bit] += ids[i][bit / 8] >> (bit % 8) & 1u;
		weir_span_end(&span);
		weir_ctx_end(&ctx);
	}
	none_twice(ids);
	for (int bit = 0; bit < 128; bit++) /* 224 is a standard deviation: 6 of them */
		assert_in_range(ones[bit], MANY / 2 - 1350, MANY / 2 + 1350);
	free(ids);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_short_way_is_as_the_long_one),
	cmocka_unit_test(by_the_counter_too),
	cmocka_unit_test(the_ways_are_two),
	cmocka_unit_test(only_where_no_root_may_be_recorded),
	cmocka_unit_test(a_parent_is_followed),
	cmocka_unit_test(nobody_takes_spans),
	cmocka_unit_test(the_decision_stands_while_the_request_lasts),
	cmocka_unit_test(an_explicit_parent_of_it),
	cmocka_unit_test(no_id_comes_twice),
};
ALONE_MAIN(tests)
