/* weir, the command: times as people write and read them. Pure. */
#ifndef WEIR_CLI_DURATION_H
#define WEIR_CLI_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "90", "90s", "5m", "2h", "7d", and with a minus before it; whole seconds, 100 years at most. */
bool duration_parse(const char *text, int64_t *seconds);

/* "2026-11-27T09:00:00Z, in 4 m 48 s", "..., 2 h 5 m ago"; size: 96 is always enough. */
void duration_date(char *out, size_t size, int64_t at, int64_t now);

#endif
