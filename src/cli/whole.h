/* weir, the command: files and standard input read whole, and files written whole.
 *
 * Invariant: a file that is written is there with all its bytes, or as it was before. What was read is wiped when it is let go. */
#ifndef WEIR_CLI_WHOLE_H
#define WEIR_CLI_WHOLE_H

#include <stdbool.h>
#include <stddef.h>

struct whole { /* ends in a NUL that does not count */
	char *bytes;
	size_t len;
};

/* path "-": standard input. False: it has complained. limit: of its bytes. */
bool whole_read(struct whole *whole, const char *who, const char *path, size_t limit);
/* Nothing is said where there is no such file: whole is empty then, with bytes NULL. */
bool whole_read_if_there(struct whole *whole, const char *who, const char *path, size_t limit);
void whole_free(struct whole *whole);

enum write_how {
	WRITE_NEW,     /* a file that is there is not touched, and is an error */
	WRITE_REPLACE, /* who has the old one open keeps it; its permissions stay as they are */
};
/* mode: of a file that is new. */
bool whole_write(const char *who, const char *path, const char *bytes, size_t len, unsigned mode, enum write_how how);

#endif
