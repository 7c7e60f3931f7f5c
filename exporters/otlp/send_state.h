/* weir-otlp: the sender's state, shared by send.c (who offers and waits) and send_thread.c (who delivers).
 *
 * Layer: exporter. Invariant: what stands above the line is under lock; what stands below is the thread's. Two hold it, the
 * owner and the thread; the last frees it. */
#ifndef WEIR_OTLP_SEND_STATE_H
#define WEIR_OTLP_SEND_STATE_H

#include "queue.h"
#include "send.h"
#include "spool.h"
#include "transfer.h"

#include <weir/abi/private.h>

#include <pthread.h>

struct weir__otlp_sender {
	const struct weir__otlp_config *config;
	struct weir_private_thread *thread; /* the owner's */

	pthread_mutex_t lock;
	pthread_cond_t work;    /* for the thread: something came */
	pthread_cond_t changed; /* for who waits: something went, or the thread is ready. Both by CLOCK_MONOTONIC */
	struct weir__otlp_queue queue[WEIR__OTLP_SIGNALS];
	struct weir__otlp_bytes spare;        /* empty: the room of one that was delivered */
	struct weir__otlp_request *discarded; /* pushed out, their files yet to be deleted by the thread */
	uint64_t memory_limit;                /* of a signal */
	uint64_t order;                       /* of the last one taken */
	uint64_t losses, losses_told;         /* requests lost, wholly or in part; of those that a flush has told */
	struct weir__otlp_counts counts;
	bool ready, stopping;
	int error; /* at ready: why the thread ended at once */
	unsigned holders;

	/* ---- */
	struct weir__otlp_spool spool;
	bool spooling;
	CURLM *multi;
	struct weir__otlp_transfer transfer[WEIR__OTLP_SIGNALS];
	struct weir__otlp_request *on_way[WEIR__OTLP_SIGNALS];
};

/* The thread. arg: the sender. */
void weir__otlp_send_run(void *sender);
void weir__otlp_sender_let_go(struct weir__otlp_sender *sender);
/* Waits on a condition until a time of weir_private_clock_ns (UINT64_MAX: none), with the lock held; false: it is over. */
bool weir__otlp_sender_wait(struct weir__otlp_sender *sender, pthread_cond_t *condition, uint64_t until_ns);

/* send_judge.c: the thread's. Of a request that is busy: it is gone, with its file, or waits again. */
extern const char *const weir__otlp_signal_name[WEIR__OTLP_SIGNALS];
uint64_t weir__otlp_wall_ns(void);
void weir__otlp_send_judge(struct weir__otlp_sender *sender, struct weir__otlp_request *request, const struct weir__otlp_result *result);
void weir__otlp_send_lose(struct weir__otlp_sender *sender, struct weir__otlp_request *request, enum weir__otlp_loss why,
                          const char *error);

/* send_store.c: the thread's. prepare: true: there was one of the signal. fetch: false: it cannot go now, or is gone. */
bool weir__otlp_send_prepare(struct weir__otlp_sender *sender, enum weir__otlp_signal signal);
bool weir__otlp_send_fetch(struct weir__otlp_sender *sender, struct weir__otlp_request *request);
void weir__otlp_send_keep_to_bound(struct weir__otlp_sender *sender);
void weir__otlp_send_take_found(struct weir__otlp_sender *sender);
void weir__otlp_send_delete_discarded(struct weir__otlp_sender *sender);

#endif
