/* Unit: src/series.c: values are told apart as tuples whatever their hashes, caps fold and lose nothing, bad values
 * are mended, and one list of values is one series to all threads. Also the key made of a C string, which a series is
 * looked up by. test_series_mended.c has the last two. */
#include "test_series.h"

/* ---- tuples ---- */

ALONE(values_are_told_apart_as_tuples)
{
	static const char *const pair[][2] = {
		{"ab", "c"}, {"a", "bc"}, {"", "abc"}, {"abc", ""}, {"", ""}, {"abcdefg", "h"}, {"abcdefgh", ""},
		{"", "abcdefgh"}, {"abcdefgh", "abcdefgh"}, {"abcdefghabcdefgh", ""}, {"", "abcdefghabcdefgh"},
		{"abcdefghabcdefg", "h"}, {"c", "ab"},
	};
	const struct weir_counter *c = made("series_tuples", LABELS("a", "b"), 0);

	for (size_t i = 0; i < COUNT(pair); i++)
		weir_counter_add_with(c, 1u << i, pair[i][0], pair[i][1]);
	for (size_t i = 0; i < COUNT(pair); i++)
		assert_int_equal(read2(c, weir_str_of(pair[i][0]), weir_str_of(pair[i][1])), 1u << i);
	assert_int_equal(record_of(c)->series_count, COUNT(pair));
}

ALONE(a_value_ends_where_its_text_ends)
{
	const struct weir_counter *c = made("series_lengths", LABELS("a"), 0);
	char text[40];

	for (size_t len = 0; len < sizeof text; len++) {
		memset(text, 'x', len);
		text[len] = '\0';
		weir_counter_add_with(c, len + 1, text);
	}
	for (size_t len = 0; len < sizeof text; len++) {
		struct weir_str v = weir_str_n(text, len); /* what follows is no part of it */

		assert_int_equal(weir_counter_series_read(weir_counter_values(c, &v, 1)), len + 1);
	}
	assert_int_equal(record_of(c)->series_count, sizeof text);
}

ALONE(null_is_the_empty_value)
{
	const struct weir_counter *c = made("series_null", LABELS("a", "b"), 0);
	const char *none = NULL;

	weir_counter_add_with(c, 1, none, "x");
	weir_counter_add_with(c, 2, "", "x");
	weir_counter_add_values(c, 4, NULL, (struct weir_str[]){{NULL, 0}, {"x", 1}}, 2);
	weir_counter_add_values(c, 8, NULL, (struct weir_str[]){{NULL, 5}, {"x", 1}}, 2);
	assert_int_equal(read2(c, STR(""), STR("x")), 15);
	assert_int_equal(record_of(c)->series_count, 1);
}

/* ---- collisions ---- */

static uint64_t hash_of(const char *const *values, size_t count)
{
	uint64_t words[WEIR__KEY_WORDS], hash = 0;
	uint32_t at = 0;

	for (size_t i = 0; i < count; i++)
		at = weir__key_append(words, at, WEIR__KEY_WORDS, &hash, weir_str_of(values[i]));
	return weir__hash_end(hash);
}

struct hashed {
	uint64_t slot_and_tag;
	uint32_t number;
};

static int by_hash(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	return x->slot_and_tag < y->slot_and_tag ? -1 : x->slot_and_tag > y->slot_and_tag;
}

