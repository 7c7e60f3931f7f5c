/* Unit: src/thread_context.c: the variable that a stranger finds by its name leads to the current context's record: in each
 * thread, nested, put right after a detach out of order, and to none in a forked child. */
#define _GNU_SOURCE
#include "clock.h"
#include "context.h"
#include "thread_context.h"

#include <weir/abi/thread_context.h>
#include <weir/weir.h>

#include "alone.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/syscall.h>

/* By name, as the dynamic symbol table has it: the calling thread's. */
static const struct weir_thread_context *seen(void)
{
	const void *const *variable = dlsym(RTLD_DEFAULT, "otel_thread_ctx_v1");

	assert_non_null(variable);
	assert_ptr_equal(variable, weir__thread_context());
	return *variable;
}

static void begin(struct weir_ctx *ctx, int digit)
{
	struct weir_header header = {weir_str_of("traceparent"), {NULL, 55}};
	char text[56] = "00-00000000000000000000000000000000-0000000000000000-00";

	memset(text + 3, '0' + digit, 32);
	memset(text + 36, '0' + digit, 16);
	header.value.ptr = text;
	weir_ctx_begin(ctx, &header, 1);
	weir_ctx_ids(ctx);
}

static bool is(const struct weir_thread_context *record, int digit)
{
	uint8_t wanted[24];

	memset(wanted, digit | digit << 4, sizeof wanted);
	return record != NULL && record->valid == 1 && memcmp(record, wanted, sizeof wanted) == 0;
}

ALONE(attach_shows_and_detach_hides)
{
	struct weir_ctx one, two;
	struct weir_scope a, b;

	assert_null(seen());
	begin(&one, 1);
	begin(&two, 2);
	a = weir_ctx_attach(&one);
	assert_true(is(seen(), 1));
	b = weir_ctx_attach(&two);
	assert_true(is(seen(), 2));
	weir_ctx_detach(b);
	assert_true(is(seen(), 1));
	b = weir_ctx_attach(NULL); /* the current one again */
	assert_true(is(seen(), 1));
	weir_ctx_detach(b);
	weir_ctx_detach(a);
	assert_null(seen());
	weir_ctx_detach(a);
	assert_null(seen());
}

ALONE(deeper_than_is_remembered_and_out_of_order)
{
	struct weir_ctx ctx[9];
	struct weir_scope scopes[60];

	for (int n = 1; n < 9; n++)
		begin(&ctx[n], n);
	for (int n = 0; n < 60; n++) {
		scopes[n] = weir_ctx_attach(&ctx[n % 8 + 1]);
		assert_true(is(seen(), n % 8 + 1));
	}
	for (int n = 60; n-- > 10;) {
		weir_ctx_detach(scopes[n]);
		assert_true(is(seen(), (n - 1) % 8 + 1));
	}
	weir_ctx_detach(scopes[8]); /* not the innermost: it stays */
	assert_true(is(seen(), 9 % 8 + 1));
	weir_ctx_detach(scopes[9]);
	assert_true(is(seen(), 7 % 8 + 1));
	for (int n = 8; n-- > 0;)
		weir_ctx_detach(scopes[n]);
	assert_null(seen());
}

ALONE(what_was_never_begun_is_not_valid)
{
	struct weir_ctx ctx;
	struct weir_scope scope;

	memset(&ctx, 1, sizeof ctx); /* which reads as valid */
	scope = weir_ctx_attach(&ctx);
	assert_ptr_equal(seen(), &ctx);
	assert_int_equal(seen()->valid, 0);
	weir_ctx_detach(scope);
	scope = weir_ctx_attach(weir_ctx_current()); /* the empty one */
	assert_null(seen());
	weir_ctx_detach(scope);
}

ALONE(the_innermost_span_is_seen)
{
	struct weir_options o = {.size = sizeof o, .no_thread = true};
	struct weir_ids ids;
	struct weir_ctx ctx;
	struct weir_scope scope;

	assert_int_equal(weir_init(&o), WEIR_OK);
	weir_ctx_begin(&ctx, NULL, 0);
	scope = weir_ctx_attach(&ctx);
	assert_int_equal(seen()->valid, 0);
	ids = weir_ctx_ids(NULL);
	assert_memory_equal(seen()->trace_id, ids.trace_id, 16);
	assert_memory_equal(seen()->span_id, ids.span_id, 8);
	assert_int_equal(seen()->flags, ids.flags);
	weir_ctx_end(&ctx); /* while it is attached */
	assert_int_equal(seen()->valid, 0);
	weir_ctx_detach(scope);
}

/* ---- a root that nobody records: its ids are made when somebody asks (test_span_refused.c) ---- */

