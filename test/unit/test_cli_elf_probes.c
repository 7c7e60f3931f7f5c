/* weir, the command: the probes that an ELF file tells of: files made here, byte by byte, and what may be wrong with each. */
#include "elf_probes.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOTES_AT = 64, NAMES_AT = 2048, SECTIONS_AT = 2304, BYTES = 2304 + 3 * 64 };

static struct file {
	unsigned char bytes[BYTES];
	size_t len, notes;
} file;

static bool read_file(void *arg, uint64_t at, void *to, size_t len)
{
	const struct file *f = arg;

	if (at > f->len || len > f->len - at)
		return false;
	memcpy(to, f->bytes + at, len);
	return true;
}

static void put(const void *bytes, size_t len)
{
	memcpy(file.bytes + NOTES_AT + file.notes, bytes, len);
	file.notes += len;
}

static void note(const char *provider, const char *name, const char *arguments, uint64_t semaphore, uint32_t type)
{
	char desc[512];
	uint64_t words[3] = {0x1000, 0, semaphore};
	size_t len = sizeof words;
	uint32_t head[3] = {8, 0, type};
	const char *texts[] = {provider, name, arguments};

	memcpy(desc, words, len);
	for (int n = 0; n < 3; n++) {
		strcpy(desc + len, texts[n]);
		len += strlen(texts[n]) + 1;
	}
	head[1] = (uint32_t)len;
	memset(desc + len, 0, 3);
	put(head, sizeof head);
	put("stapsdt", 8);
	put(desc, (len + 3) & ~(size_t)3);
}

static void section(unsigned n, uint32_t name, uint32_t type, uint64_t at, uint64_t size)
{
	const Elf64_Shdr s = {.sh_name = name, .sh_type = type, .sh_offset = at, .sh_size = size};

	memcpy(file.bytes + SECTIONS_AT + n * sizeof s, &s, sizeof s);
}

static void close_file(void)
{
	static const char names[] = "\0.note.stapsdt\0.shstrtab";
	const Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB},
	                      .e_shoff = SECTIONS_AT, .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 3, .e_shstrndx = 2};

	memcpy(file.bytes, &e, sizeof e);
	memcpy(file.bytes + NAMES_AT, names, sizeof names);
	section(0, 0, SHT_NULL, 0, 0);
	section(1, 1, SHT_NOTE, NOTES_AT, file.notes);
	section(2, 15, SHT_STRTAB, NAMES_AT, sizeof names);
	file.len = BYTES;
}

static int begin_file(void **state)
{
	(void)state;
	memset(&file, 0, sizeof file);
	note("weir", "drop", "8@%rdi 8@%rsi", 0x2000, 3);
	note("other", "thing", "", 0, 3);
	note("weir", "config", "8@%rdi 8@%rsi", 0x2002, 3);
	note("gnu", "else", "", 0, 1);
	note("weir", "drop", "8@%rax 8@%rbx", 0x2000, 3);
	close_file();
	return 0;
}

static void read_as(const char *why)
{
	struct elf_probes probes;
	bool ok = elf_probes_read(&probes, read_file, &file);

	if (why == NULL)
		assert_true(ok);
	else
		assert_false(ok);
	if (why != NULL)
		assert_non_null(strstr(probes.why, why));
	if (why != NULL)
		assert_int_equal(probes.count, 0);
	elf_probes_free(&probes);
}

static void each_is_told_once_and_in_order(void **state)
{
	struct elf_probes probes;

	(void)state;
	assert_true(elf_probes_read(&probes, read_file, &file));
	assert_int_equal(probes.count, 3);
	assert_string_equal(probes.list[0].provider, "other");
	assert_false(probes.list[0].guarded);
	assert_string_equal(probes.list[0].arguments, "");
	assert_string_equal(probes.list[1].name, "config");
	assert_int_equal(probes.list[1].sites, 1);
	assert_string_equal(probes.list[2].name, "drop");
	assert_int_equal(probes.list[2].sites, 2);
	assert_true(probes.list[2].guarded);
	elf_probes_free(&probes);
}

