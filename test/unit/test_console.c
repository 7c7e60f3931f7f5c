/* Unit: src/console.c, src/console_out.c: one tree a trace on standard error, and a reader that does not read holds up nobody past
 * a deadline. Golden text; standard error is a file or a pipe of the test's own. */
#define _GNU_SOURCE
#include "console_out.h"
#include "tally.h"

#include <weir/exporter.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "alone.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define START (UINT64_C(1795763045) * 1000000000 + 123456789) /* 2026-11-27T07:04:05 */

static int own_stderr = -1, reader = -1;

static void to_file(void)
{
	own_stderr = dup(STDERR_FILENO);
	reader = memfd_create("standard error", MFD_CLOEXEC);
	assert_true(reader >= 0 && dup2(reader, STDERR_FILENO) == STDERR_FILENO);
}

static void to_pipe(void)
{
	int ends[2];

	own_stderr = dup(STDERR_FILENO);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
}

/* What stands there by now; checks that fail are told again where they are seen. */
static const char *printed(void)
{
	static char text[1 << 20];
	ssize_t got, len = 0;

	dup2(own_stderr, STDERR_FILENO);
	if (lseek(reader, 0, SEEK_SET) == 0 || errno == ESPIPE)
		while ((got = read(reader, text + len, sizeof text - 1 - (size_t)len)) > 0)
			len += got;
	text[len] = '\0';
	return text;
}

static void start(const char *exporter, bool pumped)
{
	struct weir_options o = {.size = sizeof o, .no_thread = pumped, .no_process = true, .log = say_to_test, .tick_ns = WEIR_MS(1)};

	setenv("OTEL_TRACES_EXPORTER", exporter, 1);
	setenv("OTEL_BSP_SCHEDULE_DELAY", "0", 1);
	assert_int_equal(weir_init(&o), WEIR_OK);
}

static void begin_request(struct weir_ctx *ctx)
{
	struct weir_header parent = {STR("traceparent"), STR("00-" TRACE "-00f067aa0ba902b7-01")};

	weir_ctx_begin(ctx, &parent, 1);
}

static void begin_span(struct weir_span *span, struct weir_ctx *ctx, const char *name, unsigned after_ms)
{
	struct weir_span_options o = {.size = sizeof o, .start_ns = START + WEIR_MS((uint64_t)after_ms)};

	weir_span_begin_opts(span, ctx, WEIR_INTERNAL, name, &o);
}

static const char *hex(const struct weir_ids *ids)
{
	static char text[4][17];
	static unsigned at;
	char trace[33], *span = text[at++ % 4];

	weir_ids_hex(ids, trace, span);
	return span;
}

static struct weir_ids ids_of[4];

/* A request of four spans: two below the first, the later begun first, and one below a child. */
static void make_request(void)
{
	struct weir_span_options o = {.size = sizeof o, .start_ns = START};
	struct weir_span root, a, b, c;
	struct weir_ctx ctx;

	begin_request(&ctx);
	weir_span_begin_opts(&root, &ctx, WEIR_SERVER, "GET /", &o);
	ids_of[0] = weir_span_ids(&root);
	weir_span_set_attrs(&root, (struct weir_attrs){(struct weir_attr[]){weir_attr_int("n", 1)}, 1});
	begin_span(&b, &ctx, "later", 5);
	ids_of[2] = weir_span_ids(&b);
	weir_span_end_at(&b, START + WEIR_MS(6));
	begin_span(&a, &ctx, "sooner", 1);
	ids_of[1] = weir_span_ids(&a);
	begin_span(&c, &ctx, "inner", 2);
	ids_of[3] = weir_span_ids(&c);
	weir_span_fail(&c, "why");
	weir_span_end_at(&c, START + WEIR_MS(3));
	weir_span_end_at(&a, START + WEIR_MS(4));
	weir_span_end_at(&root, START + WEIR_MS(10));
	weir_ctx_end(&ctx);
}

