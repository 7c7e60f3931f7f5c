/* L0: what probes are made of. Who watches is played by writing a semaphore; what they see is test/e2e/probes.py's. */
#include "probe.h"
#include "tally.h"

#include <weir/weir.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void texts_are_never_empty(void **state)
{
	char out[WEIR__PROBE_TEXT], large[400];

	(void)state;
	memset(large, 'x', sizeof large);
	assert_string_equal(weir__probe_text(out, NULL, 0), "-");
	assert_string_equal(weir__probe_text(out, NULL, 7), "-");
	assert_string_equal(weir__probe_text(out, "abc", 0), "-");
	assert_string_equal(weir__probe_text(out, "abc", 2), "ab");
	assert_int_equal(strlen(weir__probe_text(out, large, sizeof large)), WEIR__PROBE_TEXT - 1);
	assert_int_equal(strlen(weir__probe_text(out, large, WEIR__PROBE_TEXT)), WEIR__PROBE_TEXT - 1);
	assert_int_equal(strlen(weir__probe_text(out, large, WEIR__PROBE_TEXT - 1)), WEIR__PROBE_TEXT - 1);
}

static void the_nth_text(void **state)
{
	(void)state;
	assert_string_equal(weir__nth_text("a\0\0cc", 0), "a");
	assert_string_equal(weir__nth_text("a\0\0cc", 1), "");
	assert_string_equal(weir__nth_text("a\0\0cc", 2), "cc");
}

static void each_tally_has_its_own_name(void **state)
{
	(void)state;
	for (unsigned a = 0; a < WEIR__TALLIES; a++) {
		assert_true(strlen(weir__tally_text((enum weir__tally)a)) >= 4);
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(weir__tally_text((enum weir__tally)a), weir__tally_text((enum weir__tally)b));
	}
	assert_string_equal(weir__tally_text(WEIR__SPANS_ENDED), "ended");
	assert_string_equal(weir__tally_text(WEIR__SPANS_EVICTED), "evicted");
	assert_string_equal(weir__tally_text(WEIR__TAGS_DROPPED), "tags_dropped");
}

static void export_is_timed_only_where_its_end_is_watched(void **state)
{
	(void)state;
	assert_int_equal(weir__probe_export_begin("x", true, 1), 0);
	weir_export_begin_semaphore = 1;
	assert_int_equal(weir__probe_export_begin("x", true, 1), 0);
	weir_export_end_semaphore = 1;
	assert_int_not_equal(weir__probe_export_begin("x", false, 0), 0);
	assert_int_equal(weir__probe_export_end("x", false, 0, WEIR_EIO, 1), WEIR_EIO);
	weir_export_begin_semaphore = weir_export_end_semaphore = 0;
	assert_int_equal(weir__probe_export_end("x", false, 0, WEIR_ELIMIT, 0), WEIR_ELIMIT);
}

/* ---- weir/usdt.h ---- */

WEIR_PROBE_DECLARE_(unit_evaluated_semaphore);
WEIR_PROBE_DECLARE_(unit_nothing_semaphore);

static int evaluated;

static int evaluate(void)
{
	return ++evaluated;
}

static void pass(const char *text)
{
	WEIR_PROBE(unit, evaluated, evaluate(), text, "literal", (size_t)7, &evaluated);
	WEIR_PROBE(unit, nothing);
}

static void arguments_wait_for_who_watches(void **state)
{
	(void)state;
	pass("x");
	assert_int_equal(evaluated, 0);
	unit_nothing_semaphore = 1;
	pass("x");
	assert_int_equal(evaluated, 0);
	unit_evaluated_semaphore = 2;
	pass("x");
	pass("");
	pass(NULL);
	assert_int_equal(evaluated, 3);
	unit_evaluated_semaphore = 0;
	pass("x");
	assert_int_equal(evaluated, 3);
}

static void the_trace_id_is_the_current_one(void **state)
{
	const struct weir_header header = {weir_str_of("traceparent"),
	                                   weir_str_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")};
	static const unsigned char zeros[16], wanted[4] = {0x0a, 0xf7, 0x65, 0x19};
	struct weir_ctx ctx;
	struct weir_span span;
	struct weir_scope scope;
	unsigned char id[16] = "something else.";

	(void)state;
	assert_int_equal(weir_probe_trace_(id), (uintptr_t)id);
	assert_memory_equal(id, zeros, 16);
	weir_ctx_begin(&ctx, &header, 1);
	scope = weir_ctx_attach(&ctx);
	weir_probe_trace_(id);
	assert_memory_equal(id, zeros, 16); /* whoever looks decides nothing */
	weir_span_begin(&span, NULL, WEIR_SERVER, "x");
	weir_probe_trace_(id);
	assert_memory_equal(id, wanted, 4);
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	weir_probe_trace_(id);
	assert_memory_equal(id, zeros, 16);
	weir_ctx_detach(scope);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_are_never_empty),
	    cmocka_unit_test(the_nth_text),
	    cmocka_unit_test(each_tally_has_its_own_name),
	    cmocka_unit_test(export_is_timed_only_where_its_end_is_watched),
	    cmocka_unit_test(arguments_wait_for_who_watches),
	    cmocka_unit_test(the_trace_id_is_the_current_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
