/* Unit: src/retire.c: a place that is given up: who still has it records as "other", what its series held is counted as retired,
 * once, and the next text begins at zero; whatever threads, signals, snapshots and forked children do meanwhile.
 * test_retire_outside.c has who reads the segment, and all at once. */
#include "test_retire.h"

/* ---- turns ---- */

ALONE(what_it_held_is_retired)
{
	struct weir_ctx acme, globex;
	uint64_t place, next;

	start();
	place = begin(&acme, "acme");
	weir_counter_add_ctx(&requests, 5, &acme, "GET");
	weir_counter_add_ctx(&requests, 7, &acme, "PUT");
	weir_histogram_record_ctx(&body, 50, &acme);
	weir_histogram_record_ctx(&body, 5000, &acme);
	assert_true(weir_private_place_give_up(place, 0));
	assert_false(weir_private_place_is_current(place));
	assert_true(weir_private_place_give_up(place, 0)); /* twice is harmless */
	weir_counter_add_ctx(&requests, 1, &acme, "GET");
	assert_int_equal(value_of("requests_total", "GET|other"), 1);
	assert_int_equal(value_of("requests_total", "GET|acme"), 5);
	weir__places_retire();
	assert_int_equal(value_of("requests_total", "GET|acme"), UINT64_MAX);
	assert_int_equal(value_of("requests_total", "PUT|acme"), UINT64_MAX);
	assert_int_equal(value_of("body_bytes", "acme"), UINT64_MAX);
	assert_int_equal(value_of("requests_total", "GET|other"), 1);
	assert_int_equal(value_of("weir_series_retired_total", "requests_total"), 12);
	assert_int_equal(value_of("weir_series_retired_total", "body_bytes"), 2);
	assert_false(weir__places_leave());
	/* its number goes to the next, and nothing of it but that */
	next = begin(&globex, "globex");
	assert_int_equal(weir__place_in(next), weir__place_in(place));
	assert_int_not_equal(next, place);
	assert_int_equal(value_of("requests_total", "GET|globex"), UINT64_MAX);
	weir_counter_add_ctx(&requests, 2, &globex, "GET");
	weir_counter_add_ctx(&requests, 1, &acme, "GET");
	assert_int_equal(value_of("requests_total", "GET|globex"), 2);
	assert_int_equal(value_of("requests_total", "GET|other"), 2);
	weir_histogram_record_ctx(&body, 7, &globex);
	{
		struct weir_snapshot *snapshot;
		struct weir_series s;

		assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
		assert_true(find(snapshot, "body_bytes", "globex", &s));
		assert_int_equal(s.sum_low, 7);
		assert_int_equal(s.sum_high, 0);
		assert_int_equal(s.buckets[0], 1);
		assert_int_equal(s.buckets[1] + s.buckets[2], 0);
		weir_snapshot_destroy(snapshot);
	}
}

ALONE(the_last_value_is_shown_for_a_while)
{
	struct weir_ctx acme;
	uint64_t place;

	start();
	place = begin(&acme, "acme");
	weir_counter_add_ctx(&requests, 5, &acme, "GET");
	assert_true(weir_private_place_give_up(place, WEIR_MS(200)));
	weir__places_retire();
	assert_int_equal(value_of("requests_total", "GET|acme"), 5);
	sleep_ms(250);
	weir__places_retire();
	assert_int_equal(value_of("requests_total", "GET|acme"), UINT64_MAX);
	assert_int_equal(value_of("weir_series_retired_total", "requests_total"), 5);
	place = begin(&acme, "acme");
	weir_counter_add_ctx(&requests, 1, &acme, "GET");
	assert_true(weir_private_place_give_up(place, UINT64_MAX)); /* for ever */
	weir__places_retire();
	weir__places_retire();
	assert_int_equal(value_of("requests_total", "GET|acme"), 1);
}

