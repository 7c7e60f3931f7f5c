/* weir, the command: the ELF files that a process has mapped, by /proc/PID/maps.
 *
 * Invariant: a module is opened as the very file that is mapped (its inode is compared), also where it has been deleted
 * since, or lies in a container. */
#ifndef WEIR_CLI_MODULES_H
#define WEIR_CLI_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module {
	uint64_t start, end, offset; /* of its lowest mapping: addresses, and where in the file it begins */
	uint64_t device, inode;
	bool is_program;
	char path[512]; /* as the process sees it; cut */
};
struct modules {
	struct module *list;
	size_t count;
};

/* The program first. 0; else an errno: EACCES or EPERM: it may not be looked into; ENOENT: there is no such process. */
int modules_read(struct modules *modules, int pid);
void modules_free(struct modules *modules);
/* A descriptor to read it by, or -1. */
int module_open(const struct module *module, int pid);
struct elf;
/* What is added to the file's addresses to have the process'; false: the file does not say what lies there. */
bool module_bias(const struct module *module, const struct elf *elf, uint64_t *bias);

#endif
