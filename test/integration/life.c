/* Begin, end, and what is between: init, shutdown, pump, flush, callbacks, exporters, exit, each in every order that
 * a host may come up with. Public API only. */
#include "case.h"

#include <weir/weir.h>

WEIR_COUNTER(adds, "life_adds_total", "Adds.");
WEIR_COUNTER(labelled, "life_labelled_total", "Adds by label.", "k");
WEIR_GAUGE(gauge, "life_gauge", "A level.");
WEIR_HISTOGRAM(times, WEIR_LATENCY, "life_times_seconds", "Times.");
WEIR_OBSERVED_GAUGE(observed, "life_observed", "What a callback reports.");
WEIR_OBSERVED_COUNTER(observed_by, "life_observed_by_total", "What a callback reports by label.", "k");

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

static void record_all(void)
{
	weir_counter_add(&adds, 1);
	weir_counter_add_with(&labelled, 1, "x");
	weir_gauge_add(&gauge, 1);
	weir_histogram_record(&times, WEIR_MS(1));
}

static void expect_all(uint64_t n)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;

	EQUAL(weir_counter_read(&adds), n);
	EQUAL(weir_counter_series_read(weir_counter_with(&labelled, "x")), n);
	EQUAL_INT(weir_gauge_read(&gauge), n);
	EQUAL(weir_histogram_read(&times).count, n);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "life_adds_total", NULL, 0, &s));
	EQUAL(s.count, n);
	weir_snapshot_destroy(snapshot);
	EQUAL(status_now().dropped_records, 0);
}

static long threads_now(void)
{
	return proc_status("Threads:", 10);
}

static struct weir_options ticking(unsigned ms)
{
	struct weir_options o;

	memset(&o, 0, sizeof o);
	o.size = sizeof o;
	o.tick_ns = WEIR_MS((uint64_t)ms);
	return o;
}

/* ---- callbacks and exporters that tell ---- */

struct teller {
	uint32_t runs, closed, inside, most_inside;
	uint32_t hold; /* 1: a run waits until it is 0 */
	uint32_t holding; /* runs that wait */
	int answer;
	uint64_t adds, timeout_ns; /* as its snapshot has them */
};