static void tick_here(bool pumped)
{
	struct weir_options options = {.size = sizeof options, .no_thread = pumped, .no_process = true, .tick_ns = WEIR_MS(1)};
	struct weir_ctx acme;

	assert_int_equal(weir_init(&options), WEIR_OK);
	tenant = weir_private_tag_define(&(struct weir_private_tag){"tenant", "tenant", NULL, "anonymous"});
	for (int n = 0; n < 3; n++) {
		uint64_t place = begin(&acme, "acme");

		weir_counter_add_ctx(&requests, 5, &acme, "GET");
		assert_true(weir_private_place_give_up(place, WEIR_MS(1)));
		if (pumped)
			WITHIN_MS(10000, weir_pump(0, NULL) == WEIR_OK && !weir__places_leave());
		else
			WITHIN_MS(10000, !weir__places_leave());
		assert_int_equal(value_of("requests_total", "GET|acme"), UINT64_MAX);
		assert_int_equal(value_of("weir_series_retired_total", "requests_total"), 5 * (n + 1));
	}
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

ALONE(the_tick_does_it)
{
	tick_here(false);
}

ALONE(who_pumps_does_it)
{
	tick_here(true);
}

ALONE(asked_for_again_it_comes_back)
{
	struct weir_ctx former, acme;
	uint64_t place, again;

	start();
	place = begin(&former, "acme");
	weir_counter_add_ctx(&requests, 5, &former, "GET");
	assert_true(weir_private_place_give_up(place, WEIR_S(100)));
	weir__places_retire();
	again = begin(&acme, "acme");
	assert_int_not_equal(again, place);
	assert_int_equal(weir__place_in(again), weir__place_in(place));
	weir_counter_add_ctx(&requests, 1, &acme, "GET");
	weir_counter_add_ctx(&requests, 2, &former, "GET");
	assert_int_equal(value_of("requests_total", "GET|acme"), 6); /* it goes on */
	assert_int_equal(value_of("requests_total", "GET|other"), 2);
	weir__places_retire();
	assert_int_equal(value_of("requests_total", "GET|acme"), 6);
	assert_false(weir__places_leave());
	assert_true(weir_private_place_give_up(again, 0));
	weir__places_retire();
	assert_int_equal(value_of("weir_series_retired_total", "requests_total"), 6);
}

ALONE(two_labels_retire_with_either)
{
	struct weir_ctx ctx;
	uint64_t a, b;

	start();
	a = begin(&ctx, "acme");
	b = tag(&ctx, plan, "gold");
	weir_counter_add_ctx(&both, 4, &ctx);
	assert_true(weir_private_place_give_up(b, 0));
	weir__places_retire();
	assert_int_equal(value_of("both_total", "acme|gold"), UINT64_MAX);
	weir_counter_add_ctx(&both, 1, &ctx);
	assert_int_equal(value_of("both_total", "acme|other"), 1);
	begin(&ctx, "acme");
	assert_int_equal(weir__place_in(tag(&ctx, plan, "silver")), weir__place_in(b));
	weir_counter_add_ctx(&both, 2, &ctx);
	assert_int_equal(value_of("both_total", "acme|silver"), 2);
	assert_true(weir_private_place_give_up(a, 0));
	weir__places_retire();
	assert_int_equal(value_of("both_total", "acme|silver"), UINT64_MAX);
	assert_int_equal(value_of("both_total", "acme|other"), UINT64_MAX);
	assert_int_equal(value_of("weir_series_retired_total", "both_total"), 7);
}

ALONE(a_snapshot_keeps_what_it_saw)
{
	struct weir_snapshot *before, *after;
	struct weir_ctx ctx;
	struct weir_series s;
	uint64_t place, start_ns;

	start();
	place = begin(&ctx, "a tenant with a long name, which is kept");
	weir_counter_add_ctx(&requests, 5, &ctx, "GET");
	assert_int_equal(weir_snapshot_new(&before), WEIR_OK);
	assert_true(weir_private_place_give_up(place, 0));
	weir__places_retire();
	sleep_ms(2);
	begin(&ctx, "globex");
	weir_counter_add_ctx(&requests, 1, &ctx, "GET");
	assert_int_equal(weir_snapshot_new(&after), WEIR_OK);
	assert_false(find(before, "requests_total", "GET|globex", &s));
	assert_true(find(before, "requests_total", "GET|a tenant with a long name, which is kept", &s));
	assert_int_equal(s.count, 5);
	start_ns = s.start_ns;
	assert_true(find(after, "requests_total", "GET|globex", &s));
	assert_int_equal(s.count, 1);
	assert_true(s.start_ns > start_ns);
	weir_snapshot_destroy(before);
	weir_snapshot_destroy(after);
}

static const struct weir_exemplar *last_exemplar(const char *who, size_t *count)
{
	static struct weir_exemplar kept;
	struct weir_snapshot *snapshot;
	struct weir_series s;

	weir_flush(WEIR_S(1));
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_true(find(snapshot, "body_bytes", who, &s));
	*count = s.exemplars_count;
	if (s.exemplars_count != 0)
		kept = s.exemplars[0];
	weir_snapshot_destroy(snapshot);
	return &kept;
}

static int take_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)arg;
	(void)batch;
	(void)timeout_ns;
	return WEIR_OK;
}

