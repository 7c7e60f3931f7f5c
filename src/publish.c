/* L3: the registry's published copy: records of instruments and series in the segment. See registry.h. Writer: the holder of the
 * core lock. */
#include "registry.h"

#include "atomic.h"
#include "claim.h"
#include "label.h"
#include "segment.h"

#include <string.h>

/* Of a series that may be another's in turn: its texts are those of places, and stand where they can be written anew. */
static uint32_t text_of(const struct weir__instrument *i, const struct weir__series *s, uint32_t k)
{
	struct weir__place *place = (i->claims >> k & 1) != 0 ? weir__claim_place(i, s, k) : NULL;

	if (place == NULL)
		return weir__segment_string(s->values[k].ptr, s->values[k].len);
	if (place->segment_text == 0)
		place->segment_text = weir__segment_room(WEIR__PLACE_TEXT, weir_str_n(place->text, place->len));
	return place->segment_text;
}

void weir__publish_series(const struct weir__instrument *i, struct weir__series *s)
{
	struct {
		struct weir_segment_series head;
		uint32_t values[2 + WEIR__LABELS_MAX]; /* those of a claim series begin with its turn */
	} record;
	uint32_t count = s->values != NULL ? i->labels_count : 0, before = count != 0 && i->claims != 0 ? 2 : 0, at;

	/* What a callback reports exists once it is reported, and then it is known whether it is a double. */
	if ((i->kind == WEIR_OBSERVED_COUNTER_KIND || i->kind == WEIR_OBSERVED_GAUGE_KIND) && weir__load_acquire(&s->round) == 0)
		return;
	memset(&record, 0, sizeof record);
	for (uint32_t k = 0; k < count; k++) {
		record.values[before + k] = text_of(i, s, k);
		if (record.values[before + k] == 0)
			return; /* the segment is full: readers outside miss it, and its cells are in private memory then */
	}
	if (before != 0)
		record.values[0] = s->live ? 1 : 0;
	record.head.bytes = (uint32_t)(sizeof record.head + (before + count) * 4 + 7) & ~7u;
	record.head.type = before != 0 ? WEIR_RECORD_CLAIM_SERIES : WEIR_RECORD_SERIES;
	record.head.flags = (uint16_t)((s->overflow ? 1 : 0) | (i->kind == WEIR_FLOAT_GAUGE_KIND || s->floating ? 2 : 0));
	record.head.instrument = i->id;
	record.head.cell = s->cell;
	record.head.cells = i->cells;
	record.head.values_count = count;
	at = weir__segment_record(&record, record.head.bytes);
	if (before != 0 && at != 0)
		s->turn = at + (uint32_t)sizeof record.head;
}

void weir__publish_turn(const struct weir__series *s)
{
	uint32_t *turn = s->turn != 0 ? (uint32_t *)(void *)((char *)weir__segment_header() + s->turn) : NULL;

	/* release: what a reader finds of the turn that begins; acquire: what comes after the end of one stays behind it */
	if (turn != NULL)
		weir__swap_acq_rel(turn, *turn + 1);
}

void weir__publish_instrument(const struct weir__instrument *i)
{
	enum { CONSTANTS = 64 };
	struct {
		struct weir_segment_instrument head;
		uint64_t bounds[WEIR__BUCKETS_MAX];
		uint32_t strings[WEIR__LABELS_MAX + CONSTANTS];
	} record;
	uint32_t strings[WEIR__LABELS_MAX + CONSTANTS], count = 0, constants = 0;
	const struct weir__shape *shape = i->shape;
	uint8_t *to = (uint8_t *)record.bounds;

	memset(&record, 0, sizeof record);
	for (; count < i->labels_count; count++)
		strings[count] = weir__segment_string(i->labels[count], strlen(i->labels[count]));
	for (const char *const *c = i->constant; c != NULL && *c != NULL && constants < CONSTANTS; c++, constants++)
		strings[count++] = weir__segment_string(*c, strlen(*c));
	if (shape != NULL) {
		memcpy(to, shape->bounds, shape->bounds_count * 8);
		to += shape->bounds_count * 8;
		record.head.bounds_count = shape->bounds_count;
		record.head.scale = shape->scale;
		record.head.offset = shape->offset;
		record.head.split = shape->split;
		record.head.flags = shape->exponential ? 1 : 0;
		record.head.slo_objective_ppm = shape->slo_objective_ppm;
		record.head.slo_threshold = shape->slo_threshold;
	}
	record.head.type = WEIR_RECORD_INSTRUMENT;
	record.head.kind = i->kind;
	record.head.unit = i->unit;
	record.head.id = i->id;
	record.head.name = weir__segment_string(i->name, strlen(i->name));
	record.head.help = weir__segment_string(i->help, strlen(i->help));
	record.head.labels_count = i->labels_count;
	record.head.constant_count = constants / 2;
	memcpy(to, strings, count * 4);
	record.head.bytes = (uint32_t)((size_t)(to - (uint8_t *)&record) + count * 4 + 7) & ~7u;
	weir__segment_record(&record, record.head.bytes);
}

void weir__segment_ready(void)
{
	if (weir__segment_is_open() || !weir__segment_open())
		return;
	for (const struct weir__instrument *i = weir__instruments_first(); i != NULL; i = i->next) {
		weir__publish_instrument(i);
		for (struct weir__series *s = i->first; s != NULL; s = s->next)
			weir__publish_series(i, s);
	}
}
