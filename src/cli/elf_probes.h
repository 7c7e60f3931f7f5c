/* weir, the command: the probes that an ELF file tells of, in the notes of SystemTap's sys/sdt.h (section .note.stapsdt).
 *
 * Pure: the file is read through a function. Invariant: no offset and no length of the file is believed before it was compared;
 * a file that is no ELF file of this machine's kind is told, and never crashes or holds up its reader. */
#ifndef WEIR_CLI_ELF_PROBES_H
#define WEIR_CLI_ELF_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_probe {
	char provider[64], name[64]; /* longer ones are cut */
	char arguments[256];         /* as they stand there: "8@%rdi -4@%esi" */
	bool guarded;                /* it has a semaphore */
	unsigned sites;
};
struct elf_probes {
	struct elf_probe *list; /* by provider and name, each once */
	size_t count;
	const char *why; /* what is wrong with the file; NULL: nothing */
};

/* Exactly len bytes from at on; false: they are not there. */
typedef bool elf_read_fn(void *arg, uint64_t at, void *to, size_t len);

/* False: why says it. A file without notes has none, and is well. */
bool elf_probes_read(struct elf_probes *probes, elf_read_fn *read, void *arg);
void elf_probes_free(struct elf_probes *probes);

#endif
