/* L0: memory of weir's own, for what lives as long as the process: names, series, tables. Bumped out of mapped pages, never
 * freed, zeroed. Invariant: called with the core lock held; nothing here calls malloc. */
#ifndef WEIR_PAGES_H
#define WEIR_PAGES_H

#include <stddef.h>
#include <stdint.h>

void *weir__pages_take(size_t bytes); /* 8-aligned, zeroed; NULL where memory is at its end */
char *weir__pages_text(const char *text, size_t len);
uint64_t weir__pages_bytes(void); /* mapped so far. Any thread */

#endif
