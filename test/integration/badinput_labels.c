/* Bad names and bad label values, one by one: each gets a clear error or a counted drop. See badinput.c. Public API only. */
#include "badinput.h"

/* ---- names ---- */

static char long_name[258];

static void expect_name(const char *name, const char *const *labels, int error)
{
	struct weir_status before = status_now(), after;
	const struct weir_counter *made = NULL;
	int got = weir_counter_create(&made, name, "Help.", labels, NULL);
	size_t count = 0;

	if (got != error)
		FAIL("%.60s {%s...} gives %d and not %d", name != NULL ? name : "(null)",
		     labels != NULL && labels[0] != NULL ? labels[0] : "", got, error);
	CHECK(made != NULL);
	while (labels != NULL && labels[count] != NULL)
		count++;
	if (count == 0) { /* the caller may go on in either case */
		weir_counter_add(made, 3);
		after = status_now();
		EQUAL(weir_counter_read(made), error == WEIR_OK ? 3 : 0);
		EQUAL(after.dropped_refused - before.dropped_refused, error == WEIR_OK ? 0 : 1);
		EQUAL(after.dropped_records - before.dropped_records, error == WEIR_OK ? 0 : 1);
	}
	if (error != WEIR_OK) {
		EQUAL(status_now().refused - before.refused, 1);
		EQUAL(status_now().instruments, before.instruments);
		EQUAL(weir_counter_with_(made, (struct weir_labels_){NULL, 0}).cell_, 0);
	}
}

static void names_of_instruments(void)
{
	static const char *const bad[] = {"",   "1st", "a b", "a\tb", "a\"b",  "a{b}", "a,b", "a\nb", "caf\xc3\xa9",
	                                  "-a", ".a",  ":a",  "/a",   "a\x01", "a\\b", "a%",  "a#b",  "a=b"};
	static const char *const good[] = {
	    "a", "_a", "A9", "bad_dotted.name", "bad_with:colon", "bad_with-dash", "bad_with/slash"};

	begin();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect_name(bad[i], NULL, WEIR_EINVAL);
	expect_name(NULL, NULL, WEIR_EINVAL);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		expect_name(good[i], NULL, WEIR_OK);
	memset(long_name, 'n', 255);
	expect_name(long_name, NULL, WEIR_OK);
	long_name[255] = 'n';
	expect_name(long_name, NULL, WEIR_EINVAL);
	LOGGED("\"a b\" is not allowed");
	LOGGED("\"1st\" is not allowed");
}

static void names_of_labels(void)
{
	const char *many[18] = {NULL};
	char text[18][4];
	const struct weir_histogram *histogram;

	begin();
	expect_name("bad_l0_total", LABELS(""), WEIR_EINVAL);
	expect_name("bad_l1_total", LABELS("1st"), WEIR_EINVAL);
	expect_name("bad_l2_total", LABELS("a b"), WEIR_EINVAL);
	expect_name("bad_l3_total", LABELS("__name__"), WEIR_EINVAL);
	expect_name("bad_l4_total", LABELS("__"), WEIR_EINVAL);
	expect_name("bad_l5_total", LABELS("a:b"), WEIR_EINVAL);
	expect_name("bad_l6_total", LABELS("a-b"), WEIR_EINVAL);
	expect_name("bad_l7_total", LABELS(".a"), WEIR_EINVAL);
	expect_name("bad_l8_total", LABELS("caf\xc3\xa9"), WEIR_EINVAL);
	expect_name("bad_l9_total", LABELS("ok", "ok"), WEIR_EINVAL);
	expect_name("bad_l10_total", LABELS("a", "b", "a"), WEIR_EINVAL);
	expect_name("bad_l11_total", LABELS("le"), WEIR_OK); /* a counter's label may be le */
	EQUAL_INT(weir_histogram_create(&histogram, "bad_l12", "Help.", LABELS("le"), NULL), WEIR_EINVAL);
	expect_name("bad_l13_total", LABELS("_a", "http.route", "A1"), WEIR_OK);
	for (int i = 0; i < 17; i++) {
		snprintf(text[i], sizeof text[i], "l%d", i);
		many[i] = text[i];
	}
	expect_name("bad_l14_total", many, WEIR_EINVAL); /* 17 */
	many[16] = NULL;
	expect_name("bad_l15_total", many, WEIR_OK);
	LOGGED("a label's name is not allowed");
	LOGGED("a label stands twice");
	LOGGED("more than 16 labels");
	LOGGED("le is a histogram's own label");
}

