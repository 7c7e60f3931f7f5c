/* weir-otlp: what becomes of a request: what its server's answer says, and its end. See send_state.h. Layer: exporter. */
#define _GNU_SOURCE
#include "send_state.h"

#include "response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

const char *const weir__otlp_signal_name[WEIR__OTLP_SIGNALS] = {"traces", "metrics"};

uint64_t weir__otlp_wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * WEIR_S(1) + (uint64_t)t.tv_nsec;
}

static uint32_t any_number(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof n, GRND_NONBLOCK) != (ssize_t)sizeof n)
		n = (uint32_t)(weir_private_clock_ns() * 2654435761u);
	return n;
}

/* With the lock held: the next request's bytes come to where this one's lay. What is larger than most goes back. */
static void keep_room(struct weir__otlp_sender *s, struct weir__otlp_request *r)
{
	enum { SPARE_MOST = 1 << 20 };

	if (s->spare.start != NULL || r->bytes == NULL || r->room > SPARE_MOST)
		return;
	s->spare = (struct weir__otlp_bytes){.start = r->bytes, .at = r->bytes, .end = r->bytes + r->room};
	r->bytes = NULL;
}

/* Out of its queue, with its file. items_lost: of those it had, with the reason; all others are delivered. */
static void finish(struct weir__otlp_sender *s, struct weir__otlp_request *r, enum weir__otlp_loss why, const char *error,
                   uint64_t items_lost, bool whole)
{
	uint64_t requests, bytes;

	if (r->file[0] != '\0')
		weir__otlp_spool_delete(&s->spool, r->file);
	weir__otlp_health_lost(r->signal, why, error, items_lost, true); /* before who flushes goes on, and may look */
	if (!whole)
		weir__otlp_health_delivered(r->signal, r->items - items_lost);
	pthread_mutex_lock(&s->lock);
	weir__otlp_queue_remove(&s->queue[r->signal], r);
	keep_room(s, r);
	if (items_lost != 0 || whole)
		s->losses++;
	if (whole)
		s->counts.lost[why]++;
	else
		s->counts.delivered[r->signal]++;
	if (!whole)
		s->counts.rejected_items += items_lost;
	requests = s->queue[r->signal].count;
	bytes = s->queue[r->signal].memory_bytes + s->queue[r->signal].stored_bytes;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	weir__otlp_health_queue(r->signal, requests, bytes);
	weir__otlp_request_free(r);
}

void weir__otlp_send_lose(struct weir__otlp_sender *s, struct weir__otlp_request *r, enum weir__otlp_loss why, const char *error)
{
	if (r->items == 0 && r->file[0] != '\0') { /* found, and never read */
		r->items = weir__otlp_spool_items(&s->spool, r->file);
		weir__otlp_health_taken(r->signal, r->items);
	}
	finish(s, r, why, error, r->items, true);
}

static bool is_protobuf(const char *type)
{
	return type != NULL && strncasecmp(type, "application/x-protobuf", 22) == 0;
}

/* How many of the request's items were rejected. */
static uint64_t read_success(struct weir__otlp_sender *s, const struct weir__otlp_request *r, const struct weir__otlp_result *result)
{
	const struct weir__otlp_transfer *t = &s->transfer[r->signal];
	const char *to = s->config->target[r->signal].shown;
	struct weir__otlp_response response;

	if (t->len == 0)
		return 0;
	if (!is_protobuf(result->content_type)) {
		weir_private_log(WEIR_LOG_WARN, "otlp: %.200s took %s, but answers as no OTLP receiver does", to, weir__otlp_signal_name[r->signal]);
		return 0;
	}
	if (!weir__otlp_response_read(&response, t->body, t->len)) {
		weir_private_log(WEIR_LOG_WARN, "otlp: %.200s took %s, but its answer is no protobuf", to, weir__otlp_signal_name[r->signal]);
		return 0;
	}
	if (response.rejected != 0)
		weir_private_log(WEIR_LOG_WARN, "otlp: %.200s rejected some of the %s: %s", to, weir__otlp_signal_name[r->signal],
		                 response.message[0] != '\0' ? response.message : "it does not say why");
	else if (response.message[0] != '\0')
		weir_private_log(WEIR_LOG_WARN, "otlp: %.200s took the %s, and warns: %s", to, weir__otlp_signal_name[r->signal], response.message);
	return response.rejected < r->items ? response.rejected : r->items;
}

static void tell(struct weir__otlp_sender *s, const struct weir__otlp_request *r, const struct weir__otlp_result *result, bool again)
{
	const struct weir__otlp_transfer *t = &s->transfer[r->signal];
	const char *what = again ? "could not be sent, and will be tried again" : "were refused, and are dropped";
	const char *to = s->config->target[r->signal].shown;
	struct weir__otlp_response response = {0, ""};

	if (result->why[0] != '\0') {
		weir__otlp_response_text(&response, result->why, strlen(result->why));
		weir_private_log(WEIR_LOG_WARN, "otlp: %s to %.120s %s: %s", weir__otlp_signal_name[r->signal], to, what, response.message);
		return;
	}
	if (is_protobuf(result->content_type) && t->len != 0)
		weir__otlp_response_status(&response, t->body, t->len);
	weir_private_log(WEIR_LOG_WARN, "otlp: %s to %.120s %s: status %ld%s%s", weir__otlp_signal_name[r->signal], to, what, result->status,
	                 response.message[0] != '\0' ? ": " : "", response.message);
}

void weir__otlp_send_judge(struct weir__otlp_sender *s, struct weir__otlp_request *r, const struct weir__otlp_result *result)
{
	uint64_t now = weir_private_clock_ns();
	struct weir__otlp_attempt attempt = {.ended = result->ended, .status = result->status, .retry_after = result->retry_after,
	                                     .number = r->attempts, .now_ns = now, .wall_s = (int64_t)(weir__otlp_wall_ns() / WEIR_S(1)),
	                                     .random = any_number()};
	struct weir__otlp_verdict verdict = weir__otlp_retry(&attempt);

	if (verdict.what == WEIR__OTLP_RETRY) {
		tell(s, r, result, true);
		weir__otlp_health_retried(r->signal);
		pthread_mutex_lock(&s->lock);
		s->counts.retries++;
		r->due_ns = verdict.at_ns;
		r->told = verdict.told;
		r->busy = false;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->lock);
		return;
	}
	weir__otlp_health_took(r->signal, now - r->begun_ns, result->status, result->error);
	if (verdict.what == WEIR__OTLP_DROP) {
		tell(s, r, result, false);
		weir__otlp_send_lose(s, r, WEIR__OTLP_LOST_REFUSED, result->error);
		return;
	}
	finish(s, r, WEIR__OTLP_LOST_REJECTED, "rejected", read_success(s, r, result), false);
}

