/* A polite guest: what the host takes away (descriptors, memory, file sizes) costs records at most, counted, never the
 * host. Public API only. A full tmpfs is in oom.c. Not here: a full memory group; a process that meets its limit is killed by the
 * kernel, whoever asks for the page. */
#include "guest.h"

#include <sys/mman.h>

/* ---- descriptors ---- */

enum { HOST_FILES = 24 };

static void a_host_that_closes_all_descriptors(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(2)};
	struct weir_callback *callback;
	struct weir_exporter *exporter;
	struct stat made[HOST_FILES], now;
	int file[HOST_FILES];
	struct weir_snapshot *snapshot;
	struct weir_series s;
	pid_t child;

	record_all();
	begin(&o, &callback, &exporter);
	expect_it_runs();
	CHECK(syscall(SYS_close_range, 3u, ~0u, 0u) == 0); /* closefrom(3) */
	for (int i = 0; i < HOST_FILES; i++) { /* the host's own files under the same numbers */
		char path[] = "/tmp/weir-guest-XXXXXX", text[32];

		file[i] = mkstemp(path);
		EQUAL_INT(file[i], 3 + i);
		unlink(path);
		snprintf(text, sizeof text, "file %d of the host", i);
		CHECK(write(file[i], text, strlen(text)) == (ssize_t)strlen(text));
		CHECK(fstat(file[i], &made[i]) == 0);
	}
	expect_it_runs();
	for (int i = 0; i < 3000; i++) { /* new series, new blocks, new pages */
		char k[16];

		snprintf(k, sizeof k, "%d", i % 1500);
		weir_counter_add_with(&labelled, 1, k);
		record_all();
	}
	for (int i = 0; i < 20; i++) {
		pthread_t thread;

		thread_start(&thread, record_in_thread, NULL, 0);
		pthread_join(thread, NULL);
		offered += 100;
	}
	expect_all();
	EQUAL_INT(weir_flush(WEIR_S(5)), WEIR_OK);
	child = fork();
	if (child == 0) {
		offered = 0;
		record_all();
		expect_all();
		EQUAL_INT(weir_after_fork(), WEIR_OK);
		expect_it_runs();
		EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
		for (int i = 0; i < HOST_FILES; i++) {
			CHECK(fstat(file[i], &now) == 0);
			CHECK(now.st_ino == made[i].st_ino && now.st_size == made[i].st_size);
		}
		_exit(0);
	}
	CHILD_IS_WELL(child, 10000);
	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	CHECK(weir_snapshot_find(snapshot, "process_open_fds", NULL, 0, &s)); /* of the process, not of weir's thread */
	CHECK(s.level >= 3 + HOST_FILES && s.level <= 3 + HOST_FILES + 2);
	weir_snapshot_destroy(snapshot);
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
	begin(&o, &callback, &exporter); /* and once more, with what is left */
	expect_it_runs();
	record_all();
	expect_all();
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
	for (int i = 0; i < HOST_FILES; i++) {
		char text[64] = "", wanted[32];

		snprintf(wanted, sizeof wanted, "file %d of the host", i);
		CHECK(fstat(file[i], &now) == 0);
		CHECK(now.st_ino == made[i].st_ino && now.st_dev == made[i].st_dev && now.st_size == made[i].st_size);
		CHECK(pread(file[i], text, sizeof text - 1, 0) == (ssize_t)strlen(wanted) && strcmp(text, wanted) == 0);
		CHECK(close(file[i]) == 0);
	}
}

/* A daemon that closed its standard descriptors gets these numbers for its own files, as it expects. */
static void a_daemon_without_standard_descriptors(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(2)};
	struct weir_callback *callback;
	struct weir_exporter *exporter;
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100), given[3];

	CHECK(out >= 100);
	close(0);
	close(1);
	close(2);
	record_all(); /* the cells' descriptor is not one of them */
	for (int n = 0; n < 3; n++)
		given[n] = open("/dev/null", O_RDWR | O_CLOEXEC);
	begin(&o, &callback, &exporter);
	expect_it_runs();
	record_all();
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
	dup2(out, STDOUT_FILENO);
	expect_all();
	for (int n = 0; n < 3; n++)
		EQUAL_INT(given[n], n);
	CHECK(strcmp(status_now().home, "memfd") == 0);
}

