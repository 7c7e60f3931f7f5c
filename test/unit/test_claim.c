/* Unit: src/claim.c: labels that a context fills: which series a record goes to, what is refused, and that a record that knows
 * its series makes no system call. */
#define _GNU_SOURCE
#include "claim.h"

#include <weir/abi/private.h>
#include <weir/weir.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "alone.h"

WEIR_COUNTER(requests, "requests_total", "Requests.", "method", WEIR_CLAIM("tenant"), "code");
WEIR_COUNTER(alone, "alone_total", "By tenant alone.", WEIR_CLAIM("tenant"));
WEIR_COUNTER(both, "both_total", "By two.", WEIR_CLAIM("tenant"), WEIR_CLAIM("plan"));
WEIR_COUNTER(plain, "plain_total", "Without claims.", "method");
WEIR_HISTOGRAM(body, WEIR_BUCKETS(WEIR_BYTES, WEIR_BOUNDS(10, 100)), "body_bytes", "Sizes.", WEIR_CLAIM("tenant"));
WEIR_HISTOGRAM(times, WEIR_LATENCY, "times_seconds", "Times.", "route", WEIR_CLAIM("tenant"));
WEIR_GAUGE(gauge, "gauge", "A gauge.", WEIR_CLAIM("tenant"));

static int tenant, plan;
static void define(void)
{
	tenant = weir_private_tag_define(&(struct weir_private_tag){"/org/tenant", "tenant", "app.tenant", "anonymous"});
	plan = weir_private_tag_define(&(struct weir_private_tag){"plan", "plan", NULL, ""});
}

static void begin(struct weir_ctx *ctx, const char *who)
{
	weir_ctx_begin(ctx, NULL, 0);
	weir_private_ctx_tags_begin(ctx, 1, 0);
	weir_private_ctx_tag(ctx, tenant, weir_str_of(who), weir_private_place_take(tenant, weir_str_of(who)));
}

/* Values joined by |, as the snapshot has them; UINT64_MAX: there is no such series. */
static uint64_t value_of(const char *name, const char *values)
{
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t value = UINT64_MAX;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		for (weir_series_begin(&s, &f); strcmp(f.name, name) == 0 && weir_series_next(&s);) {
			char text[300] = "";

			for (size_t k = 0; k < f.labels_count && s.values != NULL; k++) {
				assert_int_equal(strlen(s.values[k].ptr), s.values[k].len);
				snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", k != 0 ? "|" : "", s.values[k].ptr);
			}
			if (!s.overflow && strcmp(text, values) == 0) {
				assert_int_equal(value, UINT64_MAX); /* one series */
				value = s.count;
			}
		}
	weir_snapshot_destroy(snapshot);
	return value;
}

ALONE(the_context_fills_the_label)
{
	struct weir_ctx acme, globex;
	struct weir_scope scope;
	struct weir_span span;

	define();
	begin(&acme, "acme");
	begin(&globex, "globex");
	weir_counter_add_ctx(&requests, 1, &acme, "GET", "200");
	weir_counter_add_ctx(&requests, 2, &globex, "GET", "200");
	weir_counter_add_ctx(&requests, 4, &acme, "PUT", "200");
	weir_counter_add_ctx(&requests, 8, &acme, "GET", "200");
	assert_int_equal(value_of("requests_total", "GET|acme|200"), 9);
	assert_int_equal(value_of("requests_total", "GET|globex|200"), 2);
	assert_int_equal(value_of("requests_total", "PUT|acme|200"), 4);
	weir_counter_add_ctx(&alone, 3, &acme);
	assert_int_equal(value_of("alone_total", "acme"), 3);
	scope = weir_ctx_attach(&globex);
	weir_counter_add_ctx(&alone, 5, WEIR_CURRENT);
	weir_ctx_detach(scope);
	assert_int_equal(value_of("alone_total", "globex"), 5);
	weir_histogram_record_ctx(&body, 50, &acme);
	assert_int_equal(value_of("body_bytes", "acme"), 1);
	weir_span_begin(&span, &acme, WEIR_SERVER, "x");
	weir_span_end_record_with(&span, &times, "/");
	assert_int_equal(value_of("times_seconds", "/|acme"), 1);
	weir_span_begin(&span, &globex, WEIR_SERVER, "x");
	assert_true(weir_span_end_record(&span, &body) != 0);
	assert_int_equal(value_of("body_bytes", "globex"), 1);
	weir_span_begin(&span, NULL, WEIR_SERVER, "of nobody");
	weir_span_end_record_with(&span, &times, "/");
	weir_counter_add_values(&requests, 1, &globex, (const struct weir_str[]){{"A", 1}, {"B", 1}}, 2);
	assert_int_equal(value_of("requests_total", "A|globex|B"), 1);
	weir_histogram_record_values(&body, 1, &globex, NULL, 0);
	assert_int_equal(value_of("body_bytes", "globex"), 2);
	assert_int_equal(status_now().dropped_records, 0);
}

