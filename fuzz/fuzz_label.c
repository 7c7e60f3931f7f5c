/* Fuzz: names, values and keys of labels, from any bytes. More than "no crash": what is mended is sound and stays
 * as it is, and a key holds its values, so that no two lists share one. */
#include "label.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Sound UTF-8 without control characters but newline: a scan of its own, by ranges of bytes. */
static bool is_sound(const uint8_t *s, size_t len)
{
	for (size_t at = 0; at < len;) {
		uint8_t first = s[at], low = 0x80, high = 0xbf;
		size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;

		if ((first < 0x20 && first != '\n') || (first > 0x7e && first < 0xc2) || first > 0xf4 ||
		    more >= len - at)
			return false;
		if (first == 0xc2 || first == 0xe0)
			low = 0xa0;
		else if (first == 0xf0)
			low = 0x90;
		else if (first == 0xed)
			high = 0x9f;
		else if (first == 0xf4)
			high = 0x8f;
		if (more != 0 && (s[at + 1] < low || s[at + 1] > high))
			return false;
		for (size_t i = 2; i <= more; i++)
			if (s[at + i] < 0x80 || s[at + i] > 0xbf)
				return false;
		at += 1 + more;
	}
	return true;
}

static void fuzz_value(const uint8_t *data, size_t size)
{
	struct weir__mended how = {false, false}, again = {false, false};
	char *out = malloc(WEIR__VALUE_MAX + 1), *twice = malloc(WEIR__VALUE_MAX + 1);
	size_t len;

	must(out != NULL && twice != NULL);
	len = weir__value_mend(out, weir_str_n(data, size), &how);
	must(len <= WEIR__VALUE_MAX && out[len] == '\0' && is_sound((const uint8_t *)out, len));
	must(how.cut ? len > WEIR__VALUE_MAX - 4 : true);
	must(how.cut || how.cleaned == !is_sound(data, size));
	if (!how.cleaned)
		must(memcmp(out, data, len) == 0 && (how.cut ? size > len : size == len));
	must(weir__value_mend(twice, weir_str_n(out, len), &again) == len);
	must(memcmp(twice, out, len + 1) == 0 && !again.cut && !again.cleaned);
	free(out);
	free(twice);
}

static void fuzz_names(const uint8_t *data, size_t size)
{
	char *name = malloc(size + 1), canonical[256];

	must(name != NULL);
	if (size != 0)
		memcpy(name, data, size);
	name[size] = '\0';
	if (weir__label_is_valid(name)) {
		must(strlen(name) <= 255 && strncmp(name, "__", 2) != 0);
		must(weir__name_is_valid(name)); /* what a label may be called, an instrument may */
	}
	if (weir__name_is_valid(name)) {
		for (unsigned unit = 0; unit < 5; unit++) {
			weir__name_canonical(canonical, name, unit);
			must(canonical[0] != '\0' && strlen(canonical) <= strlen(name));
			for (const char *c = canonical; *c != '\0'; c++)
				must(strchr("./-", *c) == NULL);
		}
	}
	free(name);
}

/* Each NUL ends a value. The values come back from the words. */
static void fuzz_key(const uint8_t *data, size_t size)
{
	uint64_t *words = malloc(WEIR__KEY_WORDS * sizeof *words), hash = 0, hash_text = 0;
	uint64_t *words_text = malloc(WEIR__KEY_WORDS * sizeof *words_text);
	char *text = malloc(size + 1);
	uint32_t count = 0, at = 0;
	size_t from = 0, values = 0, plain = 0;

	must(words != NULL && words_text != NULL && text != NULL);
	if (size != 0)
		memcpy(text, data, size);
	text[size] = '\0';
	must((weir__key_append(words, 0, WEIR__KEY_WORDS, &hash, weir_str_n(data, size)) != 0) ==
	     (strlen(text) == size && size / 8 < WEIR__KEY_WORDS));
	hash = 0;
	for (; from <= size; from += strlen(text + from) + 1, values++) {
		uint32_t next = weir__key_append(words, count, WEIR__KEY_WORDS, &hash, weir_str_of(text + from));

		must(weir__key_append_text(words_text, count, WEIR__KEY_WORDS, &hash_text, text + from) == next);
		if (next == 0)
			break;
		plain += is_sound((const uint8_t *)text + from, strlen(text + from));
		count = next;
	}
	must(count <= WEIR__KEY_WORDS && hash == hash_text && memcmp(words, words_text, count * sizeof *words) == 0);
	if (weir__key_is_plain(words, count))
		must(plain == values);
	for (from = 0; values != 0; values--) {
		size_t len = strlen(text + from), got = 0;

		for (;; got += 8, at++) {
			size_t left = len - got < 8 ? len - got : 8;
			uint64_t expected = 0;

			must(at < count);
			memcpy(&expected, text + from + got, left);
			must(words[at] == expected);
			if (left < 8)
				break;
		}
		at++;
		from += len + 1;
	}
	must(at == count);
	free(words);
	free(words_text);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_value(data, size);
	fuzz_names(data, size);
	fuzz_key(data, size);
	return 0;
}
