/* weir-otlp: the sender, as who offers and who waits sees it. See send.h. Layer: exporter. */
#define _GNU_SOURCE
#include "send_state.h"

#include "inside.h"
#include "record.h"

#include <stdlib.h>
#include <time.h>

enum { MEMORY_MIB = 8 }; /* of what is yet to go to the spool */

bool weir__otlp_sender_wait(struct weir__otlp_sender *s, pthread_cond_t *condition, uint64_t until_ns)
{
	struct timespec until;

	if (until_ns / WEIR_S(1) >= INT32_MAX) /* what is beyond is never */
		return pthread_cond_wait(condition, &s->lock) == 0;
	until.tv_sec = (time_t)(until_ns / WEIR_S(1));
	until.tv_nsec = (long)(until_ns % WEIR_S(1));
	return pthread_cond_timedwait(condition, &s->lock, &until) == 0;
}

static bool make_conditions(struct weir__otlp_sender *s)
{
	pthread_condattr_t attr;
	bool ok = pthread_condattr_init(&attr) == 0;

	ok = ok && pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 && pthread_mutex_init(&s->lock, NULL) == 0;
	ok = ok && pthread_cond_init(&s->work, &attr) == 0 && pthread_cond_init(&s->changed, &attr) == 0;
	pthread_condattr_destroy(&attr);
	return ok;
}

int weir__otlp_sender_new(struct weir__otlp_sender **made, const struct weir__otlp_config *config)
{
	struct weir__otlp_sender *s = calloc(1, sizeof *s);
	int error;

	*made = NULL;
	if (s == NULL || !make_conditions(s)) {
		free(s);
		return WEIR_ENOMEM;
	}
	s->config = config;
	s->memory_limit = (config->spool_dir != NULL ? WEIR_MIB((uint64_t)MEMORY_MIB) : config->spool_bytes) / 2;
	s->holders = 2;
	weir__otlp_inside_begin();
	error = weir_private_thread_start(&s->thread, "weir-otlp", weir__otlp_send_run, s);
	if (error != WEIR_OK) {
		s->holders = 1;
		weir__otlp_sender_let_go(s);
		return error;
	}
	pthread_mutex_lock(&s->lock);
	while (!s->ready)
		weir__otlp_sender_wait(s, &s->changed, UINT64_MAX);
	error = s->error;
	pthread_mutex_unlock(&s->lock);
	if (error != WEIR_OK) {
		weir_private_thread_join(s->thread, UINT64_MAX); /* it is at its end */
		weir__otlp_sender_let_go(s);
		return error;
	}
	*made = s;
	return WEIR_OK;
}

void weir__otlp_sender_let_go(struct weir__otlp_sender *s)
{
	bool last;

	pthread_mutex_lock(&s->lock);
	last = --s->holders == 0;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	weir__otlp_bytes_free(&s->spare);
	free(s);
}

bool weir__otlp_sender_has_room(struct weir__otlp_sender *s, enum weir__otlp_signal signal)
{
	bool room;

	pthread_mutex_lock(&s->lock);
	room = s->queue[signal].memory_bytes < s->memory_limit;
	pthread_mutex_unlock(&s->lock);
	return room;
}

void weir__otlp_sender_room(struct weir__otlp_sender *s, struct weir__otlp_bytes *bytes)
{
	pthread_mutex_lock(&s->lock);
	*bytes = s->spare;
	s->spare = (struct weir__otlp_bytes){0};
	pthread_mutex_unlock(&s->lock);
}

/* What goes at once may have room left; of what waits only its bytes are counted, so that it has no more than these. */
static struct weir__otlp_request *request_of(struct weir__otlp_sender *s, enum weir__otlp_signal signal,
                                             struct weir__otlp_bytes *bytes, uint64_t items)
{
	size_t len = weir__otlp_used(bytes);
	struct weir__otlp_request *r = weir__otlp_request_new(signal, bytes->start, len, items);
	uint8_t *exact = NULL;
	bool waits;

	if (r == NULL)
		return NULL;
	r->room = (size_t)(bytes->end - bytes->start);
	*bytes = (struct weir__otlp_bytes){0};
	pthread_mutex_lock(&s->lock);
	waits = s->queue[signal].first != NULL;
	pthread_mutex_unlock(&s->lock);
	if (waits && r->room > len)
		exact = realloc(r->bytes, len);
	if (exact != NULL) {
		r->bytes = exact;
		r->room = len;
	}
	return r;
}

/* With the lock held: what is pushed out, in a list by next. */
static struct weir__otlp_request *make_room(struct weir__otlp_sender *s, struct weir__otlp_queue *q, size_t len, uint64_t group)
{
	struct weir__otlp_request *out = NULL, *oldest;

