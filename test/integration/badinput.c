/* Bad input, one by one: each gets a clear error or a counted drop, and the host goes on. Public API only.
 *
 * Elsewhere: what is HTTP (the endpoint's tests); a callback that takes long or registers (life.c); negative values
 * to the C++ histogram (they do not compile). This API has no place for a NaN bound or a scale of zero: bounds and
 * values are integers in the base unit, and a scale is found from the range; their like is a range that begins at 0. */
#include "case.h"

#include <weir/weir.h>

#include <float.h>
#include <math.h>

WEIR_COUNTER(adds, "bad_adds_total", "Adds.");
WEIR_COUNTER(one_label, "bad_one_total", "One label.", "k");
WEIR_COUNTER(two_labels, "bad_two_total", "Two labels.", "a", "b");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "bad_times_seconds", "Times.");
WEIR_HISTOGRAM(range, WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))), "bad_range_seconds", "Times.");
WEIR_GAUGE(gauge, "bad_gauge", "A level.");
WEIR_FLOAT_GAUGE(real, "bad_real", "A level that is a double.");
WEIR_INFO(info, "bad_info", "Facts.", "k");
WEIR_OBSERVED_COUNTER(observed, "bad_observed_total", "Reported.");

/* Declared statically, and refused: the program starts all the same. */
WEIR_COUNTER(static_bad_name, "bad name", "A space is no letter.");
WEIR_COUNTER(static_bad_label, "bad_static_label_total", "A label that begins with __.", "__name__");
WEIR_HISTOGRAM(static_bad_bounds, WEIR_BUCKETS(WEIR_ONE, WEIR_BOUNDS(5, 3)), "bad_static_bounds", "Not ascending.");

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

/* ---- the log ---- */

static char logged[1 << 20];
static size_t logged_len;

static void log_it(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	CHECK(level == WEIR_LOG_ERROR || level == WEIR_LOG_WARN);
	logged_len += (size_t)snprintf(logged + logged_len, sizeof logged - logged_len, "%s\n", text);
}

static void begin(void)
{
	struct weir_options o = {.size = sizeof o, .log = log_it, .no_thread = true, .tick_ns = WEIR_MS(1)};

	EQUAL_INT(weir_init(&o), WEIR_OK);
}

/* What a record left for later is told at the next tick. */
static void tick(void)
{
	sleep_ms(2);
	EQUAL_INT(weir_pump(0, NULL), WEIR_OK);
}

#define LOGGED(text)                                                                 \
	do                                                                           \
		if (strstr(logged, (text)) == NULL)                                  \
			FAIL("not in the log: %s; but: %.300s", (text),              \
			     logged_len > 300 ? logged + logged_len - 300 : logged); \
	while (0)

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

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

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

static uint64_t count_of(const char *name, struct weir_str value)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;
	uint64_t count = UINT64_MAX;

	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	if (weir_snapshot_find(snapshot, name, &value, 1, &s)) {
		EQUAL(s.values[0].ptr[s.values[0].len], 0); /* values end in NUL besides */
		count = s.count;
	}
	weir_snapshot_destroy(snapshot);
	return count;
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

/* ---- values ---- */

static void values_out_of_range(void)
{
	static const uint64_t bad[] = {UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, UINT64_MAX};
	struct weir_histogram_series empty = {NULL, 0};
	struct weir_distribution d;

	for (size_t i = 0; i < 3; i++) {
		weir_histogram_record(&times, bad[i]);
		weir_histogram_record(&range, bad[i]);
	}
	EQUAL(status_now().dropped_value, 6);
	weir_histogram_record(&times, INT64_MAX);
	weir_histogram_record(&range, INT64_MAX);
	weir_histogram_record(&range, 0);
	d = weir_histogram_read(&times);
	EQUAL(d.count, 1);
	EQUAL(d.sum_low, INT64_MAX);
	EQUAL(weir_histogram_read(&range).count, 2);
	EQUAL(status_now().dropped_value, 6);
	weir_histogram_series_record(empty, 5);
	weir_counter_series_add((struct weir_counter_series){0}, 5);
	weir_gauge_series_set((struct weir_gauge_series){0}, 5);
	weir_float_gauge_series_add((struct weir_float_gauge_series){0}, 5);
	EQUAL(status_now().dropped_refused, 4);
	EQUAL(status_now().dropped_records, 10);
	EQUAL(weir_histogram_series_read(empty).count, 0);
	EQUAL(weir_counter_series_read((struct weir_counter_series){0}), 0);
}

