/* L3: recording on instruments with labels that a context fills. See claim.h. Writer of a thread's epoch: the thread. */
#include "claim.h"

#include "atomic.h"
#include "label.h"
#include "segment.h"
#include "tag.h"

#include <string.h>

void weir__claim_tags(struct weir__instrument *i)
{
	uint8_t claims = 0;

	for (uint32_t k = 0; k < i->labels_count; k++)
		if ((i->claims >> k & 1) != 0) {
			weir__store_relaxed(&i->tags[k], (uint8_t)weir__tag_of_label(i->labels[k]));
			claims++;
		}
	if (i->claims_count == 0)
		i->claims_count = claims;
}

/* What stands in a series' key for this label. */
static const char *key_of(const struct weir__series *s, uint32_t label)
{
	const char *at = (const char *)s->key;

	for (uint32_t k = 0; k < label; k++)
		at += strlen(at) / 8 * 8 + 8;
	return at;
}

static unsigned place_in(const char *key)
{
	return strlen(key) == 3 ? (unsigned)(key[0] - '0') | (unsigned)(key[1] - '0') << 6 | (unsigned)(key[2] - '0') << 12 : 0;
}

struct weir__place *weir__claim_place(const struct weir__instrument *i, const struct weir__series *s, uint32_t label)
{
	(void)i;
	return weir__place(place_in(key_of(s, label)));
}

void weir__claim_texts(const struct weir__instrument *i, struct weir__series *s)
{
	for (uint32_t k = 0; k < i->labels_count; k++) {
		struct weir_str *value = (struct weir_str *)(uintptr_t)&s->values[k];
		const char *key = key_of(s, k);
		const struct weir__place *place;

		if ((i->claims >> k & 1) == 0 || key[0] == '\0')
			continue;
		place = weir__place(place_in(key));
		if (place != NULL)
			*value = weir_str_n(place->text, place->len);
		else
			*value = weir_str_of(key[0] == '-' ? weir__tag(i->tags[k])->absent : "other");
	}
}

/* A series that rests, and whose place has another text by now. */
static __attribute__((noinline, cold)) bool adopt(const struct weir__instrument *i, struct weir__series *s)
{
	struct weir__guard guard;

	if (!weir__enter(&guard))
		return false;
	if (!s->live) {
		weir__claim_texts(i, s);
		s->start_ns = weir__wall_ns();
		weir__publish_turn(s);
		weir__store_release(&s->live, true);
	}
	weir__leave(&guard);
	return true;
}

/* ---- the epoch ---- */

struct epoch {
	struct weir__local *local;
	uint32_t found;
};

static __attribute__((noinline, cold)) struct weir__local *attach(void)
{
	struct weir__guard guard;
	struct weir__local *local = NULL;

	if (!weir__enter(&guard))
		return NULL;
	weir__segment_ready();
	if (weir__shard_attach()) {
		local = weir__local();
		if (local->inside == 0) /* 0 is who was never here */
			weir__store_relaxed(&local->inside, 2u);
	}
	weir__leave(&guard);
	if (local == NULL)
		weir__lose(WEIR__LOST_MEMORY);
	return local;
}

static bool enter(struct epoch *epoch)
{
	struct weir__local *local = weir__local();

	if (__builtin_expect(local->inside == 0, 0) && (local = attach()) == NULL)
		return false;
	epoch->local = local;
	epoch->found = weir__load_relaxed(&local->inside);
	if ((epoch->found & 1) == 0) /* else a signal handler within another's */
		weir__store_relaxed(&local->inside, epoch->found + 1);
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* for the processor, the tick's membarrier makes it a full one */
	return true;
}

static void leave(const struct epoch *epoch)
{
	if ((epoch->found & 1) == 0)
		weir__store_release(&epoch->local->inside, epoch->found + 2); /* the tick, which acquires, finds what was added */
}

/* ---- records ---- */

