/* Plugins that are loaded and unloaded: what they counted stays exported, handles stay valid, their callbacks end;
 * the same definition from two modules is one instrument; a module with a copy of weir of its own is apart. Public
 * API only. */
#include "dlopen_load.h"

WEIR_COUNTER(host_adds, "host_adds_total", "Adds by the host.");

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

static void expect_exported(uint64_t n)
{
	struct weir_str x = weir_str_of("x");
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	int families = 0;

	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		if (strcmp(f.name, "plugin_adds_total") == 0) {
			families++;
			CHECK(strcmp(f.help, "Adds.") == 0);
		}
	EQUAL_INT(families, 1);
	CHECK(weir_snapshot_find(snapshot, "plugin_adds_total", NULL, 0, &s));
	EQUAL(s.count, n);
	if (n != 0) {
		CHECK(weir_snapshot_find(snapshot, "plugin_labelled_total", &x, 1, &s));
		EQUAL(s.count, n);
		CHECK(weir_snapshot_find(snapshot, "plugin_times_seconds", &x, 1, &s));
		EQUAL(s.count, n);
		EQUAL(s.good, n);
		EQUAL(s.sum_low, n * WEIR_MS(5));
	}
	CHECK(weir_snapshot_find(snapshot, "plugin_gauge", NULL, 0, &s));
	EQUAL_INT(s.level, n);
	weir_snapshot_destroy(snapshot);
	EQUAL(status_now().dropped_records, 0);
}

static void counters_outlive_their_module(void)
{
	char path[PATH_MAX + 64];
	struct loaded l;
	struct weir_counter_series counter;
	struct weir_histogram_series histogram;
	uint64_t n = 0;
	long rss = 0;

	plugin_path(path, "libdlopen_plugin.so");
	for (unsigned round = 0; round < 300; round++) {
		load(&l, path);
		if (round == 0)
			expect_exported(0); /* registered by being loaded */
		l.plugin->record(round % 7 + 1);
		n += round % 7 + 1;
		EQUAL(l.plugin->read_adds(), n); /* it goes on with the same series */
		counter = l.plugin->counter_handle();
		histogram = l.plugin->histogram_handle();
		unload(&l);
		if (round % 10 == 0)
			expect_exported(n);
		if (round == 50)
			rss = proc_status("VmRSS:", 10);
	}
	expect_exported(n);
	/* handles are values that stay valid without their module */
	weir_counter_series_add(counter, 5);
	EQUAL(weir_counter_series_read(counter), n + 5);
	weir_histogram_series_record(histogram, WEIR_MS(500));
	EQUAL(weir_histogram_series_read(histogram).count, n + 1);
	EQUAL(weir_histogram_series_read(histogram).good, n);
	AT_MOST(proc_status("VmRSS:", 10), rss + 256);
}

static void copy_file(const char *from, char to[])
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = mkstemps(to, 3);
	char buffer[65536];
	ssize_t got;

	CHECK(in >= 0 && out >= 0);
	while ((got = read(in, buffer, sizeof buffer)) > 0)
		CHECK(write(out, buffer, (size_t)got) == got);
	close(in);
	close(out);
}

/* RTLD_LOCAL twice: two files, so two modules, with the same instruments. */
static void two_modules_with_the_same_instruments(void)
{
	char path[PATH_MAX + 64], second[] = "/tmp/weir-plugin-XXXXXX.so";
	struct loaded a, b;

	plugin_path(path, "libdlopen_plugin.so");
	copy_file(path, second);
	load(&a, path);
	load(&b, second);
	unlink(second);
	CHECK(a.plugin != b.plugin);
	a.plugin->record(10);
	b.plugin->record(7);
	EQUAL(a.plugin->read_adds(), 17);
	EQUAL(b.plugin->read_adds(), 17);
	expect_exported(17);
	unload(&a);
	b.plugin->record(3);
	EQUAL(b.plugin->read_adds(), 20);
	expect_exported(20);
	unload(&b);
	expect_exported(20);
}

/* ---- callbacks ---- */

static uint32_t runs_of(const uint32_t *runs)
{
	return __atomic_load_n(runs, __ATOMIC_ACQUIRE);
}

static void unload_while_callbacks_run(bool registers)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)};
	char path[PATH_MAX + 64];

	EQUAL_INT(weir_init(&o), WEIR_OK);
	plugin_path(path, "libdlopen_plugin.so");
	for (unsigned round = 0; round < 60; round++) {
		static uint32_t runs; /* the callback writes here even while its module goes */
		uint32_t before, ended;
		struct loaded l;

		load(&l, path);
		before = runs_of(&runs);
		EQUAL_INT(l.plugin->start_callback(&runs, round % 4 * 700, registers), WEIR_OK);
		WITHIN_MS(3000, runs_of(&runs) > before);
		if (round % 2 != 0)
			usleep(round * 37 % 1500);
		unload(&l); /* waits for the run, and no other follows: the code is gone */
		ended = runs_of(&runs);
		usleep(2500);
		EQUAL(runs_of(&runs), ended);
	}
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

static void callbacks_end_with_their_module(void)
{
	unload_while_callbacks_run(false);
}

/* dlclose holds a lock of the dynamic linker's meanwhile, which the callback must be able to do without. */
static void callbacks_that_register_end_with_their_module(void)
{
	unload_while_callbacks_run(true);
}

static int count_export(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	(void)snapshot;
	(void)timeout_ns;
	__atomic_fetch_add((uint32_t *)arg, 1, __ATOMIC_RELEASE);
	return WEIR_OK;
}

static uint32_t exports;

static void *unload_here(void *arg)
{
	unload(arg);
	return NULL;
}

