/* Unit: src/registry.c: who is registered and who is refused, what is configured from outside, and cells that nobody
 * shares. test_registry_configure.c and test_registry_cells.c have the latter two. */
#include "test_registry.h"

/* ---- the same ---- */

WEIR_COUNTER(declared, "registry_same_total", "Declared here.", "a", "b");

static void declared_in_a_function(void)
{
	WEIR_COUNTER(again, "registry_same_total", "Declared here.", "a", "b");

	weir_counter_add_with(&again, 2, "x", "y");
}

ALONE(the_same_definition_is_the_same_instrument)
{
	uint32_t count = weir__instruments_count();
	const struct weir_counter *c = made("registry_same_total", LABELS("a", "b"), NULL), *d;

	d = made("registry_same_total", LABELS("a", "b"), OPTIONS(.max_series = 7));
	weir_counter_add_with(&declared, 1, "x", "y");
	declared_in_a_function();
	weir_counter_add_with(c, 4, "x", "y");
	weir_counter_add_with(d, 8, "x", "y");
	assert_int_equal(weir_counter_series_read(weir_counter_with(&declared, "x", "y")), 15);
	assert_int_equal(weir_counter_with(c, "x", "y").cell_, weir_counter_with(d, "x", "y").cell_);
	assert_int_equal(weir__instruments_count(), count);
	assert_int_equal(weir__refused_total(), 0);
}

ALONE(a_histogram_is_the_same_by_what_its_shape_means)
{
	const struct weir_histogram *a, *b, *c;

	assert_int_equal(weir_histogram_create(&a, "registry_shape", "Help.", NULL, OPTIONS(BOUNDS(1, 2, 3))), WEIR_OK);
	assert_int_equal(weir_histogram_create(&b, "registry_shape", "Other help.", NULL, OPTIONS(BOUNDS(1, 2, 3))),
	                 WEIR_OK);
	weir_histogram_record(a, 2);
	weir_histogram_record(b, 3);
	assert_int_equal(weir_histogram_read(a).count, 2);
	/* an SLO's threshold that is a bound already */
	assert_int_equal(
	    weir_histogram_create(&c, "registry_slo", "Help.", NULL,
	                          OPTIONS(BOUNDS(1, 2, 3), .slo_threshold = 2, .slo_objective_ppm = 990000)),
	    WEIR_OK);
	assert_int_equal(weir_histogram_create(&c, "registry_slo", "Help.", NULL,
	                                       OPTIONS(BOUNDS(1, 3), .slo_threshold = 2, .slo_objective_ppm = 990000)),
	                 WEIR_OK);
}

/* ---- conflicts ---- */

/* It is refused, both are named, recording on it is dropped and counted, and who had the name is as before. */
static void told(int error, const char *words)
{
	assert_int_equal(error, WEIR_ECONFLICT);
	assert_int_equal(said_times(words), 1);
}

static void drops(const struct weir_instrument *refused)
{
	struct weir_status before = status_now(), after;
	const struct weir_counter c = {*refused};

	weir_counter_add_values(&c, 5, NULL, NULL, 0);
	weir_counter_add(&c, 5);
	after = status_now();
	assert_int_equal(after.dropped_refused, before.dropped_refused + 2);
	assert_int_equal(after.series, before.series);
}
#define CONFLICTS(create, var, words) (told((create), (words)), drops(&(var)->i_))