/* whether an exporter is there to the end: with none, what was pushed stays in the rings */
static int64_t wall_jumped_s;
int clock_gettime(clockid_t which, struct timespec *t) /* this program is its own wall clock */
{
	int error = (int)syscall(SYS_clock_gettime, which, t);

	if (which == CLOCK_REALTIME)
		t->tv_sec += wall_jumped_s;
	return error;
}

static void exemplars_go(bool drained)
{
	struct weir_exporter_options o = {.size = sizeof o, .name = "test", .spans = take_spans};
	struct weir_exporter *exporter;
	struct weir_ctx ctx;
	struct weir_span span;
	uint64_t place;
	size_t count;

	start();
	assert_int_equal(weir_exporter_new(&exporter, &o), WEIR_OK);
	place = begin(&ctx, "acme");
	weir_span_begin(&span, &ctx, WEIR_SERVER, "x");
	weir_histogram_record_ctx(&body, 50, &ctx);
	if (drained) {
		assert_int_equal(last_exemplar("acme", &count)->value, 50);
		assert_int_equal(count, 1);
		weir_histogram_record_ctx(&body, 60, &ctx); /* on its way */
	} else {
		assert_int_equal(weir_exporter_destroy(exporter, WEIR_S(1)), WEIR_OK);
		weir_histogram_record_ctx(&body, 60, &ctx);
	}
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	assert_true(weir_private_place_give_up(place, 0));
	sleep_ms(2);
	weir__places_retire();
	if (!drained)
		assert_int_equal(weir_exporter_new(&exporter, &o), WEIR_OK);
	wall_jumped_s = -3600; /* what comes later is later, whatever the wall clock says */
	begin(&ctx, "globex");
	weir_histogram_record_ctx(&body, 50, &ctx); /* not sampled yet */
	last_exemplar("globex", &count);
	assert_int_equal(count, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "x");
	weir_histogram_record_ctx(&body, 51, &ctx);
	weir_span_end(&span);
	assert_int_equal(last_exemplar("globex", &count)->value, 51);
	assert_int_equal(count, 1);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

ALONE(exemplars_go_with_it)
{
	exemplars_go(true);
}

ALONE(exemplars_that_nobody_took_go_too)
{
	exemplars_go(false);
}

ALONE(without_membarrier_places_stay)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {(unsigned short)COUNT(code), code};
	struct weir_ctx ctx, second;
	uint64_t place, later;

	start();
	place = begin(&ctx, "acme");
	later = begin(&second, "globex");
	weir_counter_add_ctx(&requests, 1, &second, "GET");
	assert_true(weir_private_place_give_up(later, 0)); /* given up while it could be; looked after when it cannot */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		alone_skip("this system installs no seccomp filter");
	errno = EDOM;
	assert_false(weir_private_place_give_up(place, 0));
	assert_true(weir_private_place_is_current(place));
	weir_counter_add_ctx(&requests, 1, &ctx, "GET");
	for (int n = 0; n < 3; n++)
		weir__places_retire();
	assert_int_equal(errno, EDOM);
	assert_int_equal(value_of("requests_total", "GET|acme"), 1);
	assert_int_equal(value_of("requests_total", "GET|globex"), 1);
	assert_true(weir__places_leave());
}

