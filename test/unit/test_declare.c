/* Unit: src/declare.c: definitions made at run time, their options of whatever size, and modules that come and go. */
#define _GNU_SOURCE
#include "log.h"
#include "observe.h"
#include "registry.h"

#include <weir/snapshot.h>

#include <dlfcn.h>

#include "alone.h"

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool find(const char *name, struct weir_series *s)
{
	struct weir_snapshot *snapshot;
	bool found;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	found = weir_snapshot_find(snapshot, name, NULL, 0, s);
	weir_snapshot_destroy(snapshot);
	return found;
}

/* ---- at run time ---- */

ALONE(every_kind_is_made_and_works)
{
	const struct weir_counter *c;
	const struct weir_updown *u;
	const struct weir_gauge *g;
	const struct weir_float_gauge *f;
	const struct weir_histogram *h;
	const struct weir_info *i;
	const struct weir_observed *oc, *og;
	struct weir_series s;

	assert_int_equal(weir_counter_create(&c, "made_counter", "Help.", NULL, NULL), WEIR_OK);
	assert_int_equal(weir_updown_create(&u, "made_updown", "Help.", NULL, NULL), WEIR_OK);
	assert_int_equal(weir_gauge_create(&g, "made_gauge", "Help.", NULL, NULL), WEIR_OK);
	assert_int_equal(weir_float_gauge_create(&f, "made_float", "Help.", NULL, NULL), WEIR_OK);
	assert_int_equal(weir_histogram_create(&h, "made_histogram", "Help.", NULL, NULL), WEIR_OK);
	assert_int_equal(weir_info_create(&i, "made_info", "Help.", NULL, NULL), WEIR_OK);
	assert_int_equal(weir_observed_create(&oc, WEIR_OBSERVED_COUNTER_KIND, "made_oc", "Help.", NULL, NULL),
	                 WEIR_OK);
	assert_int_equal(weir_observed_create(&og, WEIR_OBSERVED_GAUGE_KIND, "made_og", "Help.", NULL, NULL), WEIR_OK);
	/* without labels each is a series from the start, but what is told first */
	assert_true(find("made_counter", &s) && s.count == 0);
	assert_true(find("made_updown", &s) && s.level == 0);
	assert_true(find("made_gauge", &s) && s.level == 0);
	assert_true(find("made_float", &s) && s.floating && s.real == 0);
	assert_true(find("made_histogram", &s) && s.count == 0 && s.buckets_count > 1);
	assert_false(find("made_info", &s) || find("made_oc", &s) || find("made_og", &s));
	weir_counter_add(c, 1);
	weir_updown_add(u, -1);
	weir_gauge_set(g, -2);
	weir_float_gauge_set(f, 0.5);
	weir_histogram_record(h, 3);
	weir_info_set_values(i, NULL, 0);
	assert_true(find("made_counter", &s) && s.count == 1);
	assert_true(find("made_updown", &s) && s.level == -1);
	assert_true(find("made_gauge", &s) && s.level == -2);
	assert_true(find("made_float", &s) && s.real == 0.5);
	assert_true(find("made_histogram", &s) && s.count == 1);
	assert_true(find("made_info", &s) && s.count == 1);
	assert_int_equal(status_now().dropped_records, 0);
}