static void sums_past_64_bits(void)
{
	struct weir_snapshot *snapshot;
	struct weir_distribution d;
	struct weir_series s;

	for (int i = 1; i <= 5; i++) { /* exact while it grows by less than 2^64 between two readings */
		weir_histogram_record(&times, INT64_MAX);
		d = weir_histogram_read(&times);
		EQUAL(d.count, (uint64_t)i);
	}
	/* 5 * (2^63 - 1) = 2 * 2^64 + 2^63 - 5 */
	EQUAL(d.sum_high, 2);
	EQUAL(d.sum_low, (UINT64_C(1) << 63) - 5);
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "bad_times_seconds", NULL, 0, &s));
	EQUAL(s.sum_high, 2);
	EQUAL(s.sum_low, (UINT64_C(1) << 63) - 5);
	weir_snapshot_destroy(snapshot);
	weir_counter_add(&adds, UINT64_MAX); /* counters are modulo 2^64 */
	weir_counter_add(&adds, 3);
	EQUAL(weir_counter_read(&adds), 2);
	EQUAL(status_now().dropped_records, 0);
}

static void doubles_that_are_no_numbers(void)
{
	volatile double zero = 0;

	weir_float_gauge_set(&real, 0 / zero);
	CHECK(weir_float_gauge_read(&real) != weir_float_gauge_read(&real));
	weir_float_gauge_set(&real, 1 / zero);
	CHECK(weir_float_gauge_read(&real) == (double)INFINITY);
	weir_float_gauge_add(&real, 1);
	CHECK(weir_float_gauge_read(&real) == (double)INFINITY);
	weir_float_gauge_set(&real, DBL_MAX);
	CHECK(weir_float_gauge_read(&real) == DBL_MAX);
	EQUAL(status_now().dropped_records, 0);
}

static void observe(struct weir_observer *observer, void *arg)
{
	(void)arg;
	weir_observer_report(observer, &observed, -1); /* a counter is not negative */
	weir_observer_report_float(observer, &observed, -0.5);
	weir_observer_report_float(observer, &observed, (double)NAN);
}

static void a_negative_observed_counter(void)
{
	struct weir_callback *callback;
	struct weir_snapshot *snapshot;
	struct weir_series s;

	begin();
	EQUAL_INT(weir_callback_new(&callback, observe, NULL), WEIR_OK);
	EQUAL_INT(weir_pump(WEIR_S(1), NULL), WEIR_OK);
	EQUAL(status_now().dropped_value, 3);
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	CHECK(!weir_snapshot_find(snapshot, "bad_observed_total", NULL, 0, &s));
	weir_snapshot_destroy(snapshot);
	EQUAL_INT(weir_callback_new(&callback, NULL, NULL), WEIR_EINVAL);
	EQUAL_INT(weir_observed_create(&(const struct weir_observed *){NULL}, WEIR_COUNTER_KIND, "bad_kind", "Help.",
	                               NULL, NULL),
	          WEIR_EINVAL);
}

/* ---- bounds ---- */

