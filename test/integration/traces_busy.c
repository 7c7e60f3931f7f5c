/* Exporters of spans that do not do as one would like: that take nothing for a while, that fail, that are slow, that are stuck.
 * Nothing is lost that can be kept, what is lost is counted, and nobody waits longer than was said. Public API only. */
#include "traces_sink.h"

enum { QUEUE = 1000 };

/* It remembers the ids that it was offered first. */
struct first_ids {
	struct weir_ids ids;
	uint32_t calls;
	int answer;
	uint32_t differ;
};

static int take_first(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct first_ids *f = arg;
	struct weir_ended e;

	(void)timeout_ns;
	weir_ended_begin(&e, batch);
	CHECK(weir_ended_next(&e));
	if (GET(f->calls) == 0)
		f->ids = e.ids;
	else if (memcmp(&f->ids, &e.ids, sizeof e.ids) != 0)
		COUNT_UP(f->differ, 1);
	COUNT_UP(f->calls, 1);
	return GET(f->answer);
}

static void not_now_is_offered_again(void)
{
	struct first_ids f = {.answer = WEIR_ELIMIT};
	struct weir_exporter_options o = {.size = sizeof o, .arg = &f, .spans = take_first};
	struct weir_exporter *exporter;

	traces_start(QUEUE, 0, NULL);
	EQUAL_INT(weir_exporter_new(&exporter, &o), WEIR_OK);
	end_many(QUEUE); /* more than a batch: it is offered at once */
	WITHIN_MS(20000, GET(f.calls) >= 4);
	EQUAL(f.differ, 0);
	EQUAL(traces_expect(QUEUE).spans_exported, 0);
	SET(f.answer, WEIR_OK);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(traces_expect(QUEUE).spans_exported, QUEUE);
	EQUAL_INT(weir_exporter_destroy(exporter, WEIR_S(20)), WEIR_OK);
}

static void the_newest_are_dropped_while_it_is_busy(void)
{
	struct sink s = {.answer = WEIR_ELIMIT};
	struct weir_status status;

	traces_start(QUEUE, 0, NULL);
	sink_open(&s, NULL, NULL);
	for (int i = 0; i < 30; i++) {
		end_many(100);
		sleep_ms(1);
	}
	WITHIN_MS(20000, traces_status().spans_ended == 3000);
	status = traces_expect(3000);
	EQUAL(status.spans_waiting, QUEUE);
	EQUAL(status.dropped_spans_queue, 3000 - QUEUE);
	EQUAL(status.dropped_spans, 3000 - QUEUE);
	CHECK(weir_flush(WEIR_MS(200)) == WEIR_ETIMEOUT);
	EQUAL(traces_expect(3000).dropped_spans, 3000 - QUEUE);
	SET(s.answer, WEIR_OK);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(s.spans, QUEUE);
	end_many(QUEUE);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(s.spans, 2 * QUEUE);
	EQUAL(traces_expect(3000 + QUEUE).spans_waiting, 0);
	EQUAL_INT(weir_exporter_destroy(s.exporter, WEIR_S(20)), WEIR_OK);
	EQUAL(s.closed, 1);
}

static void *take_soon(void *arg)
{
	struct sink *s = arg;
	uint64_t batches = GET(s->batches);

	WITHIN_MS(10000, GET(s->batches) > batches + 3); /* it is asked again and again */
	SET(s->answer, WEIR_OK);
	return NULL;
}

/* It has no flush, and cannot be told to make room: it is asked again, for half of the time. */
static void a_busy_one_without_flush_is_asked_again(void)
{
	struct sink busy = {.answer = WEIR_ELIMIT}, other = {.answer = WEIR_OK};
	pthread_t thread;
	uint64_t began, asked;

	traces_start(QUEUE, 0, NULL);
	sink_open_with(&busy, NULL);
	sink_open(&other, NULL, NULL);
	end_many(20);
	began = now_ns();
	CHECK(weir_flush(WEIR_S(1)) == WEIR_ETIMEOUT);
	CHECK(now_ns() - began >= WEIR_MS(450) && now_ns() - began < WEIR_S(10));
	EQUAL(GET(other.flushes), 1); /* who comes behind it has its turn, in time */
	EQUAL(GET(other.spans), 20);
	asked = GET(busy.batches);
	AT_MOST(asked, 1000); /* with pauses */
	CHECK(asked > 10);
	EQUAL(traces_expect(20).dropped_spans, 0);
	thread_start(&thread, take_soon, &busy, 0);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	pthread_join(thread, NULL);
	EQUAL(busy.spans, 20);
	EQUAL(traces_expect(20).spans_exported, 20);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

static void one_that_fails_is_counted(void)
{
	struct sink bad = {.answer = WEIR_EIO}, worse = {.answer = WEIR_EINVAL}, good = {.answer = WEIR_OK};
	struct weir_status status;

	traces_start(QUEUE, 0, NULL);
	sink_open(&bad, NULL, NULL);
	end_many(300);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_EIO);
	status = traces_expect(300);
	EQUAL(status.dropped_spans_export, 300);
	EQUAL(status.spans_exported, 0);
	CHECK(status.exports_failed >= 1);
	sink_open(&good, NULL, NULL);
	sink_open(&worse, NULL, NULL);
	end_many(200);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_EIO);
	EQUAL(good.spans, 200); /* who is well gets them all */
	EQUAL(traces_expect(500).dropped_spans_export, 500); /* each once, though two failed on it */
	SET(bad.answer, WEIR_OK);
	SET(worse.answer, WEIR_OK);
	end_many(100);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	status = traces_expect(600);
	EQUAL(status.spans_exported, 100);
	EQUAL(status.dropped_spans_export, 500);
	EQUAL(good.spans, 300);
	EQUAL(good.flushes, 2);
}

