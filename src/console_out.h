/* L5: texts on their way to standard error, oldest first, in bounded memory: a reader that does not read holds up nobody past a
 * deadline, and what finds no room, or nobody, is counted. Writer and reader: the console's turn, one at a time. */
#ifndef WEIR_CONSOLE_OUT_H
#define WEIR_CONSOLE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR__CONSOLE_OUT_BYTES (UINT64_C(4) << 20)

struct weir__console_out { /* zeroed at first */
	struct weir__console_block *first, **last;
	uint64_t bytes;
};
/* Takes the text, which was got by malloc, and is of so many spans; one write(2) for it, where it finds room. */
void weir__console_out_put(struct weir__console_out *out, char *text, size_t len, uint32_t spans);
/* Writes what is there. WEIR_OK: all; WEIR_ETIMEOUT: not by the deadline, and the rest stays; WEIR_EIO: nobody can ever read
 * it, and it is dropped and counted. */
int weir__console_out_run(struct weir__console_out *out, uint64_t deadline_ns);
void weir__console_out_drop(struct weir__console_out *out); /* what is there, counted */

#endif