/* ---- memory ---- */

enum { LOCKED_THREADS = 20, LOCKED_STACK = 64 * 1024 };
static pthread_barrier_t all_recorded;

static void *record_once_and_wait(void *arg)
{
	(void)arg;
	weir_counter_add(&adds, 1);
	pthread_barrier_wait(&all_recorded);
	pthread_barrier_wait(&all_recorded);
	return NULL;
}

static void a_host_that_locks_its_memory(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(2), .no_process = true};
	pthread_t threads[LOCKED_THREADS];
	long rss, most;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		SKIP("mlockall: %s", strerror(errno));
	free(malloc(256 * 1024)); /* the heap is there */
	rss = proc_status("VmRSS:", 10);
	record_all();
	EQUAL_INT(weir_init(&o), WEIR_OK);
	pthread_barrier_init(&all_recorded, NULL, LOCKED_THREADS + 1);
	for (int i = 0; i < LOCKED_THREADS; i++)
		thread_start(&threads[i], record_once_and_wait, NULL, LOCKED_STACK);
	pthread_barrier_wait(&all_recorded);
	/* All that is mapped writable is paid: stacks (weir's own thread has 512 KiB), heaps of the registry, 64
	 * pages of the segment at first, two pages a thread; but neither the segment's reserve of 1 GiB, nor tables
	 * of 512 KiB a thread. */
	rss = proc_status("VmRSS:", 10) - rss;
	most = LOCKED_THREADS * ((LOCKED_STACK + 8192) / 1024 + 12) + 512 + 256 + 1024;
	NOTE("mlockall: %ld KiB for %d threads, of which stacks %d; VmLck %ld KiB", rss, LOCKED_THREADS,
	     LOCKED_THREADS * LOCKED_STACK / 1024 + 512, proc_status("VmLck:", 10));
	AT_MOST(rss, most);
	pthread_barrier_wait(&all_recorded);
	for (int i = 0; i < LOCKED_THREADS; i++)
		pthread_join(threads[i], NULL);
	EQUAL(weir_counter_read(&adds), LOCKED_THREADS + 1);
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
}

/* Whatever the home became, all that was offered is there or counted; the label's series is of the same thread. */
static void expect_recorded_or_counted(void)
{
	struct weir_str x = weir_str_of("x");
	struct weir_snapshot *snapshot;
	struct weir_series s;
	uint64_t recorded;

	recorded = weir_counter_read(&adds) + (uint64_t)weir_gauge_read(&gauge) + weir_histogram_read(&times).count;
	if (weir_snapshot_new(&snapshot) == WEIR_OK) {
		if (weir_snapshot_find(snapshot, "guest_labelled_total", &x, 1, &s))
			recorded += s.count;
		weir_snapshot_destroy(snapshot);
	}
	EQUAL(recorded + status_now().dropped_records, 4 * offered);
}

/* An ordinary user's limit on locked memory: the reserve counts against it. */
static void a_host_that_may_lock_little(void)
{
	struct rlimit little = {8 << 20, 8 << 20};

	CHECK(setrlimit(RLIMIT_MEMLOCK, &little) == 0);
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
		SKIP("setresuid: %s", strerror(errno));
	if (mlockall(MCL_FUTURE) != 0)
		SKIP("mlockall: %s", strerror(errno));
	for (int i = 0; i < 1000; i++)
		record_all();
	NOTE("home %s, %llu dropped and counted", status_now().home, (unsigned long long)status_now().dropped_records);
	expect_recorded_or_counted();
	EQUAL(status_now().dropped_records, 0); /* a smaller reserve was enough */
}

