/* Unit: src/registry.c: who is registered and who is refused, what is configured from outside, and cells that nobody
 * shares. */
#define _GNU_SOURCE
#include "registry.h"
#include "log.h"
#include "shard.h"

#include <weir/snapshot.h>

#include "alone.h"

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OPTIONS(...) (&(struct weir_instrument_options){.size = sizeof(struct weir_instrument_options), __VA_ARGS__})
#define BOUNDS(...)                                                                                                    \
	.bounds = (const uint64_t[]){__VA_ARGS__}, .bounds_count = COUNT(((const uint64_t[]){__VA_ARGS__}))

static int counter(const struct weir_counter **c, const char *name, const char *const *labels,
                   const struct weir_instrument_options *options)
{
	return weir_counter_create(c, name, "Help.", labels, options);
}

static const struct weir_counter *made(const char *name, const char *const *labels,
                                       const struct weir_instrument_options *options)
{
	const struct weir_counter *c = NULL;

	assert_int_equal(counter(&c, name, labels, options), WEIR_OK);
	return c;
}

static void hear(void)
{
	struct weir_options o = {.size = sizeof o, .log = say_to_test, .no_thread = true, .no_process = true};

	assert_int_equal(weir_init(&o), WEIR_OK);
}

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

/* ---- configured from outside ---- */

static bool has_constant(const char *name, const char *const *constant)
{
	struct weir_snapshot *snapshot;
	struct weir_family f;
	bool same = false;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);) {
		size_t i = 0;

		if (strcmp(f.name, name) != 0)
			continue;
		while (constant != NULL && constant[i] != NULL && i < 2 * f.constant_count &&
		       strcmp(constant[i], f.constant[i]) == 0)
			i++;
		same = i == 2 * f.constant_count && (constant == NULL || constant[i] == NULL);
	}
	weir_snapshot_destroy(snapshot);
	return same;
}

static void add_series(const struct weir_counter *c, int from, int to)
{
	char value[16];

	for (int i = from; i < to; i++) {
		snprintf(value, sizeof value, "%d", i);
		weir_counter_add_with(c, 1, value);
	}
}

ALONE(configured_before_it_is_declared)
{
	const struct weir_counter *c;
	char dc[] = "east", name[] = "registry_before";

	assert_int_equal(weir_instrument_configure(name, OPTIONS(.max_series = 3)), WEIR_OK);
	assert_int_equal(weir_instrument_configure(name, OPTIONS(.constant = LABELS("dc", dc))),
	                 WEIR_OK); /* the cap stays */
	dc[0] = name[0] = '?'; /* both were copied */
	c = made("registry_before", LABELS("a"), OPTIONS(.max_series = 100));
	add_series(c, 0, 10);
	assert_int_equal(status_now().series, 4);
	assert_int_equal(status_now().overflowed, 7);
	assert_true(has_constant("registry_before", LABELS("dc", "east")));
}

ALONE(configured_after_it_is_declared)
{
	const struct weir_counter *c = made("registry_after", LABELS("a"), OPTIONS(.constant = LABELS("dc", "east")));

	add_series(c, 0, 10);
	assert_true(has_constant("registry_after", LABELS("dc", "east")));
	/* a cap below what exists stops new ones only */
	assert_int_equal(weir_instrument_configure("registry_after", OPTIONS(.max_series = 5)), WEIR_OK);
	add_series(c, 0, 10);
	assert_int_equal(status_now().overflowed, 0);
	add_series(c, 10, 12);
	assert_int_equal(status_now().overflowed, 2);
	/* raised, it takes what comes from then on */
	assert_int_equal(weir_instrument_configure("registry_after", OPTIONS(.max_series = 12)), WEIR_OK);
	add_series(c, 10, 14);
	assert_int_equal(status_now().overflowed, 4);
	assert_int_equal(status_now().series, 13);
	assert_true(has_constant("registry_after", LABELS("dc", "east"))); /* not told: as it was */
	assert_int_equal(
	    weir_instrument_configure("registry_after", OPTIONS(.constant = LABELS("rack", "7", "dc", "west"))),
	    WEIR_OK);
	assert_true(has_constant("registry_after", LABELS("rack", "7", "dc", "west")));
	add_series(c, 12, 16);
	assert_int_equal(status_now().series, 13); /* the cap stays */
}

ALONE(a_snapshot_keeps_the_constant_labels_it_was_made_with)
{
	struct weir_snapshot *snapshot;
	struct weir_family f;

	made("registry_old", NULL, OPTIONS(.constant = LABELS("dc", "east")));
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_int_equal(weir_instrument_configure("registry_old", OPTIONS(.constant = LABELS("dc", "west"))), WEIR_OK);
	weir_family_begin(&f, snapshot);
	assert_true(weir_family_next(&f));
	assert_string_equal(f.constant[1], "east");
	weir_snapshot_destroy(snapshot);
	assert_true(has_constant("registry_old", LABELS("dc", "west")));
}

