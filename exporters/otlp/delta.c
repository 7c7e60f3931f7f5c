/* weir-otlp: deltas. See delta.h.
 *
 * Layer: exporter, pure. A table of what was sent, by the family's name and the series' values; what was taken and is neither
 * accepted nor refused yet is a list through it. An observed series that is not shown for a while goes on where it was; what
 * is recorded and not shown has retired, and is forgotten. Writer: the one thread that encodes. */
#include "delta.h"

#include <stdlib.h>
#include <string.h>

/* words: what was sent, then what was taken: of a counter its value; of a histogram its sum (low, high) and its buckets. */
struct weir__otlp_taken {
	struct weir__otlp_taken *bucket_next; /* in the table */
	struct weir__otlp_taken *list_next;   /* in the list of what was taken */
	uint64_t hash;
	uint64_t start_ns, time_ns;             /* the series' own start; when its words were sent; time 0: never */
	uint64_t taken_start_ns, taken_time_ns; /* likewise, of what was taken; time 0: nothing */
	size_t words_count, key_len;
	uint64_t *words;
	uint32_t round; /* in which it was shown last */
	bool observed;
	char key[];
};

struct weir__otlp_delta {
	enum weir_otlp_temporality temporality;
	struct weir__otlp_taken **table, *list;
	size_t mask, count;
	uint32_t round;
	uint64_t *difference; /* of the series that was taken last */
	size_t difference_room;
	char *key;
	size_t key_room, key_len;
};

enum { TABLE_FIRST = 256 };

struct weir__otlp_delta *weir__otlp_delta_new(enum weir_otlp_temporality temporality)
{
	struct weir__otlp_delta *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->temporality = temporality;
	d->table = calloc(TABLE_FIRST, sizeof *d->table);
	d->mask = TABLE_FIRST - 1;
	if (d->table == NULL) {
		free(d);
		return NULL;
	}
	return d;
}

void weir__otlp_delta_free(struct weir__otlp_delta *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i <= d->mask; i++)
		for (struct weir__otlp_taken *t = d->table[i], *next; t != NULL; t = next) {
			next = t->bucket_next;
			free(t->words);
			free(t);
		}
	free(d->table);
	free(d->difference);
	free(d->key);
	free(d);
}

bool weir__otlp_is_delta(const struct weir__otlp_delta *d, enum weir_kind kind)
{
	if (d == NULL || (d->temporality != WEIR_OTLP_DELTA && d->temporality != WEIR_OTLP_LOWMEMORY))
		return false;
	return kind == WEIR_COUNTER_KIND || kind == WEIR_HISTOGRAM_KIND ||
	       (kind == WEIR_OBSERVED_COUNTER_KIND && d->temporality == WEIR_OTLP_DELTA);
}

/* ---- accepted or not ----------------------------------------------------------------------------------------------- */

void weir__otlp_delta_commit(struct weir__otlp_delta *d)
{
	for (struct weir__otlp_taken *t = d->list, *next; t != NULL; t = next) {
		next = t->list_next;
		memcpy(t->words, t->words + t->words_count, t->words_count * sizeof *t->words);
		t->start_ns = t->taken_start_ns;
		t->time_ns = t->taken_time_ns;
		t->taken_time_ns = 0;
	}
	d->list = NULL;
}

struct weir__otlp_taken *weir__otlp_delta_mark(const struct weir__otlp_delta *d)
{
	return d != NULL ? d->list : NULL;
}

void weir__otlp_delta_cut(struct weir__otlp_delta *d, struct weir__otlp_taken *mark)
{
	while (d != NULL && d->list != mark) {
		d->list->taken_time_ns = 0;
		d->list = d->list->list_next;
	}
}

void weir__otlp_delta_rollback(struct weir__otlp_delta *d)
{
	weir__otlp_delta_cut(d, NULL);
}

void weir__otlp_delta_sweep(struct weir__otlp_delta *d)
{
	for (size_t i = 0; i <= d->mask; i++)
		for (struct weir__otlp_taken **link = &d->table[i], *t; (t = *link) != NULL;) {
			if (t->observed || t->round == d->round) {
				link = &t->bucket_next;
				continue;
			}
			*link = t->bucket_next;
			free(t->words);
			free(t);
			d->count--;
		}
	d->round++;
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *key, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)key[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 29;
}

static bool add_to_key(struct weir__otlp_delta *d, const char *text, size_t len)
{
	if (d->key_room - d->key_len < len + sizeof len) {
		size_t room = 2 * (d->key_len + len + sizeof len);
		char *key = realloc(d->key, room);

		if (key == NULL)
			return false;
		d->key = key;
		d->key_room = room;
	}
	memcpy(d->key + d->key_len, &len, sizeof len); /* with lengths, no two lists of values are one key */
	d->key_len += sizeof len;
	if (len != 0)
		memcpy(d->key + d->key_len, text, len);
	d->key_len += len;
	return true;
}

static bool make_key(struct weir__otlp_delta *d, const struct weir_family *family, const struct weir_series *series)
{
	d->key_len = 0;
	if (!add_to_key(d, family->name, strlen(family->name)))
		return false;
	for (size_t i = 0; i < family->labels_count && series->values != NULL; i++)
		if (!add_to_key(d, series->values[i].ptr, series->values[i].ptr != NULL ? series->values[i].len : 0))
			return false;
	return true;
}

