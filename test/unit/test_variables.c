/* Unit: src/variables.c: what OTEL_ variables say of traces: each value, each that is wrong (told, and passed over), empty ones,
 * and options that go before them. */
#define _GNU_SOURCE
#include "attr.h"
#include "context.h"
#include "environment.h"
#include "log.h"
#include "sampling.h"
#include "spans.h"

#include <locale.h>

#include "alone.h"

static void read_all(const struct weir_options *given)
{
	struct weir_options o = {.size = sizeof o};

	weir__log_set(say_to_test, NULL, WEIR_LOG_DEBUG);
	assert_int_equal(weir__environment_traces(given != NULL ? given : &o), WEIR_OK);
}

ALONE(without_any)
{
	const struct weir__attr_limits *l = &weir__attr_limits;
	struct weir__spans_options s;

	read_all(NULL);
	s = weir__spans_options();
	assert_true(weir__sampling()->always && !weir__sampling()->ignore_parent);
	assert_true(weir__propagation.w3c && weir__propagation.baggage && !weir__propagation.b3 && !weir__propagation.b3_multi);
	assert_false(weir__propagation.disabled);
	assert_string_equal(weir__propagation.request_id_header, "X-Trace-ID");
	assert_true(l->attrs == 128 && l->events == 128 && l->links == 128 && l->event_attrs == 128 && l->link_attrs == 128);
	assert_int_equal(l->value_len, UINT32_MAX);
	assert_true(s.queue == 2048 && s.batch == 512 && s.delay_ns == WEIR_S(5) && s.timeout_ns == WEIR_S(30));
	assert_int_equal(s.pool_bytes, WEIR_MIB(16));
	assert_int_equal(said_count(), 0);
}

ALONE(empty_is_unset)
{
	static const char *const names[] = {"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_PROPAGATORS", "OTEL_SDK_DISABLED",
	                                    "OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_SPAN_EVENT_COUNT_LIMIT"};

	for (size_t i = 0; i < COUNT(names); i++)
		setenv(names[i], "", 1);
	read_all(NULL);
	assert_true(weir__sampling()->always && weir__propagation.w3c && weir__propagation.baggage);
	assert_int_equal(weir__attr_limits.attrs, 128);
	assert_int_equal(weir__spans_options().queue, 2048);
	assert_int_equal(said_count(), 0);
}

/* ---- samplers ---- */

static uint64_t threshold_of(const char *sampler, const char *arg)
{
	setenv("OTEL_TRACES_SAMPLER", sampler, 1);
	if (arg != NULL)
		setenv("OTEL_TRACES_SAMPLER_ARG", arg, 1);
	else
		unsetenv("OTEL_TRACES_SAMPLER_ARG");
	read_all(NULL);
	return weir__sampling()->threshold;
}

ALONE(samplers)
{
	static const struct {
		const char *name;
		bool always, never, ignore_parent;
	} list[] = {{"always_on", true, false, true}, {"always_off", false, true, true}, {"traceidratio", false, false, true},
	            {"parentbased_always_on", true, false, false}, {"parentbased_always_off", false, true, false},
	            {"parentbased_traceidratio", false, false, false}};

	for (size_t i = 0; i < COUNT(list); i++) {
		threshold_of(list[i].name, "0.25");
		assert_int_equal(weir__sampling()->always, list[i].always);
		assert_int_equal(weir__sampling()->never, list[i].never);
		assert_int_equal(weir__sampling()->ignore_parent, list[i].ignore_parent);
		if (!list[i].always && !list[i].never)
			assert_int_equal(weir__sampling()->threshold, 3 * (WEIR__NEVER / 4));
	}
	assert_int_equal(said_count(), 0);
	threshold_of("jaeger_remote", NULL);
	assert_true(weir__sampling()->always && !weir__sampling()->ignore_parent);
	assert_int_equal(said_times("jaeger_remote"), 1);
}

