/* Unit: src/sampling.c: the decision on a root: ratios that agree across services, rules, a limit a second, parents; and that a
 * setting is taken whole or not at all. */
#define _GNU_SOURCE
#include "sampling.h"
#include "context.h"
#include "tracestate.h"

#include "witness.h"

static struct weir_ctx ctx;

static void set(const struct weir_sampling *s)
{
	assert_int_equal(weir_sampling_set(s), WEIR_OK);
}
#define SET(...)                                                                                                       \
	do {                                                                                                           \
		struct weir_sampling s_ = {.size = sizeof s_, __VA_ARGS__};                                            \
		set(&s_);                                                                                              \
	} while (0)

/* Whether a request whose first span is this one is sampled. */
static bool decides(enum weir_span_kind kind, const char *name, struct weir_attrs attrs)
{
	struct weir_span_options o = {.size = sizeof o, .attrs = attrs};
	struct weir_span span;
	bool sampled;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin_opts(&span, &ctx, kind, name, &o);
	sampled = is_sampled(&ctx);
	assert_int_equal(weir_span_is_recording(&span), sampled);
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	return sampled;
}

static bool roots(void)
{
	return decides(WEIR_SERVER, "span", (struct weir_attrs){NULL, 0});
}

static bool continued(const char *traceparent, const char *tracestate)
{
	bool sampled;

	begin_with(&ctx, traceparent, tracestate);
	sampled = is_sampled(&ctx);
	return sampled;
}
#define YES "00-" TRACE "-" PARENT "-01"
#define NO "00-" TRACE "-" PARENT "-00"

/* ---- samplers ---- */

ALONE(always_never_and_parents)
{
	witness(NULL);
	assert_true(roots() && continued(YES, NULL) && !continued(NO, NULL)); /* the default */
	SET(.sampler = WEIR_SAMPLER_NEVER);
	assert_true(!roots() && continued(YES, NULL) && !continued(NO, NULL));
	SET(.sampler = WEIR_SAMPLER_NEVER, .ignore_parent = true);
	assert_true(!roots() && !continued(YES, NULL) && !continued(NO, NULL));
	SET(.sampler = WEIR_SAMPLER_ALWAYS, .ignore_parent = true);
	assert_true(roots() && continued(YES, NULL) && continued(NO, NULL));
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 1000000);
	assert_true(roots() && !continued(NO, NULL));
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 0);
	assert_true(!roots() && continued(YES, NULL));
	set(NULL); /* as the environment has it */
	assert_true(roots());
}

/* What goes out: the decision is ours, that the id is random the caller's word; other bits are nobody's. */
ALONE(of_the_callers_flags_random_stays_whatever_is_decided)
{
	static const struct {
		const char *in, *refused, *taken;
	} flags[] = {{"00", "00", "01"}, {"01", "00", "01"}, {"02", "02", "03"}, {"03", "02", "03"}, {"ff", "02", "03"}, {"fc", "00", "01"}};

	witness(NULL);
	for (int take = 0; take < 2; take++) {
		SET(.sampler = take != 0 ? WEIR_SAMPLER_ALWAYS : WEIR_SAMPLER_NEVER, .ignore_parent = true);
		for (size_t i = 0; i < COUNT(flags); i++) {
			char came[64], wanted[64];
			struct weir_span span;

			snprintf(came, sizeof came, "00-" TRACE "-" PARENT "-%s", flags[i].in);
			snprintf(wanted, sizeof wanted, "-%s", take != 0 ? flags[i].taken : flags[i].refused);
			begin_with(&ctx, came, NULL);
			weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
			assert_memory_equal(sent_value(&ctx, "traceparent"), "00-" TRACE "-", 36);
			assert_string_equal(sent_value(&ctx, "traceparent") + 52, wanted);
			weir_span_end(&span);
			weir_ctx_end(&ctx);
		}
	}
}

ALONE(nobody_takes_spans_nobody_samples)
{
	assert_false(roots()); /* weir is not started */
	assert_true(continued(YES, NULL)); /* a caller's word goes on as it is */
	assert_string_equal(sent_value(&ctx, "traceparent"), YES);
}

