/* weir, the command: selectors. See selector.h. No data of its own. */
#include "selector.h"

#include "meaning.h"

#include <string.h>

static const char *blanks(const char *at)
{
	return at + strspn(at, " \t");
}

static const char *name(const char *at, struct model_text *out)
{
	out->ptr = at;
	out->len = (uint32_t)strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-");
	return at + out->len;
}

/* A text in quotes, into values; NULL: it does not end. */
static const char *value(struct selector *selector, size_t *used, const char *at, struct model_text *out)
{
	out->ptr = selector->values + *used;
	while (*at != '\0' && *at != '"') {
		if (*at == '\\' && (at[1] == '"' || at[1] == '\\' || at[1] == 'n')) {
			selector->values[(*used)++] = at[1] == 'n' ? '\n' : at[1];
			at += 2;
		} else {
			selector->values[(*used)++] = *at++;
		}
	}
	out->len = (uint32_t)(selector->values + *used - out->ptr);
	return *at == '"' ? at + 1 : NULL;
}

const char *selector_parse(struct selector *selector, const char *text)
{
	const char *at = text;
	size_t used = 0;

	*selector = (struct selector){.count = 0};
	if (strlen(text) >= SELECTOR_MOST)
		return "is too long";
	at = blanks(name(blanks(at), &selector->name));
	if (selector->name.len == 0)
		return "begins with no name";
	if (*at == '\0')
		return NULL;
	if (*at != '{')
		return "has something other than { behind its name";
	at = blanks(at + 1);
	while (*at != '}') {
		if (selector->count == SELECTOR_LABELS)
			return "has more than 16 labels";
		at = blanks(name(at, &selector->labels[selector->count].name));
		if (selector->labels[selector->count].name.len == 0)
			return *at == '\0' ? "has no } at its end" : "has a label without a name";
		if (*at != '=')
			return "has a label without = behind its name";
		at = blanks(at + 1);
		if (*at != '"')
			return "has a value without quotes";
		at = value(selector, &used, at + 1, &selector->labels[selector->count].value);
		if (at == NULL)
			return "has a value whose quotes do not close";
		selector->count++;
		at = blanks(at);
		if (*at == ',')
			at = blanks(at + 1);
		else if (*at != '}')
			return *at == '\0' ? "has no } at its end" : "has no comma between two labels";
	}
	return *blanks(at + 1) == '\0' ? NULL : "has something behind its }";
}

static bool same(struct model_text a, struct model_text b)
{
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* Dots are as good as underscores. */
static bool alike(struct model_text a, struct model_text b)
{
	char x[MEANING_NAME_MOST], y[MEANING_NAME_MOST];

	meaning_normal(x, a);
	meaning_normal(y, b);
	return strcmp(x, y) == 0;
}

/* The constant label of this name; NULL: none. */
static bool constant(const struct model *model, const struct model_instrument *i, struct model_text label, struct model_text *out)
{
	for (uint32_t k = 0; k < i->record->constant_count; k++)
		if (same(model_constant(model, i, k, 0), label) || alike(model_constant(model, i, k, 0), label)) {
			*out = model_constant(model, i, k, 1);
			return true;
		}
	return false;
}

/* Which label it is; labels_count: none. */
static uint32_t label_of(const struct model *model, const struct model_instrument *i, struct model_text label)
{
	uint32_t k = 0;

	while (k < i->record->labels_count && !same(model_label(model, i, k), label) && !alike(model_label(model, i, k), label))
		k++;
	return k;
}

bool selector_takes(const struct selector *selector, const struct model *model, const struct model_instrument *i)
{
	struct model_text is;

	if (!same(i->name, selector->name) && !alike(i->name, selector->name))
		return false;
	for (size_t n = 0; n < selector->count; n++) {
		if (label_of(model, i, selector->labels[n].name) != i->record->labels_count)
			continue;
		if (!constant(model, i, selector->labels[n].name, &is) || !same(is, selector->labels[n].value))
			return false;
	}
	return true;
}

bool selector_takes_series(const struct selector *selector, const struct model *model, const struct model_instrument *i,
                           const struct model_series *s)
{
	for (size_t n = 0; n < selector->count; n++) {
		uint32_t k = label_of(model, i, selector->labels[n].name);

		if (k != i->record->labels_count && (model_is_overflow(s) || !same(model_value(model, s, k), selector->labels[n].value)))
			return false;
	}
	return true;
}

const struct model_instrument *selector_find(const struct selector *selector, const struct model *model)
{
	const struct model_instrument *found = NULL;

	for (uint32_t n = 0; n < model->instruments_count; n++) {
		const struct model_instrument *i = &model->instruments[n];

		if (!selector_takes(selector, model, i))
			continue;
		if (same(i->name, selector->name))
			return i;
		if (found == NULL)
			found = i;
	}
	return found;
}
