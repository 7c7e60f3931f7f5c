/* weir, the command: processes. See process.h. No data of its own. */
#define _GNU_SOURCE
#include "process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The file's first bytes as a text; false: it is not there. */
static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

/* The innermost of the numbers that a process has in nested namespaces; 0: not told. */
static uint32_t inner_pid(int pid)
{
	char path[64], text[4096], *at, *end;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	if (!read_text(path, text, sizeof text) || (at = strstr(text, "\nNSpid:")) == NULL)
		return 0;
	at += strlen("\nNSpid:");
	end = strchr(at, '\n');
	if (end == NULL)
		return 0;
	*end = '\0';
	while (end > at && end[-1] != '\t' && end[-1] != ' ')
		end--;
	return (uint32_t)strtoul(end, NULL, 10);
}

bool process_read(struct process *process, int pid)
{
	char path[64], text[1024], *name, *end;
	int field = 2;

	*process = (struct process){.pid = pid};
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (!read_text(path, text, sizeof text) || (name = strchr(text, '(')) == NULL || (end = strrchr(text, ')')) == NULL)
		return false;
	*end = '\0';
	snprintf(process->name, sizeof process->name, "%s", name + 1);
	for (char *at = end + 1; *at != '\0'; at++) {
		if (*at != ' ')
			continue;
		field++;
		if (field == 3)
			process->state = at[1];
		if (field == 22)
			process->start_time = strtoull(at + 1, NULL, 10);
	}
	process->inner_pid = inner_pid(pid);
	if (process->inner_pid == 0)
		process->inner_pid = (uint32_t)pid;
	return process->start_time != 0 && process->state != 'X';
}

uint64_t process_age_s(const struct process *process)
{
	struct timespec now;
	uint64_t started = process->start_time / (uint64_t)sysconf(_SC_CLK_TCK);

	if (clock_gettime(CLOCK_BOOTTIME, &now) != 0 || (uint64_t)now.tv_sec < started)
		return 0;
	return (uint64_t)now.tv_sec - started;
}

/* As the library writes it: the digits of the text. */
static bool is_this_boot(const uint8_t id[16])
{
	char text[64];
	uint8_t now[16] = {0};
	size_t digits = 0;

	if (!read_text("/proc/sys/kernel/random/boot_id", text, sizeof text))
		return true; /* not known to be another */
	for (const char *at = text; *at != '\0' && digits < 32; at++) {
		int digit = *at >= '0' && *at <= '9' ? *at - '0' : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10 : -1;

		if (digit >= 0) {
			now[digits / 2] = (uint8_t)(now[digits / 2] << 4 | digit);
			digits++;
		}
	}
	return memcmp(now, id, 16) == 0;
}

bool process_writes(const struct process *process, const struct weir_segment_header *header)
{
	return process->inner_pid == header->pid && process->state != 'Z' &&
	       (header->start_time == 0 || header->start_time == process->start_time);
}

enum owner owner_of(const struct weir_segment_header *header, struct process *process)
{
	if (header->start_time != 0 && !is_this_boot(header->boot_id))
		return OWNER_DEAD;
	if (header->pid == 0 || header->pid > INT32_MAX || !process_read(process, (int)header->pid) || process->state == 'Z')
		return OWNER_DEAD;
	if (header->start_time == 0)
		return OWNER_UNKNOWN;
	return header->start_time == process->start_time ? OWNER_ALIVE : OWNER_DEAD;
}

const char *owner_text(enum owner owner)
{
	return owner == OWNER_ALIVE ? "alive" : owner == OWNER_DEAD ? "dead" : "unknown";
}
