/* Unit: src/segment.c: the homes, the header, pages, strings and records, as a reader of the mapping finds them. What
 * is published of real series is read by a program of its own in test/integration.
 * test_segment_refused.c has what is refused. */
#include "test_segment.h"

/* ---- what lies in it ---- */

ALONE(before_first_use_there_is_none)
{
	struct weir_status status = status_now();

	assert_string_equal(weir__segment_home(), "none yet");
	assert_string_equal(status.home, "none yet");
	assert_int_equal(weir__segment_bytes(), 0);
	assert_null(mapped(NULL));
	enter();
	assert_false(weir__segment_is_open());
	weir__segment_heartbeat(1, 2, 3); /* nothing to tell it to */
	weir__segment_forget();
	leave();
}

ALONE(its_header_says_what_it_is)
{
	const struct weir_segment_header *h;
	uint64_t bytes;

	errno = EDOM;
	enter();
	assert_true(weir__segment_open());
	assert_true(weir__segment_open()); /* the one that is there */
	leave();
	assert_int_equal(errno, EDOM);
	assert_string_equal(weir__segment_home(), "memfd");
	h = (const struct weir_segment_header *)(const void *)mapped(&bytes);
	assert_non_null(h);
	assert_memory_equal(h->magic, "weirseg", 8);
	assert_int_equal(h->major, WEIR_SEGMENT_MAJOR);
	assert_int_equal(h->minor, WEIR_SEGMENT_MINOR);
	assert_int_equal(h->endian, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 2);
	assert_int_equal(h->pointer_bytes, sizeof(void *));
	assert_int_equal(h->header_bytes, sizeof *h);
	assert_int_equal(h->page_bytes, 4096);
	assert_int_equal(h->total_bytes, UINT64_C(1) << 30); /* as documented */
	assert_int_equal(h->total_bytes, bytes);
	assert_int_equal(h->pages, h->total_bytes / 4096);
	assert_int_equal(h->pid, getpid());
	assert_int_equal(h->accessible, 1);
	assert_int_not_equal(h->generation_begin, 0);
	assert_int_equal(h->generation_begin, h->generation_end);
	assert_int_equal(h->areas_count, 2);
	assert_int_equal(h->areas[0].type, WEIR_PAGE_DIRECTORY);
	assert_int_equal(h->areas[0].entry_bytes, sizeof(struct weir_segment_entry));
	assert_int_equal(h->areas[0].count, h->pages);
	assert_int_equal(h->areas[1].type, WEIR_PAGE_BLOCKS);
	assert_int_equal(h->areas[1].entry_bytes, sizeof(struct weir_segment_block));
	assert_int_equal(h->heartbeat_ns, 0);
	assert_int_equal(h->records_dropped, 0);
	assert_int_equal(entry_of(0)->type, WEIR_PAGE_HEADER);
	assert_true(h->pages_used >= 1);
}

ALONE(it_is_sealed_and_nobody_else_writes_it)
{
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL, fd, again;
	char path[64];
	void *map;

	enter();
	assert_true(weir__segment_open());
	leave();
	assert_true(descriptor(&fd) > STDERR_FILENO);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & seals, seals);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, INT64_C(1) << 31), -1);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again >= 0) {
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
		assert_ptr_equal(map, MAP_FAILED);
		assert_int_equal(write(again, "x", 1), -1);
		close(again);
	}
	again = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(again >= 0);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, again, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_memory_equal(map, "weirseg", 8);
}

ALONE(its_descriptor_is_none_of_the_standard_three)
{
	int fd;

	close(0);
	close(1);
	enter();
	assert_true(weir__segment_open());
	leave();
	assert_true(descriptor(&fd) > STDERR_FILENO);
}

static void capacity_is(uint64_t asked, uint64_t had)
{
	enter();
	weir__segment_capacity(asked);
	assert_true(weir__segment_open());
	leave();
	assert_int_equal(header()->total_bytes, had);
}

ALONE(a_capacity_below_the_smallest_is_the_smallest)
{
	capacity_is(1, 1 << 20);
}

ALONE(a_capacity_is_whole_pages)
{
	capacity_is((3 << 20) + 4095, 3 << 20);
}

ALONE(a_capacity_past_what_offsets_reach_is_the_largest)
{
	if (SANITIZED)
		alone_skip("a sanitizer has no room for 4 GiB");
	capacity_is(UINT64_MAX, UINT64_C(1) << 32);
}

