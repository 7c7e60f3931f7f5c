/* weir, the command: ELF files. See elf_file.h. No data of its own. */
#define _GNU_SOURCE
#include "elf_file.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool elf_read(const struct elf *elf, uint64_t offset, void *to, size_t size)
{
	size_t got = 0;

	if (size > elf->size || offset > elf->size - size)
		return false;
	if (elf->bytes != NULL) {
		memcpy(to, elf->bytes + offset, size);
		return true;
	}
	while (got < size) {
		ssize_t now = pread(elf->fd, (char *)to + got, size - got, (off_t)(offset + got));

		if (now <= 0)
			return false;
		got += (size_t)now;
	}
	return true;
}

void *elf_load(const struct elf *elf, uint64_t offset, uint64_t size)
{
	char *bytes;

	if (size > ELF_LOAD_MAX || size > elf->size || offset > elf->size - size || (bytes = malloc(size + 1)) == NULL)
		return NULL;
	if (!elf_read(elf, offset, bytes, size)) {
		free(bytes);
		return NULL;
	}
	bytes[size] = '\0';
	return bytes;
}

static bool begin(struct elf *elf, const char **why)
{
	const unsigned char order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	Elf64_Shdr first;
	Elf64_Ehdr head;

	*why = "it is no ELF file";
	if (!elf_read(elf, 0, &head, sizeof head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	*why = "it is an ELF file of another kind of machine";
	if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != order)
		return false;
	*why = "its ELF header is damaged";
	if ((head.e_phnum != 0 && head.e_phentsize != sizeof(Elf64_Phdr)) || (head.e_shoff != 0 && head.e_shentsize != sizeof(Elf64_Shdr)))
		return false;
	elf->type = head.e_type;
	elf->machine = head.e_machine;
	elf->segments_at = head.e_phoff;
	elf->segments = head.e_phnum;
	elf->sections_at = head.e_shoff;
	elf->sections = head.e_shoff != 0 ? head.e_shnum : 0;
	elf->names = head.e_shstrndx;
	if (head.e_shoff != 0 && (head.e_shnum == 0 || head.e_shstrndx == SHN_XINDEX)) { /* more than there is room for */
		if (!elf_read(elf, head.e_shoff, &first, sizeof first) || first.sh_size > elf->size / sizeof first)
			return false;
		elf->sections = head.e_shnum != 0 ? head.e_shnum : (uint32_t)first.sh_size;
		elf->names = head.e_shstrndx == SHN_XINDEX ? first.sh_link : head.e_shstrndx;
	}
	return true;
}

bool elf_open(struct elf *elf, int fd, const char **why)
{
	struct stat is;

	*elf = (struct elf){.fd = fd};
	*why = "it is no file";
	if (fstat(fd, &is) != 0 || !S_ISREG(is.st_mode))
		return false;
	elf->size = (uint64_t)is.st_size;
	return begin(elf, why);
}

bool elf_open_bytes(struct elf *elf, const void *bytes, size_t size, const char **why)
{
	*elf = (struct elf){.fd = -1, .bytes = bytes, .size = size};
	return begin(elf, why);
}

static uint64_t at(uint64_t base, uint32_t number, size_t size) /* what does not fit is behind the end */
{
	return base > UINT64_MAX / 2 ? UINT64_MAX : base + (uint64_t)number * size;
}

bool elf_segment_at(const struct elf *elf, uint32_t number, struct elf_segment *segment)
{
	Elf64_Phdr p;

	if (number >= elf->segments || !elf_read(elf, at(elf->segments_at, number, sizeof p), &p, sizeof p))
		return false;
	*segment = (struct elf_segment){p.p_type, p.p_flags, p.p_offset, p.p_vaddr, p.p_filesz, p.p_memsz, p.p_align};
	return true;
}

bool elf_section_at(const struct elf *elf, uint32_t number, struct elf_section *section)
{
	Elf64_Shdr s;

	if (number >= elf->sections || !elf_read(elf, at(elf->sections_at, number, sizeof s), &s, sizeof s))
		return false;
	*section = (struct elf_section){s.sh_type, s.sh_link, s.sh_name, s.sh_flags, s.sh_addr, s.sh_offset, s.sh_size, s.sh_entsize};
	return true;
}

bool elf_section_named(const struct elf *elf, const char *name, struct elf_section *section)
{
	struct elf_section names;
	bool found = false;
	char *text;

	if (!elf_section_at(elf, elf->names, &names) || (text = elf_load(elf, names.offset, names.bytes)) == NULL)
		return false;
	for (uint32_t n = 0; n < elf->sections && !found; n++) {
		if (!elf_section_at(elf, n, section))
			break;
		found = section->name < names.bytes && strcmp(text + section->name, name) == 0;
	}
	free(text);
	return found;
}

/* ---- symbols ---- */

static bool look(const struct elf *elf, const struct elf_section *table, const char *name, struct elf_symbol *symbol)
{
	struct elf_section names;
	Elf64_Sym *list = NULL;
	char *text = NULL;
	bool found = false;
	uint64_t count = table->bytes / sizeof *list;

	if (table->entry_bytes == sizeof *list && elf_section_at(elf, table->link, &names) && names.type == SHT_STRTAB) {
		list = elf_load(elf, table->offset, count * sizeof *list);
		text = elf_load(elf, names.offset, names.bytes);
	}
	for (uint64_t n = 0; list != NULL && text != NULL && n < count; n++) {
		if (list[n].st_name >= names.bytes || strcmp(text + list[n].st_name, name) != 0)
			continue;
		if (found && list[n].st_shndx == SHN_UNDEF)
			continue;
		*symbol = (struct elf_symbol){(uint32_t)n, ELF64_ST_TYPE(list[n].st_info), list[n].st_shndx != SHN_UNDEF,
		                              table->type == SHT_DYNSYM, list[n].st_value, list[n].st_size};
		found = true;
		if (symbol->defined)
			break;
	}
	free(list);
	free(text);
	return found;
}

bool elf_symbol_named(const struct elf *elf, const char *name, struct elf_symbol *symbol)
{
	static const uint32_t types[] = {SHT_DYNSYM, SHT_SYMTAB};
	struct elf_section section;

	for (size_t t = 0; t < 2; t++)
		for (uint32_t n = 0; n < elf->sections; n++) {
			if (!elf_section_at(elf, n, &section))
				break;
			if (section.type != types[t])
				continue;
			if (look(elf, &section, name, symbol))
				return true;
			break; /* a file has one of each; who says otherwise has many of any size */
		}
	return false;
}

/* ---- relocations ---- */

void elf_relocations(const struct elf *elf, elf_relocation_fn *each, void *arg)
{
	enum { MOST = 8 }; /* linkers make two */
	struct elf_section section, symbols;
	unsigned seen = 0;

	for (uint32_t n = 0; n < elf->sections && seen < MOST; n++) {
		Elf64_Rela *list;
		bool more = true;

		if (!elf_section_at(elf, n, &section))
			return;
		if (section.type != SHT_RELA || section.entry_bytes != sizeof *list || (section.flags & SHF_ALLOC) == 0 ||
		    !elf_section_at(elf, section.link, &symbols) || (section.link != 0 && symbols.type != SHT_DYNSYM))
			continue;
		seen++;
		list = elf_load(elf, section.offset, section.bytes);
		for (uint64_t k = 0; list != NULL && more && k < section.bytes / sizeof *list; k++)
			more = each(arg, list[k].r_offset, (uint32_t)ELF64_R_TYPE(list[k].r_info), (uint32_t)ELF64_R_SYM(list[k].r_info),
			            list[k].r_addend);
		free(list);
		if (!more)
			return;
	}
}

/* ---- notes ---- */

bool elf_note_next(const uint8_t *notes, size_t size, size_t align, size_t *next, struct elf_note *note)
{
	Elf64_Nhdr head;
	uint64_t owner, bytes, end;

	if (align != 8)
		align = 4;
	if (*next > size || size - *next < sizeof head)
		return false;
	memcpy(&head, notes + *next, sizeof head);
	owner = *next + sizeof head;
	bytes = (owner + head.n_namesz + align - 1) & ~(uint64_t)(align - 1);
	end = bytes + head.n_descsz;
	if (end > size || (head.n_namesz != 0 && notes[owner + head.n_namesz - 1] != '\0'))
		return false;
	*note = (struct elf_note){head.n_type, head.n_namesz != 0 ? (const char *)notes + owner : "", notes + bytes, head.n_descsz};
	end = (end + align - 1) & ~(uint64_t)(align - 1);
	*next = end < size ? (size_t)end : size;
	return true;
}