static const char *wanted_request(void)
{
	static char text[1024];

	snprintf(text, sizeof text,
	         "trace " TRACE " 2026-11-27T07:04:05.123456Z\n"
	         "  GET / [server] 10 ms span=%s\n"
	         "    | n=1\n"
	         "    sooner [internal] 3 ms span=%s\n"
	         "      inner [internal] 1 ms error \"why\" span=%s\n"
	         "    later [internal] 1 ms span=%s\n",
	         hex(&ids_of[0]), hex(&ids_of[1]), hex(&ids_of[3]), hex(&ids_of[2]));
	return text;
}

ALONE(a_trace_is_a_tree)
{
	to_file();
	start("console", true);
	make_request();
	assert_int_equal(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	assert_string_equal(printed(), wanted_request());
	assert_int_equal(status_now().spans_exported, 4);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

ALONE(a_trace_is_a_tree_by_weirs_thread_among_others_in_the_list)
{
	to_file();
	start("otlp , console", false);
	make_request();
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	assert_string_equal(printed(), wanted_request());
	assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

ALONE(without_the_variable_there_is_none)
{
	to_file();
	start("otlp,consoles,con sole", true);
	make_request();
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	assert_string_equal(printed(), "");
	assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

ALONE(what_came_before_its_root_waits_for_it)
{
	struct weir_span root, child;
	struct weir_ctx ctx;
	struct weir_ids root_ids, child_ids;
	char wanted[512];

	to_file();
	start("console", true);
	begin_request(&ctx);
	begin_span(&root, &ctx, "root", 0);
	begin_span(&child, &ctx, "child", 1);
	root_ids = weir_span_ids(&root);
	child_ids = weir_span_ids(&child);
	weir_span_end_at(&child, START + WEIR_MS(2));
	for (int i = 0; i < 3; i++)
		assert_int_equal(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	assert_int_equal(lseek(reader, 0, SEEK_END), 0);
	weir_span_end_at(&root, START + WEIR_MS(3));
	weir_ctx_end(&ctx);
	assert_int_equal(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	snprintf(wanted, sizeof wanted,
	         "trace " TRACE " 2026-11-27T07:04:05.123456Z\n  root [internal] 3 ms span=%s\n    child [internal] 1 ms span=%s\n",
	         hex(&root_ids), hex(&child_ids));
	assert_string_equal(printed(), wanted);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

ALONE(flush_prints_what_has_no_root_yet)
{
	struct weir_span root, child;
	struct weir_ctx ctx;
	char wanted[512];

	to_file();
	start("console", true);
	begin_request(&ctx);
	begin_span(&root, &ctx, "root", 0);
	begin_span(&child, &ctx, "child", 1);
	ids_of[0] = weir_span_ids(&root);
	ids_of[1] = weir_span_ids(&child);
	weir_span_end_at(&child, START + WEIR_MS(2));
	assert_int_equal(weir_flush(WEIR_S(5)), WEIR_OK);
	snprintf(wanted, sizeof wanted,
	         "trace " TRACE " 2026-11-27T07:04:05.124456Z (in part)\n  child [internal] 1 ms span=%s\n    | below %s, which is not here\n",
	         hex(&ids_of[1]), hex(&ids_of[0]));
	assert_string_equal(printed(), wanted);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

ALONE(without_its_root_a_trace_waits_five_seconds)
{
	struct weir_span root, child;
	struct weir_ctx ctx;
	uint64_t began = now_ns();

	to_file();
	start("console", false);
	begin_request(&ctx);
	begin_span(&root, &ctx, "root", 0);
	begin_span(&child, &ctx, "child", 1);
	weir_span_end_at(&child, START + WEIR_MS(2));
	WITHIN_MS(20000, lseek(reader, 0, SEEK_END) > 0);
	assert_true(now_ns() - began >= WEIR_S(5));
	assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_OK);
}

ALONE(more_than_there_is_room_for_is_printed_sooner)
{
	struct weir_ctx ctx;
	struct weir_span root, child;
	size_t lines = 0, headers = 0;

	setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10000", 1);
	to_file();
	start("console", true);
	begin_request(&ctx);
	begin_span(&root, &ctx, "root", 0);
	for (int i = 0; i < 5000; i++) {
		begin_span(&child, &ctx, "child", 1);
		weir_span_end_at(&child, START + WEIR_MS(2));
	}
	assert_int_equal(weir_pump(WEIR_S(10), NULL), WEIR_OK);
	assert_true(lseek(reader, 0, SEEK_END) > 0); /* those that were there when the room ended */
	weir_span_end_at(&root, START + WEIR_MS(3));
	weir_ctx_end(&ctx);
	assert_int_equal(weir_shutdown(WEIR_S(20)), WEIR_OK);
	for (const char *at = printed(); (at = strstr(at, "child [internal]")) != NULL; at++)
		lines++;
	for (const char *at = printed(); (at = strstr(at, "trace " TRACE)) != NULL; at++)
		headers++;
	assert_int_equal(lines, 5000);
	assert_in_range(headers, 2, 3);
	assert_int_equal(status_now().spans_exported, 5001);
}

/* ---- who does not read ---- */

static void fill_pipe(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);
	char page[4096] = "";

	fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
	while (write(STDERR_FILENO, page, sizeof page) > 0)
		;
	while (write(STDERR_FILENO, page, 1) > 0)
		;
	fcntl(STDERR_FILENO, F_SETFL, flags);
}

static void nobody_reads(bool pumped)
{
	uint64_t began;

	start("console", pumped);
	make_request();
	began = now_ns();
	assert_int_equal(weir_flush(WEIR_MS(300)), WEIR_ETIMEOUT);
	assert_in_range(now_ns() - began, WEIR_MS(100), WEIR_S(10)); /* a bound for a slow machine; not for ever */
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0); /* the host's descriptor is as it was */
	assert_int_equal(status_now().dropped_spans_export, 0);
	began = now_ns();
	assert_int_equal(weir_shutdown(WEIR_MS(300)), WEIR_ETIMEOUT);
	assert_true(now_ns() - began < WEIR_S(10));
	WITHIN_MS(10000, status_now().dropped_spans_export == 4);
	assert_int_equal(status_now().spans_exported, 0);
}

ALONE(a_full_pipe_holds_up_nobody_past_the_deadline)
{
	to_pipe();
	fill_pipe();
	nobody_reads(false);
}

ALONE(a_full_pipe_holds_up_nobody_past_the_deadline_pumped)
{
	to_pipe();
	fill_pipe();
	nobody_reads(true);
}

ALONE(a_full_socket_holds_up_nobody_past_the_deadline)
{
	int ends[2];

	own_stderr = dup(STDERR_FILENO);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	reader = ends[0];
	fill_pipe();
	nobody_reads(true);
}

static uint32_t others_spans, others_in_time;
static int others_take(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)arg;
	others_spans += (uint32_t)weir_batch_count(batch);
	others_in_time += timeout_ns != 0;
	return WEIR_OK;
}

ALONE(a_full_pipe_leaves_time_for_other_exporters)
{
	struct weir_exporter_options o = {.size = sizeof o, .spans = others_take};
	struct weir_exporter *other;

	to_pipe();
	fill_pipe();
	start("console", true); /* it comes first in each turn */
	assert_int_equal(weir_exporter_new(&other, &o), WEIR_OK);
	make_request();
	assert_int_equal(weir_flush(WEIR_S(2)), WEIR_ETIMEOUT);
	assert_int_equal(others_spans, 4);
	assert_int_equal(others_in_time, 1);
	assert_int_equal(weir_exporter_destroy(other, WEIR_S(1)), WEIR_OK);
}

ALONE(what_a_full_pipe_kept_comes_when_it_is_read)
{
	static char bytes[1 << 17];
	ssize_t got, len = 0;

	to_pipe();
	fill_pipe();
	start("console", true);
	make_request();
	assert_int_equal(weir_flush(WEIR_MS(10)), WEIR_ETIMEOUT);
	fcntl(reader, F_SETFL, O_NONBLOCK);
	while ((got = read(reader, bytes, sizeof bytes)) > 0)
		;
	assert_int_equal(weir_flush(WEIR_S(10)), WEIR_OK);
	while ((got = read(reader, bytes + len, sizeof bytes - 1 - (size_t)len)) > 0)
		len += got;
	bytes[len] = '\0';
	assert_string_equal(bytes, wanted_request());
	assert_int_equal(status_now().spans_exported, 4);
}

ALONE(a_pipe_that_nobody_can_read_is_told_and_ends_nobody)
{
	to_pipe();
	start("console", true); /* written by this thread, where the signal is not blocked */
	close(reader);
	make_request();
	weir_flush(WEIR_S(5));
	dup2(own_stderr, STDERR_FILENO);
	assert_int_equal(status_now().dropped_spans_export, 4);
	make_request();
	assert_int_equal(weir_flush(WEIR_S(5)), WEIR_OK); /* and again, once there is somebody */
	assert_int_equal(status_now().dropped_spans_export, 4);
}

ALONE(without_standard_error_it_is_counted)
{
	start("console", true);
	own_stderr = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	make_request();
	weir_flush(WEIR_S(5));
	dup2(own_stderr, STDERR_FILENO);
	assert_int_equal(status_now().dropped_spans_export, 4);
}

static void text_beyond_the_bound_is_counted(void **state)
{
	struct weir__console_out out = {NULL, NULL, 0};

	(void)state;
	weir__tally_restart();
	for (int i = 0; i < 5; i++) {
		char *text = calloc(1, 1 << 20);

		assert_non_null(text);
		weir__console_out_put(&out, text, 1 << 20, 3);
	}
	assert_int_equal(weir__tallied(WEIR__SPANS_LATE), 3);
	weir__console_out_drop(&out);
	assert_int_equal(weir__tallied(WEIR__SPANS_LATE), 15);
	assert_int_equal(out.bytes, 0);
	assert_int_equal(weir__console_out_run(&out, 0), WEIR_OK);
}

/* ---- fork ---- */

static void child_prints_its_own(void)
{
	assert_int_equal(weir_after_fork(), WEIR_OK);
	make_request();
	assert_int_equal(weir_flush(WEIR_S(10)), WEIR_OK);
	assert_string_equal(printed(), wanted_request());
}

ALONE(a_child_prints_its_own)
{
	struct weir_span root, child;
	struct weir_ctx ctx;

	to_file();
	start("console", true);
	begin_request(&ctx);
	begin_span(&root, &ctx, "parents", 0);
	begin_span(&child, &ctx, "parents child", 1);
	weir_span_end_at(&child, START + WEIR_MS(2));
	assert_int_equal(weir_pump(WEIR_S(1), NULL), WEIR_OK); /* it waits for its root */
	in_child(child_prints_its_own);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_trace_is_a_tree),
	cmocka_unit_test(a_trace_is_a_tree_by_weirs_thread_among_others_in_the_list),
	cmocka_unit_test(without_the_variable_there_is_none),
	cmocka_unit_test(what_came_before_its_root_waits_for_it),
	cmocka_unit_test(flush_prints_what_has_no_root_yet),
	cmocka_unit_test(without_its_root_a_trace_waits_five_seconds),
	cmocka_unit_test(more_than_there_is_room_for_is_printed_sooner),
	cmocka_unit_test(a_full_pipe_holds_up_nobody_past_the_deadline),
	cmocka_unit_test(a_full_pipe_holds_up_nobody_past_the_deadline_pumped),
	cmocka_unit_test(a_full_socket_holds_up_nobody_past_the_deadline),
	cmocka_unit_test(a_full_pipe_leaves_time_for_other_exporters),
	cmocka_unit_test(what_a_full_pipe_kept_comes_when_it_is_read),
	cmocka_unit_test(a_pipe_that_nobody_can_read_is_told_and_ends_nobody),
	cmocka_unit_test(without_standard_error_it_is_counted),
	cmocka_unit_test(text_beyond_the_bound_is_counted),
	cmocka_unit_test(a_child_prints_its_own),
};
ALONE_MAIN(tests)