/* Two values in one slot of tables of up to 65536 places, with one tag: found by birthday. */
ALONE(values_of_one_slot_and_one_tag_are_two_series)
{
	enum { DAYS = 1 << 19, PAIRS = 12 };
	struct hashed *all = malloc(DAYS * sizeof *all);
	const struct weir_counter *c = made("series_slot", LABELS("a"), 0);
	unsigned pairs = 0;
	char a[16], b[16];

	assert_non_null(all);
	for (uint32_t i = 0; i < DAYS; i++) {
		uint64_t hash;

		snprintf(a, sizeof a, "%u", i);
		hash = hash_of((const char *const[]){a}, 1);
		all[i] = (struct hashed){(hash >> 48) << 16 | (hash & 0xffff), i};
	}
	qsort(all, DAYS, sizeof *all, by_hash);
	for (uint32_t i = 1; i < DAYS && pairs < PAIRS; i++) {
		if (all[i].slot_and_tag != all[i - 1].slot_and_tag)
			continue;
		snprintf(a, sizeof a, "%u", all[i - 1].number);
		snprintf(b, sizeof b, "%u", all[i].number);
		weir_counter_add_with(c, 1, a);
		weir_counter_add_with(c, 10, b);
		weir_counter_add_with(c, 100, b);
		assert_int_equal(weir_counter_series_read(weir_counter_with(c, a)), 1);
		assert_int_equal(weir_counter_series_read(weir_counter_with(c, b)), 110);
		pairs++;
	}
	assert_int_equal(pairs, PAIRS); /* of about 32 to be expected */
	assert_int_equal(record_of(c)->series_count, 2 * PAIRS);
	free(all);
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* The same 64 bits of hash: nothing but the words themselves tells them apart. The second list's last word follows from the
 * other three, by the factor's inverse, until it is text; where the hash is changed, others must be found. */
ALONE(values_of_one_hash_are_two_series)
{
	static const char *const pair[][2][2] = {
		{{"gmzn13b", "xb6w5k0"}, {"n67mcsc", "RZ4iX&k"}},
		{{"rsihzi9", "wj6h11r"}, {"frcmogp", ";_^V36S"}},
		{{"141jfjr", "cpiomek"}, {"fdrvpba", "},rzWu:"}},
	};
	const struct weir_counter *c = made("series_collision", LABELS("a", "b"), 0);

	for (size_t i = 0; i < COUNT(pair); i++) {
		assert_int_equal(hash_of(pair[i][0], 2), hash_of(pair[i][1], 2));
		for (unsigned n = 0; n < 2; n++)
			weir_counter_add_with(c, 1 + 1000 * n, pair[i][n][0], pair[i][n][1]);
		for (unsigned n = 0; n < 2; n++) {
			weir_counter_add_with(c, 1 + 1000 * n, pair[i][n][0], pair[i][n][1]);
			assert_int_equal(read2(c, weir_str_of(pair[i][n][0]), weir_str_of(pair[i][n][1])),
			                 2 * (1 + 1000 * n));
		}
	}
	assert_int_equal(record_of(c)->series_count, 2 * COUNT(pair));
}
#endif

/* ---- growth and caps ---- */

ALONE(the_table_grows_and_keeps_all)
{
	enum { SERIES = 9000 };
	static uint32_t cell[SERIES];
	const struct weir_counter *c = made("series_growth", LABELS("a", "b"), SERIES);
	char value[16];

	for (unsigned i = 0; i < SERIES; i++) {
		snprintf(value, sizeof value, "value %u", i);
		cell[i] = weir_counter_with(c, value, "x").cell_;
		assert_int_not_equal(cell[i], 0);
		weir_counter_add_with(c, i, value, "x");
		if ((i & (i - 1)) == 0 ||
		    i + 1 == SERIES) /* around each growth: all that were there are found as they were */
			for (unsigned j = 0; j <= i; j++) {
				snprintf(value, sizeof value, "value %u", j);
				assert_int_equal(weir_counter_with(c, value, "x").cell_, cell[j]);
			}
	}
	assert_int_equal(record_of(c)->series_count, SERIES);
	assert_null(record_of(c)->overflow);
	assert_in_range(record_of(c)->table->mask + 1, 2 * SERIES, 4 * SERIES); /* half full at most */
	for (unsigned i = 0; i < SERIES; i++)
		assert_int_equal(weir_counter_series_read((struct weir_counter_series){cell[i]}), i);
	assert_int_equal(status_now().dropped_records, 0);
}

static int gather(void *arg, const void *bytes, size_t len)
{
	char *text = arg;
	size_t used = strlen(text);

	assert_true(used + len < 65536);
	memcpy(text + used, bytes, len);
	text[used + len] = '\0';
	return 0;
}

ALONE(past_the_cap_records_fold_into_a_series_that_is_seen)
{
	static char lines[65536];
	const struct weir_counter *c = made("series_cap", LABELS("a", "b"), 5);
	struct weir_snapshot *snapshot;
	char value[16];

	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 12; i++) {
			snprintf(value, sizeof value, "%u", i);
			weir_counter_add_with(c, 10, value, "x");
		}
	weir_counter_add_values(c, 1000, NULL, (struct weir_str[]){STR("other"), STR("y")}, 2);
	assert_int_equal(record_of(c)->series_count, 6);
	assert_int_equal(status_now().series, 6);
	assert_int_equal(status_now().overflowed, 3 * 7 + 1); /* each record that was folded, once */
	assert_int_equal(status_now().dropped_records, 0);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_int_equal(weir_snapshot_write(snapshot, gather, lines), WEIR_OK);
	weir_snapshot_destroy(snapshot);
	assert_string_equal(
	    lines, "series_cap{a=\"0\",b=\"x\"} 30\nseries_cap{a=\"1\",b=\"x\"} 30\nseries_cap{a=\"2\",b=\"x\"} 30\n"
		   "series_cap{a=\"3\",b=\"x\"} 30\nseries_cap{a=\"4\",b=\"x\"} 30\n"
		   "series_cap{otel_metric_overflow=\"true\"} 1210\n");
}

