/* weir-otlp: a request as a file of the spool: its head, its name, and whether what is found is one.
 *
 * Layer: exporter, pure. Invariant: what weir__otlp_record_read takes is, bit by bit, what weir__otlp_record_head was made
 * for. Little-endian: "weirotlp", u32 version, u32 signal, u32 flags (1: gzip), u32 CRC-32 of the body, u64 its length, u64
 * items, u64 made (wall clock, ns), u32 CRC-32 of all that. No data. */
#ifndef WEIR_OTLP_RECORD_H
#define WEIR_OTLP_RECORD_H

#include "config.h"

enum { WEIR__OTLP_RECORD_HEAD = 52, WEIR__OTLP_RECORD_NAME = 48 };
#define WEIR__OTLP_RECORD_MOST WEIR_MIB(64)

struct weir__otlp_record {
	enum weir__otlp_signal signal;
	bool gzip;
	uint64_t items, made_wall_ns;
	const uint8_t *body;
	size_t len;
};

void weir__otlp_record_head(uint8_t head[WEIR__OTLP_RECORD_HEAD], const struct weir__otlp_record *record);
/* body points into bytes. false: it is none, or not whole. */
/* items, of a head alone; 0: it is none. */
uint64_t weir__otlp_record_items(const uint8_t head[WEIR__OTLP_RECORD_HEAD]);
bool weir__otlp_record_read(struct weir__otlp_record *record, const uint8_t *bytes, size_t len);

/* made-number.signal: sorted by name they are in order, also over processes. */
void weir__otlp_record_name(char name[WEIR__OTLP_RECORD_NAME], uint64_t made_wall_ns, uint32_t number, enum weir__otlp_signal signal);
bool weir__otlp_record_parse_name(const char *name, uint64_t *made_wall_ns, uint32_t *number, enum weir__otlp_signal *signal);

#endif