static void the_environment_says_how_long_a_batch_may_take(void)
{
	struct sink s = {.answer = WEIR_OK}, later = {.answer = WEIR_OK};

	setenv("OTEL_BSP_EXPORT_TIMEOUT", "1500", 1);
	setenv("OTEL_BSP_SCHEDULE_DELAY", "10", 1);
	traces_start(QUEUE, 0, NULL);
	sink_open(&s, NULL, NULL);
	end_many(10);
	WITHIN_MS(20000, GET(s.spans) == 10);
	EQUAL(GET(s.told_ns), WEIR_MS(1500));
	for (int tries = 0; tries < 5; tries++) { /* at a flush, no longer than that has */
		SET(s.told_ns, 0);
		end_many(10);
		weir_flush(WEIR_MS(300));
		if (GET(s.told_ns) <= WEIR_MS(300) && GET(s.told_ns) != 0)
			break;
		CHECK(tries < 4);
	}
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(traces_status().dropped_spans, 0);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
	unsetenv("OTEL_BSP_EXPORT_TIMEOUT");
	traces_start(QUEUE, 0, NULL);
	sink_open(&later, NULL, NULL);
	end_many(10);
	WITHIN_MS(20000, GET(later.told_ns) != 0);
	EQUAL(GET(later.told_ns), WEIR_S(30));
}

static void two_both_get_everything(void)
{
	struct sink one = {.answer = WEIR_OK}, two = {.answer = WEIR_ELIMIT};

	traces_start(QUEUE, 0, NULL);
	sink_open(&one, NULL, NULL);
	sink_open(&two, NULL, NULL);
	for (int i = 0; i < 8; i++) {
		end_many(100);
		sleep_ms(2);
	}
	CHECK(weir_flush(WEIR_MS(200)) == WEIR_ETIMEOUT);
	EQUAL(one.spans, 800);
	EQUAL(traces_expect(800).spans_waiting, 800);
	SET(two.answer, WEIR_OK);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(one.spans, 800);
	EQUAL(two.spans, 800);
	EQUAL(traces_expect(800).spans_exported, 800);
	EQUAL_INT(weir_exporter_destroy(one.exporter, WEIR_S(20)), WEIR_OK);
	end_many(100);
	EQUAL_INT(weir_exporter_destroy(two.exporter, WEIR_S(20)), WEIR_OK); /* its last words are of now */
	EQUAL(one.spans, 800);
	EQUAL(two.spans, 900);
	EQUAL(traces_expect(900).spans_exported, 900);
}

