/* L1: percent coding. See percent.h. Pure: no data of its own. */
#include "percent.h"

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int weir__percent_next(struct weir_str text, size_t *at)
{
	const char *c = text.ptr + (*at)++;

	if (*c != '%')
		return (unsigned char)*c;
	if (text.len - *at < 2 || hex(c[1]) < 0 || hex(c[2]) < 0)
		return -1;
	*at += 2;
	return hex(c[1]) << 4 | hex(c[2]);
}

size_t weir__percent_decode(char *out, size_t size, struct weir_str text)
{
	size_t to = 0;

	for (size_t at = 0; at < text.len && to < size;) {
		int octet = weir__percent_next(text, &at);

		if (octet < 0)
			return size;
		out[to++] = (char)octet;
	}
	if (to < size)
		out[to] = '\0';
	return to;
}

bool weir__percent_is_octet(char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

size_t weir__percent_encode(char *out, size_t size, struct weir_str text)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t to = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned c = (unsigned char)text.ptr[i];

		if (weir__percent_is_octet((char)c) && c != '%') {
			if (to < size)
				out[to] = (char)c;
			to++;
			continue;
		}
		if (size >= 3 && to <= size - 3) {
			out[to] = '%';
			out[to + 1] = digits[c >> 4];
			out[to + 2] = digits[c & 15];
		}
		to += 3;
	}
	return to;
}