static const struct weir_thread_context *whole(const struct weir_ctx *ctx)
{
	const struct weir_thread_context *record = seen();
	static const uint8_t none[16];
	struct weir_ids ids;

	assert_ptr_equal(record, ctx);
	assert_int_equal(record->valid, 1); /* looked at before the ids are asked for, which makes them */
	assert_memory_not_equal(record->trace_id, none, 16);
	assert_memory_not_equal(record->span_id, none, 8);
	ids = weir_ctx_ids(ctx);
	assert_memory_equal(record->trace_id, ids.trace_id, 16);
	assert_memory_equal(record->span_id, ids.span_id, 8);
	assert_int_equal(record->flags, ids.flags);
	return record;
}

/* by_counter: once the processor's counter is trusted (where it is at all), which is another way. */
static void refuse_all(bool by_counter)
{
	const struct weir_sampling never = {.size = sizeof never, .sampler = WEIR_SAMPLER_NEVER};

	assert_int_equal(weir_init(&(struct weir_options){.size = sizeof(struct weir_options), .no_thread = true}), WEIR_OK);
	assert_int_equal(weir_sampling_set(&never), WEIR_OK);
	weir_thread_attach();
	if (by_counter) {
		sleep_ms(120);
		weir__clock_anchor();
	}
}

static bool is_refused(const struct weir_ctx *ctx)
{
	return (weir__ctx_of(ctx)->state & WEIR__CTX_REFUSED) != 0;
}

static void attached_before(bool by_counter)
{
	struct weir_ctx ctx;
	struct weir_span span;
	struct weir_scope scope;

	refuse_all(by_counter);
	weir_ctx_begin(&ctx, NULL, 0);
	scope = weir_ctx_attach(&ctx);
	assert_int_equal(seen()->valid, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
	assert_true(is_refused(&ctx));
	whole(&ctx);
	weir_span_end(&span);
	whole(&ctx);
	weir_ctx_detach(scope);
	assert_null(seen());
}

ALONE(a_refused_root_attached_before_its_first_span_is_seen)
{
	attached_before(false);
}

ALONE(a_refused_root_by_the_counter_attached_before_its_first_span_is_seen)
{
	attached_before(true);
}

static void attached_after(bool by_counter)
{
	struct weir_ctx ctx;
	struct weir_span span;
	struct weir_scope scope;

	refuse_all(by_counter);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
	assert_true(is_refused(&ctx));
	assert_int_equal(weir__ctx_of(&ctx)->record.valid, 0); /* nobody has asked */
	scope = weir_ctx_attach(&ctx);
	whole(&ctx);
	weir_ctx_detach(scope);
	scope = weir_ctx_attach(&ctx); /* once more: the same */
	whole(&ctx);
	weir_ctx_detach(scope);
	weir_span_end(&span);
}

ALONE(a_refused_root_attached_after_its_first_span_is_seen)
{
	attached_after(false);
}

ALONE(a_refused_root_by_the_counter_attached_after_its_first_span_is_seen)
{
	attached_after(true);
}

static struct weir_ids ids_of_refused(bool before, bool after)
{
	struct weir_ctx ctx;
	struct weir_span span;
	struct weir_scope scope = {{0, 0}};

	weir_ctx_begin(&ctx, NULL, 0);
	if (before)
		scope = weir_ctx_attach(&ctx);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
	assert_true(is_refused(&ctx));
	if (after)
		scope = weir_ctx_attach(&ctx);
	if (before || after)
		whole(&ctx);
	else
		assert_int_equal(weir__ctx_of(&ctx)->record.valid, 0);
	if (before || after)
		weir_ctx_detach(scope);
	weir_span_end(&span);
	return weir_ctx_ids(&ctx);
}

ALONE(a_refused_root_has_the_ids_of_its_first_span_whoever_asks_and_when)
{
	struct weir_ctx ctx, child;
	struct weir_span span, inner;
	struct weir_scope scope;
	struct weir_ids first, ids;

	refuse_all(true);
	weir_ctx_begin(&ctx, NULL, 0); /* not attached: asked for only now */
	weir_span_begin(&span, &ctx, WEIR_SERVER, "root");
	weir_span_begin(&inner, &ctx, WEIR_INTERNAL, "inner");
	weir_span_end(&inner);
	weir_span_end(&span);
	assert_int_equal(weir__ctx_of(&ctx)->record.valid, 0);
	first = weir_ctx_ids(&ctx);
	scope = weir_ctx_attach(&ctx); /* and seen from outside as what was told */
	assert_memory_equal(seen()->trace_id, first.trace_id, 16);
	assert_memory_equal(seen()->span_id, first.span_id, 8);
	whole(&ctx);
	weir_ctx_detach(scope);
	ids = weir_ctx_ids(&ctx);
	assert_memory_equal(&ids, &first, sizeof ids);
	weir_ctx_begin_child(&child, &ctx);
	scope = weir_ctx_attach(&child);
	assert_memory_equal(whole(&child)->trace_id, first.trace_id, 16);
	weir_ctx_detach(scope);
	for (int n = 0; n < 3; n++) { /* no two are the same */
		ids = ids_of_refused(n == 1, n == 2);
		assert_memory_not_equal(ids.trace_id, first.trace_id, 16);
	}
}

/* ---- threads ---- */

enum { TURNS = 1000 };

static void *attach_and_detach(void *arg)
{
	struct weir_ctx ctx[3];
	struct weir_scope scopes[3];
	static uint32_t number;
	uint32_t seed = __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED), at = 0;

	(void)arg;
	assert_null(seen());
	for (int n = 0; n < 3; n++)
		begin(&ctx[n], (int)(seed + (uint32_t)n) % 9 + 1);
	for (int turn = 0; turn < TURNS; turn++) {
		seed = seed * 1664525 + 1013904223;
		if (at == 3 || (at != 0 && seed >> 31 != 0))
			weir_ctx_detach(scopes[--at]);
		else {
			scopes[at] = weir_ctx_attach(&ctx[at]);
			at++;
		}
		assert_ptr_equal(seen(), at != 0 ? &ctx[at - 1] : NULL);
	}
	return NULL; /* attached still: the next thread to have this one's shard begins with none */
}