static void expect_bounds(const struct weir_instrument_options *given, int error, const char *text)
{
	const struct weir_histogram *made = NULL;
	struct weir_status before = status_now();
	static int n;
	char name[32];
	int got;

	snprintf(name, sizeof name, "bad_bounds_%d", n++);
	got = weir_histogram_create(&made, name, "Help.", NULL, given);
	if (got != error)
		FAIL("%s: %d and not %d (%s)", name, got, error, text != NULL ? text : "well");
	CHECK(made != NULL);
	weir_histogram_record(made, 5);
	EQUAL(weir_histogram_read(made).count, error == WEIR_OK ? 1 : 0);
	EQUAL(status_now().dropped_refused - before.dropped_refused, error == WEIR_OK ? 0 : 1);
	if (text != NULL)
		LOGGED(text);
}

#define BOUNDS(...) \
	.bounds = (const uint64_t[]){__VA_ARGS__}, .bounds_count = sizeof((const uint64_t[]){__VA_ARGS__}) / 8
#define OPTIONS(...) \
	(&(const struct weir_instrument_options){.size = sizeof(struct weir_instrument_options), __VA_ARGS__})

static void bounds(void)
{
	static uint64_t many[70];

	begin();
	for (unsigned i = 0; i < 70; i++)
		many[i] = 10 + i;
	expect_bounds(OPTIONS(BOUNDS(1, 2, 3)), WEIR_OK, NULL);
	expect_bounds(OPTIONS(BOUNDS(0)), WEIR_OK, NULL);
	expect_bounds(OPTIONS(BOUNDS(3, 2, 1)), WEIR_EINVAL, "bounds are not ascending");
	expect_bounds(OPTIONS(BOUNDS(1, 3, 2)), WEIR_EINVAL, "bounds are not ascending");
	expect_bounds(OPTIONS(BOUNDS(1, 2, 2)), WEIR_EINVAL, "a bound stands twice");
	expect_bounds(OPTIONS(BOUNDS(1, UINT64_C(1) << 63)), WEIR_EINVAL, "a bound is above INT64_MAX");
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = 62), WEIR_OK, NULL);
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = 63), WEIR_EINVAL, "more than 62 bounds");
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = SIZE_MAX), WEIR_EINVAL, NULL);
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = 0), WEIR_EINVAL, "list of bounds is empty");
	expect_bounds(OPTIONS(.range_lowest = 0, .range_highest = 100), WEIR_EINVAL, "begins at 0");
	expect_bounds(OPTIONS(.range_lowest = 100, .range_highest = 100), WEIR_EINVAL, "not below the highest");
	expect_bounds(OPTIONS(.range_lowest = 200, .range_highest = 100), WEIR_EINVAL, "not below the highest");
	expect_bounds(OPTIONS(.range_lowest = 1, .range_highest = UINT64_MAX), WEIR_EINVAL, "ends above INT64_MAX");
	expect_bounds(OPTIONS(.range_lowest = 1, .range_highest = INT64_MAX), WEIR_OK, NULL);
	expect_bounds(OPTIONS(.slo_objective_ppm = 0, .slo_threshold = 5), WEIR_EINVAL,
	              "objective is not 1 to 1000000 ppm");
	expect_bounds(OPTIONS(.slo_objective_ppm = 1000001, .slo_threshold = 5), WEIR_EINVAL,
	              "objective is not 1 to 1000000 ppm");
	expect_bounds(OPTIONS(.slo_objective_ppm = 990000, .slo_threshold = 0), WEIR_EINVAL,
	              "threshold is not 1 to INT64_MAX");
	expect_bounds(OPTIONS(.slo_objective_ppm = 990000, .slo_threshold = UINT64_MAX), WEIR_EINVAL,
	              "threshold is not 1 to");
	expect_bounds(OPTIONS(.unit = (enum weir_unit)9), WEIR_EINVAL, "unit is unknown");
	/* a threshold among 62 bounds is the 63rd: it is an exact bound all the same */
	expect_bounds(OPTIONS(.bounds = many, .bounds_count = 62, .slo_objective_ppm = 990000, .slo_threshold = 5),
	              WEIR_OK, NULL);
}

/* ---- options ---- */

