/* weir, the command: texts of strangers, as they may be put into JSON, into Prometheus' format and on a terminal.
 *
 * Invariant: what is put is valid UTF-8, whatever came in: a byte that is none becomes U+FFFD. */
#ifndef WEIR_CLI_TEXT_H
#define WEIR_CLI_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* The bytes of the character at s, of at most left; 0: there is none. */
size_t text_character(const char *s, size_t left);

/* In quotes; control characters, DEL and C1 too, as \uNNNN. */
void text_json(FILE *out, const char *s, size_t len);
/* Backslash, line's end and, where quoted is set, quotes are escaped. */
void text_prom(FILE *out, const char *s, size_t len, int quoted);
/* What moves a terminal becomes \xNN, where a character of its own would be. */
void text_plain(FILE *out, const char *s, size_t len);

#endif
