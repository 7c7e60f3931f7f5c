/* weir-prometheus: frames. See encode_frame.h. Layer: exporter, pure: no data of its own. */
#include "encode_frame.h"

#include <stdlib.h>

bool weir__labels_add(struct weir__labels *labels, const char *name, size_t name_len, struct weir_str value, int label)
{
	if (labels->count == labels->room) {
		size_t room = labels->room != 0 ? 2 * labels->room : 16;
		struct weir__label *list = realloc(labels->list, room * sizeof *list);

		if (list == NULL)
			return false;
		labels->list = list;
		labels->room = room;
	}
	labels->list[labels->count++] = (struct weir__label){name, name_len, value, label};
	return true;
}

static char *copy_escaped(char *at, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\n') {
			*at++ = '\\';
			*at++ = 'n';
			continue;
		}
		if (s[i] == '"' || s[i] == '\\')
			*at++ = '\\';
		*at++ = s[i];
	}
	return at;
}

char *weir__frame_put_escaped(const struct weir__frame *frame, char *at, const struct weir_str *values)
{
	for (size_t i = 0; i <= frame->variables; i++) {
		at = weir__copy_piece(at, frame->text.start + frame->pieces[i].at, frame->pieces[i].len);
		if (values != NULL && i < frame->variables)
			at = copy_escaped(at, values[frame->labels[i]].ptr, values[frame->labels[i]].len);
	}
	return at;
}

static bool is_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static int compare(const struct weir__label *a, const struct weir__label *b)
{
	size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;
	int order = len != 0 ? memcmp(a->name, b->name, len) : 0;

	return order != 0 ? order : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

/* Sorted as it is said of struct weir__arrangement. */
static void arrange(const struct weir__labels *labels, const struct weir__out *names, const size_t *at, size_t *order,
                    size_t *leader)
{
	for (size_t i = 0; i < labels->count; i++) {
		size_t to = i;

		for (leader[i] = 0; leader[i] < i; leader[i]++)
			if (is_same(names->start + at[leader[i]], at[leader[i] + 1] - at[leader[i]],
			            names->start + at[i], at[i + 1] - at[i]))
				break;
		for (; to > 0; to--) {
			size_t before = order[to - 1];

			if (leader[before] < leader[i] ||
			    (leader[before] == leader[i] && compare(&labels->list[before], &labels->list[i]) <= 0))
				break;
			order[to] = before;
		}
		order[to] = i;
	}
}

static bool make_room(struct weir__frame *frame, size_t labels)
{
	struct weir__piece *pieces;
	uint32_t *which;

	if (labels + 1 <= frame->room)
		return true;
	pieces = realloc(frame->pieces, (labels + 1) * sizeof *pieces);
	if (pieces != NULL)
		frame->pieces = pieces;
	which = realloc(frame->labels, (labels + 1) * sizeof *which);
	if (which != NULL)
		frame->labels = which;
	if (pieces == NULL || which == NULL)
		return false;
	frame->room = labels + 1;
	return true;
}

static void end_piece(struct weir__frame *frame, size_t from)
{
	frame->pieces[frame->variables] =
	    (struct weir__piece){(uint32_t)from, (uint32_t)(weir__out_used(&frame->text) - from)};
}

static bool put_pieces(struct weir__frame *frame, const struct weir__labels *labels, const size_t *order,
                       const size_t *leader, enum weir__prom_escaping escaping)
{
	struct weir__out *text = &frame->text;
	size_t from = 0;
	bool ok = true;

	for (size_t k = 0; k < labels->count && ok; k++) {
		const struct weir__label *label = &labels->list[order[k]], *first = &labels->list[leader[order[k]]];

		if (k != 0 && leader[order[k]] == leader[order[k - 1]])
			ok = weir__out_put(text, ";", 1);
		else
			ok = weir__out_put(text, "\",", k != 0 ? 2 : 0) &&
			     weir__prom_put_name_quoted(text, first->name, first->name_len, escaping, true) &&
			     weir__out_put(text, "=\"", 2);
		if (label->label < 0) {
			ok = ok &&
			     weir__prom_put_text(text, label->value.ptr,
			                         label->value.ptr != NULL ? label->value.len : 0, WEIR__TEXT_QUOTED);
			continue;
		}
		end_piece(frame, from);
		from = weir__out_used(text);
		frame->labels[frame->variables++] = (uint32_t)label->label;
	}
	ok = ok && weir__out_put(text, "\"", labels->count != 0 ? 1 : 0);
	end_piece(frame, from);
	return ok && weir__out_used(text) < UINT32_MAX;
}

bool weir__labels_arrange(struct weir__arrangement *a, const struct weir__labels *labels,
                          enum weir__prom_escaping escaping)
{
	bool ok = true;

	weir__out_grown(&a->names, 0);
	a->order = labels->count < WEIR__LABELS_FEW ? a->few : calloc(labels->count + 1, 3 * sizeof *a->order);
	if (a->order == NULL)
		return false;
	a->leader = a->order + labels->count + 1;
	a->at = a->leader + labels->count + 1;
	a->at[0] = 0;
	for (size_t i = 0; i < labels->count && ok; i++) {
		ok = weir__prom_put_name(&a->names, labels->list[i].name, labels->list[i].name_len, escaping, true);
		a->at[i + 1] = weir__out_used(&a->names);
	}
	if (ok)
		arrange(labels, &a->names, a->at, a->order, a->leader);
	return ok;
}

void weir__arrangement_free(struct weir__arrangement *a)
{
	weir__out_free(&a->names);
	if (a->order != a->few)
		free(a->order);
}

bool weir__frame_make(struct weir__frame *frame, const struct weir__labels *labels, enum weir__prom_escaping escaping)
{
	struct weir__arrangement a;
	bool ok = weir__labels_arrange(&a, labels, escaping) && make_room(frame, labels->count);

	if (frame->text.more == NULL)
		weir__out_grown(&frame->text, 0);
	frame->text.at = frame->text.start;
	frame->variables = 0;
	if (ok) {
		/* room at the end, so that the last piece may be read past its end */
		ok = put_pieces(frame, labels, a.order, a.leader, escaping) && weir__out_room(&frame->text, 0);
		frame->fixed = weir__out_used(&frame->text);
	}
	weir__arrangement_free(&a);
	return ok;
}

void weir__frame_free(struct weir__frame *frame)
{
	weir__out_free(&frame->text);
	free(frame->pieces);
	free(frame->labels);
	*frame = (struct weir__frame){.pieces = NULL};
}