ALONE(disabled_is_as_unsampled)
{
	struct weir_exporter_options e = {.size = sizeof e, .name = "first", .spans = see_spans};
	struct weir_exporter *early;
	struct weir_span span;

	setenv("OTEL_SDK_DISABLED", "true", 1);
	assert_int_equal(weir_exporter_new(&early, &e), WEIR_OK); /* before init, too */
	witness(NULL);
	assert_false(roots());
	begin_with(&ctx, YES, "a=1");
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	assert_false(weir_span_is_recording(&span));
	assert_string_equal(sent_value(&ctx, "traceparent"), YES);
	assert_string_equal(sent_value(&ctx, "tracestate"), "a=1");
	weir_span_end(&span);
	assert_int_equal(see_all(), 0);
}

/* ---- ratios ---- */

enum { N = 100000 };
static unsigned sampled_of(unsigned n)
{
	unsigned sampled = 0;

	for (unsigned i = 0; i < n; i++) {
		weir_ctx_begin(&ctx, NULL, 0);
		sampled += is_sampled(&ctx);
		weir_ctx_end(&ctx);
	}
	return sampled;
}

ALONE(a_ratio_is_met)
{
	witness(NULL);
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 100000);
	assert_in_range(sampled_of(N), 9430, 10570); /* 95 is a standard deviation: 6 of them */
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 500000);
	assert_in_range(sampled_of(N), 49050, 50950);
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 1000);
	assert_in_range(sampled_of(N), 40, 160);
}

static uint64_t threshold_sent(void)
{
	const char *state = sent_value(&ctx, "tracestate"), *th = state != NULL ? strstr(state, "th:") : NULL;
	char digits[15] = "00000000000000";
	size_t len;

	assert_non_null(th);
	len = strspn(th + 3, "0123456789abcdef");
	assert_true(len >= 1 && len <= 14);
	memcpy(digits, th + 3, len);
	return strtoull(digits, NULL, 16);
}

/* The threshold on the wire is that of the ratio, and no trace below it was sampled: randomness R is kept where R >= T. */
ALONE(the_threshold_stands_on_the_wire)
{
	uint64_t wanted = (UINT64_C(1) << 56) - (UINT64_C(1) << 56) / 4;

	witness(NULL);
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 250000);
	for (int i = 0; i < 2000; i++) {
		struct weir_ids ids;
		uint64_t random;

		weir_ctx_begin(&ctx, NULL, 0);
		ids = weir_ctx_ids(&ctx);
		random = weir__ot_random_of(ids.trace_id);
		assert_int_equal(ids.flags & 1, random >= wanted);
		if (random >= wanted)
			assert_int_equal(threshold_sent(), wanted);
		else
			assert_null(sent_value(&ctx, "tracestate"));
		weir_ctx_end(&ctx);
	}
}

/* Two services, the second at the lesser ratio: what it samples the first one has, too. */
ALONE(two_services_agree)
{
	unsigned first = 0, second = 0;
	struct weir__sampling *low, *high;
	uint64_t threshold;

	witness(NULL);
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 200000);
	high = (struct weir__sampling *)(uintptr_t)weir__sampling();
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 50000, .ignore_parent = true);
	low = (struct weir__sampling *)(uintptr_t)weir__sampling();
	for (int i = 0; i < 20000; i++) {
		char traceparent[64], trace[33], span[17];
		struct weir_ids ids;
		bool here, there;

		weir_ctx_begin(&ctx, NULL, 0);
		ids = weir_ctx_ids(&ctx);
		weir_ctx_end(&ctx);
		here = weir__sampling_decide(high, weir__ot_random_of(ids.trace_id), WEIR_SERVER, weir_str_of("a"),
		                             (struct weir_attrs){NULL, 0}, &threshold);
		weir_ids_hex(&ids, trace, span);
		snprintf(traceparent, sizeof traceparent, "00-%s-%s-0%d", trace, span, here ? 3 : 2);
		there = continued(traceparent, NULL);
		assert_true(here || !there);
		assert_int_equal(there, weir__sampling_decide(low, weir__ot_random_of(ids.trace_id), WEIR_SERVER, weir_str_of("b"),
		                                              (struct weir_attrs){NULL, 0}, &threshold));
		first += here;
		second += there;
	}
	assert_in_range(first, 3600, 4400);
	assert_in_range(second, 800, 1200);
}

