/* Unit: src/exporter.c: an exporter of one's own is called at its interval and at flush, is told its time, is counted
 * when it fails, and is closed once, last. test_exporter_shutdown.c has shutdown and fork. */
#include "test_exporter.h"

/* ---- new ---- */

ALONE(what_cannot_be_made_is_refused_and_closed)
{
	struct sink s = {.result = WEIR_OK};
	struct weir_exporter_options o = {.size = sizeof o, .arg = &s, .metrics = take_metrics, .closed = take_end};
	struct {
		struct weir_exporter_options o;
		char tail[8];
	} newer;
	struct weir_exporter *e = (struct weir_exporter *)(void *)&s;

	assert_int_equal(weir_exporter_new(&e, NULL), WEIR_EINVAL);
	assert_null(e);
	assert_int_equal(weir_exporter_new(NULL, &o), WEIR_EINVAL);
	assert_int_equal(s.closed, 1);
	o.metrics = NULL;
	assert_int_equal(weir_exporter_new(&e, &o), WEIR_EINVAL);
	assert_int_equal(s.closed, 2);
	o.closed = NULL;
	assert_int_equal(weir_exporter_new(&e, &o), WEIR_EINVAL);
	o = (struct weir_exporter_options){.size = 0, .metrics = take_metrics};
	assert_int_equal(weir_exporter_new(&e, &o), WEIR_EINVAL);
	memset(&newer, 0, sizeof newer);
	newer.o =
	    (struct weir_exporter_options){.size = sizeof newer, .arg = &s, .metrics = take_metrics, .interval_ns = 1};
	newer.tail[7] = 1;
	newer.o.closed = take_end;
	assert_int_equal(weir_exporter_new(&e, &newer.o), WEIR_EINVAL);
	assert_null(e);
	assert_int_equal(s.closed, 3);
	newer.tail[7] = 0;
	newer.o.closed = NULL;
	s.closed = 0;
	assert_int_equal(weir_exporter_new(&e, &newer.o), WEIR_OK);
	assert_int_equal(weir__exporters_count(), 1);
	assert_int_equal(weir_exporter_destroy(e, WEIR_S(10)), WEIR_OK); /* it has no closed: none is called */
	assert_int_equal(s.closed, 0);
	assert_int_equal(s.calls, 1);
}

ALONE(there_is_room_for_sixty_four)
{
	static struct sink sinks[65];
	struct weir_exporter *all[64], *more;
	struct weir_exporter_options o = {
	    .size = sizeof o, .arg = &sinks[64], .metrics = take_metrics, .closed = take_end};

	for (size_t i = 0; i < COUNT(all); i++)
		all[i] = export_to(&sinks[i], WEIR_S(3600));
	assert_int_equal(weir_exporter_new(&more, &o), WEIR_ELIMIT);
	assert_null(more);
	assert_int_equal(sinks[64].closed, 1);
	sinks[64].closed = 0;
	assert_int_equal(weir_exporter_destroy(all[7], WEIR_S(10)), WEIR_OK);
	assert_int_equal(weir_exporter_new(&all[7], &o), WEIR_OK);
	sinks[64].calls = 0;
	start(false);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	for (size_t i = 0; i < COUNT(sinks); i++)
		assert_int_equal(GET(sinks[i].calls), 1);
	stop();
	for (size_t i = 0; i < COUNT(sinks); i++)
		assert_int_equal(GET(sinks[i].closed), 1);
	assert_int_equal(weir__exporters_count(), 0);
}

/* ---- its interval ---- */

ALONE(it_is_called_at_its_interval_whatever_the_tick)
{
	static struct sink often, seldom;

	start(false);
	weir_counter_add(&counter, 5);
	export_to(&often, WEIR_MS(5));
	export_to(&seldom, WEIR_S(3600));
	WITHIN_MS(10000, GET(often.calls) >= 5);
	assert_int_equal(GET(often.count), 5);
	assert_int_equal(GET(often.timeout_ns), WEIR_MS(5)); /* by then the next one is due */
	assert_int_equal(GET(seldom.calls), 0);
	weir_counter_add(&counter, 1);
	WITHIN_MS(10000, GET(often.count) == 6);
	stop();
}

ALONE(it_is_not_called_before_its_interval_is_over)
{
	static struct sink s;
	uint64_t began = now_ns();

	start(false);
	export_to(&s, WEIR_MS(60));
	WITHIN_MS(10000, GET(s.calls) >= 1);
	assert_true(GET(s.last_ns) - began >= WEIR_MS(60));
	stop();
}