ALONE(another_definition_of_the_name_is_a_conflict_that_names_both)
{
	const struct weir_counter *c, *first = made("registry_taken_total", LABELS("a", "b"), NULL);
	const struct weir_updown *u;
	const struct weir_observed *o;
	uint64_t refused;

	hear();
	refused = weir__refused_total();
	CONFLICTS(weir_updown_create(&u, "registry_taken_total", "Help.", LABELS("a", "b"), NULL), u,
	          "up-down counter registry_taken_total in 1 {a,b} is refused: registered already is counter "
	          "registry_taken_total in 1 {a,b}");
	CONFLICTS(weir_observed_create(&o, WEIR_OBSERVED_COUNTER_KIND, "registry_taken_total", "Help.",
	                               LABELS("a", "b"), NULL),
	          o, "observed counter registry_taken_total in 1 {a,b} is refused");
	CONFLICTS(counter(&c, "registry_taken_total", LABELS("a", "b"), OPTIONS(.unit = WEIR_SECONDS)), c,
	          "counter registry_taken_total in seconds {a,b} is refused");
	CONFLICTS(counter(&c, "registry_taken_total", LABELS("b", "a"), NULL), c, "{b,a} is refused");
	CONFLICTS(counter(&c, "registry_taken_total", LABELS("a"), NULL), c, "{a} is refused");
	CONFLICTS(counter(&c, "registry_taken_total", LABELS("a", "b", "c"), NULL), c, "{a,b,c} is refused");
	CONFLICTS(counter(&c, "registry_taken_total", NULL, NULL), c, "{} is refused");
	CONFLICTS(counter(&c, "registry_taken_total", LABELS("a", "b"), OPTIONS(.constant = LABELS("k", "v"))), c,
	          "with other bounds or constant labels");
	assert_int_equal(weir__refused_total(), refused + 8);
	weir_counter_add_with(first, 3, "x", "y");
	assert_int_equal(weir_counter_series_read(weir_counter_with(first, "x", "y")), 3);
}

ALONE(other_bounds_are_a_conflict)
{
	const struct weir_histogram *h, *first;

	hear();
	assert_int_equal(weir_histogram_create(&first, "registry_bounds", "Help.", NULL, OPTIONS(BOUNDS(1, 2, 3))),
	                 WEIR_OK);
	CONFLICTS(weir_histogram_create(&h, "registry_bounds", "Help.", NULL, OPTIONS(BOUNDS(1, 2, 4))), h,
	          "with other bounds");
	assert_int_equal(weir_histogram_create(&h, "registry_bounds", "Help.", NULL, OPTIONS(BOUNDS(1, 2))),
	                 WEIR_ECONFLICT);
	assert_int_equal(weir_histogram_create(&h, "registry_bounds", "Help.", NULL, NULL), WEIR_ECONFLICT);
	assert_int_equal(weir_histogram_create(&h, "registry_bounds", "Help.", NULL,
	                                       OPTIONS(.range_lowest = 1, .range_highest = 3)),
	                 WEIR_ECONFLICT);
	assert_int_equal(
	    weir_histogram_create(&h, "registry_bounds", "Help.", NULL,
	                          OPTIONS(BOUNDS(1, 2, 3), .slo_threshold = 2, .slo_objective_ppm = 990000)),
	    WEIR_ECONFLICT);
	weir_histogram_record(first, 2);
	assert_int_equal(weir_histogram_read(first).count, 1);
}

