/* Unit: src/lifecycle.c: begin, end and what is between, each as often and in whatever order; options by every rule.
 * test_lifecycle_fork.c has threads that attach, and children. */
#include "test_lifecycle.h"

/* ---- names ---- */

static void errors_have_names_and_texts(void **state)
{
#define CASE(name, value, text) {name, value, #name, text},
	static const struct {
		int error, value;
		const char *name, *text;
	} cases[] = {WEIR_ERRORS(CASE)};
	static const int strangers[] = {1, -9, -1000, INT32_MAX, INT32_MIN};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(cases[i].error, cases[i].value);
		assert_int_equal(cases[i].error, -(int)(i + 1)); /* frozen */
		assert_string_equal(weir_error_name(cases[i].error), cases[i].name);
		assert_string_equal(weir_error_text(cases[i].error), cases[i].text);
	}
	assert_int_equal(COUNT(cases), 8);
	assert_int_equal(WEIR_OK, 0);
	assert_string_equal(weir_error_name(WEIR_OK), "WEIR_OK");
	assert_true(strlen(weir_error_text(WEIR_OK)) > 0);
	for (size_t i = 0; i < COUNT(strangers); i++) {
		assert_string_equal(weir_error_name(strangers[i]), "WEIR_E?");
		assert_string_equal(weir_error_text(strangers[i]), "unknown error");
	}
}

static void the_version_is_the_headers(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(weir_version(), WEIR_VERSION_TEXT);
	snprintf(text, sizeof text, "%d.%d.%d", WEIR_VERSION >> 16, WEIR_VERSION >> 8 & 255, WEIR_VERSION & 255);
	assert_string_equal(weir_version(), text);
}

/* ---- options ---- */

static void refused(const struct weir_options *o)
{
	assert_int_equal(weir_init(o), WEIR_EINVAL);
	assert_false(weir_private_started());
	assert_int_equal(weir_flush(0), WEIR_EINVAL);
	WITHIN_MS(5000,
	          threads_named("weir") == 0); /* of a former case: join returns a little before the system says so */
}

static void taken(const struct weir_options *o)
{
	assert_int_equal(weir_init(o), WEIR_OK);
	assert_true(weir_private_started());
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
	assert_false(weir_private_started());
}

ALONE(options_have_a_size)
{
	struct weir_options o = quiet();
	struct {
		struct weir_options o;
		char tail[16];
	} newer;

	weir_private_log(WEIR_LOG_DEBUG, "nothing is heard yet");
	o.size = 0;
	refused(&o);
	o.size = sizeof o.size - 1;
	refused(&o);
	o.size = offsetof(struct weir_options, log_level); /* an older one, without thread options */
	o.no_thread = true;
	o.tick_ns = 1; /* not read */
	taken(&o);
	assert_false(weir_private_pumped());
	o = quiet();
	o.size = sizeof o.size;
	o.tick_ns = 1;
	taken(&o);
	memset(&newer, 0, sizeof newer);
	newer.o = quiet();
	newer.o.size = sizeof newer;
	taken(&newer.o);
	newer.tail[15] = 1;
	refused(&newer.o);
	newer.tail[15] = 0;
	newer.tail[0] = 1;
	refused(&newer.o);
	newer.o.size = sizeof newer.o;
	taken(&newer.o);
	taken(NULL);
}

ALONE(options_have_ranges)
{
	struct weir_options o = quiet();

	o.tick_ns = WEIR_MS(1) - 1;
	refused(&o);
	o.tick_ns = WEIR_S(3600) + 1;
	refused(&o);
	o.tick_ns = UINT64_MAX;
	refused(&o);
	o.tick_ns = WEIR_MS(1);
	taken(&o);
	o.tick_ns = WEIR_S(3600);
	taken(&o);
	o.tick_ns = 0;
	o.totals_ns = WEIR_MS(1) - 1;
	refused(&o);
	o.totals_ns = WEIR_S(3600) + 1;
	refused(&o);
	o.totals_ns = WEIR_MS(1);
	taken(&o);
	o.totals_ns = 0;
	o.log_level = (enum weir_log_level)(WEIR_LOG_DEBUG + 1);
	refused(&o);
	o.log_level = (enum weir_log_level)-1;
	refused(&o);
	for (int level = WEIR_LOG_ENV; level <= WEIR_LOG_DEBUG; level++) {
		o.log_level = (enum weir_log_level)level;
		taken(&o);
	}
}

