/* weir-prometheus: which format answers an Accept header, and whether gzip answers an Accept-Encoding.
 *
 * Layer: exporter, pure: no I/O, no allocation. Invariant: what is chosen is of the list below, whatever the headers
 * hold; nothing of a header is ever sent back. Sources: RFC 9110, 12.4 and 12.5; Prometheus, "Scrape protocol
 * content negotiation". */
#ifndef WEIR_PROM_NEGOTIATE_H
#define WEIR_PROM_NEGOTIATE_H

#include "name.h"

enum weir__prom_format {
	WEIR__TEXT_0_0_4,
	WEIR__TEXT_1_0_0, /* as 0.0.4, with a scheme for names; quoted names in UTF8 */
	WEIR__OPENMETRICS_1_0_0,
	WEIR__PROTOBUF, /* delimited io.prometheus.client.MetricFamily */
	WEIR__PROM_FORMATS,
};

/* One representation: a format, and the scheme that was asked for, if any was. */
struct weir__prom_variant {
	uint8_t format; /* enum weir__prom_format */
	uint8_t escaping; /* enum weir__prom_escaping */
	bool stated; /* the scheme was asked for, and stands in the answer's Content-Type */
};
enum { WEIR__PROM_VARIANTS = WEIR__PROM_FORMATS * 5 };

/* The best variant by q, then by how closely the header names it, then by its order in the header, then text 0.0.4
 * first. NULL, or a header without any range: text 0.0.4. False: the header takes none (406); *out is then text
 * 0.0.4. */
bool weir__prom_negotiate(struct weir__prom_variant *out, const char *accept, size_t len);
/* 0 to WEIR__PROM_VARIANTS - 1, one for each. */
unsigned weir__prom_variant_index(struct weir__prom_variant variant);
const char *weir__prom_content_type(struct weir__prom_variant variant);

enum weir__prom_coding {
	WEIR__IDENTITY,
	WEIR__GZIP,
	WEIR__NO_CODING, /* neither is taken: 406 */
};
enum weir__prom_coding weir__prom_negotiate_coding(const char *accept_encoding, size_t len);

#endif