ALONE(at_memorys_end_it_is_dropped_and_counted)
{
	struct rlimit limit = {0, 0};
	uint64_t places = 0, offered = 0, kept = 0;
	struct weir_ctx ctx;
	char who[240];

	if (SANITIZED)
		alone_skip("a sanitizer needs address space without limit");
	start();
	begin(&ctx, "old");
	weir_counter_add_ctx(&requests, 1, &ctx, "GET");
	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	memset(who, 'w', sizeof who);
	for (int n = 0; n < 1000; n++) {
		snprintf(who + 220, 10, "%d", n);
		places += weir_private_place_take(tenant, weir_str_of(who)) != 0;
		weir_private_ctx_tags_begin(&ctx, 1, 0);
		weir_private_ctx_tag(&ctx, tenant, STR("x"), weir_private_place_take(tenant, weir_str_of(who)));
		weir_counter_add_ctx(&requests, 1, &ctx, "PUT");
		offered++;
	}
	assert_true(places < 1000);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	{
		struct weir_snapshot *snapshot;
		struct weir_family f;
		struct weir_series s;

		assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
		for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
			for (weir_series_begin(&s, &f); strcmp(f.name, "requests_total") == 0 && weir_series_next(&s);)
				kept += s.count;
		weir_snapshot_destroy(snapshot);
	}
	assert_int_equal(kept + status_now().dropped_memory, offered + 1);
	begin(&ctx, "new");
	weir_counter_add_ctx(&requests, 7, &ctx, "GET");
	assert_int_equal(value_of("requests_total", "GET|new"), 7);
}

/* ---- who is amid a record is waited for ---- */

static struct weir_ctx shared;
static uint32_t held, go;
static void hold(int signal)
{
	(void)signal;
	__atomic_store_n(&held, 1u, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&go, __ATOMIC_SEQ_CST) == 0)
		usleep(STEP_US);
}

