/* orders: the access log. See access.h. Writer of the file's number: access_open and access_close, while no request runs. */
#define _GNU_SOURCE
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int file = -1;

bool access_open(const char *path)
{
	file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (file < 0)
		fprintf(stderr, "orders: no access log at %s: %s\n", path, strerror(errno));
	return file >= 0;
}

bool access_is_open(void)
{
	return file >= 0;
}

void access_close(void)
{
	if (file >= 0)
		close(file);
	file = -1;
}

uint64_t access_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* trace_id=X span_id=Y, as weir writes it, to ,"trace_id":"X","span_id":"Y" */
static int ids_json(char *out, size_t size, const char *ids)
{
	char trace[33], span[17];

	if (sscanf(ids, "trace_id=%32[0-9a-f] span_id=%16[0-9a-f]", trace, span) != 2)
		return 0;
	return snprintf(out, size, ",\"trace_id\":\"%s\",\"span_id\":\"%s\"", trace, span);
}

void access_line(const struct access_entry *entry)
{
	char line[512];
	struct timespec now;
	struct tm utc;
	int len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	len = (int)strftime(line, sizeof line, "{\"time\":\"%Y-%m-%dT%H:%M:%S", &utc);
	len += snprintf(line + len, sizeof line - (size_t)len, ".%03ldZ\",\"service\":\"%s\",\"method\":\"%s\",\"route\":\"%s\"",
	                now.tv_nsec / 1000000, entry->service, entry->method, entry->route);
	if (entry->order_id != 0)
		len += snprintf(line + len, sizeof line - (size_t)len, ",\"order\":%llu", (unsigned long long)entry->order_id);
	len += snprintf(line + len, sizeof line - (size_t)len, ",\"status\":%d,\"duration_ms\":%.3f", entry->status,
	                (double)entry->took_ns / 1e6);
	if (entry->calls > 0)
		len += snprintf(line + len, sizeof line - (size_t)len, ",\"calls\":%u", entry->calls);
	len += ids_json(line + len, sizeof line - (size_t)len, entry->ids);
	len += snprintf(line + len, sizeof line - (size_t)len, "}\n");
	if (write(file, line, (size_t)len) != len)
		return; /* a full disk costs lines, and no requests */
}
