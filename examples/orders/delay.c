/* orders: sleeping connections, a heap by the time they wake. See delay.h.
 *
 * Invariant: a connection is in the heap, or resumed. Writer of the heap: who holds the lock; MHD is never called under it. */
#define _GNU_SOURCE
#include "delay.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct sleeper {
	uint64_t due_ns;
	struct MHD_Connection *connection;
};

struct delay {
	pthread_mutex_t lock;
	pthread_cond_t news;
	pthread_t thread;
	bool stopping;
	struct sleeper *heap; /* heap[0] wakes first */
	size_t count, room;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static bool push(struct delay *d, struct sleeper s)
{
	size_t i = d->count;

	if (d->count == d->room) {
		size_t room = d->room > 0 ? 2 * d->room : 64;
		struct sleeper *heap = realloc(d->heap, room * sizeof *heap);

		if (heap == NULL)
			return false;
		d->heap = heap;
		d->room = room;
	}
	for (d->count++; i > 0 && d->heap[(i - 1) / 2].due_ns > s.due_ns; i = (i - 1) / 2)
		d->heap[i] = d->heap[(i - 1) / 2];
	d->heap[i] = s;
	return true;
}

static struct sleeper pop(struct delay *d)
{
	struct sleeper first = d->heap[0], last = d->heap[--d->count];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < d->count && d->heap[child + 1].due_ns < d->heap[child].due_ns)
			child++;
		if (child >= d->count || d->heap[child].due_ns >= last.due_ns)
			break;
		d->heap[i] = d->heap[child];
		i = child;
	}
	d->heap[i] = last;
	return first;
}

static void *run(void *arg)
{
	struct delay *d = arg;

	pthread_mutex_lock(&d->lock);
	while (!d->stopping || d->count > 0) {
		if (d->count == 0) {
			pthread_cond_wait(&d->news, &d->lock);
		} else if (!d->stopping && d->heap[0].due_ns > now_ns()) {
			uint64_t due = d->heap[0].due_ns;
			struct timespec until = {.tv_sec = (time_t)(due / UINT64_C(1000000000)),
			                         .tv_nsec = (long)(due % UINT64_C(1000000000))};

			pthread_cond_timedwait(&d->news, &d->lock, &until);
		} else {
			struct sleeper s = pop(d);

			pthread_mutex_unlock(&d->lock);
			MHD_resume_connection(s.connection);
			pthread_mutex_lock(&d->lock);
		}
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

struct delay *delay_new(void)
{
	struct delay *d = calloc(1, sizeof *d);
	pthread_condattr_t attr;

	if (d == NULL)
		return NULL;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->news, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&d->thread, NULL, run, d) != 0) {
		d->stopping = true;
		delay_destroy(d);
		return NULL;
	}
	return d;
}

void delay_add(struct delay *d, struct MHD_Connection *connection, uint64_t delay_ns)
{
	struct sleeper s = {now_ns() + delay_ns, connection};
	bool taken;

	pthread_mutex_lock(&d->lock);
	taken = !d->stopping && push(d, s);
	if (taken && d->heap[0].connection == connection)
		pthread_cond_signal(&d->news);
	pthread_mutex_unlock(&d->lock);
	if (!taken)
		MHD_resume_connection(connection);
}

void delay_stop(struct delay *d)
{
	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	pthread_cond_signal(&d->news);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
}

void delay_destroy(struct delay *d)
{
	pthread_cond_destroy(&d->news);
	pthread_mutex_destroy(&d->lock);
	free(d->heap);
	free(d);
}
