/* A program that uses weir-shm as installed: its cells go into a file, and what was counted before is there. */
#define _GNU_SOURCE
#include <weir/shm.h>
#include <weir/weir.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

WEIR_COUNTER(shared, "shared_total", "Shared.");

static int fails(const char *what)
{
	fprintf(stderr, "share: %s\n", what);
	return 1;
}

int main(void)
{
	struct weir_shm_options options = {.size = sizeof options, .name = "package"};
	struct weir_status status = {.size = sizeof status};
	const char *path;

	weir_counter_add(&shared, 2);
	if (weir_shm_start(&options) != WEIR_OK)
		return fails("weir_shm_start");
	weir_counter_add(&shared, 1);
	if (weir_status_read(&status) != WEIR_OK || strncmp(status.home, "file: ", 6) != 0)
		return fails("the home");
	path = status.home + 6;
	if (access(path, R_OK) != 0 || weir_counter_read(&shared) != 3)
		return fails("the file, or what is counted");
	if (weir_shm_stop() != WEIR_OK || access(path, F_OK) == 0)
		return fails("weir_shm_stop");
	return 0;
}