ALONE(what_cannot_be_configured_is_refused)
{
	static const uint64_t bound = 1;
	struct weir_instrument_options sizeless = {.max_series = 5};

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	assert_int_equal(weir_instrument_configure("x", NULL), WEIR_EINVAL);
	assert_int_equal(weir_instrument_configure("x", &sizeless), WEIR_EINVAL);
	assert_int_equal(weir_instrument_configure(NULL, OPTIONS(.max_series = 5)), WEIR_EINVAL);
	assert_int_equal(weir_instrument_configure("1x", OPTIONS(.max_series = 5)), WEIR_EINVAL);
	assert_int_equal(weir_instrument_configure("x", OPTIONS(.constant = LABELS("k"))), WEIR_EINVAL);
	assert_int_equal(weir_instrument_configure("x", OPTIONS(.constant = LABELS("__k", "v"))), WEIR_EINVAL);
	assert_int_equal(weir_instrument_configure("x", OPTIONS(.constant = LABELS("k", "v", "k", "w"))), WEIR_EINVAL);
	assert_int_equal(weir_instrument_configure("x", OPTIONS(.unit = WEIR_SECONDS)), WEIR_EUNSUPPORTED);
	assert_int_equal(weir_instrument_configure("x", OPTIONS(.bounds = &bound, .bounds_count = 1)),
	                 WEIR_EUNSUPPORTED);
	assert_int_equal(weir_instrument_configure("x", OPTIONS(.range_lowest = 1, .range_highest = 5)),
	                 WEIR_EUNSUPPORTED);
	assert_int_equal(weir_instrument_configure("x", OPTIONS(.slo_threshold = 1)), WEIR_EUNSUPPORTED);
	assert_int_equal(weir_instrument_configure("x", OPTIONS(.slo_objective_ppm = 1)), WEIR_EUNSUPPORTED);
	made("x", LABELS("a"), NULL);
	add_series(made("x", LABELS("a"), NULL), 0, 10);
	assert_int_equal(status_now().series, 10); /* none of it has left a trace */
	assert_true(has_constant("x", NULL));
}

/* A label that stands twice would cost the whole scrape. */
ALONE(a_constant_label_never_doubles_a_label)
{
	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	made("registry_doubled", LABELS("a"), NULL);
	add_series(made("registry_doubled", LABELS("a"), NULL), 0, 1);
	assert_int_equal(weir_instrument_configure("registry_doubled", OPTIONS(.constant = LABELS("a", "v"))),
	                 WEIR_EINVAL);
	assert_true(has_constant("registry_doubled", NULL));
	/* told before, it can only be passed over, and said */
	assert_int_equal(weir_instrument_configure("registry_redoubled", OPTIONS(.constant = LABELS("a", "v"))),
	                 WEIR_OK);
	add_series(made("registry_redoubled", LABELS("a"), NULL), 0, 1);
	assert_true(has_constant("registry_redoubled", NULL));
	weir__log_flush();
	assert_int_equal(said_times("registry_redoubled"), 1);
}

ALONE(a_definition_is_the_same_whatever_was_configured_over_it)
{
	const struct weir_instrument_options *own = OPTIONS(.constant = LABELS("dc", "east"));
	const struct weir_counter *a, *b, *c;

	a = made("registry_over", NULL, own);
	assert_int_equal(weir_instrument_configure("registry_over", OPTIONS(.constant = LABELS("dc", "west"))),
	                 WEIR_OK);
	b = made("registry_over", NULL, own); /* a plugin that is loaded a second time */
	weir_counter_add(a, 1);
	weir_counter_add(b, 2);
	assert_int_equal(weir_counter_read(a), 3);
	assert_int_equal(weir_instrument_configure("registry_over_next", OPTIONS(.constant = LABELS("dc", "west"))),
	                 WEIR_OK);
	made("registry_over_next", NULL, own);
	made("registry_over_next", NULL, own);
	assert_int_equal(counter(&c, "registry_over", NULL, OPTIONS(.constant = LABELS("dc", "north"))),
	                 WEIR_ECONFLICT);
}

/* ---- cells ---- */

static uint8_t owner_of[WEIR__BLOCKS_MAX * 8]; /* by cell: who has it, a number that is not 0; of the first blocks */

static void own(uint32_t cell, uint32_t count, uint8_t who)
{
	assert_true(cell >= WEIR__BLOCK_CELLS); /* block 0 is never handed out */
	assert_int_equal(cell / WEIR__BLOCK_CELLS, (cell + count - 1) / WEIR__BLOCK_CELLS);
	assert_true(cell + count <= sizeof owner_of);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(owner_of[cell + i], 0);
		owner_of[cell + i] = who;
	}
}

