/* weir-shm: processes by number and start time. See owner.h. No data of its own. */
#define _GNU_SOURCE
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

/* Field 22 of stat, behind the name, which may hold anything; 0: not told. *zombie: it has ended. */
static uint64_t start_time_of(const char *process, bool *zombie)
{
	char path[64], text[1024], *at;
	int field = 2;

	snprintf(path, sizeof path, "/proc/%s/stat", process);
	if (!read_text(path, text, sizeof text) || (at = strrchr(text, ')')) == NULL)
		return 0;
	for (; *at != '\0'; at++) {
		if (*at != ' ')
			continue;
		field++;
		if (field == 3)
			*zombie = at[1] == 'Z' || at[1] == 'X';
		if (field == 22)
			return strtoull(at + 1, NULL, 10);
	}
	return 0;
}

static bool boot_id_now(uint8_t id[16])
{
	char text[64];
	size_t digits = 0;

	memset(id, 0, 16);
	if (!read_text("/proc/sys/kernel/random/boot_id", text, sizeof text))
		return false;
	for (const char *c = text; *c != '\0' && digits < 32; c++) {
		int digit = *c >= '0' && *c <= '9' ? *c - '0' : *c >= 'a' && *c <= 'f' ? *c - 'a' + 10 : -1;

		if (digit >= 0) {
			id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
			digits++;
		}
	}
	return true;
}

void weir__owner_self(uint64_t *start_time, uint8_t boot_id[16])
{
	bool zombie = false;

	*start_time = start_time_of("self", &zombie);
	boot_id_now(boot_id);
}

bool weir__owner_is_dead(const struct weir_segment_header *h)
{
	bool zombie = false;
	uint8_t boot_id[16];
	uint64_t start_time;
	char process[16];

	if (h->pid == 0 || h->pid > INT32_MAX)
		return true;
	if (h->start_time != 0 && boot_id_now(boot_id) && memcmp(boot_id, h->boot_id, 16) != 0)
		return true;
	snprintf(process, sizeof process, "%u", h->pid);
	start_time = start_time_of(process, &zombie);
	if (start_time == 0) /* no such process, or /proc does not tell */
		return kill((pid_t)h->pid, 0) != 0 && errno == ESRCH;
	return zombie || (h->start_time != 0 && h->start_time != start_time);
}
