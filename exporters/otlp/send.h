/* weir-otlp: the sender: takes requests, keeps them in order within bounds, and delivers them on a thread of its own.
 *
 * Layer: exporter. Offering never waits for the network or the disk. One request a signal is on its way at a time; signals
 * do not wait for each other. Invariant: a request that was taken is delivered, dropped and counted, or in the spool.
 * Writers: who offers and the thread, under the sender's lock, which is never held in foreign code. */
#ifndef WEIR_OTLP_SEND_H
#define WEIR_OTLP_SEND_H

#include "config.h"
#include "health.h"
#include "wire.h"

struct weir__otlp_sender;

struct weir__otlp_counts { /* in requests, but where another unit is named */
	uint64_t taken[WEIR__OTLP_SIGNALS], delivered[WEIR__OTLP_SIGNALS], waiting[WEIR__OTLP_SIGNALS];
	uint64_t attempts, retries, rejected_items;
	uint64_t lost[WEIR__OTLP_LOSSES];
	uint64_t memory_bytes, stored_bytes, found;
};

/* config outlives the sender. Errors: WEIR_EIO (the spool; logged), WEIR_ENOMEM. */
int weir__otlp_sender_new(struct weir__otlp_sender **sender, const struct weir__otlp_config *config);
/* Whether the signal's queue is below its bound, or empty. */
bool weir__otlp_sender_has_room(struct weir__otlp_sender *sender, enum weir__otlp_signal signal);
/* Gives empty bytes the room of a request that was delivered, where there is one: its pages are there already. */
void weir__otlp_sender_room(struct weir__otlp_sender *sender, struct weir__otlp_bytes *bytes);
/* Takes what bytes hold over, whatever it returns, and leaves them empty; where the bound is met, the oldest of other groups go
 * first. group: 0 pushes nobody out. Errors: WEIR_ELIMIT (over 64 MiB), WEIR_ENOMEM; both counted. */
int weir__otlp_sender_offer(struct weir__otlp_sender *sender, enum weir__otlp_signal signal, struct weir__otlp_bytes *bytes,
                            uint64_t items, uint64_t group);
/* Until all that was taken by now has left (WEIR_OK), or the time is over (WEIR_ETIMEOUT). WEIR_EIO: some was lost since the
 * last flush that told so: each loss is told once. What waited to be tried again is tried now, but where the server named a time. */
int weir__otlp_sender_flush(struct weir__otlp_sender *sender, uint64_t timeout_ns);
/* Breaks off what is on its way; what is in memory only is lost and counted. Never waits for longer than timeout_ns: the thread
 * is then left behind, and frees what is its own. false: it was, and may yet look at config. */
bool weir__otlp_sender_stop(struct weir__otlp_sender *sender, uint64_t timeout_ns);
void weir__otlp_sender_counts(struct weir__otlp_sender *sender, struct weir__otlp_counts *counts);

#endif
