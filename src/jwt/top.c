/* weir-jwt: label values by traffic. See top.h. Layer: jwt. */
#define _GNU_SOURCE
#include "top.h"

#include "digest.h"

#include <weir/abi/private.h>

#include <errno.h>
#include <openssl/rand.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT = 240, KEY = 16, CANDIDATES_LEAST = 64, LINGER_S = 60, TENURE_S = 60, BUSIER_TIMES = 4, BUSIER_BY = 16, FAILURES_MOST = 8 };
enum { YIELDS = 16, PAUSES = 250 }; /* of 200 us */

/* The words that requests read are atomic. Writers: who has the lock; but score and last_ns: any request, relaxed, where what two
 * write at once is lost, since they only rank. Readers: any request, and who has the lock.
 * seq: odd while mark and place change. Each of the two is stored with release behind the odd seq, and loaded with acquire
 * before seq is read again: who has read a newer word then reads a newer seq. */
struct candidate {
	uint64_t seq, mark, place;
	uint64_t score, last_ns;
	/* under the lock: */
	uint64_t placed_ns;
	uint32_t len;
	char text[TEXT];
};

struct weir__jwt_top {
	uint32_t lock; /* generation + 1 of the process that has it; else free. Compare-and-swap, acquire; release */
	uint32_t most, count;
	int tag;
	uint64_t idle_ns, linger_ns;
	uint64_t tended_ns; /* under the lock */
	unsigned char key[KEY];
	struct candidate candidates[];
};

int weir__jwt_top_new(struct weir__jwt_top **made, int tag, uint32_t most, uint64_t idle_ns)
{
	uint32_t count = 2 * most > CANDIDATES_LEAST ? 2 * most : CANDIDATES_LEAST;
	struct weir__jwt_top *top = calloc(1, sizeof *top + count * sizeof(struct candidate));

	*made = top;
	if (top == NULL)
		return WEIR_ENOMEM;
	top->most = most;
	top->count = count;
	top->tag = tag;
	top->idle_ns = idle_ns;
	top->linger_ns = idle_ns / 2 < WEIR_S((uint64_t)LINGER_S) ? idle_ns / 2 : WEIR_S((uint64_t)LINGER_S);
	if (RAND_bytes(top->key, sizeof top->key) != 1) {
		free(top);
		*made = NULL;
		return WEIR_ENOMEM;
	}
	return WEIR_OK;
}

void weir__jwt_top_free(struct weir__jwt_top *top)
{
	if (top == NULL)
		return;
	for (uint32_t i = 0; i < top->count; i++)
		if (top->candidates[i].place != 0)
			weir_private_place_give_up(top->candidates[i].place, top->linger_ns);
	free(top);
}

uint64_t weir__jwt_top_mark(const struct weir__jwt_top *top, struct weir_str value)
{
	char keyed[KEY + TEXT];
	size_t len = value.len < TEXT ? value.len : TEXT;
	uint64_t digest[4];

	memcpy(keyed, top->key, KEY);
	memcpy(keyed + KEY, value.ptr, len);
	weir__jwt_digest(weir_str_n(keyed, KEY + len), digest);
	return digest[0] | 1;
}

static bool try_lock(struct weir__jwt_top *top)
{
	uint32_t mine = weir_private_generation() + 1, now = __atomic_load_n(&top->lock, __ATOMIC_RELAXED);

	return now != mine && __atomic_compare_exchange_n(&top->lock, &now, mine, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* false: not within some 50 milliseconds, which is a holder that gets no processor. */
static bool lock_for_place(struct weir__jwt_top *top)
{
	static const struct timespec pause = {.tv_nsec = 200000};
	int error = errno;
	bool locked = try_lock(top);

	for (int i = 0; !locked && i < YIELDS + PAUSES && weir__jwt_top_placed(top) < top->most; i++) {
		if (i < YIELDS)
			sched_yield();
		else
			nanosleep(&pause, NULL);
		locked = try_lock(top);
	}
	errno = error;
	return locked;
}

static void unlock(struct weir__jwt_top *top)
{
	__atomic_store_n(&top->lock, 0, __ATOMIC_RELEASE); /* pairs with try_lock */
}

/* ---- under the lock ---------------------------------------------------------------------------------------------- */

static void change(struct candidate *c, uint64_t mark, uint64_t place)
{
	uint64_t seq = __atomic_load_n(&c->seq, __ATOMIC_RELAXED) | 1; /* odd already where a fork came between */

	__atomic_store_n(&c->seq, seq, __ATOMIC_RELAXED);
	__atomic_store_n(&c->mark, mark, __ATOMIC_RELEASE);
	__atomic_store_n(&c->place, place, __ATOMIC_RELEASE);
	__atomic_store_n(&c->seq, seq + 1, __ATOMIC_RELEASE);
}

static uint64_t score_of(const struct candidate *c)
{
	return __atomic_load_n(&c->score, __ATOMIC_RELAXED);
}

uint32_t weir__jwt_top_placed(const struct weir__jwt_top *top)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < top->count; i++)
		n += __atomic_load_n(&top->candidates[i].place, __ATOMIC_RELAXED) != 0;
	return n;
}

