/* weir-prometheus: bytes through zlib into a gzip stream, piece by piece.
 *
 * Layer: exporter. Invariant: the gate is held while inside zlib, and only then. Writer: the one thread that
 * encodes. */
#ifndef WEIR_PROM_GZIP_H
#define WEIR_PROM_GZIP_H

#include "out.h"

struct weir__gzip;
/* NULL: no memory. to is a grown one, and receives the stream. */
struct weir__gzip *weir__gzip_new(struct weir__out *to);
int weir__gzip_write(void *gzip, const void *bytes, size_t len); /* a weir_write_fn */
/* Ends the stream, and frees. WEIR_OK, or WEIR_ENOMEM. */
int weir__gzip_end(struct weir__gzip *gzip);

#endif
