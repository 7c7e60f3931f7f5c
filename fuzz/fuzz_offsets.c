/* Fuzz: what weir offsets makes of a file and of a process' words: any bytes. What is found is an offset; nothing outside of the
 * file is read (the address sanitizer), and it ends. The words that the process has are the file's, one behind the other. */
#include "offsets_find.h"

#include <stdlib.h>
#include <string.h>

struct words {
	const uint8_t *bytes;
	size_t size, at;
};

static bool peek(void *arg, uint64_t address, uint64_t *word)
{
	struct words *w = arg;

	if (w->size < sizeof *word || address % 16 == 9)
		return false;
	w->at = (w->at + 8) % (w->size - sizeof *word + 1);
	memcpy(word, w->bytes + w->at, sizeof *word);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct words words = {data, size, 0};
	struct offset_found found;
	struct elf_section section;
	struct elf_note note;
	struct elf elf;
	const char *why;
	size_t at = 0;

	if (size != 0)
		while (elf_note_next(data, size, data[0] % 2 != 0 ? 8 : 4, &at, &note))
			if (note.bytes < data || note.size > (size_t)(data + size - note.bytes) || strlen(note.owner) > size)
				abort();
	if (!elf_open_bytes(&elf, data, size, &why))
		return 0;
	elf_section_named(&elf, ".note.stapsdt", &section);
	for (int program = 0; program < 2; program++)
		if (offset_find(&found, &elf, program != 0, 0x400000, "otel_thread_ctx_v1", peek, &words, &why) && found.how != OFFSET_DYNAMIC &&
		    (found.from_pointer > INT32_MAX * INT64_C(4) || found.from_pointer < -INT32_MAX * INT64_C(4)))
			abort();
	return 0;
}
