/* L1: UTF-8. See utf8.h. Pure: no data of its own. */
#include "utf8.h"

size_t weir__utf8_character(const uint8_t *s, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
	uint32_t c;

	if (len == 0 || len > left || s[0] > 0xf4)
		return 0;
	if (len == 1)
		return 1;
	c = s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

size_t weir__utf8_cut(const char *text, size_t len, size_t most)
{
	size_t cut = most;

	if (len <= most)
		return len;
	while (cut != 0 && most - cut < 3 && ((uint8_t)text[cut] & 0xc0) == 0x80)
		cut--;
	return cut;
}
