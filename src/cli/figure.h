/* weir, the command: numbers as people read them at a glance: three digits or so, with what they are. Pure.
 *
 * Invariant: out has FIGURE_MOST bytes; no text is wider than FIGURE_WIDE columns; NAN is "-"; no locale. */
#ifndef WEIR_CLI_FIGURE_H
#define WEIR_CLI_FIGURE_H

#include <stdint.h>

enum { FIGURE_MOST = 24, FIGURE_WIDE = 8 };

/* 0, 0.25, 12.3, 1234, 56.7k, 1.23M */
void figure_number(char *out, double v);
/* 850ns, 12.3us, 1.23ms, 4.56s */
void figure_seconds(char *out, double s);
/* 12.3K, 1.23M: of 1024 */
void figure_bytes(char *out, double bytes);
/* A share of 1: 0%, 0.12%, 99.9%, >99.99%, 100%; never 0% or 100% of what is not */
void figure_share(char *out, double share);
/* 12s, 3m12s, 5h3m, 2d4h */
void figure_age(char *out, uint64_t s);

#endif
