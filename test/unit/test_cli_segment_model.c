/* src/cli/segment_copy.c and segment_model.c: files made by hand, copied and read; whole, cut short, and hostile. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/cli/dump.h"
#include "made_segment.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("made", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), (ssize_t)len);
	return fd;
}

/* The model as Prometheus' text. */
static char *dumped(int fd)
{
	struct segment_copy copy;
	struct model model;
	struct dump dump = {.model = &model, .name = "made", .home = "file"};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_true(segment_copy_make(&copy, fd, SEGMENT_WHOLE));
	assert_true(model_make(&model, &copy));
	dump_prom(out, &dump);
	fclose(out);
	model_free(&model);
	segment_copy_free(&copy);
	return text;
}

static void expect(const struct made *m, const char *wanted)
{
	int fd = file_of(m->base, made_bytes());
	char *text = dumped(fd);

	assert_string_equal(text, wanted);
	free(text);
	close(fd);
}

static struct made counter(void)
{
	struct made m = made_new(0);
	uint32_t one, two;

	made_series(&m, 1, 512 + 3, 1, "a"); /* before its instrument */
	made_instrument(&m, 1, 1, "n", "code", NULL, 0);
	one = made_cells_page(&m, WEIR_PAGE_CELLS, 1);
	two = made_cells_page(&m, WEIR_PAGE_CELLS, 1);
	made_cells(&m, one)[3] = 5;
	made_cells(&m, two)[3] = 6;
	made_cells(&m, two)[4] = 9;
	return m;
}

static void test_a_series_may_stand_before_its_instrument(void **unused)
{
	struct made m = counter();

	(void)unused;
	expect(&m, "# HELP n_total Help.\n# TYPE n_total counter\nn_total{code=\"a\"} 11\n");
	free(m.base);
}

static void test_of_two_the_later_counts(void **unused)
{
	struct made m = counter();

	(void)unused;
	made_series(&m, 1, 512 + 3, 1, "b"); /* the same cell */
	made_instrument(&m, 1, 1, "m", "code", NULL, 0);
	expect(&m, "# HELP m_total Help.\n# TYPE m_total counter\nm_total{code=\"b\"} 11\n");
	free(m.base);
}

static void test_turns(void **unused)
{
	struct made m = counter();
	struct weir_segment_claim_series *c = made_claim_series(&m, 1, 512 + 4, "tenant", 1);

	(void)unused;
	expect(&m, "# HELP n_total Help.\n# TYPE n_total counter\nn_total{code=\"a\"} 11\nn_total{code=\"tenant\"} 9\n");
	c->turn = 2;
	expect(&m, "# HELP n_total Help.\n# TYPE n_total counter\nn_total{code=\"a\"} 11\n");
	free(m.base);
}

static void test_what_breaks_a_rule_is_passed_over_and_counted(void **unused)
{
	const uint64_t falling[] = {10, 5};
	struct made m = counter();
	struct segment_copy copy;
	struct model model;
	int fd;

	(void)unused;
	made_instrument(&m, 2, 5, "falling", NULL, falling, 2);
	made_instrument(&m, 3, 99, "kind", NULL, NULL, 0);
	made_instrument(&m, 4, 1, "unit", NULL, NULL, 0)->unit = 9;
	made_series(&m, 1, 512 + 9, 2, "two cells");
	made_series(&m, 1, 512 + 9, 1, NULL); /* no value */
	made_series(&m, 77, 512 + 9, 1, NULL); /* of nothing */
	made_series(&m, 2, 512 + 9, 4, NULL);
	made_series(&m, 1, 1023, 2, "over the block's end");
	fd = file_of(m.base, made_bytes());
	assert_true(segment_copy_make(&copy, fd, SEGMENT_WHOLE));
	assert_true(model_make(&model, &copy));
	assert_int_equal(model.shown, 1);
	assert_int_equal(model.passed_over, 8);
	model_free(&model);
	segment_copy_free(&copy);
	close(fd);
	free(m.base);
}

static void test_chains_that_are_wrong(void **unused)
{
	struct made m = counter();
	uint32_t first = made_block(&m, 1)->first, second = made_entry(&m, first)->next;

	(void)unused;
	made_entry(&m, second)->next = first; /* round: each page once */
	expect(&m, "# HELP n_total Help.\n# TYPE n_total counter\nn_total{code=\"a\"} 11\n");
	made_entry(&m, second)->number = 2; /* another block's */
	expect(&m, "# HELP n_total Help.\n# TYPE n_total counter\nn_total{code=\"a\"} 6\n");
	made_block(&m, 1)->first = 4;
	expect(&m, "# HELP n_total Help.\n# TYPE n_total counter\nn_total{code=\"a\"} 0\n");
	free(m.base);
}

static void test_names_that_become_one_name_stand_once(void **unused)
{
	struct made m = made_new(0);

	(void)unused;
	made_instrument(&m, 1, 3, "a.b", NULL, NULL, 0);
	made_instrument(&m, 2, 3, "a-b", NULL, NULL, 0);
	made_series(&m, 1, 512, 1, NULL);
	made_series(&m, 2, 513, 1, NULL);
	expect(&m, "# HELP a_b Help.\n# TYPE a_b gauge\na_b 0\n");
	free(m.base);
}

