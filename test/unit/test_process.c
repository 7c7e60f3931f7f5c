/* Unit: src/process.c: the process_* metrics say what the system says. */
#define _GNU_SOURCE
#include "process.h"
#include "registry.h"

#include <weir/snapshot.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "alone.h"

static void start(bool no_process)
{
	struct weir_options o = {.size = sizeof o, .no_thread = true, .no_process = no_process, .tick_ns = WEIR_MS(1)};

	assert_int_equal(weir_init(&o), WEIR_OK);
}

/* A tick, and what it found. */
static struct weir_snapshot *tick(void)
{
	struct weir_snapshot *snapshot;

	sleep_ms(2);
	assert_int_equal(weir_pump(0, NULL), WEIR_OK);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	return snapshot;
}

static struct weir_series series(const struct weir_snapshot *snapshot, const char *name)
{
	struct weir_series s;

	if (!weir_snapshot_find(snapshot, name, NULL, 0, &s))
		fail_msg("there is no %s", name);
	assert_false(s.floating);
	return s;
}

static uint64_t level(const char *name)
{
	struct weir_snapshot *snapshot = tick();
	uint64_t v = series(snapshot, name).count;

	weir_snapshot_destroy(snapshot);
	return v;
}

static uint64_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 3; /* ., .., and the one that reads */
}

ALONE(they_are_there_by_their_standard_names)
{
	static const struct {
		const char *name;
		enum weir_kind kind;
		enum weir_unit unit;
	} standard[] = {
		{"process_cpu_seconds_total", WEIR_OBSERVED_COUNTER_KIND, WEIR_SECONDS},
		{"process_resident_memory_bytes", WEIR_OBSERVED_GAUGE_KIND, WEIR_BYTES},
		{"process_virtual_memory_bytes", WEIR_OBSERVED_GAUGE_KIND, WEIR_BYTES},
		{"process_open_fds", WEIR_OBSERVED_GAUGE_KIND, WEIR_ONE},
		{"process_max_fds", WEIR_OBSERVED_GAUGE_KIND, WEIR_ONE},
		{"process_start_time_seconds", WEIR_OBSERVED_GAUGE_KIND, WEIR_SECONDS},
		{"process_threads", WEIR_OBSERVED_GAUGE_KIND, WEIR_ONE},
	};
	struct weir_snapshot *snapshot;
	struct weir_family f;
	size_t seen = 0;

	start(false);
	snapshot = tick();
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);) {
		if (strncmp(f.name, "process_", 8) != 0)
			continue;
		for (size_t i = 0; i < COUNT(standard); i++)
			if (strcmp(f.name, standard[i].name) == 0) {
				assert_int_equal(f.kind, standard[i].kind);
				assert_int_equal(f.unit, standard[i].unit);
				seen++;
			}
	}
	assert_int_equal(seen, COUNT(standard));
	weir_snapshot_destroy(snapshot);
}

ALONE(they_are_not_there_where_nobody_wants_them)
{
	struct weir_snapshot *snapshot;
	struct weir_family f;

	start(true);
	snapshot = tick();
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		assert_int_not_equal(strncmp(f.name, "process_", 8), 0);
	weir_snapshot_destroy(snapshot);
}

ALONE(memory_is_what_the_system_says)
{
	uint64_t resident, virtual_size;
	unsigned long total, held;
	char *more;
	FILE *file;

	start(false);
	resident = level("process_resident_memory_bytes");
	virtual_size = level("process_virtual_memory_bytes");
	file = fopen("/proc/self/statm", "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &total, &held), 2);
	fclose(file);
	assert_in_range(resident, held * 4096u / 2, held * 4096u * 2);
	assert_in_range(virtual_size, total * 4096u - (64u << 20), total * 4096u + (64u << 20));
	more = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(more, MAP_FAILED);
	memset(more, 1, 32 << 20);
	if (SANITIZED) /* which pays several times for each byte */
		return;
	assert_in_range(level("process_resident_memory_bytes") - resident, 24u << 20, 64u << 20);
	assert_in_range(level("process_virtual_memory_bytes") - virtual_size, 32u << 20, 64u << 20);
	munmap(more, 32 << 20);
}

ALONE(descriptors_are_counted)
{
	struct rlimit limit;
	int fds[10];

	start(false);
	level("process_open_fds");
	assert_int_equal(level("process_open_fds"), count_fds());
	for (size_t i = 0; i < COUNT(fds); i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(level("process_open_fds"), count_fds());
	for (size_t i = 0; i < COUNT(fds); i++)
		close(fds[i]);
	assert_int_equal(level("process_open_fds"), count_fds());
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(level("process_max_fds"), limit.rlim_cur);
	limit.rlim_cur = 123;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(level("process_max_fds"), 123);
}

ALONE(descriptors_are_counted_by_weirs_own_thread_too)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)};
	struct weir_snapshot *snapshot;
	uint64_t seen = 0;

	assert_int_equal(weir_init(&o), WEIR_OK);
	for (uint64_t until = now_ns() + WEIR_S(10); seen != count_fds() && now_ns() < until;
	     weir_snapshot_destroy(snapshot)) {
		struct weir_series s;

		usleep(STEP_US);
		assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
		if (weir_snapshot_find(snapshot, "process_open_fds", NULL, 0, &s))
			seen = s.count;
	}
	assert_int_equal(seen, count_fds());
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
}

