/* Accept and Accept-Encoding, of any bytes: what is chosen is one of ours, the same each time, and nothing is read
 * past the end. Input: the first header, a newline, the second. */
#include "negotiate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
	if (!what)
		abort();
}

/* A copy of exactly so many bytes, so that a read past them is seen. */
static char *copy(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size != 0 ? size : 1);

	require(bytes != NULL);
	if (size != 0)
		memcpy(bytes, data, size);
	return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size != 0 ? memchr(data, '\n', size) : NULL;
	size_t first = end != NULL ? (size_t)(end - data) : size, second = end != NULL ? size - first - 1 : 0;
	char *accept = copy(data, first), *encoding = copy(end != NULL ? end + 1 : data, second);
	struct weir__prom_variant variant, again;
	bool taken = weir__prom_negotiate(&variant, accept, first);
	enum weir__prom_coding coding = weir__prom_negotiate_coding(encoding, second);

	require(variant.format < WEIR__PROM_FORMATS && variant.escaping <= WEIR__ESCAPE_UTF8);
	require(weir__prom_variant_index(variant) < WEIR__PROM_VARIANTS);
	require(strstr(weir__prom_content_type(variant), variant.format == WEIR__PROTOBUF ? "; encoding=" : "; version=") != NULL);
	require(taken || (variant.format == WEIR__TEXT_0_0_4 && !variant.stated));
	require(variant.stated || variant.escaping == WEIR__ESCAPE_UNDERSCORES);
	require(weir__prom_negotiate(&again, accept, first) == taken && memcmp(&again, &variant, sizeof again) == 0);
	require(coding == WEIR__IDENTITY || coding == WEIR__GZIP || coding == WEIR__NO_CODING);
	free(accept);
	free(encoding);
	return 0;
}
