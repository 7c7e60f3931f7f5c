/* Unit: src/clock.c: what the counter says against what the clocks say, one wall time a context, anchors that are stale or
 * overtaken, forked children. Bound: 1 ms and 0.1 % of the time measured. */
#define _GNU_SOURCE
#include "../../src/clock.c"
#include "context.h"

#include "witness.h"

static struct weir_ctx ctx;

static void make_anchors(void)
{
	weir__clock_start();
	if (usable == 0)
		alone_skip("the system's clock is no counter");
	sleep_ms(120);
	weir__clock_anchor();
	assert_true(weir__clock_scale != 0 && weir__anchor.number == 2);
}

static uint64_t bound(uint64_t ns)
{
	return WEIR_MS(1) + ns / 1000;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* ---- without the counter ---- */

ALONE(without_anchors_the_clocks_are_asked)
{
	struct weir__moment before = weir__clock_moment(), after;
	uint64_t clock = weir__clock_ns(), wall = weir__wall_ns();

	assert_false(before.counter);
	assert_true(before.ticks <= clock && before.wall_ns <= wall);
	sleep_ms(3);
	after = weir__clock_moment();
	assert_false(after.counter);
	assert_true(after.ticks >= clock + WEIR_MS(3));
	assert_int_equal(weir__ticks_between(5, 9, weir__ticks_pace(false)), 4);
	assert_int_equal(weir__ticks_between(9, 5, weir__ticks_pace(false)), 0);
	assert_int_equal(weir__ticks_between(9, 5, weir__ticks_pace(true)), 0);
	weir__clock_anchor(); /* not started: nothing */
	assert_int_equal(weir__anchor.number, 1);
}

ALONE(no_anchor_before_there_is_something_to_measure)
{
	weir__clock_start();
	weir__clock_anchor();
	assert_int_equal(weir__anchor.number, 1);
	assert_false(weir__clock_moment().counter);
}

/* ---- with it ---- */

ALONE(durations_agree_with_the_clock)
{
	make_anchors();
	for (int round = 0; round < 3; round++) {
		uint64_t least = UINT64_MAX;

		for (int tries = 0; tries < 5 && least > bound(WEIR_MS(300)); tries++) { /* a reading may be held up between two */
			uint64_t clock = weir__clock_ns(), from = weir__ticks(true), to, ns;

			sleep_ms(round == 0 ? 300 : 100);
			to = weir__ticks(true);
			ns = weir__clock_ns() - clock;
			ns = apart(weir__ticks_between(from, to, weir__ticks_pace(true)), ns);
			least = ns < least ? ns : least;
			weir__clock_anchor();
		}
		assert_true(least <= bound(WEIR_MS(300)));
	}
}

ALONE(moments_agree_with_the_wall_clock)
{
	uint64_t least = UINT64_MAX;

	make_anchors();
	for (int i = 0; i < 50 && least > WEIR_MS(1); i++) {
		struct weir__moment m = weir__clock_moment();
		uint64_t wall = weir__wall_ns();

		assert_true(m.counter);
		least = apart(m.wall_ns, wall) < least ? apart(m.wall_ns, wall) : least;
		sleep_ms(5);
	}
	assert_true(least <= WEIR_MS(1));
}

ALONE(anchors_are_no_oftener_than_every_100_ms)
{
	make_anchors();
	for (int i = 0; i < 100; i++)
		weir__clock_anchor();
	assert_true(weir__anchor.number <= 4);
	sleep_ms(120);
	weir__clock_anchor();
	assert_true(weir__anchor.number >= 4);
	for (int i = 0; i < 20; i++) {
		struct weir__moment m = weir__clock_moment();

		assert_true(m.counter && apart(m.wall_ns, weir__wall_ns()) < WEIR_S(1));
	}
}

ALONE(a_stale_anchor_is_not_trusted)
{
	make_anchors();
	assert_true(weir__clock_moment().counter);
	weir__anchor.ticks -= weir__anchor.stale_ticks + 1; /* as if nobody had ticked for that long */
	assert_false(weir__clock_moment().counter);
	assert_true(apart(weir__clock_moment().wall_ns, weir__wall_ns()) < WEIR_S(1));
	sleep_ms(120);
	weir__clock_anchor();
	assert_true(weir__clock_moment().counter);
}

/* ---- one wall time a context ---- */

/* The wall clock jumps: new anchors say so, and new contexts. Those that are open keep the time they began with. */
static void jump(int64_t by)
{
	sleep_ms(120);
	weir__clock_anchor();
	weir__anchor.wall_ns += (uint64_t)by;
}

static void check_jump(int64_t by, const char *before, const char *after)
{
	struct weir_ctx later;
	struct weir_span root, child;
	uint64_t began = weir__clock_moment().wall_ns, truly = weir__wall_ns();

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&root, &ctx, WEIR_SERVER, before);
	jump(by);
	weir_span_begin(&child, &ctx, WEIR_INTERNAL, after);
	weir_span_event(&child, "after the jump");
	weir_span_end(&child);
	weir_span_end(&root);
	weir_ctx_begin(&later, NULL, 0);
	weir_span_begin(&child, &later, WEIR_INTERNAL, by > 0 ? "new, ahead" : "new, back");
	weir_span_end(&child);
	assert_in_range(see(before)->start_ns, began, began + WEIR_S(5));
	assert_in_range(see(before)->end_ns - see(before)->start_ns, WEIR_MS(120), WEIR_S(50));
	assert_true(see(after)->start_ns >= see(before)->start_ns + WEIR_MS(120) && see(after)->end_ns <= see(before)->end_ns + 1000);
	assert_in_range(see(after)->events[0].time_ns, see(after)->start_ns, see(after)->end_ns + 1000);
	assert_true(apart(see(by > 0 ? "new, ahead" : "new, back")->start_ns, (uint64_t)((int64_t)truly + by)) < WEIR_S(50));
}