ALONE(the_interval_is_the_variables_where_none_is_given)
{
	static struct sink s;

	setenv("OTEL_METRIC_EXPORT_INTERVAL", "7", 1);
	start(false);
	export_to(&s, 0);
	WITHIN_MS(10000, GET(s.calls) >= 3);
	assert_int_equal(GET(s.timeout_ns), WEIR_MS(7));
	stop();
}

ALONE(a_turns_time_is_the_variables_and_no_longer_than_its_interval)
{
	static struct sink shorter, longer;

	setenv("OTEL_METRIC_EXPORT_TIMEOUT", "9", 1);
	start(false);
	export_to(&shorter, WEIR_MS(7));
	export_to(&longer, WEIR_MS(30));
	WITHIN_MS(10000, GET(shorter.calls) >= 2 && GET(longer.calls) >= 2);
	assert_int_equal(GET(shorter.timeout_ns), WEIR_MS(7));
	assert_int_equal(GET(longer.timeout_ns), WEIR_MS(9));
	stop();
}

ALONE(an_interval_without_end_is_at_flush_only)
{
	static struct sink s;
	struct timespec before, after;

	start(false);
	export_to(&s, UINT64_MAX);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	sleep_ms(100);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_int_equal(GET(s.calls), 0);
	/* it sleeps meanwhile: a loop would take all of the time */
	assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 80);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	assert_int_equal(GET(s.calls), 1);
	stop();
}

ALONE(pumped_it_is_called_when_it_is_due)
{
	static struct sink s;
	uint64_t next = 0, began;
	uint32_t calls;

	start(true);
	began = now_ns();
	export_to(&s, WEIR_MS(40));
	assert_int_equal(weir_pump(WEIR_S(1), &next), WEIR_OK);
	assert_true(s.calls == 0 || now_ns() - began >= WEIR_MS(40)); /* on a machine that is busy elsewhere */
	assert_true(next <= WEIR_MS(40));
	while (s.calls == 0 && now_ns() - began < WEIR_S(10)) {
		sleep_ms(1);
		assert_int_equal(weir_pump(WEIR_S(1), &next), WEIR_OK);
	}
	assert_int_equal(s.calls, 1);
	assert_true(s.last_ns - began >= WEIR_MS(40));
	assert_true(s.timeout_ns <= WEIR_MS(40));
	began = s.last_ns;
	assert_int_equal(weir_pump(WEIR_S(1), &next), WEIR_OK); /* not due again */
	assert_true(s.calls == 1 || s.last_ns - began >= WEIR_MS(40));
	calls = s.calls;
	stop();
	assert_int_equal(s.calls, calls + 1); /* flushed */
	assert_int_equal(s.closed, 1);
}

/* ---- flush, failure ---- */

ALONE(flush_sends_what_is_recorded_by_then)
{
	static struct sink s;

	start(false);
	export_to(&s, WEIR_S(3600));
	for (uint64_t i = 1; i <= 50; i++) {
		weir_counter_add(&counter, 1);
		assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
		assert_int_equal(GET(s.count), i);
		assert_int_equal(GET(s.calls), i);
		assert_in_range(GET(s.timeout_ns), 1, WEIR_S(20));
	}
	stop();
}

ALONE(what_fails_is_counted_and_told_and_the_others_go_on)
{
	static struct sink bad = {.result = WEIR_EIO}, strange = {.result = 77}, good;

	start(false);
	export_to(&bad, WEIR_S(3600));
	export_to(&strange, WEIR_S(3600));
	export_to(&good, WEIR_S(3600));
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_EIO);
	assert_int_equal(GET(good.calls), 1);
	assert_int_equal(status_now().exports_failed, 2);
	assert_int_equal(said_times("the exporter sink failed"), 2); /* each with its reason */
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_EIO);
	assert_int_equal(status_now().exports_failed, 4);
	assert_int_equal(said_times("the exporter sink failed"), 2); /* once a minute */
	SET(bad.result, WEIR_OK);
	SET(strange.result, WEIR_OK);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	SET(bad.result, WEIR_EIO);
	assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_EIO); /* the last export failed: not all was delivered */
	assert_int_equal(GET(bad.closed) + GET(strange.closed) + GET(good.closed), 3);
	assert_int_equal(status_now().exports_failed, 5);
}

static int record_and_look(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct weir_snapshot *own;

	(void)snapshot;
	(void)timeout_ns;
	weir_counter_add(&counter, 1);
	status_now();
	assert_int_equal(weir_snapshot_new(&own), WEIR_OK);
	weir_snapshot_destroy(own);
	++*(unsigned *)arg;
	return WEIR_OK;
}

