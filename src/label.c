/* L1: names, values, keys. See label.h. Pure: no data of its own. */
#include "label.h"

#include "utf8.h"

#include <weir/abi/hot.h>

#include <string.h>

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool weir__name_is_valid(const char *name)
{
	size_t len = 0;

	if (name == NULL || !is_letter(name[0]))
		return false;
	for (; name[len] != '\0'; len++)
		if (len == 255 || !(is_letter(name[len]) || is_digit(name[len]) || strchr(".:/-", name[len]) != NULL))
			return false;
	return true;
}

bool weir__label_is_valid(const char *label)
{
	if (label == NULL || !is_letter(label[0]) || (label[0] == '_' && label[1] == '_'))
		return false;
	for (size_t i = 0; label[i] != '\0'; i++)
		if (i == 255 || !(is_letter(label[i]) || is_digit(label[i]) || label[i] == '.'))
			return false;
	return true;
}

static __attribute__((cold)) void cut_suffix(char *text, const char *suffix)
{
	size_t len = strlen(text), cut = strlen(suffix);

	if (len > cut && strcmp(text + len - cut, suffix) == 0)
		text[len - cut] = '\0';
}

void weir__name_canonical(char out[256], const char *name, unsigned unit)
{
	static const char suffix[][9] = {"", "_seconds", "_bytes", "_ratio"};
	size_t i = 0;

	for (; name[i] != '\0' && i < 255; i++)
		out[i] = is_letter(name[i]) || is_digit(name[i]) || name[i] == ':' ? name[i] : '_';
	out[i] = '\0';
	cut_suffix(out, "_total");
	if (unit < sizeof suffix / sizeof *suffix)
		cut_suffix(out, suffix[unit]);
}

/* The length of the character at s, of at most left bytes; 0 when it is none that may stand in a label's value. */
static size_t character(const uint8_t *s, size_t left)
{
	bool control = (s[0] < 0x20 && s[0] != '\n') || s[0] == 0x7f || (s[0] == 0xc2 && left > 1 && s[1] < 0xa0);

	return control ? 0 : weir__utf8_character(s, left);
}

size_t weir__value_mend(char *out, struct weir_str in, struct weir__mended *how)
{
	const uint8_t *from = (const uint8_t *)in.ptr;
	size_t at = 0, to = 0, len = in.ptr != NULL ? in.len : 0;

	while (at < len) {
		size_t step = character(from + at, len - at), put = step != 0 ? step : 3;

		if (to + put > WEIR__VALUE_MAX) {
			how->cut = true;
			break;
		}
		if (step != 0) {
			memcpy(out + to, from + at, step);
		} else {
			memcpy(out + to, WEIR__REPLACEMENT, 3);
			how->cleaned = true;
			step = 1;
		}
		at += step;
		to += put;
	}
	out[to] = '\0';
	return to;
}

/* Most formats cannot say a dot: there it becomes an underscore. */
static __attribute__((cold)) bool same_label(const char *a, const char *b)
{
	for (; *a != '\0' && (*a == '.' ? '_' : *a) == (*b == '.' ? '_' : *b); a++)
		b++;
	return *a == '\0' && *b == '\0';
}

const char *weir__constant_fault(const char *const *constant, size_t count, bool histogram)
{
	if (count % 2 != 0)
		return "a constant label has no value";
	for (size_t i = 0; i < count; i += 2) {
		struct weir__mended how = {false, false};
		char mended[WEIR__VALUE_MAX + 1];

		if (!weir__label_is_valid(constant[i]) || (histogram && strcmp(constant[i], "le") == 0))
			return "a constant label's name is not allowed";
		for (size_t j = 0; j < i; j += 2)
			if (same_label(constant[i], constant[j]))
				return "a constant label stands twice";
		weir__value_mend(mended, weir_str_of(constant[i + 1]), &how);
		if (how.cleaned || how.cut)
			return "a constant label's value is no UTF-8 text of at most 1024 bytes";
	}
	return NULL;
}

const char *weir__labels_fault(const char *const *labels, size_t count, const char *const *constant, size_t constant_count,
                               bool histogram)
{
	for (size_t i = 0; i < count; i++) {
		if (!weir__label_is_valid(labels[i]))
			return "a label's name is not allowed";
		if (histogram && strcmp(labels[i], "le") == 0)
			return "le is a histogram's own label";
		for (size_t j = 0; j < i; j++)
			if (same_label(labels[i], labels[j]))
				return "a label stands twice";
		for (size_t j = 0; j < constant_count; j += 2)
			if (same_label(labels[i], constant[j]))
				return "a label is also a constant label";
	}
	return NULL;
}

bool weir__key_is_plain(const uint64_t *words, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		for (uint64_t w = words[i]; w != 0; w >>= 8) {
			uint8_t c = (uint8_t)w;

			if (c >= 0x7f || (c < 0x20 && c != '\n' && c != 0))
				return false;
		}
	return true;
}

/* The last bytes of a value, less than 8, as a word ends with them; *has_nul: one of them is a NUL. */
static inline uint64_t last_word(const char *at, size_t len, bool *has_nul)
{
	uint64_t word = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ /* without a call */
	if (len >= 4) {
		uint32_t first, last;

		memcpy(&first, at, 4);
		memcpy(&last, at + len - 4, 4);
		word = first | (uint64_t)last << 8 * (len - 4);
	} else if (len != 0) {
		word = (uint8_t)at[0] | (uint64_t)(uint8_t)at[len / 2] << 8 * (len / 2) | (uint64_t)(uint8_t)at[len - 1] << 8 * (len - 1);
	}
	*has_nul = weir__zero_bytes(word | UINT64_MAX << 8 * len) != 0;
#else
	if (len != 0)
		memcpy(&word, at, len);
	*has_nul = len != 0 && memchr(at, 0, len) != NULL;
#endif
	return word;
}

uint32_t weir__key_append(uint64_t *words, uint32_t at, uint32_t most, uint64_t *hash, struct weir_str value)
{
	const char *from = value.ptr != NULL ? value.ptr : "";
	size_t len = value.ptr != NULL ? value.len : 0, whole = len / 8;
	uint64_t word, h = *hash;
	bool has_nul;

	if (whole + 1 > most - at)
		return 0;
	for (size_t i = 0; i < whole; i++) {
		memcpy(&word, from + 8 * i, 8);
		if (weir__zero_bytes(word) != 0)
			return 0;
		words[at++] = word;
		h = weir__hash_step(h, word);
	}
	word = last_word(from + 8 * whole, len % 8, &has_nul);
	if (has_nul)
		return 0;
	words[at++] = word;
	*hash = weir__hash_step(h, word);
	return at;
}
