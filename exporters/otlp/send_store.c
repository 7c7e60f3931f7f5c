/* weir-otlp: a request between who offered it and its way: packed, stored, kept within the spool's bound, and fetched again.
 * See send_state.h. Layer: exporter, I/O (the spool's files). */
#define _GNU_SOURCE
#include "send_state.h"

#include "gzip.h"

#include <errno.h>
#include <string.h>

static void pack(struct weir__otlp_sender *s, struct weir__otlp_request *r)
{
	struct weir__otlp_bytes packed = {0};

	if (!s->config->target[r->signal].gzip || r->gzip)
		return;
	if (weir__otlp_gzip(&packed, r->bytes, r->len) != WEIR_OK) { /* no memory: it goes as it is */
		weir__otlp_bytes_free(&packed);
		return;
	}
	pthread_mutex_lock(&s->lock);
	weir__otlp_queue_replace(&s->queue[r->signal], r, packed.start, weir__otlp_used(&packed));
	r->gzip = true;
	pthread_mutex_unlock(&s->lock);
}

/* The oldest of both queues that has a file and that nobody is at. */
static struct weir__otlp_request *oldest_stored(const struct weir__otlp_sender *s)
{
	struct weir__otlp_request *found = NULL;

	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++)
		for (struct weir__otlp_request *r = s->queue[i].first; r != NULL; r = r->next)
			if (!r->busy && r->stored_bytes != 0) {
				if (found == NULL || r->order < found->order)
					found = r;
				break;
			}
	return found;
}

void weir__otlp_send_keep_to_bound(struct weir__otlp_sender *s)
{
	for (;;) {
		struct weir__otlp_request *r = NULL;
		uint64_t stored = 0;

		pthread_mutex_lock(&s->lock);
		for (int i = 0; i < WEIR__OTLP_SIGNALS; i++)
			stored += s->queue[i].stored_bytes;
		if (stored > s->config->spool_bytes)
			r = oldest_stored(s);
		if (r != NULL)
			r->busy = true;
		pthread_mutex_unlock(&s->lock);
		if (r == NULL)
			return;
		weir_private_log(WEIR_LOG_WARN, "otlp: the spool is at its bound: the oldest %s are dropped", weir__otlp_signal_name[r->signal]);
		weir__otlp_send_lose(s, r, WEIR__OTLP_LOST_LIMIT, NULL);
	}
}

static void store(struct weir__otlp_sender *s, struct weir__otlp_request *r)
{
	uint64_t size = 0;
	int error;

	if (!s->spooling)
		return;
	error = weir__otlp_spool_store(&s->spool, r, &size);
	if (error != 0) {
		weir_private_log(WEIR_LOG_ERROR, "otlp: the spool cannot be written: %s: %s wait in memory",
		                 error == ENOSPC || error == EDQUOT ? "it is full" : strerrordesc_np(error), weir__otlp_signal_name[r->signal]);
		return;
	}
	pthread_mutex_lock(&s->lock);
	weir__otlp_queue_store(&s->queue[r->signal], r, size);
	if (s->queue[r->signal].first != r) /* it is not next */
		weir__otlp_queue_replace(&s->queue[r->signal], r, NULL, 0);
	pthread_mutex_unlock(&s->lock);
}

/* True: there was one, and there may be more. */
bool weir__otlp_send_prepare(struct weir__otlp_sender *s, enum weir__otlp_signal signal)
{
	struct weir__otlp_request *r;
	uint64_t requests, bytes;

	pthread_mutex_lock(&s->lock);
	r = s->queue[signal].unprepared != 0 ? s->queue[signal].first : NULL;
	while (r != NULL && r->prepared)
		r = r->next;
	if (r != NULL)
		r->busy = true;
	pthread_mutex_unlock(&s->lock);
	if (r == NULL)
		return false;
	pack(s, r);
	store(s, r);
	pthread_mutex_lock(&s->lock);
	weir__otlp_queue_prepared(&s->queue[signal], r);
	r->busy = false;
	requests = s->queue[signal].count;
	bytes = s->queue[signal].memory_bytes + s->queue[signal].stored_bytes;
	pthread_mutex_unlock(&s->lock);
	weir__otlp_health_queue(signal, requests, bytes);
	if (s->spooling)
		weir__otlp_send_keep_to_bound(s);
	return true;
}

/* The bytes of one that is in the spool only. false: it cannot go now, or is gone. */
bool weir__otlp_send_fetch(struct weir__otlp_sender *s, struct weir__otlp_request *r)
{
	uint64_t aside = s->spool.set_aside;
	uint8_t *bytes;
	bool no_memory;
	uint64_t items = r->items;
	size_t len;

	if (r->bytes != NULL)
		return true;
	bytes = weir__otlp_spool_load(&s->spool, r, &len, &no_memory);
	weir__otlp_health_set_aside(s->spool.set_aside - aside);
	if (bytes == NULL && !no_memory) {
		weir__otlp_send_lose(s, r, WEIR__OTLP_LOST_SPOOL, NULL);
		return false;
	}
	pthread_mutex_lock(&s->lock);
	if (bytes != NULL) {
		weir__otlp_queue_replace(&s->queue[r->signal], r, bytes, len);
	} else {
		r->due_ns = weir_private_clock_ns() + WEIR_S(1);
		r->busy = false;
	}
	pthread_mutex_unlock(&s->lock);
	if (items == 0 && bytes != NULL) /* another process took it */
		weir__otlp_health_taken(r->signal, r->items);
	return bytes != NULL;
}

void weir__otlp_send_take_found(struct weir__otlp_sender *s)
{
	uint64_t aside = s->spool.set_aside;
	struct weir__otlp_request *r = weir__otlp_spool_found(&s->spool), *next;

	weir__otlp_health_set_aside(s->spool.set_aside - aside);
	pthread_mutex_lock(&s->lock);
	for (; r != NULL; r = next) {
		next = r->next;
		if (!s->config->target[r->signal].on) { /* for a process that sends it */
			weir__otlp_request_free(r);
			continue;
		}
		r->order = ++s->order;
		weir__otlp_queue_put(&s->queue[r->signal], r);
		s->counts.found++;
	}
	pthread_mutex_unlock(&s->lock);
	weir__otlp_send_keep_to_bound(s);
}

void weir__otlp_send_delete_discarded(struct weir__otlp_sender *s)
{
	struct weir__otlp_request *r, *next;

	pthread_mutex_lock(&s->lock);
	r = s->discarded;
	s->discarded = NULL;
	pthread_mutex_unlock(&s->lock);
	for (; r != NULL; r = next) {
		next = r->next;
		if (r->file[0] != '\0')
			weir__otlp_spool_delete(&s->spool, r->file);
		weir__otlp_request_free(r);
	}
}

