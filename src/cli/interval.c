/* weir, the command: numbers of flags. See interval.h. No data of its own. */
#include "interval.h"

#include <stddef.h>
#include <string.h>

bool interval_parse(const char *text, int least, int most, int *n)
{
	long v = 0;

	if (text == NULL)
		return true;
	if (*text == '\0' || strlen(text) > 10 || text[strspn(text, "0123456789")] != '\0')
		return false;
	for (; *text != '\0'; text++)
		v = v * 10 + (*text - '0');
	if (v < least || v > most)
		return false;
	*n = (int)v;
	return true;
}
