/* Verdicts: which ends of an attempt are tried again, and when. */
#include "retry.h"

#include <weir/base.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW WEIR_S(1000)

static struct weir__otlp_verdict verdict(enum weir__otlp_ended ended, long status, const char *after, unsigned number, uint32_t random)
{
	struct weir__otlp_attempt a = {ended, status, after, number, NOW, 1700000000, random};

	return weir__otlp_retry(&a);
}

static void statuses(void **state)
{
	(void)state;
	for (long status = 100; status <= 599; status++) {
		enum weir__otlp_do what = verdict(WEIR__OTLP_ENDED_ANSWERED, status, NULL, 1, 0).what;
		enum weir__otlp_do wanted = status >= 200 && status <= 299 ? WEIR__OTLP_DONE
		                            : status == 429 || status == 502 || status == 503 || status == 504 ? WEIR__OTLP_RETRY
		                                                                                              : WEIR__OTLP_DROP;

		if (what != wanted)
			fail_msg("status %ld: %d", status, (int)what);
	}
}

static void other_ends(void **state)
{
	(void)state;
	assert_int_equal(verdict(WEIR__OTLP_ENDED_SILENT, 0, NULL, 1, 0).what, WEIR__OTLP_RETRY);
	assert_int_equal(verdict(WEIR__OTLP_ENDED_INCOMPLETE, 200, NULL, 1, 0).what, WEIR__OTLP_DROP);
	assert_int_equal(verdict(WEIR__OTLP_ENDED_INCOMPLETE, 503, NULL, 1, 0).what, WEIR__OTLP_RETRY);
	assert_int_equal(verdict(WEIR__OTLP_ENDED_INCOMPLETE, 400, NULL, 1, 0).what, WEIR__OTLP_DROP);
	assert_int_equal(verdict(WEIR__OTLP_ENDED_TOO_LARGE, 200, NULL, 1, 0).what, WEIR__OTLP_DROP);
	assert_int_equal(verdict(WEIR__OTLP_ENDED_TOO_LARGE, 503, NULL, 1, 0).what, WEIR__OTLP_DROP);
	assert_int_equal(verdict(WEIR__OTLP_ENDED_NO_HTTP, 0, NULL, 1, 0).what, WEIR__OTLP_DROP);
}

static void backoff(void **state)
{
	static const uint64_t most_ms[] = {1000, 1500, 2250, 3375, 5062, 7593, 11389, 17083, 25624, 30000, 30000, 30000};

	(void)state;
	for (unsigned number = 1; number <= 12; number++) {
		uint64_t most = WEIR_MS(most_ms[number - 1]);
		uint64_t low = verdict(WEIR__OTLP_ENDED_SILENT, 0, NULL, number, 0).at_ns - NOW;
		uint64_t high = verdict(WEIR__OTLP_ENDED_SILENT, 0, NULL, number, UINT32_MAX).at_ns - NOW;

		if (low < most / 2 - WEIR_MS(1) || low > most / 2 + WEIR_MS(1) || high > most || high < most - WEIR_MS(1))
			fail_msg("attempt %u: from %llu to %llu", number, (unsigned long long)low, (unsigned long long)high);
	}
	assert_true(verdict(WEIR__OTLP_ENDED_SILENT, 0, NULL, UINT32_MAX, 7).at_ns <= NOW + WEIR_S(30));
	assert_false(verdict(WEIR__OTLP_ENDED_SILENT, 0, NULL, 1, 7).told);
}

static void retry_after(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {
	    {"0", 0}, {"7", 7}, {" 120", 120}, {"86400", 86400}, {"99999999999999999999999", 86400}, {"", -1}, {"-1", -1}, {"1.5", -1},
	    {"7 s", -1}, {"soon", -1},
	    {"Tue, 14 Nov 2023 22:13:20 GMT", 0},    /* now: 1700000000 */
	    {"Tue, 14 Nov 2023 22:13:50 GMT", 30},
	    {"Tue, 14 Nov 2023 22:13:10 GMT", 0},
	    {"Tuesday, 14-Nov-23 22:13:50 GMT", 30}, /* RFC 850's */
	    {"Tue Nov 14 22:13:50 2023", 30},        /* asctime's */
	    {"Tue, 14 Nov 2099 22:13:50 GMT", 86400},
	    {"Tue, 14 Nov 2023 22:13:50 CET", -1}, {"Tue, 14 Nov 2023 22:13:50 GMT!", -1}, {"Tue, 14 Foo 2023 22:13:50 GMT", -1},
	    {"Tue, 99 Nov 2023 22:13:50 GMT", -1}, {"Tue, 14 Nov 2023 25:13:50 GMT", -1}, {"14 Nov 2023", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t seconds = weir__otlp_retry_after(cases[i].text, 1700000000);

		if (seconds != cases[i].seconds)
			fail_msg("%s: %lld", cases[i].text, (long long)seconds);
	}
	assert_int_equal(verdict(WEIR__OTLP_ENDED_ANSWERED, 503, "7", 5, 1).at_ns, NOW + WEIR_S(7));
	assert_true(verdict(WEIR__OTLP_ENDED_ANSWERED, 429, "7", 5, 1).told);
	assert_false(verdict(WEIR__OTLP_ENDED_ANSWERED, 503, "soon", 1, 1).told);
	assert_int_equal(verdict(WEIR__OTLP_ENDED_ANSWERED, 400, "7", 1, 1).what, WEIR__OTLP_DROP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(statuses), cmocka_unit_test(other_ends), cmocka_unit_test(backoff),
	                                   cmocka_unit_test(retry_after)};

	return cmocka_run_group_tests_name("otlp_retry", tests, NULL, NULL);
}
