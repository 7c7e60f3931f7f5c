/* Unit: src/cli/offsets_find.c and elf_file.c: this program's own file, made-up ones of both machines, and hostile ones. */
#define _GNU_SOURCE
#include "offsets_find.h"

#include <weir/abi/thread_context.h>

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char symbol[] = "otel_thread_ctx_v1";

/* A library with one symbol, two relocations, and words that were resolved. */
struct made {
	Elf64_Ehdr head;
	Elf64_Phdr segments[2];
	Elf64_Shdr sections[5]; /* none, .dynsym, .dynstr, .rela.dyn, .shstrtab */
	Elf64_Sym symbols[2];
	Elf64_Rela relocations[2];
	char names[32];
	char section_names[40];
	uint64_t words[4];
};
enum { BIAS = 0x10000 };

static void make(struct made *m, uint16_t machine, uint32_t first, uint32_t second)
{
	const uint64_t words = offsetof(struct made, words);

	memset(m, 0, sizeof *m);
	memcpy(m->head.e_ident, ELFMAG "\2\1\1", 7);
	m->head.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	m->head.e_type = ET_DYN;
	m->head.e_machine = machine;
	m->head.e_phoff = offsetof(struct made, segments);
	m->head.e_phentsize = sizeof *m->segments;
	m->head.e_phnum = 2;
	m->head.e_shoff = offsetof(struct made, sections);
	m->head.e_shentsize = sizeof *m->sections;
	m->head.e_shnum = 5;
	m->head.e_shstrndx = 4;
	m->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_filesz = sizeof *m, .p_memsz = sizeof *m, .p_align = 4096};
	m->segments[1] = (Elf64_Phdr){.p_type = PT_TLS, .p_memsz = 40, .p_align = 16};
	m->sections[1] = (Elf64_Shdr){1, SHT_DYNSYM, SHF_ALLOC, 0, offsetof(struct made, symbols), sizeof m->symbols, 2, 0, 8, sizeof *m->symbols};
	m->sections[2] = (Elf64_Shdr){9, SHT_STRTAB, SHF_ALLOC, 0, offsetof(struct made, names), sizeof m->names, 0, 0, 1, 0};
	m->sections[3] = (Elf64_Shdr){17, SHT_RELA, SHF_ALLOC, 0, offsetof(struct made, relocations), sizeof m->relocations, 1, 0, 8, sizeof *m->relocations};
	m->sections[4] = (Elf64_Shdr){27, SHT_STRTAB, 0, 0, offsetof(struct made, section_names), sizeof m->section_names, 0, 0, 1, 0};
	memcpy(m->section_names, "\0.dynsym\0.dynstr\0.rela.dyn\0.shstrtab", 37);
	memcpy(m->names + 1, symbol, sizeof symbol);
	m->symbols[1] = (Elf64_Sym){.st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_TLS), .st_shndx = 1, .st_value = 24, .st_size = 8};
	m->relocations[0] = (Elf64_Rela){words, ELF64_R_INFO(UINT64_C(1), first), 0};
	m->relocations[1] = (Elf64_Rela){words + 16, ELF64_R_INFO(UINT64_C(1), second), 0};
}

/* The made file's words, as the process has them; and a dynamic descriptor's, at 0x7f0000000000. */
static bool peek(void *arg, uint64_t address, uint64_t *word)
{
	const struct made *m = arg;
	uint64_t at = address - BIAS;

	if (address >= UINT64_C(0x7f0000000000) && address < UINT64_C(0x7f0000000010)) {
		*word = address & 8 ? 24 : 3;
		return true;
	}
	if (at > sizeof *m - 8)
		return false;
	memcpy(word, (const char *)m + at, 8);
	return true;
}

static bool find(struct offset_found *found, struct made *m, bool is_program, const char **why)
{
	struct elf elf;

	return elf_open_bytes(&elf, m, sizeof *m, why) && offset_find(found, &elf, is_program, BIAS, symbol, peek, m, why);
}

static void by_a_resolved_descriptor(void **state)
{
	struct offset_found found;
	struct made m;
	const char *why;

	(void)state;
	make(&m, EM_X86_64, R_X86_64_TLSDESC, R_X86_64_TPOFF64);
	m.words[1] = (uint64_t)-72;
	m.words[2] = (uint64_t)-999; /* the descriptor comes first */
	assert_true(find(&found, &m, false, &why));
	assert_int_equal(found.how, OFFSET_DESCRIPTOR);
	assert_int_equal(found.from_pointer, -72);
	make(&m, EM_AARCH64, R_AARCH64_TLSDESC, R_AARCH64_NONE);
	m.words[1] = 40;
	assert_true(find(&found, &m, false, &why));
	assert_int_equal(found.from_pointer, 40);
}

static void by_another_of_the_modules(void **state)
{
	struct offset_found found;
	struct made m;
	const char *why;

	(void)state;
	make(&m, EM_X86_64, R_X86_64_DTPMOD64, R_X86_64_TPOFF64);
	m.relocations[1].r_info = ELF64_R_INFO(UINT64_C(0), R_X86_64_TPOFF64);
	m.relocations[1].r_addend = 8;
	m.words[2] = (uint64_t)-100; /* of what lies at 8; ours at 24 */
	assert_true(find(&found, &m, false, &why));
	assert_int_equal(found.how, OFFSET_STATIC);
	assert_int_equal(found.from_pointer, -84);
}

