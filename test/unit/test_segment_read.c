/* weir/abi/segment_read.h: on segments made by hand, whole, of other versions, torn and hostile; quantiles against exact
 * arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made_segment.h"

#include <weir/abi/segment_read.h>

#include <pthread.h>
#include <stdbool.h>

__extension__ typedef unsigned __int128 wide;

static uint64_t state = 88172645463325252u;
static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

/* ---- quantiles ---- */

static void test_share_is_exact(void **unused)
{
	(void)unused;
	for (int n = 0; n < 300000; n++) {
		uint64_t divisor = draw() >> draw() % 64, a, b = draw() >> draw() % 64;
		wide product;

		divisor += divisor == 0;
		a = n % 5 == 0 ? divisor : n % 7 == 0 ? 0 : draw() % divisor;
		product = (wide)a * b;
		assert_true(weir_segment_share_(a, b, divisor) == (uint64_t)((product + divisor - 1) / divisor));
	}
	assert_true(weir_segment_share_(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
	assert_true(weir_segment_share_(UINT64_MAX - 1, UINT64_MAX, UINT64_MAX) == UINT64_MAX - 1);
	assert_true(weir_segment_share_(1, 1, UINT64_MAX) == 1);
}

/* By numbers of 128 bits, value by value where there are few. */
static uint64_t naive(const uint64_t *counts, const uint64_t *bounds, uint32_t bounds_count, uint32_t ppm)
{
	wide count = 0, rank, below = 0;

	for (uint32_t b = 0; b <= bounds_count; b++)
		count += counts[b];
	rank = (count * ppm + 999999) / 1000000;
	rank = rank == 0 ? 1 : rank;
	for (uint32_t b = 0; b < bounds_count; b++) {
		uint64_t lower = b == 0 ? 0 : bounds[b - 1];

		if (below + counts[b] >= rank)
			return lower + (uint64_t)(((wide)(bounds[b] - lower) * (rank - below) + counts[b] - 1) / counts[b]);
		below += counts[b];
	}
	return bounds[bounds_count - 1];
}

static void test_quantile_is_that_of_exact_arithmetic(void **unused)
{
	uint64_t counts[64], bounds[63];

	(void)unused;
	for (int n = 0; n < 100000; n++) {
		uint32_t bounds_count = 1 + (uint32_t)(draw() % 63), ppm = (uint32_t)(draw() % 1000001), spread = (uint32_t)(draw() % 58);
		uint64_t value, last = 0;
		bool empty = true;

		for (uint32_t b = 0; b <= bounds_count; b++) {
			counts[b] = draw() % 3 == 0 ? 0 : draw() >> (7 + draw() % 57);
			empty = empty && counts[b] == 0;
			if (b < bounds_count)
				last = bounds[b] = last + 1 + (draw() >> (6 + spread));
		}
		assert_int_equal(weir_segment_quantile(counts, bounds, bounds_count, ppm, &value), !empty);
		assert_true(value == (empty ? 0 : naive(counts, bounds, bounds_count, ppm)));
	}
}

/* Of values that are known: within the bucket in which the true one lies. */
static void test_quantile_lies_in_the_true_ones_bucket(void **unused)
{
	const uint64_t bounds[] = {9, 99, 249, 999};
	uint64_t counts[5] = {0}, value;

	(void)unused;
	for (uint64_t v = 1; v <= 1000; v++)
		counts[v <= 9 ? 0 : v <= 99 ? 1 : v <= 249 ? 2 : v <= 999 ? 3 : 4]++;
	for (uint32_t ppm = 0; ppm <= 999000; ppm += 500) {
		uint64_t exact = (ppm + 999) / 1000 == 0 ? 1 : (ppm + 999) / 1000;

		assert_true(weir_segment_quantile(counts, bounds, 4, ppm, &value));
		assert_true(value == exact); /* they are spread evenly indeed */
	}
	assert_true(weir_segment_quantile(counts, bounds, 4, 1000000, &value) && value == 999);
	assert_true(weir_segment_quantile(counts, bounds, 4, UINT32_MAX, &value) && value == 999);
}

static void test_quantile_of_what_is_none(void **unused)
{
	const uint64_t falling[] = {10, 5, 5, 0}, bounds[] = {1, 2};
	uint64_t none[5] = {0}, some[5] = {1, 1, 1, 1, 1}, many[3] = {UINT64_MAX, 1, 0}, most[3] = {UINT64_MAX, 0, 0}, value = 3;

	(void)unused;
	assert_false(weir_segment_quantile(none, bounds, 2, 500000, &value));
	assert_int_equal(value, 0);
	assert_false(weir_segment_quantile(some, bounds, 0, 500000, &value));
	assert_false(weir_segment_quantile(some, bounds, 512, 500000, &value));
	assert_false(weir_segment_quantile(many, bounds, 2, 500000, &value)); /* more values than a number holds */
	assert_true(weir_segment_quantile(most, bounds, 2, 1000000, &value) && value == 1);
	for (uint32_t ppm = 0; ppm < 1000000; ppm += 1000)
		assert_true(weir_segment_quantile(some, falling, 4, ppm, &value)); /* comes to an end */
}

/* ---- opening ---- */

static enum weir_segment_fault open_as(const struct made *m, size_t bytes)
{
	struct weir_segment_reader r;
	struct weir_segment_cursor at = {0, 0};
	enum weir_segment_fault fault = weir_segment_open(&r, m->base, bytes);

	if (fault != WEIR_SEGMENT_FINE) { /* who goes on all the same finds nothing */
		assert_null(weir_segment_next(&r, &at));
		assert_int_equal(weir_segment_cell(&r, 512 + 3), 0);
	}
	return fault;
}

static void test_open_refuses_what_it_must(void **unused)
{
	struct made m = made_new(0);
	struct weir_segment_header *h = made_header(&m), good = *h;

	(void)unused;
	assert_int_equal(open_as(&m, made_bytes()), WEIR_SEGMENT_FINE);
#define REFUSED(change, fault)                                                                                                 \
	do {                                                                                                                       \
		change;                                                                                                                \
		assert_int_equal(open_as(&m, made_bytes()), fault);                                                                    \
		*h = good;                                                                                                             \
	} while (0)
	for (int i = 0; i < 8; i++)
		REFUSED(h->magic[i] ^= 1, WEIR_SEGMENT_FOREIGN);
	REFUSED(h->endian = (uint8_t)(3 - h->endian), WEIR_SEGMENT_ENDIAN);
	REFUSED(h->endian = 0, WEIR_SEGMENT_ENDIAN);
	REFUSED(h->major++, WEIR_SEGMENT_OTHER_MAJOR);
	REFUSED(h->major--, WEIR_SEGMENT_OTHER_MAJOR);
	REFUSED(h->pointer_bytes = 4, WEIR_SEGMENT_POINTERS);
	REFUSED(h->header_bytes--, WEIR_SEGMENT_DAMAGED);
	REFUSED(h->header_bytes = 4097, WEIR_SEGMENT_DAMAGED);
	REFUSED(h->page_bytes = 8192, WEIR_SEGMENT_DAMAGED);
	REFUSED(h->pages++, WEIR_SEGMENT_DAMAGED);
	REFUSED(h->total_bytes++, WEIR_SEGMENT_DAMAGED);
	REFUSED((h->pages++, h->total_bytes += WEIR_SEGMENT_PAGE), WEIR_SEGMENT_SHORT);
	REFUSED(h->accessible = 0, WEIR_SEGMENT_CLOSED);
	REFUSED(h->generation_begin++, WEIR_SEGMENT_UNFINISHED);
	REFUSED(h->generation_end++, WEIR_SEGMENT_UNFINISHED);
	REFUSED(h->generation_begin = h->generation_end = 0, WEIR_SEGMENT_UNFINISHED);
	REFUSED(h->pages_used = MADE_PAGES + 1, WEIR_SEGMENT_DAMAGED);
	REFUSED(h->areas_count = 1, WEIR_SEGMENT_DAMAGED);
	for (int a = 0; a < 2; a++) {
		REFUSED(h->areas[a].type = 99, WEIR_SEGMENT_DAMAGED);
		REFUSED(h->areas[a].entry_bytes = 8, WEIR_SEGMENT_DAMAGED);
		REFUSED(h->areas[a].entry_bytes = 0, WEIR_SEGMENT_DAMAGED);
		REFUSED(h->areas[a].entry_bytes = 20, WEIR_SEGMENT_DAMAGED);
		REFUSED(h->areas[a].entry_bytes = UINT32_MAX - 7, WEIR_SEGMENT_DAMAGED);
		REFUSED(h->areas[a].offset += 4, WEIR_SEGMENT_DAMAGED);
		REFUSED(h->areas[a].offset = made_bytes(), WEIR_SEGMENT_DAMAGED);
		REFUSED(h->areas[a].offset = UINT64_MAX - 7, WEIR_SEGMENT_DAMAGED);
		REFUSED(h->areas[a].count = UINT64_MAX, WEIR_SEGMENT_DAMAGED);
		REFUSED(h->areas[a].count = made_bytes() / 16, WEIR_SEGMENT_DAMAGED);
	}
	REFUSED(h->areas[0].count = 2, WEIR_SEGMENT_DAMAGED); /* fewer than are used */
#undef REFUSED
	h->areas_count = UINT32_MAX; /* what is past the eighth is not looked at */
	assert_int_equal(open_as(&m, made_bytes()), WEIR_SEGMENT_FINE);
	for (size_t bytes = 0; bytes < made_bytes(); bytes += bytes < 400 ? 1 : WEIR_SEGMENT_PAGE / 2)
		assert_int_equal(open_as(&m, bytes), WEIR_SEGMENT_SHORT);
	for (int f = WEIR_SEGMENT_FINE; f <= WEIR_SEGMENT_DAMAGED + 1; f++)
		assert_true(strlen(weir_segment_fault_text((enum weir_segment_fault)f)) > 5);
	free(m.base);
}

/* ---- reading ---- */

/* A counter of two threads, a level, a histogram; older or newer by some bytes everywhere. */
static struct made typical(uint32_t more)
{
	const uint64_t bounds[] = {10, 100};
	struct made m = made_new(more);
	uint32_t one, two, levels;

	made_instrument(&m, 1, 1, "requests", "code", NULL, 0);
	made_instrument(&m, 2, 5, "took", NULL, bounds, 2);
	made_instrument(&m, 3, 3, "gauge", NULL, NULL, 0);
	made_series(&m, 1, 512 + 3, 1, "200");
	made_series(&m, 2, 512 + 4, 4, NULL);
	made_series(&m, 3, 1024 + 1, 1, NULL);
	one = made_cells_page(&m, WEIR_PAGE_CELLS, 1);
	two = made_cells_page(&m, WEIR_PAGE_CELLS, 1);
	levels = made_cells_page(&m, WEIR_PAGE_LEVELS, 2);
	made_cells(&m, one)[3] = 5;
	made_cells(&m, two)[3] = 6;
	for (uint32_t i = 0; i < 4; i++)
		made_cells(&m, i % 2 ? one : two)[4 + i] = 10 + i;
	made_cells(&m, levels)[1] = 42;
	return m;
}

static uint32_t walk(const struct weir_segment_reader *r, uint64_t *sum)
{
	struct weir_segment_cursor at = {0, 0};
	const struct weir_segment_record *record;
	uint32_t count = 0;

	*sum = 0;
	while ((record = weir_segment_next(r, &at)) != NULL) {
		const struct weir_segment_instrument *i = weir_segment_instrument_of(record);
		const struct weir_segment_series *s = weir_segment_series_of(record);

		count++;
		assert_true((const uint8_t *)record >= r->base && (const uint8_t *)record + record->bytes <= r->base + r->bytes);
		if (i != NULL)
			assert_true((const uint8_t *)(weir_segment_constant(i) + 2 * i->constant_count) <= (const uint8_t *)record + record->bytes);
		for (uint32_t k = 0; s != NULL && k < s->values_count; k++) {
			uint32_t len;
			const char *text = weir_segment_text(r, weir_segment_values(s)[k], &len);

			assert_true(text == NULL ? len == 0 : text >= (const char *)r->base && text + len < (const char *)r->base + r->bytes);
		}
		for (uint32_t c = 0; s != NULL && c < s->cells; c++)
			*sum += weir_segment_cell(r, s->cell + c);
	}
	return count;
}

static void test_a_segment_is_read_by_its_own_strides(void **unused)
{
	(void)unused;
	for (uint32_t more = 0; more <= 64; more += 8) {
		struct made m = typical(more);
		struct weir_segment_reader r;
		uint64_t sum;

		assert_int_equal(weir_segment_open(&r, m.base, made_bytes()), WEIR_SEGMENT_FINE);
		assert_int_equal(walk(&r, &sum), 6);
		assert_int_equal(sum, 11 + 10 + 11 + 12 + 13 + 42);
		assert_int_equal(weir_segment_cell(&r, 512 + 3), 11);
		assert_int_equal(weir_segment_cell(&r, 1024 + 1), 42);
		assert_int_equal(weir_segment_cell(&r, 512 * 3), 0);          /* nobody has used it */
		assert_int_equal(weir_segment_cell(&r, 512 * 200000), 0);     /* not in the index */
		assert_int_equal(weir_segment_cell(&r, UINT32_MAX), 0);
		free(m.base);
	}
}

static void test_records_of_newer_versions_are_passed_over(void **unused)
{
	struct made m = made_new(0);
	struct weir_segment_reader r;
	struct weir_segment_cursor at = {0, 0};
	const struct weir_segment_record *record;
	struct {
		struct weir_segment_series head;
		uint32_t more[6];
	} longer = {.head = {.bytes = sizeof longer, .type = WEIR_RECORD_SERIES, .instrument = 9, .cell = 600, .cells = 1}};
	struct weir_segment_record unknown = {.bytes = 8, .type = 77};

	(void)unused;
	made_record(&m, &unknown, 8);
	made_record(&m, &longer, sizeof longer);
	made_series(&m, 8, 601, 1, NULL);
	assert_int_equal(weir_segment_open(&r, m.base, made_bytes()), WEIR_SEGMENT_FINE);
	record = weir_segment_next(&r, &at);
	assert_true(record != NULL && weir_segment_instrument_of(record) == NULL && weir_segment_series_of(record) == NULL);
	record = weir_segment_next(&r, &at);
	assert_int_equal(weir_segment_series_of(record)->instrument, 9);
	record = weir_segment_next(&r, &at);
	assert_int_equal(weir_segment_series_of(record)->instrument, 8);
	assert_null(weir_segment_next(&r, &at));
	made_series(&m, 7, 602, 1, NULL); /* the walk goes on where it ended, once there is more */
	at = (struct weir_segment_cursor){4, m.records_used - (uint32_t)sizeof(struct weir_segment_series)};
	assert_int_equal(weir_segment_series_of(weir_segment_next(&r, &at))->instrument, 7);
	free(m.base);
}

static void test_turns_are_told(void **unused)
{
	struct made m = made_new(0);
	struct weir_segment_claim_series *c = made_claim_series(&m, 1, 600, "tenant", 1);
	const struct weir_segment_series *plain = made_series(&m, 1, 601, 1, "tenant");
	uint32_t turn = weir_segment_turn(&c->series), len;
	struct weir_segment_reader r;

	(void)unused;
	assert_int_equal(turn, 1);
	assert_true(weir_segment_is_turn(&c->series, turn));
	c->turn = 2;
	assert_false(weir_segment_is_turn(&c->series, turn));
	assert_false(weir_segment_is_turn(&c->series, 2)); /* it rests */
	c->turn = 3;
	assert_false(weir_segment_is_turn(&c->series, turn));
	assert_true(weir_segment_is_turn(plain, weir_segment_turn(plain)));
	assert_int_equal(weir_segment_open(&r, m.base, made_bytes()), WEIR_SEGMENT_FINE);
	assert_memory_equal(weir_segment_text(&r, weir_segment_values(&c->series)[0], &len), "tenant", 7);
	assert_int_equal(len, 6);
	free(m.base);
}

static void test_chains_that_are_wrong_come_to_an_end(void **unused)
{
	struct made m = typical(0);
	struct weir_segment_reader r;
	uint32_t first = made_block(&m, 1)->first, second = made_entry(&m, first)->next;

	(void)unused;
	assert_int_equal(weir_segment_open(&r, m.base, made_bytes()), WEIR_SEGMENT_FINE);
	made_entry(&m, second)->next = first; /* round and round */
	assert_true(weir_segment_cell(&r, 512 + 3) <= 11 * MADE_PAGES);
	made_entry(&m, second)->next = second;
	assert_true(weir_segment_cell(&r, 512 + 3) <= 11 * MADE_PAGES);
	made_entry(&m, second)->next = UINT32_MAX; /* out of it */
	assert_int_equal(weir_segment_cell(&r, 512 + 3), 11);
	made_entry(&m, second)->next = 4; /* a page of descriptors */
	assert_int_equal(weir_segment_cell(&r, 512 + 3), 11);
	made_entry(&m, second)->next = made_block(&m, 2)->first; /* another block's */
	assert_int_equal(weir_segment_cell(&r, 512 + 3), 11);
	made_entry(&m, second)->type = WEIR_PAGE_NONE; /* no longer listed */
	assert_int_equal(weir_segment_cell(&r, 512 + 3), 6);
	made_block(&m, 1)->first = 0x80000000u;
	assert_int_equal(weir_segment_cell(&r, 512 + 3), 0);
	free(m.base);
}

static void test_totals_are_found_and_checked(void **unused)
{
	struct made m = typical(8);
	struct weir_segment_reader r;
	struct weir_segment_block *b = made_block(&m, 1);
	uint64_t value = 1, four[4];

	(void)unused;
	assert_int_equal(weir_segment_open(&r, m.base, made_bytes()), WEIR_SEGMENT_FINE);
	assert_false(weir_segment_total(&r, 512 + 3, &value)); /* none is made */
	b->totals[0] = made_list(&m, 10, WEIR_PAGE_TOTALS, 0, 1, 0);
	b->totals[1] = made_list(&m, 11, WEIR_PAGE_TOTALS, 0, 1, 0);
	for (uint32_t i = 0; i < 4; i++) {
		made_cells(&m, 10)[4 + i] = 100 + i;
		made_cells(&m, 11)[4 + i] = 200 + i;
	}
	assert_false(weir_segment_total(&r, 512 + 4, &value)); /* pages past pages_used, as it was read */
	assert_int_equal(weir_segment_open(&r, m.base, made_bytes()), WEIR_SEGMENT_FINE);
	for (uint32_t active = 0; active < 6; active++) {
		b->active = active;
		assert_true(weir_segment_total(&r, 512 + 5, &value) && value == (active % 2 ? 201 : 101));
		assert_true(weir_segment_totals(&r, 512 + 4, 4, four) && four[3] == (active % 2 ? 203 : 103));
	}
	assert_false(weir_segment_totals(&r, 1024 - 2, 4, four)); /* over a block's end */
	made_entry(&m, 11)->number = 2; /* another block's */
	b->active = 1;
	assert_false(weir_segment_total(&r, 512 + 4, &value));
	made_entry(&m, 11)->number = 1;
	b->totals[1] = 4;
	assert_false(weir_segment_total(&r, 512 + 4, &value)); /* of another type */
	b->totals[1] = UINT32_MAX;
	assert_false(weir_segment_total(&r, 512 + 4, &value));
	free(m.base);
}

struct turning {
	struct weir_segment_block *block;
	bool stop;
};
static void *turn_round(void *arg)
{
	struct turning *t = arg;

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED))
		__atomic_fetch_add(&t->block->active, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* A writer that turns faster than anybody reads: a reader gives up, or has one copy. */
static void test_totals_that_turn_all_the_time(void **unused)
{
	struct made m = typical(0);
	struct weir_segment_reader r;
	struct turning t = {.block = made_block(&m, 1)};
	uint64_t all[WEIR_SEGMENT_CELLS];
	pthread_t thread;

	(void)unused;
	t.block->totals[0] = made_list(&m, 10, WEIR_PAGE_TOTALS, 0, 1, 0);
	t.block->totals[1] = made_list(&m, 11, WEIR_PAGE_TOTALS, 0, 1, 0);
	for (uint32_t i = 0; i < WEIR_SEGMENT_CELLS; i++)
		made_cells(&m, 11)[i] = 1;
	assert_int_equal(weir_segment_open(&r, m.base, made_bytes()), WEIR_SEGMENT_FINE);
	assert_int_equal(pthread_create(&thread, NULL, turn_round, &t), 0);
	for (int n = 0; n < 2000; n++)
		if (weir_segment_totals(&r, 512, WEIR_SEGMENT_CELLS, all))
			for (uint32_t i = 1; i < WEIR_SEGMENT_CELLS; i++)
				assert_int_equal(all[i], all[0]);
	__atomic_store_n(&t.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	free(m.base);
}

static void test_texts_lie_in_their_page(void **unused)
{
	struct made m = made_new(0);
	struct weir_segment_reader r;
	uint32_t at = 3 * WEIR_SEGMENT_PAGE, len = 9;

	(void)unused;
	assert_int_equal(weir_segment_open(&r, m.base, made_bytes()), WEIR_SEGMENT_FINE);
	assert_null(weir_segment_text(&r, 0, &len));
	assert_int_equal(len, 0);
	assert_null(weir_segment_text(&r, 2 * WEIR_SEGMENT_PAGE, &len)); /* a page of another type */
	assert_null(weir_segment_text(&r, UINT32_MAX, &len));
	assert_null(weir_segment_text(&r, at + 2, &len));
	for (uint32_t offset = 0; offset < WEIR_SEGMENT_PAGE; offset += 4) {
		uint32_t room = WEIR_SEGMENT_PAGE - offset;

		memset(m.base + at, 0xff, WEIR_SEGMENT_PAGE);
		assert_null(weir_segment_text(&r, at + offset, &len));
		len = room - 5;
		memcpy(m.base + at + offset, &len, 4);
		assert_true((weir_segment_text(&r, at + offset, &len) != NULL) == (room >= 8));
		len = room - 4;
		memcpy(m.base + at + offset, &len, 4);
		assert_null(weir_segment_text(&r, at + offset, &len));
	}
	free(m.base);
}

/* Bytes changed at random, words set to what is awkward: each walk comes to an end, within the memory. */
static void test_hostile_segments(void **unused)
{
	const uint32_t awkward[] = {0, 1, 7, 8, 4095, 4096, 0x7fffffff, 0x80000000u, UINT32_MAX};

	(void)unused;
	for (int n = 0; n < 3000; n++) {
		struct made m = typical(0);
		struct weir_segment_reader r;
		uint64_t sum;

		for (uint64_t changes = 1 + draw() % 20; changes != 0; changes--) {
			uint32_t word = awkward[draw() % 9];
			size_t page = (size_t)(draw() % 5);

			memcpy(m.base + page * WEIR_SEGMENT_PAGE + draw() % (page == 0 ? 80 : 100) * 4, &word, 4);
		}
		if (weir_segment_open(&r, m.base, made_bytes()) == WEIR_SEGMENT_FINE)
			walk(&r, &sum);
		free(m.base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share_is_exact),
		cmocka_unit_test(test_quantile_is_that_of_exact_arithmetic),
		cmocka_unit_test(test_quantile_lies_in_the_true_ones_bucket),
		cmocka_unit_test(test_quantile_of_what_is_none),
		cmocka_unit_test(test_open_refuses_what_it_must),
		cmocka_unit_test(test_a_segment_is_read_by_its_own_strides),
		cmocka_unit_test(test_records_of_newer_versions_are_passed_over),
		cmocka_unit_test(test_turns_are_told),
		cmocka_unit_test(test_chains_that_are_wrong_come_to_an_end),
		cmocka_unit_test(test_totals_are_found_and_checked),
		cmocka_unit_test(test_totals_that_turn_all_the_time),
		cmocka_unit_test(test_texts_lie_in_their_page),
		cmocka_unit_test(test_hostile_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