/* Not a measure of speed: nothing but the deadline ends the call. */
static void a_stuck_one_and_the_deadline(void)
{
	struct sink s = {.answer = WEIR_OK, .hold = 1};
	uint64_t began, took;
	int result;

	traces_start(QUEUE, 0, NULL);
	sink_open(&s, NULL, NULL);
	end_many(10);
	for (int tries = 0;; tries++) { /* the machine may have other work: the best of a few */
		began = now_ns();
		result = weir_flush(WEIR_MS(300));
		took = now_ns() - began;
		EQUAL_INT(result, WEIR_ETIMEOUT);
		CHECK(took >= WEIR_MS(290));
		if (took <= WEIR_MS(350))
			break;
		CHECK(tries < 20);
	}
	EQUAL(GET(s.inside), 1);
	EQUAL_INT(weir_exporter_destroy(s.exporter, WEIR_MS(50)), WEIR_ETIMEOUT);
	EQUAL(s.closed, 0);
	SET(s.hold, 0u);
	WITHIN_MS(20000, GET(s.closed) == 1);
	EQUAL(s.spans, 10);
	EQUAL(traces_expect(10).spans_exported, 10);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

static void what_a_stuck_one_leaves_at_shutdown(void)
{
	struct sink s = {.answer = WEIR_OK, .hold = 1}, next = {.answer = WEIR_OK};

	traces_start(QUEUE, 0, NULL);
	sink_open(&s, NULL, NULL);
	end_many(10);
	EQUAL_INT(weir_shutdown(WEIR_MS(200)), WEIR_ETIMEOUT);
	traces_start(QUEUE, 0, NULL);
	sink_open(&next, NULL, NULL);
	end_many(20);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(next.spans, 20);
	SET(s.hold, 0u);
	WITHIN_MS(20000, GET(s.closed) == 1);
	WITHIN_MS(20000, traces_status().spans_exported == 30);
	EQUAL(s.spans, 10);
	traces_expect(30);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
	EQUAL(next.closed, 1);
}

/* Whoever joins between two ticks, however long those are apart, gets spans at once. */
static void the_first_one_need_not_wait_for_a_tick(void)
{
	struct weir_options o = {.size = sizeof o, .no_process = true, .tick_ns = WEIR_S(3600)};
	struct sink s = {.answer = WEIR_OK};

	EQUAL_INT(weir_init(&o), WEIR_OK);
	sleep_ms(100); /* its thread has gone to sleep */
	sink_open(&s, NULL, NULL);
	end_many(1500); /* a batch is 512; its first time may come amid them */
	WITHIN_MS(20000, GET(s.spans) >= 512);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
	EQUAL(s.spans, 1500);
}

/* What is over a whole batch waits for its time, or for the next. */
static void whole_batches_alone_go_before_their_time(void)
{
	struct sink s = {.answer = WEIR_OK};

	setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000", 1);
	traces_start(QUEUE, 0, NULL);
	sink_open(&s, NULL, NULL);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK); /* its first time is over */
	end_many(600); /* a batch is 512 */
	WITHIN_MS(20000, GET(s.spans) >= 512);
	sleep_ms(100);
	EQUAL(GET(s.spans), 512);
	end_many(500);
	WITHIN_MS(20000, GET(s.spans) >= 1024);
	EQUAL(GET(s.batches), 2);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(s.spans, 1100);
	unsetenv("OTEL_BSP_SCHEDULE_DELAY");
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

/* ---- no thread of weir's ---- */

static void pumped(void)
{
	struct weir_options o = {.size = sizeof o, .no_process = true, .no_thread = true, .tick_ns = WEIR_MS(1)};
	struct sink s = {.answer = WEIR_OK};
	uint64_t next;

	EQUAL_INT(weir_init(&o), WEIR_OK);
	sink_open(&s, NULL, NULL);
	end_many(1000); /* a batch is 512 */
	EQUAL_INT(weir_pump(WEIR_S(1), &next), WEIR_OK);
	CHECK(s.spans >= 512);
	EQUAL_INT(weir_flush(WEIR_S(20)), WEIR_OK);
	EQUAL(s.spans, 1000);
	SET(s.answer, WEIR_ELIMIT);
	end_many(600);
	EQUAL_INT(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	EQUAL(traces_expect(1600).spans_waiting, 600);
	SET(s.answer, WEIR_OK);
	end_many(1);
	EQUAL_INT(weir_exporter_destroy(s.exporter, WEIR_S(20)), WEIR_OK);
	EQUAL(s.spans, 1601);
	EQUAL(s.closed, 1);
	EQUAL_INT(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	EQUAL(traces_expect(1601).spans_exported, 1601);
	EQUAL_INT(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

CASES({"not_now_is_offered_again", not_now_is_offered_again, 60},
      {"the_newest_are_dropped_while_it_is_busy", the_newest_are_dropped_while_it_is_busy, 60},
      {"a_busy_one_without_flush_is_asked_again", a_busy_one_without_flush_is_asked_again, 60},
      {"one_that_fails_is_counted", one_that_fails_is_counted, 60},
      {"the_environment_says_how_long_a_batch_may_take", the_environment_says_how_long_a_batch_may_take, 60}, {"two_both_get_everything", two_both_get_everything, 60},
      {"a_stuck_one_and_the_deadline", a_stuck_one_and_the_deadline, 60},
      {"what_a_stuck_one_leaves_at_shutdown", what_a_stuck_one_leaves_at_shutdown, 60},
      {"the_first_one_need_not_wait_for_a_tick", the_first_one_need_not_wait_for_a_tick, 60},
      {"whole_batches_alone_go_before_their_time", whole_batches_alone_go_before_their_time, 60}, {"pumped", pumped, 60})