static void who_unloads_waits_for_a_callback_and_exporters_do_not(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)};
	struct weir_exporter_options e = {
	    .size = sizeof e, .interval_ns = WEIR_MS(1), .metrics = count_export, .arg = &exports};
	struct weir_exporter *exporter;
	static uint32_t runs;
	char path[PATH_MAX + 64];
	struct loaded l;
	pthread_t thread;
	uint32_t seen;

	EQUAL_INT(weir_init(&o), WEIR_OK);
	EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_OK);
	plugin_path(path, "libdlopen_plugin.so");
	load(&l, path);
	EQUAL_INT(l.plugin->start_callback(&runs, 999999, false), WEIR_OK);
	sleep_ms(50); /* it is at it, for a second */
	thread_start(&thread, unload_here, &l, 0);
	seen = runs_of(&exports);
	WITHIN_MS(5000, runs_of(&exports) > seen + 5);
	EQUAL(runs_of(&runs), 0);
	pthread_join(thread, NULL);
	EQUAL(runs_of(&runs), 1);
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

/* ---- others record meanwhile ---- */

static bool stop;
static struct weir_counter_series shared_counter;
static struct weir_histogram_series shared_histogram;

static void *record_through_handles(void *arg)
{
	uint64_t *n = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		weir_counter_series_add(shared_counter, 1);
		weir_histogram_series_record(shared_histogram, WEIR_MS(5));
		weir_counter_add(&host_adds, 1);
		++*n;
	}
	return NULL;
}

static void handles_are_used_while_their_module_goes(void)
{
	static uint64_t counted[3][64];
	uint64_t n = 0, total = 0;
	pthread_t threads[3];
	char path[PATH_MAX + 64];
	struct loaded l;

	plugin_path(path, "libdlopen_plugin.so");
	load(&l, path);
	shared_counter = l.plugin->counter_handle();
	shared_histogram = l.plugin->histogram_handle();
	for (int i = 0; i < 3; i++)
		thread_start(&threads[i], record_through_handles, counted[i], 0);
	for (int round = 0; round < 150; round++) {
		unload(&l);
		load(&l, path);
		l.plugin->record(2);
		n += 2;
	}
	unload(&l);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		total += counted[i][0];
	}
	EQUAL(weir_counter_series_read(shared_counter), total + n);
	EQUAL(weir_histogram_series_read(shared_histogram).count, total + n);
	EQUAL(weir_counter_read(&host_adds), total);
}

/* ---- a module that brings a copy of its own ---- */

static void a_module_with_its_own_copy(void)
{
	char path[PATH_MAX + 64];
	struct loaded shared, own;
	struct weir_snapshot *snapshot;
	struct weir_series s;
	pid_t child;

	plugin_path(path, "libdlopen_plugin.so");
	load(&shared, path);
	plugin_path(path, "libdlopen_static_plugin.so");
	load(&own, path);
	shared.plugin->record(10);
	own.plugin->record(3);
	weir_counter_add(&host_adds, 5);
	EQUAL(shared.plugin->read_adds(), 10);
	EQUAL(own.plugin->read_adds(), 3);
	expect_exported(10);
	child = fork();
	if (child == 0) {
		EQUAL(shared.plugin->read_adds(), 0);
		EQUAL(own.plugin->read_adds(), 0);
		own.plugin->record(2);
		shared.plugin->record(1);
		EQUAL(shared.plugin->read_adds(), 1);
		EQUAL(own.plugin->read_adds(), 2);
		exit(0);
	}
	CHILD_IS_WELL(child, 5000);
	EQUAL_INT(own.plugin->life(), WEIR_OK);
	EQUAL(own.plugin->read_adds(), 4);
	EQUAL(own.plugin->dropped(), 0);
	EQUAL(shared.plugin->read_adds(), 10);
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "host_adds_total", NULL, 0, &s));
	EQUAL(s.count, 5);
	weir_snapshot_destroy(snapshot);
	sleep_ms(20);
	unload(&shared);
	unload(&own); /* with its copy of weir, whose threads have ended */
	expect_exported(10);
	weir_counter_add(&host_adds, 1);
	EQUAL(weir_counter_read(&host_adds), 6);
}

/* At exit nothing changes for a module that is still loaded, whose callback runs. */
static void exit_victim(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)};
	static uint32_t runs;
	char path[PATH_MAX + 64];
	struct loaded l;

	EQUAL_INT(weir_init(&o), WEIR_OK);
	plugin_path(path, "libdlopen_plugin.so");
	load(&l, path);
	EQUAL_INT(l.plugin->start_callback(&runs, 1000, false), WEIR_OK);
	WITHIN_MS(3000, runs_of(&runs) > 2);
	exit(7);
}

static void exit_with_modules_loaded(void)
{
	for (int run = 0; run < 20; run++) {
		pid_t child = fork();

		if (child == 0) {
			char *const args[] = {(char[]){"dlopen"}, (char[]){"exit_victim"}, NULL};

			execv("/proc/self/exe", args);
			_exit(126);
		}
		EQUAL_INT(child_end(child, 5000), 7);
	}
}

CASES({"counters_outlive_their_module", counters_outlive_their_module, 30},
      {"two_modules_with_the_same_instruments", two_modules_with_the_same_instruments, 20},
      {"callbacks_end_with_their_module", callbacks_end_with_their_module, 30},
      {"callbacks_that_register_end_with_their_module", callbacks_that_register_end_with_their_module, 30},
      {"who_unloads_waits_for_a_callback_and_exporters_do_not", who_unloads_waits_for_a_callback_and_exporters_do_not, 30},
      {"handles_are_used_while_their_module_goes", handles_are_used_while_their_module_goes, 30},
      {"a_module_with_its_own_copy", a_module_with_its_own_copy, 20}, {"exit_victim", exit_victim, 0},
      {"exit_with_modules_loaded", exit_with_modules_loaded, 60})
