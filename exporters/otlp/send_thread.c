/* weir-otlp: the sender's thread. See send.h. Layer: exporter, I/O.
 *
 * Each turn: what was taken is packed and stored, what is due goes on its way, and what came back is judged. It sleeps on a
 * condition while nothing is on its way; else on libcurl's sockets, outside the gate, for 20 ms at most: whatever else comes
 * meanwhile waits for so long. Invariant: the lock is never held behind the gate, nor the other way round. */
#define _GNU_SOURCE
#include "send_state.h"

#include "inside.h"

#include <string.h>
#include <sys/select.h>

enum { POLL_MS = 20 };

static void begin(struct weir__otlp_sender *s, struct weir__otlp_request *r)
{
	bool begun;

	if (!weir__otlp_send_fetch(s, r))
		return;
	if (r->attempts++ == 0)
		r->begun_ns = weir_private_clock_ns();
	weir__otlp_enter();
	begun = weir__otlp_transfer_begin(&s->transfer[r->signal], s->multi, r->bytes, r->len, r->gzip);
	weir__otlp_leave();
	pthread_mutex_lock(&s->lock);
	s->counts.attempts++;
	if (begun) {
		s->on_way[r->signal] = r;
	} else {
		r->due_ns = weir_private_clock_ns() + WEIR_S(1);
		r->busy = false;
	}
	pthread_mutex_unlock(&s->lock);
}

/* What waited for too long goes; what is due begins. Gives when there is something to do again, with nothing on its way. */
static uint64_t look_at(struct weir__otlp_sender *s, enum weir__otlp_signal signal)
{
	uint64_t now = weir_private_clock_ns(), wall = weir__otlp_wall_ns(), next = UINT64_MAX;

	while (s->on_way[signal] == NULL) {
		struct weir__otlp_request *r;
		bool old = false;

		pthread_mutex_lock(&s->lock);
		r = s->queue[signal].first;
		if (r != NULL && wall > r->made_wall_ns && wall - r->made_wall_ns > s->config->spool_age_ns)
			old = true;
		else if (r != NULL && r->due_ns > now)
			next = r->due_ns;
		if (r == NULL || next != UINT64_MAX) {
			pthread_mutex_unlock(&s->lock);
			break;
		}
		r->busy = true;
		pthread_mutex_unlock(&s->lock);
		if (old) {
			weir_private_log(WEIR_LOG_WARN, "otlp: %s waited for too long, and are dropped", weir__otlp_signal_name[signal]);
			weir__otlp_send_lose(s, r, WEIR__OTLP_LOST_AGE, NULL);
			continue;
		}
		begin(s, r); /* or it is gone, or has another time */
	}
	return next;
}

/* A turn of libcurl, behind the gate; what it says to wait for is left in fds. */
struct turn {
	CURLcode code[WEIR__OTLP_SIGNALS];
	struct weir__otlp_result result[WEIR__OTLP_SIGNALS];
	bool ended[WEIR__OTLP_SIGNALS];
	fd_set in, out, bad;
	int top;
	long timeout_ms;
};

static void turn(struct weir__otlp_sender *s, struct turn *t)
{
	CURLMsg *message;
	int running, left;

	memset(t->ended, 0, sizeof t->ended);
	FD_ZERO(&t->in);
	FD_ZERO(&t->out);
	FD_ZERO(&t->bad);
	t->top = -1;
	t->timeout_ms = -1;
	weir__otlp_enter();
	curl_multi_perform(s->multi, &running);
	while ((message = curl_multi_info_read(s->multi, &left)) != NULL)
		for (int i = 0; i < WEIR__OTLP_SIGNALS; i++)
			if (message->msg == CURLMSG_DONE && message->easy_handle == s->transfer[i].easy) {
				t->ended[i] = true;
				t->code[i] = message->data.result;
			}
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++) /* after the messages: this is where they lie */
		if (t->ended[i])
			weir__otlp_transfer_end(&s->transfer[i], s->multi, t->code[i], &t->result[i]);
	curl_multi_fdset(s->multi, &t->in, &t->out, &t->bad, &t->top);
	curl_multi_timeout(s->multi, &t->timeout_ms);
	weir__otlp_leave();
}