static void take(struct weir__jwt_top *top, struct candidate *c, uint64_t now_ns)
{
	uint64_t place = weir_private_place_take(top->tag, weir_str_n(c->text, c->len));

	if (place == 0) { /* the process has none left, or it is a text that never gets one: others may */
		__atomic_store_n(&c->score, 0, __ATOMIC_RELAXED);
		return;
	}
	c->placed_ns = now_ns;
	change(c, c->mark, place);
}

/* false: the system cannot tell who is still at it; it stays. */
static bool give_up(struct weir__jwt_top *top, struct candidate *c)
{
	if (!weir_private_place_give_up(c->place, top->linger_ns))
		return false;
	change(c, c->mark, 0);
	return true;
}

static struct candidate *find(struct weir__jwt_top *top, uint64_t mark, uint16_t *hint)
{
	if (*hint < top->count && __atomic_load_n(&top->candidates[*hint].mark, __ATOMIC_RELAXED) == mark)
		return &top->candidates[*hint];
	for (uint32_t i = 0; i < top->count; i++)
		if (__atomic_load_n(&top->candidates[i].mark, __ATOMIC_RELAXED) == mark) {
			*hint = (uint16_t)i;
			return &top->candidates[i];
		}
	return NULL;
}

/* In the place of the one that was seen least; it begins with what that one had. NULL: all have places. */
static struct candidate *insert(struct weir__jwt_top *top, uint64_t mark, uint16_t *hint, struct weir_str value)
{
	struct candidate *least = NULL;

	for (uint32_t i = 0; i < top->count; i++) {
		struct candidate *c = &top->candidates[i];

		if (c->place == 0 && (least == NULL || c->mark == 0 || score_of(c) < score_of(least)))
			least = c;
		if (least != NULL && least->mark == 0)
			break;
	}
	if (least == NULL)
		return NULL;
	change(least, 0, 0);
	least->len = (uint32_t)(value.len < TEXT ? value.len : TEXT);
	memcpy(least->text, value.ptr, least->len);
	change(least, mark, 0);
	*hint = (uint16_t)(least - top->candidates);
	return least;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void count(struct candidate *c, uint64_t now_ns)
{
	uint64_t last = __atomic_load_n(&c->last_ns, __ATOMIC_RELAXED);

	__atomic_store_n(&c->score, score_of(c) + 1, __ATOMIC_RELAXED);
	if (now_ns > last + WEIR_MS(10))
		__atomic_store_n(&c->last_ns, now_ns, __ATOMIC_RELAXED);
}

/* The place of who is certainly this value; 0: none, or it changes just now. */
static uint64_t place_of(const struct candidate *c, uint64_t mark)
{
	uint64_t seq = __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE), found, place;

	found = __atomic_load_n(&c->mark, __ATOMIC_ACQUIRE);
	place = __atomic_load_n(&c->place, __ATOMIC_ACQUIRE);
	if (seq % 2 != 0 || found != mark || __atomic_load_n(&c->seq, __ATOMIC_RELAXED) != seq)
		return 0;
	return weir_private_place_is_current(place) ? place : 0;
}