ALONE(a_thousand_turns_in_each_of_many_threads)
{
	for (int round = 0; round < 4; round++)
		in_threads(16, attach_and_detach, NULL);
}

/* ---- signals ---- */

static struct weir_ctx inner;

static void attach_in_handler(int number)
{
	struct weir_scope scope = weir_ctx_attach(&inner);

	(void)number;
	if (*weir__thread_context() != &inner)
		_exit(ALONE_FAILED);
	weir_ctx_detach(scope);
}

ALONE(a_handler_leaves_it_as_it_was)
{
	struct sigaction action = {.sa_handler = attach_in_handler};
	struct weir_ctx outer;

	begin(&outer, 1);
	begin(&inner, 2);
	assert_int_equal(sigaction(SIGPROF, &action, NULL), 0);
	for (int turn = 0; turn < 100000; turn++) {
		struct weir_scope scope;

		if (turn % 50 == 0)
			raise(SIGPROF);
		scope = weir_ctx_attach(&outer);
		assert_ptr_equal(*weir__thread_context(), &outer);
		weir_ctx_detach(scope);
		assert_null(*weir__thread_context());
	}
}

/* ---- fork ---- */

static void none_is_current(void)
{
	struct weir_ctx ctx;
	struct weir_scope scope;

	assert_null(seen());
	begin(&ctx, 4);
	scope = weir_ctx_attach(&ctx);
	assert_true(is(seen(), 4));
	weir_ctx_detach(scope);
	assert_null(seen());
}

ALONE(a_forked_child_is_at_no_request)
{
	struct weir_ctx ctx;

	assert_int_equal(weir_init(NULL), WEIR_OK);
	begin(&ctx, 3);
	weir_ctx_attach(&ctx);
	in_child(none_is_current);
	assert_true(is(seen(), 3));
}

/* Without fork's handlers, or without weir_init: from its first use of weir on. */
ALONE(a_cloned_child_is_at_no_request_once_it_uses_weir)
{
	struct weir_ctx ctx;
	pid_t child;

	begin(&ctx, 3);
	weir_ctx_attach(&ctx);
	child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (child == 0) {
		weir_thread_attach();
		_exit(seen() == NULL ? 0 : ALONE_FAILED);
	}
	assert_int_equal(end_of(child), 0);
	assert_true(is(seen(), 3));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(attach_shows_and_detach_hides),
	cmocka_unit_test(deeper_than_is_remembered_and_out_of_order),
	cmocka_unit_test(what_was_never_begun_is_not_valid),
	cmocka_unit_test(the_innermost_span_is_seen),
	cmocka_unit_test(a_refused_root_attached_before_its_first_span_is_seen),
	cmocka_unit_test(a_refused_root_attached_after_its_first_span_is_seen),
	cmocka_unit_test(a_refused_root_by_the_counter_attached_before_its_first_span_is_seen),
	cmocka_unit_test(a_refused_root_by_the_counter_attached_after_its_first_span_is_seen),
	cmocka_unit_test(a_refused_root_has_the_ids_of_its_first_span_whoever_asks_and_when),
	cmocka_unit_test(a_thousand_turns_in_each_of_many_threads),
	cmocka_unit_test(a_handler_leaves_it_as_it_was),
	cmocka_unit_test(a_forked_child_is_at_no_request),
	cmocka_unit_test(a_cloned_child_is_at_no_request_once_it_uses_weir),
};
ALONE_MAIN(tests)