ALONE(names_that_become_one_name_are_a_conflict)
{
	static const struct {
		const char *first, *second;
		enum weir_unit first_unit, second_unit;
	} same[] = {
		{"a.b", "a_b", WEIR_ONE, WEIR_ONE},
		{"c-d", "c/d", WEIR_ONE, WEIR_ONE},
		{"e", "e_total", WEIR_ONE, WEIR_ONE},
		{"f_seconds_total", "f", WEIR_SECONDS, WEIR_SECONDS},
		{"g_seconds", "g", WEIR_SECONDS, WEIR_SECONDS},
		{"h_bytes", "h.total", WEIR_BYTES, WEIR_BYTES},
		/* one is written as the other will be exported */
		{"i", "i_seconds", WEIR_SECONDS, WEIR_ONE},
		{"j_seconds_total", "j_total", WEIR_ONE, WEIR_SECONDS},
		{"k.ratio", "k", WEIR_ONE, WEIR_RATIO},
	}, apart[] = {
		{"l_seconds", "l_total", WEIR_SECONDS, WEIR_ONE}, /* a time and a number of the same */
		{"m_bytes", "m_seconds", WEIR_BYTES, WEIR_SECONDS},
		{"n_bytes", "n", WEIR_ONE, WEIR_ONE},
		{"O", "o", WEIR_ONE, WEIR_ONE},
		{"p:q", "p_q", WEIR_ONE, WEIR_ONE},
		{"total", "r_total", WEIR_ONE, WEIR_ONE},
	};
	const struct weir_counter *c;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	for (size_t i = 0; i < COUNT(same); i++) {
		made(same[i].first, NULL, OPTIONS(.unit = same[i].first_unit));
		if (counter(&c, same[i].second, NULL, OPTIONS(.unit = same[i].second_unit)) != WEIR_ECONFLICT)
			fail_msg("%s was made beside %s", same[i].second, same[i].first);
		if (said_times(same[i].first) == 0)
			fail_msg("%s is not told", same[i].first);
	}
	for (size_t i = 0; i < COUNT(apart); i++) {
		made(apart[i].first, NULL, OPTIONS(.unit = apart[i].first_unit));
		if (counter(&c, apart[i].second, NULL, OPTIONS(.unit = apart[i].second_unit)) != WEIR_OK)
			fail_msg("%s was refused beside %s", apart[i].second, apart[i].first);
	}
}

/* An info is exported as NAME_info; in OpenMetrics its family is NAME. */
ALONE(an_infos_name_is_taken_with_and_without_its_ending)
{
	static const char *const labels[] = {"k", NULL};
	static const struct {
		const char *info, *other;
		bool conflict;
	} cases[] = {
		{"ia", "ia_info", true}, {"ib", "ib", true},       {"ic_info", "ic_info", true},
		{"id_info", "id", true}, {"ie.f", "ie_f_info", true}, {"ig", "ig_info_total", true},
		{"ih", "ih_inf", false}, {"ij", "ij_infos", false}, {"ik", "ik_x", false},
	};
	const struct weir_info *info;
	const struct weir_counter *c;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	for (int info_first = 0; info_first < 2; info_first++)
		for (size_t i = 0; i < COUNT(cases); i++) {
			char name[2][32];
			int first, second;

			snprintf(name[0], sizeof name[0], "%c%s", 'a' + info_first, cases[i].info);
			snprintf(name[1], sizeof name[1], "%c%s", 'a' + info_first, cases[i].other);
			if (info_first) {
				first = weir_info_create(&info, name[0], "An info.", labels, NULL);
				second = counter(&c, name[1], NULL, NULL);
			} else {
				first = counter(&c, name[1], NULL, NULL);
				second = weir_info_create(&info, name[0], "An info.", labels, NULL);
			}
			assert_int_equal(first, WEIR_OK);
			if (second != (cases[i].conflict ? WEIR_ECONFLICT : WEIR_OK))
				fail_msg("an info %s and a counter %s: %d", name[0], name[1], second);
		}
	assert_int_equal(weir_info_create(&info, "l", "An info.", labels, NULL), WEIR_OK);
	assert_int_equal(weir_info_create(&info, "l_info", "An info.", labels, NULL), WEIR_ECONFLICT);
	assert_int_equal(weir_info_create(&info, "l", "An info.", labels, NULL), WEIR_OK);
}

ALONE(one_name_in_two_units_is_a_conflict)
{
	const struct weir_counter *c;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	for (int a = WEIR_ONE; a <= WEIR_RATIO; a++)
		for (int b = WEIR_ONE; b <= WEIR_RATIO; b++) {
			char name[32];

			snprintf(name, sizeof name, "units_%d_%d", a, b);
			made(name, NULL, OPTIONS(.unit = (enum weir_unit)a));
			assert_int_equal(counter(&c, name, NULL, OPTIONS(.unit = (enum weir_unit)b)),
			                 a == b ? WEIR_OK : WEIR_ECONFLICT);
		}
}

/* ---- rules ---- */

