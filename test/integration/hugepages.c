/* Huge pages on always, for real: the machine's setting is switched where that may be done (root), and put back whatever
 * happens. A first use in a fresh process then costs what it costs elsewhere: two pages a thread, and not 2 MiB.
 *
 * Invariant: who puts the setting back is a process of its own, which outlives the case, however that ends. */
#include "case.h"

#include <weir/weir.h>

#include <sys/mman.h>

WEIR_COUNTER(adds, "huge_adds_total", "Adds.");

static const char setting[] = "/sys/kernel/mm/transparent_hugepage/enabled";
static const char shared_setting[] = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"; /* of a memfd: the segment */
enum { THREADS = 50, HUGE_KIB = 2048 };

static bool write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return done;
}

/* The word in brackets. */
static bool read_setting(const char *path, char value[16])
{
	char text[128] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool found = fd >= 0 && read(fd, text, sizeof text - 1) > 0;
	const char *begin = found ? strchr(text, '[') : NULL;

	if (fd >= 0)
		close(fd);
	return begin != NULL && sscanf(begin, "[%15[a-z]]", value) == 1;
}

/* Of all mappings, or of those that take no huge pages by their own advice. */
static long kib_of(const char *what, bool ours_only)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512], format[64];
	long sum = 0, here = 0, kib;

	CHECK(file != NULL);
	snprintf(format, sizeof format, "%s: %%ld kB", what);
	while (fgets(line, sizeof line, file) != NULL) {
		if (sscanf(line, format, &kib) == 1)
			here = kib;
		if (strncmp(line, "VmFlags:", 8) != 0)
			continue;
		if (!ours_only || strstr(line, " nh") != NULL)
			sum += here;
		here = 0;
	}
	fclose(file);
	return sum;
}

static pthread_barrier_t turn;

static void *record_one(void *arg)
{
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
	weir_counter_add(&adds, 1);
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
	return arg;
}

/* The fresh process: 77 where the machine has no huge page to give. */
static void first_use(void)
{
	const bool shared = getenv("HUGE_SHARED") != NULL;
	char *wide = mmap(NULL, 4 * HUGE_KIB * 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t threads[THREADS];
	long rss, huge, cost;

	CHECK(wide != MAP_FAILED);
	((volatile char *)wide)[2 * HUGE_KIB * 1024] = 1;
	if (kib_of("AnonHugePages", false) < HUGE_KIB) /* the witness: here a touch does cost 2 MiB */
		_exit(CASE_SKIPPED);
	if (shared) { /* and so it does in a memfd's pages */
		char *file = mmap(NULL, 4 * HUGE_KIB * 1024, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		CHECK(file != MAP_FAILED);
		((volatile char *)file)[2 * HUGE_KIB * 1024] = 1;
		NOTE("a touch of shared memory costs %ld KiB", kib_of("ShmemPmdMapped", false));
		CHECK(munmap(file, 4 * HUGE_KIB * 1024) == 0);
	}
	pthread_barrier_init(&turn, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, record_one, NULL) == 0);
	pthread_barrier_wait(&turn);
	kib_of("Rss", false);
	huge = kib_of("AnonHugePages", false);
	rss = kib_of("Rss", false);
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
	cost = kib_of("Rss", false) - rss;
	NOTE("with huge pages on always: %ld KiB for the first use of a process and %d threads", cost, THREADS);
	EQUAL(weir_counter_read(&adds), THREADS);
	EQUAL(kib_of("AnonHugePages", false), huge);
	EQUAL(kib_of("AnonHugePages", true), 0);
	EQUAL(kib_of("ShmemPmdMapped", false), 0);
	/* two pages each; the registry and the segment begin as well, libweir's pages are touched: far from one huge page */
	AT_MOST(cost, THREADS * 8 + 512);
	pthread_barrier_wait(&turn);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* weir's own threads, and what they touch */
	rss = kib_of("AnonHugePages", true);
	EQUAL_INT(weir_init(&(struct weir_options){.size = sizeof(struct weir_options), .tick_ns = WEIR_MS(1)}), WEIR_OK);
	sleep_ms(50);
	EQUAL(kib_of("AnonHugePages", true), rss);
	EQUAL_INT(weir_shutdown(WEIR_S(3)), WEIR_OK);
	_exit(0);
}

static void put_back_at_the_end(const char *before, const char *shared_before, int ended)
{
	char byte;

	setsid();
	prctl(PR_SET_PDEATHSIG, 0);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	alarm(0);
	while (read(ended, &byte, 1) < 0 && errno == EINTR) /* nothing is sent: it ends with the case */
		;
	_exit(write_setting(setting, before) && (shared_before[0] == '\0' || write_setting(shared_setting, shared_before)) ? 0 : 1);
}

static void huge_pages_on_always(void)
{
	char before[16], shared_before[16], now[16];
	int ended[2], end;
	pid_t keeper, fresh;

	if (CASE_SANITIZED)
		SKIP("a sanitizer's memory is not the host's");
	if (!read_setting(setting, before))
		SKIP("this kernel has no transparent huge pages");
	if (!write_setting(setting, before))
		SKIP("%s cannot be written: %s", setting, strerror(errno));
	if (!read_setting(shared_setting, shared_before) || !write_setting(shared_setting, shared_before))
		shared_before[0] = '\0'; /* a kernel without: it has none for a memfd */
	CHECK(pipe2(ended, O_CLOEXEC) == 0);
	keeper = fork();
	CHECK(keeper >= 0);
	if (keeper == 0) {
		close(ended[1]);
		put_back_at_the_end(before, shared_before, ended[0]);
	}
	close(ended[0]);
	end = CASE_FAILED;
	if (write_setting(setting, "always")) {
		if (shared_before[0] != '\0' && write_setting(shared_setting, "always"))
			setenv("HUGE_SHARED", "1", 1);
		fresh = fork();
		if (fresh == 0) {
			execl("/proc/self/exe", "hugepages", "first_use", (char *)NULL);
			_exit(126);
		}
		end = child_end(fresh, 20000);
	}
	close(ended[1]);
	EQUAL_INT(child_end(keeper, 5000), 0);
	CHECK(read_setting(setting, now) && strcmp(now, before) == 0);
	CHECK(shared_before[0] == '\0' || (read_setting(shared_setting, now) && strcmp(now, shared_before) == 0));
	if (end == CASE_SKIPPED)
		SKIP("the machine gives no huge page, even on always");
	EQUAL_INT(end, 0);
}

CASES({"huge_pages_on_always", huge_pages_on_always, 40}, {"first_use", first_use, 0})
