/* weir, the command: what a command is, how it ends, and how it complains.
 *
 * A command is a row in a table (main.c's, or jwt.c's below it) and a file. Invariant: what a user gave as a value is never
 * repeated in a complaint: it may be a token or a secret. */
#ifndef WEIR_CLI_COMMAND_H
#define WEIR_CLI_COMMAND_H

#include <stddef.h>

enum {
	EXIT_OK = 0,
	EXIT_REFUSED = 1, /* it failed, or what was asked about is no good */
	EXIT_USAGE = 2,   /* the command line is not understood, or a privilege is missing */
};

struct command {
	const char *name, *summary;
	int (*run)(int argc, char **argv); /* argv[0] is its name */
};

/* Runs the command that argv[1] names, or prints head and the table for --help. */
int command_dispatch(const char *who, const char *head, const struct command *table, size_t count, int argc, char **argv);

/* "WHO: ..." and a line's end on standard error; returns code. */
int complain(int code, const char *who, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* EXIT_OK, or EXIT_REFUSED where standard output could not be written. */
int command_end(const char *who);

#endif