ALONE(ratios)
{
	static const struct {
		const char *arg;
		uint64_t ppm;
	} good[] = {{"1", 1000000}, {"0", 0}, {"0.5", 500000}, {".5", 500000}, {"1.", 1000000}, {"0.000001", 1}, {"0.1", 100000},
	            {"00.10", 100000}, {"1e-3", 1000}, {"5E-1", 500000}, {"0.01e+1", 100000}, {"0.3333333333333333", 333333}, {"1.0", 1000000}};
	static const char *const bad[] = {".", "-0.5", "1.1", "0.1.5", "0.1.", "x", "0.1x", " 0.1", "0.1 ", "nan", "inf", "0x1p-1", "1e", "1e-", "e-1",
	                                  "50%", "0,5", "1e5", "--1", "+0.5", "1e999999999999", "99999999999999999999999"};

	if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) /* where there is one whose point is a comma */
		setlocale(LC_ALL, "");
	for (size_t i = 0; i < COUNT(good); i++) {
		uint64_t threshold = threshold_of("traceidratio", good[i].arg), wanted = WEIR__NEVER - (uint64_t)((double)good[i].ppm / 1e6 * (double)WEIR__NEVER + 0.5);

		if (threshold != wanted)
			fail_msg("%s gave %llx", good[i].arg, (unsigned long long)threshold);
	}
	assert_int_equal(said_count(), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (threshold_of("traceidratio", bad[i]) != 0)
			fail_msg("%s was taken", bad[i]);
	assert_true(said_times("OTEL_TRACES_SAMPLER_ARG") > 0);
	assert_int_equal(threshold_of("parentbased_traceidratio", NULL), 0); /* 1 without it */
}

ALONE(an_option_goes_before_its_variable)
{
	struct weir_sampling s = {.size = sizeof s, .sampler = WEIR_SAMPLER_NEVER, .per_second = 5};
	struct weir_options o = {.size = sizeof o, .sampling = &s, .spans_queue = 77, .spans_bytes = 1};

	setenv("OTEL_TRACES_SAMPLER", "always_on", 1);
	setenv("OTEL_BSP_MAX_QUEUE_SIZE", "99", 1);
	read_all(&o);
	assert_true(weir__sampling()->never && weir__sampling()->per_second == 5);
	assert_int_equal(weir__spans_options().queue, 77);
	assert_int_equal(weir__spans_options().batch, 77); /* no more than there can be */
	assert_int_equal(weir__spans_options().pool_bytes, WEIR_KIB(64)); /* no less than is of use */
	s.sampler = WEIR_SAMPLER_ENV; /* left to the environment, the rest stays */
	read_all(&o);
	assert_true(weir__sampling()->always && weir__sampling()->ignore_parent && weir__sampling()->per_second == 5);
	s.size = 0;
	assert_int_equal(weir__environment_traces(&o), WEIR_EINVAL);
	s.size = sizeof s;
	s.ratio_ppm = 1000001;
	assert_int_equal(weir__environment_traces(&o), WEIR_EINVAL);
	s.ratio_ppm = 0;
	o.request_id_header = "X-A-Name-That-Is-Longer-Than-Sixty-Three-Bytes-And-Has-No-Room-Here";
	assert_int_equal(weir__environment_traces(&o), WEIR_EINVAL);
}

/* ---- propagators ---- */

ALONE(propagators)
{
	static const struct {
		const char *list;
		bool w3c, baggage, b3, multi;
		unsigned said;
	} list[] = {
		{"tracecontext", true, false, false, false, 0}, {"baggage", false, true, false, false, 0},
		{"tracecontext,baggage", true, true, false, false, 0}, {"b3", false, false, true, false, 0},
		{"b3multi", false, false, false, true, 0}, {" b3 ,\tb3multi ", false, false, true, true, 0},
		{"none", false, false, false, false, 0}, {"tracecontext,,", true, false, false, false, 0},
		{"tracecontext,xray", true, false, false, false, 1}, {"ottrace,b3", false, false, true, false, 1},
		{"jaeger", true, true, false, false, 1}, /* as if nothing stood there */
		{",", true, true, false, false, 0}, {"B3single", true, true, false, false, 1},
	};
	unsigned said_before = 0;

	for (size_t i = 0; i < COUNT(list); i++) {
		const struct weir__propagation *p = &weir__propagation;

		setenv("OTEL_PROPAGATORS", list[i].list, 1);
		read_all(NULL);
		if (p->w3c != list[i].w3c || p->baggage != list[i].baggage || p->b3 != list[i].b3 || p->b3_multi != list[i].multi)
			fail_msg("%s gave %d %d %d %d", list[i].list, p->w3c, p->baggage, p->b3, p->b3_multi);
		said_before += list[i].said;
	}
	assert_true(said_count() >= 1 && said_count() <= said_before); /* each message once a minute */
	assert_true(said_times("xray") == 1);
}