/* Chains stay as they are where there is no memory for a larger table. */
static void grow_table(struct weir__otlp_delta *d)
{
	size_t size = 2 * (d->mask + 1);
	struct weir__otlp_taken **table = calloc(size, sizeof *table);

	if (table == NULL)
		return;
	for (size_t i = 0; i <= d->mask; i++)
		for (struct weir__otlp_taken *t = d->table[i], *next; t != NULL; t = next) {
			next = t->bucket_next;
			t->bucket_next = table[t->hash & (size - 1)];
			table[t->hash & (size - 1)] = t;
		}
	free(d->table);
	d->table = table;
	d->mask = size - 1;
}

static struct weir__otlp_taken *find_or_add(struct weir__otlp_delta *d, size_t words)
{
	uint64_t hash = hash_of(d->key, d->key_len);
	struct weir__otlp_taken *t;

	for (t = d->table[hash & d->mask]; t != NULL; t = t->bucket_next)
		if (t->hash == hash && t->key_len == d->key_len && memcmp(t->key, d->key, d->key_len) == 0)
			break;
	if (t != NULL && t->words_count == words)
		return t;
	if (t == NULL) {
		t = calloc(1, sizeof *t + d->key_len);
		if (t == NULL)
			return NULL;
		t->words = calloc(2 * words, sizeof *t->words);
		if (t->words == NULL) {
			free(t);
			return NULL;
		}
		memcpy(t->key, d->key, d->key_len);
		t->key_len = d->key_len;
		t->hash = hash;
		if (++d->count > d->mask)
			grow_table(d);
		t->bucket_next = d->table[hash & d->mask];
		d->table[hash & d->mask] = t;
	} else { /* other buckets under the old name: begun anew; what was taken of the old ones stays in the list, as 0 */
		uint64_t *fresh = calloc(2 * words, sizeof *fresh);

		if (fresh == NULL)
			return NULL;
		free(t->words);
		t->words = fresh;
		t->time_ns = 0;
	}
	t->words_count = words;
	return t;
}

/* ---- differences --------------------------------------------------------------------------------------------------- */

static double real_of(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static void read_words(uint64_t *to, const struct weir_family *family, const struct weir_series *s)
{
	if (family->kind != WEIR_HISTOGRAM_KIND) {
		to[0] = s->floating ? bits_of(s->real) : s->count;
		return;
	}
	to[0] = s->sum_low;
	to[1] = s->sum_high;
	if (s->buckets_count != 0)
		memcpy(to + 2, s->buckets, s->buckets_count * sizeof *to);
}

static bool went_back(const struct weir_family *family, const struct weir_series *s, const uint64_t *sent,
                      const uint64_t *now, size_t count)
{
	if (family->kind != WEIR_HISTOGRAM_KIND)
		return s->floating ? !(real_of(now[0]) >= real_of(sent[0])) : now[0] < sent[0];
	if (now[1] < sent[1] || (now[1] == sent[1] && now[0] < sent[0]))
		return true;
	for (size_t i = 2; i < count; i++)
		if (now[i] < sent[i])
			return true;
	return false;
}

static void show_difference(struct weir_series *s, enum weir_kind kind, uint64_t *to, const uint64_t *sent,
                            const uint64_t *now, size_t count)
{
	if (kind != WEIR_HISTOGRAM_KIND) {
		if (s->floating)
			s->real = real_of(now[0]) - real_of(sent[0]);
		else
			s->count = now[0] - sent[0];
		return;
	}
	s->sum_low = now[0] - sent[0];
	s->sum_high = now[1] - sent[1] - (now[0] < sent[0]);
	s->count = 0;
	for (size_t i = 2; i < count; i++) {
		to[i] = now[i] - sent[i];
		s->count += to[i];
	}
	s->buckets = to + 2;
}

bool weir__otlp_delta_take(struct weir__otlp_delta *d, const struct weir_family *family, struct weir_series *s,
                           uint64_t time_ns)
{
	size_t words = family->kind == WEIR_HISTOGRAM_KIND ? 2 + s->buckets_count : 1;
	struct weir__otlp_taken *t;
	uint64_t *now;

	if (d->difference_room < words) {
		uint64_t *room = realloc(d->difference, words * sizeof *room);

		if (room == NULL)
			return false;
		d->difference = room;
		d->difference_room = words;
	}
	t = make_key(d, family, s) ? find_or_add(d, words) : NULL;
	if (t == NULL)
		return false;
	t->round = d->round;
	t->observed = family->kind == WEIR_OBSERVED_COUNTER_KIND;
	now = t->words + words;
	read_words(now, family, s);
	if (t->time_ns == 0 || t->start_ns != s->start_ns || went_back(family, s, t->words, now, words)) {
		memset(t->words, 0, words * sizeof *t->words); /* the series' own start stands */
		t->time_ns = 0;
	}
	if (t->taken_time_ns == 0) {
		t->list_next = d->list;
		d->list = t;
	}
	t->taken_start_ns = s->start_ns;
	t->taken_time_ns = time_ns != 0 ? time_ns : 1;
	show_difference(s, family->kind, d->difference, t->words, now, words);
	if (t->time_ns != 0)
		s->start_ns = t->time_ns;
	return true;
}
