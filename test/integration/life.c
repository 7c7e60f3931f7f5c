/* Begin, end, and what is between: init, shutdown, options, pump, exporters, in each order that a host may come up with.
 * life_stuck.c and life_exit.c have the rest. Public API only. */
#include "life.h"

/* ---- without init, and around it ---- */

static void usable_before_init(void)
{
	struct teller t = {0};
	struct weir_callback *callback;
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	bool seen = false;

	CHECK(strcmp(status_now().home, "none yet") == 0);
	EQUAL(weir_counter_read(&adds), 0);
	/* exported as 0 before its first use */
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "life_adds_total", NULL, 0, &s));
	EQUAL(s.count, 0);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		seen = seen || strcmp(f.name, "life_labelled_total") == 0;
	CHECK(!seen); /* a family without series is passed over */
	weir_snapshot_destroy(snapshot);
	record_all();
	expect_all(1);
	callback = callback_of(&t);
	exporter_of(&t, WEIR_MS(1));
	sleep_ms(30);
	EQUAL(read_32(&t.runs), 0);
	EQUAL_INT(threads_now(), 1);
	CHECK(strcmp(status_now().home, "memfd") == 0);
	EQUAL_INT(weir_flush(WEIR_MS(100)), WEIR_EINVAL);
	EQUAL_INT(weir_pump(WEIR_MS(1), NULL), WEIR_EINVAL);
	EQUAL_INT(weir_shutdown(WEIR_MS(100)), WEIR_OK);
	weir_callback_destroy(callback);
	weir_callback_destroy(NULL);
	weir_snapshot_destroy(NULL);
}

static int64_t resource_has(const char *key, char *text, size_t size)
{
	struct weir_snapshot *snapshot;
	struct weir_attrs attrs;
	int64_t found = -1;

	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	attrs = weir_snapshot_resource(snapshot);
	for (size_t i = 0; i < attrs.count; i++)
		if (strcmp(attrs.ptr[i].key.ptr, key) == 0) {
			found = (int64_t)i;
			if (attrs.ptr[i].type == WEIR_ATTR_STR)
				snprintf(text, size, "%s", attrs.ptr[i].as.str.ptr);
		}
	weir_snapshot_destroy(snapshot);
	return found;
}

static void init_twice(void)
{
	struct weir_options first = ticking(10), second = ticking(20);
	struct teller t = {0}, u = {0};
	char name[64] = "";

	record_all();
	EQUAL_INT(threads_now(), 1);
	first.service_name = "first";
	second.service_name = "second";
	EQUAL_INT(weir_init(&first), WEIR_OK);
	EQUAL_INT(threads_now(), 2);
	EQUAL_INT(weir_init(&second), WEIR_OK);
	EQUAL_INT(weir_init(NULL), WEIR_OK);
	EQUAL_INT(threads_now(), 2);
	CHECK(resource_has("service.name", name, sizeof name) >= 0);
	CHECK(strcmp(name, "first") == 0);
	EQUAL_INT(weir_pump(0, NULL), WEIR_EINVAL); /* it has a thread of its own */
	callback_of(&t);
	EQUAL_INT(threads_now(), 3); /* what waits has one of its own */
	callback_of(&t);
	WITHIN_MS(3000, read_32(&t.runs) > 3);
	EQUAL(t.most_inside, 1);
	exporter_of(&u, WEIR_MS(5));
	EQUAL_INT(threads_now(), 4);
	exporter_of(&u, WEIR_S(60));
	EQUAL_INT(threads_now(), 4);
	record_all();
	expect_all(2);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	EQUAL(u.closed, 2);
}

