/* weir, the command: the probes that an ELF file tells of. See elf_probes.h. No data of its own. */
#define _GNU_SOURCE
#include "elf_probes.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { SECTIONS_MAX = 65535, NAMES_MAX = 1 << 20, NOTES_MAX = 16 << 20, PROBES_MAX = 65536, NT_STAPSDT_ = 3, OWNER_BYTES = 8 };

struct reader {
	elf_read_fn *read;
	void *arg;
};

static bool fail(struct elf_probes *probes, const char *why)
{
	probes->why = why;
	return false;
}

/* A section's bytes, with a NUL behind them; NULL: why says it. */
static char *section_bytes(struct elf_probes *probes, const struct reader *r, const Elf64_Shdr *s, uint64_t most)
{
	char *bytes;

	if (s->sh_size > most || s->sh_type == SHT_NOBITS) {
		probes->why = "it is damaged: a section is too large";
		return NULL;
	}
	bytes = malloc((size_t)s->sh_size + 1);
	if (bytes == NULL) {
		probes->why = "no memory";
		return NULL;
	}
	if (s->sh_size != 0 && !r->read(r->arg, s->sh_offset, bytes, (size_t)s->sh_size)) {
		free(bytes);
		probes->why = "it is cut short";
		return NULL;
	}
	bytes[s->sh_size] = '\0';
	return bytes;
}

static void keep_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static bool add(struct elf_probes *probes, const struct elf_probe *probe)
{
	struct elf_probe *more;

	if (probes->count == PROBES_MAX)
		return fail(probes, "it is damaged: it has too many probes");
	if ((probes->count & (probes->count - 1)) == 0) { /* at each power of two */
		more = realloc(probes->list, (probes->count == 0 ? 1 : probes->count * 2) * sizeof *more);
		if (more == NULL)
			return fail(probes, "no memory");
		probes->list = more;
	}
	probes->list[probes->count++] = *probe;
	return true;
}

/* A note's description: three addresses and three texts. False: it is none. */
static bool probe_of(struct elf_probe *probe, const char *desc, size_t len)
{
	static const size_t words = 3 * sizeof(uint64_t);
	const char *text[3], *end = desc + len;
	uint64_t semaphore;

	if (len < words)
		return false;
	memcpy(&semaphore, desc + 2 * sizeof semaphore, sizeof semaphore);
	desc += words;
	for (int n = 0; n < 3; n++) {
		const char *nul = memchr(desc, '\0', (size_t)(end - desc));

		if (nul == NULL)
			return false;
		text[n] = desc;
		desc = nul + 1;
	}
	keep_text(probe->provider, sizeof probe->provider, text[0]);
	keep_text(probe->name, sizeof probe->name, text[1]);
	keep_text(probe->arguments, sizeof probe->arguments, text[2]);
	probe->guarded = semaphore != 0;
	probe->sites = 1;
	return probe->provider[0] != '\0' && probe->name[0] != '\0';
}

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static bool read_notes(struct elf_probes *probes, const char *at, size_t left)
{
	Elf64_Nhdr head;

	while (left >= sizeof head) {
		size_t name, desc;
		struct elf_probe probe;

		memcpy(&head, at, sizeof head);
		at += sizeof head;
		left -= sizeof head;
		name = padded(head.n_namesz);
		desc = padded(head.n_descsz);
		if (name > left || head.n_descsz > left - name)
			return fail(probes, "it is damaged: a note goes past its section");
		if (head.n_type == NT_STAPSDT_ && head.n_namesz == OWNER_BYTES && memcmp(at, "stapsdt", OWNER_BYTES) == 0) {
			if (!probe_of(&probe, at + name, head.n_descsz))
				return fail(probes, "it is damaged: a probe's note is none");
			if (!add(probes, &probe))
				return false;
		}
		if (desc > left - name) /* the last one's padding may be missing */
			break;
		at += name + desc;
		left -= name + desc;
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	const struct elf_probe *x = a, *y = b;
	int order = strcmp(x->provider, y->provider);

	return order != 0 ? order : strcmp(x->name, y->name);
}

static void merge(struct elf_probes *probes)
{
	size_t kept = 0;

	if (probes->count != 0)
		qsort(probes->list, probes->count, sizeof *probes->list, by_name);
	for (size_t n = 0; n < probes->count; n++)
		if (kept != 0 && by_name(&probes->list[kept - 1], &probes->list[n]) == 0)
			probes->list[kept - 1].sites++;
		else
			probes->list[kept++] = probes->list[n];
	probes->count = kept;
}

static bool is_of_this_machine(const Elf64_Ehdr *e)
{
	static const uint16_t one = 1;
	unsigned char little;

	memcpy(&little, &one, 1);
	return e->e_ident[EI_CLASS] == ELFCLASS64 && e->e_ident[EI_DATA] == (little ? ELFDATA2LSB : ELFDATA2MSB);
}

static bool read_sections(struct elf_probes *probes, const struct reader *r, const Elf64_Ehdr *e)
{
	Elf64_Shdr names_at, s;
	char *names;
	bool ok = true;

	if (e->e_shoff == 0 || e->e_shnum == 0) /* without sections: no notes that tools would find */
		return true;
	if (e->e_shentsize != sizeof s || e->e_shstrndx >= e->e_shnum || e->e_shoff > UINT64_MAX / 2)
		return fail(probes, "it is damaged: its sections' table");
	if (!r->read(r->arg, e->e_shoff + (uint64_t)e->e_shstrndx * sizeof s, &names_at, sizeof names_at))
		return fail(probes, "it is cut short");
	names = section_bytes(probes, r, &names_at, NAMES_MAX);
	if (names == NULL)
		return false;
	for (unsigned n = 0; ok && n < e->e_shnum; n++) {
		char *notes;

		if (!r->read(r->arg, e->e_shoff + (uint64_t)n * sizeof s, &s, sizeof s))
			ok = fail(probes, "it is cut short");
		else if (s.sh_type == SHT_NOTE && s.sh_name < names_at.sh_size && strcmp(names + s.sh_name, ".note.stapsdt") == 0) {
			notes = section_bytes(probes, r, &s, NOTES_MAX);
			ok = notes != NULL && read_notes(probes, notes, (size_t)s.sh_size);
			free(notes);
		}
	}
	free(names);
	return ok;
}

bool elf_probes_read(struct elf_probes *probes, elf_read_fn *read, void *arg)
{
	const struct reader r = {read, arg};
	Elf64_Ehdr e;

	*probes = (struct elf_probes){.list = NULL};
	if (!read(arg, 0, &e, sizeof e) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0)
		return fail(probes, "it is no ELF file");
	if (!is_of_this_machine(&e))
		return fail(probes, "it is of another kind of machine");
	if (!read_sections(probes, &r, &e)) {
		free(probes->list);
		probes->list = NULL;
		probes->count = 0;
		return false;
	}
	merge(probes);
	return true;
}

void elf_probes_free(struct elf_probes *probes)
{
	free(probes->list);
	*probes = (struct elf_probes){.list = NULL};
}
