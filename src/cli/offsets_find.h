/* weir, the command: where a thread-local variable lies, as seen from a thread's pointer. Pure, but for what it is given to look
 * with.
 *
 * Invariant: what a file or a process says is believed only as far as it gives an offset: nothing is read by it but through peek. */
#ifndef WEIR_CLI_OFFSETS_FIND_H
#define WEIR_CLI_OFFSETS_FIND_H

#include "elf_file.h"

enum offset_how {
	OFFSET_PROGRAM,    /* of the program itself: by its own layout */
	OFFSET_DESCRIPTOR, /* by a resolved TLS descriptor */
	OFFSET_STATIC,     /* by a resolved offset of a variable of the same module */
	OFFSET_DYNAMIC,    /* in memory of the module's that each thread gets at first use: by the thread's vector */
};
struct offset_found {
	enum offset_how how;
	uint16_t machine;        /* as in <elf.h> */
	int64_t from_pointer;    /* the variable's address less the thread pointer (fs_base, tpidr_el0); not where dynamic */
	uint64_t module, offset; /* where dynamic */
};

/* The word at an address of the process; false: it cannot be read. */
typedef bool offset_peek_fn(void *arg, uint64_t address, uint64_t *word);

/* False: it is not defined here, or (why is not NULL then) it is, and cannot be found. is_program, bias: as in modules.h. */
bool offset_find(struct offset_found *found, const struct elf *elf, bool is_program, uint64_t bias, const char *symbol,
                 offset_peek_fn *peek, void *arg, const char **why);

#endif