ALONE(pages_are_zeroed_ones_own_and_counted_until_there_is_none)
{
	static unsigned char *pages[256];
	static uint32_t numbers[256];
	uint32_t taken = 0, page;
	unsigned char *at;

	enter();
	weir__segment_capacity(1 << 20);
	while ((at = weir__segment_page(&page)) != NULL) {
		uint64_t before = weir__segment_bytes();

		assert_true(taken < 256);
		assert_true(page < 256);
		assert_ptr_equal(at, mapped(NULL) + page * 4096u);
		for (int i = 0; i < 4096; i++)
			assert_int_equal(at[i], 0);
		memset(at, (int)(taken + 1), 4096);
		assert_int_equal(entry_of(page)->type, WEIR_PAGE_NONE); /* not listed before it is published */
		weir__segment_publish_cells(page, taken % 2 ? WEIR_PAGE_CELLS : WEIR_PAGE_LEVELS, taken + 1, taken);
		assert_int_equal(entry_of(page)->type, taken % 2 ? WEIR_PAGE_CELLS : WEIR_PAGE_LEVELS);
		assert_int_equal(entry_of(page)->owner, taken + 1);
		assert_int_equal(entry_of(page)->number, taken);
		assert_true(header()->pages_used > page);
		assert_int_equal(weir__segment_bytes() % 4096, 0);
		assert_true(weir__segment_bytes() >= before); /* listing may open a page of the directory */
		pages[taken] = at;
		numbers[taken++] = page;
	}
	assert_in_range(taken, 240, 255);
	assert_true(weir__segment_bytes() >= taken * 4096u && weir__segment_bytes() <= 1 << 20);
	for (uint32_t i = 0; i < taken; i++) {
		assert_int_equal(pages[i][0], (unsigned char)(i + 1));
		assert_int_equal(pages[i][4095], (unsigned char)(i + 1));
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(numbers[i], numbers[j]);
	}
	assert_int_equal(weir__segment_string("no room", 7), 0);
	assert_false(weir__segment_record("12345678", 8));
	leave();
}

ALONE(a_block_names_the_pages_of_all_its_owners)
{
	const struct weir_segment_block *blocks;
	uint32_t page[3], at, seen = 0;

	enter();
	for (uint32_t i = 0; i < 3; i++) {
		assert_non_null(weir__segment_page(&page[i]));
		weir__segment_publish_cells(page[i], WEIR_PAGE_CELLS, i + 1, 7);
	}
	assert_non_null(weir__segment_page(&at));
	weir__segment_publish_cells(at, WEIR_PAGE_CELLS, 1, 8);
	leave();
	assert_true(header()->areas[1].count > 8);
	blocks = (const struct weir_segment_block *)(const void *)(mapped(NULL) + header()->areas[1].offset);
	assert_int_equal(blocks[6].first, 0);
	assert_int_equal(blocks[8].first, at);
	assert_int_equal(entry_of(at)->next, 0);
	for (at = blocks[7].first; at != 0; at = entry_of(at)->next) {
		assert_int_equal(entry_of(at)->number, 7);
		seen |= 1u << entry_of(at)->owner;
		assert_true(seen < 1u << 4);
	}
	assert_int_equal(seen, 1u << 1 | 1u << 2 | 1u << 3);
}

static struct weir_str string_at(uint32_t offset)
{
	const unsigned char *base = mapped(NULL);
	uint32_t len;

	assert_int_equal(offset % 4, 0);
	assert_int_equal(entry_of(offset / 4096)->type, WEIR_PAGE_STRINGS);
	memcpy(&len, base + offset, 4);
	assert_true(offset % 4096 + 4 + len + 1 <= 4096);
	assert_int_equal(base[offset + 4 + len], 0);
	return weir_str_n(base + offset + 4, len);
}

ALONE(strings_are_kept_once_and_found_again)
{
	enum { STRINGS = 6000 };
	static char text[STRINGS][16];
	static uint32_t offset[STRINGS];
	char other[16];

	enter();
	for (int i = 0; i < STRINGS; i++) {
		snprintf(text[i], sizeof text[i], "text %d", i);
		offset[i] = weir__segment_string(text[i], strlen(text[i]));
		assert_int_not_equal(offset[i], 0);
	}
	assert_int_not_equal(weir__segment_string("", 0), 0);
	assert_int_equal(string_at(weir__segment_string("", 0)).len, 0);
	for (int i = 0; i < STRINGS; i++) {
		struct weir_str at = string_at(offset[i]);

		assert_int_equal(at.len, strlen(text[i]));
		assert_memory_equal(at.ptr, text[i], at.len);
		snprintf(other, sizeof other, "text %d", i);
		assert_int_equal(weir__segment_string(other, strlen(other)), offset[i]);
	}
	/* another length is another text */
	assert_int_not_equal(weir__segment_string("text 12", 6), weir__segment_string("text 12", 7));
	leave();
}

ALONE(a_string_longer_than_a_page_is_cut_at_a_character)
{
	static char text[8192];
	struct weir_str at;

	for (size_t i = 0; i < sizeof text;
	     i++) /* of three bytes each: 4080 is a whole number of them, 4079 + 1 is none */
		text[i] = "\xe2\x82\xac"[i % 3];
	enter();
	at = string_at(weir__segment_string(text, sizeof text));
	assert_in_range(at.len, 3900, 4091);
	assert_int_equal(at.len % 3, 0);
	assert_memory_equal(at.ptr, text, at.len);
	at = string_at(weir__segment_string(text + 1, sizeof text - 1));
	assert_int_equal(at.len % 3, 2); /* the rest of the first, then whole ones */
	assert_memory_equal(at.ptr, text + 1, at.len);
	at = string_at(weir__segment_string(text, 4080));
	assert_int_equal(at.len, 4080);
	leave();
}

