/* Deltas: over several collections, with series that come in between; nothing twice and nothing left out, whether accepted or
 * not; sums of 128 bits; series that begin anew; no memory. delta.c is in here, so that its memory can be refused. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static bool refuse;
static size_t refuse_after = SIZE_MAX;

static bool is_refused(void)
{
	if (refuse_after == 0)
		return true;
	refuse_after -= refuse;
	return false;
}

static void *try_calloc(size_t n, size_t size)
{
	return is_refused() ? NULL : calloc(n, size);
}

static void *try_realloc(void *p, size_t size)
{
	return is_refused() ? NULL : realloc(p, size);
}
#define calloc try_calloc
#define realloc try_realloc
#include "delta.c"
#undef calloc
#undef realloc

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const label[] = {"k"};
static const struct weir_family counters = {.name = "c", .kind = WEIR_COUNTER_KIND, .labels = label, .labels_count = 1};
static const struct weir_family histograms = {.name = "h", .kind = WEIR_HISTOGRAM_KIND, .labels = label, .labels_count = 1};

/* The delta of a counter, and its start. */
static uint64_t take(struct weir__otlp_delta *d, const char *value, uint64_t start, uint64_t count, uint64_t now,
                     uint64_t *from)
{
	struct weir_str text = weir_str_of(value);
	struct weir_series s = {.values = &text, .start_ns = start, .count = count};

	assert_true(weir__otlp_delta_take(d, &counters, &s, now));
	*from = s.start_ns;
	return s.count;
}

static void over_collections(void **state)
{
	struct weir__otlp_delta *d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	uint64_t from;

	(void)state;
	assert_int_equal(take(d, "a", 10, 5, 100, &from), 5);
	assert_int_equal(from, 10);
	weir__otlp_delta_commit(d);
	assert_int_equal(take(d, "a", 10, 7, 200, &from), 2);
	assert_int_equal(from, 100);
	assert_int_equal(take(d, "b", 150, 9, 200, &from), 9); /* new in between */
	assert_int_equal(from, 150);
	weir__otlp_delta_rollback(d); /* neither was accepted */
	assert_int_equal(take(d, "a", 10, 8, 300, &from), 3);
	assert_int_equal(from, 100);
	assert_int_equal(take(d, "b", 150, 9, 300, &from), 9);
	assert_int_equal(from, 150);
	weir__otlp_delta_commit(d);
	assert_int_equal(take(d, "b", 150, 9, 400, &from), 0);
	assert_int_equal(from, 300);
	assert_int_equal(take(d, "a", 10, 9, 400, &from), 1);
	weir__otlp_delta_commit(d);
	weir__otlp_delta_free(d);
}

static void cut_to_a_mark(void **state)
{
	struct weir__otlp_delta *d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	struct weir__otlp_taken *mark;
	uint64_t from;

	(void)state;
	take(d, "a", 10, 5, 100, &from);
	mark = weir__otlp_delta_mark(d);
	take(d, "b", 10, 6, 100, &from);
	weir__otlp_delta_cut(d, mark);
	weir__otlp_delta_commit(d); /* a alone */
	assert_int_equal(take(d, "a", 10, 5, 200, &from), 0);
	assert_int_equal(take(d, "b", 10, 6, 200, &from), 6);
	assert_int_equal(from, 10);
	weir__otlp_delta_free(d);
}

static void begun_anew(void **state)
{
	struct weir__otlp_delta *d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	uint64_t from;

	(void)state;
	take(d, "a", 10, 50, 100, &from);
	weir__otlp_delta_commit(d);
	assert_int_equal(take(d, "a", 150, 60, 200, &from), 60); /* another series under the old values */
	assert_int_equal(from, 150);
	weir__otlp_delta_commit(d);
	assert_int_equal(take(d, "a", 150, 40, 300, &from), 40); /* went back */
	assert_int_equal(from, 150);
	weir__otlp_delta_free(d);
}

