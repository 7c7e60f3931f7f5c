/* weir, the command: numbers as text, byte for byte as weir's exporters write them. Pure.
 *
 * Invariant: out has NUMBER_MOST bytes, or one less behind a sign, the NUL included; no locale. */
#ifndef WEIR_CLI_NUMBER_H
#define WEIR_CLI_NUMBER_H

#include <stdint.h>

enum { NUMBER_MOST = 64 };

/* v / 10^digits, exactly: 12, 0.0005 */
void number_decimal(char *out, uint64_t v, unsigned digits);
/* The same as OpenMetrics' bounds are: 0.005, 1.0, 1e+06 */
void number_canonical(char *out, uint64_t v, unsigned digits);
/* The shortest that reads back; NaN, +Inf, -Inf */
void number_double(char *out, double v);

#endif
