/* Unit: src/keep.c: spans of traces that are not sampled come out when their verdict says so, in their order and marked; what does
 * not fit is evicted and counted: kept + evicted = all, of those that were to be kept. */
#define _GNU_SOURCE
#include "ring.h"
#include "sampling.h"
#include "spans.h"
#include "tally.h"

#include <weir/exporter.h>

#include "alone.h"

static uint64_t seed = 88172645463325252u;

static uint64_t random_number(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void id_of(uint8_t id[16], uint64_t trace)
{
	uint64_t mixed = trace * UINT64_C(0x9e3779b97f4a7c15);

	memcpy(id, &trace, 8);
	memcpy(id + 8, &mixed, 8);
}

/* Of a local request of a trace, its n-th; with so many bytes of entries. */
static void put_of(uint64_t trace, uint64_t root, uint64_t n, uint32_t entries)
{
	union {
		struct weir__span_record r;
		char bytes[8192];
	} u;

	memset(&u, 0, sizeof u);
	u.r.bytes = ((uint32_t)sizeof u.r + entries + WEIR__ROOT_BYTES + 7) & ~7u;
	u.r.type = WEIR__RECORD_SPAN;
	u.r.state = WEIR__SPAN_TENTATIVE;
	id_of(u.r.trace_id, trace);
	memcpy(u.r.span_id, &n, 8);
	memcpy(u.bytes + u.r.bytes - WEIR__ROOT_BYTES, &root, sizeof root);
	weir__keep_put(&u.r);
}

static void decide_of(uint64_t trace, uint64_t root, enum weir__verdict verdict)
{
	struct weir__verdict_record v = {.bytes = sizeof v, .type = WEIR__RECORD_VERDICT, .verdict = (uint16_t)verdict, .root = root};

	id_of(v.trace_id, trace);
	weir__keep_verdict(&v);
}

/* Of a trace that comes here once. */
static void put(uint64_t trace, uint64_t n, uint32_t entries)
{
	put_of(trace, ~trace, n, entries);
}

static void decide(uint64_t trace, enum weir__verdict verdict)
{
	decide_of(trace, ~trace, verdict);
}

static uint64_t trace_of(const struct weir__span_record *r)
{
	uint64_t trace;

	memcpy(&trace, r->trace_id, 8);
	return trace;
}

static uint64_t number_of(const struct weir__span_record *r)
{
	uint64_t n;

	memcpy(&n, r->span_id, 8);
	return n;
}

static const struct weir__span_record *next_kept(void)
{
	struct weir__chunk *chunk, *passed;
	const struct weir__record *r = weir__ring_next(weir__keep_local(), &chunk, &passed);

	if (passed != NULL)
		weir__ring_give_back(passed);
	return (const struct weir__span_record *)(const void *)r;
}

static void expect_next(uint64_t trace, uint64_t n, uint8_t why)
{
	const struct weir__span_record *r = next_kept();

	assert_non_null(r);
	assert_int_equal(trace_of(r), trace);
	assert_int_equal(number_of(r), n);
	assert_int_equal(r->kept, why);
}

static void start(uint64_t keep_bytes)
{
	struct weir_sampling s = {.size = sizeof s, .sampler = WEIR_SAMPLER_NEVER, .keep_failed = true, .keep_bytes = keep_bytes};

	assert_int_equal(weir__sampling_put(&s), WEIR_OK);
	assert_true(weir__ring_open(WEIR_MIB(4)));
}

ALONE(the_verdict_brings_them_out_in_order)
{
	start(WEIR_MIB(1));
	assert_int_equal(weir__keep_bytes(), 0); /* not paid for before it is used */
	for (uint64_t n = 0; n < 10; n++)
		for (uint64_t trace = 1; trace <= 3; trace++)
			put(trace, n, (uint32_t)n * 8);
	assert_null(next_kept());
	decide(2, WEIR__VERDICT_FAILED);
	for (uint64_t n = 0; n < 10; n++)
		expect_next(2, n, WEIR__VERDICT_FAILED);
	assert_null(next_kept());
	decide(1, WEIR__VERDICT_DROP);
	assert_null(next_kept());
	decide(3, WEIR__VERDICT_SLOW);
	for (uint64_t n = 0; n < 10; n++)
		expect_next(3, n, WEIR__VERDICT_SLOW);
	assert_null(next_kept());
	assert_int_equal(weir__tallied(WEIR__SPANS_KEPT), 20);
	assert_int_equal(weir__tallied(WEIR__SPANS_EVICTED), 0);
	assert_true(weir__keep_bytes() >= WEIR_MIB(1));
}

ALONE(late_ones_go_the_way_of_their_trace)
{
	start(WEIR_MIB(1));
	decide(1, WEIR__VERDICT_FAILED); /* its spans are another thread's, and come later */
	decide(2, WEIR__VERDICT_DROP);
	put(1, 0, 0);
	put(2, 0, 0);
	put(1, 1, 0);
	expect_next(1, 0, WEIR__VERDICT_FAILED);
	expect_next(1, 1, WEIR__VERDICT_FAILED);
	assert_null(next_kept());
	decide(1, WEIR__VERDICT_DROP); /* decided it is */
	put(1, 2, 0);
	expect_next(1, 2, WEIR__VERDICT_FAILED);
}

/* A trace that comes here again is judged again: each verdict is for the spans of its own request, those that were there and
 * those that come later. */
ALONE(each_request_of_a_trace_has_its_own_verdict)
{
	static const enum weir__verdict verdicts[][2] = {{WEIR__VERDICT_DROP, WEIR__VERDICT_FAILED}, {WEIR__VERDICT_SLOW, WEIR__VERDICT_DROP},
	                                                 {WEIR__VERDICT_FAILED, WEIR__VERDICT_SLOW}};
	uint64_t came = 0;

	start(WEIR_MIB(1));
	for (uint64_t trace = 1; trace <= 2 * COUNT(verdicts); trace++) {
		const enum weir__verdict *of = verdicts[trace % COUNT(verdicts)];
		bool mixed = trace > COUNT(verdicts); /* the second begins before the first has ended */

		for (uint64_t n = 0; n < 6; n++)
			if (mixed || n % 2 == 0)
				put_of(trace, 100 + n % 2, n, (uint32_t)n * 8);
		assert_null(next_kept());
		decide_of(trace, 100, of[0]);
		for (uint64_t n = 0; n < 6; n += 2)
			if (of[0] != WEIR__VERDICT_DROP)
				expect_next(trace, n, (uint8_t)of[0]);
		assert_null(next_kept());
		for (uint64_t n = 1; n < 6 && !mixed; n += 2)
			put_of(trace, 101, n, (uint32_t)n * 8);
		assert_null(next_kept());
		decide_of(trace, 101, of[1]);
		for (uint64_t n = 1; n < 6; n += 2)
			if (of[1] != WEIR__VERDICT_DROP)
				expect_next(trace, n, (uint8_t)of[1]);
		assert_null(next_kept());
		for (uint64_t i = 0; i < 2; i++) {
			put_of(trace, 100 + i, 10, 0);
			if (of[i] != WEIR__VERDICT_DROP)
				expect_next(trace, 10, (uint8_t)of[i]);
			assert_null(next_kept());
			came += of[i] != WEIR__VERDICT_DROP ? 4 : 0;
		}
	}
	assert_int_equal(weir__tallied(WEIR__SPANS_KEPT), came);
	assert_int_equal(weir__tallied(WEIR__SPANS_EVICTED), 0);
}

/* More requests of one trace than a set of the table has places. */
ALONE(many_requests_of_one_trace)
{
	enum { MANY = 200 };
	static const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);

	start(WEIR_MIB(1));
	for (uint64_t i = 1; i <= MANY; i++)
		put_of(1, i * step, i, 0);
	for (uint64_t i = MANY; i >= 1; i--) {
		decide_of(1, i * step, i % 3 == 0 ? WEIR__VERDICT_FAILED : WEIR__VERDICT_DROP);
		if (i % 3 == 0)
			expect_next(1, i, WEIR__VERDICT_FAILED);
		assert_null(next_kept());
	}
	assert_int_equal(weir__tallied(WEIR__SPANS_EVICTED), 0);
}