ALONE(explicit_randomness_goes_before_the_trace_id)
{
	witness(NULL);
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 500000, .ignore_parent = true);
	assert_true(continued(NO, "ot=rv:ffffffffffffff"));
	assert_string_equal(sent_value(&ctx, "tracestate"), "ot=th:8;rv:ffffffffffffff");
	assert_true(continued(NO, "ot=rv:80000000000000")); /* R = T */
	assert_false(continued(YES, "ot=rv:7fffffffffffff"));
	assert_false(continued("00-0000000000000000ffffffffffffffff-" PARENT "-01", "ot=rv:00000000000000"));
	assert_true(continued("00-00000000000000010080000000000000-" PARENT "-00", NULL)); /* the last 56 bits */
	assert_false(continued("00-0000000000000001ff7fffffffffffff-" PARENT "-00", NULL));
	assert_false(continued("00-0000000000000001ff7fffffffffffff-" PARENT "-00", "ot=rv:fff")); /* malformed */
}

ALONE(an_upstream_threshold)
{
	witness(NULL);
	assert_true(continued(YES, "a=1,ot=th:c;rv:ffffffffffffff,b=2")); /* the parent decides: untouched */
	assert_string_equal(sent_value(&ctx, "tracestate"), "a=1,ot=th:c;rv:ffffffffffffff,b=2");
	assert_false(continued(NO, "a=1,ot=th:c,b=2"));
	assert_string_equal(sent_value(&ctx, "tracestate"), "a=1,ot=th:c,b=2");
	SET(.sampler = WEIR_SAMPLER_NEVER, .ignore_parent = true);
	assert_false(continued(YES, "a=1,ot=th:c;x:y,b=2")); /* it is no longer so */
	assert_string_equal(sent_value(&ctx, "tracestate"), "ot=x:y,a=1,b=2");
	assert_false(continued(YES, "a=1,ot=th:c,b=2"));
	assert_string_equal(sent_value(&ctx, "tracestate"), "a=1,b=2");
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 250000, .ignore_parent = true);
	assert_true(continued(NO, "a=1,ot=rv:f0000000000000,b=2"));
	assert_string_equal(sent_value(&ctx, "tracestate"), "ot=th:c;rv:f0000000000000,a=1,b=2");
	SET(.sampler = WEIR_SAMPLER_ALWAYS, .per_second = 1000000, .ignore_parent = true); /* no probability is known */
	assert_true(continued(NO, "a=1,ot=th:c;rv:f0000000000000"));
	assert_string_equal(sent_value(&ctx, "tracestate"), "ot=rv:f0000000000000,a=1");
}

ALONE(children_keep_the_decision)
{
	struct weir_ctx child;

	witness(NULL);
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 500000);
	for (int i = 0; i < 100; i++) {
		char state[64] = "";
		bool sampled;

		weir_ctx_begin(&ctx, NULL, 0);
		sampled = is_sampled(&ctx);
		if (sampled)
			snprintf(state, sizeof state, "%s", sent_value(&ctx, "tracestate"));
		weir_ctx_begin_child(&child, &ctx);
		assert_int_equal(is_sampled(&child), sampled);
		if (sampled)
			assert_string_equal(sent_value(&child, "tracestate"), state);
	}
}

/* ---- rules ---- */

