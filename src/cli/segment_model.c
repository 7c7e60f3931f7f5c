/* weir, the command: a segment as instruments and series. See segment_model.h. No data of its own. */
#include "segment_model.h"

#include <stdlib.h>
#include <string.h>

/* Numbers to numbers, both + 1 where 0 is none. */
struct map {
	struct {
		uint32_t key, to;
	} * slots;
	uint32_t mask, count;
};

static uint32_t *map_find(const struct map *map, uint32_t key)
{
	uint32_t at = (key * 2654435769u >> 7) & map->mask;

	while (map->slots[at].to != 0 && map->slots[at].key != key)
		at = (at + 1) & map->mask;
	map->slots[at].key = key;
	return &map->slots[at].to;
}

/* Where key leads to, or 0 to be written; NULL: no memory. */
static uint32_t *map_at(struct map *map, uint32_t key)
{
	if (map->count * 2 >= map->mask) {
		struct map larger = {.mask = map->mask * 2 + 1 < 255 ? 255 : map->mask * 2 + 1};

		larger.slots = calloc((size_t)larger.mask + 1, sizeof *larger.slots);
		if (larger.slots == NULL)
			return NULL;
		for (uint32_t i = 0; map->slots != NULL && i <= map->mask; i++)
			if (map->slots[i].to != 0)
				*map_find(&larger, map->slots[i].key) = map->slots[i].to;
		larger.count = map->count;
		free(map->slots);
		*map = larger;
	}
	map->count++; /* at most so many */
	return map_find(map, key);
}

static const char *const kinds[] = {
	[MODEL_COUNTER] = "counter",
	[MODEL_UPDOWN] = "updown",
	[MODEL_GAUGE] = "gauge",
	[MODEL_FLOAT_GAUGE] = "float gauge",
	[MODEL_HISTOGRAM] = "histogram",
	[MODEL_INFO] = "info",
	[MODEL_OBSERVED_COUNTER] = "observed counter",
	[MODEL_OBSERVED_GAUGE] = "observed gauge",
};
static const char *const units[] = {"one", "seconds", "bytes", "ratio"};
static const unsigned digits[] = {0, 9, 0, 6};

struct model_text model_text(const struct model *model, uint32_t offset)
{
	struct model_text text;

	text.ptr = weir_segment_text(&model->copy->reader, offset, &text.len);
	if (text.ptr == NULL)
		text.ptr = "";
	return text;
}

struct model_text model_label(const struct model *model, const struct model_instrument *i, uint32_t k)
{
	return model_text(model, weir_segment_labels(i->record)[k]);
}

struct model_text model_constant(const struct model *model, const struct model_instrument *i, uint32_t k, uint32_t n)
{
	return model_text(model, weir_segment_constant(i->record)[2 * k + n]);
}

struct model_text model_value(const struct model *model, const struct model_series *s, uint32_t k)
{
	return model_text(model, weir_segment_values(s->record)[k]);
}

bool model_is_counter(const struct model_instrument *i)
{
	return i->record->kind == MODEL_COUNTER || i->record->kind == MODEL_OBSERVED_COUNTER;
}

bool model_is_overflow(const struct model_series *s)
{
	return (s->record->flags & 1) != 0;
}

bool model_is_double(const struct model_series *s, double *value)
{
	memcpy(value, s->cells, sizeof *value);
	return (s->record->flags & 2) != 0;
}

uint64_t model_count(const struct model_instrument *i, const struct model_series *s)
{
	uint64_t count = 0;

	for (uint32_t b = 0; b <= i->record->bounds_count; b++)
		count += s->cells[1 + b];
	return count;
}

uint64_t model_good(const struct model_instrument *i, const struct model_series *s)
{
	uint64_t good = 0;

	for (uint32_t b = 0; b < i->record->bounds_count; b++)
		if (weir_segment_bounds(i->record)[b] <= i->record->slo_threshold)
			good += s->cells[1 + b];
	return good;
}