ALONE(the_segment_is_as_large_as_asked_before_first_use)
{
	struct weir_options o = quiet();
	struct weir_status before;
	uint64_t most = 0;

	o.segment_bytes = WEIR_MIB(1);
	o.no_thread = true;
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
	o.segment_bytes = WEIR_MIB(64); /* too late */
	assert_int_equal(weir_init(&o), WEIR_OK);
	for (int i = 0; i < 200; i++) {
		const struct weir_histogram *h;
		char name[32];

		snprintf(name, sizeof name, "life_large_%d", i);
		assert_int_equal(weir_histogram_create(
				     &h, name, "Help.", NULL,
				     &(struct weir_instrument_options){.size = sizeof(struct weir_instrument_options),
		                                                       .range_lowest = 1,
		                                                       .range_highest = UINT64_C(1) << 29}),
		                 WEIR_OK);
		weir_histogram_record(h, 1);
		before = status_now();
		most = before.segment_bytes > most ? before.segment_bytes : most;
	}
	assert_true(most <= WEIR_MIB(1));
	assert_true(before.segment_bytes > 0);
}

/* ---- begin and end ---- */

ALONE(recording_needs_no_init)
{
	weir_counter_add(&counter, 3);
	weir_counter_add_with(&counters, 4, "x");
	weir_gauge_set(&gauge, 5);
	weir_histogram_record(&histogram, 6);
	assert_int_equal(weir_counter_read(&counter), 3);
	assert_string_equal(status_now().home, "memfd");
	assert_int_equal(threads_named("weir"), 0);
}

ALONE(before_init_nothing_is_started)
{
	uint64_t next = 7;

	assert_int_equal(weir_flush(WEIR_S(1)), WEIR_EINVAL);
	assert_int_equal(weir_pump(WEIR_S(1), &next), WEIR_EINVAL);
	assert_int_equal(weir_after_fork(), WEIR_EINVAL);
	assert_int_equal(weir_shutdown(WEIR_S(1)), WEIR_OK);
	assert_false(weir_private_started());
	assert_false(weir_private_pumped());
	assert_int_equal(threads_named("weir"), 0);
}

ALONE(a_second_init_changes_nothing)
{
	struct weir_options o = quiet(), other = {.size = sizeof other,
	                                          .service_name = "other",
	                                          .log_level = WEIR_LOG_NONE,
	                                          .no_thread = true};
	struct weir_snapshot *snapshot;
	struct weir_attrs resource;

	o.service_name = "first";
	assert_int_equal(weir_init(&o), WEIR_OK);
	WITHIN_MS(5000, threads_named("weir") == 1);
	assert_int_equal(weir_init(&other), WEIR_OK);
	assert_int_equal(weir_init(NULL), WEIR_OK);
	assert_int_equal(threads_named("weir"), 1);
	assert_false(weir_private_pumped());
	weir_private_log(WEIR_LOG_WARN, "still heard");
	assert_int_equal(said_times("still heard"), 1);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	resource = weir_snapshot_resource(snapshot);
	for (size_t i = 0; i < resource.count; i++)
		if (strcmp(resource.ptr[i].key.ptr, "service.name") == 0)
			assert_string_equal(resource.ptr[i].as.str.ptr, "first");
	weir_snapshot_destroy(snapshot);
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
}

ALONE(it_ends_and_begins_again_any_number_of_times)
{
	struct weir_options o = quiet();

	for (int i = 0; i < 30; i++) {
		o.no_thread = i % 3 == 0;
		assert_int_equal(weir_init(&o), WEIR_OK);
		assert_int_equal(weir_private_pumped(), o.no_thread);
		weir_counter_add(&counter, 1);
		assert_int_equal(weir_flush(WEIR_S(10)), WEIR_OK);
		assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
		assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
		assert_int_equal(weir_flush(WEIR_S(10)), WEIR_EINVAL);
		WITHIN_MS(5000, threads_named("weir") == 0); /* join returns a little before the system says so */
		weir_counter_add(&counter, 1);
	}
	assert_int_equal(weir_counter_read(&counter), 60);
}

ALONE(after_shutdown_recording_and_reading_go_on)
{
	struct weir_options o = quiet();
	struct weir_snapshot *snapshot;
	struct weir_series s;

	assert_int_equal(weir_init(&o), WEIR_OK);
	weir_counter_add(&counter, 1);
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
	weir_counter_add(&counter, 2);
	weir_counter_add_with(&counters, 4, "new");
	weir_gauge_set(&gauge, -1);
	weir_histogram_record(&histogram, 5);
	assert_int_equal(weir_counter_read(&counter), 3);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_true(weir_snapshot_find(snapshot, "life_counters_total", (struct weir_str[]){STR("new")}, 1, &s) &&
	            s.count == 4);
	weir_snapshot_destroy(snapshot);
	assert_int_equal(status_now().dropped_records, 0);
}

