/* weir, the command: looks. See look.h. No data of its own. */
#define _GNU_SOURCE
#include "look.h"

#include <string.h>
#include <time.h>

static const uint64_t zeros[WEIR_SEGMENT_CELLS];

bool look_take(struct look *look, int fd, const char **why)
{
	struct timespec now;

	*look = (struct look){.at_s = 0};
	if (!segment_copy_make(&look->copy, fd, SEGMENT_WHOLE)) {
		*why = look->copy.why;
		look->copy.base = NULL;
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	look->at_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	if (!model_make(&look->model, &look->copy)) {
		segment_copy_free(&look->copy);
		*why = "there is no memory for it";
		return false;
	}
	return true;
}

void look_free(struct look *look)
{
	if (look->copy.base == NULL)
		return;
	model_free(&look->model);
	segment_copy_free(&look->copy);
}

void look_move(struct look *to, struct look *from)
{
	look_free(to);
	*to = *from;
	to->model.copy = &to->copy;
	*from = (struct look){.at_s = 0};
}

bool look_is_there(const struct look *look)
{
	return look->copy.base != NULL;
}

bool look_goes_on(const struct look *before, const struct look *now)
{
	const struct weir_segment_header *a, *b;

	if (!look_is_there(before) || !look_is_there(now))
		return false;
	a = segment_copy_header(&before->copy);
	b = segment_copy_header(&now->copy);
	return a->generation_begin == b->generation_begin && a->pid == b->pid && a->total_bytes == b->total_bytes;
}

static size_t place(const struct look *look, const struct model_series *s)
{
	return (size_t)((const unsigned char *)s->record - look->copy.base);
}

/* Series stand in the order of their records. */
const uint64_t *look_before(const struct look *before, const struct look *now, const struct model_series *s)
{
	uint32_t low = 0, high = before->model.series_count;
	size_t at = place(now, s);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct model_series *other = &before->model.series[middle];
		size_t there = place(before, other);

		if (there == at) {
			bool same = weir_segment_turn(other->record) == weir_segment_turn(s->record) && other->record->cells == s->record->cells;

			return same ? other->cells : zeros;
		}
		if (there < at)
			low = middle + 1;
		else
			high = middle;
	}
	return zeros;
}