static void options_of_instruments(void)
{
	struct {
		struct weir_instrument_options o;
		char tail[32];
	} longer;
	const struct weir_counter *made = NULL;

	begin();
	memset(&longer, 0, sizeof longer);
	EQUAL_INT(weir_counter_create(&made, "bad_o0_total", "Help.", NULL, &longer.o), WEIR_EINVAL); /* size 0 */
	weir_counter_add(made, 1);
	EQUAL(status_now().dropped_refused, 1);
	longer.o.size = 4;
	EQUAL_INT(weir_counter_create(&made, "bad_o1_total", "Help.", NULL, &longer.o), WEIR_EINVAL);
	longer.o.size = sizeof longer;
	longer.tail[31] = 1;
	EQUAL_INT(weir_counter_create(&made, "bad_o2_total", "Help.", NULL, &longer.o), WEIR_EINVAL);
	EQUAL_INT(weir_instrument_configure("bad_o2_total", &longer.o), WEIR_EINVAL);
	longer.tail[31] = 0;
	EQUAL_INT(weir_counter_create(&made, "bad_o2_total", "Help.", NULL, &longer.o), WEIR_OK);
	longer.o.size = offsetof(struct weir_instrument_options, constant); /* an older caller's */
	longer.o.constant = LABELS("not", "looked at");
	EQUAL_INT(weir_counter_create(&made, "bad_o3_total", "Help.", NULL, &longer.o), WEIR_OK);
	EQUAL_INT(weir_counter_create(&made, "bad_o4_total", NULL, NULL, NULL), WEIR_EINVAL);
	EQUAL_INT(weir_counter_create(&made, "bad_o4_total", "", NULL, NULL), WEIR_OK);
	CHECK(logged_len != 0);
}

/* ---- the same name ---- */

static void the_same_definition_is_the_same_instrument(void)
{
	const struct weir_counter *again, *third;
	const struct weir_histogram *histogram;
	struct weir_instrument_options o = {
	    .size = sizeof o, .unit = WEIR_SECONDS, .slo_objective_ppm = 990000, .slo_threshold = WEIR_MS(10)};
	uint64_t instruments = status_now().instruments;

	EQUAL_INT(weir_counter_create(&again, "bad_adds_total", "Adds.", NULL, NULL), WEIR_OK);
	EQUAL_INT(weir_counter_create(&third, "bad_adds_total", "Another help is no other instrument.", NULL, NULL),
	          WEIR_OK);
	weir_counter_add(&adds, 1);
	weir_counter_add(again, 2);
	weir_counter_add(third, 4);
	EQUAL(weir_counter_read(&adds), 7);
	EQUAL(weir_counter_read(again), 7);
	EQUAL_INT(weir_histogram_create(&histogram, "bad_times_seconds", "Times.", NULL, &o), WEIR_OK);
	weir_histogram_record(histogram, 1);
	weir_histogram_record(&times, 1);
	EQUAL(weir_histogram_read(&times).count, 2);
	EQUAL(weir_histogram_read(&times).good, 2);
	EQUAL(status_now().instruments, instruments);
	EQUAL_INT(weir_counter_create(&again, "bad_two_total", "Two labels.", LABELS("a", "b"), NULL), WEIR_OK);
	EQUAL(weir_counter_with_(again, (struct weir_labels_){LABELS("x", "y"), 2}).cell_,
	      weir_counter_with(&two_labels, "x", "y").cell_);
}

static void conflict(int got, const char *here, const char *there)
{
	EQUAL_INT(got, WEIR_ECONFLICT);
	LOGGED(here);
	LOGGED(there);
}

