/* bpf_pointers LIBRARY PROBE KINDS [LIBRARY PROBE KINDS...]: attaches to these probes in all processes, prints "ready", then, until
 * standard input ends, a line for each pointer of each hit: PROCESS PROBE ARGUMENT BYTES TEXT, what it points to. KINDS has a letter
 * an argument: I an id of 16 bytes, i of 8, t a text, n a number. Last comes "lost N". Driven by pointers.py. */
#define _GNU_SOURCE
#include "bpf_pointers.h"

#include <bpf_pointers.skel.h>

#include <bpf/libbpf.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char **asked; /* three words a probe */

static int print(void *arg, void *bytes, size_t size)
{
	const struct looked *l = bytes;

	(void)arg, (void)size;
	printf("%u %s %u %d %d ", l->process, asked[3 * l->probe + 1], l->arg, l->bytes, l->text);
	for (size_t i = 0; i < (l->text > 0 ? (size_t)l->text - 1 : 16); i++)
		if (l->text > 0 && l->of[i] > ' ' && l->of[i] < 0x7f)
			putchar(l->of[i]);
		else
			printf("%%%02x", (unsigned char)l->of[i]);
	putchar('\n');
	return 0;
}

static unsigned long long cookie_of(unsigned int probe, const char *kinds)
{
	unsigned long long cookie = (unsigned long long)probe << 32;

	for (unsigned int arg = 0; arg < POINTERS_ARGS && kinds[arg] != '\0'; arg++) {
		enum what what = kinds[arg] == 'I' ? AN_ID_OF_16 : kinds[arg] == 'i' ? AN_ID_OF_8 : kinds[arg] == 't' ? A_TEXT : A_NUMBER;

		cookie |= (unsigned long long)what << 2 * arg;
	}
	return cookie;
}

static bool attach(struct bpf_pointers_bpf *program, int count)
{
	for (int n = 0; n < count; n++) {
		struct bpf_usdt_opts opts = {.sz = sizeof opts, .usdt_cookie = cookie_of((unsigned int)n, asked[3 * n + 2])};

		if (bpf_program__attach_usdt(program->progs.on_probe, -1, asked[3 * n], "weir", asked[3 * n + 1], &opts) == NULL) {
			fprintf(stderr, "bpf_pointers: %s is not attached\n", asked[3 * n + 1]);
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct pollfd input = {STDIN_FILENO, POLLIN, 0};
	struct bpf_pointers_bpf *program;
	struct ring_buffer *ring;

	asked = argv + 1;
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL); /* errors are NULL */
	program = bpf_pointers_bpf__open_and_load();
	if (program == NULL || argc < 4 || !attach(program, (argc - 1) / 3))
		return 1;
	ring = ring_buffer__new(bpf_map__fd(program->maps.events), print, NULL, NULL);
	if (ring == NULL)
		return 1;
	puts("ready");
	fflush(stdout);
	while (poll(&input, 1, 0) == 0)
		ring_buffer__poll(ring, 50);
	ring_buffer__consume(ring);
	printf("lost %llu\n", program->bss->lost);
	ring_buffer__free(ring);
	return fflush(stdout) == 0 ? 0 : 1; /* the end of the process detaches all at once */
}
