/* orders: the gateway's HTTP client. See client.h.
 *
 * Each thread has a multi handle, and with it connections of its own; calls go round. Invariant: a call is in a queue, with a
 * job, or done. Writer of a queue: who holds its lock; of the jobs: their thread. */
#define _GNU_SOURCE
#include "client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECT_MS = 250, ANSWER_MS = 1000, POLL_MS = 1000, STOPPING_POLL_MS = 10, CONNECTIONS = 512 };

struct job {
	CURL *easy;
	struct call *call;
	struct job *next, **link; /* in its list: the idle ones, or those under way */
	struct curl_slist lines[CALL_HEADERS + 1];
	char url[160];
};

struct worker {
	struct client *client;
	CURLM *multi;
	struct job *idle, *busy;
	pthread_t thread;
	pthread_mutex_t lock;
	struct call *first, **last;
	uint64_t stop_ns; /* 0: not yet */
};

struct client {
	char store[96];
	_Atomic unsigned turn; /* relaxed: only spreads */
	unsigned count;
	struct worker workers[];
};

static char content_type[] = "Content-Type: application/json";

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* ---- jobs -------------------------------------------------------------------------------------------------------------- */
static void push(struct job **list, struct job *job)
{
	job->next = *list;
	job->link = list;
	if (job->next != NULL)
		job->next->link = &job->next;
	*list = job;
}

static void take_out(struct job *job)
{
	*job->link = job->next;
	if (job->next != NULL)
		job->next->link = job->link;
}

static size_t receive(char *data, size_t one, size_t size, void *arg)
{
	struct call *call = ((struct job *)arg)->call;

	(void)one;
	if (size > sizeof call->answer - call->answer_len)
		return 0; /* longer than an order's answer can be: libcurl ends the transfer with an error */
	memcpy(call->answer + call->answer_len, data, size);
	call->answer_len += size;
	return size;
}

static struct job *job_new(void)
{
	struct job *job = calloc(1, sizeof *job);