ALONE(the_first_rule_that_matches_gives_the_ratio)
{
	static const struct weir_sampling_rule rules[] = {
		{.name_prefix = "GET /health"},                                                           /* never */
		{.kind = WEIR_CONSUMER, .ratio_ppm = 0},
		{.attr_key = "url.path", .attr_prefix = "/admin", .ratio_ppm = 1000000},
		{.name_prefix = "GET ", .kind = WEIR_SERVER, .attr_key = "tenant", .attr_prefix = "gold", .ratio_ppm = 1000000},
		{.attr_key = "debug", .ratio_ppm = 1000000},
		{.name_prefix = "GET ", .ratio_ppm = 0},
	};
	const struct weir_attrs none = {NULL, 0};

	witness(NULL);
	SET(.sampler = WEIR_SAMPLER_ALWAYS, .rules = rules, .rules_count = COUNT(rules));
	assert_false(decides(WEIR_SERVER, "GET /healthz", none));
	assert_false(decides(WEIR_SERVER, "GET /health", WEIR_ATTRS_(weir_attr_str("url.path", "/admin")))); /* the first one */
	assert_false(decides(WEIR_CONSUMER, "orders", none));
	assert_true(decides(WEIR_PRODUCER, "orders", none)); /* none matches: the sampler's own */
	assert_true(decides(WEIR_SERVER, "GET /x", WEIR_ATTRS_(weir_attr_str("url.path", "/admin/users"))));
	assert_false(decides(WEIR_SERVER, "GET /x", WEIR_ATTRS_(weir_attr_str("url.path", "/adm"))));
	assert_false(decides(WEIR_SERVER, "GET /x", WEIR_ATTRS_(weir_attr_str("url.pat", "/admin"))));
	assert_true(decides(WEIR_SERVER, "GET /x", WEIR_ATTRS_(weir_attr_int("n", 1), weir_attr_str("tenant", "golden"))));
	assert_false(decides(WEIR_CLIENT, "GET /x", WEIR_ATTRS_(weir_attr_str("tenant", "golden"))));
	assert_true(decides(WEIR_CLIENT, "GET /x", WEIR_ATTRS_(weir_attr_str("debug", "")))); /* its being there is enough */
	assert_false(decides(WEIR_CLIENT, "GET /x", WEIR_ATTRS_(weir_attr_int("debug", 1)))); /* but as text */
	assert_false(decides(WEIR_CLIENT, "GET ", none));
	assert_true(decides(WEIR_CLIENT, "GET", none));
	assert_true(decides(WEIR_CLIENT, NULL, none));
	assert_true(decides(WEIR_CLIENT, "", WEIR_ATTRS_(weir_attr_str(NULL, "x"), weir_attr_str("url.path", NULL))));
	assert_true(continued(YES, NULL)); /* a caller's decision stands */
}

ALONE(a_rules_ratio_stands_on_the_wire)
{
	static const struct weir_sampling_rule rules[] = {{.name_prefix = "half", .ratio_ppm = 500000}, {.name_prefix = "", .ratio_ppm = 0}};
	struct weir_span span;
	unsigned sampled = 0;

	witness(NULL);
	SET(.sampler = WEIR_SAMPLER_ALWAYS, .rules = rules, .rules_count = COUNT(rules));
	for (int i = 0; i < 10000; i++) {
		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "half");
		if (is_sampled(&ctx)) {
			assert_string_equal(sent_value(&ctx, "tracestate"), "ot=th:8");
			sampled++;
		}
		weir_span_end(&span);
		weir_ctx_end(&ctx);
	}
	assert_in_range(sampled, 4700, 5300);
	assert_false(decides(WEIR_SERVER, NULL, (struct weir_attrs){NULL, 0})); /* "" matches all */
	assert_false(decides(WEIR_SERVER, "other", (struct weir_attrs){NULL, 0}));
}

/* ---- the limit ---- */

static unsigned total;
static void *many_roots(void *arg)
{
	struct weir_ctx own;

	for (int i = 0; i < 5000; i++) {
		weir_ctx_begin(&own, NULL, 0);
		__atomic_fetch_add(&total, is_sampled(&own), __ATOMIC_RELAXED);
		weir_ctx_end(&own);
	}
	return arg;
}

ALONE(a_limit_a_second)
{
	uint64_t began, seconds;

	witness(NULL);
	SET(.sampler = WEIR_SAMPLER_ALWAYS, .per_second = 10);
	began = now_ns() / WEIR_S(1);
	in_threads(4, many_roots, NULL);
	seconds = now_ns() / WEIR_S(1) - began + 1;
	assert_in_range(total, 10, 10 * seconds);
	assert_true(continued(YES, NULL)); /* roots only */
	sleep_ms(1100);
	assert_true(roots()); /* another second */
	SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = 0, .per_second = 10);
	sleep_ms(1100);
	assert_false(roots());
}

/* ---- settings ---- */