static void *init_at_once(void *arg)
{
	struct weir_options o = quiet();

	(void)arg;
	assert_int_equal(weir_init(&o), WEIR_OK);
	return NULL;
}

static void *shut_down_at_once(void *arg)
{
	(void)arg;
	assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_OK);
	return NULL;
}

ALONE(many_threads_may_begin_and_end_it)
{
	in_threads(8, init_at_once, NULL);
	assert_true(weir_private_started());
	WITHIN_MS(5000, threads_named("weir") == 1);
	in_threads(8, shut_down_at_once, NULL);
	assert_false(weir_private_started());
	WITHIN_MS(5000, threads_named("weir") == 0);
}

/* What went wrong before there was anybody to tell is told at init. */
WEIR_COUNTER(bad_name, "1 life", "Refused.");
WEIR_COUNTER(bad_label, "life_bad_label", "Refused.", "__a");
WEIR_COUNTER(bad_twice, "life_bad_twice", "Refused.", "a", "a");

ALONE(what_was_refused_before_is_told_at_init)
{
	struct weir_options o = quiet();

	weir_counter_add(&bad_name, 1);
	weir_counter_add_with(&bad_label, 1, "x");
	weir_counter_add_with(&bad_twice, 1, "x", "y");
	assert_int_equal(status_now().refused, 3);
	assert_int_equal(status_now().dropped_refused, 3);
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_int_equal(said_times("1 life"), 1);
	assert_int_equal(said_times("life_bad_label"), 1);
	assert_int_equal(said_times("life_bad_twice"), 1);
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
}

static uint64_t told_timeout;
static unsigned stops;
static int stop_result;
static int on_stop(uint64_t timeout_ns)
{
	stops++;
	told_timeout = timeout_ns;
	status_now(); /* under no lock that this needs */
	weir_counter_add(&counter, 1);
	return stop_result;
}

ALONE(shutdown_stops_who_asked_for_it_and_tells_its_result)
{
	struct weir_options o = quiet();

	assert_true(weir_private_on_shutdown(on_stop));
	assert_true(weir_private_on_shutdown(on_stop)); /* once all the same */
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK); /* it was not started */
	assert_int_equal(stops, 0);
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
	assert_int_equal(stops, 1);
	assert_in_range(told_timeout, 1, WEIR_S(5));
	assert_int_equal(weir_init(&o), WEIR_OK);
	stop_result = WEIR_ETIMEOUT;
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_ETIMEOUT);
	assert_int_equal(stops, 2);
	assert_false(weir_private_started());
	assert_false(weir_private_on_shutdown(NULL));
}

static void nothing(void *arg)
{
	(void)arg;
}

static int start_error, was_started;
static int start_within(uint64_t timeout_ns)
{
	struct weir_private_thread *thread = (struct weir_private_thread *)1;

	(void)timeout_ns;
	was_started = weir_private_started();
	start_error = weir_private_thread_start(&thread, "weir-test", nothing, NULL);
	assert_null(thread);
	return WEIR_OK;
}

static bool in_a_child; /* whose own shutdown forks no other */
static void begin_anew(void)
{
	struct weir_options o = quiet();

	in_a_child = true;
	o.no_thread = false;
	assert_int_equal(weir_init(&o), WEIR_OK); /* and its first thread */
	assert_true(weir_private_started());
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

static int fork_within(uint64_t timeout_ns)
{
	(void)timeout_ns;
	if (!TSAN && !in_a_child)
		in_child(begin_anew);
	return WEIR_OK;
}

/* Once what others have is stopped they start nothing anew; the next init may, and a child that was forked amid it. */
ALONE(no_thread_is_started_while_shutdown_stops_them)
{
	struct weir_private_thread *thread;
	struct weir_options o = quiet();

	assert_true(weir_private_on_shutdown(start_within));
	assert_true(weir_private_on_shutdown(fork_within));
	o.no_thread = false;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_init(&o), WEIR_OK);
		assert_int_equal(weir_private_thread_start(&thread, "weir-test", nothing, NULL), WEIR_OK);
		assert_true(weir_private_thread_join(thread, WEIR_S(10)));
		start_error = WEIR_OK;
		was_started = 1;
		assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_OK);
		assert_int_equal(start_error, WEIR_EINVAL);
		assert_false(was_started);
	}
	assert_int_equal(weir_private_thread_start(&thread, "weir-test", nothing, NULL), WEIR_OK);
	assert_true(weir_private_thread_join(thread, WEIR_S(10)));
}