/* ---- numbers ---- */

ALONE(limits)
{
	struct weir__attr_limits *l = &weir__attr_limits;

	setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "10", 1);
	setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20", 1);
	read_all(NULL);
	assert_true(l->attrs == 10 && l->value_len == 20 && l->short_attrs == 0 && l->events == 128 && l->event_attrs == 128);
	setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "30", 1); /* the span's own goes before */
	setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "40", 1);
	setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "1", 1);
	setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "2", 1);
	setenv("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "3", 1);
	setenv("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "4", 1);
	read_all(NULL);
	assert_true(l->attrs == 30 && l->value_len == 40 && l->short_attrs == 30 && l->events == 1 && l->links == 2 && l->event_attrs == 3 && l->link_attrs == 4);
	assert_int_equal(said_count(), 0);
}

ALONE(numbers_that_are_none)
{
	static const char *const bad[] = {"x", "-1", "1x", " 1", "1 ", "1.5", "0x10", "99999999999999999999999", "65536", "+1", "1e3"};

	for (size_t i = 0; i < COUNT(bad); i++) {
		setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", bad[i], 1);
		read_all(NULL);
		if (weir__attr_limits.events != 128)
			fail_msg("%s was taken", bad[i]);
	}
	assert_true(said_times("OTEL_SPAN_EVENT_COUNT_LIMIT=x is no number from 0 to 65535: 128 is taken") == 1);
}

ALONE(the_queue)
{
	struct weir__spans_options s;

	setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100", 1);
	setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50", 1);
	setenv("OTEL_BSP_SCHEDULE_DELAY", "0", 1);
	setenv("OTEL_BSP_EXPORT_TIMEOUT", "0", 1);
	read_all(NULL);
	s = weir__spans_options();
	assert_true(s.queue == 100 && s.batch == 50 && s.delay_ns == 0 && s.timeout_ns == UINT64_MAX);
	setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "500", 1);
	setenv("OTEL_BSP_SCHEDULE_DELAY", "250", 1);
	setenv("OTEL_BSP_EXPORT_TIMEOUT", "1500", 1);
	read_all(NULL);
	s = weir__spans_options();
	assert_true(s.batch == 100 && s.delay_ns == WEIR_MS(250) && s.timeout_ns == WEIR_MS(1500));
	setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0", 1);
	setenv("OTEL_BSP_SCHEDULE_DELAY", "3600001", 1);
	read_all(NULL);
	s = weir__spans_options();
	assert_true(s.queue == 2048 && s.delay_ns == WEIR_S(5));
}

ALONE(disabled_is_true_only)
{
	static const struct {
		const char *value;
		bool disabled;
	} list[] = {{"true", true}, {"TRUE", true}, {"True", true}, {"1", false}, {"yes", false}, {"false", false}, {" true", false}};

	for (size_t i = 0; i < COUNT(list); i++) {
		setenv("OTEL_SDK_DISABLED", list[i].value, 1);
		read_all(NULL);
		assert_int_equal(weir__propagation.disabled, list[i].disabled);
	}
}

/* Text without end does no harm. */
ALONE(long_ones)
{
	static const char *const names[] = {"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_PROPAGATORS", "OTEL_SDK_DISABLED",
	                                    "OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_BSP_MAX_QUEUE_SIZE"};
	static const char fill[] = {'0', '9', ',', ' ', 'x', '.', (char)0xff};
	static char text[100001];

	setenv("OTEL_TRACES_SAMPLER", "traceidratio", 1);
	for (size_t n = 0; n < COUNT(names); n++) {
		for (size_t f = 0; f < COUNT(fill); f++) {
			memset(text, fill[f], sizeof text - 1);
			setenv(names[n], text, 1);
			read_all(NULL);
		}
		unsetenv(names[n]);
		setenv("OTEL_TRACES_SAMPLER", "traceidratio", 1);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(without_any),
	cmocka_unit_test(empty_is_unset),
	cmocka_unit_test(samplers),
	cmocka_unit_test(ratios),
	cmocka_unit_test(an_option_goes_before_its_variable),
	cmocka_unit_test(propagators),
	cmocka_unit_test(limits),
	cmocka_unit_test(numbers_that_are_none),
	cmocka_unit_test(the_queue),
	cmocka_unit_test(disabled_is_true_only),
	cmocka_unit_test(long_ones),
};
ALONE_MAIN(tests)
