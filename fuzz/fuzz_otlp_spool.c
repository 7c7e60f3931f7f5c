/* Files and names of the spool: what is taken for a request has a body within the file, and is what would be written for it.
 * Input: the file's bytes, which also serve as its name. */
#include "record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
	if (!what)
		abort();
}

static void as_name(const uint8_t *bytes, size_t size)
{
	char name[64] = "", again[WEIR__OTLP_RECORD_NAME];
	enum weir__otlp_signal signal;
	uint64_t made;
	uint32_t number;

	memcpy(name, bytes, size < sizeof name - 1 ? size : sizeof name - 1);
	if (!weir__otlp_record_parse_name(name, &made, &number, &signal))
		return;
	weir__otlp_record_name(again, made, number, signal);
	require(strcmp(name, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size != 0 ? size : 1), head[WEIR__OTLP_RECORD_HEAD];
	struct weir__otlp_record r;

	require(copy != NULL);
	if (size != 0)
		memcpy(copy, data, size);
	as_name(copy, size);
	if (weir__otlp_record_read(&r, copy, size)) {
		require(r.signal < WEIR__OTLP_SIGNALS && r.body == copy + WEIR__OTLP_RECORD_HEAD && r.len == size - WEIR__OTLP_RECORD_HEAD);
		weir__otlp_record_head(head, &r);
		require(memcmp(head, copy, sizeof head) == 0);
	}
	if (size >= WEIR__OTLP_RECORD_HEAD)
		weir__otlp_record_items(copy);
	free(copy);
	return 0;
}
