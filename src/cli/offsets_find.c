/* weir, the command: offsets of thread-local variables. See offsets_find.h. No data of its own. */
#include "offsets_find.h"

#include <elf.h>
#include <string.h>

/* What differs between machines. below: the program's variables end at the thread pointer (the ABI's "variant II"); else they
 * begin head bytes behind it. */
struct machine {
	uint16_t number;
	bool below;
	uint32_t head;
	uint32_t descriptor, offset, module, module_offset; /* relocations */
};
static const struct machine machines[] = {
	{EM_X86_64, true, 0, R_X86_64_TLSDESC, R_X86_64_TPOFF64, R_X86_64_DTPMOD64, R_X86_64_DTPOFF64},
	{EM_AARCH64, false, 16, R_AARCH64_TLSDESC, R_AARCH64_TLS_TPREL, R_AARCH64_TLS_DTPMOD, R_AARCH64_TLS_DTPREL},
};

static const struct machine *machine_of(const struct elf *elf)
{
	for (size_t n = 0; n < sizeof machines / sizeof *machines; n++)
		if (machines[n].number == elf->machine)
			return &machines[n];
	return NULL;
}

static uint64_t round_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static bool in_program(struct offset_found *found, const struct elf *elf, const struct machine *machine, uint64_t value)
{
	struct elf_segment tls;
	uint32_t n = 0;

	while (n < elf->segments && elf_segment_at(elf, n, &tls) && tls.type != PT_TLS)
		n++;
	if (n == elf->segments || tls.type != PT_TLS || value >= tls.memory_bytes || tls.memory_bytes > INT32_MAX)
		return false;
	if (tls.align == 0)
		tls.align = 1;
	if ((tls.align & (tls.align - 1)) != 0 || tls.align > INT32_MAX)
		return false;
	found->how = OFFSET_PROGRAM;
	found->from_pointer = machine->below ? (int64_t)value - (int64_t)round_up(tls.memory_bytes, tls.align)
	                                     : (int64_t)value + (int64_t)round_up(machine->head, tls.align);
	return true;
}

/* ---- in a library: what the dynamic loader has resolved ---- */

struct search {
	const struct machine *machine;
	struct elf_symbol symbol;
	uint64_t bias;
	offset_peek_fn *peek;
	void *arg;
	bool descriptor, offset, module, module_offset; /* found so far */
	uint64_t resolved[2];                           /* the descriptor's second word; of offset */
	uint64_t module_words[2];
};

static bool look(void *arg, uint64_t address, uint32_t type, uint32_t symbol, int64_t addend)
{
	struct search *s = arg;
	bool mine = s->symbol.dynamic && symbol == s->symbol.number, local = symbol == 0;
	uint64_t at = s->bias + address;

	if (type == s->machine->descriptor && (mine || (local && (uint64_t)addend == s->symbol.value)))
		s->descriptor = s->peek(s->arg, at + 8, &s->resolved[0]);
	else if (type == s->machine->offset && (mine || local) && !s->offset) {
		s->offset = s->peek(s->arg, at, &s->resolved[1]);
		if (local) /* another variable of the module */
			s->resolved[1] += s->symbol.value - (uint64_t)addend;
	} else if (type == s->machine->module && mine)
		s->module = s->peek(s->arg, at, &s->module_words[0]);
	else if (type == s->machine->module_offset && mine)
		s->module_offset = s->peek(s->arg, at, &s->module_words[1]);
	return !s->descriptor;
}

/* The offsets of what is static are small, and have the sign that the machine's layout gives them; else it is a pointer. */
static bool is_offset(const struct machine *machine, uint64_t word)
{
	int64_t offset = (int64_t)word;

	return machine->below ? offset < 0 && offset > -INT32_MAX : offset > 0 && offset < INT32_MAX;
}

static bool in_library(struct offset_found *found, struct search *s)
{
	if (s->descriptor && is_offset(s->machine, s->resolved[0])) {
		found->how = OFFSET_DESCRIPTOR;
		found->from_pointer = (int64_t)s->resolved[0];
		return true;
	}
	if (s->offset && is_offset(s->machine, s->resolved[1])) {
		found->how = OFFSET_STATIC;
		found->from_pointer = (int64_t)s->resolved[1];
		return true;
	}
	/* glibc's dynamic descriptor points to the two words that a legacy one is */
	if (s->descriptor)
		s->module = s->module_offset = s->peek(s->arg, s->resolved[0], &s->module_words[0]) &&
		                               s->peek(s->arg, s->resolved[0] + 8, &s->module_words[1]);
	if (!s->module || !s->module_offset || s->module_words[0] == 0 || s->module_words[0] > INT32_MAX || s->module_words[1] > INT32_MAX)
		return false;
	found->how = OFFSET_DYNAMIC;
	found->module = s->module_words[0];
	found->offset = s->module_words[1];
	return true;
}

bool offset_find(struct offset_found *found, const struct elf *elf, bool is_program, uint64_t bias, const char *symbol,
                 offset_peek_fn *peek, void *arg, const char **why)
{
	struct search s = {.machine = machine_of(elf), .bias = bias, .peek = peek, .arg = arg};

	*why = NULL;
	*found = (struct offset_found){.machine = elf->machine};
	if (!elf_symbol_named(elf, symbol, &s.symbol) || !s.symbol.defined || s.symbol.type != STT_TLS)
		return false;
	*why = "its machine is not known";
	if (s.machine == NULL)
		return false;
	*why = "its thread-local storage is damaged";
	if (is_program)
		return in_program(found, elf, s.machine, s.symbol.value);
	*why = "nothing of it was resolved";
	elf_relocations(elf, look, &s);
	return in_library(found, &s);
}
