/* weir-prometheus: the text around a series' label values, made once a family; and the quick copies that a line is
 * made of.
 *
 * Layer: exporter, pure. Invariant: every piece may be read 32 bytes at a time, past its end; everything is written
 * where weir__out_room made room, slack included. Writer: the one thread that encodes. */
#ifndef WEIR_PROM_ENCODE_FRAME_H
#define WEIR_PROM_ENCODE_FRAME_H

#include "name.h"
#include "out.h"

/* A label: its value is given, or is the label-th of each series' values. */
struct weir__label {
	const char *name;
	size_t name_len;
	struct weir_str value;
	int label; /* -1: value */
};
struct weir__labels {
	struct weir__label *list;
	size_t count, room;
};
bool weir__labels_add(struct weir__labels *labels, const char *name, size_t name_len, struct weir_str value, int label);

/* The order in which labels are put: as given, but those of one name follow the first of them, by their given names. */
enum { WEIR__LABELS_FEW = 31 };
struct weir__arrangement {
	size_t *order; /* the k-th to be put */
	size_t *leader; /* by label: the first one of its name */
	size_t *at; /* by label: its escaped name in names, up to at[i + 1] */
	struct weir__out names;
	size_t few[3 * (WEIR__LABELS_FEW + 1)];
};
/* False: no memory; to be freed all the same. */
bool weir__labels_arrange(struct weir__arrangement *a, const struct weir__labels *labels,
                          enum weir__prom_escaping escaping);
void weir__arrangement_free(struct weir__arrangement *a);

struct weir__piece {
	uint32_t at, len;
};
/* piece 0, value, piece 1, value, ..., last piece: name="value",name="value" */
struct weir__frame {
	struct weir__out text;
	struct weir__piece *pieces;
	uint32_t *labels; /* which value follows the piece */
	size_t variables; /* how many values; one piece more */
	size_t room;
	size_t fixed; /* bytes of all pieces */
};
/* Names that become equal under the scheme share one label, their values joined by ; in the order of the names as
 * they were given. False: no memory. May be made anew; weir__frame_free at the end. */
bool weir__frame_make(struct weir__frame *frame, const struct weir__labels *labels, enum weir__prom_escaping escaping);
void weir__frame_free(struct weir__frame *frame);

/* 16 bytes at a time, in the compilers' own vectors, which every machine has or is given. */
typedef uint8_t weir__v16 __attribute__((vector_size(16)));
typedef uint64_t weir__v2 __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) weir__v16 weir__load16(const char *from)
{
	weir__v16 v;

	memcpy(&v, from, sizeof v);
	return v;
}

static inline __attribute__((always_inline)) char *weir__copy_piece(char *at, const char *from, size_t len)
{
	weir__v16 low = weir__load16(from), high = weir__load16(from + 16);

	memcpy(at, &low, sizeof low);
	memcpy(at + 16, &high, sizeof high);
	for (size_t done = 32; __builtin_expect(done < len, 0); done += 32) {
		low = weir__load16(from + done);
		high = weir__load16(from + done + 16);
		memcpy(at + done, &low, sizeof low);
		memcpy(at + done + 16, &high, sizeof high);
	}
	return at + len;
}

/* All ones in each byte that is a quote, a backslash or a newline. */
static inline __attribute__((always_inline)) weir__v16 weir__specials(weir__v16 v)
{
	return (weir__v16)((v == '"') | (v == '\\') | (v == '\n'));
}

/* A label's value, as it is; what must not stand as it is is left in *seen. Nothing of s is read past its length. */
static inline __attribute__((always_inline)) char *weir__copy_value(char *at, const char *s, size_t len,
                                                                    weir__v16 *seen)
{
	weir__v16 v;

	if (len >= 16) {
		for (size_t i = 0; i + 16 < len; i += 16) {
			v = weir__load16(s + i);
			memcpy(at + i, &v, sizeof v);
			*seen |= weir__specials(v);
		}
		v = weir__load16(s + len - 16);
		memcpy(at + len - 16, &v, sizeof v);
		*seen |= weir__specials(v);
	} else if (len != 0) {
		uint64_t low, high = 0;

		if (len >= 8) {
			memcpy(&low, s, 8);
			memcpy(&high, s + len - 8, 8);
			memcpy(at, &low, 8);
			memcpy(at + len - 8, &high, 8);
		} else if (len >= 4) {
			uint32_t first, last;

			memcpy(&first, s, 4);
			memcpy(&last, s + len - 4, 4);
			memcpy(at, &first, 4);
			memcpy(at + len - 4, &last, 4);
			low = (uint64_t)last << 32 | first;
		} else {
			uint8_t first = (uint8_t)s[0], middle = (uint8_t)s[len / 2], last = (uint8_t)s[len - 1];

			at[0] = (char)first;
			at[len / 2] = (char)middle;
			at[len - 1] = (char)last;
			low = (uint64_t)last << 16 | (uint64_t)middle << 8 | first;
		}
		v = (weir__v16)(weir__v2){low, high};
		*seen |= weir__specials(v);
	}
	return at + len;
}

static inline bool weir__any(weir__v16 v)
{
	weir__v2 halves = (weir__v2)v;

	return (halves[0] | halves[1]) != 0;
}

/* The bytes that the labels of a series take at most. */
static inline size_t weir__frame_most(const struct weir__frame *frame, const struct weir_str *values)
{
	size_t most = frame->fixed;

	for (size_t i = 0; i < frame->variables && values != NULL; i++)
		most += 2 * values[frame->labels[i]].len;
	return most;
}

/* The same with every value escaped. */
char *weir__frame_put_escaped(const struct weir__frame *frame, char *at, const struct weir_str *values);

/* Most values need no escaping: they are copied as if, and looked at on the way. */
static inline char *weir__frame_put(const struct weir__frame *frame, char *began, const struct weir_str *values)
{
	const char *text = frame->text.start;
	const struct weir__piece *piece = frame->pieces;
	weir__v16 seen = {0};
	char *at = began;

	if (values != NULL)
		for (size_t i = 0; i < frame->variables; i++, piece++) {
			const struct weir_str *value = &values[frame->labels[i]];

			at = weir__copy_piece(at, text + piece->at, piece->len);
			at = weir__copy_value(at, value->ptr, value->len, &seen);
		}
	if (__builtin_expect(weir__any(seen) || (values == NULL && frame->variables != 0), 0))
		return weir__frame_put_escaped(frame, began, values);
	return weir__copy_piece(at, text + piece->at, piece->len);
}

#endif
