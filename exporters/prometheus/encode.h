/* weir-prometheus: a snapshot as text 0.0.4, text 1.0.0, OpenMetrics 1.0.0, or delimited protobuf.
 *
 * Layer: exporter, pure: snapshot in, bytes out, no I/O. Invariant: the bytes depend on nothing but the snapshot and
 * the variant; each family stands once, its lines together; whatever label values, help texts and attributes hold,
 * it parses. */
#ifndef WEIR_PROM_ENCODE_H
#define WEIR_PROM_ENCODE_H

#include "negotiate.h"
#include "out.h"

#include <weir/snapshot.h>

/* Errors: WEIR_ENOMEM, and what out reports. */
int weir__prom_encode(const struct weir_snapshot *snapshot, struct weir__prom_variant variant, struct weir__out *out);

#endif
