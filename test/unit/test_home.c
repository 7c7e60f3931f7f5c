/* Unit: src/home.c, taken in whole, so that records can be made at the very moment at which the new home's pages are put over the
 * old ones: what comes before that, and behind the copy, is found in the new home. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static long late_mmap(long call, void *at, size_t bytes, long protection, long flags, long fd, uint64_t offset);
#define syscall late_mmap /* the one that it makes */
#include "home.c"
#undef syscall

#include <weir/metric.h>

void weir__both(const void *segment, uint32_t cell, uint64_t *word, uint64_t final, uint64_t copied); /* weir-shm's */

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "alone.h"

WEIR_COUNTER(counted, "home_counted_total", "Counted.", "k");
WEIR_GAUGE(level, "home_level", "A level.", "k");
WEIR_FLOAT_GAUGE(share, "home_share", "A double.", "k");

static struct {
	void (*before)(void), (*after)(void); /* the pages are put over; NULL: nothing */
	bool refused;
} amid;

static long late_mmap(long call, void *at, size_t bytes, long protection, long flags, long fd, uint64_t offset)
{
	bool over = (flags & MAP_FIXED) != 0 && (protection & PROT_WRITE) != 0 && offset == 0;
	long got;

	assert_int_equal(call, SYS_mmap);
	if (over && amid.refused)
		return -1;
	if (over && amid.before != NULL)
		amid.before();
	got = syscall(call, at, bytes, protection, flags, fd, offset);
	if (over && amid.after != NULL)
		amid.after();
	return got;
}

static struct weir_private_home home_of(uint64_t bytes, bool whole)
{
	struct weir_private_home home = {.fd = memfd_create("another", MFD_CLOEXEC), .whole = whole, .bytes = bytes, .home = "another", .both = weir__both};

	assert_true(home.fd >= 0);
	assert_int_equal(ftruncate(home.fd, (off_t)bytes), 0);
	return home;
}

static uint64_t look_at(const char *told)
{
	struct weir_private_home home = {.fd = -1, .home = told};

	return weir_private_segment_move(&home) == WEIR_OK ? home.bytes : 0;
}

static struct weir_private_home as_large(void)
{
	return home_of(look_at(NULL), false);
}

static struct weir_counter_series one, two;
static struct weir_gauge_series gauge;
static struct weir_float_gauge_series real;
static uint64_t *gauge_word, *real_word;

static void record_some(void)
{
	one = weir_counter_with(&counted, "one");
	two = weir_counter_with(&counted, "two");
	gauge = weir_gauge_with(&level, "one");
	real = weir_float_gauge_with(&share, "one");
	weir_counter_series_add(one, 10);
	weir_counter_series_add(two, 20);
	weir_gauge_series_set(gauge, 30);
	gauge_word = weir_tls_v1[gauge.cell_ / 512] + gauge.cell_ % 512;
}

static void add_late(void)
{
	weir_counter_series_add(one, 5);
	*gauge_word += 7; /* by who was amid its record before levels were hidden */
}

static void set_after(void)
{
	*gauge_word = 99;
}

static void add_after(void)
{
	*gauge_word += 100;
}

static void add_real_late(void)
{
	double v;

	memcpy(&v, real_word, sizeof v);
	v += 0.5;
	memcpy(real_word, &v, sizeof v);
}

ALONE(what_was_counted_goes_along)
{
	struct weir_private_home home;

	record_some();
	home = as_large();
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	assert_string_equal(status_now().home, "another");
	assert_int_equal(weir_counter_series_read(one), 10);
	assert_int_equal(weir_gauge_series_read(gauge), 30);
	weir_counter_series_add(one, 1);
	weir_gauge_series_add(gauge, 1);
	assert_int_equal(weir_counter_series_read(one), 11);
	assert_int_equal(weir_gauge_series_read(gauge), 31);
	assert_int_equal(status_now().shards, 1); /* nothing came late */
}

ALONE(what_comes_behind_the_copy_is_not_lost)
{
	struct weir_private_home home;

	record_some();
	home = as_large();
	amid.before = add_late;
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	amid.before = NULL;
	assert_int_equal(weir_counter_series_read(one), 15);
	assert_int_equal(weir_counter_series_read(two), 20);
	assert_int_equal(weir_gauge_series_read(gauge), 37);
	assert_int_equal(status_now().shards, 2); /* one that is nobody's */
	weir_counter_series_add(one, 1);
	assert_int_equal(weir_counter_series_read(one), 16);

	home = as_large(); /* once more: what is nobody's goes along */
	amid.before = add_late;
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	assert_int_equal(weir_counter_series_read(one), 21);
	assert_int_equal(status_now().shards, 2);
}