static void shutdown_twice_and_record_after_it(void)
{
	struct weir_options o = ticking(5);
	struct teller t = {0};
	uint32_t runs;

	EQUAL_INT(weir_init(&o), WEIR_OK);
	callback_of(&t);
	record_all();
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	WITHIN_MS(3000, threads_now() == 1);
	record_all();
	expect_all(2);
	EQUAL_INT(weir_flush(WEIR_S(1)), WEIR_EINVAL);
	runs = read_32(&t.runs);
	callback_of(&t); /* runs when weir runs again */
	sleep_ms(30);
	EQUAL(read_32(&t.runs), runs);
	EQUAL_INT(threads_now(), 1);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	WITHIN_MS(3000, read_32(&t.runs) > runs + 3);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

static void init_again_and_again(void)
{
	long rss = 0, mappings = 0;
	int descriptor = -1;

	for (int round = 0; round < 300; round++) {
		struct weir_options o = ticking(1 + (unsigned)round % 3);
		struct teller t = {0}, u = {0};
		struct weir_callback *callback = NULL;
		int fd;

		o.service_name = round % 2 != 0 ? "odd" : "even";
		EQUAL_INT(weir_init(&o), WEIR_OK);
		if (round % 3 != 0)
			callback = callback_of(&u);
		if (round % 2 != 0)
			exporter_of(&t, WEIR_MS(1));
		record_all();
		if (round % 5 == 0)
			EQUAL_INT(weir_flush(WEIR_S(5)), WEIR_OK);
		EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
		EQUAL(t.closed, (uint32_t)(round % 2 != 0));
		if (round % 2 != 0)
			EQUAL(t.adds, (uint64_t)round + 1); /* shutdown flushes */
		weir_callback_destroy(callback);
		fd = dup(0);
		close(fd);
		if (round == 100) {
			rss = proc_status("VmRSS:", 10);
			mappings = proc_mappings();
			descriptor = fd;
		}
		if (round > 100)
			EQUAL_INT(fd, descriptor);
	}
	WITHIN_MS(3000, threads_now() == 1);
	expect_all(300);
	/* A snapshot may point to any former resource, so that each start leaves its own behind: some 25 KiB. */
	AT_MOST(proc_status("VmRSS:", 10), rss + 200 * 32 + 1024);
	AT_MOST(proc_mappings(), mappings + 10);
}

/* All at once, from everywhere. */
static bool stop;
static uint64_t offered;

static void *begin_and_end(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg;
	struct weir_options o = ticking(1);

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		int result;

		switch (n++ % 5) {
		case 0:
			result = weir_init(&o);
			CHECK(result == WEIR_OK);
			break;
		case 1:
			result = weir_flush(WEIR_MS(500));
			CHECK(result == WEIR_OK || result == WEIR_EINVAL || result == WEIR_EIO);
			break;
		case 2: {
			struct weir_snapshot *snapshot;

			CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
			weir_snapshot_destroy(snapshot);
			break;
		}
		case 3: {
			struct teller t = {0};
			struct weir_callback *callback = callback_of(&t);

			usleep(200);
			weir_callback_destroy(callback);
			break;
		}
		default:
			result = weir_shutdown(WEIR_S(5));
			CHECK(result == WEIR_OK || result == WEIR_EIO);
		}
		record_all();
		__atomic_fetch_add(&offered, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void everything_at_once(void)
{
	pthread_t threads[5];

	for (uintptr_t i = 0; i < 5; i++)
		thread_start(&threads[i], begin_and_end, (void *)i, 0);
	sleep_ms(1500);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
	expect_all(offered);
	WITHIN_MS(3000, threads_now() == 1);
}

/* ---- options ---- */

static void options_of_another_size(void)
{
	struct {
		struct weir_options o;
		char tail[40];
	} longer;
	struct weir_options o = ticking(5);
	struct {
		struct weir_status s;
		uint64_t tail;
	} status;
	struct weir_exporter_options e;
	struct {
		struct weir_exporter_options e;
		char tail[24];
	} longer_e;
	struct weir_exporter *exporter = NULL;
	struct teller t = {0};

	o.log_level = WEIR_LOG_NONE;
	EQUAL_INT(weir_init(&o), WEIR_OK); /* so that the refusals below stay off standard error */
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK);
	o.size = 0;
	EQUAL_INT(weir_init(&o), WEIR_EINVAL);
	memset(&longer, 0, sizeof longer);
	longer.o.size = sizeof longer;
	longer.tail[20] = 1;
	EQUAL_INT(weir_init(&longer.o), WEIR_EINVAL);
	WITHIN_MS(3000, threads_now() == 1);
	longer.tail[20] = 0; /* of a newer caller, which asks for nothing new */
	longer.o.log_level = WEIR_LOG_NONE;
	EQUAL_INT(weir_init(&longer.o), WEIR_OK);
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK);
	o = ticking(5);
	o.size = offsetof(struct weir_options, resource); /* an older caller */
	EQUAL_INT(weir_init(&o), WEIR_OK);
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK);
	o = ticking(5);
	o.log_level = WEIR_LOG_NONE;
	o.tick_ns = 5;
	EQUAL_INT(weir_init(&o), WEIR_EINVAL);
	o.tick_ns = WEIR_S(7200);
	EQUAL_INT(weir_init(&o), WEIR_EINVAL);
	o = ticking(5);
	o.log_level = (enum weir_log_level)77;
	EQUAL_INT(weir_init(&o), WEIR_EINVAL);

	memset(&status, 0xaa, sizeof status);
	status.s.size = 0;
	EQUAL_INT(weir_status_read(&status.s), WEIR_EINVAL);
	EQUAL_INT(weir_status_read(NULL), WEIR_EINVAL);
	status.s.size = offsetof(struct weir_status, refused);
	EQUAL_INT(weir_status_read(&status.s), WEIR_OK);
	CHECK(status.s.home != NULL && status.s.instruments != 0);
	EQUAL(status.s.refused, UINT64_C(0xaaaaaaaaaaaaaaaa)); /* beyond its size nothing is written */
	status.s.size = sizeof status;
	EQUAL_INT(weir_status_read(&status.s), WEIR_OK);
	EQUAL(status.s.refused, 0);
	EQUAL(status.tail, UINT64_C(0xaaaaaaaaaaaaaaaa));

	memset(&e, 0, sizeof e);
	e.arg = &t;
	e.closed = close_it;
	e.metrics = export_it;
	EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_EINVAL); /* size 0: not even closed may be looked at */
	EQUAL(t.closed, 0);
	EQUAL_INT(weir_exporter_new(&exporter, NULL), WEIR_EINVAL);
	e.size = sizeof e;
	e.metrics = NULL;
	EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_EINVAL);
	EQUAL(t.closed, 1); /* arg is its own until closed, which is called also where new fails */
	CHECK(exporter == NULL);
	memset(&longer_e, 0, sizeof longer_e);
	longer_e.e = (struct weir_exporter_options){.size = sizeof longer_e, .arg = &t, .closed = close_it, .metrics = export_it};
	longer_e.tail[23] = 1;
	EQUAL_INT(weir_exporter_new(&exporter, &longer_e.e), WEIR_EINVAL);
	EQUAL(t.closed, 2);
	longer_e.tail[23] = 0;
	EQUAL_INT(weir_exporter_new(&exporter, &longer_e.e), WEIR_OK);
	EQUAL_INT(weir_exporter_destroy(exporter, WEIR_S(1)), WEIR_OK);
	EQUAL(t.closed, 3);
	EQUAL_INT(weir_exporter_destroy(NULL, 0), WEIR_EINVAL);
}