ALONE(what_a_context_does_not_say)
{
	struct weir_ctx ctx, never;

	memset(&never, 0xff, sizeof never);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_counter_add_ctx(&alone, 1, &ctx); /* nobody has defined it */
	weir_counter_add_ctx(&alone, 1, NULL);
	assert_int_equal(value_of("alone_total", ""), 2);
	define();
	weir_counter_add_ctx(&alone, 4, &ctx);
	weir_counter_add_ctx(&alone, 4, NULL);
	weir_counter_add_ctx(&alone, 4, &never);
	weir_private_ctx_tags_begin(&ctx, 2, 0);
	weir_counter_add_ctx(&alone, 4, &ctx);
	assert_int_equal(value_of("alone_total", ""), 2);
	assert_int_equal(value_of("alone_total", "anonymous"), 16);
	weir_counter_add_ctx(&both, 1, &ctx); /* the other's is the empty text */
	assert_int_equal(value_of("both_total", "anonymous|"), 1);
	weir_private_ctx_tag(&ctx, tenant, STR("without a place"), 0);
	weir_counter_add_ctx(&alone, 7, &ctx);
	assert_int_equal(value_of("alone_total", "other"), 7);
	weir_ctx_end(&ctx);
	weir_counter_add_ctx(&alone, 1, &ctx);
	assert_int_equal(value_of("alone_total", "anonymous"), 17);
	assert_int_equal(status_now().dropped_records, 0);
}

/* Two labels, and values that hold what stands in keys. */
ALONE(keys_are_told_from_values)
{
	struct weir_ctx ctx, other;

	define();
	begin(&ctx, "000");
	weir_private_ctx_tag(&ctx, plan, STR("-"), weir_private_place_take(plan, STR("-")));
	weir_ctx_begin(&other, NULL, 0);
	weir_counter_add_ctx(&both, 1, &ctx);
	weir_counter_add_ctx(&both, 2, &other);
	weir_counter_add_ctx(&requests, 1, &ctx, "000", "-");
	weir_counter_add_ctx(&requests, 2, &other, "000", "-");
	weir_counter_add_ctx(&requests, 4, &ctx, "\xff", "12345678");
	assert_int_equal(value_of("both_total", "000|-"), 1);
	assert_int_equal(value_of("both_total", "anonymous|"), 2);
	assert_int_equal(value_of("requests_total", "000|000|-"), 1);
	assert_int_equal(value_of("requests_total", "000|anonymous|-"), 2);
	assert_int_equal(value_of("requests_total", "\xef\xbf\xbd|000|12345678"), 4);
}

