/* Fuzz: traceparent and names of headers, from any bytes. What is valid is written, in version 00, and reads the same. */
#include "propagate.h"
#include "w3c.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_ids ids, again;
	char text[WEIR__TRACEPARENT_LEN + 1];
	struct weir_str value = weir__trim(weir_str_n(data, size));

	weir__header_of(weir_str_n(data, size));
	if (!weir__traceparent_parse(&ids, weir_str_n(data, size)))
		return 0;
	must(!weir__is_zero(ids.trace_id, 16) && !weir__is_zero(ids.span_id, 8) && ids.flags < 4);
	must(weir__traceparent_write(text, &ids) == WEIR__TRACEPARENT_LEN && strlen(text) == WEIR__TRACEPARENT_LEN);
	must(memcmp(text + 2, value.ptr + 2, 51) == 0); /* the dashes and both ids */
	must(weir__traceparent_parse(&again, weir_str_of(text)) && memcmp(&ids, &again, sizeof ids) == 0);
	return 0;
}
