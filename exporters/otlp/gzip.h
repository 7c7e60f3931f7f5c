/* weir-otlp: bytes through zlib into a gzip stream.
 *
 * Layer: exporter. Invariant: the gate is held while inside zlib, and only then, for a piece of 64 KiB at most. Writer: the
 * one thread that encodes. */
#ifndef WEIR_OTLP_GZIP_H
#define WEIR_OTLP_GZIP_H

#include "wire.h"

/* Appends the stream to what to holds. WEIR_OK, or WEIR_ENOMEM: to then holds what it held. */
int weir__otlp_gzip(struct weir__otlp_bytes *to, const void *bytes, size_t len);

#endif