ALONE(a_level_that_two_were_amid_writing_has_both)
{
	struct weir_private_home home;

	record_some();
	home = as_large();
	amid.before = add_late;
	amid.after = add_after;
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	assert_int_equal(weir_gauge_series_read(gauge), 30 + 7 + 100);
	home = as_large();
	amid.before = amid.after = add_real_late;
	real_word = (weir_float_gauge_series_set(real, 0.25), weir_tls_v1[real.cell_ / 512] + real.cell_ % 512);
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	assert_true(weir_float_gauge_series_read(real) == 1.25);
}

ALONE(a_level_that_was_set_by_one_and_added_to_by_another_has_both)
{
	struct weir_private_home home;

	record_some();
	home = as_large();
	amid.before = add_late;
	amid.after = set_after;
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	assert_int_equal(weir_gauge_series_read(gauge), 99 + 7); /* as if it was set first */
}

ALONE(a_level_is_hidden_from_all_tables_meanwhile)
{
	struct weir_private_home home;

	record_some();
	home = as_large();
	assert_non_null(weir_tls_v1[gauge.cell_ / 512]);
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	assert_null(weir_tls_v1[gauge.cell_ / 512]);
	assert_non_null(weir_tls_v1[one.cell_ / 512]);
	weir_gauge_series_add(gauge, 1);
	assert_ptr_equal(weir_tls_v1[gauge.cell_ / 512] + gauge.cell_ % 512, gauge_word); /* where it was */
}

ALONE(the_new_home_is_a_segment_and_the_old_one_counts_no_more)
{
	struct weir_private_home home;
	const struct weir_segment_header *old, *now;
	int fd;

	record_some();
	fd = dup(weir__segment_descriptor());
	old = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	home = as_large();
	home.start_time = 12345;
	memset(home.boot_id, 7, 16);
	now = mmap(NULL, 4096, PROT_READ, MAP_SHARED, home.fd, 0);
	assert_true(old != MAP_FAILED && now != MAP_FAILED);
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	assert_int_equal(old->generation_end, 0);
	assert_int_not_equal(old->generation_begin, 0);
	assert_memory_equal(now->magic, "weirseg", 8);
	assert_int_equal(now->generation_begin, now->generation_end);
	assert_int_not_equal(now->generation_end, 0);
	assert_int_equal(now->start_time, 12345);
	assert_int_equal(now->boot_id[15], 7);
	assert_int_equal(weir__segment_descriptor(), home.fd);
}

ALONE(a_smaller_home_that_is_whole_has_its_areas_at_its_own_end)
{
	struct weir_private_home home;
	const struct weir_segment_header *now;

	record_some();
	home = home_of(1 << 20, true);
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	now = weir__segment_header();
	assert_int_equal(now->pages, 256);
	assert_int_equal(now->total_bytes, 1 << 20);
	assert_int_equal(now->areas[0].offset, 254 * 4096);
	assert_int_equal(now->areas[1].offset, 255 * 4096);
	assert_int_equal(weir_counter_series_read(one), 10);
	for (int i = 0; i < 100000; i++) { /* until it is full, and then more */
		char text[16];

		snprintf(text, sizeof text, "%d", i);
		weir_counter_add_with(&counted, 1, text);
	}
	weir_counter_series_add(one, 1);
	assert_int_equal(weir_counter_series_read(one), 11);
}

ALONE(what_does_not_fit_stays_where_it_is)
{
	struct weir_instrument_options wide = {.size = sizeof wide, .max_series = 200000};
	struct weir_private_home home;

	assert_int_equal(weir_instrument_configure("home_counted_total", &wide), WEIR_OK);
	record_some();
	for (int i = 0; i < 50000; i++) {
		char text[16];

		snprintf(text, sizeof text, "%d", i);
		weir_counter_add_with(&counted, 1, text);
	}
	home = home_of(1 << 20, true);
	assert_int_equal(weir_private_segment_move(&home), WEIR_ELIMIT);
	home = home_of(look_at(NULL) / 2, false); /* a file of another size */
	assert_int_equal(weir_private_segment_move(&home), WEIR_ELIMIT);
	assert_string_equal(status_now().home, "memfd");
	weir_counter_series_add(one, 1);
	assert_int_equal(weir_counter_series_read(one), 11);
}

