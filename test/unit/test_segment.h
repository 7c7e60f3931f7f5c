/* What the tests of src/segment.c begin with: test_segment.c, test_segment_refused.c. */
#ifndef TEST_SEGMENT_H
#define TEST_SEGMENT_H

#define _GNU_SOURCE
#include "segment.h"
#include "port.h"
#include "registry.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "alone.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static struct weir__guard inside;
static inline void enter(void)
{
	assert_true(weir__enter(&inside));
}

static inline void leave(void)
{
	weir__leave(&inside);
}

/* Where the memfd is mapped, by what the kernel says; NULL where there is none. */
static inline unsigned char *mapped(uint64_t *bytes)
{
	FILE *file = fopen("/proc/self/maps", "re");
	uintptr_t first = 0, last = 0;
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL)
		if (strstr(line, "/memfd:weir") != NULL) {
			unsigned long from, to;

			assert_int_equal(sscanf(line, "%lx-%lx", &from, &to), 2);
			first = first == 0 ? from : first;
			last = to;
		}
	fclose(file);
	if (bytes != NULL)
		*bytes = last - first;
	return (unsigned char *)first;
}

static inline struct weir_segment_header *header(void)
{
	return (struct weir_segment_header *)(void *)mapped(NULL);
}

static inline const struct weir_segment_entry *entry_of(uint32_t page)
{
	const struct weir_segment_header *h = header();

	assert_int_equal(h->areas[0].type, WEIR_PAGE_DIRECTORY);
	assert_true(page < h->areas[0].count);
	return (const struct weir_segment_entry *)(const void *)(mapped(NULL) + h->areas[0].offset +
	                                                       page * h->areas[0].entry_bytes);
}

/* The descriptor of it, and how many there are. */
static inline int descriptor(int *found)
{
	char path[64], target[128];

	*found = -1;
	for (int fd = 0; fd < 256; fd++) {
		ssize_t len;

		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof target - 1);
		if (len <= 0)
			continue;
		target[len] = '\0';
		if (strncmp(target, "/memfd:weir", 11) == 0)
			*found = fd;
	}
	return *found;
}

#endif