/* ---- pump ---- */

static void pump_needs_no_thread(void)
{
	struct weir_options o = ticking(2);
	struct teller observer = {0}, exporter = {0};
	struct weir_exporter *e;
	struct weir_callback *c;
	uint64_t next = 0;

	o.no_thread = true;
	EQUAL_INT(weir_init(&o), WEIR_OK);
	c = callback_of(&observer);
	e = exporter_of(&exporter, WEIR_MS(8));
	record_all();
	for (int i = 0; i < 40; i++) {
		EQUAL_INT(weir_pump(WEIR_MS(10), &next), WEIR_OK);
		CHECK(next <= WEIR_MS(2));
		EQUAL_INT(threads_now(), 1);
		usleep((useconds_t)(next / 1000 + 1));
	}
	CHECK(read_32(&observer.runs) >= 10 && read_32(&exporter.runs) >= 2);
	CHECK(read_32(&exporter.runs) < read_32(&observer.runs));
	record_all();
	exporter.adds = 0;
	EQUAL_INT(weir_flush(WEIR_S(1)), WEIR_OK);
	EQUAL(exporter.adds, 2);
	record_all();
	EQUAL_INT(weir_exporter_destroy(e, WEIR_S(1)), WEIR_OK);
	EQUAL(exporter.adds, 3);
	EQUAL(exporter.closed, 1);
	weir_callback_destroy(c);
	EQUAL_INT(weir_pump(0, NULL), WEIR_OK);
	exporter_of(&exporter, WEIR_S(60));
	record_all();
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK);
	EQUAL(exporter.adds, 4);
	EQUAL(exporter.closed, 2);
	EQUAL_INT(weir_pump(0, NULL), WEIR_EINVAL);
	EQUAL_INT(threads_now(), 1);
	expect_all(4);
}

static void *pump_here(void *arg)
{
	EQUAL_INT(weir_pump(WEIR_S(10), arg), WEIR_OK);
	return NULL;
}

static void a_second_pump_returns_at_once(void)
{
	struct weir_options o = ticking(1);
	struct teller t = {.hold = 1};
	uint64_t next = UINT64_MAX;
	pthread_t thread;

	o.no_thread = true;
	EQUAL_INT(weir_init(&o), WEIR_OK);
	callback_of(&t);
	thread_start(&thread, pump_here, &next, 0);
	WITHIN_MS(3000, read_32(&t.holding) == 1);
	EQUAL_INT(weir_pump(WEIR_S(10), &next), WEIR_OK); /* else it hangs here */
	CHECK(next <= WEIR_MS(1));
	EQUAL(read_32(&t.holding), 1);
	set_32(&t.hold, 0);
	pthread_join(thread, NULL);
	EQUAL(t.runs, 1);
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK);
}

/* ---- exporters ---- */

static void *destroy_exporter(void *arg)
{
	EQUAL_INT(weir_exporter_destroy(arg, WEIR_S(5)), WEIR_OK);
	return NULL;
}

