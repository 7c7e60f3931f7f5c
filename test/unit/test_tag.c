/* Unit: src/tag.c: tags are defined once; a context holds 8 values in 240 bytes, hands them to its children, and its first span
 * has their attributes. */
#define _GNU_SOURCE
#include "tag.h"

#include <weir/abi/private.h>
#include <weir/weir.h>

#include "alone.h"

static int define(const char *name, const char *label, const char *attribute, const char *absent)
{
	struct weir_private_tag tag = {name, label, attribute, absent};

	return weir_private_tag_define(&tag);
}

static bool is(struct weir_str got, const char *wanted)
{
	return got.ptr != NULL && got.len == strlen(wanted) && memcmp(got.ptr, wanted, got.len) == 0;
}

ALONE(the_same_three_are_the_same_tag)
{
	char name[] = "tenant";
	int one = define(name, "tenant", "app.tenant", "anonymous"), two = define("/sub", NULL, "enduser.id", NULL);

	assert_int_equal(one, 1);
	assert_int_equal(two, 2);
	name[0] = 'X'; /* it is copied */
	assert_int_equal(define("tenant", "tenant", "app.tenant", "another"), one);
	assert_int_equal(define("/sub", NULL, "enduser.id", NULL), two);
	assert_int_equal(define("/sub", NULL, NULL, NULL), 3);
	assert_string_equal(weir__tag(1)->absent, "anonymous");
	assert_int_equal(weir__tag_of_label("tenant"), one);
	assert_int_equal(weir__tag_of_label("sub"), 0);
}