	if (job == NULL || (job->easy = curl_easy_init()) == NULL) {
		free(job);
		return NULL;
	}
	curl_easy_setopt(job->easy, CURLOPT_PRIVATE, job);
	curl_easy_setopt(job->easy, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(job->easy, CURLOPT_WRITEDATA, job);
	curl_easy_setopt(job->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(job->easy, CURLOPT_PROXY, ""); /* a store stands behind no proxy, whatever the environment says */
	curl_easy_setopt(job->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(job->easy, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
	return job;
}

static const char *failure_text(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT: return "connection_refused";
	case CURLE_COULDNT_RESOLVE_HOST: return "name_not_resolved";
	case CURLE_OPERATION_TIMEDOUT: return "timeout";
	case CURLE_WRITE_ERROR: return "answer_too_long";
	default: return "connection_lost";
	}
}

static void finish(struct call *call, const char *failure)
{
	call->failure = failure;
	call->done(call);
}

static void start(struct worker *w, struct call *call)
{
	struct job *job = w->idle;
	size_t lines = 0;

	if (job != NULL)
		take_out(job);
	else
		job = job_new();
	if (job == NULL) {
		finish(call, "no_memory");
		return;
	}
	job->call = call;
	for (; lines < call->headers_count; lines++)
		job->lines[lines].data = call->text + (call->headers[lines] - call->text);
	if (call->post)
		job->lines[lines++].data = content_type;
	for (size_t i = 0; i < lines; i++)
		job->lines[i].next = i + 1 < lines ? &job->lines[i + 1] : NULL;
	snprintf(job->url, sizeof job->url, "%s%s", w->client->store, call->path);
	curl_easy_setopt(job->easy, CURLOPT_URL, job->url);
	curl_easy_setopt(job->easy, CURLOPT_HTTPHEADER, lines > 0 ? job->lines : NULL);
	if (call->post) {
		curl_easy_setopt(job->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(job->easy, CURLOPT_POSTFIELDSIZE, (long)call->body_len);
		curl_easy_setopt(job->easy, CURLOPT_POSTFIELDS, call->body);
	} else {
		curl_easy_setopt(job->easy, CURLOPT_HTTPGET, 1L);
	}
	push(&w->busy, job);
	curl_multi_add_handle(w->multi, job->easy);
}

static void end(struct worker *w, struct job *job, const char *failure)
{
	struct call *call = job->call;
	long status = 0;

	if (failure == NULL)
		curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(w->multi, job->easy);
	take_out(job);
	job->call = NULL;
	push(&w->idle, job);
	call->status = (int)status;
	finish(call, failure); /* last: the call is gone then */
}

/* ---- a thread ---------------------------------------------------------------------------------------------------------- */
static bool start_all(struct worker *w)
{
	struct call *call, *next;
	uint64_t stop_ns;

	pthread_mutex_lock(&w->lock);
	call = w->first;
	w->first = NULL;
	w->last = &w->first;
	stop_ns = w->stop_ns;
	pthread_mutex_unlock(&w->lock);
	for (; call != NULL; call = next) {
		next = call->next;
		start(w, call);
	}
	while (stop_ns != 0 && w->busy != NULL && now_ns() >= stop_ns)
		end(w, w->busy, "stopped");
	return stop_ns == 0;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	bool going = true;

	while ((going = start_all(w)) || w->busy != NULL) {
		CURLMsg *message;
		int n;

		curl_multi_perform(w->multi, &n);
		while ((message = curl_multi_info_read(w->multi, &n)) != NULL) {
			CURLcode code = message->data.result;
			void *job = NULL;

			if (message->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
			end(w, job, code == CURLE_OK ? NULL : failure_text(code));
		}
		curl_multi_poll(w->multi, NULL, 0, going ? POLL_MS : STOPPING_POLL_MS, NULL);
	}
	return NULL;
}

static bool worker_start(struct worker *w, struct client *client)
{
	w->client = client;
	w->last = &w->first;
	w->multi = curl_multi_init();
	if (w->multi == NULL)
		return false;
	curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
	pthread_mutex_init(&w->lock, NULL);
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		pthread_mutex_destroy(&w->lock);
		curl_multi_cleanup(w->multi);
		return false;
	}
	pthread_setname_np(w->thread, "orders-client");
	return true;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------- */
struct client *client_new(const struct address *store, unsigned threads)
{
	struct client *client = calloc(1, sizeof *client + threads * sizeof client->workers[0]);
	bool bracket = strchr(store->host, ':') != NULL;

	if (client != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
		snprintf(client->store, sizeof client->store, "http://%s%s%s:%u", bracket ? "[" : "", store->host,
		         bracket ? "]" : "", store->port);
		while (client->count < threads && worker_start(&client->workers[client->count], client))
			client->count++;
		if (client->count == threads)
			return client;
		client_stop(client, 0);
		client_destroy(client);
	} else {
		free(client);
	}
	fputs("orders: the HTTP client does not start\n", stderr);
	return NULL;
}

void client_call(struct client *client, struct call *call)
{
	struct worker *w = &client->workers[atomic_fetch_add_explicit(&client->turn, 1, memory_order_relaxed) % client->count];
	bool taken;

	call->next = NULL;
	pthread_mutex_lock(&w->lock);
	taken = w->stop_ns == 0;
	if (taken) {
		*w->last = call;
		w->last = &call->next;
	}
	pthread_mutex_unlock(&w->lock);
	if (taken)
		curl_multi_wakeup(w->multi);
	else
		finish(call, "stopped");
}

void client_stop(struct client *client, uint64_t grace_ns)
{
	uint64_t stop_ns = now_ns() + grace_ns;

	for (unsigned i = 0; i < client->count; i++) {
		pthread_mutex_lock(&client->workers[i].lock);
		client->workers[i].stop_ns = stop_ns;
		pthread_mutex_unlock(&client->workers[i].lock);
		curl_multi_wakeup(client->workers[i].multi);
	}
	for (unsigned i = 0; i < client->count; i++)
		pthread_join(client->workers[i].thread, NULL);
}

void client_destroy(struct client *client)
{
	for (unsigned i = 0; i < client->count; i++) {
		struct worker *w = &client->workers[i];

		while (w->idle != NULL) {
			struct job *job = w->idle;

			take_out(job);
			curl_easy_cleanup(job->easy);
			free(job);
		}
		curl_multi_cleanup(w->multi);
		pthread_mutex_destroy(&w->lock);
	}
	free(client);
	curl_global_cleanup();
}