ALONE(the_cap_is_two_thousand_where_none_is_told)
{
	const struct weir_counter *c = made("series_default_cap", LABELS("a"), 0);
	char value[16];

	for (unsigned i = 0; i < 2003; i++) {
		snprintf(value, sizeof value, "%u", i);
		weir_counter_add_with(c, 1, value);
	}
	assert_int_equal(record_of(c)->series_count, 2001);
	assert_int_equal(status_now().overflowed, 3);
}

static const struct weir_counter *flooded;
static unsigned flooding;
static void *flood(void *arg)
{
	unsigned me = __atomic_fetch_add(&flooding, 1, __ATOMIC_RELAXED);
	char value[32];

	(void)arg;
	for (unsigned i = 0; i < 1500; i++) {
		snprintf(value, sizeof value, "%u", i % 50); /* of which 20 have a series */
		weir_counter_add_with(flooded, 2, value);
		snprintf(value, sizeof value, "new %u %u", me, i);
		weir_counter_add_with(flooded, 3, value);
	}
	return NULL;
}

ALONE(a_flood_from_many_threads_is_counted_once_each)
{
	uint64_t sum = 0, own = 0;
	char value[32];

	flooded = made("series_flood", LABELS("a"), 20);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(value, sizeof value, "%u", i);
		weir_counter_with(flooded, value);
	}
	in_threads(8, flood, NULL);
	for (const struct weir__series *s = record_of(flooded)->first; s != NULL; s = s->next) {
		uint64_t n = weir_counter_series_read((struct weir_counter_series){s->cell});

		sum += n;
		if (!s->overflow)
			own += n;
	}
	assert_int_equal(sum, 8 * 1500 * 5);
	assert_int_equal(own, 8 * (1500 / 50) * 20 * 2);
	assert_int_equal(record_of(flooded)->series_count, 21);
	assert_int_equal(status_now().overflowed, 8 * (1500 + 1500 / 50 * 30));
}

ALONE(bad_values_past_the_cap_are_mended_before_they_fold)
{
	const struct weir_counter *c = made("series_cap_bad", LABELS("a"), 1);

	weir_counter_add_with(c, 1, "x" "\xef\xbf\xbd");
	weir_counter_add_with(c, 2, "y");
	weir_counter_add_with(c, 4, "x\xff"); /* mended, it is the one that has a series */
	weir_counter_add_with(c, 8, "z\xff");
	assert_int_equal(weir_counter_series_read(weir_counter_with(c, "x" "\xef\xbf\xbd")), 5);
	assert_int_equal(status_now().overflowed, 2);
}

/* ---- many at once ---- */

enum { OLD = 200, FRESH = 300, RACERS = 8 };
static struct weir_counter_series resolved[RACERS][OLD + FRESH];
static const struct weir_counter *raced;
static unsigned racing, at_start;

static void *resolve_all(void *arg)
{
	unsigned me = __atomic_fetch_add(&racing, 1, __ATOMIC_RELAXED);
	char value[32];

	(void)arg;
	__atomic_fetch_add(&at_start, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&at_start, __ATOMIC_ACQUIRE) < RACERS)
		;
	for (unsigned i = 0; i < OLD + FRESH; i++) {
		unsigned n = me % 2 ? OLD + FRESH - 1 - i : i;

		snprintf(value, sizeof value, "value %u", n);
		resolved[me][n] = weir_counter_with(raced, value, "x");
		weir_counter_series_add(resolved[me][n], 1);
		weir_counter_add_with(raced, 1, value, "x");
	}
	return NULL;
}

