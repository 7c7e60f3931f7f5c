/* weir-otlp: what became of what was exported, as instruments of weir's own: otel.sdk.exporter.* where the semantic
 * conventions have a name, weir_otlp_* where not.
 *
 * Layer: exporter. Invariant: each span and data point that was taken is counted once: delivered, or dropped with a reason.
 * Writers: any of weir's threads; before start they are harmless. */
#ifndef WEIR_OTLP_HEALTH_H
#define WEIR_OTLP_HEALTH_H

#include "config.h"

enum weir__otlp_loss {
	WEIR__OTLP_LOST_LIMIT,    /* the queue's bound was met, and newer ones came */
	WEIR__OTLP_LOST_AGE,      /* it waited for too long */
	WEIR__OTLP_LOST_REFUSED,  /* the server's answer is final */
	WEIR__OTLP_LOST_REJECTED, /* partial success */
	WEIR__OTLP_LOST_SIZE,     /* over 64 MiB */
	WEIR__OTLP_LOST_MEMORY,
	WEIR__OTLP_LOST_SPOOL,    /* its file was damaged */
	WEIR__OTLP_LOST_SHUTDOWN, /* it was in memory when the exporter stopped */
	WEIR__OTLP_LOSSES
};

/* Makes the instruments; what cannot be had counts nothing. */
void weir__otlp_health_start(const struct weir__otlp_config *config);
void weir__otlp_health_taken(enum weir__otlp_signal signal, uint64_t items);
void weir__otlp_health_delivered(enum weir__otlp_signal signal, uint64_t items);
/* error: as error.type has it. taken: it was counted as taken. */
void weir__otlp_health_lost(enum weir__otlp_signal signal, enum weir__otlp_loss why, const char *error, uint64_t items, bool taken);
/* At the end of an operation, all its attempts and what was between. */
void weir__otlp_health_took(enum weir__otlp_signal signal, uint64_t ns, long status, const char *error);
void weir__otlp_health_retried(enum weir__otlp_signal signal);
void weir__otlp_health_queue(enum weir__otlp_signal signal, uint64_t requests, uint64_t bytes);
void weir__otlp_health_set_aside(uint64_t files);

#endif
