/* Unit: src/totals.c: sums stand in the segment where they are asked for, in pairs of which one is whole; where there is no room
 * there are none, and nothing else changes. */
#define _GNU_SOURCE
#include "port.h"
#include "registry.h"
#include "segment.h"
#include "shard.h"
#include "totals.h"

#include "alone.h"

WEIR_COUNTER(adds, "totals_adds_total", "Adds.", "k");
WEIR_GAUGE(level, "totals_level", "A level.");

static uint64_t *page_at(uint32_t page)
{
	return (uint64_t *)(void *)((uint8_t *)weir__segment_header() + (size_t)page * WEIR_SEGMENT_PAGE);
}

static struct weir_segment_block *index_of(uint32_t block)
{
	struct weir__guard guard;
	struct weir_segment_block *index;

	assert_true(weir__enter(&guard));
	index = weir__segment_index(block);
	weir__leave(&guard);
	assert_non_null(index);
	return index;
}

static uint32_t type_of(uint32_t page)
{
	const struct weir_segment_header *h = weir__segment_header();

	return ((const struct weir_segment_entry *)(const void *)((const uint8_t *)h + h->areas[0].offset))[page].type;
}

static void *add_two(void *arg)
{
	weir_counter_series_add(*(struct weir_counter_series *)arg, 2);
	return NULL;
}

ALONE(the_copy_that_is_shown_stays_as_it_is)
{
	struct weir_counter_series one = weir_counter_with(&adds, "one");
	uint32_t block = one.cell_ / 512, at = one.cell_ % 512;
	struct weir_segment_block *index;
	uint64_t *shown;

	weir_counter_series_add(one, 1);
	in_threads(3, add_two, &one);
	index = index_of(block);
	assert_int_equal(index->totals[0], 0);
	assert_int_equal(index->totals[1], 0);
	weir__totals_publish();
	assert_int_equal(type_of(index->totals[0]), WEIR_PAGE_TOTALS);
	assert_int_equal(type_of(index->totals[1]), WEIR_PAGE_TOTALS);
	assert_int_not_equal(index->totals[0], index->totals[1]);
	shown = page_at(index->totals[index->active & 1]);
	assert_int_equal(shown[at], 7);
	for (uint64_t n = 8; n < 20; n++) {
		uint32_t active = index->active;

		weir_counter_series_add(one, 1);
		weir__totals_publish();
		assert_int_equal(shown[at], n - 1); /* as whoever reads it still sees it */
		assert_int_equal(index->active, active + 1);
		shown = page_at(index->totals[index->active & 1]);
		assert_int_equal(shown[at], n);
	}
	assert_int_not_equal(weir__segment_header()->totals_time_ns, 0);
}

ALONE(levels_have_totals_and_unused_blocks_have_none)
{
	uint32_t block;

	weir_gauge_set(&level, -42);
	block = ((const struct weir__instrument *)level.i_.state_->series_)->first->cell / 512;
	weir__totals_publish();
	assert_int_equal(page_at(index_of(block)->totals[0])[level.i_.state_->cell_ % 512], (uint64_t)-42);
	assert_int_equal(index_of(weir__blocks_count())->totals[0], 0);
}

ALONE(a_full_segment_has_no_totals_and_goes_on)
{
	struct weir_counter_series one;
	struct weir__guard guard;
	struct weir_segment_block *index;
	uint32_t page;
	unsigned pages = 0;

	assert_true(weir__enter(&guard));
	weir__segment_capacity(1 << 20);
	weir__leave(&guard);
	one = weir_counter_with(&adds, "one");
	weir_counter_series_add(one, 1);
	assert_true(weir__enter(&guard));
	while (weir__segment_page(&page) != NULL)
		pages++;
	weir__leave(&guard);
	assert_in_range(pages, 1, 256);
	index = index_of(one.cell_ / 512);
	for (int i = 0; i < 3; i++) {
		weir__totals_publish();
		weir_counter_series_add(one, 1);
		assert_int_equal(index->totals[0], 0);
		assert_int_equal(index->totals[1], 0);
		assert_int_equal(index->active, 0);
	}
	assert_int_equal(status_now().dropped_records, 0);
}

static void look_in_child(void)
{
	struct weir_counter_series one = weir_counter_with(&adds, "one");
	struct weir_segment_block *index;

	weir_counter_series_add(one, 3);
	weir__totals_publish();
	index = index_of(one.cell_ / 512);
	assert_int_equal(index->active, 0);
	assert_int_equal(page_at(index->totals[0])[one.cell_ % 512], 3);
}

ALONE(a_forked_childs_totals_are_its_own)
{
	struct weir_counter_series one = weir_counter_with(&adds, "one");
	struct weir_segment_block *index;

	weir_counter_series_add(one, 1);
	weir__totals_publish();
	weir__totals_publish();
	index = index_of(one.cell_ / 512);
	in_child(look_in_child);
	assert_int_equal(index->active, 1);
	assert_int_equal(page_at(index->totals[1])[one.cell_ % 512], 1);
	weir_counter_series_add(one, 1);
	weir__totals_publish();
	assert_int_equal(page_at(index->totals[0])[one.cell_ % 512], 2);
}

ALONE(before_there_is_a_segment_there_is_nothing_to_fill)
{
	weir__totals_publish();
	assert_null(weir__segment_header());
	assert_int_equal(weir__segment_bytes(), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_copy_that_is_shown_stays_as_it_is),
	cmocka_unit_test(levels_have_totals_and_unused_blocks_have_none),
	cmocka_unit_test(a_full_segment_has_no_totals_and_goes_on),
	cmocka_unit_test(a_forked_childs_totals_are_its_own),
	cmocka_unit_test(before_there_is_a_segment_there_is_nothing_to_fill),
};
ALONE_MAIN(tests)
