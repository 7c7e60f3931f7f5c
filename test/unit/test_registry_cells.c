/* Unit: src/registry.c: which cells an instrument is given, and their end. */
#include "test_registry.h"

/* ---- cells ---- */

static uint8_t owner_of[WEIR__BLOCKS_MAX * 8]; /* by cell: who has it, a number that is not 0; of the first blocks */

static void own(uint32_t cell, uint32_t count, uint8_t who)
{
	assert_true(cell >= WEIR__BLOCK_CELLS); /* block 0 is never handed out */
	assert_int_equal(cell / WEIR__BLOCK_CELLS, (cell + count - 1) / WEIR__BLOCK_CELLS);
	assert_true(cell + count <= sizeof owner_of);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(owner_of[cell + i], 0);
		owner_of[cell + i] = who;
	}
}

ALONE(cells_are_never_shared_and_never_cross_a_block)
{
	uint32_t state = 1;
	struct weir__guard guard;

	assert_true(weir__enter(&guard));
	for (int i = 0; i < 6000; i++) {
		uint32_t count, cell;
		bool levels;

		state = state * 1664525u + 1013904223u;
		levels = state >> 30 == 0;
		count = levels || state >> 30 == 1 ? 1 : (state >> 8) % 256 + 2;
		cell = weir__cells_take(count, levels);
		own(cell, count, 1);
		assert_int_equal(weir__block_is_levels(cell / WEIR__BLOCK_CELLS), levels);
		assert_true(weir__blocks_count() > cell / WEIR__BLOCK_CELLS);
	}
	own(weir__cells_take(WEIR__BLOCK_CELLS, false), WEIR__BLOCK_CELLS, 1); /* a whole block */
	own(weir__cells_take(WEIR__BLOCK_CELLS, false), WEIR__BLOCK_CELLS, 1);
	weir__leave(&guard);
	assert_false(weir__block_is_levels(0));
}

ALONE(series_of_all_kinds_have_cells_of_their_own)
{
	static uint64_t bounds[62];
	const struct weir_histogram *h;
	const struct weir_gauge *g;
	const struct weir_counter *c;
	const struct weir__instrument *i;
	char name[32], value[16];

	for (size_t n = 0; n < COUNT(bounds); n++)
		bounds[n] = n + 1;
	for (int n = 0; n < 12; n++) {
		snprintf(name, sizeof name, "kinds_c%d", n);
		c = made(name, LABELS("a"), OPTIONS(.max_series = 40));
		snprintf(name, sizeof name, "kinds_g%d", n);
		assert_int_equal(weir_gauge_create(&g, name, "Help.", LABELS("a"), NULL), WEIR_OK);
		snprintf(name, sizeof name, "kinds_h%d", n);
		assert_int_equal(weir_histogram_create(&h, name, "Help.", LABELS("a"),
		                                       OPTIONS(.bounds = bounds, .bounds_count = 1 + (size_t)n * 5)),
		                 WEIR_OK);
		snprintf(name, sizeof name, "kinds_n%d", n);
		made(name, NULL, NULL);
		for (int v = 0; v < 50; v++) {
			snprintf(value, sizeof value, "%d", v);
			weir_counter_add_with(c, 1, value);
			weir_gauge_set_with(g, v, value);
			weir_histogram_record_with(h, (uint64_t)v, value);
		}
	}
	for (i = weir__instruments_first(); i != NULL; i = i->next) {
		if (i->overflow != NULL)
			own(i->folded_cell, 1, 2);
		for (const struct weir__series *s = i->first; s != NULL; s = s->next) {
			own(s->cell, i->cells, 1);
			assert_int_equal(weir__block_is_levels(s->cell / WEIR__BLOCK_CELLS),
			                 i->kind == WEIR_GAUGE_KIND);
		}
	}
	assert_int_equal(status_now().series, 12 * (41 + 50 + 50 + 1));
}

ALONE(when_cells_end_the_next_is_refused_and_those_that_are_go_on)
{
	const struct weir_counter *first = made("registry_last", LABELS("a"), NULL), *c;
	struct weir_counter_series s = weir_counter_with(first, "x");
	struct weir__guard guard;
	uint32_t blocks = 0;

	assert_true(weir__enter(&guard));
	while (weir__cells_take(WEIR__BLOCK_CELLS, false) != 0)
		blocks++;
	while (weir__cells_take(1, false) != 0)
		assert_true(blocks > 0);
	assert_int_equal(weir__cells_take(1, true), 0);
	weir__leave(&guard);
	assert_in_range(blocks, WEIR__BLOCKS_MAX - 4, WEIR__BLOCKS_MAX - 1);
	assert_int_equal(weir__blocks_count(), WEIR__BLOCKS_MAX);
	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	assert_int_equal(counter(&c, "registry_too_late", NULL, NULL), WEIR_ELIMIT);
	weir_counter_add(c, 1);
	weir_counter_add_with(first, 1, "y"); /* no cell: dropped and counted */
	weir_counter_series_add(s, 4);
	assert_int_equal(weir_counter_series_read(s), 4);
	assert_int_equal(status_now().dropped_records, 2);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(cells_are_never_shared_and_never_cross_a_block),
	cmocka_unit_test(series_of_all_kinds_have_cells_of_their_own),
	cmocka_unit_test(when_cells_end_the_next_is_refused_and_those_that_are_go_on),
};
ALONE_MAIN(tests)