static void another_definition_is_a_conflict(void)
{
	struct weir_instrument_options o = {.size = sizeof o};
	const struct weir_counter *counter;
	const struct weir_gauge *level;
	const struct weir_histogram *histogram;
	const struct weir_updown *updown;
	struct weir_status before;

	begin();
	before = status_now();
	conflict(weir_gauge_create(&level, "bad_adds_total", "Help.", NULL, NULL), "gauge bad_adds_total in 1 {}",
	         "counter bad_adds_total in 1 {}");
	conflict(weir_updown_create(&updown, "bad_adds_total", "Help.", NULL, NULL),
	         "up-down counter bad_adds_total in 1 {}", "counter bad_adds_total in 1 {}");
	conflict(weir_counter_create(&counter, "bad_two_total", "Help.", LABELS("b", "a"), NULL),
	         "counter bad_two_total in 1 {b,a}", "counter bad_two_total in 1 {a,b}");
	conflict(weir_counter_create(&counter, "bad_two_total", "Help.", LABELS("a"), NULL),
	         "counter bad_two_total in 1 {a}", "counter bad_two_total in 1 {a,b}");
	o.unit = WEIR_BYTES;
	conflict(weir_counter_create(&counter, "bad_adds_total", "Help.", NULL, &o),
	         "counter bad_adds_total in bytes {}", "counter bad_adds_total in 1 {}");
	o.unit = WEIR_SECONDS; /* without the SLO */
	conflict(weir_histogram_create(&histogram, "bad_times_seconds", "Help.", NULL, &o),
	         "histogram bad_times_seconds in seconds {}", "with other bounds or constant labels");
	o.slo_objective_ppm = 950000;
	o.slo_threshold = WEIR_MS(10);
	EQUAL_INT(weir_histogram_create(&histogram, "bad_times_seconds", "Help.", NULL, &o), WEIR_ECONFLICT);
	/* names that are one name where they are exported */
	conflict(weir_counter_create(&counter, "bad.adds", "Help.", NULL, NULL), "counter bad.adds in 1 {}",
	         "counter bad_adds_total in 1 {}");
	EQUAL(status_now().refused - before.refused, 8);
	EQUAL(status_now().instruments, before.instruments);
	/* harmless, and counted */
	weir_counter_add(counter, 1);
	weir_gauge_set(level, 1);
	weir_updown_add(updown, 1);
	weir_histogram_record(histogram, 1);
	EQUAL(status_now().dropped_refused, 4);
	EQUAL(status_now().dropped_records, 4);
	EQUAL(weir_counter_read(counter), 0);
	EQUAL_INT(weir_gauge_read(level), 0);
	EQUAL(weir_histogram_read(histogram).count, 0);
	weir_counter_add(&adds, 1);
	EQUAL(weir_counter_read(&adds), 1);
}

/* ---- info ---- */

static void facts_with_bad_values(void)
{
	weir_info_set(&info, NULL);
	weir_info_set(&info, "bad \xff");
	EQUAL(count_of("bad_info", weir_str_of("")), 1);
	EQUAL(count_of("bad_info", weir_str_of("bad \xef\xbf\xbd")), 1);
	weir_info_clear(&info);
	EQUAL(count_of("bad_info", weir_str_of("")), UINT64_MAX);
	weir_gauge_set(&gauge, INT64_MIN);
	EQUAL_INT(weir_gauge_read(&gauge), INT64_MIN);
}

#define CASE(name)              \
	{                       \
#name, name, 20 \
	}
CASES(CASE(names_of_instruments), CASE(names_of_labels), CASE(constant_labels), CASE(static_declarations),
      CASE(wrong_number_of_values), CASE(null_is_the_empty_value), CASE(a_value_of_one_mebibyte), CASE(invalid_text),
      CASE(a_nul_inside), CASE(values_are_told_apart_as_tuples), CASE(the_first_series_past_the_cap),
      CASE(values_out_of_range), CASE(sums_past_64_bits), CASE(doubles_that_are_no_numbers),
      CASE(a_negative_observed_counter), CASE(bounds), CASE(options_of_instruments),
      CASE(the_same_definition_is_the_same_instrument), CASE(another_definition_is_a_conflict),
      CASE(facts_with_bad_values))