static void constant_labels(void)
{
	struct weir_instrument_options o = {.size = sizeof o};
	const struct weir_counter *made;

	begin();
	o.constant = LABELS("region");
	EQUAL_INT(weir_counter_create(&made, "bad_c0_total", "Help.", NULL, &o), WEIR_EINVAL);
	o.constant = LABELS("re gion", "x");
	EQUAL_INT(weir_counter_create(&made, "bad_c1_total", "Help.", NULL, &o), WEIR_EINVAL);
	o.constant = LABELS("region", "\xff");
	EQUAL_INT(weir_counter_create(&made, "bad_c2_total", "Help.", NULL, &o), WEIR_EINVAL);
	o.constant = LABELS("region", "eu");
	EQUAL_INT(weir_counter_create(&made, "bad_c3_total", "Help.", LABELS("region"), &o), WEIR_EINVAL);
	EQUAL_INT(weir_counter_create(&made, "bad_c4_total", "Help.", LABELS("k"), &o), WEIR_OK);
	EQUAL_INT(weir_instrument_configure(
		      "bad_c5_total", &(struct weir_instrument_options){.size = sizeof o, .constant = LABELS("a")}),
	          WEIR_EINVAL);
	EQUAL_INT(
	    weir_instrument_configure("bad c6", &(struct weir_instrument_options){.size = sizeof o, .max_series = 5}),
	    WEIR_EINVAL);
	EQUAL_INT(weir_instrument_configure(NULL, &(struct weir_instrument_options){.size = sizeof o, .max_series = 5}),
	          WEIR_EINVAL);
	EQUAL_INT(weir_instrument_configure("bad_c7_total", NULL), WEIR_EINVAL);
	EQUAL_INT(weir_instrument_configure("bad_c7_total",
	                                    &(struct weir_instrument_options){.size = sizeof o, .slo_threshold = 5}),
	          WEIR_EUNSUPPORTED);
	EQUAL_INT(weir_instrument_configure("bad_c7_total",
	                                    &(struct weir_instrument_options){.size = sizeof o, .unit = WEIR_BYTES}),
	          WEIR_EUNSUPPORTED);
}

/* What is declared statically is refused when the program starts, told when there is somebody to tell, and counted. */
static void static_declarations(void)
{
	EQUAL(status_now().refused, 3);
	for (int i = 0; i < 10; i++) {
		weir_counter_add(&static_bad_name, 1);
		weir_histogram_record(&static_bad_bounds, 4);
		weir_counter_add_with(&static_bad_label, 1, "x");
	}
	EQUAL(status_now().dropped_refused, 30);
	EQUAL(status_now().dropped_records, 30);
	EQUAL(status_now().refused, 3);
	EQUAL(weir_counter_read(&static_bad_name), 0);
	EQUAL(weir_histogram_read(&static_bad_bounds).count, 0);
	EQUAL(weir_counter_with(&static_bad_label, "x").cell_, 0);
	begin();
	LOGGED("\"bad name\" is not allowed");
	LOGGED("bad_static_label_total is refused: a label's name is not allowed");
	LOGGED("bad_static_bounds is refused: its bounds are not ascending");
}

/* ---- label values ---- */