static void exporters_run_and_end(void)
{
	struct weir_options o = ticking(1000);
	struct teller good = {0}, bad = {.answer = WEIR_EIO}, slow = {0};
	struct weir_exporter *exporter, *failing;
	pthread_t thread;

	o.log_level = WEIR_LOG_NONE;
	EQUAL_INT(weir_init(&o), WEIR_OK);
	exporter = exporter_of(&good, WEIR_MS(3)); /* its interval may be shorter than the tick */
	WITHIN_MS(3000, read_32(&good.runs) >= 5);
	AT_MOST(good.timeout_ns, WEIR_MS(3));
	record_all();
	EQUAL_INT(weir_flush(WEIR_S(3)), WEIR_OK);
	EQUAL(good.adds, 1);
	AT_MOST(good.timeout_ns, WEIR_S(3));
	EQUAL(status_now().exports_failed, 0);
	failing = exporter_of(&bad, WEIR_S(60));
	EQUAL_INT(weir_flush(WEIR_S(3)), WEIR_EIO);
	EQUAL(bad.runs, 1);
	EQUAL(status_now().exports_failed, 1);
	EQUAL_INT(weir_exporter_destroy(failing, WEIR_S(3)), WEIR_EIO); /* the last export failed too */
	EQUAL(bad.closed, 1);
	EQUAL(bad.runs, 2);
	record_all();
	EQUAL_INT(weir_exporter_destroy(exporter, WEIR_S(3)), WEIR_OK);
	EQUAL(good.adds, 2);
	EQUAL(good.closed, 1);
	EQUAL_INT(weir_exporter_destroy(exporter, WEIR_S(1)), WEIR_EINVAL); /* there is no such thing any more */

	/* What is recorded before destroy is sent, also where a run that began earlier is in progress. */
	exporter = exporter_of(&slow, WEIR_MS(1));
	WITHIN_MS(3000, read_32(&slow.runs) > 0);
	set_32(&slow.hold, 1);
	WITHIN_MS(3000, read_32(&slow.holding) == 1);
	record_all();
	thread_start(&thread, destroy_exporter, exporter, 0);
	sleep_ms(50);
	set_32(&slow.hold, 0);
	pthread_join(thread, NULL);
	EQUAL(slow.closed, 1);
	EQUAL(slow.adds, 3);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

static void limits_are_told(void)
{
	enum { EXPORTERS = 64, CALLBACKS = 1024 };
	static struct weir_exporter *exporters[EXPORTERS];
	static struct weir_callback *callbacks[CALLBACKS];
	struct weir_exporter_options e = {
	    .size = sizeof e, .interval_ns = WEIR_S(60), .metrics = export_it, .closed = close_it};
	struct weir_exporter *one_more = NULL;
	struct weir_callback *another = NULL;
	struct weir_options o = ticking(3);
	struct teller t = {0}, u = {0}, v = {0};

	EQUAL_INT(weir_init(&o), WEIR_OK);
	for (int i = 0; i < EXPORTERS; i++)
		exporters[i] = exporter_of(&t, WEIR_S(60));
	e.arg = &u;
	EQUAL_INT(weir_exporter_new(&one_more, &e), WEIR_ELIMIT);
	CHECK(one_more == NULL);
	EQUAL(u.closed, 1);
	EQUAL_INT(weir_exporter_destroy(exporters[17], WEIR_S(3)), WEIR_OK);
	EQUAL_INT(weir_exporter_new(&one_more, &e), WEIR_OK);
	for (int i = 0; i < CALLBACKS; i++)
		callbacks[i] = callback_of(&v);
	EQUAL_INT(weir_callback_new(&another, observe, &v), WEIR_ELIMIT);
	CHECK(another == NULL);
	WITHIN_MS(5000, read_32(&v.runs) > CALLBACKS);
	EQUAL(v.most_inside, 1);
	for (int i = 0; i < CALLBACKS; i++)
		weir_callback_destroy(callbacks[i]);
	EQUAL_INT(weir_callback_new(&another, NULL, &v), WEIR_EINVAL);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	EQUAL(t.closed, EXPORTERS);
	EQUAL(u.closed, 2);
}

CASES({"usable_before_init", usable_before_init, 20}, {"init_twice", init_twice, 20},
      {"shutdown_twice_and_record_after_it", shutdown_twice_and_record_after_it, 20},
      {"init_again_and_again", init_again_and_again, 60}, {"everything_at_once", everything_at_once, 30},
      {"options_of_another_size", options_of_another_size, 20}, {"pump_needs_no_thread", pump_needs_no_thread, 20},
      {"a_second_pump_returns_at_once", a_second_pump_returns_at_once, 20},
      {"exporters_run_and_end", exporters_run_and_end, 30}, {"limits_are_told", limits_are_told, 30})