static void drive(struct weir__otlp_sender *s)
{
	long ms = POLL_MS;
	bool any = false;
	struct timespec pause;
	struct turn t;

	turn(s, &t);
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++) {
		struct weir__otlp_request *r = s->on_way[i];

		if (r == NULL || !t.ended[i])
			continue;
		s->on_way[i] = NULL;
		weir__otlp_send_judge(s, r, &t.result[i]);
		any = true;
	}
	if (any) /* the next may go at once */
		return;
	if (t.timeout_ms >= 0 && t.timeout_ms < ms)
		ms = t.timeout_ms;
	pause = (struct timespec){0, ms * 1000000L};
	pselect(t.top + 1, &t.in, &t.out, &t.bad, &pause, NULL);
}

/* ---- the thread's life ------------------------------------------------------------------------------------------- */

static int open_all(struct weir__otlp_sender *s)
{
	char why[WEIR__OTLP_SPOOL_WHY];
	bool ok;

	if (s->config->spool_dir != NULL) {
		if (weir__otlp_spool_open(&s->spool, s->config->spool_dir, why) != WEIR_OK) {
			weir_private_log(WEIR_LOG_ERROR, "otlp: the spool's directory %.200s cannot be used: %s", s->config->spool_dir, why);
			return WEIR_EIO;
		}
		s->spooling = true;
	}
	weir__otlp_enter();
	s->multi = curl_multi_init();
	ok = s->multi != NULL;
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++)
		ok = ok && (!s->config->target[i].on || weir__otlp_transfer_open(&s->transfer[i], &s->config->target[i]));
	weir__otlp_leave();
	if (!ok)
		weir_private_log(WEIR_LOG_ERROR, "otlp: libcurl cannot be set up");
	return ok ? WEIR_OK : WEIR_ENOMEM;
}

static void close_all(struct weir__otlp_sender *s)
{
	uint64_t left = 0;

	if (s->multi != NULL) {
		weir__otlp_enter();
		for (int i = 0; i < WEIR__OTLP_SIGNALS; i++)
			weir__otlp_transfer_close(&s->transfer[i], s->multi);
		curl_multi_cleanup(s->multi);
		weir__otlp_leave();
	}
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++) {
		struct weir__otlp_request *r;

		while ((r = s->queue[i].first) != NULL) {
			if (r->stored_bytes == 0) {
				weir__otlp_send_lose(s, r, WEIR__OTLP_LOST_SHUTDOWN, NULL);
				left++;
				continue;
			}
			pthread_mutex_lock(&s->lock);
			weir__otlp_queue_remove(&s->queue[i], r);
			pthread_mutex_unlock(&s->lock);
			weir__otlp_request_free(r);
		}
	}
	if (left != 0)
		weir_private_log(WEIR_LOG_WARN, "otlp: %llu requests were not delivered by the end", (unsigned long long)left);
	if (s->spooling)
		weir__otlp_spool_close(&s->spool);
}

/* With the lock held: whether something came that no turn has seen. */
static bool is_work(const struct weir__otlp_sender *s)
{
	if (s->stopping || s->discarded != NULL)
		return true;
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++)
		if (s->queue[i].unprepared != 0 || (s->queue[i].first != NULL && s->queue[i].first->due_ns == 0))
			return true;
	return false;
}

static void work(struct weir__otlp_sender *s)
{
	uint64_t next = UINT64_MAX;

	weir__otlp_send_delete_discarded(s);
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++) {
		enum weir__otlp_signal signal = (enum weir__otlp_signal)i;
		uint64_t due;

		weir__otlp_send_prepare(s, signal);
		due = look_at(s, signal);
		if (due < next)
			next = due;
	}
	for (int i = 0; i < WEIR__OTLP_SIGNALS; i++)
		if (s->on_way[i] != NULL) {
			drive(s);
			return;
		}
	pthread_mutex_lock(&s->lock);
	if (!is_work(s))
		weir__otlp_sender_wait(s, &s->work, next);
	pthread_mutex_unlock(&s->lock);
}

void weir__otlp_send_run(void *arg)
{
	struct weir__otlp_sender *s = arg;
	int error = open_all(s);
	bool stopping = error != WEIR_OK;

	if (s->spooling && !stopping)
		weir__otlp_send_take_found(s);
	pthread_mutex_lock(&s->lock);
	s->ready = true;
	s->error = error;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	while (!stopping) {
		work(s);
		pthread_mutex_lock(&s->lock);
		stopping = s->stopping;
		pthread_mutex_unlock(&s->lock);
	}
	weir__otlp_send_delete_discarded(s);
	close_all(s);
	weir__otlp_sender_let_go(s);
}