/* The log goes round many times, with records of all sizes: what is kept was never overtaken, and every one is one or the other. */
ALONE(kept_and_evicted_are_all)
{
	enum { TRACES = 20000, OPEN = 300 };
	static uint32_t spans_of[TRACES], came[TRACES];
	static uint64_t after[TRACES];
	uint64_t all = 0, kept = 0, dropped = 0;
	const struct weir__span_record *r;

	start(64 * 1024);
	for (uint64_t trace = 0; trace < TRACES + OPEN; trace++) {
		if (trace < TRACES)
			for (uint64_t n = random_number() % 4; n > 0; n--) {
				put(trace, spans_of[trace]++, (uint32_t)(random_number() % 700));
				all++;
			}
		for (int more = 0; more < 2; more++) { /* others have more to say */
			uint64_t other = trace - random_number() % OPEN;

			if (other < TRACES && other + OPEN > trace) {
				put(other, spans_of[other]++, (uint32_t)(random_number() % 200));
				all++;
			}
		}
		if (trace >= OPEN)
			decide(trace - OPEN, trace % 3 == 0 ? WEIR__VERDICT_DROP : WEIR__VERDICT_FAILED);
		while ((r = next_kept()) != NULL) {
			uint64_t of = trace_of(r), n = number_of(r);

			assert_true(of < TRACES && (of + OPEN) % 3 != 0 && n < spans_of[of] && n >= after[of]);
			after[of] = n + 1;
			came[of]++;
			kept++;
		}
	}
	for (int i = 0; i < TRACES; i++)
		dropped += (i + OPEN) % 3 == 0 ? spans_of[i] : 0;
	assert_int_equal(weir__tallied(WEIR__SPANS_KEPT), kept);
	assert_true(kept > 100);
	assert_true(weir__tallied(WEIR__SPANS_EVICTED) > 100);
	/* those of dropped traces are let go of, or evicted before */
	assert_true(kept + weir__tallied(WEIR__SPANS_EVICTED) <= all);
	assert_true(kept + weir__tallied(WEIR__SPANS_EVICTED) >= all - dropped);
	assert_int_equal(weir__tallied(WEIR__SPANS_POOL), 0);
}