ALONE(a_clock_that_jumps)
{
	make_anchors();
	witness(NULL);
	check_jump(INT64_C(3600000000000), "ahead", "ahead, child");
	check_jump(INT64_C(-3600000000000), "back", "back, child");
}

/* A span that began by the one kind of ticks ends by it. */
ALONE(kinds_of_ticks_are_not_mixed)
{
	struct weir_span span;
	struct weir_ctx counted;
	uint64_t ns;

	weir__clock_start();
	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "clock");
	make_anchors();
	ns = weir_span_end(&span);
	assert_in_range(ns, WEIR_MS(120), WEIR_S(50));
	weir_ctx_begin(&counted, NULL, 0);
	weir_span_begin(&span, &counted, WEIR_SERVER, "counter");
	assert_true((weir__ctx_of(&counted)->state & WEIR__CTX_COUNTER) != 0);
	weir__anchor.ticks -= weir__anchor.stale_ticks + 1;
	assert_false(weir__clock_moment().counter);
	sleep_ms(10);
	assert_in_range(weir_span_end(&span), WEIR_MS(10), WEIR_S(50));
}

/* ---- forked ---- */

static struct weir_span open_span;
static void end_in_child(void)
{
	weir__clock_forget();
	assert_in_range(weir_span_end(&open_span), WEIR_MS(10), WEIR_S(50)); /* not 0: the pace is the machine's */
	assert_true(apart(weir__clock_moment().wall_ns, weir__wall_ns()) < WEIR_S(1));
	sleep_ms(120);
	weir__clock_anchor();
	assert_true(weir__clock_moment().counter);
}

ALONE(a_forked_child_measures_on)
{
	make_anchors();
	witness(NULL);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&open_span, &ctx, WEIR_SERVER, "open");
	sleep_ms(10);
	in_child(end_in_child);
	assert_in_range(weir_span_end(&open_span), WEIR_MS(10), WEIR_S(50));
}

/* ---- read while it is written ---- */

static bool done;
static void *read_moments(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		struct weir__moment m = weir__clock_moment();

		assert_true(apart(m.wall_ns, weir__wall_ns()) < WEIR_S(20)); /* half of one anchor and half of another is far off */
	}
	return NULL;
}

ALONE(anchors_are_read_whole)
{
	pthread_t reader;

	make_anchors();
	reader = begin_thread(read_moments, NULL);
	for (int i = 0; i < 20000; i++) {
		struct measured now = measure();

		publish(&now);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	end_thread(reader);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(without_anchors_the_clocks_are_asked),
	cmocka_unit_test(no_anchor_before_there_is_something_to_measure),
	cmocka_unit_test(durations_agree_with_the_clock),
	cmocka_unit_test(moments_agree_with_the_wall_clock),
	cmocka_unit_test(anchors_are_no_oftener_than_every_100_ms),
	cmocka_unit_test(a_stale_anchor_is_not_trusted),
	cmocka_unit_test(a_clock_that_jumps),
	cmocka_unit_test(kinds_of_ticks_are_not_mixed),
	cmocka_unit_test(a_forked_child_measures_on),
	cmocka_unit_test(anchors_are_read_whole),
};
ALONE_MAIN(tests)