/* What is recorded and not shown has retired: its memory goes, and what comes by its labels later is another. */
static void retired_series_are_forgotten(void **state)
{
	static const struct weir_family observed = {.name = "o", .kind = WEIR_OBSERVED_COUNTER_KIND, .labels = label, .labels_count = 1};
	struct weir__otlp_delta *d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	struct weir_str text = weir_str_of("x");
	struct weir_series s = {.values = &text, .start_ns = 10, .count = 8};
	uint64_t from;
	char name[16];

	(void)state;
	assert_true(weir__otlp_delta_take(d, &observed, &s, 100));
	for (int n = 0; n < 1000; n++) {
		snprintf(name, sizeof name, "t%d", n);
		assert_int_equal(take(d, "stays", 10, 5 + (uint64_t)n, 100 + (uint64_t)n, &from), n == 0 ? 5 : 1);
		assert_int_equal(take(d, name, 10, 5, 100 + (uint64_t)n, &from), 5);
		weir__otlp_delta_commit(d);
		weir__otlp_delta_sweep(d);
		assert_int_equal(d->count, 3); /* what was observed, what stays, the newest */
	}
	assert_int_equal(take(d, "t0", 500, 3, 2000, &from), 3);
	assert_int_equal(from, 500);
	s.count = 9;
	assert_true(weir__otlp_delta_take(d, &observed, &s, 2000)); /* not shown for a while: it goes on */
	assert_int_equal(s.count, 1);
	weir__otlp_delta_free(d);
}

static void sums_of_128_bits(void **state)
{
	struct weir__otlp_delta *d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	const uint64_t first[] = {3, 1, 0}, second[] = {3, 4, 7};
	const struct weir_str text = weir_str_of("a");
	struct weir_series s = {.values = &text, .start_ns = 10, .sum_low = UINT64_MAX, .sum_high = 1, .buckets = first,
	                        .buckets_count = 3, .count = 4};

	(void)state;
	assert_true(weir__otlp_delta_take(d, &histograms, &s, 100));
	assert_true(s.sum_low == UINT64_MAX && s.sum_high == 1 && s.count == 4);
	weir__otlp_delta_commit(d);
	s = (struct weir_series){.values = &text, .start_ns = 10, .sum_low = 4, .sum_high = 3, .buckets = second,
	                         .buckets_count = 3, .count = 14};
	assert_true(weir__otlp_delta_take(d, &histograms, &s, 200));
	assert_true(s.sum_low == 5 && s.sum_high == 1); /* 3 * 2^64 + 4 - (2 * 2^64 - 1) */
	assert_true(s.buckets[0] == 0 && s.buckets[1] == 3 && s.buckets[2] == 7 && s.count == 10);
	assert_int_equal(s.start_ns, 100);
	weir__otlp_delta_free(d);
}

static void other_buckets_under_the_name(void **state)
{
	struct weir__otlp_delta *d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	const uint64_t buckets[] = {3, 1, 2, 5};
	const struct weir_str text = weir_str_of("a");
	struct weir_series s = {.values = &text, .start_ns = 10, .buckets = buckets, .buckets_count = 2};

	(void)state;
	assert_true(weir__otlp_delta_take(d, &histograms, &s, 100));
	weir__otlp_delta_commit(d);
	s = (struct weir_series){.values = &text, .start_ns = 10, .buckets = buckets, .buckets_count = 4};
	assert_true(weir__otlp_delta_take(d, &histograms, &s, 200));
	assert_true(s.count == 11 && s.buckets[3] == 5);
	assert_int_equal(s.start_ns, 10);
	weir__otlp_delta_free(d);
}

static void floating(void **state)
{
	static const struct weir_family observed = {.name = "o", .kind = WEIR_OBSERVED_COUNTER_KIND};
	struct weir__otlp_delta *d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	struct weir_series s = {.floating = true, .real = 1.5, .start_ns = 10};

	(void)state;
	assert_true(weir__otlp_delta_take(d, &observed, &s, 100));
	weir__otlp_delta_commit(d);
	s = (struct weir_series){.floating = true, .real = 4, .start_ns = 10};
	assert_true(weir__otlp_delta_take(d, &observed, &s, 200));
	assert_true(s.real > 2.49 && s.real < 2.51);
	weir__otlp_delta_free(d);
}

