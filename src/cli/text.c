/* weir, the command: texts of strangers. See text.h. No data of its own. */
#include "text.h"

#include <stdint.h>

size_t text_character(const char *s, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *u = (const uint8_t *)s;
	uint32_t c;
	size_t len;

	if (left == 0 || u[0] < 0x80)
		return left != 0;
	len = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4 || len > left)
		return 0;
	c = u[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3fu);
	}
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

/* Writes the character at *s, a mark where there is none, and goes on behind it. */
static void put_character(FILE *out, const char **s, const char *end)
{
	size_t len = text_character(*s, (size_t)(end - *s));

	if (len == 0)
		fwrite("\xef\xbf\xbd", 1, 3, out);
	else
		fwrite(*s, 1, len, out);
	*s += len == 0 ? 1 : len;
}

void text_json(FILE *out, const char *s, size_t len)
{
	const char *end = s + len;

	putc('"', out);
	while (s < end) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			putc('\\', out);
			putc(c, out);
		} else if (c < 0x20 || c == 0x7f) {
			fprintf(out, "\\u%04x", c);
		} else if (c == 0xc2 && end - s > 1 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0) { /* the C1 controls */
			fprintf(out, "\\u%04x", (unsigned char)s[1]);
			s++;
		} else if (c < 0x80) {
			putc(c, out);
		} else {
			put_character(out, &s, end);
			continue;
		}
		s++;
	}
	putc('"', out);
}

void text_prom(FILE *out, const char *s, size_t len, int quoted)
{
	const char *end = s + len;

	while (s < end) {
		char c = *s;

		if (c == '\n')
			fputs("\\n", out);
		else if (c == '\\' || (c == '"' && quoted))
			fprintf(out, "\\%c", c);
		else if ((unsigned char)c < 0x80)
			putc(c, out);
		else {
			put_character(out, &s, end);
			continue;
		}
		s++;
	}
}

void text_plain(FILE *out, const char *s, size_t len)
{
	const char *end = s + len;

	while (s < end) {
		unsigned char c = (unsigned char)*s;
		size_t step = text_character(s, (size_t)(end - s));

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && step == 2 && (unsigned char)s[1] < 0xa0)) { /* the C1 controls too */
			for (size_t i = 0; i < step; i++)
				fprintf(out, "\\x%02x", (unsigned char)s[i]);
			s += step;
		} else {
			put_character(out, &s, end);
		}
	}
}