static void by_the_threads_vector(void **state)
{
	struct offset_found found;
	struct made m;
	const char *why;

	(void)state;
	make(&m, EM_X86_64, R_X86_64_DTPMOD64, R_X86_64_DTPOFF64);
	m.words[0] = 7;
	m.words[2] = 24;
	assert_true(find(&found, &m, false, &why));
	assert_int_equal(found.how, OFFSET_DYNAMIC);
	assert_int_equal(found.module, 7);
	assert_int_equal(found.offset, 24);
	make(&m, EM_X86_64, R_X86_64_TLSDESC, R_X86_64_NONE);
	m.words[1] = UINT64_C(0x7f0000000000);
	assert_true(find(&found, &m, false, &why));
	assert_int_equal(found.how, OFFSET_DYNAMIC);
	assert_int_equal(found.module, 3);
	assert_int_equal(found.offset, 24);
}

static void of_a_program(void **state)
{
	struct offset_found found;
	struct made m;
	const char *why;

	(void)state;
	make(&m, EM_X86_64, R_X86_64_NONE, R_X86_64_NONE);
	assert_true(find(&found, &m, true, &why));
	assert_int_equal(found.from_pointer, 24 - 48); /* 40 bytes, to 16 */
	make(&m, EM_AARCH64, R_AARCH64_NONE, R_AARCH64_NONE);
	assert_true(find(&found, &m, true, &why));
	assert_int_equal(found.from_pointer, 24 + 16);
	m.segments[1].p_align = 24;
	assert_false(find(&found, &m, true, &why));
	assert_non_null(why);
}

static void what_is_not_there(void **state)
{
	struct offset_found found;
	struct made m;
	const char *why;

	(void)state;
	make(&m, EM_X86_64, R_X86_64_NONE, R_X86_64_NONE); /* never resolved */
	assert_false(find(&found, &m, false, &why));
	assert_non_null(why);
	m.symbols[1].st_shndx = SHN_UNDEF; /* another's */
	assert_false(find(&found, &m, false, &why));
	assert_null(why);
	make(&m, EM_PPC64, 1, 2);
	assert_false(find(&found, &m, false, &why));
	assert_non_null(why);
	m.head.e_ident[EI_CLASS] = ELFCLASS32;
	assert_false(find(&found, &m, false, &why));
	assert_non_null(why);
}

/* This very program, in its own process. */
static bool peek_own(void *arg, uint64_t address, uint64_t *word)
{
	(void)arg, (void)address, (void)word;
	return false;
}

static void this_program(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct offset_found found;
	const char *why;
	struct elf elf;
	struct elf_section section;

	(void)state;
	assert_true(fd >= 0 && elf_open(&elf, fd, &why));
	assert_true(offset_find(&found, &elf, true, 0, symbol, peek_own, NULL, &why));
	assert_true(elf_section_named(&elf, ".dynsym", &section));
	assert_int_equal(section.type, SHT_DYNSYM);
	assert_int_equal((uintptr_t)&otel_thread_ctx_v1, (uintptr_t)__builtin_thread_pointer() + (uint64_t)found.from_pointer);
	close(fd);
}

static void notes(void **state)
{
	static const uint8_t two[] = {4, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 9, 8, 0, 0,
	                              0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 5};
	struct elf_note note;
	size_t at = 0;

	(void)state;
	assert_true(elf_note_next(two, sizeof two, 4, &at, &note));
	assert_string_equal(note.owner, "GNU");
	assert_int_equal(note.type, 3);
	assert_int_equal(note.size, 2);
	assert_int_equal(note.bytes[1], 8);
	assert_true(elf_note_next(two, sizeof two, 4, &at, &note));
	assert_string_equal(note.owner, "");
	assert_int_equal(note.bytes[0], 5);
	assert_false(elf_note_next(two, sizeof two, 4, &at, &note));
	at = 20;
	assert_false(elf_note_next(two, sizeof two - 1, 4, &at, &note));
}

/* Each byte of a good file, changed; and the file cut at each. Nothing is asserted but that it ends: sanitizers look on. */
static void damaged(void **state)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
	struct offset_found found;
	struct made good, m;
	const char *why;
	struct elf elf;

	(void)state;
	make(&good, EM_X86_64, R_X86_64_TLSDESC, R_X86_64_TPOFF64);
	for (size_t at = 0; at < sizeof m; at++)
		for (size_t v = 0; v < sizeof values; v++) {
			m = good;
			((uint8_t *)&m)[at] = values[v];
			find(&found, &m, v % 2 != 0, &why);
		}
	for (size_t size = 0; size < sizeof good; size++) {
		uint8_t *cut = malloc(size + 1);

		memcpy(cut, &good, size);
		if (elf_open_bytes(&elf, cut, size, &why))
			offset_find(&found, &elf, false, BIAS, symbol, peek, &good, &why);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_a_resolved_descriptor), cmocka_unit_test(by_another_of_the_modules),
		cmocka_unit_test(by_the_threads_vector),    cmocka_unit_test(of_a_program),
		cmocka_unit_test(what_is_not_there),        cmocka_unit_test(this_program),
		cmocka_unit_test(notes),                    cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