ALONE(an_observed_instrument_is_a_counter_or_a_gauge)
{
	const struct weir_observed *o;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	assert_int_equal(weir_observed_create(&o, WEIR_COUNTER_KIND, "made_o", "Help.", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_observed_create(&o, (enum weir_kind)0, "made_o", "Help.", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_observed_create(&o, (enum weir_kind)99, "made_o", "Help.", NULL, NULL), WEIR_EINVAL);
	assert_non_null(o);
	assert_int_equal(weir_observed_create(&o, WEIR_OBSERVED_GAUGE_KIND, "made_o", "Help.", NULL, NULL), WEIR_OK);
}

ALONE(what_it_was_made_of_is_copied)
{
	char name[] = "made_of_text", help[] = "Help.", label[] = "label", key[] = "key", value[] = "value";
	const char *labels[] = {label, NULL}, *constant[] = {key, value, NULL};
	uint64_t bounds[] = {1, 5};
	struct weir_instrument_options o = {
	    .size = sizeof o, .constant = constant, .bounds = bounds, .bounds_count = 2};
	const struct weir_histogram *h, *again;
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;

	assert_int_equal(weir_histogram_create(&h, name, help, labels, &o), WEIR_OK);
	name[0] = help[0] = label[0] = key[0] = value[0] = '?';
	labels[0] = constant[0] = "gone";
	bounds[0] = 4;
	weir_histogram_record_with(h, 3, "v");
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	weir_family_begin(&f, snapshot);
	while (weir_family_next(&f) && strcmp(f.name, "made_of_text") != 0)
		;
	assert_string_equal(f.name, "made_of_text");
	assert_string_equal(f.help, "Help.");
	assert_int_equal(f.labels_count, 1);
	assert_string_equal(f.labels[0], "label");
	assert_int_equal(f.constant_count, 1);
	assert_string_equal(f.constant[0], "key");
	assert_string_equal(f.constant[1], "value");
	weir_series_begin(&s, &f);
	assert_true(weir_series_next(&s));
	assert_int_equal(s.bounds[0], 1);
	assert_int_equal(s.buckets[1], 1);
	weir_snapshot_destroy(snapshot);
	/* the description that was handed out is of the copies, too */
	assert_string_equal(h->i_.text_[0], "made_of_text");
	assert_string_equal(h->i_.text_[1], "Help.");
	assert_string_equal(h->i_.text_[2], "label");
	assert_int_equal(weir_histogram_create(&again, "made_of_text", "Help.", LABELS("label"),
	                                       &(struct weir_instrument_options){.size = sizeof o,
	                                                                         .constant = LABELS("key", "value"),
	                                                                         .bounds = (const uint64_t[]){1, 5},
	                                                                         .bounds_count = 2}),
	                 WEIR_OK);
}

ALONE(what_is_refused_is_one_that_drops)
{
	const struct weir_counter *c = NULL;
	const struct weir_histogram *h = NULL;
	const struct weir_gauge *g = NULL;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	assert_int_equal(weir_counter_create(&c, NULL, "Help.", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_gauge_create(&g, "made_without_help", NULL, NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_histogram_create(&h, "1", "Help.", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(said_count(), 3);
	assert_int_equal(said_times("made_without_help"), 1);
	weir_counter_add(c, 1);
	weir_counter_add_values(c, 1, NULL, (struct weir_str[]){STR("x")}, 1);
	weir_counter_series_add(weir_counter_values(c, NULL, 0), 1);
	weir_gauge_set(g, 1);
	weir_gauge_add(g, 1);
	weir_histogram_record(h, 1);
	weir_histogram_series_record(weir_histogram_values(h, NULL, 0), 1);
	assert_true(status_now().dropped_refused >= 7);
	assert_int_equal(status_now().dropped_records, status_now().dropped_refused);
	assert_int_equal(weir_counter_read(c), 0);
	assert_int_equal(weir_gauge_read(g), 0);
	assert_int_equal(weir_histogram_read(h).count, 0);
}

/* ---- options of other sizes ---- */

ALONE(options_without_a_size_are_refused)
{
	struct weir_instrument_options o = {.size = 0};
	const struct weir_counter *c;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	assert_int_equal(weir_counter_create(&c, "made_sizeless", "Help.", NULL, &o), WEIR_EINVAL);
	o.size = sizeof o.size - 1;
	assert_int_equal(weir_counter_create(&c, "made_sizeless", "Help.", NULL, &o), WEIR_EINVAL);
	o.size = sizeof o.size; /* nothing but its size: all defaults */
	assert_int_equal(weir_counter_create(&c, "made_sizeless", "Help.", NULL, &o), WEIR_OK);
}

ALONE(older_options_are_filled_up_with_defaults)
{
	struct weir_instrument_options o;
	const struct weir_histogram *h;
	struct weir_series s;

	memset(&o, 0xff, sizeof o); /* what an older caller does not have is not read */
	o.size = offsetof(struct weir_instrument_options, constant);
	o.unit = WEIR_BYTES;
	o.max_series = 5;
	assert_int_equal(weir_histogram_create(&h, "made_older", "Help.", NULL, &o), WEIR_OK);
	assert_true(find("made_older", &s) && !s.exponential && s.buckets_count > 1);
	assert_int_equal(((const struct weir__instrument *)h->i_.state_->series_)->max_series, 5);
	assert_int_equal(((const struct weir__instrument *)h->i_.state_->series_)->unit, WEIR_BYTES);
}

ALONE(newer_options_must_not_say_what_is_not_known)
{
	struct {
		struct weir_instrument_options o;
		uint64_t tail[2];
	} newer;
	const struct weir_counter *c;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	memset(&newer, 0, sizeof newer);
	newer.o.size = sizeof newer;
	((char *)newer.tail)[sizeof newer.tail - 1] = 1;
	assert_int_equal(weir_counter_create(&c, "made_newer", "Help.", NULL, &newer.o), WEIR_EINVAL);
	assert_int_equal(weir_instrument_configure("made_newer", &newer.o), WEIR_EINVAL);
	newer.o.size--; /* the last byte is no more of it */
	assert_int_equal(weir_counter_create(&c, "made_newer", "Help.", NULL, &newer.o), WEIR_OK);
	memset(newer.tail, 0, sizeof newer.tail);
	newer.o.size = sizeof newer;
	newer.o.max_series = 3;
	assert_int_equal(weir_instrument_configure("made_newer", &newer.o), WEIR_OK);
}

ALONE(lists_without_end_are_refused)
{
	static const char *many[2000];
	static uint64_t bounds[2000];
	struct weir_instrument_options o = {.size = sizeof o, .bounds = bounds, .bounds_count = COUNT(bounds)};
	const struct weir_counter *c;
	const struct weir_histogram *h;

	for (size_t i = 0; i + 1 < COUNT(many); i++)
		many[i] = "a";
	for (size_t i = 0; i < COUNT(bounds); i++)
		bounds[i] = i + 1;
	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	assert_int_equal(weir_counter_create(&c, "made_endless", "Help.", many, NULL), WEIR_EINVAL);
	assert_int_equal(weir_histogram_create(&h, "made_endless", "Help.", NULL, &o), WEIR_EINVAL);
	o.bounds_count = 63;
	assert_int_equal(weir_histogram_create(&h, "made_endless", "Help.", NULL, &o), WEIR_EINVAL);
	o.bounds_count = SIZE_MAX;
	assert_int_equal(weir_histogram_create(&h, "made_endless", "Help.", NULL, &o), WEIR_EINVAL);
	o.bounds_count = 62;
	assert_int_equal(weir_histogram_create(&h, "made_endless", "Help.", NULL, &o), WEIR_OK);
}

ALONE(a_histogram_takes_its_shape_from_the_options)
{
	const struct weir_histogram *range, *slo, *seconds;
	struct weir_snapshot *snapshot;
	struct weir_series s;
	struct weir_family f;
	struct weir_instrument_options o = {.size = sizeof o, .unit = WEIR_SECONDS, .range_lowest = 1000,
	                                    .range_highest = WEIR_S(60), .slo_threshold = WEIR_MS(200),
	                                    .slo_objective_ppm = 995000};

	assert_int_equal(weir_histogram_create(&range, "made_range", "Help.", NULL, &o), WEIR_OK);
	o.range_lowest = o.range_highest = 0;
	assert_int_equal(weir_histogram_create(&slo, "made_slo", "Help.", NULL, &o), WEIR_OK);
	o.slo_threshold = o.slo_objective_ppm = 0;
	assert_int_equal(weir_histogram_create(&seconds, "made_seconds", "Help.", NULL, &o), WEIR_OK);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_true(weir_snapshot_find(snapshot, "made_range", NULL, 0, &s));
	assert_true(s.exponential && s.scale == 3 && s.split != 0);
	assert_int_equal(s.bounds[s.split], WEIR_MS(200));
	assert_true(weir_snapshot_find(snapshot, "made_slo", NULL, 0, &s));
	assert_false(s.exponential);
	assert_int_equal(s.buckets_count, 14 + 1 + 1); /* http.server.request.duration's, and the threshold */
	assert_true(weir_snapshot_find(snapshot, "made_seconds", NULL, 0, &s));
	assert_int_equal(s.buckets_count, 14 + 1);
	assert_int_equal(s.bounds[0], WEIR_MS(5));
	assert_int_equal(s.bounds[13], WEIR_S(10));
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);) {
		if (f.kind != WEIR_HISTOGRAM_KIND)
			continue;
		assert_int_equal(f.unit, WEIR_SECONDS);
		assert_true(f.divisor == 1e9);
		assert_int_equal(f.slo_threshold, strcmp(f.name, "made_seconds") == 0 ? 0 : WEIR_MS(200));
		assert_int_equal(f.slo_objective_ppm, strcmp(f.name, "made_seconds") == 0 ? 0 : 995000);
	}
	weir_snapshot_destroy(snapshot);
}

/* ---- modules ---- */

WEIR_COUNTER(at_file_scope, "declared_here_total", "At file scope.");
static uint64_t count_in_function(void)
{
	WEIR_COUNTER(in_function, "declared_in_function_total", "In a function.");

	weir_counter_add(&in_function, 1);
	return weir_counter_read(&in_function);
}

ALONE(what_a_module_declares_is_registered_when_it_is_loaded)
{
	struct weir_series s;

	assert_true(find("declared_here_total", &s) && s.count == 0);
	assert_true(find("declared_in_function_total", &s) && s.count == 0); /* before the function ever ran */
	assert_int_equal(count_in_function(), 1);
	assert_int_equal(count_in_function(), 2);
	weir_counter_add(&at_file_scope, 3);
	assert_true(find("declared_here_total", &s) && s.count == 3);
}

/* Instruments in no section, for ranges made by hand. */
WEIR_DECLARE_(weir_counter, hand_a, WEIR_COUNTER_KIND, WEIR_ONE, NULL, NULL, 0, _Static_assert(1, ""), "hand_a", "A.");
WEIR_DECLARE_(weir_counter, hand_b, WEIR_COUNTER_KIND, WEIR_ONE, NULL, NULL, 0, _Static_assert(1, ""), "hand_b", "B.");
WEIR_DECLARE_(weir_counter, hand_bad, WEIR_COUNTER_KIND, WEIR_ONE, NULL, NULL, 0, _Static_assert(1, ""), "1 bad",
              "Bad.");
WEIR_DECLARE_(weir_gauge, hand_taken, WEIR_GAUGE_KIND, WEIR_ONE, NULL, NULL, 0, _Static_assert(1, ""), "hand_a",
              "Taken.");

ALONE(a_range_is_taken_once_and_what_is_bad_in_it_is_told)
{
	static weir_entry_ range[] = {&hand_a.i_, NULL, &hand_bad.i_, &hand_taken.i_, &hand_b.i_};
	uint32_t count = weir__instruments_count();
	uint64_t refused = weir__refused_total();
	struct weir_series s;

	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	for (int file = 0; file < 3; file++) /* each file of a module comes with the same range */
		weir_module_load_v1_(range, range + COUNT(range), &range);
	assert_int_equal(weir__instruments_count(), count + 2);
	assert_int_equal(weir__refused_total(), refused + 2);
	assert_int_equal(said_count(), 0); /* never from a constructor */
	weir__log_flush();
	assert_int_equal(said_count(), 2);
	assert_int_equal(said_times("1 bad"), 1);
	assert_int_equal(said_times("gauge hand_a in 1 {} is refused: registered already is counter hand_a in 1 {}"),
	                 1);
	weir_counter_add(&hand_a, 1);
	weir_counter_add(&hand_bad, 1);
	weir_gauge_set(&hand_taken, 5);
	assert_true(find("hand_a", &s) && s.count == 1);
	assert_true(find("hand_b", &s) && s.count == 0);
	assert_int_equal(status_now().dropped_refused, 2);
	weir_module_load_v1_(NULL, NULL, &range); /* a module without instruments */
}

/* Nobody has handed it over: the first record registers it. */
ALONE(an_instrument_that_came_by_no_constructor_is_registered_by_its_first_record)
{
	struct weir_series s;

	assert_false(find("hand_a", &s));
	weir_counter_add(&hand_a, 4);
	assert_true(find("hand_a", &s) && s.count == 4);
	weir_gauge_set(&hand_taken, 5); /* refused then and there; told later */
	weir_gauge_set(&hand_taken, 6);
	assert_int_equal(status_now().dropped_refused, 2);
	weir__log_set(say_to_test, NULL, WEIR_LOG_ERROR);
	weir__log_flush();
	assert_int_equal(said_count(), 1);
	assert_int_equal(weir__refused_total(), 1);
}

static unsigned runs;
static void report_nothing(struct weir_observer *observer, void *arg)
{
	(void)observer;
	(void)arg;
	runs++;
}

ALONE(an_unloaded_module_takes_its_callbacks_along_and_leaves_its_numbers)
{
	static weir_entry_ range[] = {&hand_a.i_};
	struct weir_callback *callback;
	struct weir_series s;
	void *other = dlopen("libm.so.6", RTLD_NOW);

	assert_non_null(other);
	weir_module_load_v1_(range, range + 1, &range);
	weir_counter_add(&hand_a, 4);
	assert_int_equal(weir_callback_new(&callback, report_nothing, NULL), WEIR_OK);
	assert_true(weir__callbacks_run());
	assert_int_equal(runs, 1);
	weir_module_unload_v1_(range, range + 1, dlsym(other, "cos")); /* another module's: it stays */
	weir_module_unload_v1_(range, range + 1, &s);                  /* of no module */
	assert_true(weir__callbacks_run());
	assert_int_equal(runs, 2);
	weir_module_unload_v1_(range, range + 1, &range);
	assert_int_equal(weir__callbacks_count(), 0);
	assert_true(weir__callbacks_run());
	assert_int_equal(runs, 2);
	assert_true(find("hand_a", &s) && s.count == 4);
	weir_module_load_v1_(range, range + 1, &range);
	weir_counter_add(&hand_a, 1);
	assert_true(find("hand_a", &s) && s.count == 5);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_kind_is_made_and_works),
	cmocka_unit_test(an_observed_instrument_is_a_counter_or_a_gauge),
	cmocka_unit_test(what_it_was_made_of_is_copied),
	cmocka_unit_test(what_is_refused_is_one_that_drops),
	cmocka_unit_test(options_without_a_size_are_refused),
	cmocka_unit_test(older_options_are_filled_up_with_defaults),
	cmocka_unit_test(newer_options_must_not_say_what_is_not_known),
	cmocka_unit_test(lists_without_end_are_refused),
	cmocka_unit_test(a_histogram_takes_its_shape_from_the_options),
	cmocka_unit_test(what_a_module_declares_is_registered_when_it_is_loaded),
	cmocka_unit_test(a_range_is_taken_once_and_what_is_bad_in_it_is_told),
	cmocka_unit_test(an_instrument_that_came_by_no_constructor_is_registered_by_its_first_record),
	cmocka_unit_test(an_unloaded_module_takes_its_callbacks_along_and_leaves_its_numbers),
};
ALONE_MAIN(tests)
