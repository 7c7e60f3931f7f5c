/* weir-jwt: JSON within bounds. See json.h. Layer: jwt. */
#define _GNU_SOURCE
#include "json.h"

#include <openssl/crypto.h>
#include <string.h>

/* ---- before jansson ---------------------------------------------------------------------------------------------- */

/* What \uXXXX becomes in UTF-8; two surrogates share the four bytes that they stand for. */
static size_t unit_bytes(const char *digits)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++)
		unit = unit << 4 | (unsigned)(digits[i] >= 'a' ? digits[i] - 'a' + 10 : digits[i] >= 'A' ? digits[i] - 'A' + 10 : digits[i] - '0');
	return unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
}

/* From behind the quote to behind the next one; *bytes grows by what the text is decoded. */
static size_t skip_text(const char *text, size_t at, size_t len, size_t *bytes)
{
	for (; at < len && text[at] != '"'; at++) {
		if (text[at] != '\\') {
			++*bytes;
		} else if (at + 5 < len && text[at + 1] == 'u') {
			*bytes += unit_bytes(text + at + 2);
			at += 5;
		} else {
			++*bytes;
			at++;
		}
	}
	return at;
}

/* Counted outside of texts. As far as jansson reads without an error it sees the same texts, so that no other depth is met. */
static bool is_within(const char *text, size_t len, size_t depth, size_t members, size_t *bytes)
{
	size_t now = 0, separators = 0;

	*bytes = 0;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '"') {
			i = skip_text(text, i + 1, len, bytes);
		} else if (c == '{' || c == '[') {
			if (++now > depth)
				return false;
		} else if (c == '}' || c == ']') {
			if (now == 0)
				return false;
			now--;
		} else if (c == ',' && ++separators >= members) {
			return false;
		}
	}
	return true;
}

/* ---- behind it --------------------------------------------------------------------------------------------------- */

/* Of all texts, members' names too. */
static size_t text_bytes(json_t *value)
{
	size_t bytes = json_string_length(value);

	if (json_is_object(value)) {
		for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at))
			bytes += strlen(json_object_iter_key(at)) + text_bytes(json_object_iter_value(at));
	} else if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++)
			bytes += text_bytes(json_array_get(value, i));
	}
	return bytes;
}

enum weir__json_fate weir__json_read(json_t **object, const char *text, size_t len, size_t depth, size_t members, size_t more)
{
	enum weir__json_fate fate;
	json_error_t error;
	size_t bytes;

	*object = NULL;
	if (!is_within(text, len, depth, members, &bytes))
		return WEIR__JSON_BAD;
	*object = json_loadb(text, len, JSON_REJECT_DUPLICATES | more, &error);
	if (*object == NULL) /* where memory ends jansson says that, or nothing, or that a token is invalid */
		return error.text[0] == '\0' || json_error_code(&error) == json_error_out_of_memory ? WEIR__JSON_NO_MEMORY : WEIR__JSON_BAD;
	/* jansson's lexer goes on without the letters for which it had no memory: another name, another value */
	fate = !json_is_object(*object) ? WEIR__JSON_BAD : text_bytes(*object) == bytes ? WEIR__JSON_READ : WEIR__JSON_NO_MEMORY;
	if (fate != WEIR__JSON_READ) {
		weir__json_free(*object);
		*object = NULL;
	}
	return fate;
}

/* jansson does not wipe. The texts are its own, malloc'ed, and nobody reads them again. */
static void wipe(json_t *value)
{
	if (json_is_string(value)) {
		OPENSSL_cleanse((char *)(uintptr_t)json_string_value(value), json_string_length(value));
	} else if (json_is_object(value)) {
		for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at))
			wipe(json_object_iter_value(at));
	} else if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++)
			wipe(json_array_get(value, i));
	}
}

void weir__json_free(json_t *object)
{
	if (object == NULL)
		return;
	wipe(object);
	json_decref(object);
}