static uint32_t read_32(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void set_32(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void be_held(struct teller *t)
{
	uint32_t inside = __atomic_add_fetch(&t->inside, 1, __ATOMIC_ACQ_REL);

	if (inside > t->most_inside)
		t->most_inside = inside;
	if (read_32(&t->hold) != 0) {
		__atomic_fetch_add(&t->holding, 1, __ATOMIC_RELEASE);
		while (read_32(&t->hold) != 0)
			usleep(300);
		__atomic_fetch_sub(&t->holding, 1, __ATOMIC_RELEASE);
	}
	__atomic_fetch_sub(&t->inside, 1, __ATOMIC_RELEASE);
}

static void observe(struct weir_observer *observer, void *arg)
{
	struct teller *t = arg;

	be_held(t);
	weir_observer_report(observer, &observed, 42);
	weir_observer_report_with(observer, &observed_by, (int64_t)t->runs + 1, "a");
	__atomic_fetch_add(&t->runs, 1, __ATOMIC_RELEASE);
}

static int export_it(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct teller *t = arg;
	struct weir_series s;

	CHECK(weir_snapshot_find(snapshot, "life_adds_total", NULL, 0, &s));
	be_held(t);
	t->adds = s.count;
	t->timeout_ns = timeout_ns;
	__atomic_fetch_add(&t->runs, 1, __ATOMIC_RELEASE);
	return t->answer;
}

static void close_it(void *arg)
{
	struct teller *t = arg;

	CHECK(read_32(&t->inside) == 0);
	__atomic_fetch_add(&t->closed, 1, __ATOMIC_RELEASE);
}

static struct weir_exporter *exporter_of(struct teller *t, uint64_t interval_ns)
{
	struct weir_exporter_options e = {.size = sizeof e,
	                                  .name = "teller",
	                                  .arg = t,
	                                  .interval_ns = interval_ns,
	                                  .metrics = export_it,
	                                  .closed = close_it};
	struct weir_exporter *exporter;

	EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_OK);
	CHECK(exporter != NULL);
	return exporter;
}

static struct weir_callback *callback_of(struct teller *t)
{
	struct weir_callback *callback;

	EQUAL_INT(weir_callback_new(&callback, observe, t), WEIR_OK);
	return callback;
}

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

/* ---- deadlines, with something stuck ---- */

enum { ASKED_MS = 200, LATE_MS = 50 };

/* A callback that does not come is waited for half of the time: the rest is the exporters'. */
static uint64_t time_of_timeout(int (*call)(uint64_t), bool exporter)
{
	uint64_t began = now_ns(), took;
	int result = call(WEIR_MS(ASKED_MS));

	took = now_ns() - began;
	EQUAL_INT(result, WEIR_ETIMEOUT);
	CHECK(took >= WEIR_MS(ASKED_MS) / (exporter ? 1 : 2) - WEIR_MS(1));
	return took;
}

/* The best of a few tries, since a busy machine may be late by itself. */
static void flush_keeps_its_deadline(bool exporter)
{
	uint64_t best = UINT64_MAX, took;

	for (int tries = 0; tries < 5 && best > WEIR_MS(ASKED_MS + LATE_MS); tries++) {
		took = time_of_timeout(weir_flush, exporter);
		best = took < best ? took : best;
	}
	AT_MOST(best, WEIR_MS(ASKED_MS + LATE_MS));
}

static void shutdown_keeps_its_deadline(bool exporter)
{
	struct weir_options o = ticking(2);
	uint64_t best = UINT64_MAX, took;

	for (int tries = 0; tries < 5 && best > WEIR_MS(ASKED_MS + LATE_MS); tries++) {
		struct teller stuck = {.hold = 1};
		struct weir_callback *callback = NULL;

		EQUAL_INT(weir_init(&o), WEIR_OK);
		if (exporter)
			exporter_of(&stuck, WEIR_MS(2));
		else
			callback = callback_of(&stuck);
		WITHIN_MS(3000, read_32(&stuck.holding) == 1);
		took = time_of_timeout(weir_shutdown, exporter);
		best = took < best ? took : best;
		set_32(&stuck.hold, 0);
		weir_callback_destroy(callback);
		WITHIN_MS(3000, threads_now() == 1);
		EQUAL(stuck.closed, exporter ? 1 : 0);
	}
	AT_MOST(best, WEIR_MS(ASKED_MS + LATE_MS));
}

static void deadlines_with_stuck(bool exporters)
{
	struct weir_options o = ticking(2);
	struct teller stuck = {.hold = 1}, later = {0};
	struct weir_exporter *fresh, *held = NULL;
	uint32_t runs;

	EQUAL_INT(weir_init(&o), WEIR_OK);
	if (exporters)
		held = exporter_of(&stuck, WEIR_MS(2));
	else
		callback_of(&stuck);
	WITHIN_MS(3000, read_32(&stuck.holding) == 1);
	flush_keeps_its_deadline(exporters);
	if (exporters) { /* the call that takes it away is bounded too; closed comes when it comes back */
		uint64_t began = now_ns();

		EQUAL_INT(weir_exporter_destroy(held, WEIR_MS(ASKED_MS)), WEIR_ETIMEOUT);
		AT_MOST(now_ns() - began, WEIR_MS(4 * ASKED_MS));
		EQUAL(read_32(&stuck.closed), 0);
	}
	AT_MOST(time_of_timeout(weir_shutdown, exporters), WEIR_MS(4 * ASKED_MS));
	record_all();
	expect_all(1);
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK); /* it is down */
	EQUAL_INT(weir_flush(WEIR_S(1)), WEIR_EINVAL);

	/* It starts anew beside what was left behind, which comes back later and does no harm. */
	EQUAL_INT(weir_init(&o), WEIR_OK);
	fresh = exporter_of(&later, WEIR_MS(2));
	if (exporters)
		WITHIN_MS(3000, read_32(&later.runs) > 2);
	EQUAL(read_32(&stuck.holding), 1);
	set_32(&stuck.hold, 0);
	WITHIN_MS(3000, read_32(&stuck.holding) == 0);
	if (exporters)
		WITHIN_MS(3000, read_32(&stuck.closed) == 1);
	WITHIN_MS(3000, threads_now() <= (exporters ? 3 : 4)); /* main, and what there is; the old one ends */
	runs = read_32(&later.runs);
	WITHIN_MS(3000, read_32(&later.runs) > runs + 3);
	EQUAL(later.closed, 0);
	record_all();
	EQUAL_INT(weir_exporter_destroy(fresh, WEIR_S(3)), WEIR_OK);
	EQUAL(later.closed, 1);
	EQUAL(later.adds, 2);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	expect_all(2);
	EQUAL(stuck.closed, exporters ? 1 : 0);
}