uint64_t weir__jwt_top_place(struct weir__jwt_top *top, uint64_t mark, uint16_t *hint, struct weir_str value, uint64_t now_ns,
                             bool may_take)
{
	struct candidate *c = find(top, mark, hint);
	uint64_t place = 0;

	if (c != NULL) {
		count(c, now_ns);
		place = place_of(c, mark);
		if (place != 0 || !may_take)
			return place;
	}
	if (!(may_take ? lock_for_place(top) : try_lock(top))) {
		c = find(top, mark, hint); /* who took the last place may have been this value's */
		return c != NULL && may_take ? place_of(c, mark) : 0;
	}
	c = find(top, mark, hint);
	if (c == NULL) {
		c = insert(top, mark, hint, value);
		if (c != NULL)
			count(c, now_ns);
	}
	if (c != NULL && may_take) {
		if (c->place != 0 && !weir_private_place_is_current(c->place))
			change(c, mark, 0); /* another verifier with this label gave it up */
		if (c->place == 0 && weir__jwt_top_placed(top) < top->most)
			take(top, c, now_ns);
		place = c->place;
	}
	unlock(top);
	return place;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void clear(struct weir__jwt_top *top, uint64_t now_ns)
{
	for (uint32_t i = 0; i < top->count; i++) {
		struct candidate *c = &top->candidates[i];
		uint64_t last = __atomic_load_n(&c->last_ns, __ATOMIC_RELAXED);

		if (c->place != 0 && !weir_private_place_is_current(c->place))
			change(c, c->mark, 0);
		if (c->place != 0 && now_ns > last && now_ns - last > top->idle_ns)
			give_up(top, c);
	}
}

/* The clock was set back: what is said of later counts as said now. */
static void turn_back(struct weir__jwt_top *top, uint64_t now_ns)
{
	for (uint32_t i = 0; i < top->count; i++) {
		struct candidate *c = &top->candidates[i];

		if (__atomic_load_n(&c->last_ns, __ATOMIC_RELAXED) > now_ns)
			__atomic_store_n(&c->last_ns, now_ns, __ATOMIC_RELAXED);
		if (c->placed_ns > now_ns)
			c->placed_ns = now_ns;
	}
}

/* Half of it is from the last 11 seconds. */
static void age(struct weir__jwt_top *top)
{
	for (uint32_t i = 0; i < top->count; i++) {
		uint64_t score = score_of(&top->candidates[i]);

		__atomic_store_n(&top->candidates[i].score, score - (score + 15) / 16, __ATOMIC_RELAXED);
	}
}

/* Of those that have a place for long enough the one with the least traffic; of those that have none, and were seen within
 * idle_ns, the one with the most. */
static void extremes(struct weir__jwt_top *top, uint64_t now_ns, struct candidate **least, struct candidate **most)
{
	*least = *most = NULL;
	for (uint32_t i = 0; i < top->count; i++) {
		struct candidate *c = &top->candidates[i];

		if (c->mark == 0)
			continue;
		if (c->place == 0) {
			uint64_t last = __atomic_load_n(&c->last_ns, __ATOMIC_RELAXED);

			if (score_of(c) != 0 && (now_ns < last || now_ns - last < top->idle_ns) &&
			    (*most == NULL || score_of(c) > score_of(*most)))
				*most = c;
		} else if (now_ns > c->placed_ns + WEIR_S((uint64_t)TENURE_S) && (*least == NULL || score_of(c) < score_of(*least))) {
			*least = c;
		}
	}
}

void weir__jwt_top_tend(struct weir__jwt_top *top, uint64_t now_ns)
{
	struct candidate *least, *most;

	if (!try_lock(top))
		return;
	if (now_ns < top->tended_ns) {
		turn_back(top, now_ns);
	} else if (now_ns - top->tended_ns < WEIR_MS(900)) {
		unlock(top);
		return;
	}
	top->tended_ns = now_ns;
	clear(top, now_ns);
	for (int failed = 0; weir__jwt_top_placed(top) < top->most && failed < FAILURES_MOST;) {
		extremes(top, now_ns, &least, &most);
		if (most == NULL)
			break;
		take(top, most, now_ns);
		failed += most->place == 0;
	}
	if (weir__jwt_top_placed(top) >= top->most) { /* one a second: who had it stays "other" until he is busier again */
		extremes(top, now_ns, &least, &most);
		if (least != NULL && most != NULL && score_of(most) > BUSIER_TIMES * score_of(least) + BUSIER_BY && give_up(top, least))
			take(top, most, now_ns);
	}
	age(top);
	unlock(top);
}