const struct model_series *model_next(const struct model *model, const struct model_instrument *i, const struct model_series *s)
{
	uint32_t next = s == NULL ? i->first : s->next;

	while (next != 0 && model->series[next - 1].hidden)
		next = model->series[next - 1].next;
	return next != 0 ? &model->series[next - 1] : NULL;
}

/* Of room for count more, doubled as needed. */
static bool grow(void **list, uint32_t count, size_t each)
{
	void *larger;

	if ((count & (count - 1)) != 0) /* no power of two: there is room */
		return true;
	larger = realloc(*list, (count == 0 ? 1 : 2 * (size_t)count) * each);
	if (larger == NULL)
		return false;
	*list = larger;
	return true;
}

static bool bounds_ascend(const struct weir_segment_instrument *r)
{
	for (uint32_t b = 1; b < r->bounds_count; b++)
		if (weir_segment_bounds(r)[b] <= weir_segment_bounds(r)[b - 1])
			return false;
	return r->bounds_count < WEIR_SEGMENT_CELLS;
}

static bool add_instrument(struct model *model, struct map *ids, const struct weir_segment_instrument *r)
{
	struct model_instrument *i;
	uint32_t *to;

	if (r->kind == 0 || r->kind >= sizeof kinds / sizeof *kinds || r->unit >= sizeof units / sizeof *units ||
	    r->labels_count > MODEL_LABELS_MAX || r->constant_count > MODEL_LABELS_MAX ||
	    (r->kind == MODEL_HISTOGRAM && (r->bounds_count == 0 || !bounds_ascend(r)))) {
		model->passed_over++;
		return true;
	}
	to = map_at(ids, r->id);
	if (to == NULL || (*to == 0 && !grow((void **)&model->instruments, model->instruments_count, sizeof *i)))
		return false;
	if (*to == 0) {
		*to = ++model->instruments_count;
		model->instruments[*to - 1] = (struct model_instrument){.first = 0};
	}
	i = &model->instruments[*to - 1];
	i->record = r;
	i->name = model_text(model, r->name);
	i->help = model_text(model, r->help);
	i->kind = kinds[r->kind];
	i->unit = units[r->unit];
	i->digits = digits[r->unit];
	return true;
}

/* Has the cells and values that its instrument says. */
static bool fits(const struct model_instrument *i, const struct weir_segment_series *s)
{
	if (s->cells != (i->record->kind == MODEL_HISTOGRAM ? i->record->bounds_count + 2 : 1))
		return false;
	return (s->flags & 1) != 0 || s->values_count == i->record->labels_count;
}

static bool add_series(struct model *model, const struct map *ids, struct map *cells, const struct weir_segment_series *s)
{
	uint32_t of = model->instruments_count != 0 ? *map_find(ids, s->instrument) : 0, *same;
	struct model_instrument *i = of != 0 ? &model->instruments[of - 1] : NULL;

	if (weir_segment_turn(s) % 2 == 0) /* it rests */
		return true;
	if (i == NULL || !fits(i, s)) {
		model->passed_over++;
		return true;
	}
	same = map_at(cells, s->cell);
	if (same == NULL || !grow((void **)&model->series, model->series_count, sizeof *model->series))
		return false;
	if (*same != 0)
		model->series[*same - 1].hidden = true;
	model->series[model->series_count++] = (struct model_series){.record = s};
	*same = model->series_count;
	if (i->last != 0)
		model->series[i->last - 1].next = *same;
	else
		i->first = *same;
	i->last = *same;
	return true;
}

/* Records of instruments, then those of series, which may stand before. */
static bool add_records(struct model *model)
{
	struct map ids = {.slots = NULL}, cells = {.slots = NULL};
	bool ok = true;

	for (int round = 0; round < 2 && ok; round++) {
		struct weir_segment_cursor at = {0, 0};
		const struct weir_segment_record *record;

		while (ok && (record = weir_segment_next(&model->copy->reader, &at)) != NULL) {
			const struct weir_segment_instrument *i = weir_segment_instrument_of(record);
			const struct weir_segment_series *s = weir_segment_series_of(record);

			if (round == 0 && i != NULL)
				ok = add_instrument(model, &ids, i);
			else if (round == 1 && s != NULL)
				ok = add_series(model, &ids, &cells, s);
			else if (round == 0 && i == NULL && s == NULL)
				model->passed_over++;
		}
	}
	free(ids.slots);
	free(cells.slots);
	return ok;
}