static void test_cut_short_at_each_page(void **unused)
{
	struct made m = counter();
	struct segment_copy copy;

	(void)unused;
	for (size_t bytes = 0; bytes < made_bytes(); bytes += WEIR_SEGMENT_PAGE / 4) {
		int fd = file_of(m.base, bytes);

		for (int depth = SEGMENT_HEADER; depth <= SEGMENT_WHOLE; depth++) {
			assert_false(segment_copy_make(&copy, fd, (enum segment_depth)depth));
			assert_string_equal(copy.why, weir_segment_fault_text(bytes == 0 ? WEIR_SEGMENT_FOREIGN : WEIR_SEGMENT_SHORT));
		}
		close(fd);
	}
	free(m.base);
}

/* A page that the directory does not list is not looked at; one that is all zero takes no memory; holes stay holes. */
static void test_only_listed_pages_are_copied(void **unused)
{
	struct made m = counter();
	struct segment_copy copy;
	struct stat before, after;
	unsigned char resident[MADE_PAGES];
	int fd;

	(void)unused;
	memset(m.base + 12 * WEIR_SEGMENT_PAGE, 0xaa, WEIR_SEGMENT_PAGE); /* not listed */
	made_list(&m, 14, WEIR_PAGE_CELLS, 9, 3, 0); /* listed, and a hole */
	fd = file_of(m.base, 13 * WEIR_SEGMENT_PAGE);
	assert_int_equal(ftruncate(fd, (off_t)made_bytes()), 0);
	assert_int_equal(fstat(fd, &before), 0);
	assert_true(segment_copy_make(&copy, fd, SEGMENT_WHOLE));
	assert_int_equal(fstat(fd, &after), 0);
	assert_int_equal(before.st_blocks, after.st_blocks);
	assert_int_equal(mincore(copy.base, copy.bytes, resident), 0);
	assert_true(resident[4] & 1);
	assert_false((resident[12] | resident[14]) & 1);
	segment_copy_free(&copy);
	close(fd);
	free(m.base);
}

/* A writer that gives one series to one label after another: its texts and cells are of one turn, or it is none. */
struct churn {
	struct made m; /* over the file */
	struct weir_segment_claim_series *series;
	uint32_t text, page;
	bool stop;
};
static void *take_turns(void *arg)
{
	struct churn *c = arg;
	uint64_t *cell = &made_cells(&c->m, c->page)[4];

	for (uint64_t n = 0; !__atomic_load_n(&c->stop, __ATOMIC_RELAXED); n++) {
		uint64_t letter = n % 26;

		__atomic_fetch_add(&c->series->turn, 1, __ATOMIC_ACQ_REL); /* rests */
		__atomic_store_n(cell, 0, __ATOMIC_RELAXED);
		__atomic_store_n(c->m.base + c->text + 4, (uint8_t)('a' + letter), __ATOMIC_RELAXED);
		__atomic_store_n(cell, 1000 + letter, __ATOMIC_RELAXED);
		__atomic_fetch_add(&c->series->turn, 1, __ATOMIC_ACQ_REL);
		for (int i = 0; i < 2000; i++)
			__asm__ volatile("" ::: "memory");
	}
	return NULL;
}

static void test_turns_that_go_on_meanwhile(void **unused)
{
	struct made m = counter();
	struct churn c;
	struct segment_copy copy;
	struct model model;
	pthread_t thread;
	uint32_t shown = 0;
	int fd;

	(void)unused;
	c = (struct churn){.m = m};
	c.series = made_claim_series(&m, 1, 512 + 4, "z", 1);
	c.text = *(const uint32_t *)(const void *)(c.series + 1);
	c.page = made_block(&m, 1)->first;
	made_cells(&m, c.page)[4] = 1025;
	made_cells(&m, made_entry(&m, c.page)->next)[4] = 0;
	fd = file_of(m.base, made_bytes());
	c.m.base = mmap(NULL, made_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(c.m.base != MAP_FAILED);
	c.series = (struct weir_segment_claim_series *)(void *)(c.m.base + ((uint8_t *)c.series - m.base));
	assert_int_equal(pthread_create(&thread, NULL, take_turns, &c), 0);
	for (int n = 0; n < 20000; n++) {
		assert_true(segment_copy_make(&copy, fd, SEGMENT_WHOLE));
		assert_true(model_make(&model, &copy));
		for (const struct model_series *s = NULL; (s = model_next(&model, &model.instruments[0], s)) != NULL;) {
			if (s->record->type != WEIR_RECORD_CLAIM_SERIES)
				continue;
			assert_int_equal(s->cells[0], 1000 + (uint64_t)(model_value(&model, s, 0).ptr[0] - 'a'));
			shown++;
		}
		model_free(&model);
		segment_copy_free(&copy);
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(shown > 0);
	munmap(c.m.base, made_bytes());
	close(fd);
	free(m.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_series_may_stand_before_its_instrument),
		cmocka_unit_test(test_of_two_the_later_counts),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_turns_that_go_on_meanwhile),
		cmocka_unit_test(test_what_breaks_a_rule_is_passed_over_and_counted),
		cmocka_unit_test(test_chains_that_are_wrong),
		cmocka_unit_test(test_names_that_become_one_name_stand_once),
		cmocka_unit_test(test_cut_short_at_each_page),
		cmocka_unit_test(test_only_listed_pages_are_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