static bool stay;
static void *stand_by(void *arg)
{
	(void)arg;
	WITHIN_MS(20000, !__atomic_load_n(&stay, __ATOMIC_ACQUIRE));
	return NULL;
}

ALONE(threads_are_counted)
{
	pthread_t threads[5];

	start(false);
	assert_int_equal(level("process_threads"), threads_named(""));
	stay = true;
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = begin_thread(stand_by, NULL);
	assert_int_equal(level("process_threads"), threads_named(""));
	assert_true(threads_named("") >= 1 + COUNT(threads));
	__atomic_store_n(&stay, false, __ATOMIC_RELEASE);
	for (size_t i = 0; i < COUNT(threads); i++)
		end_thread(threads[i]);
}

ALONE(cpu_time_is_what_was_spent)
{
	struct timespec t;
	uint64_t first, second, spent, until;

	start(false);
	first = level("process_cpu_seconds_total");
	until = first + WEIR_MS(50);
	do {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
		spent = (uint64_t)t.tv_sec * WEIR_S(1) + (uint64_t)t.tv_nsec;
	} while (spent < until);
	second = level("process_cpu_seconds_total");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	assert_in_range(second, spent, (uint64_t)t.tv_sec * WEIR_S(1) + (uint64_t)t.tv_nsec);
}

ALONE(the_start_is_when_it_started_and_stands_still)
{
	struct timespec now;
	uint64_t started;

	start(false);
	started = level("process_start_time_seconds");
	clock_gettime(CLOCK_REALTIME, &now);
	/* this process is seconds old; its start is told in hundredths */
	assert_in_range(started, ((uint64_t)now.tv_sec - ALONE_SECONDS) * WEIR_S(1),
	                (uint64_t)now.tv_sec * WEIR_S(1) + WEIR_S(1));
	sleep_ms(30);
	assert_int_equal(level("process_start_time_seconds"), started);
}

static uint64_t parents_start;
static void child_started_later(void)
{
	assert_int_equal(weir_after_fork(), WEIR_OK);
	assert_true(level("process_start_time_seconds") > parents_start);
	assert_int_equal(level("process_threads"), threads_named(""));
}

ALONE(a_child_started_when_it_was_forked)
{
	start(false);
	parents_start = level("process_start_time_seconds");
	sleep_ms(50);
	in_child(child_started_later);
	assert_int_equal(level("process_start_time_seconds"), parents_start);
}

ALONE(start_ticks_and_boot_id_are_the_systems)
{
	uint8_t id[16];
	char text[64] = "", *at;
	unsigned long long started = 0;
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	size_t digits = 0;

	assert_non_null(file);
	assert_non_null(fgets(text, sizeof text, file));
	fclose(file);
	weir__process_boot_id(id);
	for (at = text; digits < 32; at++) {
		if (*at == '-')
			continue;
		assert_int_equal(id[digits / 2] >> (digits % 2 ? 0 : 4) & 15, strtol((char[]){*at, '\0'}, NULL, 16));
		digits++;
	}
	file = fopen("/proc/self/stat", "re");
	assert_non_null(file);
	assert_int_equal(
	    fscanf(file,
	           "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	           &started),
	    1);
	fclose(file);
	assert_true(started > 0);
	assert_int_equal(weir__process_start_ticks(), started);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(they_are_there_by_their_standard_names),
	cmocka_unit_test(they_are_not_there_where_nobody_wants_them),
	cmocka_unit_test(memory_is_what_the_system_says),
	cmocka_unit_test(descriptors_are_counted),
	cmocka_unit_test(descriptors_are_counted_by_weirs_own_thread_too),
	cmocka_unit_test(threads_are_counted),
	cmocka_unit_test(cpu_time_is_what_was_spent),
	cmocka_unit_test(the_start_is_when_it_started_and_stands_still),
	cmocka_unit_test(a_child_started_when_it_was_forked),
	cmocka_unit_test(start_ticks_and_boot_id_are_the_systems),
};
ALONE_MAIN(tests)