/* The 512 sums of a block. seen: a bit a page: none is followed twice, whatever chains say, so that all are read once at most. */
static bool sum_block(struct model *model, uint32_t block, uint8_t *seen)
{
	const struct weir_segment_reader *r = &model->copy->reader;
	const struct weir_segment_block *index = weir_segment_block_of(r, block * WEIR_SEGMENT_CELLS);
	uint64_t *sums = calloc(WEIR_SEGMENT_CELLS, sizeof *sums);
	uint32_t page = index != NULL ? index->first : 0;

	if (sums == NULL)
		return false;
	model->sums[block] = sums;
	while (page != 0 && page < r->pages_used && (seen[page / 8] >> page % 8 & 1) == 0) {
		const struct weir_segment_entry *entry = weir_segment_entry_of(r, page);
		const uint64_t *words;

		seen[page / 8] |= (uint8_t)(1u << page % 8);
		if (entry == NULL || (entry->type != WEIR_PAGE_CELLS && entry->type != WEIR_PAGE_LEVELS) || entry->number != block ||
		    (words = weir_segment_page(r, page, entry->type)) == NULL)
			break;
		for (uint32_t c = 0; c < WEIR_SEGMENT_CELLS; c++)
			sums[c] += words[c];
		if (entry->type == WEIR_PAGE_LEVELS)
			break;
		page = entry->next;
	}
	return true;
}

static const uint64_t nothing[WEIR_SEGMENT_CELLS]; /* the cells of blocks that nobody has used */

static bool add_cells(struct model *model)
{
	const struct weir_segment_reader *r = &model->copy->reader;
	uint8_t *seen = calloc(1, r->pages_used / 8 + 1);
	bool ok = seen != NULL;

	model->blocks = r->blocks_count;
	model->sums = calloc((size_t)model->blocks + 1, sizeof *model->sums);
	ok = ok && model->sums != NULL;
	for (uint32_t n = 0; ok && n < model->series_count; n++) {
		uint32_t cell = model->series[n].record->cell, block = cell / WEIR_SEGMENT_CELLS;

		model->series[n].cells = nothing;
		if (block >= model->blocks)
			continue;
		ok = model->sums[block] != NULL || sum_block(model, block, seen);
		if (ok)
			model->series[n].cells = model->sums[block] + cell % WEIR_SEGMENT_CELLS;
	}
	free(seen);
	return ok;
}

static void count(struct model *model)
{
	const struct weir_segment_reader *r = &model->copy->reader;

	for (uint32_t n = 0; n < model->instruments_count; n++) {
		struct model_instrument *i = &model->instruments[n];

		for (uint32_t at = i->first; at != 0; at = model->series[at - 1].next) {
			struct model_series *s = &model->series[at - 1];

			if (i->record->kind == MODEL_INFO && model->copy->has_cells && s->cells[0] == 0)
				s->hidden = true;
			i->shown += !s->hidden;
		}
		model->shown += i->shown;
	}
	for (uint32_t page = 1; page < r->pages_used; page++) {
		const struct weir_segment_entry *entry = weir_segment_entry_of(r, page);

		if (entry != NULL && entry->type == WEIR_PAGE_CELLS && entry->owner > model->threads)
			model->threads = entry->owner;
	}
}

bool model_make(struct model *model, const struct segment_copy *copy)
{
	*model = (struct model){.copy = copy};
	if (!add_records(model) || !add_cells(model)) {
		model_free(model);
		return false;
	}
	count(model);
	return true;
}

void model_free(struct model *model)
{
	for (uint32_t b = 0; model->sums != NULL && b < model->blocks; b++)
		free(model->sums[b]);
	free(model->sums);
	free(model->series);
	free(model->instruments);
	*model = (struct model){.copy = NULL};
}