static void long_names_are_cut(void **state)
{
	struct elf_probes probes;
	char name[201];

	(void)state;
	memset(name, 'n', 200);
	name[200] = '\0';
	memset(&file, 0, sizeof file);
	note(name, name, "", 1, 3);
	close_file();
	assert_true(elf_probes_read(&probes, read_file, &file));
	assert_int_equal(strlen(probes.list[0].provider), 63);
	assert_int_equal(strlen(probes.list[0].name), 63);
	elf_probes_free(&probes);
}

static void files_that_are_none(void **state)
{
	(void)state;
	file.len = 0;
	read_as("no ELF file");
	file.len = 63;
	read_as("no ELF file");
	file.len = BYTES;
	file.bytes[0] = 'x';
	read_as("no ELF file");
	begin_file(NULL);
	file.bytes[EI_CLASS] = ELFCLASS32;
	read_as("another kind of machine");
	begin_file(NULL);
	file.bytes[EI_DATA] = (unsigned char)(3 - file.bytes[EI_DATA]);
	read_as("another kind of machine");
}

static void patch(size_t at, uint64_t value, size_t len)
{
	begin_file(NULL);
	memcpy(file.bytes + at, &value, len);
}

static void files_that_are_damaged(void **state)
{
	(void)state;
	patch(offsetof(Elf64_Ehdr, e_shoff), 0, 8);
	read_as(NULL); /* no sections */
	patch(offsetof(Elf64_Ehdr, e_shnum), 0, 2);
	read_as(NULL);
	patch(offsetof(Elf64_Ehdr, e_shoff), UINT64_MAX, 8);
	read_as("sections' table");
	patch(offsetof(Elf64_Ehdr, e_shoff), UINT64_MAX / 2, 8);
	read_as("cut short");
	patch(offsetof(Elf64_Ehdr, e_shentsize), 40, 2);
	read_as("sections' table");
	patch(offsetof(Elf64_Ehdr, e_shstrndx), 3, 2);
	read_as("sections' table");
	patch(SECTIONS_AT + 64 + offsetof(Elf64_Shdr, sh_size), UINT64_MAX, 8);
	read_as("too large");
	patch(SECTIONS_AT + 64 + offsetof(Elf64_Shdr, sh_size), 1 << 20, 8);
	read_as("cut short");
	patch(SECTIONS_AT + 64 + offsetof(Elf64_Shdr, sh_offset), UINT64_MAX - 8, 8);
	read_as("cut short");
	patch(SECTIONS_AT + 64 + offsetof(Elf64_Shdr, sh_name), UINT32_MAX, 4);
	read_as(NULL); /* a section without a name is none of ours */
	patch(SECTIONS_AT + 128 + offsetof(Elf64_Shdr, sh_size), 1 << 24, 8);
	read_as("too large");
	patch(NOTES_AT, UINT32_MAX, 4);
	read_as("goes past");
	patch(NOTES_AT + 4, UINT32_MAX, 4);
	read_as("goes past");
	patch(NOTES_AT + 4, 20, 4);
	read_as("note is none"); /* shorter than three words */
	patch(NOTES_AT + 4, 28, 4);
	read_as("note is none"); /* texts without an end */
	patch(NOTES_AT + 20 + 24, 0, 1);
	read_as("note is none"); /* no provider */
	for (file.len = BYTES; file.len-- > SECTIONS_AT + 64;) {
		struct elf_probes probes;

		assert_false(elf_probes_read(&probes, read_file, &file));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(each_is_told_once_and_in_order, begin_file),
	    cmocka_unit_test_setup(long_names_are_cut, begin_file),
	    cmocka_unit_test_setup(files_that_are_none, begin_file),
	    cmocka_unit_test_setup(files_that_are_damaged, begin_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
