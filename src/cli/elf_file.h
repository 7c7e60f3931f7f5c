/* weir, the command: ELF files of strangers, 64 bits in this machine's byte order: segments, sections, symbols, relocations,
 * notes.
 *
 * Invariant: whatever stands in the file, nothing outside it is read, each walk ends, and no more than ELF_LOAD_MAX is had of
 * memory. What vanishes or is cut while it is read is an error, and no signal: files are read, not mapped. */
#ifndef WEIR_CLI_ELF_FILE_H
#define WEIR_CLI_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ELF_LOAD_MAX = 1 << 28 };

struct elf {
	int fd;               /* or -1, and bytes: neither is owned */
	const uint8_t *bytes;
	uint64_t size;
	uint16_t type, machine; /* as <elf.h> has them */
	uint64_t segments_at, sections_at;
	uint32_t segments, sections, names; /* names: the section that has the sections' names */
};
struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, address, file_bytes, memory_bytes, align;
};
struct elf_section {
	uint32_t type, link, name;
	uint64_t flags, address, offset, bytes, entry_bytes;
};
struct elf_symbol {
	uint32_t number;  /* in its table */
	uint8_t type;     /* STT_ */
	bool defined, dynamic; /* dynamic: of .dynsym */
	uint64_t value, size;
};
struct elf_note {
	uint32_t type;
	const char *owner;    /* ends in NUL; "" where there is none */
	const uint8_t *bytes; /* view */
	uint32_t size;
};

/* Of a descriptor of a file, or of bytes. False, and why (a phrase): it is no such ELF file. */
bool elf_open(struct elf *elf, int fd, const char **why);
bool elf_open_bytes(struct elf *elf, const void *bytes, size_t size, const char **why);

/* So many bytes from there on. False: they are not there. */
bool elf_read(const struct elf *elf, uint64_t offset, void *to, size_t size);
/* The same, in memory for free(), with a NUL behind it. NULL: they are not there, are more than ELF_LOAD_MAX, or no memory. */
void *elf_load(const struct elf *elf, uint64_t offset, uint64_t size);

/* By number, up to elf->segments and elf->sections. False: it cannot be read. */
bool elf_segment_at(const struct elf *elf, uint32_t number, struct elf_segment *segment);
bool elf_section_at(const struct elf *elf, uint32_t number, struct elf_section *section);
/* The first of this name. */
bool elf_section_named(const struct elf *elf, const char *name, struct elf_section *section);

/* Of .dynsym, else of .symtab; one that is defined is preferred. */
bool elf_symbol_named(const struct elf *elf, const char *name, struct elf_symbol *symbol);

/* Each relocation with an addend, of what is resolved when the file is loaded (by .dynsym's numbers), until it returns false. */
typedef bool elf_relocation_fn(void *arg, uint64_t address, uint32_t type, uint32_t symbol, int64_t addend);
void elf_relocations(const struct elf *elf, elf_relocation_fn *each, void *arg);

/* The next note of a loaded section or segment of notes, whose *at begins with 0. align: 4, or 8 where the section says so. */
bool elf_note_next(const uint8_t *notes, size_t size, size_t align, size_t *at, struct elf_note *note);

#endif