ALONE(all_failed_and_room_for_few)
{
	uint64_t all = 0, kept = 0;

	start(64 * 1024);
	for (uint64_t trace = 0; trace < 5000; trace++) {
		for (uint64_t n = 0; n < 3; n++, all++)
			put(trace, n, (uint32_t)(trace * 8 % 500));
		if (trace >= 100) {
			decide(trace - 100, WEIR__VERDICT_FAILED);
			while (next_kept() != NULL)
				kept++;
		}
	}
	for (uint64_t trace = 4900; trace < 5000; trace++)
		decide(trace, WEIR__VERDICT_FAILED);
	while (next_kept() != NULL)
		kept++;
	assert_true(kept != 0 && weir__tallied(WEIR__SPANS_EVICTED) != 0);
	assert_int_equal(kept, weir__tallied(WEIR__SPANS_KEPT));
	assert_int_equal(kept + weir__tallied(WEIR__SPANS_EVICTED), all);
}

static uint64_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	fclose(f);
	return pages * 4096;
}

/* A flood of requests of which nothing is decided yet: the memory is what was given for it, and a quarter more for who is in it. */
ALONE(a_flood_takes_no_more_than_was_given)
{
	uint64_t before = resident_bytes();

	start(WEIR_MIB(4));
	for (uint64_t trace = 0; trace < 100000; trace++)
		put(trace, 0, (uint32_t)(trace % 500));
	assert_true(weir__tallied(WEIR__SPANS_EVICTED) > 50000);
	assert_in_range(weir__keep_bytes(), WEIR_MIB(4), WEIR_MIB(5));
	if (!SANITIZED)
		assert_true(resident_bytes() - before < WEIR_MIB(6));
}

/* However many requests that are dropped come between the verdict and the spans that other threads hand over later. */
ALONE(a_kept_trace_is_remembered_for_long)
{
	start(WEIR_MIB(1));
	for (uint64_t trace = 1; trace <= 50; trace++)
		decide(trace, WEIR__VERDICT_FAILED);
	for (uint64_t trace = 1000; trace < 11000; trace++) {
		put(trace, 0, 0);
		decide(trace, WEIR__VERDICT_DROP);
	}
	for (uint64_t trace = 1; trace <= 50; trace++) {
		put(trace, 7, 0);
		expect_next(trace, 7, WEIR__VERDICT_FAILED);
	}
	for (uint64_t trace = 20000; trace < 120000; trace++) /* but not for ever */
		decide(trace, WEIR__VERDICT_DROP);
	put(3, 8, 0);
	assert_null(next_kept());
}

/* Wherever the log's end falls, what is held stays held. */
ALONE(the_logs_end_costs_nothing_more)
{
	uint64_t evicted;

	start(32 * 1024); /* the least there is */
	for (uint32_t size = 0; size < 400; size += 8) {
		for (uint64_t n = 0; n < 400; n++) {
			put(1 + n / 8, n, size);
			if (n % 8 == 7)
				decide(1 + n / 8, WEIR__VERDICT_DROP);
		}
		weir__keep_forget();
	}
	evicted = weir__tallied(WEIR__SPANS_EVICTED);
	assert_int_equal(evicted, 0);
}

ALONE(a_child_begins_empty)
{
	start(WEIR_MIB(1));
	put(1, 0, 0);
	weir__keep_forget();
	decide(1, WEIR__VERDICT_FAILED);
	assert_null(next_kept());
	put(2, 0, 0);
	decide(2, WEIR__VERDICT_FAILED);
	expect_next(2, 0, WEIR__VERDICT_FAILED);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_verdict_brings_them_out_in_order),
	cmocka_unit_test(late_ones_go_the_way_of_their_trace),
	cmocka_unit_test(each_request_of_a_trace_has_its_own_verdict),
	cmocka_unit_test(many_requests_of_one_trace),
	cmocka_unit_test(kept_and_evicted_are_all),
	cmocka_unit_test(all_failed_and_room_for_few), cmocka_unit_test(a_flood_takes_no_more_than_was_given),
	cmocka_unit_test(a_kept_trace_is_remembered_for_long),
	cmocka_unit_test(the_logs_end_costs_nothing_more),
	cmocka_unit_test(a_child_begins_empty),
};
ALONE_MAIN(tests)
