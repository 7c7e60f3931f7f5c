/* Responses of OTLP servers: whatever the bytes, a message is short, whole UTF-8 without controls, and reading twice gives the
 * same. Input: the body. */
#define _GNU_SOURCE
#include "response.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
	if (!what)
		abort();
}

static void look_at(const struct weir__otlp_response *r)
{
	size_t len = strnlen(r->message, sizeof r->message);
	struct weir__otlp_response again;

	require(len <= WEIR__OTLP_MESSAGE);
	for (size_t i = 0; i < len; i++)
		require((unsigned char)r->message[i] >= 0x20 && r->message[i] != 0x7f);
	weir__otlp_response_text(&again, r->message, len); /* what is clean stays as it is */
	require(strcmp(again.message, r->message) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size != 0 ? size : 1); /* of exactly so many bytes, so that a read past them is seen */
	struct weir__otlp_response first, second;
	bool read;

	require(copy != NULL);
	if (size != 0)
		memcpy(copy, data, size);
	read = weir__otlp_response_read(&first, copy, size);
	require(read == weir__otlp_response_read(&second, copy, size) && memcmp(&first, &second, sizeof first) == 0);
	require(read || first.rejected == 0);
	require(first.rejected <= INT64_MAX);
	look_at(&first);
	weir__otlp_response_status(&first, copy, size);
	look_at(&first);
	weir__otlp_response_text(&first, copy, size);
	look_at(&first);
	free(copy);
	return 0;
}
