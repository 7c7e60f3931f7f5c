/* What `weir probes` reads: an ELF file's sections and notes, of which nothing may be believed. */
#include "elf_probes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *bytes;
	size_t len;
};

static bool read_input(void *arg, uint64_t at, void *to, size_t len)
{
	const struct input *in = arg;

	if (at > in->len || len > in->len - at)
		return false;
	memcpy(to, in->bytes + at, len);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct elf_probes probes;
	bool ok = elf_probes_read(&probes, read_input, &in);

	if (ok != (probes.why == NULL) || (!ok && probes.count != 0))
		abort();
	for (size_t n = 0; n < probes.count; n++) {
		const struct elf_probe *p = &probes.list[n];

		if (p->sites == 0 || p->name[0] == '\0' || memchr(p->provider, '\0', sizeof p->provider) == NULL ||
		    memchr(p->name, '\0', sizeof p->name) == NULL || memchr(p->arguments, '\0', sizeof p->arguments) == NULL)
			abort();
		if (n != 0 && strcmp(probes.list[n - 1].provider, p->provider) > 0)
			abort();
	}
	elf_probes_free(&probes);
	return 0;
}
