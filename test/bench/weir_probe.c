/* bench: what a probe costs (weir/usdt.h): one that nobody watches, and one that this program watches itself, by a perf event that
 * counts. Invariant: the event has counted each pass. Without the privilege, or without readelf, the second row prints nothing. */
#define _GNU_SOURCE
#include "bench.h"

#include <weir/usdt.h>

#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

WEIR_PROBE_DECLARE_(bench_attached_semaphore);

static void loop_unattached(void *arg, unsigned thread, uint64_t count)
{
	(void)arg, (void)thread;
	for (uint64_t i = 0; i < count; i++) {
		WEIR_PROBE(bench, unattached, i, "text");
		bench_barrier();
	}
}

static void loop_attached(void *arg, unsigned thread, uint64_t count)
{
	uint64_t *passed = arg;

	(void)thread;
	for (uint64_t i = 0; i < count; i++) {
		WEIR_PROBE(bench, attached, i, "text");
		bench_barrier();
	}
	*passed += count;
}

/* Where in its file an address of this program is. */
static uint64_t file_offset(uintptr_t address)
{
	unsigned long from, to, offset;
	uint64_t found = 0;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) == 3 && address >= from && address < to)
			found = address - from + offset;
	if (maps != NULL)
		fclose(maps);
	return found;
}

/* A perf event of this process, or -1. */
static int attach(void)
{
	static char path[4096];
	struct perf_event_attr attr = {.size = sizeof attr};
	uintptr_t here = (uintptr_t)&bench_attached_semaphore;
	unsigned long site = 0, semaphore = 0;
	char command[5000], line[512];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
	FILE *type = fopen("/sys/bus/event_source/devices/uprobe/type", "r"), *notes = NULL;

	if (len > 0 && type != NULL && fscanf(type, "%u", &attr.type) == 1) {
		snprintf(command, sizeof command, "readelf -nW '%s' 2>/dev/null | grep -A1 'Name: attached'", path);
		notes = popen(command, "r");
	}
	while (notes != NULL && fgets(line, sizeof line, notes) != NULL)
		sscanf(line, " Location: %lx, Base: %*x, Semaphore: %lx", &site, &semaphore);
	if (notes != NULL)
		pclose(notes);
	if (type != NULL)
		fclose(type);
	if (site == 0)
		return -1;
	attr.config = file_offset(here) << 32;
	attr.config1 = (uintptr_t)path;
	attr.config2 = file_offset(here - semaphore + site);
	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0ul);
}

int main(int argc, char **argv)
{
	struct bench b = bench_arguments(argc, argv);

	if (bench_is(&b, "probe_unattached"))
		bench_measure(&b, "weir", loop_unattached, NULL);
	if (bench_is(&b, "probe_attached")) {
		uint64_t passed = 0, counted = 0;
		int fd = attach();

		if (fd < 0)
			return 0;
		bench_measure(&b, "weir", loop_attached, &passed);
		bench_require(read(fd, &counted, sizeof counted) == sizeof counted && counted == passed, "the event has not counted each pass");
	}
	return 0;
}