	while (q->memory_bytes + len > s->memory_limit) {
		for (oldest = q->first; oldest != NULL && (oldest->busy || oldest->bytes == NULL); oldest = oldest->next)
			;
		if (oldest == NULL || oldest->group == group)
			break;
		weir__otlp_queue_remove(q, oldest); /* no loss for flush: what is newer contains it */
		s->counts.lost[WEIR__OTLP_LOST_LIMIT]++;
		oldest->next = out;
		out = oldest;
	}
	return out;
}

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * WEIR_S(1) + (uint64_t)t.tv_nsec;
}

static int refuse(struct weir__otlp_sender *s, enum weir__otlp_signal signal, struct weir__otlp_bytes *bytes, uint64_t items,
                  enum weir__otlp_loss why)
{
	weir__otlp_bytes_free(bytes);
	pthread_mutex_lock(&s->lock);
	s->losses++;
	s->counts.lost[why]++;
	pthread_mutex_unlock(&s->lock);
	weir__otlp_health_lost(signal, why, NULL, items, false);
	weir_private_log(WEIR_LOG_WARN, why == WEIR__OTLP_LOST_SIZE ? "otlp: a request is over 64 MiB, and is dropped"
	                                                            : "otlp: no memory for a request: it is dropped");
	return why == WEIR__OTLP_LOST_SIZE ? WEIR_ELIMIT : WEIR_ENOMEM;
}

int weir__otlp_sender_offer(struct weir__otlp_sender *s, enum weir__otlp_signal signal, struct weir__otlp_bytes *bytes,
                            uint64_t items, uint64_t group)
{
	struct weir__otlp_request *r, *out = NULL;
	size_t len = weir__otlp_used(bytes);

	if (len > WEIR__OTLP_RECORD_MOST)
		return refuse(s, signal, bytes, items, WEIR__OTLP_LOST_SIZE);
	if (len == 0 || !s->config->target[signal].on) { /* nothing, or for nobody */
		weir__otlp_bytes_free(bytes);
		return WEIR_OK;
	}
	r = request_of(s, signal, bytes, items);
	if (r == NULL)
		return refuse(s, signal, bytes, items, WEIR__OTLP_LOST_MEMORY);
	r->group = group;
	r->made_wall_ns = wall_ns();
	pthread_mutex_lock(&s->lock);
	if (group != 0)
		out = make_room(s, &s->queue[signal], len, group);
	r->order = ++s->order;
	weir__otlp_queue_put(&s->queue[signal], r);
	s->counts.taken[signal]++;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	weir__otlp_health_taken(signal, items);
	while (out != NULL) {
		struct weir__otlp_request *next = out->next;

		weir__otlp_health_lost(signal, WEIR__OTLP_LOST_LIMIT, NULL, out->items, true);
		weir_private_log(WEIR_LOG_WARN, "otlp: metrics that waited were dropped: newer ones came");
		pthread_mutex_lock(&s->lock); /* its file is the thread's to delete */
		out->next = s->discarded;
		s->discarded = out;
		pthread_mutex_unlock(&s->lock);
		out = next;
	}
	return WEIR_OK;
}

/* With the lock held. */
static bool is_any_left(const struct weir__otlp_sender *s, uint64_t last)
{
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++)
		if (s->queue[i].first != NULL && s->queue[i].first->order <= last)
			return true;
	return false;
}

int weir__otlp_sender_flush(struct weir__otlp_sender *s, uint64_t timeout_ns)
{
	uint64_t now = weir_private_clock_ns(), until = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
	uint64_t last;
	int result = WEIR_OK;

	pthread_mutex_lock(&s->lock);
	last = s->order;
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++)
		for (struct weir__otlp_request *r = s->queue[i].first; r != NULL; r = r->next)
			if (!r->told && !r->busy)
				r->due_ns = 0;
	pthread_cond_signal(&s->work);
	while (is_any_left(s, last) && result == WEIR_OK)
		if (!weir__otlp_sender_wait(s, &s->changed, until) && is_any_left(s, last))
			result = WEIR_ETIMEOUT;
	if (result == WEIR_OK && s->losses != s->losses_told) { /* also what was lost before it came to wait */
		result = WEIR_EIO;
		s->losses_told = s->losses;
	}
	pthread_mutex_unlock(&s->lock);
	return result;
}

bool weir__otlp_sender_stop(struct weir__otlp_sender *s, uint64_t timeout_ns)
{
	bool ended;

	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	ended = weir_private_thread_join(s->thread, timeout_ns);
	weir__otlp_sender_let_go(s);
	return ended;
}

void weir__otlp_sender_counts(struct weir__otlp_sender *s, struct weir__otlp_counts *counts)
{
	pthread_mutex_lock(&s->lock);
	*counts = s->counts;
	counts->memory_bytes = counts->stored_bytes = 0;
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++) {
		counts->waiting[i] = s->queue[i].count;
		counts->memory_bytes += s->queue[i].memory_bytes;
		counts->stored_bytes += s->queue[i].stored_bytes;
	}
	pthread_mutex_unlock(&s->lock);
}