static void small_files(rlim_t bytes, const char *home)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};

	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	for (int i = 0; i < 1000; i++)
		record_all();
	if (home != NULL && strncmp(status_now().home, home, strlen(home)) != 0)
		FAIL("the home is %s and not %s", status_now().home, home);
	expect_all();
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	NOTE("RLIMIT_FSIZE %lld: home %s", (long long)bytes, status_now().home);
}

static void files_of_8_MiB_at_most(void)
{
	small_files(8 << 20, "memfd");
}

static void files_of_64_KiB_at_most(void)
{
	small_files(64 << 10, "private");
}

static void no_files_at_all(void)
{
	small_files(0, "private");
}

static void address_space(long more_kb)
{
	struct rlimit limit = {0, RLIM_INFINITY};

	limit.rlim_cur = (rlim_t)(proc_status("VmSize:", 10) + more_kb) * 1024;
	CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
	for (int i = 0; i < 1000; i++)
		record_all();
	expect_recorded_or_counted();
	NOTE("%ld KiB of address space left: home %s, %llu of %llu records dropped and counted", more_kb,
	     status_now().home, (unsigned long long)status_now().dropped_records, (unsigned long long)offered * 4);
}

static void an_address_space_of_64_MiB_more(void)
{
	address_space(64 << 10);
	expect_all();
	CHECK(strcmp(status_now().home, "memfd") == 0);
}

static void an_address_space_of_3_MiB_more(void)
{
	address_space(3 << 10);
	expect_all();
}

/* No room at all: all is counted; and when there is room again, it records again. */
static void an_address_space_that_is_full(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	uint64_t before;

	address_space(100);
	CHECK(status_now().dropped_memory > 0);
	setrlimit(RLIMIT_AS, &limit);
	sleep_ms(1100); /* it asks again once a second at most */
	before = weir_counter_read(&adds);
	for (int i = 0; i < 10; i++)
		record_all();
	EQUAL(weir_counter_read(&adds), before + 10);
	expect_recorded_or_counted();
}

/* With huge pages on always, the first touch of a table or a cell would cost 2 MiB: none of weir's mappings takes
 * part. */
static void no_huge_pages(void)
{
	int ours = 0, wiped = 0;
	bool of_weir = false;
	char line[512];
	FILE *file;

	record_all();
	file = fopen("/proc/self/smaps", "re");
	if (file == NULL)
		SKIP("no /proc/self/smaps");
	while (fgets(line, sizeof line, file) != NULL) {
		if (strstr(line, "memfd:weir") != NULL)
			of_weir = true;
		if (strncmp(line, "VmFlags:", 8) != 0)
			continue;
		if (of_weir || strstr(line, " wf") != NULL) {
			if (strstr(line, " nh") == NULL)
				FAIL("a mapping of weir's has the flags %s", line + 8);
			ours += of_weir;
			wiped += !of_weir;
		}
		of_weir = false;
	}
	fclose(file);
	CHECK(ours >= 1);
	CHECK(wiped >= 2); /* the page of locks, a thread's table */
}

CASES({"a_host_that_closes_all_descriptors", a_host_that_closes_all_descriptors, 30},
      {"a_daemon_without_standard_descriptors", a_daemon_without_standard_descriptors, 20},
      {"a_host_that_locks_its_memory", a_host_that_locks_its_memory, 20},
      {"a_host_that_may_lock_little", a_host_that_may_lock_little, 20},
      {"files_of_8_MiB_at_most", files_of_8_MiB_at_most, 10},
      {"files_of_64_KiB_at_most", files_of_64_KiB_at_most, 10}, {"no_files_at_all", no_files_at_all, 10},
      {"an_address_space_of_64_MiB_more", an_address_space_of_64_MiB_more, 10},
      {"an_address_space_of_3_MiB_more", an_address_space_of_3_MiB_more, 10},
      {"an_address_space_that_is_full", an_address_space_that_is_full, 20}, {"no_huge_pages", no_huge_pages, 10})