static void deadlines_with_a_stuck_callback(void)
{
	shutdown_keeps_its_deadline(false);
	deadlines_with_stuck(false);
}

static void deadlines_with_a_stuck_exporter(void)
{
	shutdown_keeps_its_deadline(true);
	deadlines_with_stuck(true);
}

/* Shutdown with exporters that are not destroyed, one of them stuck: the rest is flushed and closed when it comes
 * back. */
static void shutdown_leaves_a_stuck_exporter_behind(void)
{
	struct weir_options o = ticking(2);
	struct teller stuck = {.hold = 1}, other = {0};

	EQUAL_INT(weir_init(&o), WEIR_OK);
	exporter_of(&stuck, WEIR_MS(2));
	exporter_of(&other, WEIR_MS(2));
	WITHIN_MS(3000, read_32(&stuck.holding) == 1);
	EQUAL_INT(weir_shutdown(WEIR_MS(100)), WEIR_ETIMEOUT);
	set_32(&stuck.hold, 0);
	WITHIN_MS(3000, read_32(&stuck.closed) == 1 && read_32(&other.closed) == 1);
	WITHIN_MS(3000, threads_now() == 1);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	EQUAL(stuck.closed, 1);
	EQUAL(other.closed, 1);
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

/* ---- callbacks ---- */

static struct weir_callback *itself;
static uint32_t inner_runs, registered;

static void observe_inner(struct weir_observer *observer, void *arg)
{
	weir_observer_report_with(observer, arg, 5, "inner");
	__atomic_fetch_add(&inner_runs, 1, __ATOMIC_RELEASE);
}

static void observe_and_register(struct weir_observer *observer, void *arg)
{
	static const char *const labels[] = {"k", NULL};
	const struct weir_observed *made;
	const struct weir_counter *counter;
	struct weir_callback *inner;
	struct weir_snapshot *snapshot;

	(void)arg;
	EQUAL_INT(
	    weir_observed_create(&made, WEIR_OBSERVED_GAUGE_KIND, "life_made", "Made in a callback.", labels, NULL),
	    WEIR_OK);
	weir_observer_report_with(observer, made, 4, "outer");
	EQUAL_INT(weir_counter_create(&counter, "life_made_anew_total", "Made in a callback.", NULL, NULL), WEIR_OK);
	weir_counter_add(counter, 6);
	EQUAL_INT(weir_callback_new(&inner, observe_inner, (void *)(uintptr_t)made), WEIR_OK);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	weir_snapshot_destroy(snapshot);
	weir_callback_destroy(itself); /* from within: it is not waited for */
	__atomic_fetch_add(&registered, 1, __ATOMIC_RELEASE);
}

static void a_callback_registers_and_ends_itself(void)
{
	struct weir_options o = ticking(2);
	struct weir_str outer = weir_str_of("outer"), inner = weir_str_of("inner");
	struct weir_snapshot *snapshot;
	struct weir_series s;

	EQUAL_INT(weir_callback_new(&itself, observe_and_register, NULL), WEIR_OK);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	WITHIN_MS(3000, read_32(&inner_runs) > 3);
	EQUAL(registered, 1);
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "life_made_anew_total", NULL, 0, &s));
	EQUAL(s.count, 6);
	CHECK(weir_snapshot_find(snapshot, "life_made", &inner, 1, &s));
	EQUAL_INT(s.level, 5);
	/* what was not reported in the newest round is gone */
	CHECK(!weir_snapshot_find(snapshot, "life_made", &outer, 1, &s));
	weir_snapshot_destroy(snapshot);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

static bool destroyed;

static void *destroy_it(void *arg)
{
	weir_callback_destroy(arg);
	__atomic_store_n(&destroyed, true, __ATOMIC_RELEASE);
	return NULL;
}