ALONE(a_map_that_is_refused_leaves_all_as_it_was)
{
	struct weir_private_home home, closed;

	record_some();
	home = closed = as_large();
	amid.refused = true;
	assert_int_equal(weir_private_segment_move(&home), WEIR_ENOMEM);
	amid.refused = false;
	closed.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(weir_private_segment_move(&closed), WEIR_ENOMEM);
	assert_string_equal(status_now().home, "memfd");
	assert_int_equal(weir__segment_header()->generation_end, weir__segment_header()->generation_begin);
	weir_counter_series_add(one, 1);
	weir_gauge_series_add(gauge, 1);
	assert_int_equal(weir_counter_series_read(one), 11);
	assert_int_equal(weir_gauge_series_read(gauge), 31);
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK); /* and then it is not */
	assert_int_equal(weir_counter_series_read(one), 11);
}

ALONE(a_memfd_whose_descriptor_was_closed_moves_too)
{
	struct weir_private_home home;

	record_some();
	close(weir__segment_descriptor());
	home = as_large();
	amid.before = add_late;
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	assert_int_equal(weir_counter_series_read(one), 15);
}

ALONE(private_memory_moves_as_long_as_nobody_has_recorded)
{
	struct weir_private_home home;
	struct rlimit none = {0, 64}, some = {64, 64};

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_not_equal(look_at(NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &some), 0);
	assert_string_equal(status_now().home, "private: memfd_create was refused");
	home = as_large();
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	record_some();
	assert_int_equal(weir_counter_series_read(one), 10);
}

ALONE(private_memory_that_was_recorded_into_stays)
{
	struct weir_private_home home;
	struct rlimit none = {0, 64}, some = {64, 64};

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	record_some();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &some), 0);
	home = as_large();
	assert_int_equal(weir_private_segment_move(&home), WEIR_EUNSUPPORTED);
	look_at("memfd: it is none");
	assert_string_equal(status_now().home, "private: memfd_create was refused");
	assert_int_equal(weir_counter_series_read(one), 10);
}

ALONE(a_forked_child_has_a_memfd_of_its_own)
{
	struct weir_private_home home;
	const uint64_t *page;
	pid_t child;
	int end = 0;

	record_some();
	home = as_large();
	assert_int_equal(weir_private_segment_move(&home), WEIR_OK);
	page = weir_tls_v1[one.cell_ / 512];
	child = fork();
	if (child == 0) {
		weir_counter_series_add(one, 3);
		weir_gauge_series_set(gauge, 4);
		if (weir_counter_series_read(one) != 3 || strcmp(status_now().home, "memfd") != 0 || fcntl(home.fd, F_GETFD) != -1)
			_exit(1);
		home = as_large();
		_exit(weir_private_segment_move(&home) == WEIR_OK && weir_counter_series_read(one) == 3 ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &end, 0), child);
	assert_int_equal(end, 0);
	assert_int_equal(page[one.cell_ % 512], 10);
	assert_int_equal(weir_gauge_series_read(gauge), 30);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_was_counted_goes_along),
	cmocka_unit_test(what_comes_behind_the_copy_is_not_lost),
	cmocka_unit_test(a_level_that_two_were_amid_writing_has_both),
	cmocka_unit_test(a_level_that_was_set_by_one_and_added_to_by_another_has_both),
	cmocka_unit_test(a_level_is_hidden_from_all_tables_meanwhile),
	cmocka_unit_test(the_new_home_is_a_segment_and_the_old_one_counts_no_more),
	cmocka_unit_test(a_smaller_home_that_is_whole_has_its_areas_at_its_own_end),
	cmocka_unit_test(what_does_not_fit_stays_where_it_is),
	cmocka_unit_test(a_map_that_is_refused_leaves_all_as_it_was),
	cmocka_unit_test(a_memfd_whose_descriptor_was_closed_moves_too),
	cmocka_unit_test(private_memory_moves_as_long_as_nobody_has_recorded),
	cmocka_unit_test(private_memory_that_was_recorded_into_stays),
	cmocka_unit_test(a_forked_child_has_a_memfd_of_its_own),
};
ALONE_MAIN(tests)