ALONE(a_setting_is_taken_whole_or_not_at_all)
{
	struct weir_sampling_rule rules[WEIR__RULES_MAX + 1];
	struct weir_sampling s = {.size = sizeof s, .sampler = WEIR_SAMPLER_NEVER};
	char name[8] = "GET";

	witness(NULL);
	memset(rules, 0, sizeof rules);
	s.ratio_ppm = 1000001;
	assert_int_equal(weir_sampling_set(&s), WEIR_EINVAL);
	s.ratio_ppm = 0;
	s.sampler = (enum weir_sampler)9;
	assert_int_equal(weir_sampling_set(&s), WEIR_EINVAL);
	s.sampler = WEIR_SAMPLER_NEVER;
	s.rules_count = 1;
	assert_int_equal(weir_sampling_set(&s), WEIR_EINVAL);
	s.rules = rules;
	s.rules_count = WEIR__RULES_MAX + 1;
	assert_int_equal(weir_sampling_set(&s), WEIR_EINVAL);
	s.rules_count = WEIR__RULES_MAX;
	rules[WEIR__RULES_MAX - 1].ratio_ppm = 1000001;
	assert_int_equal(weir_sampling_set(&s), WEIR_EINVAL);
	rules[WEIR__RULES_MAX - 1].ratio_ppm = 0;
	rules[3].kind = (enum weir_span_kind)9;
	assert_int_equal(weir_sampling_set(&s), WEIR_EINVAL);
	s.size = 0;
	assert_int_equal(weir_sampling_set(&s), WEIR_EINVAL);
	assert_true(roots()); /* nothing of all that */
	s.size = sizeof s;
	rules[3].kind = WEIR_SERVER;
	rules[0].name_prefix = name;
	assert_int_equal(weir_sampling_set(&s), WEIR_OK);
	name[0] = 'P'; /* rules are copied */
	assert_memory_equal(weir__sampling()->rules[0].name_prefix, "GET", 4);
	assert_false(roots());
}

ALONE(keeping_marks_and_sends_no_other_flag)
{
	struct weir_span span;

	witness(NULL);
	SET(.sampler = WEIR_SAMPLER_NEVER, .keep_failed = true);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "span");
	assert_true(weir_span_is_recording(&span));
	assert_int_equal(weir_ctx_ids(&ctx).flags, 2);
	assert_non_null(strstr(sent_value(&ctx, "traceparent"), "-02"));
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	assert_int_equal(see_all(), 0);
	SET(.sampler = WEIR_SAMPLER_ALWAYS, .keep_failed = true);
	assert_true(roots());
	assert_int_equal(see_all(), 1);
	assert_false(seen_list[0]->e.kept);
}

static void *settle_meanwhile(void *arg)
{
	struct weir_ctx own;

	while (!__atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE)) {
		weir_ctx_begin(&own, NULL, 0);
		weir_ctx_ids(&own);
		weir_ctx_end(&own);
	}
	return NULL;
}

ALONE(a_setting_may_change_at_any_time)
{
	bool done = false;
	pthread_t threads[2];
	static const struct weir_sampling_rule rules[] = {{.name_prefix = "GET", .ratio_ppm = 5}};

	witness(NULL);
	for (int i = 0; i < 2; i++)
		threads[i] = begin_thread(settle_meanwhile, &done);
	for (int i = 0; i < 300; i++)
		SET(.sampler = WEIR_SAMPLER_RATIO, .ratio_ppm = (uint32_t)i * 3000, .rules = i % 2 != 0 ? rules : NULL,
		    .rules_count = i % 2 != 0 ? 1 : 0);
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		end_thread(threads[i]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(always_never_and_parents),
	cmocka_unit_test(of_the_callers_flags_random_stays_whatever_is_decided),
	cmocka_unit_test(nobody_takes_spans_nobody_samples),
	cmocka_unit_test(disabled_is_as_unsampled),
	cmocka_unit_test(a_ratio_is_met),
	cmocka_unit_test(the_threshold_stands_on_the_wire),
	cmocka_unit_test(two_services_agree),
	cmocka_unit_test(explicit_randomness_goes_before_the_trace_id),
	cmocka_unit_test(an_upstream_threshold),
	cmocka_unit_test(children_keep_the_decision),
	cmocka_unit_test(the_first_rule_that_matches_gives_the_ratio),
	cmocka_unit_test(a_rules_ratio_stands_on_the_wire),
	cmocka_unit_test(a_limit_a_second),
	cmocka_unit_test(a_setting_is_taken_whole_or_not_at_all),
	cmocka_unit_test(keeping_marks_and_sends_no_other_flag),
	cmocka_unit_test(a_setting_may_change_at_any_time),
};
ALONE_MAIN(tests)