static void destroy_waits_for_a_running_callback(void)
{
	struct weir_options o = ticking(2);
	struct teller *t = calloc(1, sizeof *t), other = {0};
	struct weir_callback *callback;
	pthread_t thread;
	uint32_t runs;

	CHECK(t != NULL);
	t->hold = 1;
	EQUAL_INT(weir_init(&o), WEIR_OK);
	callback = callback_of(t);
	callback_of(&other);
	WITHIN_MS(3000, read_32(&t->holding) == 1);
	thread_start(&thread, destroy_it, callback, 0);
	sleep_ms(50);
	CHECK(!__atomic_load_n(&destroyed, __ATOMIC_ACQUIRE));
	set_32(&t->hold, 0);
	pthread_join(thread, NULL);
	EQUAL(t->runs, 1);
	memset(t, 0x55, sizeof *t); /* arg may go now */
	free(t);
	runs = read_32(&other.runs);
	WITHIN_MS(3000, read_32(&other.runs) > runs + 3);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

static void a_slow_callback_holds_nothing_up(void)
{
	struct weir_options o = ticking(2);
	struct teller t = {.hold = 1};
	struct weir_snapshot *snapshot;
	const struct weir_counter *made;
	struct weir_series s;

	EQUAL_INT(weir_init(&o), WEIR_OK);
	callback_of(&t);
	WITHIN_MS(3000, read_32(&t.holding) == 1);
	for (unsigned i = 0; i < 200; i++) {
		char name[40];

		record_all();
		CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
		CHECK(weir_snapshot_find(snapshot, "life_adds_total", NULL, 0, &s));
		EQUAL(s.count, i + 1);
		weir_snapshot_destroy(snapshot);
		snprintf(name, sizeof name, "life_meanwhile_%u_total", i);
		EQUAL_INT(weir_counter_create(&made, name, "Made meanwhile.", NULL, NULL), WEIR_OK);
		status_now();
	}
	callback_of(&t);
	EQUAL(read_32(&t.holding), 1);
	EQUAL(t.runs, 0);
	set_32(&t.hold, 0);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
}

/* ---- memory's end ---- */

static void a_full_segment_drops_and_counts(void)
{
	struct weir_options o = ticking(1000);
	struct weir_instrument_options room = {.size = sizeof room, .max_series = 1000000};
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	uint64_t counted = 0, n = 0;

	o.no_thread = true;
	o.segment_bytes = WEIR_MIB(1);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	EQUAL_INT(weir_instrument_configure("life_labelled_total", &room), WEIR_OK);
	record_all();
	for (; n < 200000; n++) {
		char k[16];

		snprintf(k, sizeof k, "%llu", (unsigned long long)n);
		weir_counter_add_with(&labelled, 1, k);
	}
	CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "life_labelled_total") == 0)
			for (weir_series_begin(&s, &f); weir_series_next(&s);)
				counted += s.count;
	weir_snapshot_destroy(snapshot);
	CHECK(status_now().dropped_memory > 0);
	EQUAL(status_now().dropped_memory, status_now().dropped_records);
	EQUAL(counted + status_now().dropped_memory, n + 1);
	AT_MOST(status_now().segment_bytes, WEIR_MIB(1));
	NOTE("%llu of %llu records dropped and counted", (unsigned long long)status_now().dropped_memory,
	     (unsigned long long)n);
	record_all();
	EQUAL(weir_counter_read(&adds), 2);
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK);
}

/* ---- exit ---- */

static unsigned long number_of(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL ? strtoul(value, NULL, 10) : 0;
}

static void exit_soon(void)
{
	unsigned long n = number_of("EXIT_RUN");

	usleep((useconds_t)(n * 7919 % 4000));
	exit(42);
}

static void *busy_until_exit(void *arg)
{
	uintptr_t me = (uintptr_t)arg;

	if (me == number_of("EXIT_RUN") % 8)
		exit_soon();
	for (unsigned k = 0;; k++) {
		char text[32];
		struct weir_snapshot *snapshot;

		record_all();
		snprintf(text, sizeof text, "%u", k % 5000);
		weir_counter_add_with(&labelled, 1, text);
		if (me % 4 == 1) {
			CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
			weir_snapshot_destroy(snapshot);
		}
		if (me % 4 == 2 && k % 64 == 0) {
			const struct weir_counter *made;

			snprintf(text, sizeof text, "life_exit_%u_total", k / 64 % 500);
			weir_counter_create(&made, text, "Made at the end.", NULL, NULL);
		}
		if (me % 4 == 3) {
			weir_flush(WEIR_MS(5));
			weir_init(NULL);
		}
	}
	return NULL;
}

static void at_exit_record(void)
{
	record_all();
	if (weir_counter_read(&adds) == 0)
		_exit(99);
}

__attribute__((destructor)) static void record_in_destructor(void)
{
	record_all();
}

