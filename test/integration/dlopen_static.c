/* A host with weir's archive inside, and a plugin that brings the shared library: two copies of weir in one process,
 * each exact, none seeing the other's. Public API only. */
#include "dlopen_load.h"

/* The host's instruments have the plugin's names, and another meaning. */
WEIR_COUNTER(adds, "plugin_adds_total", "The host's own.", "other");
WEIR_GAUGE(gauge, "plugin_gauge", "The host's own.");
WEIR_COUNTER(only_here, "host_adds_total", "Adds by the host.");

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

static bool is_shared_weir_here(void)
{
	return is_mapped("libweir.so");
}

static void *record_both(void *arg)
{
	struct loaded *l = arg;

	for (int i = 0; i < 1000; i++) {
		weir_counter_add_with(&adds, 1, "host");
		weir_counter_add(&only_here, 1);
		weir_gauge_add(&gauge, -1);
		l->plugin->record(2);
	}
	return NULL;
}

static void two_copies_are_apart(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)};
	char path[PATH_MAX + 64];
	struct weir_snapshot *snapshot;
	struct weir_family f;
	pthread_t threads[8];
	struct loaded l;
	pid_t child;

	CHECK(!is_shared_weir_here());
	EQUAL_INT(weir_init(&o), WEIR_OK);
	weir_counter_add(&only_here, 1);
	plugin_path(path, "libdlopen_plugin.so");
	load(&l, path);
	CHECK(is_shared_weir_here());
	for (int i = 0; i < 8; i++)
		thread_start(&threads[i], record_both, &l, 0);
	EQUAL_INT(l.plugin->life(), WEIR_OK); /* the other copy's pipeline beside this one's: one record */
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	EQUAL(weir_counter_series_read(weir_counter_with(&adds, "host")), 8000);
	EQUAL(weir_counter_read(&only_here), 8001);
	EQUAL_INT(weir_gauge_read(&gauge), -8000);
	EQUAL(l.plugin->read_adds(), 16001);
	EQUAL(status_now().dropped_records, 0);
	EQUAL(status_now().refused, 0);
	EQUAL(l.plugin->dropped(), 0);
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		CHECK(strcmp(f.name, "plugin_labelled_total") != 0 && strcmp(f.help, "Adds.") != 0);
	weir_snapshot_destroy(snapshot);
	child = fork();
	if (child == 0) {
		EQUAL(weir_counter_read(&only_here), 0);
		EQUAL(l.plugin->read_adds(), 0);
		weir_counter_add(&only_here, 2);
		l.plugin->record(3);
		EQUAL(weir_counter_read(&only_here), 2);
		EQUAL(l.plugin->read_adds(), 3);
		exit(0);
	}
	CHILD_IS_WELL(child, 5000);
	CHECK(dlclose(l.handle) == 0);
	CHECK(is_shared_weir_here()); /* a copy that was loaded stays: threads may be in it */
	weir_counter_add(&only_here, 1);
	load(&l, path);
	EQUAL(l.plugin->read_adds(), 16001);
	EQUAL(weir_counter_read(&only_here), 8002);
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

/* What the archive hides must stay hidden, also where the host exports all it has. */
static void the_archives_symbols_are_hidden(void)
{
	char path[PATH_MAX + 64];
	struct loaded l;

	CHECK(dlsym(RTLD_DEFAULT, "weir_counter_read") == NULL);
	CHECK(dlsym(RTLD_DEFAULT, "weir_tls_v1") == NULL);
	plugin_path(path, "libdlopen_plugin.so");
	load(&l, path);
	CHECK(dlsym(RTLD_DEFAULT, "weir_counter_read") == NULL); /* RTLD_LOCAL */
	CHECK(dlsym(l.handle, "weir_counter_read") != NULL);
	CHECK(dlsym(l.handle, "weir_counter_read") != (void *)(uintptr_t)weir_counter_read);
}

CASES({"two_copies_are_apart", two_copies_are_apart, 30},
      {"the_archives_symbols_are_hidden", the_archives_symbols_are_hidden, 10})