static void values_are_not_run_together(void **state)
{
	static const char *const two[] = {"a", "b"};
	static const struct weir_family f = {.name = "c", .kind = WEIR_COUNTER_KIND, .labels = two, .labels_count = 2};
	const struct weir_str one[] = {{"x", 1}, {"yz", 2}}, other[] = {{"xy", 2}, {"z", 1}};
	struct weir__otlp_delta *d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	struct weir_series s = {.values = one, .count = 5}, t = {.values = other, .count = 7};

	(void)state;
	assert_true(weir__otlp_delta_take(d, &f, &s, 100));
	weir__otlp_delta_commit(d);
	assert_true(weir__otlp_delta_take(d, &f, &t, 200));
	assert_true(t.count == 7);
	weir__otlp_delta_free(d);
}

static void many_series(void **state)
{
	struct weir__otlp_delta *d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
	uint64_t from;

	(void)state;
	for (uint64_t round = 1; round < 4; round++) {
		for (unsigned i = 0; i < 3000; i++) {
			char name[16];

			snprintf(name, sizeof name, "%u", i);
			assert_int_equal(take(d, name, 10, round * i, 100 * round, &from), i);
			assert_int_equal(from, round == 1 ? 10 : 100 * (round - 1));
		}
		weir__otlp_delta_commit(d);
	}
	weir__otlp_delta_free(d);
}

static void which_kinds(void **state)
{
	struct weir__otlp_delta *delta = weir__otlp_delta_new(WEIR_OTLP_DELTA), *low = weir__otlp_delta_new(WEIR_OTLP_LOWMEMORY),
				*cumulative = weir__otlp_delta_new(WEIR_OTLP_CUMULATIVE);
	static const struct {
		enum weir_kind kind;
		bool delta, low;
	} kinds[] = {{WEIR_COUNTER_KIND, true, true},         {WEIR_HISTOGRAM_KIND, true, true},
	             {WEIR_OBSERVED_COUNTER_KIND, true, false}, {WEIR_UPDOWN_KIND, false, false},
	             {WEIR_GAUGE_KIND, false, false},           {WEIR_OBSERVED_GAUGE_KIND, false, false},
	             {WEIR_INFO_KIND, false, false}};

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		assert_int_equal(weir__otlp_is_delta(delta, kinds[i].kind), kinds[i].delta);
		assert_int_equal(weir__otlp_is_delta(low, kinds[i].kind), kinds[i].low);
		assert_false(weir__otlp_is_delta(cumulative, kinds[i].kind));
		assert_false(weir__otlp_is_delta(NULL, kinds[i].kind));
	}
	weir__otlp_delta_free(delta);
	weir__otlp_delta_free(low);
	weir__otlp_delta_free(cumulative);
}

/* Each allocation of a life refused in turn: the value is not lost. */
static void without_memory(void **state)
{
	size_t refusals = 0;

	(void)state;
	for (size_t after = 0; after < 700; after++) {
		struct weir__otlp_delta *d;
		uint64_t sent = 0;

		refuse = true;
		refuse_after = after;
		d = weir__otlp_delta_new(WEIR_OTLP_DELTA);
		for (uint64_t i = 0; d != NULL && i < 300; i++) {
			char name[16];
			struct weir_str text;
			struct weir_series s = {.values = &text, .count = 1 + i, .start_ns = 10};

			snprintf(name, sizeof name, "%u", (unsigned)i);
			text = weir_str_of(name);
			if (!weir__otlp_delta_take(d, &counters, &s, 100)) {
				refusals++;
				refuse_after = SIZE_MAX;
				refuse = false;
				assert_true(weir__otlp_delta_take(d, &counters, &s, 100));
			}
			sent += s.count;
		}
		refuse = false;
		refuse_after = SIZE_MAX;
		if (d != NULL)
			assert_int_equal(sent, 300 * 301 / 2);
		weir__otlp_delta_free(d);
		weir__otlp_delta_free(NULL);
	}
	assert_true(refusals > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(over_collections),
	    cmocka_unit_test(cut_to_a_mark),
	    cmocka_unit_test(begun_anew), cmocka_unit_test(retired_series_are_forgotten),
	    cmocka_unit_test(sums_of_128_bits),
	    cmocka_unit_test(other_buckets_under_the_name),
	    cmocka_unit_test(floating),
	    cmocka_unit_test(values_are_not_run_together),
	    cmocka_unit_test(many_series),
	    cmocka_unit_test(which_kinds),
	    cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
