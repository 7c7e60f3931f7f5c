/* weir-otlp: what was sent of each series, from which deltas are made.
 *
 * Layer: exporter, pure. Invariant: deltas are from the last committed value, so that a request that was not accepted is
 * contained in the next one; no recorded value is sent twice or left out. Writer: the one thread that encodes. */
#ifndef WEIR_OTLP_DELTA_H
#define WEIR_OTLP_DELTA_H

#include <weir/otlp.h>

struct weir__otlp_delta;

/* WEIR_OTLP_DELTA: counters, observed ones too, and histograms; WEIR_OTLP_LOWMEMORY: those that are recorded, not the
 * observed. NULL: no memory. */
struct weir__otlp_delta *weir__otlp_delta_new(enum weir_otlp_temporality temporality);
void weir__otlp_delta_free(struct weir__otlp_delta *delta);
/* What was encoded since the last commit or rollback was accepted (sent, or in the spool), or was not. */
void weir__otlp_delta_commit(struct weir__otlp_delta *delta);
void weir__otlp_delta_rollback(struct weir__otlp_delta *delta);

/* After a whole snapshot, with all of it committed or rolled back: recorded series that it did not show are forgotten. They have
 * retired; under the same labels another one may begin, later. */
void weir__otlp_delta_sweep(struct weir__otlp_delta *delta);

/* ---- for the encoder ----------------------------------------------------------------------------------------------- */

/* Whether series of that kind are sent as deltas; delta may be NULL. */
bool weir__otlp_is_delta(const struct weir__otlp_delta *delta, enum weir_kind kind);
/* Turns a series of such a kind into what was added since the last commit: count, real, sum and buckets (into memory of
 * delta's, until the next call); start_ns becomes the last commit's time, or stays the series' own where nothing of it was
 * sent. A series that began anew, or went back, counts from 0. time_ns: the snapshot's. False: no memory, and nothing has
 * changed. The same series again before the commit gives the same. */
bool weir__otlp_delta_take(struct weir__otlp_delta *delta, const struct weir_family *family, struct weir_series *series,
                           uint64_t time_ns);
/* What was taken since the mark is forgotten: it did not find room in this piece. */
struct weir__otlp_taken;
struct weir__otlp_taken *weir__otlp_delta_mark(const struct weir__otlp_delta *delta);
void weir__otlp_delta_cut(struct weir__otlp_delta *delta, struct weir__otlp_taken *mark);

#endif