/* Not a case of its own: exits with 42 while all are busy. EXIT_RUN chooses who, and when. */
static void exit_victim(void)
{
	static struct teller observer, exporter;
	struct weir_options o = ticking(1);
	pthread_t thread;

	atexit(at_exit_record);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	callback_of(&observer);
	exporter_of(&exporter, WEIR_MS(1));
	for (uintptr_t i = 1; i < 8; i++)
		thread_start(&thread, busy_until_exit, (void *)i, 0);
	if (number_of("EXIT_RUN") % 8 == 0)
		exit_soon();
	if (number_of("EXIT_RUN") % 3 == 0)
		pthread_exit(NULL); /* the main thread may end first */
	for (;;)
		pause();
}

static void run_victim(const char *name, int run, int code)
{
	char number[16];
	pid_t child;
	int end;

	snprintf(number, sizeof number, "%d", run);
	child = fork();
	if (child == 0) {
		char *const args[] = {(char[]){"life"}, (char *)(uintptr_t)name, NULL};

		setenv("EXIT_RUN", number, 1);
		execv("/proc/self/exe", args);
		_exit(126);
	}
	end = child_end(child, 8000);
	if (end != code)
		FAIL("run %d of %s ended with %d and not %d (-1: hung, 1000 and more: a signal)", run, name, end, code);
}

static void exit_from_any_thread(void)
{
	for (int run = 0; run < 100; run++)
		run_victim("exit_victim", run, 42);
}

static void exit_in_callback(struct weir_observer *observer, void *arg)
{
	(void)observer;
	(void)arg;
	exit(43);
}

static int exit_in_exporter(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	(void)arg;
	(void)snapshot;
	(void)timeout_ns;
	exit(43);
}

/* Not a case of its own: exit with 43 around something that is stuck, or from within weir's own thread. */
static void stuck_victim(void)
{
	static struct teller stuck = {.hold = 1};
	struct weir_options o = ticking(1);
	struct weir_callback *callback;
	struct weir_exporter *exporter;
	struct weir_exporter_options e = {.size = sizeof e, .metrics = exit_in_exporter, .interval_ns = WEIR_MS(1)};

	EQUAL_INT(weir_init(&o), WEIR_OK);
	record_all();
	switch (number_of("EXIT_RUN")) {
	case 0:
		callback_of(&stuck);
		break;
	case 1:
		exporter_of(&stuck, WEIR_MS(1));
		break;
	case 2:
		EQUAL_INT(weir_callback_new(&callback, exit_in_callback, NULL), WEIR_OK);
		for (;;)
			pause();
	case 3:
		EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_OK);
		for (;;)
			pause();
	default:
		callback_of(&stuck);
		WITHIN_MS(3000, read_32(&stuck.holding) == 1);
		weir_shutdown(WEIR_MS(20));
		exit(43);
	}
	WITHIN_MS(3000, read_32(&stuck.holding) == 1);
	exit(43);
}

static void exit_with_something_stuck(void)
{
	for (int run = 0; run < 5; run++)
		run_victim("stuck_victim", run, 43);
}

CASES({"usable_before_init", usable_before_init, 20}, {"init_twice", init_twice, 20},
      {"shutdown_twice_and_record_after_it", shutdown_twice_and_record_after_it, 20},
      {"init_again_and_again", init_again_and_again, 60}, {"everything_at_once", everything_at_once, 30},
      {"options_of_another_size", options_of_another_size, 20}, {"pump_needs_no_thread", pump_needs_no_thread, 20},
      {"a_second_pump_returns_at_once", a_second_pump_returns_at_once, 20},
      {"deadlines_with_a_stuck_callback", deadlines_with_a_stuck_callback, 30},
      {"deadlines_with_a_stuck_exporter", deadlines_with_a_stuck_exporter, 30},
      {"shutdown_leaves_a_stuck_exporter_behind", shutdown_leaves_a_stuck_exporter_behind, 30},
      {"exporters_run_and_end", exporters_run_and_end, 30}, {"limits_are_told", limits_are_told, 30},
      {"a_callback_registers_and_ends_itself", a_callback_registers_and_ends_itself, 20},
      {"destroy_waits_for_a_running_callback", destroy_waits_for_a_running_callback, 20},
      {"a_slow_callback_holds_nothing_up", a_slow_callback_holds_nothing_up, 20},
      {"a_full_segment_drops_and_counts", a_full_segment_drops_and_counts, 20},
      {"exit_from_any_thread", exit_from_any_thread, 90}, {"exit_victim", exit_victim, 0},
      {"exit_with_something_stuck", exit_with_something_stuck, 60}, {"stuck_victim", stuck_victim, 0})