ALONE(records_stand_one_after_the_other)
{
	struct {
		struct weir_segment_series head;
		uint32_t more[32];
	} record;
	uint32_t count = 0;
	uint64_t epoch;

	memset(&record, 0x5a, sizeof record);
	record.head.type = WEIR_RECORD_SERIES;
	enter();
	assert_true(weir__segment_open());
	epoch = header()->structure_epoch;
	for (uint32_t i = 0; i < 500; i++) {
		record.head.bytes = 24 + i % 16 * 8;
		record.head.cell = i;
		assert_true(weir__segment_record(&record, record.head.bytes));
	}
	assert_int_equal(header()->structure_epoch, epoch + 500);
	assert_false(weir__segment_record(&record, 4104)); /* none is larger than a page */
	leave();
	for (uint32_t page = 0; page < header()->pages_used; page++) {
		const unsigned char *at = mapped(NULL) + page * 4096u;

		if (entry_of(page)->type != WEIR_PAGE_DESCRIPTORS)
			continue;
		for (uint32_t used = 0; used + 4 <= 4096;) {
			struct weir_segment_series head;

			memcpy(&head, at + used, sizeof head);
			if (head.bytes == 0)
				break;
			assert_int_equal(head.cell, count);
			assert_int_equal(head.bytes, 24 + count % 16 * 8);
			for (uint32_t i = 24; i < head.bytes; i++)
				assert_int_equal(at[used + i], 0x5a);
			count++;
			used += head.bytes;
		}
	}
	assert_int_equal(count, 500);
}

ALONE(a_tick_is_told_to_readers)
{
	static const uint8_t boot[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

	enter();
	assert_true(weir__segment_open());
	weir__segment_heartbeat(1234, 5, 6);
	weir__segment_owner(789, boot);
	leave();
	assert_int_equal(header()->heartbeat_ns, 1234);
	assert_int_equal(header()->records_dropped, 5);
	assert_int_equal(header()->records_overflowed, 6);
	assert_int_equal(header()->start_time, 789);
	assert_memory_equal(header()->boot_id, boot, 16);
}

static unsigned char *parents_page;
static void forgets_in_child(void)
{
	unsigned char *base = mapped(NULL);
	uint32_t page;
	int fd;

	enter(); /* which puts the child in order: it has forgotten by now */
	assert_false(weir__segment_is_open());
	assert_null(mapped(NULL));
	assert_int_equal(descriptor(&fd), -1);
	assert_string_equal(weir__segment_home(), "none yet");
	assert_int_equal(weir__segment_bytes(), 0);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(parents_page[i], 0);
	memset(parents_page, 0x11, 4096); /* a late store: to private memory */
	weir__segment_forget();           /* there is none: harmless */
	assert_non_null(weir__segment_page(&page));
	leave();
	assert_string_equal(weir__segment_home(), "memfd");
	assert_int_equal(header()->pid, getpid());
	assert_int_equal(header()->total_bytes, 2 << 20); /* as large as its parent's */
	assert_ptr_not_equal(base, mapped(NULL));
}

ALONE(a_child_has_none_and_its_stores_stay_its_own)
{
	uint32_t page;

	enter();
	weir__segment_capacity(2 << 20);
	parents_page = weir__segment_page(&page);
	assert_non_null(parents_page);
	memset(parents_page, 0x77, 4096);
	leave();
	in_child(forgets_in_child);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(parents_page[i], 0x77);
	assert_int_equal(header()->pid, getpid());
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(before_first_use_there_is_none),
	cmocka_unit_test(its_header_says_what_it_is),
	cmocka_unit_test(it_is_sealed_and_nobody_else_writes_it),
	cmocka_unit_test(its_descriptor_is_none_of_the_standard_three),
	cmocka_unit_test(a_capacity_below_the_smallest_is_the_smallest),
	cmocka_unit_test(a_capacity_is_whole_pages),
	cmocka_unit_test(a_capacity_past_what_offsets_reach_is_the_largest),
	cmocka_unit_test(pages_are_zeroed_ones_own_and_counted_until_there_is_none),
	cmocka_unit_test(a_block_names_the_pages_of_all_its_owners),
	cmocka_unit_test(strings_are_kept_once_and_found_again),
	cmocka_unit_test(a_string_longer_than_a_page_is_cut_at_a_character),
	cmocka_unit_test(records_stand_one_after_the_other),
	cmocka_unit_test(a_tick_is_told_to_readers),
	cmocka_unit_test(a_child_has_none_and_its_stores_stay_its_own),
};
ALONE_MAIN(tests)
