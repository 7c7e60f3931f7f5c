/* weir, the command: rows. See rows.h. No data of its own. */
#define _GNU_SOURCE
#include "rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *rows_name(const struct rows *rows, const struct row *row)
{
	return rows->names + row->name;
}

static size_t hash(const struct group *group, const char *name, size_t len)
{
	uint64_t h = UINT64_C(1469598103934665603) ^ (uintptr_t)group;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 29);
}

/* Where the row stands, or is to stand. */
static uint32_t *slot_of(const struct rows *rows, const struct group *group, const char *name, size_t len)
{
	size_t at = hash(group, name, len) & (rows->slots_count - 1);

	for (;; at = (at + 1) & (rows->slots_count - 1)) {
		const struct row *row = rows->slots[at] != 0 ? &rows->list[rows->slots[at] - 1] : NULL;

		if (row == NULL || (row->group == group && row->name_len == len && memcmp(rows_name(rows, row), name, len) == 0))
			return &rows->slots[at];
	}
}

/* Room for one more row and its name. */
static bool grow(struct rows *rows, size_t len)
{
	if (rows->names_used + len + 1 > rows->names_room) {
		size_t room = (rows->names_room + len + 1) * 2;
		char *names = realloc(rows->names, room);

		if (names == NULL)
			return false;
		rows->names = names;
		rows->names_room = room;
	}
	if (rows->count * 2 >= rows->slots_count) {
		struct rows larger = *rows;
		struct row *list;

		larger.slots_count = rows->slots_count == 0 ? 64 : rows->slots_count * 2;
		list = realloc(rows->list, larger.slots_count / 2 * sizeof *list);
		if (list == NULL)
			return false;
		rows->list = larger.list = list;
		larger.slots = calloc(larger.slots_count, sizeof *larger.slots);
		if (larger.slots == NULL)
			return false;
		for (size_t n = 0; n < rows->count; n++)
			*slot_of(&larger, list[n].group, rows_name(rows, &list[n]), list[n].name_len) = (uint32_t)n + 1;
		free(rows->slots);
		*rows = larger;
	}
	return true;
}

struct row *rows_at(struct rows *rows, const struct group *group, const char *name, size_t len)
{
	uint32_t *slot;
	struct row *row;

	if (rows->count >= UINT32_MAX / 2 || !grow(rows, len))
		return NULL;
	slot = slot_of(rows, group, name, len);
	if (*slot != 0)
		return &rows->list[*slot - 1];
	row = &rows->list[rows->count++];
	*slot = (uint32_t)rows->count;
	*row = (struct row){.name = rows->names_used, .name_len = len, .group = group};
	for (int c = 0; c < COLUMNS; c++)
		row->columns[c] = (double)NAN;
	memcpy(rows->names + rows->names_used, name, len);
	rows->names[rows->names_used + len] = '\0';
	rows->names_used += len + 1;
	return row;
}

void rows_free(struct rows *rows)
{
	for (size_t n = 0; n < rows->count; n++)
		free(rows->list[n].buckets);
	free(rows->list);
	free(rows->names);
	free(rows->slots);
	*rows = (struct rows){.list = NULL};
}

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool rows_has(const char *text, size_t len, const char *part)
{
	size_t want = strlen(part);

	for (size_t at = 0; at + want <= len; at++) {
		size_t i = 0;

		while (i < want && small(text[at + i]) == small(part[i]))
			i++;
		if (i == want)
			return true;
	}
	return false;
}

struct order {
	const struct rows *rows;
	enum column by;
	bool reverse;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
	const struct order *order = arg;
	double u = x->columns[order->by], v = y->columns[order->by];
	int names = strcmp(rows_name(order->rows, x), rows_name(order->rows, y)), by;

	if (order->by == COLUMN_NAME)
		return order->reverse ? -names : names;
	if (isnan(u) || isnan(v))
		return isnan(u) && isnan(v) ? names : isnan(u) ? 1 : -1;
	if (order->by == COLUMN_P50 || order->by == COLUMN_P99) {
		u = fabs(u);
		v = fabs(v);
	}
	by = order->by == COLUMN_BUDGET || order->by == COLUMN_GOOD ? (u > v) - (u < v) : (u < v) - (u > v);
	return by == 0 ? names : order->reverse ? -by : by;
}

const struct row **rows_sorted(const struct rows *rows, enum column by, bool reverse, const char *filter, size_t *count)
{
	const struct row **list = rows->count != 0 ? malloc(rows->count * sizeof *list) : NULL;
	struct order order = {rows, by, reverse};

	*count = 0;
	if (list == NULL)
		return NULL;
	for (size_t n = 0; n < rows->count; n++)
		if (rows_has(rows_name(rows, &rows->list[n]), rows->list[n].name_len, filter))
			list[(*count)++] = &rows->list[n];
	qsort_r(list, *count, sizeof *list, compare, &order);
	return list;
}