ALONE(eight_threads_that_resolve_the_same_get_one_series_each)
{
	char value[32];

	raced = made("series_race", LABELS("a", "b"), 0);
	for (unsigned i = 0; i < OLD; i++) {
		snprintf(value, sizeof value, "value %u", i);
		weir_counter_with(raced, value, "x");
	}
	in_threads(RACERS, resolve_all, NULL);
	assert_int_equal(record_of(raced)->series_count, OLD + FRESH);
	for (unsigned n = 0; n < OLD + FRESH; n++) {
		for (unsigned t = 1; t < RACERS; t++)
			assert_int_equal(resolved[t][n].cell_, resolved[0][n].cell_);
		assert_int_equal(weir_counter_series_read(resolved[0][n]), 2 * RACERS);
	}
}

/* ---- what is lost is counted ---- */

ALONE(a_wrong_number_of_values_is_dropped_counted_and_told_once)
{
	const struct weir_counter *c = made("series_wrong", LABELS("a", "b"), 0);
	struct weir_options o = {.size = sizeof o, .log = say_to_test, .no_thread = true, .no_process = true};

	assert_int_equal(weir_init(&o), WEIR_OK);
	for (int i = 0; i < 10; i++) {
		weir_counter_add_values(c, 1, NULL, (struct weir_str[]){STR("x")}, 1);
		weir_counter_add_values(c, 1, NULL, (struct weir_str[]){STR("x"), STR("y"), STR("z")}, 3);
		weir_add_with_v1_(&c->i_, 1, (struct weir_labels_){(const char *const[]){"x"}, 1});
		weir_counter_add(c, 1); /* none at all, where the compiler did not see it */
		weir_counter_series_add(weir_counter_values(c, NULL, 0), 1); /* and the empty handle that comes of it */
	}
	assert_int_equal(status_now().dropped_labels, 50);
	assert_int_equal(status_now().dropped_refused, 10);
	assert_int_equal(record_of(c)->series_count, 0);
	assert_int_equal(said_count(), 0); /* never from a record */
	assert_int_equal(weir_pump(0, NULL), WEIR_OK);
	assert_int_equal(said_count(), 1);
	assert_int_equal(said_times("series_wrong"), 1);
}

ALONE(at_memorys_end_a_new_series_is_dropped_and_an_old_one_goes_on)
{
	struct rlimit limit = {0, 0};
	const struct weir_counter *c;
	char value[1024];
	uint64_t offered = 0, kept = 0;

	if (SANITIZED)
		alone_skip("a sanitizer needs address space without limit");
	c = made("series_memory", LABELS("a"), 100000);
	weir_counter_add_with(c, 1, "old");
	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	memset(value, 'x', sizeof value);
	value[1023] = '\0';
	errno = EDOM;
	for (unsigned i = 0; i < 1000; i++) {
		value[i] = 'y';
		weir_counter_add_with(c, 1, value);
		weir_counter_add_with(c, 1, "old");
		offered += 2;
	}
	assert_int_equal(errno, EDOM);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	assert_int_equal(weir_counter_series_read(weir_counter_with(c, "old")), 1001);
	for (const struct weir__series *s = record_of(c)->first; s != NULL; s = s->next)
		kept += weir_counter_series_read((struct weir_counter_series){s->cell});
	assert_true(status_now().dropped_memory > 500);
	assert_int_equal(kept + status_now().dropped_memory, offered + 1);
	weir_counter_add_with(c, 7, "new"); /* there is memory again */
	assert_int_equal(weir_counter_series_read(weir_counter_with(c, "new")), 7);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(values_are_told_apart_as_tuples),
	cmocka_unit_test(a_value_ends_where_its_text_ends),
	cmocka_unit_test(null_is_the_empty_value),
	cmocka_unit_test(values_of_one_slot_and_one_tag_are_two_series),
	cmocka_unit_test(values_of_one_hash_are_two_series),
	cmocka_unit_test(the_table_grows_and_keeps_all),
	cmocka_unit_test(past_the_cap_records_fold_into_a_series_that_is_seen),
	cmocka_unit_test(the_cap_is_two_thousand_where_none_is_told),
	cmocka_unit_test(a_flood_from_many_threads_is_counted_once_each),
	cmocka_unit_test(bad_values_past_the_cap_are_mended_before_they_fold),
	cmocka_unit_test(eight_threads_that_resolve_the_same_get_one_series_each),
	cmocka_unit_test(a_wrong_number_of_values_is_dropped_counted_and_told_once),
	cmocka_unit_test(at_memorys_end_a_new_series_is_dropped_and_an_old_one_goes_on),
};
ALONE_MAIN(tests)
