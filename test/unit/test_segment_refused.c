/* Unit: src/segment.c: without a memfd, under limits, without memory. */
#include "test_segment.h"

/* ---- refused, or too little ---- */

static void lower(int what, rlim_t to)
{
	struct rlimit limit;

	assert_int_equal(getrlimit((__rlimit_resource_t)what, &limit), 0);
	limit.rlim_cur = to;
	assert_int_equal(setrlimit((__rlimit_resource_t)what, &limit), 0);
}

ALONE(without_a_memfd_it_is_private_and_says_so)
{
	uint32_t page;
	char *at;

	lower(RLIMIT_NOFILE, 0);
	enter();
	at = weir__segment_page(&page);
	leave();
	lower(RLIMIT_NOFILE, 64);
	assert_non_null(at);
	memset(at, 1, 4096);
	assert_string_equal(weir__segment_home(), "private: memfd_create was refused");
	assert_null(mapped(NULL));
	assert_true(weir__segment_bytes() >= 4096);
}

ALONE(a_limit_on_files_makes_it_smaller)
{
	lower(RLIMIT_FSIZE, 9 << 20); /* past it a file's growth raises SIGXFSZ, which would end this */
	enter();
	assert_true(weir__segment_open());
	leave();
	assert_string_equal(weir__segment_home(), "memfd");
	assert_int_equal(header()->total_bytes, 8 << 20);
}

ALONE(where_no_file_has_room_it_is_private)
{
	uint32_t page;
	char *at;

	lower(RLIMIT_FSIZE, 0);
	enter();
	at = weir__segment_page(&page);
	leave();
	assert_non_null(at);
	memset(at, 1, 4096);
	assert_int_equal(strncmp(weir__segment_home(), "private: ", 9), 0);
}

static rlim_t address_space(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return pages * 4096;
}

/* It takes no more than an eighth: the rest is the host's. */
ALONE(a_limit_on_address_space_makes_it_smaller)
{
	rlim_t limit = address_space() + (40 << 20);
	uint32_t page;

	if (SANITIZED)
		alone_skip("a sanitizer needs address space without limit");
	lower(RLIMIT_AS, limit);
	enter();
	assert_non_null(weir__segment_page(&page));
	leave();
	lower(RLIMIT_AS, RLIM_INFINITY);
	assert_string_equal(weir__segment_home(), "memfd");
	assert_in_range(header()->total_bytes, limit / 16, limit / 8);
}

ALONE(without_any_memory_there_is_none_and_no_crash)
{
	uint32_t page;
	int fd;

	if (SANITIZED)
		alone_skip("a sanitizer needs address space without limit");
	weir__generation();
	lower(RLIMIT_AS, 0);
	enter();
	assert_false(weir__segment_open());
	assert_null(weir__segment_page(&page));
	assert_int_equal(weir__segment_string("x", 1), 0);
	assert_string_equal(weir__segment_home(), "none yet");
	lower(RLIMIT_AS, RLIM_INFINITY);
	assert_int_equal(descriptor(&fd), -1); /* nothing is left behind */
	WITHIN_MS(5000, weir__segment_open()); /* asked for again after a while */
	leave();
	assert_string_equal(weir__segment_home(), "memfd");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(without_a_memfd_it_is_private_and_says_so),
	cmocka_unit_test(a_limit_on_files_makes_it_smaller),
	cmocka_unit_test(where_no_file_has_room_it_is_private),
	cmocka_unit_test(a_limit_on_address_space_makes_it_smaller),
	cmocka_unit_test(without_any_memory_there_is_none_and_no_crash),
};
ALONE_MAIN(tests)