static char stop_order[16];
#define STOP(letter)                                                                                                   \
	static int stop_##letter(uint64_t timeout_ns)                                                                  \
	{                                                                                                              \
		(void)timeout_ns;                                                                                      \
		strcat(stop_order, #letter);                                                                           \
		return #letter[0] == 'b' ? WEIR_EIO : #letter[0] == 'c' ? WEIR_ETIMEOUT : WEIR_OK;                     \
	}
STOP(a)
STOP(b)
STOP(c)
STOP(d)
STOP(e)
STOP(f)
STOP(g)
STOP(h)
STOP(i)

ALONE(shutdown_stops_eight_in_their_order_and_tells_the_first_error)
{
	static int (*const all[])(uint64_t) = {stop_a, stop_b, stop_c, stop_d, stop_e, stop_f, stop_g, stop_h};
	struct weir_options o = quiet();

	for (size_t i = 0; i < COUNT(all); i++)
		assert_true(weir_private_on_shutdown(all[i]));
	assert_false(weir_private_on_shutdown(stop_i));
	assert_true(weir_private_on_shutdown(stop_h));
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_EIO);
	assert_string_equal(stop_order, "abcdefgh");
}

ALONE(options_of_spans_are_within_bounds)
{
	struct weir_sampling newer = {.size = sizeof newer};
	struct weir_options o = quiet();

	o.spans_queue = (1u << 26) + 1;
	assert_int_equal(weir_init(&o), WEIR_EINVAL);
	o.spans_queue = 0;
	o.spans_bytes = (UINT64_C(1) << 40) + 1;
	assert_int_equal(weir_init(&o), WEIR_EINVAL);
	o.spans_bytes = 0;
	newer.size = 0; /* it was never set */
	o.sampling = &newer;
	assert_int_equal(weir_init(&o), WEIR_EINVAL);
	newer.size = sizeof newer;
	newer.ratio_ppm = 1000001;
	assert_int_equal(weir_init(&o), WEIR_EINVAL);
	newer.ratio_ppm = 1000000;
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

/* ---- status ---- */

ALONE(a_status_is_as_long_as_its_reader_knows_it)
{
	struct {
		struct weir_status status;
		unsigned char beyond[16];
	} room;
	size_t prefix = offsetof(struct weir_status, series);

	assert_int_equal(weir_status_read(NULL), WEIR_EINVAL);
	for (size_t size = 0; size < sizeof room.status.size; size++) {
		memset(&room, 0xaa, sizeof room);
		room.status.size = size;
		assert_int_equal(weir_status_read(&room.status), WEIR_EINVAL);
	}
	weir_counter_add(&counter, 1);
	memset(&room, 0xaa, sizeof room);
	room.status.size = prefix; /* an older one's */
	assert_int_equal(weir_status_read(&room.status), WEIR_OK);
	assert_int_equal(room.status.size, prefix);
	assert_string_equal(room.status.home, "memfd");
	assert_int_equal(room.status.instruments, weir__instruments_count());
	for (size_t i = prefix; i < sizeof room; i++)
		assert_int_equal(((unsigned char *)&room)[i], 0xaa);
	memset(&room, 0xaa, sizeof room);
	room.status.size = sizeof room; /* a newer one's */
	assert_int_equal(weir_status_read(&room.status), WEIR_OK);
	assert_int_equal(room.status.size, sizeof room);
	assert_int_equal(room.status.shards, 1);
	for (size_t i = 0; i < sizeof room.beyond; i++)
		assert_int_equal(room.beyond[i], 0xaa);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(errors_have_names_and_texts),
	cmocka_unit_test(the_version_is_the_headers),
	cmocka_unit_test(options_have_a_size),
	cmocka_unit_test(options_have_ranges),
	cmocka_unit_test(the_segment_is_as_large_as_asked_before_first_use),
	cmocka_unit_test(recording_needs_no_init),
	cmocka_unit_test(before_init_nothing_is_started),
	cmocka_unit_test(a_second_init_changes_nothing),
	cmocka_unit_test(it_ends_and_begins_again_any_number_of_times),
	cmocka_unit_test(after_shutdown_recording_and_reading_go_on),
	cmocka_unit_test(many_threads_may_begin_and_end_it),
	cmocka_unit_test(what_was_refused_before_is_told_at_init),
	cmocka_unit_test(shutdown_stops_who_asked_for_it_and_tells_its_result),
	cmocka_unit_test(no_thread_is_started_while_shutdown_stops_them),
	cmocka_unit_test(shutdown_stops_eight_in_their_order_and_tells_the_first_error),
	cmocka_unit_test(options_of_spans_are_within_bounds),
	cmocka_unit_test(a_status_is_as_long_as_its_reader_knows_it),
};
ALONE_MAIN(tests)