ALONE(what_is_against_the_rules_is_refused)
{
	assert_int_equal(weir_private_tag_define(NULL), WEIR_EINVAL);
	assert_int_equal(define(NULL, "a", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(define("", "a", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(define("a", "a-b", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(define("a", "", NULL, NULL), WEIR_EINVAL);
	assert_int_equal(define("a", NULL, "", NULL), WEIR_EINVAL);
	assert_int_equal(define("a", "a", NULL, NULL), 1);
	assert_int_equal(define("b", "a", NULL, NULL), WEIR_ECONFLICT);
	assert_int_equal(define("a", "a", "other", NULL), WEIR_ECONFLICT);
	for (int n = 2; n <= WEIR__TAGS_MAX; n++) {
		char name[16];

		snprintf(name, sizeof name, "t%d", n);
		assert_int_equal(define(name, NULL, NULL, NULL), n);
	}
	assert_int_equal(define("more", NULL, NULL, NULL), WEIR_ELIMIT);
	assert_int_equal(define("a", "a", NULL, NULL), 1);
}

ALONE(a_context_holds_what_it_is_given)
{
	int tenant = define("/org/tenant", "tenant", "app.tenant", NULL), sub = define("sub", NULL, NULL, NULL);
	struct weir_ctx ctx, child;
	char text[] = "acme";
	uint64_t expiry = 1;

	memset(&ctx, 0xff, sizeof ctx);
	assert_null(weir_ctx_get_claim(&ctx, "tenant").ptr); /* never begun */
	assert_false(weir_private_ctx_tag(&ctx, tenant, STR("x"), 0));
	weir_ctx_begin(&ctx, NULL, 0);
	assert_int_equal(weir_private_ctx_tags_result(&ctx, &expiry), 0);
	assert_int_equal(expiry, 0);
	assert_false(weir_private_ctx_tag(&ctx, tenant, STR("x"), 0)); /* not begun */
	weir_private_ctx_tags_begin(&ctx, 7, 1234567890123);
	assert_true(weir_private_ctx_tag(&ctx, tenant, weir_str_of(text), 0x500000001));
	assert_true(weir_private_ctx_tag(&ctx, sub, STR(""), 0));
	text[0] = 'X';
	assert_true(is(weir_ctx_get_claim(&ctx, "/org/tenant"), "acme"));
	assert_true(is(weir_ctx_get_claim(&ctx, "tenant"), "acme"));
	assert_true(is(weir_ctx_get_claim(&ctx, "app.tenant"), "acme"));
	assert_true(is(weir_ctx_get_claim(&ctx, "sub"), ""));
	assert_null(weir_ctx_get_claim(&ctx, "iss").ptr);
	assert_null(weir_ctx_get_claim(&ctx, NULL).ptr);
	assert_null(weir_ctx_get_claim(NULL, "tenant").ptr); /* there is no current one */
	assert_true(is(weir_private_ctx_tag_value(&ctx, tenant), "acme"));
	assert_null(weir_private_ctx_tag_value(&ctx, 0).ptr);
	assert_null(weir_private_ctx_tag_value(&ctx, 77).ptr);
	assert_int_equal(weir_private_ctx_tags_result(&ctx, &expiry), 7);
	assert_int_equal(expiry, 1234567890123);
	weir_ctx_begin_child(&child, &ctx);
	weir_private_ctx_tags_begin(&ctx, 9, 0); /* takes off what was there */
	assert_null(weir_ctx_get_claim(&ctx, "tenant").ptr);
	weir_ctx_end(&ctx);
	assert_int_equal(weir_private_ctx_tags_result(&ctx, NULL), 0);
	assert_true(is(weir_ctx_get_claim(&child, "tenant"), "acme"));
	assert_int_equal(weir_private_ctx_tags_result(&child, NULL), 7);
	weir_ctx_begin(&child, NULL, 0);
	assert_null(weir_ctx_get_claim(&child, "tenant").ptr);
	assert_int_equal(status_now().tags_dropped, 2);
}

ALONE(what_does_not_fit_is_counted)
{
	int tag = define("a", NULL, NULL, NULL);
	char text[300];
	struct weir_ctx ctx;

	memset(text, 'v', sizeof text);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_private_ctx_tags_begin(&ctx, 1, 0);
	assert_false(weir_private_ctx_tag(&ctx, tag, weir_str_n(text, 233), 0));
	assert_false(weir_private_ctx_tag(&ctx, tag, weir_str_n(text, 300), 0));
	assert_false(weir_private_ctx_tag(&ctx, tag, weir_str_n(text, SIZE_MAX - 4), 0));
	assert_true(weir_private_ctx_tag(&ctx, tag, weir_str_n(text, 232), 0));
	assert_int_equal(weir_ctx_get_claim(&ctx, "a").len, 232);
	assert_false(weir_private_ctx_tag(&ctx, tag, STR(""), 0));
	weir_private_ctx_tags_begin(&ctx, 1, 0);
	for (int n = 0; n < 8; n++)
		assert_true(weir_private_ctx_tag(&ctx, tag, STR("x"), 0));
	assert_false(weir_private_ctx_tag(&ctx, tag, STR("x"), 0));
	assert_false(weir_private_ctx_tag(&ctx, 0, STR("x"), 0));
	assert_false(weir_private_ctx_tag(&ctx, -1, STR("x"), 0));
	assert_false(weir_private_ctx_tag(&ctx, 2, STR("x"), 0));
	assert_int_equal(status_now().tags_dropped, 8);
}

static struct {
	char text[512];
	uint64_t spans, dropped;
} seen;

static int take_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct weir_ended e;

	(void)arg;
	(void)timeout_ns;
	for (weir_ended_begin(&e, batch); weir_ended_next(&e);) {
		size_t at = strlen(seen.text);

		at += (size_t)snprintf(seen.text + at, sizeof seen.text - at, "%.*s:", (int)e.name.len, e.name.ptr);
		for (size_t k = 0; k < e.attrs.count; k++)
			at += (size_t)snprintf(seen.text + at, sizeof seen.text - at, "%.*s=%.*s,", (int)e.attrs.ptr[k].key.len,
			                       e.attrs.ptr[k].key.ptr, (int)e.attrs.ptr[k].as.str.len, e.attrs.ptr[k].as.str.ptr);
		snprintf(seen.text + at, sizeof seen.text - at, " ");
		seen.spans++;
		seen.dropped += e.dropped_attrs;
	}
	return WEIR_OK;
}

ALONE(the_first_span_has_the_attributes)
{
	struct weir_options options = {.size = sizeof options, .no_thread = true};
	struct weir_exporter_options o = {.size = sizeof o, .name = "test", .spans = take_spans};
	int tenant = define("/org/tenant", "tenant", "app.tenant", NULL), sub = define("sub", "sub", NULL, NULL);
	struct weir_exporter *exporter;
	struct weir_ctx ctx, child;
	struct weir_span first, inner, work;

	assert_int_equal(weir_init(&options), WEIR_OK);
	assert_int_equal(weir_exporter_new(&exporter, &o), WEIR_OK);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&first, &ctx, WEIR_SERVER, "first");
	weir_private_ctx_tags_begin(&ctx, 1, 0);
	weir_private_ctx_tag(&ctx, tenant, STR("acme"), 0);
	weir_private_ctx_tag(&ctx, sub, STR("joe"), 0);
	weir_span_begin(&inner, &ctx, WEIR_INTERNAL, "inner");
	weir_ctx_begin_child(&child, &ctx);
	weir_span_begin(&work, &child, WEIR_INTERNAL, "work");
	weir_span_end(&work);
	weir_span_end(&inner);
	weir_span_end(&first);
	weir_span_begin(&inner, &ctx, WEIR_INTERNAL, "later");
	weir_span_end(&inner);
	weir_ctx_end(&child);
	weir_ctx_end(&ctx);
	assert_int_equal(weir_flush(WEIR_S(5)), WEIR_OK);
	assert_string_equal(seen.text, "work:app.tenant=acme, inner: first:app.tenant=acme, later: ");
	seen.text[0] = '\0';
	/* no room in the span: dropped, and counted there */
	weir_ctx_begin(&ctx, NULL, 0);
	weir_private_ctx_tags_begin(&ctx, 1, 0);
	weir_private_ctx_tag(&ctx, tenant, STR("0123456789012345678901234567890123456789"), 0);
	weir_span_begin(&first, &ctx, WEIR_INTERNAL, "full");
	for (int n = 0; n < 40; n++)
		weir_span_event(&first, "an event that takes room");
	weir_span_end(&first);
	weir_ctx_end(&ctx);
	assert_int_equal(weir_flush(WEIR_S(5)), WEIR_OK);
	assert_string_equal(seen.text, "full: ");
	assert_int_equal(seen.dropped, 1);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_same_three_are_the_same_tag),
	cmocka_unit_test(what_is_against_the_rules_is_refused),
	cmocka_unit_test(a_context_holds_what_it_is_given),
	cmocka_unit_test(what_does_not_fit_is_counted),
	cmocka_unit_test(the_first_span_has_the_attributes),
};
ALONE_MAIN(tests)