static void *record_until_held(void *arg)
{
	uint64_t *count = arg;

	while (__atomic_load_n(&held, __ATOMIC_SEQ_CST) == 0) {
		weir_counter_add_ctx(&requests, 1, &shared, "GET");
		__atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* A thread is held by a signal, again and again, until it was amid a record. */
ALONE(who_is_amid_a_record_is_waited_for)
{
	uint64_t count = 0, total;
	int amid = 0;

	start();
	signal(SIGUSR1, hold);
	for (int tries = 0; tries < 2000 && amid < 20; tries++) {
		uint64_t place = begin(&shared, "acme"), before = __atomic_load_n(&count, __ATOMIC_SEQ_CST);
		pthread_t thread;

		held = go = 0;
		thread = begin_thread(record_until_held, &count);
		WITHIN_MS(10000, __atomic_load_n(&count, __ATOMIC_SEQ_CST) > before + 10);
		pthread_kill(thread, SIGUSR1);
		WITHIN_MS(10000, __atomic_load_n(&held, __ATOMIC_SEQ_CST) != 0);
		assert_true(weir_private_place_give_up(place, 0));
		for (int n = 0; n < 3; n++)
			weir__places_retire();
		amid += weir__places_leave();
		assert_true((value_of("requests_total", "GET|acme") != UINT64_MAX) == weir__places_leave());
		__atomic_store_n(&go, 1u, __ATOMIC_SEQ_CST);
		end_thread(thread);
		weir__places_retire();
		assert_false(weir__places_leave());
	}
	total = value_of("weir_series_retired_total", "requests_total");
	if (value_of("requests_total", "GET|other") != UINT64_MAX) /* held between its look at the context and the place */
		total += value_of("requests_total", "GET|other");
	assert_int_equal(total, count);
	if (amid == 0)
		alone_skip("no signal came amid a record");
}

static void *record_and_die(void *arg)
{
	(void)arg;
	weir_counter_add_ctx(&requests, 1, &shared, "GET");
	weir__store_relaxed(&weir__local()->inside, weir__local()->inside + 1); /* amid the next: a signal handler that ends its thread */
	return NULL;
}

/* Nobody waits for who died amid a record, though no other thread takes over what was his. */
ALONE(who_died_amid_a_record_is_not_waited_for)
{
	uint64_t place;

	start();
	place = begin(&shared, "acme");
	in_thread(record_and_die, NULL);
	assert_true(weir_private_place_give_up(place, 0));
	weir__places_retire();
	assert_true(weir__places_leave());
	WITHIN_MS(5000, (weir_pump(WEIR_MS(10), NULL), !weir__places_leave()));
	assert_int_equal(value_of("weir_series_retired_total", "requests_total"), 1);
}

static sigjmp_buf back;
static void leave_by_a_jump(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

/* Records until the signal comes amid one; false: it never did. */
static bool left_amid(void)
{
	signal(SIGALRM, leave_by_a_jump);
	for (volatile int tries = 0; tries < 20000; tries++) {
		if (sigsetjmp(back, 1) == 0) {
			ualarm(20 + (unsigned)tries % 300u, 0);
			for (;;)
				weir_counter_add_ctx(&requests, 1, &shared, "GET");
		}
		ualarm(0, 0);
		if ((weir__local()->inside & 1) != 0)
			return true;
	}
	return false;
}

/* Who lives on, and left a record by a long jump or in a vfork child that died, is not waited for without end. Counted. */
static void an_end_without_end(bool by_a_child)
{
	uint64_t place, lost;

	start();
	weir__retire_wait_ns = WEIR_MS(300);
	place = begin(&shared, "acme");
	weir_counter_add_ctx(&requests, 1, &shared, "GET");
	if (by_a_child) {
		pid_t pid = vfork();

		if (pid == 0) {
			weir__store_relaxed(&weir__local()->inside, weir__local()->inside + 1);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	} else if (!left_amid()) {
		alone_skip("no signal came amid a record");
	}
	assert_int_equal(weir__local()->inside & 1, 1);
	lost = status_now().dropped_reentry;
	assert_true(weir_private_place_give_up(place, 0));
	weir__places_retire();
	assert_true(weir__places_leave()); /* it may be that it goes on */
	assert_int_equal(status_now().dropped_reentry, lost);
	sleep_ms(310);
	weir__places_retire();
	assert_false(weir__places_leave());
	assert_int_equal(status_now().dropped_reentry, lost + 1);
	place = begin(&shared, "globex"); /* and it records on */
	weir_counter_add_ctx(&requests, 2, &shared, "GET");
	assert_int_equal(value_of("requests_total", "GET|globex"), 2);
}

ALONE(a_record_that_was_left_by_a_jump_is_not_waited_for_without_end)
{
	an_end_without_end(false);
}

ALONE(a_record_that_died_with_a_vfork_child_is_not_waited_for_without_end)
{
	if (TSAN)
		alone_skip("the thread sanitizer makes a fork of a vfork");
	an_end_without_end(true);
}

/* ---- memory ---- */

ALONE(changes_leave_memory_flat)
{
	uint64_t pages = 0, segment = 0, heap = 0;
	struct weir_ctx ctx;
	char who[64];

	start();
	for (int n = 0; n < 100000; n++) {
		uint64_t place;

		snprintf(who, sizeof who, "tenant %d with a name of some length", n);
		place = begin(&ctx, who);
		weir_counter_add_ctx(&requests, 1, &ctx, "GET");
		weir_histogram_record_ctx(&body, 1, &ctx);
		assert_true(weir_private_place_give_up(place, 0));
		weir__places_retire();
		if (n == 100) {
			pages = weir__pages_bytes();
			segment = weir__segment_bytes();
			heap = weir__segment_heap_bytes();
		}
	}
	assert_int_equal(weir__pages_bytes(), pages);
	assert_int_equal(weir__segment_bytes(), segment);
	assert_int_equal(weir__segment_heap_bytes(), heap);
	assert_int_equal(weir__places_count(), 1);
	assert_int_equal(value_of("weir_series_retired_total", "requests_total"), 100000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_it_held_is_retired),
	cmocka_unit_test(the_last_value_is_shown_for_a_while),
	cmocka_unit_test(the_tick_does_it),
	cmocka_unit_test(who_pumps_does_it),
	cmocka_unit_test(asked_for_again_it_comes_back),
	cmocka_unit_test(two_labels_retire_with_either),
	cmocka_unit_test(a_snapshot_keeps_what_it_saw),
	cmocka_unit_test(exemplars_go_with_it),
	cmocka_unit_test(exemplars_that_nobody_took_go_too),
	cmocka_unit_test(without_membarrier_places_stay),
	cmocka_unit_test(at_memorys_end_it_is_dropped_and_counted),
	cmocka_unit_test(who_is_amid_a_record_is_waited_for),
	cmocka_unit_test(who_died_amid_a_record_is_not_waited_for),
	cmocka_unit_test(a_record_that_was_left_by_a_jump_is_not_waited_for_without_end),
	cmocka_unit_test(a_record_that_died_with_a_vfork_child_is_not_waited_for_without_end),
	cmocka_unit_test(changes_leave_memory_flat),
};
ALONE_MAIN(tests)
