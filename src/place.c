/* L3: places. See place.h and abi/private.h. */
#include "place.h"

#include "atomic.h"
#include "label.h"
#include "pages.h"
#include "port.h"
#include "registry.h"
#include "segment.h"
#include "tag.h"

#include <weir/abi/private.h>

enum { GROUP = 16 };

static struct {
	struct weir__place *groups[WEIR__PLACES_MAX / GROUP + 1]; /* release; acquire */
	uint32_t count;                                           /* release; acquire */
	uint32_t leaving;                                         /* given up, and not free yet. Readers: any, relaxed */
} places;

struct weir__place *weir__place(unsigned number)
{
	struct weir__place *group = number - 1 < WEIR__PLACES_MAX ? weir__load_acquire(&places.groups[number / GROUP]) : NULL;

	return group != NULL ? &group[number % GROUP] : NULL;
}

uint32_t weir__places_count(void)
{
	return weir__load_acquire(&places.count);
}

const struct weir__place *weir__place_of(uint64_t token)
{
	const struct weir__place *place = weir__place(weir__place_in(token));

	return place != NULL && weir__load_acquire(&place->generation) == token >> 16 ? place : NULL;
}

uint64_t weir__place_key(unsigned number)
{
	char text[8] = "";
	uint64_t key;

	for (int i = 0; i < 3; i++, number >>= 6)
		text[i] = (char)('0' + (number & 63)); /* all of them are printable */
	memcpy(&key, text, sizeof key);
	return key;
}

/* ---- taken ---- */

static uint64_t token_of(unsigned number)
{
	return (uint64_t)weir__place(number)->generation << 16 | number;
}

/* One more number; 0: there is none. */
static unsigned make(void)
{
	unsigned n = places.count + 1;
	struct weir__place *group;

	if (n > WEIR__PLACES_MAX)
		return 0;
	if (places.groups[n / GROUP] == NULL) {
		group = weir__pages_take(GROUP * sizeof *group);
		for (unsigned k = 0; group != NULL && k < GROUP; k++) {
			group[k].generation = 1;
			group[k].key = weir__place_key(n / GROUP * GROUP + k);
		}
		weir__store_release(&places.groups[n / GROUP], group);
	}
	if (places.groups[n / GROUP] == NULL)
		return 0;
	weir__store_release(&places.count, n);
	return n;
}

/* With the core lock held. Of those that are free one that was the tag's before comes first, so that a label's places stay few,
 * and so do the series that are looked up by them. */
static uint64_t take(unsigned tag, const char *text, size_t len)
{
	unsigned its = 0, any = 0;
	struct weir__place *place;

	for (unsigned n = 1; n <= places.count; n++) {
		place = weir__place(n);
		if (place->state == WEIR__PLACE_FREE) {
			any = n;
			its = its == 0 && place->tag == tag ? n : its;
		} else if (place->state != WEIR__PLACE_RETIRING && place->tag == tag && place->len == len && memcmp(place->text, text, len) == 0) {
			if (place->state != WEIR__PLACE_TAKEN) { /* given up, it comes back with all that it had */
				weir__store_relaxed(&place->state, (uint8_t)WEIR__PLACE_TAKEN);
				weir__place_left();
			}
			return token_of(n);
		}
	}
	its = its != 0 ? its : make();
	its = its != 0 ? its : any;
	if (its == 0)
		return 0;
	place = weir__place(its);
	memcpy(place->text, text, len + 1);
	place->len = (uint16_t)len;
	place->tag = (uint8_t)tag;
	if (place->segment_text != 0)
		weir__segment_rewrite(place->segment_text, weir_str_n(text, len));
	weir__store_release(&place->state, (uint8_t)WEIR__PLACE_TAKEN); /* last: a child that was forked in between finds it free */
	return token_of(its);
}

uint64_t weir_private_place_take(int number, struct weir_str value)
{
	const struct weir__tag *tag = number > 0 ? weir__tag((unsigned)number) : NULL;
	struct weir__mended how = {false, false};
	char text[WEIR__VALUE_MAX + 1];
	struct weir__guard guard;
	uint64_t token;
	size_t len;

	if (tag == NULL)
		return 0;
	len = weir__value_mend(text, value, &how);
	if (len > WEIR__PLACE_TEXT) {
		for (len = WEIR__PLACE_TEXT; ((uint8_t)text[len] & 0xc0) == 0x80;)
			len--;
		how.cut = true;
	}
	text[len] = '\0';
	/* what is said of a request without the tag is not said of one with it */
	if (len == 0 || strcmp(text, "other") == 0 || strcmp(text, tag->absent) == 0 || !weir__enter(&guard))
		return 0;
	weir__mended_count(how.cleaned, how.cut);
	token = take((unsigned)number, text, len);
	weir__leave(&guard);
	return token;
}

/* ---- given up ---- */

bool weir__places_leave(void)
{
	return weir__load_relaxed(&places.leaving) != 0;
}

void weir__place_left(void)
{
	weir__store_relaxed(&places.leaving, places.leaving - 1);
}

void weir__places_restart(void)
{
	for (unsigned n = 1; n <= places.count; n++)
		if (weir__place(n)->segment_text != 0)
			weir__place(n)->segment_text = 0;
}

bool weir_private_place_give_up(uint64_t token, uint64_t linger_ns)
{
	struct weir__place *place = weir__place(weir__place_in(token));
	struct weir__guard guard;

	if (weir__place_of(token) == NULL)
		return true;
	if (!weir__barrier_ready() || !weir__enter(&guard))
		return false;
	if (place->generation == token >> 16 && place->state == WEIR__PLACE_TAKEN) {
		weir__store_relaxed(&places.leaving, places.leaving + 1); /* first: a child that was forked in between looks in vain */
		place->linger_ns = linger_ns;
		/* before its state: a child that was forked in between has a place that is taken, and that nobody has */
		weir__store_release(&place->generation, place->generation + 1);
		weir__store_release(&place->state, (uint8_t)WEIR__PLACE_GIVEN_UP);
	}
	weir__leave(&guard);
	return true;
}

bool weir_private_place_is_current(uint64_t token)
{
	return weir__place_of(token) != NULL;
}
