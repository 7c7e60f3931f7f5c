/* L5: process_* metrics. See process.h. What /proc does not tell is not exported. Writer: the tick. */
#define _GNU_SOURCE
#include "process.h"

#include "observe.h"
#include "own.h"
#include "port.h"
#include "registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LIST(X)                                                                                                        \
	X(CPU, COUNTER, WEIR_SECONDS, "process_cpu_seconds_total",                                                     \
	  "Total user and system CPU time spent in seconds.", "")                                                      \
	X(RESIDENT, GAUGE, WEIR_BYTES, "process_resident_memory_bytes", "Resident memory size in bytes.", "")          \
	X(VIRTUAL_SIZE, GAUGE, WEIR_BYTES, "process_virtual_memory_bytes", "Virtual memory size in bytes.", "")        \
	X(OPEN_FDS, GAUGE, WEIR_ONE, "process_open_fds", "Number of open file descriptors.", "")                       \
	X(MAX_FDS, GAUGE, WEIR_ONE, "process_max_fds", "Maximum number of open file descriptors.", "")                 \
	X(START_TIME, GAUGE, WEIR_SECONDS, "process_start_time_seconds",                                               \
	  "Start time of the process since unix epoch in seconds.", "")                                                \
	X(THREADS, GAUGE, WEIR_ONE, "process_threads", "Number of OS threads in the process.", "")
WEIR__OWN(LIST, own, declare)

static size_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

/* The fields of /proc/self/stat behind the name, which may hold anything: [0] is the state, field 3. */
static int stat_fields(unsigned long long field[30])
{
	char text[1024], *at;
	int count = 0;

	if (read_file("/proc/self/stat", text, sizeof text) == 0 || (at = strrchr(text, ')')) == NULL)
		return 0;
	at++;
	while (count < 30 && *at != '\0') {
		char *end;

		while (*at == ' ')
			at++;
		field[count++] = strtoull(at, &end, 10);
		while (*at != ' ' && *at != '\0')
			at++;
	}
	return count;
}

uint64_t weir__process_start_ticks(void)
{
	unsigned long long field[30] = {0};

	return stat_fields(field) > 19 ? field[19] : 0;
}

void weir__process_boot_id(uint8_t id[16])
{
	char text[64];
	size_t digits = 0;

	memset(id, 0, 16);
	read_file("/proc/sys/kernel/random/boot_id", text, sizeof text);
	for (const char *at = text; *at != '\0' && digits < 32; at++) {
		int digit = *at >= '0' && *at <= '9' ? *at - '0' : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10 : -1;

		if (digit >= 0) {
			id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
			digits++;
		}
	}
}

void weir__process_start(void)
{
	declare();
	for (size_t i = 0; i < OWN_COUNT; i++)
		weir__instrument_of(&own[i].observed.i_);
}

/* By the raw call: a DIR would cost the tick's thread a heap of its own. */
static int64_t count_fds(void)
{
	int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* the process' table, also from a thread that has another */
	char path[32], target[64], entries[1024] __attribute__((aligned(8)));
	int64_t count = -2; /* . and .. */
	long got;
	ssize_t len;

	if (fd < 0)
		return -1;
	while ((got = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
		for (long at = 0; at + 19 <= got; count++) { /* u64 inode, u64 offset, u16 length, ... */
			uint16_t length;

			memcpy(&length, entries + at + 16, sizeof length);
			at += length;
		}
	/* The one that reads is none of the host's, where weir is pumped and it stands in the host's table. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof target);
	if (len > 9 && memcmp(target, "/proc/", 6) == 0 && memcmp(target + len - 3, "/fd", 3) == 0)
		count--;
	close(fd);
	return got == 0 ? count : -1;
}

void weir__process_observe(void)
{
	struct weir_observer *o = weir__observer_internal();
	unsigned long long field[30] = {0};
	int count = stat_fields(field);
	long ticks = sysconf(_SC_CLK_TCK);
	struct rlimit limit;
	struct timespec now;
	int64_t fds;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0)
		weir_observer_report(o, &own[CPU].observed, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
	if (count > 21 && ticks > 0) {
		struct timespec boot;

		weir_observer_report(o, &own[THREADS].observed, (int64_t)field[17]);
		weir_observer_report(o, &own[VIRTUAL_SIZE].observed, (int64_t)field[20]);
		weir_observer_report(o, &own[RESIDENT].observed, (int64_t)field[21] * sysconf(_SC_PAGESIZE));
		/* Both clocks at one moment: the boot's wall time moves with adjustments of the clock. */
		if (clock_gettime(CLOCK_BOOTTIME, &boot) == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0) {
			static int64_t since; /* asked once, so that the gauge stands still. Writer and reader: the tick */
			static uint32_t of;

			if (since == 0 || of != weir__generation()) {
				int64_t started = (int64_t)(field[19] * (1000000000ull / (unsigned long long)ticks));

				of = weir__generation();
				since = ((int64_t)now.tv_sec - boot.tv_sec) * 1000000000 + now.tv_nsec - boot.tv_nsec + started;
				since -= since % 10000000;
			}
			weir_observer_report(o, &own[START_TIME].observed, since);
		}
	}
	if ((fds = count_fds()) >= 0)
		weir_observer_report(o, &own[OPEN_FDS].observed, fds);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		weir_observer_report(o, &own[MAX_FDS].observed, limit.rlim_cur == RLIM_INFINITY ? INT64_MAX : (int64_t)limit.rlim_cur);
}
