/* L3: tags. See tag.h, abi/private.h and weir/context.h. */
#include "tag.h"

#include "atomic.h"
#include "claim.h"
#include "label.h"
#include "pages.h"
#include "place.h"
#include "registry.h"
#include "span.h"
#include "tally.h"

#include <weir/abi/private.h>

static struct {
	struct weir__tag list[WEIR__TAGS_MAX];
	uint32_t count; /* release; acquire */
} tags;

const struct weir__tag *weir__tag(unsigned number)
{
	return number != 0 && number <= weir__load_acquire(&tags.count) ? &tags.list[number - 1] : NULL;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

unsigned weir__tag_of_label(const char *label)
{
	uint32_t count = weir__load_acquire(&tags.count);

	for (uint32_t n = 0; n < count; n++)
		if (tags.list[n].label != NULL && strcmp(tags.list[n].label, label) == 0)
			return n + 1;
	return 0;
}

/* With the core lock held. */
static int define(const struct weir_private_tag *given)
{
	struct weir__tag *tag = &tags.list[tags.count];
	struct weir__mended how = {false, false};
	char absent[WEIR__VALUE_MAX + 1];
	uint64_t nobody = 0;
	const char *texts[4] = {given->name, given->label, given->attribute, absent}, *kept[4];

	for (uint32_t n = 0; n < tags.count; n++) {
		if (same(tags.list[n].name, given->name) && same(tags.list[n].label, given->label) &&
		    same(tags.list[n].attribute, given->attribute))
			return (int)n + 1;
		if (given->label != NULL && same(tags.list[n].label, given->label))
			return WEIR_ECONFLICT;
	}
	if (tags.count == WEIR__TAGS_MAX)
		return WEIR_ELIMIT;
	memcpy(&nobody, "-", 1);
	weir__value_mend(absent, weir_str_of(given->absent), &how);
	for (int k = 0; k < 4; k++) {
		kept[k] = texts[k] != NULL ? weir__pages_text(texts[k], strlen(texts[k])) : NULL;
		if (texts[k] != NULL && kept[k] == NULL)
			return WEIR_ENOMEM;
	}
	*tag = (struct weir__tag){kept[0], kept[1], kept[2], kept[3],
	                          absent[0] == '\0' ? 0 : strcmp(absent, "other") == 0 ? weir__place_key(WEIR__PLACE_OTHER) : nobody};
	weir__store_release(&tags.count, tags.count + 1);
	for (struct weir__instrument *i = weir__instruments_first(); i != NULL; i = i->next)
		weir__claim_tags(i);
	return (int)tags.count;
}

int weir_private_tag_define(const struct weir_private_tag *tag)
{
	struct weir__guard guard;
	int number;

	if (tag == NULL || tag->name == NULL || tag->name[0] == '\0' || (tag->label != NULL && !weir__label_is_valid(tag->label)) ||
	    (tag->attribute != NULL && tag->attribute[0] == '\0'))
		return WEIR_EINVAL;
	if (!weir__enter(&guard))
		return WEIR_ENOMEM;
	number = define(tag);
	weir__leave(&guard);
	return number;
}

/* ---- in a context ---- */

uint64_t weir__tag_next(const struct weir__ctx *c, uint32_t *at, const char **value)
{
	uint32_t used = c->tags.used <= sizeof c->tags.bytes ? c->tags.used : 0;
	uint64_t head;

	if (*at + sizeof head > used)
		return 0;
	memcpy(&head, c->tags.bytes + *at, sizeof head);
	*value = (const char *)c->tags.bytes + *at + sizeof head;
	*at += (uint32_t)sizeof head + weir__tag_len(head);
	return *at <= used ? head : 0;
}

static struct weir__ctx *open_ctx_of(const struct weir_ctx *ctx)
{
	struct weir__ctx *c = weir__ctx_of(ctx);

	return c != NULL && (c->state & WEIR__CTX_OPEN) != 0 ? c : NULL;
}

void weir_private_ctx_tags_begin(struct weir_ctx *ctx, uint32_t result, uint64_t expiry_ns)
{
	struct weir__ctx *c = open_ctx_of(ctx);

	if (c == NULL)
		return;
	c->tags_state = WEIR__TAGS_BEGUN;
	c->tags.result = result;
	c->tags.expiry_ns = expiry_ns;
	c->tags.used = 0;
	weir__ctx_outside(c);
}

static void take_off(struct weir__ctx *c, int tag)
{
	uint32_t at = 0, began = 0;
	const char *value;
	uint64_t head;

	for (; (head = weir__tag_next(c, &at, &value)) != 0; began = at)
		if ((int)weir__tag_in(head) == tag) {
			memmove(c->tags.bytes + began, c->tags.bytes + at, c->tags.used - at);
			c->tags.used -= at - began;
			c->tags_state--;
			weir__ctx_outside(c);
			return;
		}
}

void weir_private_ctx_tags_refuse(struct weir_ctx *ctx, uint32_t result, int tag)
{
	struct weir__ctx *c = open_ctx_of(ctx);

	if (c != NULL && c->tags_state == 0) {
		weir_private_ctx_tags_begin(ctx, result, 0);
	} else if (c != NULL) {
		c->tags.result = result;
		take_off(c, tag);
	}
}

bool weir_private_ctx_tag(struct weir_ctx *ctx, int tag, struct weir_str value, uint64_t place)
{
	struct weir__ctx *c = open_ctx_of(ctx);
	size_t len = value.ptr != NULL ? value.len : 0;
	uint64_t head = place | (uint64_t)(unsigned)tag << 48 | (uint64_t)len << 56;

	if (c == NULL || c->tags_state == 0 || c->tags_state >= WEIR__TAGS_BEGUN + WEIR__TAGS_IN_CTX || tag <= 0 ||
	    weir__tag((unsigned)tag) == NULL || place >> 48 != 0 || len > sizeof c->tags.bytes - c->tags.used ||
	    len + sizeof head > sizeof c->tags.bytes - c->tags.used) {
		weir__tally(WEIR__TAGS_DROPPED, 1);
		return false;
	}
	memcpy(c->tags.bytes + c->tags.used, &head, sizeof head);
	if (len != 0)
		memcpy(c->tags.bytes + c->tags.used + sizeof head, value.ptr, len);
	c->tags.used += (uint32_t)(sizeof head + len);
	c->tags_state++;
	weir__ctx_outside(c);
	return true;
}

/* By its number; 0: by one of its names. */
static struct weir_str value_of(const struct weir_ctx *ctx, unsigned number, const char *name)
{
	const struct weir__ctx *c = open_ctx_of(ctx);
	const char *value;
	uint32_t at = 0;
	uint64_t head;

	while (c != NULL && c->tags_state != 0 && (head = weir__tag_next(c, &at, &value)) != 0) {
		const struct weir__tag *tag = weir__tag(weir__tag_in(head));

		if (number != 0 ? weir__tag_in(head) == number
		                : tag != NULL && (same(tag->name, name) || same(tag->label, name) || same(tag->attribute, name)))
			return weir_str_n(value, weir__tag_len(head));
	}
	return weir_str_n(NULL, 0);
}

struct weir_str weir_private_ctx_tag_value(const struct weir_ctx *ctx, int tag)
{
	return tag > 0 ? value_of(ctx, (unsigned)tag, NULL) : weir_str_n(NULL, 0);
}

struct weir_str weir_ctx_get_claim(const struct weir_ctx *ctx, const char *name)
{
	return name != NULL ? value_of(ctx, 0, name) : weir_str_n(NULL, 0);
}

uint32_t weir_private_ctx_tags_result(const struct weir_ctx *ctx, uint64_t *expiry_ns)
{
	const struct weir__ctx *c = open_ctx_of(ctx);
	bool begun = c != NULL && c->tags_state != 0;

	if (expiry_ns != NULL)
		*expiry_ns = begun ? c->tags.expiry_ns : 0;
	return begun ? c->tags.result : 0;
}

void weir__tags_put(struct weir__bytes *to, struct weir__span *span, const struct weir__ctx *c)
{
	uint32_t most = weir__load_relaxed(&weir__attr_limits.attrs), at = 0;
	const char *value;
	uint64_t head;

	while ((head = weir__tag_next(c, &at, &value)) != 0) {
		const struct weir__tag *tag = weir__tag(weir__tag_in(head));

		if (tag == NULL || tag->attribute == NULL)
			continue;
		if (span->attrs < most &&
		    weir__attr_put_text(to, tag->attribute, (uint32_t)strlen(tag->attribute), value, weir__tag_len(head)))
			span->attrs++;
		else
			count_up(&span->dropped_attrs, 1);
	}
}