ALONE(cells_are_never_shared_and_never_cross_a_block)
{
	uint32_t state = 1;
	struct weir__guard guard;

	assert_true(weir__enter(&guard));
	for (int i = 0; i < 6000; i++) {
		uint32_t count, cell;
		bool levels;

		state = state * 1664525u + 1013904223u;
		levels = state >> 30 == 0;
		count = levels || state >> 30 == 1 ? 1 : (state >> 8) % 256 + 2;
		cell = weir__cells_take(count, levels);
		own(cell, count, 1);
		assert_int_equal(weir__block_is_levels(cell / WEIR__BLOCK_CELLS), levels);
		assert_true(weir__blocks_count() > cell / WEIR__BLOCK_CELLS);
	}
	own(weir__cells_take(WEIR__BLOCK_CELLS, false), WEIR__BLOCK_CELLS, 1); /* a whole block */
	own(weir__cells_take(WEIR__BLOCK_CELLS, false), WEIR__BLOCK_CELLS, 1);
	weir__leave(&guard);
	assert_false(weir__block_is_levels(0));
}

ALONE(series_of_all_kinds_have_cells_of_their_own)
{
	static uint64_t bounds[62];
	const struct weir_histogram *h;
	const struct weir_gauge *g;
	const struct weir_counter *c;
	const struct weir__instrument *i;
	char name[32], value[16];

	for (size_t n = 0; n < COUNT(bounds); n++)
		bounds[n] = n + 1;
	for (int n = 0; n < 12; n++) {
		snprintf(name, sizeof name, "kinds_c%d", n);
		c = made(name, LABELS("a"), OPTIONS(.max_series = 40));
		snprintf(name, sizeof name, "kinds_g%d", n);
		assert_int_equal(weir_gauge_create(&g, name, "Help.", LABELS("a"), NULL), WEIR_OK);
		snprintf(name, sizeof name, "kinds_h%d", n);
		assert_int_equal(weir_histogram_create(&h, name, "Help.", LABELS("a"),
		                                       OPTIONS(.bounds = bounds, .bounds_count = 1 + (size_t)n * 5)),
		                 WEIR_OK);
		snprintf(name, sizeof name, "kinds_n%d", n);
		made(name, NULL, NULL);
		for (int v = 0; v < 50; v++) {
			snprintf(value, sizeof value, "%d", v);
			weir_counter_add_with(c, 1, value);
			weir_gauge_set_with(g, v, value);
			weir_histogram_record_with(h, (uint64_t)v, value);
		}
	}
	for (i = weir__instruments_first(); i != NULL; i = i->next) {
		if (i->overflow != NULL)
			own(i->folded_cell, 1, 2);
		for (const struct weir__series *s = i->first; s != NULL; s = s->next) {
			own(s->cell, i->cells, 1);
			assert_int_equal(weir__block_is_levels(s->cell / WEIR__BLOCK_CELLS),
			                 i->kind == WEIR_GAUGE_KIND);
		}
	}
	assert_int_equal(status_now().series, 12 * (41 + 50 + 50 + 1));
}

ALONE(when_cells_end_the_next_is_refused_and_those_that_are_go_on)
{
	const struct weir_counter *first = made("registry_last", LABELS("a"), NULL), *c;
	struct weir_counter_series s = weir_counter_with(first, "x");
	struct weir__guard guard;
	uint32_t blocks = 0;

	assert_true(weir__enter(&guard));
	while (weir__cells_take(WEIR__BLOCK_CELLS, false) != 0)
		blocks++;
	while (weir__cells_take(1, false) != 0)
		assert_true(blocks > 0);
	assert_int_equal(weir__cells_take(1, true), 0);
	weir__leave(&guard);
	assert_in_range(blocks, WEIR__BLOCKS_MAX - 4, WEIR__BLOCKS_MAX - 1);
	assert_int_equal(weir__blocks_count(), WEIR__BLOCKS_MAX);
	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	assert_int_equal(counter(&c, "registry_too_late", NULL, NULL), WEIR_ELIMIT);
	weir_counter_add(c, 1);
	weir_counter_add_with(first, 1, "y"); /* no cell: dropped and counted */
	weir_counter_series_add(s, 4);
	assert_int_equal(weir_counter_series_read(s), 4);
	assert_int_equal(status_now().dropped_records, 2);
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
	cmocka_unit_test(configured_before_it_is_declared),
	cmocka_unit_test(configured_after_it_is_declared),
	cmocka_unit_test(a_snapshot_keeps_the_constant_labels_it_was_made_with),
	cmocka_unit_test(what_cannot_be_configured_is_refused),
	cmocka_unit_test(a_constant_label_never_doubles_a_label),
	cmocka_unit_test(a_definition_is_the_same_whatever_was_configured_over_it),
	cmocka_unit_test(cells_are_never_shared_and_never_cross_a_block),
	cmocka_unit_test(series_of_all_kinds_have_cells_of_their_own),
	cmocka_unit_test(when_cells_end_the_next_is_refused_and_those_that_are_go_on),
	cmocka_unit_test(eight_threads_that_create_the_same_get_one),
	cmocka_unit_test(a_child_has_the_instruments_and_none_of_the_numbers),
};
ALONE_MAIN(tests)
