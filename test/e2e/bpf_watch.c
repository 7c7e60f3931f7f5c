/* bpf_watch PID TP_OFFSET [MODULE_ID MODULE_OFFSET]: prints "ready", then "write BYTES TID TRACE SPAN ROUTE" and "state TID TRACE
 * SPAN ROUTE" lines (TRACE none where there is none), until standard input ends. Driven by context.py. */
#define _GNU_SOURCE
#include "bpf_watch.h"

#include <bpf_watch.skel.h>

#include <bpf/libbpf.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void put_hex(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
}

static int print(void *arg, void *bytes, size_t size)
{
	const struct seen *s = bytes;

	(void)arg, (void)size;
	if (s->what == 0)
		printf("state %u ", s->thread);
	else
		printf("write %u %u ", s->what, s->thread);
	if (s->trace.valid != 1) {
		puts("none - -");
		return 0;
	}
	put_hex(s->trace.trace_id, 16);
	putchar(' ');
	put_hex(s->trace.span_id, 8);
	if (s->trace.attrs_bytes >= 2 && s->trace.attrs[0] == 0)
		printf(" %.*s\n", (int)s->trace.attrs[1], (const char *)s->trace.attrs + 2);
	else
		puts(" -");
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_watch_bpf *watch = bpf_watch_bpf__open();
	struct pollfd input = {STDIN_FILENO, POLLIN, 0};
	struct ring_buffer *ring;

	if (watch == NULL || argc < 3)
		return 2;
	watch->rodata->process = (uint32_t)atoi(argv[1]);
	watch->rodata->place.tp_offset = atoll(argv[2]);
	if (argc > 4) {
		watch->rodata->place.module = (uint64_t)atoll(argv[3]);
		watch->rodata->place.module_offset = (uint64_t)atoll(argv[4]);
	}
	if (bpf_watch_bpf__load(watch) != 0 || bpf_watch_bpf__attach(watch) != 0)
		return 1;
	ring = ring_buffer__new(bpf_map__fd(watch->maps.events), print, NULL, NULL);
	if (ring == NULL)
		return 1;
	puts("ready");
	fflush(stdout);
	while (poll(&input, 1, 0) == 0)
		ring_buffer__poll(ring, 50);
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	bpf_watch_bpf__destroy(watch);
	return fflush(stdout) == 0 ? 0 : 1;
}