ALONE(other_forms_are_refused)
{
	const struct weir_counter *volatile hidden = &requests, *volatile hidden_plain = &plain;
	struct weir_str three[] = {{"GET", 3}, {"acme", 4}, {"200", 3}};
	struct weir_ctx ctx;
	uint64_t dropped = 0;

	define();
	begin(&ctx, "acme");
	weir_counter_add_with(hidden, 1, "GET", "acme", "200");
	weir_counter_add_with(hidden, 1, "GET", "200");
	assert_int_equal(status_now().dropped_labels, dropped += 2);
	assert_int_equal(weir_counter_with(hidden, "GET", "acme", "200").cell_, 0);
	assert_int_equal(weir_counter_values(&requests, three, 3).cell_, 0);
	weir_counter_add_values(&requests, 1, NULL, three, 3);
	weir_counter_add_values(&requests, 1, NULL, three, 2);
	weir_counter_add_values(&requests, 1, &ctx, three, 3);
	assert_int_equal(status_now().dropped_labels, dropped += 5);
	weir_counter_add_ctx(hidden, 1, &ctx, "GET");
	weir_counter_add_ctx(hidden, 1, &ctx, "GET", "acme", "200");
	weir_counter_add_ctx(hidden, 1, &ctx, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18");
	weir_counter_add_ctx(hidden_plain, 1, &ctx);
	weir_counter_add_ctx(hidden_plain, 1, &ctx, "GET", "200");
	assert_int_equal(status_now().dropped_labels, dropped += 5);
	weir_counter_add_ctx(&plain, 1, &ctx, "GET");
	assert_int_equal(value_of("plain_total", "GET"), 1);
	assert_int_equal(value_of("requests_total", "GET|acme|200"), UINT64_MAX);
	assert_int_equal(status_now().dropped_labels, dropped);
}

ALONE(a_definition_says_which)
{
	static const char *const labels[] = {"method", WEIR_CLAIM("tenant"), "code", NULL}, *const given[] = {"method", "tenant", "code", NULL},
	                         *const bad[] = {WEIR_CLAIM("a-b"), NULL}, *const twice[] = {WEIR_CLAIM("a"), "a", NULL},
	                         *const nameless[] = {WEIR_CLAIM(""), NULL};
	const struct weir_gauge *volatile hidden = &gauge;
	const struct weir_counter *made;
	const struct weir_gauge *level;
	struct weir_ctx ctx;

	define();
	assert_int_equal(weir_counter_create(&made, "requests_total", "Requests.", labels, NULL), WEIR_OK);
	begin(&ctx, "acme");
	weir_counter_add_ctx(made, 1, &ctx, "GET", "200");
	weir_counter_add_ctx(&requests, 1, &ctx, "GET", "200");
	assert_int_equal(value_of("requests_total", "GET|acme|200"), 2);
	assert_int_equal(weir_counter_create(&made, "requests_total", "Requests.", given, NULL), WEIR_ECONFLICT);
	assert_int_equal(weir_counter_create(&made, "bad_total", "Bad.", bad, NULL), WEIR_EINVAL);
	assert_int_equal(weir_counter_create(&made, "bad_total", "Bad.", twice, NULL), WEIR_EINVAL);
	assert_int_equal(weir_counter_create(&made, "bad_total", "Bad.", nameless, NULL), WEIR_EINVAL);
	assert_int_equal(weir_gauge_create(&level, "gauge_two", "A level.", labels, NULL), WEIR_EINVAL);
	weir_gauge_set(hidden, 1);
	assert_int_equal(status_now().dropped_refused, 1);
}

ALONE(the_cap_holds)
{
	struct weir_instrument_options cap = {.size = sizeof cap, .max_series = 3};
	struct weir_ctx ctx;

	define();
	assert_int_equal(weir_instrument_configure("alone_total", &cap), WEIR_OK);
	for (int n = 0; n < 10; n++) {
		char who[8];

		snprintf(who, sizeof who, "t%d", n);
		begin(&ctx, who);
		weir_counter_add_ctx(&alone, 1, &ctx);
	}
	assert_int_equal(value_of("alone_total", "t2"), 1);
	assert_int_equal(value_of("alone_total", "t3"), UINT64_MAX);
	assert_int_equal(status_now().overflowed, 7);
}

static struct weir_ctx tagged, bare;
static void each(int i)
{
	weir_counter_add_ctx(&requests, 1, i % 2 != 0 ? &tagged : &bare, i % 3 != 0 ? "GET" : "POST", "200");
	weir_counter_add_ctx(&alone, 1, &tagged);
	weir_histogram_record_ctx(&body, (uint64_t)i, &tagged);
	(void)weir_ctx_get_claim(&tagged, "tenant");
}

static bool no_filter;
static void *strict(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {(unsigned short)COUNT(code), code};

	(void)arg;
	for (int i = 0; i < 12; i++)
		each(i);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		no_filter = true;
		return NULL;
	}
	for (int i = 0; i < 100000; i++)
		each(i);
#if defined(__x86_64__)
	for (;;)
		__asm__ volatile("syscall" : : "a"((long)SYS_exit), "D"(0L) : "rcx", "r11", "memory");
#else
	for (;;)
		syscall(SYS_exit, 0);
#endif
}

ALONE(a_record_makes_no_system_call)
{
	pthread_t thread;

	if (SANITIZED)
		alone_skip("a sanitizer makes calls of its own");
	define();
	begin(&tagged, "acme");
	weir_ctx_begin(&bare, NULL, 0);
	pthread_create(&thread, NULL, strict, NULL);
	pthread_join(thread, NULL);
	if (no_filter)
		alone_skip("this system installs no seccomp filter");
	assert_int_equal(value_of("alone_total", "acme"), 100012);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_context_fills_the_label),
	cmocka_unit_test(what_a_context_does_not_say),
	cmocka_unit_test(keys_are_told_from_values),
	cmocka_unit_test(other_forms_are_refused),
	cmocka_unit_test(a_definition_says_which),
	cmocka_unit_test(the_cap_holds),
	cmocka_unit_test(a_record_makes_no_system_call),
};
ALONE_MAIN(tests)
