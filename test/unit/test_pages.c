/* Unit: src/pages.c: what is taken is aligned, zeroed, its taker's alone, and stays. */
#define _GNU_SOURCE
#include "pages.h"
#include "port.h"

#include <sys/resource.h>

#include "alone.h"

enum { TAKEN = 4000 };
static struct {
	unsigned char *at;
	size_t bytes;
} taken[TAKEN];

static void take(size_t i, size_t bytes)
{
	unsigned char *at = weir__pages_take(bytes);

	assert_non_null(at);
	assert_int_equal((uintptr_t)at % 8, 0);
	for (size_t b = 0; b < bytes; b++)
		assert_int_equal(at[b], 0);
	memset(at, (int)(i % 255 + 1), bytes);
	taken[i].at = at;
	taken[i].bytes = bytes;
}

/* Each still has its own pattern: nothing overlaps, nothing was moved or zeroed again. */
ALONE(what_is_taken_is_zeroed_aligned_and_ones_own)
{
	static const size_t large[] = {16 * 1024, 16 * 1024 + 1, 60 * 1024, 64 * 1024 - 8,
	                               64 * 1024, 64 * 1024 + 1, 200000};
	uint64_t all = 0;
	size_t i = 0;

	assert_int_equal(weir__pages_bytes(), 0);
	for (size_t n = 0; n < COUNT(large); n++) {
		take(i++, 24);
		take(i++, large[n]);
		take(i++, large[n]);
	}
	while (i < TAKEN) {
		take(i, 1 + i * 37 % 700);
		i++;
	}
	for (i = 0; i < TAKEN; i++) {
		all += taken[i].bytes;
		for (size_t b = 0; b < taken[i].bytes; b++)
			assert_int_equal(taken[i].at[b], i % 255 + 1);
	}
	assert_true(weir__pages_bytes() >= all);
	assert_true(weir__pages_bytes() < all + all / 2); /* no size throws half of it away */
	assert_int_equal(weir__pages_bytes() % WEIR__PAGE, 0);
}

ALONE(a_large_one_leaves_the_small_ones_page_alone)
{
	char *first = weir__pages_take(8), *second;

	assert_non_null(weir__pages_take(100000));
	second = weir__pages_take(8);
	assert_ptr_equal(second, first + 8);
}

ALONE(text_is_copied_and_ends)
{
	char text[] = "weir", *copy = weir__pages_text(text, 4), *empty = weir__pages_text("", 0), *nuls;

	text[0] = 'x';
	assert_string_equal(copy, "weir");
	assert_string_equal(empty, "");
	nuls = weir__pages_text("a\0b", 3);
	assert_memory_equal(nuls, "a\0b\0", 4);
	nuls = weir__pages_text("weirdo", 4); /* the text goes on, the copy does not */
	assert_string_equal(nuls, "weir");
}

ALONE(at_memorys_end_there_is_none_and_no_crash)
{
	struct rlimit limit = {0, 0};
	size_t got = 0;
	char *small, *again;

	if (SANITIZED)
		alone_skip("a sanitizer needs address space without limit");
	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	small = weir__pages_take(8);
	limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	errno = EDOM;
	while (weir__pages_take(4096) != NULL)
		got++;
	assert_int_equal(errno, EDOM);
	assert_in_range(got, 1, 16); /* what the chunk in hand still had */
	assert_null(weir__pages_text("no", 100000));
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	again = weir__pages_take(4096);
	assert_non_null(again);
	*small = *again = 1;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_is_taken_is_zeroed_aligned_and_ones_own),
	cmocka_unit_test(a_large_one_leaves_the_small_ones_page_alone),
	cmocka_unit_test(text_is_copied_and_ends),
	cmocka_unit_test(at_memorys_end_there_is_none_and_no_crash),
};
ALONE_MAIN(tests)