/* What stands in the key for a label: the place that the context has for its tag. */
static uint64_t key_for(const struct weir__ctx *c, unsigned number)
{
	const char *value;
	uint32_t at = 0;
	uint64_t head;

	if (number == 0)
		return 0;
	while (c != NULL && (head = weir__tag_next(c, &at, &value)) != 0)
		if (weir__tag_in(head) == number) {
			const struct weir__place *place = weir__place_of(weir__tag_place(head));

			return place != NULL ? place->key : weir__place_key(WEIR__PLACE_OTHER);
		}
	return weir__tag(number)->absent_key;
}

/* As weir__resolve does it: values, or (NULL) texts, for the labels that the context does not fill. */
static struct weir__series *look_up(struct weir__instrument *i, const struct weir__ctx *c, const struct weir_str *values,
                                    const char *const *texts)
{
	uint64_t words[WEIR__KEY_WORDS], filled[WEIR__LABELS_MAX], hash = 0;
	struct weir_str all[WEIR__LABELS_MAX];
	struct weir__series *s = NULL;
	bool is_key = true;
	uint32_t n = 0;

	for (uint32_t k = 0; k < i->labels_count; k++) {
		if ((i->claims >> k & 1) != 0) {
			filled[k] = key_for(c, weir__load_relaxed(&i->tags[k]));
			all[k] = weir_str_of((const char *)&filled[k]);
		} else {
			all[k] = values != NULL ? *values++ : weir_str_of(*texts++);
		}
		if (is_key)
			n = weir__key_append(words, n, WEIR__KEY_WORDS, &hash, all[k]);
		is_key = n != 0;
	}
	if (is_key)
		s = weir__series_find(weir__load_acquire(&i->table), words, n, weir__hash_end(hash));
	return s != NULL ? s : weir__series_missed(i, all, i->labels_count, words, n);
}

/* The series, within the epoch; NULL: counted, and outside it. */
static struct weir__series *begin(struct epoch *epoch, const struct weir_instrument *d, const struct weir__ctx *c,
                                  const struct weir_str *values, const char *const *texts, size_t count)
{
	struct weir__instrument *i = weir__instrument_of(d);
	struct weir__series *s;

	if (i == NULL)
		return NULL;
	if (i->claims == 0 || count + i->claims_count != i->labels_count)
		return weir__wrong_count(i);
	if (!enter(epoch))
		return NULL;
	if (c != NULL && ((c->state & WEIR__CTX_OPEN) == 0 || c->tags_state == 0))
		c = NULL;
	s = look_up(i, c, values, texts);
	if (s != NULL && __builtin_expect(!weir__load_acquire(&s->live), 0) && !adopt(i, s))
		s = NULL;
	if (s == NULL)
		leave(epoch);
	return s;
}

static struct weir_histogram_series handle(const struct weir_instrument *d, const struct weir__series *s)
{
	return (struct weir_histogram_series){weir__load_acquire(&d->state_->layout_), s->cell};
}

void weir__claim_record(const struct weir_instrument *d, uint64_t number, const struct weir_ctx *ctx, const struct weir_str *values,
                        const char *const *texts, size_t count)
{
	struct epoch epoch;
	const struct weir__series *s = begin(&epoch, d, weir__ctx_of(ctx), values, texts, count);

	if (s == NULL)
		return;
	if (d->kind_ == WEIR_HISTOGRAM_KIND)
		weir_histogram_series_record_ctx(handle(d, s), number, ctx);
	else
		weir_counter_series_add_ctx((struct weir_counter_series){s->cell}, number, ctx);
	leave(&epoch);
}

uint64_t weir__claim_end(struct weir_span *span, const struct weir_histogram *h, const struct weir_str *values, const char *const *texts,
                         size_t count)
{
	const struct weir__span *inner = (const struct weir__span *)(const void *)span;
	bool open = span != NULL && (inner->state & WEIR__SPAN_OPEN) != 0;
	struct epoch epoch;
	const struct weir__series *s = begin(&epoch, &h->i_, open ? inner->ctx : NULL, values, texts, count);
	uint64_t duration;

	if (s == NULL)
		return weir_span_end(span);
	duration = weir_span_end_record_series(span, handle(&h->i_, s));
	leave(&epoch);
	return duration;
}