static void wrong_number_of_values(void)
{
	static const struct weir_str values[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
	/* behind a pointer the compiler cannot count */
	const struct weir_counter *volatile hidden_one = &one_label, *volatile hidden_none = &adds,
					    *volatile hidden_two = &two_labels;
	const struct weir_histogram *volatile hidden_times = &times;

	begin();
	weir_counter_add_values(&two_labels, 1, NULL, values, 1);
	weir_counter_add_values(&two_labels, 1, NULL, values, 3);
	weir_counter_add_values(&two_labels, 1, NULL, NULL, 0);
	weir_counter_add_values(&adds, 1, NULL, values, 1);
	EQUAL(status_now().dropped_labels, 4);
	weir_counter_add(hidden_one, 1);
	weir_counter_add_with(hidden_one, 1, "a", "b");
	weir_counter_add_with(hidden_none, 1, "a");
	weir_counter_add_with(hidden_two, 1, "a");
	weir_histogram_record_with(hidden_times, 1, "a");
	EQUAL(status_now().dropped_labels, 9);
	EQUAL(weir_counter_values(&two_labels, values, 1).cell_, 0);
	EQUAL(status_now().dropped_labels, 10);
	weir_counter_series_add(weir_counter_values(&two_labels, values, 3), 1); /* the empty handle drops once more */
	EQUAL(status_now().dropped_labels, 11);
	EQUAL(status_now().dropped_refused, 1);
	EQUAL(status_now().dropped_records, 12);
	EQUAL(weir_counter_read(&adds), 0);
	tick();
	LOGGED("wrong number of label values");
}

static void null_is_the_empty_value(void)
{
	struct weir_str none = {NULL, 0}, odd = {NULL, 7};
	uint64_t series = status_now().series;

	weir_counter_add_with(&one_label, 1, NULL);
	weir_counter_add_with(&one_label, 1, "");
	weir_counter_add_values(&one_label, 1, NULL, &none, 1);
	weir_counter_add_values(&one_label, 1, NULL, &odd, 1); /* ptr NULL is the empty text, whatever len says */
	EQUAL(count_of("bad_one_total", weir_str_of("")), 4);
	EQUAL(status_now().series, series + 1);
	EQUAL(status_now().dropped_records, 0);
}

static void a_value_of_one_mebibyte(void)
{
	char *large = malloc((1 << 20) + 1), *cut;
	uint64_t rss;

	CHECK(large != NULL);
	memset(large, 'x', 1 << 20);
	large[1 << 20] = '\0';
	weir_counter_add_with(&one_label, 1, "a");
	rss = status_now().heap_bytes;
	for (int i = 0; i < 100; i++) {
		weir_counter_add_with(&one_label, 1, large);
		large[2000 + i] = 'y'; /* equal once they are cut */
	}
	cut = strndup(large, 1024);
	EQUAL(count_of("bad_one_total", weir_str_of(cut)), 100);
	EQUAL(status_now().values_cut, 100);
	EQUAL(status_now().values_cleaned, 0);
	EQUAL(status_now().dropped_records, 0);
	AT_MOST(status_now().heap_bytes, rss + 65536);
	/* cut at a character: 1023 bytes, then one of three */
	memcpy(large + 1023, "\xe2\x82\xac", 3);
	weir_counter_add_with(&one_label, 1, large);
	cut[1023] = '\0';
	EQUAL(count_of("bad_one_total", weir_str_of(cut)), 1);
	/* 1024 is not over-long */
	large[1023] = 'z';
	large[1024] = '\0';
	weir_counter_add_with(&one_label, 1, large);
	EQUAL(count_of("bad_one_total", weir_str_of(large)), 1);
	EQUAL(status_now().values_cut, 101);
	free(cut);
	free(large);
}

static void invalid_text(void)
{
	static const struct {
		const char *given;
		const char *kept;
	} cases[] = {
	    {"a\xff"
	     "b",
	     "a\xef\xbf\xbd"
	     "b"},
	    {"\xc3", "\xef\xbf\xbd"},
	    {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"}, /* an over-long NUL */
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
	    {"tab\there", "tab\xef\xbf\xbdhere"},
	    {"\x7f", "\xef\xbf\xbd"},
	    {"\x1b[31m", "\xef\xbf\xbd[31m"},
	    {"\xc2\x80", "\xef\xbf\xbd\xef\xbf\xbd"}, /* a control character of Latin-1 */
	};
	uint64_t cleaned = 0;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t before = count_of("bad_one_total", weir_str_of(cases[i].kept));

		weir_counter_add_with(&one_label, 5, cases[i].given);
		weir_counter_add_with(&one_label, 2, cases[i].given);
		cleaned += 2;
		EQUAL(count_of("bad_one_total", weir_str_of(cases[i].kept)), (before == UINT64_MAX ? 0 : before) + 7);
	}
	EQUAL(status_now().values_cleaned, cleaned);
	/* any UTF-8, a newline, a quotation mark, a backslash are values like others */
	weir_counter_add_with(&one_label, 1, "\xe2\x82\xac \xf0\x9f\x98\x80 \"\\\n{}");
	EQUAL(count_of("bad_one_total", weir_str_of("\xe2\x82\xac \xf0\x9f\x98\x80 \"\\\n{}")), 1);
	EQUAL(status_now().values_cleaned, cleaned);
	EQUAL(status_now().dropped_records, 0);
}

static void a_nul_inside(void)
{
	struct weir_str with = weir_str_n("a\0b", 3), other = weir_str_n("a\0c", 3), alone = weir_str_n("\0", 1);

	weir_counter_add_values(&one_label, 1, NULL, &with, 1);
	weir_counter_add_values(&one_label, 2, NULL, &other, 1);
	weir_counter_add_values(&one_label, 4, NULL, &alone, 1);
	weir_counter_add_with(&one_label, 8, "a");
	EQUAL(count_of("bad_one_total", weir_str_of("a\xef\xbf\xbd"
	                                            "b")),
	      1);
	EQUAL(count_of("bad_one_total", weir_str_of("a\xef\xbf\xbd"
	                                            "c")),
	      2);
	EQUAL(count_of("bad_one_total", weir_str_of("\xef\xbf\xbd")), 4);
	EQUAL(count_of("bad_one_total", weir_str_of("a")), 8);
	EQUAL(status_now().values_cleaned, 3);
	EQUAL(status_now().dropped_records, 0);
}

static void values_are_told_apart_as_tuples(void)
{
	static const char *const tuple[][2] = {
	    {"ab", "c"},       {"a", "bc"},      {"abc", ""},      {"", "abc"},       {"", ""},
	    {"a,b", "c"},      {"a", "b,c"},     {"c", "ab"},      {"12345678", "9"}, {"1234567", "89"},
	    {"123456789", ""}, {"12345678", ""}, {"", "12345678"}, {"x\n", "y"},      {"x", "\ny"},
	};
	enum { TUPLES = sizeof tuple / sizeof *tuple };
	struct weir_counter_series series[TUPLES];

	for (int i = 0; i < TUPLES; i++)
		for (int n = 0; n <= i; n++)
			weir_counter_add_with(&two_labels, 1, tuple[i][0], tuple[i][1]);
	for (int i = 0; i < TUPLES; i++) {
		struct weir_str values[2] = {weir_str_of(tuple[i][0]), weir_str_of(tuple[i][1])};

		series[i] = weir_counter_with(&two_labels, tuple[i][0], tuple[i][1]);
		EQUAL(weir_counter_series_read(series[i]), (uint64_t)i + 1);
		EQUAL(weir_counter_values(&two_labels, values, 2).cell_, series[i].cell_); /* both forms find it */
		for (int j = 0; j < i; j++)
			CHECK(series[i].cell_ != series[j].cell_);
	}
	EQUAL(status_now().dropped_records, 0);
}

static void the_first_series_past_the_cap(void)
{
	struct weir_instrument_options cap = {.size = sizeof cap, .max_series = 3};
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t own = 0, overflow = 0, series = 0;
	struct weir_counter_series past;

	EQUAL_INT(weir_instrument_configure("bad_one_total", &cap), WEIR_OK);
	weir_counter_add_with(&one_label, 1, "a");
	weir_counter_add_with(&one_label, 1, "b");
	weir_counter_add_with(&one_label, 1, "c");
	EQUAL(status_now().overflowed, 0);
	weir_counter_add_with(&one_label, 10, "d");
	EQUAL(status_now().overflowed, 1);
	weir_counter_add_with(&one_label, 20, "e");
	weir_counter_add_with(&one_label, 1, "a"); /* those there are go on */
	past = weir_counter_with(&one_label, "f");
	CHECK(past.cell_ != 0);
	weir_counter_series_add(past, 30);
	weir_counter_add_with(&one_label, 5, "bad \xff");
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "bad_one_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s); series++) {
				if (s.overflow) {
					CHECK(s.values == NULL);
					overflow += s.count;
				} else {
					own += s.count;
				}
			}
	weir_snapshot_destroy(snapshot);
	EQUAL(series, 4);
	EQUAL(own, 4);
	EQUAL(overflow, 65); /* never lost, never counted twice */
	EQUAL(status_now().dropped_records, 0);
	/* 2000 is the cap of whom nobody told otherwise */
	for (int i = 0; i < 2001; i++) {
		char text[16];

		snprintf(text, sizeof text, "%d", i);
		EQUAL(status_now().overflowed, 4);
		weir_counter_add_with(&two_labels, 1, text, "");
	}
	EQUAL(status_now().overflowed, 5);
}

CASES({"names_of_instruments", names_of_instruments, 20}, {"names_of_labels", names_of_labels, 20},
      {"constant_labels", constant_labels, 20}, {"static_declarations", static_declarations, 20},
      {"wrong_number_of_values", wrong_number_of_values, 20},
      {"null_is_the_empty_value", null_is_the_empty_value, 20},
      {"a_value_of_one_mebibyte", a_value_of_one_mebibyte, 20}, {"invalid_text", invalid_text, 20},
      {"a_nul_inside", a_nul_inside, 20}, {"values_are_told_apart_as_tuples", values_are_told_apart_as_tuples, 20},
      {"the_first_series_past_the_cap", the_first_series_past_the_cap, 20})
