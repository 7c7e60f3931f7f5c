/* The cells go into a file, and into a map, while the k-th call that asks for memory fails, for every k: nothing crashes or hangs; the
 * cells are there, or stay where they were, and then nothing is left of it: no name, no descriptor; all that was counted is there,
 * and goes on; and once there is memory again, it works. Public API only.
 *
 * Invariant: calls are counted, and fail, only while `failing` is set. */
#define _GNU_SOURCE
#include "case.h"

#include <weir/shm.h>
#include <weir/weir.h>

#if CASE_SANITIZED

static void without_sanitizers_only(void)
{
	SKIP("a sanitizer stands where this test's allocator would");
}
CASES({"every_allocation_of_shm_fails_once", without_sanitizers_only, 10})

#else

#include "oom_calls.h"
#include "segment_reader.h"

#include <dirent.h>
#include <sys/stat.h>

WEIR_COUNTER(adds, "oom_adds_total", "Adds.");
WEIR_COUNTER(labelled, "oom_labelled_total", "Adds by label.", "k");
WEIR_GAUGE(level, "oom_level", "A level.");
WEIR_HISTOGRAM(sizes, WEIR_BUCKETS(WEIR_BYTES, WEIR_RANGE(16, WEIR_MIB(64))), "oom_sizes_bytes", "Sizes.");

enum way { INTO_A_FILE, INTO_A_MAP, FROM_A_FILE_INTO_A_MAP };
static uint64_t offered, refused;

static void record(int times)
{
	for (int n = 0; n < times; n++) {
		weir_counter_add(&adds, 1);
		weir_counter_add_with(&labelled, 1, n % 2 != 0 ? "x" : "y");
		weir_gauge_add(&level, 1);
		weir_histogram_record(&sizes, 100);
	}
	offered += (uint64_t)times;
}

/* Everything is there. It has its pages since before calls fail, so that no record is dropped. */
static void all_is_there(void)
{
	struct weir_status status = {.size = sizeof status};

	CHECK(weir_status_read(&status) == WEIR_OK);
	EQUAL(status.dropped_records, 0);
	EQUAL(weir_counter_read(&adds), offered);
	EQUAL_INT(weir_gauge_read(&level), (int64_t)offered);
	EQUAL(weir_histogram_read(&sizes).count, offered);
}

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void find_adds(void *arg, const struct reader_series *series)
{
	if (series->name_len == strlen("oom_adds_total") && memcmp(series->name, "oom_adds_total", series->name_len) == 0)
		*(uint64_t *)arg += series->value;
}

/* What stands in the home that one of our descriptors is of, whatever weir says of it: its path, or what the kernel calls it. */
static uint64_t adds_in(const char *what)
{
	uint64_t sum = 0;

	for (int fd = 3; fd < 64; fd++) {
		char path[32], link[256] = "";
		struct reader reader;
		struct stat is;
		size_t bytes;
		void *memory;

		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (readlink(path, link, sizeof link - 1) < 0 || strstr(link, what) == NULL || fstat(fd, &is) != 0)
			continue;
		bytes = is.st_size != 0 ? (size_t)is.st_size : (size_t)4 << 20; /* of a map as it is made where nobody says how large */
		memory = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
		if (memory == MAP_FAILED) /* a folder, or a map's description */
			continue;
		if (reader_open(&reader, memory, bytes))
			reader_sums(&reader, 1 << 20, find_adds, &sum);
		munmap(memory, bytes);
	}
	return sum;
}

static const char *home(void)
{
	static struct weir_status status;

	status = (struct weir_status){.size = sizeof status};
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status.home;
}

static void begins(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		FAIL("home is %s, not %s", text, with);
}

