/* weir-prometheus: how an instrument, a label and a text are called in Prometheus' formats: suffixes, escaping of
 * names that are not of the legacy alphabet, escaping of text.
 *
 * Layer: exporter, pure. Invariant: what is put is valid UTF-8, whatever came in; under every scheme but UTF8 a name
 * is of the legacy alphabet. Sources: Prometheus, "UTF-8 metric and label name escaping schemes"; text 0.0.4;
 * OpenMetrics 1.0.0. */
#ifndef WEIR_PROM_NAME_H
#define WEIR_PROM_NAME_H

#include "out.h"

#include <weir/snapshot.h>

enum weir__prom_escaping {
	WEIR__ESCAPE_UNDERSCORES, /* the default */
	WEIR__ESCAPE_DOTS,
	WEIR__ESCAPE_VALUES,
	WEIR__ESCAPE_UTF8,
};
enum weir__prom_text { /* what a backslash goes before, beside backslash and newline */
	               WEIR__TEXT_PLAIN,
	               WEIR__TEXT_QUOTED, /* also " */
	               WEIR__TEXT_RAW, /* nothing is escaped */
};

enum { WEIR__NAME_ROOM = 255 + 16 };

/* "seconds", "bytes", "ratio", or "". */
const char *weir__prom_unit(enum weir_unit unit);
/* The full name, in the instrument's own alphabet: the unit and _total of a counter (_info of an info) at its end,
 * once each. The length; out also ends in NUL. A longer name than an instrument can have is cut. */
size_t weir__prom_full_name(char out[WEIR__NAME_ROOM], const char *name, enum weir_kind kind, enum weir_unit unit);

/* Legacy: [a-zA-Z_:][a-zA-Z0-9_:]*, a label's without the colon. */
bool weir__prom_is_legacy(const char *name, size_t len, bool label);
/* Appends the name under a scheme, without quotes. A label's name does not begin with __, which Prometheus keeps for
 * itself: such a one is put behind "key". False: no room. */
bool weir__prom_put_name(struct weir__out *out, const char *name, size_t len, enum weir__prom_escaping escaping,
                         bool label);
/* The same, in quotes where the scheme is UTF8 and the name is not legacy. */
bool weir__prom_put_name_quoted(struct weir__out *out, const char *name, size_t len, enum weir__prom_escaping escaping,
                                bool label);
/* Appends text, escaped, with U+FFFD for every byte that is not UTF-8. */
bool weir__prom_put_text(struct weir__out *out, const char *text, size_t len, enum weir__prom_text how);

/* The character at s, of at most left bytes: its length, and its code point; 0 when it is none. */
size_t weir__prom_character(const char *s, size_t left, uint32_t *c);

#endif
