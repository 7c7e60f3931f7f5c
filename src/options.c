/* L1: options structs. See options.h. Pure. */
#include "options.h"

#include <string.h>

bool weir__take_options(void *taken, size_t taken_size, const void *given, size_t given_size)
{
	const char *bytes = given;

	memset(taken, 0, taken_size);
	if (given == NULL)
		return true;
	if (given_size < sizeof(size_t))
		return false;
	for (size_t i = taken_size; i < given_size; i++)
		if (bytes[i] != 0)
			return false;
	memcpy(taken, given, given_size < taken_size ? given_size : taken_size);
	return true;
}
