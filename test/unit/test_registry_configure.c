/* Unit: src/registry.c: caps and constant labels that are set from outside. */
#include "test_registry.h"

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(configured_before_it_is_declared),
	cmocka_unit_test(configured_after_it_is_declared),
	cmocka_unit_test(a_snapshot_keeps_the_constant_labels_it_was_made_with),
	cmocka_unit_test(what_cannot_be_configured_is_refused),
	cmocka_unit_test(a_constant_label_never_doubles_a_label),
	cmocka_unit_test(a_definition_is_the_same_whatever_was_configured_over_it),
};
ALONE_MAIN(tests)