ALONE(an_exporter_runs_under_no_lock)
{
	static unsigned calls;
	struct weir_exporter_options o = {.size = sizeof o, .arg = &calls, .metrics = record_and_look};
	struct weir_exporter *e;

	start(false);
	assert_int_equal(weir_exporter_new(&e, &o), WEIR_OK);
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	assert_int_equal(calls, 1);
	assert_int_equal(weir_counter_read(&counter), 1);
	stop();
}

/* ---- destroy ---- */

static void flushes_then_closes(void)
{
	static struct sink s, other;
	struct weir_exporter *e = export_to(&s, WEIR_S(3600)), *o = export_to(&other, WEIR_S(3600));

	weir_counter_add(&counter, 3);
	assert_int_equal(weir_exporter_destroy(e, WEIR_S(20)), WEIR_OK);
	assert_int_equal(GET(s.calls), 1);
	assert_int_equal(GET(s.count), 3);
	assert_int_equal(GET(s.closed), 1);
	assert_int_equal(GET(s.calls_when_closed), 1);
	assert_int_equal(GET(other.calls), 0); /* that one is not due */
	assert_int_equal(weir__exporters_count(), 1);
	assert_int_equal(weir_exporter_destroy(e, WEIR_S(20)), WEIR_EINVAL); /* it is gone */
	SET(other.result, WEIR_ETIMEOUT);
	assert_int_equal(weir_exporter_destroy(o, WEIR_S(20)), WEIR_EIO); /* its last export failed */
	assert_int_equal(GET(other.closed), 1);
	assert_int_equal(weir_exporter_destroy(NULL, WEIR_S(20)), WEIR_EINVAL);
}

ALONE(destroy_flushes_then_closes)
{
	start(false);
	flushes_then_closes();
	stop();
}

ALONE(destroy_flushes_then_closes_where_weir_is_pumped)
{
	start(true);
	flushes_then_closes();
	stop();
}

ALONE(destroy_flushes_then_closes_where_weir_was_never_started)
{
	flushes_then_closes();
}

ALONE(destroy_waits_no_longer_than_asked_and_is_finished_later)
{
	static struct sink s = {.hold = 1};
	struct weir_exporter *e;
	uint64_t began;

	start(false);
	e = export_to(&s, WEIR_MS(1));
	WITHIN_MS(10000, GET(s.inside) == 1);
	began = now_ns();
	assert_int_equal(weir_exporter_destroy(e, WEIR_MS(40)), WEIR_ETIMEOUT);
	assert_true(now_ns() - began >= WEIR_MS(40));
	assert_int_equal(GET(s.closed), 0);
	SET(s.hold, 0u);
	WITHIN_MS(10000, GET(s.closed) == 1); /* it came back */
	assert_int_equal(weir__exporters_count(), 0);
	stop();
	assert_int_equal(GET(s.closed), 1);
}

ALONE(destroy_sends_what_came_during_an_export)
{
	static struct sink s = {.hold = 1};
	struct weir_exporter *e;

	start(false);
	e = export_to(&s, WEIR_MS(1));
	WITHIN_MS(10000, GET(s.inside) == 1);
	weir_counter_add(&counter, 9); /* the snapshot in its hands is older */
	assert_int_equal(weir_exporter_destroy(e, 0), WEIR_ETIMEOUT);
	SET(s.hold, 0u);
	WITHIN_MS(10000, GET(s.closed) == 1);
	assert_int_equal(GET(s.count), 9);
	stop();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_cannot_be_made_is_refused_and_closed),
	cmocka_unit_test(there_is_room_for_sixty_four),
	cmocka_unit_test(it_is_called_at_its_interval_whatever_the_tick),
	cmocka_unit_test(it_is_not_called_before_its_interval_is_over),
	cmocka_unit_test(the_interval_is_the_variables_where_none_is_given),
	cmocka_unit_test(a_turns_time_is_the_variables_and_no_longer_than_its_interval),
	cmocka_unit_test(an_interval_without_end_is_at_flush_only),
	cmocka_unit_test(pumped_it_is_called_when_it_is_due),
	cmocka_unit_test(flush_sends_what_is_recorded_by_then),
	cmocka_unit_test(what_fails_is_counted_and_told_and_the_others_go_on),
	cmocka_unit_test(an_exporter_runs_under_no_lock),
	cmocka_unit_test(destroy_flushes_then_closes),
	cmocka_unit_test(destroy_flushes_then_closes_where_weir_is_pumped),
	cmocka_unit_test(destroy_flushes_then_closes_where_weir_was_never_started),
	cmocka_unit_test(destroy_waits_no_longer_than_asked_and_is_finished_later),
	cmocka_unit_test(destroy_sends_what_came_during_an_export),
};
ALONE_MAIN(tests)
