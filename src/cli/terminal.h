/* weir, the command: a terminal: it shows a screen, and tells what is pressed. The one file that knows curses.
 *
 * Invariant: from terminal_open until terminal_close the terminal is ours, and is given back as it was, whatever ends us but SIGKILL:
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT only make terminal_signal true; SIGTSTP gives it back, stops, and takes it again. Signals are
 * taken only while terminal_wait waits. Colours are the terminal's own, on its own background; none where NO_COLOR is set. */
#ifndef WEIR_CLI_TERMINAL_H
#define WEIR_CLI_TERMINAL_H

#include "keys.h"
#include "screen.h"

/* Whether both ends are a terminal that has addresses. Sets the locale's characters; *utf8: they are UTF-8. */
bool terminal_is_there(bool *utf8);
/* False: no memory, or it does not want. */
bool terminal_open(void);
void terminal_close(void);
void terminal_size(int *rows, int *cols);
void terminal_show(const struct screen *screen);
/* A key, or KEY_IS_NONE after so long, or after a signal. */
int terminal_wait(int ms);
/* The signal that is to end us; 0: none. */
int terminal_signal(void);
/* Ends as that signal would have; where it is ignored, with this code. To be called after terminal_close. */
int terminal_end(int code);

/* Where there is no terminal: waits, and is ended by signals as anybody. */
void terminal_sleep(int ms);

#endif