ALONE(names_that_break_a_rule_are_refused)
{
	static char longest[257];
	const char *const bad[] = {"", "1a", ".a", "-a", "a b", "a{}", "a\n", "\xc3\xa4", "a\"", NULL};
	const struct weir_counter *c;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(counter(&c, bad[i], NULL, NULL), WEIR_EINVAL);
		assert_non_null(c);
		weir_counter_add(c, 1);
	}
	assert_int_equal(status_now().dropped_refused, COUNT(bad));
	memset(longest, 'x', 256);
	assert_int_equal(counter(&c, longest, NULL, NULL), WEIR_EINVAL);
	longest[255] = '\0';
	weir_counter_add(made(longest, NULL, NULL), 3);
	assert_int_equal(weir_counter_read(made(longest, NULL, NULL)), 3);
	made("_:a./-9Z", NULL, NULL);
}

ALONE(labels_that_break_a_rule_are_refused)
{
	const char *const *const bad[] = {
	    LABELS(""),
	    LABELS("1a"),
	    LABELS(".a"),
	    LABELS("__a"),
	    LABELS("a-b"),
	    LABELS("a:b"),
	    LABELS("a b"),
	    LABELS("\xc3\xa4"),
	    LABELS("ok", "a", "a"),
	    LABELS("a.b", "a_b") /* one label where dots cannot be said */,
	    LABELS("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"),
	};
	const struct weir_histogram *h;
	const struct weir_counter *c;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (counter(&c, "registry_labels", bad[i], NULL) != WEIR_EINVAL)
			fail_msg("labels %zu were taken", i);
	assert_int_equal(weir_histogram_create(&h, "registry_le", "Help.", LABELS("le"), NULL), WEIR_EINVAL);
	assert_int_equal(said_times("le is a histogram's own label"), 1);
	made("registry_le_counter", LABELS("le"), NULL);
	made("registry_labels",
	     LABELS("a", "b.c", "_d", "E_1", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"), NULL);
}

ALONE(constant_labels_that_break_a_rule_are_refused)
{
	const char *const *const bad[] = {
		LABELS("k"), LABELS("k", "v", "l"), LABELS("", "v"), LABELS("__k", "v"), LABELS("k-l", "v"),
		LABELS("own", "v") /* it is also a label */, LABELS("k", "v", "k", "w") /* twice */,
		LABELS("k", "\xff"), LABELS("k", "a\tb"),
	};
	const struct weir_histogram *h;
	const struct weir_counter *c;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (counter(&c, "registry_constant", LABELS("own"), OPTIONS(.constant = bad[i])) != WEIR_EINVAL)
			fail_msg("constant labels %zu were taken", i);
	assert_int_equal(
	    weir_histogram_create(&h, "registry_constant", "Help.", NULL, OPTIONS(.constant = LABELS("le", "1"))),
	    WEIR_EINVAL);
	made("registry_constant", LABELS("own"), OPTIONS(.constant = LABELS("k", "v\n", "l", "")));
}

ALONE(shapes_that_break_a_rule_are_refused)
{
	static uint64_t many[63];
	const struct weir_histogram *h;

	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = i + 1;
	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	assert_int_equal(weir_histogram_create(&h, "registry_h", "Help.", NULL, OPTIONS(BOUNDS(2, 1))), WEIR_EINVAL);
	assert_int_equal(weir_histogram_create(&h, "registry_h", "Help.", NULL, OPTIONS(BOUNDS(1, 1))), WEIR_EINVAL);
	assert_int_equal(
	    weir_histogram_create(&h, "registry_h", "Help.", NULL, OPTIONS(.bounds = many, .bounds_count = 63)),
	    WEIR_EINVAL);
	assert_int_equal(
	    weir_histogram_create(&h, "registry_h", "Help.", NULL, OPTIONS(.bounds = many, .bounds_count = 0)),
	    WEIR_EINVAL);
	assert_int_equal(
	    weir_histogram_create(&h, "registry_h", "Help.", NULL, OPTIONS(.range_lowest = 2, .range_highest = 1)),
	    WEIR_EINVAL);
	assert_int_equal(weir_histogram_create(&h, "registry_h", "Help.", NULL, OPTIONS(.unit = (enum weir_unit)9)),
	                 WEIR_EINVAL);
	weir_histogram_record(h, 1);
	assert_int_equal(status_now().dropped_refused, 1);
	assert_int_equal(
	    weir_histogram_create(&h, "registry_h", "Help.", NULL, OPTIONS(.bounds = many, .bounds_count = 62)),
	    WEIR_OK);
	weir_histogram_record(h, 1);
	assert_int_equal(weir_histogram_read(h).count, 1);
}

/* ---- many at once ---- */

static const struct weir_counter *raced[8][200];
static unsigned racer;
static void *race(void *arg)
{
	unsigned me = __atomic_fetch_add(&racer, 1, __ATOMIC_RELAXED);
	char name[32];

	(void)arg;
	for (unsigned i = 0; i < 200; i++) {
		unsigned n = (i + me * 25) % 200;

		snprintf(name, sizeof name, "raced_%u", n);
		assert_int_equal(counter(&raced[me][n], name, NULL, NULL), WEIR_OK);
		weir_counter_add(raced[me][n], 1);
	}
	return NULL;
}

ALONE(eight_threads_that_create_the_same_get_one)
{
	uint32_t count = weir__instruments_count();

	in_threads(8, race, NULL);
	assert_int_equal(weir__instruments_count(), count + 200);
	for (unsigned n = 0; n < 200; n++) {
		assert_int_equal(weir_counter_read(raced[0][n]), 8);
		for (unsigned t = 1; t < 8; t++)
			assert_ptr_equal(raced[t][n]->i_.state_->series_, raced[0][n]->i_.state_->series_);
	}
}

/* ---- in a forked child ---- */

static const struct weir_counter *before_fork;
static void child_knows_the_names(void)
{
	const struct weir_counter *c = made("registry_fork", LABELS("a"), NULL);

	assert_int_equal(weir_counter_series_read(weir_counter_with(c, "x")), 0);
	weir_counter_add_with(before_fork, 2, "x");
	weir_counter_add_with(c, 3, "x");
	assert_int_equal(weir_counter_series_read(weir_counter_with(c, "x")), 5);
	assert_int_equal(counter(&c, "registry_fork", NULL, NULL), WEIR_ECONFLICT);
	made("registry_fork_new", NULL, NULL);
	assert_int_not_equal(weir__began_ns(), 0);
}

ALONE(a_child_has_the_instruments_and_none_of_the_numbers)
{
	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	before_fork = made("registry_fork", LABELS("a"), NULL);
	weir_counter_add_with(before_fork, 40, "x");
	assert_int_equal(weir__began_ns(), 0);
	in_child(child_knows_the_names);
	assert_int_equal(weir_counter_series_read(weir_counter_with(before_fork, "x")), 40);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_same_definition_is_the_same_instrument),
	cmocka_unit_test(a_histogram_is_the_same_by_what_its_shape_means),
	cmocka_unit_test(another_definition_of_the_name_is_a_conflict_that_names_both),
	cmocka_unit_test(other_bounds_are_a_conflict),
	cmocka_unit_test(names_that_become_one_name_are_a_conflict),
	cmocka_unit_test(an_infos_name_is_taken_with_and_without_its_ending),
	cmocka_unit_test(one_name_in_two_units_is_a_conflict),
	cmocka_unit_test(names_that_break_a_rule_are_refused),
	cmocka_unit_test(labels_that_break_a_rule_are_refused),
	cmocka_unit_test(constant_labels_that_break_a_rule_are_refused),
	cmocka_unit_test(shapes_that_break_a_rule_are_refused),
	cmocka_unit_test(eight_threads_that_create_the_same_get_one),
	cmocka_unit_test(a_child_has_the_instruments_and_none_of_the_numbers),
};
ALONE_MAIN(tests)