/* With the call failing, or with none. */
static void move(const struct weir_shm_options *o, const char *folder)
{
	int descriptors = entries("/proc/self/fd"), names = entries(folder), error;

	__atomic_store_n(&failing, true, __ATOMIC_RELEASE);
	error = weir_shm_start(o);
	__atomic_store_n(&failing, false, __ATOMIC_RELEASE);
	if (error != WEIR_OK) {
		if (error != WEIR_ENOMEM && error != WEIR_EIO && error != WEIR_EUNSUPPORTED)
			FAIL("start says %s", weir_error_name(error));
		EQUAL_INT(entries("/proc/self/fd"), descriptors);
		EQUAL_INT(entries(folder), names);
		refused++;
	}
	all_is_there();
	record(10);
	all_is_there();
	if (error != WEIR_OK) { /* again, with memory */
		EQUAL_INT(weir_shm_start(o), WEIR_OK);
		all_is_there();
	}
	/* Where only the words for it had no memory, home says less; the cells are there. */
	if (fail_from > calls || error != WEIR_OK)
		begins(home(), o->home == WEIR_SHM_MAP ? "map" : "file: ");
	record(10);
	all_is_there();
	EQUAL(adds_in(o->home == WEIR_SHM_MAP ? "bpf-map" : folder), offered);
}

static void one_life(uint64_t at, enum way way, int told)
{
	char folder[] = "/dev/shm/weir-test-oom-XXXXXX";
	struct weir_options options = {.size = sizeof options, .log_level = WEIR_LOG_NONE, .no_thread = true, .no_process = true};
	struct weir_shm_options file = {.size = sizeof file, .name = "oom", .dir = folder};
	struct weir_shm_options map = {.size = sizeof map, .home = WEIR_SHM_MAP};
	uint64_t report[2];

	refused = 0;
	CHECK(mkdtemp(folder) != NULL);
	EQUAL_INT(weir_init(&options), WEIR_OK);
	record(20);
	all_is_there();
	if (way == FROM_A_FILE_INTO_A_MAP) {
		EQUAL_INT(weir_shm_start(&file), WEIR_OK);
		EQUAL_INT(weir_shm_stop(), WEIR_OK);
	}
	fail_from = fail_to = at;
	move(way == INTO_A_FILE ? &file : &map, folder);
	EQUAL_INT(weir_shm_stop(), WEIR_OK);
	all_is_there();
	EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
	if (rmdir(folder) != 0)
		FAIL("a name is left");
	report[0] = calls;
	report[1] = refused;
	CHECK(write(told, report, sizeof report) == sizeof report);
}

/* The calls of a life whose at-th fails; it ends well. */
static uint64_t live(uint64_t at, enum way way)
{
	uint64_t report[2];
	int told[2], end;
	pid_t child;

	CHECK(pipe2(told, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0) {
		one_life(at, way, told[1]);
		_exit(0);
	}
	close(told[1]);
	end = child_end(child, 15000);
	if (end != 0)
		FAIL("with call %llu failing, a life ends with %d (-1: hung, 1000 and more: a signal)", (unsigned long long)at, end);
	CHECK(read(told[0], report, sizeof report) == sizeof report);
	close(told[0]);
	refused += report[1];
	return report[0];
}

static void each_call_once(enum way way)
{
	uint64_t all = live(UINT64_MAX, way);

	EQUAL(refused, 0);
	CHECK(all >= 6);
	for (uint64_t k = 1; k <= all; k++)
		live(k, way);
	NOTE("%llu calls; %llu starts were refused", (unsigned long long)all, (unsigned long long)refused);
	CHECK(refused >= 4);
}

static void into_a_file(void)
{
	each_call_once(INTO_A_FILE);
}

static bool maps_may_be_made(void)
{
	struct weir_shm_options map = {.size = sizeof map, .home = WEIR_SHM_MAP};
	pid_t child = fork();

	if (child == 0)
		_exit(weir_shm_start(&map) == WEIR_OK ? 0 : 1);
	return child_end(child, 10000) == 0;
}

static void into_a_map(void)
{
	if (!maps_may_be_made())
		SKIP("no map may be made here");
	each_call_once(INTO_A_MAP);
}

static void from_a_file_into_a_map(void)
{
	if (!maps_may_be_made())
		SKIP("no map may be made here");
	each_call_once(FROM_A_FILE_INTO_A_MAP);
}

CASES({"every_allocation_of_shm_fails_once_on_the_way_into_a_file", into_a_file, 60},
      {"every_allocation_of_shm_fails_once_on_the_way_into_a_map", into_a_map, 60},
      {"every_allocation_of_shm_fails_once_between_the_two", from_a_file_into_a_map, 60})

#endif
